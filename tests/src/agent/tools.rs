//! The tools Edit, Write and Bash, each between its hooks.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    path::{Component, Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;

use super::{
    desk::At,
    permission::{self, Permission},
    scenario::Cost,
    session::Session,
    terminal,
};

/// What a tool is asked.
struct Request {
    id: String,
    name: &'static str,
    input: Value,
    /// Its command or its path, which permissions look at.
    subject: String,
}

impl Request {
    fn new(name: &'static str, subject: &str, input: Value) -> Self {
        let id = format!("toolu_{}", Uuid::new_v4().simple());
        Self {
            id,
            name,
            input,
            subject: subject.to_owned(),
        }
    }

    fn fields(&self) -> Value {
        json!({"tool_name": self.name, "tool_input": self.input, "tool_use_id": self.id})
    }
}

/// What came of a tool: the text for the model, and with success what hooks are told.
type Outcome = Result<(String, Value), String>;

impl Session {
    /// Replaces a text that stands in a file once.
    pub(super) async fn edit(&mut self, path: &str, find: &str, replace: &str) {
        let full = self.setup.cwd.join(path);
        let input = json!({
            "file_path": full, "old_string": find, "new_string": replace, "replace_all": false,
        });
        let request = Request::new("Edit", path, input);
        if self.may(&request).await {
            let done = beneath(&self.setup.cwd, path).and_then(|at| edit(&at, find, replace));
            self.count(done.is_ok(), replace, find);
            self.finish(&request, done, Instant::now()).await;
        }
    }

    /// Writes a whole file.
    pub(super) async fn write(&mut self, path: &str, content: &str) {
        let input = json!({"file_path": self.setup.cwd.join(path), "content": content});
        let request = Request::new("Write", path, input);
        if self.may(&request).await {
            let done = beneath(&self.setup.cwd, path).and_then(|at| write(&at, content));
            self.count(done.is_ok(), content, "");
            self.finish(&request, done, Instant::now()).await;
        }
    }

    /// Runs a command in the working directory.
    pub(super) async fn bash(&mut self, command: &str) {
        let input = json!({"command": command, "description": "A step of the scenario"});
        let request = Request::new("Bash", command, input);
        if self.may(&request).await {
            let begun = Instant::now();
            let done = run(self.shell(command)).await;
            self.finish(&request, done, begun).await;
        }
    }

    /// Starts a child in the background that outlives the agent. No hook hears of it.
    pub(super) fn spawn(&self, command: &str) {
        let mut shell = self.shell(command);
        let silent = shell.stdout(Stdio::null()).stderr(Stdio::null());
        if let Err(why) = silent.spawn() {
            terminal::say(&format!("  ⎿  Error: {why}"));
        }
    }

    /// In a process group of its own, so that the terminal's signals pass it by.
    fn shell(&self, command: &str) -> Command {
        let bash = Path::new("/bin/bash");
        let mut shell = Command::new(if bash.exists() { "bash" } else { "sh" });
        shell
            .args(["-c", command])
            .current_dir(&self.setup.cwd)
            .env("CLAUDECODE", "1")
            .env("CLAUDE_CODE_ENTRYPOINT", "cli")
            .env("CLAUDE_CODE_SESSION_ID", self.id.to_string())
            .stdin(Stdio::null())
            .process_group(0);
        shell
    }

    /// Whether a tool runs; a refusal is its result.
    async fn may(&mut self, request: &Request) -> bool {
        self.flush();
        self.used.requests += 1;
        let block = json!([{
            "type": "tool_use", "id": request.id, "name": request.name, "input": request.input,
        }]);
        self.transcript
            .assistant(&self.setup.args.model, &block, Cost::default());
        terminal::say(&format!("● {}({})", request.name, request.subject));
        self.desk.set(At::Tool);
        let denied = self.fire("PreToolUse", request.fields()).await.blocked;
        let refused = match denied {
            Some(reason) => Some(reason),
            None => self.not_permitted(request).await,
        };
        if let Some(reason) = &refused {
            self.result(request, reason, true);
        }
        refused.is_none()
    }

    /// Why the permissions keep a tool from running.
    async fn not_permitted(&mut self, request: &Request) -> Option<String> {
        let name = request.name;
        match permission::of(&self.setup.args, name, &request.subject) {
            Permission::Granted => None,
            Permission::Refused => Some(format!("Permission to use {name} has been denied.")),
            Permission::Asked => {
                let verdict = self.fire("PermissionRequest", request.fields()).await;
                let question = format!("Do you want to use {name}({})?", request.subject);
                let allowed = verdict.allowed || self.permitted(&question).await;
                self.desk.set(At::Tool);
                (!allowed).then(|| "The user doesn't want to take this action.".to_owned())
            }
        }
    }

    async fn finish(&mut self, request: &Request, outcome: Outcome, begun: Instant) {
        let mut fields = request.fields();
        let passed = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        fields["duration_ms"] = json!(passed);
        match outcome {
            Ok((text, response)) => {
                fields["tool_response"] = response;
                self.fire("PostToolUse", fields).await;
                self.result(request, &text, false);
            }
            Err(text) => {
                fields["error"] = json!(text);
                fields["is_interrupt"] = json!(false);
                self.fire("PostToolUseFailure", fields).await;
                self.result(request, &text, true);
            }
        }
    }

    /// Shows and records a result, with the prompts that came meanwhile.
    fn result(&mut self, request: &Request, text: &str, is_error: bool) {
        let mark = if is_error { "Error: " } else { "" };
        terminal::say(&format!("  ⎿  {mark}{text}"));
        self.transcript.tool_result(&request.id, text, is_error);
        self.desk.set(At::Text);
        for prompt in self.desk.take_folded() {
            self.transcript.folded(&prompt);
        }
    }

    fn count(&mut self, changed: bool, added: &str, removed: &str) {
        if changed {
            self.used.lines_added += added.lines().count() as u64;
            self.used.lines_removed += removed.lines().count() as u64;
        }
    }
}

/// A path beneath the working directory, also when links lead elsewhere.
fn beneath(cwd: &Path, path: &str) -> Result<PathBuf, String> {
    let outside = || format!("{path} is not beneath the working directory");
    let normal = |c: Component| matches!(c, Component::Normal(_) | Component::CurDir);
    if !Path::new(path).components().all(normal) {
        return Err(outside());
    }
    let full = cwd.join(path);
    let there = full.ancestors().find_map(|a| a.canonicalize().ok());
    let root = cwd.canonicalize().map_err(|e| e.to_string())?;
    let inside = there.is_some_and(|t| t.starts_with(root));
    if inside { Ok(full) } else { Err(outside()) }
}

fn edit(path: &Path, find: &str, replace: &str) -> Outcome {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    match text.matches(find).count() {
        1 => {}
        0 => return Err("String to replace not found in file.".to_owned()),
        n => return Err(format!("Found {n} matches of the string to replace.")),
    }
    let new = text.replacen(find, replace, 1);
    fs::write(path, new).map_err(|e| e.to_string())?;
    let response = json!({
        "filePath": path, "oldString": find, "newString": replace, "originalFile": text,
        "structuredPatch": [], "userModified": false, "replaceAll": false,
    });
    Ok((
        format!("The file {} has been updated.", path.display()),
        response,
    ))
}

fn write(path: &Path, content: &str) -> Outcome {
    let original = fs::read_to_string(path).ok();
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| fs::write(path, content))
        .map_err(|e| e.to_string())?;
    let kind = if original.is_some() {
        "update"
    } else {
        "create"
    };
    let response = json!({
        "type": kind, "filePath": path, "content": content, "structuredPatch": [],
        "originalFile": original, "userModified": false,
    });
    Ok((format!("File written: {}", path.display()), response))
}

/// Runs a command to its end. Its output goes through a file, so that a child which it leaves in
/// the background does not hold the turn up.
async fn run(mut shell: Command) -> Outcome {
    let ran = async {
        let output = tempfile::tempfile()?;
        shell
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?);
        let status = shell.kill_on_drop(true).spawn()?.wait().await?;
        io::Result::Ok((status, text_of(output)?))
    };
    let (status, text) = ran.await.map_err(|e| e.to_string())?;
    match status.code() {
        Some(0) => {
            let response = json!({"stdout": text, "stderr": "", "interrupted": false});
            Ok((text, response))
        }
        Some(code) => Err(format!("Exit code {code}\n{text}").trim_end().to_owned()),
        None => Err(format!("{status}\n{text}").trim_end().to_owned()),
    }
}

fn text_of(mut file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_must_stay_beneath_the_working_directory() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", root.path().join("out")).unwrap();
        assert!(beneath(root.path(), "a/b.txt").is_ok());
        for path in ["/etc/passwd", "../x", "a/../../x", "out/etc/passwd"] {
            assert!(beneath(root.path(), path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_text_that_stands_twice_is_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        fs::write(&path, "one one").unwrap();
        assert!(edit(&path, "one", "two").is_err());
        assert!(edit(&path, "three", "two").is_err());
        assert!(edit(&path, "one o", "two o").is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two one");
    }
}
