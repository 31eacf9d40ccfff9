//! Opening: which table, with whose rights, and whether it is one that we can keep memory in. Makes
//! no table.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::{
    Client,
    operation::describe_table::DescribeTableError,
    types::{KeyType, ScalarAttributeType, TableDescription, TableStatus},
};
use object_store::{ObjectStore, path::Path};

use super::{
    fault,
    keys::{PK, SK},
    objects::{Bucket, objects},
    shelf::Shelf,
    table::Table,
};
use crate::aws::{Patience, load};

/// After how many writes of a tenant a snapshot is made, unless told otherwise.
const SNAPSHOT_EVERY: u64 = 256;
/// How long DynamoDB's answers are waited for.
const PATIENCE: Patience = Patience {
    one_try: Duration::from_secs(5),
    call: Duration::from_secs(20),
    tries: 6,
    pause: Duration::from_millis(50),
};

/// Where memory is kept, and how it is reached.
#[derive(Clone, Debug)]
pub struct DynamoSettings {
    /// The table's name.
    pub table: String,
    /// Where snapshots stand: `s3://BUCKET/FOLDER`, `file:///FOLDER`, or `memory:` for tests.
    pub snapshots: String,
    /// The region; that of the environment when absent.
    pub region: Option<String>,
    /// Another address of DynamoDB, such as DynamoDB Local's.
    pub endpoint: Option<String>,
    /// Another address of S3.
    pub s3_endpoint: Option<String>,
    /// Whose rights; those of the environment when absent: variables, a profile, the role of a task.
    pub credentials: Option<SharedCredentialsProvider>,
    /// After how many writes of a tenant a snapshot is made.
    pub snapshot_every: u64,
}

impl DynamoSettings {
    /// This table, with snapshots at this place, and what the environment says.
    #[must_use]
    pub fn new(table: &str, snapshots: &str) -> Self {
        Self {
            table: table.to_owned(),
            snapshots: snapshots.to_owned(),
            region: None,
            endpoint: None,
            s3_endpoint: None,
            credentials: None,
            snapshot_every: SNAPSHOT_EVERY,
        }
    }
}

/// Why a table could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It will not do before something is changed.
    #[error("{0}")]
    Refused(String),
    /// It could not be asked; it may do later.
    #[error("{0}")]
    Unknown(String),
}

/// The command that makes a table of this name.
#[must_use]
pub fn create_table_command(table: &str) -> String {
    format!(
        "aws dynamodb create-table --table-name {table} --billing-mode PAY_PER_REQUEST \
--attribute-definitions AttributeName={PK},AttributeType=S AttributeName={SK},AttributeType=S \
--key-schema AttributeName={PK},KeyType=HASH AttributeName={SK},KeyType=RANGE"
    )
}

/// The way to a table, with what else it takes to work beside it.
pub struct Link {
    /// The table.
    pub table: Table,
    /// What DynamoDB said about it.
    pub seen: TableDescription,
    bucket: Option<Bucket>,
}

impl Link {
    /// A store of objects at this place, for what does not stand in the table: `s3://BUCKET/FOLDER`,
    /// `file:///FOLDER` or `memory:`; with the folder in it.
    ///
    /// # Errors
    /// It names none, or none that can be used.
    pub fn objects(&self, place: &str) -> Result<(Arc<dyn ObjectStore>, Path), String> {
        objects(place, self.bucket.clone())
    }
}

/// The way to the table that the settings name, which has to be there.
///
/// # Errors
/// It is missing, has other keys, or cannot be asked; the text says what to do.
pub async fn link(
    settings: &DynamoSettings,
    what: &'static str,
    make: &str,
) -> Result<Link, OpenError> {
    let opened = format!("opened {what} on DynamoDB");
    let (client, config) = client(settings, &opened).await?;
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let table = Table::new(client, settings.table.clone(), what);
    let seen = describe(&table, &opened, (&region, make)).await?;
    if let Some(fault) = fault_of(&seen, make) {
        let name = &settings.table;
        return Err(OpenError::Refused(format!(
            "{opened}: the table `{name}` {fault}"
        )));
    }
    let bucket = config.credentials_provider().map(|credentials| Bucket {
        credentials,
        region,
        endpoint: settings.s3_endpoint.clone(),
    });
    Ok(Link {
        table,
        seen,
        bucket,
    })
}

/// What speaks to DynamoDB, and how AWS is asked besides.
///
/// # Errors
/// No region is named.
pub async fn client(
    settings: &DynamoSettings,
    what: &str,
) -> Result<(Client, SdkConfig), OpenError> {
    let (region, credentials) = (settings.region.as_ref(), settings.credentials.as_ref());
    let config = load(region, credentials, PATIENCE).await;
    if config.region().is_none() {
        return Err(OpenError::Refused(format!(
            "{what}: no AWS region is named; set AWS_REGION"
        )));
    }
    let mut own = aws_sdk_dynamodb::config::Builder::from(&config);
    if let Some(endpoint) = &settings.endpoint {
        own = own.endpoint_url(endpoint);
    }
    Ok((Client::from_conf(own.build()), config))
}

pub(super) async fn open(settings: &DynamoSettings) -> Result<(Table, Shelf), OpenError> {
    let make = create_table_command(&settings.table);
    let link = link(settings, "memory", &make).await?;
    let objects = link.objects(&settings.snapshots);
    let (store, folder) = objects.map_err(OpenError::Refused)?;
    let shelf = Shelf::new(store, &folder, &settings.table);
    Ok((link.table, shelf))
}

/// What DynamoDB says about the table; a missing one is refused.
async fn describe(
    table: &Table,
    opened: &str,
    (region, make): (&str, &str),
) -> Result<TableDescription, OpenError> {
    let name = &table.name;
    let asked = table.client.describe_table().table_name(name).send().await;
    match asked {
        Ok(seen) => seen
            .table
            .ok_or_else(|| OpenError::Unknown(format!("{opened}: nothing is said of `{name}`"))),
        Err(e)
            if e.as_service_error()
                .is_some_and(DescribeTableError::is_resource_not_found_exception) =>
        {
            Err(OpenError::Refused(format!(
                "{opened}: there is no table `{name}` in this account in the region {region}; name the region where it is, or make it with: {make}"
            )))
        }
        Err(e) => {
            let text = fault::text(opened, name, &e);
            Err(if fault::is_settled(&e) {
                OpenError::Refused(text)
            } else {
                OpenError::Unknown(text)
            })
        }
    }
}

/// Why a table will not do.
fn fault_of(table: &TableDescription, make: &str) -> Option<String> {
    let status = table.table_status();
    if !matches!(
        status,
        Some(TableStatus::Active | TableStatus::Updating) | None
    ) {
        let status = status.map_or("unknown", TableStatus::as_str);
        return Some(format!("is {status}; wait until it is ACTIVE"));
    }
    let is_text = |name: &str| {
        let mut all = table.attribute_definitions().iter();
        all.any(|a| a.attribute_name() == name && *a.attribute_type() == ScalarAttributeType::S)
    };
    let keys: Vec<(&str, &KeyType)> = table
        .key_schema()
        .iter()
        .map(|key| (key.attribute_name(), key.key_type()))
        .collect();
    if keys == [(PK, &KeyType::Hash), (SK, &KeyType::Range)] && is_text(PK) && is_text(SK) {
        return None;
    }
    let shown: Vec<String> = keys.iter().map(|(n, t)| format!("{n} ({t})")).collect();
    Some(format!(
        "has the keys {}, and {PK} (HASH) and {SK} (RANGE) are needed, both of type S; name another table, or make one with: {make}",
        shown.join(", "),
    ))
}
