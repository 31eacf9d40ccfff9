//! The custom resource definitions, as they are given to an API server and as `validate` reads them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{AgentJob, RunnerHost};

/// Of `AgentJob`.
#[must_use]
pub fn agent_jobs() -> CustomResourceDefinition {
    finished(AgentJob::crd())
}

/// Of `RunnerHost`.
#[must_use]
pub fn runner_hosts() -> CustomResourceDefinition {
    finished(RunnerHost::crd())
}

/// The schema of a definition's version, as JSON.
#[must_use]
pub fn schema(of: &CustomResourceDefinition) -> Value {
    let version = of.spec.versions.first();
    let schema = version.and_then(|v| v.schema.as_ref());
    serde_json::to_value(schema.and_then(|s| s.open_api_v3_schema.as_ref())).unwrap_or_default()
}

fn finished(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let mut said = schema(&crd);
    plain(&mut said);
    let version = crd.spec.versions.first_mut();
    if let Some(place) = version.and_then(|v| v.schema.as_mut()) {
        place.open_api_v3_schema = serde_json::from_value(said).ok();
    }
    crd
}

/// Without `nullable`: the API server then takes a null for a field that is left out, as `serde` does; with it, a rule
/// would see a field that is there.
fn plain(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    schema.shift_remove("nullable");
    schema.shift_remove("title");
    let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
    fields
        .into_iter()
        .flat_map(|f| f.values_mut())
        .for_each(plain);
    for inner in ["items", "additionalProperties"] {
        schema.get_mut(inner).into_iter().for_each(plain);
    }
}
