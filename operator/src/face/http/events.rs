//! What happens, as server-sent events. The number of an event is its id, so that a client that
//! comes back with `Last-Event-ID` misses nothing and sees nothing twice. What it missed because
//! the log has forgotten it, it is told by an event `Gap`. Where nothing can be held open, a stream
//! ends when all is told that there is, and says when to come again.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event as Message, KeepAlive, Sse},
    },
};
use futures::{StreamExt, stream};
use sandbox_core::{
    Tenant, Uid,
    query::{Event, EventQuery, Kept},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{
    app::{App, Caller, Id},
    dialect::naive::Naive,
    problem::{Problem, Told},
    read::Asked,
};

/// Events that are read at a time.
const PAGE: u32 = 100;
/// How often a silent stream says that it is alive.
const ALIVE: Duration = Duration::from_secs(15);

/// Where to begin.
#[derive(Deserialize)]
pub(super) struct From {
    #[serde(alias = "after")]
    since: Option<u64>,
}

/// Where a stream begins, and what it says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begin {
    after: u64,
    /// The first number that a client asked for and does not get.
    gap_from: Option<u64>,
}

impl Begin {
    /// After the number that was asked for, as far as it is kept. A number that was never given
    /// comes from another log.
    fn after(asked: u64, kept: Kept, most: u64) -> Self {
        let reach = kept.forgotten.max(kept.newest.saturating_sub(most));
        let after = if asked > kept.newest {
            kept.newest
        } else {
            asked.max(reach)
        };
        let gap_from = (after != asked).then(|| asked.min(after) + 1);
        Self { after, gap_from }
    }

    /// After everything that has happened.
    const fn now(kept: Kept) -> Self {
        Self::at(kept.newest)
    }

    /// After this number, and nothing is missing there.
    const fn at(after: u64) -> Self {
        Self {
            after,
            gap_from: None,
        }
    }
}

/// One event as it is sent.
#[derive(Serialize)]
struct Sent<'a> {
    seq: u64,
    job_id: &'a str,
    reason: &'a str,
    message: &'a str,
    at: Naive,
}

pub(super) async fn of_job(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
    Asked(from): Asked<From>,
    headers: HeaderMap,
) -> Told<Response> {
    let job = app.job(&tenant, &id).await?;
    // A job has few events, so all of them that are kept are given.
    let begin = match last_seen(&headers)?.or(from.since) {
        Some(asked) if app.services.limits.again.is_some() => Begin::at(asked),
        Some(asked) => Begin::after(asked, app.services.store.kept().await?, u64::MAX),
        None => Begin::at(0),
    };
    let uid = job.uid().map_err(|_| Problem::no_job())?;
    stream_of(app, (tenant, Some(uid)), begin)
}

pub(super) async fn of_tenant(
    State(app): State<App>,
    Caller(tenant): Caller,
    Asked(from): Asked<From>,
    headers: HeaderMap,
) -> Told<Response> {
    let kept = app.services.store.kept().await?;
    let begin = match last_seen(&headers)?.or(from.since) {
        Some(asked) if app.services.limits.again.is_some() => Begin::at(asked),
        Some(asked) => Begin::after(asked, kept, app.services.limits.replay),
        None => Begin::now(kept),
    };
    stream_of(app, (tenant, None), begin)
}

fn last_seen(headers: &HeaderMap) -> Told<Option<u64>> {
    let Some(sent) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let number = sent.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || Problem::invalid("Last-Event-ID must be the id of an event: a whole number");
    number.map(Some).ok_or_else(wrong)
}

fn stream_of(app: App, (tenant, uid): (Tenant, Option<Uid>), begin: Begin) -> Told<Response> {
    let query = EventQuery {
        tenant: Some(tenant),
        uid,
        after: begin.after,
        limit: PAGE,
    };
    let again = app.services.limits.again;
    let first = again.map(|again| Ok(come_again(again, begin.after)));
    let first = first.or(begin.gap_from.map(|from| Ok(gap(from, begin.after))));
    let follower = Follower {
        _permit: app.stream_permit()?,
        writes: app.services.events.clone(),
        app,
        query,
        read: VecDeque::new(),
    };
    let events = stream::iter(first).chain(stream::unfold(follower, Follower::next));
    let alive = KeepAlive::new().interval(ALIVE).text("alive");
    Ok(Sse::new(events).keep_alive(alive).into_response())
}

/// One client that listens.
struct Follower {
    app: App,
    query: EventQuery,
    writes: watch::Receiver<u64>,
    read: VecDeque<Event>,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The next event; waits for a write when there is none. Ends with the server.
    async fn next(mut self) -> Option<(Result<Message, Infallible>, Self)> {
        while self.read.is_empty() {
            // Marked as seen before reading: a write during the read is not missed.
            self.writes.borrow_and_update();
            let found = self.app.services.store.events(&self.query).await;
            match found {
                Ok(events) => self.read.extend(events),
                Err(e) => {
                    tracing::warn!(error = %e, "an event stream ends: the log cannot be read");
                    return None;
                }
            }
            if self.read.is_empty() && !self.woken().await {
                return None;
            }
        }
        let event = self.read.pop_front()?;
        self.query.after = event.seq;
        Some((Ok(message(&event)), self))
    }

    /// Waits for a write; false when there will be none, or nobody can wait for it.
    async fn woken(&mut self) -> bool {
        if self.app.services.limits.again.is_some() {
            return false;
        }
        tokio::select! {
            changed = self.writes.changed() => changed.is_ok(),
            () = self.app.closed() => false,
        }
    }
}

/// When to come again, and after which number: also for a client that was told nothing.
fn come_again(again: Duration, after: u64) -> Message {
    Message::default().retry(again).id(after.to_string())
}

/// Tells a client that it will not get these events, and where it stands now.
fn gap(from: u64, after: u64) -> Message {
    let text = "events are missing here: they are not kept any more; read the jobs again";
    let told = json!({"reason": "Gap", "message": text, "from": from, "to": after});
    Message::default()
        .id(after.to_string())
        .event("Gap")
        .data(told.to_string())
}

fn message(event: &Event) -> Message {
    let told = Sent {
        seq: event.seq,
        job_id: event.uid.as_str(),
        reason: &event.reason,
        message: &event.message,
        at: Naive(event.at),
    };
    let text = serde_json::to_string(&told).unwrap_or_default();
    Message::default()
        .id(event.seq.to_string())
        .event(&event.reason)
        .data(text)
}
