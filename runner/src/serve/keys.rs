//! The first key: made once, where keys are asked for and nobody named any, so that a server on a
//! fresh machine opens to the person who can read its files, and to nobody else.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use anyhow::{Context, Result};
use serde_json::json;

/// The client that the first key is for.
const CLIENT: &str = "default";

/// The text of `API_KEYS` for the key of this file, which is made unless it is there.
///
/// # Errors
/// The file cannot be read or made.
pub(super) fn first(file: &Path) -> Result<String> {
    let shown = file.display();
    let key = match fs::read_to_string(file) {
        Err(e) if e.kind() == ErrorKind::NotFound => make(file),
        read => Ok(read?),
    };
    let key = key.with_context(|| format!("read or made the API key {shown}"))?;
    Ok(json!({key.trim(): CLIENT}).to_string())
}

/// Of two servers at once one makes it, whole, and both read the same.
fn make(file: &Path) -> Result<String> {
    let folder = file.parent().unwrap_or(file);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // Two random UUIDs: 244 bits of the system's randomness.
    let half = || uuid::Uuid::new_v4().simple().to_string();
    let next = folder.join(format!(".key-{}", half()));
    let mut options = fs::OpenOptions::new();
    let mut made = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    writeln!(made, "sk-{}{}", half(), half())?;
    made.sync_all()?;
    let linked = fs::hard_link(&next, file);
    fs::remove_file(&next)?;
    match linked {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e.into()),
        Ok(()) => tracing::info!("made an API key; it stands in {}", file.display()),
        Err(_) => {}
    }
    Ok(fs::read_to_string(file)?)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_key_is_made_once_for_its_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys/api-key");
        let made = first(&file).unwrap();
        assert_eq!(first(&file).unwrap(), made);
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let key = fs::read_to_string(&file).unwrap();
        assert_eq!(key.trim().len(), 67);
        assert!(made.contains(key.trim()));
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }
}
