//! Slots: how many a job takes, and who may take them next.
//!
//! First come, first served, whatever it needs: a job starts only where there is room for itself
//! and for all that go before it. So a farm that needs three slots is never overtaken for ever by
//! jobs that need one.

use crate::spec::AgentJobSpec;

/// How full a pool is, and what those take that go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Slots there are.
    pub slots: u32,
    /// Slots that are held.
    pub held: u32,
    /// Slots wanted by all that wait and go first.
    pub wanted_ahead: u32,
}

/// Slots this job wants: one, or one for each agent.
#[must_use]
pub fn wanted(spec: &AgentJobSpec) -> u32 {
    spec.agent_farm.as_ref().map_or(1, |f| f.agents).max(1)
}

impl Room {
    /// Slots this job gets: what it wants, and never more than there are.
    #[must_use]
    pub fn given(&self, spec: &AgentJobSpec) -> u32 {
        wanted(spec).min(self.slots.max(1))
    }

    /// Whether a job that takes so many may start now.
    #[must_use]
    pub const fn fits(&self, units: u32) -> bool {
        let free = self.slots.saturating_sub(self.held);
        units.saturating_add(self.wanted_ahead) <= free
    }
}
