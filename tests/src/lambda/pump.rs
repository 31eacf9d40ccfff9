//! What would call the function `reconcile`: the table's stream, as an event source mapping delivers it, with what failed
//! again and again laid aside; the queue of wakes; and what ECS says of tasks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

use super::{
    account::Place,
    runtime::Function,
    switches::{Switches, on},
    trouble::Trouble,
};
use crate::ecs::Ecs;

/// How often something is tried before it is laid aside, as in the deployment.
const TRIES: u32 = 5;
/// How late an event of a task may be, in milliseconds, and how many of them are lost, in parts of those that are late.
const LATE: usize = 2000;
const LOST: usize = 4;
/// How many of a job at once make a storm, and one of how many changes makes one.
const STORM: usize = 50;
const STORMS: usize = 200;

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
        (aside, trouble): (&Aside, Option<Arc<Trouble>>),
        switches: Option<Arc<Switches>>,
    ) -> Self {
        let told = (aside.clone(), trouble.clone());
        let changes = changes(place.clone(), reconcile.clone(), told, switches.clone());
        let wakes = wakes(
            (place.clone(), reconcile.clone()),
            trouble.clone(),
            switches,
        );
        let tasks = tasks((ecs.clone(), reconcile.clone()), trouble);
        Self(vec![
            tokio::spawn(changes),
            tokio::spawn(wakes),
            tokio::spawn(tasks),
        ])
    }
}

async fn changes(
    place: Place,
    reconcile: Arc<Function>,
    (aside, trouble): (Aside, Option<Arc<Trouble>>),
    switches: Option<Arc<Switches>>,
) {
    let mut stream = place.stream().await;
    let (mut late, mut storms) = (Vec::new(), JoinSet::new());
    loop {
        on(switches.as_deref(), "changes").await;
        let mut records = stream.next().await;
        if let Some(trouble) = &trouble {
            stir(trouble, &mut records, &mut late);
            if let Some(record) = records.first().filter(|_| trouble.below(STORMS) == 0) {
                let event = json!({"Records": [record]});
                for _ in 0..STORM {
                    let (reconcile, event) = (reconcile.clone(), event.clone());
                    storms.spawn(async move { reconcile.invoke(&event).await.is_ok() });
                }
            }
            while storms.try_join_next().is_some() {}
        }
        if !records.is_empty() {
            deliver(&reconcile, records, &aside).await;
        }
    }
}

/// Some come again with those that are told next, one that means nothing may be among them, and none has its place.
fn stir(trouble: &Trouble, records: &mut Vec<Value>, late: &mut Vec<Value>) {
    let before = std::mem::take(late);
    late.extend(records.iter().filter(|_| trouble.happens()).cloned());
    if let Some(record) = records.first().filter(|_| trouble.happens()) {
        let mut poison = record.clone();
        poison["dynamodb"]["Keys"]["pk"]["S"] = json!("job#poison");
        poison["dynamodb"]["SequenceNumber"] = json!(format!("{}", trouble.below(1 << 20)));
        records.push(poison);
    }
    records.extend(before);
    trouble.mix(records);
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

async fn wakes(
    (place, reconcile): (Place, Arc<Function>),
    trouble: Option<Arc<Trouble>>,
    switches: Option<Arc<Switches>>,
) {
    loop {
        on(switches.as_deref(), "wakes").await;
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
            let again = trouble.as_ref().is_some_and(|t| t.happens());
            let is = |f: &Value| f["itemIdentifier"] == message["MessageId"];
            if !again && !failed.iter().any(is) {
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

async fn tasks((ecs, reconcile): (Arc<Ecs>, Arc<Function>), trouble: Option<Arc<Trouble>>) {
    let mut told = JoinSet::new();
    for number in 0.. {
        let event = ecs.event(number).await;
        for late in times(trouble.as_deref()) {
            let (reconcile, event) = (reconcile.clone(), event.clone());
            told.spawn(async move {
                tokio::time::sleep(late).await;
                // One that fails is not told again here: the sweep is for that.
                reconcile.invoke(&event).await.is_ok()
            });
        }
        while told.try_join_next().is_some() {}
    }
}

/// When an event is told: at once, or late, twice, or never.
fn times(trouble: Option<&Trouble>) -> Vec<Duration> {
    let Some(trouble) = trouble.filter(|t| t.happens()) else {
        return vec![Duration::ZERO];
    };
    let late = || Duration::from_millis(trouble.below(LATE).try_into().unwrap_or_default());
    match trouble.below(LOST) {
        0 => vec![],
        1 => vec![late()],
        _ => vec![Duration::ZERO, late()],
    }
}
