//! Nothing of one tenant is ever answered to another, whatever is asked.

use std::collections::BTreeSet;

use sandbox_operator::face::http::ROUTES;
use sandbox_tests::secrets::chance::Chance;
use serde_json::{Value, json};

use super::hammer::{Hammer, KEYS, Said, Thing, path};

/// What stands in every text of each tenant.
const CANARIES: [&str; 2] = ["canary-of-a", "canary-of-b"];
/// How often each thing is asked.
const ROUNDS: usize = 20;
const MODEL: &str = "- reply: {text: \"Done.\\n[LEARNED:sql] A job of nobody in particular said this.\", usage: {input_tokens: 1, output_tokens: 1}}";

/// Two tenants with texts of their own everywhere, and the ids of both.
struct Two {
    hammer: Hammer,
    ids: [Vec<String>; 2],
    jobs: Vec<String>,
    by: Chance,
    reached: [BTreeSet<String>; 2],
}

impl Two {
    async fn start() -> Self {
        let hammer = Hammer::start(MODEL).await;
        let mut two = Self {
            hammer,
            ids: [vec!["1".into()], vec!["2".into()]],
            jobs: Vec::new(),
            by: Chance::new(7),
            reached: [BTreeSet::new(), BTreeSet::new()],
        };
        for who in 0..2 {
            two.work(who).await;
        }
        two
    }

    /// A job of each, which asks memory and tells it how it ended.
    async fn work(&mut self, who: usize) {
        let chat = json!({"prompt": format!("{} asks", CANARIES[who]), "domain": CANARIES[who]});
        let job = json!({"job_type": "claude_chat", "payload": chat});
        let told = self
            .hammer
            .send("post", "/jobs", KEYS[who], Some(job))
            .await;
        let id = told.json["job_id"].as_str().expect(&told.text).to_owned();
        loop {
            let seen = self
                .hammer
                .send("get", &format!("/jobs/{id}"), KEYS[who], None)
                .await;
            if !seen.json["outcome"].is_null() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        self.jobs.push(id);
    }

    /// What was never answered well to one or the other.
    fn missed(&self) -> Vec<String> {
        let of = |reached| self.hammer.missed(reached);
        self.reached.iter().flat_map(of).collect()
    }

    /// One asks with the other's ids too; gives what of the other was answered.
    async fn asks(&mut self, thing: &Thing, who: usize, key: &str) -> Option<String> {
        // Both jobs, and some of what each was told lately.
        let mut ids = self.jobs.clone();
        // A receipt is a job's.
        let others = if thing.name().contains("receipt") {
            &[][..]
        } else {
            &self.ids[..]
        };
        for told in others {
            ids.extend((0..3).map(|_| told[self.by.below(told.len())].clone()));
        }
        let text = format!("{} says that the orders table is slow", CANARIES[who]);
        let said = Said {
            key,
            text: &text,
            ids: &ids,
        };
        let told = self.hammer.ask(thing, &said, &mut self.by).await;
        if told.done {
            self.reached[who].insert(thing.name());
            self.ids[who].extend(named(&told.json));
            self.ids[who].truncate(60);
        }
        let foreign = CANARIES[1 - who];
        let leaks = told.text.contains(foreign);
        leaks.then(|| format!("{} told {}: {}", thing.name(), CANARIES[who], told.text))
    }
}

/// The ids in an answer: texts under a name that ends in `id`, but for those that are made of words.
fn named(json: &Value) -> Vec<String> {
    match json {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(id) if name.ends_with("id") && !id.contains("client") => vec![id.to_owned()],
                _ => named(value),
            })
            .filter(|id| !CANARIES.iter().any(|c| id.contains(c)))
            .filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
            .collect(),
        Value::Array(items) => items.iter().flat_map(named).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_tenant_is_answered_to_another_through_any_door() {
    let mut two = Two::start().await;
    let mut leaks = Vec::new();
    for _ in 0..ROUNDS {
        for thing in two.hammer.things.clone() {
            let who = two.by.below(2);
            leaks.extend(two.asks(&thing, who, KEYS[who]).await);
            leaks.extend(two.asks(&thing, 1 - who, KEYS[1 - who]).await);
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    let missed = two.missed();
    assert!(missed.is_empty(), "never answered well: {missed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_answers_the_wrong_tenant_is_noticed() {
    let mut two = Two::start().await;
    for thing in two.hammer.things.clone().iter().filter(|t| !t.reads()) {
        two.asks(thing, 1, KEYS[1]).await;
    }
    let mut through = BTreeSet::new();
    for _ in 0..4 {
        for thing in two.hammer.things.clone().iter().filter(|t| t.reads()) {
            // As if the server took one for the other.
            if two.asks(thing, 0, KEYS[1]).await.is_some() {
                through.insert(thing.name());
            }
        }
    }
    assert!(through.len() >= 12, "{through:?}");
}

#[test]
fn a_route_that_nobody_knows_how_to_ask_is_noticed() {
    let mut route = ROUTES.iter().find(|r| r.path == "/elf/rules/{id}");
    assert!(path(route.take().unwrap(), &["1".into()], &mut Chance::new(1)).is_ok());
    let odd = ROUTES.iter().find(|r| r.path.contains("{*path}")).unwrap();
    assert!(path(odd, &["1".into()], &mut Chance::new(1)).is_err());
}
