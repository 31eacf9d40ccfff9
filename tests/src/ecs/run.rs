//! A task's life: its program as a process in a group of its own, a container, or a runner that is played, from
//! PROVISIONING to STOPPED.

use std::{
    collections::BTreeMap, net::SocketAddr, os::unix::process::ExitStatusExt, path::Path,
    process::Stdio, sync::Arc, time::Instant,
};

use rustix::process::Signal;
use serde_json::Value;
use tokio::{
    process::{Child, Command},
    task::JoinHandle,
};

use super::{
    Runs, Shared, Stop,
    state::{Hold, Task, id_of},
};

/// The task is begun, and watched until it is over.
pub(super) async fn live(shared: Arc<Shared>, id: String, address: SocketAddr) {
    step(&shared, &id, "PENDING");
    let unstartable = shared.lock().unstartable.take();
    if let Some(reason) = unstartable {
        return over(&shared, &id, None, ("TaskFailedToStart", &reason));
    }
    let Some(work) = start(&shared, &id, address) else {
        return over(&shared, &id, None, ("UserInitiated", ""));
    };
    let code = work.over().await;
    // What it left behind ends with its task.
    if matches!(shared.options.runs, Runs::Process(_)) {
        shared.signal(&id, Signal::KILL);
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

/// A container that was begun.
enum Work {
    Child(Child),
    Played(JoinHandle<i32>),
}

impl Work {
    /// Its exit code.
    async fn over(self) -> Option<i32> {
        match self {
            Self::Child(mut child) => {
                let status = child.wait().await.ok()?;
                status.code().or(status.signal().map(|n| 128 + n))
            }
            // One that was ended in the middle.
            Self::Played(work) => Some(work.await.unwrap_or(137)),
        }
    }
}

/// Starts the program, unless the task was asked to end before.
fn start(shared: &Shared, id: &str, address: SocketAddr) -> Option<Work> {
    let mut state = shared.lock();
    let task = state.of(id)?;
    if task.desired == "STOPPED" {
        return None;
    }
    let arn = task.arn.clone();
    let (work, hold) = if let Runs::Played(player) = &shared.options.runs {
        let work = tokio::spawn(player(launched(shared, task, address)));
        let hold = Hold::Played(work.abort_handle());
        (Work::Played(work), Some(hold))
    } else {
        let child = command(shared, task, address).spawn().unwrap();
        let hold = child.id().map(Hold::Group);
        (Work::Child(child), hold)
    };
    state.begun.push(arn);
    state.change(id, |t| {
        t.status = "RUNNING";
        t.hold = hold;
    });
    drop(state);
    shared.bump();
    Some(work)
}

/// What a container is told.
pub struct Launched {
    /// Its task.
    pub arn: String,
    /// Its words.
    pub words: Vec<String>,
    /// Its environment.
    pub variables: BTreeMap<String, String>,
}

/// The container's words and environment.
fn launched(shared: &Shared, task: &Task, address: SocketAddr) -> Launched {
    let container = &task.request["overrides"]["containerOverrides"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = |field: &str| container[field].as_array().cloned().unwrap_or_default();
    let mut variables = shared.options.env.clone();
    let metadata = format!("http://{address}/v4/{}", id_of(&task.arn));
    variables.insert("ECS_CONTAINER_METADATA_URI_V4".to_owned(), metadata);
    let more = all("environment");
    variables.extend(more.iter().map(|v| (text(&v["name"]), text(&v["value"]))));
    Launched {
        arn: task.arn.clone(),
        words: all("command").iter().map(text).collect(),
        variables,
    }
}

/// What does it, in a container or as a process of this machine.
fn command(shared: &Shared, task: &Task, address: SocketAddr) -> Command {
    let launched = launched(shared, task, address);
    let mut command = match &shared.options.runs {
        Runs::Container(image) => image.command(task, &launched),
        Runs::Process(program) => process(program, shared.folder.path(), launched),
        Runs::Played(_) => panic!("who is played has no process"),
    };
    let log = std::fs::File::create(&task.log).unwrap();
    command
        .current_dir(Path::new("/"))
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command
}

/// The program, with folders of this machine in the place of a container's.
fn process(program: &Path, folder: &Path, mut launched: Launched) -> Command {
    let home = folder.join(id_of(&launched.arn));
    std::fs::create_dir_all(&home).unwrap();
    let words = &mut launched.words;
    if let Some(at) = words.iter().position(|w| w == "--data-dir") {
        words[at + 1] = home.join("seat").display().to_string();
    }
    let mut command = Command::new(program);
    command
        .args(words)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", &home)
        .envs(launched.variables);
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
    {
        let mut state = shared.lock();
        if state.of(&id).is_none_or(|t| t.desired == "STOPPED") {
            return;
        }
        state.change(&id, |t| {
            t.desired = "STOPPED";
            t.stop = Some((code.to_owned(), reason.to_owned()));
        });
    }
    shared.bump();
    shared.signal(&id, Signal::TERM);
    let shared = shared.clone();
    tokio::spawn(async move {
        tokio::time::sleep(shared.options.stop_timeout).await;
        let runs = shared.lock().of(&id).is_some_and(|t| t.stopped.is_none());
        if runs {
            shared.signal(&id, Signal::KILL);
        }
    });
}
