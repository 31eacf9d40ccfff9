//! Chance by numbers: every draw follows from a seed and what it is for, so that policies which
//! choose differently still meet the same luck.

use sandbox_elf::learn::normal::{draw, mixed, uniform};

/// A source of chance.
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The source of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(mixed(seed))
    }

    /// A source of its own for the n-th of something.
    #[must_use]
    pub const fn of(self, n: u64) -> Self {
        Self(mixed(self.0 ^ mixed(n)))
    }

    /// Above 0, at most 1.
    #[must_use]
    pub fn share(self) -> f64 {
        uniform(self.0)
    }

    /// Whether something of this probability happens.
    #[must_use]
    pub fn happens(self, probability: f64) -> bool {
        self.share() <= probability
    }

    /// Evenly between two bounds.
    #[must_use]
    pub fn between(self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// From a standard normal.
    #[must_use]
    pub fn normal(self) -> f64 {
        draw(self.0)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}
