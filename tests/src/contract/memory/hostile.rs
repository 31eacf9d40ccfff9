//! Whatever a tool's schema forbids, that tool refuses. The cases are made from the schemas, so that a
//! new tool or field is tried as well, and no schema promises a bound that nobody keeps.
#![allow(clippy::panic, reason = "a test may stop at what it did not expect")]

use sandbox_elf::tools::{self, Answer, Ask, Asker, Failed, find};
use serde_json::{Map, Value, json};

use super::{
    Ground, World,
    diary::{asker, call, done},
    tools::good,
};

/// Characters that turn, hide or end what a reader sees.
const UNSEEN: [char; 5] = ['\0', '\u{202e}', '\u{200b}', '\u{feff}', '\u{1b}'];

/// The schemas that a value may be of: the schema itself, or its alternatives.
fn kinds(schema: &Value) -> Vec<&Value> {
    let alternatives = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    alternatives.map_or(vec![schema], |all| all.iter().flat_map(kinds).collect())
}

fn is_of(kind: &Value, word: &str) -> bool {
    match &kind["type"] {
        Value::String(one) => one == word,
        Value::Array(some) => some.iter().any(|one| one == word),
        // An alternative with one value is a text here.
        _ => word == "string" && kind.get("const").is_some(),
    }
}

fn admits(schema: &Value, word: &str) -> bool {
    kinds(schema).into_iter().any(|kind| is_of(kind, word))
}

fn bound(schema: &Value, word: &str) -> Option<f64> {
    kinds(schema)
        .into_iter()
        .find_map(|kind| kind[word].as_f64())
}

/// Values that the schema does not allow. A count in a schema is small enough to be exact.
fn forbidden(schema: &Value) -> Vec<Value> {
    let mut bad = wrong_types(schema);
    if admits(schema, "string") {
        bad.extend(wrong_texts(schema));
    }
    if admits(schema, "integer") || admits(schema, "number") {
        let least = bound(schema, "minimum").map(|n| n - 1.0);
        let most = bound(schema, "maximum").map(|n| n + 1.0);
        let numbers = [least, most, Some(-1e300), Some(1e300)];
        bad.extend(numbers.into_iter().flatten().map(|n| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "bounds of a schema are small"
            )]
            let whole = n as i64;
            let is_whole = n.fract() == 0.0 && n.abs() < 1e15 && !admits(schema, "number");
            if is_whole { json!(whole) } else { json!(n) }
        }));
    }
    if admits(schema, "array") {
        bad.extend(wrong_lists(schema));
    }
    bad
}

fn wrong_types(schema: &Value) -> Vec<Value> {
    let number = admits(schema, "number");
    let tried = [
        (json!("7 words of text"), admits(schema, "string")),
        (json!(7), number || admits(schema, "integer")),
        (json!(1.5), number),
        (json!(true), admits(schema, "boolean")),
        (json!(["a"]), admits(schema, "array")),
        (json!({"a": 1}), admits(schema, "object")),
    ];
    let wrong = tried.into_iter().filter(|(_, allowed)| !allowed);
    wrong.map(|(value, _)| value).collect()
}

fn wrong_texts(schema: &Value) -> Vec<Value> {
    let hidden = UNSEEN.map(|c| json!(format!("fine{c}text")));
    let mut bad = Vec::from(hidden);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "lengths in a schema are small"
    )]
    let length = |n: f64| n as usize;
    if let Some(most) = bound(schema, "maxLength").map(length) {
        bad.push(json!("x".repeat(most + 1)));
        bad.push(json!("é".repeat(most + 1)));
        bad.push(json!("x".repeat(200_000)));
    }
    if let Some(least) = bound(schema, "minLength").map(length).filter(|n| *n > 0) {
        bad.push(json!("x".repeat(least - 1)));
        bad.push(json!(" ".repeat(least + 5)));
    }
    bad
}

fn wrong_lists(schema: &Value) -> Vec<Value> {
    let list = kinds(schema).into_iter().find(|kind| is_of(kind, "array"));
    let list = list.unwrap();
    let items = forbidden(&list["items"]);
    let mut bad: Vec<Value> = items
        .into_iter()
        .map(|item| json!(["fine", item]))
        .collect();
    // A list without a bound stops the test here.
    let most = list["maxItems"].as_u64().unwrap();
    bad.push((0..=most).map(|n| json!(format!("file {n}"))).collect());
    bad
}

/// Good arguments with one field changed.
fn with(good: &Value, field: &str, value: Value) -> Value {
    let mut changed = good.clone();
    changed[field] = value;
    changed
}

fn properties(tool: &str) -> Map<String, Value> {
    let schema = &find(tool).unwrap().input;
    let none = Map::new();
    let fields = schema.get("properties").and_then(Value::as_object);
    fields.unwrap_or(&none).clone()
}

/// Every call that breaks one rule of one schema.
fn bad_calls() -> Vec<(&'static str, String, Value)> {
    let mut bad = Vec::new();
    for (tool, good) in good() {
        for (field, schema) in properties(tool) {
            let values = forbidden(&schema).into_iter();
            bad.extend(values.map(|v| (tool, field.clone(), with(&good, &field, v))));
        }
        let required = find(tool).unwrap().input.get("required");
        for name in required.and_then(Value::as_array).into_iter().flatten() {
            let name = name.as_str().unwrap();
            let mut less = good.clone();
            less.as_object_mut().unwrap().remove(name);
            bad.push((tool, name.to_owned(), less));
        }
        for odd in ["client_id", "tenant", "params", "x\u{202e}y", "__proto__"] {
            bad.push((tool, odd.to_owned(), with(&good, odd, json!("client-b"))));
        }
    }
    bad
}

pub async fn whatever_a_schema_forbids_is_refused_flat_and_wrapped_and_writes_nothing(
    ground: Ground,
) {
    let world = World::new(ground);
    let me = asker("a", None);
    // What the bad calls are made of must itself be good, or they would prove nothing.
    for (tool, given) in good() {
        done(&world, &me, tool, given).await;
    }
    let before = world.log().await.len();
    let bad = bad_calls();
    assert!(bad.len() > 500, "{} cases", bad.len());
    let mut taken = Vec::new();
    for (tool, field, given) in bad {
        for given in [given.clone(), json!({ "params": given })] {
            let answer = call(&world, &me, tool, given.clone()).await;
            let said: String = given.to_string().chars().take(200).collect();
            match answer {
                Answer::Failed { kind, text } => {
                    assert!(
                        matches!(kind, Failed::Invalid | Failed::NotFound),
                        "{tool} {field}: {text}"
                    );
                    assert!(text.len() < 600, "{tool} {field} {said}: {text}");
                    assert!(
                        !text.contains(UNSEEN),
                        "{tool} {field} {said} is told as it was: {text:?}"
                    );
                }
                Answer::Done { .. } => taken.push(format!("{tool} {field}: {said}")),
            }
        }
    }
    assert!(taken.is_empty(), "{}", taken.join("\n"));
    assert_eq!(world.log().await.len(), before);
}

async fn read(world: &World, who: &Asker, uri: &str) -> Answer {
    let uri = uri.to_owned();
    tools::answer(&world.elf, who, &Ask::Read { uri }).await
}

pub async fn an_address_gives_what_is_there_and_an_error_where_nothing_is(ground: Ground) {
    let world = World::new(ground);
    let me = asker("a", None);
    let rule = json!({"domain": "data lakes", "rule": "Partition them by day"});
    done(&world, &me, "elf_record_heuristic", rule).await;
    let end = json!({"job_id": "j", "job_type": "fix", "outcome": "success", "files_touched": ["docs/my file.md"]});
    done(&world, &me, "elf_record_outcome", end).await;
    for (uri, shown) in [
        ("elf://domain/data-lakes", "Partition them"),
        ("elf://domain/data%20lakes", "Partition them"),
        ("elf://rule/1", "Partition them"),
        ("elf://trail/docs/my%20file.md", "my file.md"),
        ("elf://trail/docs%2Fmy%20file.md", "my file.md"),
    ] {
        let answer = format!("{:?}", read(&world, &me, uri).await);
        assert!(
            answer.starts_with("Done") && answer.contains(shown),
            "{uri}: {answer}"
        );
    }
    let long = format!("elf://trail/{}", "x".repeat(9_000));
    for (uri, kind) in [
        ("elf://domain/nobody", Failed::NotFound),
        ("elf://trail/nowhere.rs", Failed::NotFound),
        ("elf://rule/2", Failed::NotFound),
        ("elf://", Failed::NotFound),
        ("file:///etc/passwd", Failed::NotFound),
        ("elf://rule/1%00", Failed::Invalid),
        ("elf://domain/data\u{202e}-lakes", Failed::Invalid),
        ("elf://domain/data%E2%80%AE-lakes", Failed::Invalid),
        ("elf://domain/%FF", Failed::Invalid),
        ("", Failed::Invalid),
        (long.as_str(), Failed::Invalid),
    ] {
        let Answer::Failed { kind: seen, text } = read(&world, &me, uri).await else {
            panic!("{uri} is answered");
        };
        assert_eq!(seen, kind, "{uri}: {text}");
        assert!(text.len() < 300 && !text.contains(UNSEEN), "{text:?}");
    }
}
