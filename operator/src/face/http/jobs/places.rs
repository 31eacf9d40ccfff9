//! The earlier job that a spec names: refused at the door when it is somebody else's, so that no
//! attempt is spent on it.

use sandbox_core::{AgentJob, Tenant, validate::Invalid};

use crate::face::http::{
    app::App,
    problem::{Problem, Told},
};

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
