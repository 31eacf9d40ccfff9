//! What is opened once and stays between calls, and what each event comes to.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Error, Result, bail};
use lambda_runtime::LambdaEvent;
use sandbox_core::port::Store;
use sandbox_operator::{
    aws::AwsWay,
    backend::{
        fargate::{FargateBackend, Watched, settings::Given},
        kept::log_path,
    },
    control::Waker,
    tokens::Tokens,
};
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};
use tokio::{sync::OnceCell, time::Instant};

use crate::{
    api::{Api, problem},
    desk::Desk,
    event::{self, Asked},
    records::{LEASE, Records},
    secrets,
    settings::Settings,
    wakes::Wakes,
};

/// How long before the function's own time is over it begins no more.
const LEAVE: Duration = Duration::from_secs(8);

/// The program, opened or not.
#[derive(Default)]
pub struct Program(OnceCell<Parts>);

/// The opened parts.
pub struct Parts {
    records: Records,
    api: Option<Api>,
    desk: Option<Desk>,
}

impl Program {
    /// The parts, opened by whoever asks first.
    ///
    /// # Errors
    /// A part cannot be opened; the text says which and what to do.
    pub async fn opened(&self) -> Result<&Parts> {
        self.0.get_or_try_init(|| Box::pin(Parts::open())).await
    }

    /// Does what an event asks for. What it began is over when it answers.
    ///
    /// # Errors
    /// It has to come again.
    pub async fn answer(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>> {
        let asked = event::read(event.payload.get()).map_err(Error::msg)?;
        match self.opened().await {
            Ok(parts) => {
                let answer = Box::pin(parts.answer(asked, event)).await;
                parts.records.ledger.rest().await;
                answer
            }
            Err(e) if asked == Asked::Request => {
                tracing::error!(error = %format!("{e:#}"), "not ready");
                let text = "this service is not ready; the function's log says why";
                problem(503, ("not_ready", text))
            }
            Err(e) => Err(e),
        }
    }
}

impl Parts {
    async fn open() -> Result<Self> {
        let settings = Settings::read()?;
        let aws = AwsWay::default().load().await.map_err(Error::msg)?;
        let secrets = aws_sdk_secretsmanager::Client::new(&aws);
        let seats = secrets::read(&secrets, "SANDBOX_SEAT_SECRET", &settings.seat_secret);
        let keys = async {
            match &settings.keys_secret {
                Some(name) => secrets::read(&secrets, "SANDBOX_KEYS_SECRET", name)
                    .await
                    .map(Some),
                None => Ok(None),
            }
        };
        let records = Box::pin(Records::open(&settings));
        let (records, seats, keys) = futures::try_join!(records, seats, keys)?;
        let tokens = Tokens::new(seats.trim().as_bytes());
        let api = keys.map(|keys| {
            let store: Arc<dyn Store> = records.store.clone();
            let jobs = (store, records.store.objects());
            let watched = Watched::new(&aws, &settings.fargate, jobs);
            let secrets = settings.fargate.secrets_by(&aws);
            let clients = (keys, tokens.clone(), secrets);
            Api::new(&records, clients, (&settings, watched))
        });
        let desk = desk(&records, tokens, &settings).await?;
        let desk = desk.map(|(tasks, wakes)| {
            let wakes = Wakes::new(aws_sdk_sqs::Client::new(&aws), wakes);
            Desk::new(&records, (tasks, wakes), &settings)
        });
        Ok(Self {
            api: api.transpose()?,
            desk,
            records,
        })
    }

    async fn answer(
        &self,
        asked: Asked,
        event: LambdaEvent<Box<RawValue>>,
    ) -> Result<Box<RawValue>> {
        let until = until(event.context.deadline);
        match asked {
            Asked::Request => {
                let missing = "answered a request: this function has no keys of clients; set SANDBOX_KEYS_SECRET";
                self.api.as_ref().context(missing)?.answer(event).await
            }
            Asked::Changes(changes) => {
                let desk = self.desk()?.sit(until).await?;
                failures(&desk.changes(changes).await)
            }
            Asked::Wakes(wakes) => {
                let desk = self.desk()?.sit(until).await?;
                failures(&desk.wakes(wakes).await)
            }
            Asked::TaskChanged(Some(job), event) => {
                let desk = self.desk()?.sit(until).await?;
                desk.task_changed(job, &event).await?;
                Ok(RawValue::NULL.to_owned())
            }
            Asked::TaskChanged(None, _) => Ok(RawValue::NULL.to_owned()),
            Asked::Sweep(at) => {
                self.desk()?.sit(until).await?.sweep(at).await?;
                Ok(RawValue::NULL.to_owned())
            }
        }
    }

    fn desk(&self) -> Result<&Desk> {
        let missing = "looked at jobs: this function has no cluster of ECS; set SANDBOX_FARGATE_CLUSTER and the settings beside it";
        self.desk.as_ref().context(missing)
    }
}

/// What looks at jobs, where the settings name a cluster of ECS: its tasks, and the queue of wakes.
async fn desk(
    records: &Records,
    tokens: Tokens,
    settings: &Settings,
) -> Result<Option<(FargateBackend, String)>> {
    // What was begun in a call is told by events, or seen by the next look.
    let (waker, _) = Waker::new();
    let given = Given {
        door: settings.seat_door.clone(),
        // API Gateway's is one that every system knows.
        authority: String::new(),
        tokens,
        lease: LEASE,
        files: records.store.objects(),
        log_path,
        store: records.store.clone(),
        waker,
    };
    let Some(tasks) = settings.fargate.open(given).await.map_err(Error::msg)? else {
        return Ok(None);
    };
    match settings.wakes.clone() {
        Some(queue) => Ok(Some((tasks, queue))),
        None => bail!(
            "SANDBOX_FARGATE_CLUSTER is set: set SANDBOX_WAKES to the URL of the queue of wakes, too"
        ),
    }
}

/// When nothing more is begun in a call that ends at this time, in milliseconds since 1970.
fn until(deadline: u64) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let left = Duration::from_millis(deadline).saturating_sub(now.unwrap_or_default());
    Instant::now() + left.saturating_sub(LEAVE)
}

/// Those of a batch that have to come again.
fn failures(again: &[String]) -> Result<Box<RawValue>> {
    let again = again.iter().map(|id| json!({"itemIdentifier": id}));
    let again: Vec<_> = again.collect();
    Ok(to_raw_value(&json!({"batchItemFailures": again}))?)
}
