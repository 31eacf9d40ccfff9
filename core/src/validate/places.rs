//! Paths of a spec: each names something beneath the tenant's root, so none is absolute and none
//! has `..`. Whether something stands there is not asked.

use std::path::{Component, Path};

use super::Invalid;
use crate::spec::AgentJobSpec;

/// Every path of the spec that does not stay beneath the tenant's root.
pub(super) fn leading_out(spec: &AgentJobSpec) -> Vec<Invalid> {
    let wrong = paths(spec).into_iter();
    let wrong = wrong.filter_map(|(field, path)| Some((field, outside(path)?)));
    let told = |why: &str| format!("{why}: it is read beneath the tenant's root");
    wrong
        .map(|(field, why)| Invalid::new(format!("spec.{field}"), told(why)))
        .collect()
}

/// Why a path does not name something beneath a folder.
fn outside(text: &str) -> Option<&'static str> {
    let path = Path::new(text);
    if text.is_empty() || text.contains('\0') || path.is_absolute() {
        return Some("must be relative");
    }
    let leaves = |part| !matches!(part, Component::Normal(_) | Component::CurDir);
    path.components()
        .any(leaves)
        .then_some("must not contain ..")
}

fn paths(spec: &AgentJobSpec) -> Vec<(String, &str)> {
    let farm = spec.agent_farm.as_ref();
    let dbt = spec.dbt_run.as_ref();
    let work = spec.analytics.as_ref();
    let named = [
        (
            "agentFarm.workspace.path",
            farm.and_then(|f| f.workspace.path.as_ref()),
        ),
        (
            "agentFarm.promptFile",
            farm.and_then(|f| f.prompt_file.as_ref()),
        ),
        ("dbtRun.projectPath", dbt.map(|d| &d.project_path)),
        (
            "dbtRun.profilesDir",
            dbt.and_then(|d| d.profiles_dir.as_ref()),
        ),
        ("analytics.repo", work.map(|w| &w.repo)),
    ];
    let named = named
        .into_iter()
        .filter_map(|(field, path)| Some((field.to_owned(), path?.as_str())));
    let files = work.map_or(&[][..], |w| &w.files_to_read);
    let files = files.iter().enumerate();
    let files = files.map(|(n, path)| (format!("analytics.filesToRead[{n}]"), path.as_str()));
    named.chain(files).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_path_that_leads_out_of_the_tenants_root_is_refused_at_every_door() {
        let refusal = |path: &str| {
            let spec = json!({"type": "dbt_run", "dbtRun": {"projectPath": path}});
            let job = json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": spec});
            super::super::parse(job).map_or_else(|e| e.to_string(), |_| String::new())
        };
        let told = |why: &str| {
            format!("spec.dbtRun.projectPath: {why}: it is read beneath the tenant's root")
        };
        assert_eq!(refusal("../x"), told("must not contain .."));
        assert_eq!(refusal("a/../../b"), told("must not contain .."));
        assert_eq!(refusal("/etc"), told("must be relative"));
        assert_eq!(refusal("./a/b"), "");
    }
}
