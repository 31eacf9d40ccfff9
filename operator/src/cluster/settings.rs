//! Every setting of the operator in a cluster: a flag each, and a variable of the environment.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::EnvVar;

use crate::{backend::fargate::settings::FargateSettings, checks::Checks, lead::Terms};

/// What the operator is told.
#[allow(
    clippy::doc_markdown,
    reason = "these texts are shown to people as they stand"
)]
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Find the API server by this file; without, as a pod of the cluster does
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The operator's own namespace [default: that of its pod]
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE")]
    pub namespace: Option<String>,
    /// What this replica is called [default: the host's name]
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    pub identity: Option<String>,
    /// Look after the jobs of these namespaces alone; of all of them when empty
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        env = "SANDBOX_WATCH_NAMESPACES"
    )]
    pub watch_namespaces: Vec<String>,
    /// Who leads
    #[command(flatten)]
    pub lead: LeadSettings,
    /// Who comes in where
    #[command(flatten)]
    pub doors: DoorSettings,
    /// What becomes of jobs
    #[command(flatten)]
    pub jobs: JobSettings,
    /// What pods are made of
    #[command(flatten)]
    pub pods: PodSettings,
    /// Where tasks of Fargate run
    #[command(flatten)]
    pub fargate: FargateSettings,
    /// Where the shared memory is
    #[command(flatten)]
    pub elf: ElfSettings,
    /// Folder of what is kept beside the cluster's objects: results and artifacts
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/data",
        env = "SANDBOX_DATA_DIR"
    )]
    pub data_dir: PathBuf,
    /// A bucket that keeps them in the folder's place, as s3://BUCKET or s3://BUCKET/FOLDER; credentials and region come
    /// from the environment, as for AWS's own programs
    #[arg(long, value_name = "URL", env = "SANDBOX_OBJECTS")]
    pub objects: Option<String>,
    /// What is logged, such as info or sandbox_operator=debug,info
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "LOG_LEVEL")]
    pub log_level: String,
    /// How it is logged
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        env = "SANDBOX_LOG_FORMAT"
    )]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line an event, for people.
    Text,
    /// A JSON object an event, for programs.
    Json,
}

/// Who leads.
#[derive(Clone, Debug, clap::Args)]
pub struct LeadSettings {
    /// The Lease whose holder leads
    #[arg(
        long,
        value_name = "NAME",
        default_value = "sandbox-operator",
        env = "SANDBOX_LEASE_NAME"
    )]
    pub lease_name: String,
    /// How long others wait for a leader that is silent
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time)]
    pub lease_duration: Duration,
    /// How long a leader that cannot renew goes on
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub renew_deadline: Duration,
    /// How often it is tried to renew, or to lead
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    pub retry_period: Duration,
}

impl LeadSettings {
    /// The times of the election.
    ///
    /// # Errors
    /// There could be two leaders with them.
    pub fn terms(&self) -> Result<Terms> {
        let terms = Terms::new(self.lease_duration, self.renew_deadline, self.retry_period);
        terms.context("read --lease-duration, --renew-deadline and --retry-period")
    }
}

/// Who comes in where.
#[derive(Clone, Debug, clap::Args)]
pub struct DoorSettings {
    /// Serve the API, the dashboard and MCP here
    #[arg(
        long,
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8000",
        env = "SANDBOX_LISTEN"
    )]
    pub listen: SocketAddr,
    /// Serve runners here, over TLS
    #[arg(
        long,
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8443",
        env = "SANDBOX_SEAT_LISTEN"
    )]
    pub seat_listen: SocketAddr,
    /// Serve /healthz, /readyz and /metrics here, to everybody
    #[arg(
        long,
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8080",
        env = "SANDBOX_PROBE_LISTEN"
    )]
    pub probe_listen: SocketAddr,
    /// Where runners reach the seat service, as https://NAME:PORT
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://localhost:8443",
        env = "SANDBOX_SEAT_DOOR"
    )]
    pub seat_door: String,
    /// Names in the certificate of the seat service
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "localhost,127.0.0.1",
        env = "SANDBOX_SEAT_NAMES"
    )]
    pub seat_names: Vec<String>,
    /// The Secret that keeps the certificate of the seat service; it is filled by whoever comes first
    #[arg(
        long,
        value_name = "NAME",
        default_value = "sandbox-seat-tls",
        env = "SANDBOX_SEAT_SECRET"
    )]
    pub seat_secret: String,
    /// Whether every request of the API needs a key
    #[arg(
        long,
        value_name = "BOOL",
        default_value = "true",
        action = clap::ArgAction::Set,
        env = "AUTH_ENABLED"
    )]
    pub auth: bool,
    /// A file with a JSON object of key and namespace; read again when it changes
    #[arg(long, value_name = "FILE", env = "API_KEYS_FILE")]
    pub api_keys_file: Option<PathBuf>,
    /// The Secret that keeps the first key, for the namespace `default`; it is filled by whoever comes first
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "api_keys_file",
        env = "SANDBOX_KEYS_SECRET"
    )]
    pub keys_secret: Option<String>,
    /// Names by which the API is called, for requests without a key
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        env = "SANDBOX_HOST_NAMES"
    )]
    pub host_names: Vec<String>,
    /// Serve on a public address although nobody is asked for a key
    #[arg(long)]
    pub insecure: bool,
}

/// What becomes of jobs.
#[derive(Clone, Debug, clap::Args)]
pub struct JobSettings {
    /// Jobs at work at a time
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..), env = "SANDBOX_SLOTS")]
    pub slots: u32,
    /// Jobs that may wait; the API refuses more
    #[arg(
        long,
        value_name = "N",
        default_value = "10000",
        env = "SANDBOX_QUEUE_LIMIT"
    )]
    pub queue_limit: u32,
    /// The deadline of a job that names none
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = time, env = "SANDBOX_DEADLINE")]
    pub deadline: Duration,
    /// How long a finished job stays that does not say, such as 168h, or keep
    #[arg(long, value_name = "TIME", default_value = "720h", value_parser = kept, env = "SANDBOX_TTL_AFTER_FINISHED")]
    pub ttl_after_finished: Kept,
    /// Jobs that are looked at at a time
    #[arg(
        long,
        value_name = "N",
        default_value = "32",
        value_parser = clap::value_parser!(u16).range(1..),
        env = "SANDBOX_CONCURRENCY"
    )]
    pub concurrency: u16,
    /// A file of the checks by which farms' work is judged in pods and tasks, as sandbox serve has it
    #[arg(long, value_name = "FILE", env = "SANDBOX_CHECKS_FILE")]
    pub checks_file: Option<PathBuf>,
}

impl JobSettings {
    /// The checks of the file; none without one.
    ///
    /// # Errors
    /// What is wrong with the file, and in which line.
    pub fn checks(&self) -> Result<Checks> {
        let read = self.checks_file.as_deref().map(Checks::read);
        read.transpose()
            .map(Option::unwrap_or_default)
            .map_err(anyhow::Error::msg)
    }
}

/// How long finished jobs stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept(pub Option<Duration>);

/// What pods of jobs are made of.
#[derive(Clone, Debug, clap::Args)]
pub struct PodSettings {
    /// The image of a job that names none
    #[arg(
        long = "runner-image",
        value_name = "IMAGE",
        default_value = concat!("multi-agent-sandbox/runner:", env!("CARGO_PKG_VERSION")),
        env = "SANDBOX_RUNNER_IMAGE"
    )]
    pub image: String,
    /// Further images that jobs may name; one that ends in * stands for all that begin so
    #[arg(
        long = "runner-images",
        value_name = "IMAGES",
        value_delimiter = ',',
        env = "SANDBOX_RUNNER_IMAGES"
    )]
    pub images: Vec<String>,
    /// When images are pulled; the cluster's own rule when absent
    #[arg(
        long = "runner-pull-policy",
        value_name = "POLICY",
        value_parser = ["Always", "IfNotPresent", "Never"],
        env = "SANDBOX_RUNNER_PULL_POLICY"
    )]
    pub pull_policy: Option<String>,
    /// Secrets of the jobs' namespaces with which images are pulled
    #[arg(
        long = "runner-pull-secrets",
        value_name = "NAMES",
        value_delimiter = ',',
        env = "SANDBOX_RUNNER_PULL_SECRETS"
    )]
    pub pull_secrets: Vec<String>,
    /// How long a pod may be without what it needs, such as its image, before its attempt fails
    #[arg(
        long = "runner-prepare-within",
        value_name = "TIME",
        default_value = "10m",
        value_parser = time,
        env = "SANDBOX_RUNNER_PREPARE_WITHIN"
    )]
    pub prepare_within: Duration,
    /// More variables of every runner, as a JSON array of a container's `env`
    #[arg(long = "runner-env", value_name = "JSON", value_parser = variables, env = "SANDBOX_RUNNER_ENV")]
    pub env: Option<Variables>,
}

/// Variables of a container.
pub type Variables = std::sync::Arc<[EnvVar]>;

/// Where the shared memory is.
#[derive(Clone, Debug, clap::Args)]
pub struct ElfSettings {
    /// redis://…, rediss://… or unix://…; dynamodb://…; https://… of a `sandbox ledger`; or memory, which is this
    /// replica's own and gone when it ends
    #[arg(
        long,
        value_name = "URL",
        default_value = "memory",
        env = "SANDBOX_ELF"
    )]
    pub elf: String,
    /// Where memory on DynamoDB keeps its snapshots: s3://…
    #[arg(long, value_name = "URL", env = "SANDBOX_ELF_SNAPSHOTS")]
    pub elf_snapshots: Option<String>,
    /// A file with the token of `sandbox ledger`
    #[arg(long, value_name = "FILE", env = "SANDBOX_LEDGER_TOKEN_FILE")]
    pub ledger_token_file: Option<PathBuf>,
    /// A file with certificates that the one of `sandbox ledger` is checked against
    #[arg(long, value_name = "FILE", env = "SANDBOX_LEDGER_CA_FILE")]
    pub ledger_ca_file: Option<PathBuf>,
    /// A file with the password of Redis
    #[arg(long, value_name = "FILE", env = "SANDBOX_REDIS_PASSWORD_FILE")]
    pub redis_password_file: Option<PathBuf>,
    /// A file with certificates that the one of Redis is checked against
    #[arg(long, value_name = "FILE", env = "SANDBOX_REDIS_CA_FILE")]
    pub redis_ca_file: Option<PathBuf>,
    /// What every key in Redis begins with
    #[arg(
        long,
        value_name = "WORD",
        default_value = "sandbox",
        env = "SANDBOX_REDIS_PREFIX"
    )]
    pub redis_prefix: String,
    /// Replicas of Redis that must have a write
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        env = "SANDBOX_REDIS_REPLICAS"
    )]
    pub redis_replicas: u32,
}

fn variables(text: &str) -> Result<Variables, String> {
    let read = serde_json::from_str::<Vec<EnvVar>>(text);
    read.map(Into::into).map_err(|e| e.to_string())
}

/// A time like 1h30m. Not `kube`'s reader, which panics at times that no clock holds.
fn time(text: &str) -> Result<Duration, String> {
    let span = text
        .parse::<jiff::SignedDuration>()
        .map_err(|e| e.to_string());
    let span = span.and_then(|span| Duration::try_from(span).map_err(|e| e.to_string()));
    span.map_err(|e| format!("it is not like 2h or 90s: {e}"))
}

fn kept(text: &str) -> Result<Kept, String> {
    match text {
        "keep" => Ok(Kept(None)),
        text => time(text).map(|time| Kept(Some(time))),
    }
}
