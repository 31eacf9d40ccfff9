//! Where a repository may come from, and how a token reaches that host and no other.
//!
//! A token goes along in git's environment, as a header for one host. It never stands in an
//! address, an argument, a file of the repository or a message.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// The longest address.
const MAX_URL: usize = 1024;
/// Who a token is presented as, where the address names nobody. Hosts look at the token only.
const USER: &str = "x-access-token";

/// The address of a repository, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    url: String,
    scheme: Scheme,
}

/// How the repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
    Ssh,
    File,
}

impl Remote {
    /// Checks an address that a job gave.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub fn parse(url: &str, file_urls: bool) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("use the repository {:?}: {why}", shown(url)));
        if url.len() > MAX_URL || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return refuse("it is too long or holds spaces or control characters");
        }
        let Some((scheme, authority)) = split(url) else {
            return refuse("it must begin with https://, ssh:// or user@host:");
        };
        if scheme == Scheme::File {
            return if file_urls {
                Ok(Self::of(url, scheme))
            } else {
                refuse("file:// is not allowed on this server; use a workspace path")
            };
        }
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        if host.is_empty() || host.starts_with('-') || user.starts_with('-') {
            return refuse("its host is none");
        }
        if user.contains(':') {
            return refuse("it must not hold a password; name a secret instead");
        }
        Ok(Self::of(url, scheme))
    }

    fn of(url: &str, scheme: Scheme) -> Self {
        let url = url.to_owned();
        Self { url, scheme }
    }

    /// The address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The variables by which git sends this token to this host.
    ///
    /// # Errors
    /// A token cannot be used with this kind of address.
    pub fn login(&self, token: &Token) -> Result<Vec<(&'static str, String)>, String> {
        let Some((Scheme::Https | Scheme::Http, authority)) = split(&self.url) else {
            return Err("use the token: tokens go with https:// addresses only".to_owned());
        };
        let (user, host) = authority.rsplit_once('@').unwrap_or((USER, authority));
        if self.scheme == Scheme::Http && !is_loopback(host) {
            return Err(
                "use the token: http:// would show it to everybody; use https://".to_owned(),
            );
        }
        let scheme = if self.scheme == Scheme::Http {
            "http"
        } else {
            "https"
        };
        let pair = format!("{user}:{}", token.0.expose_secret());
        let header = format!("Authorization: Basic {}", base64(pair.as_bytes()));
        Ok(vec![
            ("GIT_CONFIG_COUNT", "1".to_owned()),
            (
                "GIT_CONFIG_KEY_0",
                format!("http.{scheme}://{host}/.extraHeader"),
            ),
            ("GIT_CONFIG_VALUE_0", header),
        ])
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// The scheme, and who and where: `user@host:port`.
fn split(url: &str) -> Option<(Scheme, &str)> {
    let known = [
        ("https://", Scheme::Https),
        ("http://", Scheme::Http),
        ("ssh://", Scheme::Ssh),
        ("file:///", Scheme::File),
    ];
    for (start, scheme) in known {
        if let Some(rest) = url.strip_prefix(start) {
            return Some((scheme, rest.split('/').next().unwrap_or_default()));
        }
    }
    let (authority, path) = url.split_once(':')?;
    let (user, host) = authority.split_once('@')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_short = !user.is_empty() && user.chars().all(plain) && host.chars().all(plain);
    (is_short && !path.is_empty() && !path.starts_with([':', '-']))
        .then_some((Scheme::Ssh, authority))
}

fn is_loopback(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    matches!(name, "127.0.0.1" | "localhost") || host.starts_with("[::1]")
}

/// An address without what may be a password, for messages.
fn shown(url: &str) -> String {
    let url: String = url.chars().take(120).collect();
    super::trouble::redact(&url)
}

/// An access token.
#[derive(Debug)]
pub struct Token(SecretString);

impl Token {
    /// Reads a token as it stands in a file; nothing when it is empty or more than one word.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let token = bytes.trim_ascii();
        let token = std::str::from_utf8(token).ok()?;
        let is_word = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        is_word.then(|| Self(SecretString::from(token)))
    }
}

/// RFC 4648 with padding, as `Basic` wants it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let mut all = [0; 3];
        all[..piece.len()].copy_from_slice(piece);
        let number = u32::from_be_bytes([0, all[0], all[1], all[2]]);
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place > piece.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token(SecretString::from(text))
    }

    #[test]
    fn usual_addresses_are_taken() {
        for url in [
            "https://example.com/a/b.git",
            "https://me@example.com:8443/a",
            "ssh://git@example.com/a",
            "git@example.com:a/b.git",
            "http://127.0.0.1:8080/a",
        ] {
            assert!(Remote::parse(url, false).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_could_run_a_program_or_read_this_machine_is_refused() {
        for url in [
            "--upload-pack=touch /tmp/x",
            "-oProxyCommand=x",
            "ext::sh -c touch%20x",
            "ext::x@y:z",
            "file:///etc",
            "/etc/passwd",
            "../other-tenant/repo",
            "ssh://-oProxyCommand=x/y",
            "git@-oProxyCommand:x",
            "git@host:-x",
            "https://me:hunter2@example.com/a",
            "https:///a",
            "https://exa mple.com/",
            "git://example.com/a",
            "",
        ] {
            let refused = Remote::parse(url, false).expect_err(url);
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        assert!(Remote::parse("file:///srv/repo", true).is_ok());
    }

    #[test]
    fn a_token_goes_to_its_own_host_in_the_environment() {
        let remote = Remote::parse("https://example.com/a/b.git", false).unwrap();
        let login = remote.login(&token("tok")).unwrap();
        assert_eq!(login[1].1, "http.https://example.com/.extraHeader");
        assert_eq!(login[2].1, "Authorization: Basic eC1hY2Nlc3MtdG9rZW46dG9r");
        assert!(!remote.url().contains("tok"));
    }

    #[test]
    fn a_token_is_not_shown_to_everybody() {
        let open = Remote::parse("http://example.com/a", false).unwrap();
        assert!(open.login(&token("tok")).is_err());
        let ssh = Remote::parse("git@example.com:a", false).unwrap();
        assert!(ssh.login(&token("tok")).is_err());
    }

    #[test]
    fn letters_of_base64_are_those_of_the_standard() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, expected) in pairs {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
