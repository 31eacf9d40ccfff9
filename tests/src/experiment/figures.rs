//! What came of it: paired differences with their interval.

/// A mean with the bounds of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Interval {
    /// Of these values, by Student's distribution. Needs two values or more.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let n = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let reach = quantile(n - 1.0) * (squares / (n - 1.0) / n).sqrt();
        Self {
            mean,
            low: mean - reach,
            high: mean + reach,
        }
    }

    /// Whether it says that there is a difference.
    #[must_use]
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The 97.5 % quantile of Student's distribution (Cornish and Fisher's expansion; from three degrees
/// of freedom on it is off by less than a fiftieth).
fn quantile(freedom: f64) -> f64 {
    let z: f64 = 1.959_963_985;
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    let first = (z3 + z) / 4.0;
    let second = (5.0 * z5 + 16.0 * z3 + 3.0 * z) / 96.0;
    let third = (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / 384.0;
    z + first / freedom + second / freedom.powi(2) + third / freedom.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_the_one_of_the_tables() {
        // 39 degrees of freedom: 2.0227; 9: 2.2622; 3: 3.1824.
        for (freedom, wanted) in [(39.0, 2.0227), (9.0, 2.2622), (3.0, 3.1824)] {
            let off = (quantile(freedom) - wanted).abs();
            assert!(off < 0.07, "{freedom}: {}", quantile(freedom));
        }
        let seen = Interval::of(&[1.0, 2.0, 3.0, 4.0]);
        assert!(
            (seen.mean - 2.5).abs() < 1e-9 && seen.excludes_zero(),
            "{seen:?}"
        );
        assert!(!Interval::of(&[-1.0, 1.0, -1.0, 1.0]).excludes_zero());
    }
}
