//! A machine is known by its certificate alone: by the certificate itself, or by the hash of its public key. No authority,
//! name or date is asked, and whoever shows the certificate has to prove that its key is there.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use sandbox_core::host::PinnedCertificate;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a certificate is known by.
#[derive(Clone, Debug)]
enum Pin {
    Whole(CertificateDer<'static>),
    Keys(Vec<String>),
}

impl Pin {
    fn of(spec: &PinnedCertificate) -> Result<Self, String> {
        match &spec.pem {
            Some(pem) => CertificateDer::from_pem_slice(pem.as_bytes())
                .map(Self::Whole)
                .map_err(|e| format!("read spec.certificate.pem: {e}")),
            None => Ok(Self::Keys(spec.spki_sha256.clone())),
        }
    }

    fn fits(&self, shown: &CertificateDer<'_>) -> bool {
        match self {
            Self::Whole(known) => known == shown,
            Self::Keys(known) => spki_sha256(shown).is_some_and(|key| known.contains(&key)),
        }
    }
}

/// The SHA-256 of a certificate's public key (SPKI), in base64.
#[must_use]
pub fn spki_sha256(certificate: &[u8]) -> Option<String> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Some(BASE64_STANDARD.encode(Sha256::digest(read.public_key().raw)))
}

/// The same of the first certificate of a text in PEM.
#[must_use]
pub fn spki_sha256_of_pem(pem: &[u8]) -> Option<String> {
    spki_sha256(&CertificateDer::from_pem_slice(pem).ok()?)
}

/// TLS with whoever shows this certificate, and with nobody else.
///
/// # Errors
/// The certificate cannot be read.
pub(super) fn config(spec: &PinnedCertificate) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier {
        pin: Pin::of(spec)?,
        provider: provider.clone(),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

#[derive(Debug)]
struct Verifier {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pin.fits(shown) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, shown, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, shown, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn certificate() -> (String, CertificateDer<'static>) {
        let CertifiedKey { cert, .. } = generate_simple_self_signed(["host".to_owned()]).unwrap();
        (cert.pem(), cert.der().clone())
    }

    #[test]
    fn a_certificate_is_known_by_itself_or_by_its_key_and_no_other_is() {
        let (pem, mine) = certificate();
        let (_, other) = certificate();
        let key = spki_sha256_of_pem(pem.as_bytes()).unwrap();
        assert_eq!(key.len(), 44);
        let by_pem = PinnedCertificate {
            pem: Some(pem),
            ..PinnedCertificate::default()
        };
        let by_key = PinnedCertificate {
            spki_sha256: vec!["A".repeat(43) + "=", key],
            ..PinnedCertificate::default()
        };
        for spec in [by_pem, by_key] {
            let pin = Pin::of(&spec).unwrap();
            assert!(pin.fits(&mine));
            assert!(!pin.fits(&other));
        }
    }

    #[test]
    fn what_is_no_certificate_fits_nothing() {
        let pin = Pin::Keys(vec![String::new()]);
        assert!(!pin.fits(&CertificateDer::from(vec![1, 2, 3])));
        let odd = PinnedCertificate {
            pem: Some("-----BEGIN CERTIFICATE-----".to_owned()),
            ..PinnedCertificate::default()
        };
        assert!(config(&odd).is_err());
    }
}
