//! The back end of a control plane that has no cluster of ECS: it refuses, in words. Without it, jobs that are applied to
//! a cluster's API server, at which nobody looks at them before, would wait for ever.

use async_trait::async_trait;
use sandbox_core::{
    AgentJobSpec, Brief, Claim, FailureClass, Seat,
    port::{Answer, Backend, LogChunk, Look, PortError},
    spec::BackendName,
    validate::Invalid,
};

/// What it says.
const UNSET: &str = "this operator has no cluster of ECS; start it with --fargate-cluster and --fargate-task-definition, or run the job elsewhere";

/// No cluster.
#[derive(Clone, Copy, Debug)]
pub struct Unset;

#[async_trait]
impl Backend for Unset {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        (BackendName::Fargate, seat.object_name())
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        let text = format!("start the task of seat {}: {UNSET}", brief.seat);
        Err(PortError::refused(FailureClass::InvalidSpec, text))
    }

    async fn look(&self, _seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        match claim {
            None => Ok(Look::default()),
            // It was begun when there was a cluster.
            Some(_) => Err(PortError::Unknown(UNSET.to_owned())),
        }
    }

    async fn stop(&self, _seat: &Seat, _keep: Option<&str>) -> Answer<()> {
        Err(PortError::Unknown(UNSET.to_owned()))
    }

    async fn reap(&self, _seat: &Seat) -> Answer<()> {
        Err(PortError::Unknown(UNSET.to_owned()))
    }

    async fn logs(&self, seat: &Seat, _from: u64, _limit: u32) -> Answer<LogChunk> {
        Err(PortError::NotFound(format!(
            "seat {seat} has no log: {UNSET}"
        )))
    }

    fn refuses(&self, _spec: &AgentJobSpec) -> Vec<Invalid> {
        vec![Invalid::new("spec.backend.name", UNSET)]
    }
}
