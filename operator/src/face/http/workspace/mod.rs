//! A tenant's repositories as they stand: diff, patch, status, files. Reads only, and only beneath
//! `<workspace root>/<tenant>`; whatever an agent wrote into a repository's settings is not obeyed.

mod file;
mod git;
mod repo;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

pub(super) use file::{file, file_schema};
use repo::{Changed, Repo};

use super::{
    app::{App, Caller},
    problem::{Problem, Told},
    read::Asked,
};

/// Which folder.
#[derive(Deserialize)]
pub(super) struct At {
    path: String,
}

/// What changed since the last commit.
#[derive(Serialize, JsonSchema)]
struct SinceCommit {
    path: String,
    /// Changes of files that git knows.
    diff: String,
    /// Files that git does not know and does not ignore.
    untracked_files: Vec<String>,
    has_changes: bool,
}

/// How a repository stands.
#[derive(Serialize, JsonSchema)]
struct Status {
    path: String,
    branch: String,
    /// Hash and subject.
    last_commit: String,
    changed_files: Vec<Changed>,
    total_changes: usize,
}

pub(super) fn diff_schema(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<SinceCommit>()
}

pub(super) fn status_schema(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<Status>()
}

fn no_repository() -> Problem {
    let status = StatusCode::BAD_REQUEST;
    Problem::new(status, "not_a_repository", "Not a git repository")
}

pub(super) async fn diff(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(at): Asked<At>,
) -> Told<Response> {
    let repo = Repo::open(&app, &tenant, &at.path).await?;
    let repo = repo.ok_or_else(no_repository)?;
    let diff = String::from_utf8_lossy(&repo.diff(None).await?).into_owned();
    let untracked_files = repo.untracked().await?;
    Ok(Json(SinceCommit {
        path: at.path,
        has_changes: !diff.is_empty() || !untracked_files.is_empty(),
        diff,
        untracked_files,
    })
    .into_response())
}

/// The patch as bytes: what is no UTF-8 must apply as well.
pub(super) async fn patch(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(at): Asked<At>,
) -> Told<Response> {
    let repo = Repo::open(&app, &tenant, &at.path).await?;
    let mut patch = repo.ok_or_else(no_repository)?.patch().await?;
    if patch.is_empty() {
        patch = b"# no changes\n".to_vec();
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, patch).into_response())
}

/// A folder that is no repository has nothing to say, as it was.
pub(super) async fn status(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(at): Asked<At>,
) -> Told<Response> {
    let (mut branch, mut last_commit, mut changed_files) = Default::default();
    if let Some(repo) = Repo::open(&app, &tenant, &at.path).await? {
        branch = repo.branch().await?;
        last_commit = repo.last_commit().await?;
        changed_files = repo.changed().await?;
    }
    let changed_files: Vec<Changed> = changed_files;
    Ok(Json(Status {
        path: at.path,
        branch,
        last_commit,
        total_changes: changed_files.len(),
        changed_files,
    })
    .into_response())
}
