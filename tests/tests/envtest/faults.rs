//! What goes wrong between the operator and the API server: lost answers, cut lines, a server that is started again, and
//! many who write one object at once.

use std::sync::Arc;

use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Claim, Heartbeat, Register,
    port::{Change, Created, PortError, Seats, Store, Write},
};
use sandbox_tests::{
    cluster::{
        line::Line,
        shared::{defined, run, told},
        spy::Spy,
    },
    contract::store::a_job,
};
use serde_json::{Value, json};

use super::{
    stage::{Told, named, ports, put, started, submitted},
    world::World,
};

fn claim(nonce: &str) -> Claim {
    Claim {
        nonce: nonce.to_owned(),
        instance: "pod".to_owned(),
        at: Timestamp::now(),
    }
}

fn is_unknown<T>(answer: &Result<T, PortError>) -> bool {
    matches!(answer, Err(PortError::Unknown(_)))
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_one_job_and_says_so() {
    let world = World::named("lost-create").await;
    let spy = Spy::default();
    let process = Told::start(spy.client(world.config().await), "lost-create").await;
    let store = process.process.store();
    spy.lose("POST");
    let made = store
        .create(a_job("lost-create", "one"), None)
        .await
        .unwrap();
    assert!(matches!(made, Created::New(_)), "{made:?}");
    let again = store.create(a_job("lost-create", "one"), None).await;
    assert!(
        matches!(again, Err(PortError::Conflict(_))),
        "another's job of that name"
    );
}

#[tokio::test]
async fn an_object_that_the_same_submission_has_made_is_not_anothers() {
    let world = World::named("twice").await;
    let process = Told::start(world.client().await, "twice").await;
    let job = a_job("twice", "one");
    let submission = job.metadata.uid.clone().unwrap();
    world.apply(&json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob",
        "metadata": {"name": "one", "annotations": {"multiagent.dev/submission": submission}},
        "spec": {"type": "echo", "echo": {"message": "hi"}},
    }));
    let made = process.process.store().create(job, None).await.unwrap();
    assert!(matches!(made, Created::New(_)), "{made:?}");
}

#[tokio::test]
async fn a_save_whose_answer_is_lost_is_known_when_it_is_tried_again() {
    let world = World::named("lost-save").await;
    let spy = Spy::default();
    let process = Told::start(spy.client(world.config().await), "lost-save").await;
    let store = process.process.store();
    let job = submitted(&*store, "lost-save", "one").await;
    spy.lose("PUT");
    assert!(is_unknown(&store.commit(put(&job, started)).await));
    let again = store.commit(put(&job, started)).await;
    assert!(matches!(again, Err(PortError::Conflict(_))), "{again:?}");
    let stands = store.load(&job.uid().unwrap()).await.unwrap().unwrap();
    assert_eq!(stands.status().attempt, 1);
}

#[tokio::test]
async fn what_may_have_been_reserved_counts_until_it_is_known() {
    let world = World::named("lost-slot").await;
    let spy = Spy::default();
    let mut process = Told::start(spy.client(world.config().await), "lost-slot").await;
    let store = process.process.store();
    let (one, two) = (
        submitted(&*store, "lost-slot", "one").await,
        submitted(&*store, "lost-slot", "two").await,
    );
    let slot = |job: &AgentJob| Change {
        holds: serde_json::from_value(json!([{"pool": "slots/vps", "units": 1, "capacity": 1}]))
            .ok(),
        ..put(job, started)
    };
    spy.lose("PUT");
    assert!(is_unknown(&store.commit(slot(&one)).await));
    let full = store.commit(slot(&two)).await;
    assert!(matches!(full, Err(PortError::Conflict(_))), "{full:?}");
    let uid = one.uid().unwrap();
    process
        .until("the save is seen", |p| {
            p.objects.get(&uid).is_some_and(|j| j.status().attempt == 1)
        })
        .await;
    assert_eq!(store.admission("slots/vps", &two).await.unwrap().held, 1);
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_had_by_asking_again() {
    let world = World::named("lost-claim").await;
    let spy = Spy::default();
    let process = Told::start(spy.client(world.config().await), "lost-claim").await;
    let (store, seats) = ports(&process.process);
    let job = submitted(&*store, "lost-claim", "one").await;
    let job = store.commit(put(&job, started)).await.unwrap();
    let (seat, mine) = (job.seat().unwrap(), claim("n"));
    spy.lose("PUT");
    assert!(is_unknown(&seats.claim(&seat, mine.clone()).await));
    let other = seats.claim(&seat, claim("other")).await.unwrap();
    assert_eq!(
        other,
        Register::Claimed(mine.clone()),
        "the first one stands"
    );
    assert_eq!(
        seats.claim(&seat, mine.clone()).await.unwrap(),
        Register::Claimed(mine)
    );
}

#[tokio::test]
async fn a_removal_whose_answer_is_lost_is_heard_of() {
    let world = World::named("lost-removal").await;
    let spy = Spy::default();
    let mut process = Told::start(spy.client(world.config().await), "lost-removal").await;
    let store = process.process.store();
    let job = submitted(&*store, "lost-removal", "one").await;
    let uid = job.uid().unwrap();
    let write = Write::Remove {
        uid: uid.clone(),
        version: job.version(),
    };
    spy.lose("DELETE");
    assert!(is_unknown(
        &store
            .commit(Change {
                write,
                ..put(&job, |_| {})
            })
            .await
    ));
    process
        .until("it is gone", |p| p.objects.get(&uid).is_none())
        .await;
}

#[tokio::test]
async fn what_happened_while_the_line_was_cut_is_known_when_it_is_mended() {
    let world = World::named("cut").await;
    let line = Line::to(world.address()).await;
    let mut process = Told::start(line.client(world.config().await), "cut").await;
    let store = process.process.store();
    let mut jobs = Vec::new();
    for name in ["changed", "deleted"] {
        jobs.push(submitted(&*store, "cut", name).await);
    }
    line.cut();
    let failed = store.commit(put(&jobs[0], started)).await;
    assert!(is_unknown(&failed), "{failed:?}");
    let free = json!({"metadata": {"finalizers": null}}).to_string();
    world.said(&["patch", "aj", "deleted", "--type=merge", "-p", &free]);
    world.said(&["delete", "aj", "deleted"]);
    world.said(&[
        "patch",
        "aj",
        "changed",
        "--type=merge",
        "-p",
        r#"{"spec": {"priority": 5}}"#,
    ]);
    let made = json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {"name": "made"},
        "spec": {"type": "echo", "echo": {"message": "hi"}},
    });
    world.apply(&made);
    assert_eq!(
        named(&process.process, "deleted").map(|j| j.spec.cancel),
        Some(false)
    );
    line.mend();
    process.knows("made").await;
    process
        .until("all is known", |p| {
            let changed = named(p, "changed").is_some_and(|j| j.spec.priority == 5);
            changed && named(p, "deleted").is_none()
        })
        .await;
    let job = named(&process.process, "changed").unwrap();
    store.commit(put(&job, started)).await.unwrap();
}

#[tokio::test]
async fn an_api_server_that_is_started_again_loses_nothing() {
    let mut cluster = defined().await;
    let line = Line::to(cluster.address()).await;
    let spy = Spy::default();
    let client = spy.client(line.config(cluster.config().await.unwrap()));
    let mut process = Told::start(client, "default").await;
    let (store, seats) = ports(&process.process);
    let (one, two) = (
        submitted(&*store, "default", "one").await,
        submitted(&*store, "default", "two").await,
    );
    let one = store.commit(put(&one, started)).await.unwrap();
    cluster.kill_api();
    assert!(is_unknown(&store.commit(put(&two, started)).await));
    assert!(is_unknown(
        &seats.claim(&one.seat().unwrap(), claim("n")).await
    ));
    assert_eq!(
        store.load(&one.uid().unwrap()).await.unwrap(),
        Some(one.clone())
    );
    line.cut();
    cluster.start_api().await.unwrap();
    let kubectl = |words: &[&str]| told(run(&cluster, words, &Value::Null));
    kubectl(&[
        "patch",
        "aj",
        "two",
        "--type=merge",
        "-p",
        r#"{"metadata": {"finalizers": null}}"#,
    ]);
    kubectl(&["delete", "aj", "two"]);
    cluster.kill_api();
    cluster.start_api().await.unwrap();
    line.mend();
    let gone = two.uid().unwrap();
    process
        .until("the other is gone", |p| p.objects.get(&gone).is_none())
        .await;
    let register = seats.claim(&one.seat().unwrap(), claim("n")).await.unwrap();
    assert!(matches!(register, Register::Claimed(c) if c.nonce == "n"));
    let lists = spy.take().iter().filter(|a| *a == "GET stream").count();
    assert!(
        lists > 1,
        "the server had forgotten what was changed, and all was listed anew"
    );
}

/// Adds one to the job's priority, however often it takes.
async fn add_one(store: Arc<dyn Store>, job: AgentJob) -> u32 {
    let uid = job.uid().unwrap();
    for lost in 0.. {
        let job = store.load(&uid).await.unwrap().unwrap();
        match store.commit(put(&job, |j| j.spec.priority += 1)).await {
            Ok(_) => return lost,
            Err(e) => assert!(matches!(e, PortError::Conflict(_)), "{e}"),
        }
        tokio::task::yield_now().await;
    }
    0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_who_write_one_object_at_once_each_is_heard() {
    let world = World::named("storm").await;
    let (first, mut second) = (
        Told::start(world.client().await, "storm").await,
        Told::start(world.client().await, "storm").await,
    );
    let job = submitted(&*first.process.store(), "storm", "one").await;
    let job = first
        .process
        .store()
        .commit(put(&job, started))
        .await
        .unwrap();
    second.knows("one").await;
    let seat = job.seat().unwrap();
    let processes = [&first.process, &second.process];
    let adds = (0..40).map(|n| {
        let store: Arc<dyn Store> = processes[n % 2].store();
        tokio::spawn(add_one(store, job.clone()))
    });
    let adds: Vec<_> = adds.collect();
    let claims = (0..10).map(|n| {
        let (seats, seat) = (processes[n % 2].seats(), seat.clone());
        tokio::spawn(async move { seats.claim(&seat, claim(&format!("n{n}"))).await.unwrap() })
    });
    let claims: Vec<_> = claims.collect();
    let mut lost = 0;
    for add in adds {
        lost += add.await.unwrap();
    }
    let mut registers = Vec::new();
    for claim in claims {
        registers.push(claim.await.unwrap());
    }
    registers.dedup();
    assert_eq!(registers.len(), 1, "one has the seat: {registers:?}");
    let object = world.object(&["aj", "one"]);
    assert_eq!(
        object["spec"]["priority"], 40,
        "{lost} writes lost and came again"
    );
    assert_eq!(object["status"]["attempt"], 1);
}

#[tokio::test]
async fn a_decision_on_what_another_process_has_changed_loses_and_is_made_anew() {
    let world = World::named("two").await;
    let line = Line::to(world.address()).await;
    let fresh = Told::start(world.client().await, "two").await;
    let mut stale = Told::start(line.client(world.config().await), "two").await;
    let job = submitted(&*fresh.process.store(), "two", "one").await;
    let uid = job.uid().unwrap();
    let seen = stale.knows("one").await;
    line.cut();
    fresh
        .process
        .store()
        .commit(put(&job, started))
        .await
        .unwrap();
    line.mend();
    let store = stale.process.store();
    let mut late = store.commit(put(&seen, |j| j.spec.suspend = true)).await;
    while is_unknown(&late) {
        late = store.commit(put(&seen, |j| j.spec.suspend = true)).await;
    }
    assert!(matches!(late, Err(PortError::Conflict(_))), "{late:?}");
    let now = store.load(&uid).await.unwrap().unwrap();
    assert_eq!(now.status().attempt, 1);
    store
        .commit(put(&now, |j| j.spec.suspend = true))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_runner_whose_claim_came_to_another_replica_is_not_sent_away() {
    let world = World::named("replicas").await;
    let line = Line::to(world.address()).await;
    let first = Told::start(world.client().await, "replicas").await;
    let mut second = Told::start(line.client(world.config().await), "replicas").await;
    let store = first.process.store();
    let job = submitted(&*store, "replicas", "one").await;
    second.knows("one").await;
    line.cut();
    let job = store.commit(put(&job, started)).await.unwrap();
    let seat = job.seat().unwrap();
    first
        .process
        .seats()
        .claim(&seat, claim("n"))
        .await
        .unwrap();
    line.mend();
    let seats = second.process.seats();
    let mut stands = seats.read(&seat).await;
    while is_unknown(&stands) {
        stands = seats.read(&seat).await;
    }
    assert!(matches!(stands.unwrap().register, Register::Claimed(c) if c.nonce == "n"));
    let beat = Heartbeat::default();
    let mut heard = seats.beat(&seat, "n", beat.clone()).await;
    while is_unknown(&heard) {
        heard = seats.beat(&seat, "n", beat.clone()).await;
    }
    heard.unwrap();
    let stranger = seats.beat(&seat, "other", beat).await;
    assert!(
        matches!(stranger, Err(PortError::Refused(_))),
        "{stranger:?}"
    );
}
