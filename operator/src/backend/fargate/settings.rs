//! Every setting of the back end: a flag each, and a variable of the environment. Where none names a cluster, there is no
//! back end.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use object_store::{ObjectStore, path::Path};
use sandbox_core::{
    Seat, Usd,
    port::Store,
    spec::{FargateCapacity, FargateResources, FargateSpec},
};

use super::{
    FargateBackend, FargateConfig,
    price::Prices,
    size::{self, Size},
};
use crate::{
    aws::{AwsWay, secrets::SecretsManager},
    control::Waker,
    secrets::Secrets,
    tokens::Tokens,
};

/// The size of a task whose job says nothing and whose operator says nothing, either.
const USUAL: Size = Size {
    cpu_units: 1024,
    memory_mib: 4096,
};

/// What the back end is told.
#[allow(
    clippy::doc_markdown,
    reason = "these texts are shown to people as they stand"
)]
#[derive(Clone, Debug, clap::Args)]
pub struct FargateSettings {
    /// Run jobs with `backend: {name: fargate}` as tasks of this ECS cluster, by its name or ARN
    #[arg(
        long = "fargate-cluster",
        value_name = "CLUSTER",
        env = "SANDBOX_FARGATE_CLUSTER"
    )]
    pub cluster: Option<String>,
    /// The region of that cluster [default: what the environment says, as AWS_REGION does]
    #[arg(
        long = "fargate-region",
        value_name = "REGION",
        env = "SANDBOX_FARGATE_REGION"
    )]
    pub region: Option<String>,
    /// What tasks are made of, with its revision: FAMILY:REVISION
    #[arg(
        long = "fargate-task-definition",
        value_name = "NAME",
        default_value = "",
        env = "SANDBOX_FARGATE_TASK_DEFINITION"
    )]
    pub definition: String,
    /// The container of the task definition that is the runner
    #[arg(
        long = "fargate-container",
        value_name = "NAME",
        default_value = "runner",
        env = "SANDBOX_FARGATE_CONTAINER"
    )]
    pub container: String,
    /// Subnets of tasks
    #[arg(
        long = "fargate-subnets",
        value_name = "IDS",
        value_delimiter = ',',
        env = "SANDBOX_FARGATE_SUBNETS"
    )]
    pub subnets: Vec<String>,
    /// Security groups of tasks
    #[arg(
        long = "fargate-security-groups",
        value_name = "IDS",
        value_delimiter = ',',
        env = "SANDBOX_FARGATE_SECURITY_GROUPS"
    )]
    pub security_groups: Vec<String>,
    /// Whether tasks have a public address
    #[arg(
        long = "fargate-public-address",
        value_name = "BOOL",
        default_value = "false",
        action = clap::ArgAction::Set,
        env = "SANDBOX_FARGATE_PUBLIC_ADDRESS"
    )]
    pub public_address: bool,
    /// Where tasks reach the seat service, as https://NAME:PORT [default: where pods do]
    #[arg(
        long = "fargate-seat-door",
        value_name = "URL",
        env = "SANDBOX_FARGATE_SEAT_DOOR"
    )]
    pub door: Option<String>,
    /// The capacity of a job that names none
    #[arg(
        long = "fargate-capacity",
        value_name = "KIND",
        default_value = "on-demand",
        value_parser = ["on-demand", "spot", "spot-with-fallback"],
        env = "SANDBOX_FARGATE_CAPACITY"
    )]
    pub capacity: String,
    /// Processors of a task whose job names none
    #[arg(
        long = "fargate-cpu",
        value_name = "N",
        default_value = "1",
        env = "SANDBOX_FARGATE_CPU"
    )]
    pub cpu: String,
    /// Memory of a task whose job names none
    #[arg(
        long = "fargate-memory",
        value_name = "SIZE",
        default_value = "4Gi",
        env = "SANDBOX_FARGATE_MEMORY"
    )]
    pub memory: String,
    /// More tags of each task, as KEY=VALUE
    #[arg(long = "fargate-tags", value_name = "TAGS", value_delimiter = ',', value_parser = tag, env = "SANDBOX_FARGATE_TAGS")]
    pub tags: Vec<(String, String)>,
    /// Launches of each kind of capacity at once
    #[arg(long = "fargate-launch-burst", value_name = "N", default_value_t = super::BURST, value_parser = clap::value_parser!(u32).range(1..), env = "SANDBOX_FARGATE_LAUNCH_BURST")]
    pub burst: u32,
    /// Launches of each kind of capacity each second after that
    #[arg(long = "fargate-launches", value_name = "N", default_value_t = super::PER_SECOND, value_parser = clap::value_parser!(u32).range(1..), env = "SANDBOX_FARGATE_LAUNCHES")]
    pub launches: u32,
    /// What the names of tenants' secrets in Secrets Manager begin with: PREFIX/TENANT/NAME; without it, jobs that name one are refused
    #[arg(
        long = "fargate-secrets-prefix",
        value_name = "PREFIX",
        env = "SANDBOX_FARGATE_SECRETS_PREFIX"
    )]
    pub secrets_prefix: Option<String>,
    /// The log group that the task definition writes to
    #[arg(
        long = "fargate-log-group",
        value_name = "NAME",
        env = "SANDBOX_FARGATE_LOG_GROUP"
    )]
    pub log_group: Option<String>,
    /// What the task definition has log streams begin with
    #[arg(
        long = "fargate-log-prefix",
        value_name = "WORD",
        default_value = "sandbox",
        env = "SANDBOX_FARGATE_LOG_PREFIX"
    )]
    pub log_prefix: String,
    /// Whether people may enter tasks, by ECS Exec
    #[arg(
        long = "fargate-exec",
        value_name = "BOOL",
        default_value = "false",
        action = clap::ArgAction::Set,
        env = "SANDBOX_FARGATE_EXEC"
    )]
    pub exec: bool,
    /// What an hour of a processor costs, in US dollars [default: that of us-east-1, Linux, x86]
    #[arg(
        long = "fargate-usd-per-cpu",
        value_name = "USD",
        env = "SANDBOX_FARGATE_USD_PER_CPU"
    )]
    pub usd_per_cpu: Option<Usd>,
    /// What an hour of a GiB of memory costs, in US dollars [default: that of us-east-1, Linux, x86]
    #[arg(
        long = "fargate-usd-per-gib",
        value_name = "USD",
        env = "SANDBOX_FARGATE_USD_PER_GIB"
    )]
    pub usd_per_gib: Option<Usd>,
    /// What Spot costs, in hundredths of the price on demand
    #[arg(long = "fargate-spot-percent", value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=100), env = "SANDBOX_FARGATE_SPOT_PERCENT")]
    pub spot_percent: u32,
    /// How long a task may be without what it needs, such as capacity or its image, before its attempt fails
    // That of pods has the field's own name.
    #[arg(
        id = "fargate_prepare_within",
        long = "fargate-prepare-within",
        value_name = "SECONDS",
        default_value = "600",
        env = "SANDBOX_FARGATE_PREPARE_WITHIN"
    )]
    pub prepare_within: u64,
}

fn tag(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("it is not like team=agents")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// What the back end is given besides.
pub struct Given {
    /// Where pods reach the seat service.
    pub door: String,
    /// The authority of the door's certificate, in PEM; empty where the authorities of the image know it.
    pub authority: String,
    /// Makes the tokens of seats.
    pub tokens: Tokens,
    /// How long a runner goes on that is not heard.
    pub lease: Duration,
    /// Where the logs of seats that are over are kept.
    pub files: Arc<dyn ObjectStore>,
    /// Where in there that of a seat is.
    pub log_path: fn(&Seat) -> Path,
    /// Where the jobs stand.
    pub store: Arc<dyn Store>,
    /// Has a job looked at.
    pub waker: Waker,
}

impl FargateSettings {
    /// The back end of these settings, where they name a cluster.
    ///
    /// # Errors
    /// A setting cannot be right; the text says which and what to do.
    pub async fn open(&self, given: Given) -> Result<Option<FargateBackend>, String> {
        let Some(cluster) = self.cluster.clone().filter(|c| !c.is_empty()) else {
            return Ok(None);
        };
        let aws = self.way().load().await?;
        let region = aws.region().map(ToString::to_string).unwrap_or_default();
        let waker = given.waker.clone();
        let secrets = self.secrets_by(&aws);
        let conf = FargateConfig {
            secrets,
            ..self.conf((cluster, region), given)?
        };
        FargateBackend::new(&aws, conf, waker).map(Some)
    }

    fn way(&self) -> AwsWay {
        AwsWay {
            region: self.region.clone(),
            ..AwsWay::default()
        }
    }

    /// Tenants' secrets, where the settings say where they are.
    ///
    /// # Errors
    /// No region is named.
    pub async fn secrets(&self) -> Result<Option<Arc<dyn Secrets>>, String> {
        if self.prefix().is_none() {
            return Ok(None);
        }
        Ok(self.secrets_by(&self.way().load().await?))
    }

    /// The same, asked for in this way.
    #[must_use]
    pub fn secrets_by(&self, aws: &SdkConfig) -> Option<Arc<dyn Secrets>> {
        let prefix = self.prefix()?;
        Some(Arc::new(SecretsManager::new(aws, prefix)))
    }

    /// What the names of tenants' secrets begin with, where they have any.
    pub(super) fn prefix(&self) -> Option<&str> {
        let prefix = self.secrets_prefix.as_deref();
        prefix.filter(|prefix| !prefix.is_empty())
    }

    /// The log group that tasks print to, and the prefix of its streams.
    #[must_use]
    pub fn logs(&self) -> Option<(String, String)> {
        let group = self.log_group.clone();
        group.map(|group| (group, self.log_prefix.clone()))
    }

    fn conf(
        &self,
        (cluster, region): (String, String),
        given: Given,
    ) -> Result<FargateConfig, String> {
        let defaults = Prices::default();
        Ok(FargateConfig {
            cluster,
            region,
            definition: self.definition.clone(),
            container: self.container.clone(),
            subnets: self.subnets.clone(),
            security_groups: self.security_groups.clone(),
            public_address: self.public_address,
            door: self.door.clone().unwrap_or(given.door),
            authority: given.authority,
            tokens: given.tokens,
            size: self.size()?,
            capacity: self.capacity(),
            prices: Prices {
                processor: self.usd_per_cpu.unwrap_or(defaults.processor),
                memory: self.usd_per_gib.unwrap_or(defaults.memory),
                spot_percent: self.spot_percent,
                ..defaults
            },
            tags: self.tags.clone(),
            exec: self.exec,
            logs: self.logs(),
            launches: (self.burst, self.launches),
            prepare_within: Duration::from_secs(self.prepare_within),
            orphan_after: given.lease * 2,
            lease: given.lease,
            files: given.files,
            log_path: given.log_path,
            store: given.store,
            secrets: None,
        })
    }

    fn capacity(&self) -> FargateCapacity {
        match self.capacity.as_str() {
            "spot" => FargateCapacity::Spot,
            "spot-with-fallback" => FargateCapacity::SpotWithFallback,
            _ => FargateCapacity::OnDemand,
        }
    }

    fn size(&self) -> Result<Size, String> {
        let asked = FargateSpec {
            resources: Some(FargateResources {
                cpu: Some(self.cpu.clone()),
                memory: Some(self.memory.clone()),
            }),
            ..FargateSpec::default()
        };
        size::read(&asked, USUAL).ok_or_else(|| {
            format!(
                "read --fargate-cpu {} and --fargate-memory {}: they are not like 2 and 8Gi",
                self.cpu, self.memory
            )
        })
    }
}
