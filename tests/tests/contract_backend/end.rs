//! How what runs in tmux ends, is seen to end, and is ended.

use sandbox_core::{Sighting, port::Backend, spec::BackendName};
use sandbox_tests::contract::{
    backend::{Place, new_brief, the_one_alive},
    vps::{Vps, WORK, kill, wait_for},
};

use crate::{alive, claim, exited, pid_of, remains};

#[tokio::test]
async fn an_exit_code_is_seen() {
    let vps = Vps::new("say up; read line; exit 7");
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    let claim = claim(&vps, &seat).await;
    let (_, name) = vps.backend.name_of(&seat);
    vps.tmux(&["send-keys", "-t", &format!("={name}:"), "Enter"]);
    wait_for(&claim.instance).await;
    let look = vps.backend.look(&seat, Some(&claim)).await.unwrap();
    assert_eq!(look.sightings, exited(claim.instance, Some(7), None));
}

#[tokio::test]
async fn no_exit_code_is_lost_on_the_way_through_tmux() {
    let vps = Vps::new("exit 7");
    for _ in 0..40 {
        let seat = vps.launch().await.seat;
        let look = vps.backend.look(&seat, None).await.unwrap();
        if let [Sighting::Alive { instance }] = &look.sightings[..] {
            wait_for(instance).await;
        }
        let look = vps.backend.look(&seat, None).await.unwrap();
        assert!(
            matches!(
                &look.sightings[..],
                [Sighting::Exited { code: Some(7), .. }]
            ),
            "{look:?}"
        );
    }
}

#[tokio::test]
async fn a_signal_is_seen() {
    let vps = Vps::new(WORK);
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    let claim = claim(&vps, &seat).await;
    kill(pid_of(&claim.instance));
    wait_for(&claim.instance).await;
    let look = vps.backend.look(&seat, Some(&claim)).await.unwrap();
    assert_eq!(look.sightings, exited(claim.instance, None, Some(9)));
}

const WITH_A_STRAY: &str = "setsid sleep 600 & say up; sleep 600";

#[tokio::test]
async fn what_a_killed_runner_left_is_reported_and_reaped() {
    let vps = Vps::new(WITH_A_STRAY);
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    let claim = claim(&vps, &seat).await;
    kill(pid_of(&claim.instance));
    wait_for(&claim.instance).await;
    assert!(remains(&vps, &seat, Some(&claim)).await >= 1);
    vps.backend.reap(&seat).await.unwrap();
    let look = vps.backend.look(&seat, Some(&claim)).await.unwrap();
    let over = exited(claim.instance, None, None);
    assert_eq!((look.sightings, look.remains), (over, 0));
}

#[tokio::test]
async fn what_refuses_to_end_is_reaped_all_the_same() {
    let vps = Vps::new("trap '' TERM HUP; setsid sleep 600 & say up; sleep 600; sleep 600");
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    vps.backend.reap(&seat).await.unwrap();
    let look = vps.backend.look(&seat, None).await.unwrap();
    assert_eq!((look.sightings, look.remains), (Vec::new(), 0));
}

#[tokio::test]
async fn reaping_one_seat_leaves_the_others_alone() {
    let vps = Vps::new(WITH_A_STRAY);
    let (one, other) = (vps.launch().await.seat, vps.launch().await.seat);
    vps.up(&one).await;
    vps.up(&other).await;
    vps.backend.reap(&one).await.unwrap();
    the_one_alive(&vps.backend, &other).await;
    assert!(remains(&vps, &other, None).await >= 1);
}

#[tokio::test]
async fn many_seats_are_reaped_at_once_though_some_have_no_session() {
    let vps = Vps::new(WORK);
    let mut seats = Vec::new();
    for _ in 0..6 {
        let seat = vps.launch().await.seat;
        vps.up(&seat).await;
        seats.push(seat);
        seats.push(new_brief(BackendName::Vps).seat);
    }
    let reaps = seats.iter().map(|seat| vps.backend.reap(seat));
    let answers = futures::future::join_all(reaps).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(vps.tmux(&["list-sessions"]), "");
}

#[tokio::test]
async fn a_runner_that_ignores_the_question_is_ended_after_its_grace_by_whoever_asks_then() {
    let vps = Vps::new("trap '' TERM; say up; while :; do sleep 1; done");
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    let claim = claim(&vps, &seat).await;
    vps.backend.stop(&seat, None).await.unwrap();
    assert_eq!(the_one_alive(&vps.backend, &seat).await, claim.instance);
    vps.restarted().stop(&seat, None).await.unwrap();
    wait_for(&claim.instance).await;
    let look = vps.backend.look(&seat, Some(&claim)).await.unwrap();
    assert_eq!(look.sightings, exited(claim.instance, None, Some(9)));
}

#[tokio::test]
async fn within_its_grace_a_runner_is_asked_only_once() {
    let script = "trap 'say asked' TERM; say up; while :; do sleep 0.01; done";
    let vps = Vps::with(script, |config| {
        config.grace = std::time::Duration::from_hours(1);
    });
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    for _ in 0..3 {
        vps.backend.stop(&seat, None).await.unwrap();
    }
    assert_eq!(vps.said(&seat).await, "asked");
    the_one_alive(&vps.backend, &seat).await;
}

#[tokio::test]
async fn a_runner_that_closes_its_terminal_is_alive() {
    let vps = Vps::new("trap '' HUP; say up; exec sleep 600 < /dev/null > /dev/null 2>&1");
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    let claim = claim(&vps, &seat).await;
    vps.pane_is_closed(&seat).await;
    let look = vps.backend.look(&seat, None).await.unwrap();
    assert_eq!(look.sightings, vec![alive(&claim)]);
    kill(pid_of(&claim.instance));
    wait_for(&claim.instance).await;
    let look = vps.backend.look(&seat, Some(&claim)).await.unwrap();
    assert_eq!(look.sightings, exited(claim.instance, None, Some(9)));
}
