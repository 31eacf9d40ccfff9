//! What the old API calls a field of the spec, so that an error names what the client wrote.

use sandbox_core::validate::Invalid;

const NAMES: &[(&str, &str)] = &[
    ("spec.echo.", ""),
    ("spec.claudeChat.maxTokens", "max_tokens"),
    ("spec.claudeChat.filesToRead", "files_to_read"),
    ("spec.claudeChat.project", "path"),
    ("spec.claudeChat.", ""),
    ("spec.analytics.maxTokens", "max_tokens"),
    ("spec.analytics.filesToRead", "files_to_read"),
    ("spec.analytics.", ""),
    ("spec.agentFarm.workspace.git.url", "repo_url"),
    ("spec.agentFarm.workspace.git.ref", "branch"),
    ("spec.agentFarm.workspace.path", "path"),
    ("spec.agentFarm.agents", "agent_count"),
    ("spec.agentFarm.promptFile", "prompt_file"),
    ("spec.agentFarm.", ""),
    ("spec.dbtRun.projectPath", "dbt_project_path"),
    ("spec.dbtRun.profilesDir", "profiles_dir"),
    ("spec.dbtRun.fullRefresh", "full_refresh"),
    ("spec.dbtRun.failFast", "fail_fast"),
    ("spec.dbtRun.", ""),
    ("spec.elf.domain", "domain"),
];

/// The same errors under the names of the payload.
pub(crate) fn old_names(found: Vec<Invalid>) -> Vec<Invalid> {
    found.into_iter().map(old_name).collect()
}

fn old_name(found: Invalid) -> Invalid {
    let field = found.field.trim_start_matches('.');
    let known = NAMES.iter().find(|(ours, _)| field.starts_with(ours));
    let field = match known {
        Some((ours, old)) => format!("payload.{old}{}", &field[ours.len()..]),
        None => field.to_owned(),
    };
    Invalid { field, ..found }
}
