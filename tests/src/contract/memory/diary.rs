//! What agents tell and ask by tools.

#![allow(clippy::panic, reason = "a test may stop at what it did not expect")]

use sandbox_core::Seat;
use sandbox_elf::{
    entry::{Source, SourceKind},
    plan::{Intent, Review},
    tools::{self, Answer, Ask, Asker},
};
use serde_json::{Value, json};

use super::{Ground, World, about, rule, seat, success, tenant, texts};

/// Somebody of this tenant, perhaps in a seat.
pub(super) fn asker(name: &str, seat: Option<Seat>) -> Asker {
    Asker {
        tenant: tenant(name),
        seat,
    }
}

/// Calls a tool.
pub(super) async fn call(world: &World, asker: &Asker, tool: &str, given: Value) -> Answer {
    let Value::Object(arguments) = given else {
        panic!("arguments are an object");
    };
    let tool = tool.to_owned();
    tools::answer(&world.elf, asker, &Ask::Call { tool, arguments }).await
}

/// Calls a tool that does what is asked.
pub(super) async fn done(world: &World, asker: &Asker, tool: &str, given: Value) -> Value {
    match call(world, asker, tool, given).await {
        Answer::Done { structured, .. } => structured,
        Answer::Failed { text, .. } => panic!("{tool}: {text}"),
    }
}

/// A part of the story of all ledgers.
pub async fn a_day(world: &World) {
    let me = asker("a", Some(seat(9, 1)));
    let plan = json!({"title": "Move the table", "domain": "db"});
    let plan = done(world, &me, "elf_record_plan", plan).await;
    world.wait(60);
    let told = json!({"plan_id": plan["plan_id"], "actual_outcome": "It moved", "lessons": "Lock the table before the move"});
    done(world, &me, "elf_record_postmortem", told).await;
    let open = json!({"title": "Measure the index"});
    done(world, &asker("a", None), "elf_record_plan", open).await;
    let id = json!({"heuristic_id": 1});
    done(world, &asker("a", None), "elf_violate_heuristic", id).await;
}

/// What is meant in the tests of plans.
fn moving() -> Intent {
    Intent {
        title: "Move the users table!".to_owned(),
        expected_outcome: "No row is lost".to_owned(),
        domain: "DB".to_owned(),
        ..Intent::default()
    }
}

/// How the plan of this number went.
fn went(plan: u64, how: &str) -> Review {
    Review {
        plan_id: Some(plan),
        actual_outcome: how.to_owned(),
        ..Review::default()
    }
}

pub async fn a_plan_is_kept_once_and_over_with_its_postmortem(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let me = Source::agent(Some(seat(1, 1)));
    let first = elf.record_plan(&a, moving(), me.clone()).await.unwrap();
    let again = elf.record_plan(&a, moving(), me.clone()).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(first.task_id(), "move-the-users-table-20231114-2213");
    assert_eq!(first.status(), "active");
    assert_eq!(first.source.seat, Some(seat(1, 1)));
    let review = went(first.number, "Three rows were lost");
    let kept = elf.record_postmortem(&a, review.clone(), me.clone()).await;
    let kept = kept.unwrap();
    assert_eq!(kept.title, moving().title);
    let same = elf.record_postmortem(&a, review, me).await.unwrap();
    assert_eq!(same.number, kept.number);
    assert_eq!(elf.plans(&a, Some("active"), 10).await.unwrap(), []);
    assert_eq!(elf.plans(&a, Some("completed"), 10).await.unwrap().len(), 1);
    assert_eq!(world.log().await.len(), 2);
}

pub async fn a_second_word_about_a_plan_and_a_plan_that_is_not_there_are_errors(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let me = Source::agent(None);
    let plan = elf.record_plan(&a, moving(), me.clone()).await.unwrap();
    let first = went(plan.number, "Three rows were lost");
    elf.record_postmortem(&a, first, me.clone()).await.unwrap();
    let other = went(plan.number, "All went well");
    let other = elf.record_postmortem(&a, other, me.clone()).await;
    let other = other.unwrap_err().to_string();
    assert!(other.contains("has told it already"), "{other}");
    let unknown = elf
        .record_postmortem(&a, went(99, "Nothing at all"), me)
        .await;
    let unknown = unknown.unwrap_err().to_string();
    assert!(unknown.contains("looked for plan \"99\""), "{unknown}");
    assert_eq!(world.log().await.len(), 2);
}

pub async fn lessons_of_a_postmortem_become_a_rule_that_claims_little(ground: Ground) {
    let world = World::new(ground);
    let me = asker("a", Some(seat(1, 1)));
    let long = "Lock the table before the move. ".repeat(20);
    let told = json!({"title": "Moved a table", "actual_outcome": "It took an hour", "domain": "db", "lessons": long});
    let kept = done(&world, &me, "elf_record_postmortem", told).await;
    assert_eq!(
        (&kept["heuristic_created"], &kept["linked_to_plan"]),
        (&json!(1), &json!(false))
    );
    let rule = world.elf.get_rule(&tenant("a"), "1").await.unwrap();
    assert!(rule.rule.text.chars().count() <= 200, "{}", rule.rule.text);
    assert_eq!(rule.rule.source, Source::agent(Some(seat(1, 1))));
    assert!(
        rule.confidence < 0.57 && !rule.is_golden,
        "{}",
        rule.confidence
    );
    let silent = json!({"title": "Moved it again", "actual_outcome": "It took a minute", "lessons": "Nothing new here"});
    let kept = done(&world, &me, "elf_record_postmortem", silent).await;
    assert_eq!(kept.get("heuristic_created"), None, "it names no domain");
}

pub async fn a_rule_of_an_agent_carries_its_seat_and_what_it_only_repeats_is_no_evidence(
    ground: Ground,
) {
    let world = World::new(ground);
    let text = "Run migrations before the deploy";
    let sure = json!({"domain": "DB", "rule": text, "confidence": 1.0, "source": "failure"});
    let me = asker("a", Some(seat(1, 1)));
    let stated = done(&world, &me, "elf_record_heuristic", sure.clone()).await;
    assert_eq!(
        (&stated["heuristic_id"], &stated["domain"]),
        (&json!(1), &json!("db"))
    );
    done(&world, &me, "elf_record_heuristic", sure.clone()).await;
    let known = world.elf.get_rule(&tenant("a"), "1").await.unwrap();
    assert_eq!(
        (known.rule.source.kind, known.rule.evidence),
        (SourceKind::Agent, 1)
    );
    assert!(known.confidence < 0.57, "{}", known.confidence);
    let next = asker("a", Some(seat(2, 1)));
    assert_eq!(
        texts(&world.ask(&seat(2, 1), &about("deploy")).await),
        [text]
    );
    done(&world, &next, "elf_record_heuristic", sure.clone()).await;
    let known = world.elf.get_rule(&tenant("a"), "1").await.unwrap();
    assert_eq!(known.rule.evidence, 1, "it stood in the prompt of seat 2");
    done(
        &world,
        &asker("a", Some(seat(3, 1))),
        "elf_record_heuristic",
        sure,
    )
    .await;
    let known = world.elf.get_rule(&tenant("a"), "1").await.unwrap();
    assert_eq!(known.rule.evidence, 2);
}

pub async fn an_end_told_by_hand_counts_once_and_speaks_for_no_seat(ground: Ground) {
    let world = World::new(ground);
    let name = seat(1, 1).uid.to_string();
    let told = json!({"job_id": name, "job_type": "fix", "outcome": "failure", "duration_seconds": 12.5,
        "files_touched": ["src/a.rs"], "learnings": ["[LEARNED:db] Lock the table first", "vague"]});
    let me = asker("a", None);
    let first = done(&world, &me, "elf_record_outcome", told.clone()).await;
    let mut other = told.clone();
    other["outcome"] = json!("success");
    let second = done(&world, &me, "elf_record_outcome", other).await;
    assert_eq!(second["outcome"], "failure", "the first word stands");
    assert_eq!(first["outcome_id"], second["outcome_id"]);
    let in_seat = asker("a", Some(seat(1, 1)));
    let silent = done(&world, &in_seat, "elf_record_outcome", told).await;
    assert_eq!(silent["outcome_id"], Value::Null);
    world.tell(&seat(1, 1), &success(&[])).await;
    let stats = world.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!((stats.successful_jobs, stats.failed_jobs), (1, 1));
    assert_eq!((stats.total_heuristics, stats.active_trails), (1, 1));
}

pub async fn votes_alone_never_make_a_rule_golden(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    elf.add_rule(&a, rule("db", "Run migrations before the deploy"))
        .await
        .unwrap();
    for job in 1..=60 {
        world.ask(&seat(job, 1), &about("deploy migrations")).await;
        let me = asker("a", Some(seat(job, 1)));
        let vote = json!({"heuristic_id": "1"});
        // Where it was kept back it cannot be voted on.
        let _ = call(&world, &me, "elf_validate_heuristic", vote).await;
    }
    let known = elf.get_rule(&a, "1").await.unwrap();
    assert!(known.rule.votes_for >= 3, "{}", known.rule.votes_for);
    assert!(known.confidence > 0.566_184 && !known.is_golden);
    assert_eq!(elf.golden_rules(&a, None).await.unwrap(), []);
}

pub async fn an_opinion_of_a_visitor_is_one_opinion_and_teaches_nothing(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    elf.add_rule(&a, rule("db", "Run migrations before the deploy"))
        .await
        .unwrap();
    let (me, vote) = (asker("a", None), json!({"heuristic_id": 1}));
    for _ in 0..20 {
        done(&world, &me, "elf_validate_heuristic", vote.clone()).await;
    }
    let known = elf.get_rule(&a, "1").await.unwrap();
    assert_eq!((known.rule.votes_for, known.rule.votes_against), (1, 0));
    assert!((known.confidence - 0.566_184).abs() < f64::EPSILON);
    done(&world, &me, "elf_violate_heuristic", vote).await;
    let known = elf.get_rule(&a, "1").await.unwrap();
    assert_eq!((known.rule.votes_for, known.rule.votes_against), (0, 1));
    assert_eq!(world.log().await.len(), 3);
}
