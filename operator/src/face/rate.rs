//! How often somebody may ask memory, and write to it. Whoever comes too often is told when to come again.

use std::{fmt, hash::Hash, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use sandbox_core::{Seat, Tenant};

/// Whoever is remembered before those at rest are forgotten.
const MANY: usize = 10_000;

/// How often something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Each second, for ever.
    pub each_second: NonZeroU32,
    /// At once, after a rest.
    pub at_once: NonZeroU32,
}

impl Rate {
    /// A rate; 0 counts as 1.
    #[must_use]
    pub const fn new(each_second: u32, at_once: u32) -> Self {
        const fn some(n: u32) -> NonZeroU32 {
            match NonZeroU32::new(n) {
                Some(n) => n,
                None => NonZeroU32::MIN,
            }
        }
        Self {
            each_second: some(each_second),
            at_once: some(at_once),
        }
    }
}

/// What may be done to a memory in how short a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Calls of tools by all of a tenant: fifty agents that ask once a second.
    pub asks: Rate,
    /// What a tenant writes through its keys.
    pub writes: Rate,
    /// What one attempt of a job writes by its tools: more than a lesson a second is no lesson.
    pub seat_writes: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            asks: Rate::new(50, 300),
            writes: Rate::new(10, 300),
            seat_writes: Rate::new(1, 60),
        }
    }
}

/// Somebody came too often; nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooOften {
    /// Who did what, such as `this tenant asks`.
    what: &'static str,
    rate: Rate,
    /// After how long there is room again.
    pub wait: Duration,
}

impl fmt::Display for TooOften {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, rate, wait } = self;
        let (each, at_once, wait) = (rate.each_second, rate.at_once, wait.as_millis().max(1));
        write!(
            f,
            "asked memory: {what} too often ({each} a second for long, {at_once} at once); nothing was done, ask again in {wait} ms"
        )
    }
}

/// One rate, kept for each of many.
struct Bound<K: Hash + Eq + Clone> {
    what: &'static str,
    rate: Rate,
    passed: DefaultKeyedRateLimiter<K>,
}

impl<K: Hash + Eq + Clone> Bound<K> {
    fn new(what: &'static str, rate: Rate) -> Self {
        let quota = Quota::per_second(rate.each_second).allow_burst(rate.at_once);
        let passed = RateLimiter::keyed(quota);
        Self { what, rate, passed }
    }

    fn pass(&self, who: &K) -> Result<(), TooOften> {
        if self.passed.len() > MANY {
            self.passed.retain_recent();
        }
        self.passed.check_key(who).map_err(|until| TooOften {
            what: self.what,
            rate: self.rate,
            wait: until.wait_time_from(self.passed.clock().now()),
        })
    }
}

/// The bounds of a memory, for all faces through which it is reached.
pub struct Bounds {
    asks: Bound<Tenant>,
    writes: Bound<Tenant>,
    seat_writes: Bound<(Tenant, Seat)>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self::new(Rates::default())
    }
}

impl Bounds {
    /// These rates, with nobody counted yet.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Self {
            asks: Bound::new("this tenant asks", rates.asks),
            writes: Bound::new("this tenant writes", rates.writes),
            seat_writes: Bound::new("this job writes", rates.seat_writes),
        }
    }

    /// A tool is called or a text is read.
    ///
    /// # Errors
    /// `TooOften`.
    pub fn ask(&self, tenant: &Tenant) -> Result<(), TooOften> {
        self.asks.pass(tenant)
    }

    /// Something is to be written, by an attempt of a job or by whoever has a key.
    ///
    /// # Errors
    /// `TooOften`.
    pub fn write(&self, tenant: &Tenant, seat: Option<&Seat>) -> Result<(), TooOften> {
        match seat {
            Some(seat) => self.seat_writes.pass(&(tenant.clone(), seat.clone())),
            None => self.writes.pass(tenant),
        }
    }
}
