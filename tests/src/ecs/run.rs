//! A task's life: its program as a process in a group of its own, from PROVISIONING to STOPPED.

use std::{
    net::SocketAddr, os::unix::process::ExitStatusExt, path::Path, process::Stdio, sync::Arc,
    time::Instant,
};

use rustix::process::Signal;
use serde_json::Value;
use tokio::process::{Child, Command};

use super::{
    Shared, Stop, signal_group,
    state::{Task, id_of},
};

/// The task is begun, and watched until it is over.
pub(super) async fn live(shared: Arc<Shared>, id: String, address: SocketAddr) {
    step(&shared, &id, "PENDING");
    let unstartable = shared.lock().unstartable.take();
    if let Some(reason) = unstartable {
        return over(&shared, &id, None, ("TaskFailedToStart", &reason));
    }
    let Some(mut child) = start(&shared, &id, address) else {
        return over(&shared, &id, None, ("UserInitiated", ""));
    };
    let status = child.wait().await;
    let code = status
        .ok()
        .and_then(|s| s.code().or(s.signal().map(|n| 128 + n)));
    // What it left behind ends with its task.
    if let Some(pid) = shared.lock().of(&id).and_then(|t| t.pid) {
        signal_group(pid, Signal::KILL);
    }
    step(&shared, &id, "DEPROVISIONING");
    over(
        &shared,
        &id,
        code,
        (
            "EssentialContainerExited",
            "Essential container in task exited",
        ),
    );
}

fn step(shared: &Shared, id: &str, status: &'static str) {
    shared.lock().change(id, |t| t.status = status);
    shared.bump();
}

/// Starts the program, unless the task was asked to end before.
fn start(shared: &Shared, id: &str, address: SocketAddr) -> Option<Child> {
    let mut state = shared.lock();
    let task = state.of(id)?;
    if task.desired == "STOPPED" {
        return None;
    }
    let arn = task.arn.clone();
    let mut command = command(shared, task, address);
    let child = command.spawn().unwrap();
    let pid = child.id();
    state.begun.push(arn);
    state.change(id, |t| {
        t.status = "RUNNING";
        t.pid = pid;
    });
    drop(state);
    shared.bump();
    Some(child)
}

/// The container's words and environment, with folders of this machine in the place of its own.
fn command(shared: &Shared, task: &Task, address: SocketAddr) -> Command {
    let id = id_of(&task.arn);
    let home = shared.folder.path().join(id);
    std::fs::create_dir_all(&home).unwrap();
    let container = &task.request["overrides"]["containerOverrides"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut words: Vec<String> = container["command"]
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect();
    if let Some(at) = words.iter().position(|w| w == "--data-dir") {
        words[at + 1] = home.join("seat").display().to_string();
    }
    let log = std::fs::File::create(&task.log).unwrap();
    let mut command = Command::new(&shared.options.program);
    command
        .args(words)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", &home)
        .envs(&shared.options.env)
        .env(
            "ECS_CONTAINER_METADATA_URI_V4",
            format!("http://{address}/v4/{id}"),
        )
        .current_dir(Path::new("/"))
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    for variable in container["environment"].as_array().into_iter().flatten() {
        command.env(text(&variable["name"]), text(&variable["value"]));
    }
    command
}

fn over(shared: &Shared, id: &str, code: Option<i32>, (stop, reason): (&str, &str)) {
    shared.lock().change(id, |t| {
        t.status = "STOPPED";
        t.desired = "STOPPED";
        t.exit_code = code;
        t.stopped = Some(Instant::now());
        // Who asked for the end says why it came.
        t.stop
            .get_or_insert_with(|| (stop.to_owned(), reason.to_owned()));
    });
    shared.bump();
}

/// Somebody else than the owner ends a task.
pub(super) fn stop(shared: &Arc<Shared>, arn: &str, stop: Stop) {
    end(shared, arn, stop.words());
}

/// SIGTERM now, and SIGKILL when the time for an end in good order is over.
pub(super) fn end(shared: &Arc<Shared>, arn: &str, (code, reason): (&str, &str)) {
    let id = id_of(arn).to_owned();
    let pid = {
        let mut state = shared.lock();
        let Some(task) = state.of(&id).filter(|t| t.desired != "STOPPED") else {
            return;
        };
        let pid = task.pid;
        state.change(&id, |t| {
            t.desired = "STOPPED";
            t.stop = Some((code.to_owned(), reason.to_owned()));
        });
        pid
    };
    shared.bump();
    let Some(pid) = pid else { return };
    signal_group(pid, Signal::TERM);
    let shared = shared.clone();
    tokio::spawn(async move {
        tokio::time::sleep(shared.options.stop_timeout).await;
        let runs = shared.lock().of(&id).is_some_and(|t| t.stopped.is_none());
        if runs {
            signal_group(pid, Signal::KILL);
        }
    });
}
