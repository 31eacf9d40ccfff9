//! Jobs as people have them done in a cluster: by the real kubectl, the real operator and the real runner, on a real API
//! server. What is missing is a node: the test places the pods and does their containers' words, on a thread of its own,
//! for kubectl is waited for on the other.

use std::{process::Command, time::Duration};

use rustix::process::Signal;
use sandbox_tests::{
    hands::Hands,
    node::PATIENCE,
    operator::{LEASE, Operator, Service},
};
use serde_json::{Value, json};

use super::world::{World, rows};

/// A namespace of its own, looked after by operators of its own.
struct Stage {
    world: World,
    hands: Hands,
    service: Service,
}

impl Stage {
    async fn named(name: &str) -> Self {
        let world = World::named(name).await;
        world.lease(LEASE);
        let hands = Hands::of(world.client().await, name).await;
        let service = Service::start().await;
        Self {
            world,
            hands,
            service,
        }
    }

    /// An operator that looks after this namespace alone, and is quick to take over from one that is gone.
    fn operator(&self, name: &str) -> Operator {
        let namespace = &self.world.namespace;
        let args = [
            format!("--namespace={namespace}"),
            format!("--watch-namespaces={namespace}"),
            format!("--identity={name}"),
            "--lease-duration=3s".to_owned(),
            "--renew-deadline=2s".to_owned(),
            "--retry-period=300ms".to_owned(),
            "--auth=false".to_owned(),
        ];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Operator::behind(&self.service, &self.world.kubeconfig(), &args)
    }

    fn apply(&self, name: &str, spec: &Value) {
        self.world.apply(&job(name, spec));
    }

    /// Waits for the job's condition as people do.
    fn wait(&self, name: &str, condition: &str) {
        let what = format!("--for=condition={condition}");
        let patience = format!("--timeout={}s", PATIENCE.as_secs());
        self.world.said(&["wait", "aj", name, &what, &patience]);
    }

    fn status(&self, name: &str) -> Value {
        self.world.object(&["aj", name])["status"].take()
    }

    /// Waits until the job's pod was begun so often in all.
    async fn begun(&self, times: usize) {
        let began = std::time::Instant::now();
        while self.hands.begun().len() < times {
            assert!(
                began.elapsed() < PATIENCE,
                "not begun: {:?}",
                self.hands.begun()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn job(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {"name": name}, "spec": spec})
}

fn echo() -> Value {
    json!({"type": "echo", "echo": {"message": "hello"}})
}

fn slow(seconds: u32) -> Value {
    json!({"type": "echo", "echo": {"message": "hello", "delay": format!("{seconds}s")}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_applied_is_done_and_shown_from_its_first_line_to_its_events() {
    let stage = Stage::named("story-applied").await;
    let operator = stage.operator("one");
    operator.leads().await;
    let watch = stage.world.begin(&["get", "aj", "-w"]);
    stage.apply("hello", &echo());
    stage.wait("hello", "Finished");
    stage.wait("hello", "Recorded");
    let status = stage.status("hello");
    assert_eq!(status["outcome"], "Succeeded", "{status:#}");
    assert_eq!(
        status["result"]["inline"]["echoed_message"], "hello",
        "{status:#}"
    );
    assert_eq!(status["attempt"], 1);
    assert_eq!(stage.hands.begun().len(), 1);
    let seen = watch.until("Succeeded");
    let rows = rows(&seen);
    let shown: Vec<&str> = rows.iter().filter(|r| r.len() > 2).map(|r| r[2]).collect();
    assert!(shown.contains(&"Running"), "{seen}");
    // Events come when they come.
    operator
        .until("told no events", async |_| {
            let text = stage.world.said(&["describe", "aj", "hello"]);
            ["Starting", "Running", "Succeeded"]
                .iter()
                .all(|reason| text.contains(&format!("Normal  {reason}")))
        })
        .await;
    let events = stage
        .world
        .said(&["get", "events.events.k8s.io", "-o", "json"]);
    assert!(
        events.contains(r#""reportingController": "multiagent.dev/sandbox""#),
        "{events}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_of_what_may_not_change_is_refused_and_the_job_goes_on() {
    let stage = Stage::named("story-edited").await;
    let operator = stage.operator("one");
    stage.apply("edited", &slow(2));
    stage.begun(1).await;
    let mut other = slow(2);
    other["echo"]["message"] = json!("other");
    let said = stage
        .world
        .refusal(&["apply", "-f", "-"], &job("edited", &other));
    assert!(
        said.contains("the work itself cannot be changed; submit a new job"),
        "{said}"
    );
    stage.wait("edited", "Finished");
    assert_eq!(
        stage.status("edited")["result"]["inline"]["echoed_message"],
        "hello"
    );
    drop(operator);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_job_begins_when_it_is_patched_and_not_before() {
    let stage = Stage::named("story-suspended").await;
    let operator = stage.operator("one");
    let mut held = echo();
    held["suspend"] = json!(true);
    stage.apply("held", &held);
    // What came later is done before: the one that is held was looked at, and left.
    stage.apply("other", &echo());
    stage.wait("other", "Finished");
    assert_eq!(stage.hands.begun().len(), 1);
    let patch = json!({"spec": {"suspend": false}}).to_string();
    stage
        .world
        .said(&["patch", "aj", "held", "--type=merge", "-p", &patch]);
    stage.wait("held", "Finished");
    assert_eq!(stage.hands.begun().len(), 2);
    drop(operator);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_deleted_is_cancelled_first_and_then_gone_with_its_pod() {
    let stage = Stage::named("story-deleted").await;
    let operator = stage.operator("one");
    stage.apply("gone", &slow(600));
    stage.begun(1).await;
    stage.world.said(&["delete", "aj", "gone", "--timeout=60s"]);
    let left = stage.world.said(&["get", "pods", "-o", "name"]);
    assert_eq!(left, "", "{}", operator.log());
    let events = stage
        .world
        .said(&["get", "events.events.k8s.io", "-o", "json"]);
    assert!(events.contains(r#""reason": "Cancelled""#), "{events}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_is_killed_and_started_again_finds_the_work_as_it_is() {
    let stage = Stage::named("story-killed").await;
    let first = stage.operator("one");
    stage.apply("long", &slow(3));
    stage.begun(1).await;
    first.signal(Signal::KILL);
    drop(first);
    let second = stage.operator("one");
    stage.wait("long", "Finished");
    assert_eq!(
        stage.status("long")["outcome"],
        "Succeeded",
        "{}",
        second.log()
    );
    assert_eq!(stage.hands.begun().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_one_leads_and_the_other_takes_over_when_it_is_killed_or_frozen() {
    let stage = Stage::named("story-two").await;
    let first = stage.operator("one");
    first.leads().await;
    let second = stage.operator("two");
    second.ready().await;
    // The claim goes to the one that does not lead.
    stage.apply("long", &slow(4));
    stage.begun(1).await;
    // It does not know that it is frozen; when it wakes up it must see that it leads no more.
    first.signal(Signal::STOP);
    second.leads().await;
    stage.wait("long", "Finished");
    first.signal(Signal::CONT);
    let past = async |me: &Operator| me.log().contains("leads no more");
    first
        .until("does not see that it leads no more", past)
        .await;
    stage.service.sends_to(&first);
    stage.apply("after", &echo());
    stage.wait("after", "Finished");
    assert_eq!(stage.hands.begun().len(), 2, "{}", first.log());
    assert_eq!(stage.status("long")["attempt"], 1);
    // Leaving in good order, it gives the lease back.
    let log = second.stop();
    assert!(log.contains("gave the lease back"), "{log}");
    first.leads().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_serves_the_same_jobs_and_the_command_line_works_against_it() {
    let stage = Stage::named("default-tenant").await;
    let operator = stage.operator("one");
    operator.ready().await;
    let url = format!("{}/health", operator.api);
    let check = Command::new(sandbox_tests::node::built("sandbox-operator"))
        .args(["check", &url])
        .status();
    assert!(check.unwrap().success());
    assert!(operator.probe("/healthz").await.is_some());
    let counted = operator.probe("/metrics").await.unwrap();
    for name in [
        "sandbox_leader",
        "sandbox_kube_requests_total",
        "sandbox_reconcile_seconds",
    ] {
        assert!(counted.contains(name), "{counted}");
    }
}
