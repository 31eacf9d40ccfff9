//! The checks by which what agents made of a repository is judged, such as its build, its lint and its tests: what the file
//! says in which those who run the program name them. They stand in no job. How they are run is the runner's business.

use std::{collections::BTreeMap, path::Path};

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The stack of jobs that name none.
pub const DEFAULT: &str = "default";
/// Most bytes of a file: it is told to each runner that has no file of ours before it.
const BYTES: usize = 256 << 10;
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
    #[serde(deserialize_with = "variables")]
    pub env: BTreeMap<String, String>,
    /// The checks of each stack.
    pub stack: BTreeMap<String, Stack>,
}

/// The checks of a stack, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Check>")]
pub struct Stack(Vec<Check>);

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What it is called.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// The program and its arguments. No shell reads them.
    #[serde(deserialize_with = "argv")]
    pub argv: Vec<String>,
    /// How long it may take.
    #[serde(default = "ten_minutes", deserialize_with = "limit")]
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
    /// What is wrong with the file, and in which line.
    pub fn read(file: &Path) -> Result<Self, String> {
        let failed = |why: String| format!("read SANDBOX_CHECKS_FILE {}: {why}", file.display());
        let text = std::fs::read_to_string(file).map_err(|e| failed(e.to_string()))?;
        Self::parse(&text).map_err(failed)
    }

    /// What this text says.
    ///
    /// # Errors
    /// What is wrong with it, and in which line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > BYTES {
            return Err(format!("it may have {BYTES} bytes"));
        }
        let checks: Self = toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|place| text.get(..place.start));
            let line = before.map_or(1, |b| 1 + b.matches('\n').count());
            format!("line {line}: {}", e.message())
        })?;
        match checks.stack.len() {
            1..=STACKS => Ok(checks),
            _ => Err(format!(
                "it must have 1 to {STACKS} stacks, as [[stack.NAME]]"
            )),
        }
    }

    /// The checks for a job of this stack; nothing where there are none.
    #[must_use]
    pub fn of(&self, stack: Option<&str>) -> Option<&[Check]> {
        let found = self.stack.get(stack.unwrap_or(DEFAULT))?;
        Some(&found.0)
    }

    /// The stacks that have checks, in words.
    #[must_use]
    pub fn known(&self) -> String {
        let names: Vec<&str> = self.stack.keys().map(String::as_str).collect();
        names.join(", ")
    }
}

impl TryFrom<Vec<Check>> for Stack {
    type Error = String;

    fn try_from(checks: Vec<Check>) -> Result<Self, String> {
        if checks.is_empty() || checks.len() > CHECKS {
            return Err(format!("a stack must have 1 to {CHECKS} checks"));
        }
        let again = |n: &usize| checks[..*n].iter().any(|c| c.name == checks[*n].name);
        match (0..checks.len()).find(again) {
            Some(n) => Err(format!("check {:?} stands there twice", checks[n].name)),
            None => Ok(Self(checks)),
        }
    }
}

/// What a field holds, if there is nothing wrong with it.
fn only<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
    wrong: impl FnOnce(&T) -> Option<String>,
) -> Result<T, D::Error> {
    let value = T::deserialize(from)?;
    match wrong(&value) {
        Some(why) => Err(D::Error::custom(why)),
        None => Ok(value),
    }
}

fn variables<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let odd =
        |(k, v): &(&String, &String)| k.is_empty() || k.contains(['=', '\0']) || v.contains('\0');
    only(from, |env: &BTreeMap<String, String>| {
        let (name, _) = env.iter().find(odd)?;
        Some(format!("env {name:?} can be no variable"))
    })
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    only(from, |name: &String| {
        let is_fine = (1..=NAME).contains(&name.len()) && name.chars().all(plain);
        (!is_fine).then(|| format!("a name is 1 to {NAME} letters, digits, - and _"))
    })
}

fn argv<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let (words, bytes) = WORDS;
    only(from, |argv: &Vec<String>| {
        if argv.first().is_none_or(String::is_empty) {
            return Some("argv names no program".to_owned());
        }
        let size: usize = argv.iter().map(String::len).sum();
        let is_fine =
            argv.len() <= words && size <= bytes && !argv.iter().any(|w| w.contains('\0'));
        (!is_fine)
            .then(|| format!("argv may have {words} words and {bytes} bytes, none of them NUL"))
    })
}

fn limit<'de, D: Deserializer<'de>>(from: D) -> Result<SignedDuration, D::Error> {
    let (least, most) = (SignedDuration::from_secs(1), LIMIT.1);
    only(from, |limit: &SignedDuration| {
        let is_fine = (least..=most).contains(limit);
        (!is_fine).then(|| format!("limit must be between {least:#} and {most:#}"))
    })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]
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
        let checks = Checks::parse(include_str!("../../runner/data/checks.toml")).unwrap();
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
            (
                one("name = 'a'\nargv = 'make test'"),
                "line 3: invalid type",
            ),
            (one("name = '../a'\nargv = ['true']"), "letters"),
            (one(&format!("{fine}\nlimit = '0s'")), "limit must be"),
            (one(&format!("{fine}\nlimit = '2h'")), "limit must be"),
            (one(&format!("{fine}\nlimit = 'soon'")), "line 4: "),
            (one(&format!("{fine}\nshell = true")), "shell"),
            (one(fine) + &one(fine), "twice"),
            (one(fine).repeat(11), "1 to 10 checks"),
            (one("name = 'a'\nargv = [\"a\\u0000b\"]"), "NUL"),
            (format!("[env]\n'A=B' = 'c'\n{}", one(fine)), "no variable"),
            (
                format!("{}#{}", one(fine), "x".repeat(BYTES)),
                "262144 bytes",
            ),
        ];
        for (text, word) in cases {
            let said = Checks::parse(&text).unwrap_err();
            assert!(said.contains(word), "{text}: {said}");
        }
        let two = format!(
            "{}# The other:\n{}",
            one(fine),
            one("name = 'b'\nargv = []")
        );
        let said = Checks::parse(&two).unwrap_err();
        assert_eq!(said, "line 7: argv names no program");
        let said = Checks::read(Path::new("/surely/not/there")).unwrap_err();
        assert!(
            said.starts_with("read SANDBOX_CHECKS_FILE /surely"),
            "{said}"
        );
    }
}
