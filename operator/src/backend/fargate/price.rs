//! What an hour of a task costs. Pure.
//!
//! Source: the price list of AWS Fargate for Linux on x86 in us-east-1, as of 2026. Other regions and processors have
//! other prices, and Spot has one that moves: the operator's settings go before these.

use sandbox_core::Usd;

use super::size::Size;

/// GiB of disk that are there without a price.
const FREE_DISK: u32 = 20;

/// What an hour costs, in millionths of a dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Of one processor.
    pub processor: Usd,
    /// Of a GiB of memory.
    pub memory: Usd,
    /// Of a GiB of disk beyond the first twenty.
    pub disk: Usd,
    /// What Spot costs of the price on demand, in hundredths. What is not known is not guessed: 100 unless told.
    pub spot_percent: u32,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            processor: Usd::from_micros(40_480),
            memory: Usd::from_micros(4_445),
            disk: Usd::from_micros(111),
            spot_percent: 100,
        }
    }
}

impl Prices {
    /// What an hour of a task of this size costs.
    pub(super) fn hour(&self, size: Size, disk: Option<u32>, spot: bool) -> Usd {
        let part = |price: Usd, amount: u64, whole: u64| {
            (price.micros().saturating_mul(amount)).div_ceil(whole)
        };
        let beyond = disk.unwrap_or_default().saturating_sub(FREE_DISK);
        let sum = part(self.processor, size.cpu_units.into(), 1024)
            + part(self.memory, size.memory_mib.into(), 1024)
            + part(self.disk, beyond.into(), 1);
        let percent = if spot { self.spot_percent } else { 100 };
        Usd::from_micros((sum * u64::from(percent)).div_ceil(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_AND_FOUR: Size = Size {
        cpu_units: 1024,
        memory_mib: 4096,
    };

    #[test]
    fn an_hour_costs_its_processors_its_memory_and_its_disk_beyond_twenty() {
        let prices = Prices::default();
        let hour = |disk| prices.hour(ONE_AND_FOUR, disk, false).to_string();
        assert_eq!(hour(None), "0.05826");
        assert_eq!(hour(Some(20)), "0.05826");
        assert_eq!(hour(Some(120)), "0.06936");
    }

    #[test]
    fn spot_counts_in_full_unless_its_share_is_known() {
        let mut prices = Prices::default();
        assert_eq!(
            prices.hour(ONE_AND_FOUR, None, true),
            prices.hour(ONE_AND_FOUR, None, false)
        );
        prices.spot_percent = 30;
        assert_eq!(
            prices.hour(ONE_AND_FOUR, None, true).to_string(),
            "0.017478"
        );
    }
}
