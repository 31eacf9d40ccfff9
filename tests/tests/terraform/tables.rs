//! The tables that Terraform makes are those that the programs ask for when they start: made as they were evaluated, in a
//! real DynamoDB, and opened.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
};
use sandbox_elf::store::dynamodb::{DynamoLedger, DynamoSettings, create_table_command};
use sandbox_operator::store::dynamodb::DynamoStore;
use sandbox_tests::dynamodb::DynamoServer;
use serde_json::Value;

use super::plain;

fn table(name: &str) -> Value {
    let name = format!("records.aws_dynamodb_table.{name}");
    plain().one(&name, &Value::Null).values
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap()
}

/// The keys that a table or an index has.
fn keys(of: &Value) -> Vec<KeySchemaElement> {
    let one = |name: &str, kind: KeyType| {
        let key = KeySchemaElement::builder().attribute_name(text(of, name));
        key.key_type(kind).build().unwrap()
    };
    vec![
        one("hash_key", KeyType::Hash),
        one("range_key", KeyType::Range),
    ]
}

fn attribute(of: &Value) -> AttributeDefinition {
    let attribute = AttributeDefinition::builder().attribute_name(text(of, "name"));
    attribute
        .attribute_type(text(of, "type").into())
        .build()
        .unwrap()
}

fn index(of: &Value) -> GlobalSecondaryIndex {
    let mut carried = Projection::builder().projection_type(text(of, "projection_type").into());
    for name in of["non_key_attributes"].as_array().into_iter().flatten() {
        carried = carried.non_key_attributes(name.as_str().unwrap());
    }
    let index = GlobalSecondaryIndex::builder().index_name(text(of, "name"));
    let index = index
        .set_key_schema(Some(keys(of)))
        .projection(carried.build());
    index.build().unwrap()
}

/// Makes a table in DynamoDB as Terraform would.
async fn made(table: &Value) -> DynamoSettings {
    let server = DynamoServer::shared().await.unwrap();
    let settings = server.settings();
    let all = |name: &str| table[name].as_array().unwrap().iter();
    let indexes: Vec<GlobalSecondaryIndex> = all("global_secondary_index").map(index).collect();
    let call = server.client().create_table().table_name(&settings.table);
    call.billing_mode(BillingMode::from(text(table, "billing_mode")))
        .set_attribute_definitions(Some(all("attribute").map(attribute).collect()))
        .set_key_schema(Some(keys(table)))
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
        .send()
        .await
        .unwrap();
    settings
}

#[tokio::test]
async fn memory_opens_its_table_and_no_other_one() {
    DynamoLedger::open(&made(&table("memory")).await)
        .await
        .unwrap();
    let mut other = table("memory");
    other["range_key"] = "rk".into();
    other["attribute"][1]["name"] = "rk".into();
    let refused = DynamoLedger::open(&made(&other).await).await.err().unwrap();
    assert!(refused.to_string().contains("has the keys"), "{refused}");
}

#[tokio::test]
async fn dynamodb_takes_the_table_of_records_with_its_indexes() {
    let records = table("records");
    made(&records).await;
    assert_eq!(records["stream_enabled"], true);
    assert_eq!(records["ttl"][0]["enabled"], true);
}

#[test]
fn the_command_of_memory_makes_a_table_of_the_same_kind() {
    let asked = create_table_command(text(&table("memory"), "name"));
    assert!(
        asked.contains(text(&table("memory"), "billing_mode")),
        "{asked}"
    );
}

#[tokio::test]
async fn jobs_open_their_table_and_not_that_of_memory() {
    DynamoStore::open(&made(&table("records")).await)
        .await
        .unwrap();
    let refused = DynamoStore::open(&made(&table("memory")).await).await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("has no index"), "{refused}");
}
