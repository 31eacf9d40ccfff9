//! Something secret that is made once for all replicas: whoever comes first makes it, and all have the same. It stands
//! in a Secret of the operator's own namespace, and is written only over the version that was read.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, api::PostParams};

/// Names and contents.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// Most tries where others write at the same time.
const TRIES: u32 = 10;

/// What stands in the Secret, which is brought up to date first. `next` is given what stands there, and gives what is
/// to stand there instead, or nothing where that is well.
///
/// # Errors
/// It cannot be read or written, or `next` fails.
pub async fn keep(
    secrets: &Api<Secret>,
    name: &str,
    next: impl Fn(&Contents) -> Result<Option<Contents>>,
) -> Result<Contents> {
    for _ in 0..TRIES {
        let found = secrets.get_opt(name).await;
        let found = found.with_context(|| format!("read the Secret {name}"))?;
        let stands = contents(found.as_ref());
        let Some(wanted) = next(&stands)? else {
            return Ok(stands);
        };
        match put(secrets, name, (found, &wanted)).await {
            Ok(()) => return Ok(wanted),
            Err(kube::Error::Api(e)) if e.is_conflict() || e.is_already_exists() => {}
            Err(e) => return Err(e).with_context(|| format!("wrote the Secret {name}")),
        }
    }
    bail!("wrote the Secret {name}: others write to it all the time");
}

fn contents(secret: Option<&Secret>) -> Contents {
    let data = secret.and_then(|s| s.data.clone()).unwrap_or_default();
    data.into_iter().map(|(k, v)| (k, v.0)).collect()
}

async fn put(
    secrets: &Api<Secret>,
    name: &str,
    (found, wanted): (Option<Secret>, &Contents),
) -> kube::Result<()> {
    let exists = found.is_some();
    let mut secret = found.unwrap_or_default();
    let data = wanted
        .iter()
        .map(|(k, v)| (k.clone(), ByteString(v.clone())));
    secret.data = Some(data.collect());
    secret.metadata.managed_fields = None;
    let params = PostParams::default();
    if exists {
        // Its version goes with it.
        secrets.replace(name, &params, &secret).await?;
    } else {
        secret.metadata.name = Some(name.to_owned());
        secrets.create(&params, &secret).await?;
    }
    Ok(())
}
