//! `sandbox doctor`: what this machine has, and what to do about what it has not.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Result;
use sandbox_operator::backend::vps::version::{REMEDY, will_do};

use super::{api::ServerFlags, shown::out};
use crate::{
    agent::credentials::Credentials,
    config::{ServeConfig, ServeFlags, agent_login_file, switch},
    kind::checks::Checks,
    serve::stores::{Place, place},
    settings::Settings,
};
use sandbox_elf::store::redis::link::Link;
use sandbox_operator::{
    backend::container::{engine_host, engine_state},
    store::dynamodb::DynamoStore,
};

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
        let all = [
            ("tmux", tmux()),
            ("git", program("git", "install git: apt-get install git")),
            ("claude", claude()),
            ("agents' login", login(&config)),
            ("model key", key(&config)),
            ("farms' checks", checks(&config)),
            ("containers", containers(&config).await),
            ("store", store(&config).await),
            ("disk", disk(&config.data_dir)),
            ("kernel", kernel()),
            ("server", reachable(server).await),
        ];
        let mut good = true;
        for (what, verdict) in &all {
            good &= tell(what, verdict);
        }
        Ok(ExitCode::from(u8::from(!good)))
    }
}

/// Where records are kept, and whether they are kept.
async fn store(config: &ServeConfig) -> Verdict {
    match place(config) {
        Ok(Place::Files) => Verdict::Good("SQLite in the data folder".to_owned()),
        Ok(Place::Redis(settings)) => match Link::open(&settings).await {
            Ok(_) => Verdict::Good("Redis keeps what it acknowledges".to_owned()),
            Err(e) => Verdict::Bad(e.to_string(), "see docs/redis.md for what it needs"),
        },
        Ok(Place::DynamoDb(settings)) => match Box::pin(DynamoStore::open(&settings)).await {
            Ok(_) => Verdict::Good(format!("the DynamoDB table {} is fit", settings.table)),
            Err(e) => Verdict::Bad(e.to_string(), "see docs/dynamodb.md for what it needs"),
        },
        Err(e) => Verdict::Bad(format!("{e:#}"), "see docs/one-machine.md for the settings"),
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

fn tmux() -> Verdict {
    match version("tmux", "-V") {
        None => Verdict::Bad("not found".to_owned(), REMEDY),
        Some(seen) if will_do(&seen) => Verdict::Good(seen),
        Some(seen) => Verdict::Bad(format!("{seen} is too old"), REMEDY),
    }
}

fn claude() -> Verdict {
    match version("claude", "--version") {
        Some(seen) => Verdict::Good(seen),
        None => Verdict::Missing("not found; only agent_farm with the real agents needs it: npm install @anthropic-ai/claude-code".to_owned()),
    }
}

/// How agents would log in, decided as a farm decides it.
fn login(config: &ServeConfig) -> Verdict {
    let sources = &config.sources;
    let file = |name: &str| sources.get(name).map(PathBuf::from);
    let settings = Settings {
        agent_token_file: file("SANDBOX_AGENT_TOKEN_FILE"),
        agent_login: switch(sources, "SANDBOX_AGENT_LOGIN").unwrap_or_default(),
        agent_login_file: agent_login_file(sources),
        model_key_file: file("ANTHROPIC_API_KEY_FILE"),
        ..Settings::default()
    };
    let has_other = settings.agent_token_file.is_some() || settings.agent_login;
    if !has_other && sources.get("ANTHROPIC_API_KEY").is_some() {
        return Verdict::Good("an API key: ANTHROPIC_API_KEY".to_owned());
    }
    match Credentials::choose(&settings) {
        Ok(chosen) => Verdict::Good(shown(&chosen)),
        Err(failure) => Verdict::Missing(failure.message),
    }
}

fn shown(chosen: &Credentials) -> String {
    let file = match chosen {
        Credentials::Token(file) | Credentials::Key { file, .. } => file,
        Credentials::Login(login) => &login.file,
        Credentials::None => return chosen.name().to_owned(),
    };
    let end = chosen.login().and_then(|l| l.loan().ok()?.end());
    let end = end.map_or(String::new(), |end| format!(", good until {end:.0}"));
    format!("{}: {}{end}", chosen.name(), file.display())
}

/// What judges a farm's work, read as `serve` reads it.
fn checks(config: &ServeConfig) -> Verdict {
    let Some(file) = config.sources.get("SANDBOX_CHECKS_FILE") else {
        let none =
            "none; SANDBOX_CHECKS_FILE names builds, lints and tests that judge a farm's work";
        return Verdict::Missing(none.to_owned());
    };
    match Checks::read(Path::new(file)) {
        Ok(checks) => Verdict::Good(format!("for {}: {file}", checks.known())),
        Err(why) => Verdict::Bad(
            why,
            "correct the file, or leave SANDBOX_CHECKS_FILE empty: serve does not start with it",
        ),
    }
}

/// The engine, and whether it has the image of container jobs.
async fn containers(config: &ServeConfig) -> Verdict {
    let Some(host) = engine_host(config.sources.get("DOCKER_HOST")) else {
        return Verdict::Missing(
            "no engine found; only container jobs need one: apt-get install docker.io".to_owned(),
        );
    };
    let image = config.sources.get("SANDBOX_CONTAINER_IMAGE");
    let image = image.map_or_else(crate::serve::default_image, str::to_owned);
    match engine_state(&host, &image).await {
        Ok((version, true)) => Verdict::Good(format!("{version} at {host}, image {image}")),
        Ok((version, false)) => Verdict::Missing(format!(
            "{version} at {host}, without image {image}: it is pulled when a job needs it, or \
             built as images/runner/Dockerfile says"
        )),
        Err(e) => Verdict::Missing(e.to_string()),
    }
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
