//! A registry of this machine: it serves one image as an engine saved it, refuses, or holds its breath.

use std::{collections::BTreeMap, path::Path, process::Command, sync::Arc};

use axum::{
    extract::{Path as Named, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sandbox_tests::images::runner;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What it serves, by digest.
pub struct Registry {
    pub port: u16,
    /// The digest by which the image is to be known.
    pub digest: String,
    /// Lets the layers go.
    pub gate: Arc<Semaphore>,
}

#[derive(Clone)]
struct Shelf {
    blobs: Arc<BTreeMap<String, Vec<u8>>>,
    manifest: Arc<Vec<u8>>,
    digest: String,
    gate: Arc<Semaphore>,
}

/// Serves the runner's image; its layers only when the gate is opened.
pub async fn serving() -> Registry {
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new("tar")
        .arg("-xf")
        .arg(runner())
        .arg("-C")
        .arg(folder.path())
        .status();
    assert!(done.unwrap().success());
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let index: Value = serde_json::from_slice(&read("manifest.json")).unwrap();
    let mut blobs = BTreeMap::new();
    let mut put = |name: &str, kind: &str| {
        let (bytes, digest) = (read(name), sha256(&folder.path().join(name)));
        let about = json!({"mediaType": kind, "size": bytes.len(), "digest": digest});
        blobs.insert(digest, bytes);
        about
    };
    let config = put(
        index[0]["Config"].as_str().unwrap(),
        "application/vnd.docker.container.image.v1+json",
    );
    let layers = index[0]["Layers"].as_array().unwrap().iter();
    let kind = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let layers: Vec<Value> = layers.map(|l| put(l.as_str().unwrap(), kind)).collect();
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    let manifest = manifest.to_string().into_bytes();
    std::fs::write(folder.path().join("made"), &manifest).unwrap();
    let digest = sha256(&folder.path().join("made"));
    let gate = Arc::new(Semaphore::new(0));
    let shelf = Shelf {
        blobs: Arc::new(blobs),
        manifest: Arc::new(manifest),
        digest: digest.clone(),
        gate: gate.clone(),
    };
    let app = axum::Router::new()
        .route("/v2/", get(|| async { "{}" }))
        .route("/v2/{name}/manifests/{tag}", get(manifest_of))
        .route("/v2/{name}/blobs/{digest}", get(blob))
        .with_state(shelf);
    let port = listen(app).await;
    Registry { port, digest, gate }
}

/// Knows no image, or is ill.
pub async fn refusing(status: StatusCode) -> u16 {
    let (code, message) = match status {
        StatusCode::NOT_FOUND => ("MANIFEST_UNKNOWN", "manifest unknown"),
        _ => ("UNKNOWN", "out of order"),
    };
    let body = json!({"errors": [{"code": code, "message": message}]}).to_string();
    listen(axum::Router::new().fallback(move || async move { (status, body) })).await
}

async fn listen(app: axum::Router) -> u16 {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(server, app).await });
    port
}

async fn manifest_of(State(shelf): State<Shelf>) -> Response {
    let about = [
        (header::CONTENT_TYPE.as_str(), MANIFEST.to_owned()),
        ("docker-content-digest", shelf.digest.clone()),
    ];
    (about, shelf.manifest.as_ref().clone()).into_response()
}

async fn blob(State(shelf): State<Shelf>, Named((_, digest)): Named<(String, String)>) -> Response {
    let Some(bytes) = shelf.blobs.get(&digest) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let _open = shelf.gate.acquire().await.unwrap();
    bytes.clone().into_response()
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    format!("sha256:{}", text.split(' ').next().unwrap())
}
