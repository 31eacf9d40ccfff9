//! Opening: whether the table is one that jobs can be kept in. It is never made on the way; [`make_table`] does that.

use std::sync::Arc;

use aws_sdk_dynamodb::{
    client::Waiters,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        Projection, ProjectionType, ScalarAttributeType, TableDescription, TimeToLiveSpecification,
    },
};
use jiff::Timestamp;
use sandbox_core::port::PortError;
use sandbox_elf::store::dynamodb::{
    DynamoSettings, OpenError, fault,
    keys::{PK, SK},
    open::{client, link},
};
use uuid::Uuid;

use super::{
    DynamoStore, Feed, Known, Large,
    keys::{ATTRIBUTES, CARRIED, DUE, DUE_INDEX, EXPIRES, LIST, LISTED, SHARD, TENANT},
};

/// How long a table may take to be there.
const MADE_WITHIN: std::time::Duration = std::time::Duration::from_mins(5);

impl DynamoStore {
    /// A store in this table, which has to be there.
    ///
    /// # Errors
    /// The table is missing or not fit for jobs, or cannot be asked; the text says what to do.
    pub async fn open(settings: &DynamoSettings) -> Result<Arc<Self>, OpenError> {
        let make = format!("sandbox table {}", settings.table);
        let link = Box::pin(link(settings, "jobs", &make)).await?;
        if let Some(fault) = fault_of(&link.seen) {
            return Err(OpenError::Refused(format!(
                "opened jobs on DynamoDB: the table `{}` {fault}; make one that has with: {make}",
                settings.table
            )));
        }
        let (objects, folder) = link
            .objects(&settings.snapshots)
            .map_err(OpenError::Refused)?;
        let store = Self {
            large: Large::new(objects, &folder, &settings.table),
            table: link.table,
            feed: Feed::new(Timestamp::now()),
            pools: Known::default(),
            seen: std::sync::Mutex::default(),
            tenants: std::sync::Mutex::default(),
            process: format!("{:08x}", Uuid::new_v4().as_fields().0),
        };
        store.may_read_indexes().await?;
        Ok(Arc::new(store))
    }

    /// A right over the table alone is found out now, not with the first job.
    async fn may_read_indexes(&self) -> Result<(), OpenError> {
        let asked = self.due(Timestamp::UNIX_EPOCH).await;
        asked.map(|_| ()).map_err(|e| match e {
            PortError::Refused(why) => OpenError::Refused(why.message),
            other => OpenError::Unknown(other.to_string()),
        })
    }
}

/// An index, with the keys that it has to have.
fn keys_of(index: &str) -> [(&str, KeyType); 2] {
    if index == LIST {
        [(TENANT, KeyType::Hash), (LISTED, KeyType::Range)]
    } else {
        [(SHARD, KeyType::Hash), (DUE, KeyType::Range)]
    }
}

/// What the table lacks.
fn fault_of(table: &TableDescription) -> Option<String> {
    [LIST, DUE_INDEX].into_iter().find_map(|name| {
        let mut all = table.global_secondary_indexes().iter();
        let Some(index) = all.find(|i| i.index_name() == Some(name)) else {
            return Some(format!("has no index `{name}`"));
        };
        let has: Vec<(&str, KeyType)> = index
            .key_schema()
            .iter()
            .map(|k| (k.attribute_name(), k.key_type().clone()))
            .collect();
        if has != keys_of(name) {
            return Some(format!("has an index `{name}` with other keys"));
        }
        let carried = index.projection().map(|p| {
            let all = p.projection_type() == Some(&ProjectionType::All);
            let has = |name: &&str| p.non_key_attributes().iter().any(|a| a == name);
            name == LIST || all || CARRIED.iter().all(has)
        });
        (carried != Some(true)).then(|| {
            format!(
                "has an index `{name}` that does not carry {}",
                CARRIED.join(" and ")
            )
        })
    })
}

/// Makes the table that the settings name, with its indexes and its time to live, and waits until it is there. It is
/// paid by the request.
///
/// # Errors
/// It stands already, or may not be made.
pub async fn make_table(settings: &DynamoSettings) -> Result<(), OpenError> {
    let name = &settings.table;
    let refused = |what: &str| OpenError::Refused(format!("made the table `{name}`: {what}"));
    let (client, _) = Box::pin(client(settings, "made the table")).await?;
    let mut call = client.create_table().table_name(name);
    for attribute in ATTRIBUTES {
        let one = AttributeDefinition::builder()
            .attribute_name(attribute)
            .attribute_type(ScalarAttributeType::S)
            .build();
        call = call.attribute_definitions(one.map_err(|e| refused(&e.to_string()))?);
    }
    let keys = schema([(PK, KeyType::Hash), (SK, KeyType::Range)]);
    let indexes = [LIST, DUE_INDEX].into_iter().map(index);
    let indexes: Result<Vec<_>, _> = indexes.collect();
    call.set_key_schema(Some(keys.map_err(|e| refused(&e))?))
        .set_global_secondary_indexes(Some(indexes.map_err(|e| refused(&e))?))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .map_err(|e| refused(&fault::text("made the table", name, &e)))?;
    client
        .wait_until_table_exists()
        .table_name(name)
        .wait(MADE_WITHIN)
        .await
        .map_err(|e| refused(&format!("it is not there yet: {e}")))?;
    let expires = TimeToLiveSpecification::builder()
        .attribute_name(EXPIRES)
        .enabled(true)
        .build();
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(expires.map_err(|e| refused(&e.to_string()))?)
        .send()
        .await
        .map_err(|e| refused(&fault::text("set its time to live", name, &e)))?;
    Ok(())
}

fn schema(keys: [(&str, KeyType); 2]) -> Result<Vec<KeySchemaElement>, String> {
    let one = |(name, kind): (&str, KeyType)| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .map_err(|e| e.to_string())
    };
    keys.into_iter().map(one).collect()
}

fn index(name: &str) -> Result<GlobalSecondaryIndex, String> {
    let projection = Projection::builder();
    let projection = if name == LIST {
        projection.projection_type(ProjectionType::KeysOnly)
    } else {
        projection
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(CARRIED.map(str::to_owned).to_vec()))
    };
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(schema(keys_of(name))?))
        .projection(projection.build())
        .build()
        .map_err(|e| e.to_string())
}
