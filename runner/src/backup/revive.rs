//! What becomes of jobs that were not over when the backup was made: they may have gone on since, here
//! or elsewhere, so none of them goes on by itself. Their seats are closed, and they wait for a person.

use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use sandbox_core::{
    AgentJob, AgentJobStatus, Seat, Uid,
    port::{Change, Store, Write},
    query::{ListQuery, MAX_PAGE, NewEvent, Phase},
    status::condition,
};
use sandbox_elf::Elf;
use sandbox_operator::{seats::files::sync, store::sqlite::SqliteStore};

use super::{Head, JOBS, MEMORY, SEATS};

/// What became of jobs that were not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revived {
    /// They wait for a person.
    pub suspended: u64,
    /// Their work was done and only its end was not written down yet.
    pub reported: u64,
}

/// Suspends what was not over in this folder.
///
/// # Errors
/// A database is of a newer release, or cannot be written.
pub async fn suspend(folder: &Path, head: &Head) -> Result<Revived> {
    let store = SqliteStore::open(&folder.join(JOBS))?;
    drop(Elf::open(&folder.join(MEMORY))?);
    let desk = Desk {
        seats: &folder.join(SEATS),
        made: head.at,
        now: Timestamp::now(),
    };
    let mut revived = Revived::default();
    let mut query = ListQuery {
        phases: vec![Phase::Queued, Phase::Running],
        limit: MAX_PAGE,
        ..ListQuery::default()
    };
    loop {
        let page = store.list(&query).await?;
        for job in page.jobs {
            let change = desk.held(job, &mut revived)?;
            store.commit(change).await?;
        }
        query.after = page.next;
        if query.after.is_none() {
            return Ok(revived);
        }
    }
}

struct Desk<'a> {
    seats: &'a Path,
    made: Timestamp,
    now: Timestamp,
}

impl Desk<'_> {
    fn held(&self, mut job: AgentJob, revived: &mut Revived) -> Result<Change> {
        let mut status = job.status().into_owned();
        let uid = job.uid()?;
        let last = self.last_attempt(&uid)?;
        let seat = Seat::new(uid.clone(), status.attempt);
        let reported = status.intent.is_some() && self.has_report(&seat);
        let text = self.text(&status, reported);
        for attempt in status.attempt..=last {
            if attempt > 0 && !(reported && attempt == seat.attempt) {
                self.close(&Seat::new(uid.clone(), attempt))?;
            }
        }
        let holds = (!reported).then(Vec::new);
        if reported {
            revived.reported += 1;
        } else {
            revived.suspended += 1;
            between_attempts(&mut status, last);
        }
        let why = ("Backup", text.as_str());
        status.set_condition(condition::RESTORED, "True", why, self.now);
        status.updated_at = Some(self.now);
        job.spec.suspend = true;
        job.metadata.generation = job.metadata.generation.map(|n| n + 1);
        job.status = Some(status);
        Ok(Change {
            write: Write::Put(Box::new(job)),
            holds,
            events: vec![NewEvent {
                reason: "Restored".to_owned(),
                message: text,
                at: self.now,
            }],
        })
    }

    fn text(&self, status: &AgentJobStatus, reported: bool) -> String {
        let made = self.made.strftime("%Y-%m-%dT%H:%M:%SZ");
        if reported {
            return format!("restored from a backup of {made}; its work was done by then");
        }
        let gone_on = match status.attempt {
            0 => "it may have been started since".to_owned(),
            n => format!("attempt {n} may have gone on since"),
        };
        format!(
            "suspended: restored from a backup of {made}, and {gone_on}; `sandbox resume` begins it anew"
        )
    }

    /// The newest attempt that has left something: the memory may know of one that the jobs' picture
    /// does not, and a seat is used once.
    fn last_attempt(&self, uid: &Uid) -> Result<u32> {
        let folder = self.seats.join(uid.as_str());
        let names = match std::fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            names => names.with_context(|| format!("read {}", folder.display()))?,
        };
        let numbers = names.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
        Ok(numbers.max().unwrap_or_default())
    }

    /// Whether the work of this seat is done. What cannot be read has not been reported.
    fn has_report(&self, seat: &Seat) -> bool {
        sync::read(self.seats, seat).is_ok_and(|r| r.report.is_some() && r.stopped.is_none())
    }

    /// Nobody may claim it, and what its claimant still says elsewhere counts nothing here.
    fn close(&self, seat: &Seat) -> Result<()> {
        let register = sync::folder(self.seats, seat).join("register.json");
        match std::fs::remove_file(&register) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed.with_context(|| format!("removed {}", register.display()))?,
        }
        sync::close(self.seats, seat, "restored from a backup", self.now)?;
        Ok(())
    }
}

/// No attempt is under way any more; what the last one cost is spent all the same.
fn between_attempts(status: &mut AgentJobStatus, last: u32) {
    status.attempt = status.attempt.max(last);
    status.intent = None;
    status.stop = None;
    status.agents = None;
    status.retry_at = None;
    status.started_at = None;
    status.earlier_usage = status.usage.or(status.earlier_usage);
}
