//! One door for what is asked: shape, then bounds and CEL rules of the CRD, then paths, then what is
//! not obeyed yet.
//!
//! The rules are the CRD's own, compiled once, so that every door and the API server say the same.

mod places;

use std::{fmt, sync::LazyLock};

use kube::{
    CustomResourceExt,
    core::cel::{Validator, compile_schema},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    job::AgentJob,
    spec::{BackendName, RetrySpec},
};

/// Something wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invalid {
    /// The path of the field, such as `spec.echo.delay`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Invalid {
    /// Something wrong with this field.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Everything wrong with a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Problems(pub Vec<Invalid>);

fn verdict(found: Vec<Invalid>) -> Result<(), Problems> {
    if found.is_empty() {
        Ok(())
    } else {
        Err(Problems(found))
    }
}

/// Reads a job from JSON and checks all of it.
///
/// # Errors
/// Every field that is wrong, with its path.
pub fn parse(value: Value) -> Result<AgentJob, Problems> {
    let job = typed(value)?;
    check(&job)?;
    Ok(job)
}

/// Reads a job from JSON; says where its shape is wrong.
///
/// # Errors
/// The first field of the wrong type, unknown, or missing.
pub fn typed(value: Value) -> Result<AgentJob, Problems> {
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e.path().to_string();
        let text = e.into_inner().to_string();
        Problems(vec![Invalid::new(path, text)])
    })
}

struct Rules {
    schema: Value,
    compiled: kube::core::cel::CompiledSchema,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let crd = AgentJob::crd();
    let version = crd.spec.versions.into_iter().next();
    let schema = version
        .and_then(|v| v.schema)
        .and_then(|s| s.open_api_v3_schema);
    let schema = serde_json::to_value(schema).unwrap_or_default();
    let compiled = compile_schema(&schema);
    Rules { schema, compiled }
});

/// Checks bounds, CEL rules and what is not obeyed yet.
///
/// # Errors
/// Every field that is wrong, with its path.
pub fn check(job: &AgentJob) -> Result<(), Problems> {
    let mut found = bounds_and_rules(job, None);
    found.extend(places::leading_out(&job.spec));
    found.extend(not_supported(job));
    verdict(found)
}

/// Checks a changed job against the one that stands.
///
/// # Errors
/// Every field that is wrong or may not be changed, with its path.
pub fn check_update(new: &AgentJob, old: &AgentJob) -> Result<(), Problems> {
    let mut found = bounds_and_rules(new, Some(old));
    found.extend(places::leading_out(&new.spec));
    found.extend(not_supported(new));
    verdict(found)
}

fn bounds_and_rules(job: &AgentJob, old: Option<&AgentJob>) -> Vec<Invalid> {
    let object = as_asked(job);
    let old = old.map(as_asked);
    let mut found = Vec::new();
    let spec = (&RULES.schema["properties"]["spec"], &object["spec"]);
    bounds(spec.0, spec.1, "spec", &mut found);
    let seen = Validator::new().validate_compiled(&RULES.compiled, &object, old.as_ref());
    if let Err(errors) = seen {
        let errors = errors.into_vec();
        found.extend(
            errors
                .into_iter()
                .map(|e| Invalid::new(e.field_path, e.message)),
        );
    }
    found
}

/// The part of a job that people write: a status is the reconciler's own and not checked.
fn as_asked(job: &AgentJob) -> Value {
    let spec = serde_json::to_value(&job.spec).unwrap_or_default();
    serde_json::json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "spec": spec})
}

/// Walks schema and value together; the API server checks the same bounds on its own.
fn bounds(schema: &Value, value: &Value, path: &str, found: &mut Vec<Invalid>) {
    let limit = |key: &str| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
    match value {
        Value::String(text) => {
            size(
                "characters",
                text.chars().count(),
                (limit("minLength"), limit("maxLength")),
                path,
                found,
            );
        }
        Value::Array(items) => {
            size(
                "items",
                items.len(),
                (limit("minItems"), limit("maxItems")),
                path,
                found,
            );
            for (i, item) in items.iter().enumerate() {
                bounds(&schema["items"], item, &format!("{path}[{i}]"), found);
            }
        }
        Value::Object(members) => {
            size(
                "entries",
                members.len(),
                (limit("minProperties"), limit("maxProperties")),
                path,
                found,
            );
            for (key, member) in members {
                let inner = &schema["properties"][key];
                let inner = if inner.is_null() {
                    &schema["additionalProperties"]
                } else {
                    inner
                };
                bounds(inner, member, &format!("{path}.{key}"), found);
            }
        }
        Value::Number(number) => range(schema, number.as_f64(), path, found),
        Value::Null | Value::Bool(_) => {}
    }
}

fn size(
    what: &str,
    seen: usize,
    (min, max): (Option<usize>, Option<usize>),
    path: &str,
    found: &mut Vec<Invalid>,
) {
    if let Some(min) = min.filter(|min| seen < *min) {
        found.push(Invalid::new(
            path,
            format!("has {seen} {what}; at least {min} are needed"),
        ));
    }
    if let Some(max) = max.filter(|max| seen > *max) {
        found.push(Invalid::new(
            path,
            format!("has {seen} {what}; at most {max} are allowed"),
        ));
    }
}

fn range(schema: &Value, seen: Option<f64>, path: &str, found: &mut Vec<Invalid>) {
    let Some(seen) = seen else { return };
    if let Some(min) = schema["minimum"].as_f64().filter(|min| seen < *min) {
        found.push(Invalid::new(
            path,
            format!("is {seen}; at least {min} is needed"),
        ));
    }
    if let Some(max) = schema["maximum"].as_f64().filter(|max| seen > *max) {
        found.push(Invalid::new(
            path,
            format!("is {seen}; at most {max} is allowed"),
        ));
    }
}

/// Fields that are read but not obeyed yet. They are refused, because a field that is ignored lies.
#[must_use]
pub fn not_supported(job: &AgentJob) -> Vec<Invalid> {
    let spec = &job.spec;
    let backend = spec.backend.as_ref().map(|b| b.name);
    let asked = [
        (
            "spec.queue",
            spec.queue.as_deref().is_some_and(|q| q != "default"),
        ),
        ("spec.dependsOn", !spec.depends_on.is_empty()),
        ("spec.managedBy", spec.managed_by.is_some()),
        (
            "spec.backend.name",
            backend.is_some_and(|b| !matches!(b, BackendName::Vps | BackendName::Container)),
        ),
    ];
    let asked = asked.into_iter().filter(|(_, is)| *is);
    asked
        .map(|(field, _)| Invalid::new(field, "is not supported yet"))
        .collect()
}

/// The retry rules of a job: its own, or the defaults.
#[must_use]
pub fn retry_of(job: &AgentJob) -> RetrySpec {
    job.spec.retry.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(spec: &Value) -> Value {
        json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {}, "spec": spec})
    }

    fn refusal(spec: &Value) -> String {
        parse(job(spec)).map_or_else(|e| e.to_string(), |_| "accepted".to_owned())
    }

    #[test]
    fn every_rule_of_the_crd_compiles() {
        fn rules(node: &Value, found: &mut Vec<String>) {
            if let Some(list) = node["x-kubernetes-validations"].as_array() {
                found.extend(list.iter().map(|r| r["rule"].to_string()));
            }
            match node {
                Value::Object(members) => members.values().for_each(|v| rules(v, found)),
                Value::Array(items) => items.iter().for_each(|v| rules(v, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        rules(&RULES.schema, &mut found);
        assert!(found.len() >= 10, "{found:?}");
        let errors: Vec<String> = RULES
            .compiled
            .compilation_errors()
            .iter()
            .map(|e| format!("{e:?}"))
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
    }

    #[test]
    fn a_plain_job_of_each_type_is_accepted() {
        for spec in [
            json!({"type": "echo", "echo": {"message": "hi"}}),
            json!({"type": "claude_chat", "claudeChat": {"prompt": "hi"}}),
            json!({"type": "analytics", "analytics": {"task": "t", "repo": "r"}}),
            json!({"type": "agent_farm", "agentFarm": {"task": "t", "workspace": {"path": "p"}}}),
            json!({"type": "dbt_run", "dbtRun": {"projectPath": "p"}}),
        ] {
            assert_eq!(refusal(&spec), "accepted");
        }
    }

    #[test]
    fn the_member_must_be_the_one_that_the_type_names() {
        let text = refusal(&json!({"type": "echo", "claudeChat": {"prompt": "x"}}));
        assert!(text.contains("exactly the member"), "{text}");
        let text = refusal(&json!({"type": "echo", "echo": {}, "dbtRun": {"projectPath": "x"}}));
        assert!(text.contains("exactly the member"), "{text}");
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_path() {
        let text = refusal(&json!({"type": "echo", "echo": {"mesage": "hi"}}));
        assert!(
            text.starts_with("spec.echo.mesage") || text.starts_with("spec.echo"),
            "{text}"
        );
        assert!(text.contains("mesage"), "{text}");
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_path() {
        let text = refusal(
            &json!({"type": "agent_farm", "agentFarm": {"task": "t", "agents": "three", "workspace": {"path": "p"}}}),
        );
        assert!(text.starts_with("spec.agentFarm.agents"), "{text}");
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_with_its_path() {
        let text = refusal(
            &json!({"type": "agent_farm", "agentFarm": {"task": "t", "agents": 51, "workspace": {"path": "p"}}}),
        );
        assert_eq!(text, "spec.agentFarm.agents: is 51; at most 50 is allowed");
        let text = refusal(&json!({"type": "echo", "echo": {"message": "x".repeat(65537)}}));
        assert_eq!(
            text,
            "spec.echo.message: has 65537 characters; at most 65536 are allowed"
        );
    }

    #[test]
    fn a_repository_with_a_password_or_an_option_is_refused() {
        for url in [
            "https://me:secret@host/r",
            "--upload-pack=x",
            "ext::sh -c x",
        ] {
            let text = refusal(
                &json!({"type": "agent_farm", "agentFarm": {"task": "t", "workspace": {"git": {"url": url}}}}),
            );
            assert!(text.contains("url must"), "{url}: {text}");
        }
    }

    #[test]
    fn a_deadline_can_only_grow_and_the_work_cannot_change() {
        let make = |deadline: &str, message: &str| {
            parse(job(
                &json!({"type": "echo", "echo": {"message": message}, "deadline": deadline}),
            ))
            .unwrap()
        };
        let old = make("1h", "a");
        assert!(check_update(&make("2h", "a"), &old).is_ok());
        assert!(
            check_update(&make("30m", "a"), &old)
                .unwrap_err()
                .to_string()
                .contains("longer")
        );
        assert!(
            check_update(&make("1h", "b"), &old)
                .unwrap_err()
                .to_string()
                .contains("work itself")
        );
    }

    #[test]
    fn a_field_that_is_not_obeyed_yet_is_refused() {
        let text = refusal(&json!({"type": "echo", "echo": {}, "dependsOn": [{"name": "a"}]}));
        assert_eq!(text, "spec.dependsOn: is not supported yet");
    }
}
