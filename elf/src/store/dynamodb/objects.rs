//! Where objects stand that are too large for a table: an S3 bucket, a folder, or this process.

use std::{fmt, sync::Arc};

use aws_credential_types::provider::ProvideCredentials;
use object_store::{
    CredentialProvider, ObjectStore,
    aws::{AmazonS3Builder, AwsCredential},
    local::LocalFileSystem,
    memory::InMemory,
    path::Path,
};

/// What an S3 bucket is reached with.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) credentials: aws_credential_types::provider::SharedCredentialsProvider,
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
}

/// The store of objects at this place, and the folder in it.
///
/// # Errors
/// It names none, or none that can be used.
pub(super) fn objects(
    place: &str,
    bucket: Option<Bucket>,
) -> Result<(Arc<dyn ObjectStore>, Path), String> {
    let bad = |e: &dyn fmt::Display| format!("opened the snapshots at {place}: {e}");
    let (store, folder): (Arc<dyn ObjectStore>, &str) = match (place.split_once(':'), bucket) {
        (Some(("memory", _)), _) => (Arc::new(InMemory::new()), ""),
        (Some(("file", path)), _) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            std::fs::create_dir_all(path).map_err(|e| bad(&e))?;
            let folder = LocalFileSystem::new_with_prefix(path).map_err(|e| bad(&e))?;
            (Arc::new(folder), "")
        }
        (Some(("s3", path)), Some(bucket)) => {
            let path = path.trim_start_matches('/');
            let (name, folder) = path.split_once('/').unwrap_or((path, ""));
            (Arc::new(s3(name, bucket).map_err(|e| bad(&e))?), folder)
        }
        _ => {
            return Err(bad(
                &"it is not s3://BUCKET/FOLDER, file:///FOLDER or memory:",
            ));
        }
    };
    let beneath = Path::parse(folder).map_err(|e| bad(&e))?;
    Ok((store, beneath))
}

fn s3(name: &str, bucket: Bucket) -> object_store::Result<object_store::aws::AmazonS3> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_region(bucket.region)
        .with_credentials(Arc::new(Borrowed(bucket.credentials)));
    if let Some(endpoint) = bucket.endpoint {
        builder = builder
            .with_allow_http(endpoint.starts_with("http://"))
            .with_endpoint(endpoint);
    }
    builder.build()
}

/// The credentials of the table, for the bucket too: one program has one role.
#[derive(Debug)]
struct Borrowed(aws_credential_types::provider::SharedCredentialsProvider);

#[async_trait::async_trait]
impl CredentialProvider for Borrowed {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let lent = self.0.provide_credentials().await;
        let lent = lent.map_err(|e| object_store::Error::Generic {
            store: "S3",
            source: Box::new(e),
        })?;
        Ok(Arc::new(AwsCredential {
            key_id: lent.access_key_id().to_owned(),
            secret_key: lent.secret_access_key().to_owned(),
            token: lent.session_token().map(str::to_owned),
        }))
    }
}
