//! The API key: read from its file for each call, so that a new key needs no restart. It never
//! stands in a message.

use std::{fs::File, io::Read, path::Path};

use sandbox_core::Failure;
use secrecy::SecretString;

use super::misconfigured;

/// No key is longer.
const MAX_KEY: u64 = 4096;
/// What a person can do.
const REMEDY: &str =
    "set ANTHROPIC_API_KEY where `sandbox serve` is started, then submit the job again";

/// Reads the key.
///
/// # Errors
/// There is none, or the file holds something else.
pub(super) fn read(file: Option<&Path>) -> Result<SecretString, Failure> {
    let Some(file) = file else {
        return Err(misconfigured(format!("no API key for models: {REMEDY}")));
    };
    let text = content(file)
        .map_err(|e| misconfigured(format!("read the file of the API key: {e}; {REMEDY}")))?;
    let key = text.trim();
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        let text = format!("the file of the API key is empty or holds more than a key; {REMEDY}");
        return Err(misconfigured(text));
    }
    Ok(SecretString::from(key))
}

fn content(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_KEY).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_line_end_of_an_editor_is_no_part_of_the_key() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "  sk-test-1\n").unwrap();
        let key = read(Some(file.path())).unwrap();
        assert_eq!(key.expose_secret(), "sk-test-1");
    }

    #[test]
    fn without_a_usable_key_the_message_says_what_to_set() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for content in ["", "\n", "two words", "k\u{e9}y"] {
            std::fs::write(file.path(), content).unwrap();
            let failure = read(Some(file.path())).unwrap_err();
            assert!(failure.message.contains("ANTHROPIC_API_KEY"), "{content:?}");
        }
        assert!(
            read(None)
                .unwrap_err()
                .message
                .contains("ANTHROPIC_API_KEY")
        );
        assert!(read(Some(Path::new("/nonexistent/key"))).is_err());
    }
}
