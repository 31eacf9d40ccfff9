//! The network of containers that may reach everything: a bridge of our own, on which containers
//! cannot reach each other.

use std::collections::HashMap;

use bollard::models::NetworkCreateRequest;
use tokio::sync::Mutex;

use super::{
    conf::OWNER_LABEL,
    engine::{Engine, Trouble},
};

/// Whether it is known to be there.
#[derive(Debug, Default)]
pub(super) struct Bridge {
    made: Mutex<bool>,
}

/// Its name: one for each owner, so that no two nodes of one engine share it.
pub(super) fn name(owner: &str) -> String {
    format!("sandbox-{}", owner.get(..12).unwrap_or(owner))
}

impl Bridge {
    /// Makes it unless it is there.
    pub(super) async fn up(&self, engine: &Engine, owner: &str) -> Result<(), Trouble> {
        let mut made = self.made.lock().await;
        let (docker, name) = (engine.client().await?, name(owner));
        match docker
            .inspect_network(&name, None)
            .await
            .map_err(Trouble::from)
        {
            Ok(_) => *made = true,
            Err(Trouble::NotFound(_)) => {
                docker.create_network(request(name, owner)).await?;
                *made = true;
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

fn request(name: String, owner: &str) -> NetworkCreateRequest {
    let options = [("com.docker.network.bridge.enable_icc", "false")];
    let options = options.map(|(k, v)| (k.to_owned(), v.to_owned()));
    NetworkCreateRequest {
        name,
        driver: Some("bridge".to_owned()),
        options: Some(HashMap::from(options)),
        labels: Some(HashMap::from([(OWNER_LABEL.to_owned(), owner.to_owned())])),
        ..NetworkCreateRequest::default()
    }
}
