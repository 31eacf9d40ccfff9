//! The command line: what people type. Each command is one file; none of them decides about jobs.
#![allow(
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "these texts are shown to people as they stand"
)]

mod api;
mod artifacts;
mod backup;
mod cloud;
mod doctor;
mod elf;
mod get;
mod health;
mod host;
mod import;
mod job;
mod ledger;
mod logs;
mod mcp;
mod restore;
mod shown;
mod submit;
mod table;
mod validate;
mod wait;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{self, ServeFlags};
use api::ServerFlags;

/// Runs AI-agent jobs: on this machine with `serve`, and from anywhere with the other commands.
#[derive(Parser)]
#[command(
    name = "sandbox",
    version,
    about,
    max_term_width = 100,
    args_override_self = true
)]
struct Cli {
    #[command(flatten)]
    server: ServerFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a whole node: API, dashboard, store, and jobs in tmux on this machine
    Serve(Box<ServeFlags>),
    /// Submit a job, from flags or from a manifest
    Submit(Box<submit::Submit>),
    /// List jobs, agents or rules
    Get(get::Get),
    /// Show everything about one job
    Describe(job::Named),
    /// Show what a job's runner says
    Logs(logs::Logs),
    /// List the files that a job left, or write one out
    Artifacts(artifacts::Artifacts),
    /// Open the job's terminal (on the machine where it runs)
    Attach(job::Attach),
    /// Wait for the end of a job; the exit code says how it ended
    Wait(wait::Wait),
    /// End a job
    Cancel(job::Named),
    /// Let a job wait until it is resumed; an attempt at work is stopped
    Suspend(job::Named),
    /// Let a suspended job go on, with a new attempt
    Resume(job::Named),
    /// Run a finished job again, as a new job
    Retry(job::Named),
    /// Check a manifest without a server
    Validate(validate::Validate),
    /// Read and teach the shared memory
    Elf(elf::Elf),
    /// Serve the shared memory to an agent, as an MCP server on stdin and stdout
    Mcp(mcp::Mcp),
    /// Serve the file of the shared memory to control planes that share it
    Ledger(ledger::Ledger),
    /// Make the DynamoDB table that jobs and memory are kept in
    Table(table::Table),
    /// Show, pause and resume the serverless deployment on AWS
    Cloud(Box<cloud::Cloud>),
    /// Print what tells a cluster to run attempts on this machine, for `kubectl apply -f -`
    Host(host::Host),
    /// Copy jobs, memory and results of a data folder into one file, also while it is served
    Backup(backup::Backup),
    /// Make a data folder of a backup; jobs that were not over come back suspended
    Restore(restore::Restore),
    /// Take over jobs and memories of the Python ancestor; says what it would do unless told to do it
    Import(import::Import),
    /// Print a completion script for a shell
    Completion {
        /// Which shell
        shell: Shell,
    },
    /// Ask whether the server answers; exit code 0 when it is healthy
    Health,
    /// Stand before an engine's socket and let through what container jobs need
    Gate(crate::serve::gate::Gate),
    /// Check this machine and say what to do about what is missing
    Doctor(doctor::Doctor),
}

/// Reads the words and does what they say.
pub fn main() -> ExitCode {
    let words = words().get_matches();
    let cli = match Cli::from_arg_matches(&words) {
        Ok(cli) => cli,
        Err(e) => e.exit(),
    };
    if let Command::Serve(flags) = &cli.command {
        return crate::serve::main(flags);
    }
    match run(cli) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("sandbox: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// The command line with the settings in the help of `serve`.
fn words() -> clap::Command {
    let settings: Vec<String> = config::ALL
        .iter()
        .map(|s| format!("  {:<24} {}", s.name, s.about))
        .collect();
    let help = format!(
        "Settings, from the environment, ./.env or the config file (in this order):\n{}",
        settings.join("\n")
    );
    Cli::command().mut_subcommand("serve", |serve| serve.after_help(help))
}

fn run(cli: Cli) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(command(cli))
}

async fn command(cli: Cli) -> Result<ExitCode> {
    let server = cli.server;
    match cli.command {
        Command::Serve(_) => Ok(ExitCode::FAILURE),
        Command::Submit(c) => c.run(&server.api()?).await,
        Command::Get(c) => c.run(&server.api()?).await,
        Command::Describe(c) => c.describe(&server.api()?).await,
        Command::Logs(c) => c.run(&server.api()?).await,
        Command::Artifacts(c) => c.run(&server.api()?).await,
        Command::Attach(c) => c.run(&server.api()?).await,
        Command::Wait(c) => c.run(&server.api()?).await,
        Command::Cancel(c) => c.cancel(&server.api()?).await,
        Command::Suspend(c) => c.suspend(&server.api()?, true).await,
        Command::Resume(c) => c.suspend(&server.api()?, false).await,
        Command::Ledger(c) => c.run().await,
        Command::Table(c) => c.run().await,
        Command::Cloud(c) => c.run().await,
        Command::Host(c) => c.run(),
        Command::Backup(c) => c.run(),
        Command::Restore(c) => c.run().await,
        Command::Import(c) => c.run().await,
        Command::Retry(c) => c.retry(&server.api()?).await,
        Command::Validate(c) => Ok(c.run()),
        Command::Elf(c) => c.run(&server.api()?).await,
        Command::Mcp(c) => c.run(&server).await,
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut words(), "sandbox", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Health => health::run(&server.api()?).await,
        Command::Gate(c) => c.run().await,
        Command::Doctor(c) => c.run(&server).await,
    }
}
