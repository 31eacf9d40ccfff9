//! Values under secret-like names, `api_key = "…"`: any format at all, told by the name beside it.
//! Prose about secrets and code that fetches one are left alone.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::{look, marks};

/// The name, what joins it to its value, and the value.
const NAMED: &str = r#"(?ix)
    \b ( [a-z0-9_.\-]* (?: passw(?:or)?d | passphrase | pwd | secret | token | credential
        | api[_\-]?key | access[_\-]?key | private[_\-]?key | signing[_\-]?key | encryption[_\-]?key
        | [_.\-]key\b | [a-z]key\b | [_.\-]pass\b | [_\-]pat\b | [_.\-]api\b )
        [a-z0-9_\-]* )
    ( ["'\]]{0,2} \s* (?: :=|=>|==?|: ) \s* ["'`]? )
    ( [^\s"'`,;)\]}]{6,} )"#;

/// The name and the value with no more than a space between them.
const SPOKEN: &str = r#"(?ix)
    ( (?: password | passphrase | secret | token | (?:api|access|secret|private|auth) [\ _\-]? key )
        (?: \s+ (?: is | was | key | token ) )? (?: \s* [:=]{1,2} \s* | \s+ ) ["'`]? )
    ( [a-z0-9+/=_.:\-]{16,} )"#;

/// Any key, with a colon behind it: the word before it says of what.
const KEYED: &str = r#"(?ix)
    ( (?: ^ | [^a-z0-9_.\-] ) (?: [a-z]+ \s+ )? key ["']? \s* [:=] \s* ["'`]? )
    ( [a-z0-9:\-]{20,} )"#;

/// A pattern that does not compile would find nothing; a test finds something with it.
static REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(NAMED).ok());
static SPOKEN_REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(SPOKEN).ok());
static KEYED_REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(KEYED).ok());

/// Words that stand for a value that is not there.
const NO_VALUE: &[&str] = &[
    "undefined",
    "required",
    "optional",
    "redacted",
    "example",
    "placeholder",
    "changeit",
    "required-field",
];

/// What makes a name speak of a secret; a mere `key` may as well be one of a map.
const SECRETIVE: &[&str] = &[
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "access_key",
    "access-key",
    "privatekey",
    "private_key",
    "private-key",
    "signingkey",
    "signing_key",
    "signing-key",
    "encryptionkey",
    "encryption_key",
    "encryption-key",
];

/// Names of keys that are no secrets: those of a map, of a table, and those that are there to be shown.
const PLAIN: &[&str] = &[
    "cache",
    "etag",
    "foreign",
    "idempotency",
    "object",
    "partition",
    "primary",
    "public",
    "s3",
    "sort",
];

/// Replaces what `mark` is given.
pub fn replace(text: &str, mark: impl Fn(&str, &str) -> String) -> String {
    let text = assigned(text, &mark);
    let spoken = |piece: &str| behind(piece, SPOKEN_REGEX.as_ref(), (&is_spoken, &mark));
    let text = marks::outside(&text, spoken);
    let keyed = |piece: &str| behind(piece, KEYED_REGEX.as_ref(), (&look::is_formless, &mark));
    marks::outside(&text, keyed)
}

type How<'a> = (&'a dyn Fn(&str) -> bool, &'a dyn Fn(&str, &str) -> String);

/// Replaces values behind their names, where they look like secrets.
fn behind(text: &str, regex: Option<&Regex>, (is_secret, mark): How<'_>) -> String {
    let Some(regex) = regex else {
        return text.to_owned();
    };
    let one = |found: &Captures<'_>| -> String {
        let (before, value) = (&found[1], &found[2]);
        if is_plain(before) || !is_secret(value) {
            return found[0].to_owned();
        }
        format!("{before}{}", mark("named-secret", value))
    };
    regex.replace_all(text, one).into_owned()
}

fn is_plain(name: &str) -> bool {
    let name = name.to_lowercase();
    PLAIN.iter().any(|word| name.contains(word))
}

fn is_spoken(value: &str) -> bool {
    is_key(value) && !value.contains("://")
}

/// Sixteen letters and more, with digits among them: no word, and no name of a file.
fn is_key(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let mixed = value.len() >= 16 && digits >= 3 && letters >= 3;
    (mixed || look::is_formless(value)) && !value.starts_with(['/', '.'])
}

fn assigned(text: &str, mark: impl Fn(&str, &str) -> String) -> String {
    let Some(regex) = REGEX.as_ref() else {
        return text.to_owned();
    };
    let one = |found: &Captures<'_>| -> String {
        let (name, join, value) = (&found[1], &found[2], &found[3]);
        let value_is_secret = is_value(name, join, value);
        let shown = if value_is_secret {
            mark("named-secret", value)
        } else {
            value.to_owned()
        };
        format!("{name}{join}{shown}")
    };
    regex.replace_all(text, one).into_owned()
}

/// A time, a number or a size of what the name speaks of.
fn is_measure(name: &str, value: &str) -> bool {
    let name = name.to_lowercase();
    let ends = ["_at", "_in", "_ttl", "_count", "_limit", "_length", "_size"];
    let first = value.split(|c: char| !c.is_ascii_alphanumeric()).next();
    let number = first.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    number && ends.iter().any(|end| name.ends_with(end))
}

/// Whether it is a value: not a reference, not a place holder, and with a colon, which prose has
/// too, only what is no word.
fn is_value(name: &str, join: &str, value: &str) -> bool {
    let lower = value.to_lowercase();
    let name_says_little = !SECRETIVE.iter().any(|w| name.to_lowercase().contains(w));
    if name_says_little {
        let password = name.to_lowercase().ends_with("pass");
        let typed = password && (is_odd(&lower) || is_exported(name, join));
        return (typed || is_key(value) && !is_plain(name)) && !is_reference(value);
    }
    if look::is_hex(value, 32) && !is_plain(name) {
        return true;
    }
    let bare = lower.trim_end_matches(['.', '!', '?', ':']);
    let says_nothing = NO_VALUE.contains(&bare) || is_measure(name, value);
    if is_reference(value) || says_nothing || repeats_name(name, bare) {
        return false;
    }
    let assigned = join.contains('=') && !join.contains("=>");
    let quoted = join.ends_with(['"', '\'']);
    if value.len() < 8 {
        let password = name.to_lowercase().contains("pass");
        return is_odd(&lower) || password && (assigned || quoted) && is_disguised(&lower);
    }
    if assigned && !join.contains(' ') || quoted {
        return !is_identifier_path(bare);
    }
    is_odd(bare) || is_scrambled(value.trim_end_matches(['.', '!', '?', ':']))
}

/// Capitals where names have none, or a digit between both cases: names joined by capitals have four letters a word
/// and more, what is drawn has two or three.
fn is_scrambled(value: &str) -> bool {
    let starts = |w: &[u8]| !w[0].is_ascii_uppercase() && w[1].is_ascii_uppercase();
    let lower = value.bytes().any(|b| b.is_ascii_lowercase());
    let words = 1 + value.as_bytes().windows(2).filter(|w| starts(w)).count();
    let name = value.bytes().all(|b| b.is_ascii_alphabetic());
    lower && words > 1 && (!name || value.len() < 4 * words)
}

/// Code or a variable that fetches the value from elsewhere.
fn is_reference(value: &str) -> bool {
    let starts = [
        "$", "<", "{", "%", "*", "&", "@", "/", "./", "~/", "xxx", "...",
    ];
    value.contains('(')
        || value.contains("::")
        || value.contains("->")
        || value.contains('[')
        || starts.iter().any(|s| value.starts_with(s))
}

/// `token=session_token` names another variable.
fn repeats_name(name: &str, value: &str) -> bool {
    let words = ["password", "passwd", "secret", "token", "credential", "key"];
    let lower = name.to_lowercase();
    let known = words.iter().any(|w| value.contains(w));
    known && !value.bytes().any(|b| b.is_ascii_digit()) || value == lower
}

/// `settings.auth.value`: names joined by dots.
fn is_identifier_path(value: &str) -> bool {
    let name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    value.contains('.') && value.split('.').all(name)
}

/// A variable of the environment as shells and files of settings write it.
fn is_exported(name: &str, join: &str) -> bool {
    let capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    join == "=" && name.contains('_') && name.bytes().all(capital)
}

/// A digit inside of a word: behind one it is a number, as in names and examples.
fn is_disguised(value: &str) -> bool {
    let word = value.trim_end_matches(|c: char| c.is_ascii_digit());
    word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.bytes().any(|b| b.is_ascii_digit())
}

/// No word and no name: with a digit among letters, or with signs that words do not have.
fn is_odd(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().any(|b| b.is_ascii_alphabetic());
    let signs = value.contains(['!', '#', '$', '%', '^', '&', '*', '+', '=', '~', '?', '@']);
    letters && (digits >= 2 || digits >= 1 && signs)
}
