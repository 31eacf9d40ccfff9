//! What one request writes. Runs in the writer's transaction and never commits by itself.

use rusqlite::{Connection, OptionalExtension, params};
use sandbox_core::{
    AgentJob, Uid,
    port::{Answer, Change, Created, PortError, Reservation, Write},
    query::NewEvent,
};

use super::{
    read::{body, held, parse},
    told::unknown,
};
use crate::store::rows::{Row, full, gone, name_taken, outdated, submitted, summed, versioned};

/// Most events forgotten with one commit: more than one commit of average size adds, so that the log
/// shrinks, and few enough that nobody waits for it.
const FORGET: u32 = 512;

fn failed(what: &'static str) -> impl Fn(rusqlite::Error) -> PortError {
    move |e| unknown(what, &e)
}

fn run(db: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Answer<usize> {
    let mut statement = db.prepare_cached(sql).map_err(failed("prepared a write"))?;
    statement
        .execute(values)
        .map_err(failed("wrote to the store"))
}

pub(super) fn create(db: &Connection, job: AgentJob, key: Option<&str>) -> Answer<Created> {
    let job = versioned(job, 1);
    let row = Row::of(&job)?;
    if let Some(known) = key.map(|key| keyed(db, &row, key)).transpose()?.flatten() {
        return Ok(Created::Existing(known));
    }
    let taken = "SELECT 1 FROM jobs WHERE uid = ?1 OR (tenant = ?2 AND name = ?3)";
    let mut taken = db.prepare_cached(taken).map_err(failed("read the store"))?;
    let names = params![row.uid.as_str(), row.tenant.as_str(), row.name];
    if taken.exists(names).map_err(failed("read the store"))? {
        return Err(name_taken(&row.name));
    }
    if let Some(key) = key {
        let sql = "INSERT INTO keys (tenant, key, uid) VALUES (?1, ?2, ?3)";
        run(db, sql, &[&row.tenant.as_str(), &key, &row.uid.as_str()])?;
    }
    put(db, &job, &row)?;
    tell(db, &row, vec![submitted(&job)])?;
    Ok(Created::New(job))
}

fn keyed(db: &Connection, row: &Row, key: &str) -> Answer<Option<AgentJob>> {
    let sql =
        "SELECT j.body FROM keys k JOIN jobs j ON j.uid = k.uid WHERE k.tenant = ?1 AND k.key = ?2";
    let mut statement = db.prepare_cached(sql).map_err(failed("read the store"))?;
    let found = statement.query_row(params![row.tenant.as_str(), key], |r| r.get::<_, String>(0));
    let body = found.optional().map_err(failed("read the store"))?;
    body.map(|b| parse(&b)).transpose()
}

fn put(db: &Connection, job: &AgentJob, row: &Row) -> Answer<()> {
    let body = serde_json::to_string(job)
        .map_err(|e| PortError::Unknown(format!("wrote the job as JSON: {e}")))?;
    let sql = "INSERT INTO jobs (uid, tenant, name, job_type, phase, priority, submitted_at, waiting, open, version, body, pool, units)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
        ON CONFLICT (uid) DO UPDATE SET phase = ?5, priority = ?6, waiting = ?8, open = ?9, version = ?10, body = ?11,
            pool = ?12, units = ?13";
    let version = i64::try_from(row.version).unwrap_or(i64::MAX);
    let values: [&dyn rusqlite::ToSql; 13] = [
        &row.uid.as_str(),
        &row.tenant.as_str(),
        &row.name,
        &row.job_type,
        &row.phase.word(),
        &row.priority,
        &row.submitted_at,
        &row.waiting,
        &row.open,
        &version,
        &body,
        &row.pool,
        &row.units,
    ];
    run(db, sql, &values).map(drop)
}

fn tell(db: &Connection, row: &Row, events: Vec<NewEvent>) -> Answer<()> {
    let sql = "INSERT INTO events (tenant, uid, reason, message, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    for e in events {
        let at = e.at.as_microsecond();
        run(
            db,
            sql,
            &[
                &row.tenant.as_str(),
                &row.uid.as_str(),
                &e.reason,
                &e.message,
                &at,
            ],
        )?;
    }
    Ok(())
}

pub(super) fn commit(db: &Connection, change: Change) -> Answer<AgentJob> {
    let (uid, version) = match &change.write {
        Write::Put(job) => (Row::of(job)?.uid, job.version()),
        Write::Remove { uid, version } => (uid.clone(), *version),
    };
    let stands = stands(db, &uid, version)?;
    if let Some(wanted) = change.holds {
        hold(db, &uid, summed(wanted))?;
    }
    let row = Row::of(&stands)?;
    let after = match change.write {
        Write::Put(job) => {
            let job = versioned(*job, version + 1);
            let saved = Row::of(&job)?;
            row.stays(&saved)?;
            put(db, &job, &saved)?;
            job
        }
        Write::Remove { .. } => remove(db, stands, &uid)?,
    };
    tell(db, &row, change.events)?;
    Ok(after)
}

fn stands(db: &Connection, uid: &Uid, version: u64) -> Answer<AgentJob> {
    let body = body(db, uid)?.ok_or_else(|| gone(uid))?;
    let job = parse(&body)?;
    if job.version() == version {
        Ok(job)
    } else {
        Err(outdated(uid))
    }
}

fn hold(db: &Connection, uid: &Uid, wanted: Vec<Reservation>) -> Answer<()> {
    run(db, "DELETE FROM holds WHERE uid = ?1", &[&uid.as_str()])?;
    for r in wanted {
        if held(db, &r.pool)?.saturating_add(r.units) > r.capacity {
            return Err(full(&r.pool));
        }
        let sql = "INSERT INTO holds (uid, pool, units) VALUES (?1, ?2, ?3)";
        run(db, sql, &[&uid.as_str(), &r.pool, &r.units])?;
    }
    Ok(())
}

fn remove(db: &Connection, job: AgentJob, uid: &Uid) -> Answer<AgentJob> {
    for table in ["jobs", "holds", "keys"] {
        run(
            db,
            &format!("DELETE FROM {table} WHERE uid = ?1"),
            &[&uid.as_str()],
        )?;
    }
    Ok(job)
}

/// Forgets a few of the oldest events when there are too many.
pub(super) fn prune_events(db: &Connection, keep: u32) -> rusqlite::Result<()> {
    let sql = "DELETE FROM events WHERE seq IN
        (SELECT seq FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?1 ORDER BY seq LIMIT ?2)";
    db.prepare_cached(sql)?.execute([keep, FORGET])?;
    Ok(())
}
