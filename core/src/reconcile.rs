//! Look, plan, act, until there is nothing to do: the only caller of the ports.
//!
//! It never branches on an answer; the next plan sees it. It knows no store and no back end.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::{
    brief::Brief,
    job::{AgentJob, BadName, Uid},
    plan::{Action, Answered, Call, Limits, Plan, Reason, Save, Seen, plan},
    port::{Answer, Backend, Change, Look, Memory, PortError, SeatRecord, Seats, Store, Write},
    seat::{Claim, Register, Seat, Sighting},
    spec::BackendName,
    status::BackendRef,
};

/// Most rounds of one reconcile; what is not done by then waits for the next call.
const MAX_ROUNDS: u32 = 16;

/// Everything a reconcile reaches.
#[derive(Clone)]
pub struct Ports {
    /// Where jobs are written down.
    pub store: Arc<dyn Store>,
    /// Who has which seat.
    pub seats: Arc<dyn Seats>,
    /// The places, by their names.
    pub backends: Arc<BTreeMap<BackendName, Arc<dyn Backend>>>,
    /// The shared memory.
    pub memory: Arc<dyn Memory>,
}

/// What a reconcile is given besides the ports.
pub struct Round<'a> {
    /// Says what time it is.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// The bounds; what is held and who waits is filled in here.
    pub limits: &'a Limits,
}

/// Why a reconcile could not go on; asking again is safe.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A port did not answer the look.
    #[error("looked at the job: {0}")]
    Look(#[from] PortError),
    /// The record is not one that a store of ours wrote.
    #[error("read the job's identity: {0}")]
    Name(#[from] BadName),
}

/// Where a reconcile came to rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// Look again at this time even if nothing calls.
    pub wake: Option<Timestamp>,
    /// Why there is nothing to do; `None` when the job is gone.
    pub reason: Option<Reason>,
    /// Its place among those that wait for a slot; the smallest goes first.
    pub place: Place,
    /// Whether it gave back what it held: another may go on.
    pub freed: bool,
    /// Whether the work of its attempt is over, or is to end, and something of it may be left.
    pub leaving: bool,
}

/// Orders those that wait as the stores do: higher priority first, then earlier submission.
pub type Place = (std::cmp::Reverse<i32>, Timestamp, Option<Uid>);

fn place(job: &AgentJob) -> Place {
    let priority = std::cmp::Reverse(job.spec.priority);
    (priority, job.submitted_at(), job.uid().ok())
}

/// Brings one job as far as it can go now.
///
/// # Errors
/// A port could not be asked; nothing is lost and asking again is safe.
pub async fn reconcile(
    ports: &Ports,
    uid: &Uid,
    round: &Round<'_>,
) -> Result<Rest, ReconcileError> {
    let (mut answers, mut written, mut freed) = (Vec::new(), None, false);
    for _ in 0..MAX_ROUNDS {
        let job = match written.take() {
            Some(job) => Some(job),
            None => ports.store.load(uid).await?,
        };
        let Some(job) = job else {
            return Ok(Rest {
                freed,
                ..Rest::default()
            });
        };
        let limits = admit(ports, &job, round.limits).await?;
        let seen = match limits.sites.elsewhere(&job) {
            Some(_) => unseen(&answers),
            None => Box::pin(look(ports, &job, &answers)).await?,
        };
        let next = plan(&job, &seen, (round.clock)(), &limits);
        let (place, leaving) = (place(&job), is_leaving(&job, &seen));
        let (all, saved) = Box::pin(act_all(ports, job, &next, &mut answers)).await?;
        written = saved;
        freed |= all && frees(&next);
        if let Some(brief) = launched(&next) {
            written = Box::pin(take_back_if_late(ports, brief)).await?;
        }
        if next.actions.is_empty() || (all && !next.again) {
            return Ok(Rest {
                wake: next.wake,
                reason: Some(next.reason),
                place,
                freed,
                leaving,
            });
        }
    }
    Ok(Rest {
        wake: Some((round.clock)()),
        reason: Some(Reason::Acting),
        freed,
        ..Rest::default()
    })
}

/// Whether a plan gives back all that the job holds.
fn frees(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| match action {
        Action::Save(save) => save.holds.as_ref().is_some_and(Vec::is_empty),
        Action::Remove => true,
        _ => false,
    })
}

fn is_leaving(job: &AgentJob, seen: &Seen) -> bool {
    let status = job.status();
    let over = seen.report.is_some() || status.stop.is_some() || status.is_finished();
    status.intent.is_some() && over
}

/// What a plan has launched.
fn launched(plan: &Plan) -> Option<&Brief> {
    plan.actions.iter().find_map(|action| match action {
        Action::Launch(brief) => Some(&**brief),
        _ => None,
    })
}

/// Reaps what was launched where another planner ended the attempt before the launch was done: that one looked before
/// it was there, and nobody looks again. Gives the job as it stands after the launch, where it goes on.
async fn take_back_if_late(ports: &Ports, brief: &Brief) -> Answer<Option<AgentJob>> {
    let job = ports.store.load(&brief.seat.uid).await?;
    let goes_on = |job: &AgentJob| job.status().is_under_way(brief.seat.attempt);
    if let Some(job) = job.filter(goes_on) {
        return Ok(Some(job));
    }
    backend(ports, brief.backend)?.reap(&brief.seat).await?;
    Ok(None)
}

/// The limits with what is held and who waits, where a start is to be decided.
async fn admit(ports: &Ports, job: &AgentJob, limits: &Limits) -> Answer<Limits> {
    let mut limits = limits.clone();
    let status = job.status();
    let place = status
        .intent
        .as_ref()
        .and_then(|i| ports.backends.get(&i.backend));
    limits.lease = limits.lease.or_else(|| place?.lease());
    if status.intent.is_some() || status.is_finished() {
        return Ok(limits);
    }
    let backend = job.spec.backend.as_ref();
    let backend = backend.map_or(limits.backend, |b| b.name);
    if limits.hosts.have(backend) {
        for host in limits.hosts.for_job(job) {
            host.held = ports.store.admission(&host.pool(), job).await?.held;
        }
        return Ok(limits);
    }
    let pool = limits.sites.pool(backend);
    let found = ports.store.admission(&pool, job).await?;
    limits.slots_held = found.held;
    limits.ahead = found.ahead;
    limits.wanted_ahead = found.wanted_ahead;
    Ok(limits)
}

fn unseen(answers: &[Answered]) -> Seen {
    Seen {
        answers: answers.to_vec(),
        ..Seen::default()
    }
}

/// Gathers what stands at the seat: who has it, what the place shows, and last the report.
async fn look(ports: &Ports, job: &AgentJob, answers: &[Answered]) -> Result<Seen, ReconcileError> {
    let status = job.status();
    let mut seen = unseen(answers);
    if status.attempt == 0 {
        return Ok(seen);
    }
    let seat = job.seat()?;
    let in_record = ports.seats.read_in(job, &seat).await?;
    let in_job = in_record.is_some();
    let mut record = match in_record {
        Some(record) => record,
        None => ports.seats.read(&seat).await?,
    };
    if let Some(intent) = &status.intent {
        let claim = match &record.register {
            Register::Claimed(claim) => Some(claim),
            _ => None,
        };
        let found = look_at(ports, intent.backend, &seat, claim).await;
        if may_have_changed((&record, in_job), &found.sightings) {
            record = ports.seats.read(&seat).await?;
        }
        seen.sightings = found.sightings;
        seen.remains = found.remains;
        seen.image = found.image;
        seen.preparing = found.preparing;
    }
    seen.register = record.register;
    seen.heartbeat = record.heartbeat;
    seen.stopped = record.stopped.is_some();
    seen.report = record.report;
    Ok(seen)
}

/// Whether something may have come after the seat was read that the plan has to know. Nothing of the work is over as long
/// as its claimant is seen at it; and a claim of which a plan does not know lets it fail, where it stands in the job itself.
fn may_have_changed((record, in_job): (&SeatRecord, bool), seen: &[Sighting]) -> bool {
    let alive = |s: &Sighting| matches!(s, Sighting::Alive { .. });
    let is_there = match &record.register {
        Register::Claimed(claim) => seen
            .iter()
            .any(|s| matches!(s, Sighting::Alive { instance } if *instance == claim.instance)),
        Register::Open => in_job && !seen.is_empty(),
        Register::Closed(_) => true,
    };
    record.report.is_none() && !(is_there && seen.iter().all(alive))
}

/// What the place shows; one that cannot be asked is a fact that the plan weighs, not an error.
async fn look_at(ports: &Ports, place: BackendName, seat: &Seat, claim: Option<&Claim>) -> Look {
    let answer = match backend(ports, place) {
        Ok(place) => place.look(seat, claim).await,
        Err(e) => Err(e),
    };
    answer.unwrap_or_else(|e| Look {
        sightings: vec![Sighting::Unknown { why: e.to_string() }],
        ..Look::default()
    })
}

fn backend(ports: &Ports, name: BackendName) -> Answer<&Arc<dyn Backend>> {
    let missing = || {
        PortError::Unknown(format!(
            "the back end {} is not configured here",
            name.word()
        ))
    };
    ports.backends.get(&name).ok_or_else(missing)
}

/// Does the actions in order up to the first that fails; says whether all were done, and gives the job as the last of
/// them wrote it.
async fn act_all(
    ports: &Ports,
    mut job: AgentJob,
    plan: &Plan,
    answers: &mut Vec<Answered>,
) -> Result<(bool, Option<AgentJob>), ReconcileError> {
    let mut saved = false;
    for action in &plan.actions {
        let answer = act(ports, &mut job, action).await?;
        saved = matches!((action, &answer), (Action::Save(_), Ok(())));
        if saved {
            answers.clear();
            continue;
        }
        let failed = answer.is_err();
        answers.push(Answered {
            call: call_of(action),
            answer,
        });
        if failed {
            return Ok((false, None));
        }
    }
    Ok((true, saved.then_some(job)))
}

/// One action, one port call.
async fn act(
    ports: &Ports,
    job: &mut AgentJob,
    action: &Action,
) -> Result<Answer<()>, ReconcileError> {
    let seat = job.seat()?;
    let place = job.status().intent.as_ref().map(|i| i.backend);
    Ok(match action {
        Action::Save(save) => save_job(ports, job, save).await,
        Action::Launch(brief) => match backend(ports, brief.backend) {
            Ok(place) => place.launch(brief).await,
            Err(e) => Err(e),
        },
        Action::Close { reason } => close(ports, &seat, reason, job).await,
        Action::Stop { keep } => match at(ports, place) {
            Ok(place) => place.stop(&seat, keep.as_deref()).await,
            Err(e) => Err(e),
        },
        Action::Reap => match at(ports, place) {
            Ok(place) => place.reap(&seat).await,
            Err(e) => Err(e),
        },
        Action::Record(outcome) => ports.memory.record(&seat, outcome).await,
        Action::Discard => ports.seats.discard(&seat.uid).await,
        Action::Remove => remove(ports, job).await,
    })
}

fn at(ports: &Ports, place: Option<BackendName>) -> Answer<&Arc<dyn Backend>> {
    let place =
        place.ok_or_else(|| PortError::Unknown("the attempt has no back end".to_owned()))?;
    backend(ports, place)
}

const fn call_of(action: &Action) -> Call {
    match action {
        Action::Save(_) => Call::Save,
        Action::Launch(_) => Call::Launch,
        Action::Close { .. } => Call::Close,
        Action::Stop { .. } => Call::Stop,
        Action::Reap => Call::Reap,
        Action::Record(_) => Call::Record,
        Action::Discard => Call::Discard,
        Action::Remove => Call::Remove,
    }
}

async fn save_job(ports: &Ports, job: &mut AgentJob, save: &Save) -> Answer<()> {
    let mut next = job.clone();
    next.status = Some(save.status.clone());
    name_place(ports, &mut next);
    let change = Change {
        write: Write::Put(Box::new(next)),
        holds: save.holds.clone(),
        events: save.events.clone(),
    };
    *job = ports.store.commit(change).await?;
    Ok(())
}

/// Writes down what the back end will call the attempt, which is the same every time, and what it decides about
/// its launch, which is decided once.
fn name_place(ports: &Ports, job: &mut AgentJob) {
    let Ok(seat) = job.seat() else { return };
    let Some(status) = &mut job.status else {
        return;
    };
    let Some(intent) = &mut status.intent else {
        return;
    };
    if let Some(place) = ports.backends.get(&intent.backend) {
        intent.launch = intent.launch.take().or_else(|| place.freeze(&job.spec));
        let (kind, name) = place.name_of(&seat);
        let kind = kind.word().to_owned();
        let before = status.backend_ref.take().unwrap_or_default();
        status.backend_ref = Some(BackendRef {
            kind,
            name,
            ..before
        });
    }
}

async fn close(ports: &Ports, seat: &Seat, reason: &str, job: &AgentJob) -> Answer<()> {
    let status = job.status();
    let now = status.stop.as_ref().map_or(Timestamp::UNIX_EPOCH, |s| s.at);
    ports.seats.close(seat, reason, now).await.map(|_| ())
}

async fn remove(ports: &Ports, job: &AgentJob) -> Answer<()> {
    let write = Write::Remove {
        uid: job.uid().map_err(|e| PortError::Unknown(e.to_string()))?,
        version: job.version(),
    };
    let change = Change {
        write,
        holds: None,
        events: Vec::new(),
    };
    ports.store.commit(change).await.map(|_| ())
}
