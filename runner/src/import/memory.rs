//! A memory of the ancestor: rules, ends of jobs, trails, plans. What it has no rows of ours for is counted.

use anyhow::Result;
use jiff::Timestamp;
use sandbox_core::{Outcome, Seat, Tenant, Uid};
use sandbox_elf::{
    NewRule,
    entry::Legacy,
    legacy::{Imported, Old, OldEnd, OldRule, OldTrail},
    trail::Mark,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

use super::{
    Desk,
    table::{Cells, Source, cut},
};

/// Things that are written at a time.
const PIECE: usize = 500;
/// Tables whose rows have no place here.
const NO_PLACE: [&str; 1] = ["learnings"];

pub(super) type Read<T> = Result<T, (String, String)>;

impl Desk<'_> {
    /// Brings in what is not known yet.
    ///
    /// # Errors
    /// Our own memory cannot be written.
    pub(super) async fn memory(&mut self, source: &Source, client: &str) -> Result<()> {
        let tenant = match self.tenant(client) {
            Ok(tenant) => tenant,
            Err(why) => {
                self.told.passed_over(&source.file, "", &why);
                return Ok(());
            }
        };
        let rules = self.all(source, "heuristics", rule);
        let trails = self.all(source, "trails", trail);
        let ends = numbered(self.all(source, "job_outcomes", end));
        for piece in pieces(rules, |rules| Old {
            rules,
            ..Old::default()
        }) {
            self.take(source, &tenant, piece).await?;
        }
        for piece in pieces(ends, |ends| Old {
            ends,
            ..Old::default()
        }) {
            self.take(source, &tenant, piece).await?;
        }
        for piece in pieces(trails, |trails| Old {
            trails,
            ..Old::default()
        }) {
            self.take(source, &tenant, piece).await?;
        }
        self.plans(source, &tenant).await?;
        for table in NO_PLACE.into_iter().filter(|t| source.has(t)) {
            let rows = source.rows(table, |_| ()).0.len();
            if rows > 0 {
                let why = "memory has no place for them";
                self.told
                    .passed_over(&source.file, &format!("{rows} {table}"), why);
            }
        }
        Ok(())
    }

    pub(super) fn all<T>(
        &mut self,
        source: &Source,
        table: &'static str,
        read: fn(&Cells<'_>) -> Read<Option<T>>,
    ) -> Vec<T> {
        if !source.has(table) {
            self.told
                .passed_over(&source.file, "", &format!("it has no table {table}"));
            return Vec::new();
        }
        let (rows, done) = source.rows(table, read);
        let mut found = Vec::new();
        for row in rows {
            match row {
                Ok(row) => found.extend(row),
                Err((what, why)) => self.told.passed_over(&source.file, &what, &why),
            }
        }
        if let Err(e) = done {
            self.told.passed_over(&source.file, "", &format!("{e:#}"));
        }
        found
    }

    pub(super) async fn take(&mut self, source: &Source, tenant: &Tenant, old: Old) -> Result<()> {
        let Imported {
            rules,
            ends,
            trails,
            plans,
            reviews,
            known,
            refused,
        } = self.elf.import(tenant, old).await?;
        self.told.count("rules", "on trial", rules);
        self.told.count("outcomes", "as history", ends);
        self.told.count("trails", "fading", trails);
        self.told.count("plans", "with their times", plans);
        self.told.count("postmortems", "with their times", reviews);
        self.told.count("memory", "known already", known);
        for (what, why) in refused {
            self.told.passed_over(&source.file, &what, &why);
        }
        Ok(())
    }
}

pub(super) fn pieces<T>(all: Vec<T>, old: impl Fn(Vec<T>) -> Old) -> Vec<Old> {
    let mut pieces = Vec::new();
    let mut all = all.into_iter();
    loop {
        let piece: Vec<T> = all.by_ref().take(PIECE).collect();
        if piece.is_empty() {
            return pieces;
        }
        pieces.push(old(piece));
    }
}

pub(super) fn named<T>(what: &str, row: &Cells<'_>, read: Result<T, String>) -> Read<T> {
    let id = row.text("id").ok().flatten().unwrap_or_default();
    read.map_err(|why| (format!("{what} {}", cut(&id)), why))
}

fn rule(row: &Cells<'_>) -> Read<Option<OldRule>> {
    let read = || {
        Ok(Some(OldRule {
            rule: NewRule {
                domain: row.needed("domain")?,
                text: row.needed("rule")?,
                explanation: row.text("explanation")?.unwrap_or_default(),
                project: row.text("project_path")?,
                ..NewRule::default()
            },
            legacy: Legacy {
                percent: percent(row.number("confidence").unwrap_or(0.5)),
                golden: row.count("is_golden") > 0,
                validated: row.count("times_validated"),
                violated: row.count("times_violated"),
            },
        }))
    };
    named("rule", row, read())
}

/// The ancestor took any number for a confidence.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped"
)]
fn percent(confidence: f64) -> u8 {
    (confidence.clamp(0.0, 1.0) * 100.0).round() as u8
}

/// One that has run out is left where it is.
fn trail(row: &Cells<'_>) -> Read<Option<OldTrail>> {
    let read = || {
        let over = row.time("expires_at").is_ok_and(|at| at < Timestamp::now());
        if over {
            return Ok(None);
        }
        let mark = match row.text("scent")?.as_deref() {
            Some("success" | "hot") => Mark::Success,
            Some("failure" | "blocker") => Mark::Failure,
            _ => Mark::Warning,
        };
        Ok(Some(OldTrail {
            path: row.needed("location")?,
            mark,
            at: row.time("created_at")?,
        }))
    };
    named("trail", row, read())
}

fn end(row: &Cells<'_>) -> Read<Option<OldEnd>> {
    let read = || {
        let job = row.needed("job_id")?;
        let outcome = match row.needed("outcome")?.as_str() {
            "success" => Outcome::Succeeded,
            "failure" | "partial" => Outcome::Failed,
            other => return Err(format!("its outcome {:?} is not known here", cut(other))),
        };
        let files = row.json("files_touched")?;
        let files = files.as_array().into_iter().flatten();
        Ok(Some(OldEnd {
            seat: Seat::new(uid_of(&job)?, 1),
            job_type: row.text("job_type")?.unwrap_or_default(),
            project: row.text("project_path")?,
            outcome,
            message: row.text("error_message")?,
            files: files
                .filter_map(|f| f.as_str().map(str::to_owned))
                .collect(),
            seconds: row.count("duration_seconds"),
            at: row.time("created_at")?,
        }))
    };
    named("outcome", row, read())
}

/// The job's own id where it is one; whoever told the memory of an end could call the job anything.
fn uid_of(job: &str) -> Result<Uid, String> {
    if let Ok(uid) = job.to_lowercase().parse() {
        return Ok(uid);
    }
    let mut bytes = [0; 16];
    let digest = Sha256::digest(job.as_bytes());
    bytes.copy_from_slice(&digest[..16]);
    let made = uuid::Builder::from_bytes(bytes).into_uuid();
    made.to_string().parse().map_err(|e| format!("{e}"))
}

/// Each end of a job gets a seat of its own.
fn numbered(ends: Vec<OldEnd>) -> Vec<OldEnd> {
    let mut numbers: BTreeMap<Uid, u32> = BTreeMap::new();
    let seated = ends.into_iter().map(|end| {
        let number = numbers.entry(end.seat.uid.clone()).or_default();
        *number = number.saturating_add(1);
        OldEnd {
            seat: Seat::new(end.seat.uid.clone(), *number),
            ..end
        }
    });
    seated.collect()
}
