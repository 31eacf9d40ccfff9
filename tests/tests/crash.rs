//! The node dies before or after any port call, once or twice, or only an answer is lost, and every
//! story ends as it would have ended.
//!
//! A plain run of a story gives its calls; each of them is then a place to die, on both sides. How
//! often work began is counted by a list that the work itself writes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::{collections::BTreeSet, fs, path::PathBuf};

use sandbox_tests::{
    cluster::{bed::Bed, shared::shared},
    dynamodb::{DynamoServer, world::world},
    flow::{
        drive::{Run, play, play_in},
        killed::{Blow, Kill, Side},
        story::{self, Story},
        world::World,
    },
    redis::RedisServer,
};

/// Runs of each story with two deaths.
const PAIRS: u64 = 200;

fn judge(story: &Story, run: &Run, kills: &[Kill]) {
    let at: Vec<_> = kills.iter().map(|k| (run.passed.get(k.call), *k)).collect();
    assert_eq!(run.ends, story.ends, "killed at {at:?}");
    assert!(run.wrong.is_empty(), "killed at {at:?}: {:?}", run.wrong);
}

async fn meets_once(blow: Blow, story: Story) {
    let plain = play(&story, Vec::new()).await;
    judge(&story, &plain, &[]);
    for call in 0..plain.passed.len() {
        for side in [Side::Before, Side::After] {
            let kill = Kill { call, side, blow };
            let run = play(&story, vec![kill]).await;
            let deaths = u32::from(blow == Blow::Dies);
            assert_eq!(run.deaths, deaths, "{kill:?} was not reached");
            judge(&story, &run, &[kill]);
        }
    }
}

async fn dies_twice(story: Story) {
    let calls = play(&story, Vec::new()).await.passed.len() as u64;
    let mut dice = Dice(calls);
    for _ in 0..PAIRS {
        let kills = vec![dice.kill(calls), dice.kill(calls * 3 / 2)];
        let run = play(&story, kills.clone()).await;
        judge(&story, &run, &kills);
    }
}

/// The same numbers every time (xorshift).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides).unwrap()
    }

    fn kill(&mut self, calls: u64) -> Kill {
        let call = self.throw(calls);
        let side = [Side::Before, Side::After][self.throw(2)];
        let blow = Blow::Dies;
        Kill { call, side, blow }
    }
}

macro_rules! stories {
    ($($name:ident)*) => {
        mod a_job_that {
            $(mod $name {
                #[tokio::test]
                async fn ends_the_same_wherever_the_node_dies() {
                    crate::meets_once(crate::Blow::Dies, crate::story::$name()).await;
                }

                #[tokio::test]
                async fn ends_the_same_whichever_answer_is_lost() {
                    crate::meets_once(crate::Blow::NoAnswer, crate::story::$name()).await;
                }

                #[tokio::test]
                async fn ends_the_same_though_the_node_dies_twice() {
                    crate::dies_twice(crate::story::$name()).await;
                }
            })*
        }

        #[test]
        fn every_story_is_told() {
            let told: Vec<&str> = vec![$(stringify!($name)),*];
            let all: Vec<&str> = story::all().into_iter().map(|(name, _)| name).collect();
            assert_eq!(told, all);
        }
    };
}

stories! {
    succeeds
    fails_then_succeeds
    is_cancelled_while_it_waits
    is_cancelled_at_work
    is_cancelled_before_the_claim
    runs_out_of_time
    loses_a_runner
    loses_sight_of_a_runner
    is_refused_twice
    waits_in_vain_for_a_runner
    is_suspended_and_resumed
    is_forgotten_in_time
}

/// Of the deaths before and after each call of the store, one in so many, with the records on a real Redis.
async fn dies_on_redis(one_in: usize) {
    let server = RedisServer::start().await.unwrap();
    let mut runs = 0;
    let mut play_on = async |story: &Story, kills: Vec<Kill>| {
        runs += 1;
        let store = server.store_beneath(&format!("run-{runs}")).await.unwrap();
        play_in(story, kills, World::on(story, store)).await
    };
    let mut places = 0;
    for (_, story) in story::all() {
        let plain = play_on(&story, Vec::new()).await;
        judge(&story, &plain, &[]);
        let calls = (0..).zip(&plain.passed);
        let calls = calls.filter(|(_, name)| name.starts_with("store."));
        let sides = calls.flat_map(|(call, _)| [(call, Side::Before), (call, Side::After)]);
        for (call, side) in sides {
            places += 1;
            if places % one_in != 0 {
                continue;
            }
            let blow = Blow::Dies;
            let kill = Kill { call, side, blow };
            let run = play_on(&story, vec![kill]).await;
            assert_eq!(run.deaths, 1, "{kill:?} was not reached");
            judge(&story, &run, &[kill]);
        }
    }
    assert!(runs >= 12 + places / one_in, "{runs} of {places}");
}

#[tokio::test]
async fn a_slice_of_all_ends_the_same_with_the_records_on_redis() {
    dies_on_redis(7).await;
}

#[tokio::test]
#[ignore = "half a minute; its slice runs always"]
async fn all_end_the_same_with_the_records_on_redis() {
    dies_on_redis(1).await;
}

/// Of the deaths before and after each call of the store and of the seats, and of their lost answers, one in so many.
async fn dies_in_records(one_in: usize, mut play_on: impl AsyncFnMut(&Story, Vec<Kill>) -> Run) {
    let (mut runs, mut places) = (0, 0);
    for (_, story) in story::all() {
        let plain = play_on(&story, Vec::new()).await;
        judge(&story, &plain, &[]);
        for (call, side) in sides(&plain) {
            for blow in [Blow::Dies, Blow::NoAnswer] {
                places += 1;
                if places % one_in != 0 {
                    continue;
                }
                let kill = Kill { call, side, blow };
                let run = play_on(&story, vec![kill]).await;
                runs += 1;
                assert_eq!(run.deaths, u32::from(blow == Blow::Dies), "{kill:?}");
                judge(&story, &run, &[kill]);
            }
        }
    }
    assert!(runs > 0 && runs == places / one_in, "{runs} of {places}");
}

/// The same with both on a real API server.
async fn dies_on_kubernetes(one_in: usize) {
    let cluster = shared().await;
    let bed = Bed::new(&cluster).await;
    dies_in_records(one_in, async |story: &Story, kills| {
        bed.empty().await;
        play_in(story, kills, bed.world(story).await).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_of_all_ends_the_same_with_jobs_and_seats_as_objects() {
    dies_on_kubernetes(13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "some minutes; its slice runs always"]
async fn all_end_the_same_with_jobs_and_seats_as_objects() {
    dies_on_kubernetes(1).await;
}

/// The same with both in a real DynamoDB table.
async fn dies_on_dynamodb(one_in: usize) {
    let server = DynamoServer::shared().await.unwrap();
    dies_in_records(one_in, async |story: &Story, kills| {
        let settings = server.table_for_jobs().await.unwrap();
        play_in(story, kills, world(story, settings).await).await
    })
    .await;
}

/// Before and after each call of the store and of the seats.
fn sides(run: &Run) -> Vec<(usize, Side)> {
    let ours = |name: &str| name.starts_with("store.") || name.starts_with("seats.");
    let calls = (0..).zip(&run.passed).filter(|(_, name)| ours(name));
    calls
        .flat_map(|(call, _)| [(call, Side::Before), (call, Side::After)])
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_of_all_ends_the_same_with_jobs_and_seats_in_dynamodb() {
    dies_on_dynamodb(37).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "some minutes; its slice runs always"]
async fn all_end_the_same_with_jobs_and_seats_in_dynamodb() {
    dies_on_dynamodb(1).await;
}

fn here(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every call that a story makes, as `port.method`.
async fn points() -> BTreeSet<&'static str> {
    let mut points = BTreeSet::new();
    for (_, story) in story::all() {
        points.extend(play(&story, Vec::new()).await.passed);
    }
    points
}

#[tokio::test]
async fn the_list_of_kill_points_is_the_one_that_was_agreed_on() {
    let points: Vec<&str> = points().await.into_iter().collect();
    let seen = points.join(" before after\n") + " before after\n";
    let file = here("kill-points.txt");
    if fs::read_to_string(&file).unwrap_or_default() != seen {
        fs::write(&file, &seen).unwrap();
        panic!("kill-points.txt was written anew; look at what changed");
    }
}

/// Every asynchronous method of every port, read from the source.
fn methods() -> BTreeSet<String> {
    let source = fs::read_to_string(here("../core/src/port.rs")).unwrap();
    let mut port = String::new();
    let mut found = BTreeSet::new();
    for line in source.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("pub trait ") {
            port = rest.split(':').next().unwrap().to_lowercase();
        } else if let Some(rest) = line.strip_prefix("async fn ") {
            let method = rest.split(['(', '<']).next().unwrap();
            found.insert(format!("{port}.{method}"));
        }
    }
    found
}

#[tokio::test]
async fn every_port_call_has_a_kill_point() {
    let points: BTreeSet<String> = points().await.into_iter().map(str::to_owned).collect();
    assert_eq!(points, methods());
}
