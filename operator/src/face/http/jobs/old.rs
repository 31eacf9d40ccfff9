//! A job record of the Python ancestor as an `AgentJob`: read as a submission in the old dialect would
//! be, with the end that it had. Writes nothing.

use std::path::Path;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::core::Duration;
use sandbox_core::{
    AgentJob, AgentJobSpec, AgentJobStatus, Failure, FailureClass, JobType, Outcome, Report,
    Tenant, Uid, Usage,
    plan::INLINE_RESULT,
    port::json_size,
    status::{JobResult, condition},
};
use serde_json::{Map, Value, json};

use super::submit::{agent_job, annotations, parse};
use crate::face::http::dialect::{self, PAYLOAD, Roots, WARNINGS};

/// How long an imported record stays: its own, so that the operator's time to live does not take at once
/// what was just brought in.
const KEPT: std::time::Duration = std::time::Duration::from_hours(10 * 365 * 24);
/// Largest payload that is kept of a job whose payload does not fit any more, in bytes.
const LARGEST_PAYLOAD: usize = 64 << 10;

/// Where a job of the ancestor stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OldStatus {
    /// Nobody had begun it.
    Queued,
    /// It had begun, and nobody knows whether it still runs.
    Running,
    /// It had ended well, as far as the ancestor knew.
    Succeeded,
    /// It had ended otherwise.
    Failed,
}

impl OldStatus {
    /// The status of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "QUEUED" => Some(Self::Queued),
            "RUNNING" => Some(Self::Running),
            "SUCCEEDED" => Some(Self::Succeeded),
            "FAILED" => Some(Self::Failed),
            _ => None,
        }
    }

    /// Whether it was over.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// A record of the ancestor.
#[derive(Clone, Debug)]
pub struct OldJob {
    /// Its id, which it keeps.
    pub uid: Uid,
    /// Whose it is.
    pub tenant: Tenant,
    /// The job type's word.
    pub job_type: JobType,
    /// Where it stood.
    pub status: OldStatus,
    /// What was asked.
    pub payload: Map<String, Value>,
    /// What came of it; null for nothing.
    pub result: Value,
    /// When it was submitted.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
}

/// The job, and the report that holds its result where that is too large for the record.
///
/// # Errors
/// It was not over, and what was asked is not accepted any more: the reason.
pub fn taken_over(old: &OldJob, workspace: &Path) -> Result<(AgentJob, Option<Report>), String> {
    let asked = asked(old, workspace);
    let over = old.status.is_over();
    let (mut spec, mut notes) = match asked {
        Err(why) if !over => return Err(why),
        Err(why) => misfit(old, &why),
        Ok(asked) => asked,
    };
    let (status, report) = if over {
        spec.ttl_after_finished = Some(Duration::from(KEPT));
        ended(old)
    } else {
        spec.suspend = true;
        (waiting(old), None)
    };
    notes.retain(|_, text| !text.is_empty());
    let metadata = ObjectMeta {
        name: Some(format!("job-{}", old.uid)),
        namespace: Some(old.tenant.to_string()),
        uid: Some(old.uid.to_string()),
        annotations: (!notes.is_empty()).then_some(notes),
        creation_timestamp: Some(Time(old.created)),
        generation: Some(1),
        ..ObjectMeta::default()
    };
    let job = AgentJob {
        metadata,
        spec,
        status: Some(status),
    };
    Ok((job, report))
}

type Asked = (AgentJobSpec, std::collections::BTreeMap<String, String>);

/// What was asked, as it would be accepted today.
fn asked(old: &OldJob, workspace: &Path) -> Result<Asked, String> {
    let tenant = &old.tenant;
    let body = json!({"job_type": old.job_type, "payload": old.payload});
    let Value::Object(body) = body else {
        return Err("it is no object".to_owned());
    };
    let translated = dialect::translate(body, Roots { workspace, tenant });
    let mut translated = translated.map_err(|problem| problem.said().to_owned())?;
    let asked = agent_job(json!({}), translated.spec.take());
    let wrong = |found: Vec<sandbox_core::validate::Invalid>| {
        sandbox_core::validate::Problems(found).to_string()
    };
    let job = parse(asked).map_err(wrong)?;
    Ok((job.spec, annotations(translated)))
}

/// A record whose payload would not be accepted any more: it can be read, and not be retried, for it has
/// no work of its type.
fn misfit(old: &OldJob, why: &str) -> Asked {
    let payload = Value::Object(old.payload.clone()).to_string();
    let warning = format!("imported; its payload would not be accepted any more: {why}");
    let payload = (payload.len() <= LARGEST_PAYLOAD).then_some(payload);
    let spec = AgentJobSpec {
        job_type: old.job_type,
        ..AgentJobSpec::default()
    };
    let notes = [
        (PAYLOAD.to_owned(), payload.unwrap_or_default()),
        (WARNINGS.to_owned(), json!([warning]).to_string()),
    ];
    (spec, notes.into())
}

fn at(old: &OldJob) -> AgentJobStatus {
    AgentJobStatus {
        submitted_at: Some(old.created),
        updated_at: Some(old.updated),
        ..AgentJobStatus::default()
    }
}

fn waiting(old: &OldJob) -> AgentJobStatus {
    let mut status = at(old);
    // What it did there was an attempt; here it begins with the next one.
    status.attempt = u32::from(old.status == OldStatus::Running);
    let text = "it was not over in the older server; `sandbox resume` begins it here";
    let why = ("Import", text);
    status.set_condition(condition::RESTORED, "True", why, old.updated);
    status
}

fn ended(old: &OldJob) -> (AgentJobStatus, Option<Report>) {
    let good = old.status == OldStatus::Succeeded;
    let mut status = at(old);
    status.attempt = 1;
    status.finished_at = Some(old.updated);
    status.outcome = Some(if good {
        Outcome::Succeeded
    } else {
        Outcome::Failed
    });
    status.failure = (!good).then(|| failure(&old.result));
    let word = if good { "True" } else { "False" };
    let why = ("Imported", "as the older server had it");
    status.set_condition(condition::SUCCEEDED, word, why, old.updated);
    for kind in [condition::FINISHED, condition::RECORDED] {
        status.set_condition(kind, "True", why, old.updated);
    }
    status.set_condition(condition::RECONCILING, "False", why, old.updated);
    let large = json_size(&old.result) > INLINE_RESULT;
    status.result = (!old.result.is_null()).then(|| JobResult {
        inline: if large {
            Value::Null
        } else {
            old.result.clone()
        },
        reference: large.then(|| "report/1".to_owned()),
    });
    let report = large.then(|| report(old, &status));
    (status, report)
}

/// What failed, as the ancestor's result says it.
fn failure(result: &Value) -> Failure {
    let said = result["error"]
        .as_str()
        .unwrap_or("the older server did not say why");
    Failure::new(FailureClass::AgentError, said)
}

fn report(old: &OldJob, status: &AgentJobStatus) -> Report {
    Report {
        outcome: status.outcome.unwrap_or(Outcome::Failed),
        failure: status.failure.clone(),
        result: old.result.clone(),
        usage: Usage::default(),
        files: Vec::new(),
        lessons: Vec::new(),
        grade: None,
        started_at: old.created,
        finished_at: old.updated,
    }
}
