//! One file of a tenant's folder, as text.

use std::io::{self, Read};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::face::http::{
    app::{App, Caller},
    artifacts::blocking,
    beneath::{inner, not_opened, open_dir, open_dir_in, open_file_in, outside, relative},
    problem::{Problem, Told},
    read::Asked,
};
use axum::http::StatusCode;

/// Largest file that is given.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Which file.
#[derive(Deserialize)]
pub(in crate::face::http) struct At {
    path: String,
    file: String,
}

/// A file's text.
#[derive(Serialize, JsonSchema)]
struct Text {
    file: String,
    /// Its content; what is no UTF-8 is replaced.
    content: String,
    /// In characters.
    size: usize,
}

pub(in crate::face::http) fn file_schema(g: &mut SchemaGenerator) -> Schema {
    g.subschema_for::<Text>()
}

pub(in crate::face::http) async fn file(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(at): Asked<At>,
) -> Told<Response> {
    let root = &app.services.workspace_root;
    let folder = relative(root, &tenant, &at.path);
    let folder = folder.map_err(|why| outside(format!("path {why}")))?.path;
    let name = inner(&at.file).map_err(|why| outside(format!("file {why}")))?;
    let root = root.join(tenant.as_str());
    let bytes = blocking(move || {
        let folder = open_dir(&root, ".").and_then(|root| open_dir_in(&root, &folder));
        let folder = folder.map_err(|e| not_opened(&e, "path"))?;
        let file = open_file_in(&folder, &name).map_err(|e| not_opened(&e, "file"))?;
        content(file)
    })
    .await?;
    let content = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Json(Text {
        file: at.file,
        size: content.chars().count(),
        content,
    })
    .into_response())
}

fn content(file: std::fs::File) -> Told<Vec<u8>> {
    let lost = |_: io::Error| Problem::unavailable("the file could not be read");
    let seen = file.metadata().map_err(lost)?;
    if !seen.is_file() {
        let status = StatusCode::BAD_REQUEST;
        return Err(Problem::new(status, "not_a_file", "Not a file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(lost)?;
    if bytes.len() as u64 > LARGEST {
        let text = format!("the file is larger than {LARGEST} bytes");
        return Err(Problem::invalid(text).coded("file_too_large"));
    }
    Ok(bytes)
}
