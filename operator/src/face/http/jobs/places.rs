//! The earlier job that a spec names: refused at the door when it is somebody else's, so that no
//! attempt is spent on it.

use sandbox_core::{AgentJob, Tenant, spec::BackendName, validate::Invalid};

use crate::face::http::{
    app::App,
    problem::{Problem, Told},
};

/// The job's back end must be one that this server has, and what it says of it what that one gives.
///
/// # Errors
/// 422 with the fields.
pub(super) fn offered(app: &App, job: &AgentJob) -> Told<()> {
    let asked = job.spec.backend.as_ref();
    let name = asked.map_or(app.services.backend, |b| b.name);
    let refused = match app.services.backends.get(&name) {
        Some(backend) => backend.refuses(&job.spec),
        None => vec![Invalid::new("spec.backend.name", missing(name))],
    };
    if refused.is_empty() {
        return Ok(());
    }
    Err(Problem::fields(refused))
}

fn missing(name: BackendName) -> String {
    let remedy = match name {
        BackendName::Container => {
            "; start Docker or Podman on the server's machine, or set DOCKER_HOST, and restart it"
        }
        BackendName::Fargate => "; set SANDBOX_FARGATE_CLUSTER and the settings beside it",
        _ => "",
    };
    format!("this server has no back end {}{remedy}", name.word())
}

/// A job that is tried again must be the tenant's own and over.
///
/// # Errors
/// 422 when it is not; a job of somebody else looks like none.
pub(super) async fn known_retry(app: &App, tenant: &Tenant, job: &AgentJob) -> Told<()> {
    let Some(old) = &job.spec.retry_of else {
        return Ok(());
    };
    match app.job(tenant, &old.uid).await {
        Ok(old) if old.status().is_finished() => Ok(()),
        Err(e) if !e.is_not_found() => Err(e),
        _ => {
            let rule = "must be the id of a job of yours that is over";
            Err(Problem::fields(vec![Invalid::new(
                "spec.retryOf.uid",
                rule,
            )]))
        }
    }
}
