//! The report of an attempt: what it says, and how it is made durable where the reconciler reads it.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use sandbox_core::{Failure, FailureClass, Outcome, Report, Seat, Usage};
use sandbox_operator::seats::files::sync as seats;

use super::{
    lease::{LAST, Lease},
    socket::{CallError, Node},
};
use crate::kind::Done;

/// How soon a door that did not take the report is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long it is asked where there is no lease.
const PATIENCE: Duration = Duration::from_mins(10);

/// Where the report goes.
pub(super) enum End {
    /// Into the seat's files, which the node shares.
    Files {
        /// The seat root.
        root: PathBuf,
        /// The seat.
        seat: Seat,
        /// Of the claim.
        nonce: String,
    },
    /// To a door elsewhere, until it is taken or nobody waits for it any more.
    Door {
        /// The way to it.
        node: Node,
        /// How long there is.
        lease: Option<Lease>,
    },
}

impl End {
    /// Makes the report durable.
    ///
    /// # Errors
    /// It is not, and will not be; in words.
    pub(super) async fn put(&self, report: &Report) -> Result<(), String> {
        match self {
            Self::Files { root, seat, nonce } => {
                let put = seats::report(root, seat, nonce, report);
                put.map_err(|e| format!("wrote the report: {e}"))
            }
            Self::Door { node, lease } => {
                let over = async {
                    match lease {
                        Some(lease) => lease.run_out(LAST).await,
                        None => tokio::time::sleep(PATIENCE).await,
                    }
                };
                tokio::select! {
                    sent = send(node, report) => sent,
                    () = over => Err("sent the report: nobody took it within the lease".to_owned()),
                }
            }
        }
    }
}

async fn send(node: &Node, report: &Report) -> Result<(), String> {
    let mut report = report.clone();
    loop {
        match node.report(&report).await {
            Ok(()) => return Ok(()),
            Err(CallError::Stale(why)) => return Err(format!("sent the report: {why}")),
            Err(CallError::TooLarge) if !report.result.is_null() => without_result(&mut report),
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// What cannot be kept is not a success.
fn without_result(report: &mut Report) {
    report.result = serde_json::Value::Null;
    let text = "the result is larger than the operator takes; have the work write it to a file";
    report.failure = Some(Failure::new(FailureClass::OutputRejected, text));
    report.outcome = Outcome::Failed;
}

pub(super) fn report_of(ended: Result<Done, Failure>, began: Timestamp, usage: Usage) -> Report {
    let now = Timestamp::now();
    let seconds = now.duration_since(began).as_secs().unsigned_abs();
    let (failure, done) = match ended {
        Ok(mut done) => (done.failure.take(), done),
        Err(f) => (Some(f), Done::default()),
    };
    let outcome = match failure.as_ref().map(|f| f.class) {
        None => Outcome::Succeeded,
        Some(FailureClass::Deadline) => Outcome::TimedOut,
        Some(_) => Outcome::Failed,
    };
    Report {
        outcome,
        failure,
        result: done.result,
        usage: Usage { seconds, ..usage },
        files: done.files.into_iter().take(100).collect(),
        lessons: done.lessons.into_iter().take(50).collect(),
        grade: done.grade,
        started_at: began,
        finished_at: now,
    }
}

pub(super) fn ending(report: &Report) -> String {
    match &report.failure {
        None => report.outcome.word().to_owned(),
        Some(f) => format!(
            "{}: {}: {}",
            report.outcome.word(),
            f.class.word(),
            f.message
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_ends_badly_keeps_its_result_in_the_report() {
        let failure = Failure::new(FailureClass::AgentError, "dbt ended with exit code 1");
        let done = Done {
            result: serde_json::json!({"exit_code": 1}),
            failure: Some(failure.clone()),
            ..Done::default()
        };
        let report = report_of(Ok(done), Timestamp::now(), Usage::default());
        assert_eq!(report.outcome, Outcome::Failed);
        assert_eq!(report.failure, Some(failure));
        assert_eq!(report.result["exit_code"], 1);
    }
}
