//! Files that are made from the code and committed. A difference rewrites the file and fails.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::{fs, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use sandbox_core::crd;
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
        "integer" | "boolean" => true,
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
