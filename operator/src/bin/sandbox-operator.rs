//! The program that looks after jobs in a Kubernetes cluster.

use std::process::ExitCode;

use axum::http::Uri;
use clap::{Parser, Subcommand};
use sandbox_operator::cluster::{self, check, settings::Settings};

/// Looks after agent jobs in a Kubernetes cluster
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    args_override_self = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Ask once whether a server answers well
    Check {
        /// Its address, such as `http://sandbox.sandbox.svc:8000/health`
        url: Uri,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Check { url }) => cluster::blocking(check::check(&url)),
        None => cluster::main(cli.settings, cluster::places),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("sandbox-operator: {e:#}");
            ExitCode::FAILURE
        }
    }
}
