//! What stands in a pod, and what never does.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use object_store::memory::InMemory;
use sandbox_core::{AgentJobSpec, Seat, spec::BackendName};
use serde_json::{Value, json};

use super::*;

const SEAT: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/2";

fn conf() -> PodConfig {
    PodConfig {
        namespaces: Vec::new(),
        image: "registry/runner:1".to_owned(),
        images: vec!["registry/team/*".to_owned()],
        pull_policy: Some("IfNotPresent".to_owned()),
        pull_secrets: vec!["shared".to_owned()],
        door: "https://operator.sandbox.svc:8443".to_owned(),
        authority: "PEM".to_owned(),
        env: vec![plain("ANTHROPIC_BASE_URL", "https://models")],
        prepare_within: Duration::from_mins(10),
        grace: Duration::from_secs(30),
        logs: Arc::new(InMemory::new()),
        log_limit: 1024,
    }
}

fn made(asked: &Value) -> Value {
    let spec = json!({"type": "echo", "echo": {}, "backend": {"name": "pod", "pod": asked}});
    let brief = Brief {
        version: 1,
        seat: SEAT.parse::<Seat>().unwrap(),
        tenant: "team-a".parse().unwrap(),
        name: "job".to_owned(),
        backend: BackendName::Pod,
        spec: serde_json::from_value::<AgentJobSpec>(spec).unwrap(),
        deadline_at: Timestamp::MAX,
        usd_left: None,
        tokens_left: None,
    };
    serde_json::to_value(pod(&conf(), &brief)).unwrap()
}

fn variable<'a>(pod: &'a Value, name: &str) -> Vec<&'a Value> {
    let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    env.iter().filter(|v| v["name"] == name).collect()
}

#[test]
fn a_pod_is_its_seats_and_its_jobs() {
    let pod = made(&json!({}));
    let meta = &pod["metadata"];
    assert_eq!(meta["name"], "aj-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-2");
    assert_eq!(meta["namespace"], "team-a");
    let owner = &meta["ownerReferences"][0];
    assert_eq!(owner["kind"], "AgentJob");
    assert_eq!(owner["uid"], "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    assert_eq!(owner["controller"], true);
    assert_eq!(pod["spec"]["restartPolicy"], "Never");
    let words = pod["spec"]["containers"][0]["args"].as_array().unwrap();
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    let wanted = format!(
        "exec --seat {SEAT} --data-dir /sandbox --instance pod --door https://operator.sandbox.svc:8443"
    );
    assert_eq!(words.join(" "), wanted);
}

#[test]
fn a_pod_is_restricted_whatever_its_job_says() {
    let pod = made(&json!({"serviceAccountName": "runner", "env": [{"name": "A", "value": "b"}]}));
    let spec = &pod["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    let all = &spec["securityContext"];
    assert_eq!(all["runAsNonRoot"], true);
    assert_eq!(all["runAsUser"], 10001);
    assert_eq!(all["seccompProfile"]["type"], "RuntimeDefault");
    let own = &spec["containers"][0]["securityContext"];
    assert_eq!(own["allowPrivilegeEscalation"], false);
    assert_eq!(own["readOnlyRootFilesystem"], true);
    assert_eq!(own["capabilities"], json!({"drop": ["ALL"]}));
    for none in ["hostNetwork", "hostPID", "hostIPC", "nodeName"] {
        assert_eq!(spec[none], Value::Null, "{none}");
    }
    let volumes = spec["volumes"].as_array().unwrap();
    assert!(
        volumes
            .iter()
            .all(|v| v["hostPath"].is_null() && v["secret"].is_null())
    );
}

#[test]
fn its_one_token_is_for_the_door() {
    let pod = made(&json!({}));
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let tokens: Vec<_> = volumes
        .iter()
        .filter(|v| !v["projected"].is_null())
        .collect();
    assert_eq!(tokens.len(), 1);
    let source = &tokens[0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(source["audience"], "sandbox-seat");
    assert_eq!(
        variable(&pod, "SANDBOX_SEAT_TOKEN_FILE")[0]["value"],
        "/var/run/sandbox/token"
    );
}

#[test]
fn a_runner_knows_how_long_it_has_to_end() {
    let pod = made(&json!({"env": [{"name": "SANDBOX_STOP_SECONDS", "value": "9000"}]}));
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 30);
    let told = variable(&pod, "SANDBOX_STOP_SECONDS");
    assert_eq!(told.last().unwrap()["value"], "30");
}

#[test]
fn what_a_job_says_of_its_pod_stands_there() {
    let pod = made(&json!({
        "image": "registry/team/x:2",
        "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "64Mi", "ephemeralStorage": "1Gi"}},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
        "runtimeClassName": "gvisor", "priorityClassName": "low", "serviceAccountName": "runner",
        "imagePullSecrets": [{"name": "own"}],
        "workspace": {"claimName": "projects"},
        "caBundle": {"configMapName": "authorities", "key": "all.pem"},
        "proxy": {"httpsProxy": "http://proxy:3128", "noProxy": ".svc"},
    }));
    let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
    assert_eq!(container["image"], "registry/team/x:2");
    // No request of ours goes beyond a limit of the job's.
    assert_eq!(container["resources"]["requests"], json!({"cpu": "250m"}));
    assert_eq!(
        container["resources"]["limits"],
        json!({"memory": "64Mi", "ephemeral-storage": "1Gi"})
    );
    assert_eq!(spec["nodeSelector"], json!({"disk": "fast"}));
    assert_eq!(spec["tolerations"][0]["tolerationSeconds"], 5);
    assert_eq!(spec["runtimeClassName"], "gvisor");
    assert_eq!(spec["priorityClassName"], "low");
    assert_eq!(spec["serviceAccountName"], "runner");
    assert_eq!(
        spec["imagePullSecrets"],
        json!([{"name": "own"}, {"name": "shared"}])
    );
    assert_eq!(
        variable(&pod, "NODE_EXTRA_CA_CERTS")[0]["value"],
        "/etc/sandbox/authorities/ca.crt"
    );
    assert_eq!(
        variable(&pod, "https_proxy")[0]["value"],
        "http://proxy:3128"
    );
    assert_eq!(variable(&pod, "NO_PROXY")[0]["value"], ".svc");
    let mounts = container["volumeMounts"].as_array().unwrap();
    let files = mounts
        .iter()
        .find(|m| m["mountPath"] == "/workspace/team-a");
    assert_eq!(files.unwrap()["name"], "workspace");
}

#[test]
fn a_secret_is_named_and_never_written_down() {
    let from = json!({"secretKeyRef": {"name": "keys", "key": "model"}});
    let pod = made(&json!({"env": [{"name": "ANTHROPIC_API_KEY", "valueFrom": from}]}));
    let seen = variable(&pod, "ANTHROPIC_API_KEY");
    assert_eq!(seen[0]["value"], Value::Null);
    assert_eq!(
        seen[0]["valueFrom"]["secretKeyRef"],
        json!({"name": "keys", "key": "model"})
    );
}

#[test]
fn the_operators_variables_cannot_be_set_by_a_job() {
    let pod = made(&json!({"env": [{"name": "HOME", "value": "/x"}]}));
    let last = variable(&pod, "HOME").pop().unwrap();
    assert_eq!(last["value"], "/home/sandbox");
}

#[test]
fn only_images_that_are_allowed_may_be_named() {
    let conf = conf();
    for (image, fine) in [
        ("registry/runner:1", true),
        ("registry/team/x:2", true),
        ("registry/runner:2", false),
        ("evil/registry/team/x", false),
    ] {
        assert_eq!(conf.allows(image), fine, "{image}");
    }
}
