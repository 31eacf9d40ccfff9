//! Why a call of git failed, and who is to blame: the job, or the machine and its network. What git
//! says is shown to people without anything that looks like a password.

use std::time::Duration;

use sandbox_core::{Failure, FailureClass};

/// The most that is shown of a complaint.
const SHOWN: usize = 500;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no git here.
    #[error("run git: it is not on the PATH; install git")]
    Missing,
    /// No end in time.
    #[error("{what}: git took longer than {} s; look at the network, or raise SANDBOX_GIT_TIMEOUT", limit.as_secs())]
    Timeout {
        /// What was attempted.
        what: String,
        /// How long it had.
        limit: Duration,
    },
    /// There is more of it than may be.
    #[error(
        "{what}: it has more than {} MiB; name a smaller repository, raise SANDBOX_CLONE_LIMIT, or put \
         a clone into the tenant's folder and name its path",
        limit >> 20
    )]
    TooLarge {
        /// What was attempted.
        what: String,
        /// The most that may be, in bytes.
        limit: u64,
    },
    /// It could not be run.
    #[error("{what}: {why}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the system says.
        why: std::io::Error,
    },
    /// Git says no.
    #[error("{what}: {}", shown(said))]
    Failed {
        /// What was attempted.
        what: String,
        /// Git's own words, redacted.
        said: String,
    },
}

/// Words of git and its transports, in lower case, for what the job's author must correct.
const OF_THE_JOB: [&str; 19] = [
    "repository not found",
    "' not found",
    "not found in upstream",
    "does not exist",
    "does not appear to be a git repository",
    "not a git repository",
    "needed a single revision",
    "unknown revision",
    "not a valid object name",
    "invalid object name",
    "authentication failed",
    "could not read username",
    "could not read password",
    "permission denied (publickey",
    "returned error: 401",
    "returned error: 403",
    "returned error: 404",
    "not allowed",
    "dubious ownership",
];

impl GitError {
    /// The failure of the job.
    pub fn failure(&self) -> Failure {
        Failure::new(self.class(), self.to_string())
    }

    fn class(&self) -> FailureClass {
        let said = match self {
            Self::Failed { said, .. } => said,
            Self::TooLarge { .. } => return FailureClass::InvalidSpec,
            _ => return FailureClass::Infrastructure,
        };
        let said = said.to_lowercase();
        if OF_THE_JOB.iter().any(|word| said.contains(word)) {
            FailureClass::InvalidSpec
        } else {
            FailureClass::Infrastructure
        }
    }

    /// Whether git ran and said no.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// The lines that tell what is wrong, as one.
fn shown(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|l| !l.is_empty());
    let telling = |l: &&str| !l.starts_with("Cloning into") && !l.starts_with("hint:");
    let text = lines.filter(telling).collect::<Vec<_>>().join("; ");
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.chars().take(SHOWN).collect()
}

/// A text without passwords in addresses and without headers that log somebody in.
pub(super) fn redact(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    let mut hidden = false;
    let words = words.map(|word| {
        let hide = std::mem::replace(&mut hidden, is_scheme_of_login(word));
        if hide {
            "*** ".to_owned()
        } else {
            without_password(word)
        }
    });
    words.collect()
}

fn is_scheme_of_login(word: &str) -> bool {
    let word = word.trim().to_ascii_lowercase();
    word == "basic" || word == "bearer"
}

fn without_password(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else {
        return word.to_owned();
    };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => format!("{scheme}://***{}", &rest[at..]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(said: &str) -> FailureClass {
        let what = "clone the repository".to_owned();
        let said = said.to_owned();
        GitError::Failed { what, said }.failure().class
    }

    #[test]
    fn a_missing_repository_is_the_jobs_fault_and_a_missing_network_is_not() {
        for said in [
            "remote: Repository not found.",
            "fatal: repository 'https://h/x/' not found",
            "fatal: '/srv/x' does not appear to be a git repository",
            "fatal: Authentication failed for 'https://h/x/'",
            "fatal: could not read Username for 'https://h': terminal prompts disabled",
            "fatal: transport 'file' not allowed",
            "fatal: Needed a single revision",
        ] {
            assert_eq!(class(said), FailureClass::InvalidSpec, "{said}");
        }
        for said in [
            "fatal: unable to access 'https://h/x/': Could not resolve host: h",
            "error: No space left on device",
        ] {
            assert_eq!(class(said), FailureClass::Infrastructure, "{said}");
        }
    }

    #[test]
    fn passwords_do_not_stand_in_messages() {
        let said =
            "fatal: unable to access 'https://me:secret@h/x/': no\nAuthorization: Basic c2VjcmV0\n";
        let text = redact(said);
        assert!(
            !text.contains("secret") && !text.contains("c2VjcmV0"),
            "{text}"
        );
        assert!(text.contains("h/x/"), "{text}");
    }
}
