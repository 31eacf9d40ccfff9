//! What every store derives from a job in the same way: its place in lists, whether it waits,
//! whether it is still open, the cursor of a page, and the words of a refusal. Keeps nothing.

use sandbox_core::{
    AgentJob, FailureClass, Tenant, Uid,
    plan::slots::wanted,
    port::{Answer, PortError, Reservation},
    query::{NewEvent, Phase},
    status::condition,
};

/// A job with what lists and queues need to know of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub uid: Uid,
    /// Whose.
    pub tenant: Tenant,
    /// Its name within the tenant.
    pub name: String,
    /// The job type's word.
    pub job_type: &'static str,
    /// Where it stands.
    pub phase: Phase,
    /// Higher goes first.
    pub priority: i32,
    /// Microseconds since 1970.
    pub submitted_at: i64,
    /// Whether it waits for a slot. One that backs off does not: a store has no clock to tell when
    /// it is due, and those behind it must not wait for it.
    pub waiting: bool,
    /// The pool it asks for, such as `slots/vps`; empty when it names no place and may go to any.
    pub pool: String,
    /// Units of it that it wants.
    pub units: u32,
    /// Whether there is anything left to reconcile.
    pub open: bool,
    /// The version as it is to stand.
    pub version: u64,
}

impl Row {
    /// What there is to know of this job.
    ///
    /// # Errors
    /// `Refused` when it has no uid, tenant or name.
    pub fn of(job: &AgentJob) -> Answer<Self> {
        let bad = |text: String| PortError::refused(FailureClass::InvalidSpec, text);
        let uid = job.uid().map_err(|e| bad(e.to_string()))?;
        let tenant = job.tenant().map_err(|e| bad(e.to_string()))?;
        if job.name().is_empty() {
            return Err(bad("read the job: it has no name".to_owned()));
        }
        Ok(Self {
            uid,
            tenant,
            name: job.name().to_owned(),
            job_type: job.spec.job_type.word(),
            phase: Phase::of(job),
            priority: job.spec.priority,
            submitted_at: job.submitted_at().as_microsecond(),
            waiting: waits(job),
            pool: pool(job),
            units: wanted(&job.spec),
            open: is_open(job),
            version: job.version(),
        })
    }

    /// Refuses a save that makes another job of this one: names, lists and queues stand on it.
    ///
    /// # Errors
    /// `Refused` when tenant, name or type differ.
    pub fn stays(&self, saved: &Self) -> Answer<()> {
        let who = |r: &Self| (r.tenant.clone(), r.name.clone(), r.job_type);
        if who(self) == who(saved) {
            return Ok(());
        }
        Err(Self::changed(&self.uid))
    }

    /// The refusal of a save that makes another job of it.
    #[must_use]
    pub fn changed(uid: &Uid) -> PortError {
        let text = format!(
            "saved job {uid}: its tenant, name or type was changed; submit a new job instead"
        );
        PortError::refused(FailureClass::InvalidSpec, text)
    }

    /// Whether this job may take of this pool.
    #[must_use]
    pub fn may_use(&self, pool: &str) -> bool {
        self.pool.is_empty() || self.pool == pool
    }

    /// Whether this job goes before the other among those that wait.
    #[must_use]
    pub fn goes_before(&self, other: &Self) -> bool {
        let mine = (-self.priority, self.submitted_at, &self.uid);
        mine < (-other.priority, other.submitted_at, &other.uid)
    }
}

fn pool(job: &AgentJob) -> String {
    let asked = job.spec.backend.as_ref().map(|b| b.name.word());
    asked.map_or_else(String::new, |word| format!("slots/{word}"))
}

fn waits(job: &AgentJob) -> bool {
    let status = job.status();
    let held = job.spec.suspend || job.spec.cancel;
    !status.is_finished() && status.intent.is_none() && status.retry_at.is_none() && !held
}

fn is_open(job: &AgentJob) -> bool {
    let status = job.status();
    let told =
        status.is_true(condition::RECORDED) || status.condition(condition::RECORDED).is_some();
    let done = status.is_over() && told;
    !done || job.spec.ttl_after_finished.is_some() || job.deleted_at().is_some()
}

/// The same reservations with each pool named once.
#[must_use]
pub fn summed(wanted: Vec<Reservation>) -> Vec<Reservation> {
    let mut pools: Vec<Reservation> = Vec::with_capacity(wanted.len());
    for r in wanted {
        match pools.iter_mut().find(|p| p.pool == r.pool) {
            Some(p) => {
                p.units = p.units.saturating_add(r.units);
                p.capacity = p.capacity.min(r.capacity);
            }
            None => pools.push(r),
        }
    }
    pools
}

/// The first event of every job.
#[must_use]
pub fn submitted(job: &AgentJob) -> NewEvent {
    NewEvent {
        reason: "Submitted".to_owned(),
        message: format!("a job of type {}", job.spec.job_type.word()),
        at: job.submitted_at(),
    }
}

/// The job with this version in its metadata.
#[must_use]
pub fn versioned(mut job: AgentJob, version: u64) -> AgentJob {
    job.metadata.resource_version = Some(version.to_string());
    job
}

/// The cursor after this row.
#[must_use]
pub fn cursor(submitted_at: i64, uid: &Uid) -> String {
    format!("{submitted_at:x}.{uid}")
}

/// Where a cursor stands.
///
/// # Errors
/// `Refused` when no page gave it.
pub fn parse_cursor(text: &str) -> Answer<(i64, Uid)> {
    let parsed = text.split_once('.').and_then(|(at, uid)| {
        let at = i64::from_str_radix(at, 16).ok()?;
        Some((at, uid.parse().ok()?))
    });
    parsed.ok_or_else(|| {
        let text = "read the cursor: it is not one that a page of this list gave";
        PortError::refused(FailureClass::InvalidSpec, text)
    })
}

/// A conflict with a newer version.
#[must_use]
pub fn outdated(uid: &Uid) -> PortError {
    PortError::Conflict(format!(
        "saved job {uid}: a newer version of it stands; read it again"
    ))
}

/// A name that the tenant has given before.
#[must_use]
pub fn name_taken(name: &str) -> PortError {
    PortError::Conflict(format!(
        "created the job: there is a job named {name:?} already; choose another name"
    ))
}

/// A pool that has no room.
#[must_use]
pub fn full(pool: &str) -> PortError {
    PortError::Conflict(format!(
        "reserved {pool}: it is full; wait until a job gives something back"
    ))
}

/// A job that is not there.
#[must_use]
pub fn gone(uid: &Uid) -> PortError {
    PortError::NotFound(format!("saved job {uid}: there is no such job any more"))
}
