//! A runner that has to ask before it does anything: in a pod or a task of ECS, where it has a door, a token and its environment and no
//! file of ours before it, and on a machine that runs it for a control plane elsewhere. It claims first, then asks what it
//! is to do; where nothing of ours is before it, its settings are made of its environment.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use sandbox_core::{Brief, Claim, Failure, spec};
use sandbox_operator::{
    backend::pod::inside, face::seat::Told, seats::files::sync as seats, secrets::is_name,
};

use super::{
    NOT_DONE, NOT_MINE,
    args::Args,
    broken,
    door::{Door, DoorSettings},
    is_mine,
    lease::{LAST, Lease, Sent},
    new_claim, open, relay,
    rent::Rent,
    seat_dir,
    socket::{CallError, Node},
    task,
};
use crate::{
    config::{Sources, number, pairs},
    kind::{Work, checks::Checks},
    settings::Settings,
};

/// How long the door may be away before a runner that has done nothing yet gives up.
const PATIENCE: Duration = Duration::from_mins(5);
/// The same once the seat is taken: the lease runs, and it is told with the brief.
const BRIEF: Duration = Duration::from_secs(30);
/// How soon it is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// A seat that is claimed, and what is to be done in it.
pub(super) struct Begun {
    pub(super) node: Node,
    pub(super) lease: Option<Lease>,
    claim: Claim,
    /// What there is around it, where that has nothing of ours.
    around: Option<Around>,
    brief: Brief,
    left: Duration,
    rent: Option<Rent>,
    checks: Checks,
}

/// A pod or a task of ECS.
struct Around {
    /// Where the door is.
    door: DoorSettings,
    /// Tenants' files.
    workspace: PathBuf,
    /// The files that secrets become.
    secrets: PathBuf,
    /// Whether the door is asked for those of the tenant, which stand nowhere here.
    asks: bool,
    /// Since when it is paid for.
    since: Option<Timestamp>,
}

/// Takes the seat of a pod.
pub(super) async fn begin(args: &Args, url: String) -> Result<Begun, (u8, String)> {
    let misused = |text: String| (super::MISUSED, text);
    let door = DoorSettings {
        url,
        authority: variable("SANDBOX_SEAT_CA").map_err(misused)?,
        token_file: variable("SANDBOX_SEAT_TOKEN_FILE").map_err(misused)?.into(),
    };
    let uid = variable("SANDBOX_POD_UID").map_err(misused)?;
    let claim = new_claim(format!("pod:{uid}"));
    let way = Door::new(&door).map_err(misused)?;
    let node = Node::elsewhere(way, args.seat.clone(), claim.nonce.clone());
    let around = Around {
        door,
        workspace: inside::WORKSPACE.into(),
        secrets: inside::SECRETS.into(),
        asks: false,
        since: None,
    };
    ask(node, claim, Some(around)).await
}

/// Takes the seat of a task of ECS, which has no volume of ours: everything stands in its data folder.
pub(super) async fn begin_task(args: &Args, url: String) -> Result<Begun, (u8, String)> {
    let misused = |text: String| (super::MISUSED, text);
    let secrets = args.data_dir.join("secrets");
    let token = hide("SANDBOX_SEAT_TOKEN", &secrets.join(".seat-token"));
    let token = token.map_err(|e| misused(format!("{e:#}")))?;
    let unset = || misused("read the environment: SANDBOX_SEAT_TOKEN is not set".to_owned());
    let door = DoorSettings {
        url,
        // The door of a deployment that scales to zero is API Gateway's, which every system knows.
        authority: variable("SANDBOX_SEAT_CA").unwrap_or_default(),
        token_file: token.ok_or_else(unset)?,
    };
    let endpoint = variable("ECS_CONTAINER_METADATA_URI_V4").map_err(misused)?;
    let me = task::whoami(&endpoint).await;
    let me = me.map_err(|text| (NOT_DONE, text))?;
    let claim = new_claim(format!("task:{}", me.arn));
    let way = Door::new(&door).map_err(misused)?;
    let node = Node::elsewhere(way, args.seat.clone(), claim.nonce.clone());
    let around = Around {
        door,
        workspace: args.data_dir.join("workspace"),
        secrets,
        asks: true,
        since: me.since,
    };
    ask(node, claim, Some(around)).await
}

/// Takes the seat by this socket.
pub(super) async fn begin_at(args: &Args, socket: PathBuf) -> Result<Begun, (u8, String)> {
    let who = super::instance(args);
    let who = who.map_err(|e| (NOT_DONE, format!("read who this process is: {e}")))?;
    let claim = new_claim(who);
    let node = Node::new(socket, args.seat.clone(), claim.nonce.clone());
    ask(node, claim, None).await
}

/// Takes the seat and asks for its brief; a door that is away for a moment is asked again.
async fn ask(node: Node, claim: Claim, around: Option<Around>) -> Result<Begun, (u8, String)> {
    let (began, mut sent) = (Timestamp::now(), Sent::now());
    let stands = until_answered(PATIENCE, async || {
        sent = Sent::now();
        node.claim(&claim).await
    });
    is_mine(stands.await?, &claim).map_err(|text| (NOT_MINE, text))?;
    let told: Told = until_answered(BRIEF, async || node.brief().await).await?;
    let span = told.lease_ms.map(Duration::from_millis);
    let lease = span.map(|span| Lease::new(span, sent));
    if lease.as_ref().is_some_and(|l| l.is_over(LAST)) {
        let text = "was told what to do when its lease was over";
        return Err((NOT_MINE, text.to_owned()));
    }
    let since = around.as_ref().and_then(|a| a.since).unwrap_or(began);
    Ok(Begun {
        lease,
        node,
        claim,
        around,
        brief: told.brief,
        left: Duration::from_millis(told.left_ms),
        checks: told.checks.unwrap_or_default(),
        rent: told.usd_per_hour.map(|per_hour| Rent { since, per_hour }),
    })
}

fn variable(name: &str) -> Result<String, String> {
    let value = std::env::var(name).ok().filter(|v| !v.is_empty());
    value.ok_or_else(|| format!("read the environment: {name} is not set"))
}

/// Asks until there is an answer; one that says no ends the runner before it has done anything.
async fn until_answered<T>(
    patience: Duration,
    mut ask: impl AsyncFnMut() -> Result<T, CallError>,
) -> Result<T, (u8, String)> {
    let from = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(e @ CallError::Stale(_)) => return Err((NOT_MINE, e.to_string())),
            Err(e) if from.elapsed() > patience => return Err((NOT_DONE, e.to_string())),
            Err(e) => eprintln!("sandbox exec: {e}; asking again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Writes down what agents of the seat read, and opens the work.
pub(super) async fn prepare(args: &Args, begun: Begun) -> Result<Work, Failure> {
    let settings = match &begun.around {
        Some(around) => {
            let held = held(&begun, around).await?;
            settings(args, &begun, (around, &held))
                .map_err(|e| broken("made the settings of the environment", &format!("{e:#}")))?
        }
        None => Settings::read(&args.data_dir).map_err(|e| broken("read the settings", &e))?,
    };
    if let Some(proxy) = &args.relay {
        relay::begin(proxy).map_err(|e| broken("opened the way to the proxy", &e))?;
    }
    let seat = seats::claim(&args.data_dir.join("seats"), &args.seat, begun.claim);
    seat.map_err(|e| broken("wrote the claim down", &e))?;
    let mut work = open(args, begun.brief, settings, &begun.node).await?;
    // By our own clock: the operator's may differ.
    let over_at = Timestamp::now().checked_add(begun.left);
    work.over_at.send_replace(over_at.unwrap_or(Timestamp::MAX));
    work.lease = begun.lease;
    work.rent = begun.rent;
    work.stop_within = stop_within(work.stop_within)?;
    Ok(work)
}

/// How long we have from SIGTERM to SIGKILL, where somebody says.
fn stop_within(otherwise: Duration) -> Result<Duration, Failure> {
    let Ok(seconds) = variable("SANDBOX_STOP_SECONDS") else {
        return Ok(otherwise);
    };
    let seconds = seconds.parse().map(Duration::from_secs);
    seconds.map_err(|e| broken("read SANDBOX_STOP_SECONDS", &e))
}

/// What the secrets hold that the job names, where the door says so.
async fn held(begun: &Begun, around: &Around) -> Result<BTreeMap<String, String>, Failure> {
    if !around.asks || spec::secrets(&begun.brief.spec).is_empty() {
        return Ok(BTreeMap::new());
    }
    let from = Instant::now();
    loop {
        match begun.node.secrets().await {
            Ok(held) => return Ok(held),
            Err(CallError::Refused(failure)) => return Err(failure),
            Err(CallError::Unavailable(why)) if from.elapsed() < BRIEF => {
                eprintln!("sandbox exec: asked for the job's secrets: {why}; asking again");
            }
            Err(e) => return Err(broken("asked for the job's secrets", &e.to_string())),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The settings of this pod or task; secrets become files that only we can read.
fn settings(
    args: &Args,
    begun: &Begun,
    (around, held): (&Around, &BTreeMap<String, String>),
) -> Result<Settings> {
    let sources = Sources::of_environment();
    let words = |name: &str, default: &str| {
        let text = sources.get(name).unwrap_or(default);
        text.split_whitespace().map(str::to_owned).collect()
    };
    let secrets = around.secrets.clone();
    let tenant = secrets.join(begun.brief.tenant.as_str());
    for (n, name) in spec::secrets(&begun.brief.spec).iter().enumerate() {
        hide(&format!("SANDBOX_SECRET_{n}"), &tenant.join(name))?;
    }
    for (name, secret) in held.iter().filter(|(name, _)| is_name(name)) {
        keep(secret, &tenant.join(name)).with_context(|| format!("kept the secret {name}"))?;
    }
    let settings = Settings {
        workspace_root: around.workspace.clone(),
        artifacts_root: args.data_dir.join("artifacts"),
        door: Some(around.door.clone()),
        model_url: sources.get("ANTHROPIC_BASE_URL").map(str::to_owned),
        model_key_file: hide("ANTHROPIC_API_KEY", &secrets.join(".model-key"))?,
        agent_token_file: hide("SANDBOX_AGENT_TOKEN", &secrets.join(".agent-token"))?,
        checks: begun.checks.clone(),
        prices_file: sources.get("SANDBOX_PRICES_FILE").map(PathBuf::from),
        dbt_command: words("SANDBOX_DBT_COMMAND", "dbt"),
        agent_command: words("SANDBOX_AGENT_COMMAND", "claude"),
        agent_env: pairs(&sources, "SANDBOX_AGENT_ENV")?,
        secrets_root: secrets,
        clone_limit: number(&sources, "SANDBOX_CLONE_LIMIT")?.unwrap_or_default(),
        git_timeout: number(&sources, "SANDBOX_GIT_TIMEOUT")?.unwrap_or_default(),
        log_limit: number(&sources, "SANDBOX_LOG_LIMIT")?.unwrap_or_default(),
        ..Settings::default()
    };
    fs::create_dir_all(seat_dir(args)).context("made the seat's folder")?;
    if around.workspace.starts_with(&args.data_dir) {
        let files = around.workspace.join(begun.brief.tenant.as_str());
        fs::create_dir_all(files).context("made the folder of the tenant's files")?;
    }
    settings
        .write(&args.data_dir)
        .context("wrote runner.json")?;
    Ok(settings)
}

/// Puts a secret of the environment into a file; gives the file where there is one.
fn hide(variable: &str, file: &Path) -> Result<Option<PathBuf>> {
    let Some(secret) = std::env::var(variable).ok().filter(|s| !s.is_empty()) else {
        return Ok(None);
    };
    keep(&secret, file).with_context(|| format!("kept what {variable} holds"))?;
    Ok(Some(file.to_owned()))
}

/// Puts a secret into a file that only we can read.
fn keep(secret: &str, file: &Path) -> std::io::Result<()> {
    use std::io::Write;
    if let Some(folder) = file.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    let mut open = options.open(file)?;
    open.write_all(secret.trim().as_bytes())
}
