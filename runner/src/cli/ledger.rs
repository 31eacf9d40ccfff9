//! `sandbox ledger`: memory's ledger in one file, served to control planes that share it.

use std::{fs, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, Result, bail};
use sandbox_elf::store::sqlite::SqliteLedger;
use sandbox_operator::{
    ledger::{Serving, serve},
    listen::told_to_stop,
};
use secrecy::SecretString;

/// Serves memory's ledger to those who share it.
#[derive(clap::Args)]
pub struct Ledger {
    /// Address and port to serve on; others than loopback over TLS alone
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8300")]
    listen: SocketAddr,
    /// The file with memory; made where it is missing
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// The file with the token that whoever comes must have; 32 characters at least
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The certificate chain, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// Shorter tokens can be guessed.
const SHORTEST: usize = 32;

impl Ledger {
    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// The token, the file or the address cannot be used; the text says what to do.
    pub async fn run(self) -> Result<ExitCode> {
        let token = self.token()?;
        let ledger = SqliteLedger::open(&self.file).context("opened the memory")?;
        let listener = std::net::TcpListener::bind(self.listen)
            .with_context(|| format!("listened on {}; is another server there?", self.listen))?;
        let address = listener.local_addr().unwrap_or(self.listen);
        let serving = Serving {
            listener,
            token,
            tls: self.tls_cert.zip(self.tls_key),
        };
        eprintln!("serving memory's ledger on {address}");
        let served = serve(Arc::new(ledger), serving, told_to_stop()).await;
        served.context("served memory's ledger")?;
        Ok(ExitCode::SUCCESS)
    }

    fn token(&self) -> Result<SecretString> {
        let shown = self.token_file.display();
        let text = fs::read_to_string(&self.token_file)
            .with_context(|| format!("read the token in {shown}"))?;
        let token = text.trim();
        if token.len() < SHORTEST {
            bail!(
                "read the token in {shown}: it has {} characters; {SHORTEST} at least are asked for: `openssl rand -hex 32` makes one",
                token.len()
            );
        }
        Ok(token.to_owned().into())
    }
}
