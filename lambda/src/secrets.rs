//! Secrets by reference: read once from Secrets Manager, held in memory, never written anywhere.

use anyhow::{Result, anyhow, bail};
use aws_sdk_secretsmanager::Client;
use sandbox_operator::aws::{Fault, fault};

/// What a secret says that has this name or ARN; the variable names it to us.
///
/// # Errors
/// It is not there, is empty or may not be read; the text says what to do, and nothing of what it says.
pub async fn read(client: &Client, variable: &str, name: &str) -> Result<String> {
    let put = format!(
        "put one there with: aws secretsmanager put-secret-value --secret-id {name} --secret-string …"
    );
    let read = format!("read the secret {name} of {variable}");
    let said = client.get_secret_value().secret_id(name).send().await;
    let said = match said.map_err(|e| fault(&e)) {
        Ok(said) => said,
        Err(Fault::Refused { code, .. }) if code == "ResourceNotFoundException" => {
            bail!("{read}: there is none, or it has no value yet; {put}")
        }
        Err(Fault::Refused { code, words }) if code.starts_with("AccessDenied") => {
            bail!(
                "{read}: the function's role needs secretsmanager:GetSecretValue, and kms:Decrypt where a key of yours encrypts it: {words}"
            )
        }
        Err(Fault::Refused { code, words }) => bail!("{read}: {code}: {words}"),
        Err(Fault::Throttled(why) | Fault::Credentials(why) | Fault::Unknown(why)) => {
            bail!("{read}: {why}")
        }
    };
    let text = said.secret_string.filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| anyhow!("{read}: it has no text; {put}"))
}
