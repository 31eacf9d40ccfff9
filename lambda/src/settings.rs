//! What the function is told: variables of its environment, as `terraform/modules/api` sets them. No secret: those stand
//! where a variable says.

use anyhow::{Context, Result};
use clap::Parser;
use sandbox_elf::store::dynamodb::DynamoSettings;
use sandbox_operator::{
    backend::fargate::settings::FargateSettings, cluster::settings::JobSettings,
};

/// Every setting.
#[allow(
    clippy::doc_markdown,
    reason = "these texts are shown to people as they stand"
)]
#[derive(Clone, Debug, Parser)]
#[command(name = "bootstrap", no_binary_name = true)]
pub struct Settings {
    /// The table of jobs, as dynamodb://TABLE
    #[arg(long, env = "SANDBOX_STORE", value_parser = table)]
    store: String,
    /// The table of memory, as dynamodb://TABLE
    #[arg(long, env = "SANDBOX_ELF", value_parser = table)]
    elf: String,
    /// What is too large for a table, and snapshots: s3://BUCKET/FOLDER
    #[arg(long, env = "SANDBOX_OBJECTS")]
    objects: String,
    /// The secret that tokens of runners are signed with, by its name or ARN in Secrets Manager
    #[arg(long, env = "SANDBOX_SEAT_SECRET")]
    pub seat_secret: String,
    /// Where runners reach the API, as https://NAME
    #[arg(long, env = "SANDBOX_SEAT_DOOR")]
    pub seat_door: String,
    /// The secret that has the keys of clients; without it, requests are not answered
    #[arg(long, env = "SANDBOX_KEYS_SECRET")]
    pub keys_secret: Option<String>,
    /// The URL of the queue of wakes
    #[arg(long, env = "SANDBOX_WAKES")]
    pub wakes: Option<String>,
    /// What becomes of jobs
    #[command(flatten)]
    pub jobs: JobSettings,
    /// Where jobs run; without a cluster, jobs are not looked at
    #[command(flatten)]
    pub fargate: FargateSettings,
}

/// The name in `dynamodb://TABLE`.
fn table(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("dynamodb://").filter(|n| !n.is_empty());
    name.map(str::to_owned)
        .ok_or_else(|| "it is not dynamodb://TABLE".to_owned())
}

impl Settings {
    /// What the environment says.
    ///
    /// # Errors
    /// A setting is missing or wrong; the text says which.
    pub fn read() -> Result<Self> {
        let none: [&str; 0] = [];
        Self::try_parse_from(none).context("read the settings of the function")
    }

    /// The table of jobs.
    pub fn records(&self) -> DynamoSettings {
        self.of(&self.store)
    }

    /// The table of memory.
    pub fn memory(&self) -> DynamoSettings {
        self.of(&self.elf)
    }

    fn of(&self, table: &str) -> DynamoSettings {
        DynamoSettings {
            s3_endpoint: std::env::var("AWS_ENDPOINT_URL_S3").ok(),
            ..DynamoSettings::new(table, &self.objects)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_by_its_address() {
        assert_eq!(
            table("dynamodb://sandbox-records"),
            Ok("sandbox-records".to_owned())
        );
        for odd in ["sandbox-records", "dynamodb://", "sqlite"] {
            assert!(table(odd).is_err(), "{odd}");
        }
    }
}
