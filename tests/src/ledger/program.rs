//! The real `sandbox ledger` over TLS, with a certificate of its own.
#![allow(
    clippy::unwrap_used,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::Signal;
use sandbox_operator::ledger::RemoteSettings;

use super::TOKEN;
use crate::node::{built, send};

/// The program. It ends with this value.
pub struct Served {
    child: Child,
    address: String,
    certificate: PathBuf,
}

impl Served {
    /// One whose certificate, token and file are in this folder.
    pub fn at(folder: &Path, listen: &str) -> Self {
        let file = |name: &str| folder.join(name).display().to_string();
        let mut child = Command::new(built("sandbox"))
            .args(["ledger", "--listen", listen, "--file", &file("elf.db")])
            .args(["--token-file", &file("token")])
            .args(["--tls-cert", &file("cert.pem")])
            .args(["--tls-key", &file("key.pem")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut says = BufReader::new(child.stderr.take().unwrap());
        says.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Self {
            child,
            address,
            certificate: folder.join("cert.pem"),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How to reach it, believing the certificate in this folder.
    pub fn settings(&self, folder: &Path) -> RemoteSettings {
        RemoteSettings {
            url: format!("https://{}", self.address),
            token: TOKEN.into(),
            ca: Some(fs::read(folder.join("cert.pem")).unwrap()),
        }
    }

    /// What it says to a kubelet that asks whether it is there.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn probe(&self) -> reqwest::Result<String> {
        let own = reqwest::Certificate::from_pem(&fs::read(&self.certificate).unwrap())?;
        let client = reqwest::Client::builder().tls_certs_only([own]).build()?;
        let url = format!("https://{}/healthz", self.address);
        client.get(url).send().await?.text().await
    }

    /// Ends it by this signal and waits for its end.
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        send(self.child.id(), signal);
        self.child.wait().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a certificate for 127.0.0.1 and the token.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(folder.path().join("cert.pem"), cert.pem()).unwrap();
    fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::write(folder.path().join("token"), TOKEN).unwrap();
    folder
}
