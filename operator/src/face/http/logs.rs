//! A job's log: a piece of it, or all that comes until the job is over. Where nothing can be held open, whoever follows gets
//! a piece, too, and asks for the next one.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use sandbox_core::{
    AgentJob, Seat, Tenant,
    port::{LogChunk, PortError},
};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    app::{App, Caller, Id},
    problem::{Problem, Told},
    read::Asked,
};

/// Most bytes of one piece.
const PIECE: u32 = 1024 * 1024;
/// Most bytes of one piece of a followed log.
const STEP: u32 = 64 * 1024;
/// How soon a followed log is looked at again: it grows without anybody writing to the store.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const NEXT: HeaderName = HeaderName::from_static("x-next-cursor");
/// Of which attempt a piece is.
const ATTEMPT: HeaderName = HeaderName::from_static("x-attempt");

/// Which piece.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    cursor: u64,
    limit: Option<u32>,
    #[serde(default)]
    follow: bool,
    attempt: Option<u32>,
}

pub(super) async fn logs(
    State(app): State<App>,
    Caller(tenant): Caller,
    Id(id): Id,
    Asked(wanted): Asked<Wanted>,
) -> Told<Response> {
    let job = app.job(&tenant, &id).await?;
    let attempt = attempt(&job, wanted.attempt)?;
    if wanted.follow && app.services.limits.again.is_none() {
        let permit = app.stream_permit()?;
        let place = Place {
            attempt,
            cursor: wanted.cursor,
            fixed: wanted.attempt.is_some(),
        };
        let follow = Follow {
            app,
            tenant,
            id,
            place,
            _permit: permit,
        };
        let body = Body::from_stream(stream::unfold(follow, Follow::next));
        return Ok((plain(), body).into_response());
    }
    let limit = wanted.limit.unwrap_or(PIECE).clamp(1, PIECE);
    let chunk = read(&app, &job, (attempt, wanted.cursor), limit).await?;
    let place = [
        (NEXT, HeaderValue::from(chunk.next)),
        (ATTEMPT, HeaderValue::from(attempt)),
    ];
    Ok((plain(), place, chunk.text).into_response())
}

const fn plain() -> [(HeaderName, &'static str); 1] {
    [(header::CONTENT_TYPE, "text/plain; charset=utf-8")]
}

/// The attempt whose log is wanted; 0 before the first.
fn attempt(job: &AgentJob, asked: Option<u32>) -> Told<u32> {
    let last = job.status().attempt;
    let asked = asked.unwrap_or(last);
    if asked > last {
        return Err(Problem::not_found(format!("there is no attempt {asked}")));
    }
    Ok(asked)
}

/// A piece of an attempt's log; empty while there is none.
pub(super) async fn read(
    app: &App,
    job: &AgentJob,
    (attempt, from): (u32, u64),
    limit: u32,
) -> Told<LogChunk> {
    let nothing = LogChunk {
        text: String::new(),
        next: from,
    };
    if attempt == 0 {
        return Ok(nothing);
    }
    app.is_here(job)?;
    let place = app.services.backends.get(&app.place_of(job));
    let place = place.ok_or_else(|| Problem::unavailable("its back end is not configured here"))?;
    let uid = job.uid().map_err(|_| Problem::no_job())?;
    match place.logs(&Seat::new(uid, attempt), from, limit).await {
        Err(PortError::NotFound(_)) => Ok(nothing),
        other => Ok(other?),
    }
}

/// Where a follower is.
struct Place {
    attempt: u32,
    cursor: u64,
    /// Whether the follower asked for this attempt and no other.
    fixed: bool,
}

/// One client that follows a log.
struct Follow {
    app: App,
    tenant: Tenant,
    id: String,
    place: Place,
    _permit: OwnedSemaphorePermit,
}

/// What a look at the log gave.
enum Step {
    Text(String),
    Again,
    Wait,
    End,
}

impl Follow {
    /// The next piece; `None` at the end, which comes early when the job is gone.
    async fn next(mut self) -> Option<(Result<String, Infallible>, Self)> {
        loop {
            match self.step().await {
                Ok(Step::Text(text)) => return Some((Ok(text), self)),
                Ok(Step::Again) => {}
                Ok(Step::Wait) => {
                    tokio::select! {
                        () = tokio::time::sleep(LOOK_AGAIN) => {}
                        () = self.app.closed() => return None,
                    }
                }
                Ok(Step::End) | Err(_) => return None,
            }
        }
    }

    /// The job is read first: what its log lacks after its end will not come.
    async fn step(&mut self) -> Told<Step> {
        let job = self.app.job(&self.tenant, &self.id).await?;
        let place = &mut self.place;
        let from = (place.attempt, place.cursor);
        let chunk = read(&self.app, &job, from, STEP).await?;
        let grown = chunk.next > place.cursor;
        place.cursor = chunk.next;
        if grown {
            return Ok(Step::Text(chunk.text));
        }
        Ok(place.after(&job))
    }
}

impl Place {
    /// What comes when this attempt's log has no more for now.
    fn after(&mut self, job: &AgentJob) -> Step {
        let status = job.status();
        if status.attempt > self.attempt && !self.fixed {
            self.attempt += 1;
            self.cursor = 0;
            return Step::Again;
        }
        let over = status.intent.is_none() && (self.fixed || status.is_finished());
        if over || status.attempt > self.attempt || status.is_finished() {
            return Step::End;
        }
        Step::Wait
    }
}
