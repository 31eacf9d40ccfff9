//! What a job made: its result, and the files it left. Reads only; files are sent so that no
//! browser takes them for a page.

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use axum::{
    body::{Body, Bytes},
    extract::{Path as UrlPath, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use jiff::Timestamp;
use object_store::ObjectMeta;
use rustix::fs::{AtFlags, Dir, DirEntry, FileType, Mode, OFlags, openat, statat};
use sandbox_core::{AgentJob, Seat, Tenant, Uid};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::{
    app::{App, Caller, Id},
    beneath::{inner, not_opened, open_dir, open_file_in, outside},
    dialect::{naive::Naive, record},
    problem::{Problem, Told},
};

/// Most files of a listing.
const MOST: usize = 1000;
/// Deepest folder of a listing.
const DEEPEST: usize = 16;
/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

pub(super) async fn result(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
) -> Told<Response> {
    let job = app.job(&tenant, &id).await?;
    if !job.status().is_finished() {
        let text = "the job is not over yet";
        return Err(Problem::conflict("job_not_finished", text));
    }
    let found = result_of(&app, &job).await?;
    if found.is_null() {
        app.is_here(&job)?;
        return Err(Problem::not_found("the job has no result"));
    }
    Ok(record::json(found.to_string()))
}

/// The result, wherever it stands; null without one.
pub(super) async fn result_of(app: &App, job: &AgentJob) -> Told<Value> {
    let status = job.status();
    let Some(found) = &status.result else {
        return Ok(Value::Null);
    };
    let Some(reference) = &found.reference else {
        return Ok(found.inline.clone());
    };
    let attempt = reference
        .strip_prefix("report/")
        .and_then(|n| n.parse().ok());
    let (Some(attempt), Ok(uid)) = (attempt, job.uid()) else {
        return Ok(Value::Null);
    };
    let record = app.services.seats.read(&Seat::new(uid, attempt)).await?;
    Ok(record.report.map(|r| r.result).unwrap_or_default())
}

/// One file that a job left.
#[derive(Serialize, JsonSchema)]
struct Artifact {
    /// Its path beneath the job's folder.
    path: String,
    /// Its size in bytes.
    size: u64,
    modified_at: Naive,
}

/// The files that a job left.
#[derive(Serialize, JsonSchema)]
struct Listing {
    #[serde(rename = "artifacts")]
    files: Vec<Artifact>,
    count: usize,
    /// Whether there are more than are listed.
    truncated: bool,
}

pub(super) fn schema(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<Listing>()
}

pub(super) async fn list(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
) -> Told<Response> {
    let job = app.job(&tenant, &id).await?;
    app.is_here(&job)?;
    let uid = job.uid().map_err(|_| Problem::no_job())?;
    let mut files = match &app.services.artifacts {
        Some(kept) => sent(kept.list((&tenant, &uid)).await?),
        None => on_disk(&app, tenant, uid).await?,
    };
    let truncated = files.len() > MOST;
    files.truncate(MOST);
    let found = Listing {
        count: files.len(),
        files,
        truncated,
    };
    Ok(axum::Json(found).into_response())
}

/// What runners sent.
fn sent(files: Vec<(String, ObjectMeta)>) -> Vec<Artifact> {
    let time = |at: i64| Timestamp::from_second(at).unwrap_or_default();
    let artifact = |(path, meta): (String, ObjectMeta)| Artifact {
        path,
        size: meta.size,
        modified_at: Naive(time(meta.last_modified.timestamp())),
    };
    files.into_iter().map(artifact).collect()
}

/// What runners of this machine wrote.
async fn on_disk(app: &App, tenant: Tenant, uid: Uid) -> Told<Vec<Artifact>> {
    let root = app.services.artifacts_root.clone();
    let mut files = blocking(move || Ok(walk(folder(&root, &tenant, &uid).ok()))).await?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn folder(root: &Path, tenant: &Tenant, uid: &Uid) -> io::Result<OwnedFd> {
    open_dir(root, &format!("{tenant}/{uid}"))
}

/// Runs what waits for the disk beside the other requests.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Told<T> + Send + 'static,
) -> Told<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Problem::unavailable("reading was broken off; try again")))
}

/// Every file beneath the folder; links are neither followed nor listed.
fn walk(from: Option<OwnedFd>) -> Vec<Artifact> {
    let mut found = Vec::new();
    let mut folders: Vec<Folder> = Vec::new();
    folders.extend(from.and_then(|fd| Folder::open(&fd, c".", (String::new(), 0))));
    while let Some(mut folder) = folders.pop() {
        while let Some(Ok(entry)) = folder.entries.read() {
            if found.len() > MOST {
                return found;
            }
            folder.take(&entry, &mut found, &mut folders);
        }
    }
    found
}

/// One folder of a listing.
struct Folder {
    entries: Dir,
    prefix: String,
    depth: usize,
}

impl Folder {
    fn open(at: impl AsFd, name: &CStr, (prefix, depth): (String, usize)) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(at, name, flags, Mode::empty()).ok()?;
        Some(Self {
            entries: Dir::new(opened).ok()?,
            prefix,
            depth,
        })
    }

    fn take(&self, entry: &DirEntry, found: &mut Vec<Artifact>, more: &mut Vec<Self>) {
        let name = entry.file_name();
        let path = format!("{}{}", self.prefix, name.to_string_lossy());
        let Ok(here) = self.entries.fd() else {
            return;
        };
        match entry.file_type() {
            FileType::Directory if name == c"." || name == c".." || self.depth >= DEEPEST => {}
            FileType::Directory => {
                let below = (format!("{path}/"), self.depth + 1);
                more.extend(Self::open(here, name, below));
            }
            FileType::RegularFile => found.extend(artifact(here, name, path)),
            _ => {}
        }
    }
}

fn artifact(folder: impl AsFd, name: &CStr, path: String) -> Option<Artifact> {
    let seen = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let modified = Timestamp::from_second(seen.st_mtime).ok()?;
    Some(Artifact {
        path,
        size: u64::try_from(seen.st_size).unwrap_or_default(),
        modified_at: Naive(modified),
    })
}

pub(super) async fn one(
    State(app): State<App>,
    Caller(tenant): Caller,
    named: Result<UrlPath<(String, String)>, PathRejection>,
) -> Told<Response> {
    let named = named.map_err(|_| Problem::not_found("the artifact is not there"));
    let UrlPath((id, path)) = named?;
    let job = app.job(&tenant, &id).await?;
    app.is_here(&job)?;
    let uid = job.uid().map_err(|_| Problem::no_job())?;
    let inside = inner(&path).map_err(|why| outside(format!("the artifact's path {why}")))?;
    let kind = kind(&inside);
    let (pieces, size) = match &app.services.artifacts {
        Some(kept) => {
            let opened = kept.open((&tenant, &uid), &inside).await?;
            let opened = opened.ok_or_else(|| Problem::not_found("the artifact is not there"))?;
            (Body::from_stream(opened.pieces), opened.size)
        }
        None => read(&app, (tenant, uid), inside).await?,
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "sandbox".to_owned()),
    ];
    Ok((StatusCode::OK, headers, pieces).into_response())
}

/// One file of this machine, and its size.
async fn read(app: &App, (tenant, uid): (Tenant, Uid), path: String) -> Told<(Body, u64)> {
    let root = app.services.artifacts_root.clone();
    let (file, size) = blocking(move || {
        let opened = folder(&root, &tenant, &uid).and_then(|at| regular(&at, &path));
        opened.map_err(|e| not_opened(&e, "the artifact"))
    })
    .await?;
    Ok((Body::from_stream(pieces(file, size)), size))
}

/// Opens a file that is no pipe, device or folder.
fn regular(folder: &OwnedFd, path: &str) -> io::Result<(File, u64)> {
    let file = open_file_in(folder, path)?;
    let seen = file.metadata()?;
    if !seen.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok((file, seen.len()))
}

/// Text where the name says so; everything else is bytes.
fn kind(path: &str) -> &'static str {
    let ending = path.rsplit('.').next().unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "json" => "application/json",
        "txt" | "log" | "md" | "csv" | "sql" | "yml" | "yaml" | "patch" | "diff" => {
            "text/plain; charset=utf-8"
        }
        _ => "application/octet-stream",
    }
}

/// The file as it was long when it was opened, even if it grows meanwhile.
fn pieces(file: File, size: u64) -> impl futures::Stream<Item = io::Result<Bytes>> {
    let reader = tokio::fs::File::from_std(file).take(size);
    stream::unfold(reader, |mut reader| async move {
        let mut piece = Vec::with_capacity(PIECE);
        match reader.read_buf(&mut piece).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(Bytes::from(piece)), reader)),
            Err(e) => Some((Err(e), reader)),
        }
    })
}
