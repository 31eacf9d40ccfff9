//! The OpenAPI 3.1 document, made from the table of routes and the types' own schemas.

use std::sync::LazyLock;

use axum::response::Response;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    dialect::record,
    problem::Problem,
    routes::{Gives, Param, ROUTES, Route, SchemaOf},
};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| build().to_string());

pub(super) async fn document() -> Response {
    record::json(DOCUMENT.clone())
}

fn build() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.definitions_path = "/components/schemas".into();
        s.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let problem = schemas.subschema_for::<Problem>();
    let mut paths = Map::new();
    for route in ROUTES {
        let path = route.path.replace("{*", "{");
        let at = paths.entry(path).or_insert_with(|| json!({}));
        at[route.method] = operation(route, &mut schemas);
    }
    let wrong = content("application/problem+json", &json!(problem));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Multi-Agent Sandbox",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Jobs for AI agents. Times are UTC without a zone. Every error is a problem as RFC 9457 has it.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "responses": {"Problem": {"description": "What went wrong.", "content": wrong}},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{"key": []}, {"bearer": []}, {}],
    })
}

fn content(kind: &str, schema: &Value) -> Value {
    json!({kind: {"schema": schema}})
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let gives = match route.gives {
        Gives::Json(schema) => content("application/json", &schema_of(schema, schemas)),
        Gives::Other(kind) => content(kind, &json!({"type": "string"})),
    };
    let good = if route.method == "delete" {
        "202"
    } else {
        "200"
    };
    let mut operation = json!({
        "operationId": id(route),
        "summary": route.about,
        "parameters": parameters(route),
        "responses": {
            good: {"description": "Done.", "content": gives},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    });
    if let Some(body) = route.body {
        let body = content("application/json", &schema_of(body, schemas));
        operation["requestBody"] = json!({"required": true, "content": body});
    }
    if route.open {
        operation["security"] = json!([]);
    }
    operation
}

fn schema_of(make: SchemaOf, schemas: &mut SchemaGenerator) -> Value {
    make(schemas).to_value()
}

/// A name for programs: the method and the words of the path.
fn id(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.fold(route.method.to_owned(), |id, word| format!("{id}_{word}"))
}

fn parameters(route: &Route) -> Vec<Value> {
    let parts = route.path.split(['{', '}']).skip(1).step_by(2);
    let in_path = parts.map(|name| {
        let name = name.trim_start_matches('*');
        json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
    });
    in_path.chain(route.params.iter().map(parameter)).collect()
}

fn parameter(param: &Param) -> Value {
    json!({
        "name": param.name,
        "in": param.place,
        "description": param.about,
        "schema": {"type": param.kind},
    })
}
