//! Values for the schemas by which doors say what they are given: each text field says what it is told to.

use sandbox_tests::secrets::chance::Chance;
use serde_json::{Map, Value, json};

/// What is put into fields.
pub struct Filler<'a> {
    /// The document in which references lead somewhere.
    pub root: &'a Value,
    /// What each text says.
    pub text: &'a str,
    /// What each id may be.
    pub ids: &'a [String],
}

impl Filler<'_> {
    /// A value of this schema for a field of this name.
    pub fn value(&self, field: &str, schema: &Value, by: &mut Chance) -> Value {
        if let Some(place) = schema["$ref"].as_str() {
            let found = self.root.pointer(place.trim_start_matches('#'));
            return self.value(field, found.expect(place), by);
        }
        if let Some(only) = schema.get("const") {
            return only.clone();
        }
        if let Some(words) = schema["enum"].as_array() {
            return words[by.below(words.len())].clone();
        }
        for kind in ["oneOf", "anyOf"] {
            if let Some(all) = schema[kind].as_array() {
                let some: Vec<&Value> = all.iter().filter(|s| s["type"] != "null").collect();
                return self.value(field, some[by.below(some.len())], by);
            }
        }
        let kinds = schema["type"].as_array();
        let kind = kinds.map_or(&schema["type"], |k| &k[0]);
        match kind.as_str() {
            Some("string") => self.said(field, schema, by).into(),
            Some("integer") => json!(1 + by.below(3)),
            Some("number") => json!(0.5),
            Some("boolean") => json!(by.below(2) == 0),
            Some("array") => json!([self.value(field, &schema["items"], by)]),
            Some("object") => self.object(schema, by).into(),
            other => panic!("{field}: no value is known for the type {other:?}: {schema}"),
        }
    }

    /// All that must be there, and most of the rest.
    fn object(&self, schema: &Value, by: &mut Chance) -> Map<String, Value> {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let fields = schema["properties"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let mut made = Map::new();
        for (name, of) in fields {
            // Few numbers are a plan's, and without one a postmortem stands for itself.
            // A cursor is of one answer, and no text.
            let often = match name.as_str() {
                "plan_id" => 1,
                "cursor" => 0,
                _ => 3,
            };
            if required.contains(&name.clone().into()) || by.below(4) < often {
                made.insert(name.clone(), self.value(&name, &of, by));
            }
        }
        made
    }

    fn said(&self, field: &str, schema: &Value, by: &mut Chance) -> String {
        if field.ends_with("id") && field != "job_id" {
            return self.ids[by.below(self.ids.len())].clone();
        }
        if field == "job_id" {
            // Given back as it was said, and kept as a hash.
            return format!("job-{}", by.text("abcdefgh", 6, 6));
        }
        let marked = match field {
            "files_touched" => self.text.replacen(' ', "/", 1),
            "learnings" => format!("[LEARNED:sql] {}", self.text),
            _ => self.text.to_owned(),
        };
        // What says the same twice is kept once.
        let said = format!("{marked} {}", by.text("abcdefgh", 6, 6));
        let most = schema["maxLength"].as_u64().unwrap_or(500);
        said.chars().take(usize::try_from(most).unwrap()).collect()
    }
}
