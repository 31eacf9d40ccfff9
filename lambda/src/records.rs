//! Where jobs and memory stand: two tables and a bucket, opened together.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use sandbox_elf::{Elf, store::dynamodb::DynamoLedger};
use sandbox_operator::{seats::dynamodb::DynamoSeats, store::dynamodb::DynamoStore};

use crate::settings::Settings;

/// How long a runner goes on that is not heard.
pub const LEASE: Duration = Duration::from_mins(10);

/// What is written down.
#[derive(Clone)]
pub struct Records {
    /// Jobs.
    pub store: Arc<DynamoStore>,
    /// Who has which seat.
    pub seats: Arc<DynamoSeats>,
    /// Memory. A tenant's is read when it is first asked for, and stays.
    pub elf: Arc<Elf>,
    /// What memory stands on.
    pub ledger: Arc<DynamoLedger>,
}

impl Records {
    /// Opens them.
    ///
    /// # Errors
    /// A table is missing, is another one, or may not be read; the text says what to do.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let (records, memory) = (settings.records(), settings.memory());
        let store = async { Ok::<_, anyhow::Error>(DynamoStore::open(&records).await?) };
        let ledger = async { Ok::<_, anyhow::Error>(DynamoLedger::open(&memory).await?) };
        let (store, ledger) = futures::try_join!(Box::pin(store), Box::pin(ledger))?;
        let ledger = Arc::new(ledger);
        Ok(Self {
            seats: Arc::new(DynamoSeats::new(store.clone(), LEASE)),
            elf: Arc::new(Elf::new(ledger.clone())),
            ledger,
            store,
        })
    }
}
