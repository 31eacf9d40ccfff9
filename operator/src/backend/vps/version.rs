//! Which tmux will do. The server and `sandbox doctor` ask here, so that they agree.

/// The oldest tmux that will do, by its major and minor number. 3.1 cannot begin a session with a
/// variable of its own; 3.2 never says by which signal a program ended; 3.3a is tested.
const OLDEST: (u32, u32) = (3, 3);

/// What to do about a tmux that is missing or too old.
pub const REMEDY: &str = "install tmux 3.3 or newer: Debian 12 and Ubuntu 24.04 have one \
    (`apt-get install tmux`), older systems need a build of a tmux release";

/// Whether the tmux that says this of itself (`tmux -V`) is new enough. A name without a number is
/// a build of the newest source and will do; OpenBSD's own numbers are higher.
#[must_use]
pub fn will_do(text: &str) -> bool {
    version(text).is_none_or(|version| version >= OLDEST)
}

/// The number in `tmux 3.3a`, `tmux 3.3-rc`, `tmux next-3.7` or `tmux openbsd-7.8`.
fn version(text: &str) -> Option<(u32, u32)> {
    let word = text.split_whitespace().nth(1)?;
    let mut parts = word.split('-');
    let number = parts.find(|part| part.starts_with(|c: char| c.is_ascii_digit()))?;
    let (major, rest) = number.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_with_their_letters_and_the_names_before_them() {
        assert_eq!(version("tmux 3.2a\n"), Some((3, 2)));
        assert_eq!(version("tmux 3.10-rc2"), Some((3, 10)));
        assert_eq!(version("tmux next-3.4"), Some((3, 4)));
        assert_eq!(version("tmux openbsd-7.4"), Some((7, 4)));
        assert_eq!(version("tmux master"), None);
    }

    #[test]
    fn what_lacks_a_thing_that_is_needed_will_not_do() {
        for old in ["tmux 2.9", "tmux 3.1-rc2", "tmux 3.2a", "tmux next-3.2"] {
            assert!(!will_do(old), "{old}");
        }
        let new = [
            "tmux 3.3",
            "tmux 3.3a",
            "tmux 3.10",
            "tmux 10.0",
            "tmux next-3.4",
            "tmux openbsd-7.4",
            "tmux master",
        ];
        for new in new {
            assert!(will_do(new), "{new}");
        }
    }
}
