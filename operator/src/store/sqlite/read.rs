//! What is read: one job, a page, the event log, how full a pool is. Changes nothing.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, ToSql, params};
use sandbox_core::{
    AgentJob, Uid,
    port::{Admission, Answer, PortError},
    query::{Event, EventQuery, Kept, ListQuery, MAX_PAGE, Page},
};

use super::told::unknown;
use crate::store::rows::{Row, cursor, parse_cursor};

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it by value")]
fn failed(e: rusqlite::Error) -> PortError {
    unknown("read the store", &e)
}

/// A job from its row.
pub(super) fn parse(body: &str) -> Answer<AgentJob> {
    serde_json::from_str(body).map_err(|e| {
        PortError::Unknown(format!(
            "read a job from the store: {e}; its row is damaged: restore the file from a backup"
        ))
    })
}

/// Who waits and goes first, as two ranges of an index: only those that are counted are read.
const AHEAD: &str = "SELECT count(*), min(coalesce(sum(units), 0), 4294967295) FROM (
    SELECT units FROM jobs WHERE waiting = 1 AND priority > ?1 AND uid != ?3 AND pool IN (?4, '')
    UNION ALL
    SELECT units FROM jobs WHERE waiting = 1 AND priority = ?1 AND (submitted_at, uid) < (?2, ?3) AND pool IN (?4, ''))";

/// What stands of a job, as it was written.
pub(super) fn body(db: &Connection, uid: &Uid) -> Answer<Option<String>> {
    let sql = "SELECT body FROM jobs WHERE uid = ?1";
    let mut statement = db.prepare_cached(sql).map_err(failed)?;
    let found = statement.query_row([uid.as_str()], |r| r.get(0));
    found.optional().map_err(failed)
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
    if let Some(key) = &query.key {
        let sql = "uid IN (SELECT k.uid FROM keys k WHERE k.key = ? AND k.tenant = jobs.tenant)";
        filter.and(sql, vec![Box::new(key.clone())]);
    }
    if let Some(before) = query.submitted_before {
        let before = before.as_microsecond();
        filter.and("submitted_at < ?", vec![Box::new(before)]);
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

fn page_sql(filter: &Filter, rows: usize) -> String {
    format!(
        "SELECT body, submitted_at, uid FROM jobs{} ORDER BY submitted_at DESC, uid DESC LIMIT {rows}",
        filter.sql
    )
}

pub(super) fn list(db: &Connection, query: &ListQuery) -> Answer<Page> {
    let filter = list_filter(query)?;
    let limit = query.limit.clamp(1, MAX_PAGE) as usize;
    let sql = page_sql(&filter, limit + 1);
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
            PortError::Unknown(
                "read an event from the store: its row is damaged: restore the file from a backup"
                    .to_owned(),
            )
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

/// The number of the newest event.
pub(super) fn last_seq(db: &Connection) -> Answer<u64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'events'";
    let mut statement = db.prepare_cached(sql).map_err(failed)?;
    let seq = statement.query_row([], |r| r.get::<_, i64>(0)).optional();
    Ok(u64::try_from(seq.map_err(failed)?.unwrap_or(0)).unwrap_or(0))
}

/// What is kept of the event log.
pub(super) fn kept(db: &Connection) -> Answer<Kept> {
    let mut statement = db
        .prepare_cached("SELECT min(seq) FROM events")
        .map_err(failed)?;
    let oldest = statement.query_row([], |r| r.get::<_, Option<i64>>(0));
    let oldest = oldest.map_err(failed)?.and_then(|n| u64::try_from(n).ok());
    // Read after the oldest: what is written meanwhile only raises it.
    let newest = last_seq(db)?;
    Ok(Kept {
        forgotten: oldest.map_or(newest, |n| n.saturating_sub(1)),
        newest,
    })
}

/// Units of this pool that all jobs hold.
pub(super) fn held(db: &Connection, pool: &str) -> Answer<u32> {
    let sql = "SELECT min(coalesce(sum(units), 0), 4294967295) FROM holds WHERE pool = ?1";
    let mut statement = db.prepare_cached(sql).map_err(failed)?;
    statement.query_row([pool], |r| r.get(0)).map_err(failed)
}

pub(super) fn admission(db: &Connection, pool: &str, row: &Row) -> Answer<Admission> {
    let mut statement = db.prepare_cached(AHEAD).map_err(failed)?;
    let values = params![row.priority, row.submitted_at, row.uid.as_str(), pool];
    let ahead = statement.query_row(values, |r| Ok((r.get(0)?, r.get(1)?)));
    let (ahead, wanted_ahead) = ahead.map_err(failed)?;
    Ok(Admission {
        held: held(db, pool)?,
        ahead,
        wanted_ahead,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::sqlite::open::Opening;

    /// How SQLite would go about this.
    fn explained(db: &Connection, sql: &str, values: &[&dyn ToSql]) -> String {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let mut statement = db.prepare(&sql).unwrap();
        let steps = statement.query_map(values, |r| r.get::<_, String>(3));
        let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
        steps.join("; ")
    }

    fn page_explained(db: &Connection, query: &ListQuery) -> String {
        let filter = list_filter(query).unwrap();
        let values: Vec<&dyn ToSql> = filter.values.iter().map(AsRef::as_ref).collect();
        explained(db, &page_sql(&filter, 5), &values)
    }

    fn empty(folder: &tempfile::TempDir) -> Connection {
        let (path, busy) = (&folder.path().join("x.db"), Duration::ZERO);
        Opening { path, busy }.writing().unwrap()
    }

    #[test]
    fn a_page_is_read_in_the_order_of_an_index_and_never_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let db = empty(&folder);
        let tenant = Some("a".parse().unwrap());
        let after = Some(cursor(
            7,
            &"00000000-0000-7000-8000-000000000000".parse().unwrap(),
        ));
        let queries = [
            ("jobs_newest", ListQuery::default()),
            (
                "jobs_newest",
                ListQuery {
                    after: after.clone(),
                    ..ListQuery::default()
                },
            ),
            (
                "jobs_newest_of_tenant",
                ListQuery {
                    tenant: tenant.clone(),
                    after,
                    ..ListQuery::default()
                },
            ),
            (
                "jobs_open",
                ListQuery {
                    open_only: true,
                    ..ListQuery::default()
                },
            ),
        ];
        for (index, query) in queries {
            let steps = page_explained(&db, &query);
            assert!(
                steps.contains(&format!("USING INDEX {index}")),
                "{query:?}: {steps}"
            );
            assert!(!steps.contains("TEMP B-TREE"), "{query:?}: {steps}");
        }
    }

    #[test]
    fn who_goes_first_is_counted_in_two_ranges_of_the_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let values: [&dyn ToSql; 4] = [&0, &0, &"", &""];
        let steps = explained(&empty(&folder), AHEAD, &values);
        assert_eq!(
            steps
                .matches("SEARCH jobs USING COVERING INDEX jobs_waiting")
                .count(),
            2,
            "{steps}"
        );
    }
}
