//! What this machine keeps of a seat that it was asked to start: whose it is, where it runs, and when it was acknowledged
//! last. It stands in the seat's folder, so that a lease goes on running when this program is started anew.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use sandbox_core::{
    Seat, Uid,
    port::{Answer, PortError},
    spec::BackendName,
};
use serde::{Deserialize, Serialize};

use crate::{
    backend::vps::instance::boot_id,
    lead::Moment,
    seats::files::{disk, sync},
};

const FILE: &str = "host.json";
/// The largest record.
const LIMIT: usize = 16 << 10;

/// One seat of a control plane elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// Whose.
    pub(super) owner: String,
    /// Where it runs.
    pub(super) backend: BackendName,
    /// Slots it takes.
    pub(super) slots: u32,
    /// How long it may go on without being acknowledged, in milliseconds.
    pub(super) lease_ms: u64,
    /// The boot that `heard_ms` is counted from.
    boot: String,
    /// When the last acknowledged message came, in milliseconds since the boot.
    heard_ms: u64,
    /// Whether it was ended here, because nobody acknowledged it.
    pub(super) over: bool,
}

impl Record {
    /// A seat that is started at this moment.
    pub(super) fn new(
        owner: &str,
        (backend, slots): (BackendName, u32),
        lease_ms: u64,
        now: Moment,
    ) -> Self {
        let mut record = Self {
            owner: owner.to_owned(),
            backend,
            slots,
            lease_ms,
            boot: String::new(),
            heard_ms: 0,
            over: false,
        };
        record.heard(now);
        record
    }

    /// A message that came at this moment was acknowledged.
    pub(super) fn heard(&mut self, came: Moment) {
        let this = boot_id().unwrap_or_default();
        if self.boot == this && millis(came) <= self.heard_ms {
            return;
        }
        this.clone_into(&mut self.boot);
        self.heard_ms = millis(came);
    }

    /// Whether the lease has run out. One of another boot has: nothing of it runs.
    pub(super) fn is_lost(&self, now: Moment) -> bool {
        let same = boot_id().is_ok_and(|this| this == self.boot);
        !same || millis(now) >= self.heard_ms.saturating_add(self.lease_ms)
    }

    /// Writes it down.
    ///
    /// # Errors
    /// It may not stand.
    pub(super) fn put(&self, root: &Path, seat: &Seat) -> Answer<()> {
        let failed = |e: &dyn std::fmt::Display| {
            PortError::Unknown(format!("write down whose seat {seat} is: {e}"))
        };
        let bytes = serde_json::to_vec(self).map_err(|e| failed(&e))?;
        disk::replace(&sync::folder(root, seat), FILE, &bytes).map_err(|e| failed(&e))
    }

    fn read(root: &Path, seat: &Seat) -> io::Result<Option<Self>> {
        let bytes = disk::read(&sync::folder(root, seat).join(FILE), LIMIT)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }
}

fn millis(moment: Duration) -> u64 {
    u64::try_from(moment.as_millis()).unwrap_or(u64::MAX)
}

/// Every seat that has a record beneath this root.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn all(root: &Path) -> io::Result<Vec<(Seat, Record)>> {
    let mut found = Vec::new();
    for uid in names(root)? {
        let Ok(uid) = uid.parse::<Uid>() else {
            continue;
        };
        for attempt in names(&root.join(uid.as_str()))? {
            let Ok(attempt) = attempt.parse() else {
                continue;
            };
            let seat = Seat::new(uid.clone(), attempt);
            let record = Record::read(root, &seat)?;
            found.extend(record.map(|record| (seat, record)));
        }
    }
    Ok(found)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let name = |e: io::Result<std::fs::DirEntry>| Ok(e?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect()
}

/// Forgets a seat, and its job's folder where it was the last.
///
/// # Errors
/// Something may be left; asking again is safe.
pub(super) fn forget(root: &Path, seat: &Seat) -> Answer<()> {
    let text = |e| PortError::Unknown(format!("forget seat {seat}: {e}"));
    let folder = sync::folder(root, seat);
    let job: PathBuf = root.join(seat.uid.as_str());
    let aside = job.join(format!(".gone-{}", seat.attempt));
    disk::remove_folder(&folder, &aside).map_err(text)?;
    // It is not empty where another attempt is there.
    let _ = std::fs::remove_dir(job);
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    fn seat() -> Seat {
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/1".parse().unwrap()
    }

    fn second(n: u64) -> Moment {
        Duration::from_secs(n)
    }

    fn record() -> Record {
        Record::new("me", (BackendName::Vps, 1), 10_000, second(100))
    }

    #[test]
    fn a_lease_runs_from_the_last_message_that_was_acknowledged() {
        let mut record = record();
        assert!(!record.is_lost(second(109)));
        assert!(record.is_lost(second(110)));
        record.heard(second(105));
        assert!(!record.is_lost(second(114)));
        record.heard(second(101));
        assert!(
            !record.is_lost(second(114)),
            "a late answer takes nothing away"
        );
    }

    #[test]
    fn a_lease_goes_on_running_when_the_program_is_started_anew() {
        let dir = tempfile::tempdir().unwrap();
        record().put(dir.path(), &seat()).unwrap();
        let found = all(dir.path()).unwrap();
        assert_eq!(found, vec![(seat(), record())]);
        assert!(found[0].1.is_lost(second(110)));
    }

    #[test]
    fn what_ran_before_a_boot_is_lost() {
        let mut record = record();
        record.boot = "another".to_owned();
        assert!(record.is_lost(second(100)));
    }

    #[test]
    fn a_seat_that_is_forgotten_leaves_nothing_and_another_attempt_stays() {
        let dir = tempfile::tempdir().unwrap();
        let second = Seat::new(seat().uid, 2);
        record().put(dir.path(), &seat()).unwrap();
        record().put(dir.path(), &second).unwrap();
        forget(dir.path(), &seat()).unwrap();
        assert_eq!(all(dir.path()).unwrap().len(), 1);
        forget(dir.path(), &second).unwrap();
        forget(dir.path(), &second).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
