//! The one table of routes: the router is built from it, and so is the OpenAPI document.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, patch, post},
};
use schemars::{Schema, SchemaGenerator};

use super::{
    agents, app::App, artifacts, book, dashboard, dialect::record, elf, events, gate, health, jobs,
    jobs::amend, logs, mcp, metrics, openapi, problem::Problem, workspace,
};

/// Makes the schema of a body.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a route answers with.
#[derive(Clone, Copy)]
pub enum Gives {
    /// JSON of this schema.
    Json(SchemaOf),
    /// Something else: its media type.
    Other(&'static str),
}

/// One parameter of a query or one header.
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// `query` or `header`.
    pub place: &'static str,
    /// Its JSON type.
    pub kind: &'static str,
    /// What it is for.
    pub about: &'static str,
}

/// One route.
pub struct Route {
    /// The method, in lower case.
    pub method: &'static str,
    /// The path as the router and OpenAPI read it; `{*rest}` takes slashes too.
    pub path: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// Whether no key is asked for.
    pub open: bool,
    /// Its parameters besides those of the path.
    pub params: &'static [Param],
    /// The schema of its request body.
    pub body: Option<SchemaOf>,
    /// What it answers with.
    pub gives: Gives,
    handler: fn() -> MethodRouter<App>,
}

const fn query(name: &'static str, kind: &'static str, about: &'static str) -> Param {
    Param {
        name,
        place: "query",
        kind,
        about,
    }
}

const LIMIT: Param = query(
    "limit",
    "integer",
    "Most rows; 50 when absent, 500 at most.",
);
const CURSOR: Param = query(
    "cursor",
    "string",
    "Continues after a page: its next_cursor.",
);
const SINCE: Param = query(
    "since",
    "integer",
    "Only events after this number, 0 for all that are kept; without it, `/events` begins now and the events of a job with its first. Also called `after`.",
);
const PATH: Param = query("path", "string", "A folder beneath the tenant's root.");
const DOMAIN: Param = query("domain", "string", "Only this domain.");
const PROJECT: Param = query(
    "project_path",
    "string",
    "This project's, and those of none.",
);
const AFTER: Param = query("after", "integer", "Continues after a page: its next.");
const ATTEMPT: Param = query("attempt", "integer", "Which attempt; the last when absent.");
const KEY: Param = Param {
    name: "Idempotency-Key",
    place: "header",
    kind: "string",
    about: "Sent again, it gives the job of the first time.",
};
const LAST_ID: Param = Param {
    name: "Last-Event-ID",
    place: "header",
    kind: "integer",
    about: "Continues after this event; it wins over `since`. Where events after it are forgotten, or there are more than 10,000 of them, an event `Gap` comes first.",
};

macro_rules! routes {
    ($($method:ident $path:literal $about:literal
        [$($param:expr),*] $(body $body:path)? => $gives:expr, $handler:path;)*) => {
        /// Every route that is served.
        pub const ROUTES: &[Route] = &[$(Route {
            method: stringify!($method),
            path: $path,
            about: $about,
            open: matches!($path.as_bytes(), b"/health" | b"/dashboard/login" | b"/dashboard/logout" | b"/dashboard/style.css"),
            params: &[$($param),*],
            body: routes!(@body $($body)?),
            gives: $gives,
            handler: || $method($handler),
        }),*];
    };
    (@body) => { None };
    (@body $body:path) => { Some($body) };
}

use Gives::{Json, Other};

routes! {
    get "/health" "Whether the server, its store and its places are there." [] => Json(health::schema), health::health;
    post "/jobs" "Submits a job: a job type with its payload, or a whole AgentJob." [KEY] body record::submission => Json(record::one), jobs::submit::submit;
    get "/jobs" "Lists jobs, newest first." [
        LIMIT, CURSOR,
        query("status", "string", "Only these, with commas: QUEUED, RUNNING, SUCCEEDED, FAILED."),
        query("type", "string", "Only this job type."),
        query("name", "string", "Only the job of this name.")
    ] => Json(record::many), jobs::list::list;
    get "/jobs/{id}" "One job." [
        query("view", "string", "`resource` gives the whole AgentJob instead of the record.")
    ] => Json(record::one), jobs::list::one;
    delete "/jobs/{id}" "Cancels a job if it is not over, and forgets it afterwards." [] => Json(record::one), jobs::change::remove;
    patch "/jobs/{id}" "Changes what may change of a job: a longer deadline, priority, ttlAfterFinished, suspend, cancel." [] body amend::schema => Json(record::one), jobs::amend::amend;
    post "/jobs/{id}/cancel" "Ends a job." [] => Json(record::one), jobs::change::cancel;
    post "/jobs/{id}/retry" "Submits a finished job again, as a new one." [KEY] => Json(record::one), jobs::change::retry;
    get "/jobs/{id}/logs" "The log of an attempt; X-Next-Cursor says where the next piece begins." [
        query("cursor", "integer", "Where to begin, in bytes."),
        query("limit", "integer", "Most bytes; 1 MiB when absent and at most."),
        query("follow", "boolean", "Stays and sends what comes, until the job is over."),
        ATTEMPT
    ] => Other("text/plain"), logs::logs;
    get "/jobs/{id}/events" "What happens to a job, as server-sent events." [SINCE, LAST_ID] => Other("text/event-stream"), events::of_job;
    get "/events" "What happens to all jobs of the tenant from now on, as server-sent events." [SINCE, LAST_ID] => Other("text/event-stream"), events::of_tenant;
    get "/jobs/{id}/receipt" "What an attempt was given by the memory, and what was kept back." [ATTEMPT] => Json(record::anything), elf::receipt;
    get "/jobs/{id}/result" "What the work made." [] => Json(record::anything), artifacts::result;
    get "/jobs/{id}/artifacts" "The files that a job left." [] => Json(artifacts::schema), artifacts::list;
    get "/jobs/{id}/artifacts/{*path}" "One file that a job left." [] => Other("application/octet-stream"), artifacts::one;
    get "/agents" "The agents of the newest jobs." [LIMIT] => Json(agents::many), agents::list;
    get "/agents/{id}" "One agent." [] => Json(agents::single), agents::one;
    get "/workspace/diff" "What changed in a repository, with new files by name." [PATH] => Json(workspace::diff_schema), workspace::diff;
    get "/workspace/patch" "What changed in a repository, new files included, as one patch." [PATH] => Other("text/plain"), workspace::patch;
    get "/workspace/status" "Branch, last commit and changed files of a repository." [PATH] => Json(workspace::status_schema), workspace::status;
    get "/workspace/file" "One file beneath a folder." [PATH, query("file", "string", "The file, relative to the folder.")] => Json(workspace::file_schema), workspace::file;
    get "/elf/stats" "The memory's counters." [] => Json(record::anything), elf::stats;
    get "/elf/heuristics" "The memory's rules, most trusted first." [DOMAIN, PROJECT, LIMIT] => Json(record::anything), elf::heuristics;
    post "/elf/heuristics" "Teaches the memory a rule, a decision or an invariant." [] body elf::lesson => Json(record::anything), elf::learn;
    get "/elf/heuristics/{id}" "One rule of the memory, by its number or id." [] => Json(record::anything), elf::rule;
    post "/elf/heuristics/{id}/retire" "Takes a rule out of every prompt." [] body elf::retirement => Json(record::anything), elf::retire;
    get "/elf/golden-rules" "The memory's golden rules." [PROJECT, LIMIT] => Json(record::anything), elf::golden_rules;
    get "/elf/rules" "Rules with all that is known of them, in the order in which they were first said." [
        DOMAIN, PROJECT, LIMIT, AFTER,
        query("status", "string", "Only these: active, pinned, retired, quarantined or proposed."),
        query("kind", "string", "Only these: heuristic, decision or invariant.")
    ] => Json(record::anything), book::rules;
    get "/elf/rules/{id}" "One rule with its posterior, why it is golden or is not, and what happened to it: at most the newest 200 events." [] => Json(record::anything), book::rule;
    get "/elf/rules/{id}/explain" "Why a rule is golden or is not: each condition with its figures, and about how many more jobs it takes." [] => Json(record::anything), book::explain;
    post "/elf/proposals" "Keeps a rule of which nobody is told until a person activates it; retiring it refuses it." [] body elf::lesson => Json(record::anything), book::propose;
    post "/elf/rules/{id}/pin" "Puts a rule into every prompt that it fits." [] => Json(record::anything), book::pin;
    post "/elf/rules/{id}/unpin" "Makes a pinned rule an ordinary one again." [] => Json(record::anything), book::unpin;
    post "/elf/rules/{id}/activate" "Makes a pinned or retired rule, a proposal, or one in quarantine, an ordinary one." [] => Json(record::anything), book::activate;
    post "/elf/rules/{id}/retire" "Takes a rule out of every prompt." [] body elf::retirement => Json(record::anything), elf::retire;
    get "/elf/search" "Rules whose words fit, best first." [
        query("query", "string", "2 to 500 characters."), DOMAIN, LIMIT
    ] => Json(record::anything), book::search;
    get "/elf/context" "What a job would be given now, and what would be kept back. Nothing is written." [
        query("task", "string", "What the work is about."),
        query("domain", "string", "Whose lessons are wanted most."),
        query("project_path", "string", "The project of the work."),
        query("files", "string", "Files the work is at, with commas."),
        query("max_tokens", "integer", "Most tokens of lessons; 1,500 when absent, 4,000 at most.")
    ] => Json(record::anything), book::context;
    get "/elf/receipts/{id}" "What an attempt of this job was given, also when its record is gone." [ATTEMPT] => Json(record::anything), book::receipt;
    get "/elf/trails" "Files that work went through lately, strongest first." [
        query("path", "string", "Only this file, files below this folder, or files that fit a pattern such as src/**/*.rs."), PROJECT, LIMIT
    ] => Json(record::anything), book::trails;
    get "/elf/plans" "Plans, newest first." [
        query("status", "string", "active, completed, or all when absent."), LIMIT
    ] => Json(record::anything), book::plans;
    get "/elf/export" "The memory's whole log, one JSON object a line, oldest first." [
        query("after", "integer", "Begins after this place of the log.")
    ] => Other("application/x-ndjson"), book::export;
    post "/elf/import" "Takes over lines of an export, in pieces: what is known there is known here. A log is only continued by its own." [] body book::lines => Json(record::anything), book::import;
    post "/elf/ask" "Calls a tool of the memory or reads a text of it, as `sandbox mcp` does. Where no key is asked for, X-Client-Id names the client." [] body mcp::asked => Json(record::anything), mcp::ask;
    post "/mcp" "The memory by the Model Context Protocol, streamable HTTP: a message of a client." [] => Other("text/event-stream"), mcp::protocol;
    get "/mcp" "The server's side of a session of the Model Context Protocol." [] => Other("text/event-stream"), mcp::protocol;
    delete "/mcp" "Ends a session of the Model Context Protocol." [] => Other("text/event-stream"), mcp::protocol;
    get "/metrics" "Counters of the whole server for Prometheus." [] => Other("application/openmetrics-text"), metrics::metrics;
    get "/openapi.json" "This document." [] => Json(record::anything), openapi::document;
    get "/dashboard" "The newest jobs, for people." [CURSOR, query("status", "string", "Only these.")] => Other("text/html"), dashboard::jobs;
    get "/dashboard/jobs/{id}" "One job with its agents and the end of its log, for people." [] => Other("text/html"), dashboard::job;
    get "/dashboard/memory" "Counters and rules of the memory, for people." [] => Other("text/html"), dashboard::memory;
    get "/dashboard/login" "Asks a browser for a key." [] => Other("text/html"), dashboard::login::ask;
    post "/dashboard/login" "Begins a session of a browser: the form field `key`. Its cookie may read and not write." [] => Other("text/html"), dashboard::login::enter;
    post "/dashboard/logout" "Ends the session of a browser." [] => Other("text/html"), dashboard::login::leave;
    get "/dashboard/style.css" "How the pages look." [] => Other("text/css"), dashboard::style;
}

/// All routes behind their gates.
pub(super) fn router(app: &App) -> Router {
    let mut router = Router::new();
    let mut paths: Vec<&'static str> = ROUTES.iter().map(|r| r.path).collect();
    paths.dedup();
    for path in paths {
        router = router.route(path, at_path(app, path));
    }
    let gate = gate::Gate {
        app: app.clone(),
        path: "unknown",
        open: false,
    };
    let nothing = get(unknown).fallback(unknown);
    let nothing = nothing.layer(from_fn_with_state(gate, gate::pass));
    let limit = DefaultBodyLimit::max(app.services.limits.body);
    router
        .fallback_service(nothing.with_state(()))
        .layer(limit)
        .with_state(app.clone())
}

/// `/metrics` before no gate.
pub(super) fn metrics_alone(app: &App) -> Router {
    let router = Router::new().route("/metrics", get(metrics::metrics));
    router.with_state(app.clone())
}

fn at_path(app: &App, path: &'static str) -> MethodRouter<App> {
    let here = ROUTES.iter().filter(|r| r.path == path);
    let open = here.clone().any(|r| r.open);
    let methods = here.fold(MethodRouter::new(), |all, r| all.merge((r.handler)()));
    let gate = gate::Gate {
        app: app.clone(),
        path,
        open,
    };
    methods
        .fallback(wrong_method)
        .layer(from_fn_with_state(gate, gate::pass))
}

async fn unknown() -> Response {
    Problem::not_found("Not Found").into_response()
}

async fn wrong_method() -> Response {
    let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method_not_allowed", "Method Not Allowed").into_response()
}
