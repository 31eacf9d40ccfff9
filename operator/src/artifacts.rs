//! Files that jobs leave whose runners share no folder with us: sent through the seat door, kept in an object store.
//! Knows no seat and no face.

use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt, pin_mut, stream::BoxStream};
use hyper::body::Bytes;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};
use sandbox_core::{
    FailureClass, Tenant, Uid,
    port::{Answer, PortError},
};

use crate::checkpoints::Checkpoints;

/// Largest file that is taken, in bytes.
pub const LARGEST: u64 = 64 * 1024 * 1024;
/// Most files of a job.
pub const MOST: usize = 1000;
/// Longest path of a file, in bytes.
const LONGEST: usize = 512;
/// Deepest folder of a path.
const DEEPEST: usize = 16;

/// The files of one job, by its tenant and its id.
pub type Owner<'a> = (&'a Tenant, &'a Uid);

/// What of a job is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The files that its work left.
    Files,
    /// What the next attempt goes on from.
    Checkpoints,
}

/// Says in which folder of the store this of a job is.
pub type Layout = fn(Owner<'_>, Kept) -> Path;

/// Files that jobs left, in a store that holds other things too.
#[derive(Clone, Debug)]
pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
    layout: Layout,
}

/// Beside the job's reports and logs: whoever forgets those forgets them.
#[must_use]
pub fn beside_reports((_, uid): Owner<'_>, kept: Kept) -> Path {
    let name = match kept {
        Kept::Files => "artifacts",
        Kept::Checkpoints => "checkpoints",
    };
    Path::from_iter(["reports", uid.as_str(), name])
}

/// As a node keeps the files of what runs on its own machine; checkpoints go with the job's seats.
#[must_use]
pub fn by_tenant((tenant, uid): Owner<'_>, kept: Kept) -> Path {
    match kept {
        Kept::Files => Path::from_iter(["artifacts", tenant.as_str(), uid.as_str()]),
        Kept::Checkpoints => Path::from_iter(["seats", uid.as_str(), "checkpoints"]),
    }
}

/// One of them, as it is read.
pub struct Opened {
    /// Its size in bytes.
    pub size: u64,
    /// What it holds.
    pub pieces: BoxStream<'static, object_store::Result<Bytes>>,
}

impl Artifacts {
    /// The files in this store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, layout: Layout) -> Self {
        Self { store, layout }
    }

    fn files(&self, owner: Owner<'_>) -> Path {
        (self.layout)(owner, Kept::Files)
    }

    /// What attempts of the job kept for the next one, beside its files and never among them.
    #[must_use]
    pub fn checkpoints(&self, owner: Owner<'_>) -> Checkpoints {
        let folder = (self.layout)(owner, Kept::Checkpoints);
        Checkpoints::new(self.store.clone(), folder)
    }

    /// Keeps one file whole, or not at all; one of the same path is replaced. Gives its size.
    ///
    /// # Errors
    /// `Refused` for a path that is none, for a file larger than [`LARGEST`], and beyond [`MOST`] files of the job;
    /// `Unknown` when the store or the sender gave up.
    pub async fn put<E: std::fmt::Display>(
        &self,
        owner: Owner<'_>,
        path: &str,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Answer<u64> {
        let name = named(path).map_err(|why| refused(&format!("kept a file of the job: {why}")))?;
        let what = format!("kept the file {path}");
        if self.list(owner).await?.len() >= MOST {
            return Err(refused(&format!(
                "{what}: the job has {MOST} files already"
            )));
        }
        let full = below(&self.files(owner), &name);
        let upload = self.store.put_multipart(&full).await;
        let mut write = WriteMultipart::new(upload.map_err(|e| unknown(&what, &e))?);
        match fill(&mut write, body).await {
            Ok(size) => {
                write.finish().await.map_err(|e| unknown(&what, &e))?;
                Ok(size)
            }
            Err(why) => {
                // What was not told to end is removed by the store's own housekeeping.
                let _ = write.abort().await;
                Err(match why {
                    Broken::TooLarge => refused(&format!(
                        "{what}: it is larger than the {} MiB that are kept",
                        LARGEST >> 20
                    )),
                    Broken::Sender(why) => PortError::Unknown(format!("{what}: {why}")),
                    Broken::Store(e) => unknown(&what, &e),
                })
            }
        }
    }

    /// The job's files, at most one more than [`MOST`], in the order of their paths.
    ///
    /// # Errors
    /// `Unknown` when the store cannot be asked.
    pub async fn list(&self, owner: Owner<'_>) -> Answer<Vec<(String, ObjectMeta)>> {
        let folder = self.files(owner);
        let what = format!("listed the files of job {}", owner.1);
        let all = self.store.list(Some(&folder)).take(MOST + 1);
        let all: Vec<ObjectMeta> = all.try_collect().await.map_err(|e| unknown(&what, &e))?;
        let mut all: Vec<_> = all
            .into_iter()
            .filter_map(|m| Some((beneath(&folder, &m)?, m)))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    /// One file; none when it is not there.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn open(&self, owner: Owner<'_>, path: &str) -> Answer<Option<Opened>> {
        let Ok(name) = named(path) else {
            return Ok(None);
        };
        match self.store.get(&below(&self.files(owner), &name)).await {
            Ok(found) => Ok(Some(Opened {
                size: found.meta.size,
                pieces: found.into_stream(),
            })),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(unknown(&format!("opened the file {path}"), &e)),
        }
    }
}

/// Removes everything beneath this folder.
///
/// # Errors
/// `Unknown` when the store cannot be asked; asking again is safe.
pub(crate) async fn forget(store: &Arc<dyn ObjectStore>, folder: &Path) -> Answer<()> {
    let what = format!("forgot {folder}");
    let mut all = store.list(Some(folder));
    while let Some(found) = all.try_next().await.map_err(|e| unknown(&what, &e))? {
        match store.delete(&found.location).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(e) => return Err(unknown(&what, &e)),
        }
    }
    Ok(())
}

/// Why a file was not taken whole.
enum Broken {
    TooLarge,
    Sender(String),
    Store(Error),
}

async fn fill<E: std::fmt::Display>(
    write: &mut WriteMultipart,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Result<u64, Broken> {
    let mut size = 0;
    pin_mut!(body);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|e| Broken::Sender(e.to_string()))?;
        size += piece.len() as u64;
        if size > LARGEST {
            return Err(Broken::TooLarge);
        }
        // Two parts under way at most: a file is never held whole.
        write.wait_for_capacity(2).await.map_err(Broken::Store)?;
        write.put(piece);
    }
    Ok(size)
}

/// A path that names something beneath the job's folder, and nothing else.
fn named(path: &str) -> Result<Path, String> {
    if path.len() > LONGEST {
        return Err(format!("its path is longer than {LONGEST} bytes"));
    }
    let parsed = Path::parse(path).map_err(|e| e.to_string())?;
    match parsed.parts().count() {
        0 => Err("it has no name".to_owned()),
        n if n > DEEPEST => Err(format!("its path is deeper than {DEEPEST} folders")),
        _ => Ok(parsed),
    }
}

fn beneath(folder: &Path, found: &ObjectMeta) -> Option<String> {
    let rest: Vec<_> = found.location.prefix_match(folder)?.collect();
    let names: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
    Some(names.join("/"))
}

fn below(folder: &Path, name: &Path) -> Path {
    folder.parts().chain(name.parts()).collect()
}

fn refused(text: &str) -> PortError {
    PortError::refused(FailureClass::OutputRejected, text)
}

fn unknown(what: &str, e: &Error) -> PortError {
    PortError::Unknown(format!("{what} in the artifact store: {e}"))
}

#[cfg(test)]
mod tests;
