//! Takes over what the Python ancestor has kept: its jobs, its memories, its table of keys.
//!
//! | file | what it is |
//! |---|---|
//! | `find` | which files are whose |
//! | `table` | reads a database that nobody may change, whatever stands in it |
//! | `jobs` | from its rows to jobs |
//! | `memory` | from its rows to what memory takes over |
//! | `plans` | the same of its plans and postmortems |
//! | `told` | what was found, counted, and what was passed over and why |
//!
//! A dry run does all of it on copies of our own databases, so that what it says is what happens. Nothing
//! is written where the ancestor's files are.

mod find;
mod jobs;
mod memory;
mod plans;
mod table;
mod told;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sandbox_core::Tenant;
use sandbox_elf::Elf;
use sandbox_operator::store::sqlite::SqliteStore;

use crate::{backup::copy_of, serve::lock};
use find::Found;
pub use told::Told;

/// What is to be imported where.
pub struct Asked<'a> {
    /// Files and folders of the ancestor.
    pub from: &'a [PathBuf],
    /// Our data folder.
    pub data: &'a Path,
    /// Where tenants' files stand.
    pub workspace: &'a Path,
    /// Whose all of it is to be; each client's own when absent.
    pub tenant: Option<Tenant>,
    /// Whether anything is written.
    pub apply: bool,
}

/// What the parts of an import work with.
struct Desk<'a> {
    asked: &'a Asked<'a>,
    /// The folder that is written to: ours, or one of copies.
    data: PathBuf,
    store: SqliteStore,
    elf: Elf,
    told: Told,
}

/// Imports, or says what an import would do.
///
/// # Errors
/// A server has the data folder, it cannot be written, or nothing was found. What cannot be read of the
/// ancestor is no error: it is told.
pub async fn import(asked: &Asked<'_>) -> Result<Told> {
    let found = find::all(asked.from)?;
    if found.is_empty() {
        bail!(
            "looked for databases of the ancestor (jobs.db, memory.db) and clients.json: there are none; \
             name them with --from"
        );
    }
    let copies = tempfile::tempdir().context("made a folder for copies")?;
    let (data, _lock) = if asked.apply {
        make_folder(asked.data)?;
        ours(asked.data)?;
        (asked.data.to_owned(), Some(lock(asked.data)?))
    } else {
        copy_of(asked.data, copies.path())?;
        (copies.path().to_owned(), None)
    };
    let mut desk = Desk {
        asked,
        store: SqliteStore::open(&data.join("sandbox.db"))?,
        elf: Elf::open(&data.join("elf.db"))?,
        data,
        told: Told::default(),
    };
    for found in found {
        desk.one(&found).await?;
    }
    Ok(desk.told)
}

fn make_folder(data: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("made the data folder {}", data.display()))
}

/// What root writes into a service's folder, the service could not read.
fn ours(data: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(data)?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        bail!(
            "the data folder {} belongs to the user {owner}; import as that user, from a copy that it can read",
            data.display()
        );
    }
    Ok(())
}

impl Desk<'_> {
    async fn one(&mut self, found: &Found) -> Result<()> {
        if let Found::Keys(file) = found {
            self.told.keys(file);
            return Ok(());
        }
        let Found::Database { file, client } = found else {
            return Ok(());
        };
        let source = match table::Source::open(file) {
            Ok(source) => source,
            Err(e) => {
                self.told.passed_over(file, "", &format!("{e:#}"));
                return Ok(());
            }
        };
        let mut known = false;
        if source.has("jobs") {
            known = true;
            self.jobs(&source).await?;
        }
        if source.has_any(&[
            "heuristics",
            "job_outcomes",
            "trails",
            "plans",
            "postmortems",
        ]) {
            known = true;
            self.memory(&source, client).await?;
        }
        if !known {
            let why =
                "it has no table jobs, heuristics, job_outcomes, trails, plans or postmortems";
            self.told.passed_over(file, "", why);
        }
        Ok(())
    }

    /// Whose something is that this client had.
    fn tenant(&self, client: &str) -> Result<Tenant, String> {
        if let Some(tenant) = &self.asked.tenant {
            return Ok(tenant.clone());
        }
        client
            .parse()
            .map_err(|e| format!("its client cannot be a tenant: {e}; name one with --tenant"))
    }
}
