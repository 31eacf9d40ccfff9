//! How a seat ends in a container: by itself, for want of memory, by somebody else's hand.

use jiff::Timestamp;
use sandbox_core::{
    Claim, FailureClass, Sighting,
    port::Backend,
    spec::{BackendSpec, ContainerResources, ContainerSpec},
};
use sandbox_operator::store::memory::MemoryStore;
use sandbox_tests::contract::{
    backend::{Place, the_one_alive},
    container::{Container, WORK},
};

use crate::{end, seen};

#[tokio::test]
async fn an_exit_code_and_the_last_words_of_a_runner_that_never_claimed_are_told() {
    let place = Container::new("echo cannot read the brief >&2; exit 7");
    let seat = place.launch().await.seat;
    place.wait(&seat);
    let (code, signal, why) = end(seen(&place, &seat, None).await);
    assert_eq!((code, signal), (Some(7), None));
    let (class, text) = why.unwrap();
    assert_eq!(class, FailureClass::Infrastructure);
    assert!(text.contains("cannot read the brief"), "{text}");
}

#[tokio::test]
async fn work_that_runs_out_of_memory_is_told_so_and_by_how_much() {
    let place = Container::new("say up; exec tail /dev/zero");
    let mut brief = place.brief();
    brief.spec.backend = Some(BackendSpec {
        name: brief.backend,
        container: Some(ContainerSpec {
            resources: Some(ContainerResources {
                memory: Some("32Mi".to_owned()),
                ..ContainerResources::default()
            }),
            ..ContainerSpec::default()
        }),
        ..BackendSpec::default()
    });
    place.backend.launch(&brief).await.unwrap();
    place.wait(&brief.seat);
    let (_, signal, why) = end(seen(&place, &brief.seat, None).await);
    assert_eq!(signal, Some(9));
    let (class, text) = why.unwrap();
    assert_eq!(class, FailureClass::AgentError);
    assert!(text.contains("32 MiB"), "{text}");
}

#[tokio::test]
async fn a_container_that_somebody_kills_is_over_and_its_job_is_called() {
    let place = Container::new(WORK);
    let seat = place.launch().await.seat;
    place.up(&seat).await;
    let follow = tokio::spawn(place.backend.clone().follow());
    // Whoever begins to listen looks at everything first: that call is not the one of the end.
    assert_eq!(place.called().await, seat.uid);
    place.engine.done(&["kill", &place.name(&seat)]);
    let (code, signal, why) = end(seen(&place, &seat, None).await);
    assert_eq!((code, signal, why), (None, Some(9), None));
    assert_eq!(place.called().await, seat.uid);
    follow.abort();
}

#[tokio::test]
async fn a_container_that_somebody_removes_is_seen_no_more_and_never_taken_for_alive() {
    let place = Container::new(WORK);
    let seat = place.launch().await.seat;
    place.up(&seat).await;
    let claim = Claim {
        nonce: "n".to_owned(),
        instance: the_one_alive(place.backend(), &seat).await,
        at: Timestamp::UNIX_EPOCH,
    };
    place.engine.done(&["rm", "-f", &place.name(&seat)]);
    let look = place.backend.look(&seat, Some(&claim)).await.unwrap();
    assert_eq!((look.sightings, look.remains), (Vec::new(), 0));
}

#[tokio::test]
async fn a_paused_container_is_alive_and_ends_when_it_is_reaped() {
    let place = Container::new(WORK);
    let seat = place.launch().await.seat;
    place.up(&seat).await;
    place.engine.done(&["pause", &place.name(&seat)]);
    assert!(matches!(
        seen(&place, &seat, None).await,
        Sighting::Alive { .. }
    ));
    place.backend.reap(&seat).await.unwrap();
    let look = place.backend.look(&seat, None).await.unwrap();
    assert!(look.sightings.is_empty(), "{look:?}");
}

#[tokio::test]
async fn one_that_does_not_end_is_killed_after_its_grace() {
    let place = Container::new("trap 'say asked' TERM; say up; while :; do sleep 0.01; done");
    let seat = place.launch().await.seat;
    place.up(&seat).await;
    place.backend.stop(&seat, None).await.unwrap();
    place.said(&seat, "asked").await;
    the_one_alive(place.backend(), &seat).await;
    place.backend.stop(&seat, None).await.unwrap();
    place.wait(&seat);
    let (_, signal, _) = end(seen(&place, &seat, None).await);
    assert_eq!(signal, Some(9));
}

#[tokio::test]
async fn containers_that_no_job_needs_are_swept_and_a_strangers_is_not() {
    let (place, other) = (Container::new(WORK), Container::new(WORK));
    let orphan = place.launch().await.seat;
    let theirs = other.launch().await.seat;
    place.up(&orphan).await;
    other.up(&theirs).await;
    let store = MemoryStore::default();
    assert_eq!(place.backend.sweep(&store).await.unwrap(), 1);
    let look = place.backend.look(&orphan, None).await.unwrap();
    assert!(look.sightings.is_empty(), "{look:?}");
    the_one_alive(other.backend(), &theirs).await;
    assert_eq!(place.backend.sweep(&store).await.unwrap(), 0);
}
