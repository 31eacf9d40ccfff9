//! Requests and answers that are lost, a server that is busy or unwell, several who write at once.

use futures::future::join_all;
use sandbox_core::port::Memory;
use sandbox_elf::{
    Elf,
    store::{Kind, Ledger, LedgerError, dynamodb::DynamoSettings},
};
use sandbox_tests::{
    contract::memory::{seat, success, tenant},
    dynamodb::{DynamoServer, proxy::Fault},
};

use crate::ways::{one, opened, places, through_a_proxy, writes};

const WRITE: &str = "TransactWriteItems";
/// More than any call is tried.
const ALWAYS: usize = 200;

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again_and_nothing_is_written_twice() {
    let (proxy, far, near) = through_a_proxy().await;
    writes(&far, 0, 1).await;
    proxy.next(WRITE, [Fault::LoseAnswer]);
    far.append(&tenant("a"), one(1)).await.unwrap();
    writes(&far, 2, 3).await;
    assert_eq!(places(&near).await, [1, 2, 3]);
    assert_eq!(proxy.seen(WRITE), 4);
}

#[tokio::test]
async fn a_write_whose_every_answer_is_lost_is_found_in_the_log() {
    let (proxy, far, near) = through_a_proxy().await;
    writes(&far, 0, 1).await;
    proxy.next(WRITE, vec![Fault::LoseAnswer; ALWAYS]);
    far.append(&tenant("a"), one(1)).await.unwrap();
    proxy.heal();
    writes(&far, 2, 3).await;
    assert_eq!(places(&near).await, [1, 2, 3]);
}

/// As when the token is not remembered any more: the second try is told that somebody was faster.
#[tokio::test]
async fn a_write_that_finds_its_own_work_done_takes_it_for_done() {
    let (proxy, far, near) = through_a_proxy().await;
    writes(&far, 0, 1).await;
    let lost_then_late = [Fault::LoseAnswer, Fault::canceled("ConditionalCheckFailed")];
    proxy.next(WRITE, lost_then_late);
    far.append(&tenant("a"), one(1)).await.unwrap();
    assert_eq!(places(&near).await, [1, 2]);
    let item = near.item(&tenant("a"), Kind::Outcome, "seat-2").await;
    assert_eq!(item.unwrap().unwrap().seq, 2);
}

#[tokio::test]
async fn a_request_that_is_lost_is_sent_again() {
    let (proxy, far, near) = through_a_proxy().await;
    proxy.next(WRITE, [Fault::LoseRequest, Fault::LoseRequest]);
    proxy.next("BatchWriteItem", [Fault::LoseRequest, Fault::LoseAnswer]);
    proxy.next("GetItem", [Fault::LoseRequest]);
    writes(&far, 0, 2).await;
    assert_eq!(places(&near).await, [1, 2]);
}

#[tokio::test]
async fn a_busy_or_unwell_server_is_asked_again() {
    let (proxy, far, near) = through_a_proxy().await;
    let unwell = [
        Fault::error(400, "ThrottlingException"),
        Fault::error(500, "InternalServerError"),
        Fault::error(400, "ProvisionedThroughputExceededException"),
        Fault::canceled("TransactionConflict"),
        Fault::canceled("ThrottlingError"),
    ];
    proxy.next(WRITE, unwell);
    proxy.next("Query", [Fault::error(503, "InternalServerError")]);
    writes(&far, 0, 1).await;
    assert_eq!(places(&far).await, [1]);
    assert_eq!(places(&near).await, [1]);
    assert_eq!(proxy.seen(WRITE), 6);
}

#[tokio::test]
async fn a_server_that_stays_busy_is_named_and_what_was_asked_goes_through_later() {
    let (proxy, far, near) = through_a_proxy().await;
    writes(&far, 0, 1).await;
    proxy.next(
        WRITE,
        vec![Fault::error(400, "ThrottlingException"); ALWAYS],
    );
    let refused = far.append(&tenant("a"), one(1)).await;
    let Err(LedgerError::Unavailable(text)) = refused else {
        panic!("it was throttled: {refused:?}");
    };
    assert!(
        text.contains("throttles") && text.contains("capacity"),
        "{text}"
    );
    assert_eq!(places(&near).await, [1]);
    proxy.heal();
    far.append(&tenant("a"), one(1)).await.unwrap();
    assert_eq!(places(&near).await, [1, 2]);
}

#[tokio::test]
async fn what_was_decided_on_a_write_that_failed_fails_with_it() {
    let (proxy, far, near) = through_a_proxy().await;
    writes(&far, 0, 1).await;
    proxy.next(WRITE, [Fault::canceled("ValidationError")]);
    let a = tenant("a");
    // The second may be written with the first or after it; it was decided on it in any case.
    let (first, second) = (far.append(&a, one(1)), far.append(&a, one(2)));
    assert!(matches!(first.await, Err(LedgerError::Unavailable(_))));
    assert!(second.await.is_err());
    assert_eq!(places(&near).await, [1]);
}

#[tokio::test]
async fn of_two_who_write_at_one_place_one_is_told_and_leaves_nothing() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.table().await.unwrap();
    let (one_node, other) = (opened(&settings).await, opened(&settings).await);
    let a = tenant("a");
    for expected in 0..20 {
        let both = [&one_node, &other].map(|node| node.append(&a, one(expected)));
        let told = join_all(both).await;
        let done = told.iter().filter(|t| t.is_ok()).count();
        let late = told.iter().filter(|t| **t == Err(LedgerError::Conflict));
        assert_eq!((done, late.count()), (1, 1), "{told:?}");
    }
    assert!(places(&one_node).await.into_iter().eq(1..=20));
    let listed = one_node.items(&a, Kind::Outcome, None, 100).await.unwrap();
    assert!(listed.iter().map(|item| item.seq).eq((1..=20).rev()));
    // Head, log, and two pointers of each write that counts.
    let all = server.client().scan().table_name(&settings.table).send();
    assert_eq!(all.await.unwrap().count, 1 + 20 + 2 * 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_their_own_count_every_end_once() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = DynamoSettings {
        snapshot_every: 4,
        ..server.table().await.unwrap()
    };
    let nodes = [opened(&settings).await, opened(&settings).await];
    let elves = nodes.clone().map(|node| Elf::new(node));
    let told = success(&["[LEARNED:db] Lock the table before the migration"]);
    let tell = async |elf: &Elf, job: u32| loop {
        // A busy neighbour may win every try; asking again is safe.
        if elf.record(&seat(job, 1), &told).await.is_ok() {
            break;
        }
    };
    for job in 1..=20 {
        futures::join!(tell(&elves[0], job), tell(&elves[1], job));
    }
    let a = tenant("a");
    let stats = elves[0].stats(&a).await.unwrap();
    assert_eq!(stats, elves[1].stats(&a).await.unwrap());
    assert_eq!(stats.total_outcomes, 20);
    assert!(places(&nodes[0]).await.is_sorted());
    let fresh = opened(&settings).await;
    assert_eq!(
        fresh.snapshot(&a).await.unwrap(),
        nodes[0].snapshot(&a).await.unwrap()
    );
}
