//! Files that are made from the code and committed. A difference rewrites the file and fails.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::{fmt::Write, fs, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use sandbox_core::crd;
use sandbox_operator::backend::{fargate, pod::Cause};
use serde_json::Value;

/// Compares a committed file with what the code makes now; rewrites it when it differs.
fn stands(path: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if fs::read_to_string(&file).is_ok_and(|committed| committed == made) {
        return;
    }
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, made).unwrap();
    panic!("{path} was out of date and has been rewritten; commit it");
}

fn definition_stands(path: &str, crd: &CustomResourceDefinition) {
    let text = serde_saphyr::to_string(crd).unwrap();
    let head = "# Made from core/src by the test `generated`; never edited by hand.";
    stands(path, &format!("{head}\n{text}"));
}

#[test]
fn the_definition_of_jobs_is_the_one_that_the_types_make() {
    definition_stands("crds/agentjobs.yaml", &crd::agent_jobs());
}

#[test]
fn the_definition_of_hosts_is_the_one_that_the_types_make() {
    definition_stands("crds/runnerhosts.yaml", &crd::runner_hosts());
}

/// What is missing beneath a schema: a bound that rules and memory need, or words for `kubectl explain`.
fn gaps(schema: &Value, path: &str, found: &mut Vec<String>) {
    let has = |key: &str| !schema[key].is_null();
    let bounded = match schema["type"].as_str().unwrap_or_default() {
        "string" => has("maxLength") || has("enum") || schema["format"] == "date-time",
        "array" => has("maxItems"),
        "object" => !has("additionalProperties") || has("maxProperties"),
        "integer" | "number" | "boolean" => true,
        "" if has("x-kubernetes-preserve-unknown-fields") => true,
        other => panic!("{path} is of type {other:?}"),
    };
    let described = path.ends_with(']') || has("description");
    // Evaluated here too, where only what is on this list is: see core/src/validate/shape.rs.
    let known = ![
        "pattern",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "nullable",
        "exclusiveMinimum",
    ]
    .iter()
    .any(|k| has(k));
    for (fine, lacks) in [
        (bounded, "a bound"),
        (described, "a description"),
        (known, "a rule in place of a keyword"),
    ] {
        if !fine {
            found.push(format!("{path}: {lacks}"));
        }
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        gaps(field, &format!("{path}.{name}"), found);
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", "[key]")] {
        if has(inner) {
            gaps(&schema[inner], &format!("{path}{mark}"), found);
        }
    }
}

#[test]
fn every_text_list_and_map_of_a_definition_is_bounded_and_every_field_has_its_words() {
    let mut found = Vec::new();
    for crd in [crd::agent_jobs(), crd::runner_hosts()] {
        for part in ["spec", "status"] {
            let schema = &crd::schema(&crd)["properties"][part];
            gaps(
                schema,
                &format!("{} {part}", crd.spec.names.kind),
                &mut found,
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// One line for each field beneath a schema: where, of which type and bounds, and its words.
fn lines(schema: &Value, path: &str, to: &mut String) {
    let needed = schema["required"].as_array();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let needed = needed.is_some_and(|n| n.iter().any(|n| n == name));
        let words = field["description"].as_str().unwrap().replace('|', "\\|");
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(to, "| `{path}` | {} | {words} |", kind(field, needed)).unwrap();
        lines(field, &path, to);
        lines(&field["items"], &format!("{path}[]"), to);
        lines(&field["additionalProperties"], &format!("{path}.KEY"), to);
    }
}

/// What a field holds, in a few words.
fn kind(field: &Value, needed: bool) -> String {
    let word = |schema: &Value| schema["type"].as_str().unwrap_or_default().to_owned();
    let mut told = vec![match word(field).as_str() {
        "array" => format!("list of {}", word(&field["items"])),
        "object" if !field["additionalProperties"].is_null() => {
            format!("map to {}", word(&field["additionalProperties"]))
        }
        plain => plain.to_owned(),
    }];
    if needed {
        told.push("required".to_owned());
    }
    if let Some(choices) = field["enum"].as_array() {
        let choices: Vec<_> = choices.iter().filter_map(Value::as_str).collect();
        told.push(format!("one of {}", choices.join(", ")));
    }
    let limits = [
        ("minimum", "from", ""),
        ("maximum", "to", ""),
        ("maxLength", "at most", " characters"),
        ("maxItems", "at most", " items"),
        ("maxProperties", "at most", " entries"),
    ];
    let limits = limits.iter().filter(|(key, ..)| !field[*key].is_null());
    told.extend(limits.map(|(key, before, behind)| {
        format!("{before} {}{behind}", field[*key].as_f64().unwrap())
    }));
    if !field["default"].is_null() {
        told.push(format!("default `{}`", field["default"]));
    }
    let rules = field["x-kubernetes-validations"].as_array();
    let rules = rules
        .into_iter()
        .flatten()
        .filter_map(|r| r["message"].as_str());
    told.extend(
        rules
            .filter(|r| !r.contains("cannot be changed"))
            .map(str::to_owned),
    );
    told.join("; ").replace('|', "\\|")
}

#[test]
fn the_reference_of_fields_is_what_the_definitions_say() {
    let mut text = "# Every field\n\nMade from the definitions by the test `generated`; never edited by hand. A rule stands in \
                    the words in which it is refused.\n".to_owned();
    for (name, crd) in [
        ("AgentJob", crd::agent_jobs()),
        ("RunnerHost", crd::runner_hosts()),
    ] {
        for part in ["spec", "status"] {
            write!(
                text,
                "\n## {name}: {part}\n\n| field | holds | what it is |\n|---|---|---|\n"
            )
            .unwrap();
            lines(&crd::schema(&crd)["properties"][part], part, &mut text);
        }
    }
    stands("docs/fields.md", &text);
}

#[test]
fn the_table_of_what_goes_wrong_with_pods_is_the_one_that_the_back_end_goes_by() {
    let head = "# What goes wrong with pods\n\nMade from operator/src/backend/pod/cause.rs by the test `generated`; never \
        edited by hand. Each message holds the cluster's own words between the first column and the last. \
        `./scripts/test cluster` causes the rows on a real kubelet, but for a node that is full, starts again or rejects a pod, \
        and a pod beyond its disk: of these the pod's status is read as Kubernetes documents it.\n\n";
    stands("docs/pod-failures.md", &format!("{head}{}", Cause::table()));
}

#[test]
fn the_table_of_what_goes_wrong_with_tasks_is_the_one_that_the_back_end_goes_by() {
    let head = "# What goes wrong with tasks of Fargate\n\nMade from operator/src/backend/fargate/cause.rs by the test \
        `generated`; never edited by hand. Each message holds AWS's own words between the first column and the last. \
        [Fargate](fargate.md) says how tasks are started.\n\n";
    let table = fargate::Cause::table();
    stands("docs/fargate-failures.md", &format!("{head}{table}"));
}
