//! Rules as people teach, list and retire them, and what of one tenant another never sees.

use sandbox_core::{
    FailureClass, Outcome,
    port::{AttemptOutcome, Memory, PortError},
};
use sandbox_elf::{
    ElfError, NewRule,
    entry::Legacy,
    face::{HeuristicQuery, RuleQuery, TrailQuery},
    legacy::{Old, OldEnd, OldPlan, OldReview, OldRule, OldTrail},
    plan::{Intent, Review},
    prompt_block,
    rule::RuleStatus,
    trail::Mark,
};

use super::{Ground, World, about, failure, rule, seat, second, success, tenant, texts};

pub async fn a_taught_rule_reads_as_the_old_api_shows_it(ground: Ground) {
    let world = World::new(ground);
    let taught = NewRule {
        explanation: "It broke twice.".to_owned(),
        project: Some("https://user:pw@host/a/b.git".to_owned()),
        ..rule("Data Lakes", "Partition by day, not by hour")
    };
    world.elf.add_rule(&tenant("a"), taught).await.unwrap();
    let a = tenant("a");
    let rows = world.elf.heuristics(&a, HeuristicQuery::default()).await;
    let row = serde_json::to_value(&rows.unwrap()[0]).unwrap();
    let expected = serde_json::json!({
        "id": 1, "domain": "data-lakes", "rule": "Partition by day, not by hour",
        "explanation": "It broke twice.", "source_type": "human", "source_id": null,
        "confidence": 0.566_184, "times_validated": 0, "times_violated": 0, "is_golden": 0,
        "project_path": "https://host/a/b",
        "created_at": "2023-11-14T22:13:20.000000", "updated_at": "2023-11-14T22:13:20.000000",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&row[field], value, "{field}");
    }
    let golden = world.elf.golden_rules(&tenant("a"), None).await.unwrap();
    assert_eq!(golden, []);
}

pub async fn a_filter_gives_just_what_it_names(ground: Ground) {
    let world = World::new(ground);
    for (domain, text, project) in [
        ("db", "A rule for all projects", None),
        ("db", "A rule for project one", Some("one")),
        ("ui", "A rule for project two", Some("two")),
    ] {
        let taught = NewRule {
            project: project.map(str::to_owned),
            ..rule(domain, text)
        };
        world.elf.add_rule(&tenant("a"), taught).await.unwrap();
    }
    let count = async |domain: Option<&str>, project: Option<&str>, min_confidence| {
        let query = HeuristicQuery {
            domain: domain.map(str::to_owned),
            project: project.map(str::to_owned),
            min_confidence,
            ..HeuristicQuery::default()
        };
        let rows = world.elf.heuristics(&tenant("a"), query).await;
        rows.unwrap().len()
    };
    assert_eq!(count(None, None, 0.3).await, 3);
    assert_eq!(count(Some("DB"), None, 0.3).await, 2);
    assert_eq!(count(None, Some("one"), 0.3).await, 2);
    assert_eq!(count(Some("!!"), None, 0.3).await, 0);
    assert_eq!(count(None, None, 0.6).await, 0);
}

pub async fn pages_of_rules_cover_everything_once(ground: Ground) {
    let world = World::new(ground);
    for n in 0..25 {
        let taught = rule("db", &format!("The rule with the number {n}"));
        world.elf.add_rule(&tenant("a"), taught).await.unwrap();
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let query = RuleQuery {
            after,
            limit: 10,
            ..RuleQuery::default()
        };
        let page = world.elf.list_rules(&tenant("a"), query).await.unwrap();
        seen.extend(page.rules.iter().map(|r| r.rule.number));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.into_iter().eq(1..=25));
}

pub async fn a_retired_rule_is_not_given_and_comes_back_only_by_hand(ground: Ground) {
    let world = World::new(ground);
    let text = "Run migrations before the deploy";
    let taught = world.elf.add_rule(&tenant("a"), rule("db", text)).await;
    let id = taught.unwrap().rule.id;
    world
        .elf
        .retire(&tenant("a"), &id, "not true any more")
        .await
        .unwrap();
    let lesson = format!("[LEARNED:db] {text}");
    world.tell(&seat(1, 1), &success(&[&lesson])).await;
    assert!(
        world
            .ask(&seat(2, 1), &about(text))
            .await
            .eligible
            .is_empty()
    );
    let again = world.elf.add_rule(&tenant("a"), rule("db", text)).await;
    assert_eq!(again, Err(ElfError::Retired(id.clone())));
    let back = world.elf.activate(&tenant("a"), "1").await.unwrap();
    assert_eq!(
        (back.rule.id, back.rule.status),
        (id.clone(), RuleStatus::Active)
    );
    assert_eq!(texts(&world.ask(&seat(3, 1), &about(text)).await), [text]);
    let pinned = world.elf.pin(&tenant("a"), &id).await.unwrap();
    assert_eq!(pinned.rule.status, RuleStatus::Pinned);
    let unrelated = world.ask(&seat(4, 1), &about("something else")).await;
    assert_eq!(texts(&unrelated), [text]);
}

pub async fn an_id_that_is_not_there_is_an_error(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let long = "9".repeat(5_000);
    for id in ["r-0000000000000000", "0", "1", "-1", "", "../x", &long] {
        let not_found = |error: Option<ElfError>| {
            assert!(
                matches!(error, Some(ElfError::NotFound { .. })),
                "{error:?}"
            );
        };
        not_found(elf.get_rule(&a, id).await.err());
        not_found(elf.pin(&a, id).await.err());
        not_found(elf.retire(&a, id, "").await.err());
        not_found(elf.activate(&a, id).await.err());
        not_found(elf.vote(&a, &seat(1, 1), id, true).await.err());
        not_found(elf.receipt(&a, &seat(1, 1)).await.err());
    }
    assert!(world.log().await.is_empty());
    let port: PortError = elf.get_rule(&a, "1").await.unwrap_err().into();
    assert!(matches!(port, PortError::NotFound(_)));
}

pub async fn what_cannot_be_kept_is_refused_with_the_field_and_the_bounds(ground: Ground) {
    let world = World::new(ground);
    let bad = [
        (rule("", "A good rule"), "domain"),
        (rule("!!", "A good rule"), "domain"),
        (rule(&"x".repeat(101), "A good rule"), "domain"),
        (rule("db", "four"), "rule"),
        (rule("db", &"x".repeat(501)), "rule"),
        (rule("db", "two\nlines of it"), "rule"),
        (rule("db", "a nul\0byte"), "rule"),
        (rule("db", "turned\u{202e}around"), "rule"),
        (
            NewRule {
                explanation: "x".repeat(2_001),
                ..rule("db", "A good rule")
            },
            "explanation",
        ),
        (
            NewRule {
                project: Some("x".repeat(501)),
                ..rule("db", "A good rule")
            },
            "project",
        ),
    ];
    for (taught, expected) in bad {
        let error = world.elf.add_rule(&tenant("a"), taught).await.unwrap_err();
        assert!(
            matches!(error, ElfError::Invalid { field, .. } if field == expected),
            "{error}"
        );
    }
    assert!(world.log().await.is_empty());
}

pub async fn a_vote_counts_once_and_only_from_where_the_rule_was(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let known = rule("db", "Run migrations before the deploy");
    elf.add_rule(&a, known).await.unwrap();
    world.ask(&seat(1, 1), &about("deploy")).await;
    elf.vote(&a, &seat(1, 1), "1", true).await.unwrap();
    elf.vote(&a, &seat(1, 1), "1", false).await.unwrap();
    let foreign = elf.vote(&a, &seat(2, 1), "1", true).await;
    assert!(matches!(foreign, Err(ElfError::NotInjected { .. })));
    let shown = elf.get_rule(&a, "1").await.unwrap();
    assert_eq!((shown.rule.votes_for, shown.rule.votes_against), (1, 0));
    // What whoever states a rule may claim for it, and a little: an opinion is no outcome.
    let moved = shown.confidence - 0.566_184;
    assert!(moved > 0.0 && moved < 0.03, "{moved}");
    assert_eq!(shown.jobs_missing, None, "it counts for nothing else");
}

pub async fn secrets_reach_neither_the_log_nor_the_store_nor_a_prompt(ground: Ground) {
    let world = World::new(ground);
    let secret = format!("ghp_{}", "aB3dE6gH9".repeat(4));
    let mut told = failure(
        FailureClass::AgentError,
        &format!("push with {secret} was denied"),
    );
    told.lessons = vec![format!(
        "[LEARNED:git] Push with the token {secret} to deploy"
    )];
    told.project = Some(format!("https://bot:{secret}@host/a/b"));
    told.files = vec![format!("out/{secret}.log")];
    told.domain = Some(secret.clone());
    world.tell(&seat(1, 1), &told).await;
    let taught = NewRule {
        explanation: format!("It is {secret}"),
        ..rule("git", &format!("The deploy token is {secret}"))
    };
    world.elf.add_rule(&tenant("a"), taught).await.unwrap();
    world
        .elf
        .retire(&tenant("a"), "1", &format!("leaks {secret}"))
        .await
        .unwrap();
    world.elf.import(&tenant("a"), old(&secret)).await.unwrap();
    let receipt = world.ask(&seat(2, 1), &about("deploy token")).await;
    let block = prompt_block(&receipt);
    assert!(block.contains("[redacted:github-token:"), "{block}");
    let log = world.elf.export(&tenant("a"), 0).await.unwrap().lines;
    let kept = world.ledger.snapshot(&tenant("a")).await.unwrap();
    let ends = world.elf.outcomes(&tenant("a"), None, 5).await.unwrap();
    let all = format!("{block}{log}{kept:?}{ends:?}{receipt:?}");
    assert!(
        !all.to_lowercase().contains(&secret.to_lowercase()),
        "{all}"
    );
}

/// What an older program remembered, with a secret in every text.
fn old(secret: &str) -> Old {
    let said = || format!("{secret} is in it");
    let intent = Intent {
        title: said(),
        description: said(),
        approach: said(),
        risks: said(),
        expected_outcome: said(),
        domain: secret.to_owned(),
    };
    let review = Review {
        title: said(),
        actual_outcome: said(),
        divergences: said(),
        went_well: said(),
        went_wrong: said(),
        lessons: said(),
        domain: secret.to_owned(),
        plan_id: None,
    };
    let made = OldReview {
        review,
        told: second(0),
    };
    Old {
        rules: vec![OldRule {
            rule: rule(secret, &said()),
            legacy: Legacy::default(),
        }],
        ends: vec![OldEnd {
            seat: seat(9, 1),
            job_type: said(),
            project: Some(said()),
            outcome: Outcome::Failed,
            message: Some(said()),
            files: vec![said()],
            seconds: 1,
            at: second(0),
        }],
        trails: vec![OldTrail {
            path: said(),
            mark: Mark::Success,
            at: second(0),
        }],
        plans: vec![OldPlan {
            intent,
            made: second(0),
            review: Some(made.clone()),
        }],
        reviews: vec![made],
    }
}

pub async fn no_tenant_sees_anything_of_another(ground: Ground) {
    let world = World::new(ground);
    let names = ["a", "b", "a-b", "default"];
    for (n, name) in (0_u32..).zip(names) {
        plant(&world, name, n).await;
    }
    for (n, name) in (0_u32..).zip(names) {
        let seen = harvest(&world, name, n).await;
        assert!(seen.contains(&format!("canary of {name} ")), "{seen}");
        for other in names.into_iter().filter(|other| *other != name) {
            assert!(
                !seen.contains(&format!("canary of {other} ")),
                "{name} sees {other}"
            );
        }
    }
}

/// The same seats, domains, projects and files for every tenant, with a text of its own in each.
async fn plant(world: &World, name: &str, n: u32) {
    for job in 1..=5 {
        let told = AttemptOutcome {
            tenant: tenant(name),
            project: Some("shared".to_owned()),
            message: Some(format!("canary of {name} in a message")),
            files: vec![format!("canary of {name} in a path")],
            lessons: vec![format!("[LEARNED:db] canary of {name} in lesson {job}")],
            ..failure(FailureClass::AgentError, "")
        };
        world.elf.record(&seat(job, n + 1), &told).await.unwrap();
        let taught = rule("db", &format!("canary of {name} in rule {job}"));
        world.elf.add_rule(&tenant(name), taught).await.unwrap();
    }
}

/// Everything that can be read under this name.
async fn harvest(world: &World, name: &str, n: u32) -> String {
    let (elf, of) = (&world.elf, tenant(name));
    let mut seen = Vec::new();
    for job in 1..=5 {
        let mut query = about("canary of a b default in lesson rule");
        query.project = Some("shared".to_owned());
        let at = seat(job + 10, n + 1);
        let receipt = elf.recall(&at, &of, &query).await.unwrap();
        assert!(!receipt.injected.is_empty());
        seen.push(prompt_block(&receipt));
        seen.push(format!("{:?}", elf.get_rule(&of, &job.to_string()).await));
        for attempt in 1..=4 {
            seen.push(format!(
                "{:?}",
                elf.receipt(&of, &seat(job + 10, attempt)).await
            ));
        }
    }
    seen.push(format!(
        "{:?}",
        elf.heuristics(&of, HeuristicQuery::default()).await
    ));
    seen.push(format!(
        "{:?}",
        elf.list_rules(&of, RuleQuery::default()).await
    ));
    seen.push(format!(
        "{:?}",
        elf.trails(&of, TrailQuery::default()).await
    ));
    seen.push(format!("{:?}", elf.hot_spots(&of, 50).await));
    seen.push(format!("{:?}", elf.outcomes(&of, None, 50).await));
    seen.push(elf.export(&of, 0).await.unwrap().lines);
    let stats = elf.stats(&of).await.unwrap();
    assert_eq!((stats.total_outcomes, stats.total_heuristics), (5, 11));
    seen.concat()
}
