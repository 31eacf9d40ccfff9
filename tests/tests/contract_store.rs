//! Every promise of a store, on every store of the list.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use sandbox_tests::{
    cluster::{bed::Bed, shared::shared},
    contract::{store, store_edges, store_line},
    dynamodb::DynamoServer,
    redis::RedisServer,
};

macro_rules! promises {
    ($from:ident: $($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let folder = tempfile::tempdir().unwrap();
            let cluster = shared().await;
            let server = RedisServer::start().await.unwrap();
            let mut all = sandbox_operator::store::all(folder.path()).unwrap();
            all.push(("redis", server.store().await.unwrap()));
            let dynamodb = DynamoServer::shared().await.unwrap();
            all.push(("dynamodb", dynamodb.jobs().await.unwrap()));
            for (word, store) in all {
                println!("on {word}");
                $from::$name(store).await;
            }
            println!("on kubernetes");
            let bed = Bed::new(&cluster).await;
            $from::$name(bed.process().await.store()).await;
        })*
    };
}

promises! { store:
    a_created_job_is_read_back_as_it_was
    the_same_key_gives_the_same_job
    a_name_is_given_once_within_a_tenant
    an_old_version_loses_and_writes_nothing
    two_planners_never_both_take_the_last_slot
    holds_are_replaced_and_given_back
    a_refused_neighbour_hurts_nobody
    a_reader_of_events_misses_none
    a_tenant_sees_only_its_own
    pages_cover_everything_once
    filters_give_just_what_they_name
    a_foreign_cursor_is_refused
    admission_counts_those_that_go_first
    a_job_that_is_gone_is_not_brought_back
}

promises! { store_edges:
    one_of_many_saves_of_a_version_wins
    many_with_one_key_get_one_job
    what_a_removed_job_had_is_free_again
    a_job_is_not_removed_by_who_read_it_too_early
    reservations_fit_together_or_not_at_all
    a_save_does_not_move_a_job
    a_job_that_nobody_named_is_refused
    a_jobs_events_tell_its_saves_in_order
    pages_keep_their_bounds
    jobs_of_one_moment_have_one_order
}

promises! { store_line:
    those_that_wait_count_with_what_they_want
    a_job_is_found_by_its_key_and_only_by_its_own_tenant
    jobs_of_before_a_time_are_found
    the_ends_of_the_event_log_are_known
}
