//! A terminal agent with the surface of the Claude Code CLI that does what a scenario file says.
//!
//! It asks no model: arguments, seed, hooks, state file, transcript, status line and exit codes are
//! the CLI's, what it does to a prompt is the scenario's. It has no MCP client and no HTTP hooks.

mod args;
mod desk;
mod hooks;
mod input;
mod interactive;
mod permission;
mod print;
mod scenario;
mod seed;
mod session;
mod settings;
mod state;
mod status_line;
mod terminal;
mod tools;
mod transcript;
mod turn;

use std::{
    env, fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
};

use anyhow::bail;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use uuid::Uuid;

pub use scenario::{Cost, Crash, Edit, Fault, FileText, Rule, Scenario, Step, When, Write};

use args::{Args, Mode};
use desk::Desk;
use interactive::Startup;
use seed::{Dialog, Start};
use session::{Session, Setup};
use settings::Settings;
use transcript::Transcript;

/// How the shell counts a death by a signal.
const SIGNALLED: u8 = 128;

/// Runs the agent with this process's arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::read(env::args_os()) {
        Ok(args) => args,
        Err(said) => {
            // A terminal that is gone needs no message.
            let _ = said.print();
            return ExitCode::from(u8::from(said.use_stderr()));
        }
    };
    match run(args) {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("{why:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<u8> {
    refuse_root(args.permission_mode)?;
    let config = config_folder()?;
    let settings = Settings::load(args.settings.as_deref(), &config)?;
    read_mcp(&args.mcp_config)?;
    let desk = Rc::new(Desk::default());
    let session = open(args, config, settings, Rc::clone(&desk))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(until_ended(session, &desk))
}

/// Root may not skip permissions outside a sandbox.
fn refuse_root(mode: Mode) -> anyhow::Result<()> {
    let is_sandbox = env::var("IS_SANDBOX").is_ok_and(|v| v == "1");
    if mode == Mode::Bypass && rustix::process::geteuid().is_root() && !is_sandbox {
        bail!(
            "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons"
        );
    }
    Ok(())
}

fn config_folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = env::var_os("CLAUDE_CONFIG_DIR") {
        return Ok(PathBuf::from(folder));
    }
    match env::var_os("HOME") {
        Some(home) => Ok(Path::new(&home).join(".claude")),
        None => bail!("neither CLAUDE_CONFIG_DIR nor HOME is set"),
    }
}

/// A configuration of MCP servers that cannot be read ends the start, as with the CLI.
fn read_mcp(named: &[String]) -> anyhow::Result<()> {
    for config in named {
        let inline = config.trim_start().starts_with('{');
        let text = if inline {
            config.clone()
        } else {
            fs::read_to_string(config).unwrap_or_default()
        };
        if serde_json::from_str::<Value>(&text).is_err() {
            bail!("Invalid MCP configuration: {config}");
        }
    }
    Ok(())
}

/// Opens a new session or an old one.
fn open(
    args: Args,
    config: PathBuf,
    settings: Settings,
    desk: Rc<Desk>,
) -> anyhow::Result<Session> {
    let cwd = env::current_dir()?;
    let id = args.resume.or(args.session_id).unwrap_or_else(Uuid::new_v4);
    let transcript = Transcript::of(&config, id, &cwd);
    match (args.resume, transcript.path.exists()) {
        (Some(id), false) => bail!("No conversation found with session ID: {id}"),
        (None, true) => bail!("Error: Session ID {id} is already in use."),
        _ => {}
    }
    let scenario = match env::var_os("SCRIPTED_AGENT_SCENARIO") {
        Some(path) => Scenario::load(Path::new(&path))?,
        None => Scenario::default(),
    };
    let agent = env::var("AGENT_INDEX").or_else(|_| env::var("SANDBOX_AGENT"));
    let agent = agent.unwrap_or_default();
    let setup = Setup {
        args,
        config,
        cwd,
        settings,
        scenario,
        agent,
    };
    Ok(Session::new(setup, id, transcript, desk))
}

/// Runs the session to its own end or to the first signal that ends it.
async fn until_ended(mut session: Session, desk: &Desk) -> anyhow::Result<u8> {
    let mut signals = Signals::new()?;
    tokio::select! {
        code = work(&mut session, desk) => code,
        number = signals.first() => {
            session.end("other").await;
            Ok(SIGNALLED + number)
        }
    }
}

async fn work(session: &mut Session, desk: &Desk) -> anyhow::Result<u8> {
    if session.setup.args.print {
        let prompt = first_prompt(&session.setup.args)?;
        return Ok(print::run(session, &prompt).await);
    }
    let startup = Startup::begin();
    if let Some(dialog) = dialog(session) {
        return Ok(startup.stay_in(dialog).await);
    }
    startup.run(session, desk).await
}

/// The prompt of the arguments, or else standard input.
fn first_prompt(args: &Args) -> anyhow::Result<String> {
    match &args.prompt {
        Some(prompt) => Ok(prompt.clone()),
        None if io::stdin().is_terminal() => bail!("Error: --print needs a prompt"),
        None => Ok(io::read_to_string(io::stdin())?),
    }
}

fn dialog(session: &Session) -> Option<Dialog> {
    let setup = &session.setup;
    let text = fs::read_to_string(setup.config.join(".claude.json")).unwrap_or_default();
    let config: Value = serde_json::from_str(&text).unwrap_or_default();
    let key = env::var("ANTHROPIC_API_KEY").ok().filter(|k| !k.is_empty());
    let start = Start {
        config: &config,
        cwd: &setup.cwd,
        key: key.as_deref(),
        bypass: setup.args.permission_mode == Mode::Bypass,
        skips_warning: setup.settings.skips_warning(),
    };
    start.dialog()
}

/// The signals that end an agent in order.
struct Signals {
    term: Signal,
    hangup: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The number of the first that comes.
    async fn first(&mut self) -> u8 {
        tokio::select! {
            _ = self.term.recv() => 15,
            _ = self.hangup.recv() => 1,
            _ = self.interrupt.recv() => 2,
        }
    }
}
