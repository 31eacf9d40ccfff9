//! Reads a payload key by key: what is of the wrong type is an error with its path, what nobody
//! asked for is left over and told, never lost in silence.

use std::path::Path;

use kube::core::Duration;
use sandbox_core::{Tenant, validate::Invalid};
use serde_json::{Map, Value};

use crate::face::http::beneath::relative;

/// Whose files a path may name.
#[derive(Clone, Copy)]
pub struct Roots<'a> {
    /// Every tenant's folder stands in it.
    pub workspace: &'a Path,
    /// Whose payload it is.
    pub tenant: &'a Tenant,
}

/// A payload that is being read.
pub struct Reader<'a> {
    left: Map<String, Value>,
    roots: Roots<'a>,
    /// What is wrong so far.
    pub wrong: Vec<Invalid>,
    /// What is accepted and has no meaning, or another than it seems.
    pub warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Nothing is read yet.
    pub const fn new(payload: Map<String, Value>, roots: Roots<'a>) -> Self {
        Self {
            left: payload,
            roots,
            wrong: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// What nobody asked for.
    pub fn left(&self) -> impl Iterator<Item = &String> {
        self.left.keys()
    }

    /// Puts a value where the client could have put it.
    pub fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.left.insert(key.to_owned(), value.into());
    }

    /// Whether the key is there and not read yet.
    pub fn has(&self, key: &str) -> bool {
        self.left.get(key).is_some_and(|v| !v.is_null())
    }

    /// Something is wrong with this key.
    pub fn fail(&mut self, key: &str, message: impl Into<String>) {
        let field = format!("payload.{key}");
        self.wrong.push(Invalid::new(field, message));
    }

    /// The value, whatever it is; null counts as absent.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.left.shift_remove(key).filter(|v| !v.is_null())
    }

    fn taken<T>(&mut self, key: &str, what: &str, read: fn(&Value) -> Option<T>) -> Option<T> {
        let value = self.take(key)?;
        let found = read(&value);
        if found.is_none() {
            self.fail(key, format!("must be {what}, not {}", kind(&value)));
        }
        found
    }

    /// A text.
    pub fn text(&mut self, key: &str) -> Option<String> {
        self.taken(key, "a text", |v| v.as_str().map(str::to_owned))
    }

    /// A text that must be there.
    pub fn needed(&mut self, key: &str) -> String {
        if !self.has(key) {
            self.fail(key, "is required");
        }
        self.text(key).unwrap_or_default()
    }

    /// Texts in a list.
    pub fn texts(&mut self, key: &str) -> Vec<String> {
        let read = |v: &Value| {
            let items = v.as_array()?.iter();
            items.map(|t| t.as_str().map(str::to_owned)).collect()
        };
        self.taken(key, "a list of texts", read).unwrap_or_default()
    }

    /// A whole number that is not negative.
    pub fn whole(&mut self, key: &str) -> Option<u32> {
        let what = "a whole number that is not negative";
        self.taken(key, what, |v| v.as_u64().and_then(|n| n.try_into().ok()))
    }

    /// True or false.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        self.taken(key, "true or false", Value::as_bool)
    }

    /// A number of seconds.
    pub fn seconds(&mut self, key: &str) -> Option<Duration> {
        let read = |v: &Value| std::time::Duration::try_from_secs_f64(v.as_f64()?).ok();
        let span = self.taken(key, "a number of seconds", read)?;
        Some(Duration::from(span))
    }

    /// A path beneath the tenant's root, made relative to it.
    pub fn path(&mut self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        match relative(self.roots.workspace, self.roots.tenant, &text) {
            Ok(found) => {
                let note = found.moved(&format!("payload.{key}"));
                self.warnings.extend(note);
                Some(found.path)
            }
            Err(why) => {
                self.fail(key, why);
                None
            }
        }
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "this number",
        Value::String(_) => "this text",
        Value::Array(_) => "this list",
        Value::Object(_) => "an object",
    }
}
