//! Passes what runners of one machine say on to our own seat service, and its answers back. The connection is always
//! ours. What the service acknowledges is acknowledged there, and by nothing else does a lease go on.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use http_body_util::BodyExt;
use object_store::ObjectStore;
use sandbox_core::{
    Seat,
    port::{Answer, PortError, Store},
    status::AgentJobStatus,
};
use tower::ServiceExt;

use super::{
    client::Client,
    keep_log,
    known::{Described, Machines},
};
use crate::{
    control::Waker,
    host::wire::{Asked, Polled, Reply},
};

/// The longest that a poll waits.
const LONGEST: Duration = Duration::from_secs(20);
/// How soon a machine that does not answer is asked again: at first, and at the most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What a relay is made of.
pub struct Relay {
    /// The machine.
    pub host: Described,
    /// The way to it.
    pub client: Arc<Client>,
    /// Where what it says of itself is kept.
    pub machines: Arc<Machines>,
    /// The seat service, as who comes from a machine meets it: without a token, for the machine has shown its own.
    pub door: Router,
    /// Which machine a seat is on.
    pub store: Arc<dyn Store>,
    /// Where logs of seats that are over are kept.
    pub logs: Arc<dyn ObjectStore>,
    /// Has a job looked at.
    pub waker: Waker,
    /// How long a seat goes on without being acknowledged.
    pub lease: Duration,
}

impl Relay {
    /// Passes on until it is dropped.
    pub async fn run(self) {
        let me = Arc::new(self);
        let longest = LONGEST.min(me.lease / 6);
        // How the machine is, is wanted at once; what is new there is waited for only then.
        let (mut wait, mut pause) = (Duration::ZERO, AGAIN.0);
        loop {
            let polled = me.client.poll(wait).await;
            let health = polled.as_ref().map(|p| p.about.clone());
            let health = health.map_err(Clone::clone);
            me.machines.heard(&me.host.is.uid, health);
            if let Ok(polled) = polled {
                (wait, pause) = (longest, AGAIN.0);
                me.clone().take(polled).await;
            } else {
                wait = Duration::ZERO;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(AGAIN.1);
            }
        }
    }

    async fn take(self: Arc<Self>, polled: Polled) {
        for asked in polled.asked {
            let me = self.clone();
            tokio::spawn(async move { me.answer(asked).await });
        }
        for uid in &polled.changed {
            self.waker.wake(uid);
        }
        for seat in polled.seats {
            if let Err(e) = self.leave(&seat).await {
                // It is tried again with the next poll.
                tracing::debug!(%seat, error = %e, "could not remove what is left of a seat");
            }
        }
    }

    /// Removes a seat there that no job of ours needs any more: nobody could be asked to when it ended. A store that
    /// cannot be read, or is behind, proves nothing.
    async fn leave(&self, seat: &Seat) -> Answer<()> {
        let Some(job) = self.store.load(&seat.uid).await? else {
            return self.client.reap(seat).await;
        };
        if needed(&job.status(), seat) {
            return Ok(());
        }
        keep_log(&self.logs, &self.client, seat).await?;
        self.client.reap(seat).await
    }

    async fn answer(&self, asked: Asked) {
        let (status, body) = self.said(&asked).await;
        let reply = Reply {
            id: asked.id,
            status,
            body,
        };
        if let Err(e) = self.client.reply(&[reply]).await {
            // The runner asks again.
            tracing::debug!(seat = %asked.seat, verb = asked.verb, error = %e, "could not answer a runner");
        }
    }

    async fn said(&self, asked: &Asked) -> (u16, String) {
        match self.is_there(&asked.seat).await {
            Ok(true) => {}
            Ok(false) => return (403, "this seat is not on this machine; stop".to_owned()),
            Err(e) => return (503, e.to_string()),
        }
        let path = format!("/v1/seats/{}/{}", asked.seat, asked.verb);
        let request = Request::post(path).header("content-type", "application/json");
        let request = match request.body(Body::from(asked.body.to_string())) {
            Ok(request) => request,
            Err(e) => return (400, e.to_string()),
        };
        let Ok(answer) = self.door.clone().oneshot(request).await;
        let status = answer.status().as_u16();
        match answer.into_body().collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                (status, String::from_utf8_lossy(&body).into_owned())
            }
            Err(e) => (503, e.to_string()),
        }
    }

    /// Whether a seat was given to this machine. What it says of others is not believed.
    ///
    /// # Errors
    /// It is not known yet.
    async fn is_there(&self, seat: &Seat) -> Answer<bool> {
        let Some(job) = self.store.load(&seat.uid).await? else {
            return Ok(false);
        };
        let status = job.status();
        if status.attempt < seat.attempt {
            let text = format!("seat {seat} is not known here yet; ask again");
            return Err(PortError::Unknown(text));
        }
        let host = status.backend_ref.as_ref().and_then(|r| r.host.as_ref());
        let placed = host.is_some_and(|host| host.uid == self.host.is.uid);
        let same = job.metadata.namespace.as_deref() == Some(&*self.host.namespace);
        Ok(placed && same && status.attempt == seat.attempt)
    }
}

/// Whether a seat may be at work, by what is known of its job. Who has just begun to lead may not know of the newest
/// attempt yet.
fn needed(status: &AgentJobStatus, seat: &Seat) -> bool {
    match status.attempt.cmp(&seat.attempt) {
        Ordering::Less => true,
        Ordering::Equal => status.intent.is_some(),
        Ordering::Greater => false,
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_seat_is_removed_once_its_attempt_is_over_and_not_while_the_job_is_known_as_it_was_before()
    {
        let seat: Seat = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11/2".parse().unwrap();
        let at = "2026-01-01T00:00:00Z";
        let intent = json!({"backend": "vps", "at": at, "deadlineAt": at});
        let known = |attempt: u32, intent: Option<&serde_json::Value>| {
            let status = json!({"attempt": attempt, "intent": intent});
            needed(&serde_json::from_value(status).unwrap(), &seat)
        };
        assert!(known(2, Some(&intent)));
        assert!(known(1, None), "the picture is older than the seat");
        assert!(!known(2, None));
        assert!(!known(3, Some(&intent)));
    }
}
