//! An S3 of a test's own: moto's, in memory, with one bucket. It ends with the value. `scripts/setup s3` fetches it. It is
//! an SQS and a Secrets Manager as well.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::process::Process;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// The name of its bucket.
pub const BUCKET: &str = "sandbox-of-tests";
const SETUP: &str = include_str!("../../scripts/setup");
/// It asks for a signature and does not check it.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=1";

/// A server. It ends with this value.
pub struct S3Server {
    process: Process,
    port: u16,
    folder: TempDir,
}

impl S3Server {
    /// One with an empty bucket.
    ///
    /// # Errors
    /// It is not fetched, or does not start.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("s3").tempdir()?;
        let free = std::net::TcpListener::bind("127.0.0.1:0")?;
        let port = free.local_addr()?.port();
        drop(free);
        let log = folder.path().join("log");
        let server = Self {
            process: Process::start((command(port, folder.path())?, log))?,
            port,
            folder,
        };
        server.with_a_bucket().await?;
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the bucket has, as the server's list of it.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn list(&self) -> Result<String> {
        let url = format!("{}/{BUCKET}?list-type=2", self.endpoint());
        let asked = reqwest::Client::new().get(url);
        let told = asked.header("authorization", SIGNED).send().await?;
        Ok(told.error_for_status()?.text().await?)
    }

    async fn with_a_bucket(&self) -> Result<()> {
        let client = reqwest::Client::new();
        let begun = Instant::now();
        let url = format!("{}/{BUCKET}", self.endpoint());
        loop {
            let made = client.put(&url).header("authorization", SIGNED).send();
            match made.await {
                Ok(made) => {
                    ensure!(made.status().is_success(), "made a bucket: {made:?}");
                    return Ok(());
                }
                Err(e) if self.process.is_over() || begun.elapsed() > PATIENCE => {
                    let log = fs::read_to_string(self.folder.path().join("log"));
                    bail!("started moto: {e}\n{}", log.unwrap_or_default());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

fn command(port: u16, folder: &Path) -> Result<Command> {
    let version = SETUP
        .lines()
        .find_map(|line| line.strip_prefix("moto_version="))
        .context("read the version of moto in scripts/setup")?;
    let place = crate::cache::folder()?.join(format!("moto-{version}"));
    ensure!(
        place.is_dir(),
        "looked for {}: `scripts/setup s3` fetches it",
        place.display()
    );
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(place.join("bin/python"));
    command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p"]);
    command.arg(port.to_string()).current_dir(folder);
    Ok(command)
}
