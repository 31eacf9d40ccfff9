//! A task that is taken away while agents work in it, and the task that goes on from there.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sandbox_tests::{
    ecs::{Ecs, Options, Stop},
    node::{Node, PATIENCE, built},
    repository::Repository,
    tasks::node_with,
};
use serde_json::{Value, json};

/// A farm in tasks, with agents that do what a scenario says.
struct Farm {
    folder: tempfile::TempDir,
    _repository: Repository,
    ecs: Ecs,
    node: Node,
    id: String,
}

impl Farm {
    /// A farm of so many agents; `before` is a line of a shell that each agent's program begins with.
    async fn new(agents: u32, scenario: &str, before: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let here = folder.path().display().to_string();
        fs::write(at("scenario.yaml"), scenario.replace("HERE", &here)).unwrap();
        let agent = built("scripted-agent").display().to_string();
        let script = format!(
            "#!/bin/sh\n{before}\nSCRIPTED_AGENT_SCENARIO={here}/scenario.yaml exec {agent} \"$@\"\n"
        );
        fs::write(at("agent"), script).unwrap();
        fs::set_permissions(at("agent"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut options = Options::of(built("sandbox"));
        let command = at("agent").display().to_string();
        options
            .env
            .insert("SANDBOX_AGENT_COMMAND".to_owned(), command);
        let (ecs, node) = node_with(options, &[]).await;
        let repository = Repository::with("echo good >a").await;
        let git = json!({"url": repository.url(), "ref": "main"});
        let farm = json!({"task": "Mend it.", "agents": agents, "workspace": {"git": git}});
        let retry = json!({"limit": 2, "on": {"Preempted": {"base": "0s"}}});
        let spec = json!({"type": "agent_farm", "backend": {"name": "fargate"}, "agentFarm": farm, "retry": retry});
        let id = node.submit_spec(spec).await;
        Self {
            folder,
            _repository: repository,
            ecs,
            node,
            id,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    /// Takes this task away, of those that were begun, once these files are there.
    async fn taken_away(&self, task: usize, once: &[&str]) {
        for name in once {
            until(&self.at(name)).await;
        }
        let arn = self.ecs.begun()[task].clone();
        self.ecs.stops(&arn, Stop::Spot);
        self.ecs.until(&arn, "STOPPED").await;
    }

    /// The folder of an attempt's checkpoint at the node.
    fn kept(&self, attempt: u32) -> PathBuf {
        let seats = self.node.data().join("seats").join(&self.id);
        seats.join("checkpoints").join(attempt.to_string())
    }

    /// How the job ended, what its attempts' logs say, and what its tasks printed.
    async fn ended(&self) -> (Value, String) {
        let job = self.node.ended(&self.id).await;
        let printed = self
            .ecs
            .begun()
            .iter()
            .map(|arn| self.ecs.printed(arn))
            .collect();
        (job, printed)
    }
}

async fn until(path: &Path) {
    let from = Instant::now();
    while !path.exists() {
        assert!(from.elapsed() < PATIENCE, "never there: {}", path.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Attempt 1 commits, leaves files uncommitted, says that it is so far, and works on for ever. Attempt 2 writes down what
/// it finds, and so does attempt 3. A rule without `resumed` is for a session that has nothing before it.
const CUT_OFF: &str = "
- when: {resumed: true, turn: 3}
  steps:
    - bash: 'git log --format=%s >HERE/third.{{agent}}; git status --porcelain >>HERE/third.{{agent}}; pwd >>HERE/at.{{agent}}'
    - say: Done.
- when: {resumed: true}
  steps:
    - bash: 'git log --format=%s >HERE/found.{{agent}}; git status --porcelain >>HERE/found.{{agent}}; pwd >>HERE/at.{{agent}}'
    - bash: 'git add . && git commit -q -m More && echo half >e && touch HERE/again.{{agent}}'
    - hang: true
- when: {prompt_contains: An earlier attempt}
  steps:
    - bash: 'git log --format=%s >HERE/anew.{{agent}}; git status --porcelain >>HERE/anew.{{agent}}'
    - say: Done.
- steps:
    - cost: {input_tokens: 1000, output_tokens: 10}
    - bash: 'echo {{agent}} >c{{agent}} && git add . && git commit -q -m Add && echo half >d{{agent}} && echo more >>a; pwd >>HERE/at.{{agent}}; touch HERE/begun.{{agent}}'
    - hang: true
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_of_tasks_that_are_taken_away_go_on_in_the_next_with_all_that_they_had() {
    // The second agent's program does not go on with a session.
    let rejects =
        "case \"$AGENT_INDEX $*\" in '2 '*--resume*) echo 'No conversation found'; exit 1;; esac";
    let farm = Farm::new(2, CUT_OFF, rejects).await;
    farm.taken_away(0, &["begun.1", "begun.2"]).await;
    farm.taken_away(1, &["again.1", "anew.2"]).await;
    let (job, log) = farm.ended().await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("SUCCEEDED"), &json!(3)),
        "{job:#}\n{log}"
    );
    let left = |n| format!("Add\nFirst\n M a\n?? d{n}\n");
    assert_eq!(farm.text("found.1"), left(1), "{log}");
    assert_eq!(
        (farm.text("found.2"), farm.text("anew.2")),
        (String::new(), left(2)),
        "{log}"
    );
    assert!(
        log.contains("agent-2: its program does not go on with its earlier session"),
        "{log}"
    );
    assert_eq!(farm.text("third.1"), "More\nAdd\nFirst\n?? e\n", "{log}");
    let places = farm.text("at.1");
    let places: Vec<_> = places.lines().map(|p| p.rsplit('/').next()).collect();
    assert_eq!(places, [Some("agent-1"); 3], "{log}");
    for attempt in [1, 2] {
        let kept = farm.kept(attempt).join("manifest.json");
        assert!(!kept.exists(), "it was gone on from, and is over");
    }
    let (_, files) = farm.node.get(&format!("/jobs/{}/artifacts", farm.id)).await;
    assert_eq!(files["count"], 0, "{files}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_checkpoint_is_left_aside_and_the_work_begins_anew() {
    let scenario = "
- when: {file_exists: HERE/begun}
  steps: [{bash: 'git log --format=%s >HERE/anew; git status --porcelain >>HERE/anew'}, {say: Done.}]
- steps:
    - bash: 'echo half >d; touch HERE/begun'
    - hang: true
";
    let farm = Farm::new(1, scenario, "").await;
    until(&farm.at("begun")).await;
    farm.ecs.has_capacity("FARGATE", false);
    farm.taken_away(0, &[]).await;
    until(&farm.kept(1).join("manifest.json")).await;
    let piece = farm.kept(1).join("0");
    let mut bytes = fs::read(&piece).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&piece, bytes).unwrap();
    farm.ecs.has_capacity("FARGATE", true);
    let (job, log) = farm.ended().await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}\n{log}");
    assert!(
        log.contains("a checkpoint is left aside, and the work begins anew: it is damaged"),
        "{log}"
    );
    assert_eq!(farm.text("anew"), "First\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_cancelled_keeps_no_checkpoint() {
    let farm = Farm::new(1, CUT_OFF, "").await;
    until(&farm.at("begun.1")).await;
    let (status, said) = farm
        .node
        .post(&format!("/jobs/{}/cancel", farm.id), &json!({}))
        .await;
    assert_eq!(status, 200, "{said}");
    let (job, log) = farm.ended().await;
    assert_eq!(job["outcome"], "Cancelled", "{job:#}\n{log}");
    farm.ecs.until(&farm.ecs.begun()[0], "STOPPED").await;
    assert!(
        !farm.kept(1).exists() && !log.contains("checkpoint"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_farm_that_is_suspended_goes_on_where_it_was_when_it_is_resumed() {
    let scenario = "
- when: {resumed: true}
  steps: [{bash: 'cat d >HERE/found'}, {say: Done.}]
- steps:
    - bash: 'echo half >d; touch HERE/begun'
    - hang: true
";
    let farm = Farm::new(1, scenario, "").await;
    until(&farm.at("begun")).await;
    let suspend = async |is: bool| {
        let path = format!("/jobs/{}", farm.id);
        let asked = farm.node.request(reqwest::Method::PATCH, &path);
        let answer = asked
            .json(&json!({"spec": {"suspend": is}}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    };
    suspend(true).await;
    until(&farm.kept(1).join("manifest.json")).await;
    suspend(false).await;
    let (job, log) = farm.ended().await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}\n{log}");
    assert_eq!(farm.text("found"), "half\n", "{log}");
}
