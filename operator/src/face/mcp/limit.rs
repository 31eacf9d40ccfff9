//! How much a tenant may ask in how short a time. What is too much is an answer that says when to
//! come again.

use std::{num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use sandbox_core::Tenant;
use sandbox_elf::tools::{Answer, Ask, Asker, Failed};

use super::Tools;

/// Tenants that are remembered before those at rest are forgotten.
const MANY: usize = 10_000;

/// How often a tenant may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Each second, for ever.
    pub each_second: NonZeroU32,
    /// At once, after a rest.
    pub at_once: NonZeroU32,
}

impl Default for Rate {
    /// Fifty agents that ask once a second.
    fn default() -> Self {
        Self {
            each_second: NonZeroU32::MIN.saturating_add(49),
            at_once: NonZeroU32::MIN.saturating_add(299),
        }
    }
}

/// Tools that answer no tenant more often than this.
pub struct Limited {
    tools: Arc<dyn Tools>,
    asked: DefaultKeyedRateLimiter<Tenant>,
}

impl Limited {
    /// These tools at this rate.
    #[must_use]
    pub fn new(tools: Arc<dyn Tools>, rate: Rate) -> Self {
        let quota = Quota::per_second(rate.each_second).allow_burst(rate.at_once);
        let asked = RateLimiter::keyed(quota);
        Self { tools, asked }
    }
}

#[async_trait]
impl Tools for Limited {
    async fn answer(&self, asker: &Asker, ask: &Ask) -> Answer {
        if self.asked.len() > MANY {
            self.asked.retain_recent();
        }
        let Err(until) = self.asked.check_key(&asker.tenant) else {
            return self.tools.answer(asker, ask).await;
        };
        let wait = until.wait_time_from(self.asked.clock().now());
        let text = format!(
            "asked memory: this tenant asks too often; ask again in {} ms",
            wait.as_millis().max(1)
        );
        Answer::failed(Failed::TooMany, text)
    }
}
