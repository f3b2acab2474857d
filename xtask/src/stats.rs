//! Statistics for comparing a few boots with a few others.
//!
//! Nothing is assumed of how figures are distributed: medians, ranks and
//! resampling. Tests are exact for as many samples as boots usually give, ties
//! included. Whatever is drawn is drawn from a fixed seed, so that the same
//! figures always give the same answer.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use statrs::distribution::{ContinuousCDF, Normal};
use statrs::stats_tests::Alternative;
use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};
use std::collections::BTreeMap;

/// Below this, a difference is one.
pub const ALPHA: f64 = 0.05;
/// Samples that a bootstrap draws; its ends wander by less than a hundredth
/// of its width with the seed.
const DRAWS: usize = 4000;
/// Most samples of both sides together for which the rank test counts all
/// arrangements; the normal approximation is good to 0.001 above.
const EXACT: usize = 24;
/// Most pairs for which all signs are counted.
const EXACT_PAIRS: usize = 50;
/// How likely it is to be that as many runs as are asked for decide.
const POWER: f64 = 0.8;
/// More runs than this are not worth asking for.
pub const MOST_RUNS: usize = 1000;

/// The middle of the values; the mean of both where there are two. `None` of
/// none.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (&low, &high) = (
        sorted.get(sorted.len().checked_sub(1)? / 2)?,
        sorted.get(sorted.len() / 2)?,
    );
    Some(low + (high - low) / 2.0)
}

/// The value below which this share of the values is, between two of them in
/// proportion. `None` of none.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    // Within the values, so the conversion is exact.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the last index"
    )]
    let low = at as usize;
    let (&below, above) = (sorted.get(low)?, sorted.get(low + 1));
    let above = above.copied().unwrap_or(below);
    Some(below + (above - below) * at.fract())
}

/// Both ends of an interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// All of it is nearer to 0 than `margin`.
    #[must_use]
    pub fn within(&self, margin: f64) -> bool {
        self.low > -margin && self.high < margin
    }

    /// 0 is in it.
    #[must_use]
    pub fn holds_zero(&self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }
}

/// What the median of `b` is more than that of `a`, by resampling each.
/// `None` where a side has less than two values.
#[must_use]
pub fn difference(a: &[f64], b: &[f64]) -> Option<Interval> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let mut draw = Draw::new();
    bootstrap(|| Some(draw.median(b)? - draw.median(a)?))
}

/// The median of differences that come in pairs, by resampling the pairs.
/// `None` of less than two.
#[must_use]
pub fn paired_difference(differences: &[f64]) -> Option<Interval> {
    if differences.len() < 2 {
        return None;
    }
    let mut draw = Draw::new();
    bootstrap(|| draw.median(differences))
}

fn bootstrap(mut one: impl FnMut() -> Option<f64>) -> Option<Interval> {
    let drawn: Option<Vec<f64>> = (0..DRAWS).map(|_| one()).collect();
    let drawn = drawn?;
    Some(Interval {
        low: quantile(&drawn, 0.025)?,
        high: quantile(&drawn, 0.975)?,
    })
}

/// Draws with replacement.
struct Draw {
    random: Xoshiro256PlusPlus,
    room: Vec<f64>,
}

impl Draw {
    fn new() -> Self {
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(1),
            room: Vec::new(),
        }
    }

    /// The median of as many values as there are, drawn from them.
    fn median(&mut self, values: &[f64]) -> Option<f64> {
        self.room.clear();
        for _ in values {
            let wide = u128::from(self.random.next_u64());
            // Less than the length, since the number is less than 2^64.
            let at = (wide * values.len() as u128) >> 64;
            self.room.push(*values.get(usize::try_from(at).ok()?)?);
        }
        median(&self.room)
    }
}

/// The rank test of Mann and Whitney, two-sided: how likely ranks at least as
/// uneven are if both sides come from one distribution.
#[must_use]
pub fn rank_test(a: &[f64], b: &[f64]) -> f64 {
    let all = [a, b].concat();
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    if all.len() > EXACT {
        let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
        let tested = mannwhitneyu(a, b, method, Alternative::TwoSided);
        // Without any spread there is no test.
        return tested.map_or(1.0, |(_, p)| one_if_nan(p));
    }
    let ranks = twice_ranks(&all);
    let observed: u64 = ranks[..a.len()].iter().sum();
    // Ways to choose so many of the ranks, by their sum.
    let mut ways = vec![BTreeMap::from([(0_u64, 1.0)])];
    ways.resize(a.len() + 1, BTreeMap::new());
    for &rank in &ranks {
        for taken in (1..ways.len()).rev() {
            let with = ways[taken - 1].clone();
            for (sum, count) in with {
                *ways[taken].entry(sum + rank).or_insert(0.0) += count;
            }
        }
    }
    let total: u64 = ranks.iter().sum();
    // Times the number of ranks, to stay whole.
    let (n, taken) = (all.len() as u64, a.len() as u64);
    let off = |sum: u64| (sum * n).abs_diff(total * taken);
    share(&ways[a.len()], |sum| off(sum) >= off(observed))
}

/// The signed-rank test of Wilcoxon, two-sided: how likely signs at least as
/// uneven are if each pair might as well be the other way round. Pairs that
/// are equal do not count.
#[must_use]
pub fn paired_test(differences: &[f64]) -> f64 {
    let mut apart = differences.to_vec();
    apart.retain(|&difference| difference != 0.0);
    let sizes: Vec<f64> = apart.iter().map(|d| d.abs()).collect();
    let ranks = twice_ranks(&sizes);
    let total: u64 = ranks.iter().sum();
    let signed = ranks.iter().zip(&apart);
    let observed: u64 = signed.filter(|(_, d)| **d > 0.0).map(|s| s.0).sum();
    let off = |sum: u64| (2 * sum).abs_diff(total);
    if apart.len() > EXACT_PAIRS {
        let squares: f64 = ranks.iter().map(|&r| (r as f64).powi(2)).sum();
        let z = off(observed) as f64 / squares.sqrt();
        return (2.0 * Normal::standard().sf(z)).min(1.0);
    }
    let mut ways = BTreeMap::from([(0_u64, 1.0)]);
    for rank in ranks {
        for (sum, count) in ways.clone() {
            *ways.entry(sum + rank).or_insert(0.0) += count;
        }
    }
    share(&ways, |sum| off(sum) >= off(observed))
}

/// The share of the ways whose sum is like that.
fn share(ways: &BTreeMap<u64, f64>, like: impl Fn(u64) -> bool) -> f64 {
    let all: f64 = ways.values().sum();
    let like = ways.iter().filter(|(sum, _)| like(**sum));
    like.map(|(_, count)| count).sum::<f64>() / all
}

fn one_if_nan(p: f64) -> f64 {
    if p.is_nan() { 1.0 } else { p.min(1.0) }
}

/// Twice the rank of each value, from 1; equal ones share the mean of theirs.
fn twice_ranks(values: &[f64]) -> Vec<u64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        (2 * below + equal + 1) as u64
    };
    values.iter().map(rank).collect()
}

/// The correction of Holm: each likelihood, in the order given, such that all
/// of them below [`ALPHA`] are so by chance in at most that share of cases.
#[must_use]
pub fn corrected(likelihoods: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..likelihoods.len()).collect();
    order.sort_by(|&x, &y| likelihoods[x].total_cmp(&likelihoods[y]));
    let mut corrected = vec![1.0; likelihoods.len()];
    let mut least: f64 = 0.0;
    for (done, &at) in order.iter().enumerate() {
        let left = (likelihoods.len() - done) as f64;
        least = least.max(likelihoods[at] * left).min(1.0);
        corrected[at] = least;
    }
    corrected
}

/// What was found of a difference, for [`more_runs`].
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Runs on each side, or pairs.
    pub runs: usize,
    /// The difference.
    pub difference: f64,
    /// Its interval; absent if there are too few runs for one.
    pub interval: Option<Interval>,
    /// Less than this does not count.
    pub margin: f64,
    /// How many metrics are judged at once.
    pub metrics: usize,
    /// Runs come in pairs.
    pub paired: bool,
}

/// How many more runs on each side would probably decide whether there is a
/// difference, if what was found so far is typical. `None` if more than
/// [`MOST_RUNS`] would not.
#[must_use]
pub fn more_runs(found: &Found) -> Option<usize> {
    let alpha = ALPHA / found.metrics.max(1) as f64;
    let least = (1..MOST_RUNS)
        .find(|&runs| least_likelihood(runs, found.paired) <= alpha)?;
    let runs = found.runs as f64;
    // An interval is as narrow as the root of the number of runs is large.
    let grown = |by: f64| runs * by.powi(2);
    let all = match found.interval {
        Some(interval) => {
            let half = (interval.high - interval.low) / 2.0;
            let normal = Normal::standard();
            let sure = normal.inverse_cdf(1.0 - alpha / 2.0);
            let sure = (sure + normal.inverse_cdf(POWER)) / 1.96;
            let size = found.difference.abs();
            let differs = match size >= found.margin {
                true => grown(sure * half / size),
                false => f64::INFINITY,
            };
            let same = match size < found.margin {
                true => grown(half / (found.margin - size)),
                false => f64::INFINITY,
            };
            differs.min(same)
        }
        None => 0.0,
    };
    let all = all.ceil().max(least as f64).max(runs + 1.0);
    if all > MOST_RUNS as f64 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and MOST_RUNS"
    )]
    let all = all as usize;
    Some(all - found.runs)
}

/// The least that a test of so many runs a side, or pairs, can say.
#[must_use]
pub fn least_likelihood(runs: usize, paired: bool) -> f64 {
    let arrangements = match paired {
        true => 2.0_f64.powf(runs as f64),
        // 2n over n.
        false => (1..=runs).fold(1.0, |all, k| {
            let k = k as f64;
            all * (runs as f64 + k) / k
        }),
    };
    2.0 / arrangements
}

#[cfg(test)]
mod tests;
