//! `sandbox health`: whether the server answers, for service managers and engines that ask.

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::{api::Api, shown::out};

/// Asks the server and tells in a word; fails unless it is healthy.
///
/// # Errors
/// It does not answer, or says that it is not well.
pub async fn run(api: &Api) -> Result<ExitCode> {
    let seen = api.get("/health").await?;
    match seen["status"].as_str() {
        Some("healthy") => out("healthy"),
        other => bail!("the server says {}", other.unwrap_or("nothing")),
    }
    Ok(ExitCode::SUCCESS)
}
