//! Random numbers of other shapes than flat, without floats.
//!
//! Logarithms are to base 2 with 16 binary places.

use pidone_compute::matrix::isqrt;

/// One, with 16 binary places.
const ONE: u64 = 1 << 16;

/// log2 of `x`, which is at least 1.
#[must_use]
pub fn log2(x: u64) -> u64 {
    let whole = x.max(1).ilog2();
    // The mantissa with 31 binary places, from 1 to below 2; each squaring
    // brings out one more bit of its logarithm.
    let mut m = (x.max(1) << (63 - whole)) >> 32;
    let mut log = u64::from(whole);
    for _ in 0..16 {
        m = (m * m) >> 31;
        let bit = m >> 32;
        m >>= bit;
        log = log << 1 | bit;
    }
    log
}

/// `n` times 2 to the power of `log`; at most `u64::MAX`.
#[must_use]
pub fn times_exp2(n: u64, log: u64) -> u64 {
    let mut product = u128::from(n);
    // 2, 2 to the 1/2, 1/4 … with 31 binary places.
    let mut root = 1_u64 << 32;
    for bit in (0..16).rev() {
        root = isqrt(root << 31);
        if log >> bit & 1 == 1 {
            product = (product * u128::from(root)) >> 31;
        }
    }
    let whole = u32::try_from(log >> 16).unwrap_or(u32::MAX);
    let room = product.leading_zeros();
    match whole < room {
        true => u64::try_from(product << whole).unwrap_or(u64::MAX),
        false => u64::MAX,
    }
}

/// A time to the next of events that come independently of one another,
/// `mean` apart on average. `random` is flat.
#[must_use]
pub fn exponential(mean: u64, random: u64) -> u64 {
    const LN_2: u128 = 45_426;
    let log = 32 * ONE - log2((random >> 32).max(1));
    let product = (u128::from(mean) * LN_2 * u128::from(log)) >> 32;
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// Times with a median, and above it the tail of a Pareto distribution.
#[derive(Debug, Clone, Copy)]
pub struct Tail {
    median: u64,
    /// The reciprocal of the tail's exponent.
    slope: u64,
    most: u64,
}

impl Tail {
    /// The tail through `median` and the 99th percentile, cut off at `most`;
    /// none if that percentile is not above the median.
    #[must_use]
    pub fn new(median: u64, p99: u64, most: u64) -> Self {
        // Of a Pareto tail, x is median * (0.5 / share above x)^slope.
        let slope = match p99 > median && median > 0 {
            true => (log2(p99) - log2(median)) * ONE / log2(50),
            false => 0,
        };
        Self {
            median,
            slope,
            most,
        }
    }

    /// One of them. `random` is flat.
    #[must_use]
    pub fn draw(&self, random: u64) -> u64 {
        let share = (random >> 32).max(1);
        if self.slope == 0 || share >= 1 << 31 {
            return self.median;
        }
        let log = (31 * ONE - log2(share)) * self.slope / ONE;
        times_exp2(self.median, log).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::{ONE, Tail, exponential, log2, times_exp2};
    use rand_core::{Rng, SeedableRng};
    use rand_xoshiro::SplitMix64;
    use std::vec::Vec;

    #[test]
    fn logarithms_and_powers_are_inverse() {
        assert_eq!((log2(1), log2(8)), (0, 3 * ONE));
        assert_eq!(log2(3), 103_872);
        assert_eq!(times_exp2(5, 3 * ONE), 40);
        assert_eq!(times_exp2(1, 64 * ONE), u64::MAX);
        for x in [3, 50, 1000, 123_456_789] {
            let back = times_exp2(1_000_000, log2(x));
            assert!(back.abs_diff(x * 1_000_000) < x * 100, "{x}: {back}");
        }
    }

    #[test]
    fn draws_have_their_mean_median_and_tail() {
        let mut random = SplitMix64::seed_from_u64(7);
        let n = 100_000;
        let sum: u64 =
            (0..n).map(|_| exponential(1000, random.next_u64())).sum();
        assert!((sum / n).abs_diff(1000) < 20, "{}", sum / n);
        let tail = Tail::new(100, 5000, 2_000_000);
        let mut all: Vec<_> =
            (0..n).map(|_| tail.draw(random.next_u64())).collect();
        all.sort_unstable();
        assert_eq!(all[10_000], 100);
        let p99 = all[99_000];
        assert!((4500..5500).contains(&p99), "{p99}");
        assert!(all[99_999] <= 2_000_000);
    }
}
