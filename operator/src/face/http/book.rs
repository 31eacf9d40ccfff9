//! The routes by which people look into the shared memory and change the standing of its rules. What
//! stands in an answer is memory's own; this file knows no rule.

use std::{future::Future, sync::Arc};

use axum::{
    Json,
    body::{self, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures::stream;
use sandbox_core::{
    Tenant,
    port::{PortError, RecallQuery},
};
use sandbox_elf::{
    Elf, ElfError, RuleKind,
    face::{RulePage, RuleQuery, ShownRule, TrailQuery},
    rule::RuleStatus,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    app::{App, Caller, Id, Writer},
    elf::{self, Which},
    jobs::list::rows,
    problem::{Problem, Told},
    read::{Asked, Body},
};

fn memory(app: &App) -> Told<Arc<Elf>> {
    let missing = || Problem::unavailable("the shared memory is not there");
    app.services.book.clone().ok_or_else(missing)
}

fn told<T>(found: Result<T, ElfError>) -> Told<T> {
    Ok(found.map_err(PortError::from)?)
}

fn shown<T: Serialize>(found: Result<T, ElfError>) -> Told<Response> {
    Ok(Json(told(found)?).into_response())
}

/// Which rules, in the order in which they were first said.
#[derive(Deserialize)]
pub(super) struct Wanted {
    domain: Option<String>,
    project_path: Option<String>,
    status: Option<RuleStatus>,
    kind: Option<RuleKind>,
    after: Option<u64>,
    limit: Option<i64>,
}

pub(super) async fn rules(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(wanted): Asked<Wanted>,
) -> Told<Response> {
    let query = RuleQuery {
        domain: wanted.domain,
        project: wanted.project_path,
        status: wanted.status,
        kind: wanted.kind,
        after: wanted.after,
        limit: rows(wanted.limit)?,
    };
    let RulePage { rules, next } = told(memory(&app)?.list_rules(&tenant, query).await)?;
    let page = json!({"client_id": tenant, "rules": rules, "next": next});
    Ok(Json(page).into_response())
}

pub(super) async fn rule(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
) -> Told<Response> {
    shown(memory(&app)?.dossier(&tenant, &id).await)
}

pub(super) async fn explain(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
) -> Told<Response> {
    shown(memory(&app)?.explain(&tenant, &id).await)
}

pub(super) async fn propose(
    State(app): State<App>,
    Writer(tenant): Writer,
    Body(body): Body,
) -> Told<Response> {
    let rule = elf::rule_of(body)?;
    shown(memory(&app)?.propose(&tenant, (&rule).into()).await)
}

pub(super) async fn pin(
    State(app): State<App>,
    Writer(tenant): Writer,
    Id(id): Id,
) -> Told<Response> {
    stands(&app, |elf| async move { elf.pin(&tenant, &id).await }).await
}

pub(super) async fn unpin(
    State(app): State<App>,
    Writer(tenant): Writer,
    Id(id): Id,
) -> Told<Response> {
    stands(&app, |elf| async move { elf.unpin(&tenant, &id).await }).await
}

pub(super) async fn activate(
    State(app): State<App>,
    Writer(tenant): Writer,
    Id(id): Id,
) -> Told<Response> {
    stands(&app, |elf| async move { elf.activate(&tenant, &id).await }).await
}

async fn stands<F: Future<Output = Result<ShownRule, ElfError>>>(
    app: &App,
    change: impl FnOnce(Arc<Elf>) -> F,
) -> Told<Response> {
    shown(change(memory(app)?).await)
}

/// What rules are searched for.
#[derive(Deserialize)]
pub(super) struct Search {
    query: String,
    domain: Option<String>,
    limit: Option<i64>,
}

pub(super) async fn search(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(wanted): Asked<Search>,
) -> Told<Response> {
    let most = rows(wanted.limit)? as usize;
    let words = (wanted.query.as_str(), wanted.domain.as_deref());
    let found = told(memory(&app)?.search(&tenant, words, most).await)?;
    Ok(Json(json!({"client_id": tenant, "heuristics": found})).into_response())
}

/// What a job would ask.
#[derive(Deserialize)]
pub(super) struct Work {
    #[serde(default)]
    task: String,
    domain: Option<String>,
    project_path: Option<String>,
    #[serde(default)]
    files: String,
    max_tokens: Option<u32>,
}

pub(super) async fn context(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(work): Asked<Work>,
) -> Told<Response> {
    let files = work.files.split(',').map(str::trim);
    let query = RecallQuery {
        text: work.task,
        domain: work.domain,
        project: work.project_path,
        files: files.filter(|f| !f.is_empty()).map(str::to_owned).collect(),
        max_tokens: work.max_tokens,
    };
    shown(memory(&app)?.context(&tenant, query).await)
}

pub(super) async fn receipt(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
    Asked(which): Asked<Which>,
) -> Told<Response> {
    shown(memory(&app)?.receipt_of(&tenant, &id, which.attempt).await)
}

/// Which trails.
#[derive(Deserialize)]
pub(super) struct Where {
    path: Option<String>,
    project_path: Option<String>,
    limit: Option<i64>,
}

pub(super) async fn trails(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(wanted): Asked<Where>,
) -> Told<Response> {
    let most = rows(wanted.limit)? as usize;
    let query = TrailQuery {
        path: wanted.path,
        project: wanted.project_path,
    };
    let mut found = told(memory(&app)?.trails(&tenant, query).await)?;
    found.truncate(most);
    Ok(Json(json!({"client_id": tenant, "trails": found})).into_response())
}

/// Which plans.
#[derive(Deserialize)]
pub(super) struct Plans {
    status: Option<String>,
    limit: Option<i64>,
}

pub(super) async fn plans(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(wanted): Asked<Plans>,
) -> Told<Response> {
    let most = rows(wanted.limit)? as usize;
    let elf = memory(&app)?;
    let found = told(
        elf.shown_plans(&tenant, wanted.status.as_deref(), most)
            .await,
    )?;
    Ok(Json(json!({"client_id": tenant, "plans": found})).into_response())
}

/// Lines of an export.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lines {
    /// In their order, as the export gives them.
    #[schemars(length(max = 1000))]
    entries: Vec<Map<String, Value>>,
}

pub(super) fn lines(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<Lines>()
}

pub(super) async fn import(
    State(app): State<App>,
    Writer(tenant): Writer,
    Body(body): Body,
) -> Told<Response> {
    let lines: Lines =
        serde_json::from_value(body).map_err(|e| Problem::invalid(format!("body: {e}")))?;
    let entries = lines.entries.into_iter().map(Value::Object).collect();
    shown(memory(&app)?.follow(&tenant, entries).await)
}

/// Where the log is read from.
#[derive(Deserialize)]
pub(super) struct From {
    #[serde(default)]
    after: u64,
}

/// The log as it flows.
struct Flow {
    elf: Arc<Elf>,
    tenant: Tenant,
    /// Where the next piece begins; nothing after the last.
    after: Option<u64>,
    _permit: OwnedSemaphorePermit,
}

impl Flow {
    /// An error cuts the answer off, so that nobody takes a part for the whole.
    async fn next(mut self) -> Option<(Result<Bytes, ElfError>, Self)> {
        let piece = self.elf.export(&self.tenant, self.after?).await;
        let piece = piece.map(|export| {
            self.after = export.next;
            Bytes::from(export.lines)
        });
        if piece.is_err() {
            self.after = None;
        }
        Some((piece, self))
    }
}

pub(super) async fn export(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(from): Asked<From>,
) -> Told<Response> {
    let flow = Flow {
        elf: memory(&app)?,
        tenant,
        after: Some(from.after),
        _permit: app.stream_permit()?,
    };
    let body = body::Body::from_stream(stream::unfold(flow, Flow::next));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}
