//! A ledger of a test's own that is reached over HTTP: the real routes over a file, in a folder that goes with it.

pub mod program;

use std::{net::TcpListener, sync::Arc};

use anyhow::Result;
use sandbox_elf::store::{Ledger, sqlite::SqliteLedger};
use sandbox_operator::ledger::{RemoteLedger, RemoteSettings, Serving, serve};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// What whoever comes must have.
pub const TOKEN: &str = "a token of the tests, of more than 32 characters";

/// A ledger that is served. It ends with this value.
pub struct LedgerServer {
    url: String,
    _folder: TempDir,
    _stop: oneshot::Sender<()>,
}

impl LedgerServer {
    /// One on loopback.
    ///
    /// # Errors
    /// It cannot listen, or its file cannot be made.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ledger = SqliteLedger::open(&folder.path().join("elf.db"))?;
        Self::over(Arc::new(ledger), folder)
    }

    fn over(ledger: Arc<dyn Ledger>, folder: TempDir) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Serving {
            listener,
            token: TOKEN.into(),
            tls: None,
        };
        let until = async move { drop(stopped.await) };
        tokio::spawn(serve(ledger, serving, until));
        Ok(Self {
            url,
            _folder: folder,
            _stop: stop,
        })
    }

    /// How to reach it.
    #[must_use]
    pub fn settings(&self) -> RemoteSettings {
        RemoteSettings {
            url: self.url.clone(),
            token: TOKEN.into(),
            ca: None,
        }
    }

    /// The way to it, as a ledger.
    ///
    /// # Errors
    /// As [`RemoteLedger::new`].
    pub fn ledger(&self) -> Result<Arc<dyn Ledger>> {
        Ok(Arc::new(RemoteLedger::new(self.settings())?))
    }
}
