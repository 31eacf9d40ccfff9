//! How large a task is: the smallest size that Fargate has for what a job asks. Pure.
//!
//! Source: the values of `memory` in the ECS API's `Task`.

use sandbox_core::{
    AgentJobSpec,
    spec::{FargateSpec, bytes, millicores},
};

/// Units of one processor.
const UNITS: u64 = 1024;

/// What a task has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Processors, in 1,024ths.
    pub cpu_units: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
}

/// One row of Fargate's sizes: processors, and memory from, to, in steps of, all in MiB.
struct Row(u32, u32, u32, u32);

const SIZES: [Row; 7] = [
    // 512, 1024 and 2048: the steps are not equal.
    Row(256, 512, 2048, 512),
    Row(512, 1024, 4096, 1024),
    Row(1024, 2048, 8192, 1024),
    Row(2048, 4096, 16_384, 1024),
    Row(4096, 8192, 30_720, 1024),
    Row(8192, 16_384, 61_440, 4096),
    Row(16_384, 32_768, 122_880, 8192),
];

/// What the job says about its task; all defaults where it says nothing.
pub(super) fn asked(spec: &AgentJobSpec) -> FargateSpec {
    let backend = spec.backend.as_ref();
    backend.and_then(|b| b.fargate.clone()).unwrap_or_default()
}

/// The size of this job's task; what it does not say is as large as this.
pub(super) fn of(asked: &FargateSpec, usual: Size) -> Size {
    let resources = asked.resources.clone().unwrap_or_default();
    let cpu = resources.cpu.as_deref().and_then(millicores);
    let memory = resources.memory.as_deref().and_then(bytes);
    let units = cpu.map_or(u64::from(usual.cpu_units), |m| (m * UNITS).div_ceil(1000));
    let mib = memory.map_or(u64::from(usual.memory_mib), |b| b.div_ceil(1 << 20));
    smallest(units, mib)
}

/// The same where what is said can be read; none where it cannot.
pub(super) fn read(asked: &FargateSpec, usual: Size) -> Option<Size> {
    let resources = asked.resources.clone().unwrap_or_default();
    resources
        .cpu
        .as_deref()
        .is_none_or(|c| millicores(c).is_some())
        .then_some(())?;
    resources
        .memory
        .as_deref()
        .is_none_or(|m| bytes(m).is_some())
        .then_some(())?;
    Some(of(asked, usual))
}

/// The first size, for they are in the order of their prices, that has this much of both.
fn smallest(units: u64, mib: u64) -> Size {
    let last = &SIZES[SIZES.len() - 1];
    let holds = |row: &&Row| u64::from(row.0) >= units && u64::from(row.2) >= mib;
    let row = SIZES.iter().find(holds).unwrap_or(last);
    let above = u32::try_from(mib).unwrap_or(row.2).saturating_sub(row.1);
    let memory = row.1 + above.div_ceil(row.3) * row.3;
    Size {
        cpu_units: row.0,
        memory_mib: if row.0 == 256 && memory == 1536 {
            2048
        } else {
            memory.min(row.2)
        },
    }
}

/// Room on the disk in GiB, where the job wants more than there is anyway.
pub(super) fn disk(asked: &FargateSpec) -> Option<u32> {
    let wanted = asked.ephemeral_storage.as_deref().and_then(bytes)?;
    u32::try_from(wanted.div_ceil(1 << 30)).ok()
}

#[cfg(test)]
mod tests {
    use sandbox_core::spec::FargateResources;

    use super::*;

    const USUAL: Size = Size {
        cpu_units: 1024,
        memory_mib: 4096,
    };

    fn size(cpu: Option<&str>, memory: Option<&str>) -> (u32, u32) {
        let resources = FargateResources {
            cpu: cpu.map(str::to_owned),
            memory: memory.map(str::to_owned),
        };
        let asked = FargateSpec {
            resources: Some(resources),
            ..FargateSpec::default()
        };
        let size = of(&asked, USUAL);
        (size.cpu_units, size.memory_mib)
    }

    #[test]
    fn a_job_that_says_nothing_gets_the_usual() {
        assert_eq!(size(None, None), (1024, 4096));
    }

    #[test]
    fn the_smallest_size_that_holds_what_is_asked_is_taken() {
        for (cpu, memory, wanted) in [
            ("100m", "16Mi", (256, 512)),
            ("250m", "600Mi", (256, 1024)),
            ("0.25", "1100Mi", (256, 2048)),
            ("0.25", "3Gi", (512, 3072)),
            ("500m", "512Mi", (512, 1024)),
            ("1", "8Gi", (1024, 8192)),
            ("1", "9Gi", (2048, 9216)),
            ("1.5", "1Gi", (2048, 4096)),
            ("3", "30Gi", (4096, 30_720)),
            ("4", "31Gi", (8192, 32_768)),
            ("8", "50Gi", (8192, 53_248)),
            ("16", "120Gi", (16_384, 122_880)),
            ("1", "100Gi", (16_384, 106_496)),
        ] {
            assert_eq!(size(Some(cpu), Some(memory)), wanted, "{cpu} {memory}");
        }
    }

    #[test]
    fn what_is_not_said_of_two_is_the_usual() {
        assert_eq!(size(Some("2"), None), (2048, 4096));
        assert_eq!(size(None, Some("1Gi")), (1024, 2048));
    }

    #[test]
    fn a_disk_is_asked_for_only_where_the_job_names_one() {
        let asked = FargateSpec {
            ephemeral_storage: Some("30Gi".to_owned()),
            ..FargateSpec::default()
        };
        assert_eq!(disk(&asked), Some(30));
        assert_eq!(disk(&FargateSpec::default()), None);
    }
}
