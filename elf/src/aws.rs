//! How AWS is asked, whatever is asked of it: region, rights, patience. Makes no client.

use std::{error::Error, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::{SharedCredentialsProvider, error::CredentialsError};
use sandbox_core::cause::{causes, innermost};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long one try may take.
    pub one_try: Duration,
    /// How long a call may take with all its tries.
    pub call: Duration,
    /// How often it is tried.
    pub tries: u32,
    /// How long is waited before the second try at most; twice as long before each further one.
    pub pause: Duration,
}

/// What clients are made of; region and rights are those of the environment where they are absent.
pub async fn load(
    region: Option<&String>,
    credentials: Option<&SharedCredentialsProvider>,
    patience: Patience,
) -> SdkConfig {
    let retries = RetryConfig::standard().with_max_attempts(patience.tries);
    let times = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(patience.one_try)
        .operation_timeout(patience.call);
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(retries.with_initial_backoff(patience.pause))
        .timeout_config(times.build());
    if let Some(region) = region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(credentials) = credentials {
        loader = loader.credentials_provider(credentials.clone());
    }
    loader.load().await
}

/// Why nobody knows whose rights to use, where that is what failed.
#[must_use]
pub fn without_credentials(error: &(dyn Error + 'static)) -> Option<String> {
    let found = causes(error).find_map(|e| e.downcast_ref::<CredentialsError>())?;
    Some(innermost(found))
}
