//! What would call the function `reconcile`: the table's stream, as an event source mapping delivers it, with what failed
//! again and again laid aside; the queue of wakes; and what ECS says of tasks.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{account::Place, runtime::Function};
use crate::ecs::Ecs;

/// How often something is tried before it is laid aside.
const TRIES: u32 = 2;

/// What was laid aside.
pub(super) type Aside = Arc<Mutex<Vec<Value>>>;

/// It ends with this value.
pub(super) struct Pump(Vec<JoinHandle<()>>);

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Pump {
    /// Begins to call.
    pub(super) fn start(
        place: &Place,
        (reconcile, ecs): (&Arc<Function>, &Arc<Ecs>),
        aside: &Aside,
    ) -> Self {
        let changes = changes(place.clone(), reconcile.clone(), aside.clone());
        let wakes = wakes(place.clone(), reconcile.clone());
        let tasks = tasks(ecs.clone(), reconcile.clone());
        Self(vec![
            tokio::spawn(changes),
            tokio::spawn(wakes),
            tokio::spawn(tasks),
        ])
    }
}

async fn changes(place: Place, reconcile: Arc<Function>, aside: Aside) {
    let mut stream = place.stream().await;
    loop {
        let records = stream.next().await;
        if !records.is_empty() {
            deliver(&reconcile, records, &aside).await;
        }
    }
}

/// Delivers a batch: from the first that failed on again, and without it when it has failed too often.
async fn deliver(reconcile: &Function, mut records: Vec<Value>, aside: &Aside) {
    let mut tries = 0;
    while !records.is_empty() {
        let came = reconcile.invoke(&json!({"Records": records})).await;
        let number = |record: &Value| record["dynamodb"]["SequenceNumber"].clone();
        let first = match came {
            Ok(answer) => {
                let failed = answer["batchItemFailures"].as_array().cloned();
                let failed = failed.unwrap_or_default();
                let is =
                    |record: &Value| failed.iter().any(|f| f["itemIdentifier"] == number(record));
                records.iter().position(is)
            }
            Err(_) => Some(0),
        };
        let Some(first) = first else { return };
        tries = if first == 0 { tries + 1 } else { 1 };
        records.drain(..first);
        if tries >= TRIES {
            let poison = records.remove(0);
            aside
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(poison);
            tries = 0;
        }
    }
}

async fn wakes(place: Place, reconcile: Arc<Function>) {
    loop {
        let messages = place.receive().await;
        let records: Vec<Value> = messages.iter().map(record).collect();
        if records.is_empty() {
            continue;
        }
        let came = reconcile.invoke(&json!({"Records": records})).await;
        let Ok(answer) = came else { continue };
        let failed = answer["batchItemFailures"].as_array().cloned();
        let failed = failed.unwrap_or_default();
        for message in messages {
            if !failed
                .iter()
                .any(|f| f["itemIdentifier"] == message["MessageId"])
            {
                place.delete(&message).await;
            }
        }
    }
}

/// A message as Lambda's poller tells it.
pub(super) fn record(message: &Value) -> Value {
    json!({
        "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
        "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:wakes", "awsRegion": "eu-central-1",
    })
}

async fn tasks(ecs: Arc<Ecs>, reconcile: Arc<Function>) {
    for number in 0.. {
        let event = ecs.event(number).await;
        // One that fails is not told again here: the sweep is for that.
        let _ = reconcile.invoke(&event).await;
    }
}
