//! `claude_chat`: one prompt, one answer of a model. Reads and writes no file.

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    Brief, Failure, FailureClass,
    port::RecallQuery,
    spec::{ClaudeChatSpec, domain, project},
};
use serde_json::json;

use super::{
    Done, Kind, Work,
    ask::{ask, usage},
    echo::naive,
    lessons::{learned, with_lessons},
};
use crate::model::Ask;

/// The system prompt when the job brings none.
const SYSTEM: &str = "You are a helpful assistant. Answer clearly and to the point.";

/// The job type.
pub(super) struct ClaudeChat;

#[async_trait]
impl Kind for ClaudeChat {
    fn recall(&self, brief: &Brief) -> Option<RecallQuery> {
        let spec = brief.spec.claude_chat.as_ref()?;
        Some(RecallQuery {
            text: spec.prompt.clone(),
            domain: domain(&brief.spec),
            project: project(&brief.spec),
            files: spec.files_to_read.clone(),
            max_tokens: None,
        })
    }

    async fn run(&self, work: &Work) -> Result<Done, Failure> {
        let spec = spec(work)?;
        let system = spec.system.as_deref().unwrap_or(SYSTEM);
        let question = Ask {
            model: &spec.model,
            system: &with_lessons(system, &work.lessons),
            prompt: &spec.prompt,
            max_tokens: spec.max_tokens,
        };
        let answer = ask(work, &question).await?;
        let result = json!({
            "response": answer.text,
            "model": answer.model,
            "usage": usage(&answer.usage),
            "cost_usd": answer.usage.usd,
            "processed_by": work.worker,
            "processed_at": naive(Timestamp::now()),
        });
        Ok(Done {
            result,
            lessons: learned(&answer.text),
            ..Done::default()
        })
    }
}

fn spec(work: &Work) -> Result<&ClaudeChatSpec, Failure> {
    work.brief.spec.claude_chat.as_ref().ok_or_else(|| {
        let text = "read the brief: spec.claudeChat is missing; submit the job again";
        Failure::new(FailureClass::InvalidSpec, text)
    })
}
