//! The doors to the world. Each trait has its promises written as functions in the contract tests,
//! which run on every implementation.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    brief::Brief,
    job::{AgentJob, Tenant, Uid},
    outcome::{Failure, FailureClass, Outcome},
    query::{Event, EventQuery, Kept, ListQuery, MAX_PAGE, NewEvent, Page},
    seat::{Claim, Closed, Heartbeat, Register, Report, Seat, Sighting, Usage},
    spec::{AgentJobSpec, BackendName},
    status::Launch,
    validate::Invalid,
};

/// Why a port call did not do what was asked.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PortError {
    /// It was definitely not done, and asking again in the same way does not help.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// It was definitely not done, for want of room that may be there elsewhere, or later.
    #[error("{0}")]
    NoRoom(String),
    /// The version that was read is not the newest, or a reservation no longer fits. Look again.
    #[error("{0}")]
    Conflict(String),
    /// What was asked about is not there.
    #[error("{0}")]
    NotFound(String),
    /// It is unknown whether it was done. Asking again is safe.
    #[error("{0}")]
    Unknown(String),
}

impl PortError {
    /// A definite refusal.
    #[must_use]
    pub fn refused(class: FailureClass, message: impl Into<String>) -> Self {
        Self::Refused(Failure::new(class, message))
    }
}

/// What a port call gives.
pub type Answer<T> = Result<T, PortError>;

/// A share of something bounded that a job holds, such as slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// What it is a share of, such as `slots/vps`.
    pub pool: String,
    /// How much of it.
    pub units: u32,
    /// How much there is of it; the store refuses what would go beyond.
    pub capacity: u32,
}

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// The record as it is to stand; its version is the one that was read.
    Put(Box<AgentJob>),
    /// Gone, if this version still stands.
    Remove {
        /// Which job.
        uid: Uid,
        /// The version that was read.
        version: u64,
    },
}

/// One conditional write: record, reservations and events, all or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What becomes of the record.
    pub write: Write,
    /// Everything the job holds afterwards; what it held before and is not named is given back.
    /// `None` leaves its reservations as they are.
    pub holds: Option<Vec<Reservation>>,
    /// Events to number and keep.
    pub events: Vec<NewEvent>,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// It is new.
    New(AgentJob),
    /// The same idempotency key was used before; this is the job of then.
    Existing(AgentJob),
}

/// How full a pool is, and how many wait before a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Units held by all jobs.
    pub held: u32,
    /// Jobs that wait for this pool and go first: of higher priority, or equal and submitted
    /// earlier. One that names no place may go to any and counts in each.
    pub ahead: u32,
    /// Units that those want together.
    pub wanted_ahead: u32,
}

/// Where jobs are written down. A write that was acknowledged survives a crash.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes a new job (uid, tenant and name set; version given by the store).
    ///
    /// With an idempotency key that this tenant has used before, nothing is written.
    ///
    /// # Errors
    /// `Conflict` when the tenant has a job of that name; `Refused` when the job cannot be held.
    async fn create(&self, job: AgentJob, key: Option<&str>) -> Answer<Created>;

    /// Reads one job.
    ///
    /// # Errors
    /// `Unknown` when the store cannot be read; a job that is not there is `None`.
    async fn load(&self, uid: &Uid) -> Answer<Option<AgentJob>>;

    /// Reads a page of jobs, newest first.
    ///
    /// # Errors
    /// `Refused` with `InvalidSpec` for a cursor that no page gave.
    async fn list(&self, query: &ListQuery) -> Answer<Page>;

    /// Writes one change; gives the record with its new version, or the removed one.
    ///
    /// # Errors
    /// `Conflict` when a newer version stands or a reservation does not fit; `NotFound` when the
    /// job is gone. Nothing is written then.
    async fn commit(&self, change: Change) -> Answer<AgentJob>;

    /// Reads the event log in order.
    ///
    /// # Errors
    /// `Unknown` when the store cannot be read.
    async fn events(&self, query: &EventQuery) -> Answer<Vec<Event>>;

    /// What is kept of the event log. A store that knows it need not read the log for it.
    ///
    /// # Errors
    /// `Unknown` when the store cannot be read.
    async fn kept(&self) -> Answer<Kept> {
        let mut query = EventQuery {
            limit: MAX_PAGE,
            ..EventQuery::default()
        };
        let first = self.events(&query).await?;
        let mut page = first.clone();
        while let Some(last) = page.last() {
            query.after = last.seq;
            page = self.events(&query).await?;
        }
        let oldest = first.first().map_or(1, |e| e.seq);
        Ok(Kept {
            forgotten: oldest.saturating_sub(1),
            newest: query.after,
        })
    }

    /// How full a pool is, and how many waiting jobs go before this one.
    ///
    /// # Errors
    /// `Unknown` when the store cannot be read.
    async fn admission(&self, pool: &str, job: &AgentJob) -> Answer<Admission>;
}

/// What stands at a seat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeatRecord {
    /// Who has it, or why nobody will.
    pub register: Register,
    /// The last durable heartbeat of the claimant.
    pub heartbeat: Option<Heartbeat>,
    /// That the claimant's end was decided before it reported: its report tells only the cost.
    pub stopped: Option<Closed>,
    /// The report of the claimant.
    pub report: Option<Report>,
}

/// The seat register with what belongs to it: written by the runner's side, conditionally.
#[async_trait]
pub trait Seats: Send + Sync {
    /// Reads what stands at the seat. The report is read last, so that an instance seen gone
    /// before this call has its report seen by it.
    ///
    /// # Errors
    /// `Unknown` when it cannot be read.
    async fn read(&self, seat: &Seat) -> Answer<SeatRecord>;

    /// What stood at the seat when this record of its job was read; nothing where a seat does not stand in the record of
    /// its job, and has to be read by itself.
    ///
    /// # Errors
    /// `Unknown` when a part of it cannot be read that stands elsewhere.
    async fn read_in(&self, _job: &AgentJob, _seat: &Seat) -> Answer<Option<SeatRecord>> {
        Ok(None)
    }

    /// Puts the claim if nothing stands there; gives what stands there afterwards.
    ///
    /// # Errors
    /// `Unknown` when it is not known whether the claim was written.
    async fn claim(&self, seat: &Seat, claim: Claim) -> Answer<Register>;

    /// Closes the seat if nothing stands there; gives what stands there afterwards. A claimed seat
    /// that has not reported is stopped: of a report and a stop exactly one comes first, for
    /// everybody and for ever.
    ///
    /// # Errors
    /// `Unknown` when it is not known whether it was closed.
    async fn close(&self, seat: &Seat, reason: &str, now: Timestamp) -> Answer<Register>;

    /// Puts the claimant's heartbeat.
    ///
    /// # Errors
    /// `Refused` when the nonce is not the claimant's: the sender is stale and must stop.
    async fn beat(&self, seat: &Seat, nonce: &str, beat: Heartbeat) -> Answer<()>;

    /// Puts the claimant's report; the first one stands.
    ///
    /// # Errors
    /// `Refused` when the nonce is not the claimant's.
    async fn report(&self, seat: &Seat, nonce: &str, report: Report) -> Answer<()>;

    /// Forgets every seat of a job whose record is gone.
    ///
    /// # Errors
    /// `Unknown` when something may be left; asking again is safe.
    async fn discard(&self, uid: &Uid) -> Answer<()>;
}

/// What a back end sees of a seat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Look {
    /// Every instance begun for the seat; none when nothing is seen.
    pub sightings: Vec<Sighting>,
    /// Processes or resources begun for the seat that are not an instance of it.
    pub remains: u32,
    /// The exact image the instance was made of, where there is one: a digest or an id.
    pub image: Option<String>,
    /// What has to be done before the seat can be launched and is being done, for people: an image
    /// is pulled, perhaps.
    pub preparing: Option<String>,
}

/// A piece of a seat's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogChunk {
    /// The text; invalid UTF-8 is replaced.
    pub text: String,
    /// Where the next piece begins, in bytes.
    pub next: u64,
}

/// A place where seats run.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Its word, and what it calls the instance of this seat: the same every time.
    fn name_of(&self, seat: &Seat) -> (BackendName, String);

    /// Starts the seat under its deterministic identity. Asked twice, it starts once: where the
    /// identity exists and is ours, that is `Ok`.
    ///
    /// # Errors
    /// `Refused` when it was definitely not started; `Unknown` when it may have been.
    async fn launch(&self, brief: &Brief) -> Answer<()>;

    /// Sees what there is of the seat.
    ///
    /// # Errors
    /// `Unknown` when the place cannot be asked.
    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look>;

    /// Asks every instance of the seat but `keep` to end, and ends those that do not.
    ///
    /// # Errors
    /// `Unknown` when it is not known whether they were asked.
    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()>;

    /// Ends and removes all that was begun for the seat.
    ///
    /// # Errors
    /// `Unknown` when something may be left; asking again is safe.
    async fn reap(&self, seat: &Seat) -> Answer<()>;

    /// Reads at most `limit` bytes of the seat's log from this offset in bytes.
    ///
    /// # Errors
    /// `NotFound` when the seat has no log.
    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk>;

    /// What a launch of this spec will send that is decided here, so that it can be written down before
    /// anything is launched and a repeated launch is the same.
    fn freeze(&self, _spec: &AgentJobSpec) -> Option<Launch> {
        None
    }

    /// How long a runner may go on here that is not heard, where its place can be cut off from us and the
    /// whole node does not have a lease.
    fn lease(&self) -> Option<Duration> {
        None
    }

    /// What of this spec cannot be had in this place, so that a door can say so before anything is
    /// written down. What it lets pass may still be refused by [`Backend::launch`].
    fn refuses(&self, _spec: &AgentJobSpec) -> Vec<Invalid> {
        Vec::new()
    }
}

/// What a runner asks memory before it works.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecallQuery {
    /// What the work is about.
    pub text: String,
    /// The domain whose lessons are wanted most.
    pub domain: Option<String>,
    /// The project the work belongs to.
    pub project: Option<String>,
    /// Files the work is about.
    pub files: Vec<String>,
    /// Most tokens of lessons; 1,500 when absent.
    pub max_tokens: Option<u32>,
}

/// One lesson that was put into a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lesson {
    /// The rule's id.
    pub rule: String,
    /// Its domain.
    pub domain: String,
    /// Its text, redacted, one line, at most 500 characters.
    pub text: String,
}

/// What memory gave for a seat, and what it kept back: the same whenever it is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Receipt {
    /// The lessons, in the order of the prompt.
    pub injected: Vec<Lesson>,
    /// Ids of rules that fitted the query.
    pub eligible: Vec<String>,
    /// Ids of rules that fitted and were kept back.
    pub withheld: Vec<String>,
    /// The draw of each eligible rule, in the same order.
    pub draws: Vec<f64>,
    /// The place of memory's log at which this was computed.
    pub log_position: u64,
    /// Why there are no lessons, when memory could not be asked.
    pub unavailable: Option<String>,
}

/// The end of an attempt, as memory keeps it. One ledger row per seat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptOutcome {
    /// Whose.
    pub tenant: Tenant,
    /// The job type's word.
    pub job_type: String,
    /// The project, where the job names one.
    pub project: Option<String>,
    /// The domain, where the job names one, or a stack.
    pub domain: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The class of the failure, when it failed.
    pub class: Option<FailureClass>,
    /// What failed, when it failed.
    pub message: Option<String>,
    /// How well it went, 0 to 1, where that is known.
    pub grade: Option<f64>,
    /// What it cost.
    pub usage: Usage,
    /// Files that were touched.
    pub files: Vec<String>,
    /// Lessons in the form `[LEARNED:domain] text`.
    pub lessons: Vec<String>,
    /// When it ended.
    pub at: Timestamp,
}

/// The shared memory, as a seat meets it.
#[async_trait]
pub trait Memory: Send + Sync {
    /// Lessons for the work of this seat. Asked twice, the same receipt.
    ///
    /// # Errors
    /// `Unknown` when memory cannot be asked; the work then goes on without.
    async fn recall(&self, seat: &Seat, tenant: &Tenant, query: &RecallQuery) -> Answer<Receipt>;

    /// Keeps the end of an attempt. Asked twice, it is kept once.
    ///
    /// # Errors
    /// `Unknown` when it may not have been kept; asking again is safe.
    async fn record(&self, seat: &Seat, outcome: &AttemptOutcome) -> Answer<()>;
}

impl AttemptOutcome {
    /// What memory is told about an attempt of this job that ended without a report.
    #[must_use]
    pub fn new(job: &AgentJob, tenant: Tenant, end: &crate::status::EndedAttempt) -> Self {
        Self {
            tenant,
            job_type: job.spec.job_type.word().to_owned(),
            project: crate::spec::project(&job.spec),
            domain: crate::spec::domain(&job.spec),
            outcome: end.outcome,
            class: end.failure.as_ref().map(|f| f.class),
            message: end.failure.as_ref().map(|f| f.message.clone()),
            grade: None,
            usage: Usage::default(),
            files: Vec::new(),
            lessons: Vec::new(),
            at: end.at,
        }
    }

    /// The same with what the runner reported.
    #[must_use]
    pub fn with_report(mut self, report: &Report) -> Self {
        self.grade = report.grade;
        self.usage = report.usage;
        self.files.clone_from(&report.files);
        self.lessons.clone_from(&report.lessons);
        self
    }
}

/// The size of a JSON value as it would be written, in bytes.
#[must_use]
pub fn json_size(value: &Value) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |s| s.len())
}
