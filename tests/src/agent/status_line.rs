//! The status line: a command that is told what the session has used and says one line.

use serde_json::{Value, json};

use super::{args::VERSION, hooks, session::Session, terminal};

/// Tokens that the model is said to hold.
const CONTEXT_WINDOW: u64 = 200_000;

impl Session {
    /// Runs the command, where there is one, and shows its first line.
    pub(super) async fn show_status_line(&self) {
        let Some(command) = self.setup.settings.status_line() else {
            return;
        };
        let ran = hooks::shell(command, &self.status(), &self.setup.cwd).await;
        if let Ok(output) = ran
            && let Some(line) = String::from_utf8_lossy(&output.stdout).lines().next()
        {
            terminal::say(&format!("  {line}"));
        }
    }

    /// What the command is told. The tokens are those of the context, not sums.
    fn status(&self) -> Value {
        let model = &self.setup.args.model;
        let context = self.used.context;
        let size = context.input_tokens + context.output_tokens;
        let percent = (size * 100 / CONTEXT_WINDOW).min(100);
        let passed = u64::try_from(self.used.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let folder = &self.setup.cwd;
        json!({
            "session_id": self.id,
            "transcript_path": self.transcript.path,
            "cwd": folder,
            "prompt_id": self.prompt_id,
            "model": {"id": model, "display_name": model},
            "workspace": {"current_dir": folder, "project_dir": folder, "added_dirs": []},
            "version": VERSION,
            "cost": {
                "total_cost_usd": self.used.usd,
                "total_duration_ms": passed,
                "total_api_duration_ms": 0,
                "total_lines_added": self.used.lines_added,
                "total_lines_removed": self.used.lines_removed,
            },
            "context_window": {
                "total_input_tokens": context.input_tokens,
                "total_output_tokens": context.output_tokens,
                "context_window_size": CONTEXT_WINDOW,
                "current_usage": {
                    "input_tokens": context.input_tokens,
                    "output_tokens": context.output_tokens,
                    "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 0,
                },
                "used_percentage": percent,
                "remaining_percentage": 100 - percent,
            },
            "exceeds_200k_tokens": size > CONTEXT_WINDOW,
        })
    }
}
