//! What boots of two kernels say of a figure: that B is worse, better or the
//! same, or nothing yet. Everything that judges asks here; no I/O.
//!
//! The effect is a ratio: B's figures are A's times some factor. Nothing else
//! is assumed of how they are distributed, so that an interval by ranks covers
//! the factor exactly as often as it says, however few the samples are. What
//! so few cannot attain is not claimed: the coverage that they have stands
//! beside the interval, and the verdict is open.
//!
//! A verdict says where the whole interval lies: beyond the margin (worse,
//! better), within it (same), or on the good side of it (no worse). Several
//! figures that are judged together are a family, whose likelihoods are
//! corrected after Holm; figures that no outcome of so few boots could decide
//! do not count there (Tarone). Looking again after more boots is paid for by
//! [`level`]. [`page`] simulates how often all this is wrong.

mod ends;
mod family;
mod page;
mod ranks;

pub use ends::{End, Likeness, Threshold, like, most};
pub use family::{ALPHA, MOST_BOOTS, level};
pub use page::{TIMES, page};

use crate::metrics::Better;
use core::fmt;
use ranks::Null;
use serde::{Serialize, Serializer};
use statrs::distribution::{
    Binomial, ContinuousCDF, DiscreteCDF, Hypergeometric, StudentsT,
};

/// What became of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No difference that counts.
    Same,
    /// B is better by more than the margin.
    Better,
    /// Same or better; which of them is open.
    NoWorse,
    /// B differs by more than the margin, and neither way is better.
    Differs,
    /// It cannot be told.
    Unknown,
    /// B is worse by more than the margin.
    Worse,
}

impl Verdict {
    /// Surely not worse by more than the margin.
    #[must_use]
    pub fn no_worse(self) -> bool {
        matches!(self, Self::Same | Self::Better | Self::NoWorse)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Differs => "differs",
            Self::Same => "same",
            Self::NoWorse => "no worse",
            Self::Unknown => "undecided",
        })
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            // The name that programs know.
            Self::Unknown => to.serialize_str("unknown"),
            known => to.collect_str(known),
        }
    }
}

/// How many boots failed, of those that say anything of their kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failed {
    /// So many.
    pub failed: u64,
    /// Of so many.
    pub of: u64,
}

/// What was measured of A and of B. Figures are 0 or more, and infinite where
/// a crash is to count as worse than any figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Boots that have nothing to do with each other.
    Boots {
        /// A's figures.
        a: Vec<f64>,
        /// B's.
        b: Vec<f64>,
    },
    /// Deterministic machines: A's figure and B's with the same seed.
    Seeds {
        /// Both, seed by seed.
        pairs: Vec<(f64, f64)>,
        /// The range over seeds, as a share, which the figure was never seen
        /// to leave where the scheduler has no choice of CPU; absent if it has
        /// or if the figure depends on more.
        steady: Option<f64>,
    },
    /// Boots that failed.
    Failures {
        /// A's.
        a: Failed,
        /// B's.
        b: Failed,
    },
    /// Seeds that fail on one side alone: no accident of a host, as the same
    /// seed fails again.
    FailedSeeds {
        /// On A.
        only_a: u64,
        /// On B.
        only_b: u64,
    },
}

/// A figure to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What was measured of it.
    pub samples: Samples,
    /// Which way is better; of failures, fewer are.
    pub better: Better,
    /// The smallest share of A that counts as a difference.
    pub margin: f64,
}

/// Where the factor lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end, as a share of A: -0.01 is 1 % less.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How often such an interval covers the factor; absent where it rests on
    /// how far seeds are known to move the figure.
    pub coverage: Option<f64>,
}

/// What samples say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// In a word.
    pub verdict: Verdict,
    /// What B is more than A, as a share of A; absent where A is 0, or the
    /// failures of a share of the boots: then the difference of both shares.
    pub estimate: Option<f64>,
    /// Its interval; absent where there is none worth the name.
    pub interval: Option<Interval>,
    /// How likely samples so far apart are if no difference counts.
    pub p: f64,
    /// The same, corrected for the other questions and for earlier looks: a
    /// difference is one from [`ALPHA`] down.
    pub p_corrected: f64,
    /// How many more boots of each side, or seeds, would probably decide; 0 if
    /// it is decided, absent if no reasonable number would.
    pub more: Option<usize>,
    /// It rests on machines that repeat themselves, and on no likelihood.
    pub exact: bool,
}

impl Evidence {
    /// Of sides whose every record is the same, to the bit.
    #[must_use]
    pub fn identical() -> Self {
        Self {
            verdict: Verdict::Same,
            estimate: Some(0.0),
            interval: None,
            p: 1.0,
            p_corrected: 1.0,
            more: Some(0),
            exact: true,
        }
    }
}

/// What samples show before others are beside them, in logarithms of the
/// factor.
#[derive(Debug, Clone, Copy)]
struct Shown {
    estimate: Option<f64>,
    /// Ends and coverage.
    interval: Option<(f64, f64, Option<f64>)>,
    /// How likely it is to see so much above the margin if B is not.
    above: f64,
    /// And so much below.
    below: f64,
    /// The least that any outcome of so many samples could give for `p`.
    least: f64,
    /// What both sides have at least, or how many pairs there are.
    boots: usize,
    /// Standard deviation of one sample, or of a pair's difference.
    deviation: Option<f64>,
    /// Nothing of it is left to chance.
    exact: bool,
}

impl Shown {
    const NOTHING: Self = Self {
        estimate: None,
        interval: None,
        above: 1.0,
        below: 1.0,
        least: 1.0,
        boots: 0,
        deviation: None,
        exact: false,
    };
}

/// Less coverage than this is not worth an interval.
const LEAST_COVERAGE: f64 = 0.5;
/// From so many seeds on, Student's t is used of figures that hardly move:
/// with two, figures that have two humps defeat it.
const LEAST_SEEDS: usize = 3;

/// Judges a family of questions at once, on the given look at them: 1, or
/// more if there were looks at fewer of these boots before.
#[must_use]
pub fn weigh(questions: &[Question], look: u32) -> Vec<Evidence> {
    let level = level(look);
    let shown: Vec<Shown> =
        questions.iter().map(|one| show(one, level)).collect();
    let p: Vec<f64> = questions
        .iter()
        .zip(&shown)
        .map(|(question, shown)| likelihood(question, shown))
        .collect();
    let least: Vec<f64> = shown.iter().map(|shown| shown.least).collect();
    let (corrected, tested) = family::corrected(&p, &least, level);
    let all = questions.iter().zip(&shown).zip(p.iter().zip(corrected));
    all.map(|((question, shown), (&p, corrected))| {
        let verdict = decide(question, shown, corrected <= level, level);
        let more = match verdict {
            Verdict::Unknown => family::more(question, shown, look, tested),
            _ => Some(0),
        };
        let share = |log: f64| match question.samples {
            Samples::Boots { .. } | Samples::Seeds { .. } => log.exp_m1(),
            _ => log,
        };
        let interval = shown.interval.filter(|(low, high, coverage)| {
            share(*low).is_finite()
                && share(*high).is_finite()
                && coverage.is_none_or(|c| c >= LEAST_COVERAGE)
        });
        Evidence {
            verdict,
            estimate: shown.estimate.map(share).filter(|e| e.is_finite()),
            interval: interval.map(|(low, high, coverage)| Interval {
                low: share(low),
                high: share(high),
                coverage,
            }),
            p,
            p_corrected: (corrected * ALPHA / level).min(1.0),
            more,
            exact: shown.exact && verdict != Verdict::Unknown,
        }
    })
    .collect()
}

/// Judges one question alone.
#[must_use]
pub fn weigh_one(question: &Question, look: u32) -> Evidence {
    let mut all = weigh(core::slice::from_ref(question), look);
    all.remove(0)
}

/// The margin in logarithms: what is between does not count.
fn band(margin: f64) -> (f64, f64) {
    ((1.0 - margin).max(0.0).ln(), margin.ln_1p())
}

fn show(question: &Question, level: f64) -> Shown {
    let band = band(question.margin);
    match &question.samples {
        Samples::Boots { a, b } => boots(&figures(a), &figures(b), band, level),
        Samples::Seeds { pairs, steady } => {
            let of = |pair: &&(f64, f64)| figure(pair.0) && figure(pair.1);
            let pairs: Vec<_> = pairs.iter().filter(of).copied().collect();
            seeds(&pairs, *steady, band, level)
        }
        Samples::Failures { a, b } => failures(*a, *b),
        Samples::FailedSeeds { only_a, only_b } => {
            failed_seeds(*only_a, *only_b)
        }
    }
}

fn figure(value: f64) -> bool {
    value >= 0.0
}

fn figures(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|&v| figure(v)).collect()
}

/// Factors by their logarithms.
#[derive(Debug, Clone, Default)]
struct Ratios {
    known: Vec<f64>,
    /// Those that may be anything: of two zeros, of two crashes.
    open: usize,
}

impl Ratios {
    fn add(&mut self, ratio: f64) {
        match ratio.is_nan() {
            true => self.open += 1,
            false => self.known.push(ratio),
        }
    }
}

/// By the ratios of each of B's figures to each of A's: the test of Mann and
/// Whitney, and the interval and estimate of Hodges and Lehmann that belong
/// to it.
fn boots(a: &[f64], b: &[f64], band: (f64, f64), level: f64) -> Shown {
    if a.is_empty() || b.is_empty() {
        return Shown::NOTHING;
    }
    let logs = |values: &[f64]| -> Vec<f64> {
        values.iter().map(|value| value.ln()).collect()
    };
    let constant = a.iter().chain(b).all(|value| *value == a[0]);
    let (of_a, of_b) = (logs(a), logs(b));
    let mut ratios = Ratios::default();
    for a in &of_a {
        for b in &of_b {
            ratios.add(if constant { 0.0 } else { b - a });
        }
    }
    let deviation = match [deviation(&of_a), deviation(&of_b)] {
        [Some(a), Some(b)] => Some(((a * a + b * b) / 2.0).sqrt()),
        [one, other] => one.or(other),
    };
    Shown {
        boots: a.len().min(b.len()),
        deviation,
        ..Null::rank_sum(a.len(), b.len()).shown(ratios, band, level)
    }
}

/// By the ratios of pairs: Wilcoxon's signed ranks, which hold for whatever is
/// as likely to be off one way as the other, as the difference of two boots
/// is; and for figures that seeds hardly move, by how far they do.
fn seeds(
    pairs: &[(f64, f64)],
    steady: Option<f64>,
    band: (f64, f64),
    level: f64,
) -> Shown {
    if pairs.is_empty() {
        return Shown::NOTHING;
    }
    let equal = pairs.iter().all(|(a, b)| a == b);
    let log = |&(a, b): &(f64, f64)| match equal {
        true => 0.0,
        false => b.ln() - a.ln(),
    };
    let logs: Vec<f64> = pairs.iter().map(log).collect();
    let known = steady.and_then(|range| by_range(&logs, range, band, level));
    let shown = known.unwrap_or_else(|| {
        // Means of each two differences, and of each with itself.
        let mut means = Ratios::default();
        for (at, x) in logs.iter().enumerate() {
            for y in &logs[at..] {
                means.add((x + y) / 2.0);
            }
        }
        Null::signed_rank(logs.len()).shown(means, band, level)
    });
    Shown {
        boots: pairs.len(),
        deviation: deviation(&logs),
        ..shown
    }
}

/// Each difference is off by at most the range over seeds; from three seeds
/// on, Student's t tells more of what moves so little. `None` if they range
/// over more than is known of them, or if there is no such difference.
fn by_range(
    logs: &[f64],
    steady: f64,
    (low, high): (f64, f64),
    level: f64,
) -> Option<Shown> {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = logs.iter().copied().fold(f64::INFINITY, f64::min);
    let reach = steady.ln_1p();
    // As it is for figures of nothing and for crashes.
    if (most - least).is_nan() || most - least > reach {
        return None;
    }
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    let (mut ends, mut coverage) = ((most - reach, least + reach), None);
    let (mut above, mut below, mut possible) = (1.0, 1.0, 1.0_f64);
    if logs.len() >= LEAST_SEEDS
        && let Some(deviation) = deviation(logs)
        && let Ok(t) = StudentsT::new(0.0, 1.0, (logs.len() - 1) as f64)
    {
        let error = deviation / (logs.len() as f64).sqrt();
        let half = t.inverse_cdf(1.0 - level / 2.0) * error;
        ends = (ends.0.max(mean - half), ends.1.min(mean + half));
        coverage = Some(1.0 - level);
        let likely = |beyond: f64| match error > 0.0 {
            true => t.sf(beyond / error),
            false => f64::from(u8::from(beyond <= 0.0)),
        };
        (above, below) = (likely(mean - high), likely(low - mean));
        possible = 0.0;
    }
    if most - reach > high {
        above = 0.0;
    }
    if least + reach < low {
        below = 0.0;
    }
    Some(Shown {
        estimate: Some(mean),
        interval: Some((ends.0, ends.1, coverage)),
        above,
        below,
        least: possible.min(above).min(below),
        exact: true,
        ..Shown::NOTHING
    })
}

/// Fisher's exact test, each way by itself.
fn failures(a: Failed, b: Failed) -> Shown {
    let (failed, of) = (a.failed + b.failed, a.of + b.of);
    let Ok(drawn) = Hypergeometric::new(of, failed, b.of) else {
        return Shown::NOTHING;
    };
    if a.of == 0 || b.of == 0 {
        return Shown::NOTHING;
    }
    let at_least = |count: u64| match count {
        0 => 1.0,
        count => drawn.sf(count - 1).clamp(0.0, 1.0),
    };
    let at_most = |count: u64| drawn.cdf(count).clamp(0.0, 1.0);
    let most = failed.min(b.of);
    let least = failed.saturating_sub(a.of);
    let share = |side: Failed| side.failed as f64 / side.of as f64;
    Shown {
        estimate: Some(share(b) - share(a)),
        above: at_least(b.failed),
        below: at_most(b.failed),
        least: at_least(most).min(at_most(least)),
        boots: usize::try_from(a.of.min(b.of)).unwrap_or(usize::MAX),
        ..Shown::NOTHING
    }
}

/// What fails on one side alone is a fact; what fails on either side now and
/// then is a matter of signs.
fn failed_seeds(only_a: u64, only_b: u64) -> Shown {
    let all = only_a + only_b;
    let Ok(signs) = Binomial::new(0.5, all) else {
        return Shown::NOTHING;
    };
    let at_least = |count: u64| match count {
        0 => 1.0,
        count => signs.sf(count - 1).clamp(0.0, 1.0),
    };
    let fact = |mine: u64, other: u64| match (mine, other) {
        (1.., 0) => 0.0,
        _ => at_least(mine),
    };
    Shown {
        above: fact(only_b, only_a),
        below: fact(only_a, only_b),
        least: if all > 0 { 0.0 } else { 1.0 },
        exact: only_a == 0 || only_b == 0,
        boots: usize::try_from(all).unwrap_or(usize::MAX),
        ..Shown::NOTHING
    }
}

/// Two-sided for figures. Failures are asked each way by itself: that more of
/// them is worse is known before.
fn likelihood(question: &Question, shown: &Shown) -> f64 {
    let p = shown.above.min(shown.below);
    match question.samples {
        Samples::Boots { .. } | Samples::Seeds { .. } => (2.0 * p).min(1.0),
        Samples::Failures { .. } | Samples::FailedSeeds { .. } => p,
    }
}

fn decide(
    question: &Question,
    shown: &Shown,
    significant: bool,
    level: f64,
) -> Verdict {
    let more = shown.above < shown.below;
    match question.samples {
        Samples::Boots { .. } | Samples::Seeds { .. } => {}
        Samples::Failures { a, b } => {
            return match () {
                () if significant && more => Verdict::Worse,
                () if significant => Verdict::Better,
                () if a.of > 0 && b.of > 0 && b.failed == 0 => Verdict::Same,
                () => Verdict::Unknown,
            };
        }
        Samples::FailedSeeds { only_b, .. } => {
            return match () {
                () if significant && more => Verdict::Worse,
                () if significant => Verdict::Better,
                () if only_b == 0 => Verdict::Same,
                () => Verdict::Unknown,
            };
        }
    }
    if significant {
        return match (question.better, more) {
            (Better::Neither, _) => Verdict::Differs,
            (Better::Higher, true) | (Better::Lower, false) => Verdict::Better,
            (Better::Higher, false) | (Better::Lower, true) => Verdict::Worse,
        };
    }
    let (low, high) = band(question.margin);
    // Of a coverage as it was asked for, but for rounding.
    let sure = |coverage: f64| coverage >= 1.0 - level - 1e-9;
    let sure = shown.interval.filter(|i| i.2.is_none_or(sure));
    let Some((least, most, _)) = sure else {
        return Verdict::Unknown;
    };
    match question.better {
        _ if least >= low && most <= high => Verdict::Same,
        Better::Higher if least >= low => Verdict::NoWorse,
        Better::Lower if most <= high => Verdict::NoWorse,
        _ => Verdict::Unknown,
    }
}

/// The standard deviation; `None` of less than two values, and where one is
/// infinite.
fn deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 || !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    Some((squares.sum::<f64>() / (n - 1.0)).sqrt())
}

/// The middle of the values; the mean of both where there are two. `None` of
/// none.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let low = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    let high = *sorted.get(sorted.len() / 2)?;
    // Two infinite ones are no number apart.
    Some(if low == high {
        low
    } else {
        f64::midpoint(low, high)
    })
}

/// The least and the largest value; `None` of none.
#[must_use]
pub fn ends(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let most = values.iter().copied().max_by(f64::total_cmp)?;
    Some((least, most))
}

#[cfg(test)]
mod tests;
