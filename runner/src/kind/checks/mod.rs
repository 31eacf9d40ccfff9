//! Checks: commands by which the server judges what agents made of a repository, such as its build,
//! its lint and its tests. They stand in a file of the server and in no job.
//!
//! | file | what it is |
//! |---|---|
//! | `run` | one check in one checkout |
//! | `verdict` | what checks before and after the work say of it; pure |

mod run;
mod verdict;

use std::{collections::BTreeMap, path::Path};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

pub use run::{Ran, Room};
pub use verdict::{Seen, Verdict, grade, rejected};

/// The stack of jobs that name none.
pub const DEFAULT: &str = "default";
/// Most stacks of a file.
const STACKS: usize = 100;
/// Most checks of a stack.
const CHECKS: usize = 10;
/// Most words of a command, and the most bytes of them all.
const WORDS: (usize, usize) = (64, 8 << 10);
/// Most characters of a name, which stands in the result and in failures.
const NAME: usize = 32;
/// How long a check may take when the file does not say, and at most.
const LIMIT: (SignedDuration, SignedDuration) =
    (SignedDuration::from_mins(10), SignedDuration::from_hours(1));

/// What stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Checks {
    /// More environment for all of them: they get none of the server's but its `PATH`.
    pub env: BTreeMap<String, String>,
    /// The checks of each stack, in order.
    pub stack: BTreeMap<String, Vec<Check>>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What it is called.
    pub name: String,
    /// The program and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// How long it may take.
    #[serde(default = "ten_minutes")]
    pub limit: SignedDuration,
    /// Whether a job fails that breaks it.
    #[serde(default)]
    pub required: bool,
}

const fn ten_minutes() -> SignedDuration {
    LIMIT.0
}

impl Checks {
    /// What this file says.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(file: &Path) -> Result<Self, String> {
        let failed = |why: String| format!("read SANDBOX_CHECKS_FILE {}: {why}", file.display());
        let text = std::fs::read_to_string(file).map_err(|e| failed(e.to_string()))?;
        Self::parse(&text).map_err(failed)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let checks: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        checks.refuse().map_or(Ok(()), Err)?;
        Ok(checks)
    }

    /// The checks for a job of this stack; nothing where there are none.
    pub fn of(&self, stack: Option<&str>) -> Option<&[Check]> {
        let found = self.stack.get(stack.unwrap_or(DEFAULT))?;
        Some(found.as_slice())
    }

    /// The first thing that is wrong.
    fn refuse(&self) -> Option<String> {
        if self.stack.is_empty() || self.stack.len() > STACKS {
            return Some(format!(
                "it must have 1 to {STACKS} stacks, as [[stack.NAME]]"
            ));
        }
        let odd = |k: &String, v: &String| {
            k.is_empty() || k.contains('=') || (k.clone() + v).contains('\0')
        };
        if let Some((name, _)) = self.env.iter().find(|(k, v)| odd(k, v)) {
            return Some(format!("env {name:?} can be no variable"));
        }
        self.stack.iter().find_map(|(stack, checks)| {
            let why = refuse_stack(checks)?;
            Some(format!("stack {stack:?}: {why}"))
        })
    }
}

fn refuse_stack(checks: &[Check]) -> Option<String> {
    if checks.is_empty() || checks.len() > CHECKS {
        return Some(format!("it must have 1 to {CHECKS} checks"));
    }
    let again = |n: usize| checks[..n].iter().any(|c| c.name == checks[n].name);
    if let Some(n) = (0..checks.len()).find(|n| again(*n)) {
        return Some(format!("check {:?} stands there twice", checks[n].name));
    }
    checks.iter().find_map(|check| {
        let why = check.refuse()?;
        Some(format!("check {:?}: {why}", check.name))
    })
}

impl Check {
    fn refuse(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || self.name.len() > NAME || !self.name.chars().all(plain) {
            return Some(format!("a name is 1 to {NAME} letters, digits, - and _"));
        }
        let (words, bytes) = WORDS;
        let size: usize = self.argv.iter().map(String::len).sum();
        if self.argv.first().is_none_or(String::is_empty) {
            return Some("argv names no program".to_owned());
        }
        if self.argv.len() > words || size > bytes || self.argv.iter().any(|w| w.contains('\0')) {
            return Some(format!(
                "argv may have {words} words and {bytes} bytes, none of them NUL"
            ));
        }
        let (least, most) = (SignedDuration::from_secs(1), LIMIT.1);
        let is_fine = (least..=most).contains(&self.limit);
        (!is_fine).then(|| format!("limit must be between {least:#} and {most:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &str = r#"
[env]
CARGO_HOME = "/srv/cargo"

[[stack.rust]]
name = "build"
argv = ["cargo", "build", "--locked"]

[[stack.rust]]
name = "test"
argv = ["cargo", "test", "--locked"]
limit = "20m"
required = true

[[stack.default]]
name = "check"
argv = ["./check.sh"]
"#;

    #[test]
    fn a_stack_has_its_checks_and_a_job_without_one_those_of_the_default() {
        let checks = Checks::parse(FINE).unwrap();
        let names = |stack| {
            let found = checks.of(stack)?;
            Some(found.iter().map(|c| c.name.as_str()).collect::<Vec<_>>())
        };
        assert_eq!(names(Some("rust")), Some(vec!["build", "test"]));
        assert_eq!(names(None), Some(vec!["check"]));
        assert_eq!(names(Some("cobol")), None);
        let [build, test] = checks.of(Some("rust")).unwrap() else {
            panic!("two checks");
        };
        assert_eq!((build.limit.as_mins(), build.required), (10, false));
        assert_eq!((test.limit.as_mins(), test.required), (20, true));
    }

    #[test]
    fn the_example_can_be_obeyed() {
        let checks = Checks::parse(include_str!("../../../data/checks.toml")).unwrap();
        assert!(checks.of(None).is_some() && checks.of(Some("rust")).is_some());
    }

    #[test]
    fn what_the_server_tells_its_runners_is_what_stood_in_the_file() {
        let checks = Checks::parse(FINE).unwrap();
        let told = serde_json::to_string(&checks).unwrap();
        assert_eq!(serde_json::from_str::<Checks>(&told).unwrap(), checks);
    }

    #[test]
    fn a_file_that_cannot_be_obeyed_is_refused_with_the_place() {
        let one = |fields: &str| format!("[[stack.rust]]\n{fields}\n");
        let fine = "name = 'a'\nargv = ['true']";
        let cases = [
            (String::new(), "[[stack.NAME]]"),
            ("[stack]\nrust = []".to_owned(), "1 to 10 checks"),
            (one("name = 'a'"), "argv"),
            (one("name = 'a'\nargv = []"), "no program"),
            (one("name = 'a'\nargv = 'make test'"), "argv"),
            (one("name = '../a'\nargv = ['true']"), "letters"),
            (one(&format!("{fine}\nlimit = '0s'")), "limit must be"),
            (one(&format!("{fine}\nlimit = '2h'")), "limit must be"),
            (one(&format!("{fine}\nlimit = 'soon'")), "limit"),
            (one(&format!("{fine}\nshell = true")), "shell"),
            (one(fine) + &one(fine), "twice"),
            (one(fine).repeat(11), "1 to 10 checks"),
            (one("name = 'a'\nargv = [\"a\\u0000b\"]"), "NUL"),
            (format!("[env]\n'A=B' = 'c'\n{}", one(fine)), "no variable"),
        ];
        for (text, word) in cases {
            let said = Checks::parse(&text).unwrap_err();
            assert!(said.contains(word), "{text}: {said}");
        }
        let said = Checks::read(Path::new("/surely/not/there")).unwrap_err();
        assert!(
            said.starts_with("read SANDBOX_CHECKS_FILE /surely"),
            "{said}"
        );
    }
}
