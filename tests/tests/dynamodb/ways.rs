//! What the tests of this class begin with.

use std::sync::Arc;

use jiff::Timestamp;
use sandbox_elf::{
    entry::{Entry, Row, VERSION},
    store::{
        Commit, Item, Kind, Ledger, Put,
        dynamodb::{DynamoLedger, DynamoSettings},
    },
};
use sandbox_tests::{
    contract::memory::tenant,
    dynamodb::{DynamoServer, proxy::Proxy},
};

pub async fn opened(settings: &DynamoSettings) -> Arc<DynamoLedger> {
    Arc::new(DynamoLedger::open(settings).await.unwrap())
}

/// A ledger on a new table that is reached through a proxy, and one that is not.
pub async fn through_a_proxy() -> (Proxy, Arc<DynamoLedger>, Arc<DynamoLedger>) {
    let server = DynamoServer::shared().await.unwrap();
    let direct = server.table().await.unwrap();
    let (proxy, far) = server.far(&direct).await.unwrap();
    (proxy, opened(&far).await, opened(&direct).await)
}

/// A write of one entry, and of an item that no node holds, after this place.
pub fn one(expected: u64) -> Commit {
    let seq = expected + 1;
    Commit {
        expected,
        rows: vec![row(seq, "one")],
        puts: vec![
            stands(Kind::Outcome, &format!("seat-{seq}"), seq, "{}"),
            stands(Kind::Rule, "rule", seq, &format!("{{\"at\":{seq}}}")),
        ],
        ..Commit::default()
    }
}

pub fn row(seq: u64, rule: &str) -> Row {
    Row {
        v: VERSION,
        seq,
        at: Timestamp::UNIX_EPOCH,
        entry: Entry::Pinned {
            rule: rule.to_owned(),
        },
    }
}

pub fn stands(kind: Kind, id: &str, seq: u64, body: &str) -> Put {
    Put::Stands(Item {
        kind,
        id: id.to_owned(),
        seq,
        body: body.to_owned(),
    })
}

/// So many writes of one entry each.
pub async fn writes(ledger: &DynamoLedger, from: u64, to: u64) {
    for expected in from..to {
        ledger.append(&tenant("a"), one(expected)).await.unwrap();
    }
}

pub async fn places(ledger: &DynamoLedger) -> Vec<u64> {
    let log = ledger.log(&tenant("a"), 0, u32::MAX).await.unwrap();
    log.iter().map(|row| row.seq).collect()
}
