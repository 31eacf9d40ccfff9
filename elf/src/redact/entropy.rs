//! What looks random: long runs of letters and digits that change their kind as often as dice do.
//! Hexadecimal digests, UUIDs, paths and names in any case style are left alone, and so is base64 that says what it is: a
//! digest, or a picture.

use super::look::changes;

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
        if is_random(run) && !is_told(&out, run) {
            out.push_str(&mark("high-entropy", run));
        } else {
            out.push_str(run);
        }
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

/// What digests in base64 begin with: those of packages, and those of keys of servers, which stand before them.
const DIGESTS: &[&str] = &["sha256-", "sha384-", "sha512-"];
const BEFORE_DIGESTS: &[&str] = &["SHA256:", "h1:"];
/// How pictures begin in base64: PNG, JPEG, GIF, WebP, and SVG with and without a head.
const PICTURES: &[&str] = &[
    "iVBORw0KGgo",
    "/9j/",
    "R0lGOD",
    "UklGR",
    "PHN2Zy",
    "PD94bWwg",
];

/// Whether it says itself that it is no secret.
fn is_told(before: &str, run: &str) -> bool {
    let starts = |with: &[&str]| with.iter().any(|w| run.starts_with(w));
    let follows = BEFORE_DIGESTS.iter().any(|w| before.ends_with(w));
    starts(DIGESTS) || starts(PICTURES) || follows
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
    // A sign of equality ends base64; elsewhere it stands between a name and its value.
    let mut sides = run.trim_end_matches('=').split('=');
    is_drawn(longest) || sides.any(is_base64)
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
