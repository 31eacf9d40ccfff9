//! How a seat begins in tmux: once, under its name, with its own environment.

use std::fs;

use sandbox_core::{
    FailureClass, Sighting,
    port::{Backend, PortError},
    spec::BackendName,
};
use sandbox_operator::seats::files::sync;
use sandbox_tests::contract::{
    backend::{Place, new_brief},
    vps::{Vps, WORK, wait_for},
};

#[tokio::test]
async fn launches_at_once_share_one_server() {
    let vps = Vps::new(WORK);
    let briefs: Vec<_> = (0..20).map(|_| new_brief(BackendName::Vps)).collect();
    let launches = briefs.iter().map(|b| vps.backend.launch(b));
    let answers = futures::future::join_all(launches).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    for brief in &briefs {
        vps.up(&brief.seat).await;
    }
    assert_eq!(vps.tmux(&["list-sessions"]).lines().count(), 20);
    assert_eq!(vps.starts(), 20);
}

#[tokio::test]
async fn a_strangers_session_of_the_same_name_is_refused_and_left_alone() {
    let vps = Vps::new(WORK);
    vps.backend.ready().await.unwrap();
    let brief = new_brief(BackendName::Vps);
    let (_, name) = vps.backend.name_of(&brief.seat);
    vps.tmux(&["new-session", "-d", "-s", &name, "--", "sleep", "600"]);
    let answer = vps.backend.launch(&brief).await;
    let refused = |f: &PortError| matches!(f, PortError::Refused(f) if f.class == FailureClass::Infrastructure);
    assert!(answer.as_ref().is_err_and(refused), "{answer:?}");
    assert_eq!(vps.starts(), 0);
    assert_eq!(vps.tmux(&["list-sessions"]).lines().count(), 1);
}

#[tokio::test]
async fn the_first_brief_stands() {
    let vps = Vps::new(WORK);
    let brief = vps.launch().await;
    let mut other = brief.clone();
    other.name = "another".to_owned();
    vps.backend.launch(&other).await.unwrap();
    assert_eq!(sync::brief(&vps.config.seats, &brief.seat).unwrap(), brief);
}

#[tokio::test]
async fn a_runner_gets_its_environment_and_nothing_of_ours() {
    let vps = Vps::with(
        "say \"$API_KEY,${CARGO_MANIFEST_DIR:-none},$SANDBOX_SEAT\"; exec sleep 600",
        |config| {
            config
                .env
                .insert("API_KEY".to_owned(), "a secret; with $signs".to_owned());
        },
    );
    let seat = vps.launch().await.seat;
    assert_eq!(
        vps.said(&seat).await,
        format!("a secret; with $signs,none,{seat}")
    );
}

#[tokio::test]
async fn a_server_that_runs_already_learns_of_a_new_environment() {
    let vps = Vps::new("say \"${API_KEY:-none}\"; exec sleep 600");
    let seat = vps.launch().await.seat;
    assert_eq!(vps.said(&seat).await, "none");
    let mut config = vps.config.clone();
    config.env.insert("API_KEY".to_owned(), "new".to_owned());
    let other = sandbox_operator::backend::vps::VpsBackend::new(config).unwrap();
    let brief = new_brief(BackendName::Vps);
    other.launch(&brief).await.unwrap();
    assert_eq!(vps.said(&brief.seat).await, "new");
}

#[tokio::test]
async fn a_runner_that_cannot_be_started_is_seen_to_have_exited() {
    let vps = Vps::with(WORK, |_| {});
    fs::remove_file(&vps.config.runner).unwrap();
    let seat = vps.launch().await.seat;
    let look = vps.backend.look(&seat, None).await.unwrap();
    // It may not have failed yet: then its end is waited for.
    if let [Sighting::Alive { instance }] = &look.sightings[..] {
        wait_for(instance).await;
    }
    let look = vps.backend.look(&seat, None).await.unwrap();
    assert!(
        matches!(
            &look.sightings[..],
            [Sighting::Exited { code: Some(1), .. }]
        ),
        "{look:?}"
    );
}

#[tokio::test]
async fn a_log_is_read_in_pieces() {
    let vps = Vps::new(WORK);
    let seat = vps.launch().await.seat;
    fs::write(sync::log_path(&vps.config.seats, &seat), "one\ntwo\n").unwrap();
    let first = vps.backend.logs(&seat, 0, 4).await.unwrap();
    assert_eq!((first.text.as_str(), first.next), ("one\n", 4));
    let next = vps.backend.logs(&seat, first.next, 100).await.unwrap();
    assert_eq!((next.text.as_str(), next.next), ("two\n", 8));
    let end = vps.backend.logs(&seat, next.next, 100).await.unwrap();
    assert_eq!((end.text.as_str(), end.next), ("", 8));
}
