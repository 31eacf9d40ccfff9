//! The one decision: what to do next about a job, and why nothing when there is nothing.
//!
//! Pure: time, limits and everything that was seen are arguments. Each answer is at most a few
//! actions; the reconciler does them and asks again, so that after a crash between any two of them
//! planning again reaches the same end.

mod attempt;
mod deleted;
mod ended;
mod finish;
mod gone;
pub mod hosts;
mod pause;
mod reason;
mod sites;
pub mod slots;
mod stop;
#[cfg(test)]
mod tests;
mod wait;

pub use attempt::{begun, progressed};
pub use finish::{INLINE_RESULT, removal_at, reported};
pub use hosts::{Host, Hosts};
pub use pause::Pause;
pub use reason::Reason;
pub use sites::Sites;
pub use wait::over_at;

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    brief::Brief,
    job::AgentJob,
    outcome::Failure,
    port::{AttemptOutcome, PortError, Reservation},
    query::NewEvent,
    seat::{Heartbeat, Register, Report, Sighting},
    spec::BackendName,
    status::AgentJobStatus,
};

/// Everything that was gathered about a job's current seat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Who has the seat.
    pub register: Register,
    /// The last durable heartbeat.
    pub heartbeat: Option<Heartbeat>,
    /// Whether the seat was stopped before its claimant reported.
    pub stopped: bool,
    /// The report, read after the sightings.
    pub report: Option<Report>,
    /// Every instance in the seat.
    pub sightings: Vec<Sighting>,
    /// What else was begun for the seat and is still there.
    pub remains: u32,
    /// The exact image of the instance, where there is one.
    pub image: Option<String>,
    /// What is being done before the seat can be launched, for people.
    pub preparing: Option<String>,
    /// What port calls answered since the last plan that was saved.
    pub answers: Vec<Answered>,
}

/// The answer of one port call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// Which call.
    pub call: Call,
    /// What it said.
    pub answer: Result<(), PortError>,
}

/// The port calls whose answers a plan looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Action::Save`]
    Save,
    /// [`Action::Launch`]
    Launch,
    /// [`Action::Close`]
    Close,
    /// [`Action::Stop`]
    Stop,
    /// [`Action::Reap`]
    Reap,
    /// [`Action::Record`]
    Record,
    /// [`Action::Discard`]
    Discard,
    /// [`Action::Remove`]
    Remove,
}

/// What is available and what is bounded, at the moment of planning.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Where a job goes that names no back end.
    pub backend: BackendName,
    /// Slots there are.
    pub slots: u32,
    /// Slots that are held by all jobs.
    pub slots_held: u32,
    /// Waiting jobs that go before this one in its pool.
    pub ahead: u32,
    /// Slots that those want together.
    pub wanted_ahead: u32,
    /// How long a launched seat may stay unclaimed.
    pub claim_within: Duration,
    /// How long a claimed seat may show nothing before it counts as lost, and how long a runner
    /// may take to leave after its report.
    pub vanish_grace: Duration,
    /// How long a claimant may go without a durable heartbeat while it cannot be seen; no lease
    /// where the back end shares a machine with us.
    pub lease: Option<Duration>,
    /// The deadline of a job that names none.
    pub deadline: Duration,
    /// How long memory is asked to keep an outcome before the job goes on without.
    pub record_within: Duration,
    /// How long the record of a finished job stays when the job does not say.
    pub ttl: Option<Duration>,
    /// How long the end of a job whose object was deleted is waited for before the record goes without.
    pub remove_within: Duration,
    /// Who else has the store, and which jobs are theirs.
    pub sites: Sites,
    /// Machines outside of the cluster on which seats may be.
    pub hosts: Hosts,
    /// That no attempt may begin now, though there be room.
    pub pause: Option<Pause>,
}

/// One thing to do. Carrying it out needs no further decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write the status, what the job holds, and events, in one conditional write.
    Save(Box<Save>),
    /// Start the frozen attempt.
    Launch(Box<Brief>),
    /// Close the seat's register if nobody has it.
    Close {
        /// For people.
        reason: String,
    },
    /// End the instances of the seat but one.
    Stop {
        /// The instance that stays; all end when absent.
        keep: Option<String>,
    },
    /// End all that was begun for the seat.
    Reap,
    /// Tell memory how the attempt ended.
    Record(Box<AttemptOutcome>),
    /// Forget the seats of the job.
    Discard,
    /// Forget the job.
    Remove,
}

/// What is written in one go.
#[derive(Clone, Debug, PartialEq)]
pub struct Save {
    /// The status as it is to stand.
    pub status: AgentJobStatus,
    /// What the job holds afterwards; unchanged when absent.
    pub holds: Option<Vec<Reservation>>,
    /// What to tell people.
    pub events: Vec<NewEvent>,
}

/// What to do, when to look again at the latest, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// In this order; one that fails ends the round. Empty when there is nothing to do now.
    pub actions: Vec<Action>,
    /// Whether to plan again after the actions. Otherwise, when all of them succeed, there is
    /// nothing more to do until something calls or `wake` comes.
    pub again: bool,
    /// Look again at this time even if nothing calls.
    pub wake: Option<Timestamp>,
    /// Why.
    pub reason: Reason,
}

impl Plan {
    fn act(actions: Vec<Action>) -> Self {
        Self {
            actions,
            again: true,
            wake: None,
            reason: Reason::Acting,
        }
    }

    fn act_then_wait(actions: Vec<Action>, reason: Reason, wake: Timestamp) -> Self {
        Self {
            actions,
            again: false,
            wake: Some(wake),
            reason,
        }
    }

    fn wait(reason: Reason, wake: Option<Timestamp>) -> Self {
        Self {
            actions: Vec::new(),
            again: false,
            wake,
            reason,
        }
    }
}

/// How long the end of a deleted job is waited for where nobody says otherwise.
pub const REMOVE_WITHIN: Duration = Duration::from_hours(1);
/// How soon an answer that was not given is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Decides what to do next.
#[must_use]
pub fn plan(job: &AgentJob, seen: &Seen, now: Timestamp, limits: &Limits) -> Plan {
    let mut status = job.status().into_owned();
    status.observed_generation = job.metadata.generation;
    let view = View {
        job,
        status: &status,
        seen,
        now,
        limits,
    };
    match seen.answer(Call::Save) {
        Some(Err(e @ (PortError::Unknown(_) | PortError::Refused(_) | PortError::NoRoom(_)))) => {
            view.unknown(e.to_string())
        }
        _ => decide(&view),
    }
}

fn decide(view: &View) -> Plan {
    if let Some(plan) = deleted::plan(view).or_else(|| sites::plan(view)) {
        return plan;
    }
    let status = view.status;
    match (&status.outcome, &status.intent) {
        (Some(_), Some(_)) => finish::leave(view),
        (Some(_), None) => finish::plan(view),
        (None, _) if status.unrecorded.is_some() => finish::record_first(view),
        (None, None) => wait::plan(view),
        (None, Some(intent)) => attempt::plan(view, intent),
    }
}

impl Seen {
    /// The last answer of this call, if it was made since the last save.
    fn answer(&self, call: Call) -> Option<&Result<(), PortError>> {
        let found = self.answers.iter().rev().find(|a| a.call == call);
        found.map(|a| &a.answer)
    }

    fn failed(&self, call: Call) -> bool {
        matches!(self.answer(call), Some(Err(_)))
    }
}

/// All arguments of a plan, so that its parts take one.
struct View<'a> {
    job: &'a AgentJob,
    status: &'a AgentJobStatus,
    seen: &'a Seen,
    now: Timestamp,
    limits: &'a Limits,
}

impl View<'_> {
    /// When this span has passed from now.
    fn after(&self, span: Duration) -> Timestamp {
        later(self.now, span)
    }

    /// Why something of the seat cannot be seen, if that is so.
    fn why_unknown(&self) -> Option<&str> {
        self.seen.sightings.iter().find_map(|s| match s {
            Sighting::Unknown { why } => Some(why.as_str()),
            _ => None,
        })
    }

    /// Looks again soon because this cannot be known now.
    fn unknown(&self, why: impl Into<String>) -> Plan {
        let why = why.into();
        Plan::wait(Reason::Unknown { why }, Some(self.after(ASK_AGAIN)))
    }

    /// Saves this status and tells one event, unless there is none to tell.
    fn save(&self, mut status: AgentJobStatus, event: Option<(&str, String)>) -> Save {
        status.updated_at = Some(self.now);
        if let (Some(image), Some(place)) = (&self.seen.image, &mut status.backend_ref) {
            place.image = Some(image.clone());
        }
        let told = event.map(|(reason, message)| NewEvent {
            reason: reason.to_owned(),
            message,
            at: self.now,
        });
        Save {
            status,
            holds: None,
            events: told.into_iter().collect(),
        }
    }
}

impl Save {
    fn holding(mut self, holds: Vec<Reservation>) -> Self {
        self.holds = Some(holds);
        self
    }

    fn action(self) -> Action {
        Action::Save(Box::new(self))
    }

    fn plan(self) -> Plan {
        Plan::act(vec![self.action()])
    }
}

/// The time after this span, or the end of time.
fn later(from: Timestamp, span: Duration) -> Timestamp {
    from.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// A failure's sentence for events.
fn told(failure: &Failure) -> String {
    format!("{}: {}", failure.class.word(), failure.message)
}
