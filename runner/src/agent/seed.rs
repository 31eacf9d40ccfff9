//! What must stand in an agent's own configuration so that its program starts with no question and
//! tells us what it does. The user's settings are neither read nor written.
//!
//! Each part prevents one dialog (seen with version 2.1.197): the theme, the trust in the folder,
//! the approval of an API key, the warning about skipped permissions, the question whether a large session is to be
//! gone on with in short.

use std::{io, path::Path};

use serde_json::{Value, json};

use super::{
    credentials::Credentials,
    desk::{Desk, replace},
};

/// The events we are told.
const EVENTS: [&str; 10] = [
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PermissionRequest",
    "Notification",
    "Stop",
    "StopFailure",
    "PreCompact",
    "SessionEnd",
];
/// The tools of the shared memory, which nobody is asked about.
const MEMORY: &str = "mcp__elf__*";
/// How long a hook may take, in seconds; it needs milliseconds.
const HOOK_SECONDS: u32 = 10;
/// How often the program says what it has used while a turn goes on, in seconds.
const STATUS_SECONDS: u32 = 5;

/// Writes the configuration of an agent that works in this folder. `program` is ours.
///
/// # Errors
/// The disk refuses.
pub fn write(
    desk: &Desk,
    worktree: &Path,
    credentials: &Credentials,
    program: &Path,
) -> io::Result<()> {
    desk.make()?;
    let config = config(worktree, credentials);
    put(&desk.config().join(".claude.json"), &config)?;
    put(&desk.settings(), &settings(desk, program)?)?;
    if let Credentials::Login(login) = credentials {
        login.loan()?.give(desk)?;
    }
    put(&desk.mcp(), &mcp(desk, program)?)
}

/// The shared memory, asked in the seat's name: no key of anybody stands here.
fn mcp(desk: &Desk, program: &Path) -> io::Result<Value> {
    let seat = desk.seat();
    // <data folder>/seats/<job uid>/<attempt>
    let (attempt, job) = (seat.file_name(), seat.parent().and_then(Path::file_name));
    let name = [words(job.map(Path::new))?, words(attempt.map(Path::new))?].join("/");
    let data = words(seat.ancestors().nth(3))?;
    let args = ["mcp", "--seat", &name, "--data-dir", data];
    let elf = json!({"type": "stdio", "command": words(Some(program))?, "args": args});
    Ok(json!({"mcpServers": {"elf": elf}}))
}

fn put(path: &Path, value: &Value) -> io::Result<()> {
    replace(path, &serde_json::to_vec_pretty(value)?)
}

fn config(worktree: &Path, credentials: &Credentials) -> Value {
    let mut config = json!({
        "hasCompletedOnboarding": true,
        "theme": "dark",
        "bypassPermissionsModeAccepted": true,
        "resumeReturnDismissed": true,
        "customApiKeyResponses": {"approved": [], "rejected": []},
        "projects": {},
    });
    if let Some(end) = credentials.key_end() {
        config["customApiKeyResponses"]["approved"] = json!([end]);
    }
    config["projects"][worktree.to_string_lossy().as_ref()] = json!({
        "hasTrustDialogAccepted": true,
        "hasCompletedProjectOnboarding": true,
        "allowedTools": [],
    });
    config
}

fn settings(desk: &Desk, program: &Path) -> io::Result<Value> {
    let hook = command(desk, program, "hook")?;
    let hook = json!([{"hooks": [{"type": "command", "command": hook, "timeout": HOOK_SECONDS}]}]);
    let mut settings = json!({
        "skipDangerousModePermissionPrompt": true,
        "hooks": {},
        "permissions": {"allow": [MEMORY]},
        "statusLine": {
            "type": "command",
            "command": command(desk, program, "statusline")?,
            "refreshInterval": STATUS_SECONDS,
        },
    });
    for event in EVENTS {
        settings["hooks"][event] = hook.clone();
    }
    Ok(settings)
}

/// The program runs this by a shell: every word that is a path is quoted.
fn command(desk: &Desk, program: &Path, word: &str) -> io::Result<String> {
    let (program, seat) = (quoted(program)?, quoted(desk.seat())?);
    Ok(format!("{program} {word} {seat} {}", desk.number))
}

/// A path as one word of a POSIX shell.
///
/// # Errors
/// It is not UTF-8, which no configuration file could hold.
pub fn quoted(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or_else(not_utf8)?;
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

fn words(path: Option<&Path>) -> io::Result<&str> {
    path.and_then(Path::to_str).ok_or_else(not_utf8)
}

fn not_utf8() -> io::Error {
    let text = "the data folder's path is not UTF-8";
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_a_shell_whatever_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a b;$(touch x)'`\"\\");
        std::fs::create_dir(&odd).unwrap();
        let script = format!("cd {} && pwd -P", quoted(&odd).unwrap());
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        let there = String::from_utf8(output.stdout).unwrap();
        assert_eq!(Path::new(there.trim_end()), odd.canonicalize().unwrap());
    }

    #[test]
    fn every_dialog_at_the_start_is_answered_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::new(&folder.path().join("seats/job/2"), 1);
        let end = "01234567890123456789".to_owned();
        let key = Credentials::Key {
            file: "/k".into(),
            end: end.clone(),
        };
        write(
            &desk,
            Path::new("/w/agent-1"),
            &key,
            Path::new("/bin/sandbox"),
        )
        .unwrap();
        let read = |path: &Path| -> Value {
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
        };
        let config = read(&desk.config().join(".claude.json"));
        assert_eq!(config["hasCompletedOnboarding"], true);
        assert_eq!(
            config["projects"]["/w/agent-1"]["hasTrustDialogAccepted"],
            true
        );
        assert_eq!(config["customApiKeyResponses"]["approved"][0], end.as_str());
        let settings = read(&desk.settings());
        assert_eq!(settings["skipDangerousModePermissionPrompt"], true);
        let mcp = read(&desk.mcp());
        let elf = &mcp["mcpServers"]["elf"];
        assert_eq!(elf["command"], "/bin/sandbox");
        assert_eq!(elf["args"][2], "job/2");
        assert_eq!(elf["args"][4], folder.path().to_str().unwrap());
        assert_eq!(settings["permissions"]["allow"], json!(["mcp__elf__*"]));
        let stop = &settings["hooks"]["Stop"][0]["hooks"][0]["command"];
        assert!(stop.as_str().unwrap().starts_with("'/bin/sandbox' hook '"));
    }
}
