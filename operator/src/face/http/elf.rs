//! The shared memory's routes. What stands in an answer is memory's own; this file knows no rule.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    app::{App, Caller, Id, Writer},
    jobs::list::rows,
    problem::{Problem, Told},
    read::{Asked, Body},
};
use crate::face::{ElfFace, NewRule, RuleQuery};

/// Which rules.
#[derive(Deserialize)]
pub(super) struct Wanted {
    domain: Option<String>,
    project_path: Option<String>,
    limit: Option<i64>,
}

impl Wanted {
    fn query(self) -> Told<RuleQuery> {
        Ok(RuleQuery {
            domain: self.domain,
            project: self.project_path,
            golden: false,
            limit: rows(self.limit)?,
        })
    }
}

fn memory(app: &App) -> Told<&dyn ElfFace> {
    let missing = || Problem::unavailable("the shared memory is not there");
    app.services.elf.as_deref().ok_or_else(missing)
}

pub(super) async fn stats(State(app): State<App>, Caller(tenant): Caller) -> Told<Response> {
    let mut found = memory(&app)?.stats(&tenant).await?;
    if let Value::Object(counters) = &mut found {
        counters.insert("client_id".to_owned(), tenant.as_str().into());
    }
    Ok(Json(found).into_response())
}

pub(super) async fn heuristics(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(wanted): Asked<Wanted>,
) -> Told<Response> {
    let query = wanted.query()?;
    let found = memory(&app)?.heuristics(&tenant, &query).await?;
    Ok(Json(json!({"client_id": tenant, "heuristics": found})).into_response())
}

pub(super) async fn golden_rules(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(wanted): Asked<Wanted>,
) -> Told<Response> {
    let query = RuleQuery {
        golden: true,
        ..wanted.query()?
    };
    let found = memory(&app)?.heuristics(&tenant, &query).await?;
    Ok(Json(json!({"client_id": tenant, "golden_rules": found})).into_response())
}

pub(super) async fn rule(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
) -> Told<Response> {
    let found = memory(&app)?.rule(&tenant, &id).await?;
    Ok(Json(found).into_response())
}

/// Why a rule is taken out of every prompt.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retirement {
    /// For people.
    #[serde(default)]
    #[schemars(length(max = 500))]
    reason: String,
}

pub(super) async fn retire(
    State(app): State<App>,
    Writer(tenant): Writer,
    Id(id): Id,
    Body(body): Body,
) -> Told<Response> {
    let said: Retirement =
        serde_json::from_value(body).map_err(|e| Problem::invalid(format!("body: {e}")))?;
    let found = memory(&app)?.retire(&tenant, &id, &said.reason).await?;
    Ok(Json(found).into_response())
}

pub(super) fn retirement(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<Retirement>()
}

/// Which attempt.
#[derive(Deserialize)]
pub(super) struct Which {
    pub attempt: Option<u32>,
}

pub(super) async fn receipt(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
    Asked(which): Asked<Which>,
) -> Told<Response> {
    let job = app.job(&tenant, &id).await?;
    let mut seat = job.seat().map_err(|_| Problem::no_job())?;
    seat.attempt = which.attempt.unwrap_or(seat.attempt);
    let found = memory(&app)?.receipt(&tenant, &seat).await?;
    Ok(Json(found).into_response())
}

pub(super) async fn learn(
    State(app): State<App>,
    Writer(tenant): Writer,
    Body(body): Body,
) -> Told<Response> {
    let lesson = rule_of(body)?;
    let kept = memory(&app)?.learn(&tenant, &lesson).await?;
    Ok(Json(kept).into_response())
}

/// The rule that a body is.
pub(super) fn rule_of(body: Value) -> Told<NewRule> {
    serde_json::from_value(body).map_err(|e| Problem::invalid(format!("body: {e}")))
}

pub(super) fn lesson(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<NewRule>()
}
