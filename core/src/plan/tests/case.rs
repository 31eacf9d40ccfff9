//! Situations in words: a queued job, a launched one, a claimed one, and what is seen of each.
//!
//! A later situation is made from an earlier one by doing what the plan says, so that no test
//! starts from a status that could not come about.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::{
    super::{Answered, Call, Hosts, Limits, Pause, Plan, REMOVE_WITHIN, Seen, Sites, plan},
    read::{does, saved},
};
use crate::{
    job::AgentJob,
    outcome::{Failure, FailureClass, Outcome},
    port::PortError,
    seat::{Claim, Closed, Heartbeat, Register, Report, Sighting, Usage},
    spec::{BackendName, BudgetSpec, RetrySpec},
    status::{AgentJobStatus, EndedAttempt},
};

/// The instance that claims the seat unless a test says otherwise.
pub const ME: &str = "me";
/// Another one.
pub const STRANGER: &str = "stranger";
/// The bounds of every case, in seconds.
pub const CLAIM_WITHIN: u64 = 60;
pub const GRACE: u64 = 30;
pub const DEADLINE: u64 = 3600;
pub const RECORD_WITHIN: u64 = 600;

/// One situation.
#[derive(Clone, Debug)]
pub struct Case {
    pub job: AgentJob,
    pub seen: Seen,
    pub now: Timestamp,
    pub limits: Limits,
}

/// This many seconds after the beginning.
pub fn second(n: u64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start + Duration::from_secs(n)
}

pub fn limits() -> Limits {
    Limits {
        backend: BackendName::Vps,
        slots: 4,
        slots_held: 0,
        ahead: 0,
        wanted_ahead: 0,
        claim_within: Duration::from_secs(CLAIM_WITHIN),
        vanish_grace: Duration::from_secs(GRACE),
        lease: None,
        deadline: Duration::from_secs(DEADLINE),
        record_within: Duration::from_secs(RECORD_WITHIN),
        ttl: None,
        remove_within: REMOVE_WITHIN,
        sites: Sites::default(),
        hosts: Hosts::default(),
        pause: None,
    }
}

/// A job with this spec, as a store holds it before anything happened.
pub fn job(spec: &Value) -> AgentJob {
    let metadata = json!({
        "name": "j", "namespace": "team-a", "uid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "resourceVersion": "1", "generation": 3,
    });
    let object = json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": metadata, "spec": spec});
    serde_json::from_value(object).unwrap()
}

/// A job that was submitted and no more.
pub fn queued() -> Case {
    Case {
        job: job(&json!({"type": "echo", "echo": {"message": "hi"}})),
        seen: Seen::default(),
        now: second(0),
        limits: limits(),
    }
}

/// A farm of this many agents that was submitted and no more.
pub fn queued_farm(agents: u32) -> Case {
    let farm = json!({"task": "t", "agents": agents, "workspace": {"path": "p"}});
    Case {
        job: job(&json!({"type": "agent_farm", "agentFarm": farm})),
        ..queued()
    }
}

/// Attempt 1 is launched; nothing is seen of it.
pub fn launched() -> Case {
    queued().done()
}

/// A runner has the seat, is seen, and that is written down.
pub fn claimed() -> Case {
    launched().later(1).alive(ME).with_claim_of(ME).done()
}

/// The runner has reported this and is gone, its pane still there.
pub fn reported(outcome: Outcome, failure: Option<Failure>) -> Case {
    claimed()
        .later(10)
        .with_report(outcome, failure)
        .exited(ME, 0)
}

/// Attempt 1 failed in this way and the save of its end is done.
pub fn failed(failure: Failure) -> Case {
    reported(Outcome::Failed, Some(failure)).done().unseen()
}

/// A failure of this class.
pub fn failure(class: FailureClass) -> Failure {
    Failure::new(class, "it broke")
}

impl Case {
    pub fn plan(&self) -> Plan {
        plan(&self.job, &self.seen, self.now, &self.limits)
    }

    /// The words of [`does`] for this situation.
    pub fn does(&self) -> String {
        does(&self.plan())
    }

    pub fn status(&self) -> AgentJobStatus {
        self.job.status().into_owned()
    }

    /// The plan's save is done and the answers since are forgotten; what is seen stays as it is. A
    /// stop that was decided stands in the seat, too, unless a report does.
    pub fn done(mut self) -> Self {
        let status = saved(&self.plan());
        let claimed = matches!(self.seen.register, Register::Claimed(_));
        let first = self.seen.stopped || self.seen.report.is_none();
        self.seen.stopped = status.stop.is_some() && claimed && first;
        self.job.status = Some(status);
        self.seen.answers.clear();
        self
    }

    pub fn later(mut self, seconds: u64) -> Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    // What was asked.

    pub fn with_cancel(mut self) -> Self {
        self.job.spec.cancel = true;
        self
    }

    /// The object was deleted now, which reads as a cancel.
    pub fn deleted(mut self) -> Self {
        self.job.metadata.deletion_timestamp = Some(Time(self.now));
        self.with_cancel()
    }

    pub fn with_suspend(mut self, is: bool) -> Self {
        self.job.spec.suspend = is;
        self
    }

    pub fn with_budget(mut self, dollars: &str) -> Self {
        self.job.spec.budget = Some(BudgetSpec {
            usd: Some(dollars.parse().unwrap()),
            tokens: None,
        });
        self
    }

    pub fn with_retry(mut self, rules: Value) -> Self {
        let rules: RetrySpec = serde_json::from_value(rules).unwrap();
        self.job.spec.retry = Some(rules);
        self
    }

    /// The whole deployment is paused in this way, or goes on.
    pub fn paused(mut self, how: Option<Pause>) -> Self {
        self.limits.pause = how;
        self
    }

    // What there is room for.

    /// So many slots are held, and so many jobs of one slot go first.
    pub fn with_held(mut self, held: u32, ahead: u32) -> Self {
        self.limits.slots_held = held;
        self.limits.ahead = ahead;
        self.limits.wanted_ahead = ahead;
        self
    }

    pub fn with_lease(mut self, seconds: u64) -> Self {
        self.limits.lease = Some(Duration::from_secs(seconds));
        self
    }

    // What is seen.

    pub fn unseen(mut self) -> Self {
        self.seen.sightings.clear();
        self.seen.remains = 0;
        self
    }

    fn with_sighting(mut self, name: &str, sighting: Sighting) -> Self {
        let same = |s: &Sighting| matches!(s, Sighting::Alive { instance } | Sighting::Exited { instance, .. } if instance == name);
        self.seen.sightings.retain(|s| !same(s));
        self.seen.sightings.push(sighting);
        self
    }

    pub fn alive(self, name: &str) -> Self {
        let instance = name.to_owned();
        self.with_sighting(name, Sighting::Alive { instance })
    }

    /// The place is being made ready.
    pub fn preparing(mut self, what: &str) -> Self {
        self.seen.preparing = Some(what.to_owned());
        self
    }

    /// The place is ready.
    pub fn prepared(mut self) -> Self {
        self.seen.preparing = None;
        self
    }

    /// The instance ended, and the place knows why.
    pub fn exited_because(self, name: &str, why: Failure) -> Self {
        let sighting = Sighting::Exited {
            instance: name.to_owned(),
            code: None,
            signal: Some(9),
            why: Some(why),
        };
        self.with_sighting(name, sighting)
    }

    /// The exact image is seen.
    pub fn made_of(mut self, image: &str) -> Self {
        self.seen.image = Some(image.to_owned());
        self
    }

    pub fn exited(self, name: &str, code: i32) -> Self {
        let sighting = Sighting::Exited {
            instance: name.to_owned(),
            code: Some(code),
            signal: None,
            why: None,
        };
        self.with_sighting(name, sighting)
    }

    /// Nothing can be seen of the place.
    pub fn silent(mut self) -> Self {
        self.seen.sightings = vec![Sighting::Unknown {
            why: "no route to host".to_owned(),
        }];
        self
    }

    pub fn with_remains(mut self, remains: u32) -> Self {
        self.seen.remains = remains;
        self
    }

    pub fn with_claim_of(mut self, name: &str) -> Self {
        self.seen.register = Register::Claimed(Claim {
            nonce: "n".to_owned(),
            instance: name.to_owned(),
            at: self.now,
        });
        self
    }

    pub fn with_closed_seat(mut self) -> Self {
        self.seen.register = Register::Closed(Closed {
            reason: "because".to_owned(),
            at: self.now,
        });
        self
    }

    /// A durable heartbeat arrives now: this attempt has cost so much.
    pub fn with_heartbeat(mut self, dollars: &str) -> Self {
        self.seen.heartbeat = Some(Heartbeat {
            at: self.now,
            usage: usd(dollars),
            ..Heartbeat::default()
        });
        self
    }

    /// A report arrives now.
    pub fn with_report(mut self, outcome: Outcome, failure: Option<Failure>) -> Self {
        self.seen.report = Some(Report {
            outcome,
            failure,
            result: json!({"answer": 42}),
            usage: usd("0.50"),
            files: Vec::new(),
            lessons: Vec::new(),
            grade: None,
            started_at: self.now,
            finished_at: self.now,
        });
        self
    }

    /// The last call of this kind answered this.
    pub fn answered(mut self, call: Call, answer: Result<(), PortError>) -> Self {
        self.seen.answers.push(Answered { call, answer });
        self
    }

    /// Memory could not keep the end of the last attempt, which was now.
    pub fn with_unrecorded_end(mut self) -> Self {
        let mut status = self.status();
        status.unrecorded = Some(EndedAttempt {
            attempt: status.attempt,
            outcome: Outcome::Failed,
            failure: Some(failure(FailureClass::Infrastructure)),
            at: self.now,
        });
        self.job.status = Some(status);
        self
    }
}

/// A use of this much money.
pub fn usd(dollars: &str) -> Usage {
    Usage {
        usd: dollars.parse().unwrap(),
        ..Usage::default()
    }
}

/// An answer that leaves open whether it was done.
pub fn unknown() -> Result<(), PortError> {
    Err(PortError::Unknown("no answer".to_owned()))
}
