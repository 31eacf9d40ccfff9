//! Where a node keeps jobs and memory: files of its own, or a Redis server.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use sandbox_core::port::Store;
use sandbox_elf::{
    Elf,
    store::redis::{
        RedisLedger,
        link::{Link, RedisSettings},
    },
};
use sandbox_operator::store::{redis::RedisStore, sqlite::SqliteStore};
use uuid::Uuid;

use crate::config::{ServeConfig, number, switch};

/// The key that says which data folder's node has this Redis.
const NODE: &str = "node";

/// What a node keeps its records in.
pub(super) struct Stores {
    pub store: Arc<dyn Store>,
    pub elf: Arc<Elf>,
}

/// Opens them.
///
/// # Errors
/// A part cannot be opened or would lose something; the text says what to do.
pub(super) async fn open(config: &ServeConfig) -> Result<Stores> {
    let Some(settings) = redis(config)? else {
        let jobs = config.data_dir.join("sandbox.db");
        let store = SqliteStore::open(&jobs).context("opened the store")?;
        let elf = Elf::open(&config.data_dir.join("elf.db")).context("opened the memory")?;
        return Ok(Stores {
            store: Arc::new(store),
            elf: Arc::new(elf),
        });
    };
    let link = Link::open(&settings).await?;
    belongs_here(&link, &config.data_dir).await?;
    let elf = Elf::new(Arc::new(RedisLedger::new(link.clone())));
    Ok(Stores {
        store: Arc::new(RedisStore::new(link)),
        elf: Arc::new(elf),
    })
}

/// Which Redis was asked for; none where files are.
///
/// # Errors
/// A setting is not what it should be, or a file cannot be read.
pub fn redis(config: &ServeConfig) -> Result<Option<RedisSettings>> {
    let sources = &config.sources;
    let url = match sources.get("SANDBOX_STORE") {
        None | Some("sqlite") => return Ok(None),
        Some(url) => url,
    };
    let known = ["redis://", "rediss://", "unix://", "redis+unix://"];
    if !known.iter().any(|scheme| url.starts_with(scheme)) {
        // It may have a password in it.
        bail!("read SANDBOX_STORE: it is neither sqlite nor redis://…, rediss://… or unix://…");
    }
    let file = |name: &str| {
        sources
            .get(name)
            .map(|path| read(name, Path::new(path)))
            .transpose()
    };
    let password = file("SANDBOX_REDIS_PASSWORD_FILE")?
        .map(String::from_utf8)
        .transpose();
    let password = password.context("read SANDBOX_REDIS_PASSWORD_FILE: it is not UTF-8")?;
    let prefix = sources.get("SANDBOX_REDIS_PREFIX").unwrap_or("sandbox");
    if !prefix
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-')
    {
        bail!(
            "read SANDBOX_REDIS_PREFIX: {prefix:?} has other signs than letters, digits and dashes"
        );
    }
    Ok(Some(RedisSettings {
        url: url.to_owned(),
        password: password.map(|text| text.trim_end().to_owned()),
        ca: file("SANDBOX_REDIS_CA_FILE")?,
        prefix: prefix.to_owned(),
        replicas: number(sources, "SANDBOX_REDIS_REPLICAS")?.unwrap_or_default(),
        may_lose_a_second: switch(sources, "SANDBOX_REDIS_MAY_LOSE_A_SECOND")?,
    }))
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {name} {}", path.display()))
}

/// Refuses a Redis that another data folder's node has: jobs of the two would be at work on machines
/// that cannot see each other's work, and what is not seen is taken for gone. Two nodes never have one
/// data folder, for it is locked.
async fn belongs_here(link: &Link, data_dir: &Path) -> Result<()> {
    let own = node_id(data_dir)?;
    let key = link.key(NODE);
    let mut claim = redis::cmd("SET");
    claim.arg(&key).arg(&own).arg("NX").arg("GET");
    let before: Option<String> = link.ask("asked Redis whose it is", &claim).await?;
    if before.is_some_and(|node| node != own) {
        bail!(
            "another data folder's node keeps its records on this Redis; give this one its own SANDBOX_REDIS_PREFIX, or that node's --data-dir. If that folder is lost for good: redis-cli DEL '{key}'"
        );
    }
    Ok(())
}

/// The name of this data folder, made once.
fn node_id(data_dir: &Path) -> Result<String> {
    let path = data_dir.join("node-id");
    if let Ok(id) = std::fs::read_to_string(&path) {
        return Ok(id.trim().to_owned());
    }
    let id = Uuid::new_v4().to_string();
    let next = data_dir.join("node-id.next");
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&next)
        .context("made the data folder's name")?;
    file.write_all(id.as_bytes())
        .context("wrote the data folder's name")?;
    file.sync_all().context("wrote the data folder's name")?;
    std::fs::rename(&next, &path).context("kept the data folder's name")?;
    Ok(id)
}
