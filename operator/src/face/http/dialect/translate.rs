//! From a payload of the old API to a spec: which key means what, per job type. Decides nothing
//! about bounds; those are the schema's, checked afterwards at the one door.

mod dbt;
mod names;

use sandbox_core::JobType;
use serde_json::{Map, Value, json};

pub(crate) use names::old_names;

use super::reader::{Reader, Roots};
use crate::face::http::problem::{Problem, Told};

/// What agents are told when nobody says what to do, as the README's own examples do not.
const DEFAULT_TASK: &str = "Look this repository over, find faults that its build, its tests or its linters show, and fix them. \
     Keep each change small, check it, and commit it with a message that says why.";

/// Keys that steered the old orchestrator's screen and timing; nothing is there to be steered.
const OBSOLETE: &[&str] = &[
    "session",
    "wait_after_cc",
    "check_interval",
    "skip_regenerate",
    "skip_commit",
    "auto_restart",
    "no_monitor",
    "config",
    "context_threshold",
    "idle_timeout",
    "max_errors",
    "tmux_kill_on_exit",
    "tmux_mouse",
    "fast_start",
    "full_backup",
    "min_run_time",
    "commit_every",
    "attach",
    "output_files",
];

/// A submission in our own words.
pub struct Translated {
    /// What is asked, as an `AgentJob` has it.
    pub spec: Value,
    /// The payload as it was sent, as JSON text.
    pub payload: String,
    /// What was accepted and has no meaning, or another than it seems.
    pub warnings: Vec<String>,
}

/// Reads `{job_type, payload}`.
///
/// # Errors
/// 422 with every key that is missing, of the wrong type or refused.
pub fn translate(mut body: Map<String, Value>, roots: Roots<'_>) -> Told<Translated> {
    let job_type = job_type(body.shift_remove("job_type").as_ref())?;
    let payload = match body.shift_remove("payload") {
        Some(Value::Object(payload)) => payload,
        Some(_) => return Err(field("payload", "must be an object")),
        None => return Err(field("payload", "is required")),
    };
    let text = serde_json::to_string(&payload).unwrap_or_default();
    let mut reader = Reader::new(payload, roots);
    let spec = spec(job_type, &mut reader);
    tell_left(&mut reader);
    let more = body
        .keys()
        .map(|key| format!("{key} is not known and was ignored"));
    reader.warnings.extend(more);
    if !reader.wrong.is_empty() {
        return Err(Problem::fields(reader.wrong));
    }
    Ok(Translated {
        spec,
        payload: text,
        warnings: reader.warnings,
    })
}

fn field(name: &str, message: &str) -> Problem {
    Problem::fields(vec![sandbox_core::validate::Invalid::new(name, message)])
}

fn job_type(sent: Option<&Value>) -> Told<JobType> {
    let word = match sent {
        Some(Value::String(word)) => word,
        Some(_) => return Err(field("job_type", "must be a text")),
        None => return Err(field("job_type", "is required")),
    };
    JobType::from_word(word).ok_or_else(|| {
        let known = JobType::ALL.map(JobType::word).join(", ");
        let seen: String = word.chars().take(64).collect();
        field(
            "job_type",
            &format!("{seen:?} is not known; known are {known}"),
        )
    })
}

/// The spec as JSON: what is not named gets the schema's own default.
fn spec(job_type: JobType, from: &mut Reader<'_>) -> Value {
    let work = match job_type {
        JobType::Echo => echo(from),
        JobType::ClaudeChat => claude_chat(from),
        JobType::Analytics => analytics(from),
        JobType::AgentFarm => agent_farm(from),
        JobType::DbtRun => dbt::dbt_run(from),
    };
    let mut spec = json!({"type": job_type, "elf": elf(from)});
    spec[job_type.member()] = work;
    without_nulls(spec)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, v)| !v.is_null());
            kept.map(|(k, v)| (k, without_nulls(v))).collect()
        }
        other => other,
    }
}

fn echo(from: &mut Reader<'_>) -> Value {
    json!({"message": from.text("message"), "delay": from.seconds("delay")})
}

fn claude_chat(from: &mut Reader<'_>) -> Value {
    let repo = from.text("repo");
    json!({
        "prompt": from.needed("prompt"),
        "system": from.text("system"),
        "maxTokens": from.whole("max_tokens"),
        "model": from.text("model"),
        "filesToRead": from.texts("files_to_read"),
        "project": from.text("path").or(repo),
    })
}

fn analytics(from: &mut Reader<'_>) -> Value {
    if !from.has("repo") {
        from.fail("repo", "is required");
    }
    json!({
        "task": from.needed("task"),
        "repo": from.path("repo"),
        "filesToRead": from.texts("files_to_read"),
        "maxTokens": from.whole("max_tokens"),
        "model": from.text("model"),
    })
}

fn agent_farm(from: &mut Reader<'_>) -> Value {
    if from.take("claude_cmd").is_some() {
        let text = "is not accepted: the server's configuration says which program agents are";
        from.fail("claude_cmd", text);
    }
    json!({
        "task": from.text("task").unwrap_or_else(|| DEFAULT_TASK.to_owned()),
        "agents": from.whole("agent_count"),
        "stack": from.text("stack"),
        "workspace": workspace(from),
        "promptFile": from.text("prompt_file"),
        "model": from.text("model"),
        "stagger": from.seconds("stagger"),
    })
}

/// A path wins over a repository, as it did.
fn workspace(from: &mut Reader<'_>) -> Value {
    let (url, branch) = (from.text("repo_url"), from.text("branch"));
    if from.has("path") {
        if url.is_some() || branch.is_some() {
            let text = "payload.repo_url and payload.branch were ignored: payload.path wins";
            from.warnings.push(text.to_owned());
        }
        return json!({"path": from.path("path")});
    }
    if url.is_none() {
        from.fail("repo_url", "is required unless path is given");
    }
    json!({"git": {"url": url, "ref": branch}})
}

fn elf(from: &mut Reader<'_>) -> Value {
    match (from.flag("inject_elf_context"), from.text("domain")) {
        (None, None) => Value::Null,
        (inject, domain) => json!({"inject": inject, "domain": domain}),
    }
}

fn tell_left(from: &mut Reader<'_>) {
    let left: Vec<String> = from.left().cloned().collect();
    for key in left {
        let text = if OBSOLETE.contains(&key.as_str()) {
            "has no meaning any more and was ignored"
        } else {
            "is not known and was ignored"
        };
        from.warnings.push(format!("payload.{key} {text}"));
    }
}
