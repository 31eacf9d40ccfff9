//! A `Lease` as the decision reads it, and the decision as a `Lease`. Times in it are for people: nobody decides by
//! them.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};

use super::decide::Record;

/// What stands in this Lease. One that says less than it should is read as one that waits longer.
pub(super) fn read(lease: &Lease, patience: Duration) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let said = spec.lease_duration_seconds.map(u64::try_from);
    let lease_for = said.and_then(Result::ok).map(Duration::from_secs);
    Record {
        holder: spec.holder_identity.filter(|h| !h.is_empty()),
        lease: lease_for.unwrap_or_default().max(patience),
        term: spec
            .lease_transitions
            .unwrap_or_default()
            .max(0)
            .unsigned_abs(),
        version: lease.metadata.resource_version.clone(),
    }
}

/// The Lease to be written over the one that was read; only where that one still stands.
pub(super) fn write(before: Option<Lease>, record: &Record, now: Timestamp) -> Lease {
    let mut lease = before.unwrap_or_default();
    lease.metadata.resource_version.clone_from(&record.version);
    lease.metadata.managed_fields = None;
    let spec = lease.spec.take().unwrap_or_default();
    let same = spec.lease_transitions.and_then(|t| u32::try_from(t).ok()) == Some(record.term);
    let acquired = spec.acquire_time.clone().filter(|_| same);
    lease.spec = Some(LeaseSpec {
        // As client-go writes it where it gives a lease back.
        holder_identity: Some(record.holder.clone().unwrap_or_default()),
        lease_duration_seconds: i32::try_from(record.lease.as_secs().max(1)).ok(),
        lease_transitions: i32::try_from(record.term).ok(),
        acquire_time: acquired.or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        ..spec
    });
    lease
}
