//! What is read: one job, a page, the event log, how full a pool is.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, ToSql, params};
use sandbox_core::{
    AgentJob, Uid,
    port::{Admission, Answer, PortError},
    query::{Event, EventQuery, ListQuery, MAX_PAGE, Page},
};

use super::{OpenError, open, unknown};
use crate::store::rows::{Row, cursor, parse_cursor};

/// Connections that read side by side.
const READERS: usize = 4;

/// A few connections that read; each serves one caller at a time.
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let opened: Result<Vec<Connection>, OpenError> =
            (0..READERS).map(|_| open::reading(path)).collect();
        Ok(Self {
            connections: opened?.into_iter().map(Mutex::new).collect(),
            next: AtomicUsize::new(0),
        })
    }

    /// Reads with the first connection that is free, or waits for one.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        for connection in &self.connections {
            if let Ok(db) = connection.try_lock() {
                return work(&db);
            }
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let db = self.connections[turn]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&db)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it by value")]
fn failed(e: rusqlite::Error) -> PortError {
    unknown("read the store", &e)
}

/// A job from its row.
pub(super) fn parse(body: &str) -> Answer<AgentJob> {
    serde_json::from_str(body).map_err(|e| {
        PortError::Unknown(format!(
            "read a job from the store: {e}; its row is damaged"
        ))
    })
}

pub(super) fn load(db: &Connection, uid: &Uid) -> Answer<Option<AgentJob>> {
    let mut statement = db
        .prepare_cached("SELECT body FROM jobs WHERE uid = ?1")
        .map_err(failed)?;
    let found = statement.query_row([uid.as_str()], |r| r.get::<_, String>(0));
    let body = found.optional().map_err(failed)?;
    body.map(|b| parse(&b)).transpose()
}

/// A condition of a query with its values.
#[derive(Default)]
struct Filter {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Filter {
    fn and(&mut self, sql: &str, values: Vec<Box<dyn ToSql>>) {
        self.sql.push_str(if self.sql.is_empty() {
            " WHERE "
        } else {
            " AND "
        });
        self.sql.push_str(sql);
        self.values.extend(values);
    }

    fn query<T>(
        &self,
        db: &Connection,
        sql: &str,
        row: impl FnMut(&SqlRow<'_>) -> rusqlite::Result<T>,
    ) -> Answer<Vec<T>> {
        let mut statement = db.prepare_cached(sql).map_err(failed)?;
        let values = rusqlite::params_from_iter(self.values.iter());
        let rows = statement.query_map(values, row).map_err(failed)?;
        rows.collect::<rusqlite::Result<Vec<T>>>().map_err(failed)
    }
}

fn list_filter(query: &ListQuery) -> Answer<Filter> {
    let mut filter = Filter::default();
    if let Some(tenant) = &query.tenant {
        filter.and("tenant = ?", vec![Box::new(tenant.to_string())]);
    }
    if let Some(name) = &query.name {
        filter.and("name = ?", vec![Box::new(name.clone())]);
    }
    if let Some(job_type) = query.job_type {
        filter.and("job_type = ?", vec![Box::new(job_type.word())]);
    }
    if !query.phases.is_empty() {
        let marks = vec!["?"; query.phases.len()].join(", ");
        let words = query
            .phases
            .iter()
            .map(|p| Box::new(p.word()) as Box<dyn ToSql>);
        filter.and(&format!("phase IN ({marks})"), words.collect());
    }
    if query.open_only {
        filter.and("open = 1", Vec::new());
    }
    if let Some(after) = &query.after {
        let (at, uid) = parse_cursor(after)?;
        filter.and(
            "(submitted_at, uid) < (?, ?)",
            vec![Box::new(at), Box::new(uid.to_string())],
        );
    }
    Ok(filter)
}

pub(super) fn list(db: &Connection, query: &ListQuery) -> Answer<Page> {
    let filter = list_filter(query)?;
    let limit = query.limit.clamp(1, MAX_PAGE) as usize;
    let sql = format!(
        "SELECT body, submitted_at, uid FROM jobs{} ORDER BY submitted_at DESC, uid DESC LIMIT {}",
        filter.sql,
        limit + 1
    );
    let row = |r: &SqlRow<'_>| {
        Ok((
            r.get::<_, String>(0)?,
            r.get::<_, i64>(1)?,
            r.get::<_, String>(2)?,
        ))
    };
    let mut rows = filter.query(db, &sql, row)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows
        .last()
        .filter(|_| more)
        .and_then(|(_, at, uid)| Some(cursor(*at, &uid.parse().ok()?)));
    let jobs: Answer<Vec<AgentJob>> = rows.iter().map(|(body, _, _)| parse(body)).collect();
    Ok(Page {
        jobs: jobs?,
        next: last,
    })
}

pub(super) fn events(db: &Connection, query: &EventQuery) -> Answer<Vec<Event>> {
    let mut filter = Filter::default();
    filter.and(
        "seq > ?",
        vec![Box::new(i64::try_from(query.after).unwrap_or(i64::MAX))],
    );
    if let Some(tenant) = &query.tenant {
        filter.and("tenant = ?", vec![Box::new(tenant.to_string())]);
    }
    if let Some(uid) = &query.uid {
        filter.and("uid = ?", vec![Box::new(uid.to_string())]);
    }
    let limit = query.limit.clamp(1, MAX_PAGE);
    let sql = format!(
        "SELECT seq, tenant, uid, reason, message, at FROM events{} ORDER BY seq LIMIT {limit}",
        filter.sql
    );
    let found: Vec<Option<Event>> = filter.query(db, &sql, |r| Ok(event(r)))?;
    found
        .into_iter()
        .collect::<Option<Vec<Event>>>()
        .ok_or_else(|| {
            PortError::Unknown("read an event from the store: its row is damaged".to_owned())
        })
}

fn event(row: &SqlRow<'_>) -> Option<Event> {
    Some(Event {
        seq: u64::try_from(row.get::<_, i64>(0).ok()?).ok()?,
        tenant: row.get::<_, String>(1).ok()?.parse().ok()?,
        uid: row.get::<_, String>(2).ok()?.parse().ok()?,
        reason: row.get(3).ok()?,
        message: row.get(4).ok()?,
        at: Timestamp::from_microsecond(row.get(5).ok()?).ok()?,
    })
}

/// Units of this pool that all jobs hold.
pub(super) fn held(db: &Connection, pool: &str) -> Answer<u32> {
    let sql = "SELECT coalesce(sum(units), 0) FROM holds WHERE pool = ?1";
    let mut statement = db.prepare_cached(sql).map_err(failed)?;
    statement.query_row([pool], |r| r.get(0)).map_err(failed)
}

pub(super) fn admission(db: &Connection, pool: &str, row: &Row) -> Answer<Admission> {
    let sql = "SELECT count(*) FROM jobs WHERE waiting = 1 AND uid != ?3
        AND (priority > ?1 OR (priority = ?1 AND (submitted_at, uid) < (?2, ?3)))";
    let mut statement = db.prepare_cached(sql).map_err(failed)?;
    let values = params![row.priority, row.submitted_at, row.uid.as_str()];
    let ahead = statement.query_row(values, |r| r.get(0)).map_err(failed)?;
    Ok(Admission {
        held: held(db, pool)?,
        ahead,
    })
}
