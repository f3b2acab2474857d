//! Boots of a bisection as questions to the evidence; no I/O.

use super::state::Boot;
use crate::evidence::{
    End, Evidence, Failed, Likeness, Question, Samples, Threshold, ends, like,
    median, weigh_one,
};
use crate::metrics::Better;

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
    /// Values are 0 or 1: whether a condition does not hold.
    pub condition: bool,
}

impl Scale {
    /// The figure of a boot, where a crash that counts is worse than any; no
    /// figure if it says nothing.
    #[must_use]
    pub fn figure(&self, boot: &Boot) -> Option<f64> {
        match (boot.value, boot.bad, self.better) {
            (Some(value), _, _) => Some(value),
            (None, false, _) => None,
            (None, true, Better::Higher) => Some(0.0),
            (None, true, _) => Some(f64::INFINITY),
        }
    }

    /// The figures of all that say anything.
    #[must_use]
    pub fn figures(&self, boots: &[Boot]) -> Vec<f64> {
        boots.iter().filter_map(|boot| self.figure(boot)).collect()
    }

    /// What two kernels are beside each other, looked at so often. Boots of
    /// deterministic machines go in pairs, by their seeds.
    #[must_use]
    pub fn apart(&self, old: &[Boot], new: &[Boot], look: u32) -> Evidence {
        let all = || old.iter().chain(new);
        let seeded = all().all(|boot| boot.seed.is_some());
        let crash = |boot: &Boot| boot.value.is_none() && boot.bad;
        let samples = match () {
            () if self.condition => Samples::Failures {
                a: self.failed(old),
                b: self.failed(new),
            },
            // What the same seed does again is no accident.
            () if seeded && all().any(crash) => {
                let only = |these: &[Boot], others: &[Boot]| {
                    let crashed = these.iter().filter(|boot| crash(boot));
                    let measured = crashed.filter(|boot| {
                        let mut others = others.iter();
                        others.any(|b| b.seed == boot.seed && b.value.is_some())
                    });
                    measured.count() as u64
                };
                Samples::FailedSeeds {
                    only_a: only(old, new),
                    only_b: only(new, old),
                }
            }
            () if seeded => Samples::Seeds {
                pairs: self.pairs(old, new),
                steady: all()
                    .filter(|boot| boot.value.is_some())
                    .try_fold(0.0_f64, |most, boot| {
                        Some(most.max(boot.steady?))
                    }),
            },
            () => Samples::Boots {
                a: self.figures(old),
                b: self.figures(new),
            },
        };
        let question = Question {
            samples,
            better: self.better,
            margin: self.margin,
        };
        weigh_one(&question, look)
    }

    fn failed(&self, boots: &[Boot]) -> Failed {
        let figures = self.figures(boots);
        let failed = figures.iter().filter(|figure| **figure > 0.0);
        Failed {
            failed: failed.count() as u64,
            of: figures.len() as u64,
        }
    }

    /// Boots with the same seed.
    fn pairs(&self, old: &[Boot], new: &[Boot]) -> Vec<(f64, f64)> {
        let of = |boot: &Boot| {
            let other = new.iter().find(|other| other.seed == boot.seed)?;
            Some((self.figure(boot)?, self.figure(other)?))
        };
        old.iter().filter_map(of).collect()
    }

    /// Which end a boot of a deterministic machine is like, by those of the
    /// same seed. `None` if one of them says nothing.
    #[must_use]
    pub fn like(
        &self,
        boot: &Boot,
        good: &[Boot],
        bad: &[Boot],
    ) -> Option<Likeness> {
        let of = |boots: &[Boot]| {
            let same = boots.iter().find(|other| other.seed == boot.seed)?;
            self.figure(same)
        };
        like(self.figure(boot)?, of(good)?, of(bad)?)
    }

    /// Where good and bad part, from the boots that told the ends apart. Later
    /// ones of the good end add to what is known of it.
    #[must_use]
    pub fn threshold(
        &self,
        good: &[Boot],
        bad: &[Boot],
        told: usize,
    ) -> Threshold {
        let first =
            |boots: &[Boot]| self.figures(&boots[..told.min(boots.len())]);
        let (of_good, of_bad) = (first(good), first(bad));
        let mut threshold = match self.condition {
            true => Threshold::of_conditions(&of_good, &of_bad),
            false => Threshold::new(&of_good, &of_bad),
        };
        for side in good.iter().skip(told).filter_map(|boot| boot.side) {
            threshold.add_good(end(side));
        }
        threshold
    }

    /// Whether a boot is on the bad side, beside the last good ones.
    #[must_use]
    pub fn is_bad(
        &self,
        threshold: &Threshold,
        boot: &Boot,
        good: &[Boot],
    ) -> Option<bool> {
        let figure = self.figure(boot)?;
        Some(threshold.end(figure, &self.figures(good)) == End::Bad)
    }
}

/// The end that a boot was on the side of.
#[must_use]
pub fn end(is_bad: bool) -> End {
    if is_bad { End::Bad } else { End::Good }
}

/// The range of what boots measured, as it is shown: least, median, most.
#[must_use]
pub fn range(boots: &[Boot]) -> Option<[f64; 3]> {
    let values = boots.iter().filter_map(|boot| boot.value);
    let values: Vec<f64> = values.collect();
    let (least, most) = ends(&values)?;
    Some([least, median(&values)?, most])
}
