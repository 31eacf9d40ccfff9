//! `AgentJob` as people meet it: by the real kubectl on a real API server.

use serde_json::{Value, json};

use super::world::{World, rows};

fn job(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "multiagent.dev/v1alpha1", "kind": "AgentJob", "metadata": {"name": name}, "spec": spec})
}

fn chat() -> Value {
    json!({"type": "claude_chat", "claudeChat": {"prompt": "hi"}})
}

#[tokio::test]
async fn a_job_that_is_applied_is_shown_by_its_short_name_and_its_category_with_its_columns() {
    let world = World::named("shown").await;
    let status = json!({"status": {
        "attempt": 2, "usage": {"usd": "1.42", "seconds": 90}, "backendRef": {"kind": "vps", "name": "x"},
        "conditions": [{"type": "Succeeded", "status": "Unknown", "reason": "Running", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }});
    world.apply(&job("first", &chat()));
    let patch = status.to_string();
    world.said(&[
        "patch",
        "aj",
        "first",
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ]);
    for name in ["aj", "agentjobs", "agents"] {
        let table = world.said(&["get", name]);
        let rows = rows(&table);
        let head = [
            "NAME",
            "SUCCEEDED",
            "REASON",
            "TYPE",
            "BACKEND",
            "ATTEMPT",
            "COST",
            "DURATION",
            "AGE",
        ];
        assert_eq!(rows[0], head, "{table}");
        assert_eq!(
            rows[1][..8],
            [
                "first",
                "Unknown",
                "Running",
                "claude_chat",
                "vps",
                "2",
                "1.42",
                "90"
            ]
        );
    }
}

#[tokio::test]
async fn what_is_left_out_is_filled_in() {
    let world = World::named("filled").await;
    let farm = json!({"task": "t", "workspace": {"git": {"url": "https://host/r"}}});
    world.apply(&job(
        "farm",
        &json!({"type": "agent_farm", "agentFarm": farm, "retry": {}, "elf": {}}),
    ));
    let spec = world.object(&["aj", "farm"])["spec"].take();
    assert_eq!(spec["agentFarm"]["agents"], 3);
    assert_eq!(spec["agentFarm"]["workspace"]["git"]["ref"], "main");
    assert_eq!(spec["retry"]["limit"], 2);
    assert_eq!(spec["elf"]["inject"], true);
}

#[tokio::test]
async fn the_status_and_the_spec_are_written_apart() {
    let world = World::named("apart").await;
    let mut both = job("apart", &chat());
    both["status"] = json!({"attempt": 7});
    world.apply(&both);
    assert!(world.object(&["aj", "apart"])["status"].is_null());
    let patch = json!({"status": {"attempt": 1}, "spec": {"suspend": true}}).to_string();
    world.said(&[
        "patch",
        "aj",
        "apart",
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ]);
    let seen = world.object(&["aj", "apart"]);
    assert_eq!(seen["status"]["attempt"], 1);
    assert!(seen["spec"]["suspend"].is_null(), "{seen}");
    assert_eq!(seen["metadata"]["generation"], 1);
}

#[tokio::test]
async fn jobs_are_selected_by_their_type_and_queue() {
    let world = World::named("selected").await;
    world.apply(&job("a", &chat()));
    world.apply(&job(
        "b",
        &json!({"type": "echo", "echo": {}, "queue": "default"}),
    ));
    let seen =
        |selector: &str| world.said(&["get", "aj", "-o", "name", "--field-selector", selector]);
    assert_eq!(seen("spec.type=claude_chat"), "agentjob.multiagent.dev/a\n");
    assert_eq!(seen("spec.queue=default"), "agentjob.multiagent.dev/b\n");
    assert_eq!(seen("spec.type=dbt_run"), "");
}

/// Changes that are refused, each with its field and words.
fn unchangeable() -> [(Value, &'static str, &'static str); 11] {
    [
        (
            json!({"claudeChat": {"prompt": "other"}}),
            "spec.claudeChat",
            "the work itself cannot be changed; submit a new job",
        ),
        (
            json!({"budget": {"tokens": 6}}),
            "spec.budget",
            "budget cannot be changed; submit a new job",
        ),
        (
            json!({"budget": null}),
            "spec.budget",
            "budget cannot be changed; submit a new job",
        ),
        (
            json!({"retry": {"limit": 1}}),
            "spec.retry",
            "retry cannot be changed; submit a new job",
        ),
        (
            json!({"backend": {"name": "vps"}}),
            "spec.backend",
            "backend cannot be changed; submit a new job",
        ),
        (
            json!({"queue": "default"}),
            "spec.queue",
            "queue cannot be changed; submit a new job",
        ),
        (
            json!({"elf": {"inject": false}}),
            "spec.elf",
            "elf cannot be changed; submit a new job",
        ),
        (
            json!({"retryOf": {"uid": "x"}}),
            "spec.retryOf",
            "retryOf cannot be changed; submit a new job",
        ),
        (
            json!({"type": "echo", "claudeChat": null, "echo": {}}),
            "spec.type",
            "type cannot be changed; submit a new job",
        ),
        (
            json!({"deadline": "30m"}),
            "spec.deadline",
            "the deadline can only be made longer",
        ),
        (
            json!({"deadline": null}),
            "spec.deadline",
            "the deadline can only be made longer",
        ),
    ]
}

#[tokio::test]
async fn what_may_not_change_is_refused_in_words_and_what_may_is_taken() {
    let world = World::named("changed").await;
    let old = json!({"type": "claude_chat", "claudeChat": {"prompt": "hi"}, "deadline": "1h", "budget": {"tokens": 5}});
    world.apply(&job("old", &old));
    for (spec, field, words) in unchangeable() {
        let patch = json!({"spec": spec}).to_string();
        let said = world.refusal(
            &["patch", "aj", "old", "--type=merge", "-p", &patch],
            &Value::Null,
        );
        assert!(
            said.contains(field) && said.contains(words),
            "{patch}: {said}"
        );
    }
    for spec in [
        json!({"deadline": "2h"}),
        json!({"priority": 5}),
        json!({"suspend": true}),
        json!({"ttlAfterFinished": "1h"}),
        json!({"cancel": true}),
    ] {
        let patch = json!({"spec": spec}).to_string();
        world.said(&["patch", "aj", "old", "--type=merge", "-p", &patch]);
    }
    let patch = json!({"spec": {"cancel": false}}).to_string();
    let said = world.refusal(
        &["patch", "aj", "old", "--type=merge", "-p", &patch],
        &Value::Null,
    );
    assert!(
        said.contains("a cancelled job stays cancelled; retry it instead"),
        "{said}"
    );
}

#[tokio::test]
async fn a_manifest_that_is_changed_and_applied_again_is_refused_with_the_rule() {
    let world = World::named("again").await;
    world.apply(&job("again", &chat()));
    let mut other = chat();
    other["claudeChat"]["prompt"] = json!("other");
    let said = world.refusal(&["apply", "-f", "-"], &job("again", &other));
    assert!(
        said.contains("the work itself cannot be changed; submit a new job"),
        "{said}"
    );
    other["claudeChat"]["promt"] = json!("typed wrong");
    let said = world.refusal(&["apply", "-f", "-"], &job("wrong", &other));
    assert!(
        said.contains("unknown field \"spec.claudeChat.promt\""),
        "{said}"
    );
}

#[tokio::test]
async fn every_field_is_explained() {
    let world = World::named("explained").await;
    let text = world.said(&["explain", "agentjob.spec", "--recursive"]);
    for field in ["agentFarm\t<AgentFarmSpec>", "deadline\t<string>"] {
        let name = field.split('\t').next().unwrap();
        assert!(text.contains(name), "{text}");
    }
    let text = world.said(&["explain", "agentjob.spec.agentFarm.workspace.git.url"]);
    assert!(text.contains("with no password in it"), "{text}");
    let text = world.said(&["explain", "agentjob"]);
    assert!(
        text.contains("one piece of work, run at most once at a time"),
        "{text}"
    );
}
