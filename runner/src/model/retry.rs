//! Whether a call is tried again in this place, and after which pause. Pure.

use std::time::Duration;

use super::trouble::Trouble;

/// How a client paces its tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Most tries in all.
    pub(super) tries: u32,
    /// The first pause; each further one doubles.
    pub(super) first: Duration,
    /// The longest pause in place. Who is told to wait longer gives the seat back instead, so that
    /// another job may use it.
    pub(super) longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            tries: 5,
            first: Duration::from_millis(500),
            longest: Duration::from_mins(1),
        }
    }
}

impl Pace {
    /// The pause before the next try, if there is one: `tries` have been made, `left` is the time
    /// until the deadline, `draw` a random number from 0 to 1.
    pub(super) fn next(
        &self,
        trouble: &Trouble,
        tries: u32,
        left: Duration,
        draw: f64,
    ) -> Option<Duration> {
        if tries >= self.tries || !trouble.may_pass() {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << (tries - 1).min(16));
        let own = doubled.min(self.longest).mul_f64(0.5 + draw / 2.0);
        let pause = own.max(trouble.retry_after().unwrap_or_default());
        (pause <= self.longest && pause < left).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::trouble::tests::refused;

    const HOUR: Duration = Duration::from_hours(1);

    fn next(status: u16, after: Option<u64>, tries: u32, left: Duration) -> Option<Duration> {
        let trouble = refused(status, after.map(Duration::from_secs));
        Pace::default().next(&trouble, tries, left, 1.0)
    }

    #[test]
    fn pauses_double_until_the_tries_are_used_up() {
        let pauses: Vec<_> = (1..=5).map(|n| next(529, None, n, HOUR)).collect();
        let millis = |n| Some(Duration::from_millis(n));
        assert_eq!(
            pauses,
            [millis(500), millis(1000), millis(2000), millis(4000), None]
        );
    }

    #[test]
    fn chance_shortens_a_pause_by_half_at_most() {
        let pause = Pace::default().next(&refused(500, None), 1, HOUR, 0.0);
        assert_eq!(pause, Some(Duration::from_millis(250)));
    }

    #[test]
    fn what_the_other_side_asks_for_is_waited() {
        assert_eq!(next(429, Some(7), 1, HOUR), Some(Duration::from_secs(7)));
        assert_eq!(
            next(429, Some(0), 1, HOUR),
            Some(Duration::from_millis(500))
        );
    }

    #[test]
    fn nobody_waits_long_in_place_or_beyond_the_deadline() {
        assert_eq!(next(429, Some(61), 1, HOUR), None);
        assert_eq!(next(429, Some(7), 1, Duration::from_secs(7)), None);
    }

    #[test]
    fn a_definite_refusal_is_final() {
        for status in [400, 401, 403, 404, 413, 302] {
            assert_eq!(next(status, None, 1, HOUR), None, "{status}");
        }
    }
}
