//! `dbt_run`: one run of dbt on a project beneath the tenant's root.
//!
//! The program is the server's setting; the job chooses a command and its options, each one word
//! of an argument list. Note that dbt runs what the project says (macros, Python models): this
//! module keeps a job's fields harmless, not a tenant's project.

mod argv;
mod output;
mod process;

pub use output::plain;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{Failure, FailureClass, spec::DbtRunSpec};
use serde_json::{Value, json};

use super::{Done, Kind, Work, echo::naive};
use crate::place::{Folder, PlaceError, Relative};
use argv::Folders;
use output::Tail;
use process::{Ended, Group, Sink};

/// How long dbt may take to end after it was asked to.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// Lines of its output that the result shows.
const OUT_LINES: usize = 30;
const ERR_LINES: usize = 10;
/// The files that hold all of it, in the job's artifacts.
const OUT_FILE: &str = "dbt_stdout.log";
const ERR_FILE: &str = "dbt_stderr.log";

/// The job type.
pub(super) struct DbtRun {
    /// How long dbt may take to end after it was asked to.
    pub(super) grace: Duration,
}

#[async_trait]
impl Kind for DbtRun {
    async fn run(&self, work: &Work) -> Result<Done, Failure> {
        let spec = spec(work)?;
        let began = Timestamp::now();
        let (folders, argv) = prepare(work, spec)?;
        work.log.line(&format!("runs {}", argv.join(" ")));
        let mut group = Group::start(&argv, &folders.project).map_err(|e| unstarted(&argv, &e))?;
        let sinks = (
            sink(work, OUT_FILE, OUT_LINES)?,
            sink(work, ERR_FILE, ERR_LINES)?,
        );
        let pumps = group.pump(sinks.0, sinks.1);
        let ended = tokio::select! {
            ended = group.ended() => ended,
            () = work.stopped() => {
                group.stop(self.grace).await;
                return Err(stopped());
            }
        };
        let ended = ended.map_err(|e| broken("waited for dbt", &e))?;
        // What dbt began and left behind must not outlive it.
        group.kill();
        Ok(done(work, ended, began, &pumps.finish().await))
    }
}

fn prepare(work: &Work, spec: &DbtRunSpec) -> Result<(Folders, Vec<String>), Failure> {
    let root = work.root()?;
    let profiles = spec.profiles_dir.as_deref();
    let folders = Folders {
        project: path(&root, "project_path", &spec.project_path)?,
        profiles: profiles
            .map(|p| path(&root, "profiles_dir", p))
            .transpose()?,
    };
    let argv = argv::argv(&work.settings.dbt_command, spec, &folders)
        .map_err(|text| Failure::new(FailureClass::InvalidSpec, text))?;
    std::fs::create_dir_all(work.artifacts()).map_err(|e| broken("made the artifacts", &e))?;
    Ok((folders, argv))
}

/// The real path of a folder that the job names.
fn path(root: &Folder, field: &str, text: &str) -> Result<PathBuf, Failure> {
    let opened = text.parse().and_then(|path: Relative| root.folder(&path));
    let folder = opened.map_err(|e| refused(field, &e))?;
    folder
        .real_path()
        .map_err(|e| broken("looked up the project", &e))
}

fn sink(work: &Work, name: &str, lines: usize) -> Result<Sink, Failure> {
    let log = Arc::clone(&work.log);
    Sink::create(&work.artifacts().join(name), lines, log)
        .map_err(|e| broken("made a file for dbt's output", &e))
}

fn done(work: &Work, ended: Ended, began: Timestamp, tails: &(Tail, Tail)) -> Done {
    let success = ended.code == Some(0);
    let failure = (!success).then(|| {
        let text = format!("dbt {ended}: {}", blame(tails));
        Failure::new(FailureClass::AgentError, text)
    });
    Done {
        result: result(work, ended, began, tails),
        failure,
        ..Done::default()
    }
}

fn result(work: &Work, ended: Ended, began: Timestamp, tails: &(Tail, Tail)) -> Value {
    let now = Timestamp::now();
    let took = now.duration_since(began).as_millis();
    let spec = work.brief.spec.dbt_run.as_ref();
    json!({
        "command": spec.map(|s| s.command),
        "dbt_project_path": spec.map(|s| &s.project_path),
        "target": spec.map(|s| &s.target),
        "exit_code": ended.code,
        "success": ended.code == Some(0),
        "duration_seconds": f64::from(u32::try_from(took).unwrap_or(u32::MAX)) / 1000.0,
        "summary": tails.0.summary(),
        "stdout_tail": tails.0.lines().collect::<Vec<_>>(),
        "stderr_tail": tails.1.lines().collect::<Vec<_>>(),
        "logs_dir": work.brief.seat.uid.as_str(),
        "processed_by": work.worker,
        "processed_at": naive(now),
    })
}

/// The last lines that say why, newest last: as many as a message holds.
fn blame(tails: &(Tail, Tail)) -> String {
    let lines = tails.0.lines().chain(tails.1.lines());
    let lines: Vec<&str> = lines.filter(|l| !l.trim().is_empty()).collect();
    let mut size = 0;
    let fits = |line: &&&str| {
        size += line.len() + 3;
        size < 900
    };
    let mut last: Vec<&str> = lines.iter().rev().take_while(fits).copied().collect();
    last.reverse();
    last.join(" | ")
}

fn spec(work: &Work) -> Result<&DbtRunSpec, Failure> {
    work.brief.spec.dbt_run.as_ref().ok_or_else(|| {
        let text = "read the brief: spec.dbtRun is missing; submit the job again";
        Failure::new(FailureClass::InvalidSpec, text)
    })
}

fn refused(field: &str, error: &PlaceError) -> Failure {
    if error.is_of_the_path() {
        let text = format!("opened {field}: {error}; name a folder beneath the tenant's own");
        return Failure::new(FailureClass::InvalidSpec, text);
    }
    broken(&format!("opened {field}"), error)
}

/// dbt cannot be run at all: no attempt on this machine can, until somebody sets it up.
fn unstarted(argv: &[String], error: &std::io::Error) -> Failure {
    let program = argv.first().map_or("dbt", String::as_str);
    let text = format!(
        "started {program}: {error}; install dbt where `sandbox serve` runs, or name it there"
    );
    Failure::new(FailureClass::InvalidSpec, text)
}

fn broken(what: &str, error: &dyn std::fmt::Display) -> Failure {
    let text = format!("{what}: {error}; look at the disk of the runner");
    Failure::new(FailureClass::Infrastructure, text)
}

/// What ends the work has its own failure; this one says only that dbt is gone.
fn stopped() -> Failure {
    let text = "dbt was stopped because the work is to end";
    Failure::new(FailureClass::Preempted, text)
}

#[cfg(test)]
mod tests;
