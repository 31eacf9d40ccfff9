//! The promises of back ends, on memory and on a real tmux; then what only tmux can get wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

use std::fs;

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    Claim, FailureClass, Seat, Sighting,
    port::{Backend, PortError},
    spec::BackendName,
};
use sandbox_operator::{
    backend::{memory::MemoryBackend, vps::instance},
    seats::files::sync,
};
use sandbox_tests::{
    backend_contract,
    contract::{
        backend::{Place, new_brief, the_one_alive},
        vps::{Vps, WORK, kill, wait_for},
    },
};

struct InMemory(MemoryBackend);

#[async_trait]
impl Place for InMemory {
    fn backend(&self) -> &dyn Backend {
        &self.0
    }

    async fn up(&self, _seat: &Seat) {}

    async fn over(&self, _instance: &str) {}

    fn starts(&self) -> usize {
        self.0.starts().len()
    }
}

backend_contract!(
    memory,
    crate::InMemory(crate::MemoryBackend::idle(crate::BackendName::Container))
);
backend_contract!(vps, crate::Vps::new(crate::WORK));

/// Claims a seat for the instance that is alive in it, as its runner would.
async fn claim(vps: &Vps, seat: &Seat) -> Claim {
    let claim = Claim {
        nonce: "n".to_owned(),
        instance: the_one_alive(&vps.backend, seat).await,
        at: Timestamp::UNIX_EPOCH,
    };
    sync::claim(&vps.config.seats, seat, claim.clone()).unwrap();
    claim
}

fn alive(claim: &Claim) -> Sighting {
    let instance = claim.instance.clone();
    Sighting::Alive { instance }
}

fn exited(instance: String, code: Option<i32>, signal: Option<i32>) -> Vec<Sighting> {
    vec![Sighting::Exited {
        instance,
        code,
        signal,
    }]
}

async fn remains(vps: &Vps, seat: &Seat, claim: Option<&Claim>) -> u32 {
    vps.backend.look(seat, claim).await.unwrap().remains
}

fn pid_of(instance: &str) -> u32 {
    instance.parse::<instance::Instance>().unwrap().pid
}

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
    assert_eq!((look.sightings, look.remains), (Vec::new(), 0));
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
    assert_eq!((look.sightings, look.remains), (Vec::new(), 0));
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
async fn a_runner_that_dies_with_the_tmux_server_is_not_seen() {
    let vps = Vps::new(WORK);
    let seat = vps.launch().await.seat;
    vps.up(&seat).await;
    let claim = claim(&vps, &seat).await;
    vps.kill_server().await;
    wait_for(&claim.instance).await;
    let look = vps.backend.look(&seat, Some(&claim)).await.unwrap();
    assert_eq!((look.sightings, look.remains), (Vec::new(), 0));
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
