//! A world whose jobs and seats stand in a DynamoDB table; each start of the node opens it anew.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sandbox_core::port::{Seats, Store};
use sandbox_elf::store::dynamodb::DynamoSettings;
use sandbox_operator::{seats::dynamodb::DynamoSeats, store::dynamodb::DynamoStore};

use crate::flow::{
    story::Story,
    world::{Records, World},
};

/// How long a runner may work after a heartbeat.
pub const LEASE: Duration = Duration::from_mins(10);

struct OnTable(DynamoSettings);

#[async_trait]
impl Records for OnTable {
    async fn open(&self) -> (Arc<dyn Store>, Arc<dyn Seats>) {
        let jobs = DynamoStore::open(&self.0).await.unwrap();
        (jobs.clone(), Arc::new(DynamoSeats::new(jobs, LEASE)))
    }
}

/// A world in this table, which is empty.
pub async fn world(story: &Story, settings: DynamoSettings) -> World {
    let records = Arc::new(OnTable(settings));
    let open = records.open().await;
    World::with(story, records, open)
}
