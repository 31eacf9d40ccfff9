//! What the place of an attempt costs while it lasts, where that is known: counted from when the place began to be paid
//! for, by the second and for a minute at least, as AWS Fargate does it.

use jiff::Timestamp;
use sandbox_core::{Heartbeat, Usage, Usd};

/// The least that is paid for.
const LEAST: u64 = 60;
const HOUR: u64 = 3600;

/// What a place costs.
#[derive(Clone, Copy, Debug)]
pub struct Rent {
    /// Since when.
    pub since: Timestamp,
    /// What an hour costs.
    pub per_hour: Usd,
}

impl Rent {
    /// What it has cost up to this time.
    fn so_far(self, now: Timestamp) -> Usd {
        let seconds = now.duration_since(self.since).as_secs();
        let seconds = u64::try_from(seconds).unwrap_or_default().max(LEAST);
        Usd::from_micros(
            self.per_hour
                .micros()
                .saturating_mul(seconds)
                .div_ceil(HOUR),
        )
    }
}

/// What was used, the rent with it.
pub fn with_rent(usage: Usage, rent: Option<Rent>) -> Usage {
    let paid = rent.map(|rent| rent.so_far(Timestamp::now()));
    Usage {
        usd: usage.usd.plus(paid.unwrap_or_default()),
        ..usage
    }
}

/// What the work says now, the rent with it.
pub fn said_now(beat: &Heartbeat, rent: Option<Rent>) -> Heartbeat {
    Heartbeat {
        at: Timestamp::now(),
        usage: with_rent(beat.usage, rent),
        ..beat.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_paid_for_by_the_second_and_for_a_minute_at_least() {
        let rent = Rent {
            since: Timestamp::UNIX_EPOCH,
            per_hour: Usd::from_micros(36_000),
        };
        let after = |seconds| rent.so_far(Timestamp::from_second(seconds).unwrap_or_default());
        assert_eq!(after(1), after(60));
        assert_eq!(after(60).micros(), 600);
        assert_eq!(after(61).micros(), 610);
        assert_eq!(after(3600).micros(), 36_000);
        assert_eq!(
            after(-5),
            after(60),
            "a clock that goes wrong costs nothing more"
        );
    }

    #[test]
    fn without_a_rent_nothing_is_added() {
        let usage = Usage {
            usd: Usd::from_micros(7),
            ..Usage::default()
        };
        assert_eq!(with_rent(usage, None), usage);
    }
}
