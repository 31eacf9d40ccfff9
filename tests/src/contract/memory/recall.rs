//! What a seat may rely on when it asks.

use sandbox_core::port::{Memory, RecallQuery};
use sandbox_elf::{Elf, prompt, prompt_block};

use super::{Ground, World, about, rule, seat, success, tenant, texts};

pub async fn an_empty_memory_gives_an_empty_receipt(ground: Ground) {
    let world = World::new(ground);
    let receipt = world.ask(&seat(1, 1), &about("anything")).await;
    assert!(receipt.injected.is_empty() && receipt.eligible.is_empty());
    assert_eq!(receipt.unavailable, None);
    assert_eq!(prompt_block(&receipt), "");
}

pub async fn a_lesson_of_one_job_stands_in_the_prompt_of_the_next(ground: Ground) {
    let world = World::new(ground);
    let lesson = "[LEARNED:lint] Sort imports before running the linter.";
    world.tell(&seat(1, 1), &success(&[lesson])).await;
    let receipt = world
        .ask(&seat(2, 1), &about("the linter complains about imports"))
        .await;
    assert_eq!(texts(&receipt), ["Sort imports before running the linter."]);
    let block = prompt_block(&receipt);
    let id = &receipt.injected[0].rule;
    let line = format!("- [{id} lint] Sort imports before running the linter.\n");
    assert!(block.ends_with(&line), "{block}");
}

pub async fn a_seat_that_asks_again_gets_the_same_receipt(ground: Ground) {
    let world = World::new(ground.clone());
    let tenant = tenant("a");
    let first = rule("db", "Run migrations before the deploy");
    world.elf.add_rule(&tenant, first).await.unwrap();
    let query = about("deploy with migrations");
    let receipt = world.ask(&seat(1, 1), &query).await;
    assert_eq!(receipt.injected.len(), 1);
    let better = rule("db", "Deploy with migrations in a transaction");
    world.elf.add_rule(&tenant, better).await.unwrap();
    world.wait(3_600);
    assert_eq!(world.ask(&seat(1, 1), &query).await, receipt);
    assert_eq!(world.ask(&seat(1, 1), &about("other")).await, receipt);
    let other_node = Elf::new(ground);
    let again = other_node.recall(&seat(1, 1), &tenant, &query).await;
    assert_eq!(again.unwrap(), receipt);
    let shown = other_node.receipt(&tenant, &seat(1, 1)).await.unwrap();
    assert_eq!(shown, receipt);
    assert_eq!(world.ask(&seat(1, 2), &query).await.injected.len(), 2);
}

pub async fn many_who_ask_for_one_seat_at_once_get_one_receipt(ground: Ground) {
    let world = World::new(ground);
    let known = rule("db", "Run migrations before the deploy");
    world.elf.add_rule(&tenant("a"), known).await.unwrap();
    let (at, query) = (seat(1, 1), about("deploy"));
    let asked = (0..20).map(|_| world.ask(&at, &query));
    let receipts = futures::future::join_all(asked).await;
    assert!(receipts.iter().all(|r| *r == receipts[0]));
    let shown = world.elf.get_rule(&tenant("a"), "1").await.unwrap();
    assert_eq!(
        (shown.rule.seats.eligible, shown.rule.seats.injected),
        (1, 1)
    );
}

pub async fn a_receipt_says_what_was_kept_back_and_from_where_it_came(ground: Ground) {
    let world = World::new(ground);
    for n in 0..30 {
        let text = format!("Deploy rule{n} with word{n} and term{n}");
        world
            .elf
            .add_rule(&tenant("a"), rule("db", &text))
            .await
            .unwrap();
    }
    let receipt = world.ask(&seat(1, 1), &about("deploy")).await;
    assert_eq!(receipt.eligible.len(), 30);
    assert_eq!(receipt.draws.len(), 30);
    assert_eq!(receipt.injected.len() + receipt.withheld.len(), 30);
    assert_eq!(receipt.log_position, 30);
    let given: Vec<&String> = receipt.injected.iter().map(|l| &l.rule).collect();
    assert!(given.iter().all(|id| receipt.eligible.contains(id)));
    assert!(given.iter().all(|id| !receipt.withheld.contains(id)));
}

pub async fn the_budget_holds_with_ten_thousand_rules(ground: Ground) {
    let world = World::new(ground);
    for job in 0..200_u32 {
        let lessons: Vec<String> = (0..50)
            .map(|n| format!("[LEARNED:db] Deploy {}", long_text(job * 50 + n)))
            .collect();
        let lessons: Vec<&str> = lessons.iter().map(String::as_str).collect();
        world.tell(&seat(job, 1), &success(&lessons)).await;
    }
    let stats = world.elf.stats(&tenant("a")).await.unwrap();
    assert_eq!(stats.total_heuristics, 10_000);
    for (n, max_tokens) in [None, Some(0), Some(200), Some(1_000_000)]
        .into_iter()
        .enumerate()
    {
        let query = RecallQuery {
            max_tokens,
            ..about("deploy word7 word9")
        };
        let at = seat(10_000, u32::try_from(n).unwrap() + 1);
        let block = prompt_block(&world.ask(&at, &query).await);
        let most = max_tokens.unwrap_or(1_500).min(4_000) as usize;
        assert!(prompt::tokens(&block) <= most, "{max_tokens:?}");
        assert_eq!(block.is_empty(), max_tokens == Some(0));
    }
}

/// Some 400 characters that share words with others, yet say something else.
fn long_text(n: u32) -> String {
    let words = (1..40_u32).map(|i| format!("word{}", n.wrapping_mul(i).wrapping_add(i * i) % 977));
    let words: Vec<String> = words.collect();
    format!("case {n} {}", words.join(" "))
}

pub async fn a_query_of_any_shape_is_answered(ground: Ground) {
    let world = World::new(ground);
    let known = rule("db", "Run migrations before the deploy");
    world.elf.add_rule(&tenant("a"), known).await.unwrap();
    let odd = [
        "\0",
        "\u{202e}deploy",
        &"é".repeat(100_000),
        "",
        "[redacted:",
    ];
    for (n, text) in odd.into_iter().enumerate() {
        let query = RecallQuery {
            text: text.to_owned(),
            domain: Some("!!".to_owned()),
            project: Some("\n".to_owned()),
            files: vec![text.to_owned(); 500],
            max_tokens: Some(u32::MAX),
        };
        world
            .ask(&seat(1, u32::try_from(n).unwrap() + 1), &query)
            .await;
    }
}
