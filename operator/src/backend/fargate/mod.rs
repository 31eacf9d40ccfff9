//! The back end `fargate`: every seat is one task of an ECS cluster.
//!
//! | file | what it is |
//! |---|---|
//! | `settings`, `conf` | what it is told |
//! | `size`, `price` | how large a task is, and what an hour of it costs |
//! | `request` | what is sent to start one, the same every time |
//! | `refusal`, `cause` | what it means that one was not started, or stopped, as one table |
//! | `begin` | started once, adopted, refused, asked for again |
//! | `task`, `cache` | what is known of tasks; the newer of two tellings wins |
//! | `look`, `sweep` | what ECS tells, of one seat and of all |
//! | `ending` | stop and reap |
//! | `logs` | what tasks print, from `CloudWatch` Logs |
//! | `watched` | tasks that another process of ours starts |
//!
//! The runner inside claims, beats and reports at the seat door over TLS, with a token of its seat. A task's role reaches
//! none of our stores.

mod begin;
mod cache;
mod cause;
mod conf;
mod ending;
mod logs;
mod look;
mod price;
mod refusal;
mod request;
pub mod settings;
mod size;
mod sweep;
mod task;
mod unset;
mod watched;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ecs::Client;
use sandbox_core::{
    AgentJobSpec, Brief, Claim, Seat,
    port::{Answer, Backend, LogChunk, Look},
    spec::{self, BackendName},
    status::Launch,
    validate::Invalid,
};

pub use cause::Cause;
pub use conf::{BURST, DATA, FargateConfig, JOB_TAG, OWNER_TAG, PER_SECOND, TENANT_TAG, TYPE_TAG};
pub use price::Prices;
pub use size::Size;
pub use unset::Unset;
pub use watched::Watched;

use super::waits::Waits;
use crate::{
    control::Waker,
    secrets::{A_NAME, Secrets, is_name},
};

/// Why a job that names a secret of its tenant is refused where nobody said where those are.
const NO_SECRETS: &str = "tenants' secrets do not reach tasks of Fargate here: set --fargate-secrets-prefix (SANDBOX_FARGATE_SECRETS_PREFIX); or leave it out, or run the job elsewhere";

/// Seats as tasks of one cluster.
pub struct FargateBackend {
    conf: FargateConfig,
    client: Client,
    printed: logs::Printed,
    cache: cache::Cache,
    waits: Waits,
    launches: begin::Launches,
    waker: Waker,
}

impl fmt::Debug for FargateBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FargateBackend").finish_non_exhaustive()
    }
}

impl FargateBackend {
    /// The back end of this configuration. The waker has a job looked at when something of its task changed.
    ///
    /// # Errors
    /// A setting cannot be right.
    pub fn new(aws: &SdkConfig, conf: FargateConfig, waker: Waker) -> Result<Self, String> {
        conf.check()?;
        Ok(Self {
            client: Client::new(aws),
            printed: logs::Printed::new(aws, conf.logs.clone(), conf.container.clone()),
            cache: cache::Cache::default(),
            waits: Waits::default(),
            launches: begin::Launches::new(conf.launches),
            waker,
            conf,
        })
    }

    /// Tenants' secrets, for the door at which tasks ask for them.
    #[must_use]
    pub fn secrets(&self) -> Option<Arc<dyn Secrets>> {
        self.conf.secrets.clone()
    }
}

#[async_trait]
impl Backend for FargateBackend {
    fn name_of(&self, seat: &Seat) -> (BackendName, String) {
        (BackendName::Fargate, seat.object_name())
    }

    async fn launch(&self, brief: &Brief) -> Answer<()> {
        self.begin(brief).await
    }

    async fn look(&self, seat: &Seat, claim: Option<&Claim>) -> Answer<Look> {
        self.see(seat, claim).await
    }

    async fn stop(&self, seat: &Seat, keep: Option<&str>) -> Answer<()> {
        self.stop_seat(seat, keep).await
    }

    async fn reap(&self, seat: &Seat) -> Answer<()> {
        self.reap_seat(seat).await
    }

    async fn logs(&self, seat: &Seat, from: u64, limit: u32) -> Answer<LogChunk> {
        self.read_log(seat, from, limit).await
    }

    fn freeze(&self, spec: &AgentJobSpec) -> Option<Launch> {
        Some(request::frozen(&self.conf, spec))
    }

    fn lease(&self) -> Option<Duration> {
        Some(self.conf.lease)
    }

    fn refuses(&self, spec: &AgentJobSpec) -> Vec<Invalid> {
        refused(spec, self.conf.secrets.is_some())
    }
}

/// What of a spec no task can have, where tenants have secrets or have none.
fn refused(spec: &AgentJobSpec, has_secrets: bool) -> Vec<Invalid> {
    let at = "spec.agentFarm.workspace.git.tokenSecret";
    let refusal = |name: &str| match has_secrets {
        false => Some(Invalid::new(at, NO_SECRETS)),
        true if is_name(name) => None,
        true => Some(Invalid::new(at, A_NAME)),
    };
    let named = spec::secrets(spec).into_iter();
    named.filter_map(refusal).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with_secret(name: &str) -> AgentJobSpec {
        let git = json!({"url": "https://example.com/a", "tokenSecret": name});
        let farm = json!({"task": "t", "agents": 1, "workspace": {"git": git}});
        let spec = json!({"type": "agent_farm", "agentFarm": farm});
        serde_json::from_value(spec).unwrap_or_default()
    }

    #[test]
    fn a_job_that_names_a_secret_is_refused_where_there_are_none_and_a_bad_name_everywhere() {
        let said = |name: &str, has: bool| {
            let found = refused(&with_secret(name), has);
            found.first().map(|f| f.message.clone()).unwrap_or_default()
        };
        assert!(said("github", false).contains("SANDBOX_FARGATE_SECRETS_PREFIX"));
        assert_eq!(said("github", true), "");
        assert_eq!(said("../team-b/github", true), A_NAME);
        assert!(refused(&AgentJobSpec::default(), false).is_empty());
    }
}
