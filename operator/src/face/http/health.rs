//! Whether the server is there, and what it stands on. Open to everybody, so it names little.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sandbox_core::{port::PortError, query::ListQuery, spec::BackendName};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::{app::App, problem::Problem};

/// What stands and what does not.
#[derive(Serialize, JsonSchema)]
struct Health {
    status: &'static str,
    mode: &'static str,
    database: &'static str,
    tmux: &'static str,
    /// The folder of all workspaces; `available` where keys are asked for.
    workspace: String,
}

pub(super) fn schema(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<Health>()
}

pub(super) async fn health(State(app): State<App>) -> Response {
    let services = &app.services;
    // Of one tenant, for a store may have to look at each.
    let probe = ListQuery {
        tenant: "default".parse().ok(),
        limit: 1,
        ..ListQuery::default()
    };
    if let Err(e) = services.store.list(&probe).await {
        return ill(&e);
    }
    let tmux = services.backends.contains_key(&BackendName::Vps);
    let workspace = if services.keys.required() {
        "available".to_owned()
    } else {
        services.workspace_root.display().to_string()
    };
    let health = Health {
        status: "healthy",
        mode: services.backend.word(),
        database: "available",
        tmux: if tmux { "available" } else { "not found" },
        workspace,
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(health)).into_response()
}

/// The error's own words go to the log: anybody may read this answer.
fn ill(error: &PortError) -> Response {
    tracing::warn!(error = %error, "the store cannot be read");
    let text = "the store cannot be read; the server's log has more";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", text)
        .retry_after(1)
        .into_response()
}
