//! An API server whose news of jobs come late: everything is passed on at once, but what watches of jobs say waits while a
//! test holds it back.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop at what it did not expect"
)]

use std::{fs, net::SocketAddr, path::PathBuf};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{
        StatusCode,
        header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    },
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use kube::{Client, Config};
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// What stands before an API server; it ends with this value.
pub struct Lag {
    address: SocketAddr,
    held: watch::Sender<bool>,
    folder: TempDir,
    keeper: JoinHandle<()>,
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

#[derive(Clone)]
struct Passing {
    client: Client,
    held: watch::Receiver<bool>,
}

impl Lag {
    /// One that asks with this client, whoever comes.
    pub async fn before(client: Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (held, holds) = watch::channel(false);
        let passing = Passing {
            client,
            held: holds,
        };
        let router = Router::new().fallback(pass).with_state(passing);
        let keeper = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        let folder = tempfile::tempdir().unwrap();
        Self {
            address,
            held,
            folder,
            keeper,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::try_from(Config::new(self.url().parse().unwrap())).unwrap()
    }

    /// A file by which programs find it.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url()}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        let file = self.folder.path().join("kubeconfig");
        fs::write(&file, config.to_string()).unwrap();
        file
    }

    /// From now on no watch of jobs says anything.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }
}

async fn pass(State(to): State<Passing>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let late = query.contains("watch=true") && request.uri().path().ends_with("/agentjobs");
    let (mut parts, body) = request.into_parts();
    for own in [HOST, CONNECTION, CONTENT_LENGTH, ACCEPT_ENCODING] {
        parts.headers.remove(own);
    }
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let request = axum::http::Request::from_parts(parts, body.to_vec().into());
    let Ok(answer) = to.client.send(request).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (mut parts, body) = answer.into_parts();
    for own in [CONNECTION, TRANSFER_ENCODING] {
        parts.headers.remove(own);
    }
    let body = Body::new(body);
    Response::from_parts(parts, if late { delayed(body, to.held) } else { body })
}

fn delayed(body: Body, held: watch::Receiver<bool>) -> Body {
    let said = body.into_data_stream().then(move |part| {
        let mut held = held.clone();
        async move {
            // An error means that the test is over.
            let _ = held.wait_for(|is| !is).await;
            part
        }
    });
    Body::from_stream(said)
}
