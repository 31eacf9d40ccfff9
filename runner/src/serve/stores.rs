//! Where a node keeps jobs and memory: files of its own, or a Redis server.

use std::{fs::File, io::Write, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

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

use super::{
    lock::{lock, share, turn},
    others::Shared,
};
use crate::config::{ServeConfig, number, switch};

/// What a node keeps its records in.
pub(super) struct Stores {
    pub store: Arc<dyn Store>,
    pub elf: Arc<Elf>,
    /// That others have them too.
    pub shared: Option<Shared>,
}

/// Who has the data folder, held for as long as it does.
pub(super) struct Taken {
    _folder: File,
    /// Others of the same folder wait until this one has opened its parts.
    pub opening: Option<File>,
}

/// Takes the data folder: alone where the records are in it, else with others who see the same.
///
/// # Errors
/// Another `serve` has it in a way that forbids this.
pub(super) fn take(config: &ServeConfig) -> Result<Taken> {
    if redis(config)?.is_none() {
        return Ok(Taken {
            _folder: lock(&config.data_dir)?,
            opening: None,
        });
    }
    let opening = turn(&config.data_dir, "opening")?;
    opening
        .lock()
        .context("waited for another `sandbox serve` of this data folder to start")?;
    Ok(Taken {
        _folder: share(&config.data_dir)?,
        opening: Some(opening),
    })
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
            shared: None,
        });
    };
    let link = Link::open(&settings).await?;
    let elf = Elf::new(Arc::new(RedisLedger::new(link.clone())));
    let store = RedisStore::new(link.clone());
    let shared = Shared {
        store: store.clone(),
        link,
        site: site(&config.data_dir)?,
    };
    Ok(Stores {
        store: Arc::new(store),
        elf: Arc::new(elf),
        shared: Some(shared),
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

/// The name of this data folder among those on one Redis, made once: for people, and told from others.
fn site(data_dir: &Path) -> Result<String> {
    let path = data_dir.join("site");
    if let Ok(name) = std::fs::read_to_string(&path) {
        return Ok(name.trim().to_owned());
    }
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    let host: String = host
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(32)
        .collect();
    let id = Uuid::new_v4().simple().to_string();
    let name = format!("{host}-{}", &id[..12]);
    let next = data_dir.join("site.next");
    let mut file = File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&next)
        .context("made the data folder's name")?;
    file.write_all(name.as_bytes())
        .context("wrote the data folder's name")?;
    file.sync_all().context("wrote the data folder's name")?;
    std::fs::rename(&next, &path).context("kept the data folder's name")?;
    Ok(name)
}
