//! How tasks end, are seen to end, are ended, and are left alone.

use jiff::Timestamp;
use sandbox_core::{Claim, FailureClass, Seat, Sighting, port::Backend};
use sandbox_operator::tokens::Tokens;
use sandbox_tests::{
    contract::{
        backend::{Place, the_one_alive},
        fargate::{Fargate, WORK},
    },
    ecs::Stop,
};

async fn only(backend: &dyn Backend, seat: &Seat, claim: Option<&Claim>) -> Sighting {
    let look = backend.look(seat, claim).await.unwrap();
    match &look.sightings[..] {
        [one] => one.clone(),
        other => panic!("{other:?}"),
    }
}

fn claim(arn: &str) -> Claim {
    Claim {
        nonce: "n".to_owned(),
        instance: format!("task:{arn}"),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn class(sighting: &Sighting) -> Option<FailureClass> {
    match sighting {
        Sighting::Exited { why, .. } => why.as_ref().map(|w| w.class),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn spot_that_is_taken_back_is_seen_to_be_that() {
    let place = Fargate::new(WORK).await;
    let (brief, arn) = place.launch().await;
    place.ecs.stops(&arn, Stop::Spot);
    place.ecs.until(&arn, "STOPPED").await;
    let seen = only(&place.restarted(), &brief.seat, Some(&claim(&arn))).await;
    assert_eq!(class(&seen), Some(FailureClass::Preempted));
}

#[tokio::test]
async fn an_exit_code_is_seen_and_a_kill_is_told_from_it() {
    let place = Fargate::new("say up; exit 7").await;
    let (brief, arn) = place.launch().await;
    place.ecs.until(&arn, "STOPPED").await;
    let seen = only(&place.restarted(), &brief.seat, Some(&claim(&arn))).await;
    assert!(
        matches!(
            seen,
            Sighting::Exited {
                code: Some(7),
                signal: None,
                why: None,
                ..
            }
        ),
        "{seen:?}"
    );
    let place = Fargate::new(WORK).await;
    let (brief, arn) = place.launch().await;
    place.ecs.kills(&arn);
    place.ecs.until(&arn, "STOPPED").await;
    let seen = only(&place.restarted(), &brief.seat, Some(&claim(&arn))).await;
    assert!(
        matches!(
            seen,
            Sighting::Exited {
                code: None,
                signal: Some(9),
                ..
            }
        ),
        "{seen:?}"
    );
}

#[tokio::test]
async fn an_image_that_is_not_there_is_said_to_be_missing() {
    let place = Fargate::new(WORK).await;
    place.ecs.cannot_start("CannotPullContainerError: pull image manifest has been retried 1 time(s): registry.example.org/runner:0.1.0: not found");
    let brief = place.brief().await;
    place.backend.launch(&brief).await.unwrap();
    let arn = task_of(&place);
    place.ecs.until(&arn, "STOPPED").await;
    let seen = only(&place.restarted(), &brief.seat, Some(&claim(&arn))).await;
    assert_eq!(class(&seen), Some(FailureClass::InvalidSpec));
    assert_eq!(place.starts(), 0);
}

/// The only task there is.
fn task_of(place: &Fargate) -> String {
    let events = place.ecs.events();
    events[0]["detail"]["taskArn"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_task_that_ecs_tells_nothing_of_any_more_is_unknown_and_not_over() {
    let place = Fargate::new(WORK).await;
    let (brief, arn) = place.launch().await;
    place.ecs.loses(&arn);
    let seen = only(&place.restarted(), &brief.seat, Some(&claim(&arn))).await;
    let told =
        matches!(&seen, Sighting::Unknown { why } if why.contains("nothing is known of the task"));
    assert!(told, "{seen:?}");
}

#[tokio::test]
async fn the_end_of_a_task_is_noticed_though_its_event_was_lost() {
    let place = Fargate::new("say up; read line < /dev/null; exit 3").await;
    let (brief, arn) = place.launch().await;
    place.ecs.until(&arn, "STOPPED").await;
    let following = tokio::spawn(place.backend.clone().follow());
    let called = tokio::time::timeout(std::time::Duration::from_mins(1), async {
        let mut calls = place.calls.lock().await;
        while calls.recv().await != Some(brief.seat.uid.clone()) {}
    });
    called.await.unwrap();
    following.abort();
    let seen = only(place.backend(), &brief.seat, None).await;
    assert!(
        matches!(seen, Sighting::Exited { code: Some(3), .. }),
        "{seen:?}"
    );
}

#[tokio::test]
async fn events_may_come_in_the_worst_order_and_twice() {
    let place = Fargate::new("say up; exit 3").await;
    let (brief, arn) = place.launch().await;
    place.ecs.until(&arn, "STOPPED").await;
    let events = place.ecs.events();
    let news: Vec<bool> = events.iter().map(|e| place.backend.hear(e)).collect();
    assert_eq!(
        news.iter().filter(|n| **n).count(),
        1,
        "the first says it all: {news:?}"
    );
    let seen = only(place.backend(), &brief.seat, None).await;
    assert!(
        matches!(seen, Sighting::Exited { code: Some(3), .. }),
        "{seen:?}"
    );
    assert_eq!(place.ecs.asked("DescribeTasks"), 0, "nobody had to ask");
}

#[tokio::test]
async fn a_second_task_beside_the_claimant_is_seen_and_ended_alone() {
    let place = Fargate::new(WORK).await;
    let (brief, first) = place.launch().await;
    // The token's time is over: ECS starts another.
    place.ecs.forgets_tokens();
    let other = place.restarted();
    other.launch(&brief).await.unwrap();
    place.ecs.until_begun(2).await;
    let second = place.ecs.begun().pop().unwrap();
    let look = other.look(&brief.seat, Some(&claim(&first))).await.unwrap();
    assert_eq!(look.sightings.len(), 2, "{look:?}");
    other
        .stop(&brief.seat, Some(&format!("task:{first}")))
        .await
        .unwrap();
    place.ecs.until(&second, "STOPPED").await;
    let look = other.look(&brief.seat, Some(&claim(&first))).await.unwrap();
    let alive =
        |s: &Sighting| matches!(s, Sighting::Alive { instance } if instance.ends_with(&first));
    assert!(look.sightings.iter().any(alive), "{look:?}");
}

#[tokio::test]
async fn a_task_that_no_job_needs_is_ended_and_those_of_others_are_not() {
    let place = Fargate::new(WORK).await;
    let (kept, _) = place.launch().await;
    let (gone, orphan) = place.launch().await;
    place.removed(&gone.seat.uid).await;
    let stranger = place.restarted_with(|c| c.tokens = Tokens::new(b"somebody else"));
    let theirs = place.brief().await;
    stranger.launch(&theirs).await.unwrap();
    place.up(&theirs.seat).await;
    place.removed(&theirs.seat.uid).await;
    assert_eq!(place.backend.sweep().await, Ok(1));
    place.ecs.until(&orphan, "STOPPED").await;
    the_one_alive(place.backend(), &kept.seat).await;
    the_one_alive(&stranger, &theirs.seat).await;
    assert_eq!(place.restarted().sweep().await, Ok(0));
}

#[tokio::test]
async fn what_does_not_listen_is_killed_when_its_time_is_over_and_the_reaper_waits_for_it() {
    let place = Fargate::new("trap '' TERM; say up; while :; do sleep 0.05; done").await;
    let (brief, arn) = place.launch().await;
    place.backend.reap(&brief.seat).await.unwrap();
    place.ecs.until(&arn, "STOPPED").await;
    let look = place
        .backend
        .look(&brief.seat, Some(&claim(&arn)))
        .await
        .unwrap();
    assert!(look.sightings.is_empty(), "{look:?}");
}
