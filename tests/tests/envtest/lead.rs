//! Who leads, on a real API server: one of two, whatever happens to them or to it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, Config, runtime::wait::await_condition};
use rustix::process::Signal;
use sandbox_operator::lead::{Election, NOBODY, Term, Terms};
use sandbox_tests::{
    cluster::{Cluster, shared::lease as make_lease},
    node::{PATIENCE, send},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::world::World;

/// So short that a test need not wait long for a leader that is gone.
fn short() -> Terms {
    let ms = Duration::from_millis;
    Terms::new(ms(3000), ms(2000), ms(300)).unwrap()
}

/// So long that whoever waits for it to run out waits in vain.
fn long() -> Terms {
    let s = Duration::from_secs;
    Terms::new(s(600), s(400), s(1)).unwrap()
}

/// Who leads now, and whether two ever did at once.
#[derive(Clone)]
struct Stage {
    leading: Arc<Mutex<BTreeSet<String>>>,
    most: Arc<AtomicUsize>,
    told: mpsc::UnboundedSender<(String, u32)>,
}

/// Off the stage also where the candidate is killed.
struct OnStage(Stage, String);

impl Drop for OnStage {
    fn drop(&mut self) {
        self.0.leading.lock().unwrap().remove(&self.1);
    }
}

impl Stage {
    fn new() -> (Self, mpsc::UnboundedReceiver<(String, u32)>) {
        let (told, tells) = mpsc::unbounded_channel();
        let stage = Self {
            leading: Arc::default(),
            most: Arc::default(),
            told,
        };
        (stage, tells)
    }

    async fn play(self, name: String, term: Term) {
        let all = {
            let mut leading = self.leading.lock().unwrap();
            leading.insert(name.clone());
            leading.len()
        };
        let _on = OnStage(self.clone(), name.clone());
        self.most.fetch_max(all, Ordering::SeqCst);
        assert!(term.lasts());
        let _ = self.told.send((name, term.number()));
        term.ends().await;
    }
}

/// A candidate that can be asked to stop, or be killed.
struct Actor {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Actor {
    fn enter(config: &Config, place: (&str, Terms), name: &str, stage: &Stage) -> Self {
        let lease = (place.0, "lead");
        let election = Election::new(config.clone(), lease, name.to_owned(), place.1).unwrap();
        let (stop, stopped) = watch::channel(false);
        let (stage, name) = (stage.clone(), name.to_owned());
        let task = tokio::spawn(async move {
            let work = |term| stage.clone().play(name.clone(), term);
            election.run(stopped, work).await;
        });
        Self { stop, task }
    }

    async fn leave(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

async fn next(told: &mut mpsc::UnboundedReceiver<(String, u32)>) -> (String, u32) {
    let told = tokio::time::timeout(PATIENCE, told.recv()).await;
    told.unwrap().unwrap()
}

async fn lease(client: Client, namespace: &str) -> Lease {
    let leases: Api<Lease> = Api::namespaced(client, namespace);
    leases.get("lead").await.unwrap()
}

#[tokio::test]
async fn who_leads_and_is_killed_is_followed_by_the_other_with_a_higher_term() {
    let world = World::named("lead-killed").await;
    world.lease("lead");
    let (stage, mut told) = Stage::new();
    let config = world.config().await;
    let enter = |name| Actor::enter(&config, (&world.namespace, short()), name, &stage);
    let first = enter("a");
    assert_eq!(next(&mut told).await, ("a".to_owned(), 1));
    let second = enter("b");
    first.task.abort();
    assert_eq!(next(&mut told).await, ("b".to_owned(), 2));
    // Who comes back under its old name has no right to what it held before.
    let again = enter("a");
    second.leave().await;
    assert_eq!(next(&mut told).await, ("a".to_owned(), 3));
    again.leave().await;
    assert_eq!(stage.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_leaves_gives_the_lease_back_and_nobody_waits_for_it_to_run_out() {
    let world = World::named("lead-left").await;
    world.lease("lead");
    let (stage, mut told) = Stage::new();
    let config = world.config().await;
    let enter = |name| Actor::enter(&config, (&world.namespace, long()), name, &stage);
    let first = enter("a");
    assert_eq!(next(&mut told).await, ("a".to_owned(), 1));
    let second = enter("b");
    first.leave().await;
    assert_eq!(next(&mut told).await, ("b".to_owned(), 2));
    second.leave().await;
    let left = lease(world.client().await, &world.namespace).await;
    let spec = left.spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some(""));
    assert_eq!(spec.lease_transitions, Some(2));
    assert_eq!(stage.most.load(Ordering::SeqCst), 1);
}

/// Waits until the Lease says this.
async fn says(world: &World, what: impl Fn(&Lease) -> bool) -> Lease {
    let leases: Api<Lease> = Api::namespaced(world.client().await, &world.namespace);
    let seen = await_condition(leases, "lead", |l: Option<&Lease>| l.is_some_and(&what));
    let seen = tokio::time::timeout(PATIENCE, seen).await;
    seen.unwrap().unwrap().unwrap()
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

#[tokio::test]
async fn a_leader_whose_lease_is_removed_leads_on_and_who_begins_then_waits() {
    let world = World::named("lead-removed").await;
    world.lease("lead");
    let (stage, mut told) = Stage::new();
    let config = world.config().await;
    let enter = |name| Actor::enter(&config, (&world.namespace, short()), name, &stage);
    let first = enter("a");
    assert_eq!(next(&mut told).await, ("a".to_owned(), 1));
    world.said(&["delete", "lease", "lead"]);
    let second = enter("b");
    let again = says(&world, |l| holder(l) == Some("a")).await;
    assert_eq!(again.spec.unwrap().lease_transitions, Some(1));
    first.leave().await;
    assert_eq!(next(&mut told).await, ("b".to_owned(), 2));
    second.leave().await;
    assert_eq!(stage.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_lease_that_is_missing_is_made_in_nobodys_name_and_keeps_the_marks_of_one_that_was_seen()
{
    let world = World::named("lead-missing").await;
    let (stage, mut told) = Stage::new();
    let config = world.config().await;
    let enter = |name, terms| Actor::enter(&config, (&world.namespace, terms), name, &stage);
    // It waits for so long that it never leads here.
    let patient = enter("patient", long());
    says(&world, |l| holder(l) == Some(NOBODY)).await;
    world.said(&["label", "lease", "lead", "mine=yes"]);
    world.said(&[
        "patch",
        "lease",
        "lead",
        "--type=merge",
        "-p",
        r#"{"spec": {"holderIdentity": ""}}"#,
    ]);
    assert_eq!(next(&mut told).await, ("patient".to_owned(), 1));
    world.said(&["delete", "lease", "lead"]);
    let again = says(&world, |l| holder(l) == Some("patient")).await;
    assert_eq!(again.metadata.labels.unwrap()["mine"], "yes");
    patient.leave().await;
    assert_eq!(stage.most.load(Ordering::SeqCst), 1);
}

/// Two candidates for one lease of a cluster of their own.
async fn two(cluster: &Cluster, stage: &Stage) -> [Actor; 2] {
    make_lease(cluster, "default", "lead");
    let config = cluster.config().await.unwrap();
    ["a", "b"].map(|name| Actor::enter(&config, ("default", short()), name, stage))
}

async fn nobody_leads(stage: &Stage) {
    let began = Instant::now();
    while !stage.leading.lock().unwrap().is_empty() {
        assert!(began.elapsed() < PATIENCE, "leads without an API server");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn one_leads_again(
    (stage, mut told): (Stage, mpsc::UnboundedReceiver<(String, u32)>),
    term: u32,
    actors: [Actor; 2],
) {
    let (_, later) = next(&mut told).await;
    assert!(later > term, "{later}");
    for actor in actors {
        actor.leave().await;
    }
    assert_eq!(stage.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn while_the_api_server_is_frozen_nobody_leads_and_afterwards_one_does() {
    let cluster = Cluster::start().await.unwrap();
    let (stage, mut told) = Stage::new();
    let actors = two(&cluster, &stage).await;
    let (_, term) = next(&mut told).await;
    let [server, _] = cluster.pids();
    send(server, Signal::STOP);
    nobody_leads(&stage).await;
    send(server, Signal::CONT);
    one_leads_again((stage, told), term, actors).await;
}

#[tokio::test]
async fn when_the_api_server_was_killed_and_is_back_one_leads_again() {
    let mut cluster = Cluster::start().await.unwrap();
    let (stage, mut told) = Stage::new();
    let actors = two(&cluster, &stage).await;
    let (_, term) = next(&mut told).await;
    cluster.kill_api();
    nobody_leads(&stage).await;
    cluster.start_api().await.unwrap();
    one_leads_again((stage, told), term, actors).await;
}

#[tokio::test]
async fn of_many_that_come_and_go_at_once_never_two_lead() {
    let world = World::named("lead-many").await;
    world.lease("lead");
    let (stage, mut told) = Stage::new();
    let config = world.config().await;
    let names = ["a", "b", "c", "d", "e"];
    let enter = |name| Actor::enter(&config, (&world.namespace, short()), name, &stage);
    let mut actors: Vec<(&str, Actor)> = names.map(|name| (name, enter(name))).into();
    let mut terms = Vec::new();
    while !actors.is_empty() {
        let (leader, term) = next(&mut told).await;
        terms.push(term);
        let at = actors.iter().position(|(name, _)| *name == leader).unwrap();
        let (_, actor) = actors.remove(at);
        // Every other one is killed.
        if terms.len() % 2 == 0 {
            actor.task.abort();
        } else {
            actor.leave().await;
        }
    }
    assert_eq!(terms, [1, 2, 3, 4, 5]);
    assert_eq!(stage.most.load(Ordering::SeqCst), 1);
}
