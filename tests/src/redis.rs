//! A real Redis server of a test's own: in a folder that goes with it, on a socket in that folder.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use sandbox_elf::store::redis::{
    RedisLedger,
    link::{Link, RedisSettings},
};
use sandbox_operator::store::redis::RedisStore;
use tempfile::TempDir;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server. It ends with this value.
pub struct RedisServer {
    folder: TempDir,
    options: Vec<String>,
    child: Child,
}

impl RedisServer {
    /// One that keeps all it acknowledges.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start() -> Result<Self> {
        Self::with(&["--appendonly yes", "--appendfsync always"]).await
    }

    /// One with these options.
    ///
    /// # Errors
    /// It does not start.
    pub async fn with(options: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("redis").tempdir()?;
        let options: Vec<String> = options.iter().map(|o| (*o).to_owned()).collect();
        let child = spawn(folder.path(), &options)?;
        let server = Self {
            folder,
            options,
            child,
        };
        server.answers().await?;
        Ok(server)
    }

    /// One that keeps all it acknowledges and that others reach; with its port.
    ///
    /// # Errors
    /// It does not start.
    pub async fn listening() -> Result<(Self, u16)> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let listen = format!("--port {port} --bind 127.0.0.1");
        let options = ["--appendonly yes", "--appendfsync always", &listen];
        Ok((Self::with(&options).await?, port))
    }

    /// A replica of the server at this port, once it has what that has.
    ///
    /// # Errors
    /// It does not start, or gets nothing from there.
    pub async fn replica_of(port: u16) -> Result<Self> {
        let first = format!("--replicaof 127.0.0.1 {port}");
        let server = Self::with(&["--appendonly yes", "--appendfsync always", &first]).await?;
        let begun = std::time::Instant::now();
        while !server
            .say(&["INFO", "replication"])?
            .contains("master_link_status:up")
        {
            if begun.elapsed() > PATIENCE {
                bail!("waited for a replica: it does not reach the server at port {port}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// How to reach it.
    #[must_use]
    pub fn settings(&self) -> RedisSettings {
        RedisSettings {
            url: format!("unix://{}", self.socket().display()),
            prefix: "test".to_owned(),
            ..RedisSettings::default()
        }
    }

    /// A way to it.
    ///
    /// # Errors
    /// It is not fit, or cannot be reached.
    pub async fn link(&self) -> Result<Link> {
        Link::open(&self.settings())
            .await
            .context("opened a way to Redis")
    }

    /// A store of jobs on it.
    ///
    /// # Errors
    /// As [`RedisServer::link`].
    pub async fn store(&self) -> Result<Arc<RedisStore>> {
        Ok(Arc::new(RedisStore::new(self.link().await?)))
    }

    /// A store of jobs on it that nobody has used before, beneath this prefix.
    ///
    /// # Errors
    /// As [`RedisServer::link`].
    pub async fn store_beneath(&self, prefix: &str) -> Result<Arc<RedisStore>> {
        let settings = RedisSettings {
            prefix: prefix.to_owned(),
            ..self.settings()
        };
        Ok(Arc::new(RedisStore::new(Link::open(&settings).await?)))
    }

    /// A ledger of memory on it.
    ///
    /// # Errors
    /// As [`RedisServer::link`].
    pub async fn ledger(&self) -> Result<Arc<RedisLedger>> {
        Ok(Arc::new(RedisLedger::new(self.link().await?)))
    }

    /// Says something to it, by the client that comes with it; gives the answer.
    ///
    /// # Errors
    /// There is no answer.
    pub fn say(&self, words: &[&str]) -> Result<String> {
        let told = Command::new("redis-cli")
            .arg("-s")
            .arg(self.socket())
            .args(words)
            .output();
        let told = told.context("ran redis-cli")?;
        Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
    }

    /// Kills it without warning.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killed redis-server")?;
        self.child.wait().context("waited for redis-server")?;
        Ok(())
    }

    /// Starts it again on what it has kept.
    ///
    /// # Errors
    /// It does not start.
    pub async fn again(&mut self) -> Result<()> {
        self.child = spawn(self.folder.path(), &self.options)?;
        self.answers().await
    }

    async fn answers(&self) -> Result<()> {
        let begun = std::time::Instant::now();
        while self.say(&["PING"])? != "PONG" {
            if begun.elapsed() > PATIENCE {
                let log =
                    std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                bail!("started redis-server: no answer within {PATIENCE:?}\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // One that was killed already cannot be killed again.
        let _ = self.kill();
    }
}

fn spawn(folder: &Path, options: &[String]) -> Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    let mut command = Command::new("redis-server");
    command
        .args(["--port", "0", "--save", "", "--dir"])
        .arg(folder);
    command.arg("--unixsocket").arg(folder.join("redis.sock"));
    for option in options {
        command.args(option.split(' '));
    }
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command
        .spawn()
        .context("started redis-server; `scripts/setup redis` installs it")
}
