//! `sandbox doctor`: what this machine has, and what to do about what it has not.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Result;

use super::{api::ServerFlags, shown::out};
use crate::config::{ServeConfig, ServeFlags};

/// A check of this machine.
#[derive(clap::Args)]
pub struct Doctor {
    #[command(flatten)]
    serve: ServeFlags,
}

enum Verdict {
    Good(String),
    Missing(String),
    Bad(String, &'static str),
}

impl Doctor {
    /// Checks and tells; exit code 1 when something that is needed is not there.
    ///
    /// # Errors
    /// The settings cannot be read.
    pub async fn run(self, server: &ServerFlags) -> Result<ExitCode> {
        let config = ServeConfig::resolve(&self.serve)?;
        let checks = [
            ("tmux", tmux()),
            ("git", program("git", "install git: apt-get install git")),
            ("claude", claude(&config)),
            ("model key", key(&config)),
            ("disk", disk(&config.data_dir)),
            ("kernel", kernel()),
            ("server", reachable(server).await),
        ];
        let mut good = true;
        for (what, verdict) in &checks {
            good &= tell(what, verdict);
        }
        Ok(ExitCode::from(u8::from(!good)))
    }
}

fn tell(what: &str, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Good(seen) => out(&format!("ok       {what}: {seen}")),
        Verdict::Missing(seen) => out(&format!("optional {what}: {seen}")),
        Verdict::Bad(seen, remedy) => out(&format!("MISSING  {what}: {seen}\n         {remedy}")),
    }
    !matches!(verdict, Verdict::Bad(..))
}

fn version(program: &str, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn program(name: &str, remedy: &'static str) -> Verdict {
    match version(name, "--version") {
        Some(seen) => Verdict::Good(seen),
        None => Verdict::Bad("not found".to_owned(), remedy),
    }
}

/// tmux 3.2 is the oldest whose commands do what ours need.
fn tmux() -> Verdict {
    let remedy = "install tmux 3.2 or newer: apt-get install tmux";
    let Some(seen) = version("tmux", "-V") else {
        return Verdict::Bad("not found".to_owned(), remedy);
    };
    let digits: String = seen
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let mut parts = digits.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let seen_version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if seen_version >= (3, 2) {
        Verdict::Good(seen)
    } else {
        Verdict::Bad(seen, remedy)
    }
}

fn claude(config: &ServeConfig) -> Verdict {
    match version("claude", "--version") {
        Some(seen) => Verdict::Good(format!("{seen}; {}", login(config))),
        None => Verdict::Missing("not found; only agent_farm with the real agents needs it: npm install @anthropic-ai/claude-code".to_owned()),
    }
}

/// How agents would log in: a token goes before a key, as in a farm.
fn login(config: &ServeConfig) -> String {
    let set = |name: &str| config.sources.get(name).is_some();
    if set("SANDBOX_AGENT_TOKEN_FILE") {
        return "agents log in by SANDBOX_AGENT_TOKEN_FILE".to_owned();
    }
    if set("ANTHROPIC_API_KEY") || set("ANTHROPIC_API_KEY_FILE") {
        return "agents log in by the model key".to_owned();
    }
    "agents have no login: run `claude setup-token` and name its file in SANDBOX_AGENT_TOKEN_FILE"
        .to_owned()
}

fn key(config: &ServeConfig) -> Verdict {
    let file = config
        .sources
        .get("ANTHROPIC_API_KEY_FILE")
        .map(PathBuf::from);
    let there =
        config.sources.get("ANTHROPIC_API_KEY").is_some() || file.is_some_and(|f| f.exists());
    if there {
        return Verdict::Good("set".to_owned());
    }
    Verdict::Missing(
        "not set; claude_chat and analytics need ANTHROPIC_API_KEY or ANTHROPIC_API_KEY_FILE"
            .to_owned(),
    )
}

fn disk(data_dir: &Path) -> Verdict {
    let there = data_dir
        .ancestors()
        .find(|p| p.exists())
        .unwrap_or(Path::new("/"));
    let Ok(stat) = rustix::fs::statvfs(there) else {
        return Verdict::Bad(
            format!("{} cannot be asked", there.display()),
            "look at the data folder",
        );
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize) / (1 << 20);
    let seen = format!("{free} MiB free for {}", data_dir.display());
    if free >= 512 {
        Verdict::Good(seen)
    } else {
        Verdict::Bad(seen, "free some space: at least 512 MiB are needed")
    }
}

/// Ends of processes are noticed by pidfd, which Linux has since 5.3.
fn kernel() -> Verdict {
    let me = rustix::process::getpid();
    let seen = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    match rustix::process::pidfd_open(me, rustix::process::PidfdFlags::empty()) {
        Ok(_) => Verdict::Good(seen),
        Err(e) => Verdict::Bad(
            format!("{seen} has no pidfd: {e}"),
            "use Linux 5.3 or newer",
        ),
    }
}

async fn reachable(server: &ServerFlags) -> Verdict {
    let api = match server.api() {
        Ok(api) => api,
        Err(e) => return Verdict::Missing(format!("{e:#}")),
    };
    match api.get("/health").await {
        Ok(_) => Verdict::Good(api.base().to_owned()),
        Err(e) => Verdict::Missing(format!("{e:#}")),
    }
}
