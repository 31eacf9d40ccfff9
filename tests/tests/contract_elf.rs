//! The promises of the shared memory, on every ledger there is; and what is the file's own.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use sandbox_core::port::Memory;
use sandbox_elf::{
    Elf,
    entry::{Entry, Row},
    face::RuleQuery,
    store::{
        Commit, Item, Kind, Ledger, Put,
        sqlite::{OpenError, SqliteLedger},
    },
};
use sandbox_tests::{
    contract::memory::{Ground, World, about, ledger::story, seat, success, tenant},
    dynamodb::DynamoServer,
    ledger::LedgerServer,
    redis::RedisServer,
};
use tempfile::TempDir;

/// Every ledger, new; with what goes with it.
async fn grounds() -> (
    Vec<(&'static str, Ground)>,
    (TempDir, RedisServer, LedgerServer),
) {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start().await.unwrap();
    let dynamodb = DynamoServer::shared().await.unwrap();
    let mut all = sandbox_elf::store::all(folder.path()).unwrap();
    all.push(("redis", redis.ledger().await.unwrap()));
    all.push(("dynamodb", dynamodb.ledger().await.unwrap()));
    let elsewhere = LedgerServer::start().unwrap();
    all.push(("http", elsewhere.ledger().unwrap()));
    (all, (folder, redis, elsewhere))
}

macro_rules! promises {
    ($($part:ident: $($name:ident)*;)*) => {
        $(mod $part {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (all, _servers) = crate::grounds().await;
                for (word, ledger) in all {
                    println!("on {word}");
                    sandbox_tests::contract::memory::$part::$name(ledger).await;
                }
            })*
        })*
    };
}

promises! {
    recall:
        an_empty_memory_gives_an_empty_receipt
        a_lesson_of_one_job_stands_in_the_prompt_of_the_next
        a_seat_that_asks_again_gets_the_same_receipt
        many_who_ask_for_one_seat_at_once_get_one_receipt
        a_receipt_says_what_was_kept_back_and_from_where_it_came
        the_budget_holds_with_ten_thousand_rules
        a_query_of_any_shape_is_answered;
    follow:
        a_log_that_is_taken_over_is_known_and_believed_as_where_it_came_from
        a_log_is_only_continued_by_its_own
        of_lines_that_cannot_be_kept_nothing_is_kept;
    kinds:
        an_invariant_is_given_in_its_project_whatever_the_words_and_nowhere_else
        a_decision_is_given_where_it_fits_without_winning_a_draw
        decisions_and_invariants_leave_room_for_what_is_measured
        a_decision_that_takes_anothers_place_is_given_in_its_stead
        the_same_words_are_one_rule_of_each_kind
        a_proposal_is_told_to_nobody_until_a_person_accepts_it
        a_proposal_that_somebody_at_work_states_goes_on_trial
        a_proposal_of_what_is_known_changes_nothing;
    record:
        an_end_is_kept_once_per_seat
        many_who_tell_one_end_at_once_tell_it_once
        many_ends_at_once_are_all_kept_in_one_order
        jobs_are_counted_by_their_last_attempt
        ends_that_say_nothing_about_the_work_count_neither_way
        a_rule_that_helps_becomes_golden_and_a_placebo_beside_it_does_not
        rules_in_the_prompt_are_counted_with_the_end_and_others_are_not
        what_is_no_lesson_is_dropped_and_counted
        the_same_lesson_is_one_rule_with_more_evidence
        a_lesson_that_only_repeats_the_prompt_is_no_evidence
        odd_numbers_and_texts_are_made_good_not_refused
        a_grade_teaches_what_the_bare_end_does_not
        trails_fade_and_failures_fade_slower
        a_caller_that_gives_up_breaks_nothing;
    trust:
        few_untried_rules_of_agents_come_into_a_prompt_and_those_of_people_come_besides
        a_claim_counts_by_who_makes_it
        the_job_that_said_a_rule_is_no_witness_of_it;
    quarantine:
        a_rule_that_gives_orders_is_kept_with_its_reason_and_told_to_nobody
        a_person_lets_a_held_rule_go_or_retires_it_and_its_history_stays;
    rules:
        a_taught_rule_reads_as_the_old_api_shows_it
        a_filter_gives_just_what_it_names
        pages_of_rules_cover_everything_once
        a_retired_rule_is_not_given_and_comes_back_only_by_hand
        an_id_that_is_not_there_is_an_error
        what_cannot_be_kept_is_refused_with_the_field_and_the_bounds
        a_vote_counts_once_and_only_from_where_the_rule_was
        secrets_reach_neither_the_log_nor_the_store_nor_a_prompt
        no_tenant_sees_anything_of_another;
    diary:
        a_plan_is_kept_once_and_over_with_its_postmortem
        a_second_word_about_a_plan_and_a_plan_that_is_not_there_are_errors
        lessons_of_a_postmortem_become_a_rule_that_claims_little
        a_rule_of_an_agent_carries_its_seat_and_what_it_only_repeats_is_no_evidence
        an_end_told_by_hand_counts_once_and_speaks_for_no_seat
        votes_alone_never_make_a_rule_golden
        an_opinion_of_a_visitor_is_one_opinion_and_teaches_nothing;
    sources:
        what_says_nearly_the_same_is_evidence_of_the_first_whose_text_stays
        what_is_only_similar_stands_for_itself_and_names_the_other
        a_seat_that_says_it_again_in_other_words_is_no_evidence
        the_opposite_and_another_figure_are_rules_of_their_own
        the_same_failure_of_three_jobs_is_a_rule_on_trial_with_its_proof
        each_further_job_that_fails_so_is_evidence_until_a_person_retires_the_rule
        of_two_rules_that_contradict_each_other_one_is_given_and_both_get_their_turn;
    tools:
        every_tool_answers_flat_and_wrapped_as_its_schema_says
        what_no_tool_can_use_is_a_failure_that_names_it_and_writes_nothing
        pages_of_a_search_and_of_plans_cover_everything_once
        no_tool_and_no_text_shows_anything_of_another_tenant
        odd_calls_by_the_hundred_show_and_change_nothing_of_another_tenant;
    hostile:
        whatever_a_schema_forbids_is_refused_flat_and_wrapped_and_writes_nothing
        an_address_gives_what_is_there_and_an_error_where_nothing_is;
    ledger:
        replaying_the_log_gives_what_the_store_keeps
        a_picture_that_cannot_be_read_is_made_anew_from_the_log
        a_commit_that_expects_another_place_writes_nothing
        commits_take_effect_in_the_order_they_were_handed_over
        what_was_decided_on_a_refused_commit_is_refused_with_it
        two_nodes_on_one_ledger_see_each_other_and_never_fork_the_log
        ends_are_listed_newest_first_in_pages
        the_export_is_the_log_line_by_line;
    broken:
        a_clock_that_is_ahead_or_set_back_loses_nothing_and_stops_nothing
        a_log_that_a_newer_release_went_on_with_is_refused_and_left_as_it_is
        items_that_are_not_of_this_log_are_made_anew_from_it;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_story_gives_the_same_log_items_and_receipts_on_every_ledger() {
    let (all, _servers) = grounds().await;
    let mut told = Vec::new();
    for (_, ledger) in all {
        let world = World::new(ledger);
        story(&world).await;
        let last = world.ask(&seat(99, 1), &about("deploy")).await;
        let log = world.elf.export(&tenant("a"), 0).await.unwrap();
        let picture = world.ledger.snapshot(&tenant("a")).await.unwrap();
        let a = tenant("a");
        let rules = world.elf.list_rules(&a, RuleQuery::default()).await;
        told.push((last, log, picture, rules.unwrap()));
    }
    assert!(told.iter().all(|other| *other == told[0]));
}

/// From so many entries on, the file is read by several connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pieces_of_a_long_memory_are_together_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteLedger::open(&folder.path().join("elf.db")).unwrap();
    let entry = |seq| Row {
        v: 1,
        seq,
        at: Timestamp::UNIX_EPOCH,
        entry: Entry::Pinned {
            rule: seq.to_string(),
        },
    };
    let item = |kind, id: String| {
        Put::Stands(Item {
            kind,
            body: format!("{id}'s"),
            id,
            seq: 1,
        })
    };
    let ids = (0..=255_u32).flat_map(|n| [format!("r-{n:02x}"), format!("other {n}")]);
    let ids = ids.chain([String::new(), "zz".to_owned(), "\u{ffff}".to_owned()]);
    let jobs = (0..600).map(|n| item(Kind::Job, n.to_string()));
    let commit = Commit {
        expected: 0,
        rows: (1..=20_000).map(entry).collect(),
        puts: ids.map(|id| item(Kind::Rule, id)).chain(jobs).collect(),
        ..Commit::default()
    };
    file.append(&tenant("a"), commit).await.unwrap();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let taking = Arc::clone(&taken);
    let take = move |items: Vec<Item>| taking.lock().unwrap().extend(items);
    let head = file.pieces(&tenant("a"), Arc::new(take)).await.unwrap();
    let mut taken = std::mem::take(&mut *taken.lock().unwrap());
    taken.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
    let picture = file.snapshot(&tenant("a")).await.unwrap();
    assert_eq!((head, taken), (picture.head, picture.items));
}

#[tokio::test]
async fn what_was_answered_is_there_after_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("elf.db");
    let lesson = "[LEARNED:db] Run migrations before the deploy";
    let first = Elf::open(&path).unwrap();
    first
        .record(&seat(1, 1), &success(&[lesson]))
        .await
        .unwrap();
    let query = about("deploy");
    let given = first.recall(&seat(2, 1), &tenant("a"), &query).await;
    drop(first);
    let second = Elf::open(&path).unwrap();
    let again = second.recall(&seat(2, 1), &tenant("a"), &query).await;
    assert_eq!(again, given);
    assert_eq!(again.unwrap().injected.len(), 1);
    assert_eq!(second.stats(&tenant("a")).await.unwrap().total_outcomes, 1);
}

#[tokio::test]
async fn a_secret_has_the_same_mark_after_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("elf.db");
    let lesson = format!("[LEARNED:git] Push with ghp_{}", "aB3dE6gH9".repeat(4));
    for job in 1..=2 {
        let elf = Elf::open(&path).unwrap();
        elf.record(&seat(job, 1), &success(&[&lesson]))
            .await
            .unwrap();
    }
    let elf = Elf::open(&path).unwrap();
    let rule = elf.get_rule(&tenant("a"), "1").await.unwrap().rule;
    assert_eq!(rule.evidence, 2, "{rule:?}");
}

#[test]
fn a_file_that_is_no_memory_of_ours_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let text = "this is a text and no database, ".repeat(200);
    std::fs::write(&path, &text).unwrap();
    let refused = SqliteLedger::open(&path).err().unwrap();
    assert!(matches!(refused, OpenError::Database { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let jobs = folder.path().join("jobs.db");
    drop(sandbox_operator::store::sqlite::SqliteStore::open(&jobs).unwrap());
    let refused = SqliteLedger::open(&jobs).err().unwrap();
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
}

/// A file with the memories of three tenants, and how many bytes it has.
async fn some_memory(path: &std::path::Path) -> u64 {
    let elf = Elf::open(path).unwrap();
    for (name, many) in [("a", 300_u32), ("b", 2), ("c", 2)] {
        for job in 0..many {
            let mut end = success(&[&format!("[LEARNED:db] Lesson of {name} about table{job}")]);
            end.tenant = tenant(name);
            elf.record(&seat(job + 1, 1), &end).await.unwrap();
        }
    }
    drop(elf);
    // What stands beside the file goes into it.
    let db = rusqlite::Connection::open(path).unwrap();
    db.pragma_update(None, "wal_checkpoint", "TRUNCATE")
        .unwrap();
    std::fs::metadata(path).unwrap().len()
}

/// Whatever is damaged, memory says so or tells the truth, and opening it changes no byte of what is left.
#[tokio::test]
async fn a_memory_with_damaged_pages_says_so_and_invents_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, path) = (folder.path().join("whole.db"), folder.path().join("elf.db"));
    let size = some_memory(&whole).await;
    let truth = |elf: Elf| async move {
        let page = RuleQuery {
            limit: 500,
            ..RuleQuery::default()
        };
        let rules = elf.list_rules(&tenant("a"), page).await?;
        Ok::<_, sandbox_elf::ElfError>(rules.rules)
    };
    let all = truth(Elf::open(&whole).unwrap()).await.unwrap();
    assert_eq!(all.len(), 300);
    let (mut refused, page) = (0, 4_096);
    for number in 0..size / page {
        let mut bytes = std::fs::read(&whole).unwrap();
        let from = usize::try_from(number * page).unwrap();
        bytes[from..from + 4_096].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        let said = match Elf::open(&path) {
            Ok(elf) => truth(elf).await.map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        match said {
            Ok(rules) => assert_eq!(rules, all, "page {number}"),
            Err(said) => {
                refused += 1;
                let words = ["memory", "restore it from a backup"];
                assert!(
                    words.iter().all(|word| said.contains(word)),
                    "page {number}: {said}"
                );
            }
        }
        for beside in ["elf.db-wal", "elf.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(beside));
        }
    }
    assert!(refused > 5, "{refused} of {}", size / page);
}

#[tokio::test]
async fn a_memory_of_a_newer_schema_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("elf.db");
    some_memory(&path).await;
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteLedger::open(&path).err().unwrap();
    assert!(
        matches!(refused, OpenError::Newer { seen: 99, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("newer release"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn two_programs_with_one_file_see_what_the_other_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("elf.db");
    let open = || Arc::new(Elf::open(&path).unwrap());
    let (serve, mcp) = (open(), open());
    let lesson = "[LEARNED:db] Run migrations before the deploy";
    for job in 1..=10 {
        let (here, there) = if job % 2 == 0 {
            (&serve, &mcp)
        } else {
            (&mcp, &serve)
        };
        here.record(&seat(job, 1), &success(&[lesson]))
            .await
            .unwrap();
        let stats = there.stats(&tenant("a")).await.unwrap();
        assert_eq!(stats.total_outcomes, u64::from(job));
    }
}
