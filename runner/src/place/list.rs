//! The files of a folder, for people and models: the same list whenever nothing changed.
//!
//! Breadth first, by name. Links are left out, and so is what nobody wrote: `.git`, installed
//! packages, build output, and plain names in the folder's own `.gitignore`. Patterns are not
//! read, and git is not asked: its configuration in a tenant's folder could run programs.

use std::collections::{BTreeSet, VecDeque};

use rustix::fs::{AtFlags, Dir, FileType, OFlags, statat};

use super::{Folder, Links, Relative};

/// Folders that hold nothing that somebody wrote.
const SKIPPED: [&str; 8] = [
    ".git",
    ".venv",
    "__pycache__",
    "_agent_output",
    "dbt_packages",
    "node_modules",
    "target",
    "venv",
];
/// Most entries that are looked at in all.
const MAX_ENTRIES: usize = 20_000;
/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 12;
/// Largest `.gitignore` that is read.
const MAX_IGNORE: u64 = 64 * 1024;

/// Names of a `.gitignore` that are plain text.
#[derive(Default)]
struct Ignored {
    anywhere: BTreeSet<String>,
    at_top: BTreeSet<String>,
}

impl Ignored {
    fn read(folder: &Folder) -> Self {
        let text = ".gitignore"
            .parse()
            .and_then(|path: Relative| folder.read(&path, MAX_IGNORE))
            .unwrap_or_default();
        let mut ignored = Self::default();
        for line in String::from_utf8_lossy(&text).lines() {
            ignored.take(line.trim_end());
        }
        ignored
    }

    fn take(&mut self, line: &str) {
        let name = line.trim_matches('/').to_owned();
        if name.is_empty() || name.starts_with('#') || name.contains(['/', '*', '?', '[', '!']) {
            return;
        }
        let at_top = line.starts_with('/');
        let names = if at_top {
            &mut self.at_top
        } else {
            &mut self.anywhere
        };
        names.insert(name);
    }

    fn has(&self, name: &str, depth: usize) -> bool {
        self.anywhere.contains(name) || (depth == 0 && self.at_top.contains(name))
    }
}

impl Folder {
    /// At most `most` regular files beneath this folder, as relative paths.
    pub fn files(&self, most: usize) -> Vec<String> {
        let ignored = Ignored::read(self);
        let (mut files, mut left) = (Vec::new(), MAX_ENTRIES);
        let mut folders = VecDeque::from([(String::new(), 0)]);
        while let Some((at, depth)) = folders.pop_front() {
            for (name, kind) in self.entries(&at, &mut left) {
                let path = format!("{at}{name}");
                match kind {
                    _ if ignored.has(&name, depth) => {}
                    FileType::RegularFile if files.len() == most => return files,
                    FileType::RegularFile => files.push(path),
                    FileType::Directory if is_wanted(&name, depth) => {
                        folders.push_back((format!("{path}/"), depth + 1));
                    }
                    _ => {}
                }
            }
        }
        files
    }

    /// The entries of one folder by name; none of a folder that cannot be read.
    fn entries(&self, at: &str, left: &mut usize) -> Vec<(String, FileType)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let path = if at.is_empty() { "." } else { at };
        let opened = self.open_beneath(path.trim_end_matches('/'), flags, Links::Never);
        let Ok(dir) = opened else { return Vec::new() };
        let Ok(entries) = Dir::read_from(&dir) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in entries.flatten().take(*left) {
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let kind = match entry.file_type() {
                FileType::Unknown => statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |s| FileType::from_raw_mode(s.st_mode)),
                known => known,
            };
            if !name.contains(char::is_control) {
                found.push((name.to_owned(), kind));
            }
        }
        *left = left.saturating_sub(found.len());
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}

fn is_wanted(name: &str, depth: usize) -> bool {
    depth < MAX_DEPTH && !matches!(name, "." | "..") && !SKIPPED.contains(&name)
}
