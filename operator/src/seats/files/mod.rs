//! Seats as files of one machine: `<root>/<uid>/<attempt>/` with `register.json`,
//! `heartbeat.json`, `report.json`, `brief.json` and the runner's `log`. Where the seat was stopped
//! before it reported, `report.json` says so, and the report stands in `late.json`.
//!
//! [`sync`] has the functions themselves, for a runner that has no async runtime yet;
//! [`FileSeats`] is the port over them. The root must stand on a local disk that survives a
//! restart. Nothing here starts a process.

pub(crate) mod disk;
pub(crate) mod log;
pub mod sync;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    Claim, Heartbeat, Register, Report, Seat, Uid,
    port::{Answer, PortError, SeatRecord, Seats},
};

/// The seats beneath one folder.
#[derive(Clone, Debug)]
pub struct FileSeats {
    root: PathBuf,
    artifacts: Option<PathBuf>,
}

impl FileSeats {
    /// The seats beneath this folder, which is made when it is needed.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            artifacts: None,
        }
    }

    /// What jobs leave beneath this folder, `<tenant>/<job uid>`, goes with their seats.
    #[must_use]
    pub fn with_artifacts(mut self, root: impl Into<PathBuf>) -> Self {
        self.artifacts = Some(root.into());
        self
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    async fn run<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&Path) -> Answer<T> + Send + 'static,
    {
        let root = self.root.clone();
        let done = tokio::task::spawn_blocking(move || work(&root)).await;
        done.unwrap_or_else(|e| Err(PortError::Unknown(format!("use the seat folder: {e}"))))
    }
}

#[async_trait]
impl Seats for FileSeats {
    async fn read(&self, seat: &Seat) -> Answer<SeatRecord> {
        let seat = seat.clone();
        self.run(move |root| sync::read(root, &seat)).await
    }

    async fn claim(&self, seat: &Seat, claim: Claim) -> Answer<Register> {
        let seat = seat.clone();
        self.run(move |root| sync::claim(root, &seat, claim)).await
    }

    async fn close(&self, seat: &Seat, reason: &str, now: Timestamp) -> Answer<Register> {
        let (seat, reason) = (seat.clone(), reason.to_owned());
        self.run(move |root| sync::close(root, &seat, &reason, now))
            .await
    }

    async fn beat(&self, seat: &Seat, nonce: &str, beat: Heartbeat) -> Answer<()> {
        let (seat, nonce) = (seat.clone(), nonce.to_owned());
        self.run(move |root| sync::beat(root, &seat, &nonce, &beat))
            .await
    }

    async fn report(&self, seat: &Seat, nonce: &str, report: Report) -> Answer<()> {
        let (seat, nonce) = (seat.clone(), nonce.to_owned());
        self.run(move |root| sync::report(root, &seat, &nonce, &report))
            .await
    }

    async fn discard(&self, uid: &Uid) -> Answer<()> {
        let (uid, artifacts) = (uid.clone(), self.artifacts.clone());
        self.run(move |root| {
            if let Some(artifacts) = artifacts {
                sync::discard_artifacts(&artifacts, &uid)?;
            }
            sync::discard(root, &uid)
        })
        .await
    }
}
