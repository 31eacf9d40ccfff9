//! A payload as the old API would have had it, built from a spec: for jobs that came as `AgentJob`s
//! and for payloads too large to keep twice.

use sandbox_core::{
    AgentJobSpec, JobType,
    spec::{AgentFarmSpec, AnalyticsSpec, ClaudeChatSpec, DbtRunSpec, span},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The payload that would ask for this.
pub fn of_spec(spec: &AgentJobSpec) -> Value {
    let work = match spec.job_type {
        JobType::Echo => spec.echo.as_ref().map(|e| {
            let delay = e.delay.map(|d| span(d).as_secs_f64());
            json!({"message": e.message, "delay": delay})
        }),
        JobType::ClaudeChat => spec.claude_chat.as_ref().map(claude_chat),
        JobType::Analytics => spec.analytics.as_ref().map(analytics),
        JobType::AgentFarm => spec.agent_farm.as_ref().map(agent_farm),
        JobType::DbtRun => spec.dbt_run.as_ref().map(dbt_run),
    };
    let mut payload = match work {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    if let Some(elf) = &spec.elf {
        payload.insert("inject_elf_context".to_owned(), elf.inject.into());
        payload.insert("domain".to_owned(), elf.domain.clone().into());
    }
    payload.retain(|_, value| !value.is_null());
    Value::Object(payload)
}

fn claude_chat(chat: &ClaudeChatSpec) -> Value {
    json!({
        "prompt": chat.prompt,
        "system": chat.system,
        "max_tokens": chat.max_tokens,
        "model": chat.model,
        "path": chat.project,
        "files_to_read": some(&chat.files_to_read),
    })
}

fn analytics(work: &AnalyticsSpec) -> Value {
    json!({
        "task": work.task,
        "repo": work.repo,
        "files_to_read": work.files_to_read,
        "max_tokens": work.max_tokens,
        "model": work.model,
    })
}

fn agent_farm(farm: &AgentFarmSpec) -> Value {
    let git = farm.workspace.git.as_ref();
    json!({
        "task": farm.task,
        "agent_count": farm.agents,
        "path": farm.workspace.path,
        "repo_url": git.map(|g| &g.url),
        "branch": git.map(|g| &g.git_ref),
        "stack": farm.stack,
        "prompt_file": farm.prompt_file,
        "model": farm.model,
        "stagger": farm.stagger.map(|s| span(s).as_secs_f64()),
    })
}

fn dbt_run(dbt: &DbtRunSpec) -> Value {
    json!({
        "dbt_project_path": dbt.project_path,
        "command": dbt.command,
        "target": dbt.target,
        "select": dbt.select,
        "exclude": dbt.exclude,
        "full_refresh": dbt.full_refresh,
        "vars": (!dbt.vars.is_empty()).then_some(&dbt.vars),
        "profiles_dir": dbt.profiles_dir,
        "threads": dbt.threads,
        "fail_fast": dbt.fail_fast,
    })
}

fn some<T: Serialize>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}
