//! The promises of a store about those that wait, and about what is found again.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::sync::Arc;

use sandbox_core::{
    AgentJob, JobType,
    port::{Admission, Created, Store},
    query::{EventQuery, ListQuery},
    spec::{AgentJobSpec, BackendName, BackendSpec},
};
use serde_json::json;

use super::store::a_job;

async fn written(store: &dyn Store, job: AgentJob) -> AgentJob {
    match store.create(job, None).await.unwrap() {
        Created::New(job) | Created::Existing(job) => job,
    }
}

fn at(place: BackendName, mut job: AgentJob) -> AgentJob {
    job.spec.backend = Some(BackendSpec {
        name: place,
        ..BackendSpec::default()
    });
    job
}

fn a_farm(name: &str, agents: u32) -> AgentJob {
    let farm = json!({"task": "t", "agents": agents, "workspace": {"path": "p"}});
    let mut job = a_job("a", name);
    job.spec = AgentJobSpec {
        job_type: JobType::AgentFarm,
        agent_farm: serde_json::from_value(farm).ok(),
        ..AgentJobSpec::default()
    };
    job
}

/// A farm that waits counts with all its slots; one that names no place counts in every pool.
pub async fn those_that_wait_count_with_what_they_want(store: Arc<dyn Store>) {
    let here = at(BackendName::Vps, a_farm("here", 3));
    let elsewhere = at(BackendName::Container, a_farm("elsewhere", 5));
    for job in [here, elsewhere, a_farm("anywhere", 2)] {
        written(&*store, job).await;
    }
    let last = written(&*store, a_job("a", "last")).await;
    let in_pool = async |pool: &str| store.admission(pool, &last).await.unwrap();
    let line = |ahead, wanted_ahead| Admission {
        held: 0,
        ahead,
        wanted_ahead,
    };
    assert_eq!(in_pool("slots/vps").await, line(2, 5));
    assert_eq!(in_pool("slots/container").await, line(2, 7));
    assert_eq!(in_pool("slots/fargate").await, line(1, 2));
}

/// A job is found again by the idempotency key that it came with.
pub async fn a_job_is_found_by_its_key_and_only_by_its_own_tenant(store: Arc<dyn Store>) {
    let mine = store.create(a_job("a", "mine"), Some("k")).await.unwrap();
    store.create(a_job("a", "more"), Some("l")).await.unwrap();
    written(&*store, a_job("b", "other")).await;
    let found = async |tenant: &str| {
        let query = ListQuery {
            tenant: tenant.parse().ok(),
            key: Some("k".to_owned()),
            limit: 10,
            ..ListQuery::default()
        };
        store.list(&query).await.unwrap().jobs
    };
    let (Created::New(mine) | Created::Existing(mine)) = mine;
    assert_eq!(found("a").await, [mine]);
    assert_eq!(found("b").await, []);
}

/// Jobs that were submitted before a time are found, and no others.
pub async fn jobs_of_before_a_time_are_found(store: Arc<dyn Store>) {
    let old = written(&*store, a_job("a", "old")).await;
    let new = written(&*store, a_job("a", "new")).await;
    let found = async |before| {
        let query = ListQuery {
            submitted_before: Some(before),
            limit: 10,
            ..ListQuery::default()
        };
        store.list(&query).await.unwrap().jobs
    };
    assert_eq!(found(old.submitted_at()).await, []);
    assert_eq!(found(new.submitted_at()).await, [old]);
}

/// What is kept of the log is known without reading it.
pub async fn the_ends_of_the_event_log_are_known(store: Arc<dyn Store>) {
    let empty = store.kept().await.unwrap();
    assert_eq!(empty.forgotten, empty.newest, "nothing is kept yet");
    for n in 0..3 {
        written(&*store, a_job("a", &n.to_string())).await;
    }
    let query = EventQuery {
        limit: 100,
        ..EventQuery::default()
    };
    let all = store.events(&query).await.unwrap();
    let kept = store.kept().await.unwrap();
    assert_eq!(kept.newest, all.last().unwrap().seq);
    assert_eq!(kept.forgotten + 1, all[0].seq);
}
