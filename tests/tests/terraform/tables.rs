//! The tables that Terraform makes are those that the programs ask for when they start.

use std::collections::BTreeMap;

use sandbox_elf::store::dynamodb::create_table_command;
use serde_json::Value;

use super::plain;

fn table(name: &str) -> Value {
    plain()
        .one(&format!("records.aws_dynamodb_table.{name}"), &Value::Null)
        .values
}

/// Names and types of the attributes that keys are of.
fn attributes(table: &Value) -> BTreeMap<String, String> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let all = table["attribute"].as_array().unwrap().iter();
    all.map(|a| (text(&a["name"]), text(&a["type"]))).collect()
}

/// What follows a flag of the command: `AttributeName=pk,AttributeType=S` and so on, as pairs.
fn pairs(command: &str, flag: &str) -> BTreeMap<String, String> {
    let after = command.split(flag).nth(1).unwrap();
    let words = after
        .split_whitespace()
        .take_while(|w| !w.starts_with("--"));
    let pair = |word: &str| {
        let mut values = word
            .split(',')
            .map(|p| p.split('=').nth(1).unwrap().to_owned());
        (values.next().unwrap(), values.next().unwrap())
    };
    words.map(pair).collect()
}

#[test]
fn that_of_memory_has_the_keys_that_opening_it_asks_for() {
    let made = table("memory");
    let asked = create_table_command("sandbox-memory");
    assert_eq!(attributes(&made), pairs(&asked, "--attribute-definitions"));
    let keys = BTreeMap::from([
        (
            made["hash_key"].as_str().unwrap().to_owned(),
            "HASH".to_owned(),
        ),
        (
            made["range_key"].as_str().unwrap().to_owned(),
            "RANGE".to_owned(),
        ),
    ]);
    assert_eq!(keys, pairs(&asked, "--key-schema"));
    assert!(asked.contains(&format!("--table-name {}", made["name"].as_str().unwrap())));
    assert!(asked.contains(made["billing_mode"].as_str().unwrap()));
}
