//! The binary `sandbox`: `exec` runs one seat, `serve` is a whole node, the rest is the command line.
//!
//! `exec` comes first and without the command line's parser: a runner has five milliseconds from
//! its start to its claim.

mod agent;
mod backup;
mod cli;
mod config;
mod exec;
mod git;
mod import;
mod kind;
mod model;
mod place;
mod serve;
mod settings;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(word) if word == "exec" => exec::main(args),
        // The words that agents' programs are told; people do not type them.
        Some(word) if word == "launch" => agent::launch::main(args),
        Some(word) if word == "hook" => agent::hook::main(args),
        Some(word) if word == "keep" => agent::keep::main(args),
        Some(word) if word == "statusline" => agent::status_line::main(args),
        _ => cli::main(),
    }
}
