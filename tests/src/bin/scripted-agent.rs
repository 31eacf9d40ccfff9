//! The binary `scripted-agent`: a terminal agent that does what a scenario file says.
//!
//! It stands where the Claude Code CLI would stand. All of it is in [`sandbox_tests::agent`].

use std::process::ExitCode;

fn main() -> ExitCode {
    sandbox_tests::agent::main()
}
