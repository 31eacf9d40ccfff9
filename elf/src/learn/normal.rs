//! The bell curve, by pure functions that give the same bits everywhere the same program runs.

/// The share of a standard normal that is below `z`.
#[must_use]
pub fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// A draw from a standard normal (Box and Muller); the same for the same seed.
#[must_use]
pub fn draw(seed: u64) -> f64 {
    let (first, second) = (uniform(mixed(seed)), uniform(mixed(!seed)));
    libm::sqrt(-2.0 * libm::log(first)) * libm::cos(std::f64::consts::TAU * second)
}

/// A number above 0 and at most 1, of 53 bits.
#[must_use]
pub fn uniform(bits: u64) -> f64 {
    let high = u32::try_from(bits >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from((bits >> 11) & 0x001f_ffff).unwrap_or(u32::MAX);
    (f64::from(high) * 2_097_152.0 + f64::from(low) + 1.0) / 9_007_199_254_740_992.0
}

/// Spreads neighbouring numbers (the finaliser of `SplitMix64`).
#[must_use]
#[inline]
pub const fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
