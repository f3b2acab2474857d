//! Which of two ends a third kernel is like, once both are known to differ.

use super::{level, median};
use statrs::distribution::{Binomial, DiscreteCDF};

/// A value that is further than this share of the gap from either end is
/// between both.
const NEAR: f64 = 0.25;
/// Good boots that say how fast the host is at the moment: with fewer their
/// median is too noisy, with more it is of another hour.
const RECENT: usize = 15;

/// One of two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The good one.
    Good,
    /// The bad one.
    Bad,
}

/// What a boot with a seed is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// This end more than the other.
    pub end: End,
    /// It is near to one of them.
    pub near: bool,
}

/// Which end a figure of a deterministic machine is like: those of the same
/// seed are compared. `None` if both ends are the same there, which says
/// nothing.
#[must_use]
pub fn like(value: f64, good: f64, bad: f64) -> Option<Likeness> {
    if good == bad {
        return None;
    }
    // Of ends of which one crashes, only a crash is like that one.
    let at = match () {
        () if bad.is_infinite() => f64::from(u8::from(value == bad)),
        () if good.is_infinite() => f64::from(u8::from(value != good)),
        () => (value - good) / (bad - good),
    };
    let end = match at > 0.5 {
        true => End::Bad,
        false => End::Good,
    };
    let near = !(NEAR..=1.0 - NEAR).contains(&at);
    Some(Likeness { end, near })
}

/// What most of several answers are, if so many tell: where each is exact,
/// most of them; else as many as a coin would not give. `None` if it cannot be
/// told.
#[must_use]
pub fn most(yes: u64, no: u64, exact: bool) -> Option<bool> {
    if exact {
        return (yes != no).then_some(yes > no);
    }
    let tells = |mine: u64| {
        let coin = Binomial::new(0.5, yes + no);
        mine > 0 && coin.is_ok_and(|coin| coin.sf(mine - 1) <= level(1))
    };
    match (tells(yes), tells(no)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Where good and bad part for boots that chance has a hand in: how bad a boot
/// is beside the good boots of the same hour.
#[derive(Debug, Clone)]
pub struct Threshold {
    /// What a boot is at the threshold: a factor of the good end, or a figure
    /// of its own where there is no such factor.
    at: At,
    /// Which side of it is bad.
    bad_above: bool,
    /// Boots of the good end on the bad side, and all.
    wrong_good: (usize, usize),
    /// Boots of the bad end on the good side, and all.
    wrong_bad: (usize, usize),
}

#[derive(Debug, Clone, Copy)]
enum At {
    Factor(f64),
    Figure(f64),
}

impl Threshold {
    /// Half way between both ends, from the boots that told them apart.
    #[must_use]
    pub fn new(good: &[f64], bad: &[f64]) -> Self {
        let (of_good, of_bad) =
            (median(good).unwrap_or(0.0), median(bad).unwrap_or(0.0));
        let factor = f64::midpoint(of_bad / of_good, 1.0);
        let at = match () {
            () if factor.is_finite() => At::Factor(factor),
            // Something that comes of nothing, or crashes.
            () if of_bad.is_finite() => At::Figure(of_bad / 2.0),
            () => At::Figure(f64::MAX),
        };
        Self::at(at, of_bad > of_good, good, bad)
    }

    /// Between figures of 0, where conditions hold, and of 1.
    #[must_use]
    pub fn of_conditions(good: &[f64], bad: &[f64]) -> Self {
        Self::at(At::Figure(0.5), true, good, bad)
    }

    fn at(at: At, bad_above: bool, good: &[f64], bad: &[f64]) -> Self {
        let mut threshold = Self {
            at,
            bad_above,
            wrong_good: (0, good.len()),
            wrong_bad: (0, bad.len()),
        };
        let on = |values: &[f64], end: End| {
            let sides = values.iter().map(|&v| threshold.end(v, good));
            sides.filter(|side| *side == end).count()
        };
        let wrong = (on(good, End::Bad), on(bad, End::Good));
        (threshold.wrong_good.0, threshold.wrong_bad.0) = wrong;
        threshold
    }

    /// Counts a later boot of the good end, as it was seen then.
    pub fn add_good(&mut self, end: End) {
        self.wrong_good.0 += usize::from(end == End::Bad);
        self.wrong_good.1 += 1;
    }

    /// Which side a boot is on, beside the last good boots.
    #[must_use]
    pub fn end(&self, value: f64, good: &[f64]) -> End {
        let recent = &good[good.len().saturating_sub(RECENT)..];
        let at = match self.at {
            At::Factor(factor) => factor * median(recent).unwrap_or(0.0),
            At::Figure(figure) => figure,
        };
        let is_bad = match self.bad_above {
            true => value > at,
            false => value < at,
        };
        if is_bad { End::Bad } else { End::Good }
    }

    /// How much more likely boots on these sides are of a bad kernel than of a
    /// good one: the logarithm. `None` of no boots.
    #[must_use]
    pub fn likelihood(&self, ends: &[End]) -> Option<f64> {
        // Few boots that were all on their own side do not say that none ever
        // is on the other, and the threshold was made from the same boots.
        let rate = |(wrong, all): (usize, usize)| {
            (wrong as f64 + 2.0) / (all as f64 + 4.0)
        };
        let (good, bad) = (rate(self.wrong_good), rate(self.wrong_bad));
        let weight = |end: &End| match end {
            End::Bad => ((1.0 - bad) / good).ln(),
            End::Good => (bad / (1.0 - good)).ln(),
        };
        (!ends.is_empty()).then(|| ends.iter().map(weight).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::{End, Likeness, like, most};

    #[test]
    fn a_boot_is_like_one_end_or_between() {
        let is = |end, near| Some(Likeness { end, near });
        assert_eq!(like(101.0, 100.0, 110.0), is(End::Good, true));
        assert_eq!(like(109.0, 100.0, 110.0), is(End::Bad, true));
        assert_eq!(like(96.0, 100.0, 90.0), is(End::Good, false));
        assert_eq!(like(94.0, 100.0, 90.0), is(End::Bad, false));
        // Without a gap nothing is like either.
        assert_eq!(like(100.0, 100.0, 100.0), None);
        assert_eq!(like(0.0, 0.0, 0.0), None);
        // A crash is like a crash, and all else is not.
        let crash = f64::INFINITY;
        assert_eq!(like(crash, 100.0, crash), is(End::Bad, true));
        assert_eq!(like(140.0, 100.0, crash), is(End::Good, true));
        assert_eq!(like(crash, crash, crash), None);
        assert_eq!(like(crash, 100.0, 110.0), is(End::Bad, true));
        assert_eq!(like(0.0, 100.0, 90.0), is(End::Bad, true));
        assert_eq!(like(120.0, 100.0, 90.0), is(End::Good, true));
    }

    #[test]
    fn most_of_a_few_is_no_more_than_a_coin_gives() {
        assert_eq!(most(1, 0, true), Some(true));
        assert_eq!(most(1, 2, true), Some(false));
        assert_eq!(most(1, 1, true), None);
        assert_eq!(most(1, 0, false), None);
        assert_eq!(most(4, 0, false), None);
        assert_eq!(most(5, 0, false), Some(true));
        assert_eq!(most(0, 5, false), Some(false));
        assert_eq!(most(5, 2, false), None);
        assert_eq!(most(0, 0, false), None);
    }
}
