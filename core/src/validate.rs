//! One door for what is asked: its shape and bounds, then the CEL rules of the CRD.
//!
//! Both are the CRD's own, so that every door and the API server say the same of one manifest.

mod definition;
mod invalid;
mod shape;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use invalid::{Class, Invalid, Problems};

use crate::{host::RunnerHost, job::AgentJob, spec::RetrySpec};
use definition::{HOSTS, JOBS};

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
    JOBS.examine(&mut value)?;
    read(value)
}

/// Reads a remote host from JSON and checks all of it.
///
/// # Errors
/// As [`parse`].
pub fn parse_host(mut value: Value) -> Result<RunnerHost, Problems> {
    HOSTS.examine(&mut value)?;
    read(value)
}

/// A value that passed: `kube`'s own reader of times panics at some that the rules refuse.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problems> {
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e.path().to_string();
        let text = e.into_inner().to_string();
        Problems(vec![Invalid::of(Class::Type, path, text)])
    })
}

/// Checks bounds and CEL rules.
///
/// # Errors
/// Every field that is wrong, with its path.
pub fn check(job: &AgentJob) -> Result<(), Problems> {
    JOBS.check(&spec(job), None)
}

/// Checks a changed job against the one that stands.
///
/// # Errors
/// Every field that is wrong or may not be changed, with its path.
pub fn check_update(new: &AgentJob, old: &AgentJob) -> Result<(), Problems> {
    JOBS.check(&spec(new), Some(&spec(old)))
}

fn spec(job: &AgentJob) -> Value {
    serde_json::to_value(&job.spec).unwrap_or_default()
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
