//! What a job may be. One file a type, one line in [`kind_of`]; none of them knows a place.

mod agent_farm;
mod analytics;
mod ask;
pub mod checks;
mod claude_chat;
mod dbt_run;
mod echo;
pub mod lessons;

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use sandbox_core::{
    Brief, Failure, FailureClass, Heartbeat, JobType, Usage,
    port::{RecallQuery, Receipt},
};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    exec::{checkpoint::CutOff, lease::Lease, log::Log, rent::Rent},
    place::Folder,
    settings::Settings,
};

/// How often work that waits looks whether it is to end.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// One type of work.
#[async_trait]
pub trait Kind: Send + Sync {
    /// What to ask memory before the work; nothing for work that uses no lessons.
    fn recall(&self, _brief: &Brief) -> Option<RecallQuery> {
        None
    }

    /// Whether another attempt can go on from what this one keeps when it is cut off.
    fn goes_on(&self) -> bool {
        false
    }

    /// Does the work.
    ///
    /// # Errors
    /// The failure with its class, as it is to stand in the job's status.
    async fn run(&self, work: &Work) -> Result<Done, Failure>;
}

/// What the work is given.
pub struct Work {
    /// What is asked.
    pub brief: Brief,
    /// Lessons of earlier work.
    pub lessons: Receipt,
    /// Settings of this machine.
    pub settings: Settings,
    /// The folder of this seat, for what only this attempt needs.
    pub seat_dir: PathBuf,
    /// Who does it, for results.
    pub worker: String,
    /// The seat's log.
    pub log: Arc<Log>,
    /// When the time of the work is over; people may give it more.
    pub over_at: watch::Sender<Timestamp>,
    /// What is said meanwhile; sent on by the runner.
    pub beat: watch::Sender<Heartbeat>,
    /// Set when the work is to end in good order.
    pub stopping: Arc<AtomicBool>,
    /// How long it may go on unheard; no lease where it shares a machine with the node.
    pub lease: Option<Lease>,
    /// What its place costs, where that is known.
    pub rent: Option<Rent>,
    /// How long it has from being asked to end to being killed.
    pub stop_within: Duration,
    /// Set before [`Self::stopping`] where the place is taken away and another attempt may go on.
    pub cut_off: OnceLock<CutOff>,
    /// The folder with what an earlier attempt kept, where there is any.
    pub earlier: OnceLock<PathBuf>,
}

impl Work {
    /// Says what the attempt has cost so far.
    pub fn spent(&self, usage: Usage) {
        self.beat.send_modify(|b| b.usage = usage);
    }

    /// Whether the work is to end in good order.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Waits until the work is to end in good order.
    pub async fn stopped(&self) {
        while !self.is_stopping() {
            tokio::time::sleep(STOP_CHECK).await;
        }
    }

    /// The tenant's root, open.
    ///
    /// # Errors
    /// `InvalidSpec` when the tenant has no folder yet.
    pub fn root(&self) -> Result<Folder, Failure> {
        Folder::open(&self.tenant_root()).map_err(|e| {
            let text = format!(
                "opened the folder of tenant {} in the workspace: {e}; put the project there",
                self.brief.tenant
            );
            Failure::new(FailureClass::InvalidSpec, text)
        })
    }

    /// The tenant's root: every path of the job resolves beneath it.
    pub fn tenant_root(&self) -> PathBuf {
        self.settings
            .workspace_root
            .join(self.brief.tenant.as_str())
    }

    /// Where the job's artifacts go; the same for all its attempts.
    pub fn artifacts(&self) -> PathBuf {
        let tenant = self
            .settings
            .artifacts_root
            .join(self.brief.tenant.as_str());
        tenant.join(self.brief.seat.uid.as_str())
    }
}

/// What the work gives.
#[derive(Debug, Default)]
pub struct Done {
    /// The result that the job type promises.
    pub result: Value,
    /// Files it touched, relative to its workspace.
    pub files: Vec<String>,
    /// Lessons as it wrote them.
    pub lessons: Vec<String>,
    /// How well it went, 0 to 1, where it can tell.
    pub grade: Option<f64>,
    /// Set when the work came to its end and is not a success: the result stands all the same.
    pub failure: Option<Failure>,
}

/// The list of job types.
pub fn kind_of(job_type: JobType) -> &'static dyn Kind {
    match job_type {
        JobType::Echo => &echo::Echo,
        JobType::ClaudeChat => &claude_chat::ClaudeChat,
        JobType::Analytics => &analytics::Analytics,
        JobType::DbtRun => &dbt_run::DbtRun {
            grace: dbt_run::GRACE,
        },
        JobType::AgentFarm => &agent_farm::AgentFarm,
    }
}

#[cfg(test)]
pub mod tests;
