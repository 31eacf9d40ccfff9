//! Tenants' secrets in Secrets Manager, each as `PREFIX/TENANT/NAME`. A tenant's name has no slash, so what a job of one
//! names is beneath its own name and no other's.

use std::{error::Error, fmt};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};
use sandbox_core::{
    FailureClass, Tenant,
    port::{Answer, PortError},
};
use secrecy::SecretString;

use super::{Fault, fault};
use crate::secrets::{Secrets, is_name, unnamed};

/// Secrets beneath one prefix.
pub struct SecretsManager {
    client: Client,
    prefix: String,
    region: String,
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManager")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl SecretsManager {
    /// Those beneath this prefix.
    #[must_use]
    pub fn new(aws: &SdkConfig, prefix: &str) -> Self {
        Self {
            client: Client::new(aws),
            prefix: prefix.trim_end_matches('/').to_owned(),
            region: aws.region().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// What a tenant's secret is called there.
    fn id(&self, tenant: &Tenant, name: &str) -> Answer<String> {
        if is_name(name) {
            return Ok(format!("{}/{tenant}/{name}", self.prefix));
        }
        unnamed(name)
    }

    /// There is none, or it holds no text.
    fn missing(&self, id: &str, what: &str) -> PortError {
        let region = &self.region;
        PortError::NotFound(format!(
            "{what}; make it with: aws secretsmanager create-secret --region {region} --name {id} --secret-string TOKEN, or give it a value with put-secret-value --secret-id {id}"
        ))
    }

    fn failed<E>(&self, id: &str, action: &str, error: &SdkError<E>) -> PortError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let what = format!("read the secret {id}");
        match fault(error) {
            Fault::Refused { code, .. } if code == "ResourceNotFoundException" => {
                self.missing(id, &format!("{what}: it is not there, or has no value"))
            }
            Fault::Refused { code, words } if code.starts_with("AccessDenied") => {
                let text = format!(
                    "{what}: the role needs {action} on {}/*, and kms:Decrypt where a key of yours encrypts it: {words}",
                    self.prefix
                );
                PortError::refused(FailureClass::Infrastructure, text)
            }
            Fault::Refused { code, words } => {
                let text = format!("{what}: {code}: {words}");
                PortError::refused(FailureClass::Infrastructure, text)
            }
            Fault::Throttled(why) | Fault::Credentials(why) | Fault::Unknown(why) => {
                PortError::Unknown(format!("{what}: {why}"))
            }
        }
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn read(&self, tenant: &Tenant, name: &str) -> Answer<SecretString> {
        let id = self.id(tenant, name)?;
        let said = self.client.get_secret_value().secret_id(&id).send().await;
        let said = said.map_err(|e| self.failed(&id, "secretsmanager:GetSecretValue", &e))?;
        let text = said.secret_string.filter(|text| !text.trim().is_empty());
        let text = text.map(SecretString::from);
        text.ok_or_else(|| self.missing(&id, &format!("read the secret {id}: it holds no text")))
    }

    async fn find(&self, tenant: &Tenant, name: &str) -> Answer<()> {
        let id = self.id(tenant, name)?;
        let said = self.client.describe_secret().secret_id(&id).send().await;
        let said = said.map_err(|e| self.failed(&id, "secretsmanager:DescribeSecret", &e))?;
        if said.deleted_date.is_some() {
            let what = format!("find the secret {id}: it is scheduled for deletion");
            return Err(self.missing(&id, &what));
        }
        Ok(())
    }
}
