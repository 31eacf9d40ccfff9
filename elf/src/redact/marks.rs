//! What stands where a secret was: `[redacted:<kind>:<8 hex digits>]`. What stands so is never looked
//! at again, for its own words look like a name with a secret value.

use std::fmt::Write;

const BEGIN: &str = "[redacted:";
/// Bytes of the hash that are shown.
const SHOWN: usize = 4;

/// The mark of a secret of this kind with this hash.
pub fn mark(kind: &str, hash: &[u8]) -> String {
    let mut text = format!("{BEGIN}{kind}:");
    for byte in hash.iter().take(SHOWN) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text + "]"
}

/// Applies this to what stands between marks.
pub fn outside(text: &str, apply: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut done, mut looked) = (0, 0);
    while let Some(found) = text[looked..].find(BEGIN) {
        let start = looked + found;
        looked = start + BEGIN.len();
        if let Some(length) = length(&text[start..]) {
            out.push_str(&apply(&text[done..start]));
            out.push_str(&text[start..start + length]);
            (done, looked) = (start + length, start + length);
        }
    }
    out + &apply(&text[done..])
}

/// How long the mark is that this begins with; nothing for what only begins like one.
fn length(text: &str) -> Option<usize> {
    let (inside, _) = text.strip_prefix(BEGIN)?.split_once(']')?;
    let (kind, hash) = inside.split_once(':')?;
    let is_kind = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let is_hash = hash.len() == 2 * SHOWN && hash.bytes().all(|b| b.is_ascii_hexdigit());
    (is_kind && is_hash).then_some(BEGIN.len() + inside.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_outside_of_marks_is_touched() {
        let text = format!("a {} b [redacted:oops] c", mark("jwt", &[1, 2, 3, 4, 5]));
        let loud = outside(&text, str::to_uppercase);
        assert_eq!(loud, "A [redacted:jwt:01020304] B [REDACTED:OOPS] C");
    }
}
