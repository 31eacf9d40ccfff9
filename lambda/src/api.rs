//! Requests: the operator's face, and its seat door beside it, behind API Gateway. No route is made here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use async_trait::async_trait;
use axum::Router;
use lambda_http::{Adapter, request::LambdaRequest};
use lambda_runtime::{LambdaEvent, Service};
use sandbox_core::{
    port::{Answer, Backend, Store},
    spec::BackendName,
};
use sandbox_operator::{
    artifacts::{Artifacts, beside_reports},
    backend::fargate::Watched,
    control::Waker,
    face::{
        Faced, HttpLimits, Intake, Services,
        http::{
            Face,
            auth::{KeySource, Keys},
        },
        mcp::{Door, Limited, Tools},
        rate::Bounds,
        seat::{SeatDoor, router},
    },
    secrets::Secrets,
    store::dynamodb::{DynamoStore, Passing},
    tokens::Tokens,
};
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};
use tokio::sync::watch;

use crate::{
    records::{LEASE, Records},
    settings::Settings,
};

/// How soon the client of a stream comes again.
const AGAIN: Duration = Duration::from_secs(3);
/// Longest a request may take: API Gateway waits for 30 seconds.
const REQUEST: Duration = Duration::from_secs(25);
/// Most bytes of an answer, as Lambda takes it.
///
/// Source: the quotas of AWS Lambda, "invocation payload", synchronous.
const LARGEST: usize = 6 * 1024 * 1024;
/// Where tenants' files are inside of a task; none are here.
const WORKSPACE: &str = "/workspace";
/// Where files of jobs would be that run on this machine.
const NOWHERE: &str = "/tmp/artifacts";

/// Answers requests.
pub struct Api(Router);

impl Api {
    /// The face over these records, for whoever has one of these keys, and runners with tokens of ours.
    ///
    /// # Errors
    /// The keys are none.
    pub fn new(
        records: &Records,
        (keys, tokens, secrets): (String, Tokens, Option<Arc<dyn Secrets>>),
        (settings, watched): (&Settings, Watched),
    ) -> Result<Self> {
        let keys = Keys::new(KeySource {
            required: true,
            text: Some(keys),
            file: None,
        });
        let keys = keys.context("read the secret of SANDBOX_KEYS_SECRET")?;
        let bounds = Arc::<Bounds>::default();
        let tools: Arc<dyn Tools> = Arc::new(Limited::new(records.elf.clone(), bounds.clone()));
        // The table's own stream calls for a job that was written.
        let (waker, _) = Waker::new();
        let artifacts = Artifacts::new(records.store.objects(), beside_reports);
        let door = SeatDoor {
            store: records.store.clone(),
            seats: records.seats.clone(),
            memory: records.elf.clone(),
            tools: Some(tools.clone()),
            waker: waker.clone(),
            deadline: settings.jobs.deadline,
            claimed: Arc::new(|_, _| {}),
            may_claim: true,
            passes: Some(Arc::new(tokens)),
            artifacts: Some(artifacts.clone()),
            lease: Some(LEASE),
            checks: Arc::default(),
            secrets,
        };
        let services = Services {
            artifacts: Some(artifacts),
            ..services(records, (keys, bounds, tools), (settings, watched), waker)
        };
        let face = Face::new(services);
        Ok(Self(face.router().merge(router(door))))
    }

    /// Answers one request.
    ///
    /// # Errors
    /// The event is no request of an HTTP API in format 2.0.
    pub async fn answer(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>> {
        let request: LambdaRequest = serde_json::from_str(event.payload.get())
            .context("read a request: the API has to send payload format 2.0")?;
        let request = LambdaEvent::new(request, event.context);
        let answer = Adapter::from(self.0.clone()).call(request).await?;
        fitting(to_raw_value(&answer)?)
    }
}

/// Takes jobs unless the deployment is paused.
struct Unpaused(Arc<DynamoStore>);

#[async_trait]
impl Intake for Unpaused {
    async fn closed(&self) -> Answer<Option<String>> {
        let mark = self.0.standing().await?.mark;
        Ok(mark.map(|mark| {
            format!(
                "this deployment is paused since {:.0} and takes no jobs; whoever runs it has it go on with `sandbox cloud resume`",
                mark.since
            )
        }))
    }
}

/// The answer, unless Lambda would not take it.
fn fitting(answer: Box<RawValue>) -> Result<Box<RawValue>> {
    if answer.get().len() <= LARGEST {
        return Ok(answer);
    }
    let text = "the answer is larger than Lambda gives; ask for less at a time";
    problem(500, ("too_large_answer", text))
}

fn services(
    records: &Records,
    (keys, bounds, tools): (Keys, Arc<Bounds>, Arc<dyn Tools>),
    (settings, watched): (&Settings, Watched),
    waker: Waker,
) -> Services {
    let fargate: Arc<dyn Backend> = Arc::new(watched);
    let store: Arc<dyn Store> = Arc::new(Passing::new(records.store.clone()));
    Services {
        store,
        seats: records.seats.clone(),
        backends: Arc::new(BTreeMap::from([(BackendName::Fargate, fargate)])),
        site: None,
        backend: BackendName::Fargate,
        waker,
        events: watch::channel(0).1,
        keys,
        workspace_root: WORKSPACE.into(),
        artifacts_root: NOWHERE.into(),
        artifacts: None,
        limits: HttpLimits {
            deadline: settings.jobs.deadline,
            queue: settings.jobs.queue_limit,
            request_time: REQUEST,
            again: Some(AGAIN),
            ..HttpLimits::default()
        },
        intake: Some(Arc::new(Unpaused(records.store.clone()))),
        elf: Some(Arc::new(Faced(records.elf.clone()))),
        book: Some(records.elf.clone()),
        bounds,
        counted: vec![records.store.counted()],
        mcp: Some(Door::of_memory_at_once(
            tools.clone(),
            HttpLimits::default().body,
        )),
        tools: Some(tools),
    }
}

/// An answer of API Gateway that is no success, as the face says it.
///
/// # Errors
/// It cannot be written.
pub fn problem(status: u16, (code, detail): (&str, &str)) -> Result<Box<RawValue>> {
    let body = json!({"type": "about:blank", "title": "Error", "status": status, "detail": detail, "code": code});
    let headers = json!({"content-type": "application/problem+json", "cache-control": "no-store", "retry-after": "5"});
    let answer = json!({"statusCode": status, "headers": headers, "body": body.to_string(), "isBase64Encoded": false});
    Ok(to_raw_value(&answer)?)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_larger_than_lambda_gives_is_refused_in_words() {
        let of = |bytes: usize| to_raw_value(&"x".repeat(bytes)).unwrap();
        assert!(fitting(of(100)).unwrap().get().starts_with("\"xx"));
        let refused = fitting(of(LARGEST)).unwrap();
        assert!(refused.get().contains("ask for less"), "{}", refused.get());
    }
}
