//! Whether a value has the shape that the CRD's schema says: the fields there are, their types, and their bounds.
//! The API server checks the same on its own; `serde` alone would stop at the first error.

use serde_json::{Map, Value};

use super::{Class, Invalid};

/// What a schema is asked of a value, and where errors go.
pub(super) struct Walk<'a> {
    pub(super) found: &'a mut Vec<Invalid>,
}

/// The same value without the fields that are null, which stand for fields that are left out.
pub(super) fn without_nulls(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|key, v| !(v.is_null() && schema["properties"].get(key).is_some()));
            for (key, member) in members {
                without_nulls(of_member(schema, key), member);
            }
        }
        Value::Array(items) => {
            for item in items {
                without_nulls(&schema["items"], item);
            }
        }
        _ => {}
    }
}

fn of_member<'a>(schema: &'a Value, key: &str) -> &'a Value {
    schema["properties"]
        .get(key)
        .unwrap_or(&schema["additionalProperties"])
}

impl Walk<'_> {
    fn say(&mut self, class: Class, path: &str, message: String) {
        self.found.push(Invalid::of(class, path, message));
    }

    /// Walks schema and value together.
    pub(super) fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if !self.is_of_type(schema, value, path) {
            return;
        }
        match value {
            Value::String(text) => self.text(schema, text, path),
            Value::Array(items) => {
                self.size("items", items.len(), bounds(schema, "Items"), path);
                for (n, item) in items.iter().enumerate() {
                    self.value(&schema["items"], item, &format!("{path}[{n}]"));
                }
            }
            Value::Object(members) => self.members(schema, members, path),
            Value::Number(number) => self.range(schema, number.as_f64(), path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn is_of_type(&mut self, schema: &Value, value: &Value, path: &str) -> bool {
        let wanted = schema["type"].as_str().unwrap_or_default();
        let seen = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(n) if n.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let fits = wanted.is_empty() || seen == wanted || (seen, wanted) == ("integer", "number");
        if !fits {
            let message = format!("must be of type {wanted} and is of type {seen}");
            self.say(Class::Type, path, message);
        }
        fits
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        let length = text.chars().count();
        self.size("characters", length, bounds(schema, "Length"), path);
        let choices = schema["enum"].as_array();
        let choices = choices.map(|c| c.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        if let Some(choices) = choices.filter(|c| !c.contains(&text)) {
            let message = format!("must be one of {}", choices.join(", "));
            self.say(Class::Choice, path, message);
        }
    }

    fn members(&mut self, schema: &Value, members: &Map<String, Value>, path: &str) {
        self.size("entries", members.len(), bounds(schema, "Properties"), path);
        let needed = schema["required"].as_array().into_iter().flatten();
        for key in needed.filter_map(Value::as_str) {
            if !members.contains_key(key) {
                self.say(
                    Class::Required,
                    &format!("{path}.{key}"),
                    "is required".to_owned(),
                );
            }
        }
        let known = schema["properties"].as_object();
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
        for (key, member) in members {
            let inner = of_member(schema, key);
            let path = format!("{path}.{key}");
            if inner.is_object() {
                self.value(inner, member, &path);
            } else if !open {
                let known: Vec<&str> = known
                    .into_iter()
                    .flat_map(Map::keys)
                    .map(String::as_str)
                    .collect();
                let message = format!("there is no such field; there are {}", known.join(", "));
                self.say(Class::Unknown, &path, message);
            }
        }
    }

    fn size(
        &mut self,
        what: &str,
        seen: usize,
        (min, max): (Option<usize>, Option<usize>),
        path: &str,
    ) {
        if let Some(min) = min.filter(|min| seen < *min) {
            let message = format!("has {seen} {what}; at least {min} are needed");
            self.say(Class::Bound, path, message);
        }
        if let Some(max) = max.filter(|max| seen > *max) {
            let message = format!("has {seen} {what}; at most {max} are allowed");
            self.say(Class::Bound, path, message);
        }
    }

    fn range(&mut self, schema: &Value, seen: Option<f64>, path: &str) {
        let Some(seen) = seen else { return };
        if let Some(min) = schema["minimum"].as_f64().filter(|min| seen < *min) {
            let message = format!("is {seen}; at least {min} is needed");
            self.say(Class::Bound, path, message);
        }
        if let Some(max) = schema["maximum"].as_f64().filter(|max| seen > *max) {
            let message = format!("is {seen}; at most {max} is allowed");
            self.say(Class::Bound, path, message);
        }
    }
}

fn bounds(schema: &Value, of: &str) -> (Option<usize>, Option<usize>) {
    let limit = |key: String| schema[key].as_u64().and_then(|n| usize::try_from(n).ok());
    (limit(format!("min{of}")), limit(format!("max{of}")))
}
