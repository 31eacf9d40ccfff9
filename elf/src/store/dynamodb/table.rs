//! The calls to the table that are needed, every read strongly consistent. Knows keys and attributes,
//! and nothing of what they mean.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, ConsumedCapacity, DeleteRequest, KeysAndAttributes, Put, PutRequest,
        ReturnConsumedCapacity, TransactWriteItem, WriteRequest,
    },
};

use super::{
    fault,
    keys::{Attributes, Key, PK, SK, text},
};
use crate::store::{Kept, LedgerError};

/// Most items of one call that writes.
const WRITTEN: usize = 25;
/// Most items of one call that reads them by their keys.
const READ: usize = 100;
/// How often something is tried again that the server was too busy for.
const TRIES: u32 = 10;
/// How long is waited before the second try; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_millis(500);

/// A table that can be reached.
pub struct Table {
    /// What speaks to it.
    pub client: Client,
    /// What it is called.
    pub name: String,
    /// What is kept there, for people.
    what: &'static str,
    spent: Spent,
}

/// What was consumed, in tenths of a unit.
#[derive(Default)]
struct Spent {
    read: AtomicU64,
    written: AtomicU64,
}

/// What DynamoDB has counted of the calls of one ledger, in its units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Consumed {
    /// Units of reading.
    pub read: f64,
    /// Units of writing.
    pub written: f64,
}

/// Which items of a partition are read.
pub struct Asked {
    /// The partition.
    pub pk: String,
    /// Those whose sort key is this one or comes after it.
    pub from: String,
    /// Those whose sort key is this one or comes before it.
    pub to: String,
    /// Whether the last of them come first.
    pub newest_first: bool,
    /// At most so many at a time.
    pub limit: u32,
    /// Where the page before ended.
    pub next: Option<Attributes>,
}

/// Some of the items that were asked for.
pub struct Page {
    /// These.
    pub items: Vec<Attributes>,
    /// Where the next page begins; nothing when this was the last.
    pub next: Option<Attributes>,
}

/// What became of a transaction that was not answered with yes.
pub enum Missed {
    /// The conditions of these parts did not hold; nothing was written.
    Condition(Vec<usize>),
    /// It may or may not have been done.
    Unknown(LedgerError),
}

impl Table {
    /// This table, where such things are kept.
    #[must_use]
    pub fn new(client: Client, name: String, what: &'static str) -> Self {
        Self {
            client,
            name,
            what,
            spent: Spent::default(),
        }
    }

    /// What was consumed so far.
    pub fn consumed(&self) -> Consumed {
        #[allow(clippy::cast_precision_loss, reason = "a sum that is looked at")]
        let units = |tenths: &AtomicU64| tenths.load(Ordering::Relaxed) as f64 / 10.0;
        Consumed {
            read: units(&self.spent.read),
            written: units(&self.spent.written),
        }
    }

    /// Reads the item of this key.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn get(&self, key: &Key) -> Kept<Option<Attributes>> {
        let call = self.client.get_item().table_name(&self.name);
        let call = call.set_key(Some(key.attributes())).consistent_read(true);
        let got = call
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let got = got.await.map_err(|e| self.failed("read", &e))?;
        self.spent.read(got.consumed_capacity.as_slice());
        Ok(got.item)
    }

    /// Reads some items of a partition.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn page(&self, asked: &Asked) -> Kept<Page> {
        let values = [
            (":pk", text(&asked.pk)),
            (":from", text(&asked.from)),
            (":to", text(&asked.to)),
        ];
        let mut call = self.client.query().table_name(&self.name);
        for (name, value) in values {
            call = call.expression_attribute_values(name, value);
        }
        let got = call
            .key_condition_expression(format!("{PK} = :pk AND {SK} BETWEEN :from AND :to"))
            .set_exclusive_start_key(asked.next.clone())
            .consistent_read(true)
            .scan_index_forward(!asked.newest_first)
            .limit(i32::try_from(asked.limit.max(1)).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let got = got.await.map_err(|e| self.failed("read", &e))?;
        self.spent.read(got.consumed_capacity.as_slice());
        Ok(Page {
            next: got.last_evaluated_key.filter(|key| !key.is_empty()),
            items: got.items.unwrap_or_default(),
        })
    }

    /// Reads these items, in no order; those that are not there are left out.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn get_all(&self, keys: &[Key]) -> Kept<Vec<Attributes>> {
        let mut found = Vec::new();
        for some in keys.chunks(READ) {
            let mut left: Vec<Attributes> = some.iter().map(Key::attributes).collect();
            let mut busy = Busy::default();
            while !left.is_empty() {
                let got = self.get_some(left).await?;
                found.extend(got.0);
                left = got.1;
                if !left.is_empty() && !busy.waited().await {
                    return Err(LedgerError::Unavailable(fault::throttled(&format!(
                        "read {}",
                        self.what
                    ))));
                }
            }
        }
        Ok(found)
    }

    /// What was found of these, and the keys that are still to be asked for.
    async fn get_some(&self, keys: Vec<Attributes>) -> Kept<(Vec<Attributes>, Vec<Attributes>)> {
        let asked = KeysAndAttributes::builder().set_keys(Some(keys));
        let asked = asked.consistent_read(true).build();
        let asked = asked.map_err(|e| fault::unbuilt(&e))?;
        let call = self.client.batch_get_item();
        let got = call
            .request_items(&self.name, asked)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let got = got.await.map_err(|e| self.failed("read", &e))?;
        let spent = got.consumed_capacity();
        self.spent.read(spent);
        let left = got.unprocessed_keys.unwrap_or_default();
        let left = left.into_values().flat_map(|left| left.keys);
        let found = got.responses.unwrap_or_default().into_values().flatten();
        Ok((found.collect(), left.collect()))
    }

    /// Writes these items, each for itself.
    pub(super) async fn put_all(&self, items: &[Attributes]) -> Kept<()> {
        let put = |item: &Attributes| {
            let put = PutRequest::builder().set_item(Some(item.clone())).build();
            let put = put.map_err(|e| fault::unbuilt(&e))?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        let requests: Vec<WriteRequest> = items.iter().map(put).collect::<Kept<_>>()?;
        self.write_all(&requests).await
    }

    /// Removes what stands at these keys, each for itself.
    pub(super) async fn remove_all(&self, keys: &[Key]) -> Kept<()> {
        let remove = |key: &Key| {
            let gone = DeleteRequest::builder().set_key(Some(key.attributes()));
            let gone = gone.build().map_err(|e| fault::unbuilt(&e))?;
            Ok(WriteRequest::builder().delete_request(gone).build())
        };
        let requests: Vec<WriteRequest> = keys.iter().map(remove).collect::<Kept<_>>()?;
        self.write_all(&requests).await
    }

    async fn write_all(&self, requests: &[WriteRequest]) -> Kept<()> {
        for some in requests.chunks(WRITTEN) {
            let mut left = some.to_vec();
            let mut busy = Busy::default();
            while !left.is_empty() {
                left = self.write_some(left).await?;
                if !left.is_empty() && !busy.waited().await {
                    return Err(LedgerError::Unavailable(fault::throttled(&format!(
                        "wrote to {}",
                        self.what
                    ))));
                }
            }
        }
        Ok(())
    }

    /// Those of the requests that were not done.
    async fn write_some(&self, requests: Vec<WriteRequest>) -> Kept<Vec<WriteRequest>> {
        let call = self.client.batch_write_item();
        let done = call
            .request_items(&self.name, requests)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        let done = done.await.map_err(|e| self.failed("wrote to", &e))?;
        let spent = done.consumed_capacity();
        self.spent.written(spent);
        let left = done.unprocessed_items.unwrap_or_default();
        Ok(left.into_values().flatten().collect())
    }

    /// Writes all of these or none; asked twice with one token, it writes once.
    ///
    /// # Errors
    /// A condition did not hold, or it is unknown whether it was done.
    pub async fn transact(&self, token: &str, items: &[TransactWriteItem]) -> Result<(), Missed> {
        let mut busy = Busy::default();
        loop {
            let call = self
                .client
                .transact_write_items()
                .client_request_token(token);
            let done = call
                .set_transact_items(Some(items.to_vec()))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send();
            let e = match done.await {
                Ok(done) => {
                    let spent = done.consumed_capacity();
                    self.spent.written(spent);
                    return Ok(());
                }
                Err(e) => e,
            };
            if has(&e, &["ConditionalCheckFailed"]) {
                return Err(Missed::Condition(refused(&e)));
            }
            if !(is_busy(&e) && busy.waited().await) {
                return Err(Missed::Unknown(self.failed("wrote to", &e)));
            }
        }
    }

    /// A conditional write of one item, as a part of a transaction.
    pub(super) fn put(
        &self,
        item: Attributes,
        condition: &str,
        values: &[(&str, AttributeValue)],
    ) -> Kept<Put> {
        let mut put = Put::builder().table_name(&self.name).set_item(Some(item));
        for (name, value) in values {
            put = put.expression_attribute_values(*name, value.clone());
        }
        // `by` is a word of its own in expressions.
        if condition.contains("#by") {
            put = put.expression_attribute_names("#by", super::keys::BY);
        }
        let put = put.condition_expression(condition).build();
        put.map_err(|e| fault::unbuilt(&e))
    }

    /// The same as an error of memory.
    pub fn failed<E>(&self, what: &str, e: &SdkError<E>) -> LedgerError
    where
        E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        LedgerError::Unavailable(self.words(what, e))
    }

    /// What failed while this was done, and what to do.
    pub fn words<E>(&self, what: &str, e: &SdkError<E>) -> String
    where
        E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        fault::text(&format!("{what} {}", self.what), &self.name, e)
    }

    /// Counts what a call that read has consumed.
    pub fn has_read(&self, consumed: &[ConsumedCapacity]) {
        self.spent.read(consumed);
    }

    /// Counts what a call that wrote has consumed.
    pub fn has_written(&self, consumed: &[ConsumedCapacity]) {
        self.spent.written(consumed);
    }
}

/// The parts whose conditions did not hold.
fn refused(e: &SdkError<TransactWriteItemsError>) -> Vec<usize> {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
        e.as_service_error()
    else {
        return Vec::new();
    };
    let reasons = canceled.cancellation_reasons().iter().enumerate();
    reasons
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(n, _)| n)
        .collect()
}

/// Whether one of a transaction's parts was refused with one of these codes.
fn has(e: &SdkError<TransactWriteItemsError>, codes: &[&str]) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
        e.as_service_error()
    else {
        return false;
    };
    let reasons = canceled.cancellation_reasons();
    reasons
        .iter()
        .filter_map(|reason| reason.code())
        .any(|code| codes.contains(&code))
}

/// Whether the same transaction may go through a little later.
fn is_busy(e: &SdkError<TransactWriteItemsError>) -> bool {
    let codes = [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ];
    let in_progress = e
        .as_service_error()
        .is_some_and(TransactWriteItemsError::is_transaction_in_progress_exception);
    in_progress || has(e, &codes)
}

impl Spent {
    fn read(&self, consumed: &[ConsumedCapacity]) {
        add(&self.read, consumed);
    }

    fn written(&self, consumed: &[ConsumedCapacity]) {
        add(&self.written, consumed);
    }
}

fn add(to: &AtomicU64, consumed: &[ConsumedCapacity]) {
    let units = consumed.iter().filter_map(ConsumedCapacity::capacity_units);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "units are small and have no sign"
    )]
    let tenths = (units.sum::<f64>() * 10.0).round() as u64;
    to.fetch_add(tenths, Ordering::Relaxed);
}

/// Waits between tries, each time longer and never quite as long as somebody else.
#[derive(Default)]
pub struct Busy {
    tries: u32,
}

impl Busy {
    /// False when there were enough tries.
    pub async fn waited(&mut self) -> bool {
        self.tries += 1;
        if self.tries >= TRIES {
            return false;
        }
        let most = PAUSE.saturating_mul(1 << self.tries).min(LONGEST);
        let chance = f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
        tokio::time::sleep(most.mul_f64(0.5 + chance / 2.0)).await;
        true
    }
}
