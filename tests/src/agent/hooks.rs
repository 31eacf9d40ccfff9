//! Runs a hook's command and reads its answer.

use std::{
    io,
    path::Path,
    process::{Output, Stdio},
};

use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command, time};

use super::settings::Hook;

/// The exit code by which a hook blocks without JSON; its standard error is the reason.
const BLOCKS: i32 = 2;

/// What the hooks of one event said together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The tool must not run, or the agent must not stop, or the prompt is not taken; why.
    pub blocked: Option<String>,
    /// A permission was granted in the place of the person.
    pub allowed: bool,
    /// What the model is told besides.
    pub context: Vec<String>,
}

impl Verdict {
    /// Adds what another hook said; the first block stays.
    pub(super) fn add(&mut self, other: Self) {
        self.blocked = self.blocked.take().or(other.blocked);
        self.allowed |= other.allowed;
        self.context.extend(other.context);
    }
}

/// Runs one hook. One that cannot be run, fails or takes too long says nothing.
pub(super) async fn run(hook: &Hook, event: &Value, cwd: &Path) -> Verdict {
    let ran = time::timeout(hook.timeout, shell(&hook.command, event, cwd)).await;
    match ran {
        Ok(Ok(output)) => read(
            &output,
            event["hook_event_name"].as_str().unwrap_or_default(),
        ),
        Ok(Err(_)) | Err(_) => Verdict::default(),
    }
}

/// Runs a command by `sh -c` with this JSON as its input.
///
/// # Errors
/// There is no shell to be run.
pub(super) async fn shell(command: &str, input: &Value, cwd: &Path) -> io::Result<Output> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .current_dir(cwd)
        .env("CLAUDE_PROJECT_DIR", cwd)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdin = child.stdin.take();
    let give = async {
        if let Some(mut stdin) = stdin {
            // A hook need not read what it is told.
            let _ = stdin.write_all(format!("{input}\n").as_bytes()).await;
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), give);
    output
}

fn read(output: &Output, event: &str) -> Verdict {
    match output.status.code() {
        Some(BLOCKS) => Verdict {
            blocked: Some(text(&output.stderr)),
            ..Verdict::default()
        },
        Some(0) => read_answer(&text(&output.stdout), event),
        _ => Verdict::default(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn read_answer(said: &str, event: &str) -> Verdict {
    match serde_json::from_str::<Value>(said) {
        Ok(answer) if answer.is_object() => read_json(&answer),
        // These two events may answer with the context alone.
        _ if ["SessionStart", "UserPromptSubmit"].contains(&event) && !said.is_empty() => Verdict {
            context: vec![said.to_owned()],
            ..Verdict::default()
        },
        _ => Verdict::default(),
    }
}

fn read_json(answer: &Value) -> Verdict {
    let specific = &answer["hookSpecificOutput"];
    let denied = specific["permissionDecision"] == "deny";
    let reason = if denied {
        &specific["permissionDecisionReason"]
    } else {
        &answer["reason"]
    };
    let blocked = denied || answer["decision"] == "block";
    let context = specific["additionalContext"].as_str();
    Verdict {
        blocked: blocked.then(|| reason.as_str().unwrap_or("blocked by a hook").to_owned()),
        allowed: specific["decision"]["behavior"] == "allow",
        context: context.map(str::to_owned).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_tool_and_a_blocked_stop_give_their_reason() {
        let denied = r#"{"hookSpecificOutput":
            {"permissionDecision":"deny","permissionDecisionReason":"no"}}"#;
        assert_eq!(read_answer(denied, "PreToolUse").blocked.unwrap(), "no");
        let blocked = r#"{"decision":"block","reason":"go on"}"#;
        assert_eq!(read_answer(blocked, "Stop").blocked.unwrap(), "go on");
    }

    #[test]
    fn plain_text_is_context_for_a_prompt_and_nothing_elsewhere() {
        assert_eq!(
            read_answer("mind this", "UserPromptSubmit").context,
            ["mind this"]
        );
        assert_eq!(read_answer("mind this", "Stop"), Verdict::default());
    }
}
