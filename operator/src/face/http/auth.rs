//! API keys: who comes in, and as which tenant. Reads no environment; keeps digests, never keys.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use sandbox_core::{Tenant, job::BadName};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;

/// Why keys cannot be used. The text names clients and files, never a key.
#[derive(Debug, thiserror::Error)]
pub enum BadKeys {
    /// It is no JSON object of texts.
    #[error(
        "read the API keys from {place}: they must be one JSON object of key and client: {why}"
    )]
    NotAnObject {
        /// `API_KEYS` or the file.
        place: String,
        /// The line and column, not the text.
        why: String,
    },
    /// A key is empty.
    #[error("read the API keys from {0}: a key is empty")]
    EmptyKey(String),
    /// A client cannot be a tenant.
    #[error("read the API keys from {place}: {why}")]
    BadClient {
        /// `API_KEYS` or the file.
        place: String,
        /// Which client, and what a name must be.
        why: BadName,
    },
    /// The file cannot be read.
    #[error("read the API keys from {place}: {why}")]
    Unreadable {
        /// The file.
        place: String,
        /// What the system said.
        why: io::Error,
    },
    /// Nobody could come in.
    #[error("authentication is on and there is no key: set API_KEYS or API_KEYS_FILE")]
    None,
}

/// What is known of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyDigest([u8; 32]);

/// Where keys come from.
#[derive(Clone, Debug, Default)]
pub struct KeySource {
    /// Whether every request needs a key.
    pub required: bool,
    /// The text of `API_KEYS`; it wins over the file.
    pub text: Option<String>,
    /// The file of `API_KEYS_FILE`; read again when it changes.
    pub file: Option<PathBuf>,
}

/// What tells one state of a file from another.
type Print = Option<(i64, i64, u64, u64)>;

#[derive(Default)]
struct Table {
    rows: Vec<([u8; 32], Tenant)>,
    print: Print,
}

struct Inner {
    required: bool,
    file: Option<PathBuf>,
    table: RwLock<Table>,
}

/// The keys that open the door. Cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

impl Keys {
    /// Reads the keys.
    ///
    /// # Errors
    /// They are not readable, a client is no tenant's name, or keys are required and there is none.
    pub fn new(source: KeySource) -> Result<Self, BadKeys> {
        let text = source.text.filter(|text| !text.trim().is_empty());
        let file = source.file.filter(|_| text.is_none());
        let table = match (&text, &file) {
            (Some(text), _) => Table {
                rows: rows(text, "API_KEYS")?,
                print: None,
            },
            (None, Some(file)) => read(file)?,
            (None, None) => Table::default(),
        };
        if source.required && table.rows.is_empty() {
            return Err(BadKeys::None);
        }
        let table = RwLock::new(table);
        let required = source.required;
        Ok(Self(Arc::new(Inner {
            required,
            file,
            table,
        })))
    }

    /// Nobody is asked for a key, and none is known.
    #[must_use]
    pub fn off() -> Self {
        Self(Arc::new(Inner {
            required: false,
            file: None,
            table: RwLock::default(),
        }))
    }

    /// Whether every request needs a key.
    #[must_use]
    pub fn required(&self) -> bool {
        self.0.required
    }

    /// Whether whoever comes with these headers has no key and needs none.
    #[must_use]
    pub fn is_visitor(&self, headers: &HeaderMap) -> bool {
        !self.0.required && presented(headers).is_none()
    }

    /// Who comes with these headers.
    ///
    /// # Errors
    /// 401 without a key where one is needed; 403 with one that is not known. That holds with
    /// authentication off too: a wrong key is a mistake, not a visitor.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Tenant, Problem> {
        let Some(key) = presented(headers) else {
            return self.nobody();
        };
        let tenant = self.tenant_of(&digest(key));
        tenant.ok_or_else(|| Problem::forbidden("unknown_key", "Invalid API key"))
    }

    /// The key, if it opens the door.
    pub(super) fn known(&self, key: &[u8]) -> Option<KeyDigest> {
        let digest = digest(key.trim_ascii());
        self.tenant_of(&digest).map(|_| digest)
    }

    /// Whose key this is.
    pub(super) fn tenant_of(&self, key: &KeyDigest) -> Option<Tenant> {
        self.refresh();
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        find(&table.rows, key)
    }

    fn nobody(&self) -> Result<Tenant, Problem> {
        if self.0.required {
            let text = "Missing API key: send X-API-Key or Authorization: Bearer";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "missing_key", text));
        }
        Ok(Tenant::default_tenant())
    }

    /// Reads the file again when it is not the one that was read. One that is wrong changes nothing.
    fn refresh(&self) {
        let Some(file) = &self.0.file else { return };
        let seen = print(file);
        let known = || self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        if known().print == seen {
            return;
        }
        let next = read(file);
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        match next {
            Ok(next) => *table = next,
            Err(e) => {
                tracing::warn!(error = %e, "the API keys that were read before stay in use");
                table.print = seen;
            }
        }
    }
}

fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let own = headers.get("x-api-key").map(HeaderValue::as_bytes);
    let bearer = || {
        let text = headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, rest) = text.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(rest)
    };
    own.or_else(bearer).map(<[u8]>::trim_ascii)
}

fn digest(key: &[u8]) -> KeyDigest {
    KeyDigest(Sha256::digest(key).into())
}

/// Looks at every row whatever fits, so that the time taken says nothing.
fn find(rows: &[([u8; 32], Tenant)], key: &KeyDigest) -> Option<Tenant> {
    let mut found = None;
    for (known, tenant) in rows {
        if bool::from(known.ct_eq(&key.0)) {
            found = Some(tenant);
        }
    }
    found.cloned()
}

fn print(file: &Path) -> Print {
    let seen = fs::metadata(file).ok()?;
    Some((seen.mtime(), seen.mtime_nsec(), seen.size(), seen.ino()))
}

/// A file that is not there holds no key; it may come later.
fn read(file: &Path) -> Result<Table, BadKeys> {
    let place = file.display().to_string();
    let print = print(file);
    match fs::read_to_string(file) {
        Ok(text) => rows(&text, &place).map(|rows| Table { rows, print }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Table::default()),
        Err(why) => Err(BadKeys::Unreadable { place, why }),
    }
}

fn rows(text: &str, place: &str) -> Result<Vec<([u8; 32], Tenant)>, BadKeys> {
    let place = || place.to_owned();
    let listed: BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|e| BadKeys::NotAnObject {
            place: place(),
            // The error's own text may hold a piece of a key.
            why: format!("line {} column {}", e.line(), e.column()),
        })?;
    let row = |(key, client): (String, String)| {
        if key.trim().is_empty() {
            return Err(BadKeys::EmptyKey(place()));
        }
        let tenant = client.parse().map_err(|why| BadKeys::BadClient {
            place: place(),
            why,
        })?;
        Ok((Sha256::digest(key.trim().as_bytes()).into(), tenant))
    };
    listed.into_iter().map(row).collect()
}
