//! The arguments of the Claude Code CLI that a supervisor uses, with their spelling.
//!
//! Others are refused, so that a supervisor that counts on one notices.

use std::ffi::OsString;

use clap::{Parser, ValueEnum};
use uuid::Uuid;

/// The version that the agent claims to be.
pub(super) const VERSION: &str = "2.1.197";

/// What the command line said.
#[derive(Debug, Parser)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
#[command(name = "scripted-agent", version = concat!("2.1.197", " (scripted agent)"))]
#[command(disable_version_flag = true)]
pub(super) struct Args {
    /// A settings file, or the settings themselves as JSON
    #[arg(long)]
    pub settings: Option<String>,
    /// MCP servers, files or JSON; they are read and not connected to
    #[arg(long, num_args = 1..)]
    pub mcp_config: Vec<String>,
    /// Only the servers of `--mcp-config`
    #[arg(long)]
    pub strict_mcp_config: bool,
    /// The same as `--permission-mode bypassPermissions`
    #[arg(long)]
    pub dangerously_skip_permissions: bool,
    /// What happens with a tool that nothing allows
    #[arg(long, value_enum, default_value = "default")]
    pub permission_mode: Mode,
    /// Tools that need no question, such as `Edit` or `Bash(git *)`
    #[arg(long, alias = "allowed-tools", num_args = 1.., value_delimiter = ',')]
    #[arg(id = "allowedTools", long = "allowedTools")]
    pub allowed_tools: Vec<String>,
    /// The id of a new session
    #[arg(long, conflicts_with = "resume")]
    pub session_id: Option<Uuid>,
    /// Go on with this session
    #[arg(short, long)]
    pub resume: Option<Uuid>,
    /// The model; it is only repeated
    #[arg(long, default_value = "scripted")]
    pub model: String,
    /// One turn without a terminal, then the result
    #[arg(short, long)]
    pub print: bool,
    /// The form of the result of `--print`
    #[arg(long, value_enum, default_value = "text")]
    pub output_format: Format,
    /// Accepted because supervisors pass it; changes nothing
    #[arg(long)]
    pub verbose: bool,
    /// Print the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    /// The first prompt
    pub prompt: Option<String>,
}

/// Permission modes, spelled as the CLI spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Ask
    #[value(name = "default")]
    Default,
    /// Edits need no question
    #[value(name = "acceptEdits")]
    AcceptEdits,
    /// Nothing needs a question
    #[value(name = "bypassPermissions")]
    Bypass,
    /// Refuse what would need a question
    #[value(name = "dontAsk")]
    DontAsk,
}

impl Mode {
    /// The CLI's spelling.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Bypass => "bypassPermissions",
            Self::DontAsk => "dontAsk",
        }
    }
}

/// Forms of the result of `--print`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The last text
    Text,
    /// One object
    Json,
    /// An object a line: one at the start, one with the result
    StreamJson,
}

impl Args {
    /// Reads a command line.
    ///
    /// # Errors
    /// The text for the terminal, also for `--help` and `--version`.
    pub(super) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut args = Self::try_parse_from(args)?;
        if args.dangerously_skip_permissions {
            args.permission_mode = Mode::Bypass;
        }
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Args {
        let all = std::iter::once("claude").chain(words.iter().copied());
        Args::read(all.map(OsString::from)).unwrap()
    }

    #[test]
    fn lists_end_at_the_two_dashes() {
        let args = read(&[
            "--mcp-config",
            "a.json",
            "b.json",
            "--allowedTools",
            "Write,Edit",
            "Bash(git *)",
            "--",
            "do it",
        ]);
        assert_eq!(args.mcp_config.len(), 2);
        assert_eq!(args.allowed_tools, ["Write", "Edit", "Bash(git *)"]);
        assert_eq!(args.prompt.as_deref(), Some("do it"));
    }

    #[test]
    fn skipping_permissions_is_a_mode() {
        let args = read(&["--dangerously-skip-permissions", "do it"]);
        assert_eq!(args.permission_mode, Mode::Bypass);
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        let words = ["claude", "--surely-not"].map(OsString::from);
        assert!(Args::read(words).is_err());
    }
}
