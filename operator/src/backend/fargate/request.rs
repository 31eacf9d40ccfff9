//! What is sent to start a task: the same every time for one seat and one choice of capacity. Pure.

use aws_sdk_ecs::operation::run_task::builders::RunTaskInputBuilder;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride,
    EphemeralStorage, KeyValuePair, NetworkConfiguration, Tag, TaskOverride,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use sandbox_core::{
    AgentJobSpec, Brief, FailureClass, Seat,
    port::{Answer, PortError},
    spec::FargateCapacity,
    status::{Capacity, Launch},
};
use sha2::{Digest, Sha256};

use super::{
    cause::Cause,
    conf::{DATA, FargateConfig, JOB_TAG, OWNER_TAG, TENANT_TAG, TYPE_TAG},
    size,
};
use crate::backend::runner_words;

/// Most characters of everything that is said otherwise than in the task definition, in JSON.
///
/// Source: the ECS API, `overrides` of `RunTask`.
const LONGEST: usize = 8192;
/// How long a token is good at most: the longest that a job may take, and a day.
const TOKEN: SignedDuration = SignedDuration::from_hours(721);

/// By what ECS knows the same launch again: a hash of the seat and the choice, in 43 characters that it allows.
pub(super) fn client_token(seat: &Seat, choice: u32) -> String {
    let digest = Sha256::digest(format!("launch {seat} {choice}"));
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}

/// What is decided about the launch of a job before it.
pub(super) fn frozen(conf: &FargateConfig, spec: &AgentJobSpec) -> Launch {
    let asked = size::asked(spec);
    let (size, disk) = (size::of(&asked, conf.size), size::disk(&asked));
    let capacity = |spot: bool| Capacity {
        name: if spot { "FARGATE_SPOT" } else { "FARGATE" }.to_owned(),
        usd_per_hour: conf.prices.hour(size, disk, spot),
    };
    let capacities = match asked.capacity.unwrap_or(conf.capacity) {
        FargateCapacity::OnDemand => vec![capacity(false)],
        FargateCapacity::Spot => vec![capacity(true)],
        FargateCapacity::SpotWithFallback => vec![capacity(true), capacity(false)],
    };
    Launch {
        definition: conf.definition.clone(),
        cpu_units: size.cpu_units,
        memory_mib: size.memory_mib,
        disk_gib: disk,
        capacities,
    }
}

/// The whole request.
///
/// # Errors
/// It would say more than ECS takes.
pub(super) fn run_task(
    conf: &FargateConfig,
    brief: &Brief,
    (launch, choice, at): (&Launch, u32, Timestamp),
) -> Answer<RunTaskInputBuilder> {
    let overrides = overrides(conf, brief, (launch, at));
    let length = length(&overrides);
    if length > LONGEST {
        let text = format!("start a task: {} ({length})", Cause::TooLong.text(""));
        return Err(PortError::refused(FailureClass::InvalidSpec, text));
    }
    let provider = launch.capacity(choice).map(|c| c.name.clone());
    let strategy = CapacityProviderStrategyItem::builder()
        .capacity_provider(provider.unwrap_or_else(|| "FARGATE".to_owned()))
        .weight(1)
        .build();
    let strategy = strategy.map_err(|e| PortError::Unknown(format!("start a task: {e}")))?;
    Ok(RunTaskInputBuilder::default()
        .cluster(&conf.cluster)
        .task_definition(&launch.definition)
        .client_token(client_token(&brief.seat, choice))
        .started_by(brief.seat.object_name())
        .count(1)
        .capacity_provider_strategy(strategy)
        .set_network_configuration(network(conf)?)
        .enable_execute_command(conf.exec)
        .set_tags(Some(tags(conf, brief)))
        .overrides(overrides))
}

fn network(conf: &FargateConfig) -> Answer<Option<NetworkConfiguration>> {
    let public = if conf.public_address {
        AssignPublicIp::Enabled
    } else {
        AssignPublicIp::Disabled
    };
    let vpc = AwsVpcConfiguration::builder()
        .set_subnets(Some(conf.subnets.clone()))
        .set_security_groups(Some(conf.security_groups.clone()))
        .assign_public_ip(public)
        .build();
    let vpc = vpc.map_err(|e| PortError::Unknown(format!("start a task: {e}")))?;
    Ok(Some(
        NetworkConfiguration::builder()
            .awsvpc_configuration(vpc)
            .build(),
    ))
}

/// Ours last: what people add must not hide whose task it is.
fn tags(conf: &FargateConfig, brief: &Brief) -> Vec<Tag> {
    let own = [
        (OWNER_TAG, conf.tokens.owner()),
        (TENANT_TAG, brief.tenant.to_string()),
        (JOB_TAG, brief.seat.uid.to_string()),
        (TYPE_TAG, brief.spec.job_type.word().to_owned()),
    ];
    let is_own = |key: &str| own.iter().any(|(own, _)| *own == key);
    let added = conf.tags.iter().filter(|(key, _)| !is_own(key));
    let added = added.map(|(key, value)| (key.as_str(), value));
    let all = added.chain(own.iter().map(|(key, value)| (*key, value)));
    all.map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// The brief goes by reference: the runner is told its seat, and asks at the door what to do.
fn overrides(
    conf: &FargateConfig,
    brief: &Brief,
    (launch, at): (&Launch, Timestamp),
) -> TaskOverride {
    let words = runner_words(&brief.seat, DATA, ("task", &conf.door));
    let until = at.checked_add(TOKEN).unwrap_or(Timestamp::MAX);
    let token = conf.tokens.issue(&brief.seat, &brief.tenant, until);
    // A door that everybody's authorities know needs none of its own.
    let authority = Some(conf.authority.as_str()).filter(|pem| !pem.is_empty());
    let authority = authority.map(|pem| ("SANDBOX_SEAT_CA", pem));
    let variables = authority
        .into_iter()
        .chain([("SANDBOX_SEAT_TOKEN", token.as_str())])
        .map(|(k, v)| KeyValuePair::builder().name(k).value(v).build());
    let container = ContainerOverride::builder()
        .name(&conf.container)
        .set_command(Some(words))
        .set_environment(Some(variables.collect()))
        .build();
    let disk = launch.disk_gib.and_then(|gib| i32::try_from(gib).ok());
    TaskOverride::builder()
        .cpu(launch.cpu_units.to_string())
        .memory(launch.memory_mib.to_string())
        .container_overrides(container)
        .set_ephemeral_storage(disk.map(|gib| EphemeralStorage::builder().size_in_gib(gib).build()))
        .build()
}

/// How long it is as JSON, its punctuation counted generously.
fn length(overrides: &TaskOverride) -> usize {
    const AROUND: usize = 24;
    let json = |text: &str| serde_json::Value::from(text).to_string().len() + AROUND;
    let container = |c: &ContainerOverride| {
        let words: usize = c.command().iter().map(|w| json(w)).sum();
        let variables = c.environment().iter();
        let variables: usize = variables
            .map(|v| json(v.name().unwrap_or_default()) + json(v.value().unwrap_or_default()))
            .sum();
        words + variables + 4 * AROUND
    };
    overrides
        .container_overrides()
        .iter()
        .map(container)
        .sum::<usize>()
        + 4 * AROUND
}

#[cfg(test)]
mod tests;
