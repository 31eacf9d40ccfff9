//! What every container is made with, whatever a job says.

use jiff::Timestamp;
use sandbox_core::{
    AgentJobSpec, Tenant,
    spec::{BackendName, BackendSpec},
};
use serde_json::{Value, json};

use super::*;
use crate::backend::container::conf::FIXED_USER;

fn conf() -> ContainerConfig {
    ContainerConfig {
        host: "unix:///x".to_owned(),
        folder: "/data/container".into(),
        seats: "/data/seats".into(),
        workspace_root: "/work".into(),
        artifacts_root: "/data/artifacts".into(),
        sockets: "/data/run/container".into(),
        model_key: None,
        agent_token: None,
        prices: None,
        secrets_root: "/data/secrets".into(),
        image: "runner:1".to_owned(),
        images: Vec::new(),
        user: FIXED_USER,
        own: None,
        grace: std::time::Duration::ZERO,
        ask_first: false,
    }
}

pub(in crate::backend::container) fn made(container: Value) -> Value {
    made_by(&conf(), container)
}

fn made_by(conf: &ContainerConfig, container: Value) -> Value {
    let container: ContainerSpec = serde_json::from_value(container).unwrap_or_default();
    let backend = BackendSpec {
        name: BackendName::Container,
        container: Some(container),
        ..BackendSpec::default()
    };
    let brief = Brief {
        version: 1,
        seat: Seat::new(
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
                .parse()
                .unwrap_or_else(|e| panic!("{e}")),
            2,
        ),
        tenant: Tenant::default_tenant(),
        name: "job".to_owned(),
        backend: BackendName::Container,
        spec: AgentJobSpec {
            backend: Some(backend),
            ..AgentJobSpec::default()
        },
        deadline_at: Timestamp::MAX,
        usd_left: None,
        tokens_left: None,
    };
    let parts = Parts {
        owner: "me",
        image: "sha256:1",
        shown: "runner:1",
        network: "ours",
        machine: 8000,
        podman: false,
        places: &Places::default(),
    };
    serde_json::to_value(body(conf, &brief, &parts)).unwrap_or_default()
}

#[test]
fn nothing_of_a_container_can_gain_a_privilege() {
    let made = made(json!({}));
    let host = &made["HostConfig"];
    assert_eq!(made["User"], "10001:10001");
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    assert_eq!(host["Privileged"], false);
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["RestartPolicy"]["Name"], "no");
    for open in [
        "CapAdd",
        "Devices",
        "PidMode",
        "UTSMode",
        "UsernsMode",
        "Binds",
    ] {
        assert!(host[open].is_null(), "{open}");
    }
}

#[test]
fn every_container_is_bounded() {
    let host = made(json!({}))["HostConfig"].clone();
    assert_eq!(host["Memory"], 2_u64 << 30);
    assert_eq!(host["MemorySwap"], host["Memory"]);
    assert_eq!(host["NanoCpus"], 2_000_000_000_u64);
    assert_eq!(host["PidsLimit"], 1024);
    let asked = json!({"resources": {"cpu": "500m", "memory": "64Mi", "pids": 32}});
    let host = made(asked)["HostConfig"].clone();
    assert_eq!(host["Memory"], 64 << 20);
    assert_eq!(host["NanoCpus"], 500_000_000);
    assert_eq!(host["PidsLimit"], 32);
}

#[test]
fn only_full_has_a_network_and_only_restricted_a_proxy() {
    let proxied = |made: &Value| made["Env"].to_string().contains("HTTP_PROXY");
    for (word, mode, proxy) in [
        ("none", "none", false),
        ("restricted", "none", true),
        ("full", "ours", false),
    ] {
        let made = made(json!({"network": word}));
        assert_eq!(made["HostConfig"]["NetworkMode"], mode);
        assert_eq!(proxied(&made), proxy, "{word}");
    }
}

#[test]
fn a_container_is_given_its_own_folders_and_no_others() {
    let made = made(json!({}));
    let mounts = made["HostConfig"]["Mounts"].as_array().cloned();
    let told = |m: &Value| {
        let to = m["Target"].as_str().unwrap_or_default().to_owned();
        (to, m["ReadOnly"].as_bool().unwrap_or_default())
    };
    let seen: Vec<(String, bool)> = mounts.iter().flatten().map(told).collect();
    let uid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let expected = [
        (format!("/sandbox/seats/{uid}/2"), false),
        (format!("/sandbox/artifacts/default/{uid}"), false),
        ("/workspace/default".to_owned(), false),
        ("/sandbox/runner.json".to_owned(), true),
        ("/sandbox/run".to_owned(), true),
        ("/sandbox/secrets".to_owned(), true),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_runner_that_has_to_ask_for_its_seat_first_is_told_where() {
    let asking = ContainerConfig {
        ask_first: true,
        ..conf()
    };
    assert!(!made(json!({}))["Cmd"].to_string().contains("--door"));
    let words = made_by(&asking, json!({}))["Cmd"].to_string();
    assert!(
        words.contains(r#""--door","/sandbox/run/node.sock""#),
        "{words}"
    );
}
