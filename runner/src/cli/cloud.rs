//! `sandbox cloud status|pause|resume`: the serverless deployment on AWS, with the rights of whoever asks. What is done next
//! is decided where the calls to AWS are; here it is done until it is done, and told.

mod standing;

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result};
use sandbox_core::{Uid, plan::Pause};
use sandbox_operator::aws::deployment::{
    Deployment,
    names::{Names, Said},
    step::{Called, Goal, Seen, Step, Switch, next},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::shown::{Output, document};

/// How often is looked again while something is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long the functions may take to look at all jobs before it is not waited for any more.
const LOOKED_WITHIN: Duration = Duration::from_mins(1);
/// The exit code of what was not done in time, as of `sandbox wait`.
const LATE: u8 = 124;

/// The serverless deployment on AWS.
#[derive(clap::Args)]
pub struct Cloud {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show whether jobs are taken, what is at work and what calls the functions
    Status(Place),
    /// Take and begin no more jobs, wait for those at work, and let nothing poll
    Pause(PauseArgs),
    /// Let everything poll again, take and begin jobs
    Resume(ResumeArgs),
}

#[derive(clap::Args)]
struct Place {
    /// What `terraform output -json` prints; - for stdin
    #[arg(long, value_name = "FILE", env = "SANDBOX_CLOUD_OUTPUTS")]
    outputs: Option<PathBuf>,
    #[command(flatten)]
    said: Said,
    /// How to show it
    #[arg(short, long)]
    output: Option<Output>,
}

#[derive(clap::Args)]
struct PauseArgs {
    /// Stop what is at work as if it were suspended; another attempt follows after `resume`
    #[arg(long)]
    now: bool,
    /// Wait no longer than this many seconds for what is at work
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
struct ResumeArgs {
    /// Wait no longer than this many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    #[command(flatten)]
    place: Place,
}

impl Cloud {
    /// Does it.
    ///
    /// # Errors
    /// The deployment cannot be found or asked; the text says what to do.
    pub async fn run(self) -> Result<ExitCode> {
        match self.what {
            What::Status(place) => {
                let deployment = place.open().await?;
                let seen = deployment.look().await?;
                place.show(&deployment, &seen)?;
                Ok(ExitCode::SUCCESS)
            }
            What::Pause(asked) => {
                let how = if asked.now { Pause::Now } else { Pause::Drain };
                asked.place.reach(Goal::Paused(how), asked.timeout).await
            }
            What::Resume(asked) => asked.place.reach(Goal::Running, asked.timeout).await,
        }
    }
}

impl Place {
    async fn open(&self) -> Result<Deployment> {
        let outputs = self.outputs.as_deref().map(text).transpose()?;
        let names = Names::read(self.said.clone(), outputs.as_deref())?;
        Box::pin(Deployment::open(names)).await
    }

    fn show(&self, deployment: &Deployment, seen: &Seen) -> Result<()> {
        document(&shown(deployment, seen), self.output)
    }

    /// Takes one step after the other until it is as it is wanted. Stopped anywhere, it goes on from there.
    async fn reach(&self, goal: Goal, timeout: Option<u64>) -> Result<ExitCode> {
        let deployment = self.open().await?;
        let until = timeout.map(|t| Instant::now() + Duration::from_secs(t.min(1 << 32)));
        let mut called = None;
        let mut said = String::new();
        loop {
            let seen = Box::pin(deployment.look()).await?;
            let step = next(goal, &seen, since(called));
            tell(&mut said, doing(goal, step, &seen));
            match step {
                Step::Done => {
                    self.show(&deployment, &seen)?;
                    return Ok(ExitCode::SUCCESS);
                }
                Step::Wait if until.is_some_and(|until| Instant::now() >= until) => {
                    tell(&mut said, late(goal));
                    return Ok(ExitCode::from(LATE));
                }
                Step::Wait => sleep(LOOK_AGAIN).await,
                Step::Call => called = Some(Instant::now()),
                _ => {}
            }
            Box::pin(deployment.take(step)).await?;
        }
    }
}

/// What stands in this file, or comes by stdin.
fn text(file: &Path) -> Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        let read = std::io::stdin().read_to_string(&mut text);
        read.context("read the outputs from stdin")?;
        return Ok(text);
    }
    let read = std::fs::read_to_string(file);
    read.with_context(|| format!("read the outputs from {}", file.display()))
}

fn since(called: Option<Instant>) -> Called {
    match called {
        None => Called::No,
        Some(at) if at.elapsed() < LOOKED_WITHIN => Called::Lately,
        Some(_) => Called::LongAgo,
    }
}

/// Says it where it was not said last.
fn tell(said: &mut String, text: String) {
    if *said != text {
        eprintln!("{text}");
        *said = text;
    }
}

fn doing(goal: Goal, step: Step, seen: &Seen) -> String {
    match (step, goal) {
        (Step::Mark(Pause::Drain), _) => {
            "jobs are taken no more, and none begins; what is at work goes on to its end".to_owned()
        }
        (Step::Mark(Pause::Now), _) => {
            "jobs are taken no more, and none begins; what is at work is stopped".to_owned()
        }
        (Step::Unmark, _) => "jobs are taken and begun again".to_owned(),
        (Step::Call, _) => "have the function look at all jobs".to_owned(),
        (Step::TurnOn, _) => "let the sweep and the pollers call again".to_owned(),
        (Step::TurnOff, _) => "let the sweep and the pollers call no more".to_owned(),
        (Step::Wait, _) => waiting(seen),
        (Step::Done, Goal::Paused(_)) => {
            "paused: nothing is at work and nothing polls; `sandbox cloud resume` has it go on"
                .to_owned()
        }
        (Step::Done, Goal::Running) => "jobs are taken, and what waited begins".to_owned(),
    }
}

fn waiting(seen: &Seen) -> String {
    if !seen.is_busy() {
        return "wait for what is being switched, or for the function to look at all jobs"
            .to_owned();
    }
    let jobs: Vec<&str> = seen.at_work.iter().map(Uid::as_str).collect();
    let tasks = seen.tasks.iter().filter_map(|arn| arn.rsplit('/').next());
    let tasks: Vec<&str> = tasks.collect();
    format!(
        "wait for what is at work: {} jobs {jobs:?}, {} tasks {tasks:?}",
        jobs.len(),
        tasks.len()
    )
}

fn late(goal: Goal) -> String {
    match goal {
        Goal::Paused(_) => "it is not over in time: no job is taken or begun meanwhile. `sandbox cloud pause` goes on waiting, `--now` stops what is at work, `sandbox cloud resume` takes it back",
        Goal::Running => "it is not done in time: `sandbox cloud resume` goes on",
    }
    .to_owned()
}

const fn word(switch: Switch) -> &'static str {
    match switch {
        Switch::On => "on",
        Switch::Off => "off",
        Switch::Turning => "turning",
    }
}

fn shown(deployment: &Deployment, seen: &Seen) -> Value {
    let sources = seen.sources.iter().map(|(name, s)| (name, word(*s)));
    let sources: BTreeMap<&String, &str> = sources.collect();
    let paused = seen.mark.map(|mark| {
        let since = format!("{:.0}", mark.since);
        json!({"since": since, "now": mark.how == Pause::Now, "in_force": seen.in_force})
    });
    let standing = deployment.names().standing.as_ref();
    json!({
        "accepts_jobs": seen.mark.is_none(),
        "paused": paused,
        "jobs": {"queued": seen.queued, "at_work": seen.at_work.len()},
        "tasks": seen.tasks.len(),
        "sweep": word(seen.sweep),
        "event_sources": sources,
        "standing": standing.map(|s| standing::cost(s, seen)),
    })
}
