//! Trails: where work went, fading with time. Strength is computed when it is read, never swept.
//!
//! Touches of one file with one mark are one heap: strengths that fade with the same half-life add
//! up to one that fades so, and nothing is lost by keeping the sum.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Strength below which a trail is no longer seen.
pub const FAINT: f64 = 0.01;
const MICROS: f64 = 1_000_000.0;
const HOUR: f64 = 3_600.0;

/// How the work ended that went through a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// It succeeded.
    Success,
    /// It failed.
    Failure,
    /// It ended in a way that says nothing about the work.
    Warning,
}

impl Mark {
    /// Seconds after which half of a touch is left: a day for activity, 14 days for failures.
    #[must_use]
    pub const fn half_life(self) -> f64 {
        match self {
            Self::Failure => 14.0 * 24.0 * HOUR,
            Self::Success | Self::Warning => 24.0 * HOUR,
        }
    }
}

/// Which heap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrailKey {
    /// The project the file belongs to.
    pub project: Option<String>,
    /// The file.
    pub path: String,
    /// How the work ended.
    pub mark: Mark,
}

/// A heap of touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heat {
    /// Strength at `at`, in millionths: whole, so that it reads back as it was written.
    pub micros: u64,
    /// The newest touch.
    pub at: Timestamp,
    /// How many touches.
    pub touches: u64,
}

impl Heat {
    /// Nothing yet.
    #[must_use]
    pub const fn new(at: Timestamp) -> Self {
        Self {
            micros: 0,
            at,
            touches: 0,
        }
    }

    /// Adds a touch of strength 1. One that is older than the newest has faded until then.
    pub fn touch(&mut self, mark: Mark, at: Timestamp) {
        let newest = self.at.max(at);
        let sum = self.strength(mark, newest) + faded(1.0, mark, at, newest);
        *self = Self {
            micros: whole(sum * MICROS),
            at: newest,
            touches: self.touches + 1,
        };
    }

    /// What is left of it at this time; a clock that went back takes nothing away.
    #[must_use]
    pub fn strength(&self, mark: Mark, now: Timestamp) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a heap stays far below 2^53 millionths"
        )]
        let kept = self.micros as f64 / MICROS;
        faded(kept, mark, self.at, now)
    }
}

/// A trail as it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trail {
    /// The project the file belongs to.
    pub project: Option<String>,
    /// The file.
    pub path: String,
    /// How the work ended.
    pub mark: Mark,
    /// What is left of it now.
    pub strength: f64,
    /// How many touches it had.
    pub touches: u64,
    /// The newest touch, naive UTC with microseconds.
    pub at: String,
}

impl Trail {
    /// The trail as it is at this time; nothing when it is too faint.
    #[must_use]
    pub fn read(key: &TrailKey, heat: &Heat, now: Timestamp) -> Option<Self> {
        let strength = heat.strength(key.mark, now);
        (strength >= FAINT).then(|| Self {
            project: key.project.clone(),
            path: key.path.clone(),
            mark: key.mark,
            strength: millionths(strength),
            touches: heat.touches,
            at: naive(heat.at),
        })
    }
}

/// A file with everything that was laid on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HotSpot {
    /// The project the file belongs to.
    pub project: Option<String>,
    /// The file.
    pub path: String,
    /// The sum of its trails now.
    pub strength: f64,
}

/// How alike two paths are, 0 to 1: 1 for the same file, less the fewer leading folders they share.
#[must_use]
pub fn closeness(a: &str, b: &str) -> f64 {
    if a == b {
        return 1.0;
    }
    let folders = |p: &str| {
        p.rsplit_once('/')
            .map_or(0, |(dir, _)| dir.split('/').count())
    };
    let most = folders(a).max(folders(b));
    let shared = a
        .split('/')
        .zip(b.split('/'))
        .take_while(|(x, y)| x == y)
        .count()
        .min(most);
    if most == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a path has few folders")]
    let share = shared as f64 / most as f64;
    share / 2.0
}

/// A number rounded to millionths: it reads back from JSON as it was written.
#[must_use]
pub fn millionths(x: f64) -> f64 {
    (x * MICROS).round() / MICROS
}

/// A time as the old API writes it.
#[must_use]
pub fn naive(at: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    at.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

fn faded(strength: f64, mark: Mark, from: Timestamp, to: Timestamp) -> f64 {
    let passed = to.duration_since(from).as_secs_f64().max(0.0);
    strength * 0.5_f64.powf(passed / mark.half_life())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and a cast keeps within bounds"
)]
fn whole(x: f64) -> u64 {
    x.round() as u64
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test may stop at what it did not expect"
    )]

    use super::*;

    const DAY: i64 = 86_400;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-5
    }

    #[test]
    fn activity_halves_in_a_day_and_failure_in_fourteen() {
        for (mark, half) in [
            (Mark::Success, DAY),
            (Mark::Warning, DAY),
            (Mark::Failure, 14 * DAY),
        ] {
            let mut heat = Heat::new(at(0));
            heat.touch(mark, at(0));
            assert!(near(heat.strength(mark, at(0)), 1.0));
            assert!(near(heat.strength(mark, at(half)), 0.5));
            assert!(near(heat.strength(mark, at(2 * half)), 0.25));
        }
    }

    #[test]
    fn a_heap_is_the_sum_of_its_touches_in_whatever_order_they_came() {
        let touches = [0, DAY, 2 * DAY, 3 * DAY];
        let (mut there, mut back) = (Heat::new(at(0)), Heat::new(at(0)));
        for i in 0..4 {
            there.touch(Mark::Success, at(touches[i]));
            back.touch(Mark::Success, at(touches[3 - i]));
        }
        let now = at(4 * DAY);
        let expected = 0.5 + 0.25 + 0.125 + 0.0625;
        assert!(near(there.strength(Mark::Success, now), expected));
        assert!(near(back.strength(Mark::Success, now), expected));
        assert_eq!(there.touches, 4);
    }

    #[test]
    fn a_clock_that_went_back_makes_no_trail_stronger_than_it_was() {
        let mut heat = Heat::new(at(0));
        heat.touch(Mark::Success, at(DAY));
        assert!(near(heat.strength(Mark::Success, at(0)), 1.0));
    }

    #[test]
    fn the_same_file_is_closest_and_neighbours_are_close() {
        assert!(near(closeness("src/a/x.rs", "src/a/x.rs"), 1.0));
        assert!(near(closeness("src/a/x.rs", "src/a/y.rs"), 0.5));
        assert!(near(closeness("src/a/x.rs", "src/b/y.rs"), 0.25));
        assert!(near(closeness("src/a/x.rs", "docs/y.md"), 0.0));
        assert!(near(closeness("x.rs", "y.rs"), 0.0));
    }

    #[test]
    fn a_time_is_written_naive_with_microseconds() {
        assert_eq!(naive(at(0)), "2023-11-14T22:13:20.000000");
    }
}
