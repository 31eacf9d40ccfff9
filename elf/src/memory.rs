//! The shared memory as a seat meets it: recall before the work, record after it.

use std::sync::Arc;

use async_trait::async_trait;
use sandbox_core::{
    Seat, Tenant,
    port::{Answer, AttemptOutcome, Memory, RecallQuery, Receipt},
};

use crate::{Elf, ElfError, decide, entry::Entry, near, recall};

#[async_trait]
impl Memory for Elf {
    async fn recall(&self, seat: &Seat, tenant: &Tenant, query: &RecallQuery) -> Answer<Receipt> {
        Ok(self.recalled(seat, tenant, query).await?)
    }

    async fn record(&self, seat: &Seat, outcome: &AttemptOutcome) -> Answer<()> {
        Ok(self.recorded(seat, outcome).await?)
    }
}

impl Elf {
    /// The receipt of this seat: the one that stands, or a new one that is durable when it is given.
    async fn recalled(
        &self,
        seat: &Seat,
        tenant: &Tenant,
        query: &RecallQuery,
    ) -> Result<Receipt, ElfError> {
        let (at, query) = (seat.clone(), Arc::new(query.clone()));
        let given = self.write(tenant, move |live, now| {
            let stands = live
                .state
                .attempt(&at)
                .is_some_and(|a| a.injected.is_some());
            if stands {
                return Ok((Vec::new(), None));
            }
            let receipt = recall::rank(live.known(), &query, &at, now);
            let entry = Entry::Receipt {
                seat: at.clone(),
                receipt: receipt.clone(),
            };
            Ok((vec![entry], Some(receipt)))
        });
        match given.await? {
            Some(receipt) => Ok(receipt),
            None => self.receipt(tenant, seat).await,
        }
    }

    async fn recorded(&self, seat: &Seat, outcome: &AttemptOutcome) -> Result<(), ElfError> {
        let (seat, told) = (seat.clone(), outcome.clone());
        let tenant = outcome.tenant.clone();
        self.write(&tenant, move |live, now| {
            let known = (&live.state, &live.redactor);
            let entries = decide::record(known, &seat, &told, now);
            Ok((near::settle(live.known(), entries).0, ()))
        })
        .await
    }
}
