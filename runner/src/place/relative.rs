//! A relative path that was parsed: names with `/` between them, nothing that climbs or hides.

use std::{fmt, str::FromStr};

use super::PlaceError;

/// Longest path, in bytes.
const MAX_PATH: usize = 512;
/// Longest name, in bytes: what file systems allow.
const MAX_NAME: usize = 255;
/// Most names.
const MAX_NAMES: usize = 32;

/// A path beneath a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relative(String);

impl Relative {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its names from the outermost on.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The folders, and the last name.
    pub(super) fn split(&self) -> (impl Iterator<Item = &str>, &str) {
        let (folders, name) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        (folders.split('/').filter(|f| !f.is_empty()), name)
    }
}

impl fmt::Display for Relative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Relative {
    type Err = PlaceError;

    /// Reads a path. A leading `./` and a closing `/` are left out, since people write them.
    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let bad = |why| PlaceError::Bad(text.chars().take(80).collect(), why);
        if text.len() > MAX_PATH {
            return Err(bad("it is longer than 512 bytes"));
        }
        if text.starts_with('/') {
            return Err(bad("it is absolute"));
        }
        let path = text.strip_prefix("./").unwrap_or(text);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.split('/').count() > MAX_NAMES {
            return Err(bad("it has more than 32 names"));
        }
        match path.split('/').find_map(fault) {
            Some(why) => Err(bad(why)),
            None => Ok(Self(path.to_owned())),
        }
    }
}

fn fault(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("a name is empty"),
        "." => Some("a name is ."),
        ".." => Some("a name is .."),
        _ if name.len() > MAX_NAME => Some("a name is longer than 255 bytes"),
        _ if name.contains('\\') => Some("a name has a backslash"),
        _ if name.contains(char::is_control) => Some("a name has a control character"),
        _ => None,
    }
}
