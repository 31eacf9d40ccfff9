//! Whether memory helps, asked of the whole service: jobs of families that share a fact, run by a real
//! node with scripted agents, three times over. What an agent does depends on nothing but whether the
//! fact stands in its prompt, and the fact is drawn, so nothing knows it that was not told.
//!
//! | file | what it is |
//! |---|---|
//! | `tasks` | the families, their tasks, and what agents do with them |
//! | `figures` | paired differences with their interval |
//!
//! Fixed before the first run: 20 families of 3 jobs; at most 3 attempts for a job, and a job that has
//! not succeeded by then counts as 4; the value of a family is the sum over its jobs; arms are compared
//! by the paired differences of families, mean and 95 % interval by Student's distribution. An agent
//! that fails says what it found out every other time. A family without memory takes 12 attempts; where
//! memory takes one off each of half of its jobs, differences of 1.5 with a deviation below 2 are to
//! be seen, which 20 pairs do with a power above 0.9.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "an experiment stops at what it did not expect"
)]

pub mod figures;
pub mod tasks;

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use self::tasks::{Family, JOBS, noise};
use crate::node::{Node, built};

/// Most attempts of a job.
pub const ATTEMPTS: u64 = 3;
/// Rules of other work that stand in memory before.
const NOISE: u64 = 200;
/// Families that are worked on at a time.
const SIDE_BY_SIDE: usize = 4;

/// What memory does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// Lessons are put into prompts.
    On,
    /// They are not.
    Off,
    /// They are, and none of them helps; they are as long as those that would.
    Placebo,
}

/// The attempts that each family took, summed over its jobs.
pub async fn run(arm: Arm, seed: u64, families: u64) -> Vec<f64> {
    let families: Vec<Family> = (0..families).map(|n| Family::new(seed, n)).collect();
    let place = Place::new(arm, &families);
    for n in 0..NOISE {
        place.teach(&noise(seed, n)).await;
    }
    let mut sums = Vec::new();
    for some in families.chunks(SIDE_BY_SIDE) {
        let runs = some.iter().map(|family| place.family(family));
        sums.extend(futures::future::join_all(runs).await);
    }
    sums
}

/// A node with its repository.
struct Place {
    arm: Arm,
    node: Node,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new(arm: Arm, families: &[Family]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        let rules = families.iter().map(|f| f.rules(arm == Arm::Placebo));
        let scenario = at.join("scenario.yaml");
        std::fs::write(&scenario, rules.collect::<String>()).unwrap();
        repository(&at.join("ws/default/repo"));
        let agent = format!(
            "env SCRIPTED_AGENT_SCENARIO={} {}",
            scenario.display(),
            built("scripted-agent").display()
        );
        let workspace = at.join("ws").display().to_string();
        let node = Node::start(&[
            ("SANDBOX_AGENT_COMMAND", agent.as_str()),
            ("WORKSPACE_DIR", workspace.as_str()),
        ]);
        Self {
            arm,
            node,
            _folder: folder,
        }
    }

    async fn teach(&self, rule: &str) {
        let taught = json!({"domain": "build", "rule": rule});
        let (status, said) = self.node.post("/elf/heuristics", &taught).await;
        assert!(status < 300, "{status}: {said}");
    }

    /// The jobs of a family, one after the other.
    async fn family(&self, family: &Family) -> f64 {
        let mut sum = 0;
        for job in 0..JOBS {
            let id = self.node.submit_spec(self.spec(&family.task(job))).await;
            let ended = self.node.ended(&id).await;
            sum += attempts(&ended);
        }
        f64::from(u32::try_from(sum).unwrap_or(u32::MAX))
    }

    fn spec(&self, task: &str) -> Value {
        json!({
            "type": "agent_farm",
            "agentFarm": {"task": task, "agents": 1, "workspace": {"path": "repo"}},
            "elf": {"inject": self.arm != Arm::Off, "domain": "build"},
            "retry": {"limit": ATTEMPTS - 1, "on": {"AgentError": {"base": "0s"}}},
        })
    }
}

/// The attempts until it succeeded; one more than the most where it did not.
fn attempts(job: &Value) -> u64 {
    if job["status"] == "SUCCEEDED" {
        return job["attempt"].as_u64().unwrap();
    }
    assert_eq!(job["attempt"], ATTEMPTS, "{job:#}");
    ATTEMPTS + 1
}

fn repository(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let script = "git init -q -b main . && echo one >a && git add a && \
        git -c user.name=t -c user.email=t@t.invalid commit -q -m First";
    let made = Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(made.success());
}
