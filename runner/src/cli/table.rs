//! `sandbox table`: makes the DynamoDB table that jobs and memory are kept in.

use std::process::ExitCode;

use anyhow::Result;
use sandbox_elf::store::dynamodb::DynamoSettings;
use sandbox_operator::store::dynamodb::make_table;

use super::shown::out;

/// Makes a DynamoDB table for jobs and memory, in the account and region of the environment.
#[derive(clap::Args)]
pub struct Table {
    /// Its name
    name: String,
}

impl Table {
    /// Makes it and waits until it is there.
    ///
    /// # Errors
    /// It stands already, or may not be made.
    pub async fn run(self) -> Result<ExitCode> {
        let settings = DynamoSettings::new(&self.name, "memory:");
        Box::pin(make_table(&settings)).await?;
        out(&format!(
            "the table {0} is there; serve on it with SANDBOX_STORE=dynamodb://{0}",
            self.name
        ));
        Ok(ExitCode::SUCCESS)
    }
}
