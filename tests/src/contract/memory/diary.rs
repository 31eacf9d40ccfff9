//! What agents tell and ask by tools.

use sandbox_core::Seat;
use sandbox_elf::{
    entry::{Source, SourceKind},
    plan::{Intent, Review},
    tools::{self, Answer, Ask, Asker, Failed},
};
use serde_json::{Value, json};

use super::{Ground, World, about, rule, seat, success, tenant, texts};

/// Somebody of this tenant, perhaps in a seat.
fn asker(name: &str, seat: Option<Seat>) -> Asker {
    Asker {
        tenant: tenant(name),
        seat,
    }
}

/// Calls a tool.
async fn call(world: &World, asker: &Asker, tool: &str, given: Value) -> Answer {
    let Value::Object(arguments) = given else {
        panic!("arguments are an object");
    };
    let tool = tool.to_owned();
    tools::answer(&world.elf, asker, &Ask::Call { tool, arguments }).await
}

/// Calls a tool that does what is asked.
async fn done(world: &World, asker: &Asker, tool: &str, given: Value) -> Value {
    match call(world, asker, tool, given).await {
        Answer::Done { structured, .. } => structured,
        Answer::Failed { text, .. } => panic!("{tool}: {text}"),
    }
}

fn kind(answer: &Answer) -> Option<Failed> {
    match answer {
        Answer::Done { .. } => None,
        Answer::Failed { kind, .. } => Some(*kind),
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

pub async fn a_plan_is_kept_once_and_over_with_its_postmortem(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let me = Source::agent(Some(seat(1, 1)));
    let intent = Intent {
        title: "Move the users table!".to_owned(),
        expected_outcome: "No row is lost".to_owned(),
        domain: "DB".to_owned(),
        ..Intent::default()
    };
    let first = elf
        .record_plan(&a, intent.clone(), me.clone())
        .await
        .unwrap();
    let again = elf
        .record_plan(&a, intent.clone(), me.clone())
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(first.task_id(), "move-the-users-table-20231114-2213");
    assert_eq!(
        (first.status(), first.source.seat.clone()),
        ("active", Some(seat(1, 1)))
    );
    let review = Review {
        plan_id: Some(first.number),
        actual_outcome: "Three rows were lost".to_owned(),
        ..Review::default()
    };
    let kept = elf
        .record_postmortem(&a, review.clone(), me.clone())
        .await
        .unwrap();
    assert_eq!(kept.title, intent.title);
    let same = elf
        .record_postmortem(&a, review.clone(), me.clone())
        .await
        .unwrap();
    assert_eq!(same.number, kept.number);
    let other = Review {
        actual_outcome: "All went well".to_owned(),
        ..review
    };
    let other = elf
        .record_postmortem(&a, other, me.clone())
        .await
        .unwrap_err();
    assert!(other.to_string().contains("has told it already"), "{other}");
    let unknown = Review {
        plan_id: Some(99),
        actual_outcome: "Nothing at all".to_owned(),
        ..Review::default()
    };
    let unknown = elf.record_postmortem(&a, unknown, me).await.unwrap_err();
    assert!(
        unknown.to_string().contains("looked for plan \"99\""),
        "{unknown}"
    );
    assert_eq!(elf.plans(&a, Some("active"), 10).await.unwrap(), []);
    assert_eq!(elf.plans(&a, Some("completed"), 10).await.unwrap().len(), 1);
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

/// A good call of every tool, in an order in which each can be done.
fn good() -> Vec<(&'static str, Value)> {
    vec![
        (
            "elf_record_heuristic",
            json!({"domain": "db", "rule": "Lock the table before the move"}),
        ),
        (
            "elf_record_outcome",
            json!({"job_id": "j", "job_type": "fix", "outcome": "partial"}),
        ),
        ("elf_validate_heuristic", json!({"heuristic_id": 1})),
        ("elf_violate_heuristic", json!({"heuristic_id": "1"})),
        ("elf_record_plan", json!({"title": "Move the table"})),
        (
            "elf_record_postmortem",
            json!({"title": "Moved it", "actual_outcome": "It moved", "domain": "db", "lessons": "Lock the table before the move"}),
        ),
        ("elf_query", json!({"domain": "db", "depth": "deep"})),
        (
            "elf_search",
            json!({"query": "lock the table", "limit": 5, "domain": null}),
        ),
        ("elf_list_plans", json!({"status": "all", "limit": 10})),
        ("elf_stats", json!({})),
    ]
}

pub async fn every_tool_answers_flat_and_wrapped_as_its_schema_says(ground: Ground) {
    let world = World::new(ground);
    let mut called = std::collections::BTreeSet::new();
    for (tool, given) in good() {
        let flat = done(&world, &asker("a", None), tool, given.clone()).await;
        let wrapped = json!({"params": given});
        let wrapped = done(&world, &asker("b", None), tool, wrapped).await;
        let schema = &tools::find(tool).unwrap().output;
        for answer in [&flat, &wrapped] {
            let names = answer.as_object().unwrap();
            let properties = schema["properties"].as_object().unwrap();
            for name in names.keys() {
                assert!(properties.contains_key(name), "{tool} {name}");
            }
            for name in schema["required"].as_array().unwrap() {
                assert!(names.contains_key(name.as_str().unwrap()), "{tool} {name}");
            }
        }
        assert_eq!(flat.get("success").unwrap_or(&json!(true)), true, "{tool}");
        called.insert(tool);
    }
    assert!(tools::all().iter().all(|t| called.contains(t.name)));
    assert!(
        tools::all()
            .iter()
            .all(|t| t.input["additionalProperties"] == json!(false))
    );
}

pub async fn what_no_tool_can_use_is_a_failure_that_names_it_and_writes_nothing(ground: Ground) {
    let world = World::new(ground);
    let long = |n: usize| "x".repeat(n);
    let bad = [
        ("elf_query", json!({"depth": "all"}), "depth"),
        ("elf_query", json!({"domain": long(101)}), "domain"),
        (
            "elf_query",
            json!({"project_path": "a\u{0}b"}),
            "project_path",
        ),
        ("elf_query", json!({"params": 7}), "params"),
        ("elf_search", json!({}), "query"),
        ("elf_search", json!({"query": "x"}), "2 to 500"),
        ("elf_search", json!({"query": ["a"]}), "string"),
        (
            "elf_search",
            json!({"query": "good words", "limit": 51}),
            "1 to 50",
        ),
        (
            "elf_search",
            json!({"query": "good words", "limit": -1}),
            "-1",
        ),
        (
            "elf_record_heuristic",
            json!({"domain": "db", "rule": "turned\u{202e}around"}),
            "u{202e}",
        ),
        (
            "elf_record_heuristic",
            json!({"domain": "db", "rule": "a nul\u{0}byte"}),
            "u{0}",
        ),
        (
            "elf_record_heuristic",
            json!({"domain": "db", "rule": long(501)}),
            "501 characters",
        ),
        (
            "elf_record_heuristic",
            json!({"domain": "db", "rule": "A good rule", "confidence": 1.5}),
            "confidence",
        ),
        (
            "elf_record_heuristic",
            json!({"domain": "db", "rule": "A good rule", "confidence": "high"}),
            "high",
        ),
        (
            "elf_record_heuristic",
            json!({"domain": "db", "rule": "A good rule", "is_golden": true}),
            "is_golden",
        ),
        (
            "elf_record_outcome",
            json!({"job_id": "", "job_type": "fix", "outcome": "success"}),
            "job_id",
        ),
        (
            "elf_record_outcome",
            json!({"job_id": "j", "job_type": "fix", "outcome": "great"}),
            "great",
        ),
        (
            "elf_record_outcome",
            json!({"job_id": "j", "job_type": "fix", "outcome": "success", "duration_seconds": -1.0}),
            "duration_seconds",
        ),
        ("elf_record_plan", json!({"title": "no"}), "title"),
        (
            "elf_record_postmortem",
            json!({"title": "Moved", "actual_outcome": "ok"}),
            "actual_outcome",
        ),
        ("elf_list_plans", json!({"status": "open"}), "open"),
        ("elf_stats", json!({"client_id": "b"}), "client_id"),
    ];
    for (tool, given, named) in bad {
        let answer = call(&world, &asker("a", None), tool, given).await;
        let Answer::Failed { kind, text } = &answer else {
            panic!("{tool}: {answer:?}");
        };
        assert_eq!(*kind, Failed::Invalid, "{tool}: {text}");
        assert!(text.contains(named) && text.len() < 500, "{tool}: {text}");
    }
    for (tool, given) in [
        ("elf_validate_heuristic", json!({"heuristic_id": 1})),
        ("elf_violate_heuristic", json!({"heuristic_id": "../x"})),
        (
            "elf_record_postmortem",
            json!({"plan_id": 1, "actual_outcome": "It moved"}),
        ),
        ("elf_drop_everything", json!({})),
    ] {
        let answer = call(&world, &asker("a", None), tool, given).await;
        assert_eq!(kind(&answer), Some(Failed::NotFound), "{tool}: {answer:?}");
    }
    assert!(world.log().await.is_empty());
}

pub async fn no_tool_and_no_text_shows_anything_of_another_tenant(ground: Ground) {
    let world = World::new(ground);
    let mark = "zebra";
    let theirs = asker("b", Some(seat(7, 1)));
    for (tool, mut given) in good() {
        for field in [
            "rule",
            "title",
            "job_id",
            "domain",
            "lessons",
            "actual_outcome",
        ] {
            if given.get(field).is_some() && tool != "elf_query" {
                given[field] = json!(format!("{mark} {field} of theirs"));
            }
        }
        let _ = call(&world, &theirs, tool, given).await;
    }
    done(&world, &asker("b", None), "elf_record_outcome",
        json!({"job_id": mark, "job_type": mark, "outcome": "failure", "files_touched": [format!("src/{mark}.rs")], "error_message": mark})).await;
    // Whoever names what is theirs, in any place, from a seat of theirs or from none, sees nothing.
    for who in [asker("a", None), asker("a", Some(seat(7, 1)))] {
        for (tool, mut given) in good() {
            let reads = tools::find(tool).is_some_and(|t| t.reads);
            if !reads && tool != "elf_validate_heuristic" {
                continue;
            }
            for field in ["domain", "query"] {
                if given.get(field).is_some() {
                    given[field] = json!(format!("{mark} {field} of theirs"));
                }
            }
            let answer = format!("{:?}", call(&world, &who, tool, given.clone()).await);
            let own = given.to_string().matches(mark).count();
            assert!(answer.matches(mark).count() <= own, "{tool}: {answer}");
        }
        for uri in [
            "elf://golden",
            "elf://domain/zebra-domain-of-theirs",
            "elf://rule/1",
            "elf://trail/src",
        ] {
            let ask = Ask::Read {
                uri: uri.to_owned(),
            };
            let answer = tools::answer(&world.elf, &who, &ask).await;
            assert!(
                !format!("{answer:?}").replace(uri, "").contains(mark),
                "{uri}: {answer:?}"
            );
        }
    }
    assert!(
        world.log().await.is_empty(),
        "nothing of it was written for them"
    );
}
