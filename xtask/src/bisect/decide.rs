//! Whether two kernels can be told apart, and which of two ends a third one
//! is like; no I/O.

use super::state::Boot;
use crate::metrics::Better;
use crate::stats::{
    ALPHA, Found, Interval, difference, median, more_runs, paired_difference,
    paired_test, quantile, rank_test,
};

/// Good boots that say how fast the host is at the moment: with fewer their
/// median is too noisy, with more it is of another hour.
const RECENT: usize = 15;
/// A value that is further than this share of the gap from either end is
/// between both.
const NEAR: f64 = 0.25;

/// Fewer boots of each than this are not said to be the same: an interval of
/// so few is too narrow.
const LEAST_SAME: usize = 5;

/// How bad a crash is: worse than anything that is measured.
const CRASH: f64 = 1e300;

/// Whether it takes a crash to be this far apart.
fn crashed(value: f64) -> bool {
    value.abs() > CRASH / 4.0
}

/// What values mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// The metric, or the conditions.
    pub name: String,
    /// `ns`, `/s` or nothing.
    pub unit: String,
    /// Which way is better: the other one is looked for.
    pub better: Better,
    /// A smaller difference than this share does not count.
    pub margin: f64,
    /// How far seeds alone ever moved it, as a share; absent if a lot.
    pub floor: Option<f64>,
    /// Values are 0 or 1: whether a condition does not hold.
    pub condition: bool,
}

impl Scale {
    /// A boot as a number that is larger the worse it is; `None` if it says
    /// nothing.
    #[must_use]
    pub fn badness(&self, boot: &Boot) -> Option<f64> {
        match boot.value {
            Some(value) if self.better == Better::Higher => Some(-value),
            Some(value) => Some(value),
            None => boot.bad.then_some(CRASH),
        }
    }

    fn all(&self, boots: &[Boot]) -> Vec<f64> {
        boots.iter().filter_map(|boot| self.badness(boot)).collect()
    }
}

/// What two kernels are beside each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Apart {
    /// What the second is beside the first.
    pub is: Order,
    /// By how much of the first, worse being positive.
    pub share: Option<f64>,
    /// An interval of 95 % of that.
    pub interval: Option<[f64; 2]>,
    /// How likely such boots of the same kernel are; 0 of an exact difference.
    pub p: f64,
    /// So many more boots of each would probably tell.
    pub more: Option<usize>,
}

/// Which of two kernels is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The second.
    Worse,
    /// The first.
    Better,
    /// Neither by enough to count.
    Same,
    /// It cannot be told.
    Unknown,
}

/// Tells two kernels apart. Boots of deterministic machines go in pairs, by
/// their seeds.
#[must_use]
pub fn apart(scale: &Scale, old: &[Boot], new: &[Boot]) -> Apart {
    let paired = old.iter().chain(new).all(|boot| boot.seed.is_some());
    let pairs = pairs(scale, old, new);
    let (a, b) = match paired {
        true => pairs.iter().copied().unzip(),
        false => (scale.all(old), scale.all(new)),
    };
    let mut apart = Apart {
        is: Order::Unknown,
        share: None,
        interval: None,
        p: 1.0,
        more: None,
    };
    let (Some(before), Some(after)) = (median(&a), median(&b)) else {
        return apart;
    };
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
    let (shift, interval) = match paired {
        true => (median(&differences), paired_difference(&differences)),
        false => (Some(after - before), difference(&a, &b)),
    };
    let shift = shift.unwrap_or(0.0);
    apart.p = match paired {
        true => paired_test(&differences),
        false => rank_test(&a, &b),
    };
    let of = |value: f64| value / before.abs();
    let known = before != 0.0 && !scale.condition && !crashed(shift);
    if known {
        apart.share = Some(of(shift));
        apart.interval = interval
            .filter(|i| !crashed(i.low) && !crashed(i.high))
            .map(|i| [of(i.low), of(i.high)]);
    }
    let order = |shift: f64| match shift > 0.0 {
        true => Order::Worse,
        false => Order::Better,
    };
    let counts = shift != 0.0
        && (!known || apart.share.is_some_and(|s| s.abs() >= scale.margin));
    let exact = paired && {
        let floor = match scale.condition {
            true => Some(0.0),
            false => scale.floor.map(|f| f.max(scale.margin) * before.abs()),
        };
        floor.is_some_and(|floor| {
            differences.iter().all(|d| *d > floor)
                || differences.iter().all(|d| *d < -floor)
        })
    };
    if exact {
        apart.p = 0.0;
    }
    let least = scale.margin * before.abs();
    let same = match paired {
        true if scale.condition => false,
        true => scale
            .floor
            .is_some_and(|_| differences.iter().all(|d| d.abs() <= least)),
        false => {
            let within =
                apart.interval.map(|[low, high]| Interval { low, high });
            let within = within.is_some_and(|i| i.within(scale.margin));
            within && a.len().min(b.len()) >= LEAST_SAME
        }
    };
    if exact || (counts && apart.p < ALPHA) {
        apart.is = order(shift);
    } else if same {
        apart.is = Order::Same;
    } else {
        apart.more = more_runs(&Found {
            runs: a.len().min(b.len()),
            difference: if known { of(shift) } else { shift },
            interval: apart.interval.map(|[low, high]| Interval { low, high }),
            margin: if known { scale.margin } else { 0.0 },
            metrics: 1,
            paired,
        });
    }
    apart
}

/// Boots with the same seed.
fn pairs(scale: &Scale, old: &[Boot], new: &[Boot]) -> Vec<(f64, f64)> {
    let of = |boot: &Boot| {
        let other = new.iter().find(|other| other.seed == boot.seed)?;
        Some((scale.badness(boot)?, scale.badness(other)?))
    };
    old.iter().filter_map(of).collect()
}

/// What a boot with a seed is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Like {
    /// The bad end more than the good one.
    pub bad: bool,
    /// It is near to one of them.
    pub near: bool,
}

/// Which end a boot of a deterministic machine is like: those of the same
/// seed are compared. `None` if one of them says nothing.
#[must_use]
pub fn like(
    scale: &Scale,
    boot: &Boot,
    good: &[Boot],
    bad: &[Boot],
) -> Option<Like> {
    let of = |boots: &[Boot]| {
        let same = boots.iter().find(|other| other.seed == boot.seed)?;
        scale.badness(same)
    };
    let (value, good, bad) = (scale.badness(boot)?, of(good)?, of(bad)?);
    if crashed(value) || crashed(bad) {
        let bad = crashed(value);
        return Some(Like { bad, near: true });
    }
    let gap = bad - good;
    let at = (value - good) / gap;
    Some(Like {
        bad: at > 0.5,
        near: gap != 0.0 && !(NEAR..=1.0 - NEAR).contains(&at),
    })
}

/// Where good and bad part for boots that chance has a hand in: how bad a boot
/// is beside the good boots of the same hour.
#[derive(Debug, Clone)]
pub struct Threshold {
    /// Half of the difference, as a share of the good end or as it is.
    half: f64,
    relative: bool,
    /// Boots of the good end on the bad side, and all.
    wrong_good: (usize, usize),
    /// Boots of the bad end on the good side, and all.
    wrong_bad: (usize, usize),
}

impl Threshold {
    /// Between both ends, from the boots that told them apart. Later boots of
    /// the good end add to what is known of it.
    #[must_use]
    pub fn new(
        scale: &Scale,
        good: &[Boot],
        bad: &[Boot],
        told: usize,
    ) -> Self {
        let first = &good[..told.min(good.len())];
        let (of_good, of_bad) = (scale.all(first), scale.all(bad));
        let middle = median(&of_good).unwrap_or(0.0);
        let gap = median(&of_bad).unwrap_or(0.0) - middle;
        let relative = middle != 0.0 && !scale.condition && !crashed(gap);
        let half = match relative {
            _ if scale.condition => 0.5,
            true => gap / 2.0 / middle.abs(),
            false => gap / 2.0,
        };
        let mut threshold = Self {
            half,
            relative,
            wrong_good: (0, 0),
            wrong_bad: (0, 0),
        };
        let at = threshold.at(&of_good, scale);
        let count = |all: &[f64], bad: bool| {
            let wrong = all.iter().filter(|&&value| (value > at) == bad);
            (wrong.count(), all.len())
        };
        threshold.wrong_good = count(&of_good, true);
        threshold.wrong_bad = count(&of_bad, false);
        for boot in good.iter().skip(told) {
            let wrong = usize::from(boot.side == Some(true));
            threshold.wrong_good.0 += wrong;
            threshold.wrong_good.1 += usize::from(boot.side.is_some());
        }
        threshold
    }

    /// Whether a boot is on the bad side, beside the last good boots.
    #[must_use]
    pub fn side(
        &self,
        scale: &Scale,
        boot: &Boot,
        good: &[Boot],
    ) -> Option<bool> {
        let recent = scale.all(good);
        let recent = &recent[recent.len().saturating_sub(RECENT)..];
        Some(scale.badness(boot)? > self.at(recent, scale))
    }

    fn at(&self, good: &[f64], scale: &Scale) -> f64 {
        let middle = median(good).unwrap_or(0.0);
        match self.relative {
            _ if scale.condition => self.half,
            true => middle + self.half * middle.abs(),
            false => middle + self.half,
        }
    }

    /// How much more likely these boots are of a bad kernel than of a good
    /// one: the logarithm. `None` of no boots.
    #[must_use]
    pub fn likelihood(&self, boots: &[Boot]) -> Option<f64> {
        // Few boots that were all on their own side do not say that none ever
        // is on the other, and the threshold was made from the same boots.
        let rate = |(wrong, all): (usize, usize)| {
            (wrong as f64 + 2.0) / (all as f64 + 4.0)
        };
        let good = rate(self.wrong_good);
        let bad = rate(self.wrong_bad);
        let sides = boots.iter().filter_map(|boot| boot.side);
        let weights: Vec<f64> = sides
            .map(|side| match side {
                true => ((1.0 - bad) / good).ln(),
                false => (bad / (1.0 - good)).ln(),
            })
            .collect();
        (!weights.is_empty()).then(|| weights.iter().sum())
    }

    /// What share of the boots of each end is on its own side.
    #[must_use]
    pub fn separation(&self) -> [f64; 2] {
        [self.wrong_good, self.wrong_bad]
            .map(|(wrong, all)| 1.0 - wrong as f64 / all.max(1) as f64)
    }
}

/// The range of what boots measured, as it is shown: least, median, most.
#[must_use]
pub fn range(boots: &[Boot]) -> Option<[f64; 3]> {
    let values = boots.iter().filter_map(|boot| boot.value);
    let values: Vec<f64> = values.collect();
    Some([
        quantile(&values, 0.0)?,
        median(&values)?,
        quantile(&values, 1.0)?,
    ])
}
