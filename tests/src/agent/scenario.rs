//! The scenario file: which prompt is answered with which steps.
//!
//! Only its shape and the choice of a rule; `turn` carries the steps out.

use std::{collections::BTreeMap, fs, path::Path, path::PathBuf};

use anyhow::Context;
use serde::Deserialize;

/// Rules in order; the first that fits a prompt answers it.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Scenario {
    /// In the order of the file.
    pub rules: Vec<Rule>,
}

/// One answer and when it is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// All of it must hold. Left out, the rule always fits.
    #[serde(default)]
    pub when: When,
    /// Carried out in order.
    pub steps: Vec<Step>,
}

/// Conditions, all optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The value of `AGENT_INDEX` or, without it, of `SANDBOX_AGENT`.
    pub agent: Option<String>,
    /// A part of the prompt or of the context that hooks added to it.
    pub prompt_contains: Option<String>,
    /// The number of the prompt in its session, from 1; a resumed session counts on.
    pub turn: Option<u64>,
    /// Whether the session was resumed.
    pub resumed: Option<bool>,
    /// A path that is there.
    pub file_exists: Option<PathBuf>,
    /// A file that has this text in it.
    pub file_contains: Option<FileText>,
}

/// A text in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileText {
    /// Relative to the working directory, or absolute.
    pub path: PathBuf,
    /// Anywhere in the file.
    pub text: String,
}

/// One thing that the agent does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Says a text.
    Say(String),
    /// Replaces a text that stands once in a file, by the tool Edit.
    Edit(Edit),
    /// Writes a whole file, by the tool Write.
    Write(Write),
    /// Runs a command, by the tool Bash.
    Bash(String),
    /// Waits, in seconds.
    Sleep(f64),
    /// Adds to what the session has used.
    Cost(Cost),
    /// Ends the turn with an error of the model's server.
    Fail(Fault),
    /// Ends the agent with nothing tidied up.
    Crash(Crash),
    /// Starts a background child that outlives the agent.
    Spawn(String),
    /// Opens a permission dialog and waits for Enter or Escape.
    Ask(String),
    /// Goes on for ever, busy, where true.
    Hang(bool),
    /// Waits until a path is there.
    WaitFile(String),
}

/// What Edit is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Beneath the working directory.
    pub path: String,
    /// Must stand in the file exactly once.
    pub find: String,
    /// Stands there afterwards.
    pub replace: String,
}

/// What Write is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Beneath the working directory; folders are made.
    pub path: String,
    /// The whole file.
    pub content: String,
}

/// An addition to what the session has used.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cost {
    /// US dollars.
    pub usd: f64,
    /// Tokens that went to the model.
    pub input_tokens: u64,
    /// Tokens that came from the model.
    pub output_tokens: u64,
}

/// How the model's server fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 400
    BillingError,
    /// 429
    RateLimit,
    /// 529
    ServerError,
    /// 401
    AuthenticationFailed,
}

/// How the agent dies: by a signal to itself, or with an exit code.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Crash {
    /// A signal's number.
    pub signal: Option<i32>,
    /// An exit code, where there is no signal.
    pub exit: Option<i32>,
}

/// What a rule is held against.
pub(super) struct Situation<'a> {
    pub agent: &'a str,
    pub prompt: &'a str,
    pub turn: u64,
    pub resumed: bool,
    pub cwd: &'a Path,
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// The file cannot be read, or is not a scenario; the text says where.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
    }

    /// The first rule that fits.
    pub(super) fn rule(&self, at: &Situation) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.when.fits(at))
    }
}

impl When {
    fn fits(&self, at: &Situation) -> bool {
        self.agent.as_ref().is_none_or(|a| a == at.agent)
            && self.prompt_fits(at.prompt)
            && self.turn.is_none_or(|t| t == at.turn)
            && self.resumed.is_none_or(|r| r == at.resumed)
            && self.files_fit(at.cwd)
    }

    fn prompt_fits(&self, prompt: &str) -> bool {
        self.prompt_contains
            .as_ref()
            .is_none_or(|part| prompt.contains(part.as_str()))
    }

    fn files_fit(&self, cwd: &Path) -> bool {
        let there = |path: &PathBuf| cwd.join(path).exists();
        self.file_exists.as_ref().is_none_or(there)
            && self.file_contains.as_ref().is_none_or(|f| f.holds(cwd))
    }
}

impl FileText {
    fn holds(&self, cwd: &Path) -> bool {
        fs::read_to_string(cwd.join(&self.path)).is_ok_and(|all| all.contains(&self.text))
    }
}

/// Puts values in the place of `{{name}}`.
pub(super) fn fill(text: &str, values: &BTreeMap<&str, String>) -> String {
    let mut filled = text.to_owned();
    for (name, value) in values {
        filled = filled.replace(&format!("{{{{{name}}}}}"), value);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(agent: &'a str, prompt: &'a str, turn: u64) -> Situation<'a> {
        let cwd = Path::new("/");
        Situation {
            agent,
            prompt,
            turn,
            resumed: false,
            cwd,
        }
    }

    fn said(scenario: &Scenario, at: &Situation) -> Option<String> {
        match scenario.rule(at)?.steps.first()? {
            Step::Say(text) => Some(text.clone()),
            _ => None,
        }
    }

    #[test]
    fn the_first_rule_that_fits_answers() {
        let scenario: Scenario = serde_saphyr::from_str(
            "- when: {agent: 1, turn: 2}\n  steps: [{say: second}]\n\
             - when: {prompt_contains: fix}\n  steps: [{say: fixed}]\n\
             - when: {file_exists: surely/not}\n  steps: [{say: never}]\n\
             - steps: [{say: rest}]\n",
        )
        .unwrap();
        assert_eq!(said(&scenario, &at("1", "fix it", 2)).unwrap(), "second");
        assert_eq!(said(&scenario, &at("1", "fix it", 1)).unwrap(), "fixed");
        assert_eq!(said(&scenario, &at("2", "hello", 2)).unwrap(), "rest");
    }

    #[test]
    fn every_step_is_understood() {
        let scenario: Scenario = serde_saphyr::from_str(
            "- steps:
  - say: hello
  - edit: {path: a, find: b, replace: c}
  - write: {path: a, content: x}
  - bash: git status
  - sleep: 0.5
  - cost: {usd: 0.1, input_tokens: 5}
  - fail: rate_limit
  - crash: {signal: 9}
  - spawn: sleep 9
  - ask: May I?
  - hang: true
  - wait_file: go
",
        )
        .unwrap();
        assert_eq!(scenario.rules[0].steps.len(), 12);
    }

    #[test]
    fn an_unknown_condition_is_refused() {
        let read = serde_saphyr::from_str::<Scenario>("- when: {moon: full}\n  steps: []\n");
        assert!(read.is_err());
    }

    #[test]
    fn names_in_double_braces_are_filled_in() {
        let values = BTreeMap::from([("agent", "2".to_owned())]);
        assert_eq!(
            fill("I am {{agent}} of {{all}}", &values),
            "I am 2 of {{all}}"
        );
    }
}
