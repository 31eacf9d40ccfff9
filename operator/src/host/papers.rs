//! What a machine is known by: a certificate that it signed itself, and a token. Both are made at the first use and stay:
//! clusters have them written down.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use crate::seats::files::disk;

/// Where the parts of it stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Papers {
    /// The certificate, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// The token.
    pub token: PathBuf,
}

impl Papers {
    /// Those that stand in this folder.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self {
            certificate: folder.join("cert.pem"),
            key: folder.join("key.pem"),
            token: folder.join("token"),
        }
    }

    /// Makes a certificate with its key, unless one stands there.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn make_certificate(&self) -> Result<()> {
        if self.certificate.exists() && self.key.exists() {
            return Ok(());
        }
        let mut params = CertificateParams::default();
        // No date is asked of a certificate that is pinned.
        params.not_after = date_time_ymd(2500, 1, 1);
        let name = "Multi-Agent Sandbox host";
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().context("made a key")?;
        let made = params.self_signed(&key).context("made a certificate")?;
        // The key first: a certificate that stands has its key.
        put(&self.key, &key.serialize_pem())?;
        put(&self.certificate, &made.pem())
    }

    /// Makes a token, unless one stands there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn make_token(&self) -> Result<()> {
        if self.token.exists() {
            return Ok(());
        }
        // Two random UUIDs: 244 bits of the system's randomness.
        let half = || uuid::Uuid::new_v4().simple().to_string();
        put(&self.token, &format!("{}{}\n", half(), half()))
    }

    /// The token.
    ///
    /// # Errors
    /// It cannot be read, or is too short to be a secret.
    pub fn read_token(&self) -> Result<String> {
        let shown = self.token.display();
        let text = fs::read_to_string(&self.token);
        let text = text.with_context(|| format!("read the token in {shown}"))?;
        let token = text.trim().to_owned();
        anyhow::ensure!(
            token.len() >= 32,
            "read the token in {shown}: it has {} characters; 32 at least are asked for: `openssl rand -hex 32` makes one",
            token.len()
        );
        Ok(token)
    }
}

/// Puts a file that only its owner reads, whole.
///
/// # Errors
/// The disk refuses; the text says which file.
pub fn put(file: &Path, text: &str) -> Result<()> {
    let written = || -> io::Result<()> {
        let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "it has no name");
        let name = file
            .file_name()
            .and_then(|n| n.to_str())
            .ok_or_else(no_name)?;
        let folder = file.parent().ok_or_else(no_name)?;
        disk::replace(folder, name, text.as_bytes())
    };
    written().with_context(|| format!("wrote {}", file.display()))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::backend::remote::spki_sha256_of_pem;

    #[test]
    fn papers_are_made_once_and_only_their_owner_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let papers = Papers::of(&dir.path().join("host"));
        let read = || {
            papers.make_certificate().unwrap();
            papers.make_token().unwrap();
            let certificate = fs::read(&papers.certificate).unwrap();
            (certificate, papers.read_token().unwrap())
        };
        let first = read();
        assert_eq!(read(), first);
        assert!(spki_sha256_of_pem(&first.0).is_some());
        for file in [&papers.key, &papers.token] {
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let papers = Papers::of(dir.path());
        fs::write(&papers.token, "secret").unwrap();
        let said = papers.read_token().unwrap_err().to_string();
        assert!(said.contains("openssl rand"), "{said}");
    }
}
