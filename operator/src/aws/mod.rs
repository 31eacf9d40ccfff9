//! The way to AWS: region, rights, patience. Every client of ours is made of what this gives; none is made here.

mod fault;

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::SharedCredentialsProvider;

pub use fault::{Fault, fault};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one try may take.
const TRY: Duration = Duration::from_secs(10);
/// How long a call may take with all its tries.
const CALL: Duration = Duration::from_secs(25);
/// How often a call is tried.
const TRIES: u32 = 3;

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
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT)
                    .operation_attempt_timeout(TRY)
                    .operation_timeout(CALL)
                    .build(),
            );
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        let config = loader.load().await;
        let unnamed = || "used AWS: no region is named; set AWS_REGION".to_owned();
        config.region().ok_or_else(unnamed)?;
        Ok(config)
    }
}
