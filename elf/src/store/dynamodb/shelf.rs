//! Snapshot objects: a tenant's picture at one place of the log, so that a cold start reads it and the
//! little that came after. They are a cache; whatever is wrong with one, the table has it all.

use std::{fmt, sync::Arc};

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, path::Path};
use sandbox_core::Tenant;
use serde::{Deserialize, Serialize};

use super::{
    body::{squeeze, widen},
    keys::Mark,
};
use crate::store::{Item, Kept, Kind};

/// The format that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// How many of a tenant's are kept.
const KEPT: usize = 3;
/// How their names end.
const SUFFIX: &str = ".json.gz";

/// Where they stand.
pub(super) struct Shelf {
    store: Arc<dyn ObjectStore>,
    beneath: Path,
}

/// One of them.
#[derive(Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) mark: Mark,
    /// The name of the write whose picture it is.
    pub(super) by: String,
    pub(super) items: Vec<Item>,
}

/// Its first line.
#[derive(Serialize, Deserialize)]
struct Title {
    format: u32,
    tenant: String,
    seq: u64,
    number: u64,
    by: String,
    items: usize,
}

/// Its other lines.
#[derive(Serialize, Deserialize)]
struct Line {
    k: Kind,
    i: String,
    s: u64,
    b: String,
}

impl Shelf {
    /// A shelf in this folder of a store of objects, for this table.
    pub(super) fn new(store: Arc<dyn ObjectStore>, folder: &Path, table: &str) -> Self {
        let beneath = folder.clone().join(table).join("elf");
        Self { store, beneath }
    }

    /// Names of a tenant's, newest first.
    pub(super) async fn list(&self, tenant: &Tenant) -> Result<Vec<(Mark, Path)>, String> {
        let folder = self.beneath.clone().join(tenant.as_str());
        let found = self.store.list(Some(&folder)).try_collect::<Vec<_>>().await;
        let found = found.map_err(|e| format!("listed snapshots: {e}"))?;
        let named = found.into_iter().filter_map(|meta| {
            let name = meta.location.filename()?.strip_suffix(SUFFIX)?;
            Some((Mark::parse(name)?, meta.location))
        });
        let mut named: Vec<(Mark, Path)> = named.collect();
        named.sort_by_key(|(mark, _)| std::cmp::Reverse(*mark));
        Ok(named)
    }

    /// One of them, or why it is of no use.
    pub(super) async fn read(&self, tenant: &Tenant, path: &Path) -> Result<Stored, String> {
        let why = |e: &dyn fmt::Display| format!("the snapshot {path} is of no use: {e}");
        let got = self.store.get(path).await.map_err(|e| why(&e))?;
        let bytes = got.bytes().await.map_err(|e| why(&e))?;
        let tenant = tenant.clone();
        let read = tokio::task::spawn_blocking(move || parse(&tenant, &bytes)).await;
        read.map_err(|e| why(&e))?.map_err(|e| why(&e))
    }

    /// Puts one there, unless it is there, and removes those that are older than the newest few.
    pub(super) async fn keep(&self, tenant: &Tenant, stored: Stored) -> Result<(), String> {
        let why = |e: &dyn fmt::Display| format!("kept a snapshot: {e}");
        let folder = self.beneath.clone().join(tenant.as_str());
        let path = folder.join(format!("{}{SUFFIX}", stored.mark.sk()));
        let owner = tenant.clone();
        let bytes = tokio::task::spawn_blocking(move || write(&owner, &stored)).await;
        let bytes = bytes.map_err(|e| why(&e))?.map_err(|e| why(&e))?;
        let put = self
            .store
            .put_opts(&path, PutPayload::from(bytes), PutMode::Create.into());
        match put.await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(e) => return Err(why(&e)),
        }
        for (_, old) in self.list(tenant).await?.into_iter().skip(KEPT) {
            match self.store.delete(&old).await {
                // Another node tidies too.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => return Err(format!("removed an old snapshot: {e}")),
            }
        }
        Ok(())
    }
}

fn write(tenant: &Tenant, stored: &Stored) -> Kept<Vec<u8>> {
    let title = Title {
        format: FORMAT,
        tenant: tenant.to_string(),
        seq: stored.mark.seq,
        number: stored.mark.number,
        by: stored.by.clone(),
        items: stored.items.len(),
    };
    let lines = stored.items.iter().map(|item| Line {
        k: item.kind,
        i: item.id.clone(),
        s: item.seq,
        b: item.body.clone(),
    });
    let mut json = Vec::new();
    let mut add = |line: Result<Vec<u8>, serde_json::Error>| {
        let wrong = |e| crate::store::LedgerError::Unreadable(format!("wrote a snapshot: {e}"));
        json.extend(line.map_err(wrong)?);
        json.push(b'\n');
        Ok(())
    };
    add(serde_json::to_vec(&title))?;
    for line in lines {
        add(serde_json::to_vec(&line))?;
    }
    squeeze(&json)
}

fn parse(tenant: &Tenant, bytes: &[u8]) -> Result<Stored, String> {
    let damaged = || "it is damaged".to_owned();
    let json = widen(bytes).ok_or_else(damaged)?;
    let mut lines = json.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let first = lines.next().ok_or_else(damaged)?;
    let format = serde_json::from_slice::<serde_json::Value>(first).map_err(|_| damaged())?;
    let format = format["format"].as_u64().ok_or_else(damaged)?;
    if format > u64::from(FORMAT) {
        return Err(format!(
            "it has format {format}, this program knows {FORMAT}; a newer release wrote it"
        ));
    }
    let title: Title = serde_json::from_slice(first).map_err(|_| damaged())?;
    let item = |line| {
        let Line { k, i, s, b } = serde_json::from_slice(line).map_err(|_| damaged())?;
        Ok(Item {
            kind: k,
            id: i,
            seq: s,
            body: b,
        })
    };
    let items: Vec<Item> = lines.map(item).collect::<Result<_, String>>()?;
    if items.len() != title.items || title.tenant != tenant.as_str() {
        return Err(damaged());
    }
    let mark = Mark {
        seq: title.seq,
        number: title.number,
    };
    Ok(Stored {
        mark,
        by: title.by,
        items,
    })
}
