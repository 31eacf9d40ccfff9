//! The API server's audit log: who asked what, how often.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use anyhow::Result;
use sandbox_tests::figures::row;
use serde::Deserialize;

/// By what the operator is known.
pub const OPERATOR: &str = "sandbox-operator";
/// A request is written down when its answer is.
const SETTLES: Duration = Duration::from_millis(300);

/// An audit log that grows.
pub struct Audit(PathBuf);

/// A place in it.
#[derive(Clone, Copy)]
pub struct Mark(u64);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    #[serde(default)]
    user_agent: String,
    object_ref: Option<Object>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    resource: String,
    subresource: Option<String>,
}

/// How often whom asked what.
pub struct Counts(BTreeMap<(String, String), u64>);

impl Audit {
    pub const fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// The end as it is now.
    pub async fn mark(&self) -> Result<Mark> {
        tokio::time::sleep(SETTLES).await;
        Ok(Mark(std::fs::metadata(&self.0)?.len()))
    }

    /// What was asked between two places.
    pub fn between(&self, from: Mark, to: Mark) -> Result<Counts> {
        let mut file = BufReader::new(File::open(&self.0)?);
        file.seek(SeekFrom::Start(from.0))?;
        let (mut at, mut text, mut counts) = (from.0, String::new(), BTreeMap::new());
        while at < to.0 {
            text.clear();
            at += file.read_line(&mut text)? as u64;
            if let Some(asked) = serde_json::from_str::<Line>(&text)?.asked() {
                *counts.entry(asked).or_default() += 1;
            }
        }
        Ok(Counts(counts))
    }
}

impl Line {
    /// Who asked what; nothing where that is said twice.
    fn asked(self) -> Option<(String, String)> {
        // A watch lasts: it counts when it begins.
        let counts = match self.verb.as_str() {
            "watch" => "ResponseStarted",
            _ => "ResponseComplete",
        };
        let of = self.object_ref?;
        let agent = self.user_agent.split('/').next().unwrap_or_default();
        let part = of.subresource.map(|s| format!("/{s}")).unwrap_or_default();
        let what = format!("{} {}{part}", self.verb, of.resource);
        (self.stage == counts).then(|| (agent.to_owned(), what))
    }
}

impl Counts {
    /// How often this one asked such.
    pub fn of(&self, agent: &str, such: impl Fn(&str) -> bool) -> u64 {
        let mine = self
            .0
            .iter()
            .filter(|((a, what), _)| a == agent && such(what));
        mine.map(|(_, n)| n).sum()
    }

    /// Writes of the status of jobs by the operator.
    pub fn status_writes(&self) -> u64 {
        self.of(OPERATOR, |what| {
            ["update agentjobs/status", "patch agentjobs/status"].contains(&what)
        })
    }

    /// Lists by the operator, but for those that [`Self::looks`] counts.
    pub fn lists(&self) -> u64 {
        self.of(OPERATOR, |what| {
            what.starts_with("list ") && what != "list agentjobs"
        })
    }

    /// Looks of the operator past its watch at the jobs at work: one whenever it takes the lead. When that begins is not
    /// seen from outside, so they are counted over its whole life.
    pub fn looks(&self) -> u64 {
        self.of(OPERATOR, |what| what == "list agentjobs")
    }

    /// Prints what one asked, for each job.
    pub fn show(&self, agent: &str, jobs: usize) {
        for ((_, what), n) in self.0.iter().filter(|((a, _), _)| a == agent) {
            let each = f64::from(u32::try_from(*n).unwrap_or(u32::MAX)) / count(jobs);
            row(
                &format!("  {agent}: {what}"),
                &format!("{n} ({each:.2} a job)"),
            );
        }
    }
}

/// A number of jobs, to divide by.
pub fn count(jobs: usize) -> f64 {
    f64::from(u32::try_from(jobs).unwrap_or(u32::MAX)).max(1.0)
}

/// As often as these are done in this time.
pub fn rate(times: usize, took: Duration) -> f64 {
    count(times) / took.as_secs_f64().max(f64::EPSILON)
}
