//! Reports that are too large for an object, in the artifact store. A report's name follows from what it says, so that
//! two that are sent at once do not overwrite each other, and the one that stands is whole.

use std::sync::Arc;

use object_store::{Error, ObjectStore, ObjectStoreExt, path::Path};
use sandbox_core::{
    Report, Seat, Uid,
    port::{Answer, PortError},
    standing::Reported,
};
use sandbox_elf::text::digest;

use crate::artifacts::forget;

/// Reports, beneath one folder of a store that holds other things too.
pub(super) struct Results(Arc<dyn ObjectStore>);

fn folder(uid: &Uid) -> Path {
    Path::from(format!("reports/{uid}"))
}

fn unknown(what: &str, e: &Error) -> PortError {
    PortError::Unknown(format!("{what} in the artifact store: {e}"))
}

impl Results {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self(store)
    }

    /// What an object carries of this report, and whether its whole stands here.
    pub(super) async fn put(
        &self,
        seat: &Seat,
        report: &Report,
        whole: Vec<u8>,
    ) -> Answer<(Reported, bool)> {
        if let Some(short) = Reported::whole(report) {
            return Ok((short, false));
        }
        let name = digest([&*String::from_utf8_lossy(&whole)], 8);
        let path = folder(&seat.uid).join(format!("{}-{name}.json", seat.attempt));
        let put = self.0.put(&path, whole.into()).await;
        put.map_err(|e| unknown(&format!("kept the report of seat {seat}"), &e))?;
        Ok((Reported::elsewhere(report, Some(path.to_string())), true))
    }

    /// The report that stands here; none when it is lost, which leaves what the object says.
    pub(super) async fn get(&self, reference: &str) -> Answer<Option<Report>> {
        let path = Path::from(reference);
        let found = match self.0.get(&path).await {
            Ok(found) => found.bytes().await,
            Err(Error::NotFound { .. }) => {
                tracing::warn!(
                    report = reference,
                    "the report is not there any more; going on without its result"
                );
                return Ok(None);
            }
            Err(e) => Err(e),
        };
        let bytes = found.map_err(|e| unknown(&format!("read {reference}"), &e))?;
        let read = serde_json::from_slice(&bytes);
        read.map(Some)
            .map_err(|e| PortError::Unknown(format!("read {reference} in the artifact store: {e}")))
    }

    /// Forgets every report of a job.
    pub(super) async fn discard(&self, uid: &Uid) -> Answer<()> {
        forget(&self.0, &folder(uid)).await
    }
}
