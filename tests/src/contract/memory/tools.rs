//! Memory as agents use it: every tool, what none can use, and whose memory is seen.
#![allow(clippy::panic, reason = "a test may stop at what it did not expect")]

use sandbox_elf::tools::{self, Answer, Ask, Failed};
use serde_json::{Value, json};

use super::{
    Ground, World,
    diary::{asker, call, done},
    seat, tenant,
};

fn kind(answer: &Answer) -> Option<Failed> {
    match answer {
        Answer::Done { .. } => None,
        Answer::Failed { kind, .. } => Some(*kind),
    }
}

/// A good call of every tool, in an order in which each can be done.
pub(super) fn good() -> Vec<(&'static str, Value)> {
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

type Bad = (&'static str, Value, &'static str);

/// Calls that no tool can use, and what the answer must name.
fn bad_questions_and_rules() -> Vec<Bad> {
    let long = |n: usize| "x".repeat(n);
    vec![
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
    ]
}

/// More of them.
fn bad_outcomes_and_plans() -> Vec<Bad> {
    vec![
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
    ]
}

pub async fn what_no_tool_can_use_is_a_failure_that_names_it_and_writes_nothing(ground: Ground) {
    let world = World::new(ground);
    let bad = bad_questions_and_rules();
    for (tool, given, named) in bad.into_iter().chain(bad_outcomes_and_plans()) {
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

/// All ids that a tool answers, page after page.
async fn paged(world: &World, tool: &str, mut given: Value, list: &str) -> Vec<u64> {
    let (mut ids, me) = (Vec::new(), asker("a", None));
    loop {
        let page = done(world, &me, tool, given.clone()).await;
        let rows = page[list].as_array().unwrap();
        ids.extend(rows.iter().map(|row| row["id"].as_u64().unwrap()));
        match page.get("next_cursor") {
            Some(next) => given["cursor"] = next.clone(),
            None => return ids,
        }
        assert!(ids.len() < 100, "{ids:?}");
    }
}

pub async fn pages_of_a_search_and_of_plans_cover_everything_once(ground: Ground) {
    let world = World::new(ground);
    let me = asker("a", None);
    let words = "red green blue cyan pink gray teal gold navy rust lime plum";
    for word in words.split(' ') {
        let rule = json!({"domain": "db", "rule": format!("Lock the {word} table before the {word} move")});
        done(&world, &me, "elf_record_heuristic", rule).await;
        let plan = json!({"title": format!("Move the {word} table")});
        done(&world, &me, "elf_record_plan", plan).await;
    }
    let all: Vec<u64> = (1..=12).collect();
    for limit in [1, 5, 12] {
        let asked = json!({"query": "lock table move", "limit": limit});
        let mut found = paged(&world, "elf_search", asked, "heuristics").await;
        found.sort_unstable();
        assert_eq!(found, all, "{limit}");
        let asked = json!({"limit": limit});
        let mut found = paged(&world, "elf_list_plans", asked, "plans").await;
        found.reverse();
        let places: Vec<u64> = all.iter().map(|n| 2 * n).collect();
        assert_eq!(found, places, "newest first, {limit}");
    }
    for cursor in ["x", "-1", "1.5", "99999999999999999999"] {
        let asked = json!({"query": "lock table move", "cursor": cursor});
        let told = call(&world, &me, "elf_search", asked).await;
        assert_eq!(kind(&told), Some(Failed::Invalid), "{cursor}: {told:?}");
    }
    let beyond = json!({"query": "lock table move", "cursor": "5000"});
    let told = done(&world, &me, "elf_search", beyond).await;
    assert_eq!(
        (&told["total_results"], told.get("next_cursor")),
        (&json!(0), None)
    );
}

/// Numbers that look like chance and are the same at every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let high = usize::try_from(self.0 >> 33).unwrap();
        high % most
    }
}

/// A call of some tool with arguments that fit it more or less.
fn odd(chance: &mut Chance, pool: &[Value]) -> (&'static str, Value) {
    let tool = &tools::all()[chance.below(tools::all().len())];
    let names: Vec<&String> = tool
        .input
        .get("properties")
        .and_then(Value::as_object)
        .map(|p| p.keys().collect())
        .unwrap_or_default();
    let mut given = json!({});
    for name in names {
        given[name] = pool[chance.below(pool.len())].clone();
    }
    if chance.below(8) == 0 {
        given["client_id"] = json!("b");
    }
    if chance.below(3) == 0 {
        given = json!({"params": given});
    }
    (tool.name, given)
}

pub async fn odd_calls_by_the_hundred_show_and_change_nothing_of_another_tenant(ground: Ground) {
    let world = World::new(ground);
    let theirs = asker("b", Some(seat(7, 1)));
    let secret = "quagga";
    let rule = json!({"domain": "theirs", "rule": format!("Feed the {secret} first"), "project_path": "shop"});
    let rule = done(&world, &theirs, "elf_record_heuristic", rule).await;
    let plan = json!({"title": format!("Move the {secret}"), "domain": "theirs"});
    let plan = done(&world, &theirs, "elf_record_plan", plan).await;
    let end = json!({"job_id": "their-job", "job_type": "fix", "outcome": "failure",
        "files_touched": [format!("src/{secret}.rs")], "error_message": format!("no {secret}")});
    done(&world, &asker("b", None), "elf_record_outcome", end).await;
    let before = world.ledger.log(&tenant("b"), 0, u32::MAX).await.unwrap();
    let pool = [
        rule["rule_id"].clone(),
        rule["heuristic_id"].clone(),
        plan["plan_id"].clone(),
        json!("theirs"),
        json!("their-job"),
        json!("shop"),
        json!("src"),
        json!("feed the first"),
        json!("b"),
        json!("../b"),
        json!("b'; --"),
        json!("*"),
        json!("%"),
        json!(""),
        json!(null),
        json!(-1),
        json!(1e308),
        json!(["theirs"]),
        json!({"tenant": "b"}),
        json!("deep"),
        json!("all"),
        json!("success"),
        json!(50),
    ];
    let mut chance = Chance(20_261_123);
    for _ in 0..600 {
        let (tool, given) = odd(&mut chance, &pool);
        let who = asker("a", (chance.below(2) == 0).then(|| seat(7, 1)));
        let asked = given.to_string();
        let answer = format!("{:?}", call(&world, &who, tool, given).await);
        assert!(!answer.contains(secret), "{tool} {asked}: {answer}");
    }
    let after = world.ledger.log(&tenant("b"), 0, u32::MAX).await.unwrap();
    assert_eq!(before, after);
}
