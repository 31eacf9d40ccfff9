//! `backend: {name: container}`: what a job may say about its container.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// How a job runs in a container.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerSpec {
    /// The image; the server's own when absent. It must be one that the server allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]*$')").message("image must be a name such as registry/name:tag or name@sha256:digest"))]
    pub image: Option<String>,
    /// What it can reach.
    #[serde(default)]
    pub network: Network,
    /// What it may use of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ContainerResources>,
}

/// What a container can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Nothing.
    None,
    /// The hosts that the server allows, through its proxy.
    #[default]
    Restricted,
    /// Everything the machine reaches.
    Full,
}

/// The most that a container may use.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerResources {
    /// Processors: `2`, `0.5` or `500m`. At most 2 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::processors)]
    pub cpu: Option<String>,
    /// Memory: `512Mi` or `2Gi`. `2Gi` when absent; at least `16Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = rules::memory)]
    pub memory: Option<String>,
    /// Processes and threads; 1024 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16, max = 65536))]
    pub pids: Option<u32>,
}

impl ContainerResources {
    /// Processors in thousandths, where the job says.
    #[must_use]
    pub fn millicores(&self) -> Option<u64> {
        millicores(self.cpu.as_deref()?)
    }

    /// Memory in bytes, where the job says.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        bytes(self.memory.as_deref()?)
    }
}

/// Processors in thousandths, as Kubernetes writes them.
#[must_use]
pub fn millicores(text: &str) -> Option<u64> {
    if let Some(milli) = text.strip_suffix('m') {
        return milli.parse().ok();
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: u64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1000)?
        .checked_add(part)
}

/// An amount in bytes, as Kubernetes writes it in `Mi` or `Gi`.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let (number, shift) = match (text.strip_suffix("Mi"), text.strip_suffix("Gi")) {
        (Some(number), _) => (number, 20),
        (None, number) => (number?, 30),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cpu: &str, memory: &str) -> ContainerResources {
        ContainerResources {
            cpu: Some(cpu.to_owned()),
            memory: Some(memory.to_owned()),
            pids: None,
        }
    }

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (cpu, millis) in [("2", 2000), ("0.5", 500), ("1.25", 1250), ("500m", 500)] {
            assert_eq!(of(cpu, "1Gi").millicores(), Some(millis), "{cpu}");
        }
        assert_eq!(of("1", "512Mi").bytes(), Some(512 << 20));
        assert_eq!(of("1", "2Gi").bytes(), Some(2 << 30));
    }

    #[test]
    fn what_is_no_quantity_is_nothing() {
        assert_eq!(of("x", "12").millicores(), None);
        assert_eq!(of("x", "12").bytes(), None);
        assert_eq!(of("1.x", "12Ki").millicores(), None);
    }
}
