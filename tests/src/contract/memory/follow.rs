//! A log that was exported is taken over elsewhere.

use sandbox_core::port::Memory;
use sandbox_elf::{
    ElfError,
    face::{Followed, RuleQuery, follow::MOST},
};
use serde_json::Value;

use super::{Ground, World, about, ledger::story, rule, seat, success, tenant};

/// What tenant `a` exports.
async fn exported(world: &World) -> Vec<Value> {
    let export = world.elf.export(&tenant("a"), 0).await.unwrap();
    assert_eq!(export.next, None);
    let lines = export.lines.lines();
    lines.map(|l| serde_json::from_str(l).unwrap()).collect()
}

pub async fn a_log_that_is_taken_over_is_known_and_believed_as_where_it_came_from(ground: Ground) {
    let world = World::new(ground);
    story(&world).await;
    let (elf, a, b) = (&world.elf, tenant("a"), tenant("b"));
    let lines = exported(&world).await;
    // In pieces, of which one comes twice.
    for piece in lines.chunks(7) {
        elf.follow(&b, piece.to_vec()).await.unwrap();
    }
    let again = elf.follow(&b, lines[7..14].to_vec()).await.unwrap();
    let expected = Followed {
        taken: 0,
        known: 7,
        position: lines.len() as u64,
    };
    assert_eq!(again, expected);
    let rules = |of| elf.list_rules(of, RuleQuery::default());
    assert_eq!(rules(&a).await.unwrap(), rules(&b).await.unwrap());
    assert_eq!(elf.stats(&a).await.unwrap(), elf.stats(&b).await.unwrap());
    let context = |of| elf.context(of, about("deploy migrations lint imports"));
    let given = context(&b).await.unwrap();
    assert!(!given.receipt.injected.is_empty());
    assert_eq!(context(&a).await.unwrap(), given);
    let logged = world.ledger.log(&b, 0, u32::MAX).await.unwrap();
    assert_eq!(logged, world.log().await);
    // It goes on by itself from there.
    let mut end = success(&["[LEARNED:db] Something that only the other knows"]);
    end.tenant = b.clone();
    elf.record(&seat(77, 1), &end).await.unwrap();
    let other = sandbox_elf::Elf::new(world.ledger.clone());
    let (seen, there) = (other.list_rules(&b, RuleQuery::default()), rules(&b));
    assert_eq!(seen.await.unwrap(), there.await.unwrap());
}

pub async fn a_log_is_only_continued_by_its_own(ground: Ground) {
    let world = World::new(ground);
    story(&world).await;
    let (elf, b) = (&world.elf, tenant("b"));
    let lines = exported(&world).await;
    let gap = elf.follow(&b, lines[1..].to_vec()).await.unwrap_err();
    assert_eq!(gap, ElfError::Gap(1, 2));
    elf.add_rule(&b, rule("db", "A rule of their own"))
        .await
        .unwrap();
    let before = world.ledger.log(&b, 0, u32::MAX).await.unwrap();
    let other = elf.follow(&b, lines.clone()).await.unwrap_err();
    assert_eq!(other, ElfError::OtherHistory(1));
    let kept = world.ledger.log(&b, 0, u32::MAX).await.unwrap();
    assert_eq!(kept, before);
    // What was exported before may have been continued since.
    let own = elf.follow(&tenant("a"), lines[..5].to_vec()).await;
    assert_eq!(own.map(|f| (f.taken, f.known)), Ok((0, 5)));
}

pub async fn of_lines_that_cannot_be_kept_nothing_is_kept(ground: Ground) {
    let world = World::new(ground);
    story(&world).await;
    let (elf, b) = (&world.elf, tenant("b"));
    let lines = exported(&world).await;
    let mut damaged = lines.clone();
    damaged[3]["entry"]["kind"] = "unheard of".into();
    let mut shuffled = lines.clone();
    shuffled.swap(2, 3);
    let many = vec![lines[0].clone(); MOST + 1];
    for (bad, why) in [(damaged, "line 4"), (shuffled, "line 3"), (many, "at most")] {
        let refused = elf.follow(&b, bad).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        assert!(world.ledger.log(&b, 0, 9).await.unwrap().is_empty());
    }
    assert_eq!(elf.follow(&b, Vec::new()).await, Ok(Followed::default()));
}
