//! `echo`: answers with what it was given.
//!
//! Each run appends one line to the artifact `echo.log`, so that how often the work really began
//! can be counted from outside.

use std::{fs::OpenOptions, io::Write};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{Failure, FailureClass, spec::span};
use serde_json::json;

use super::{Done, Kind, Work};

/// The job type.
pub(super) struct Echo;

#[async_trait]
impl Kind for Echo {
    async fn run(&self, work: &Work) -> Result<Done, Failure> {
        let spec = work.brief.spec.echo.clone().unwrap_or_default();
        note_start(work).map_err(|e| {
            let text = format!("wrote the artifact echo.log: {e}; look at the disk");
            Failure::new(FailureClass::Infrastructure, text)
        })?;
        if let Some(delay) = spec.delay {
            tokio::select! {
                () = tokio::time::sleep(span(delay)) => {}
                () = work.stopped() => {}
            }
        }
        let result = json!({
            "echoed_message": spec.message,
            "processed_by": work.worker,
            "processed_at": naive(Timestamp::now()),
        });
        Ok(Done {
            result,
            ..Done::default()
        })
    }
}

fn note_start(work: &Work) -> std::io::Result<()> {
    let folder = work.artifacts();
    std::fs::create_dir_all(&folder)?;
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .append(true)
        .open(folder.join("echo.log"))?;
    writeln!(file, "{} began", work.brief.seat)
}

/// The time as the old API writes it: UTC, microseconds, no zone.
pub(super) fn naive(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}
