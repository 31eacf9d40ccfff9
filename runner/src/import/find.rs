//! Which files of the ancestor are where: those that are named, and those in a folder that is named.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// How deep a folder is searched: `elf/<client>/memory.db` from the folder around `elf`.
const DEPTH: u32 = 4;
/// What databases are called.
const DATABASES: [&str; 3] = ["jobs.db", "memory.db", "index.db"];
/// What the table of keys is called.
const KEYS: &str = "clients.json";

/// A file of the ancestor.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// Jobs or a memory.
    Database {
        /// Where.
        file: PathBuf,
        /// Whose memory it is, as its folder says.
        client: String,
    },
    /// The table of keys.
    Keys(PathBuf),
}

/// Everything that was named, databases first.
///
/// # Errors
/// Something that was named is not there.
pub fn all(from: &[PathBuf]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for path in from {
        let seen = std::fs::metadata(path).with_context(|| format!("opened {}", path.display()))?;
        if seen.is_dir() {
            folder(path, DEPTH, &mut found)
                .with_context(|| format!("read the folder {}", path.display()))?;
        } else {
            found.push(file(path));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Links are not followed: a home of somebody's may lead anywhere.
fn folder(path: &Path, depth: u32, found: &mut Vec<Found>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let (kind, inner) = (entry.file_type()?, entry.path());
        let name = entry.file_name();
        let ours = name == KEYS || DATABASES.iter().any(|d| name == *d);
        if kind.is_file() && ours {
            found.push(file(&inner));
        } else if kind.is_dir() && depth > 1 {
            folder(&inner, depth - 1, found)?;
        }
    }
    Ok(())
}

fn file(path: &Path) -> Found {
    if path.extension().is_some_and(|e| e == "json") {
        return Found::Keys(path.to_owned());
    }
    Found::Database {
        file: path.to_owned(),
        client: client(path).unwrap_or("default").to_owned(),
    }
}

/// `…/elf/<client>/memory.db` is that client's.
fn client(path: &Path) -> Option<&str> {
    let folder = path.parent()?;
    let own = path.file_name()? == "memory.db" && folder.parent()?.file_name()? == "elf";
    own.then(|| folder.file_name()?.to_str()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_is_its_folders_clients_and_any_other_is_the_defaults() {
        let of = |path: &str| client(Path::new(path)).map(str::to_owned);
        assert_eq!(of("/h/.claude/elf/a/memory.db").as_deref(), Some("a"));
        assert_eq!(of("/h/.claude/emergent-learning/memory/index.db"), None);
        assert_eq!(of("memory.db"), None);
    }
}
