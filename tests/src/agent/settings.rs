//! The settings file, as far as the agent obeys it: hooks, the status line, one skipped dialog.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, bail};
use serde_json::Value;

/// How long a hook may take where its entry does not say.
const HOOK_TIMEOUT: Duration = Duration::from_mins(1);

/// The user's settings and then the ones of the command line.
pub(super) struct Settings(Vec<Value>);

/// A hook's command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub command: String,
    pub timeout: Duration,
}

impl Settings {
    /// Reads `<config>/settings.json`, which may be absent, and what `--settings` names.
    ///
    /// # Errors
    /// `--settings` names no file, or what it holds is not JSON.
    pub(super) fn load(named: Option<&str>, config: &Path) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        if let Ok(text) = fs::read_to_string(config.join("settings.json")) {
            all.push(parse(&text)?);
        }
        match named {
            Some(inline) if inline.trim_start().starts_with('{') => all.push(parse(inline)?),
            Some(path) => all.push(parse(&read(path)?)?),
            None => {}
        }
        Ok(Self(all))
    }

    /// The commands for an event, in their order; `subject` is what matchers look at.
    pub(super) fn hooks(&self, event: &str, subject: &str) -> Vec<Hook> {
        let groups = self.0.iter().filter_map(|s| s["hooks"][event].as_array());
        let groups = groups.flatten().filter(|g| matches(&g["matcher"], subject));
        let hooks = groups.filter_map(|g| g["hooks"].as_array()).flatten();
        hooks.filter_map(hook).collect()
    }

    /// The status line's command.
    pub(super) fn status_line(&self) -> Option<&str> {
        let mut newest = self.0.iter().rev();
        newest.find_map(|s| s["statusLine"]["command"].as_str())
    }

    /// Whether the warning about skipped permissions is skipped.
    pub(super) fn skips_warning(&self) -> bool {
        let mut all = self.0.iter();
        all.any(|s| s["skipDangerousModePermissionPrompt"] == true)
    }
}

fn read(path: &str) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(why) => bail!("Settings file not found: {path}: {why}"),
    }
}

fn parse(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).context("the settings are not JSON")
}

fn hook(entry: &Value) -> Option<Hook> {
    let is_command = entry["type"] == "command";
    let command = entry["command"].as_str().filter(|_| is_command)?.to_owned();
    let seconds = entry["timeout"].as_u64();
    let timeout = seconds.map_or(HOOK_TIMEOUT, Duration::from_secs);
    Some(Hook { command, timeout })
}

/// Absent, empty and `*` match all; otherwise names between bars, each perhaps ending in `.*`.
fn matches(matcher: &Value, subject: &str) -> bool {
    let names = matcher.as_str().unwrap_or_default();
    names.is_empty() || names.split('|').any(|name| matches_name(name, subject))
}

fn matches_name(name: &str, subject: &str) -> bool {
    let beginning = name.strip_suffix(".*").or(name.strip_suffix('*'));
    name == subject || beginning.is_some_and(|b| subject.starts_with(b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_matcher_names_tools_between_bars() {
        let matcher = json!("Edit|mcp__.*");
        assert!(matches(&matcher, "Edit"));
        assert!(matches(&matcher, "mcp__elf__query"));
        assert!(!matches(&matcher, "Bash"));
        assert!(matches(&Value::Null, "Bash"));
    }

    #[test]
    fn only_commands_are_hooks() {
        let group = json!([{"hooks": [
            {"type": "http", "url": "http://127.0.0.1:1/"},
            {"type": "command", "command": "true", "timeout": 5},
        ]}]);
        let settings = Settings(vec![json!({"hooks": {"Stop": group}})]);
        let timeout = Duration::from_secs(5);
        let hook = Hook {
            command: "true".to_owned(),
            timeout,
        };
        assert_eq!(settings.hooks("Stop", ""), [hook]);
    }
}
