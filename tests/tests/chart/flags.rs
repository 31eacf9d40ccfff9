//! The chart and the program agree: every argument of the one is a flag of the other, and ports, probes and counters
//! are those that are served.

use std::{collections::BTreeSet, process::Command};

use sandbox_tests::{
    helm::{chart, rendered},
    node::built,
};
use serde_json::Value;

fn container(values: &[&str]) -> Value {
    let objects = rendered("sandbox", values);
    let found = objects.iter().find(|o| o["kind"] == "Deployment");
    found.unwrap()["spec"]["template"]["spec"]["containers"][0].clone()
}

fn args(container: &Value) -> Vec<String> {
    let all = container["args"].as_array().unwrap();
    all.iter().map(|a| a.as_str().unwrap().to_owned()).collect()
}

fn help() -> String {
    let seen = Command::new(built("sandbox-operator"))
        .arg("--help")
        .output();
    String::from_utf8(seen.unwrap().stdout).unwrap()
}

#[test]
fn every_argument_of_the_chart_is_a_flag_of_the_program() {
    let help = help();
    let known: BTreeSet<&str> = help
        .split_whitespace()
        .filter(|w| w.starts_with("--"))
        .map(|w| w.trim_end_matches(','))
        .collect();
    let most = [
        "watch.namespaces={a}",
        "elf.url=redis://r",
        "elf.redis.passwordSecret.name=p",
        "elf.redis.caSecret.name=c",
        "seat.names={seats.example.org}",
        "pods.images={one,registry/team/*}",
        "pods.imagePullSecrets={pull}",
        "jobs.checks.stack.rust[0].name=test,jobs.checks.stack.rust[0].argv={cargo,test}",
        "pods.env[0].name=ANTHROPIC_BASE_URL,pods.env[0].value=http://models",
    ];
    let file = [&most[..], &["api.auth.existingSecret=k"]].concat();
    let ledger = [
        "elf.url=https://ledger:8300",
        "elf.ledger.tokenSecret.name=t",
        "elf.ledger.caSecret.name=c",
    ];
    let all: [&[&str]; 4] = [&[], &most, &file, &ledger];
    for values in all {
        for arg in args(&container(values)) {
            let flag = arg.split('=').next().unwrap();
            assert!(known.contains(flag), "{arg} is no flag:\n{help}");
        }
    }
}

#[test]
fn the_program_takes_them_as_they_are_and_goes_as_far_as_looking_for_its_cluster() {
    let values = [
        "pods.images={one,registry/team/*}",
        "pods.env[0].name=KEY,pods.env[0].valueFrom.secretKeyRef.name=model",
        "pods.env[0].valueFrom.secretKeyRef.key=key",
    ];
    let mut program = Command::new(built("sandbox-operator"));
    program.env_clear().args(args(&container(&values))).args([
        "--listen=127.0.0.1:0",
        "--seat-listen=127.0.0.1:0",
        "--probe-listen=127.0.0.1:0",
    ]);
    let seen = program.output().unwrap();
    let said = String::from_utf8(seen.stderr).unwrap();
    assert!(said.contains("looked for the API server"), "{said}");
}

#[test]
fn ports_of_the_pod_are_those_that_it_listens_on_and_its_services_send_there() {
    let objects = rendered(
        "sandbox",
        &["api.port=9000", "seat.port=9443", "metrics.port=9090"],
    );
    let container = container(&["api.port=9000", "seat.port=9443", "metrics.port=9090"]);
    let args = args(&container).join(" ");
    for (flag, name, port) in [
        ("--listen", "api", 9000),
        ("--seat-listen", "seat", 9443),
        ("--probe-listen", "metrics", 9090),
    ] {
        assert!(args.contains(&format!("{flag}=0.0.0.0:{port}")), "{args}");
        let ports = container["ports"].to_string();
        let named = format!(r#"{{"name":"{name}","containerPort":{port}}}"#);
        assert!(ports.contains(&named), "{ports}");
        let served = objects.iter().filter(|o| o["kind"] == "Service");
        let sent = served.filter(|o| o["spec"]["ports"][0]["targetPort"] == name);
        assert_eq!(sent.count(), 1, "{name}");
    }
    assert!(
        args.contains("--seat-door=https://agents-sandbox-seat.sandbox.svc:9443"),
        "{args}"
    );
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "metrics");
    }
}

#[test]
fn what_alerts_and_the_dashboard_ask_for_is_counted() {
    let objects = rendered("sandbox", &["metrics.prometheusRule.enabled=true"]);
    let rules = objects
        .iter()
        .find(|o| o["kind"] == "PrometheusRule")
        .unwrap();
    let dashboard = std::fs::read_to_string(chart("sandbox").join("files/dashboard.json"));
    let asked = rules.to_string() + &dashboard.unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../operator/src");
    let counted = registered(source.as_ref());
    let mut seen = 0;
    for name in asked.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        if !name.starts_with("sandbox_") {
            continue;
        }
        let plain = name.trim_end_matches("_total").trim_end_matches("_bucket");
        assert!(counted.contains(plain), "nobody counts {name}");
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

/// The names that are registered anywhere in this folder.
fn registered(folder: &std::path::Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(registered(&path));
        } else {
            let text = std::fs::read_to_string(path).unwrap();
            let calls = text.split("register(").skip(1);
            let names =
                calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
            found.extend(names.map(str::to_owned));
        }
    }
    found
}
