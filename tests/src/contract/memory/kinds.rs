//! Rules that stand by a person's word, and rules that wait for one.

use sandbox_core::{
    FailureClass,
    port::{RecallQuery, Receipt},
};
use sandbox_elf::{
    Elf, ElfError, NewRule, RuleKind,
    face::{HeuristicQuery, RuleQuery},
    rule::RuleStatus,
};

use super::{Ground, World, about, rule, seat, success, tenant, texts};

fn of(kind: RuleKind, project: Option<&str>, text: &str) -> NewRule {
    NewRule {
        kind,
        project: project.map(str::to_owned),
        ..rule("money", text)
    }
}

fn at(project: &str, text: &str) -> RecallQuery {
    RecallQuery {
        project: Some(project.to_owned()),
        ..about(text)
    }
}

/// What a seat is given, without a receipt of it.
async fn would(elf: &Elf, query: RecallQuery) -> Receipt {
    elf.context(&tenant("a"), query).await.unwrap().receipt
}

pub async fn an_invariant_is_given_in_its_project_whatever_the_words_and_nowhere_else(
    ground: Ground,
) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let cents = "Amounts are whole cents";
    elf.add_rule(&a, of(RuleKind::Invariant, Some("/shop"), cents))
        .await
        .unwrap();
    let utc = "Times are stored in UTC";
    elf.add_rule(&a, of(RuleKind::Invariant, None, utc))
        .await
        .unwrap();
    elf.add_rule(
        &a,
        of(
            RuleKind::Heuristic,
            Some("/shop"),
            "Colours are named in English",
        ),
    )
    .await
    .unwrap();
    let shop = world
        .ask(&seat(1, 1), &at("/shop", "rename a button"))
        .await;
    let said = [format!("Must hold: {cents}"), format!("Must hold: {utc}")];
    assert!(
        said.iter().all(|s| texts(&shop).contains(&s.as_str())),
        "{shop:?}"
    );
    let other = world
        .ask(&seat(2, 1), &at("/blog", "amounts in cents"))
        .await;
    assert_eq!(texts(&other), [said[1].as_str()]);
}

pub async fn a_decision_is_given_where_it_fits_without_winning_a_draw(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let text = "Payments go through the ledger service";
    let kept = elf.add_rule(&a, of(RuleKind::Decision, None, text)).await;
    let id = kept.unwrap().rule.id;
    let fits = about("a payment is missing in the ledger service");
    // Work that had it failed again and again; a rule that is measured would be kept out by now.
    for n in 1..=40 {
        let receipt = world.ask(&seat(n, 1), &fits).await;
        assert_eq!(texts(&receipt), [format!("Decided: {text}")]);
        let failed = super::failure(FailureClass::AgentError, "failed");
        world.tell(&seat(n, 1), &failed).await;
    }
    let known = elf.get_rule(&a, &id).await.unwrap();
    assert!(known.effect < 0.0 && !known.is_golden, "{known:?}");
    let why = elf.explain(&a, &id).await.unwrap().sentence;
    assert!(why.contains("It is a decision"), "{why}");
    let elsewhere = would(elf, about("colours of a button")).await;
    assert!(elsewhere.injected.is_empty(), "{elsewhere:?}");
}

pub async fn decisions_and_invariants_leave_room_for_what_is_measured(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let nouns = [
        "refund", "invoice", "basket", "coupon", "voucher", "tariff", "parcel", "ledger", "wallet",
        "balance", "currency", "payout", "mandate", "charge",
    ];
    for noun in nouns {
        let text = format!("Every {noun} needs a checkout number");
        let kept = elf.add_rule(&a, of(RuleKind::Invariant, None, &text)).await;
        kept.unwrap();
    }
    for text in [
        "Run the checkout tests twice",
        "Ask for the checkout log first",
    ] {
        elf.add_rule(&a, rule("money", text)).await.unwrap();
    }
    let receipt = would(
        elf,
        about("the checkout number: run its tests, read its log"),
    )
    .await;
    let given = texts(&receipt);
    let place = |text: &str| given.iter().position(|t| *t == text);
    let first = given.iter().take(6).all(|t| t.starts_with("Must hold: "));
    assert!(first, "{given:?}");
    assert_eq!(
        place("Run the checkout tests twice").map(|p| p / 2),
        Some(3),
        "{given:?}"
    );
    assert!(
        place("Ask for the checkout log first").is_some(),
        "{given:?}"
    );
}

pub async fn a_decision_that_takes_anothers_place_is_given_in_its_stead(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let first = elf
        .add_rule(
            &a,
            of(
                RuleKind::Decision,
                None,
                "Invoices are stored in the old archive",
            ),
        )
        .await
        .unwrap();
    let next = NewRule {
        supersedes: Some(first.rule.number.to_string()),
        // Nearly the same words: still a decision of its own.
        ..of(
            RuleKind::Decision,
            None,
            "Invoices are stored in the old archive, read only",
        )
    };
    let next = elf.add_rule(&a, next).await.unwrap();
    let gone = elf.get_rule(&a, &first.rule.id).await.unwrap().rule;
    assert_eq!(gone.status, RuleStatus::Retired);
    assert_eq!(gone.superseded_by.as_deref(), Some(next.rule.id.as_str()));
    let receipt = would(elf, about("invoices of the archive")).await;
    let given: Vec<&str> = receipt.injected.iter().map(|l| l.rule.as_str()).collect();
    assert_eq!(given, [next.rule.id.as_str()]);
    let why = elf.explain(&a, &first.rule.id).await.unwrap().sentence;
    assert!(why.contains(&next.rule.id), "{why}");
    // A node that reads the store sees the same, and the log holds it too.
    let other = Elf::new(world.ledger.clone());
    assert_eq!(other.get_rule(&a, "1").await.unwrap().rule, gone);
    let history = other.dossier(&a, "1").await.unwrap().history;
    assert_eq!(history.len(), 2, "{history:?}");
    // Made active again, nothing has taken its place any more.
    let back = elf.activate(&a, "1").await.unwrap().rule;
    assert_eq!(
        (back.status, back.superseded_by),
        (RuleStatus::Active, None)
    );
    let unknown = NewRule {
        supersedes: Some("r-0000000000000000".to_owned()),
        ..of(RuleKind::Decision, None, "Invoices are printed on paper")
    };
    let refused = elf.add_rule(&a, unknown).await.unwrap_err();
    assert!(matches!(refused, ElfError::NotFound { .. }), "{refused}");
    let itself = NewRule {
        supersedes: Some(next.rule.id.clone()),
        ..of(RuleKind::Decision, None, &next.rule.text)
    };
    let refused = elf.add_rule(&a, itself).await.unwrap_err();
    assert!(matches!(refused, ElfError::Invalid { .. }), "{refused}");
}

pub async fn the_same_words_are_one_rule_of_each_kind(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let text = "Amounts are whole cents in every table of the shop";
    for kind in [RuleKind::Heuristic, RuleKind::Decision, RuleKind::Invariant] {
        elf.add_rule(&a, of(kind, None, text)).await.unwrap();
        let again = elf.add_rule(&a, of(kind, None, text)).await.unwrap();
        assert_eq!((again.rule.kind, again.rule.evidence), (kind, 2));
        let query = RuleQuery {
            kind: Some(kind),
            ..RuleQuery::default()
        };
        let page = elf.list_rules(&a, query).await.unwrap();
        assert_eq!(page.rules.len(), 1);
    }
}

const PROPOSED: &str = "Rebuild the price index before the nightly import";

async fn proposed(elf: &Elf) -> String {
    let kept = elf.propose(&tenant("a"), rule("money", PROPOSED)).await;
    let kept = kept.unwrap().rule;
    assert_eq!(kept.status, RuleStatus::Proposed);
    kept.id
}

pub async fn a_proposal_is_told_to_nobody_until_a_person_accepts_it(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let id = proposed(elf).await;
    let fits = || about("price index of the nightly import");
    let receipt = would(elf, fits()).await;
    assert!(receipt.eligible.is_empty(), "{receipt:?}");
    let found = elf.search(&a, ("price index", None), 10).await.unwrap();
    assert!(found.is_empty(), "{found:?}");
    let listed = elf.heuristics(&a, HeuristicQuery::default()).await;
    assert!(listed.unwrap().is_empty());
    assert_eq!(elf.stats(&a).await.unwrap().total_heuristics, 0);
    let why = elf.explain(&a, &id).await.unwrap().sentence;
    assert!(why.contains("It is a proposal"), "{why}");
    elf.activate(&a, &id).await.unwrap();
    assert_eq!(texts(&would(elf, fits()).await), [PROPOSED]);
    let mut refused = rule("money", "Something else about prices");
    refused.supersedes = Some(id);
    let refused = elf.propose(&a, refused).await.unwrap_err();
    assert!(matches!(refused, ElfError::Invalid { .. }), "{refused}");
}

pub async fn a_proposal_that_somebody_at_work_states_goes_on_trial(ground: Ground) {
    let world = World::new(ground);
    let id = proposed(&world.elf).await;
    let lesson = format!("[LEARNED:money] {PROPOSED}");
    world.tell(&seat(1, 1), &success(&[&lesson])).await;
    let known = world.elf.get_rule(&tenant("a"), &id).await.unwrap().rule;
    assert_eq!((known.status, known.evidence), (RuleStatus::Active, 2));
}

pub async fn a_proposal_of_what_is_known_changes_nothing(ground: Ground) {
    let world = World::new(ground);
    let (elf, a) = (&world.elf, tenant("a"));
    let kept = elf.add_rule(&a, rule("money", PROPOSED)).await.unwrap();
    for text in [
        PROPOSED,
        "Rebuild the price index before the nightly import!",
    ] {
        let same = elf.propose(&a, rule("money", text)).await.unwrap();
        assert_eq!(same.rule, kept.rule);
    }
    elf.retire(&a, &kept.rule.id, "not so").await.unwrap();
    let refused = elf.propose(&a, rule("money", PROPOSED)).await.unwrap_err();
    assert!(matches!(refused, ElfError::Retired(_)), "{refused}");
}
