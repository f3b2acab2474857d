//! Tests by ranks, and the intervals that belong to them. How a statistic is
//! distributed without a difference depends on the number of samples alone,
//! and is counted, not approximated, for as many as boots usually are.

use super::{Ratios, Shown, median};
use core::cell::RefCell;
use statrs::distribution::{ContinuousCDF, Normal};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Up to so many ratios of two sides all arrangements are counted; the normal
/// approximation is good to 0.0005 beyond.
const EXACT: usize = 2500;
/// The same for pairs.
const EXACT_PAIRS: usize = 100;

/// How a count of ratios above the true one is distributed.
#[derive(Debug, Clone)]
pub(super) struct Null {
    /// The most that can be counted.
    most: usize,
    how: How,
}

#[derive(Debug, Clone)]
enum How {
    /// How likely each count or a smaller one is.
    Counted(Vec<f64>),
    /// The standard deviation.
    Normal(f64),
}

thread_local! {
    /// What was counted before: simulations ask for the same again and again.
    static KNOWN: RefCell<BTreeMap<[usize; 2], Rc<Null>>> =
        const { RefCell::new(BTreeMap::new()) };
}

impl Null {
    fn known(of: [usize; 2], new: impl FnOnce() -> Self) -> Rc<Self> {
        KNOWN.with_borrow_mut(|known| {
            known.entry(of).or_insert_with(|| Rc::new(new())).clone()
        })
    }

    /// Of Mann and Whitney, for so many samples of either side.
    pub(super) fn rank_sum(a: usize, b: usize) -> Rc<Self> {
        Self::known([a, b], || Self::new_rank_sum(a, b))
    }

    /// Of Wilcoxon's signed ranks, for so many pairs.
    pub(super) fn signed_rank(pairs: usize) -> Rc<Self> {
        // No side is without samples.
        Self::known([pairs, 0], || Self::new_signed_rank(pairs))
    }

    fn new_rank_sum(a: usize, b: usize) -> Self {
        let most = a * b;
        if most > EXACT {
            let (a, b) = (a as f64, b as f64);
            let deviation = (a * b * (a + b + 1.0) / 12.0).sqrt();
            let how = How::Normal(deviation);
            return Self { most, how };
        }
        // Ways to choose so many ranks, by how many of the others are below
        // those chosen.
        let mut ways = vec![vec![0.0; most + 1]; a + 1];
        ways[0][0] = 1.0;
        for rank in 0..a + b {
            for chosen in (1..=a.min(rank + 1)).rev() {
                let below = rank + 1 - chosen;
                for count in (below..=most).rev() {
                    ways[chosen][count] += ways[chosen - 1][count - below];
                }
            }
        }
        Self::counted(most, ways[a].clone())
    }

    fn new_signed_rank(pairs: usize) -> Self {
        let most = pairs * (pairs + 1) / 2;
        if pairs > EXACT_PAIRS {
            let n = pairs as f64;
            let deviation = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
            let how = How::Normal(deviation);
            return Self { most, how };
        }
        let mut ways = vec![0.0; most + 1];
        ways[0] = 1.0;
        for rank in 1..=pairs {
            for sum in (rank..=most).rev() {
                ways[sum] += ways[sum - rank];
            }
        }
        Self::counted(most, ways)
    }

    fn counted(most: usize, ways: Vec<f64>) -> Self {
        let all: f64 = ways.iter().sum();
        let mut so_far = 0.0;
        let add = |ways: f64| {
            so_far += ways;
            so_far / all
        };
        let how = How::Counted(ways.into_iter().map(add).collect());
        Self { most, how }
    }

    /// How likely this count or a smaller one is.
    pub(super) fn at_most(&self, count: usize) -> f64 {
        match &self.how {
            How::Counted(all) => all.get(count).copied().unwrap_or(1.0),
            How::Normal(deviation) => {
                let off = count as f64 + 0.5 - self.most as f64 / 2.0;
                Normal::standard().cdf(off / deviation)
            }
        }
    }

    /// What ratios show. One that is open counts for neither side, and lies
    /// outside of the interval at both ends.
    pub(super) fn shown(
        &self,
        ratios: Ratios,
        (low, high): (f64, f64),
        level: f64,
    ) -> Shown {
        let Ratios {
            known: mut sorted,
            open,
        } = ratios;
        sorted.sort_unstable_by(f64::total_cmp);
        let above = sorted.iter().filter(|&&ratio| ratio > high).count();
        let below = sorted.iter().filter(|&&ratio| ratio < low).count();
        // As many as may be left out at each end.
        let mut out = 0;
        let mut step = self.most.next_power_of_two();
        while step > 0 {
            let more = out + step;
            if more < self.most / 2 && self.at_most(more) <= level / 2.0 {
                out = more;
            }
            step /= 2;
        }
        // The ends may be any of those that are open.
        let inner = out.checked_sub(open);
        let interval = inner.and_then(|at| {
            let coverage = (1.0 - 2.0 * self.at_most(out)).max(0.0);
            let last = sorted.len().checked_sub(at + 1)?;
            Some((*sorted.get(at)?, *sorted.get(last)?, Some(coverage)))
        });
        Shown {
            estimate: median(&sorted).filter(|_| open == 0),
            interval,
            above: self.at_most(self.most - above),
            below: self.at_most(self.most - below),
            least: (2.0 * self.at_most(0)).min(1.0),
            ..Shown::NOTHING
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Null;

    #[track_caller]
    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-4, "{found} for {expected}");
    }

    /// Mann and Whitney's table, and Wilcoxon's: the largest counts of which
    /// both sides together are below 0.05.
    #[test]
    fn the_tables_of_the_books() {
        for (a, b, count) in [(10, 10, 23), (5, 5, 2), (8, 4, 4), (20, 3, 8)] {
            let null = Null::rank_sum(a, b);
            assert!(2.0 * null.at_most(count) <= 0.05, "{a} {b}");
            assert!(2.0 * null.at_most(count + 1) > 0.05, "{a} {b}");
        }
        for (pairs, count) in [(6, 0), (8, 3), (10, 8), (25, 89)] {
            let null = Null::signed_rank(pairs);
            assert!(2.0 * null.at_most(count) <= 0.05, "{pairs}");
            assert!(2.0 * null.at_most(count + 1) > 0.05, "{pairs}");
        }
        near(Null::rank_sum(3, 20).at_most(0), 1.0 / 1771.0);
        near(Null::signed_rank(3).at_most(0), 1.0 / 8.0);
        near(Null::rank_sum(1, 1).at_most(0), 0.5);
    }

    /// Each choice of five of eleven ranks, and how often they are above one
    /// that is not chosen.
    #[test]
    fn every_arrangement_is_counted() {
        let mut counts = [0_u32; 31];
        for chosen in (0_u32..1 << 11).filter(|c| c.count_ones() == 5) {
            let is = |at: &u32| chosen >> at & 1 == 1;
            let above = |at: u32| (0..at).filter(|other| !is(other)).count();
            counts[(0..11).filter(is).map(above).sum::<usize>()] += 1;
        }
        let null = Null::rank_sum(5, 6);
        let mut so_far = 0;
        for (count, ways) in counts.into_iter().enumerate() {
            so_far += ways;
            let share = f64::from(so_far) / 462.0;
            assert!((null.at_most(count) - share).abs() < 1e-12, "{count}");
        }
    }

    #[test]
    fn the_approximation_goes_on_where_counting_ends() {
        let (counted, normal) =
            (Null::rank_sum(50, 50), Null::rank_sum(50, 51));
        for share in [0.3, 0.35, 0.4, 0.5] {
            let at = |null: &Null| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a share of a small number"
                )]
                let count = (null.most as f64 * share) as usize;
                null.at_most(count)
            };
            assert!((at(&counted) - at(&normal)).abs() < 2e-3, "{share}");
        }
        let (counted, normal) =
            (Null::signed_rank(100), Null::signed_rank(101));
        assert!((counted.at_most(1900) - normal.at_most(1938)).abs() < 2e-3);
    }
}
