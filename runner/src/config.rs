//! Every setting of the program, where it may stand, and which place wins.
//!
//! Flag before environment before `.env` before the config file. This is the only reader of the
//! environment. The names are those of the Python ancestor where it had them.

mod names;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use sandbox_core::spec::BackendName;

pub use names::ALL;

/// What stands where.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    environment: BTreeMap<String, String>,
    dotenv: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
}

impl Sources {
    /// Reads the environment, `.env` in this folder (or the file named), and the config file.
    ///
    /// # Errors
    /// A file that was named is not there, or a file is not readable as what it should be.
    pub fn read(env_file: Option<&Path>, config_file: Option<&Path>) -> Result<Self> {
        Ok(Self {
            environment: environment(),
            dotenv: read_dotenv(env_file)?,
            file: read_config(config_file)?,
        })
    }

    /// Reads the environment alone: a runner in a pod has nothing else.
    #[must_use]
    pub fn of_environment() -> Self {
        Self {
            environment: environment(),
            ..Self::default()
        }
    }

    /// What is set, by the place that wins; an empty text counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = [&self.environment, &self.dotenv, &self.file];
        let found = found.into_iter().find_map(|place| place.get(name));
        found.map(String::as_str).filter(|text| !text.is_empty())
    }
}

fn environment() -> BTreeMap<String, String> {
    let known = |name: &str| ALL.iter().any(|s| s.name == name);
    std::env::vars().filter(|(k, _)| known(k)).collect()
}

fn read_dotenv(named: Option<&Path>) -> Result<BTreeMap<String, String>> {
    let path = named.unwrap_or(Path::new(".env"));
    if named.is_none() && !path.exists() {
        return Ok(BTreeMap::new());
    }
    let shown = path.display();
    let lines = dotenvy::from_path_iter(path).with_context(|| format!("opened {shown}"))?;
    lines
        .map(|line| line.with_context(|| format!("read {shown}")))
        .collect()
}

fn read_config(named: Option<&Path>) -> Result<BTreeMap<String, String>> {
    let path = named.map_or_else(
        || xdg("XDG_CONFIG_HOME", ".config").join("config.toml"),
        PathBuf::from,
    );
    if named.is_none() && !path.exists() {
        return Ok(BTreeMap::new());
    }
    let shown = path.display();
    let text = std::fs::read_to_string(&path).with_context(|| format!("opened {shown}"))?;
    let table: toml::Table = text.parse().with_context(|| format!("read {shown}"))?;
    table
        .into_iter()
        .map(|(key, value)| named_value(&key, value))
        .collect()
}

fn named_value(key: &str, value: toml::Value) -> Result<(String, String)> {
    let name = key.to_uppercase();
    if !ALL.iter().any(|s| s.name == name) {
        bail!("read the config file: {key} is no setting; `sandbox serve --help` lists them");
    }
    let text = match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(n) => n.to_string(),
        toml::Value::Boolean(b) => b.to_string(),
        _ => bail!("read the config file: {key} must be a text, a number or true or false"),
    };
    Ok((name, text))
}

fn xdg(variable: &str, beneath_home: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/".into()));
    let base = std::env::var_os(variable).filter(|v| !v.is_empty());
    base.map_or_else(|| home().join(beneath_home), PathBuf::from)
        .join("sandbox")
}

/// The file in which the user's own claude keeps its login.
pub fn agent_login_file(sources: &Sources) -> PathBuf {
    if let Some(named) = sources.get("SANDBOX_AGENT_LOGIN_FILE") {
        return PathBuf::from(named);
    }
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/".into()));
    let folder = std::env::var_os("CLAUDE_CONFIG_DIR").filter(|v| !v.is_empty());
    folder
        .map_or_else(|| home().join(".claude"), PathBuf::from)
        .join(".credentials.json")
}

/// What `serve` was told by flags.
#[allow(
    clippy::doc_markdown,
    reason = "these texts are shown to people as they stand"
)]
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServeFlags {
    /// Address and port to serve on [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Run attempts of clusters that come here, over TLS, such as 0.0.0.0:7443; `sandbox host` tells a cluster how
    #[arg(long, value_name = "ADDR:PORT")]
    pub host_listen: Option<String>,
    /// Folder of the store, the seats and the memory [default: $XDG_DATA_HOME/sandbox]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// How long a finished job stays when it does not say, such as 168h, or keep [default: 720h]
    #[arg(long, value_name = "TIME")]
    pub ttl_after_finished: Option<String>,
    /// Serve on a public address although nobody is asked for a key
    #[arg(long)]
    pub insecure: bool,
    /// Read this file instead of ./.env
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Read this file instead of $XDG_CONFIG_HOME/sandbox/config.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What `serve` is to do, all places considered.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where to serve.
    pub listen: SocketAddr,
    /// Where clusters come in; nowhere when absent.
    pub host_listen: Option<SocketAddr>,
    /// The folder of everything.
    pub data_dir: PathBuf,
    /// Tenants' files.
    pub workspace_root: PathBuf,
    /// Whether a public address is fine without keys.
    pub insecure: bool,
    /// Whether every request needs a key.
    pub auth: bool,
    /// Certificate and key, for TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where jobs may run; never empty.
    pub backends: Vec<BackendName>,
    /// Jobs at work at a time.
    pub slots: u32,
    /// Jobs that may wait.
    pub queue_limit: u32,
    /// The deadline of a job that names none.
    pub deadline: std::time::Duration,
    /// How long a finished job stays that does not say; for ever when absent.
    pub ttl: Option<std::time::Duration>,
    /// Everything else, by name.
    pub sources: Sources,
}

impl ServeConfig {
    /// Flags before environment before `.env` before the config file.
    ///
    /// # Errors
    /// A value is not what its setting needs; the text names setting and value.
    pub fn resolve(flags: &ServeFlags) -> Result<Self> {
        let sources = Sources::read(flags.env_file.as_deref(), flags.config.as_deref())?;
        let data_dir = flags
            .data_dir
            .clone()
            .or_else(|| sources.get("SANDBOX_DATA_DIR").map(Into::into));
        let data_dir = data_dir.unwrap_or_else(|| xdg("XDG_DATA_HOME", ".local/share"));
        let data_dir =
            std::path::absolute(data_dir).context("made the data folder's path absolute")?;
        let listen = flags
            .listen
            .as_deref()
            .or(sources.get("SANDBOX_LISTEN"))
            .unwrap_or("127.0.0.1:8000");
        let host = flags.host_listen.as_deref();
        let host = host.or(sources.get("SANDBOX_HOST_LISTEN"));
        let workspace = sources.get("WORKSPACE_DIR").map(PathBuf::from);
        let workspace = workspace.unwrap_or_else(|| data_dir.join("workspace"));
        Ok(Self {
            listen: address(listen)?,
            host_listen: host.map(address).transpose()?,
            workspace_root: std::path::absolute(workspace)
                .context("made WORKSPACE_DIR absolute")?,
            insecure: flags.insecure,
            auth: switch(&sources, "AUTH_ENABLED")?,
            tls: tls(&sources)?,
            backends: backends(&sources)?,
            slots: number(&sources, "SANDBOX_SLOTS")?
                .unwrap_or_else(default_slots)
                .max(1),
            queue_limit: number(&sources, "SANDBOX_QUEUE_LIMIT")?.unwrap_or(10_000),
            deadline: time(
                "SANDBOX_DEADLINE",
                sources.get("SANDBOX_DEADLINE").unwrap_or("24h"),
            )?,
            ttl: ttl(flags, &sources)?,
            data_dir,
            sources,
        })
    }
}

impl ServeConfig {
    /// Where jobs run that do not say.
    #[must_use]
    pub fn backend(&self) -> BackendName {
        self.backends.first().copied().unwrap_or(BackendName::Vps)
    }
}

/// The back ends that this program has for a node, by their words.
fn backends(sources: &Sources) -> Result<Vec<BackendName>> {
    let name = "SANDBOX_BACKENDS";
    let text = sources.get(name).unwrap_or("vps,container");
    let words = text.split(',').map(str::trim).filter(|w| !w.is_empty());
    let known = [
        BackendName::Vps,
        BackendName::Container,
        BackendName::Fargate,
    ];
    let read = |word: &str| {
        let found = known.into_iter().find(|b| b.word() == word);
        found
            .with_context(|| format!("read {name}: {word:?} is none of vps, container and fargate"))
    };
    let all: Vec<BackendName> = words.map(read).collect::<Result<_>>()?;
    if all.is_empty() {
        bail!("read {name}: it names no back end");
    }
    Ok(all)
}

fn address(text: &str) -> Result<SocketAddr> {
    let named = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    let text = named.as_deref().unwrap_or(text);
    let bare = text
        .strip_prefix(':')
        .map(|port| format!("{}:{port}", IpAddr::from([127, 0, 0, 1])));
    let text = bare.as_deref().unwrap_or(text);
    text.parse().with_context(|| {
        format!("read the address to serve on: {text:?} is not like 127.0.0.1:8000")
    })
}

/// A setting of several `NAME=VALUE` with commas between.
///
/// # Errors
/// A part of it is none.
pub fn pairs(sources: &Sources, name: &str) -> Result<BTreeMap<String, String>> {
    let text = sources.get(name).unwrap_or_default();
    let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
    let pair = |part: &str| match part.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => bail!("read {name}: {part:?} is not like NAME=VALUE"),
    };
    parts.map(pair).collect()
}

/// A setting that is true or false.
///
/// # Errors
/// It is neither.
pub fn switch(sources: &Sources, name: &str) -> Result<bool> {
    match sources.get(name).map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "0" | "no" | "off") => Ok(false),
        Some("true" | "1" | "yes" | "on") => Ok(true),
        Some(other) => bail!("read {name}: {other:?} is neither true nor false"),
    }
}

/// A setting that is a whole number.
///
/// # Errors
/// It is none.
pub fn number<T: std::str::FromStr>(sources: &Sources, name: &str) -> Result<Option<T>> {
    let Some(text) = sources.get(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => bail!("read {name}: {text:?} is not a whole number"),
    }
}

fn tls(sources: &Sources) -> Result<Option<(PathBuf, PathBuf)>> {
    match (
        sources.get("SANDBOX_TLS_CERT"),
        sources.get("SANDBOX_TLS_KEY"),
    ) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some((cert.into(), key.into()))),
        _ => bail!("read the TLS settings: SANDBOX_TLS_CERT and SANDBOX_TLS_KEY go together"),
    }
}

fn ttl(flags: &ServeFlags, sources: &Sources) -> Result<Option<std::time::Duration>> {
    let name = "SANDBOX_TTL_AFTER_FINISHED";
    let flag = flags.ttl_after_finished.as_deref();
    match flag.or(sources.get(name)).unwrap_or("720h") {
        "keep" => Ok(None),
        text => time(name, text).map(Some),
    }
}

fn time(name: &str, text: &str) -> Result<std::time::Duration> {
    // Not `kube`'s reader, which panics at times that no clock holds.
    let span = text
        .parse::<jiff::SignedDuration>()
        .map_err(anyhow::Error::from);
    let span = span.and_then(|span| Ok(std::time::Duration::try_from(span)?));
    span.with_context(|| format!("read {name}: {text:?} is not like 2h or 90s"))
}

/// Four jobs a core, and no more than one for each half gigabyte of memory.
fn default_slots() -> u32 {
    let cores =
        std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    let halves = memory_bytes() / (512 * 1024 * 1024);
    (cores * 4)
        .min(u32::try_from(halves).unwrap_or(u32::MAX))
        .max(2)
}

fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_no_time_is_refused_with_its_name_and_panics_nothing() {
        for wrong in ["soon", "5", "", "-5s", "1h-5m", "99999999999999999999h"] {
            let said = time("SANDBOX_DEADLINE", wrong).unwrap_err();
            let told = format!("read SANDBOX_DEADLINE: {wrong:?} is not like 2h or 90s");
            assert_eq!(said.to_string(), told);
        }
        for (right, seconds) in [("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("0s", 0)] {
            let span = time("SANDBOX_DEADLINE", right).unwrap();
            assert_eq!(span.as_secs(), seconds, "{right}");
        }
    }
}
