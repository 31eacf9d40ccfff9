//! What looks random: long runs of letters and digits that change their kind as often as dice do.
//! Hexadecimal digests, UUIDs, paths and names in any case style are left alone.

/// Shortest run with both cases, and without.
const MIXED: usize = 24;
const ONE_CASE: usize = 32;

/// Replaces what `mark` is given.
pub fn replace(text: &str, mark: impl Fn(&str, &str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_run) {
        let tail = &rest[start..];
        let end = tail.find(|c| !is_run(c)).unwrap_or(tail.len());
        let run = &tail[..end];
        out.push_str(&rest[..start]);
        if is_random(run) {
            out.push_str(&mark("high-entropy", run));
        } else {
            out.push_str(run);
        }
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

const fn is_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '=' | '_' | '-' | '/')
}

/// Whether a run of characters looks like it was drawn.
#[must_use]
pub fn is_random(run: &str) -> bool {
    // Names and paths are many short parts; what is drawn has at least one long one.
    let parts = run.split(['_', '-', '/', '+', '=']);
    let longest = parts.max_by_key(|p| p.len()).unwrap_or_default();
    is_drawn(longest) || is_base64(run)
}

/// Base64 with its signs inside: judged without them. So long, it has capitals; a path with a digest
/// in it seldom has.
fn is_base64(run: &str) -> bool {
    let solid: String = run.chars().filter(char::is_ascii_alphanumeric).collect();
    let signs = run.len() - solid.len();
    let capitals = solid.bytes().any(|b| b.is_ascii_uppercase());
    signs * 10 <= run.len() && run.len() >= ONE_CASE && capitals && is_drawn(&solid)
}

fn is_drawn(part: &str) -> bool {
    let count = |of: fn(&u8) -> bool| part.bytes().filter(of).count();
    let (upper, lower, digits) = (
        count(u8::is_ascii_uppercase),
        count(u8::is_ascii_lowercase),
        count(u8::is_ascii_digit),
    );
    if part.bytes().all(|b| b.is_ascii_hexdigit()) {
        return false;
    }
    if upper > 1 && lower > 1 {
        return part.len() >= MIXED && digits >= 2 && changes(part) * 100 >= part.len() * 42;
    }
    part.len() >= ONE_CASE && digits >= 5 && changes(part) * 100 >= part.len() * 26
}

/// How often the kind of character changes: in what is drawn from 62 characters about six times in
/// ten, in words joined by capitals about three.
fn changes(part: &str) -> usize {
    let kind = |b: u8| (b.is_ascii_uppercase(), b.is_ascii_digit());
    let bytes = part.as_bytes();
    bytes
        .windows(2)
        .filter(|w| kind(w[0]) != kind(w[1]))
        .count()
}
