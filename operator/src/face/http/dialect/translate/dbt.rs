//! The payload of a `dbt_run`. Its `command` may be one word or a whole dbt command line; the line
//! is taken apart here, and no part of it is handed on unread.

use serde_json::{Map, Value, json};

use crate::face::http::dialect::reader::Reader;

pub(super) fn dbt_run(from: &mut Reader<'_>) -> Value {
    command_line(from);
    let key = if from.has("dbt_project_path") {
        "dbt_project_path"
    } else {
        "workspace_path"
    };
    if !from.has(key) {
        from.fail("dbt_project_path", "is required");
    }
    json!({
        "projectPath": from.path(key),
        "command": from.text("command"),
        "target": from.text("target"),
        "select": from.text("select"),
        "exclude": from.text("exclude"),
        "fullRefresh": from.flag("full_refresh"),
        "vars": vars(from),
        "profilesDir": from.path("profiles_dir"),
        "threads": from.whole("threads"),
        "failFast": from.flag("fail_fast"),
    })
}

/// Spreads a command line such as `dbt run --select x` over the keys it stands for.
fn command_line(from: &mut Reader<'_>) {
    let Some(line) = from.text("command") else {
        return;
    };
    let mut words = line.split_whitespace().peekable();
    words.next_if_eq(&"dbt");
    from.put("command", words.next().unwrap_or("run"));
    while let Some(word) = words.next() {
        let (name, glued) = word
            .split_once('=')
            .map_or((word, None), |(n, v)| (n, Some(v)));
        let Some(key) = option(name) else {
            from.fail(
                "command",
                format!("{name} is not an option that can be asked for"),
            );
            return;
        };
        match key {
            "full_refresh" | "fail_fast" => from.put(key, true),
            _ => match glued.or_else(|| words.next()) {
                Some(value) => from.put(key, value),
                None => from.fail("command", format!("{name} needs a value")),
            },
        }
    }
}

fn option(name: &str) -> Option<&'static str> {
    Some(match name {
        "--select" | "-s" | "--models" | "-m" => "select",
        "--exclude" => "exclude",
        "--target" | "-t" => "target",
        "--profiles-dir" => "profiles_dir",
        "--threads" => "threads",
        "--full-refresh" | "-f" => "full_refresh",
        "--fail-fast" | "-x" => "fail_fast",
        _ => return None,
    })
}

/// An object, or JSON text of one; a value that is no text is written as JSON.
fn vars(from: &mut Reader<'_>) -> Value {
    let read = match from.take("vars") {
        None => return Value::Null,
        Some(Value::Object(vars)) => Some(vars),
        Some(Value::String(text)) => serde_json::from_str(&text).ok(),
        Some(_) => None,
    };
    let Some(vars) = read else {
        from.fail("vars", "must be an object, or JSON text of one");
        return Value::Null;
    };
    let vars: Map<String, Value> = vars;
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    vars.into_iter()
        .map(|(k, v)| (k, Value::String(text(v))))
        .collect()
}
