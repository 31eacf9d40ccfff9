//! `bootstrap`, the program of two functions of AWS Lambda: `api` answers requests, `reconcile` looks at jobs when something
//! calls. It wires the parts of the operator and of memory, and holds nothing that would be missed: whatever it knows
//! between two calls can be read again. Nothing of it goes on after an answer, for Lambda stops it then.
//!
//! | file | what it is |
//! |---|---|
//! | `event` | what an event asks for |
//! | `settings`, `secrets` | what the function is told |
//! | `records` | the tables and the bucket, opened |
//! | `api` | requests and runners: the operator's face and its seat door |
//! | `desk` | what looks at jobs, wired once |
//! | `sitting` | one call: looks at jobs, and calls those that wait for a slot |
//! | `wakes` | when a job is to be looked at again |
//! | `program` | what is opened once, and what each event comes to |

mod api;
mod desk;
mod event;
mod program;
mod records;
mod secrets;
mod settings;
mod sitting;
mod wakes;

use std::{process::ExitCode, time::Instant};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use tracing_subscriber::EnvFilter;

use program::Program;

/// What a run in Lambda has, and no other.
const LAMBDA: &str = "AWS_LAMBDA_RUNTIME_API";

fn main() -> ExitCode {
    let begun = Instant::now();
    if std::env::var_os(LAMBDA).is_none() {
        eprintln!(
            "bootstrap: {LAMBDA} is not set: this program is a function of AWS Lambda; on a machine, `sandbox serve` does the same"
        );
        return ExitCode::FAILURE;
    }
    start_logs();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ran = runtime
        .map_err(lambda_runtime::Error::from)
        .and_then(|runtime| runtime.block_on(run(begun)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!(error = %e, "the function ends");
            ExitCode::FAILURE
        }
    }
}

fn start_logs() {
    let level = std::env::var("LOG_LEVEL").unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Opens everything while Lambda starts the function, and then answers one event after the other. What cannot be opened
/// now is tried again with each event: a secret may come, or a right.
async fn run(begun: Instant) -> Result<(), lambda_runtime::Error> {
    let program = Program::default();
    match program.opened().await {
        Ok(_) => {
            let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or_default();
            tracing::info!(millis, "ready");
        }
        Err(e) => tracing::error!(error = %format!("{e:#}"), "not ready"),
    }
    let program = &program;
    let answer = |event: LambdaEvent<Box<RawValue>>| async move {
        program.answer(event).await.map_err(|e| Diagnostic {
            error_type: "Failed".to_owned(),
            error_message: format!("{e:#}"),
        })
    };
    Box::pin(lambda_runtime::run(service_fn(answer))).await
}
