//! The back end of a process that has no right to start a task, beside one that has: it says what tasks cannot have, and
//! shows what they print. Which task a seat has, its claim says.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use object_store::ObjectStore;
use sandbox_core::{
    AgentJobSpec, Brief, Claim, Register, Seat,
    port::{Answer, Backend, LogChunk, Look, PortError, Store},
    spec::BackendName,
    standing,
    validate::Invalid,
};

use super::{logs::Printed, refused, settings::FargateSettings, task::arn_of};
use crate::backend::kept::{self, log_path};

/// Tasks of somebody else's.
pub struct Watched {
    printed: Printed,
    files: Arc<dyn ObjectStore>,
    store: Arc<dyn Store>,
    has_secrets: bool,
}

impl Watched {
    /// Tasks of the jobs in this store, whose logs are kept among these files.
    #[must_use]
    pub fn new(
        aws: &SdkConfig,
        settings: &FargateSettings,
        (store, files): (Arc<dyn Store>, Arc<dyn ObjectStore>),
    ) -> Self {
        Self {
            printed: Printed::new(aws, settings.logs(), settings.container.clone()),
            files,
            store,
            has_secrets: settings.prefix().is_some(),
        }
    }

    /// Where the claimant of a seat prints to.
    async fn stream(&self, seat: &Seat) -> Answer<Option<(String, String)>> {
        let Some(job) = self.store.load(&seat.uid).await? else {
            return Ok(None);
        };
        let (record, _) = standing::read(&job, seat.attempt);
        let Register::Claimed(claim) = record.register else {
            return Ok(None);
        };
        Ok(arn_of(&claim.instance).and_then(|arn| self.printed.stream_of(arn)))
    }
}

fn not_mine<T>(what: &str, seat: &Seat) -> Answer<T> {
    let text = format!("{what} the task of seat {seat}: this process only watches tasks");
    Err(PortError::Unknown(text))
}

#[async_trait]
impl Backend for Watched {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        (BackendName::Fargate, seat.object_name())
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        not_mine("start", &brief.seat)
    }

    async fn look(&self, seat: &Seat, _claim: Option<&Claim>) -> Answer<Look> {
        not_mine("look at", seat)
    }

    async fn stop(&self, seat: &Seat, _keep: Option<&str>) -> Answer<()> {
        not_mine("stop", seat)
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        not_mine("end", seat)
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        match kept::read(&self.files, &log_path(seat), (from, limit)).await {
            Err(none @ PortError::NotFound(_)) => match self.stream(seat).await? {
                Some(stream) => self.printed.piece(seat, &stream, (from, limit)).await,
                None => Err(none),
            },
            said => said,
        }
    }

    fn refuses(&self, spec: &AgentJobSpec) -> Vec<Invalid> {
        refused(spec, self.has_secrets)
    }
}
