//! What happens to jobs, told as `events.k8s.io/v1`, so that `kubectl describe` shows it. Events are for people: where
//! there are too many, or the API server is slow, they are dropped and counted, and no job waits for them.

use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use prometheus_client::metrics::counter::Counter;
use sandbox_core::{AgentJob, query::NewEvent};
use tokio::sync::mpsc;

use crate::{counts::Counted, face::rate::Rate};

/// Who tells them.
pub const CONTROLLER: &str = "multiagent.dev/sandbox";
/// Most that wait to be told.
const WAITING: usize = 1000;
/// Most each second in the long run, and at once.
const RATE: Rate = Rate::new(20, 200);
/// Most bytes of a note.
const NOTE: usize = 1000;

/// Where events are told. Cheap to clone; never blocks.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<Told>,
    dropped: Counter,
    rate: Arc<DefaultDirectRateLimiter>,
}

struct Told {
    about: k8s_openapi::api::core::v1::ObjectReference,
    event: Event,
}

impl Events {
    /// Tells them in the name of this instance until the last handle is gone. To be called within a runtime.
    #[must_use]
    pub fn told_by(client: Client, instance: String) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let reporter = Reporter {
            controller: CONTROLLER.to_owned(),
            instance: Some(instance),
        };
        let events = Self {
            queue,
            dropped: Counter::default(),
            rate: Arc::new(RateLimiter::direct(
                Quota::per_second(RATE.each_second).allow_burst(RATE.at_once),
            )),
        };
        tokio::spawn(tell(
            Recorder::new(client, reporter),
            waiting,
            events.dropped.clone(),
        ));
        events
    }

    /// Tells this about the job, or drops it.
    pub fn tell(&self, job: &AgentJob, event: &NewEvent) {
        let told = Told {
            about: job.object_ref(&()),
            event: shown(event),
        };
        if self.rate.check().is_err() || self.queue.try_send(told).is_err() {
            self.dropped.inc();
        }
    }

    /// Puts what is counted where it is read.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let dropped = self.dropped.clone();
        Arc::new(move |registry| {
            let about = "Events for people that were dropped";
            registry.register("sandbox_kube_events_dropped", about, dropped.clone());
        })
    }
}

async fn tell(recorder: Recorder, mut waiting: mpsc::Receiver<Told>, dropped: Counter) {
    while let Some(told) = waiting.recv().await {
        if let Err(e) = recorder.publish(&told.event, &told.about).await {
            // The job is gone with its namespace, perhaps.
            tracing::debug!(error = %e, reason = told.event.reason, "could not tell an event");
            dropped.inc();
        }
    }
}

fn shown(event: &NewEvent) -> Event {
    let mut note = event.message.clone();
    note.truncate(note.floor_char_boundary(NOTE));
    Event {
        type_: kind(&event.reason),
        reason: event.reason.clone(),
        note: Some(note),
        action: "Reconcile".to_owned(),
        secondary: None,
    }
}

/// What a person may have to do something about is a warning.
fn kind(reason: &str) -> EventType {
    match reason {
        "Failed" | "TimedOut" | "BackingOff" => EventType::Warning,
        _ => EventType::Normal,
    }
}
