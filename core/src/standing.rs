//! What stands at the seat of a job that is an object of its own, as the object's status carries it: the register,
//! the last durable heartbeat, the stop and the report of one attempt. The runner's side writes it; stores that keep
//! seats elsewhere leave it out.
//!
//! Pure: each function says what the status is to be, or that it stands so already. Who writes it sees to it that
//! nobody else has written meanwhile.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    job::AgentJob,
    outcome::{Failure, Outcome},
    port::{SeatRecord, json_size},
    seat::{AgentCounts, Claim, Closed, Heartbeat, Register, Report, Usage},
    status::AgentJobStatus,
};

/// The largest report that stands in the object itself, in bytes of JSON.
pub const INLINE_REPORT: usize = 4 * 1024;
const MOST_FILES: usize = 100;
const MOST_LESSONS: usize = 50;
const LONGEST_MESSAGE: usize = 1024;

/// What stands at the seat of the last attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Which attempt's seat it is.
    #[serde(default)]
    pub attempt: u32,
    /// Who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claim>,
    /// Why nobody will have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// The last heartbeat that was written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Beat>,
    /// That the claimant's end was decided before it reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Closed>,
    /// What the claimant reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Reported>,
    /// Whether the artifact store holds a report of this job, which has to go with it.
    #[serde(default, skip_serializing_if = "crate::spec::is_false")]
    pub stored: bool,
}

/// A heartbeat without its details, which are not worth a write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Beat {
    /// When it was sent.
    pub at: Timestamp,
    /// What the attempt had cost.
    #[serde(default)]
    pub usage: Usage,
    /// The agents, where the job has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<AgentCounts>,
    /// One line about what was going on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub progress: String,
}

/// A report: all of it when it is small, else what decides, and where the whole stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// How the attempt ended.
    pub outcome: Outcome,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What the work made, until the job's own result says so.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "anything")]
    pub result: Value,
    /// Where the whole report stands, when it is not here: a path in the artifact store.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reference: Option<String>,
    /// What the attempt cost.
    #[serde(default)]
    pub usage: Usage,
    /// Paths the work touched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 4096)))]
    pub files: Vec<String>,
    /// Lessons, as the work wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 4096)))]
    pub lessons: Vec<String>,
    /// How well it went, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<f64>,
    /// When the attempt began to work.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
}

fn anything(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

impl From<&Heartbeat> for Beat {
    fn from(told: &Heartbeat) -> Self {
        let progress = &told.progress;
        Self {
            at: told.at,
            usage: told.usage,
            agents: told.agents,
            progress: progress[..progress.floor_char_boundary(256)].to_owned(),
        }
    }
}

impl Beat {
    /// The heartbeat as far as it was written down.
    #[must_use]
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat {
            at: self.at,
            usage: self.usage,
            agents: self.agents,
            progress: self.progress.clone(),
            detail: Value::Null,
        }
    }
}

impl Reported {
    /// The report as an object carries it where it is small enough.
    #[must_use]
    pub fn whole(report: &Report) -> Option<Self> {
        let size = serde_json::to_value(report).map_or(usize::MAX, |v| json_size(&v));
        let message = report.failure.as_ref().map_or(0, |f| f.message.len());
        let fits = size <= INLINE_REPORT
            && report.files.len() <= MOST_FILES
            && report.lessons.len() <= MOST_LESSONS
            && message <= LONGEST_MESSAGE;
        fits.then(|| Self {
            result: report.result.clone(),
            files: report.files.clone(),
            lessons: report.lessons.clone(),
            ..Self::elsewhere(report, None)
        })
    }

    /// What decides of a report whose whole stands in the artifact store.
    #[must_use]
    pub fn elsewhere(report: &Report, reference: Option<String>) -> Self {
        let cut = |f: &Failure| Failure {
            until: f.until,
            ..Failure::new(f.class, f.message.clone())
        };
        Self {
            outcome: report.outcome,
            failure: report.failure.as_ref().map(cut),
            result: Value::Null,
            reference,
            usage: report.usage,
            files: Vec::new(),
            lessons: Vec::new(),
            grade: report.grade,
            started_at: report.started_at,
            finished_at: report.finished_at,
        }
    }

    /// The report as far as the object carries it.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            outcome: self.outcome,
            failure: self.failure.clone(),
            result: self.result.clone(),
            usage: self.usage,
            files: self.files.clone(),
            lessons: self.lessons.clone(),
            grade: self.grade,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}

/// What stands at the seat of this attempt, with where the report's whole stands if not here.
#[must_use]
pub fn read(job: &AgentJob, attempt: u32) -> (SeatRecord, Option<String>) {
    let status = job.status();
    let stands = status.seat.as_deref();
    let newest = stands.map_or(0, |s| s.attempt).max(status.attempt);
    if attempt < newest {
        return (made_way(newest), None);
    }
    let Some(stands) = stands.filter(|s| s.attempt == attempt) else {
        return (SeatRecord::default(), None);
    };
    let report = stands.report.as_ref();
    let record = SeatRecord {
        register: register(stands),
        heartbeat: stands.heartbeat.as_ref().map(Beat::heartbeat),
        stopped: stands.stopped.clone(),
        report: report.map(|r| with_result(r, &status)),
    };
    (record, report.and_then(|r| r.reference.clone()))
}

fn register(stands: &Standing) -> Register {
    match (&stands.claimed, &stands.closed) {
        (Some(claim), _) => Register::Claimed(claim.clone()),
        (None, Some(closed)) => Register::Closed(closed.clone()),
        (None, None) => Register::Open,
    }
}

/// An attempt begins when the one before it is over: whoever comes for that one comes too late.
fn made_way(newest: u32) -> SeatRecord {
    let closed = Closed {
        reason: format!("attempt {newest} has begun"),
        at: Timestamp::UNIX_EPOCH,
    };
    SeatRecord {
        register: Register::Closed(closed),
        ..SeatRecord::default()
    }
}

/// The result of a finished job stands once, in the job's own.
fn with_result(reported: &Reported, status: &AgentJobStatus) -> Report {
    let mut report = reported.report();
    let own = status.result.as_ref().filter(|_| status.is_finished());
    if let (Value::Null, None, Some(own)) = (&report.result, &reported.reference, own) {
        report.result = own.inline.clone();
    }
    report
}

/// The status with something changed at the seat of this attempt.
#[must_use]
pub fn changed(job: &AgentJob, attempt: u32, change: impl FnOnce(&mut Standing)) -> AgentJobStatus {
    let mut status = job.status().into_owned();
    let mut stands = of_attempt(status.seat.take(), attempt);
    change(&mut stands);
    status.seat = Some(stands);
    status
}

fn of_attempt(stands: Option<Box<Standing>>, attempt: u32) -> Box<Standing> {
    let stands = stands.unwrap_or_default();
    if stands.attempt == attempt {
        return stands;
    }
    Box::new(Standing {
        attempt,
        stored: stands.stored,
        ..Standing::default()
    })
}

/// What a save of the reconciler leaves of the seat: it makes way for the next attempt's, and does not say again what
/// the finished job's own result says.
#[must_use]
pub fn kept(before: Option<&Standing>, saved: &AgentJobStatus) -> Option<Box<Standing>> {
    let mut stands = of_attempt(Some(Box::new(before?.clone())), saved.attempt);
    let own = saved.result.as_ref().filter(|_| saved.is_finished());
    if let (Some(report), Some(own)) = (&mut stands.report, own)
        && report.result == own.inline
    {
        report.result = Value::Null;
    }
    let empty = Standing {
        attempt: saved.attempt,
        ..Standing::default()
    };
    (*stands != empty).then_some(stands)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{outcome::FailureClass, spec::AgentJobSpec, status::JobResult};

    fn job(attempt: u32) -> AgentJob {
        let mut job = AgentJob::new("j", AgentJobSpec::default());
        job.status = Some(AgentJobStatus {
            attempt,
            ..AgentJobStatus::default()
        });
        job
    }

    fn claim() -> Claim {
        Claim {
            nonce: "n".to_owned(),
            instance: "i".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn report(result: Value) -> Report {
        Report {
            outcome: Outcome::Succeeded,
            failure: None,
            result,
            usage: Usage::default(),
            files: vec!["a".to_owned()],
            lessons: vec!["[LEARNED:x] y".to_owned()],
            grade: Some(0.5),
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn reported(mut job: AgentJob, told: &Report) -> AgentJob {
        job.status = Some(changed(&job, 1, |s| {
            s.claimed = Some(claim());
            s.report = Reported::whole(told);
        }));
        job
    }

    #[test]
    fn nothing_stands_at_a_seat_that_nobody_came_to() {
        assert_eq!(read(&job(1), 1), (SeatRecord::default(), None));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let told = report(json!({"a": [1, "b"]}));
        let (record, elsewhere) = read(&reported(job(1), &told), 1);
        assert_eq!(record.register, Register::Claimed(claim()));
        assert_eq!((record.report, elsewhere), (Some(told), None));
    }

    #[test]
    fn the_seat_of_an_earlier_attempt_is_shut() {
        let job = reported(job(2), &report(Value::Null));
        let (record, _) = read(&job, 1);
        assert!(matches!(record.register, Register::Closed(_)));
        assert_eq!(record.report, None);
    }

    #[test]
    fn a_seat_makes_way_for_that_of_the_next_attempt() {
        let first = reported(job(1), &report(Value::Null));
        let before = first.status().seat.clone();
        let mut next = first.status().into_owned();
        assert_eq!(kept(before.as_deref(), &next), before);
        next.attempt = 2;
        assert_eq!(kept(before.as_deref(), &next), None);
    }

    #[test]
    fn that_a_report_is_stored_outlives_its_seat() {
        let before = Standing {
            attempt: 1,
            stored: true,
            ..Standing::default()
        };
        let next = job(2).status().into_owned();
        assert!(kept(Some(&before), &next).unwrap().stored);
    }

    #[test]
    fn a_finished_job_says_its_result_once_and_its_report_still_has_it() {
        let told = report(json!({"answer": 42}));
        let mut job = reported(job(1), &told);
        let mut saved = job.status().into_owned();
        saved.outcome = Some(Outcome::Succeeded);
        saved.result = Some(JobResult {
            inline: told.result.clone(),
            reference: None,
        });
        saved.seat = kept(saved.seat.as_deref(), &saved);
        job.status = Some(saved);
        assert_eq!(
            serde_json::to_string(&job).unwrap().matches("42").count(),
            1
        );
        assert_eq!(read(&job, 1).0.report, Some(told));
    }

    #[test]
    fn a_report_that_the_definition_would_refuse_stands_elsewhere() {
        let long = Failure {
            message: "x".repeat(1025),
            ..Failure::new(FailureClass::AgentError, "")
        };
        let large = report(json!("x".repeat(INLINE_REPORT)));
        let many = Report {
            files: vec!["a".to_owned(); 101],
            ..report(Value::Null)
        };
        let failed = Report {
            failure: Some(long),
            ..report(Value::Null)
        };
        for told in [large, many, failed] {
            assert_eq!(Reported::whole(&told), None);
            let short = Reported::elsewhere(&told, Some("reports/x".to_owned()));
            let left = serde_json::to_string(&short).unwrap();
            assert!(left.len() < 2 * LONGEST_MESSAGE, "{left}");
        }
        assert!(Reported::whole(&report(json!("x".repeat(3000)))).is_some());
    }
}
