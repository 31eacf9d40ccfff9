//! What holds when the tmux server is killed, deaf, or another one.

use std::fs;

use jiff::Timestamp;
use sandbox_core::{
    Claim, Sighting,
    port::{Backend, PortError},
    spec::BackendName,
};
use sandbox_operator::backend::vps::instance;
use sandbox_tests::contract::{
    backend::{Place, new_brief, the_one_alive},
    vps::{Vps, WORK, wait_for},
};

use crate::{alive, claim, exited, remains};

const DEAF_TO_HANGUPS: &str = "trap '' HUP; say up; exec sleep 600";

#[tokio::test]
async fn a_claimant_outlives_the_tmux_server_and_is_seen() {
    let vps = Vps::new(DEAF_TO_HANGUPS);
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    let claim = claim(&vps, &seat).await;
    vps.kill_server().await;
    let look = vps.backend.look(&seat, Some(&claim)).await.unwrap();
    assert_eq!((look.sightings, look.remains), (vec![alive(&claim)], 0));
    vps.backend.stop(&seat, None).await.unwrap();
    wait_for(&claim.instance).await;
    let look = vps.backend.look(&seat, Some(&claim)).await.unwrap();
    let over = exited(claim.instance, None, None);
    assert_eq!((look.sightings, look.remains), (over, 0));
}

#[tokio::test]
async fn an_unclaimed_runner_that_outlives_the_tmux_server_remains() {
    let vps = Vps::new(DEAF_TO_HANGUPS);
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    vps.kill_server().await;
    let look = vps.backend.look(&seat, None).await.unwrap();
    assert_eq!((look.sightings, look.remains), (Vec::new(), 1));
    vps.backend.reap(&seat).await.unwrap();
    assert_eq!(remains(&vps, &seat, None).await, 0);
}

#[tokio::test]
async fn a_runner_that_dies_with_the_tmux_server_is_seen_to_be_over() {
    let vps = Vps::new(WORK);
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    let claim = claim(&vps, &seat).await;
    vps.kill_server().await;
    wait_for(&claim.instance).await;
    let look = vps.backend.look(&seat, Some(&claim)).await.unwrap();
    let over = exited(claim.instance, None, None);
    assert_eq!((look.sightings, look.remains), (over, 0));
}

#[tokio::test]
async fn a_new_server_takes_new_seats_while_an_old_claimant_works_on() {
    let vps = Vps::new(DEAF_TO_HANGUPS);
    let old = vps.launch().await.seat;
    vps.up(&old).await;
    let claim = claim(&vps, &old).await;
    vps.kill_server().await;
    let new = vps.launch().await.seat;
    vps.up(&new).await;
    the_one_alive(&vps.backend, &new).await;
    let look = vps.backend.look(&old, Some(&claim)).await.unwrap();
    assert_eq!(look.sightings, vec![alive(&claim)]);
}

#[tokio::test]
async fn a_second_instance_beside_the_claimant_is_seen_and_stopped_alone() {
    let vps = Vps::new(DEAF_TO_HANGUPS);
    let brief = vps.launch().await;
    vps.up(&brief.seat).await;
    let first = claim(&vps, &brief.seat).await;
    vps.kill_server().await;
    vps.backend.launch(&brief).await.unwrap();
    vps.up(&brief.seat).await;
    let look = vps
        .restarted()
        .look(&brief.seat, Some(&first))
        .await
        .unwrap();
    let [one, Sighting::Alive { instance: second }] = &look.sightings[..] else {
        panic!("expected two: {look:?}");
    };
    assert_eq!(*one, alive(&first));
    vps.backend
        .stop(&brief.seat, Some(&first.instance))
        .await
        .unwrap();
    wait_for(second).await;
    assert!(instance::is_alive(&first.instance).unwrap());
}

#[tokio::test]
async fn a_server_that_hangs_up_is_unknown_and_not_empty() {
    let vps = Vps::new(WORK);
    fs::create_dir_all(vps.config.socket.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&vps.config.socket).unwrap();
    let hang_up = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let answer = vps
        .backend
        .look(&new_brief(BackendName::Vps).seat, None)
        .await;
    assert!(matches!(answer, Err(PortError::Unknown(_))), "{answer:?}");
    hang_up.join().unwrap();
}

#[tokio::test]
async fn a_claimant_is_seen_although_tmux_is_of_no_help() {
    let vps = Vps::new(WORK);
    fs::create_dir_all(vps.config.socket.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&vps.config.socket).unwrap();
    let hang_up = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let me = Claim {
        nonce: "n".to_owned(),
        instance: instance::this_instance().unwrap(),
        at: Timestamp::UNIX_EPOCH,
    };
    let seat = new_brief(BackendName::Vps).seat;
    let look = vps.backend.look(&seat, Some(&me)).await.unwrap();
    assert_eq!(look.sightings, vec![alive(&me)]);
    hang_up.join().unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unknown_and_not_empty() {
    let vps = Vps::new(WORK);
    fs::create_dir_all(vps.config.socket.parent().unwrap()).unwrap();
    let _deaf = std::os::unix::net::UnixListener::bind(&vps.config.socket).unwrap();
    let answer = vps
        .backend
        .look(&new_brief(BackendName::Vps).seat, None)
        .await;
    let silent = |e: &PortError| matches!(e, PortError::Unknown(t) if t.contains("no answer"));
    assert!(answer.as_ref().is_err_and(silent), "{answer:?}");
}
