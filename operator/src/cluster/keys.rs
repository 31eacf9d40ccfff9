//! Who may come in by the API: keys of a file, or the first key, made once for all replicas and kept in a Secret.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::json;

use super::{
    secret::{Contents, keep},
    settings::DoorSettings,
};
use crate::face::http::auth::{KeySource, Keys};

/// Where the key stands in its Secret, in the words of `API_KEYS`.
const CLIENTS: &str = "clients.json";
/// The namespace that the first key is for.
const TENANT: &str = "default";

/// Reads them.
///
/// # Errors
/// They cannot be read or made, or there are none although they are asked for.
pub(super) async fn open(settings: &DoorSettings, secrets: &Api<Secret>) -> Result<Keys> {
    let secret = settings.keys_secret.as_deref().filter(|_| settings.auth);
    let text = match secret {
        Some(name) => Some(first(secrets, name).await?),
        None => None,
    };
    let source = KeySource {
        required: settings.auth,
        text,
        file: settings.api_keys_file.clone(),
    };
    Keys::new(source).context("read who may come in")
}

async fn first(secrets: &Api<Secret>, name: &str) -> Result<String> {
    let next = |stands: &Contents| {
        let made = stands.get(CLIENTS).is_none_or(Vec::is_empty);
        Ok(made.then(|| {
            let key = json!({key(): TENANT}).to_string();
            let mut next = stands.clone();
            next.insert(CLIENTS.to_owned(), key.into_bytes());
            next
        }))
    };
    let stands = keep(secrets, name, next).await?;
    let text = stands.get(CLIENTS).cloned().unwrap_or_default();
    String::from_utf8(text).with_context(|| format!("read {CLIENTS} of the Secret {name}"))
}

/// Two random UUIDs: 244 bits of the system's randomness.
fn key() -> String {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    format!("sk-{}{}", half(), half())
}
