//! One seat: claim, recall, work, report, record.
//!
//! The claim is the first thing that happens and needs neither a runtime nor the node. At the end
//! the report is made durable first; what memory could not be told then, the reconciler tells it.

mod args;
pub mod log;
pub mod relay;
pub mod socket;
mod watchdog;

use std::{
    ffi::OsString,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use jiff::Timestamp;
use sandbox_core::{
    Brief, Claim, Failure, FailureClass, Heartbeat, Outcome, Register, Report, Seat, brief,
};
use sandbox_operator::{
    backend::{container, vps::instance::this_instance},
    seats::files::sync as seats,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    kind::{Done, Work, kind_of},
    settings::Settings,
};
use log::Log;
use socket::Node;

/// The work is done.
const DONE: u8 = 0;
/// The attempt ended otherwise; the report says how.
const NOT_DONE: u8 = 1;
/// The arguments or the seat's folder are not what they must be.
const MISUSED: u8 = 64;
/// The seat is another's or closed: nothing was done.
const NOT_MINE: u8 = 75;

/// Runs the seat that the arguments name.
pub fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    let (args, claim) = match begin(words) {
        Ok(begun) => begun,
        Err((code, text)) => {
            eprintln!("sandbox exec: {text}");
            return ExitCode::from(code);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("sandbox exec: started the runtime: {e}");
            return ExitCode::from(NOT_DONE);
        }
    };
    ExitCode::from(runtime.block_on(run(args, claim)))
}

fn begin(words: impl Iterator<Item = OsString>) -> Result<(args::Args, Claim), (u8, String)> {
    let args = args::read(words).map_err(|text| (MISUSED, text))?;
    let claim = claim(&args).map_err(|text| (NOT_MINE, text))?;
    Ok((args, claim))
}

/// Takes the seat, or says who has it.
fn claim(args: &args::Args) -> Result<Claim, String> {
    let instance = instance(args).map_err(|e| format!("read who this process is: {e}"))?;
    let mine = Claim {
        nonce: uuid::Uuid::new_v4().simple().to_string(),
        instance,
        at: Timestamp::now(),
    };
    let root = args.data_dir.join("seats");
    match seats::claim(&root, &args.seat, mine.clone()).map_err(|e| e.to_string())? {
        Register::Claimed(stands) if stands.nonce == mine.nonce => Ok(mine),
        Register::Claimed(_) => Err("claimed the seat: another instance has it".to_owned()),
        Register::Closed(closed) => {
            Err(format!("claimed the seat: it is closed: {}", closed.reason))
        }
        Register::Open => Err("claimed the seat: it does not stand".to_owned()),
    }
}

/// What the back end calls this runner: its process, or the container around it, whose id is its
/// hostname.
fn instance(args: &args::Args) -> std::io::Result<String> {
    if !args.in_container {
        return this_instance();
    }
    let host = rustix::system::uname();
    Ok(container::instance(&host.nodename().to_string_lossy()))
}

async fn run(args: args::Args, claim: Claim) -> u8 {
    // The terminal may go away with its tmux server; the work does not end with it.
    let _hangups = signal(SignalKind::hangup());
    let began = Timestamp::now();
    let root = args.data_dir.join("seats");
    let report = match prepare(&args, &claim).await {
        Ok((work, node)) => {
            let mut beats = tokio::spawn(watchdog::send_beats(
                node.clone(),
                work.beat.subscribe(),
                work.over_at.clone(),
            ));
            let ended =
                watchdog::guard(&work, &node, kind_of(work.brief.spec.job_type), &mut beats).await;
            beats.abort();
            let usage = work.beat.borrow().usage;
            let report = report_of(ended, began, usage);
            work.log.line(&ending(&report));
            if let Err(text) = put(&root, &args.seat, &claim, &report) {
                work.log.line(&text);
                return NOT_DONE;
            }
            if let Err(e) = node.record().await {
                work.log.line(&format!("memory was not told: {e}"));
            }
            report
        }
        Err(failure) => {
            let report = report_of(Err(failure), began, sandbox_core::Usage::default());
            if let Err(text) = put(&root, &args.seat, &claim, &report) {
                eprintln!("sandbox exec: {text}");
            }
            report
        }
    };
    if report.outcome == Outcome::Succeeded {
        DONE
    } else {
        NOT_DONE
    }
}

fn put(root: &std::path::Path, seat: &Seat, claim: &Claim, report: &Report) -> Result<(), String> {
    let put = seats::report(root, seat, &claim.nonce, report);
    put.map_err(|e| format!("wrote the report: {e}"))
}

/// Everything the work needs; what is missing is the place's failure.
async fn prepare(args: &args::Args, claim: &Claim) -> Result<(Work, Node), Failure> {
    let broken = |what: &str, e: &dyn std::fmt::Display| {
        let text = format!("{what}: {e}; look at the data folder");
        Failure::new(FailureClass::Infrastructure, text)
    };
    let seat_dir = seat_dir(args);
    let brief = seats::brief(&args.data_dir.join("seats"), &args.seat)
        .map_err(|e| broken("read the brief", &e))?;
    refuse_other_version(&brief)?;
    let settings = Settings::read(&args.data_dir).map_err(|e| broken("read the settings", &e))?;
    let log = Log::open(&seat_dir.join("log"), settings.log_limit)
        .map_err(|e| broken("opened the log", &e))?;
    let node = Node::new(
        settings.socket.clone(),
        args.seat.clone(),
        claim.nonce.clone(),
    );
    if let Some(proxy) = &args.relay {
        relay::begin(proxy).map_err(|e| broken("opened the way to the proxy", &e))?;
    }
    log.line(&format!(
        "attempt {} of {} begins",
        args.seat.attempt, brief.name
    ));
    if let Err(e) = node.claimed(claim).await {
        log.line(&format!("the node was not told of the claim: {e}"));
    }
    let lessons = recall(&node, &brief).await;
    tell(&log, &lessons);
    let work = Work {
        worker: format!("sandbox-{}", std::process::id()),
        over_at: watch::Sender::new(brief.deadline_at),
        brief,
        lessons,
        settings,
        seat_dir,
        log: Arc::new(log),
        beat: watch::Sender::new(Heartbeat::default()),
        stopping: Arc::new(AtomicBool::new(false)),
    };
    Ok((work, node))
}

fn seat_dir(args: &args::Args) -> PathBuf {
    let uid = args.data_dir.join("seats").join(args.seat.uid.as_str());
    uid.join(args.seat.attempt.to_string())
}

fn refuse_other_version(brief: &Brief) -> Result<(), Failure> {
    if brief.version == brief::VERSION {
        return Ok(());
    }
    let text = format!(
        "read the brief: it has version {}, this runner knows {}; use the runner of the same release",
        brief.version,
        brief::VERSION
    );
    Err(Failure::new(FailureClass::Infrastructure, text))
}

async fn recall(node: &Node, brief: &Brief) -> sandbox_core::port::Receipt {
    let inject = brief.spec.elf.as_ref().is_none_or(|e| e.inject);
    let query = kind_of(brief.spec.job_type).recall(brief);
    match query {
        Some(query) if inject => node.recall(query).await,
        _ => sandbox_core::port::Receipt::default(),
    }
}

/// Says in the log what memory put into the prompt, or why there is nothing.
fn tell(log: &Log, lessons: &sandbox_core::port::Receipt) {
    for lesson in &lessons.injected {
        log.line(&format!("from memory: [{}] {}", lesson.domain, lesson.text));
    }
    if let Some(why) = &lessons.unavailable {
        log.line(&format!("nothing from memory: {why}"));
    }
}

fn report_of(ended: Result<Done, Failure>, began: Timestamp, usage: sandbox_core::Usage) -> Report {
    let now = Timestamp::now();
    let seconds = now.duration_since(began).as_secs().unsigned_abs();
    let (failure, done) = match ended {
        Ok(mut done) => (done.failure.take(), done),
        Err(f) => (Some(f), Done::default()),
    };
    let outcome = match failure.as_ref().map(|f| f.class) {
        None => Outcome::Succeeded,
        Some(FailureClass::Deadline) => Outcome::TimedOut,
        Some(_) => Outcome::Failed,
    };
    Report {
        outcome,
        failure,
        result: done.result,
        usage: sandbox_core::Usage { seconds, ..usage },
        files: done.files.into_iter().take(100).collect(),
        lessons: done.lessons.into_iter().take(50).collect(),
        grade: done.grade,
        started_at: began,
        finished_at: now,
    }
}

fn ending(report: &Report) -> String {
    match &report.failure {
        None => report.outcome.word().to_owned(),
        Some(f) => format!(
            "{}: {}: {}",
            report.outcome.word(),
            f.class.word(),
            f.message
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_ends_badly_keeps_its_result_in_the_report() {
        let failure = Failure::new(FailureClass::AgentError, "dbt ended with exit code 1");
        let done = Done {
            result: serde_json::json!({"exit_code": 1}),
            failure: Some(failure.clone()),
            ..Done::default()
        };
        let report = report_of(Ok(done), Timestamp::now(), sandbox_core::Usage::default());
        assert_eq!(report.outcome, Outcome::Failed);
        assert_eq!(report.failure, Some(failure));
        assert_eq!(report.result["exit_code"], 1);
    }
}
