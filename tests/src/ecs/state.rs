//! What the double knows: tasks, tokens, and what is to go wrong.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    path::PathBuf,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::{CLUSTER, REGION};

/// How a request goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It was not done: too much was asked.
    Throttled,
    /// It was not done: the server failed before.
    Failed,
    /// It was done, and its answer is lost.
    AnswerLost,
    /// It was not done, for this reason.
    Refused(&'static str, &'static str),
}

/// Says of a request of this action how it goes wrong, if it does.
pub type Roll = Box<dyn Fn(&str) -> Option<Fault> + Send>;

/// Who ends a task, and in which words.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// Spot capacity is taken back: the two minutes begin with SIGTERM.
    Spot,
    /// The machine is taken down.
    Retired,
    /// A person did it.
    Person,
}

impl Stop {
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Spot => ("SpotInterruption", "Your Spot Task was interrupted."),
            Self::Retired => (
                "TerminationNotice",
                "ECS is performing maintenance on the underlying infrastructure hosting the task.",
            ),
            Self::Person => ("UserInitiated", "Task stopped by user"),
        }
    }
}

/// Everything.
#[derive(Default)]
pub(super) struct State {
    pub tasks: BTreeMap<String, Task>,
    pub tokens: HashMap<String, (Value, Value)>,
    pub faults: HashMap<String, VecDeque<Fault>>,
    pub roll: Option<Roll>,
    pub without_capacity: BTreeSet<String>,
    pub delay: Duration,
    pub unstartable: Option<String>,
    pub begun: Vec<String>,
    pub asked: Vec<String>,
    pub launches: Vec<Value>,
    pub events: Vec<Value>,
}

/// What a signal to a task reaches.
#[derive(Clone)]
pub(super) enum Hold {
    /// The processes of a group.
    Group(u32),
    /// A runner that is played.
    Played(AbortHandle),
}

/// A task.
pub(super) struct Task {
    pub arn: String,
    pub status: &'static str,
    pub desired: &'static str,
    pub version: u64,
    pub created: Timestamp,
    pub request: Value,
    pub hold: Option<Hold>,
    pub exit_code: Option<i32>,
    pub stop: Option<(String, String)>,
    pub stopped: Option<Instant>,
    pub lost: bool,
    pub log: PathBuf,
    /// What is told of it, and since when: the last of which the time has come.
    pub told: Vec<(Instant, Value)>,
}

impl State {
    pub(super) fn of(&mut self, arn: &str) -> Option<&mut Task> {
        self.tasks.get_mut(id_of(arn))
    }

    pub(super) fn of_ref(&self, arn: &str) -> Option<&Task> {
        self.tasks.get(id_of(arn))
    }

    /// The tasks that are not over, by id.
    pub(super) fn running(&self) -> Vec<String> {
        let running = self.tasks.iter().filter(|(_, t)| t.stopped.is_none());
        running.map(|(id, _)| id.clone()).collect()
    }

    /// Writes a change of a task down, and tells of it.
    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut Task)) {
        let delay = self.delay;
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        change(task);
        task.version += 1;
        let told = task.describe();
        task.told.push((Instant::now() + delay, told.clone()));
        self.events.push(event(&told));
    }
}

/// An ARN may be given as the task's id alone.
pub(super) fn id_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The ARN of a task.
pub(super) fn arn(id: &str) -> String {
    format!("arn:aws:ecs:{REGION}:123456789012:task/{CLUSTER}/{id}")
}

impl Task {
    /// What is told of it now, where anything is.
    pub(super) fn visible(&self, keep: Duration) -> Option<&Value> {
        let forgotten = self.stopped.is_some_and(|at| at.elapsed() >= keep);
        if self.lost || forgotten {
            return None;
        }
        let now = Instant::now();
        let told = self.told.iter().rev().find(|(at, _)| *at <= now);
        told.map(|(_, value)| value)
    }

    /// The task as the API describes it.
    pub(super) fn describe(&self) -> Value {
        let request = &self.request;
        let overrides = &request["overrides"];
        let mut task = json!({
            "taskArn": self.arn,
            "clusterArn": format!("arn:aws:ecs:{REGION}:123456789012:cluster/{CLUSTER}"),
            "taskDefinitionArn": format!("arn:aws:ecs:{REGION}:123456789012:task-definition/{}", request["taskDefinition"].as_str().unwrap_or_default()),
            "lastStatus": self.status,
            "desiredStatus": self.desired,
            "version": self.version,
            "startedBy": request["startedBy"],
            "createdAt": seconds(self.created),
            "cpu": overrides["cpu"], "memory": overrides["memory"], "overrides": overrides,
            "launchType": "FARGATE", "platformVersion": "1.4.0",
            "capacityProviderName": request["capacityProviderStrategy"][0]["capacityProvider"],
            "enableExecuteCommand": request["enableExecuteCommand"],
            "tags": request["tags"],
            "containers": [{
                "name": "runner", "lastStatus": self.status, "image": "registry.example.org/runner:0.1.0",
                "imageDigest": "sha256:0123",
            }],
        });
        if let Some(code) = self.exit_code {
            task["containers"][0]["exitCode"] = json!(code);
        }
        if let Some((code, reason)) = &self.stop {
            task["stopCode"] = json!(code);
            task["stoppedReason"] = json!(reason);
        }
        task
    }
}

/// Times of this protocol are seconds.
pub(super) fn seconds(at: Timestamp) -> Value {
    let millis = i32::try_from(at.as_millisecond() % 1000).unwrap_or_default();
    let whole = u32::try_from(at.as_second()).unwrap_or_default();
    json!(f64::from(whole) + f64::from(millis) / 1000.0)
}

/// A change of state as `EventBridge` tells it: the same task, its times as texts, without tags.
fn event(task: &Value) -> Value {
    let mut detail = task.clone();
    let created = detail["createdAt"].as_f64().unwrap_or_default();
    let created = jiff::SignedDuration::try_from_secs_f64(created).unwrap_or_default();
    detail["createdAt"] = json!((Timestamp::UNIX_EPOCH + created).to_string());
    if let Some(fields) = detail.as_object_mut() {
        fields.remove("tags");
    }
    json!({
        "version": "0", "id": uuid::Uuid::new_v4(), "detail-type": "ECS Task State Change", "source": "aws.ecs",
        "account": "123456789012", "time": Timestamp::now().to_string(), "region": REGION,
        "resources": [task["taskArn"]], "detail": detail,
    })
}
