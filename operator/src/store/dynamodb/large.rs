//! What was asked of a job, where that is too large for an item: an object under a name made from what it says, so that
//! the same is written once and nothing is ever changed.

use std::sync::Arc;

use object_store::{Error, ObjectStore, ObjectStoreExt, path::Path};
use sandbox_core::{
    Uid,
    port::{Answer, PortError},
};
use sandbox_elf::text::digest;
use serde_json::Value;

use crate::artifacts::forget;

/// Specs, beneath one folder of a store that holds other things too.
pub(super) struct Large {
    store: Arc<dyn ObjectStore>,
    beneath: Path,
}

fn unknown(what: &str, e: &Error) -> PortError {
    PortError::Unknown(format!("{what} in the store of objects: {e}"))
}

impl Large {
    pub(super) fn new(store: Arc<dyn ObjectStore>, folder: &Path, table: &str) -> Self {
        let beneath = folder.clone().join(table).join("specs");
        Self { store, beneath }
    }

    /// The store, for what else is large.
    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Where this spec stands now, and did before where it is the known one.
    pub(super) async fn put(&self, uid: &Uid, spec: &Value, known: Option<&str>) -> Answer<String> {
        let whole = spec.to_string();
        let name = format!("{}.json", digest([&*whole], 8));
        let path = self.beneath.clone().join(uid.as_str()).join(name);
        if known != Some(path.as_ref()) {
            let put = self.store.put(&path, whole.into_bytes().into()).await;
            put.map_err(|e| unknown(&format!("kept what job {uid} asks"), &e))?;
        }
        Ok(path.to_string())
    }

    pub(super) async fn get(&self, path: &str) -> Answer<Value> {
        let what = || format!("read {path}");
        let got = self.store.get(&Path::from(path)).await;
        let bytes = match got {
            Ok(got) => got.bytes().await,
            Err(e) => Err(e),
        };
        let bytes = bytes.map_err(|e| unknown(&what(), &e))?;
        serde_json::from_slice(&bytes).map_err(|e| PortError::Unknown(format!("{}: {e}", what())))
    }

    /// Forgets all that this job has asked.
    pub(super) async fn discard(&self, uid: &Uid) -> Answer<()> {
        forget(&self.store, &self.beneath.clone().join(uid.as_str())).await
    }
}
