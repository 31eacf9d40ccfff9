//! What is given to whom, on small made-up states.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use super::*;
use crate::{
    RuleKind,
    entry::{Entry, Row, RuleAdded, Source, SourceKind, VERSION},
    live::Live,
    prompt,
    trail::Mark,
};

/// A tenant whose rules are said one after another.
struct World(Live);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn seat(n: u32) -> Seat {
    Seat::new("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".parse().unwrap(), n)
}

impl Default for World {
    fn default() -> Self {
        Self(Live::new(State::default(), None, 0, || "key".to_owned()))
    }
}

impl World {
    fn happen(&mut self, entry: Entry) {
        let row = Row {
            v: VERSION,
            seq: self.0.state.head + 1,
            at: at(0),
            entry,
        };
        self.0.follow(&[row]).unwrap();
    }

    fn say(&mut self, domain: &str, text: &str) -> String {
        self.say_in(None, domain, text, &[])
    }

    fn say_in(
        &mut self,
        project: Option<&str>,
        domain: &str,
        text: &str,
        files: &[&str],
    ) -> String {
        let source = Source {
            kind: SourceKind::Human,
            seat: None,
        };
        let said = (domain.to_owned(), text.to_owned());
        let project = project.map(str::to_owned);
        let rule = RuleAdded::new(RuleKind::Heuristic, project, said, source);
        let id = rule.id.clone();
        self.happen(Entry::RuleAdded(Box::new(RuleAdded {
            files: files.iter().map(|f| (*f).to_owned()).collect(),
            ..rule
        })));
        id
    }

    fn ask(&self, query: &RecallQuery) -> Receipt {
        self.ask_as(query, 1)
    }

    fn ask_as(&self, query: &RecallQuery, attempt: u32) -> Receipt {
        rank(self.0.known(), query, &seat(attempt), at(60))
    }
}

fn about(text: &str) -> RecallQuery {
    RecallQuery {
        text: text.to_owned(),
        ..RecallQuery::default()
    }
}

fn given(receipt: &Receipt) -> Vec<&str> {
    receipt.injected.iter().map(|l| l.rule.as_str()).collect()
}

#[test]
fn an_empty_store_gives_an_empty_receipt() {
    assert_eq!(World::default().ask(&about("anything")), Receipt::default());
}

#[test]
fn the_rule_that_the_task_speaks_of_comes_first_and_others_do_not_come() {
    let mut world = World::default();
    world.say("docs", "Write headings in sentence case");
    let migrations = world.say("db", "Run migrations before the deploy");
    let receipt = world.ask(&about("deploy fails: migrations are missing"));
    assert_eq!(given(&receipt), [migrations.as_str()]);
    assert_eq!(receipt.eligible, [migrations]);
    assert_eq!(receipt.log_position, 2);
}

#[test]
fn the_domain_of_the_query_brings_its_rules_without_a_shared_word() {
    let mut world = World::default();
    world.say("docs", "Write headings in sentence case");
    let sql = world.say("sql", "Name every column of a view");
    let mut query = about("fix it");
    query.domain = Some("SQL".to_owned());
    assert_eq!(given(&world.ask(&query)), [sql.as_str()]);
}

#[test]
fn a_rule_learned_at_the_files_of_the_query_is_found_and_more_so_where_work_went_lately() {
    let mut world = World::default();
    let near = world.say_in(None, "a", "Alpha beta gamma delta", &["src/x/one.rs"]);
    let hot = world.say_in(None, "a", "Epsilon zeta eta theta", &["src/x/two.rs"]);
    world.say_in(None, "a", "Iota kappa lambda my", &["docs/three.md"]);
    world.happen(Entry::TrailLaid {
        project: None,
        paths: vec!["src/x/two.rs".to_owned()],
        mark: Mark::Failure,
        at: at(0),
    });
    let mut query = about("");
    query.files = vec!["src/x/other.rs".to_owned()];
    assert_eq!(given(&world.ask(&query)), [hot.as_str(), near.as_str()]);
}

#[test]
fn rules_of_another_project_are_not_given_and_those_of_all_are() {
    let mut world = World::default();
    world.say_in(Some("a"), "db", "Seed the database with fixtures", &[]);
    let ours = world.say_in(Some("b"), "db", "Seed the database with factories", &[]);
    let all = world.say("db", "Seed the database only once");
    let mut query = about("seed the database");
    query.project = Some("b".to_owned());
    assert_eq!(given(&world.ask(&query)), [ours.as_str(), all.as_str()]);
    query.project = None;
    assert_eq!(given(&world.ask(&query)), [all.as_str()]);
}

#[test]
fn a_pinned_rule_comes_first_and_a_retired_one_never() {
    let mut world = World::default();
    let best = world.say("db", "Run migrations before the deploy");
    let pinned = world.say("team", "Ask before force pushing");
    let retired = world.say("db", "Skip migrations on deploy");
    world.happen(Entry::Pinned {
        rule: pinned.clone(),
    });
    world.happen(Entry::Retired {
        rule: retired,
        reason: String::new(),
    });
    let receipt = world.ask(&about("deploy with migrations"));
    assert_eq!(given(&receipt), [pinned.as_str(), best.as_str()]);
}

#[test]
fn of_two_that_say_nearly_the_same_one_is_kept_back() {
    let mut world = World::default();
    world.say(
        "db",
        "Always run all the pending database migrations before every deploy to production today",
    );
    world.say(
        "db",
        "Always run all the pending database migrations before every deploy to production",
    );
    let receipt = world.ask(&about("deploy database migrations"));
    assert_eq!((receipt.injected.len(), receipt.withheld.len()), (1, 1));
    assert_eq!(receipt.eligible.len(), receipt.draws.len());
}

#[test]
fn the_same_seat_gets_the_same_and_equals_are_not_always_in_the_order_they_came() {
    let mut world = World::default();
    for n in 0..40 {
        world.say("db", &format!("Shared words number{n} unique{n} other{n}"));
    }
    let query = about("shared words");
    assert_eq!(world.ask(&query), world.ask(&query));
    let other = world.ask_as(&query, 2);
    assert_ne!(given(&world.ask(&query)), given(&other));
}

#[test]
fn the_budget_holds_whatever_is_asked_for() {
    let mut world = World::default();
    for n in 0..200 {
        let words = format!("word{n} more{n} text{n} here{n} ").repeat(10);
        world.say("db", &format!("Shared {words}"));
    }
    for (asked, most) in [
        (None, 1_500),
        (Some(0), 0),
        (Some(100), 100),
        (Some(50_000), 4_000),
    ] {
        let mut query = about("shared");
        query.max_tokens = asked;
        let receipt = world.ask(&query);
        let block = prompt::prompt_block(&receipt);
        assert!(
            prompt::tokens(&block) <= most,
            "{asked:?}: {}",
            prompt::tokens(&block)
        );
        assert_eq!(
            receipt.injected.len() + receipt.withheld.len(),
            receipt.eligible.len()
        );
        assert!(receipt.injected.len() <= MAX_LESSONS && receipt.eligible.len() <= 50);
    }
}

#[test]
fn a_secret_that_was_stored_before_its_format_was_known_is_not_given() {
    let mut world = World::default();
    let secret = format!("ghp_{}", "aB3dE6gH9".repeat(4));
    world.say("db", &format!("Deploy with {secret} as the token"));
    let receipt = world.ask(&about("deploy token"));
    let text = &receipt.injected[0].text;
    assert!(
        text.contains("[redacted:github-token:") && !text.contains(&secret),
        "{text}"
    );
}
