//! Reads a piece of the log that a runner writes into its seat's folder.

use std::{
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    path::Path,
};

use sandbox_core::{
    Seat,
    port::{Answer, LogChunk, PortError},
};

use super::{disk, sync};

/// The largest piece that is read at once.
const LIMIT: u32 = 1 << 20;

/// Reads at most `limit` bytes from this offset.
///
/// # Errors
/// `NotFound` when there is no log yet.
pub(crate) fn read(root: &Path, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
    match piece(&sync::log_path(root, seat), from, limit.min(LIMIT)) {
        Ok(bytes) => Ok(chunk(&bytes, from)),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Err(PortError::NotFound(format!("seat {seat} has no log yet")))
        }
        Err(e) => Err(PortError::Unknown(format!(
            "read the log of seat {seat}: {e}"
        ))),
    }
}

fn piece(path: &Path, from: u64, limit: u32) -> io::Result<Vec<u8>> {
    let mut file = disk::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(u64::from(limit)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A character that is cut at the end is left for the next piece, unless nothing stands before it.
pub(crate) fn chunk(bytes: &[u8], from: u64) -> LogChunk {
    let whole = match std::str::from_utf8(bytes) {
        Err(e) if e.error_len().is_none() && e.valid_up_to() > 0 => e.valid_up_to(),
        _ => bytes.len(),
    };
    LogChunk {
        text: String::from_utf8_lossy(&bytes[..whole]).into_owned(),
        next: from.saturating_add(whole as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_cut_in_two_comes_whole_in_the_next_piece() {
        let bytes = "aé".as_bytes();
        let first = chunk(&bytes[..2], 10);
        assert_eq!((first.text.as_str(), first.next), ("a", 11));
        let next = chunk(&bytes[1..], first.next);
        assert_eq!((next.text.as_str(), next.next), ("é", 13));
    }

    #[test]
    fn what_is_not_utf8_is_replaced_and_passed() {
        let seen = chunk(b"a\xffb", 0);
        assert_eq!((seen.text.as_str(), seen.next), ("a\u{fffd}b", 3));
        assert_eq!(chunk(b"\xc3", 0).next, 1, "a piece always moves on");
    }
}
