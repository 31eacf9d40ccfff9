//! Containers of a machine elsewhere, in its own engine.

use std::time::Duration;

use rustix::process::Signal;
use sandbox_core::Outcome;
use sandbox_tests::{
    engine::Engine,
    tower::{Machine, Tower},
};
use serde_json::json;

use crate::echo;

const LEASE: Duration = Duration::from_mins(10);

#[tokio::test]
async fn a_job_of_a_cluster_runs_in_the_engine_of_a_machine_and_goes_on_while_serve_is_killed() {
    let engine = Engine::shared();
    let mut machine = Machine::with_engine(&engine.host);
    let tower = Tower::of(&machine, LEASE);
    let job = tower.submit(&echo("4s", &json!({}))).await;
    let at_work = tower.claimed(&job, 1).await;
    let claim = at_work.status().intent.clone().unwrap().claim.unwrap();
    assert!(claim.instance.starts_with("container:"), "{claim:?}");
    let name = format!("aj-{}-1", job.uid().unwrap());
    let runs = engine.done(&["ps", "-q", "--filter", &format!("name={name}")]);
    assert_ne!(runs, "", "{name} is not in the engine");
    machine.kill(Signal::KILL);
    machine.restart();
    let ended = tower.ended(&job).await;
    let status = ended.status();
    assert_eq!(
        (status.outcome, status.attempt),
        (Some(Outcome::Succeeded), 1),
        "{status:#?}"
    );
    assert_eq!(machine.starts(&job).len(), 1);
    assert_eq!(status.backend_ref.as_ref().unwrap().name, name);
    let left = ["ps", "-aq", "--filter", &format!("name={name}")];
    assert_eq!(engine.done(&left), "");
}
