//! The way to the services of AWS in which seats run, and a deployment that runs on them.

pub mod deployment;
mod fault;
pub mod secrets;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use sandbox_elf::aws::{Patience, load};

pub use fault::{Fault, fault};

/// How long answers are waited for: a launch takes longer than a record.
const PATIENCE: Patience = Patience {
    one_try: Duration::from_secs(10),
    call: Duration::from_secs(25),
    tries: 3,
    pause: Duration::from_secs(1),
};

/// Where AWS is and who we are there.
#[derive(Clone, Debug, Default)]
pub struct AwsWay {
    /// The region; that of the environment when absent.
    pub region: Option<String>,
    /// Another address of every service, for tests.
    pub endpoint: Option<String>,
    /// Whose rights; those of the environment when absent: variables, a profile, the role of a pod or task.
    pub credentials: Option<SharedCredentialsProvider>,
}

impl AwsWay {
    /// What clients are made of.
    ///
    /// # Errors
    /// No region is named, in words.
    pub async fn load(&self) -> Result<SdkConfig, String> {
        let found = load(self.region.as_ref(), self.credentials.as_ref(), PATIENCE).await;
        let config = match &self.endpoint {
            Some(endpoint) => found.into_builder().endpoint_url(endpoint).build(),
            None => found,
        };
        let unnamed = || "used AWS: no region is named; set AWS_REGION".to_owned();
        config.region().ok_or_else(unnamed)?;
        Ok(config)
    }
}
