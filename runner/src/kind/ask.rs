//! One question of a job to its model: what is spent and waited for is said on, and the call ends
//! when the work is to end.

use sandbox_core::{Failure, FailureClass, Usage};
use serde_json::{Value, json};

use super::Work;
use crate::model::{Answer, Ask, Client, Said};

/// Asks for this work.
///
/// # Errors
/// As [`Client::ask`]; `AgentError` for an answer without text.
pub(super) async fn ask(work: &Work, question: &Ask<'_>) -> Result<Answer, Failure> {
    let client = Client::new(&work.settings)?;
    work.log.line(&format!("asks {}", question.model));
    let mut say = |said| match said {
        Said::Spent(usage) => work.spent(usage),
        Said::Waiting(why) => work.log.line(&why),
    };
    let answer = tokio::select! {
        answer = client.ask(question, *work.over_at.borrow(), &mut say) => answer?,
        () = work.stopped() => return Err(stopped()),
    };
    work.log.line(&format!(
        "{} answered {} tokens to {} for {} US dollars and stopped for {}",
        answer.model,
        answer.usage.output_tokens,
        answer.usage.input_tokens,
        answer.usage.usd,
        answer.stop
    ));
    if answer.text.trim().is_empty() {
        return Err(silent(&answer));
    }
    Ok(answer)
}

/// The call is dropped, and the connection with it; what ends the work has its own failure.
fn stopped() -> Failure {
    let text = "the model call was given up because the work is to end";
    Failure::new(FailureClass::Preempted, text)
}

fn silent(answer: &Answer) -> Failure {
    let remedy = match answer.stop.as_str() {
        "max_tokens" => "raise the job's max_tokens",
        "refusal" => "the model declined: change the prompt",
        _ => "change the prompt or the model",
    };
    let text = format!(
        "asked {}: the answer has no text (it stopped for {}); {remedy}",
        answer.model, answer.stop
    );
    Failure::new(FailureClass::AgentError, text)
}

/// The usage as results have it.
pub(super) fn usage(usage: &Usage) -> Value {
    json!({"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens})
}
