//! The requests to the API server. Each write carries the version it was decided on; what comes back goes into memory,
//! and one that lost reads the object again, so that the next decision knows what it lost to.

use futures::FutureExt;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use sandbox_core::{
    AgentJob, AgentJobStatus,
    port::{Answer, PortError},
};
use serde_json::Value;

use super::{errors::within, object, objects::Objects};
use crate::store::rows::{gone, outdated};

/// Who writes the conditions and the attempt.
pub const STATUS: &str = "sandbox/status";
/// Who writes what stands at the seat.
pub const SEAT: &str = "sandbox/seat";
/// Who puts the finalizer and takes it off.
pub const FINALIZER: &str = "sandbox/finalizer";
/// Who writes what people ask through HTTP.
pub const SPEC: &str = "sandbox/spec";

fn by(manager: &str) -> PostParams {
    PostParams {
        field_manager: Some(manager.to_owned()),
        ..PostParams::default()
    }
}

impl Objects {
    fn of(&self, job: &AgentJob) -> Api<AgentJob> {
        self.api(job.metadata.namespace.as_deref().unwrap_or_default())
    }

    /// What came back becomes known, and is given as the ports see it.
    fn written(&self, object: AgentJob) -> AgentJob {
        let job = object::view(object);
        self.see(&job);
        job
    }

    /// Makes an object.
    pub(super) async fn make(&self, object: &AgentJob) -> Answer<AgentJob> {
        let api = self.of(object);
        let asked = within("created the job", api.create(&by(SPEC), object).boxed()).await;
        asked.map(|made| self.written(made))
    }

    /// The object of this name, asked for and not remembered.
    pub(super) async fn read(&self, of: &AgentJob) -> Answer<Option<AgentJob>> {
        let api = self.of(of);
        let found = within("read the job", api.get_opt(of.name()).boxed()).await?;
        Ok(found.map(|object| self.written(object)))
    }

    /// Reads a job again; none when it is gone, also where another has its name.
    ///
    /// # Errors
    /// The API server did not answer.
    pub async fn refresh(&self, job: &AgentJob) -> Answer<Option<AgentJob>> {
        let found = self.read(job).await?;
        let same = found.filter(|f| f.metadata.uid == job.metadata.uid && !object::is_gone(f));
        if let (None, Ok(uid)) = (&same, job.uid()) {
            self.drop_one(&uid);
        }
        Ok(same)
    }

    /// Replaces the status of this version of a job.
    ///
    /// # Errors
    /// `Conflict` when a newer version stands, which is then known here; `NotFound` when the job is gone.
    pub async fn put_status(
        &self,
        stands: &AgentJob,
        status: &AgentJobStatus,
        manager: &str,
    ) -> Answer<AgentJob> {
        let body = object::with_status(stands, status);
        let api = self.of(stands);
        let (name, by) = (stands.name(), by(manager));
        let asked = api.replace_subresource("status", name, &by, &body);
        self.judged(stands, within("saved the job", asked.boxed()).await)
            .await
    }

    /// Patches this version of a job, its status aside.
    pub(super) async fn patch(
        &self,
        stands: &AgentJob,
        patch: &Value,
        manager: &str,
    ) -> Answer<AgentJob> {
        let by = PatchParams {
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        let (api, patch) = (self.of(stands), Patch::Merge(patch));
        let asked = api.patch(stands.name(), &by, &patch);
        self.judged(stands, within("saved the job", asked.boxed()).await)
            .await
    }

    /// Deletes this version of a job. Where something else still holds the object, it is gone as far as we are concerned.
    pub(super) async fn delete(&self, stands: &AgentJob) -> Answer<()> {
        let precise = Preconditions {
            uid: stands.metadata.uid.clone(),
            resource_version: stands.metadata.resource_version.clone(),
        };
        let params = DeleteParams {
            preconditions: Some(precise),
            ..DeleteParams::background()
        };
        let api = self.of(stands);
        let asked = within(
            "removed the job",
            api.delete(stands.name(), &params).boxed(),
        )
        .await;
        let asked = asked.map(|_| stands.clone());
        self.told(stands, asked).await.map(|_| ())
    }

    async fn judged(&self, stands: &AgentJob, asked: Answer<AgentJob>) -> Answer<AgentJob> {
        self.told(stands, asked).await.map(|o| self.written(o))
    }

    /// What a write that lost means; the object is read again, so that the next one knows.
    async fn told(&self, stands: &AgentJob, asked: Answer<AgentJob>) -> Answer<AgentJob> {
        let Ok(uid) = stands.uid() else { return asked };
        match asked {
            Err(PortError::NotFound(_)) => {
                self.drop_one(&uid);
                Err(gone(&uid))
            }
            Err(PortError::Conflict(_)) => match Box::pin(self.refresh(stands)).await {
                Ok(None) => Err(gone(&uid)),
                Ok(Some(_)) | Err(_) => Err(outdated(&uid)),
            },
            other => other,
        }
    }
}
