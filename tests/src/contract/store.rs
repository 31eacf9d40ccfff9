//! The promises of a store, each as a function over the trait.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::sync::Arc;

use jiff::Timestamp;
use sandbox_core::{
    AgentJob, JobType, Outcome,
    port::{Change, Created, PortError, Reservation, Store, Write},
    query::{EventQuery, ListQuery, NewEvent, Phase},
    spec::{AgentJobSpec, BackendName, EchoSpec},
    status::{AgentJobStatus, Intent},
};
use uuid::Uuid;

/// An echo job of this tenant and name that nobody has written down yet.
#[must_use]
pub fn a_job(tenant: &str, name: &str) -> AgentJob {
    let spec = AgentJobSpec {
        job_type: JobType::Echo,
        echo: Some(EchoSpec::default()),
        ..AgentJobSpec::default()
    };
    let mut job = AgentJob::new(name, spec);
    job.metadata.uid = Some(Uuid::now_v7().to_string());
    job.metadata.namespace = Some(tenant.to_owned());
    job.status = Some(AgentJobStatus {
        submitted_at: Some(Timestamp::now()),
        ..AgentJobStatus::default()
    });
    job
}

/// A job that stands in the store.
pub async fn a_stored_job(store: &dyn Store, tenant: &str, name: &str) -> AgentJob {
    match store.create(a_job(tenant, name), None).await.unwrap() {
        Created::New(job) | Created::Existing(job) => job,
    }
}

/// A change of a job's record alone.
pub fn put(job: &AgentJob, change: impl FnOnce(&mut AgentJob)) -> Change {
    let mut job = job.clone();
    change(&mut job);
    Change {
        write: Write::Put(Box::new(job)),
        holds: None,
        events: Vec::new(),
    }
}

/// So many slots, of so many.
#[must_use]
pub fn slot(units: u32, capacity: u32) -> Vec<Reservation> {
    let pool = "slots/vps".to_owned();
    vec![Reservation {
        pool,
        units,
        capacity,
    }]
}

fn event(reason: &str) -> NewEvent {
    NewEvent {
        reason: reason.to_owned(),
        message: reason.to_owned(),
        at: Timestamp::now(),
    }
}

fn started(job: &mut AgentJob) {
    let status = job.status.get_or_insert_default();
    status.attempt = 1;
    status.intent = Some(Intent {
        backend: BackendName::Vps,
        at: Timestamp::now(),
        deadline_at: Timestamp::now(),
        choice: 0,
        launch: None,
        not_before: None,
        slots: 1,
        claim: None,
        prepared_at: None,
        vanished_at: None,
    });
}

/// What is created is read back as it was, with a version.
pub async fn a_created_job_is_read_back_as_it_was(store: Arc<dyn Store>) {
    let job = a_stored_job(&*store, "a", "one").await;
    assert!(job.version() > 0);
    let read = store.load(&job.uid().unwrap()).await.unwrap();
    assert_eq!(read, Some(job));
}

/// The same idempotency key gives the job of the first time, and only to its own tenant.
pub async fn the_same_key_gives_the_same_job(store: Arc<dyn Store>) {
    let first = store.create(a_job("a", "one"), Some("k")).await.unwrap();
    let Created::New(first) = first else {
        panic!("the first is new")
    };
    let again = store.create(a_job("a", "two"), Some("k")).await.unwrap();
    assert_eq!(again, Created::Existing(first));
    let other = store.create(a_job("b", "one"), Some("k")).await.unwrap();
    assert!(matches!(other, Created::New(_)));
}

/// A name belongs to one job of a tenant, and is free again when that job is gone.
pub async fn a_name_is_given_once_within_a_tenant(store: Arc<dyn Store>) {
    let job = a_stored_job(&*store, "a", "one").await;
    let again = store.create(a_job("a", "one"), None).await;
    assert!(matches!(again, Err(PortError::Conflict(_))), "{again:?}");
    assert!(store.create(a_job("b", "one"), None).await.is_ok());
    let uid = job.uid().unwrap();
    let write = Write::Remove {
        uid: uid.clone(),
        version: job.version(),
    };
    store
        .commit(Change {
            write,
            holds: None,
            events: Vec::new(),
        })
        .await
        .unwrap();
    assert_eq!(store.load(&uid).await.unwrap(), None);
    assert!(store.create(a_job("a", "one"), None).await.is_ok());
}

/// A save that carries an old version changes nothing: no record, no hold, no event.
pub async fn an_old_version_loses_and_writes_nothing(store: Arc<dyn Store>) {
    let old = a_stored_job(&*store, "a", "one").await;
    let new = store
        .commit(put(&old, |j| j.spec.cancel = true))
        .await
        .unwrap();
    let mut late = put(&old, |j| j.spec.suspend = true);
    late.holds = Some(slot(1, 1));
    late.events = vec![event("Late")];
    let lost = store.commit(late).await;
    assert!(matches!(lost, Err(PortError::Conflict(_))), "{lost:?}");
    assert_eq!(
        store.load(&old.uid().unwrap()).await.unwrap(),
        Some(new.clone())
    );
    let events = store
        .events(&EventQuery {
            limit: 100,
            ..EventQuery::default()
        })
        .await
        .unwrap();
    assert!(events.iter().all(|e| e.reason != "Late"));
    assert_eq!(store.admission("slots/vps", &new).await.unwrap().held, 0);
}

/// Whoever asks for the last slot at the same time, one gets it.
pub async fn two_planners_never_both_take_the_last_slot(store: Arc<dyn Store>) {
    let mut tasks = Vec::new();
    for n in 0..16 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let job = a_stored_job(&*store, "a", &format!("job-{n}")).await;
            let mut take = put(&job, started);
            take.holds = Some(slot(1, 3));
            store.commit(take).await
        }));
    }
    let mut got = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => got += 1,
            Err(e) => assert!(
                matches!(&e, PortError::Conflict(text) if text.contains("full")),
                "{e}"
            ),
        }
    }
    assert_eq!(got, 3);
}

/// What a job holds is replaced whole, and given back with an empty list or with the job.
pub async fn holds_are_replaced_and_given_back(store: Arc<dyn Store>) {
    let job = a_stored_job(&*store, "a", "one").await;
    let mut take = put(&job, |_| {});
    take.holds = Some(slot(2, 3));
    let job = store.commit(take.clone()).await.unwrap();
    assert_eq!(store.admission("slots/vps", &job).await.unwrap().held, 2);
    let mut more = put(&job, |_| {});
    more.holds = Some(slot(3, 3));
    let job = store.commit(more).await.unwrap();
    let job = store
        .commit(put(&job, |j| j.spec.priority = 1))
        .await
        .unwrap();
    assert_eq!(store.admission("slots/vps", &job).await.unwrap().held, 3);
    let mut give = put(&job, |_| {});
    give.holds = Some(Vec::new());
    let job = store.commit(give).await.unwrap();
    assert_eq!(store.admission("slots/vps", &job).await.unwrap().held, 0);
}

/// A refused change leaves those that were committed beside it alone.
pub async fn a_refused_neighbour_hurts_nobody(store: Arc<dyn Store>) {
    let job = a_stored_job(&*store, "a", "one").await;
    let mut tasks = Vec::new();
    for n in 0..40 {
        let (store, stale) = (Arc::clone(&store), job.clone());
        tasks.push(tokio::spawn(async move {
            if n % 2 == 0 {
                return store
                    .commit(put(&stale, |j| {
                        j.metadata.resource_version = Some("99".into());
                    }))
                    .await
                    .is_err();
            }
            store
                .create(a_job("a", &format!("job-{n}")), None)
                .await
                .is_ok()
        }));
    }
    for task in tasks {
        assert!(task.await.unwrap());
    }
}

/// Whoever reads on from the last event it saw, while others write, sees every event once, in order.
pub async fn a_reader_of_events_misses_none(store: Arc<dyn Store>) {
    let writers: Vec<_> = (0..4)
        .map(|w| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..25 {
                    a_stored_job(&*store, "a", &format!("job-{w}-{n}")).await;
                }
            })
        })
        .collect();
    let mut seen: Vec<u64> = Vec::new();
    while seen.len() < 100 {
        let after = seen.last().copied().unwrap_or_default();
        let query = EventQuery {
            after,
            limit: 7,
            ..EventQuery::default()
        };
        seen.extend(store.events(&query).await.unwrap().iter().map(|e| e.seq));
        tokio::task::yield_now().await;
    }
    assert!(seen.windows(2).all(|w| w[0] < w[1]), "{seen:?}");
    for writer in writers {
        writer.await.unwrap();
    }
    let all = store
        .events(&EventQuery {
            limit: 500,
            ..EventQuery::default()
        })
        .await
        .unwrap();
    assert_eq!(all.iter().map(|e| e.seq).collect::<Vec<_>>(), seen);
}

/// Events and lists show a tenant nothing of another's.
pub async fn a_tenant_sees_only_its_own(store: Arc<dyn Store>) {
    for n in 0..5 {
        a_stored_job(&*store, "a", &format!("job-{n}")).await;
        a_stored_job(&*store, "b", &format!("job-{n}")).await;
    }
    let tenant = Some("a".parse().unwrap());
    let list = ListQuery {
        tenant: tenant.clone(),
        limit: 100,
        ..ListQuery::default()
    };
    let page = store.list(&list).await.unwrap();
    assert_eq!(page.jobs.len(), 5);
    assert!(
        page.jobs
            .iter()
            .all(|j| j.metadata.namespace.as_deref() == Some("a"))
    );
    let events = store
        .events(&EventQuery {
            tenant,
            limit: 100,
            ..EventQuery::default()
        })
        .await
        .unwrap();
    assert_eq!(events.len(), 5);
}

/// Pages cover what stood at the start once, newest first, while new jobs arrive.
pub async fn pages_cover_everything_once(store: Arc<dyn Store>) {
    for n in 0..23 {
        a_stored_job(&*store, "a", &format!("job-{n}")).await;
    }
    let mut query = ListQuery {
        limit: 5,
        ..ListQuery::default()
    };
    let mut names = Vec::new();
    loop {
        let page = store.list(&query).await.unwrap();
        names.extend(page.jobs.iter().map(|j| j.name().to_owned()));
        a_stored_job(&*store, "a", &format!("late-{}", names.len())).await;
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..23).rev().map(|n| format!("job-{n}")).collect();
    assert_eq!(names, expected);
}

/// Filters by phase, type, name and openness give just those.
pub async fn filters_give_just_what_they_name(store: Arc<dyn Store>) {
    let waiting = a_stored_job(&*store, "a", "waiting").await;
    let done = a_stored_job(&*store, "a", "done").await;
    let finish = |j: &mut AgentJob| {
        let status = j.status.get_or_insert_default();
        status.outcome = Some(Outcome::Succeeded);
        status.set_condition("Recorded", "True", ("Recorded", ""), Timestamp::now());
    };
    store.commit(put(&done, finish)).await.unwrap();
    let all = || ListQuery {
        limit: 10,
        ..ListQuery::default()
    };
    let mut cases = vec![(all(), vec!["done", "waiting"]); 6];
    cases[0].0.phases = vec![Phase::Succeeded];
    cases[0].1 = vec!["done"];
    cases[1].0.phases = vec![Phase::Queued, Phase::Running];
    cases[1].1 = vec!["waiting"];
    cases[2].0.open_only = true;
    cases[2].1 = vec!["waiting"];
    cases[3].0.name = Some("done".into());
    cases[3].1 = vec!["done"];
    cases[4].0.job_type = Some(JobType::DbtRun);
    cases[4].1 = vec![];
    cases[5].0.job_type = Some(waiting.spec.job_type);
    for (query, expected) in cases {
        let page = store.list(&query).await.unwrap();
        let names: Vec<&str> = page.jobs.iter().map(AgentJob::name).collect();
        assert_eq!(names, expected, "{query:?}");
    }
}

/// A cursor that no page gave is refused, and nothing else happens.
pub async fn a_foreign_cursor_is_refused(store: Arc<dyn Store>) {
    for cursor in [
        "",
        "x",
        "1.2",
        "zz.00000000-0000-0000-0000-000000000000",
        "'; --",
    ] {
        let query = ListQuery {
            after: Some(cursor.to_owned()),
            limit: 5,
            ..ListQuery::default()
        };
        let page = store.list(&query).await;
        assert!(
            matches!(page, Err(PortError::Refused(_))),
            "{cursor}: {page:?}"
        );
    }
}

/// Those that wait are ordered by priority, then by time; what runs or is held does not wait.
pub async fn admission_counts_those_that_go_first(store: Arc<dyn Store>) {
    let first = a_stored_job(&*store, "a", "first").await;
    let second = a_stored_job(&*store, "b", "second").await;
    let mut urgent = a_job("a", "urgent");
    urgent.spec.priority = 5;
    let Created::New(urgent) = store.create(urgent, None).await.unwrap() else {
        panic!("it is new")
    };
    let ahead = async |job: &AgentJob| store.admission("slots/vps", job).await.unwrap().ahead;
    assert_eq!(
        (
            ahead(&urgent).await,
            ahead(&first).await,
            ahead(&second).await
        ),
        (0, 1, 2)
    );
    store.commit(put(&urgent, started)).await.unwrap();
    assert_eq!(ahead(&second).await, 1);
    store
        .commit(put(&first, |j| j.spec.suspend = true))
        .await
        .unwrap();
    assert_eq!(ahead(&second).await, 0);
}

/// A job that is not there cannot be saved.
pub async fn a_job_that_is_gone_is_not_brought_back(store: Arc<dyn Store>) {
    let job = a_stored_job(&*store, "a", "one").await;
    let uid = job.uid().unwrap();
    let write = Write::Remove {
        uid,
        version: job.version(),
    };
    store
        .commit(Change {
            write,
            holds: None,
            events: Vec::new(),
        })
        .await
        .unwrap();
    let back = store.commit(put(&job, |j| j.spec.priority = 3)).await;
    assert!(matches!(back, Err(PortError::NotFound(_))), "{back:?}");
}
