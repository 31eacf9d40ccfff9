//! Times as the old API wrote them: UTC, to the microsecond, with no zone at the end.

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A time that is written like `2026-01-31T12:00:00.000000`.
#[derive(Clone, Copy, Debug)]
pub struct Naive(pub Timestamp);

impl Serialize for Naive {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0.strftime("%Y-%m-%dT%H:%M:%S.%6f"))
    }
}

impl JsonSchema for Naive {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NaiveTime".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "UTC, to the microsecond, without a zone: 2026-01-31T12:00:00.000000"
        })
    }
}
