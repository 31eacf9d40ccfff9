//! What a spec names besides itself: files of the tenant and an earlier job of the tenant. Both are
//! refused at the door when they are somebody else's, so that no attempt is spent on them.

use sandbox_core::{AgentJob, AgentJobSpec, Tenant, spec::BackendName, validate::Invalid};

use crate::face::http::{
    app::App,
    beneath::inner,
    problem::{Problem, Told},
};

/// Every path of the spec that does not stay beneath the tenant's root.
pub(super) fn leading_out(spec: &AgentJobSpec) -> Vec<Invalid> {
    let named = paths(spec).into_iter();
    let wrong = named.filter_map(|(field, path)| Some((field, inner(path).err()?)));
    wrong
        .map(|(field, why)| {
            Invalid::new(
                field,
                format!("{why}: it is read beneath the tenant's root"),
            )
        })
        .collect()
}

fn paths(spec: &AgentJobSpec) -> Vec<(String, &str)> {
    let farm = spec.agent_farm.as_ref();
    let dbt = spec.dbt_run.as_ref();
    let work = spec.analytics.as_ref();
    let named = [
        (
            "agentFarm.workspace.path",
            farm.and_then(|f| f.workspace.path.as_ref()),
        ),
        (
            "agentFarm.promptFile",
            farm.and_then(|f| f.prompt_file.as_ref()),
        ),
        ("dbtRun.projectPath", dbt.map(|d| &d.project_path)),
        (
            "dbtRun.profilesDir",
            dbt.and_then(|d| d.profiles_dir.as_ref()),
        ),
        ("analytics.repo", work.map(|w| &w.repo)),
    ];
    let named = named
        .into_iter()
        .filter_map(|(field, path)| Some((format!("spec.{field}"), path?.as_str())));
    let files = work.map_or(&[][..], |w| &w.files_to_read);
    let files = files.iter().enumerate();
    let files = files.map(|(n, path)| (format!("spec.analytics.filesToRead[{n}]"), path.as_str()));
    named.chain(files).collect()
}

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
