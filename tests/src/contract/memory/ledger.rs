//! What holds between the log, the items beside it, and several nodes on one ledger.

use sandbox_core::{FailureClass, port::Memory};
use sandbox_elf::{
    Elf, NewRule, RuleKind,
    entry::{Entry, Row},
    fold, rows,
    state::State,
    store::{Commit, Item, Kind, LedgerError, Picture, Put},
};

use super::{Ground, World, about, failure, rule, seat, success, tenant};

/// A story with everything in it that can happen.
pub async fn story(world: &World) {
    let (elf, a) = (&world.elf, tenant("a"));
    elf.add_rule(&a, rule("db", "Run migrations before the deploy"))
        .await
        .unwrap();
    for job in 1..=8_u32 {
        world.wait(1_000);
        world
            .ask(&seat(job, 1), &about("deploy migrations lint"))
            .await;
        let numbered = format!("[LEARNED:db] Deploy lesson of job {job} about table{job}");
        let mut end = match job % 3 {
            0 => failure(FailureClass::AgentError, "the deploy failed"),
            1 => success(&[]),
            _ => failure(FailureClass::Infrastructure, "gone"),
        };
        end.lessons = vec![numbered, "[LEARNED:lint] Sort the imports first".to_owned()];
        end.files = vec![format!("src/{}.rs", job % 2), "Cargo.toml".to_owned()];
        end.grade = Some(f64::from(job) / 7.0);
        end.project = (job % 2 == 0).then(|| "shop".to_owned());
        end.at = world.now();
        world.tell(&seat(job, 1), &end).await;
    }
    elf.vote(&a, &seat(1, 1), "1", true).await.unwrap();
    elf.pin(&a, "2").await.unwrap();
    elf.retire(&a, "3", "wrong").await.unwrap();
    elf.activate(&a, "3").await.unwrap();
    world.ask(&seat(9, 1), &about("imports")).await;
    super::diary::a_day(world).await;
    let decision = |text: &str, supersedes: Option<&str>| NewRule {
        kind: RuleKind::Decision,
        supersedes: supersedes.map(str::to_owned),
        ..rule("db", text)
    };
    let first = elf.add_rule(&a, decision("Deploys go out at night", None));
    let first = first.await.unwrap().rule.id;
    let next = decision("Deploys go out at noon", Some(&first));
    elf.add_rule(&a, next).await.unwrap();
    elf.propose(&a, rule("db", "Vacuum the tables on Sunday"))
        .await
        .unwrap();
}

/// The items that a log amounts to, newest place of each.
fn items_of(log: &[Row]) -> (State, Vec<Item>) {
    let mut state = State::default();
    let mut items = std::collections::BTreeMap::new();
    for row in log {
        for put in rows::apply(&mut state, std::slice::from_ref(row)).unwrap() {
            match put {
                Put::Stands(item) => drop(items.insert((item.kind, item.id.clone()), item)),
                Put::Gone(kind, id) => drop(items.remove(&(kind, id))),
            }
        }
    }
    (state, items.into_values().collect())
}

pub async fn replaying_the_log_gives_what_the_store_keeps(ground: Ground) {
    let world = World::new(ground);
    story(&world).await;
    let log = world.log().await;
    let (state, items) = items_of(&log);
    let picture = world.ledger.snapshot(&tenant("a")).await.unwrap();
    assert_eq!(picture.head, log.len() as u64);
    assert_eq!(
        rows::read(picture.head, picture.items.clone()).unwrap(),
        state
    );
    assert_eq!(fold::replay(&log), state);
    for item in items {
        let kept = world.ledger.item(&tenant("a"), item.kind, &item.id).await;
        let kept = kept.unwrap().unwrap();
        assert_eq!(kept.body, item.body, "{:?} {}", item.kind, item.id);
    }
    let held = picture.items.iter().filter(|i| i.kind != Kind::Secret);
    let jobs = state.jobs.len() + state.rules.len() + state.trails.len() + state.plans.len();
    assert_eq!(
        held.count(),
        jobs,
        "nothing is kept that the log does not say"
    );
}

pub async fn a_picture_that_cannot_be_read_is_made_anew_from_the_log(ground: Ground) {
    let world = World::new(ground.clone());
    story(&world).await;
    let before = world.elf.stats(&tenant("a")).await.unwrap();
    let log = world.log().await;
    let broken = Item {
        kind: Kind::Rule,
        id: "r-broken".to_owned(),
        seq: 1,
        body: "{".to_owned(),
    };
    let damage = Commit {
        expected: log.len() as u64,
        rows: Vec::new(),
        puts: vec![Put::Stands(broken)],
        ..Commit::default()
    };
    ground.append(&tenant("a"), damage).await.unwrap();
    let fresh = World::new(ground);
    fresh.wait(8_000);
    let after = fresh.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!(after, before);
    fresh.tell(&seat(50, 1), &success(&[])).await;
    assert_eq!(fresh.log().await.len(), log.len() + 1);
}

pub async fn a_commit_that_expects_another_place_writes_nothing(ground: Ground) {
    let world = World::new(ground.clone());
    story(&world).await;
    let (log, picture) = (world.log().await, ground.snapshot(&tenant("a")).await);
    for expected in [0, log.len() as u64 - 1, log.len() as u64 + 1] {
        let mut row = log[0].clone();
        row.seq = expected + 1;
        let late = Commit {
            expected,
            rows: vec![row],
            puts: vec![Put::Gone(Kind::Job, seat(1, 1).uid.to_string())],
            ..Commit::default()
        };
        let refused = ground.append(&tenant("a"), late).await;
        assert_eq!(refused, Err(LedgerError::Conflict), "{expected}");
    }
    assert_eq!(world.log().await, log);
    assert_eq!(ground.snapshot(&tenant("a")).await, picture);
}

pub async fn commits_take_effect_in_the_order_they_were_handed_over(ground: Ground) {
    let entry = |n: u64| Row {
        v: 1,
        seq: n + 1,
        at: super::second(super::START),
        entry: Entry::Pinned {
            rule: n.to_string(),
        },
    };
    let commit = |n: u64| Commit {
        expected: n,
        rows: vec![entry(n)],
        puts: Vec::new(),
        ..Commit::default()
    };
    let on_the_way: Vec<_> = (0..300)
        .map(|n| ground.append(&tenant("a"), commit(n)))
        .collect();
    // The last answer first: none waits for another to be looked at.
    for appending in on_the_way.into_iter().rev() {
        appending.await.unwrap();
    }
    let abandoned = ground.append(&tenant("a"), commit(300));
    drop(abandoned);
    ground.append(&tenant("a"), commit(301)).await.unwrap();
    let log = ground.log(&tenant("a"), 0, 1_000).await.unwrap();
    assert!(log.iter().map(|row| row.seq).eq(1..=302));
    let part = ground.log(&tenant("a"), 10, 5).await.unwrap();
    assert!(part.iter().map(|row| row.seq).eq(11..=15));
}

pub async fn two_nodes_on_one_ledger_see_each_other_and_never_fork_the_log(ground: Ground) {
    let (one, two) = (Elf::new(ground.clone()), Elf::new(ground.clone()));
    let a = tenant("a");
    one.add_rule(&a, rule("db", "Run migrations before the deploy"))
        .await
        .unwrap();
    assert_eq!(two.stats(&a).await.unwrap().total_heuristics, 1);
    let told = success(&["[LEARNED:db] Lock the table before the migration"]);
    let all: Vec<_> = (1..=20).map(|job| seat(job, 1)).collect();
    let tell = async |elf: &Elf, at| loop {
        // A busy neighbour may win every try; asking again is safe.
        if elf.record(at, &told).await.is_ok() {
            break;
        }
    };
    for at in &all {
        futures::join!(tell(&one, at), tell(&two, at));
    }
    let stats = one.stats(&a).await.unwrap();
    assert_eq!(stats, two.stats(&a).await.unwrap());
    assert_eq!((stats.total_outcomes, stats.total_learnings), (20, 20));
    let log = ground.log(&a, 0, 1_000).await.unwrap();
    assert!(log.iter().map(|row| row.seq).eq(1..=41));
}

pub async fn ends_are_listed_newest_first_in_pages(ground: Ground) {
    let world = World::new(ground);
    for job in 1..=12 {
        world.tell(&seat(job, 1), &success(&[])).await;
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = world.elf.outcomes(&tenant("a"), before, 5).await.unwrap();
        seen.extend(page.outcomes.iter().map(|o| o.ended.seat.clone()));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert!(seen.into_iter().eq((1..=12).rev().map(|job| seat(job, 1))));
}

pub async fn the_export_is_the_log_line_by_line(ground: Ground) {
    let world = World::new(ground);
    story(&world).await;
    let export = world.elf.export(&tenant("a"), 0).await.unwrap();
    let lines = export.lines.lines();
    let rows: Vec<Row> = lines.map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows, world.log().await);
    assert_eq!(export.next, None);
}

pub async fn what_was_decided_on_a_refused_commit_is_refused_with_it(ground: Ground) {
    let a = tenant("a");
    let row = |seq| Row {
        v: sandbox_elf::entry::VERSION,
        seq,
        at: jiff::Timestamp::UNIX_EPOCH,
        entry: Entry::Pinned {
            rule: "of nobody".to_owned(),
        },
    };
    let commit = |expected, picture: &Picture| Commit {
        expected,
        rows: vec![row(expected + 1)],
        picture: picture.clone(),
        ..Commit::default()
    };
    let (theirs, ours) = (Picture::default(), Picture::default());
    ground.append(&a, commit(0, &theirs)).await.unwrap();
    // The second was decided on the first, and another's entry stands where the first was to stand.
    let first = ground.append(&a, commit(0, &ours));
    let second = ground.append(&a, commit(1, &ours));
    assert_eq!(first.await, Err(LedgerError::Conflict));
    assert_eq!(second.await, Err(LedgerError::Conflict));
    let late = ground.append(&a, commit(1, &ours)).await;
    assert_eq!(late, Err(LedgerError::Conflict));
    assert_eq!(ground.log(&a, 0, 10).await.unwrap().len(), 1);
    ground.append(&a, commit(1, &theirs)).await.unwrap();
}
