//! What a `RunTask` may say, as the API documents it. Gives the refusal, as code and words.

use serde_json::Value;

use super::{CLUSTER, DEFINITION};

/// A code and words.
pub(super) type Refused = (&'static str, String);

/// Processors, and memory from, to and in steps of, in MiB.
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

/// Whether this cluster is there.
pub(super) fn cluster(request: &Value) -> Result<(), Refused> {
    let name = request["cluster"].as_str().unwrap_or("default");
    if name.rsplit('/').next() == Some(CLUSTER) {
        return Ok(());
    }
    Err(("ClusterNotFoundException", "Cluster not found.".to_owned()))
}

/// Whether a task may be started so.
pub(super) fn launch(request: &Value) -> Result<(), Refused> {
    let wrong = |words: &str| Err(("InvalidParameterException", words.to_owned()));
    let text = |field: &str| request[field].as_str().unwrap_or_default();
    if text("taskDefinition").rsplit('/').next() != Some(DEFINITION) {
        return Err(("ClientException", "TaskDefinition not found.".to_owned()));
    }
    let token = text("clientToken");
    if token.len() > 64 || !token.bytes().all(|b| (33..=126).contains(&b)) {
        return wrong("clientToken is not valid");
    }
    let started_by = text("startedBy");
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
    if started_by.len() > 128 || !started_by.chars().all(fine) {
        return wrong("startedBy is not valid");
    }
    let strategy = request["capacityProviderStrategy"].as_array();
    if !request["launchType"].is_null() && strategy.is_some() {
        return wrong(
            "specifying both a launch type and capacity provider strategy is not supported",
        );
    }
    if request["networkConfiguration"]["awsvpcConfiguration"]["subnets"][0].is_null() {
        return wrong(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        );
    }
    if request["tags"].as_array().is_some_and(|t| t.len() > 50) {
        return wrong("Too many tags");
    }
    if request["overrides"].to_string().len() > 8192 {
        return wrong("Container Overrides length must be at most 8192");
    }
    size(&request["overrides"])
}

fn size(overrides: &Value) -> Result<(), Refused> {
    let number = |field: &str| overrides[field].as_str().and_then(|n| n.parse().ok());
    let (Some(cpu), Some(memory)): (Option<u32>, Option<u32>) = (number("cpu"), number("memory"))
    else {
        return Ok(());
    };
    let fits = |(units, from, to, step): &(u32, u32, u32, u32)| {
        *units == cpu && (*from..=*to).contains(&memory) && (memory - from).is_multiple_of(*step)
    };
    if SIZES.iter().any(fits) && (cpu, memory) != (256, 1536) {
        return Ok(());
    }
    let words = format!(
        "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
    );
    Err(("ClientException", words))
}
