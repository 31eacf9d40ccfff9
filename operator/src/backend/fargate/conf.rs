//! What the back end is told. Starts nothing.

use std::{sync::Arc, time::Duration};

use object_store::{ObjectStore, path::Path};
use sandbox_core::{Seat, port::Store, spec::FargateCapacity};

use super::{price::Prices, size::Size};
use crate::{secrets::Secrets, tokens::Tokens};

/// The tag that names a task's control plane: whoever else uses the cluster is left alone.
pub const OWNER_TAG: &str = "multiagent.dev/control-plane";
/// The tag that names a task's job.
pub const JOB_TAG: &str = "multiagent.dev/job";
/// The tag that names a task's tenant.
pub const TENANT_TAG: &str = "multiagent.dev/tenant";
/// The tag that names the kind of work.
pub const TYPE_TAG: &str = "multiagent.dev/job-type";
/// Where the runner keeps its seat, inside of a task: the home of the image's user.
pub const DATA: &str = "/home/sandbox/seat";
/// Most launches of a kind of capacity at once, and each second after that.
///
/// Source: the quotas of AWS Fargate, launch rates of On-Demand and of Spot tasks.
pub const BURST: u32 = 100;
/// As above.
pub const PER_SECOND: u32 = 20;

/// The longest name of a cluster: with all of a task's ARN around it, it has to stand in a claim.
const LONGEST_CLUSTER: usize = 150;

/// What the back end needs to know.
#[derive(Clone)]
pub struct FargateConfig {
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The region, for words.
    pub region: String,
    /// What tasks are made of: `family:revision`, or its ARN.
    pub definition: String,
    /// The container of the task definition that is the runner.
    pub container: String,
    /// Where tasks have their network.
    pub subnets: Vec<String>,
    /// What lets traffic in and out.
    pub security_groups: Vec<String>,
    /// Whether tasks have a public address.
    pub public_address: bool,
    /// Where runners find the seat door: `https://host:port`.
    pub door: String,
    /// The authority of the door's certificate, in PEM; empty where the authorities of the image know it.
    pub authority: String,
    /// Makes the tokens by which runners pass the door.
    pub tokens: Tokens,
    /// What a task has whose job does not say.
    pub size: Size,
    /// Which capacity a job has that does not say.
    pub capacity: FargateCapacity,
    /// What an hour costs.
    pub prices: Prices,
    /// More tags for each task, for the allocation of costs.
    pub tags: Vec<(String, String)>,
    /// Whether `sandbox attach` may enter tasks, by ECS Exec.
    pub exec: bool,
    /// The log group that the task definition writes to, and the prefix of its streams.
    pub logs: Option<(String, String)>,
    /// Launches at once and each second, of each kind of capacity.
    pub launches: (u32, u32),
    /// How long a task may be without what it needs, such as its image, until it is given up.
    pub prepare_within: Duration,
    /// How old a task has to be that is ended because no job needs it: longer than a runner goes on unheard.
    pub orphan_after: Duration,
    /// How long a runner goes on that is not heard.
    pub lease: Duration,
    /// Where the logs of seats that are over are kept: the store of reports.
    pub files: Arc<dyn ObjectStore>,
    /// Where in there that of a seat is.
    pub log_path: fn(&Seat) -> Path,
    /// Where the frozen launches stand.
    pub store: Arc<dyn Store>,
    /// Tenants' secrets; jobs that name one are refused without.
    pub secrets: Option<Arc<dyn Secrets>>,
}

impl FargateConfig {
    /// What is wrong with these settings, as far as it can be told without asking AWS.
    ///
    /// # Errors
    /// Which one is wrong, and how it has to be.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("read the settings of Fargate: {what}"));
        if let Some(region) = region_of(&self.cluster).filter(|r| *r != self.region) {
            let text = format!(
                "the cluster {} is in {region} and the region is {}; set one of them right",
                self.cluster, self.region
            );
            return wrong(&text);
        }
        if self.cluster.len() > LONGEST_CLUSTER {
            return wrong("the cluster's name is longer than a claim has room for");
        }
        let revision = self.definition.rsplit_once(':').map(|(_, n)| n);
        if revision.is_none_or(|n| n.parse::<u32>().is_err()) {
            let text = format!(
                "the task definition {} has no revision, and a launch that is repeated has to be the same; name one, such as {}:1",
                self.definition, self.definition
            );
            return wrong(&text);
        }
        if self.subnets.is_empty() {
            return wrong("no subnet is named; a task needs one at least");
        }
        if !self.door.starts_with("https://") {
            return wrong("the seat door has to be https://HOST:PORT as tasks reach it");
        }
        Ok(())
    }
}

/// The region in an ARN.
fn region_of(arn: &str) -> Option<&str> {
    arn.starts_with("arn:").then(|| arn.split(':').nth(3))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_a_cluster_is_read_from_its_arn_and_not_from_its_name() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/agents";
        assert_eq!(region_of(arn), Some("eu-west-1"));
        assert_eq!(region_of("agents"), None);
    }
}
