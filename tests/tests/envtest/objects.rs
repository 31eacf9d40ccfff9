//! The store and the seats over real objects, beside the real kubectl: what they write, what they keep, what they let go.

use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Claim, Heartbeat, Outcome, Register, Report, Seat, Usage,
    port::{Change, Created, PortError, Reservation, Seats, Store, Write},
    query::{EventQuery, NewEvent},
    status::BackendRef,
};
use sandbox_tests::{cluster::bed::LEASE, contract::store::a_job};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

use super::{
    stage::{Told, over, ports, put, started, submitted},
    world::World,
};

fn manifest(name: &str) -> Value {
    json!({
        "apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {"name": name},
        "spec": {"type": "echo", "echo": {"message": "hi"}},
    })
}

fn claim(nonce: &str) -> Claim {
    Claim {
        nonce: nonce.to_owned(),
        instance: "pod".to_owned(),
        at: Timestamp::now(),
    }
}

fn report(result: Value) -> Report {
    Report {
        outcome: Outcome::Succeeded,
        failure: None,
        result,
        usage: Usage::default(),
        files: Vec::new(),
        lessons: Vec::new(),
        grade: None,
        started_at: Timestamp::UNIX_EPOCH,
        finished_at: Timestamp::UNIX_EPOCH,
    }
}

fn remove(job: &AgentJob) -> Change {
    Change {
        write: Write::Remove {
            uid: job.uid().unwrap(),
            version: job.version(),
        },
        ..put(job, |_| {})
    }
}

fn finalizers(world: &World, name: &str) -> Value {
    world.object(&["aj", name])["metadata"]["finalizers"].take()
}

#[tokio::test]
async fn memory_keeps_no_copy_of_the_manifest_and_a_save_takes_none_away() {
    let world = World::named("trimmed").await;
    world.apply(&manifest("one"));
    let mut process = Told::start(world.client().await, "trimmed").await;
    let job = process.knows("one").await;
    assert_eq!(job.metadata.managed_fields, None);
    assert_eq!(
        job.metadata.annotations.clone().unwrap_or_default().len(),
        0
    );
    let store = process.process.store();
    let job = store
        .commit(put(&job, |j| j.spec.priority = 1))
        .await
        .unwrap();
    store.commit(put(&job, started)).await.unwrap();
    let object = world.object(&["aj", "one"]);
    let notes = object["metadata"]["annotations"].as_object().unwrap();
    assert!(notes.contains_key("kubectl.kubernetes.io/last-applied-configuration"));
    assert_eq!(object["spec"]["priority"], 1);
    assert_eq!(object["status"]["attempt"], 1);
}

#[tokio::test]
async fn each_concern_has_a_manager_of_its_own() {
    let world = World::named("managers").await;
    world.apply(&manifest("one"));
    let mut process = Told::start(world.client().await, "managers").await;
    let job = process.knows("one").await;
    let (store, seats) = ports(&process.process);
    let job = store.commit(put(&job, started)).await.unwrap();
    let seat = job.seat().unwrap();
    seats.claim(&seat, claim("n")).await.unwrap();
    let text = world.said(&["get", "aj", "one", "-o", "json", "--show-managed-fields"]);
    let object: Value = serde_json::from_str(&text).unwrap();
    let managers = object["metadata"]["managedFields"].as_array().unwrap();
    for wanted in ["sandbox/status", "sandbox/seat", "sandbox/finalizer"] {
        assert!(
            managers.iter().any(|m| m["manager"] == wanted),
            "{wanted}: {managers:?}"
        );
    }
}

#[tokio::test]
async fn a_claim_says_in_the_same_write_that_work_has_begun() {
    let world = World::named("claimed").await;
    let process = Told::start(world.client().await, "claimed").await;
    let (store, seats) = ports(&process.process);
    let job = submitted(&*store, "claimed", "one").await;
    let job = store.commit(put(&job, started)).await.unwrap();
    let before = job.version();
    seats.claim(&job.seat().unwrap(), claim("n")).await.unwrap();
    let object = world.object(&["aj", "one"]);
    let reason = &object["status"]["conditions"][0]["reason"];
    assert_eq!(
        (reason, &object["status"]["intent"]["claim"]["nonce"]),
        (&json!("Running"), &json!("n"))
    );
    let now = store.load(&job.uid().unwrap()).await.unwrap().unwrap();
    assert!(now.version() > before);
    let query = EventQuery {
        uid: job.uid().ok(),
        limit: 10,
        ..EventQuery::default()
    };
    let told = store.events(&query).await.unwrap();
    let told: Vec<&str> = told.iter().map(|e| e.reason.as_str()).collect();
    assert_eq!(told, ["Submitted", "Running"]);
}

#[tokio::test]
async fn a_deleted_job_waits_for_its_end_and_reads_as_cancelled() {
    let world = World::named("deleted").await;
    world.apply(&manifest("one"));
    let mut process = Told::start(world.client().await, "deleted").await;
    let job = process.knows("one").await;
    let store = process.process.store();
    let job = store.commit(put(&job, started)).await.unwrap();
    world.said(&["delete", "aj", "one", "--wait=false"]);
    let uid = job.uid().unwrap();
    let deleted = |p: &sandbox_tests::cluster::bed::Process| {
        p.objects
            .get(&uid)
            .is_some_and(|j| j.spec.cancel && j.deleted_at().is_some())
    };
    process.until("it is deleted", deleted).await;
    let job = store.load(&uid).await.unwrap().unwrap();
    let job = store.commit(put(&job, over)).await.unwrap();
    assert_eq!(
        finalizers(&world, "one"),
        json!(["multiagent.dev/recorded"])
    );
    store.commit(remove(&job)).await.unwrap();
    assert_eq!(store.load(&uid).await.unwrap(), None);
    assert!(
        world
            .refusal(&["get", "aj", "one"], &Value::Null)
            .contains("NotFound")
    );
}

#[tokio::test]
async fn a_job_that_was_deleted_before_it_began_is_gone_at_once() {
    let world = World::named("unbegun").await;
    world.apply(&manifest("one"));
    let mut process = Told::start(world.client().await, "unbegun").await;
    let job = process.knows("one").await;
    world.said(&["delete", "aj", "one"]);
    let uid = job.uid().unwrap();
    process
        .until("it is gone", |p| p.objects.get(&uid).is_none())
        .await;
    let store = process.process.store();
    let late = store.commit(put(&job, started)).await;
    assert!(matches!(late, Err(PortError::NotFound(_))), "{late:?}");
}

#[tokio::test]
async fn the_finalizer_stays_from_the_intent_until_the_outcome_is_recorded() {
    let world = World::named("kept").await;
    world.apply(&manifest("one"));
    let mut process = Told::start(world.client().await, "kept").await;
    let job = process.knows("one").await;
    let store = process.process.store();
    assert_eq!(finalizers(&world, "one"), Value::Null);
    let job = store.commit(put(&job, started)).await.unwrap();
    assert_eq!(
        finalizers(&world, "one"),
        json!(["multiagent.dev/recorded"])
    );
    store.commit(put(&job, over)).await.unwrap();
    assert_eq!(finalizers(&world, "one"), Value::Null);
    world.said(&["delete", "aj", "one", "--timeout=30s"]);
}

/// The attempt is over, and the place knew at its end what it was made of.
fn left(job: &mut AgentJob) {
    let status = job.status.get_or_insert_default();
    status.intent = None;
    let place = status.backend_ref.get_or_insert_default();
    place.image = Some("runner@sha256:0".to_owned());
}

#[tokio::test]
async fn a_report_of_success_finishes_the_job_whose_slot_is_free_when_the_finalizer_goes() {
    let world = World::named("leaving").await;
    world.apply(&manifest("one"));
    let mut process = Told::start(world.client().await, "leaving").await;
    let job = process.knows("one").await;
    let (store, seats) = ports(&process.process);
    let take = put(&job, |j| {
        started(j);
        j.status.get_or_insert_default().backend_ref = Some(BackendRef::default());
    });
    let slot = Reservation {
        pool: "slots/vps".to_owned(),
        units: 1,
        capacity: 1,
    };
    let holds = |held: &[Reservation]| Some(held.to_vec());
    let take = Change {
        holds: holds(&[slot]),
        ..take
    };
    let seat = store.commit(take).await.unwrap().seat().unwrap();
    seats.claim(&seat, claim("n")).await.unwrap();
    let told = report(json!({"answer": 42}));
    seats.report(&seat, "n", told.clone()).await.unwrap();
    let written = world.object(&["aj", "one"]);
    assert_eq!(written["status"]["outcome"], "Succeeded", "{written:#}");
    assert_eq!(
        written["metadata"]["finalizers"],
        json!(["multiagent.dev/recorded"])
    );
    // Whoever starts now knows as much.
    let other = Told::start(world.client().await, "leaving").await;
    let job = other.process.objects.get(&seat.uid).unwrap();
    assert!(job.status().is_finished() && !job.status().is_over());
    let held = other.process.store().admission("slots/vps", &job).await;
    assert_eq!(held.unwrap().held, 1);
    let job = store
        .commit(Change {
            holds: holds(&[]),
            ..put(&job, left)
        })
        .await
        .unwrap();
    let now = world.object(&["aj", "one"]);
    assert_eq!(now["status"], written["status"]);
    assert_eq!(now["metadata"]["finalizers"], Value::Null);
    let place = job.status().backend_ref.clone().unwrap();
    assert_eq!(place.image.as_deref(), Some("runner@sha256:0"));
    assert!(job.status().is_over());
    let held = store.admission("slots/vps", &job).await.unwrap().held;
    assert_eq!(held, 0);
    assert_eq!(seats.read(&seat).await.unwrap().report, Some(told));
}

#[tokio::test]
async fn the_finalizers_of_others_are_left_to_them() {
    let world = World::named("others").await;
    let mut object = manifest("one");
    object["metadata"]["finalizers"] = json!(["example.org/theirs"]);
    world.apply(&object);
    let mut process = Told::start(world.client().await, "others").await;
    let job = process.knows("one").await;
    let store = process.process.store();
    let job = store.commit(put(&job, started)).await.unwrap();
    let job = store.commit(put(&job, over)).await.unwrap();
    store.commit(remove(&job)).await.unwrap();
    assert_eq!(store.load(&job.uid().unwrap()).await.unwrap(), None);
    assert_eq!(finalizers(&world, "one"), json!(["example.org/theirs"]));
    let free = json!({"metadata": {"finalizers": null}}).to_string();
    world.said(&["patch", "aj", "one", "--type=merge", "-p", &free]);
}

#[tokio::test]
async fn a_large_report_stands_beside_the_object_and_goes_with_the_job() {
    let world = World::named("large").await;
    let process = Told::start(world.client().await, "large").await;
    let (store, seats) = ports(&process.process);
    let job = submitted(&*store, "large", "one").await;
    let job = store.commit(put(&job, started)).await.unwrap();
    let (uid, seat) = (job.uid().unwrap(), job.seat().unwrap());
    seats.claim(&seat, claim("n")).await.unwrap();
    let told = report(json!({"text": "x".repeat(1_000_000)}));
    seats.report(&seat, "n", told.clone()).await.unwrap();
    assert_eq!(seats.read(&seat).await.unwrap().report, Some(told));
    let size = world.object(&["aj", "one"]).to_string().len();
    assert!(size < 10_000, "{size} bytes");
    let job = store.load(&uid).await.unwrap().unwrap();
    let job = store.commit(put(&job, over)).await.unwrap();
    assert_eq!(
        finalizers(&world, "one"),
        json!(["multiagent.dev/recorded"])
    );
    seats.discard(&uid).await.unwrap();
    assert_eq!(seats.read(&seat).await.unwrap().report, None);
    store.commit(remove(&job)).await.unwrap();
    assert!(
        world
            .refusal(&["get", "aj", "one"], &Value::Null)
            .contains("NotFound")
    );
}

#[tokio::test]
async fn a_finished_job_with_its_report_stays_small() {
    let world = World::named("small").await;
    let process = Told::start(world.client().await, "small").await;
    let (store, seats) = ports(&process.process);
    let job = submitted(&*store, "small", "one").await;
    let job = store.commit(put(&job, started)).await.unwrap();
    let seat = job.seat().unwrap();
    seats.claim(&seat, claim("n")).await.unwrap();
    let told = report(json!({"text": "x".repeat(3_000)}));
    seats.report(&seat, "n", told.clone()).await.unwrap();
    let job = store.load(&seat.uid).await.unwrap().unwrap();
    let finished = |j: &mut AgentJob| {
        over(j);
        let result = json!({"inline": told.result});
        j.status.as_mut().unwrap().result = serde_json::from_value(result).ok();
    };
    store.commit(put(&job, finished)).await.unwrap();
    let size = world.object(&["aj", "one"])["status"].to_string().len();
    assert!(size < 5_000, "{size} bytes");
    assert_eq!(seats.read(&seat).await.unwrap().report, Some(told));
}

#[tokio::test]
async fn heartbeats_are_written_every_third_of_the_lease_and_none_is_taken_for_older_than_it_may_be()
 {
    let world = World::named("beats").await;
    let first = Told::start(world.client().await, "beats").await;
    let mut second = Told::start(world.client().await, "beats").await;
    let (store, seats) = ports(&first.process);
    let job = submitted(&*store, "beats", "one").await;
    let job = store.commit(put(&job, started)).await.unwrap();
    let seat = job.seat().unwrap();
    let began = Timestamp::now() - LEASE * 2;
    seats
        .claim(
            &seat,
            Claim {
                at: began,
                ..claim("n")
            },
        )
        .await
        .unwrap();
    let beat = |after: std::time::Duration| Heartbeat {
        at: began + after,
        progress: format!("{} s", after.as_secs()),
        ..Heartbeat::default()
    };
    let version = || store.load(&seat.uid);
    let mut versions = Vec::new();
    for part in [0, 20, 40, 41, 60, 81] {
        seats
            .beat(&seat, "n", beat(LEASE * part / 120))
            .await
            .unwrap();
        versions.push(version().await.unwrap().unwrap().version());
    }
    let writes = versions.windows(2).map(|v| v[1] > v[0]);
    assert_eq!(
        writes.collect::<Vec<_>>(),
        [false, true, false, false, true]
    );
    let here = seats.read(&seat).await.unwrap().heartbeat.unwrap();
    assert_eq!(here.progress, "405 s");
    second
        .until("the heartbeat is known", |p| {
            p.objects
                .get(&seat.uid)
                .is_some_and(|j| j.version() == versions[5])
        })
        .await;
    let there = second
        .process
        .seats()
        .read(&seat)
        .await
        .unwrap()
        .heartbeat
        .unwrap();
    assert_eq!(there.at, began + LEASE * 81 / 120 + LEASE / 3);
}

#[tokio::test]
async fn what_happens_is_told_to_the_recorder() {
    let world = World::named("recorder").await;
    let process = Told::start(world.client().await, "recorder").await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    process
        .process
        .objects
        .record_to(Arc::new(move |job: &AgentJob, event: &NewEvent| {
            heard
                .lock()
                .unwrap()
                .push(format!("{} {}", job.name(), event.reason));
        }));
    let store = process.process.store();
    let job = submitted(&*store, "recorder", "one").await;
    let event = NewEvent {
        reason: "Starting".to_owned(),
        message: String::new(),
        at: Timestamp::now(),
    };
    let change = Change {
        events: vec![event],
        ..put(&job, started)
    };
    store.commit(change).await.unwrap();
    assert_eq!(*told.lock().unwrap(), ["one Submitted", "one Starting"]);
}

#[tokio::test]
async fn what_jobs_hold_is_known_to_a_process_that_starts() {
    let world = World::named("holds").await;
    let first = Told::start(world.client().await, "holds").await;
    let slot = |units| {
        let pool = "slots/vps".to_owned();
        Some(vec![Reservation {
            pool,
            units,
            capacity: 3,
        }])
    };
    let store = first.process.store();
    let one = submitted(&*store, "holds", "one").await;
    let take = Change {
        holds: slot(2),
        ..put(&one, started)
    };
    store.commit(take).await.unwrap();
    let two = submitted(&*store, "holds", "two").await;
    let second = Told::start(world.client().await, "holds").await;
    let store = second.process.store();
    assert_eq!(store.admission("slots/vps", &two).await.unwrap().held, 2);
    let full = store
        .commit(Change {
            holds: slot(2),
            ..put(&two, started)
        })
        .await;
    assert!(matches!(full, Err(PortError::Conflict(_))), "{full:?}");
    store
        .commit(Change {
            holds: slot(1),
            ..put(&two, started)
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_name_that_nobody_chose_follows_from_the_key() {
    let world = World::named("keys").await;
    let (first, second) = (
        Told::start(world.client().await, "keys").await,
        Told::start(world.client().await, "keys").await,
    );
    let unnamed = || {
        let mut job = a_job("keys", "x");
        let uid = job.metadata.uid.clone().unwrap();
        job.metadata.name = Some(format!("job-{uid}"));
        job
    };
    let stores = [first.process.store(), second.process.store()];
    let tasks = (0..20).map(|n| {
        let (store, job) = (Arc::clone(&stores[n % 2]), unnamed());
        async move { store.create(job, Some("k")).await.unwrap() }
    });
    let made = futures::future::join_all(tasks).await;
    let new = made.iter().filter(|m| matches!(m, Created::New(_))).count();
    assert_eq!(new, 1);
    let listed = world.said(&["get", "aj", "-o", "name"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[tokio::test]
async fn a_namespace_that_is_not_followed_is_not_known() {
    let (here, there) = (World::named("here").await, World::named("there").await);
    here.apply(&manifest("mine"));
    there.apply(&manifest("theirs"));
    let mut process = Told::start(here.client().await, "here").await;
    process.knows("mine").await;
    assert_eq!(process.process.objects.len(), 1);
}

#[tokio::test]
async fn a_tenant_without_a_namespace_hears_what_to_do() {
    let world = World::named("tenant").await;
    let process = Told::start(world.client().await, "tenant").await;
    let refused = process
        .process
        .store()
        .create(a_job("nobody", "one"), None)
        .await;
    let Err(PortError::Refused(why)) = refused else {
        panic!("{refused:?}")
    };
    assert!(why.message.contains("no namespace nobody"), "{why:?}");
}

#[tokio::test]
async fn nobody_takes_a_seat_of_a_job_that_is_gone() {
    let world = World::named("gone").await;
    let process = Told::start(world.client().await, "gone").await;
    let (store, seats) = ports(&process.process);
    let job = submitted(&*store, "gone", "one").await;
    let seat = Seat::new(job.uid().unwrap(), 1);
    store.commit(remove(&job)).await.unwrap();
    let stands = seats.claim(&seat, claim("n")).await.unwrap();
    assert!(matches!(stands, Register::Closed(_)), "{stands:?}");
    let late = seats.report(&seat, "n", report(Value::Null)).await;
    assert!(matches!(late, Err(PortError::Refused(_))), "{late:?}");
    let stranger = Seat::new("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".parse().unwrap(), 1);
    let unknown = seats.claim(&stranger, claim("n")).await;
    assert!(matches!(unknown, Err(PortError::Unknown(_))), "{unknown:?}");
}
