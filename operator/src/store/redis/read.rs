//! What asks the store and changes nothing.

use redis::streams::{StreamId, StreamRangeReply};
use sandbox_core::{
    AgentJob, Uid,
    port::{Admission, Answer, PortError},
    query::{Event, EventQuery, Kept, ListQuery, MAX_PAGE, Page},
};
use sandbox_elf::store::redis::link::Link;

use super::{NAME, RedisStore, job, port, write::stamp};
use crate::store::rows::{Row, cursor, parse_cursor};

/// Events that are read at a time.
pub(super) const EVENTS_AT_ONCE: usize = 1_000;

pub(super) fn key(link: &Link, name: &str) -> String {
    link.key(&format!("{NAME}:{name}"))
}

pub(super) async fn load(store: &RedisStore, uid: &Uid) -> Answer<Option<AgentJob>> {
    let mut get = redis::cmd("HMGET");
    get.arg(key(&store.link, &format!("job:{uid}")))
        .arg("body")
        .arg("version");
    let told: (Option<String>, Option<String>) =
        store.link.ask("read the job", &get).await.map_err(port)?;
    match told {
        (Some(body), Some(version)) => job(&body, &version).map(Some),
        _ => Ok(None),
    }
}

pub(super) async fn list(store: &RedisStore, query: &ListQuery) -> Answer<Page> {
    let limit = query.limit.clamp(1, MAX_PAGE) as usize;
    let before = query.after.as_deref().map(parse_cursor).transpose()?;
    let earlier = query
        .submitted_before
        .map(|t| t.as_microsecond().saturating_sub(1));
    let (from, uid) = match (before, earlier) {
        (Some((at, uid)), Some(earlier)) if at <= earlier => (at.to_string(), uid.to_string()),
        (_, Some(earlier)) => (earlier.to_string(), String::new()),
        (Some((at, uid)), None) => (at.to_string(), uid.to_string()),
        (None, None) => ("+inf".to_owned(), String::new()),
    };
    let text = |t: Option<String>| t.unwrap_or_default();
    let phases: Vec<&str> = query.phases.iter().map(|p| p.word()).collect();
    let phases = match phases[..] {
        [] => String::new(),
        _ => format!(" {} ", phases.join(" ")),
    };
    let args = [
        text(query.tenant.as_ref().map(ToString::to_string)),
        text(query.name.clone()),
        text(query.key.clone()),
        text(query.job_type.map(|t| t.word().to_owned())),
        phases,
        u8::from(query.open_only).to_string(),
        from,
        uid,
        (limit + 1).to_string(),
    ];
    let args = args.map(String::into_bytes);
    let script = &store.scripts.list;
    let mut found: Vec<(String, String, i64, Uid)> = store
        .link
        .read::<Vec<(String, String, i64, String)>>("listed jobs", script, NAME, &args)
        .await
        .map_err(port)?
        .into_iter()
        .filter_map(|(body, version, at, uid)| Some((body, version, at, uid.parse().ok()?)))
        .collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next = last.map(|(_, _, at, uid)| cursor(*at, uid));
    let jobs = found.iter().map(|(body, version, ..)| job(body, version));
    Ok(Page {
        jobs: jobs.collect::<Answer<_>>()?,
        next,
    })
}

pub(super) async fn admission(store: &RedisStore, pool: &str, job: &AgentJob) -> Answer<Admission> {
    let row = Row::of(job)?;
    let args = [
        pool.to_owned(),
        row.uid.to_string(),
        row.priority.to_string(),
        stamp(row.submitted_at),
    ];
    let args = args.map(String::into_bytes);
    let script = &store.scripts.admission;
    let (held, ahead, wanted_ahead): (u32, u32, u32) = store
        .link
        .read("counted who waits", script, NAME, &args)
        .await
        .map_err(port)?;
    Ok(Admission {
        held,
        ahead,
        wanted_ahead,
    })
}

pub(super) async fn kept(store: &RedisStore) -> Answer<Kept> {
    let mut first = redis::cmd("XRANGE");
    first
        .arg(key(&store.link, "events"))
        .arg("-")
        .arg("+")
        .arg("COUNT")
        .arg(1);
    let first: StreamRangeReply = store
        .link
        .ask("read the events", &first)
        .await
        .map_err(port)?;
    let mut newest = redis::cmd("GET");
    newest.arg(key(&store.link, "seq"));
    let newest: Option<u64> = store
        .link
        .ask("read the events", &newest)
        .await
        .map_err(port)?;
    let newest = newest.unwrap_or_default();
    let oldest = first.ids.first().and_then(number).unwrap_or(newest + 1);
    Ok(Kept {
        forgotten: oldest - 1,
        newest,
    })
}

pub(super) async fn events(store: &RedisStore, query: &EventQuery) -> Answer<Vec<Event>> {
    let limit = query.limit.clamp(1, MAX_PAGE) as usize;
    let mut found = Vec::new();
    let mut after = query.after;
    loop {
        let (events, last) = match &query.uid {
            Some(uid) => of_job(store, uid, after, limit).await?,
            None => next(store, after).await?,
        };
        let ours = |e: &Event| query.tenant.as_ref().is_none_or(|t| e.tenant == *t);
        found.extend(events.into_iter().filter(ours));
        let Some(last) = last.filter(|_| found.len() < limit) else {
            found.truncate(limit);
            return Ok(found);
        };
        after = last;
    }
}

/// Events and the place to go on from; none after the last.
type Piece = (Vec<Event>, Option<u64>);

async fn next(store: &RedisStore, after: u64) -> Answer<Piece> {
    let mut range = redis::cmd("XRANGE");
    range
        .arg(key(&store.link, "events"))
        .arg(format!("{}-0", after.saturating_add(1)))
        .arg("+");
    range.arg("COUNT").arg(EVENTS_AT_ONCE);
    let read: StreamRangeReply = store
        .link
        .ask("read the events", &range)
        .await
        .map_err(port)?;
    let last = read.ids.last().and_then(number);
    let last = last.filter(|_| read.ids.len() == EVENTS_AT_ONCE);
    Ok((read.ids.iter().map(event).collect::<Answer<_>>()?, last))
}

async fn of_job(store: &RedisStore, uid: &Uid, after: u64, limit: usize) -> Answer<Piece> {
    let mut numbers = redis::cmd("ZRANGE");
    numbers.arg(key(&store.link, &format!("events-of:{uid}")));
    numbers
        .arg(format!("({after}"))
        .arg("+inf")
        .arg("BYSCORE")
        .arg("LIMIT")
        .arg(0)
        .arg(limit);
    let numbers: Vec<u64> = store
        .link
        .ask("read the job's events", &numbers)
        .await
        .map_err(port)?;
    let mut events = Vec::new();
    for seq in &numbers {
        let mut one = redis::cmd("XRANGE");
        one.arg(key(&store.link, "events"))
            .arg(format!("{seq}-0"))
            .arg(format!("{seq}-0"));
        let read: StreamRangeReply = store
            .link
            .ask("read the job's events", &one)
            .await
            .map_err(port)?;
        // One that is forgotten is not there.
        events.extend(read.ids.iter().map(event).collect::<Answer<Vec<_>>>()?);
    }
    let last = numbers.last().copied().filter(|_| numbers.len() == limit);
    Ok((events, last))
}

pub(super) fn number(entry: &StreamId) -> Option<u64> {
    entry.id.split('-').next()?.parse().ok()
}

fn event(entry: &StreamId) -> Answer<Event> {
    let text = |name: &str| entry.get::<String>(name);
    let read = || {
        Some(Event {
            seq: number(entry)?,
            tenant: text("tenant")?.parse().ok()?,
            uid: text("uid")?.parse().ok()?,
            reason: text("reason")?,
            message: text("message")?,
            at: text("at")?.parse().ok()?,
        })
    };
    read().ok_or_else(|| {
        PortError::Unknown(format!(
            "read event {} from Redis: it is not as it was written",
            entry.id
        ))
    })
}
