//! `AgentJobStatus`: what happened. Conditions and attempts belong to the reconciler alone.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    money::Usd,
    outcome::{Failure, Outcome},
    seat::{AgentCounts, Claim, Usage},
    spec::BackendName,
    standing::Standing,
};

/// The conditions a job carries. `Succeeded` is Unknown while the job is active.
pub mod condition {
    /// True when the job did its work, False when it ended otherwise.
    pub const SUCCEEDED: &str = "Succeeded";
    /// True when nothing more will run.
    pub const FINISHED: &str = "Finished";
    /// True when memory has the outcome of every attempt, or is told it before the finalizer of a finished object goes.
    pub const RECORDED: &str = "Recorded";
    /// True while there is something to do (kstatus).
    pub const RECONCILING: &str = "Reconciling";
    /// True when a person must look (kstatus).
    pub const STALLED: &str = "Stalled";
    /// True when the job came from a backup, or from an older server, before it was over.
    pub const RESTORED: &str = "Restored";
}

/// What happened to a job. About 2 KB; larger things stand elsewhere by reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentJobStatus {
    /// The generation of the spec that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is the case, each with a reason and a message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), transform = bounded, extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The number of the last attempt; 0 before the first.
    #[serde(default)]
    pub attempt: u32,
    /// What the back end calls the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_ref: Option<BackendRef>,
    /// What all attempts have cost so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The agents of the attempt under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<AgentCounts>,
    /// What the work made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<JobResult>,
    /// When it was submitted, to the microsecond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Timestamp>,
    /// When the status last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When the first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the job was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why nothing happens, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub queued_reason: Option<String>,
    /// How it ended; absent while it is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The last failure: of the job once it is over, of the last attempt before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The attempt under way, frozen before anything is launched; absent between attempts. Of a finished job: the last
    /// one, while anything of it may be left; in an object without the operator's finalizer it counts for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The decision to stop, saved before anything is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopIntent>,
    /// No further attempt before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// An ended attempt whose outcome memory does not have yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrecorded: Option<EndedAttempt>,
    /// What earlier attempts have cost together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier_usage: Option<Usage>,
    /// How many attempts have failed and count against `spec.retry.limit`.
    #[serde(default)]
    pub failures: u32,
    /// What stands at the seat of the last attempt, where the object itself is the seat's register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Box<Standing>>,
    /// What the job holds of things that are bounded, where the object itself is the store's record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub holds: Vec<Held>,
}

/// A share of something bounded that a job holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// What it is a share of, such as `slots/pod`.
    #[schemars(length(max = 253))]
    pub pool: String,
    /// How much of it.
    pub units: u32,
}

/// What the back end calls an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendRef {
    /// The back end's word: vps, container, pod, fargate.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// The session, container, pod or task.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The exact image it was made of: `name@sha256:…` as a registry gave it, or the engine's id of
    /// an image that no registry knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,
    /// The site that began it, where several share one store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub site: Option<String>,
    /// The machine outside of the cluster that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostRef>,
}

/// A `RunnerHost` of the job's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostRef {
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its unique id: another object of the name is another machine.
    #[schemars(length(max = 63))]
    pub uid: String,
}

/// A result, small and here, or large and elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobResult {
    /// The result itself, when it is at most 8 KB of JSON.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "any_object")]
    pub inline: Value,
    /// Where the result stands otherwise: a path in the artifact store.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reference: Option<String>,
}

/// The bounds that Kubernetes has for conditions, which their type here does not carry.
pub(crate) fn bounded(schema: &mut schemars::Schema) {
    let fields = schema
        .get_mut("items")
        .and_then(|i| i.get_mut("properties"));
    let Some(fields) = fields else { return };
    for (field, most) in [("type", 316), ("reason", 1024), ("message", 32768)] {
        fields[field]["maxLength"] = most.into();
    }
    fields["status"]["enum"] = serde_json::json!(["True", "False", "Unknown"]);
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// "Attempt n is starting", with everything the launch will send. Never changed once saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// Where.
    pub backend: BackendName,
    /// When it was decided.
    pub at: Timestamp,
    /// When the job's time is over, whatever the runner does.
    pub deadline_at: Timestamp,
    /// Which choice of capacity; raised only after a definite refusal.
    #[serde(default)]
    pub choice: u32,
    /// What the launch sends that the place decided, where it decides something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<Launch>,
    /// No launch before this time: there was no room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Slots this attempt holds.
    #[serde(default)]
    pub slots: u32,
    /// Who has the seat, once somebody was seen to have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Until when the place was seen to prepare for the launch, by pulling an image perhaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared_at: Option<Timestamp>,
    /// Since when a claimed seat shows nothing of its runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vanished_at: Option<Timestamp>,
}

/// What a place decides about a launch before it. Never changed once saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    /// What is started, with its exact revision.
    #[schemars(length(max = 256))]
    pub definition: String,
    /// Processors, in 1,024ths of one.
    pub cpu_units: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// Room on the disk in GiB, where more is wanted than there is without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_gib: Option<u32>,
    /// The kinds of capacity, in the order in which they are tried; the last one again and again.
    #[schemars(length(max = 4))]
    pub capacities: Vec<Capacity>,
}

/// One kind of capacity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// What the place calls it.
    #[schemars(length(max = 63))]
    pub name: String,
    /// What an hour of it costs in this size.
    pub usd_per_hour: Usd,
}

impl Launch {
    /// The capacity that is meant by this choice.
    #[must_use]
    pub fn capacity(&self, choice: u32) -> Option<&Capacity> {
        let at = usize::try_from(choice).unwrap_or(usize::MAX);
        self.capacities.get(at).or(self.capacities.last())
    }

    /// Whether every kind of capacity was tried with this choice.
    #[must_use]
    pub fn is_last(&self, choice: u32) -> bool {
        usize::try_from(choice).is_ok_and(|at| at + 1 >= self.capacities.len())
    }
}

/// Why an attempt is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StopReason {
    /// `spec.cancel`
    Cancel,
    /// The job's deadline passed.
    Deadline,
    /// The job's money or tokens are used up.
    Budget,
    /// `spec.suspend`
    Suspend,
    /// Nobody claimed the seat in time.
    Unclaimed,
    /// The back end refused the launch for good.
    Refused,
    /// The claimant is gone without a report.
    Lost,
}

/// The decision to stop an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StopIntent {
    /// Why.
    pub reason: StopReason,
    /// When it was decided. A report that stands in the seat before the stop does wins all the same.
    pub at: Timestamp,
    /// What was seen, for the failure's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// An ended attempt, as memory wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndedAttempt {
    /// Which attempt.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When.
    pub at: Timestamp,
}

impl AgentJobStatus {
    /// Whether it is known how the job ended: nothing more will run.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.outcome.is_some()
    }

    /// Whether this attempt was begun and something of it may be left.
    #[must_use]
    pub const fn is_under_way(&self, attempt: u32) -> bool {
        self.intent.is_some() && self.attempt == attempt
    }

    /// Whether nothing of a finished job is left, and memory has its outcome or never will.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_finished() && self.intent.is_none() && self.unrecorded.is_none()
    }

    /// The status of this condition, if it is set.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.type_ == kind)
    }

    /// Whether this condition is True.
    #[must_use]
    pub fn is_true(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|c| c.status == "True")
    }

    /// Sets a condition; its transition time moves only when its status changes.
    pub fn set_condition(&mut self, kind: &str, status: &str, why: (&str, &str), now: Timestamp) {
        let old = self.condition(kind).filter(|c| c.status == status);
        let since = old.map_or(Time(now), |c| c.last_transition_time.clone());
        let next = Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: why.0.to_owned(),
            message: why.1.to_owned(),
            last_transition_time: since,
            observed_generation: self.observed_generation,
        };
        match self.conditions.iter_mut().find(|c| c.type_ == kind) {
            Some(old) => *old = next,
            None => self.conditions.push(next),
        }
    }
}
