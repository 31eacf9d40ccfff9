//! Which files there are, and what of them is production code.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Every source file of the packages that ship.
pub fn rust_files() -> Vec<PathBuf> {
    let packages = ["core", "elf", "lambda", "operator", "runner"];
    let mut found: Vec<PathBuf> = packages
        .iter()
        .flat_map(|p| below(&root().join(p).join("src"), "rs"))
        .collect();
    found.sort();
    found
}

/// The text of every source file, tests included.
pub fn all_code() -> String {
    let packages = [
        "core/src",
        "elf/src",
        "lambda/src",
        "operator/src",
        "runner/src",
        "tests",
    ];
    let files = packages.iter().flat_map(|p| below(&root().join(p), "rs"));
    files.map(|f| fs::read_to_string(f).unwrap()).collect()
}

/// Every document.
pub fn documents() -> Vec<PathBuf> {
    let mut found = below(&root().join("docs"), "md");
    found.extend(
        ["README.md", "CHANGELOG.md"]
            .map(|f| root().join(f))
            .into_iter()
            .filter(|f| f.exists()),
    );
    found
}

fn below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|e| e.unwrap().path());
    paths
        .flat_map(|p| {
            if p.is_dir() {
                below(&p, ending)
            } else {
                vec![p]
            }
        })
        .filter(|p| p.extension().is_some_and(|e| e == ending))
        .collect()
}

/// A file's code before its first test, with comments and texts blanked; line breaks stay.
/// A file or folder named `tests` is all test.
pub fn production(file: &Path) -> String {
    let is_test = file
        .components()
        .any(|c| c.as_os_str() == "tests" || c.as_os_str() == "tests.rs");
    let inside = file.strip_prefix(root()).unwrap_or(file);
    if is_test
        && inside
            .components()
            .any(|c| c.as_os_str().to_string_lossy().starts_with("tests"))
    {
        return String::new();
    }
    let code = blank(&fs::read_to_string(file).unwrap());
    let end = code.find("#[cfg(test)]").unwrap_or(code.len());
    code[..end].to_owned()
}

fn blank(source: &str) -> String {
    let bytes = source.as_bytes();
    let (mut out, mut i) = (String::with_capacity(source.len()), 0);
    while i < bytes.len() {
        let end = skipped(source, i).unwrap_or(i);
        if end == i {
            out.push(char::from(bytes[i].min(127)));
            i += 1;
            continue;
        }
        out.extend(
            bytes[i..end]
                .iter()
                .map(|b| if *b == b'\n' { '\n' } else { ' ' }),
        );
        i = end;
    }
    out
}

/// Where the comment or text that begins here ends.
fn skipped(source: &str, at: usize) -> Option<usize> {
    let rest = &source.as_bytes()[at..];
    let find = |needle: &str, from: usize| {
        let tail = source.get(at + from..).unwrap_or("");
        tail.find(needle).map_or(source.len(), |n| at + from + n)
    };
    match rest {
        [b'/', b'/', ..] => Some(find("\n", 0)),
        [b'/', b'*', ..] => Some((find("*/", 2) + 2).min(source.len())),
        [b'r', b'"', ..] => Some((find("\"", 2) + 1).min(source.len())),
        [b'r', b'#', b'"', ..] => Some((find("\"#", 3) + 2).min(source.len())),
        [b'"', ..] => Some(at + quoted(rest)),
        [b'\'', b'\\', ..] => Some((find("'", 3) + 1).min(source.len())),
        [b'\'', _, b'\'', ..] => Some(at + 3),
        _ => None,
    }
}

fn quoted(rest: &[u8]) -> usize {
    let mut i = 1;
    while i < rest.len() && rest[i] != b'"' {
        i += if rest[i] == b'\\' { 2 } else { 1 };
    }
    (i + 1).min(rest.len())
}

/// The targets of a document's links to other files, without their anchors.
pub fn links(text: &str) -> Vec<String> {
    let ends = text.split("](").skip(1);
    ends.filter_map(|rest| rest.split(')').next())
        .filter(|t| !t.contains("://") && !t.starts_with('#') && !t.starts_with("mailto:"))
        .filter_map(|t| t.split('#').next().map(str::to_owned))
        .collect()
}
