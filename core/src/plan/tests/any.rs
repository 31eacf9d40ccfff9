//! Any situation at all: whatever a status may say, whatever may be seen, whatever was answered.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::{collection::vec, option, prelude::*};

use super::{
    super::{Answered, Call, Pause, Seen},
    case::{Case, ME, STRANGER, failure, limits, queued, second, usd},
};
use crate::{
    outcome::{Failure, FailureClass, Outcome},
    port::PortError,
    seat::{Claim, Closed, Heartbeat, Register, Report, Sighting},
    spec::BackendName,
    status::{AgentJobStatus, EndedAttempt, Intent, StopIntent, StopReason},
};

const HORIZON: u64 = 8000;

fn time() -> impl Strategy<Value = Timestamp> {
    (0..HORIZON).prop_map(second)
}

fn a_claim() -> impl Strategy<Value = Claim> {
    (prop_oneof![Just(ME), Just(STRANGER)], time()).prop_map(|(name, at)| Claim {
        nonce: "n".to_owned(),
        instance: name.to_owned(),
        at,
    })
}

fn a_failure() -> impl Strategy<Value = Failure> {
    let class = proptest::sample::select(FailureClass::ALL.to_vec());
    (class, option::of(time())).prop_map(|(class, until)| Failure {
        until,
        ..failure(class)
    })
}

fn an_outcome() -> impl Strategy<Value = Outcome> {
    use Outcome::{Cancelled, Failed, Succeeded, TimedOut};
    proptest::sample::select(vec![Succeeded, Failed, Cancelled, TimedOut])
}

fn a_register() -> impl Strategy<Value = Register> {
    let closed = time().prop_map(|at| {
        let reason = "because".to_owned();
        Register::Closed(Closed { reason, at })
    });
    prop_oneof![
        Just(Register::Open),
        a_claim().prop_map(Register::Claimed),
        closed
    ]
}

fn a_sighting() -> impl Strategy<Value = Sighting> {
    let name = || prop_oneof![Just(ME.to_owned()), Just(STRANGER.to_owned())];
    let exited = (name(), option::of(0..140), option::of(1..30));
    prop_oneof![
        name().prop_map(|instance| Sighting::Alive { instance }),
        exited.prop_map(|(instance, code, signal)| Sighting::Exited {
            instance,
            code,
            signal,
            why: None,
        }),
        Just(Sighting::Unknown {
            why: "silence".to_owned()
        }),
    ]
}

fn an_answer() -> impl Strategy<Value = Answered> {
    use Call::{Close, Discard, Launch, Reap, Record, Remove, Save, Stop};
    let calls = vec![Save, Launch, Close, Stop, Reap, Record, Discard, Remove];
    let text = || "because".to_owned();
    let answer = prop_oneof![
        3 => Just(Ok(())),
        1 => a_failure().prop_map(|f| Err(PortError::Refused(f))),
        1 => Just(Err(PortError::Conflict(text()))),
        1 => Just(Err(PortError::NotFound(text()))),
        1 => Just(Err(PortError::Unknown(text()))),
        1 => Just(Err(PortError::NoRoom(text()))),
    ];
    (proptest::sample::select(calls), answer).prop_map(|(call, answer)| Answered { call, answer })
}

fn a_report() -> impl Strategy<Value = Report> {
    (an_outcome(), option::of(a_failure()), time()).prop_map(|(outcome, failure, at)| Report {
        outcome,
        failure,
        result: serde_json::json!(1),
        usage: usd("0.50"),
        files: Vec::new(),
        lessons: Vec::new(),
        grade: None,
        started_at: at,
        finished_at: at,
    })
}

fn a_heartbeat() -> impl Strategy<Value = Heartbeat> {
    (time(), 0..3_u32).prop_map(|(at, dollars)| Heartbeat {
        at,
        usage: usd(&dollars.to_string()),
        ..Heartbeat::default()
    })
}

fn a_view() -> impl Strategy<Value = Seen> {
    let said = (option::of(a_heartbeat()), option::of(a_report()));
    let pulled = option::of(Just("pulling".to_owned()));
    let place = (vec(a_sighting(), 0..3), 0..3_u32);
    let answers = vec(an_answer(), 0..3);
    let seat = (a_register(), any::<bool>());
    (seat, said, place, answers, pulled).prop_map(
        |((register, stopped), said, place, answers, preparing)| Seen {
            stopped: stopped && matches!(register, Register::Claimed(_)),
            register,
            heartbeat: said.0,
            report: said.1,
            sightings: place.0,
            remains: place.1,
            image: None,
            preparing,
            answers,
        },
    )
}

fn an_intent() -> impl Strategy<Value = Intent> {
    (time(), option::of(a_claim()), option::of(time())).prop_map(|(at, claim, vanished_at)| {
        Intent {
            backend: BackendName::Vps,
            at,
            deadline_at: at + Duration::from_hours(1),
            choice: 0,
            launch: None,
            not_before: None,
            slots: 1,
            claim,
            prepared_at: None,
            vanished_at,
        }
    })
}

fn a_stop() -> impl Strategy<Value = StopIntent> {
    use StopReason::{Budget, Cancel, Deadline, Lost, Refused, Suspend, Unclaimed};
    let reasons = vec![Budget, Cancel, Deadline, Lost, Refused, Suspend, Unclaimed];
    let parts = (proptest::sample::select(reasons), time(), a_failure());
    parts.prop_map(|(reason, at, failure)| StopIntent {
        reason,
        at,
        failure: (!matches!(reason, Cancel | Suspend)).then_some(failure),
    })
}

fn an_end() -> impl Strategy<Value = EndedAttempt> {
    (an_outcome(), a_failure(), time()).prop_map(|(outcome, failure, at)| EndedAttempt {
        attempt: 1,
        outcome,
        failure: Some(failure),
        at,
    })
}

/// A job under way, between attempts, finished with something of its last attempt left perhaps, or over.
fn a_status() -> impl Strategy<Value = AgentJobStatus> {
    let parts = (
        option::weighted(0.7, an_intent()),
        option::of(a_stop()),
        option::weighted(0.3, an_end()),
        option::weighted(0.2, an_outcome()),
        option::of(time()),
        (1..4_u32, 0..4_u32),
    );
    parts.prop_map(|(intent, stop, end, outcome, time, (attempt, failures))| {
        let over = outcome.is_some();
        let between = intent.is_none() || over;
        AgentJobStatus {
            attempt,
            failures,
            stop: stop.filter(|_| !between),
            unrecorded: end.filter(|_| intent.is_none()),
            started_at: intent.as_ref().map(|i| i.at).or(time),
            retry_at: time.filter(|_| between),
            intent,
            outcome,
            ..AgentJobStatus::default()
        }
    })
}

prop_compose! {
    pub fn a_case()(
        status in a_status(),
        mut seen in a_view(),
        asked in (any::<bool>(), any::<bool>(), any::<bool>()),
        room in (0..6_u32, 0..6_u32, 0..3_u32),
        lease in option::weighted(0.3, 1..2000_u64),
        deleted in option::weighted(0.2, time()),
        pause in option::weighted(0.2, proptest::sample::select(vec![Pause::Drain, Pause::Now])),
        now in time(),
    ) -> Case {
        if status.intent.is_none() {
            // Nobody looks at a place where nothing was begun.
            (seen.sightings, seen.remains) = (Vec::new(), 0);
        }
        let mut case = Case { seen, now, limits: limits(), ..queued() };
        (case.job.spec.cancel, case.job.spec.suspend) = (asked.0, asked.1);
        if asked.2 {
            case = case.with_budget("1.00");
        }
        (case.limits.slots, case.limits.slots_held, case.limits.ahead) = room;
        case.limits.wanted_ahead = case.limits.ahead;
        case.limits.lease = lease.map(Duration::from_secs);
        case.limits.pause = pause;
        case.job.metadata.deletion_timestamp = deleted.map(Time);
        case.job.status = Some(status);
        case
    }
}
