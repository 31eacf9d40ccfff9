//! The routes of a process that has a ledger. Whoever has the token may read and write all tenants' memories: it is for
//! control planes, never for runners.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::future::join_all;
use sandbox_core::Tenant;
use sandbox_elf::{
    entry::Row,
    store::{Item, Kept, Ledger, Picture, Snapshot},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::wire::{APPEND, After, Appended, Handed, ITEM, ITEMS, LOG, Many, One, SNAPSHOT};

/// Largest question, in bytes: commits that were decided together.
pub const MAX_BODY: usize = 64 << 20;

type Shelf = Arc<dyn Ledger>;

/// The routes over this ledger, for whoever has the token.
pub fn router(ledger: Arc<dyn Ledger>, token: &SecretString) -> Router {
    let digest = Arc::new(digest(token.expose_secret()));
    Router::new()
        .route(APPEND, post(append))
        .route(LOG, post(log))
        .route(SNAPSHOT, post(snapshot))
        .route(ITEM, post(item))
        .route(ITEMS, post(items))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(digest, admit))
        .with_state(ledger)
        // Whether the process is there; nothing of the memory is told.
        .route("/healthz", get(async || "ok"))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

async fn admit(State(known): State<Arc<[u8; 32]>>, request: Request, next: Next) -> Response {
    let said = request.headers().get(AUTHORIZATION);
    let said = said.and_then(|v| v.to_str().ok()?.strip_prefix("Bearer "));
    let same = said.is_some_and(|token| bool::from(digest(token).ct_eq(&known[..])));
    if same {
        return next.run(request).await;
    }
    let text = "this ledger asks for its token; give the one of its token file";
    (StatusCode::UNAUTHORIZED, text).into_response()
}

async fn append(State(ledger): State<Shelf>, Json(all): Json<Vec<Handed>>) -> Json<Appended> {
    let mut pictures: HashMap<u64, Picture> = HashMap::new();
    // Handed over one after the other before any is waited for: so they take effect in this order, and together.
    let mut handed = Vec::with_capacity(all.len());
    for mut one in all {
        one.commit.picture = pictures.entry(one.picture).or_default().clone();
        handed.push(ledger.append(&one.tenant, one.commit));
    }
    Json(join_all(handed).await)
}

async fn log(State(ledger): State<Shelf>, Json(asked): Json<After>) -> Json<Kept<Vec<Row>>> {
    Json(ledger.log(&asked.tenant, asked.place, asked.limit).await)
}

async fn snapshot(State(ledger): State<Shelf>, Json(tenant): Json<Tenant>) -> Json<Kept<Snapshot>> {
    Json(ledger.snapshot(&tenant).await)
}

async fn item(State(ledger): State<Shelf>, Json(asked): Json<One>) -> Json<Kept<Option<Item>>> {
    Json(ledger.item(&asked.tenant, asked.kind, &asked.id).await)
}

async fn items(State(ledger): State<Shelf>, Json(asked): Json<Many>) -> Json<Kept<Vec<Item>>> {
    let Many {
        tenant,
        kind,
        before,
        limit,
    } = asked;
    Json(ledger.items(&tenant, kind, before, limit).await)
}
