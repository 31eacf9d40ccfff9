//! Jobs in a table: tables that will not do, answers that are lost, a process that dies in the middle of a save, and what
//! each way of asking costs.

use std::{fs, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use sandbox_core::{
    AgentJob, Claim, Heartbeat, Outcome, Report, Seat, Usage,
    port::{Change, Created, PortError, Seats, Store, Write},
    query::{EventQuery, ListQuery, NewEvent},
};
use sandbox_elf::store::dynamodb::{DynamoSettings, OpenError};
use sandbox_operator::{
    seats::dynamodb::DynamoSeats,
    store::dynamodb::{DynamoStore, make_table},
};
use sandbox_tests::{
    contract::store::{a_job, a_stored_job, put, slot},
    dynamodb::{
        DynamoServer,
        proxy::{Fault, Proxy},
        world::LEASE,
    },
};

use super::pools::Raw;

/// More than any call is tried.
const ALWAYS: usize = 200;

async fn refusal(settings: &DynamoSettings) -> String {
    match DynamoStore::open(settings).await {
        Err(OpenError::Refused(text)) => text,
        Err(OpenError::Unknown(text)) => panic!("not a refusal: {text}"),
        Ok(_) => panic!("it was taken for fit"),
    }
}

#[tokio::test]
async fn a_table_that_has_no_indexes_is_refused_with_the_command_that_makes_one() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.table().await.unwrap();
    let text = refusal(&settings).await;
    let make = format!("sandbox table {}", settings.table);
    assert!(
        text.contains("no index `list`") && text.contains(&make),
        "{text}"
    );
    let again = make_table(&settings).await;
    assert!(matches!(again, Err(OpenError::Refused(_))), "{again:?}");
}

#[tokio::test]
async fn another_region_is_named_where_the_table_is_not() {
    let server = DynamoServer::shared().await.unwrap();
    let settings = DynamoSettings {
        region: Some("us-east-1".to_owned()),
        ..server.table_for_jobs().await.unwrap()
    };
    let text = refusal(&settings).await;
    assert!(text.contains("us-east-1"), "{text}");
}

/// A store behind a proxy, and one on the same table without.
async fn through_a_proxy() -> (Proxy, Arc<DynamoStore>, Arc<DynamoStore>) {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.table_for_jobs().await.unwrap();
    let (proxy, far) = server.far(&settings).await.unwrap();
    let far = DynamoStore::open(&far).await.unwrap();
    (proxy, far, DynamoStore::open(&settings).await.unwrap())
}

/// What AWS says to who may not do this.
fn denied(action: &str) -> Fault {
    let who = "User: arn:aws:iam::123456789012:user/x is not authorized to perform";
    Fault::Say(
        400,
        format!(
            r#"{{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"{who}: {action} on resource: arn:aws:dynamodb:eu-central-1:123456789012:table/t because no identity-based policy allows the {action} action"}}"#
        ),
    )
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let (proxy, far, near) = through_a_proxy().await;
    let job = a_stored_job(&*far, "a", "one").await;
    proxy.next("PutItem", [denied("dynamodb:PutItem")]);
    let told = far.commit(put(&job, |_| {})).await;
    let named = |e: &PortError| matches!(e, PortError::Refused(f) if f.message.contains("dynamodb:PutItem"));
    assert!(told.as_ref().is_err_and(named), "{told:?}");
    assert_eq!(near.load(&job.uid().unwrap()).await.unwrap(), Some(job));
    let settings = DynamoSettings {
        endpoint: Some(proxy.endpoint()),
        ..DynamoServer::shared()
            .await
            .unwrap()
            .table_for_jobs()
            .await
            .unwrap()
    };
    proxy.next("DescribeTable", [denied("dynamodb:DescribeTable")]);
    assert!(refusal(&settings).await.contains("dynamodb:DescribeTable"));
    proxy.next("Query", vec![denied("dynamodb:Query"); 4]);
    assert!(refusal(&settings).await.contains("dynamodb:Query"));
}

async fn held(store: &DynamoStore) -> u32 {
    let job = a_job("a", "who-asks");
    store.admission("slots/vps", &job).await.unwrap().held
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_known_again_and_done_once() {
    let (proxy, far, near) = through_a_proxy().await;
    proxy.next("TransactWriteItems", [Fault::LoseAnswer]);
    let job = a_stored_job(&*far, "a", "one").await;
    let uid = job.uid().unwrap();
    proxy.next("PutItem", [Fault::LoseAnswer]);
    proxy.next("UpdateItem", [Fault::LoseAnswer]);
    let take = Change {
        holds: Some(slot(2, 3)),
        ..put(&job, |j| j.spec.priority = 1)
    };
    let saved = far.commit(take).await.unwrap();
    assert_eq!(saved.version(), job.version() + 1);
    assert_eq!((held(&far).await, held(&near).await), (2, 2));
    assert_eq!(near.load(&uid).await.unwrap(), Some(saved));
    let mut unnamed = a_job("a", "x");
    unnamed.metadata.name = Some(format!("job-{}", unnamed.uid().unwrap()));
    proxy.next("PutItem", [Fault::LoseAnswer]);
    let made = far.create(unnamed.clone(), None).await.unwrap();
    assert!(matches!(made, Created::New(_)), "{made:?}");
    let again = far.create(unnamed, None).await;
    assert!(matches!(again, Err(PortError::Conflict(_))), "{again:?}");
}

#[tokio::test]
async fn a_hold_whose_save_was_refused_is_given_back() {
    let (_proxy, far, near) = through_a_proxy().await;
    let job = a_stored_job(&*far, "a", "one").await;
    near.commit(put(&job, |j| j.spec.priority = 1))
        .await
        .unwrap();
    let late = Change {
        holds: Some(slot(3, 3)),
        ..put(&job, |j| j.spec.priority = 2)
    };
    let lost = far.commit(late).await;
    assert!(matches!(lost, Err(PortError::Conflict(_))), "{lost:?}");
    assert_eq!(held(&near).await, 0);
}

#[tokio::test]
async fn a_hold_that_nobody_has_is_taken_by_the_next_of_its_own_job() {
    let (proxy, far, near) = through_a_proxy().await;
    let job = a_stored_job(&*far, "a", "one").await;
    let take = || Change {
        holds: Some(slot(3, 3)),
        ..put(&job, |j| j.spec.priority = 2)
    };
    // As when the process dies between the pool and the job.
    proxy.next("PutItem", vec![Fault::LoseRequest; ALWAYS]);
    let lost = far.commit(take()).await;
    assert!(matches!(lost, Err(PortError::Unknown(_))), "{lost:?}");
    proxy.heal();
    assert_eq!(held(&near).await, 3);
    near.commit(take()).await.unwrap();
    assert_eq!(held(&near).await, 3);
}

#[tokio::test]
async fn a_hold_whose_process_died_before_it_saved_is_seen_to_be_nobodys_and_cannot_come_to_be() {
    let (proxy, far, near) = through_a_proxy().await;
    let server = DynamoServer::shared().await.unwrap();
    let (job, other) = (
        a_stored_job(&*far, "a", "one").await,
        a_stored_job(&*far, "a", "other").await,
    );
    let keep = Change {
        holds: Some(slot(1, 4)),
        ..put(&other, |_| {})
    };
    near.commit(keep).await.unwrap();
    let late = Change {
        holds: Some(slot(3, 4)),
        ..put(&job, |j| j.spec.priority = 2)
    };
    proxy.next("PutItem", vec![Fault::LoseRequest; ALWAYS]);
    let lost = far.commit(late).await;
    assert!(matches!(lost, Err(PortError::Unknown(_))), "{lost:?}");
    proxy.heal();
    assert_eq!(held(&near).await, 4);
    Raw::of(server, near.table()).a_minute_later().await;
    assert_eq!(held(&near).await, 1);
    // What that process would have written comes too late.
    let stale = far.commit(put(&job, |j| j.spec.priority = 2)).await;
    assert!(matches!(stale, Err(PortError::Conflict(_))), "{stale:?}");
    let again = near.load(&job.uid().unwrap()).await.unwrap().unwrap();
    assert_eq!(again.spec, job.spec);
}

#[tokio::test]
async fn a_large_task_stands_in_the_store_of_objects_and_goes_with_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let server = DynamoServer::shared().await.unwrap();
    let settings = DynamoSettings {
        snapshots: format!("file://{}", folder.path().display()),
        ..server.table_for_jobs().await.unwrap()
    };
    let store = DynamoStore::open(&settings).await.unwrap();
    let mut job = a_job("a", "large");
    let noise = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string();
    let noise = (0..2_000).map(noise).collect::<Vec<_>>().concat();
    job.spec.echo = serde_json::from_value(serde_json::json!({"message": noise})).unwrap();
    let Created::New(job) = store.create(job, None).await.unwrap() else {
        panic!("it is new")
    };
    let job = store
        .commit(put(&job, |j| j.spec.priority = 1))
        .await
        .unwrap();
    let other = DynamoStore::open(&settings).await.unwrap();
    let uid = job.uid().unwrap();
    assert_eq!(other.load(&uid).await.unwrap(), Some(job.clone()));
    let all = ListQuery {
        limit: 10,
        ..ListQuery::default()
    };
    assert_eq!(
        other.list(&all).await.unwrap().jobs,
        std::slice::from_ref(&job)
    );
    let specs = folder
        .path()
        .join(&settings.table)
        .join("specs")
        .join(uid.as_str());
    assert_eq!(fs::read_dir(&specs).unwrap().count(), 2);
    let write = Write::Remove {
        uid,
        version: job.version(),
    };
    let gone = Change {
        write,
        holds: None,
        events: Vec::new(),
    };
    store.commit(gone).await.unwrap();
    assert_eq!(fs::read_dir(&specs).map_or(0, Iterator::count), 0);
}

#[tokio::test]
async fn what_is_due_is_found_and_what_is_over_or_later_is_not() {
    let store = DynamoServer::shared().await.unwrap().jobs().await.unwrap();
    let now = Timestamp::now();
    let new = a_stored_job(&*store, "a", "new").await;
    let later = a_stored_job(&*store, "b", "later").await;
    let at = now + std::time::Duration::from_hours(1);
    let back_off = put(&later, |j| {
        j.status.get_or_insert_default().retry_at = Some(at);
    });
    store.commit(back_off).await.unwrap();
    let over = a_stored_job(&*store, "a", "over").await;
    let end = put(&over, |j| {
        let status = j.status.get_or_insert_default();
        status.outcome = Some(Outcome::Succeeded);
        status.set_condition("Recorded", "True", ("Recorded", ""), now);
    });
    store.commit(end).await.unwrap();
    let soon = Timestamp::now();
    assert_eq!(store.due(soon).await.unwrap(), [new.uid().unwrap()]);
    let mut both = store
        .due(at + std::time::Duration::from_secs(1))
        .await
        .unwrap();
    both.sort();
    let mut wanted = [new.uid().unwrap(), later.uid().unwrap()];
    wanted.sort();
    assert_eq!(both, wanted);
}

/// The units that the store's calls have cost meanwhile.
struct Meter {
    store: Arc<DynamoStore>,
    lines: Vec<String>,
}

impl Meter {
    async fn cost<T>(&mut self, what: &str, done: impl Future<Output = T>) -> T {
        let before = self.store.consumed();
        let done = done.await;
        let after = self.store.consumed();
        let (read, written) = (after.read - before.read, after.written - before.written);
        self.lines.push(format!("| {what} | {read} | {written} |"));
        done
    }
}

fn event(reason: &str) -> Vec<NewEvent> {
    vec![NewEvent {
        reason: reason.to_owned(),
        message: reason.to_owned(),
        at: Timestamp::UNIX_EPOCH,
    }]
}

fn unnamed() -> AgentJob {
    let mut job = a_job("a", "x");
    job.metadata.name = Some(format!("job-{}", job.uid().unwrap()));
    job
}

fn made(created: Created) -> AgentJob {
    let (Created::New(job) | Created::Existing(job)) = created;
    job
}

fn report() -> Report {
    Report {
        outcome: Outcome::Succeeded,
        failure: None,
        result: serde_json::json!({"message": "done"}),
        usage: Usage::default(),
        files: Vec::new(),
        lessons: Vec::new(),
        grade: None,
        started_at: Timestamp::UNIX_EPOCH,
        finished_at: Timestamp::UNIX_EPOCH,
    }
}

/// The same jobs every time, each in a shard of its own: for a shard without any nothing is counted.
fn in_shard(shard: u8, name: Option<&str>) -> AgentJob {
    let uid = format!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1{shard}");
    let made = format!("job-{uid}");
    let mut job = a_job("a", name.unwrap_or(&made));
    job.metadata.uid = Some(uid);
    job
}

/// From the submissions to the start of one job, which is given with one that came with a key.
async fn begin(m: &mut Meter, store: &DynamoStore) -> (AgentJob, AgentJob) {
    let first = in_shard(0, Some("first-of-its-tenant"));
    store.create(first, None).await.unwrap();
    let job = m
        .cost("submit", store.create(in_shard(1, None), None))
        .await;
    let job = made(job.unwrap());
    let named = store.create(in_shard(2, Some("named")), None);
    let what = "submit under a name that was chosen";
    m.cost(what, named).await.unwrap();
    let keyed = store.create(in_shard(3, None), Some("k"));
    let keyed = m.cost("submit with an idempotency key", keyed).await;
    let again = store.create(unnamed(), Some("k"));
    let what = "submit with the same key again";
    m.cost(what, again).await.unwrap();
    let uid = job.uid().unwrap();
    m.cost("read a job", store.load(&uid)).await.unwrap();
    let start = Change {
        holds: Some(slot(1, 8)),
        events: event("Starting"),
        ..put(&job, |j| j.status.get_or_insert_default().attempt = 1)
    };
    let job = m.cost("save with a slot taken", store.commit(start)).await;
    let keyed = made(keyed.unwrap());
    let ahead = store.admission("slots/vps", &keyed);
    let what = "who goes before another, and what is held";
    m.cost(what, ahead).await.unwrap();
    (job.unwrap(), keyed)
}

/// What is said at a seat.
async fn work(m: &mut Meter, seats: &DynamoSeats, seat: &Seat) {
    let claim = Claim {
        nonce: "n".to_owned(),
        instance: "i".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    };
    let claimed = seats.claim(seat, claim);
    m.cost("claim a seat", claimed).await.unwrap();
    m.cost("read a seat", seats.read(seat)).await.unwrap();
    let beat = Heartbeat {
        at: Timestamp::UNIX_EPOCH + LEASE,
        ..Heartbeat::default()
    };
    let what = "a heartbeat that is written, each third of the lease";
    let written = seats.beat(seat, "n", beat.clone());
    m.cost(what, written).await.unwrap();
    let between = seats.beat(seat, "n", beat);
    m.cost("a heartbeat between", between).await.unwrap();
    let reported = seats.report(seat, "n", report());
    m.cost("report", reported).await.unwrap();
}

/// From the report to the end of its record.
async fn end(m: &mut Meter, store: &DynamoStore, job: &AgentJob) -> AgentJob {
    let end = Change {
        holds: Some(Vec::new()),
        events: event("Succeeded"),
        ..put(job, |j| {
            j.status.get_or_insert_default().outcome = Some(Outcome::Succeeded);
        })
    };
    let what = "save with the slot given back";
    let job = m.cost(what, store.commit(end)).await.unwrap();
    let recorded = put(&job, |j| {
        let status = j.status.get_or_insert_default();
        status.set_condition("Recorded", "True", ("Recorded", ""), Timestamp::UNIX_EPOCH);
    });
    let saved = store.commit(recorded);
    m.cost("save that ends it", saved).await.unwrap()
}

/// What is asked of many, and of what happened.
async fn look(m: &mut Meter, store: &DynamoStore, job: &AgentJob) {
    let of_job = EventQuery {
        uid: job.uid().ok(),
        limit: 100,
        ..EventQuery::default()
    };
    let events = store.events(&of_job);
    m.cost("the events of a job", events).await.unwrap();
    let list = ListQuery {
        tenant: "a".parse().ok(),
        limit: 50,
        ..ListQuery::default()
    };
    let listed = store.list(&list);
    m.cost("a tenant's list of 4 jobs", listed).await.unwrap();
    let due = store.due(Timestamp::now());
    m.cost("what is due now, of 3 jobs", due).await.unwrap();
}

async fn lines() -> Vec<String> {
    let server = DynamoServer::shared().await.unwrap();
    let store = server.jobs().await.unwrap();
    let seats = DynamoSeats::new(store.clone(), LEASE);
    let mut m = Meter {
        store: store.clone(),
        lines: Vec::new(),
    };
    let (job, keyed) = begin(&mut m, &store).await;
    let uid = job.uid().unwrap();
    work(&mut m, &seats, &Seat::new(uid.clone(), 1)).await;
    let job = store.load(&uid).await.unwrap().unwrap();
    let job = end(&mut m, &store, &job).await;
    look(&mut m, &store, &job).await;
    let ways = [("remove", job), ("remove one that came with a key", keyed)];
    for (what, job) in ways {
        let write = Write::Remove {
            uid: job.uid().unwrap(),
            version: job.version(),
        };
        let gone = Change {
            write,
            holds: None,
            events: event("Removed"),
        };
        m.cost(what, store.commit(gone)).await.unwrap();
    }
    m.lines
}

const BEGIN: &str = "<!-- counted by the class dynamodb; never edited by hand -->\n";
const END: &str = "<!-- end of what is counted -->\n";

#[tokio::test]
async fn the_costs_that_the_docs_tell_are_those_that_are_counted() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/dynamodb.md");
    let said = fs::read_to_string(&page).unwrap();
    let (before, rest) = said.split_once(BEGIN).unwrap();
    let (told, after) = rest.split_once(END).unwrap();
    let head = "| what is done | read units | write units |\n|---|---|---|\n";
    let counted = format!("{head}{}\n", Box::pin(lines()).await.join("\n"));
    if told != counted {
        fs::write(&page, format!("{before}{BEGIN}{counted}{END}{after}")).unwrap();
        panic!("docs/dynamodb.md was written anew; look at what changed");
    }
}
