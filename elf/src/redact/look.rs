//! How keys look that follow no format: what is asked of a value that stands where one is expected.

/// A UUID, hexadecimal digits, or letters and digits as dice throw them; not a name in any case style, and no word.
pub fn is_formless(value: &str) -> bool {
    let longest = value.split(['-', '_', '.', ':']).max_by_key(|p| p.len());
    is_uuid(value) || longest.is_some_and(|part| is_hex(part, 20) || is_thrown(part))
}

/// Eight, four, four, four and twelve hexadecimal digits.
pub fn is_uuid(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let hex = |part: &&str| part.bytes().all(|b| b.is_ascii_hexdigit());
    parts.iter().map(|p| p.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(hex)
}

/// So many hexadecimal digits at least, of both kinds.
pub fn is_hex(value: &str, least: usize) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    value.len() >= least
        && value.bytes().all(|b| b.is_ascii_hexdigit())
        && digits >= 2
        && digits + 2 <= value.len()
}

/// What is no name of anything: so long in one case, or hexadecimal.
pub fn is_long(value: &str) -> bool {
    is_uuid(value) || value.len() >= 32
}

/// What people or a manager of passwords make: no word, and no name in any case style.
pub fn is_made(value: &str) -> bool {
    let letters = value.bytes().any(|b| b.is_ascii_alphabetic());
    let digits = value.bytes().any(|b| b.is_ascii_digit());
    let signs = value.contains(['!', '#', '%', '^', '&', '*', '+', '=', '~', '?', '@']);
    letters && (digits || signs || changes(value) * 100 >= value.len() * 36)
}

/// How often the kind of character changes: in what is drawn from 62 characters about six times in
/// ten, in words joined by capitals about three.
pub fn changes(part: &str) -> usize {
    let kind = |b: u8| (b.is_ascii_uppercase(), b.is_ascii_digit());
    let bytes = part.as_bytes();
    bytes
        .windows(2)
        .filter(|w| kind(w[0]) != kind(w[1]))
        .count()
}

/// Sixteen letters and digits, of one case with more digits, or of both with more changes, than names have.
fn is_thrown(part: &str) -> bool {
    let count = |of: fn(&u8) -> bool| part.bytes().filter(of).count();
    let (upper, lower, digits) = (
        count(u8::is_ascii_uppercase),
        count(u8::is_ascii_lowercase),
        count(u8::is_ascii_digit),
    );
    if upper + lower < 3 || digits < 2 || part.len() < 16 {
        return false;
    }
    match (upper, lower) {
        (_, 0) => part.len() >= 20,
        (0, _) => digits >= 4,
        _ => digits >= 4 || changes(part) * 100 >= part.len() * 36,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_names() {
        for key in [
            "0b1c2d3e-4f50-4617-8829-a3b4c5d6e7f8",
            "5f2c0d1e8a7b4c6d9e0f",
            "k1l2m3n4o5p6q7r8",
            "ld-abcdefghijklmno1234567890pqrst",
            "X7W8HTTHLVYXPPVRZJZS",
            "DjayBeny2rtpvydF4zAphcqc",
        ] {
            assert!(is_formless(key), "{key}");
        }
        for name in [
            "nova-2-general-2023-10",
            "trackEventWhenUserLogsInTwice",
            "AbstractSingletonProxyFactoryBean2Configuration3",
            "1234567890123456789012",
            "deadbeefdeadbeefdeadbeef",
            "release-2026-11-30-rc1",
            "x86_64-unknown-linux-gnu",
        ] {
            assert!(!is_formless(name), "{name}");
        }
    }
}
