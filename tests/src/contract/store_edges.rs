//! The promises of a store at its edges: races for one version, names that come back, numbers that
//! never do, pools named twice, bounds of pages. Everyday promises stand beside.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::sync::Arc;

use jiff::Timestamp;
use sandbox_core::{
    AgentJob,
    port::{Change, Created, PortError, Reservation, Store, Write},
    query::{Event, EventQuery, ListQuery, MAX_PAGE, NewEvent},
};

use super::store::{a_job, a_stored_job};

fn put(job: &AgentJob) -> Change {
    Change {
        write: Write::Put(Box::new(job.clone())),
        holds: None,
        events: Vec::new(),
    }
}

fn remove(job: &AgentJob) -> Change {
    let (uid, version) = (job.uid().unwrap(), job.version());
    Change {
        write: Write::Remove { uid, version },
        ..put(job)
    }
}

fn holding(job: &AgentJob, wanted: &[(&str, u32, u32)]) -> Change {
    let wanted = wanted.iter().map(|(pool, units, capacity)| Reservation {
        pool: (*pool).to_owned(),
        units: *units,
        capacity: *capacity,
    });
    Change {
        holds: Some(wanted.collect()),
        ..put(job)
    }
}

fn telling(job: &AgentJob, reason: &str) -> Change {
    let event = NewEvent {
        reason: reason.to_owned(),
        message: String::new(),
        at: Timestamp::now(),
    };
    Change {
        events: vec![event],
        ..put(job)
    }
}

async fn held(store: &dyn Store, pool: &str) -> u32 {
    let job = a_job("a", "who-asks");
    store.admission(pool, &job).await.unwrap().held
}

async fn events(store: &dyn Store, query: EventQuery) -> Vec<Event> {
    store
        .events(&EventQuery {
            limit: 100,
            ..query
        })
        .await
        .unwrap()
}

/// Of many that save the same version, one does; each save that changes something raises the version.
pub async fn one_of_many_saves_of_a_version_wins(store: Arc<dyn Store>) {
    let job = a_stored_job(&*store, "a", "one").await;
    let tasks: Vec<_> = (1..=16)
        .map(|n| {
            let (store, mut mine) = (Arc::clone(&store), job.clone());
            mine.spec.priority = n;
            tokio::spawn(async move { store.commit(put(&mine)).await })
        })
        .collect();
    let mut won = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(saved) => won.push(saved),
            Err(lost) => assert!(matches!(lost, PortError::Conflict(_)), "{lost:?}"),
        }
    }
    assert_eq!(won.len(), 1);
    assert!(won[0].version() > job.version());
    assert_eq!(
        store.load(&job.uid().unwrap()).await.unwrap().as_ref(),
        won.first()
    );
}

/// Of many that submit with one key, one makes the job and all get it.
pub async fn many_with_one_key_get_one_job(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let store = Arc::clone(&store);
            let job = a_job("a", &format!("job-{n}"));
            tokio::spawn(async move { store.create(job, Some("k")).await.unwrap() })
        })
        .collect();
    let (mut new, mut uids) = (0, Vec::new());
    for task in tasks {
        let made = task.await.unwrap();
        new += u32::from(matches!(made, Created::New(_)));
        let (Created::New(job) | Created::Existing(job)) = made;
        uids.push(job.uid().unwrap());
    }
    uids.dedup();
    assert_eq!((new, uids.len()), (1, 1));
}

/// With the job go its holds and its key; its events stay and their numbers do not come back.
pub async fn what_a_removed_job_had_is_free_again(store: Arc<dyn Store>) {
    let made = store.create(a_job("a", "one"), Some("k")).await.unwrap();
    let (Created::New(job) | Created::Existing(job)) = made;
    let job = store
        .commit(holding(&job, &[("slots/vps", 2, 2)]))
        .await
        .unwrap();
    assert_eq!(held(&*store, "slots/vps").await, 2);
    let before = events(&*store, EventQuery::default()).await;
    store.commit(remove(&job)).await.unwrap();
    assert_eq!(held(&*store, "slots/vps").await, 0);
    let again = store.create(a_job("a", "one"), Some("k")).await.unwrap();
    assert!(matches!(again, Created::New(_)), "{again:?}");
    let after = events(&*store, EventQuery::default()).await;
    assert_eq!(after[..before.len()], before);
    assert!(after.last().unwrap().seq > before.last().unwrap().seq);
}

/// Removing an old version removes nothing.
pub async fn a_job_is_not_removed_by_who_read_it_too_early(store: Arc<dyn Store>) {
    let old = a_stored_job(&*store, "a", "one").await;
    let mut other = old.clone();
    other.spec.priority = 1;
    let new = store.commit(put(&other)).await.unwrap();
    let lost = store.commit(remove(&old)).await;
    assert!(matches!(lost, Err(PortError::Conflict(_))), "{lost:?}");
    assert_eq!(store.load(&new.uid().unwrap()).await.unwrap(), Some(new));
}

/// A pool named twice in one change counts twice, and a full one of several refuses them all.
pub async fn reservations_fit_together_or_not_at_all(store: Arc<dyn Store>) {
    let job = a_stored_job(&*store, "a", "one").await;
    let twice = [("slots/vps", 2, 3), ("slots/vps", 2, 3)];
    let full = store.commit(holding(&job, &twice)).await;
    assert!(matches!(full, Err(PortError::Conflict(_))), "{full:?}");
    let one_full = [("hosts/x", 1, 5), ("slots/vps", 4, 3)];
    let full = store.commit(holding(&job, &one_full)).await;
    assert!(matches!(full, Err(PortError::Conflict(_))), "{full:?}");
    assert_eq!(
        (
            held(&*store, "hosts/x").await,
            held(&*store, "slots/vps").await
        ),
        (0, 0)
    );
    let twice = [("slots/vps", 1, 3), ("slots/vps", 2, 3)];
    store.commit(holding(&job, &twice)).await.unwrap();
    assert_eq!(held(&*store, "slots/vps").await, 3);
}

/// A save does not make another job of it, nor move it in the list.
pub async fn a_save_does_not_move_a_job(store: Arc<dyn Store>) {
    let older = a_stored_job(&*store, "a", "older").await;
    a_stored_job(&*store, "a", "newer").await;
    for moved in ["b", "a"] {
        let mut job = older.clone();
        job.metadata.namespace = Some(moved.to_owned());
        job.metadata.name = Some("other".to_owned());
        let refused = store.commit(put(&job)).await;
        assert!(matches!(refused, Err(PortError::Refused(_))), "{refused:?}");
    }
    let mut later = older.clone();
    later.status.as_mut().unwrap().submitted_at = Some(Timestamp::MAX);
    store.commit(put(&later)).await.unwrap();
    let query = ListQuery {
        limit: 10,
        ..ListQuery::default()
    };
    let page = store.list(&query).await.unwrap();
    let names: Vec<&str> = page.jobs.iter().map(AgentJob::name).collect();
    assert_eq!(names, ["newer", "older"]);
}

/// A job without uid, tenant or name is refused, and nothing of it is kept.
pub async fn a_job_that_nobody_named_is_refused(store: Arc<dyn Store>) {
    let blank: [fn(&mut AgentJob); 3] = [
        |j| j.metadata.uid = None,
        |j| j.metadata.namespace = None,
        |j| j.metadata.name = None,
    ];
    for blank in blank {
        let mut job = a_job("a", "one");
        blank(&mut job);
        let refused = store.create(job, Some("k")).await;
        assert!(matches!(refused, Err(PortError::Refused(_))), "{refused:?}");
    }
    assert!(matches!(
        store.create(a_job("a", "one"), Some("k")).await,
        Ok(Created::New(_))
    ));
}

/// The events of one job, in the order of its saves and no others.
pub async fn a_jobs_events_tell_its_saves_in_order(store: Arc<dyn Store>) {
    let mut job = a_stored_job(&*store, "a", "one").await;
    for reason in ["Starting", "Running", "Succeeded"] {
        a_stored_job(&*store, "a", &reason.to_lowercase()).await;
        job = store.commit(telling(&job, reason)).await.unwrap();
    }
    let uid = Some(job.uid().unwrap());
    let told = events(
        &*store,
        EventQuery {
            uid: uid.clone(),
            ..EventQuery::default()
        },
    )
    .await;
    let reasons: Vec<&str> = told.iter().map(|e| e.reason.as_str()).collect();
    assert_eq!(reasons, ["Submitted", "Starting", "Running", "Succeeded"]);
    let tenant = Some("b".parse().unwrap());
    let others = EventQuery {
        uid,
        tenant,
        ..EventQuery::default()
    };
    assert_eq!(events(&*store, others).await, []);
}

/// A page has at least one row and at most the bound, whatever was asked; the last has no cursor.
pub async fn pages_keep_their_bounds(store: Arc<dyn Store>) {
    for n in 0..3 {
        a_stored_job(&*store, "a", &format!("job-{n}")).await;
    }
    let page = async |limit| {
        store
            .list(&ListQuery {
                limit,
                ..ListQuery::default()
            })
            .await
            .unwrap()
    };
    assert_eq!(page(0).await.jobs.len(), 1);
    assert!(page(0).await.next.is_some());
    let exact = page(3).await;
    assert_eq!((exact.jobs.len(), exact.next), (3, None));
    assert_eq!(page(u32::MAX).await.jobs.len(), 3);
    let many = EventQuery {
        limit: u32::MAX,
        ..EventQuery::default()
    };
    assert!(store.events(&many).await.unwrap().len() <= MAX_PAGE as usize);
    let beyond = EventQuery {
        after: u64::MAX,
        limit: 5,
        ..EventQuery::default()
    };
    assert_eq!(store.events(&beyond).await.unwrap(), []);
}

/// Jobs of the same microsecond have one order, in lists and among those that wait.
pub async fn jobs_of_one_moment_have_one_order(store: Arc<dyn Store>) {
    let mut jobs = Vec::new();
    for n in 0..4 {
        let mut job = a_job("a", &format!("job-{n}"));
        job.status.as_mut().unwrap().submitted_at = Some(Timestamp::UNIX_EPOCH);
        let (Created::New(job) | Created::Existing(job)) = store.create(job, None).await.unwrap();
        jobs.push(job);
    }
    let mut ahead = Vec::new();
    for job in &jobs {
        ahead.push(store.admission("slots/vps", job).await.unwrap().ahead);
    }
    ahead.sort_unstable();
    assert_eq!(ahead, [0, 1, 2, 3]);
    let (mut after, mut listed) = (None, Vec::new());
    loop {
        let query = ListQuery {
            after,
            limit: 1,
            ..ListQuery::default()
        };
        let page = store.list(&query).await.unwrap();
        listed.extend(page.jobs.iter().map(|j| j.uid().unwrap()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut newest_first: Vec<_> = jobs.iter().map(|j| j.uid().unwrap()).collect();
    newest_first.sort_by(|a, b| b.cmp(a));
    assert_eq!(listed, newest_first);
}
