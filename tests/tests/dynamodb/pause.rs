//! A deployment that is paused: the mark stands in the item that every start has to change.

use std::sync::Arc;

use jiff::Timestamp;
use sandbox_core::{
    plan::Pause,
    port::{Change, PortError, Reservation, Store},
};
use sandbox_operator::store::dynamodb::{DynamoStore, paused::Mark};
use sandbox_tests::{
    contract::store::{a_stored_job, put},
    dynamodb::DynamoServer,
};

const POOL: &str = "slots/fargate";

fn slot() -> Vec<Reservation> {
    vec![Reservation {
        pool: POOL.to_owned(),
        units: 1,
        capacity: 8,
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
