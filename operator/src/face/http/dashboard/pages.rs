//! What the pages are filled with: texts only, made from jobs and from the memory's JSON.

use askama::Template;
use sandbox_core::{
    AgentJob, Failure,
    query::{Event, Phase},
};
use serde_json::Value;

use crate::face::http::agents;

/// One job as a row.
pub(super) struct Row {
    pub id: String,
    pub name: String,
    pub job_type: &'static str,
    pub phase: &'static str,
    pub outcome: &'static str,
    pub attempt: u32,
    pub cost: String,
    pub submitted: String,
    pub finished: String,
    pub place: String,
}

impl Row {
    /// The row of this job.
    pub fn of(job: &AgentJob) -> Self {
        let status = job.status();
        let time = |t: jiff::Timestamp| t.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let place = status.backend_ref.as_ref();
        Self {
            id: job.metadata.uid.clone().unwrap_or_default(),
            name: job.name().to_owned(),
            job_type: job.spec.job_type.word(),
            phase: Phase::of(job).word(),
            outcome: status.outcome.map_or("", |o| o.word()),
            attempt: status.attempt,
            cost: status.usage.map(|u| u.usd.to_string()).unwrap_or_default(),
            submitted: time(job.submitted_at()),
            finished: status.finished_at.map(time).unwrap_or_default(),
            place: place
                .map(|p| format!("{} {}", p.kind, p.name))
                .unwrap_or_default(),
        }
    }

    /// How the page colours it.
    pub fn class(&self) -> String {
        self.phase.to_ascii_lowercase()
    }
}

/// The list of jobs.
#[derive(Template)]
#[template(path = "jobs.html")]
pub(super) struct JobsPage<'a> {
    pub tenant: &'a str,
    /// Whether people log in here, and so out.
    pub login: bool,
    pub rows: Vec<Row>,
    pub status: String,
    pub next: Option<String>,
}

/// One job.
#[derive(Template)]
#[template(path = "job.html")]
pub(super) struct JobPage<'a> {
    pub tenant: &'a str,
    /// Whether people log in here, and so out.
    pub login: bool,
    pub row: Row,
    pub why: Option<String>,
    pub failure: Option<&'a Failure>,
    pub asked: String,
    pub agents: Vec<agents::Row>,
    pub events: Vec<Event>,
    pub log: String,
    pub over: bool,
}

/// What the memory knows.
#[derive(Template)]
#[template(path = "memory.html")]
pub(super) struct MemoryPage<'a> {
    pub tenant: &'a str,
    /// Whether people log in here, and so out.
    pub login: bool,
    pub counters: Vec<(String, String)>,
    pub golden: Vec<Rule>,
    pub rules: Vec<Rule>,
}

/// One rule as a row.
pub(super) struct Rule {
    pub domain: String,
    pub text: String,
    pub confidence: String,
    pub validated: String,
    pub violated: String,
}

/// The counters in their own order, with their words made readable.
pub(super) fn counters(found: &Value) -> Vec<(String, String)> {
    let members = found.as_object().into_iter().flatten();
    let plain = members.filter(|(_, value)| value.is_number());
    plain
        .map(|(key, value)| (key.replace('_', " "), value.to_string()))
        .collect()
}

/// The rows of an array of rules.
pub(super) fn rules(found: &Value) -> Vec<Rule> {
    found.as_array().into_iter().flatten().map(rule).collect()
}

fn rule(found: &Value) -> Rule {
    let share = found["confidence"].as_f64();
    Rule {
        domain: text(&found["domain"]),
        text: text(&found["rule"]),
        confidence: share
            .map(|c| format!("{:.0} %", c * 100.0))
            .unwrap_or_default(),
        validated: text(&found["times_validated"]),
        violated: text(&found["times_violated"]),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
