//! One door for what is asked: its shape and bounds, then the CEL rules of the CRD.
//!
//! Both are the CRD's own, so that every door and the API server say the same of one manifest.

mod invalid;
mod shape;

use std::sync::LazyLock;

use kube::core::cel::{Validator, compile_schema};
use serde_json::{Value, json};

pub use invalid::{Class, Invalid, Problems};

use crate::{
    crd,
    job::{AgentJob, is_label},
    spec::RetrySpec,
};

const API_VERSION: &str = "multiagent.dev/v1alpha1";
const KIND: &str = "AgentJob";

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
/// Every field that is wrong, with its path; broken rules only where the shape is right.
pub fn parse(mut value: Value) -> Result<AgentJob, Problems> {
    verdict(shape(&mut value))?;
    verdict(rules(&value["spec"], None))?;
    read(value)
}

/// A value that passed: `kube`'s own reader of times panics at some that the rules refuse.
fn read(value: Value) -> Result<AgentJob, Problems> {
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e.path().to_string();
        let text = e.into_inner().to_string();
        Problems(vec![Invalid::of(Class::Type, path, text)])
    })
}

struct Rules {
    schema: Value,
    compiled: kube::core::cel::CompiledSchema,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let schema = crd::schema(&crd::agent_jobs());
    let compiled = compile_schema(&schema);
    Rules { schema, compiled }
});

/// Checks bounds and CEL rules.
///
/// # Errors
/// Every field that is wrong, with its path.
pub fn check(job: &AgentJob) -> Result<(), Problems> {
    bounds_and_rules(job, None)
}

/// Checks a changed job against the one that stands.
///
/// # Errors
/// Every field that is wrong or may not be changed, with its path.
pub fn check_update(new: &AgentJob, old: &AgentJob) -> Result<(), Problems> {
    bounds_and_rules(new, Some(old))
}

fn bounds_and_rules(job: &AgentJob, old: Option<&AgentJob>) -> Result<(), Problems> {
    let spec = |job: &AgentJob| serde_json::to_value(&job.spec).unwrap_or_default();
    let (spec, old) = (spec(job), old.map(spec));
    let mut found = Vec::new();
    walk(&spec, &mut found);
    verdict(found)?;
    verdict(rules(&spec, old.as_ref()))
}

fn walk(spec: &Value, found: &mut Vec<Invalid>) {
    shape::Walk { found }.value(&RULES.schema["properties"]["spec"], spec, "spec");
}

/// What is wrong with the shape of what people write of a job. Takes away nulls.
fn shape(job: &mut Value) -> Vec<Invalid> {
    let mut found = Vec::new();
    let Some(members) = job.as_object() else {
        return vec![Invalid::of(Class::Type, "", "must be an object")];
    };
    for (key, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        if members.get(key).and_then(Value::as_str) != Some(wanted) {
            found.push(Invalid::of(Class::Choice, key, format!("must be {wanted}")));
        }
    }
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    let others = members.keys().filter(|k| !known.contains(&k.as_str()));
    let message = format!("there is no such field; there are {}", known.join(", "));
    found.extend(others.map(|key| Invalid::of(Class::Unknown, key, message.clone())));
    let name = job["metadata"]["name"].as_str();
    if name.is_some_and(|n| !is_name(n)) {
        let rule = "must be labels of a-z, 0-9 and - with . between them, 253 characters at most";
        found.push(Invalid::of(Class::Bound, "metadata.name", rule));
    }
    match job.get_mut("spec") {
        None | Some(Value::Null) => found.push(Invalid::of(Class::Required, "spec", "is required")),
        Some(spec) => {
            shape::without_nulls(&RULES.schema["properties"]["spec"], spec);
            walk(spec, &mut found);
        }
    }
    found
}

/// What Kubernetes allows as the name of an object; it becomes part of a branch's name.
fn is_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// The rules that a spec breaks. The status is the reconciler's own and not checked.
fn rules(spec: &Value, old: Option<&Value>) -> Vec<Invalid> {
    let whole = |spec: &Value| json!({"apiVersion": API_VERSION, "kind": KIND, "spec": spec});
    let (new, old) = (whole(spec), old.map(whole));
    let seen = Validator::new().validate_compiled(&RULES.compiled, &new, old.as_ref());
    let broken = seen
        .err()
        .map(kube::core::cel::ValidationErrors::into_vec)
        .unwrap_or_default();
    let broken = broken.into_iter();
    broken
        .map(|e| Invalid::new(e.field_path, e.message))
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
        assert!(found.len() >= 40, "{found:?}");
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

    #[test]
    fn a_path_that_leads_out_of_the_tenants_root_is_refused_at_every_door() {
        let refusal =
            |path: &str| refusal(&json!({"type": "dbt_run", "dbtRun": {"projectPath": path}}));
        let told = |why: &str| {
            format!("spec.dbtRun.projectPath: {why}: it is read beneath the tenant's root")
        };
        assert_eq!(refusal("../x"), told("must not contain .."));
        assert_eq!(refusal("a/../../b"), told("must not contain .."));
        assert_eq!(refusal("a/.."), told("must not contain .."));
        assert_eq!(refusal("/etc"), told("must be relative"));
        assert_eq!(refusal("a\0b"), told("must be relative"));
        assert_eq!(refusal("./a/..b/c.."), "accepted");
    }

    #[test]
    fn a_time_that_is_none_or_larger_than_any_clock_is_refused_in_words_and_panics_nothing() {
        for delay in [
            "5",
            "soon",
            "1h-5m",
            "--5s",
            "-5s",
            "99999999999999999999h",
            "1e99s",
            "5m1h",
            "",
            "5us",
        ] {
            let text = refusal(&json!({"type": "echo", "echo": {"delay": delay}}));
            let told = "spec.echo.delay: delay must be at most 24h, like 90s, 30m or 2h";
            assert!(
                text.starts_with(told) || text.contains("characters"),
                "{delay}: {text}"
            );
        }
        for delay in ["90s", "1h30m", "1.5h", "0s", "250ms"] {
            assert_eq!(
                refusal(&json!({"type": "echo", "echo": {"delay": delay}})),
                "accepted",
                "{delay}"
            );
        }
    }

    #[test]
    fn a_null_is_a_field_that_is_left_out() {
        let spec =
            json!({"type": "echo", "echo": {"delay": null}, "dbtRun": null, "priority": null});
        assert_eq!(refusal(&spec), "accepted");
        let spec =
            json!({"type": "agent_farm", "agentFarm": {"task": null, "workspace": {"path": "p"}}});
        assert_eq!(refusal(&spec), "spec.agentFarm.task: is required");
    }

    #[test]
    fn all_that_is_wrong_with_the_shape_is_said_at_once() {
        let spec = json!({"type": "ecko", "echo": {"mesage": 1, "message": 2}, "priority": 2000});
        let said = parse(job(&spec)).unwrap_err().0;
        let said: Vec<_> = said.iter().map(|i| (i.field.as_str(), i.class)).collect();
        let wanted = [
            ("spec.type", Class::Choice),
            ("spec.echo.mesage", Class::Unknown),
            ("spec.echo.message", Class::Type),
            ("spec.priority", Class::Bound),
        ];
        assert_eq!(said, wanted);
    }
}
