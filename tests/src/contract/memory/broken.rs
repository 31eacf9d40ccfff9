//! What memory does where clocks, releases, or the log and what stands beside it disagree.

use sandbox_core::port::{Memory, PortError};
use sandbox_elf::{
    ElfError,
    entry::VERSION,
    face::{RuleQuery, TrailQuery},
    fold, rows,
    store::{Commit, Kind, LedgerError, Put},
};

use super::{Ground, World, about, ledger::story, rule, seat, success, tenant};

const YEAR: i64 = 31_536_000;

async fn rules(world: &World) -> Vec<String> {
    let a = tenant("a");
    let page = world.elf.list_rules(&a, RuleQuery::default()).await;
    page.unwrap()
        .rules
        .into_iter()
        .map(|r| r.rule.text)
        .collect()
}

pub async fn a_clock_that_is_ahead_or_set_back_loses_nothing_and_stops_nothing(ground: Ground) {
    let (world, ahead) = (World::new(ground.clone()), World::new(ground.clone()));
    ahead.wait(YEAR);
    let mut told = success(&["[LEARNED:db] Run migrations before the deploy"]);
    told.files = vec!["src/db.rs".to_owned()];
    told.at = ahead.now();
    ahead.tell(&seat(1, 1), &told).await;
    // Here it is a year earlier, and then another day.
    for job in 2..=3 {
        told.lessons = vec![format!("[LEARNED:db] Deploy lesson of table number {job}")];
        told.at = world.now();
        world.ask(&seat(job, 1), &about("deploy")).await;
        world.tell(&seat(job, 1), &told).await;
        world.wait(-86_400);
    }
    assert_eq!(rules(&world).await.len(), 3);
    let asked = about("deploy lesson migrations");
    assert_eq!(world.ask(&seat(4, 1), &asked).await.eligible.len(), 3);
    let trails = world.elf.trails(&tenant("a"), TrailQuery::default()).await;
    let trails = trails.unwrap();
    assert!(trails[0].strength <= 3.0, "{trails:?}");
    assert_eq!((trails.len(), trails[0].touches), (1, 3));
    let (log, picture) = (world.log().await, ground.snapshot(&tenant("a")).await);
    assert!((1..).zip(&log).all(|(place, row)| row.seq == place));
    let picture = picture.unwrap();
    let kept = rows::read(picture.head, picture.items).unwrap();
    assert_eq!(fold::replay(&log), kept);
    let stats = world.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!(stats, ahead.elf.stats(&tenant("a")).await.unwrap());
    assert_eq!((stats.total_outcomes, stats.total_heuristics), (3, 3));
}

pub async fn a_log_that_a_newer_release_went_on_with_is_refused_and_left_as_it_is(ground: Ground) {
    let world = World::new(ground.clone());
    story(&world).await;
    let log = world.log().await;
    let place = log.len() as u64;
    let mut newer = log[0].clone();
    (newer.v, newer.seq) = (VERSION + 1, place + 1);
    let commit = Commit {
        expected: place,
        rows: vec![newer],
        puts: Vec::new(),
        ..Commit::default()
    };
    ground.append(&tenant("a"), commit).await.unwrap();
    // Who has a picture hears of it, and who begins does.
    for world in [world, World::new(ground.clone())] {
        let refused = world.elf.stats(&tenant("a")).await.unwrap_err();
        let said = refused.to_string();
        assert!(
            matches!(refused, ElfError::Store(LedgerError::Unreadable(_))),
            "{said}"
        );
        assert!(said.contains("use the newer release"), "{said}");
        let told = world.elf.record(&seat(90, 1), &success(&[])).await;
        assert!(matches!(told, Err(PortError::Unknown(_))), "{told:?}");
        let (a, query) = (tenant("a"), about("deploy"));
        assert!(world.elf.recall(&seat(91, 1), &a, &query).await.is_err());
        let taught = rule("db", "Lock the table first");
        assert!(world.elf.add_rule(&a, taught).await.is_err());
        assert!(
            world.elf.stats(&tenant("b")).await.is_ok(),
            "another tenant"
        );
    }
    let picture = ground.snapshot(&tenant("a")).await.unwrap();
    assert_eq!(picture.head, place + 1, "nothing was written");
}

pub async fn items_that_are_not_of_this_log_are_made_anew_from_it(ground: Ground) {
    let world = World::new(ground.clone());
    story(&world).await;
    let before = rules(&world).await;
    let place = world.log().await.len() as u64;
    let picture = ground.snapshot(&tenant("a")).await.unwrap();
    let mut rules_kept = picture.items.into_iter().filter(|i| i.kind == Kind::Rule);
    let mut foreign = rules_kept.find(|i| i.body.contains("migrations")).unwrap();
    foreign.seq = place + 7;
    foreign.body = foreign.body.replacen("migrations", "parades", 1);
    let damage = Commit {
        expected: place,
        rows: Vec::new(),
        puts: vec![Put::Stands(foreign)],
        ..Commit::default()
    };
    ground.append(&tenant("a"), damage).await.unwrap();
    let fresh = World::new(ground);
    fresh.wait(8_000);
    assert_eq!(rules(&fresh).await, before);
    let found = fresh.elf.search(&tenant("a"), ("parades", None), 10).await;
    assert!(found.unwrap().is_empty());
}
