//! Started once, whatever happens on the way.

use std::time::Duration;

use sandbox_core::{
    FailureClass,
    port::{Backend, PortError},
    spec::FargateCapacity,
};
use sandbox_operator::backend::fargate::OWNER_TAG;
use sandbox_tests::{
    contract::{
        backend::{Place, the_one_alive},
        fargate::{Fargate, WORK},
    },
    ecs::Fault,
};
use serde_json::json;

/// As often as the SDK tries a call.
const TRIES: usize = 3;

fn fails(place: &Fargate, fault: &Fault) {
    for _ in 0..TRIES {
        place.ecs.next("RunTask", fault.clone());
    }
}

fn refusal(answer: Result<(), PortError>) -> (FailureClass, String) {
    match answer {
        Err(PortError::Refused(f)) => (f.class, f.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_start_is_found_again_by_the_same_token() {
    let place = Fargate::new(WORK).await;
    let brief = place.brief().await;
    fails(&place, &Fault::AnswerLost);
    let lost = place.backend.launch(&brief).await;
    assert!(matches!(lost, Err(PortError::Unknown(_))), "{lost:?}");
    place.up(&brief.seat).await;
    place.restarted().launch(&brief).await.unwrap();
    place.backend.launch(&brief).await.unwrap();
    the_one_alive(place.backend(), &brief.seat).await;
    assert_eq!((place.starts(), place.ecs.begun().len()), (1, 1));
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_is_seen_without_being_asked_for_again() {
    let place = Fargate::new(WORK).await;
    let brief = place.brief().await;
    fails(&place, &Fault::AnswerLost);
    place.backend.launch(&brief).await.unwrap_err();
    place.up(&brief.seat).await;
    let instance = the_one_alive(place.backend(), &brief.seat).await;
    assert_eq!(instance, format!("task:{}", place.ecs.begun()[0]));
}

#[tokio::test]
async fn throttling_and_failures_start_nothing_and_are_asked_again_with_a_reason() {
    let place = Fargate::new(WORK).await;
    let brief = place.brief().await;
    for fault in [Fault::Failed, Fault::Throttled] {
        fails(&place, &fault);
        let answer = place.backend.launch(&brief).await;
        assert!(matches!(answer, Err(PortError::Unknown(_))), "{answer:?}");
    }
    let look = place.backend.look(&brief.seat, None).await.unwrap();
    assert!(look.sightings.is_empty());
    assert!(look.preparing.unwrap().contains("asked too often"));
    place.backend.launch(&brief).await.unwrap();
    place.up(&brief.seat).await;
    assert_eq!(place.starts(), 1);
}

#[tokio::test]
async fn whatever_goes_wrong_at_once_each_seat_is_started_once() {
    let place = Fargate::new(WORK).await;
    let mut briefs = Vec::new();
    for _ in 0..12 {
        briefs.push(place.brief().await);
    }
    for fault in [Fault::AnswerLost, Fault::Throttled, Fault::Failed]
        .iter()
        .cycle()
        .take(60)
    {
        place.ecs.next("RunTask", fault.clone());
    }
    // Two control planes that do not know of each other launch the same seats, again and again.
    let others = [place.restarted(), place.restarted()];
    let launches = briefs.iter().map(|brief| {
        let others = &others;
        async move {
            for _ in 0..40 {
                let [one, other] = others;
                let answers = [one.launch(brief).await, other.launch(brief).await];
                if answers.iter().all(Result::is_ok) {
                    return;
                }
            }
            panic!("seat {} was never launched", brief.seat);
        }
    });
    futures::future::join_all(launches).await;
    for brief in &briefs {
        place.up(&brief.seat).await;
        the_one_alive(&others[0], &brief.seat).await;
    }
    assert_eq!((place.starts(), place.ecs.begun().len()), (12, 12));
}

#[tokio::test]
async fn a_launch_that_is_repeated_with_other_settings_of_ours_finds_the_task_of_before() {
    let place = Fargate::new(WORK).await;
    let (brief, arn) = place.launch().await;
    let other = place.restarted_with(|c| c.subnets.push("subnet-2".to_owned()));
    other.launch(&brief).await.unwrap();
    assert_eq!(
        the_one_alive(&other, &brief.seat).await,
        format!("task:{arn}")
    );
    assert_eq!(place.ecs.begun().len(), 1);
}

#[tokio::test]
async fn a_task_that_ecs_does_not_tell_of_yet_is_not_started_again() {
    let place = Fargate::new(WORK).await;
    place.ecs.tells_after(Duration::from_hours(1));
    let (brief, arn) = place.launch().await;
    assert_eq!(
        the_one_alive(place.backend(), &brief.seat).await,
        format!("task:{arn}")
    );
    // Another process of ours does not know it, and asks ECS, which says nothing: then the token says it.
    let other = place.restarted();
    let look = other.look(&brief.seat, None).await.unwrap();
    assert!(look.sightings.is_empty());
    other.launch(&brief).await.unwrap();
    the_one_alive(&other, &brief.seat).await;
    assert_eq!(place.ecs.begun().len(), 1);
}

#[tokio::test]
async fn without_spot_the_next_choice_is_capacity_on_demand() {
    let place = Fargate::with(WORK, |c| c.capacity = FargateCapacity::SpotWithFallback).await;
    place.ecs.has_capacity("FARGATE_SPOT", false);
    let brief = place.brief().await;
    let answer = place.backend.launch(&brief).await;
    let said =
        |e: &PortError| matches!(e, PortError::NoRoom(t) if t.contains("Capacity is unavailable"));
    assert!(answer.as_ref().is_err_and(said), "{answer:?}");
    let next = |job: &mut sandbox_core::AgentJob| {
        if let Some(intent) = job.status.as_mut().and_then(|s| s.intent.as_mut()) {
            intent.choice += 1;
        }
    };
    place.change(&brief.seat.uid, next).await;
    place.backend.launch(&brief).await.unwrap();
    place.up(&brief.seat).await;
    let asked = place.ecs.launches();
    let capacity = |n: usize| asked[n]["capacityProviderStrategy"][0]["capacityProvider"].clone();
    assert_eq!(
        (capacity(0), capacity(1)),
        (json!("FARGATE_SPOT"), json!("FARGATE"))
    );
    assert_ne!(asked[0]["clientToken"], asked[1]["clientToken"]);
    assert_eq!(asked[0]["startedBy"], asked[1]["startedBy"]);
    assert_eq!(place.starts(), 1);
}

#[tokio::test]
async fn more_launches_than_a_second_has_wait_for_their_turn_and_say_so() {
    let place = Fargate::with(WORK, |c| c.launches = (1, 1)).await;
    let briefs = [
        place.brief().await,
        place.brief().await,
        place.brief().await,
    ];
    let launches = briefs.iter().map(|brief| place.backend.launch(brief));
    let answers = futures::future::join_all(launches).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    for (brief, answer) in briefs.iter().zip(&answers).skip(1) {
        assert!(matches!(answer, Err(PortError::Unknown(_))), "{answer:?}");
        let look = place.backend.look(&brief.seat, None).await.unwrap();
        assert!(look.preparing.unwrap().contains("more tasks wait"));
    }
    assert_eq!(place.ecs.asked("RunTask"), 1);
}

#[tokio::test]
async fn what_will_never_be_started_is_refused_in_words_that_say_what_to_do() {
    let place = Fargate::new(WORK).await;
    let brief = place.brief().await;
    let rights = "User: arn:aws:sts::1:assumed-role/operator is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/task";
    place
        .ecs
        .next("RunTask", Fault::Refused("AccessDeniedException", rights));
    let (class, text) = refusal(place.backend.launch(&brief).await);
    assert_eq!(class, FailureClass::Infrastructure);
    assert!(
        text.contains("iam:PassRole") && text.contains("docs/fargate.md"),
        "{text}"
    );
    let elsewhere = place.restarted_with(|c| c.cluster = "other".to_owned());
    let (_, text) = refusal(elsewhere.launch(&brief).await);
    assert!(text.contains("AWS_REGION"), "{text}");
    place.ecs.next(
        "RunTask",
        Fault::Refused("ClientException", "TaskDefinition not found."),
    );
    let (_, text) = refusal(place.backend.launch(&brief).await);
    assert!(text.contains("--fargate-task-definition"), "{text}");
    let quota = "You've reached the limit on the number of vCPUs you can run concurrently";
    place
        .ecs
        .next("RunTask", Fault::Refused("ClientException", quota));
    let full = place.backend.launch(&brief).await;
    assert!(
        matches!(&full, Err(PortError::NoRoom(t)) if t.contains("Service Quotas")),
        "{full:?}"
    );
    assert!(place.ecs.begun().is_empty());
}

#[tokio::test]
async fn a_task_says_whose_it_is_and_what_it_costs_by_its_tags_and_has_the_size_of_its_job() {
    let place = Fargate::new(WORK).await;
    let asked = json!({"resources": {"cpu": "2", "memory": "5Gi"}, "ephemeralStorage": "30Gi"});
    let brief = place.brief_of(&asked).await;
    place.backend.launch(&brief).await.unwrap();
    place.up(&brief.seat).await;
    let sent = &place.ecs.launches()[0];
    assert_eq!(sent["overrides"]["cpu"], "2048");
    assert_eq!(sent["overrides"]["memory"], "5120");
    assert_eq!(sent["overrides"]["ephemeralStorage"]["sizeInGiB"], 30);
    assert_eq!(sent["startedBy"], brief.seat.object_name());
    let tags = sent["tags"].to_string();
    assert!(
        tags.contains(OWNER_TAG) && tags.contains(brief.seat.uid.as_str()),
        "{tags}"
    );
    let look = place.backend.look(&brief.seat, None).await.unwrap();
    assert_eq!(
        look.image.as_deref(),
        Some("registry.example.org/runner:0.1.0@sha256:0123")
    );
}
