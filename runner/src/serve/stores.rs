//! Where a node keeps jobs and memory: files of its own, a Redis server, or a DynamoDB table.

use std::{fs::File, io::Write, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use sandbox_core::port::Store;
use sandbox_elf::{
    Elf,
    store::{
        dynamodb::{DynamoLedger, DynamoSettings},
        redis::{
            RedisLedger,
            link::{Link, RedisSettings},
        },
    },
};
use sandbox_operator::counts::Counted;
use sandbox_operator::store::{dynamodb::DynamoStore, redis::RedisStore, sqlite::SqliteStore};
use uuid::Uuid;

use super::{
    lock::{lock, share, turn},
    others::{Neighbours, Shared},
};
use crate::config::{ServeConfig, number, switch};

/// Where records are kept.
pub enum Place {
    /// In files of the data folder.
    Files,
    /// On this Redis server.
    Redis(Box<RedisSettings>),
    /// In this DynamoDB table.
    DynamoDb(Box<DynamoSettings>),
}

/// What a node keeps its records in.
pub(super) struct Stores {
    pub store: Arc<dyn Store>,
    pub elf: Arc<Elf>,
    /// That others have them too.
    pub shared: Option<Shared>,
    /// What is counted of it.
    pub counted: Option<Counted>,
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
    if matches!(place(config)?, Place::Files) {
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
    match place(config)? {
        Place::Files => in_files(config),
        Place::Redis(settings) => on_redis(config, &settings).await,
        Place::DynamoDb(settings) => on_dynamodb(config, &settings).await,
    }
}

fn in_files(config: &ServeConfig) -> Result<Stores> {
    let jobs = config.data_dir.join("sandbox.db");
    let store = SqliteStore::open(&jobs).context("opened the store")?;
    let elf = Elf::open(&config.data_dir.join("elf.db")).context("opened the memory")?;
    Ok(Stores {
        store: Arc::new(store),
        elf: Arc::new(elf),
        shared: None,
        counted: None,
    })
}

async fn on_redis(config: &ServeConfig, settings: &RedisSettings) -> Result<Stores> {
    let link = Link::open(settings).await?;
    let elf = Elf::new(Arc::new(RedisLedger::new(link.clone())));
    let store = RedisStore::new(link.clone());
    let shared = Shared {
        neighbours: Neighbours::Redis(Box::new(store.clone()), Box::new(link)),
        site: site(&config.data_dir)?,
    };
    Ok(Stores {
        store: Arc::new(store),
        elf: Arc::new(elf),
        shared: Some(shared),
        counted: None,
    })
}

async fn on_dynamodb(config: &ServeConfig, settings: &DynamoSettings) -> Result<Stores> {
    let store = Box::pin(DynamoStore::open(settings)).await?;
    let elf = Elf::new(Arc::new(Box::pin(DynamoLedger::open(settings)).await?));
    let shared = Shared {
        neighbours: Neighbours::dynamodb(store.clone()),
        site: site(&config.data_dir)?,
    };
    Ok(Stores {
        counted: Some(store.counted()),
        store,
        elf: Arc::new(elf),
        shared: Some(shared),
    })
}

/// Where records were asked to be kept.
///
/// # Errors
/// A setting is not what it should be, or a file cannot be read.
pub fn place(config: &ServeConfig) -> Result<Place> {
    match config.sources.get("SANDBOX_STORE") {
        None | Some("sqlite") => Ok(Place::Files),
        Some(url) => match url.strip_prefix("dynamodb://") {
            Some(table) => dynamodb(config, table),
            None => redis(config, url),
        },
    }
}

fn dynamodb(config: &ServeConfig, table: &str) -> Result<Place> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if !(3..=255).contains(&table.len()) || !table.chars().all(fits) {
        bail!(
            "read SANDBOX_STORE: after dynamodb:// comes the name of a table, 3 to 255 letters, digits, `_`, `.` and `-`; the region comes from AWS_REGION"
        );
    }
    let folder = std::path::absolute(config.data_dir.join("objects"))?;
    let beside = format!("file://{}", folder.display());
    let objects = config.sources.get("SANDBOX_OBJECTS").unwrap_or(&beside);
    Ok(Place::DynamoDb(Box::new(DynamoSettings::new(
        table, objects,
    ))))
}

fn redis(config: &ServeConfig, url: &str) -> Result<Place> {
    let sources = &config.sources;
    let known = ["redis://", "rediss://", "unix://", "redis+unix://"];
    if !known.iter().any(|scheme| url.starts_with(scheme)) {
        // It may have a password in it.
        bail!(
            "read SANDBOX_STORE: it is neither sqlite nor redis://…, rediss://… or unix://…, nor dynamodb://TABLE"
        );
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
    Ok(Place::Redis(Box::new(RedisSettings {
        url: url.to_owned(),
        password: password.map(|text| text.trim_end().to_owned()),
        ca: file("SANDBOX_REDIS_CA_FILE")?,
        prefix: prefix.to_owned(),
        replicas: number(sources, "SANDBOX_REDIS_REPLICAS")?.unwrap_or_default(),
        may_lose_a_second: switch(sources, "SANDBOX_REDIS_MAY_LOSE_A_SECOND")?,
    })))
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {name} {}", path.display()))
}

/// The name of this data folder among those of one store, made once: for people, and told from others.
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
