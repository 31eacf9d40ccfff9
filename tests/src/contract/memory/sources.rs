//! Where rules come from without anybody adding them, and what becomes of those that say what is known.

use sandbox_core::{FailureClass, port::AttemptOutcome};
use sandbox_elf::{
    ElfError, Rule,
    entry::{Claimed, Origin, Source, SourceKind},
    face::RuleQuery,
};

use super::{Ground, World, about, failure, rule, seat, success, tenant, texts};

const LONG: &str = "Before each release run the whole migration suite against a copy of the production database and read its log";
/// The same but for one word at the end.
const NEARLY: &str = "Before each release run the whole migration suite against a copy of the production database and read its report";
/// Half of it.
const SIMILAR: &str = "Before each release run the whole migration suite against a copy of the production database, \
    then ask somebody else for a second look";

async fn rules(world: &World) -> Vec<Rule> {
    let a = tenant("a");
    let page = world.elf.list_rules(&a, RuleQuery::default()).await;
    page.unwrap().rules.into_iter().map(|r| r.rule).collect()
}

async fn teach(world: &World, text: &str) -> Result<String, ElfError> {
    let taught = world.elf.add_rule(&tenant("a"), rule("db", text)).await;
    taught.map(|shown| shown.rule.id)
}

pub async fn what_says_nearly_the_same_is_evidence_of_the_first_whose_text_stays(ground: Ground) {
    let world = World::new(ground);
    let first = teach(&world, LONG).await.unwrap();
    assert_eq!(teach(&world, NEARLY).await.unwrap(), first);
    let lesson = format!("[LEARNED:db] {NEARLY}");
    world.tell(&seat(1, 1), &success(&[&lesson])).await;
    let seen = rules(&world).await;
    assert_eq!((seen.len(), seen[0].evidence), (1, 3), "{seen:#?}");
    assert_eq!(seen[0].text, LONG);
    let ends = world.elf.outcomes(&tenant("a"), None, 1).await.unwrap();
    assert_eq!(ends.outcomes[0].ended.lessons, [first]);
}

pub async fn what_is_only_similar_stands_for_itself_and_names_the_other(ground: Ground) {
    let world = World::new(ground);
    let first = teach(&world, LONG).await.unwrap();
    let second = teach(&world, SIMILAR).await.unwrap();
    assert_ne!(first, second);
    let seen = rules(&world).await;
    assert_eq!(seen[1].similar_to, [first]);
    assert_eq!(seen[0].similar_to, Vec::<String>::new());
    world.elf.retire(&tenant("a"), &second, "").await.unwrap();
    let again = teach(&world, &SIMILAR.replace("look", "glance")).await;
    assert_eq!(again, Err(ElfError::Retired(second)));
}

pub async fn a_seat_that_says_it_again_in_other_words_is_no_evidence(ground: Ground) {
    let world = World::new(ground);
    let lessons = [LONG, NEARLY].map(|text| format!("[LEARNED:db] {text}"));
    let both = success(&[&lessons[0], &lessons[1]]);
    world.tell(&seat(1, 1), &both).await;
    assert_eq!(rules(&world).await[0].evidence, 1);
    let claimed = Claimed {
        percent: 70,
        from: Origin::Observation,
    };
    for (job, evidence) in [(1, 1), (2, 2), (2, 2)] {
        let by = (Source::agent(Some(seat(job, 1))), claimed);
        let a = tenant("a");
        let stated = world.elf.state_rule(&a, rule("db", NEARLY), by).await;
        assert_eq!(stated.unwrap().evidence, evidence, "job {job}");
    }
    world.tell(&seat(2, 1), &both).await;
    assert_eq!(rules(&world).await[0].evidence, 2);
}

pub async fn the_opposite_and_another_figure_are_rules_of_their_own(ground: Ground) {
    let world = World::new(ground);
    let mut ids = Vec::new();
    for text in [
        format!("Always {}", LONG.to_lowercase()),
        format!("Never {}", LONG.to_lowercase()),
        format!("{LONG} within 30 seconds"),
        format!("{LONG} within 300 seconds"),
    ] {
        ids.push(teach(&world, &text).await.unwrap());
    }
    let ids: std::collections::BTreeSet<_> = ids.into_iter().collect();
    assert_eq!(ids.len(), 4);
}

/// The failure of a job of the project shop.
fn failed(class: FailureClass, number: u32) -> AttemptOutcome {
    let line = format!("error[E0308]: the column price is missing in line {number}\nmore");
    AttemptOutcome {
        project: Some("shop".to_owned()),
        domain: Some("db".to_owned()),
        ..failure(class, &line)
    }
}

async fn fails(world: &World, job: u32, attempt: u32) {
    let told = failed(FailureClass::AgentError, job * 7 + attempt);
    world.tell(&seat(job, attempt), &told).await;
}

pub async fn the_same_failure_of_three_jobs_is_a_rule_on_trial_with_its_proof(ground: Ground) {
    let world = World::new(ground);
    for (job, attempt) in [(1, 1), (1, 2), (1, 3), (2, 1)] {
        fails(&world, job, attempt).await;
    }
    let elsewhere = AttemptOutcome {
        project: Some("other".to_owned()),
        ..failed(FailureClass::AgentError, 5)
    };
    world.tell(&seat(3, 1), &elsewhere).await;
    let lost = failed(FailureClass::Infrastructure, 6);
    world.tell(&seat(4, 1), &lost).await;
    assert_eq!(
        rules(&world).await,
        [],
        "two jobs, and others that do not count"
    );
    fails(&world, 5, 1).await;
    let made = rules(&world).await.remove(0);
    let line = "error[E0308]: the column price is missing in line #";
    assert!(made.text.ends_with(line), "{made:#?}");
    assert_eq!(made.source.kind, SourceKind::Runner);
    assert_eq!(made.source.seat, Some(seat(5, 1)));
    let place = (made.project.as_deref(), made.domain.as_str());
    assert_eq!(place, (Some("shop"), "db"));
    assert!(made.proof.is_some_and(|p| p.len() == 32));
    for job in [1, 2, 5] {
        let named = seat(job, 1).uid.to_string();
        assert!(made.explanation.contains(&named), "{named}");
    }
}

pub async fn each_further_job_that_fails_so_is_evidence_until_a_person_retires_the_rule(
    ground: Ground,
) {
    let world = World::new(ground);
    let evidence = async || rules(&world).await[0].evidence;
    for job in 1..=3 {
        fails(&world, job, 1).await;
    }
    assert_eq!(evidence().await, 1);
    fails(&world, 4, 1).await;
    fails(&world, 4, 2).await;
    assert_eq!(evidence().await, 2, "once for a job");
    world.elf.retire(&tenant("a"), "1", "fixed").await.unwrap();
    fails(&world, 5, 1).await;
    assert_eq!(evidence().await, 2, "it does not come back");
}

pub async fn of_two_rules_that_contradict_each_other_one_is_given_and_both_get_their_turn(
    ground: Ground,
) {
    let world = World::new(ground);
    let (does, does_not) = (
        "Always squash the merge commits",
        "Never squash the merge commits",
    );
    for text in [does, does_not] {
        world
            .elf
            .add_rule(&tenant("a"), rule("git", text))
            .await
            .unwrap();
    }
    let mut given = std::collections::BTreeSet::new();
    for job in 1..=40 {
        let receipt = world
            .ask(&seat(job, 1), &about("squash merge commits"))
            .await;
        assert_eq!(
            (
                receipt.eligible.len(),
                receipt.injected.len(),
                receipt.withheld.len()
            ),
            (2, 1, 1)
        );
        given.extend(texts(&receipt).iter().map(ToString::to_string));
    }
    assert_eq!(given.len(), 2, "{given:?}");
    world.elf.pin(&tenant("a"), "2").await.unwrap();
    for job in 41..=50 {
        let receipt = world
            .ask(&seat(job, 1), &about("squash merge commits"))
            .await;
        assert_eq!(texts(&receipt), [does_not]);
    }
}
