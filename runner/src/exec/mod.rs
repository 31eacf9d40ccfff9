//! One seat: claim, recall, work, report, record.
//!
//! The claim is the first thing that happens; on one machine it needs neither a runtime nor the node. At
//! the end the report is made durable first; what memory could not be told then, the reconciler tells it.

mod archive;
mod args;
pub mod checkpoint;
pub mod door;
mod files;
pub mod lease;
pub mod log;
mod pod;
pub mod relay;
pub mod rent;
mod report;
pub mod socket;
mod task;
mod watchdog;

use std::{
    ffi::OsString,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use jiff::Timestamp;
use sandbox_core::{Brief, Claim, Failure, FailureClass, Heartbeat, Outcome, Register, brief};
use sandbox_operator::{
    backend::{container, vps::instance::this_instance},
    seats::files::sync as seats,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    kind::{Work, kind_of},
    settings::Settings,
};
use args::{Args, Instance};
use log::Log;
use report::{End, ending, report_of};
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
    match begin(words) {
        Ok(code) => ExitCode::from(code),
        Err((code, text)) => {
            eprintln!("sandbox exec: {text}");
            ExitCode::from(code)
        }
    }
}

fn begin(words: impl Iterator<Item = OsString>) -> Result<u8, (u8, String)> {
    let args = args::read(words).map_err(|text| (MISUSED, text))?;
    if let Instance::Pod { door } = &args.instance {
        let door = door.clone();
        return runtime()?.block_on(async {
            let begun = pod::begin(&args, door).await?;
            Ok(Box::pin(asked(args, begun)).await)
        });
    }
    if let Instance::Task { door } = &args.instance {
        let door = door.clone();
        return runtime()?.block_on(async {
            let begun = pod::begin_task(&args, door).await?;
            Ok(Box::pin(asked(args, begun)).await)
        });
    }
    if let Some(socket) = args.socket.clone() {
        return runtime()?.block_on(async {
            // The terminal may go away with its tmux server; the work does not end with it.
            let _hangups = signal(SignalKind::hangup());
            let begun = pod::begin_at(&args, socket).await?;
            Ok(Box::pin(asked(args, begun)).await)
        });
    }
    let claim = claim(&args).map_err(|text| (NOT_MINE, text))?;
    Ok(runtime()?.block_on(run(args, claim)))
}

fn runtime() -> Result<tokio::runtime::Runtime, (u8, String)> {
    let made = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    made.map_err(|e| (NOT_DONE, format!("started the runtime: {e}")))
}

/// Takes the seat, or says who has it.
fn claim(args: &Args) -> Result<Claim, String> {
    let instance = instance(args).map_err(|e| format!("read who this process is: {e}"))?;
    let mine = new_claim(instance);
    let root = args.data_dir.join("seats");
    let stands = seats::claim(&root, &args.seat, mine.clone()).map_err(|e| e.to_string())?;
    is_mine(stands, &mine)?;
    Ok(mine)
}

fn new_claim(instance: String) -> Claim {
    Claim {
        nonce: uuid::Uuid::new_v4().simple().to_string(),
        instance,
        at: Timestamp::now(),
    }
}

/// Whether what stands at the seat is this claim; else why not.
fn is_mine(stands: Register, mine: &Claim) -> Result<(), String> {
    match stands {
        Register::Claimed(stands) if stands.nonce == mine.nonce => Ok(()),
        Register::Claimed(_) => Err("claimed the seat: another instance has it".to_owned()),
        Register::Closed(closed) => {
            Err(format!("claimed the seat: it is closed: {}", closed.reason))
        }
        Register::Open => Err("claimed the seat: it does not stand".to_owned()),
    }
}

/// What the back end calls this runner: its process, or the container around it, whose id is its
/// hostname.
fn instance(args: &Args) -> std::io::Result<String> {
    if args.instance == Instance::Process {
        return this_instance();
    }
    let host = rustix::system::uname();
    Ok(container::instance(&host.nodename().to_string_lossy()))
}

async fn run(args: Args, claim: Claim) -> u8 {
    // The terminal may go away with its tmux server; the work does not end with it.
    let _hangups = signal(SignalKind::hangup());
    let began = Timestamp::now();
    let end = End::Files {
        root: args.data_dir.join("seats"),
        seat: args.seat.clone(),
        nonce: claim.nonce.clone(),
    };
    match prepare(&args, &claim).await {
        Ok((work, node)) => carry_out(work, &node, &end, began).await,
        Err(failure) => give_up(failure, &end, began).await,
    }
}

/// The same where nothing is shared with the control plane but its door.
async fn asked(args: Args, claimed: pod::Begun) -> u8 {
    let began = Timestamp::now();
    let node = claimed.node.clone();
    let end = End::Door {
        node: node.clone(),
        lease: claimed.lease.clone(),
    };
    match pod::prepare(&args, claimed).await {
        Ok(work) => carry_out(work, &node, &end, began).await,
        Err(failure) => give_up(failure, &end, began).await,
    }
}

/// Does the work, makes its report durable, and has memory told.
async fn carry_out(work: Work, node: &Node, end: &End, began: Timestamp) -> u8 {
    let mut beats = tokio::spawn(watchdog::send_beats(
        node.clone(),
        work.beat.subscribe(),
        work.over_at.clone(),
        work.lease.clone(),
        work.rent,
    ));
    let kind = kind_of(work.brief.spec.job_type);
    let ended = watchdog::guard(&work, node, kind, &mut beats).await;
    // Before the report: after it nothing of the place may be left. The seat is still held meanwhile.
    checkpoint::send(&work, node).await;
    files::send(&work, node).await;
    beats.abort();
    let usage = rent::with_rent(work.beat.borrow().usage, work.rent);
    let report = report_of(ended, began, usage);
    work.log.line(&ending(&report));
    if let Err(text) = end.put(&report).await {
        work.log.line(&text);
        return NOT_DONE;
    }
    if let Err(e) = node.record().await {
        work.log.line(&format!("memory was not told: {e}"));
    }
    exit_code(report.outcome)
}

/// The place is not as it must be: nothing was done.
async fn give_up(failure: Failure, end: &End, began: Timestamp) -> u8 {
    eprintln!("sandbox exec: {}", failure.message);
    let report = report_of(Err(failure), began, sandbox_core::Usage::default());
    if let Err(text) = end.put(&report).await {
        eprintln!("sandbox exec: {text}");
    }
    exit_code(report.outcome)
}

fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Succeeded => DONE,
        _ => NOT_DONE,
    }
}

/// Everything the work needs; what is missing is the place's failure.
async fn prepare(args: &Args, claim: &Claim) -> Result<(Work, Node), Failure> {
    let brief = seats::brief(&args.data_dir.join("seats"), &args.seat)
        .map_err(|e| broken("read the brief", &e))?;
    let settings = Settings::read(&args.data_dir).map_err(|e| broken("read the settings", &e))?;
    let node = Node::new(
        settings.socket.clone(),
        args.seat.clone(),
        claim.nonce.clone(),
    );
    if let Some(proxy) = &args.relay {
        relay::begin(proxy).map_err(|e| broken("opened the way to the proxy", &e))?;
    }
    let told = node.claim(claim).await;
    let work = open(args, brief, settings, &node).await?;
    if let Err(e) = told {
        work.log
            .line(&format!("the node was not told of the claim: {e}"));
    }
    Ok((work, node))
}

fn broken(what: &str, e: &dyn std::fmt::Display) -> Failure {
    let text = format!("{what}: {e}; look at the data folder");
    Failure::new(FailureClass::Infrastructure, text)
}

/// Opens the log and asks memory: from here on the work can begin.
async fn open(args: &Args, brief: Brief, settings: Settings, node: &Node) -> Result<Work, Failure> {
    refuse_other_version(&brief)?;
    let seat_dir = seat_dir(args);
    let log = Log::open(&seat_dir.join("log"), settings.log_limit)
        .map_err(|e| broken("opened the log", &e))?;
    log.line(&format!(
        "attempt {} of {} begins",
        args.seat.attempt, brief.name
    ));
    let lessons = recall(node, &brief).await;
    tell(&log, &lessons);
    Ok(Work {
        worker: format!("sandbox-{}", std::process::id()),
        over_at: watch::Sender::new(brief.deadline_at),
        brief,
        lessons,
        settings,
        seat_dir,
        log: Arc::new(log),
        beat: watch::Sender::new(Heartbeat::default()),
        stopping: Arc::new(AtomicBool::new(false)),
        lease: None,
        rent: None,
        stop_within: checkpoint::STOP_WITHIN,
        cut_off: OnceLock::new(),
        earlier: OnceLock::new(),
    })
}

fn seat_dir(args: &Args) -> PathBuf {
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
