//! What is kept of the end of an attempt.

use sandbox_core::{
    FailureClass, Outcome, Usage,
    port::{AttemptOutcome, Memory},
};

use sandbox_elf::face::{RuleQuery, TrailQuery};

use super::{Ground, World, about, failure, seat, success, tenant, texts};

pub async fn an_end_is_kept_once_per_seat(ground: Ground) {
    let world = World::new(ground);
    let mut told = success(&["[LEARNED:db] Run migrations before the deploy"]);
    told.files = vec!["src/db.rs".to_owned()];
    world.tell(&seat(1, 1), &told).await;
    let log = world.log().await;
    let mut other = failure(FailureClass::AgentError, "something else");
    other.lessons = vec!["[LEARNED:db] A second truth about the same".to_owned()];
    world.tell(&seat(1, 1), &told).await;
    world.tell(&seat(1, 1), &other).await;
    assert_eq!(world.log().await, log);
    let stats = world.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!((stats.total_outcomes, stats.successful_jobs), (1, 1));
    assert_eq!((stats.total_heuristics, stats.total_learnings), (1, 1));
    let ends = world.elf.outcomes(&tenant("a"), None, 10).await.unwrap();
    assert_eq!(ends.outcomes.len(), 1);
    assert_eq!(ends.outcomes[0].ended.outcome, Outcome::Succeeded);
}

pub async fn many_who_tell_one_end_at_once_tell_it_once(ground: Ground) {
    let world = World::new(ground);
    let told = success(&["[LEARNED:db] Run migrations before the deploy"]);
    let at = seat(1, 1);
    futures::future::join_all((0..20).map(|_| world.tell(&at, &told))).await;
    assert_eq!(world.log().await.len(), 2);
}

pub async fn many_ends_at_once_are_all_kept_in_one_order(ground: Ground) {
    let world = World::new(ground);
    let told = success(&["[LEARNED:db] Run migrations before the deploy"]);
    let all: Vec<_> = (1..=100).map(|job| seat(job, 1)).collect();
    futures::future::join_all(all.iter().map(|at| world.tell(at, &told))).await;
    let places: Vec<u64> = world.log().await.iter().map(|row| row.seq).collect();
    assert!(places.iter().copied().eq(1..=200), "{places:?}");
    let stats = world.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!((stats.total_outcomes, stats.total_learnings), (100, 100));
    let shown = world.elf.get_rule(&tenant("a"), "1").await.unwrap();
    assert_eq!((stats.total_heuristics, shown.rule.evidence), (1, 100));
}

pub async fn jobs_are_counted_by_their_last_attempt(ground: Ground) {
    let world = World::new(ground);
    let failed = failure(FailureClass::AgentError, "no");
    world.tell(&seat(1, 1), &failed).await;
    world.tell(&seat(1, 2), &success(&[])).await;
    world.tell(&seat(2, 1), &success(&[])).await;
    world.tell(&seat(2, 2), &failed).await;
    // Told late, as the reconciler may do.
    world.tell(&seat(3, 2), &success(&[])).await;
    world.tell(&seat(3, 1), &failed).await;
    let stats = world.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!(stats.total_outcomes, 3);
    assert_eq!((stats.successful_jobs, stats.failed_jobs), (2, 1));
}

pub async fn ends_that_say_nothing_about_the_work_count_neither_way(ground: Ground) {
    let world = World::new(ground);
    let known = super::rule("db", "Run migrations before the deploy");
    world.elf.add_rule(&tenant("a"), known).await.unwrap();
    let silent = [
        FailureClass::Infrastructure,
        FailureClass::Preempted,
        FailureClass::RateLimited,
        FailureClass::BudgetExceeded,
    ];
    let cancelled = AttemptOutcome {
        outcome: Outcome::Cancelled,
        ..success(&[])
    };
    let ends = silent.map(|class| failure(class, "gone"));
    for (job, end) in (1..).zip(ends.iter().chain([&cancelled])) {
        world.ask(&seat(job, 1), &about("deploy")).await;
        world.tell(&seat(job, 1), end).await;
    }
    let stats = world.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!((stats.failed_jobs, stats.unknown_jobs), (0, 5));
    let shown = world.elf.get_rule(&tenant("a"), "1").await.unwrap().rule;
    assert_eq!(
        (
            shown.seats.injected,
            shown.seats.succeeded,
            shown.seats.failed
        ),
        (5, 0, 0)
    );
}

/// Jobs succeed eight times of ten with the first rule in their prompt, and five times without.
pub async fn a_rule_that_helps_becomes_golden_and_a_placebo_beside_it_does_not(ground: Ground) {
    let world = World::new(ground);
    for text in ["Deploy after the migrations", "Deploy in the morning"] {
        let known = super::rule("db", text);
        world.elf.add_rule(&tenant("a"), known).await.unwrap();
    }
    for job in 1..=500_u32 {
        let receipt = world.ask(&seat(job, 1), &about("deploy")).await;
        let helped = texts(&receipt).contains(&"Deploy after the migrations");
        let good = job * 7 % 10 < if helped { 8 } else { 5 };
        let end = if good {
            success(&[])
        } else {
            failure(FailureClass::AgentError, "the deploy failed")
        };
        world.tell(&seat(job, 1), &end).await;
    }
    let helper = world.elf.get_rule(&tenant("a"), "1").await.unwrap();
    assert!(helper.is_golden && helper.effect > 0.1, "{helper:?}");
    assert!(helper.rule.seats.injected > helper.withheld, "{helper:?}");
    let placebo = world.elf.get_rule(&tenant("a"), "2").await.unwrap();
    assert!(!placebo.is_golden && placebo.withheld > 0, "{placebo:?}");
}

pub async fn rules_in_the_prompt_are_counted_with_the_end_and_others_are_not(ground: Ground) {
    let world = World::new(ground);
    for text in ["Run migrations before the deploy", "Write docs in English"] {
        let known = super::rule("x", text);
        world.elf.add_rule(&tenant("a"), known).await.unwrap();
    }
    for job in 1..=3 {
        world.ask(&seat(job, 1), &about("deploy")).await;
    }
    world.tell(&seat(1, 1), &success(&[])).await;
    let timed_out = AttemptOutcome {
        outcome: Outcome::TimedOut,
        ..success(&[])
    };
    world.tell(&seat(2, 1), &timed_out).await;
    world
        .tell(&seat(3, 1), &failure(FailureClass::OutputRejected, "no"))
        .await;
    let used = world.elf.get_rule(&tenant("a"), "1").await.unwrap();
    let counts = (
        used.rule.seats.injected,
        used.rule.seats.succeeded,
        used.rule.seats.failed,
    );
    assert_eq!(counts, (3, 1, 2));
    assert!(used.confidence < 0.566 && !used.is_golden);
    let unused = world.elf.get_rule(&tenant("a"), "2").await.unwrap().rule;
    assert_eq!(
        (
            unused.seats.eligible,
            unused.seats.injected,
            unused.seats.succeeded
        ),
        (0, 0, 0)
    );
}

pub async fn what_is_no_lesson_is_dropped_and_counted(ground: Ground) {
    let world = World::new(ground);
    let mut lessons = vec![
        "[LEARNED:] no domain at all".to_owned(),
        "no marker before this".to_owned(),
        "[LEARNED:db] tiny".to_owned(),
        "[LEARNED:db] nul\0in the middle".to_owned(),
        "[LEARNED:db] turned\u{202e}around".to_owned(),
        format!("[LEARNED:db] {}", "x".repeat(501)),
    ];
    lessons.extend((0..60).map(|n| format!("[LEARNED:db] Lesson with the number {n}")));
    let mut told = success(&[]);
    told.lessons = lessons;
    world.tell(&seat(1, 1), &told).await;
    let ends = world.elf.outcomes(&tenant("a"), None, 1).await.unwrap();
    let end = &ends.outcomes[0].ended;
    assert_eq!((end.lessons.len(), end.dropped), (44, 22));
    let stats = world.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!(stats.total_heuristics, 44);
}

pub async fn the_same_lesson_is_one_rule_with_more_evidence(ground: Ground) {
    let world = World::new(ground);
    let said = [
        "[LEARNED:db] Run `migrate` first.",
        "[LEARNED:DB]  run migrate  first",
    ];
    world.tell(&seat(1, 1), &success(&said)).await;
    world.tell(&seat(2, 1), &success(&said[1..])).await;
    let a = tenant("a");
    let page = world.elf.list_rules(&a, RuleQuery::default()).await;
    let rules = page.unwrap().rules;
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].rule.evidence, 2, "once per attempt");
    assert_eq!(rules[0].rule.text, "Run `migrate` first.");
    assert_eq!(rules[0].rule.source.seat, Some(seat(1, 1)));
}

pub async fn a_lesson_that_only_repeats_the_prompt_is_no_evidence(ground: Ground) {
    let world = World::new(ground);
    let lesson = "[LEARNED:db] Run migrations before the deploy";
    world.tell(&seat(1, 1), &success(&[lesson])).await;
    world.ask(&seat(2, 1), &about("deploy")).await;
    world.tell(&seat(2, 1), &success(&[lesson])).await;
    let shown = world.elf.get_rule(&tenant("a"), "1").await.unwrap();
    assert_eq!(shown.rule.evidence, 1);
}

pub async fn odd_numbers_and_texts_are_made_good_not_refused(ground: Ground) {
    let world = World::new(ground);
    let mut told = failure(
        FailureClass::AgentError,
        "\n\n  first\u{202e} line \nsecond",
    );
    told.grade = Some(f64::NAN);
    told.job_type = "x".repeat(1_000);
    told.files = vec![
        "../a\0b".to_owned(),
        "./ok.rs".to_owned(),
        "ok.rs".to_owned(),
    ];
    told.at = super::second(super::START + 1_000_000);
    told.usage = Usage {
        input_tokens: u64::MAX,
        ..Usage::default()
    };
    world.tell(&seat(1, 1), &told).await;
    let ends = world.elf.outcomes(&tenant("a"), None, 1).await.unwrap();
    let end = &ends.outcomes[0].ended;
    assert_eq!(end.message.as_deref(), Some("first line"));
    assert_eq!(
        (end.grade, end.files.as_slice()),
        (None, ["ok.rs".to_owned()].as_slice())
    );
    assert_eq!((end.at, end.job_type.len()), (world.now(), 50));
}

/// Every job succeeds; by how much, only the grade tells.
pub async fn a_grade_teaches_what_the_bare_end_does_not(ground: Ground) {
    let world = World::new(ground);
    for name in ["a", "b"] {
        let known = super::rule("db", "Deploy after the migrations");
        let (whose, query) = (tenant(name), about("deploy"));
        world.elf.add_rule(&whose, known).await.unwrap();
        for job in 1..=120_u32 {
            let at = seat(job, 1);
            let given = world.elf.recall(&at, &whose, &query).await.unwrap();
            let helped = !given.injected.is_empty();
            let mut end = success(&[]);
            end.tenant = tenant(name);
            end.grade = (name == "a").then_some(if helped { 0.9 } else { 0.6 });
            world.tell(&at, &end).await;
        }
    }
    let of = async |name| world.elf.get_rule(&tenant(name), "1").await.unwrap();
    let (graded, bare) = (of("a").await, of("b").await);
    assert!(
        graded.effect > 0.1 && graded.confidence > 0.95,
        "{graded:?}"
    );
    assert!(bare.effect < graded.effect / 2.0, "{bare:?}");
}

pub async fn trails_fade_and_failures_fade_slower(ground: Ground) {
    const DAY: i64 = 86_400;
    let world = World::new(ground);
    let mut done = success(&[]);
    done.files = ["src/a.rs", "src/b.rs", "app/[id]/page.ts"]
        .map(str::to_owned)
        .to_vec();
    let mut failed = failure(FailureClass::AgentError, "no");
    failed.files = vec!["src/b.rs".to_owned()];
    world.tell(&seat(1, 1), &done).await;
    world.tell(&seat(2, 1), &failed).await;
    world.wait(DAY);
    let trails = world
        .elf
        .trails(&tenant("a"), TrailQuery::default())
        .await
        .unwrap();
    let strengths: Vec<f64> = trails.iter().map(|t| t.strength).collect();
    assert_eq!(trails[0].path, "src/b.rs");
    assert_eq!(&strengths[1..], [0.5, 0.5, 0.5]);
    assert!(strengths[0] > 0.9, "{strengths:?}");
    let hot = world.elf.hot_spots(&tenant("a"), 1).await.unwrap();
    assert_eq!(hot[0].path, "src/b.rs");
    assert!((hot[0].strength - strengths[0] - 0.5).abs() < 1e-5);
    let at = |path: &str, project: Option<&str>| TrailQuery {
        path: Some(path.to_owned()),
        project: project.map(str::to_owned),
    };
    for (path, count) in [
        ("src/a.rs", 1),
        ("app/[id]/page.ts", 1),
        ("app/[id]", 1),
        ("app/*/*.ts", 1),
        ("src", 3),
        ("src/", 3),
        ("sr", 0),
        ("src/*.rs", 3),
        ("**/b.rs", 2),
        ("*.rs", 0),
        ("src/[a].rs", 1),
    ] {
        let below = world.elf.trails(&tenant("a"), at(path, None)).await;
        assert_eq!(below.unwrap().len(), count, "{path}");
        let elsewhere = world
            .elf
            .trails(&tenant("a"), at(path, Some("/shop")))
            .await;
        assert!(elsewhere.unwrap().is_empty(), "{path}");
    }
    let wrong = world.elf.trails(&tenant("a"), at("src/[", None)).await;
    assert!(wrong.is_err_and(|e| e.to_string().contains("no pattern")));
    world.wait(10 * DAY);
    let stats = world.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!(stats.active_trails, 1);
}

pub async fn a_caller_that_gives_up_breaks_nothing(ground: Ground) {
    let world = World::new(ground);
    for job in 1..=50 {
        let (elf, at) = (world.elf.clone(), seat(job, 1));
        let told = success(&["[LEARNED:db] Run migrations before the deploy"]);
        let telling = tokio::spawn(async move { elf.record(&at, &told).await });
        telling.abort();
        drop(telling.await);
    }
    for job in 1..=50 {
        world.tell(&seat(job, 1), &success(&[])).await;
    }
    let stats = world.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!(stats.total_outcomes, 50);
    let places = world.log().await.into_iter().map(|row| row.seq);
    assert!(places.zip(1..).all(|(seen, due)| seen == due));
}
