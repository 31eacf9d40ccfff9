//! The pages of a pool: what is taken of them together, what it costs, and what becomes of holds that a process left in
//! one of them.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::future::join_all;
use sandbox_core::{
    AgentJob,
    port::{Answer, Change, Created, PortError, Store, Write},
};
use sandbox_elf::store::dynamodb::DynamoSettings;
use sandbox_operator::store::dynamodb::DynamoStore;
use sandbox_tests::{
    contract::store::{a_job, put, slot},
    dynamodb::{
        DynamoServer,
        proxy::{Fault, Proxy},
    },
};
use uuid::Uuid;

/// More than any call is tried.
const ALWAYS: usize = 200;
/// Holders that one item would name in ten kilobytes.
const MANY: usize = 200;

type Item = HashMap<String, AttributeValue>;

/// A table, as it is without the store.
pub struct Raw {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl Raw {
    pub fn of(server: &DynamoServer, table: &str) -> Self {
        Self {
            client: server.client(),
            table: table.to_owned(),
        }
    }

    pub async fn pages(&self) -> Vec<Item> {
        let all = self.client.query().table_name(&self.table);
        let all = all
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text("pool#slots/vps"))
            .consistent_read(true);
        all.send().await.unwrap().items.unwrap()
    }

    pub async fn put(&self, item: Item) {
        let put = self.client.put_item().table_name(&self.table);
        put.set_item(Some(item)).send().await.unwrap();
    }

    /// Makes every hold an old one.
    pub async fn a_minute_later(&self) {
        for mut page in self.pages().await {
            for (_, mark) in page.iter_mut().filter(|(name, _)| name.starts_with('h')) {
                let parts: Vec<&str> = mark.as_s().unwrap().split('.').collect();
                let old = [parts[0], parts[1], "0", parts[3]].join(".");
                *mark = text(&old);
            }
            self.put(page).await;
        }
    }

    /// What each page that is there says is held of it, which is what its holders hold.
    async fn filled(&self) -> Vec<u32> {
        let mut all = Vec::new();
        for page in self.pages().await {
            let n: u32 = page["n"].as_n().unwrap().parse().unwrap();
            let marks = page.iter().filter(|(name, _)| name.starts_with('h'));
            let units = |mark: &AttributeValue| -> u32 {
                let units = mark.as_s().unwrap().split('.').next();
                units.unwrap().parse().unwrap()
            };
            assert_eq!(n, marks.map(|(_, mark)| units(mark)).sum::<u32>());
            all.push(n);
        }
        all
    }

    async fn held(&self) -> u32 {
        self.filled().await.iter().sum()
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

async fn new_table() -> (DynamoSettings, Raw) {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.table_for_jobs().await.unwrap();
    let raw = Raw::of(server, &settings.table);
    (settings, raw)
}

async fn open(settings: &DynamoSettings) -> Arc<DynamoStore> {
    DynamoStore::open(settings).await.unwrap()
}

/// The same table as a process has it that may be cut off.
async fn far(settings: &DynamoSettings) -> (Proxy, Arc<DynamoStore>) {
    let server = DynamoServer::shared().await.unwrap();
    let (proxy, far) = server.far(settings).await.unwrap();
    let store = open(&far).await;
    (proxy, store)
}

/// So many jobs whose names nobody chose.
async fn jobs(store: &DynamoStore, many: usize) -> Vec<AgentJob> {
    let made = (0..many).map(|_| async {
        let mut job = a_job("a", "x");
        job.metadata.name = Some(format!("job-{}", job.uid().unwrap()));
        let (Created::New(job) | Created::Existing(job)) = store.create(job, None).await.unwrap();
        job
    });
    join_all(made).await
}

fn taking(job: &AgentJob, units: u32, capacity: u32) -> Change {
    Change {
        holds: Some(slot(units, capacity)),
        ..put(job, |_| {})
    }
}

async fn take(store: &DynamoStore, job: &AgentJob, units: u32, capacity: u32) -> Answer<AgentJob> {
    store.commit(taking(job, units, capacity)).await
}

async fn give_back(store: &DynamoStore, job: &AgentJob) -> AgentJob {
    let over = Change {
        holds: Some(Vec::new()),
        ..put(job, |_| {})
    };
    store.commit(over).await.unwrap()
}

/// Those that got it; the others were told that the pool is full.
fn got(all: Vec<Answer<AgentJob>>) -> Vec<AgentJob> {
    let got = |answer: Answer<AgentJob>| match answer {
        Ok(job) => Some(job),
        Err(e) => {
            let full = matches!(&e, PortError::Conflict(text) if text.contains("full"));
            assert!(full, "{e}");
            None
        }
    };
    all.into_iter().filter_map(got).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_many_get_a_slot_as_there_are_wherever_they_look_first() {
    let (settings, raw) = new_table().await;
    let stores = join_all((0..3).map(|_| open(&settings))).await;
    let mut jobs = jobs(&stores[0], 60).await;
    for _ in 0..2 {
        let takes = jobs.iter().enumerate().map(|(n, job)| {
            let (store, job) = (Arc::clone(&stores[n % 3]), job.clone());
            tokio::spawn(async move { take(&store, &job, 1, 40).await })
        });
        let takes = join_all(takes).await.into_iter().map(Result::unwrap);
        let held = got(takes.collect());
        assert_eq!(held.len(), 40);
        assert_eq!(raw.filled().await, [16, 16, 8]);
        let asked = stores[1].admission("slots/vps", &held[0]).await.unwrap();
        assert_eq!(asked.held, 40);
        let back = held.iter().map(|job| give_back(&stores[2], job));
        for job in join_all(back).await {
            let known = jobs.iter_mut().find(|known| known.uid() == job.uid());
            *known.unwrap() = job;
        }
        assert_eq!(raw.held().await, 0);
    }
}

#[tokio::test]
async fn a_slot_costs_one_unit_to_take_and_one_to_give_back_where_two_hundred_are_at_work() {
    let (settings, raw) = new_table().await;
    let near = open(&settings).await;
    let capacity = u32::try_from(MANY).unwrap() + 1;
    for some in jobs(&near, MANY).await.chunks(20) {
        let all = join_all(some.iter().map(|job| take(&near, job, 1, capacity))).await;
        assert_eq!(got(all).len(), some.len());
    }
    let job = jobs(&near, 1).await.remove(0);
    let (proxy, far) = far(&settings).await;
    let units = || {
        let of = ("UpdateItem".to_owned(), settings.table.clone());
        proxy.counts().1.get(&of).copied().unwrap_or_default()
    };
    let held = take(&far, &job, 1, capacity).await.unwrap();
    assert_eq!((proxy.seen("UpdateItem"), units()), (1, 1.0));
    assert_eq!(raw.held().await, capacity);
    give_back(&far, &held).await;
    assert_eq!((proxy.seen("UpdateItem"), units()), (2, 2.0));
}

#[tokio::test]
async fn what_a_farm_wants_may_stand_in_several_pages_and_is_given_back_whole() {
    let (settings, raw) = new_table().await;
    let store = open(&settings).await;
    let [farm, other]: [AgentJob; 2] = jobs(&store, 2).await.try_into().unwrap();
    let farm = take(&store, &farm, 30, 40).await.unwrap();
    assert_eq!(raw.held().await, 30);
    assert_eq!(got(vec![take(&store, &other, 11, 40).await]), []);
    let farm = take(&store, &farm, 38, 40).await.unwrap();
    assert_eq!(got(vec![take(&store, &other, 3, 40).await]), []);
    assert_eq!(raw.held().await, 38);
    let other = take(&store, &other, 2, 40).await.unwrap();
    let farm = take(&store, &farm, 5, 40).await.unwrap();
    assert_eq!(raw.held().await, 7);
    let gone = Change {
        write: Write::Remove {
            uid: farm.uid().unwrap(),
            version: farm.version(),
        },
        holds: None,
        events: Vec::new(),
    };
    store.commit(gone).await.unwrap();
    assert_eq!(raw.held().await, 2);
    give_back(&store, &other).await;
    assert_eq!(raw.held().await, 0);
}

#[tokio::test]
async fn where_there_were_more_slots_nothing_is_given_beyond_those_that_are_left() {
    let (settings, raw) = new_table().await;
    let store = open(&settings).await;
    let all = jobs(&store, 40).await;
    let late = jobs(&store, 1).await.remove(0);
    let held = got(join_all(all.iter().map(|job| take(&store, job, 1, 40))).await);
    assert_eq!(held.len(), 40);
    for (n, job) in held.iter().enumerate() {
        let fresh = open(&settings).await;
        let got = got(vec![take(&fresh, &late, 1, 20).await]);
        assert_eq!(got.len(), usize::from(n > 20), "{n} were given back");
        if !got.is_empty() {
            assert_eq!(raw.held().await, 20);
            return;
        }
        give_back(&store, job).await;
    }
}

#[tokio::test]
async fn a_pool_of_before_that_names_all_in_one_item_gives_what_is_left_of_it() {
    let (settings, raw) = new_table().await;
    let store = open(&settings).await;
    let old = jobs(&store, 16).await;
    // As of a release that knew one page: a pool of 16 has no other.
    let old = got(join_all(old.iter().map(|job| take(&store, job, 1, 16))).await);
    let mut page = raw.pages().await.remove(0);
    assert_eq!(page["sk"], text("pool"));
    let more = jobs(&store, 1).await.remove(0);
    page.insert(holder(&more), text("14.1.9999999999.0"));
    page.insert("n".to_owned(), AttributeValue::N("30".to_owned()));
    raw.put(page).await;
    let store = open(&settings).await;
    let new = jobs(&store, 60).await;
    let new = got(join_all(new.iter().map(|job| take(&store, job, 1, 40))).await);
    assert_eq!((new.len(), raw.held().await), (10, 40));
    for job in new.iter().chain(&old) {
        give_back(&store, job).await;
    }
    assert_eq!(raw.held().await, 14);
}

/// The attribute of a job in a page.
fn holder(job: &AgentJob) -> String {
    let uid = job.uid().unwrap();
    let uid = Uuid::parse_str(uid.as_str()).unwrap();
    format!("h{}", URL_SAFE_NO_PAD.encode(uid.as_bytes()))
}

/// A page that is so full, of nobody who could be asked.
fn page(number: usize, n: u32) -> Item {
    let sk = ["pool", "pool#1"][number];
    [
        ("pk", text("pool#slots/vps")),
        ("sk", text(sk)),
        ("n", AttributeValue::N(n.to_string())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[tokio::test]
async fn what_was_left_in_another_page_than_the_job_stands_in_later_is_given_back() {
    let (settings, raw) = new_table().await;
    let (near, (proxy, far)) = (open(&settings).await, far(&settings).await);
    let job = jobs(&near, 1).await.remove(0);
    // This one knows the pool as it is now, and goes by that.
    near.admission("slots/vps", &job).await.unwrap();
    let scout = open(&settings).await;
    let job = take(&scout, &job, 1, 32).await.unwrap();
    let job = give_back(&scout, &job).await;
    let first = usize::from(raw.pages().await[0]["sk"] != text("pool"));
    raw.put(page(first, 16)).await;
    // As when the process dies between the pool and the job.
    proxy.next("PutItem", vec![Fault::LoseRequest; ALWAYS]);
    let lost = take(&far, &job, 1, 32).await;
    assert!(matches!(lost, Err(PortError::Unknown(_))), "{lost:?}");
    raw.put(page(first, 0)).await;
    let begun = take(&near, &job, 1, 32).await.unwrap();
    let names = |page: &Item| page.contains_key(&holder(&job));
    assert!(raw.pages().await.iter().all(names), "it stands in both");
    assert_eq!(raw.filled().await, [1, 1]);
    raw.a_minute_later().await;
    // Each process looks once in a minute, so another does now.
    let looks = open(&settings).await;
    assert_eq!(looks.admission("slots/vps", &begun).await.unwrap().held, 1);
    let stands = raw.pages().await.iter().position(names);
    assert_eq!((raw.held().await, stands), (1, Some(first)));
    give_back(&near, &begun).await;
    assert_eq!(raw.held().await, 0);
}

#[tokio::test]
async fn what_was_left_is_taken_over_by_the_next_of_its_job_whatever_pages_have_room() {
    let (settings, raw) = new_table().await;
    let (near, (proxy, far)) = (open(&settings).await, far(&settings).await);
    for job in jobs(&near, 8).await {
        proxy.next("PutItem", vec![Fault::LoseRequest; ALWAYS]);
        let lost = take(&far, &job, 1, 100).await;
        assert!(matches!(lost, Err(PortError::Unknown(_))), "{lost:?}");
        proxy.heal();
        let before = raw.held().await;
        let next = open(&settings).await;
        let job = take(&next, &job, 1, 200).await.unwrap();
        assert_eq!(raw.held().await, before);
        give_back(&near, &job).await;
        assert_eq!(raw.held().await, before - 1);
    }
}
