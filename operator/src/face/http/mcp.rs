//! Memory's tools by HTTP: `/mcp` for clients of the protocol, `/elf/ask` for `sandbox mcp`, which
//! speaks it elsewhere. Both end at the same tools.

use axum::{
    Json,
    extract::{Request, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use sandbox_core::Tenant;
use sandbox_elf::tools::{Ask, Asker};
use schemars::{Schema, SchemaGenerator};

use super::{
    app::{App, Caller},
    problem::{Problem, Told},
    read::Body,
};
use crate::face::mcp::Refusal;

/// Whose memory a visitor asks for, where nobody is asked for a key.
const CLIENT: &str = "x-client-id";

pub(super) async fn protocol(
    State(app): State<App>,
    Caller(tenant): Caller,
    mut request: Request,
) -> Told<Response> {
    let missing = || Problem::unavailable("the shared memory is not there");
    let door = app.services.mcp.as_ref().ok_or_else(missing)?;
    let asker = asker(&app, request.headers(), tenant)?;
    request.extensions_mut().insert(asker);
    door.answer(request).await.map_err(turned_away)
}

fn turned_away(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Full(_) => Problem::unavailable(refusal.to_string()),
        Refusal::NoSession => Problem::not_found(refusal.to_string()),
    }
}

pub(super) async fn ask(
    State(app): State<App>,
    Caller(tenant): Caller,
    headers: HeaderMap,
    Body(body): Body,
) -> Told<Response> {
    let missing = || Problem::unavailable("the shared memory is not there");
    let tools = app.services.tools.as_ref().ok_or_else(missing)?;
    let asker = asker(&app, &headers, tenant)?;
    let ask: Ask =
        serde_json::from_value(body).map_err(|e| Problem::invalid(format!("body: {e}")))?;
    Ok(Json(tools.answer(&asker, &ask).await).into_response())
}

pub(super) fn asked(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<Ask>()
}

/// Who asks. A key names its tenant; without keys, whoever asks may name one, as with the ancestor.
fn asker(app: &App, headers: &HeaderMap, tenant: Tenant) -> Told<Asker> {
    let named = headers.get(CLIENT);
    let named = named.filter(|_| app.services.keys.is_visitor(headers));
    let tenant = match named {
        None => tenant,
        Some(name) => {
            let name = name.to_str().unwrap_or_default();
            name.parse()
                .map_err(|e| Problem::invalid(format!("{CLIENT}: {e}")))?
        }
    };
    Ok(Asker { tenant, seat: None })
}
