//! A deployment that is paused: the mark stands in each page of the pool, one of which every start has to change.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jiff::Timestamp;
use sandbox_core::{
    plan::Pause,
    port::{Change, PortError, Reservation, Store},
};
use sandbox_elf::store::dynamodb::DynamoSettings;
use sandbox_operator::store::dynamodb::{DynamoStore, paused::Mark};
use sandbox_tests::{
    contract::store::{a_stored_job, put},
    dynamodb::{
        DynamoServer,
        proxy::{Fault, Proxy},
    },
};

const POOL: &str = "slots/fargate";
/// Items that a pool is cut in; a pause marks them all.
const PAGES: usize = 16;

fn slot() -> Vec<Reservation> {
    slot_of(8)
}

fn slot_of(capacity: u32) -> Vec<Reservation> {
    vec![Reservation {
        pool: POOL.to_owned(),
        units: 1,
        capacity,
    }]
}

/// The same table as two processes have it.
async fn two() -> [Arc<DynamoStore>; 2] {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.table_for_jobs().await.unwrap();
    let open = async || DynamoStore::open(&settings).await.unwrap();
    [open().await, open().await]
}

#[tokio::test]
async fn what_was_decided_before_the_pause_gets_no_slot_after_it_and_what_is_at_work_is_told() {
    let [deciding, pausing] = two().await;
    let works = a_stored_job(&*deciding, "a", "works").await;
    let late = a_stored_job(&*deciding, "a", "late").await;
    let begin = |job| Change {
        holds: Some(slot()),
        ..put(job, |_| {})
    };
    let works = deciding.commit(begin(&works)).await.unwrap();
    let mark = pausing.pause(Pause::Drain, Timestamp::now()).await.unwrap();
    let refused = deciding.commit(begin(&late)).await;
    assert!(
        matches!(refused, Err(PortError::Conflict(_))),
        "{refused:?}"
    );
    let admission = deciding.admission(POOL, &late).await.unwrap();
    assert_eq!(admission.held, u32::MAX);
    let standing = pausing.standing().await.unwrap();
    assert_eq!((standing.mark, standing.told), (Some(mark), false));
    assert_eq!(standing.at_work, [works.uid().unwrap()]);
    let over = Change {
        holds: Some(Vec::new()),
        ..put(&works, |_| {})
    };
    deciding.commit(over).await.unwrap();
    assert_eq!(pausing.standing().await.unwrap().at_work, []);
    pausing.go_on().await.unwrap();
    deciding.commit(begin(&late)).await.unwrap();
}

#[tokio::test]
async fn a_drain_becomes_a_pause_that_stops_and_never_the_other_way_and_all_are_told_of_the_new_one()
 {
    let [one, other] = two().await;
    let now = Timestamp::now();
    let drains = one.pause(Pause::Drain, now).await.unwrap();
    one.told_of(drains).await.unwrap();
    assert!(other.standing().await.unwrap().told);
    let stops = other.pause(Pause::Now, now).await.unwrap();
    assert_eq!(stops.how, Pause::Now);
    assert_eq!(one.pause(Pause::Drain, now).await.unwrap(), stops);
    // Who looked under the mark before says nothing of this one.
    one.told_of(drains).await.unwrap();
    assert!(!other.standing().await.unwrap().told);
    other.told_of(stops).await.unwrap();
    assert!(one.standing().await.unwrap().told);
    one.go_on().await.unwrap();
    other.go_on().await.unwrap();
    let standing = other.standing().await.unwrap();
    assert_eq!((standing.mark, standing.told), (None::<Mark>, false));
}

/// The same table through a proxy that lets so many writes of pages by and refuses the others, as if its process had died.
async fn dying(settings: &DynamoSettings, after: usize) -> (Proxy, Arc<DynamoStore>) {
    let server = DynamoServer::shared().await.unwrap();
    let (proxy, far) = server.far(settings).await.unwrap();
    let store = DynamoStore::open(&far).await.unwrap();
    let done = AtomicUsize::new(0);
    proxy.roll(Box::new(move |operation| {
        let late = operation == "UpdateItem" && done.fetch_add(1, Ordering::SeqCst) >= after;
        late.then(|| Fault::error(400, "ValidationException"))
    }));
    (proxy, store)
}

#[tokio::test]
async fn a_pause_that_dies_at_any_page_closes_and_is_finished_or_taken_back_by_the_next() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.table_for_jobs().await.unwrap();
    let near = DynamoStore::open(&settings).await.unwrap();
    let job = a_stored_job(&*near, "a", "waits").await;
    let now = Timestamp::now();
    let is = async |marked: bool, in_force: bool| {
        let standing = near.standing().await.unwrap();
        let said = (standing.mark.is_some(), standing.in_force);
        assert_eq!(said, (marked, in_force));
        let held = near.admission(POOL, &job).await.unwrap().held;
        assert_eq!(held, if marked { u32::MAX } else { 0 });
    };
    for after in 0..PAGES {
        let (_proxy, dies) = dying(&settings, after).await;
        dies.pause(Pause::Drain, now).await.unwrap_err();
        is(after > 0, false).await;
        if after % 2 == 0 {
            near.pause(Pause::Drain, now).await.unwrap();
            is(true, true).await;
        }
        let (_proxy, dies) = dying(&settings, after).await;
        let marked = if after % 2 == 0 { PAGES } else { after };
        let taken_back = dies.go_on().await.is_ok();
        assert_eq!(taken_back, marked <= after);
        is(!taken_back, marked == PAGES && after == 0).await;
        near.go_on().await.unwrap();
        is(false, false).await;
    }
}

#[tokio::test]
async fn no_slot_of_any_page_is_given_once_the_pause_is_in_force_and_all_who_were_before_are_told()
{
    let [deciding, pausing] = two().await;
    let mut jobs = Vec::new();
    for n in 0..48 {
        jobs.push(a_stored_job(&*deciding, "a", &n.to_string()).await);
    }
    let begin = async |job| {
        let change = Change {
            holds: Some(slot_of(256)),
            ..put(job, |_| {})
        };
        deciding.commit(change).await
    };
    let mut works = Vec::new();
    for job in &jobs[..24] {
        works.push(begin(job).await.unwrap().uid().unwrap());
    }
    works.sort();
    deciding.admission(POOL, &jobs[24]).await.unwrap();
    pausing.pause(Pause::Now, Timestamp::now()).await.unwrap();
    assert_eq!(pausing.standing().await.unwrap().at_work, works);
    for job in &jobs[24..] {
        let refused = begin(job).await;
        assert!(
            matches!(refused, Err(PortError::Conflict(_))),
            "{refused:?}"
        );
    }
    let standing = pausing.standing().await.unwrap();
    assert!(standing.in_force && standing.at_work == works);
    pausing.go_on().await.unwrap();
    for job in &jobs[24..] {
        begin(job).await.unwrap();
    }
}
