//! Removes what is kept long enough: calls for the jobs whose time after their end is over soon.
//!
//! The control loop remembers no job for weeks; this looks through the store now and then instead,
//! so that a restart, or a new default, changes nothing about when a record goes.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use sandbox_core::{
    Uid,
    plan::removal_at,
    port::{Answer, Store},
    query::{ListQuery, MAX_PAGE, Phase},
};

use crate::control::Waker;

/// How often the store is looked through.
pub const EVERY: Duration = Duration::from_hours(1);

/// Looks through the store at once and then now and then, until it is dropped.
pub async fn run(store: Arc<dyn Store>, ttl: Option<Duration>, waker: Waker) {
    loop {
        match due(&*store, ttl, Timestamp::now()).await {
            Ok(found) => found.iter().for_each(|uid| waker.wake(uid)),
            Err(e) => {
                tracing::warn!(error = %e, "could not look for records to remove; trying again later");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Finished jobs that are to be removed before the next look, with this time to live where they
/// name none.
///
/// # Errors
/// The store cannot be read.
pub async fn due(store: &dyn Store, ttl: Option<Duration>, now: Timestamp) -> Answer<Vec<Uid>> {
    let until = now + EVERY;
    let over = || ListQuery {
        phases: vec![Phase::Succeeded, Phase::Failed],
        limit: MAX_PAGE,
        ..ListQuery::default()
    };
    let own = ListQuery {
        open_only: true,
        ..over()
    };
    let mut found = pages(store, own, (ttl, until)).await?;
    // What was submitted later cannot have been over for so long.
    if let Some(Ok(before)) = ttl.map(|ttl| until.checked_sub(ttl)) {
        let old = ListQuery {
            submitted_before: Some(before),
            ..over()
        };
        found.extend(pages(store, old, (ttl, until)).await?);
    }
    Ok(found)
}

async fn pages(
    store: &dyn Store,
    mut query: ListQuery,
    (ttl, until): (Option<Duration>, Timestamp),
) -> Answer<Vec<Uid>> {
    let mut found = Vec::new();
    loop {
        let page = store.list(&query).await?;
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at < until);
        let jobs = page.jobs.iter().filter(|j| due(removal_at(j, ttl)));
        found.extend(jobs.filter_map(|j| j.uid().ok()));
        query.after = page.next;
        if query.after.is_none() {
            return Ok(found);
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use sandbox_core::{AgentJob, AgentJobStatus, Outcome, spec::AgentJobSpec};

    use super::*;
    use crate::store::memory::MemoryStore;

    const DAY: Duration = Duration::from_hours(24);

    /// A job that was over so many days ago.
    async fn ended(store: &MemoryStore, name: &str, days: u32, own: Option<&str>) {
        let spec = AgentJobSpec {
            ttl_after_finished: own.map(|text| text.parse().unwrap()),
            ..AgentJobSpec::default()
        };
        let mut job = AgentJob::new(name, spec);
        let at = Timestamp::now() - DAY * days;
        job.metadata.uid = Some(uuid::Uuid::now_v7().to_string());
        job.metadata.namespace = Some("a".to_owned());
        job.status = Some(AgentJobStatus {
            submitted_at: Some(at),
            finished_at: Some(at),
            outcome: Some(Outcome::Succeeded),
            ..AgentJobStatus::default()
        });
        store.create(job, None).await.unwrap();
    }

    async fn found(store: &MemoryStore, ttl: Option<Duration>) -> Vec<String> {
        let mut names = Vec::new();
        for uid in due(store, ttl, Timestamp::now()).await.unwrap() {
            let job = store.load(&uid).await.unwrap().unwrap();
            names.push(job.name().to_owned());
        }
        names.sort();
        names.dedup();
        names
    }

    #[tokio::test]
    async fn a_job_goes_after_its_own_time_or_else_after_the_operators() {
        let store = MemoryStore::default();
        ended(&store, "new", 1, None).await;
        ended(&store, "old", 40, None).await;
        ended(&store, "kept-longer", 40, Some("2000h")).await;
        ended(&store, "soon-gone", 1, Some("1h")).await;
        assert_eq!(found(&store, Some(DAY * 30)).await, ["old", "soon-gone"]);
        assert_eq!(found(&store, None).await, ["soon-gone"]);
    }
}
