//! A job as an object and an object as a job: what is written beside the spec, what is left out of memory, and the
//! bodies of writes. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sandbox_core::{
    AgentJob, AgentJobStatus,
    port::{Answer, PortError, Reservation},
    status::Held,
};
use sandbox_elf::text::digest;
use serde_json::{Map, Value, json};

/// Keeps a deleted object until its outcome is recorded.
pub const FINALIZER: &str = "multiagent.dev/recorded";
/// The label with the hash of the idempotency key that a job was submitted with.
pub const KEY: &str = "multiagent.dev/idempotency-key";
/// When a face took the submission, to the microsecond: the object's own time has whole seconds.
pub const SUBMITTED: &str = "multiagent.dev/submitted-at";
/// Which submission made the object, so that a create whose answer was lost is known again.
pub const SUBMISSION: &str = "multiagent.dev/submission";
/// The exact image of the last attempt, where it was known only when the job was finished.
pub const IMAGE: &str = "multiagent.dev/image";
/// What kubectl writes on what it applies: the whole manifest once more.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object as it is kept in memory and shown to the ports: without what only others need, and with a deletion as
/// the wish that it is.
#[must_use]
pub fn view(mut job: AgentJob) -> AgentJob {
    job.metadata.managed_fields = None;
    if let Some(notes) = &mut job.metadata.annotations {
        notes.remove(APPLIED);
    }
    let written = job.annotation(SUBMITTED).and_then(|t| t.parse().ok());
    let (image, ours) = (job.annotation(IMAGE).map(str::to_owned), is_ours(&job));
    let status = job.status.get_or_insert_default();
    status.submitted_at = status.submitted_at.or(written);
    if !ours {
        *status = left(std::mem::take(status));
    }
    if let Some(place) = &mut status.backend_ref {
        place.image = place.image.take().or(image);
    }
    if job.metadata.deletion_timestamp.is_some() {
        job.spec.cancel = true;
    }
    job
}

/// The status of a finished job of whose last attempt nothing is left: that our finalizer is off says so, and what stands
/// of the attempt counts for nothing.
#[must_use]
pub fn left(mut status: AgentJobStatus) -> AgentJobStatus {
    if status.is_finished() {
        status.intent = None;
        status.holds = Vec::new();
    }
    status
}

/// The patch that says so, with what else is known by then; nothing where only the status can say what is wanted.
#[must_use]
pub fn leaving_patch(stands: &AgentJob, wanted: &AgentJobStatus) -> Option<Value> {
    let before = stands.status();
    let stored = before.seat.as_ref().is_some_and(|s| s.stored);
    let ours = is_ours(stands) && stands.deleted_at().is_none() && !stored;
    let image = |s: &AgentJobStatus| s.backend_ref.as_ref().and_then(|r| r.image.clone());
    let mut after = left(before.clone().into_owned());
    after.updated_at = wanted.updated_at;
    if let Some(place) = &mut after.backend_ref {
        place.image = image(wanted);
    }
    if !ours || !before.is_finished() || before.intent.is_none() || after != *wanted {
        return None;
    }
    let mut patch = json!({"metadata": {
        "resourceVersion": stands.metadata.resource_version, "finalizers": finalizers(stands, false),
    }});
    if image(&before) != image(wanted) {
        patch["metadata"]["annotations"] = json!({IMAGE: image(wanted)});
    }
    Some(patch)
}

/// Whether the object waits for us before it may go.
#[must_use]
pub fn is_ours(job: &AgentJob) -> bool {
    let waits = job.metadata.finalizers.as_deref().unwrap_or_default();
    waits.iter().any(|f| f == FINALIZER)
}

/// Whether the object is gone as far as we are concerned: deleted, and not waiting for us.
#[must_use]
pub fn is_gone(job: &AgentJob) -> bool {
    job.deleted_at().is_some() && !is_ours(job)
}

/// What an idempotency key is in a label and in a name, which belong to a tenant as the key does.
#[must_use]
pub fn hashed(key: &str) -> String {
    digest([key], 20)
}

/// The key's hash that an object carries.
#[must_use]
pub fn key_of(job: &AgentJob) -> Option<String> {
    job.metadata.labels.as_ref()?.get(KEY).cloned()
}

/// The object that a submission makes. A name that a face made up is made from the key instead, so that the API
/// server itself refuses the second object of a key.
#[must_use]
pub fn fresh(job: &AgentJob, key: Option<&str>) -> AgentJob {
    let given = &job.metadata;
    let mut labels = given.labels.clone().unwrap_or_default();
    labels.extend(key.map(|key| (KEY.to_owned(), key.to_owned())));
    let mut notes = given.annotations.clone().unwrap_or_default();
    notes.insert(SUBMITTED.to_owned(), job.submitted_at().to_string());
    notes.insert(SUBMISSION.to_owned(), given.uid.clone().unwrap_or_default());
    let name = match key {
        Some(key) if !is_named(job) => format!("job-{key}"),
        _ => job.name().to_owned(),
    };
    let some = |map: BTreeMap<String, String>| (!map.is_empty()).then_some(map);
    let mut object = AgentJob::new(&name, job.spec.clone());
    object.metadata = ObjectMeta {
        name: Some(name),
        namespace: given.namespace.clone(),
        labels: some(labels),
        annotations: some(notes),
        finalizers: Some(vec![FINALIZER.to_owned()]),
        ..ObjectMeta::default()
    };
    object
}

/// Whether somebody chose the name: one that was made up ends in the id that the job was to have.
#[must_use]
pub fn is_named(job: &AgentJob) -> bool {
    let uid = job.metadata.uid.as_deref().unwrap_or_default();
    uid.is_empty() || !job.name().ends_with(uid)
}

/// Refuses a job to which something has happened: a new object has no status, and one that lost its own would run.
///
/// # Errors
/// `Refused`, with what to do instead.
pub fn nothing_happened(job: &AgentJob) -> Answer<()> {
    let status = job.status();
    let empty = AgentJobStatus {
        submitted_at: status.submitted_at,
        updated_at: status.updated_at,
        ..AgentJobStatus::default()
    };
    if *status == empty {
        return Ok(());
    }
    let text = "created the job: it has a past, which an object cannot be made with; submit it as a new one";
    Err(PortError::refused(
        sandbox_core::FailureClass::InvalidSpec,
        text,
    ))
}

/// The body that replaces the status of this version of the object.
#[must_use]
pub fn with_status(stands: &AgentJob, status: &AgentJobStatus) -> Value {
    let of = &stands.metadata;
    json!({
        "apiVersion": "multiagent.dev/v1alpha1",
        "kind": "AgentJob",
        "metadata": {"name": of.name, "namespace": of.namespace, "uid": of.uid, "resourceVersion": of.resource_version},
        "status": status,
    })
}

/// The patch that changes this version of the object into one with this spec and these finalizers; nothing when both
/// stand so.
#[must_use]
pub fn main_patch(stands: &AgentJob, wanted: &AgentJob, finalizers: &[String]) -> Option<Value> {
    let text = |job: &AgentJob| serde_json::to_value(&job.spec).unwrap_or_default();
    let spec = difference(&text(stands), &text(wanted));
    let before = stands.metadata.finalizers.as_deref().unwrap_or_default();
    if spec.is_none() && before == finalizers {
        return None;
    }
    let mut patch = json!({"metadata": {"resourceVersion": stands.metadata.resource_version}});
    if before != finalizers {
        patch["metadata"]["finalizers"] = json!(finalizers);
    }
    if let Some(spec) = spec {
        patch["spec"] = spec;
    }
    Some(patch)
}

/// The finalizers with ours or without it.
#[must_use]
pub fn finalizers(job: &AgentJob, ours: bool) -> Vec<String> {
    let before = job.metadata.finalizers.iter().flatten();
    let others = before.filter(|f| *f != FINALIZER).cloned();
    others.chain(ours.then(|| FINALIZER.to_owned())).collect()
}

/// The merge patch that makes one value of another; nothing when they are the same.
fn difference(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        return (from != to).then(|| to.clone());
    };
    let gone = before.keys().filter(|k| !after.contains_key(*k));
    let mut patch: Map<String, Value> = gone.map(|k| (k.clone(), Value::Null)).collect();
    for (key, to) in after {
        let from = before.get(key).unwrap_or(&Value::Null);
        patch.extend(difference(from, to).map(|d| (key.clone(), d)));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// What a status says that a job holds.
#[must_use]
pub fn reservations(status: &AgentJobStatus) -> Vec<Reservation> {
    let each = |h: &Held| Reservation {
        pool: h.pool.clone(),
        units: h.units,
        capacity: h.units,
    };
    status.holds.iter().map(each).collect()
}

/// The same for a status.
#[must_use]
pub fn held(reservations: &[Reservation]) -> Vec<Held> {
    let each = |r: &Reservation| Held {
        pool: r.pool.clone(),
        units: r.units,
    };
    reservations.iter().map(each).collect()
}

/// Microseconds since 1970: where the numbers of a process's events begin, so that those of an earlier one are smaller.
#[must_use]
pub fn first_seq(now: Timestamp) -> u64 {
    u64::try_from(now.as_microsecond()).unwrap_or_default()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};
    use sandbox_core::{JobType, spec::AgentJobSpec};

    use super::*;

    const UID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

    fn job(name: &str) -> AgentJob {
        let mut job = AgentJob::new(name, AgentJobSpec::default());
        job.metadata.namespace = Some("team-a".to_owned());
        job.metadata.uid = Some(UID.to_owned());
        job.metadata.resource_version = Some("7".to_owned());
        job
    }

    fn noted(mut job: AgentJob, key: &str, value: &str) -> AgentJob {
        let notes = job.metadata.annotations.get_or_insert_default();
        notes.insert(key.to_owned(), value.to_owned());
        job
    }

    #[test]
    fn memory_keeps_nothing_that_only_others_need() {
        let mut object = noted(noted(job("j"), APPLIED, "{}"), "note", "kept");
        object.metadata.managed_fields = Some(vec![ManagedFieldsEntry::default()]);
        let seen = view(object);
        assert_eq!(seen.metadata.managed_fields, None);
        assert_eq!(
            (seen.annotation(APPLIED), seen.annotation("note")),
            (None, Some("kept"))
        );
    }

    #[test]
    fn a_deleted_object_is_one_to_be_cancelled() {
        let mut object = job("j");
        assert!(!view(object.clone()).spec.cancel);
        object.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert!(view(object.clone()).spec.cancel);
        assert!(is_gone(&object));
        object.metadata.finalizers = Some(vec!["x".to_owned(), FINALIZER.to_owned()]);
        assert!(!is_gone(&object));
    }

    #[test]
    fn the_time_of_submission_is_known_to_the_microsecond_and_the_first_stays() {
        let at = "2026-01-01T00:00:00.123456Z";
        let seen = view(noted(job("j"), SUBMITTED, at));
        assert_eq!(seen.submitted_at(), at.parse::<Timestamp>().unwrap());
        let later = view(noted(seen, SUBMITTED, "2030-01-01T00:00:00Z"));
        assert_eq!(later.submitted_at(), at.parse::<Timestamp>().unwrap());
    }

    #[test]
    fn a_name_that_nobody_chose_is_made_from_the_key() {
        let key = hashed("k");
        let made_up = job(&format!("job-{UID}"));
        assert_eq!(fresh(&made_up, Some(&key)).name(), format!("job-{key}"));
        assert_eq!(fresh(&made_up, None).name(), made_up.name());
        assert_eq!(fresh(&job("mine"), Some(&key)).name(), "mine");
        assert_ne!(key, hashed("l"));
    }

    #[test]
    fn a_new_object_names_its_submission_and_waits_to_be_recorded() {
        let object = fresh(&job("mine"), None);
        assert_eq!(object.annotation(SUBMISSION), Some(UID));
        assert!(is_ours(&object));
        assert_eq!(
            (object.metadata.uid, object.metadata.resource_version),
            (None, None)
        );
    }

    #[test]
    fn a_job_with_a_past_is_refused() {
        let mut old = job("j");
        assert!(nothing_happened(&old).is_ok());
        old.status.get_or_insert_default().attempt = 1;
        assert!(nothing_happened(&old).is_err());
    }

    #[test]
    fn a_patch_says_what_changed_and_no_more() {
        let mut before = job("j");
        before.spec.suspend = true;
        let mut after = before.clone();
        after.spec.suspend = false;
        after.spec.priority = 3;
        let patch = main_patch(&before, &after, &[]).unwrap();
        let wanted =
            json!({"metadata": {"resourceVersion": "7"}, "spec": {"suspend": null, "priority": 3}});
        assert_eq!(patch, wanted);
        assert_eq!(main_patch(&before, &before, &[]), None);
        let mine = finalizers(&before, true);
        let patch = main_patch(&before, &before, &mine).unwrap();
        assert_eq!(patch["metadata"]["finalizers"], json!([FINALIZER]));
        assert!(patch.get("spec").is_none());
    }

    #[test]
    fn a_patch_of_a_member_goes_as_deep_as_it_has_to() {
        let mut before = job("j");
        before.spec.job_type = JobType::ClaudeChat;
        before.spec.elf = Some(serde_json::from_value(json!({"domain": "a"})).unwrap());
        let mut after = before.clone();
        after.spec.elf.as_mut().unwrap().domain = None;
        let patch = main_patch(&before, &after, &[]).unwrap();
        assert_eq!(patch["spec"], json!({"elf": {"domain": null}}));
    }

    #[test]
    fn the_finalizers_of_others_stay() {
        let mut object = job("j");
        object.metadata.finalizers = Some(vec!["x".to_owned(), FINALIZER.to_owned()]);
        assert_eq!(finalizers(&object, false), ["x"]);
        assert_eq!(finalizers(&object, true), ["x", FINALIZER]);
    }
}
