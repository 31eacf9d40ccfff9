//! Measures a deployment on AWS whole, as far as one machine has it: the real `bootstrap` behind API Gateway, DynamoDB Local
//! with its streams, moto, and the double of ECS, in which runners are played over the real way in. Prints what a job asks
//! for; with trouble, it has requests lost, refused and answered in vain, events come twice, late, in
//! another order or never, functions end in the middle, runners die, and tasks stay when their work is over. It stops where a
//! job is lost or begun twice, or such a task outlasts a second sweep.
//!
//! usage: bench-aws [JOBS] [--trouble PROMILLE] [--seed N] [--instances N] — uses the `bootstrap` that stands
//! beside this program, and what `scripts/setup dynamodb s3` fetches
//!
//! | file | what it is |
//! |---|---|
//! | `played` | runners, and who of them was at work at a time |
//! | `jobs` | jobs on their way in, and what became of them |

mod jobs;
mod played;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use clap::Parser;
use sandbox_tests::{
    dynamodb::proxy::Proxy,
    figures::row,
    lambda::{
        Account, Plan,
        account::servers,
        asked::Asked,
        trouble::{Service, Trouble},
    },
};

use played::Starts;

/// Measures a deployment on AWS, as far as one machine has it
#[derive(Parser)]
struct Args {
    /// How many jobs
    #[arg(default_value_t = 1000)]
    jobs: usize,
    /// How many of a thousand requests and events go wrong
    #[arg(long, default_value_t = 0)]
    trouble: usize,
    /// What chance begins with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instances of each function
    #[arg(long, default_value_t = 8)]
    instances: usize,
    /// The program of the functions; the one beside this when absent
    #[arg(long)]
    program: Option<std::path::PathBuf>,
}

/// How often everything is looked at: as deployed, and where events are lost.
const SWEEP: Duration = Duration::from_mins(5);
const OFTEN: Duration = Duration::from_secs(10);
/// Most jobs at work at a time.
const SLOTS: &str = "400";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure(&Args::parse()))
}

async fn measure(args: &Args) -> Result<()> {
    let trouble = Arc::new(Trouble::new(args.seed, args.trouble));
    let (tables, others) = servers().await;
    let (tables, others) = (Proxy::before(&tables).await?, Proxy::before(&others).await?);
    let starts = Arc::<Starts>::default();
    let account = Account::with(plan(args, (&tables, &others), (&starts, &trouble)));
    let account = Arc::new(account.await);
    let unlucky = trouble.clone();
    tables.roll(Box::new(move |_| unlucky.of(Service::Dynamodb)));
    let unlucky = trouble.clone();
    others.roll(Box::new(move |_| unlucky.of(Service::Other)));
    let unlucky = trouble.clone();
    account.ecs.roll(Box::new(move |_| unlucky.of_ecs()));
    let every = if args.trouble > 0 { OFTEN } else { SWEEP };
    let sweeps = sweeps((&account, &starts), every);

    let begun = Instant::now();
    let ids = jobs::submit(&account, &starts, (args.jobs, args.trouble > 0)).await?;
    let submitted = begun.elapsed();
    jobs::reported(&starts, &ids, begun).await?;
    let took = begun.elapsed();
    let asked = Asked::at_rest(&account, (&tables, &others)).await;
    let attempts = jobs::succeeded(&account, &ids).await?;
    jobs::left_alone(&starts).await?;
    sweeps.abort();

    let figure = |d: Duration| format!("{:.1} s", d.as_secs_f64());
    row("jobs", &ids.len().to_string());
    row("until all were submitted", &figure(submitted));
    row("until all had reported", &figure(took));
    row("attempts of all jobs", &attempts.to_string());
    starts.show();
    asked.show(ids.len());
    ensure!(starts.doubles().is_empty(), "{:#?}", starts.doubles());
    let outlasted = starts.outlasted();
    ensure!(outlasted <= 1, "an orphan outlasted {outlasted} sweeps");
    Ok(())
}

fn plan(
    args: &Args,
    (tables, others): (&Proxy, &Proxy),
    (starts, trouble): (&Arc<Starts>, &Arc<Trouble>),
) -> Plan {
    let others = others.endpoint();
    let plan = Plan {
        player: Some(played::player(starts.clone(), trouble.clone())),
        instances: args.instances,
        trouble: (args.trouble > 0).then(|| trouble.clone()),
        ..Plan::default()
    };
    let plan = match &args.program {
        Some(program) => plan.set("BOOTSTRAP", &program.display().to_string()),
        None => plan,
    };
    plan.set("AWS_ENDPOINT_URL_DYNAMODB", &tables.endpoint())
        .set("AWS_ENDPOINT_URL_S3", &others)
        .set("AWS_ENDPOINT_URL_SQS", &others)
        .set("AWS_ENDPOINT_URL_SECRETS_MANAGER", &others)
        .set("SANDBOX_SLOTS", SLOTS)
}

/// The clock of the deployment.
fn sweeps(
    (account, starts): (&Arc<Account>, &Arc<Starts>),
    every: Duration,
) -> tokio::task::JoinHandle<()> {
    let (account, starts) = (account.clone(), starts.clone());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            let begun = Instant::now();
            // One that fails is followed by the next.
            if account.sweep().await.is_ok() {
                starts.swept(begun);
            }
        }
    })
}
