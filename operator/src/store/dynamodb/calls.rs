//! The calls to the table that memory's ledger does not need: conditional writes that say what stood in their way, and
//! reads of an index. Knows nothing of jobs.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure},
};
use sandbox_core::{
    FailureClass,
    port::{Answer, PortError},
};
use sandbox_elf::store::{
    LedgerError,
    dynamodb::{
        fault,
        keys::{Attributes, Key, PK, text},
        table::{Busy, Page, Table},
    },
};

/// What came of a conditional write.
#[derive(Debug)]
pub(super) enum Written {
    Done,
    /// Nothing was written, for this stands there.
    Stands(Option<Attributes>),
}

/// A value that a condition or an update names.
pub(super) type Value<'a> = (&'a str, AttributeValue);

/// Which entries of an index, or of a partition of the table.
#[derive(Clone, Default)]
pub(super) struct Range<'a> {
    /// None for the table itself, which is read as it stands now.
    pub(super) index: Option<&'a str>,
    /// The attribute that divides it, and the part.
    pub(super) part: (&'a str, String),
    /// The attribute that sorts it, and what it has to be smaller than.
    pub(super) below: Option<(&'a str, String)>,
    pub(super) newest_first: bool,
    /// Most of them at a time; as many as fit into an answer when absent.
    pub(super) limit: Option<i32>,
}

/// Writes an item where the condition holds.
pub(super) async fn put(
    table: &Table,
    item: &Attributes,
    condition: &str,
    values: &[Value<'_>],
) -> Answer<Written> {
    let mut busy = Busy::default();
    loop {
        let mut call = table
            .client
            .put_item()
            .table_name(&table.name)
            .set_item(Some(item.clone()))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        for (name, value) in values {
            call = call.expression_attribute_values(*name, value.clone());
        }
        let e = match Box::pin(call.send()).await {
            Ok(done) => {
                table.has_written(done.consumed_capacity.as_slice());
                return Ok(Written::Done);
            }
            Err(e) => e,
        };
        if let Some(PutItemError::ConditionalCheckFailedException(stood)) = e.as_service_error() {
            return Ok(Written::Stands(stood.item.clone()));
        }
        if !(is_in_transaction(&e) && busy.waited().await) {
            return Err(failed(table, "wrote", &e));
        }
    }
}

/// How an item changes.
pub(super) struct Update<'a> {
    pub(super) key: Key,
    pub(super) change: String,
    pub(super) condition: String,
    /// What `#u` stands for.
    pub(super) name: &'a str,
    pub(super) values: Vec<Value<'a>>,
}

/// Changes an item where the condition holds; makes it where it is missing.
pub(super) async fn update(table: &Table, asked: &Update<'_>) -> Answer<Written> {
    let mut busy = Busy::default();
    loop {
        let mut call = table
            .client
            .update_item()
            .table_name(&table.name)
            .set_key(Some(asked.key.attributes()))
            .update_expression(&asked.change)
            .condition_expression(&asked.condition)
            .expression_attribute_names("#u", asked.name)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        for (name, value) in &asked.values {
            call = call.expression_attribute_values(*name, value.clone());
        }
        let e = match Box::pin(call.send()).await {
            Ok(done) => {
                table.has_written(done.consumed_capacity.as_slice());
                return Ok(Written::Done);
            }
            Err(e) => e,
        };
        if let Some(UpdateItemError::ConditionalCheckFailedException(stood)) = e.as_service_error()
        {
            return Ok(Written::Stands(stood.item.clone()));
        }
        if !(is_in_transaction(&e) && busy.waited().await) {
            return Err(failed(table, "wrote", &e));
        }
    }
}

/// Entries of an index, which are a little late, or of a partition, which are not.
pub(super) async fn query(
    table: &Table,
    range: &Range<'_>,
    next: Option<Attributes>,
) -> Answer<Page> {
    let (part, value) = &range.part;
    let mut condition = format!("{part} = :part");
    let mut call = table
        .client
        .query()
        .table_name(&table.name)
        .expression_attribute_values(":part", text(value))
        .set_index_name(range.index.map(str::to_owned))
        .consistent_read(range.index.is_none())
        .scan_index_forward(!range.newest_first)
        .set_limit(range.limit)
        .set_exclusive_start_key(next)
        .return_consumed_capacity(ReturnConsumedCapacity::Total);
    if let Some((sorted, below)) = &range.below {
        condition = format!("{condition} AND {sorted} < :below");
        call = call.expression_attribute_values(":below", text(below));
    }
    let got = Box::pin(call.key_condition_expression(condition).send()).await;
    let got = got.map_err(|e| failed(table, "read", &e))?;
    table.has_read(got.consumed_capacity.as_slice());
    Ok(Page {
        next: got.last_evaluated_key.filter(|key| !key.is_empty()),
        items: got.items.unwrap_or_default(),
    })
}

/// All entries of it.
pub(super) async fn query_all(table: &Table, range: &Range<'_>) -> Answer<Vec<Attributes>> {
    let mut page = query(table, range, None).await?;
    let mut found = page.items;
    while let Some(next) = page.next {
        page = query(table, range, Some(next)).await?;
        found.extend(std::mem::take(&mut page.items));
    }
    Ok(found)
}

/// The first item of a partition, as it stands now.
pub(super) async fn first(table: &Table, partition: &str) -> Answer<Option<Attributes>> {
    let range = Range {
        part: (PK, partition.to_owned()),
        limit: Some(1),
        ..Range::default()
    };
    Ok(query(table, &range, None).await?.items.into_iter().next())
}

/// What a failure of memory's calls means here.
pub(super) fn port(e: LedgerError) -> PortError {
    PortError::Unknown(match e {
        LedgerError::Unavailable(text) | LedgerError::Unreadable(text) => text,
        LedgerError::Conflict => e.to_string(),
    })
}

/// A write beside a transaction of the same item, which is done again.
fn is_in_transaction<E>(e: &SdkError<E>) -> bool
where
    E: ProvideErrorMetadata,
{
    e.code() == Some("TransactionConflictException")
}

fn failed<E>(table: &Table, what: &str, e: &SdkError<E>) -> PortError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let text = table.words(what, e);
    if fault::is_settled(e) {
        PortError::refused(FailureClass::Infrastructure, text)
    } else {
        PortError::Unknown(text)
    }
}
