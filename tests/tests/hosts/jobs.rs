//! Jobs of a control plane on a machine elsewhere, from their submission to their end, also where one of the two is started
//! anew meanwhile.

use std::time::Duration;

use rustix::process::Signal;
use sandbox_core::{FailureClass, Outcome, port::Backend};
use sandbox_tests::tower::{Machine, Tower};
use serde_json::json;

const LEASE: Duration = Duration::from_mins(10);

#[tokio::test]
async fn a_job_runs_there_and_leaves_its_result_and_its_log_here_and_nothing_there() {
    let machine = Machine::start();
    let tower = Tower::of(&machine, LEASE);
    let job = tower.echo(0).await;
    let ended = tower.ended(&job).await;
    let status = ended.status();
    assert_eq!(status.outcome, Some(Outcome::Succeeded), "{status:#?}");
    assert_eq!(
        status.result.as_ref().unwrap().inline["echoed_message"],
        "hello"
    );
    let host = status.backend_ref.as_ref().unwrap().host.as_ref().unwrap();
    assert_eq!((&*host.name, &*host.uid), ("vps-1", tower.owner()));
    assert_eq!(machine.starts(&job).len(), 1);
    let seat = ended.seat().unwrap();
    let log = tower.backend.logs(&seat, 0, 1 << 16).await.unwrap();
    assert!(log.text.contains("Succeeded"), "{}", log.text);
    assert!(!machine.keeps(&seat.uid));
    assert!(machine.processes(&seat).is_empty());
}

#[tokio::test]
async fn work_goes_on_while_the_program_there_is_killed_and_started_anew() {
    let mut machine = Machine::start();
    let tower = Tower::of(&machine, LEASE);
    let job = tower.echo(3).await;
    let seat = tower.claimed(&job, 1).await.seat().unwrap();
    machine.kill(Signal::KILL);
    assert!(
        !machine.processes(&seat).is_empty(),
        "the runner went with the program"
    );
    machine.restart();
    let status = tower.ended(&job).await.status().into_owned();
    assert_eq!(
        (status.outcome, status.attempt),
        (Some(Outcome::Succeeded), 1)
    );
    assert_eq!(machine.starts(&job).len(), 1);
}

#[tokio::test]
async fn work_goes_on_while_the_control_plane_is_gone_and_is_taken_up_by_the_next() {
    let machine = Machine::start();
    let tower = Tower::of(&machine, LEASE);
    let job = tower.echo(3).await;
    let seat = tower.claimed(&job, 1).await.seat().unwrap();
    let kept = tower.kept.clone();
    drop(tower);
    assert!(!machine.processes(&seat).is_empty());
    let tower = Tower::again(kept, &machine);
    let status = tower.ended(&job).await.status().into_owned();
    assert_eq!(
        (status.outcome, status.attempt),
        (Some(Outcome::Succeeded), 1)
    );
    assert_eq!(machine.starts(&job).len(), 1);
}

#[tokio::test]
async fn a_job_that_is_cancelled_ends_there_and_nothing_of_it_is_left() {
    let machine = Machine::start();
    let tower = Tower::of(&machine, LEASE);
    let job = tower.echo(600).await;
    let mut at_work = tower.claimed(&job, 1).await;
    let seat = at_work.seat().unwrap();
    at_work.spec.cancel = true;
    tower.put(at_work).await;
    let ended = tower.ended(&job).await;
    assert_eq!(ended.status().outcome, Some(Outcome::Cancelled));
    assert!(machine.processes(&seat).is_empty());
    assert!(!machine.keeps(&seat.uid));
}

#[tokio::test]
async fn a_runner_that_is_killed_there_is_noticed_at_once_and_the_job_is_tried_again() {
    let machine = Machine::start();
    let tower = Tower::of(&machine, LEASE);
    let job = tower.echo(2).await;
    let at_work = tower.claimed(&job, 1).await;
    for pid in machine.processes(&at_work.seat().unwrap()) {
        sandbox_tests::node::send(pid, Signal::KILL);
    }
    let between = tower.until(&job, |job| job.status().failures == 1).await;
    let failure = between.status().failure.clone().unwrap();
    assert_eq!(failure.class, FailureClass::Infrastructure);
    assert!(failure.message.contains("signal 9"), "{}", failure.message);
    let status = tower.ended(&job).await.status().into_owned();
    assert_eq!(
        (status.outcome, status.attempt),
        (Some(Outcome::Succeeded), 2)
    );
}

#[tokio::test]
async fn a_job_waits_for_a_machine_with_its_labels_and_room_and_says_for_what() {
    let machine = Machine::start();
    let tower = Tower::of(&machine, LEASE);
    let us = json!({"type": "echo", "echo": {},
        "backend": {"name": "vps", "hostSelector": {"matchLabels": {"region": "us"}}}});
    let nowhere = tower.submit(&us).await;
    let waits = |words: &'static str| {
        move |job: &sandbox_core::AgentJob| {
            let status = job.status();
            status
                .queued_reason
                .as_ref()
                .is_some_and(|r| r.contains(words))
        }
    };
    tower
        .until(&nowhere, waits("no RunnerHost with region=us"))
        .await;
    let (first, second) = (tower.echo(600).await, tower.echo(600).await);
    tower.claimed(&first, 1).await;
    tower.claimed(&second, 1).await;
    let third = tower.echo(0).await;
    tower
        .until(&third, waits("vps-1 has 2 of 2 slots at work"))
        .await;
    let mut first = tower.job(&first).await;
    first.spec.cancel = true;
    tower.put(first).await;
    let status = tower.ended(&third).await.status().into_owned();
    assert_eq!(status.outcome, Some(Outcome::Succeeded));
}
