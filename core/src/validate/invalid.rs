//! What is wrong with a field, in words and by class.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of wrong a field is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// There is no such field.
    Unknown,
    /// It has to be there.
    Required,
    /// It is of another type, such as a text where a number is asked for.
    Type,
    /// It is none of the words that are allowed.
    Choice,
    /// It is too long, too large, too many, or too little.
    Bound,
    /// It breaks a rule, whose words are the message.
    #[default]
    Rule,
}

/// Something wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invalid {
    /// The path of the field, such as `spec.echo.delay`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What kind of wrong it is.
    #[serde(default)]
    pub class: Class,
}

impl Invalid {
    /// A rule that this field breaks.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(Class::Rule, field, message)
    }

    /// Something wrong with this field.
    #[must_use]
    pub fn of(class: Class, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            class,
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Everything wrong with a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Problems(pub Vec<Invalid>);
