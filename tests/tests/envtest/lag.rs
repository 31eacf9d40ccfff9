//! A leader that has not heard yet what the one before it wrote last: it gives away no slot that is taken.

use jiff::{SignedDuration, Timestamp};
use sandbox_core::{
    AgentJob,
    port::{Change, PortError, Store},
    spec::BackendName,
};
use sandbox_tests::{
    cluster::{
        lag::Lag,
        shared::{defined, run, told},
    },
    node::PATIENCE,
    operator::{LEASE, Operator},
};
use serde_json::{Value, json};

use super::{
    stage::{Told, put, started, submitted},
    world::World,
};

/// This job begins, and has the only slot.
fn begun(job: &AgentJob) -> Change {
    let slot = json!([{"pool": "slots/pod", "units": 1, "capacity": 1}]);
    Change {
        holds: serde_json::from_value(slot).unwrap(),
        ..put(job, |job| {
            started(job);
            let intent = job.status.as_mut().unwrap().intent.as_mut().unwrap();
            intent.backend = BackendName::Pod;
            intent.deadline_at = Timestamp::now() + SignedDuration::from_hours(1);
        })
    }
}

/// A process that has heard of nothing since two jobs were submitted, and counts the slot that one has taken since then as
/// free until it asks.
async fn it_asks_who_has_the_slot(lag: &Lag, first: Told, namespace: &str) {
    let store = first.process.store();
    let (one, two) = (
        submitted(&*store, namespace, "one").await,
        submitted(&*store, namespace, "two").await,
    );
    let mut late = Told::start(lag.client(), namespace).await;
    late.knows("two").await;
    lag.hold();
    store.commit(begun(&one)).await.unwrap();
    let theirs = late.process.store();
    assert_eq!(theirs.admission("slots/pod", &two).await.unwrap().held, 0);
    late.process.objects.take_in_held().await.unwrap();
    assert_eq!(theirs.admission("slots/pod", &two).await.unwrap().held, 1);
    let full = theirs.commit(begun(&two)).await;
    assert!(matches!(full, Err(PortError::Conflict(_))), "{full:?}");
}

#[tokio::test]
async fn who_asks_knows_of_every_slot_that_is_taken_though_the_watch_is_behind() {
    let world = World::named("lag").await;
    let lag = Lag::before(world.client().await).await;
    let first = Told::start(world.client().await, "lag").await;
    it_asks_who_has_the_slot(&lag, first, "lag").await;
}

#[tokio::test]
async fn definitions_of_an_earlier_release_can_be_asked_too() {
    let cluster = defined().await;
    let earlier = r#"[{"op": "remove", "path": "/spec/versions/0/selectableFields"}]"#;
    let crd = "crd/agentjobs.multiagent.dev";
    let patch = ["patch", crd, "--type=json", "-p", earlier];
    assert_ne!(told(run(&cluster, &patch, &Value::Null)), "");
    let asked = ["get", "aj", "--field-selector=status.intent.backend=pod"];
    let began = std::time::Instant::now();
    while run(&cluster, &asked, &Value::Null).status.success() {
        assert!(began.elapsed() < PATIENCE, "the definition stays");
    }
    let lag = Lag::before(cluster.client().await.unwrap()).await;
    let first = Told::start(cluster.client().await.unwrap(), "default").await;
    it_asks_who_has_the_slot(&lag, first, "default").await;
}

fn operator(lag: &Lag, namespace: &str) -> Operator {
    let args = [
        &*format!("--namespace={namespace}"),
        &*format!("--watch-namespaces={namespace}"),
        "--slots=1",
        "--auth=false",
    ];
    Operator::start(&lag.kubeconfig(), &args)
}

/// The Lease as somebody else has it, or has given it back.
fn held_by(world: &World, holder: &str) {
    let spec = json!({"spec": {"holderIdentity": holder, "leaseDurationSeconds": 600}});
    let patch = spec.to_string();
    world.said(&["patch", "lease", LEASE, "--type=merge", "-p", &patch]);
}

#[tokio::test]
async fn who_takes_the_lead_begins_no_job_in_a_slot_that_the_leader_before_gave_away_last() {
    let namespace = "lag-lead";
    let world = World::named(namespace).await;
    world.said(&["create", "serviceaccount", "default"]);
    world.lease(LEASE);
    held_by(&world, "before");
    let before = Told::start(world.client().await, namespace).await;
    let store = before.process.store();
    let mut jobs = Vec::new();
    for name in ["early", "late"] {
        jobs.push(submitted(&*store, namespace, name).await);
    }
    let lag = Lag::before(world.client().await).await;
    let operator = operator(&lag, namespace);
    // What it began with may be older than both.
    operator
        .until("does not know both jobs", async |me| {
            let counted = me.probe("/metrics").await.unwrap_or_default();
            counted.contains("sandbox_jobs{phase=\"QUEUED\"} 2")
        })
        .await;
    lag.hold();
    // The one that is not first in line: nothing of what it tries on it tells the next that the slot is taken.
    store.commit(begun(&jobs[1])).await.unwrap();
    let at_work = ["get", "aj", "--field-selector=status.intent.backend!="];
    let said = world.said(&[&at_work[..], &["-o", "name"]].concat());
    assert_eq!(said, "agentjob.multiagent.dev/late\n");
    held_by(&world, "");
    let status = |name: &str| world.object(&["aj", name])["status"].take();
    operator
        .until("did not look at the other job", async |_| {
            let early = status("early");
            !early["intent"].is_null() || !early["queuedReason"].is_null()
        })
        .await;
    assert_eq!(status("early")["intent"], Value::Null, "{}", operator.log());
    assert!(status("late")["intent"].is_object(), "{}", operator.log());
}
