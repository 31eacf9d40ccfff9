//! Writes that are too large for one transaction, and what a write costs.

use sandbox_core::port::Memory;
use sandbox_elf::{
    Elf,
    store::{Commit, Kind, Ledger, LedgerError, Put, dynamodb::DynamoLedger},
};
use sandbox_tests::{
    contract::memory::{about, seat, success, tenant},
    dynamodb::{DynamoServer, proxy::Fault},
};
use uuid::Uuid;

use crate::ways::{opened, places, row, stands, through_a_proxy, writes};

/// Bytes that do not become fewer when they are compressed.
fn noise(bytes: usize) -> String {
    let ids = std::iter::repeat_with(|| Uuid::new_v4().simple().to_string());
    ids.take(bytes / 32).collect()
}

/// More than one item holds, and more items than one transaction has.
fn large(expected: u64) -> Commit {
    let rows = (1..=300).map(|n| row(expected + n, &noise(4_000)));
    let ended = (1..=300).map(|n| {
        let seq = expected + n;
        stands(Kind::Outcome, &format!("large-{seq}"), seq, &noise(1_000))
    });
    Commit {
        expected,
        rows: rows.collect(),
        puts: ended
            .chain([stands(Kind::Trail, "long", expected + 300, &noise(500_000))])
            .collect(),
        ..Commit::default()
    }
}

#[tokio::test]
async fn a_write_of_any_size_is_read_back_whole() {
    let server = DynamoServer::shared().await.unwrap();
    let ledger = opened(&server.table().await.unwrap()).await;
    let (a, commit) = (tenant("a"), large(1));
    writes(&ledger, 0, 1).await;
    ledger.append(&a, commit.clone()).await.unwrap();
    let log = ledger.log(&a, 1, u32::MAX).await.unwrap();
    assert_eq!(log, commit.rows);
    let part = ledger.log(&a, 100, 7).await.unwrap();
    assert!(part.iter().map(|row| row.seq).eq(101..=107));
    for put in &commit.puts {
        let Put::Stands(item) = put else { continue };
        if item.seq % 50 == 1 {
            let kept = ledger.item(&a, item.kind, &item.id).await.unwrap();
            assert_eq!(kept.as_ref(), Some(item));
        }
    }
    let page = ledger.items(&a, Kind::Outcome, Some(200), 120).await;
    assert!(page.unwrap().iter().map(|i| i.seq).eq((80..200).rev()));
    let picture = ledger.snapshot(&a).await.unwrap();
    assert_eq!((picture.head, picture.items.len()), (301, 2));
}

#[tokio::test]
async fn of_a_large_write_that_does_not_count_nothing_is_seen() {
    let (proxy, far, near) = through_a_proxy().await;
    let a = tenant("a");
    writes(&far, 0, 1).await;
    // All that is written before the transaction is there, and the transaction is not.
    proxy.next("TransactWriteItems", [Fault::canceled("ValidationError")]);
    let refused = far.append(&a, large(1)).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))));
    assert_eq!(places(&near).await, [1]);
    let listed = near.items(&a, Kind::Outcome, None, 1_000).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(near.item(&a, Kind::Outcome, "large-2").await, Ok(None));
    assert_eq!(near.snapshot(&a).await.unwrap().items.len(), 1);
    // Others write at the places that it would have had.
    writes(&near, 1, 3).await;
    let listed = near.items(&a, Kind::Outcome, None, 1_000).await.unwrap();
    assert!(
        listed
            .iter()
            .map(|i| i.id.as_str())
            .eq(["seat-3", "seat-2", "seat-1"])
    );
}

#[tokio::test]
async fn an_item_that_is_written_again_or_gone_is_read_as_it_is_now() {
    let server = DynamoServer::shared().await.unwrap();
    let ledger = opened(&server.table().await.unwrap()).await;
    let a = tenant("a");
    let put = async |expected: u64, puts: Vec<Put>| {
        let rows = vec![row(expected + 1, "r")];
        let commit = Commit {
            expected,
            rows,
            puts,
            ..Commit::default()
        };
        ledger.append(&a, commit).await.unwrap();
    };
    let read = async |kind: Kind| ledger.item(&a, kind, "x").await.unwrap().map(|i| i.body);
    for (n, kind) in [(0, Kind::Postmortem), (3, Kind::Plan)] {
        put(n, vec![stands(kind, "x", n + 1, "first")]).await;
        put(n + 1, vec![stands(kind, "x", n + 2, "second")]).await;
        assert_eq!(read(kind).await.as_deref(), Some("second"));
        let listed = ledger.items(&a, kind, None, 9).await.unwrap();
        assert!(listed.iter().map(|i| i.body.as_str()).eq(["second"]));
        put(n + 2, vec![Put::Gone(kind, "x".to_owned())]).await;
        assert_eq!(read(kind).await, None);
        assert!(ledger.items(&a, kind, None, 9).await.unwrap().is_empty());
    }
}

const JOBS: u32 = 40;

/// What a job asks and tells; write units of its recall and of its end.
async fn a_job(ledger: &DynamoLedger, elf: &Elf, job: u32) -> [f64; 2] {
    let (a, before) = (tenant("a"), ledger.consumed().written);
    let query = about("deploy the tables of the shop with a migration");
    elf.recall(&seat(job, 1), &a, &query).await.unwrap();
    let between = ledger.consumed().written;
    let lesson = format!("[LEARNED:db] Lock table t{job} before the migration of part {job}");
    let mut end = success(&[&lesson]);
    let file = |n| format!("src/part{n}/file{job}.rs");
    end.files = (0..10).map(file).collect();
    elf.record(&seat(job, 1), &end).await.unwrap();
    [between - before, ledger.consumed().written - between]
}

#[tokio::test]
async fn a_job_costs_as_many_write_units_as_the_page_says() {
    let server = DynamoServer::shared().await.unwrap();
    let ledger = opened(&server.table().await.unwrap()).await;
    let elf = Elf::new(ledger.clone());
    for job in 1..=JOBS {
        a_job(&ledger, &elf, job).await;
    }
    let mut sums = [0.0; 2];
    for job in JOBS + 1..=2 * JOBS {
        let units = a_job(&ledger, &elf, job).await;
        sums.iter_mut().zip(units).for_each(|(sum, u)| *sum += u);
    }
    let [recall, end] = sums.map(|sum| sum / f64::from(JOBS));
    println!("write units: {recall:.1} a recall, {end:.1} an outcome");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dynamodb.md");
    let page = std::fs::read_to_string(page).unwrap();
    let figure = |before: &str| -> f64 {
        let at = page.find(before).unwrap() + before.len();
        page[at..]
            .split([' ', ',', ';'])
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    for (seen, said) in [
        (recall, figure("a recall writes at most ")),
        (end, figure("an outcome at most ")),
    ] {
        // No more than is said, and not so much less that it says nothing.
        assert!(seen <= said && seen > said / 2.0, "{seen} {said}");
    }
}
