//! One prompt without a terminal, then the result.

use serde_json::{Value, json};

use super::{args::Format, session::Session, terminal, turn::End};

/// Answers the prompt, prints the result and gives the exit code.
pub(super) async fn run(session: &mut Session, prompt: &str) -> u8 {
    let format = session.setup.args.output_format;
    terminal::mute();
    // Without a person there is no state file, so this cannot fail.
    let _ = session.begin().await;
    if format == Format::StreamJson {
        terminal::print(&init(session).to_string());
    }
    let end = session.prompt(prompt).await;
    session.end("other").await;
    match format {
        Format::Text => terminal::print(&session.said),
        Format::Json | Format::StreamJson => terminal::print(&result(session, end).to_string()),
    }
    u8::from(end != End::Stopped)
}

fn init(session: &Session) -> Value {
    let args = &session.setup.args;
    json!({
        "type": "system", "subtype": "init", "session_id": session.id, "cwd": session.setup.cwd,
        "model": args.model, "permissionMode": args.permission_mode.name(),
        "tools": ["Edit", "Write", "Bash"], "mcp_servers": [],
    })
}

/// `subtype` says success also after a failure, as the CLI's does.
fn result(session: &Session, end: End) -> Value {
    let status = match end {
        End::Stopped => None,
        End::Failed(fault) => Some(fault.status()),
    };
    let passed = u64::try_from(session.used.since.elapsed().as_millis()).unwrap_or(u64::MAX);
    json!({
        "type": "result",
        "subtype": "success",
        "is_error": status.is_some(),
        "api_error_status": status,
        "duration_ms": passed,
        "duration_api_ms": 0,
        "num_turns": session.used.requests,
        "result": session.said,
        "session_id": session.id,
        "total_cost_usd": session.used.usd,
        "usage": {
            "input_tokens": session.used.total.input_tokens,
            "output_tokens": session.used.total.output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
        "permission_denials": [],
    })
}
