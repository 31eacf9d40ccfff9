//! What only a file can break: opening it, losing the process, a lock, a full disk. The promises that
//! every store keeps are tested elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod crash;
mod file;
mod group;

use jiff::Timestamp;
use sandbox_core::{
    AgentJob, AgentJobStatus, JobType,
    port::{Answer, Created, Store},
    spec::{AgentJobSpec, EchoSpec},
};

use super::SqliteStore;

/// An echo job of this name that carries so many bytes of text.
fn a_job(name: &str, bytes: usize) -> AgentJob {
    let spec = AgentJobSpec {
        job_type: JobType::Echo,
        echo: Some(EchoSpec {
            message: "x".repeat(bytes),
            ..EchoSpec::default()
        }),
        ..AgentJobSpec::default()
    };
    let mut job = AgentJob::new(name, spec);
    job.metadata.uid = Some(uuid::Uuid::now_v7().to_string());
    job.metadata.namespace = Some("a".to_owned());
    job.status = Some(AgentJobStatus {
        submitted_at: Some(Timestamp::now()),
        ..AgentJobStatus::default()
    });
    job
}

async fn created(store: &SqliteStore, name: &str, bytes: usize) -> Answer<AgentJob> {
    store
        .create(a_job(name, bytes), None)
        .await
        .map(|made| match made {
            Created::New(job) | Created::Existing(job) => job,
        })
}
