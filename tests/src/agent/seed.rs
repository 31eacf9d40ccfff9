//! What must stand in the configuration before a start, so that no dialog opens.
//!
//! A dialog here is a text and nothing behind it: a supervisor that forgets a part of the seed
//! waits for ever, as it would before the real dialog.

use std::path::Path;

use serde_json::Value;

/// How much of an API key stands in the configuration.
const KEY_END: usize = 20;

/// What a start depends on.
pub(super) struct Start<'a> {
    /// `<config>/.claude.json`, null where there is none.
    pub config: &'a Value,
    pub cwd: &'a Path,
    /// The API key of the environment.
    pub key: Option<&'a str>,
    pub bypass: bool,
    pub skips_warning: bool,
}

/// A dialog that opens at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialog {
    Theme,
    ApiKey,
    Trust,
    Bypass,
}

impl Start<'_> {
    /// The first dialog that opens.
    pub(super) fn dialog(&self) -> Option<Dialog> {
        let needed = [
            (Dialog::Theme, self.config["hasCompletedOnboarding"] != true),
            (Dialog::ApiKey, !self.key_is_approved()),
            (Dialog::Trust, !self.is_trusted()),
            (Dialog::Bypass, self.bypass && !self.skips_warning),
        ];
        let found = needed.into_iter().find(|(_, opens)| *opens);
        found.map(|(dialog, _)| dialog)
    }

    fn key_is_approved(&self) -> bool {
        let Some(key) = self.key else { return true };
        let letters: Vec<char> = key.chars().collect();
        let from = letters.len().saturating_sub(KEY_END);
        let end: String = letters[from..].iter().collect();
        let approved = self.config["customApiKeyResponses"]["approved"].as_array();
        approved.is_some_and(|keys| keys.iter().any(|k| *k == end.as_str()))
    }

    /// Trust in a folder above counts too.
    fn is_trusted(&self) -> bool {
        let projects = &self.config["projects"];
        let trusted = |p: &Path| projects[&*p.to_string_lossy()]["hasTrustDialogAccepted"] == true;
        self.cwd.ancestors().any(trusted)
    }
}

impl Dialog {
    /// What stands on the screen.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Theme => "Choose the text style that looks best\n❯ 1. Dark mode\n  2. Light mode",
            Self::ApiKey => {
                "Detected a custom API key in your environment\n  1. Yes\n❯ 2. No (recommended)"
            }
            Self::Trust => {
                "Do you trust the files in this folder?\n❯ 1. Yes, proceed\n  2. No, exit"
            }
            Self::Bypass => {
                "WARNING: running in Bypass Permissions mode\n❯ 1. No, exit\n  2. Yes, I accept"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn start<'a>(config: &'a Value, key: Option<&'a str>) -> Start<'a> {
        let cwd = Path::new("/home/a/repo");
        Start {
            config,
            cwd,
            key,
            bypass: true,
            skips_warning: true,
        }
    }

    #[test]
    fn each_missing_part_opens_its_dialog() {
        let mut config = json!({});
        let key = Some("sk-0-01234567890123456789");
        assert_eq!(start(&config, key).dialog(), Some(Dialog::Theme));
        config["hasCompletedOnboarding"] = json!(true);
        assert_eq!(start(&config, key).dialog(), Some(Dialog::ApiKey));
        config["customApiKeyResponses"] = json!({"approved": ["01234567890123456789"]});
        assert_eq!(start(&config, key).dialog(), Some(Dialog::Trust));
        config["projects"] = json!({"/home/a": {"hasTrustDialogAccepted": true}});
        assert_eq!(start(&config, key).dialog(), None);
        let warned = Start {
            skips_warning: false,
            ..start(&config, key)
        };
        assert_eq!(warned.dialog(), Some(Dialog::Bypass));
    }

    #[test]
    fn without_a_key_none_needs_approval() {
        let trust = json!({"/": {"hasTrustDialogAccepted": true}});
        let config = json!({"hasCompletedOnboarding": true, "projects": trust});
        assert_eq!(start(&config, None).dialog(), None);
    }
}
