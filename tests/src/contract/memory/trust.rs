//! How far rules are trusted by who said them, before there is evidence.

use sandbox_core::FailureClass;
use sandbox_elf::{
    ElfError,
    entry::{Claimed, Legacy, Origin, Source},
    face::RuleQuery,
    legacy::{Old, OldRule},
    trust::{Trust, UNPROVEN},
};

use super::{Ground, World, about, failure, rule, seat, success, tenant, texts};

pub async fn few_untried_rules_of_agents_come_into_a_prompt_and_those_of_people_come_besides(
    ground: Ground,
) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let words = ["index", "lock", "vacuum", "cache", "shard", "queue"];
    for (n, word) in (1..).zip(words) {
        let lesson = format!("[LEARNED:db] Look at the {word} when the orders table is slow");
        world.tell(&seat(n, 1), &success(&[&lesson])).await;
        let stated = format!("Ask for the {word} plan of the orders table before it is changed");
        elf.add_rule(&a, rule("db", &stated)).await.unwrap();
    }
    let receipt = world.ask(&seat(9, 1), &about("orders table")).await;
    assert_eq!(receipt.eligible.len(), 12);
    let given = texts(&receipt);
    let of_agents = given.iter().filter(|t| t.starts_with("Look")).count();
    assert_eq!((of_agents, given.len()), (UNPROVEN, UNPROVEN + 6));
    // What a person pins may take any place.
    let kept = elf.list_rules(&a, RuleQuery::default()).await.unwrap();
    for shown in kept.rules {
        elf.pin(&a, &shown.rule.id).await.unwrap();
    }
    let receipt = world.ask(&seat(10, 1), &about("orders table")).await;
    assert_eq!(texts(&receipt).len(), 12);
}

pub async fn a_claim_counts_by_who_makes_it(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    elf.add_rule(&a, rule("db", "A person says to lock the table"))
        .await
        .unwrap();
    for job in 1..=3 {
        let told = failure(FailureClass::AgentError, "the table is locked by another");
        world.tell(&seat(job, 1), &told).await;
    }
    let claimed = Claimed {
        percent: 100,
        from: Origin::Success,
    };
    let by = (Source::agent(None), claimed);
    elf.state_rule(&a, rule("db", "An agent is quite sure of the index"), by)
        .await
        .unwrap();
    let old = OldRule {
        rule: rule("db", "Something older was sure of the cache"),
        legacy: Legacy {
            percent: 100,
            ..Legacy::default()
        },
    };
    let old = Old {
        rules: vec![old],
        ..Old::default()
    };
    elf.import(&a, old).await.unwrap();
    let rules = elf
        .list_rules(&a, RuleQuery::default())
        .await
        .unwrap()
        .rules;
    let tiers: Vec<Trust> = rules.iter().map(|r| r.trust).collect();
    assert_eq!(
        tiers,
        [Trust::Human, Trust::Verdict, Trust::Agent, Trust::Outside]
    );
    let sure: Vec<f64> = rules.iter().map(|r| r.confidence).collect();
    assert!(sure.is_sorted_by(|x, y| x > y), "{sure:?}");
    assert!(sure[0] < 0.57 && sure[3] > 0.5, "{sure:?}");
}

pub async fn the_job_that_said_a_rule_is_no_witness_of_it(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let lesson = "[LEARNED:db] Lock the orders table before the move";
    let mut told = failure(FailureClass::AgentError, "it was gone");
    told.lessons = vec![lesson.to_owned()];
    world.tell(&seat(1, 1), &told).await;
    for (job, attempt) in [(1, 2), (2, 1)] {
        let at = seat(job, attempt);
        assert_eq!(
            world.ask(&at, &about("orders table")).await.injected.len(),
            1
        );
    }
    let own = elf.vote(&a, &seat(1, 2), "1", true).await;
    assert!(matches!(own, Err(ElfError::OwnRule { .. })), "{own:?}");
    elf.vote(&a, &seat(2, 1), "1", true).await.unwrap();
    let shown = elf.get_rule(&a, "1").await.unwrap().rule;
    assert_eq!((shown.votes_for, shown.votes_against), (1, 0));
}
