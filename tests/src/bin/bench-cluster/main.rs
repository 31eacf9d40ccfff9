//! Measures the operator on a real API server, beside what that server does in a raw loop of the same run: how long many
//! jobs take, what each asks of the server (by its audit log), how soon one begins, what the operator holds, what a
//! restart asks, how soon another replica takes over; and on nodes that kwok makes up, beside batch jobs. Prints figures
//! and judges none, unless it is told to; it stops where a job is lost, fails or begins twice.
//!
//! usage: bench-cluster [JOBS] [nowhere] [queue] [pods] [failover] [--check] — uses the `sandbox-operator` that stands
//! beside this program, and what `scripts/setup kwok` builds
//!
//! | file | what it is |
//! |---|---|
//! | `plane` | the API server, and who asks it |
//! | `audit` | who asked what |
//! | `floor` | the raw loop |
//! | `jobs` | many jobs, and when all of them are so far |
//! | `nowhere` | an operator whose back end does nothing |
//! | `burst`, `queue`, `resync` | what is measured with it |
//! | `runners`, `pods` | pods that never run, and who plays their runners; batch jobs beside |
//! | `failover` | a leader that ends or is killed |

mod audit;
mod burst;
mod failover;
mod floor;
mod jobs;
mod nowhere;
mod plane;
mod pods;
mod queue;
mod resync;
mod runners;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use rustix::process::setpriority_process;
use sandbox_tests::figures::row;

/// Measures the operator on a real API server
#[derive(Parser)]
struct Args {
    /// How many jobs
    #[arg(default_value_t = 1000)]
    jobs: usize,
    /// What is measured; all of it where nothing is named
    parts: Vec<Part>,
    /// End with an error where more is asked of the API server than is promised
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Many jobs at once on a back end that does nothing, and a restart over them
    Nowhere,
    /// Jobs at a fixed rate on a back end that does nothing
    Queue,
    /// Many jobs at once in pods that never run, and batch jobs beside
    Pods,
    /// A leader that ends, and one that is killed
    Failover,
}

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("operator") {
        return nowhere::operator(std::env::args().skip(1));
    }
    let args = Args::parse();
    // What is measured goes before who drives it. Of the threads here the first starts the others' processes.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .on_thread_start(|| {
            let _ = setpriority_process(None, 10);
        })
        .build()?;
    runtime.block_on(measure(&args))
}

async fn measure(args: &Args) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    row("cores", &cores.to_string());
    let wanted = |part| args.parts.is_empty() || args.parts.contains(&part);
    if wanted(Part::Queue) {
        queue::measure().await?;
    }
    if wanted(Part::Nowhere) {
        burst::measure(args.jobs, args.check).await?;
    }
    if wanted(Part::Pods) {
        pods::measure(args.jobs, args.check).await?;
    }
    if wanted(Part::Failover) {
        failover::measure().await?;
    }
    Ok(())
}
