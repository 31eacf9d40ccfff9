//! Compression against a text that every record resembles, so that most records are smaller than the kilobyte that a
//! write unit pays for. Knows nothing of what a record is.
//!
//! It is raw deflate (RFC 1951) whose window begins with that text: for writing, the text is compressed first and what
//! came of it dropped; for reading, the text is put before as a block that is stored as it is.

use std::io::Read;

use flate2::{Compress, Compression, FlushCompress, Status, read::DeflateDecoder};

/// What this program writes, and the newest that it reads.
const FORMAT: u8 = 1;
/// The text of that format. It never changes: what was written against it is read with it.
const WORDS: &[u8] = include_bytes!("words-1.txt");
/// The longest that is read back.
const LONGEST: u64 = 64 << 20;

/// The bytes, compressed.
pub(super) fn squeeze(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut deflate = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(1024 + 2 * (WORDS.len() + bytes.len()));
    let failed = |e| format!("compressed it: {e}");
    deflate
        .compress_vec(WORDS, &mut out, FlushCompress::Sync)
        .map_err(failed)?;
    out.clear();
    out.push(FORMAT);
    let ended = deflate
        .compress_vec(bytes, &mut out, FlushCompress::Finish)
        .map_err(failed)?;
    if deflate.total_in() == (WORDS.len() + bytes.len()) as u64 && ended == Status::StreamEnd {
        Ok(out)
    } else {
        Err("compressed it: it grew".to_owned())
    }
}

/// What was compressed.
pub(super) fn widen(packed: &[u8]) -> Result<Vec<u8>, String> {
    let deflated = match packed.split_first() {
        Some((&FORMAT, deflated)) => deflated,
        Some((newer, _)) if *newer > FORMAT => {
            return Err(format!(
                "it has format {newer}, this program knows {FORMAT}; a newer release wrote it"
            ));
        }
        _ => return Err("it is damaged".to_owned()),
    };
    let size = u16::try_from(WORDS.len()).map_err(|_| "the words are too long".to_owned())?;
    let mut before = vec![0];
    before.extend(size.to_le_bytes());
    before.extend((!size).to_le_bytes());
    before.extend(WORDS);
    let mut wide = Vec::new();
    DeflateDecoder::new(before.chain(deflated))
        .take(LONGEST)
        .read_to_end(&mut wide)
        .map_err(|e| format!("it is damaged: {e}"))?;
    if wide.len() < WORDS.len() {
        return Err("it is damaged".to_owned());
    }
    Ok(wide.split_off(WORDS.len()))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            prop_assert_eq!(widen(&squeeze(&bytes).unwrap()).unwrap(), bytes);
        }

        #[test]
        fn what_is_damaged_is_an_error_or_something_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = widen(&bytes);
        }
    }

    #[test]
    fn the_words_are_those_that_records_were_written_against() {
        let words = std::str::from_utf8(WORDS).unwrap();
        assert_eq!(sandbox_elf::text::digest([words], 8), "81358f6bb0740177");
    }

    #[test]
    fn what_resembles_the_words_is_small_and_what_a_newer_release_wrote_is_said_so() {
        let packed = squeeze(&WORDS[..WORDS.len() / 2]).unwrap();
        assert!(packed.len() < WORDS.len() / 8, "{}", packed.len());
        assert!(widen(&[9, 1, 2]).unwrap_err().contains("newer release"));
    }
}
