//! The seat service for runners in pods: over TLS, with the certificate that all replicas share.

use std::{net::TcpListener, time::Duration};

use anyhow::{Context, Result};
use axum::Router;
use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::{
    certificate::Certificate,
    secret::{Contents, keep},
};
use crate::{listen, tokens::Tokens};

/// How often it is looked whether the certificate is to be renewed, or was by another replica.
const LOOK: Duration = Duration::from_hours(1);

const AUTHORITIES: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// The certificate as all replicas have it, renewed in time. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    secrets: Api<Secret>,
    secret: String,
    names: Vec<String>,
    config: RustlsConfig,
    authorities: String,
    tokens: Tokens,
}

impl Tls {
    /// Takes the certificate of this Secret, or makes it.
    ///
    /// # Errors
    /// It can be neither read nor made.
    pub async fn open(secrets: Api<Secret>, secret: String, names: Vec<String>) -> Result<Self> {
        let kept = kept(&secrets, &secret, &names).await?;
        let (chain, key) = (kept.leaf.into_bytes(), kept.key.into_bytes());
        let config = RustlsConfig::from_pem(chain, key).await;
        Ok(Self {
            secrets,
            secret,
            names,
            config: config.context("used the certificate of the seat service")?,
            authorities: kept.authorities,
            tokens: Tokens::new(kept.authority_key.as_bytes()),
        })
    }

    /// The certificates, in PEM, by which runners know the service.
    #[must_use]
    pub fn authorities(&self) -> &str {
        &self.authorities
    }

    /// Makes and reads the tokens of seats that no API server knows: of a secret that all replicas share.
    #[must_use]
    pub const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Renews it in time. Resolves when there is a new authority, once in years: pods are to be told of it, so this
    /// process is to be started again.
    pub async fn follow(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.look().await {
                Ok(known) if known == self.authorities => {}
                Ok(_) => return,
                Err(e) => {
                    let error = format!("{e:#}");
                    tracing::warn!(error, "could not look after the seat service's certificate");
                }
            }
        }
    }

    async fn look(&self) -> Result<String> {
        let kept = kept(&self.secrets, &self.secret, &self.names).await?;
        let (chain, key) = (kept.leaf.into_bytes(), kept.key.into_bytes());
        self.config.reload_from_pem(chain, key).await?;
        Ok(kept.authorities)
    }

    /// Serves these routes until `stop` resolves, then until the answers under way are given.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn serve<S>(
        &self,
        listener: TcpListener,
        router: Router,
        stop: S,
    ) -> impl Future<Output = Result<()>> + use<S>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let tls = Some(self.config.clone());
        async move {
            let over = listen::serve(listener, router, tls, stop).await;
            over.context("served the seat protocol")
        }
    }
}

async fn kept(secrets: &Api<Secret>, name: &str, names: &[String]) -> Result<Certificate> {
    let next = |stands: &Contents| {
        let renewed = Certificate::renewed(read(stands), names, Timestamp::now())?;
        Ok(renewed.map(|made| written(stands, made)))
    };
    let stands = keep(secrets, name, next).await?;
    read(&stands).with_context(|| format!("read the Secret {name}: a part is missing"))
}

fn read(stands: &Contents) -> Option<Certificate> {
    let text = |name: &str| String::from_utf8(stands.get(name)?.clone()).ok();
    Some(Certificate {
        authorities: text(AUTHORITIES)?,
        authority_key: text(AUTHORITY_KEY)?,
        leaf: text(CERTIFICATE)?,
        key: text(KEY)?,
    })
}

/// What else stands there is not ours.
fn written(stands: &Contents, made: Certificate) -> Contents {
    let parts = [
        (AUTHORITIES, made.authorities),
        (AUTHORITY_KEY, made.authority_key),
        (CERTIFICATE, made.leaf),
        (KEY, made.key),
    ];
    let parts = parts.map(|(name, text)| (name.to_owned(), text.into_bytes()));
    stands.clone().into_iter().chain(parts).collect()
}
