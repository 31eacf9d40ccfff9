//! Where the shared memory of a cluster is: the one place that knows its kinds.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use sandbox_elf::{
    Elf,
    store::{
        memory::MemoryLedger,
        redis::{
            RedisLedger,
            link::{Link, RedisSettings},
        },
    },
};

use super::settings::ElfSettings;

/// Opens it.
///
/// # Errors
/// It cannot be reached, or would lose something; the text says what to do.
pub(super) async fn open(settings: &ElfSettings) -> Result<Arc<Elf>> {
    let scheme = settings.elf.split("://").next().unwrap_or_default();
    match scheme {
        "memory" => {
            tracing::warn!(
                "what jobs learn is this replica's own, and gone when it ends; set --elf"
            );
            Ok(Arc::new(Elf::new(Arc::new(MemoryLedger::default()))))
        }
        "redis" | "rediss" | "unix" | "redis+unix" => {
            let link = Link::open(&redis(settings)?).await?;
            Ok(Arc::new(Elf::new(Arc::new(RedisLedger::new(link)))))
        }
        // It may have a password in it.
        _ => bail!("read --elf: it is neither memory nor redis://…, rediss://… or unix://…"),
    }
}

fn redis(settings: &ElfSettings) -> Result<RedisSettings> {
    let password = settings.redis_password_file.as_deref();
    let password = password.map(|file| read("--redis-password-file", file));
    let password = password.transpose()?.map(String::from_utf8).transpose();
    let password = password.context("read --redis-password-file: it is not UTF-8")?;
    let ca = settings.redis_ca_file.as_deref();
    Ok(RedisSettings {
        url: settings.elf.clone(),
        password: password.map(|text| text.trim_end().to_owned()),
        ca: ca.map(|file| read("--redis-ca-file", file)).transpose()?,
        prefix: settings.redis_prefix.clone(),
        replicas: settings.redis_replicas,
        may_lose_a_second: false,
    })
}

fn read(flag: &str, file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("read {flag} {}", file.display()))
}
