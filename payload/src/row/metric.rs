//! Figures of a work type's own, and what they are made of.

use crate::kit::clock::SECOND;
use crate::kit::slot::{MAX_METRICS, Slot};
use crate::kit::task::Counter;
use crate::row::doc::{Doc, doc};
use crate::row::param::{Work, place};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A figure of its own that a work type reports for a group.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its index in the row's `metrics`.
    pub index: u8,
    /// Name in JSON.
    pub name: &'static str,
    /// How it comes about.
    pub how: How,
    /// What it counts.
    pub meaning: Doc,
}

/// How the figure of a group comes about.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// The sum over the workers of what `Ctx::metric` added.
    Sum,
    /// The largest of what `Ctx::metric_max` gave.
    Max,
    /// The sum over the instances of a guarded counter.
    Gauge(usize),
    /// A figure made of the others; absent where the run, or the part of
    /// it, does not tell.
    Derived(fn(&Totals<'_>) -> Option<u64>),
}

impl Metric {
    /// Its place among those of its row.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.index as usize
    }

    /// A sum over the workers.
    #[must_use]
    pub const fn sum(
        index: usize,
        name: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self::new(index, name, How::Sum, meaning)
    }

    /// Deadlines that a periodic loop left out.
    #[must_use]
    pub const fn overruns(index: usize) -> Self {
        const MEANING: &str = "deadlines left out, for they had passed";
        Self::sum(index, "overruns", MEANING)
    }

    /// The largest of all workers'.
    #[must_use]
    pub const fn max(
        index: usize,
        name: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self::new(index, name, How::Max, meaning)
    }

    /// A figure made of the others.
    #[must_use]
    pub const fn derived(
        index: usize,
        name: &'static str,
        from: fn(&Totals<'_>) -> Option<u64>,
        meaning: &'static str,
    ) -> Self {
        Self::new(index, name, How::Derived(from), meaning)
    }

    /// Any kind.
    #[must_use]
    pub const fn new(
        index: usize,
        name: &'static str,
        how: How,
        meaning: &'static str,
    ) -> Self {
        Self {
            index: place(index),
            name,
            how,
            meaning: doc(meaning),
        }
    }
}

/// What a group counted, for figures that are made of it.
#[derive(Debug)]
pub struct Totals<'r> {
    /// The work type and its parameters.
    pub work: &'r Work<'r>,
    /// Iterations.
    pub iterations: u64,
    /// Length of the part of the run, in ns; absent for a whole run, where
    /// every task has a window of its own.
    pub part_ns: Option<u64>,
    /// Sums of the type's figures over the workers.
    pub sums: [u64; MAX_METRICS],
    /// Slots of all tasks, those of each worker together.
    pub slots: &'r [Slot],
    /// Tasks per worker.
    pub lanes: u32,
}

impl<'r> Totals<'r> {
    /// The sum of one of the type's figures.
    #[must_use]
    pub fn sum(&self, metric: &Metric) -> u64 {
        self.sums[metric.at()]
    }

    /// One of the type's figures per second of wall time.
    #[must_use]
    pub fn per_second(&self, metric: &Metric) -> u64 {
        self.rate(self.sum(metric), |slot| &slot.metrics[metric.at()])
    }

    /// Iterations per second of wall time.
    #[must_use]
    pub fn iterations_per_second(&self) -> u64 {
        self.rate(self.iterations, |slot| &slot.iterations)
    }

    fn rate(&self, sum: u64, of: impl Fn(&Slot) -> &AtomicU64) -> u64 {
        if let Some(part_ns) = self.part_ns {
            return scale(sum, SECOND, part_ns);
        }
        // Tasks forget their warm-up each at its own next iteration.
        let rates = self.slots.iter().map(|slot| {
            let begin = slot.begin_ns.load(Relaxed);
            let wall = slot.end_ns.load(Relaxed).saturating_sub(begin);
            scale(of(slot).load(Relaxed), SECOND, wall)
        });
        rates.sum()
    }

    /// Tasks per worker.
    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Workers.
    #[must_use]
    pub fn workers(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(0) / self.lanes.max(1)
    }

    /// Slots of these tasks of every worker; none while the run goes on.
    fn tasks(&self, of: Range<u32>) -> impl Iterator<Item = &'r Slot> {
        let over = if self.part_ns.is_none() {
            self.slots
        } else {
            &[]
        };
        let lanes = (0..self.lanes).cycle();
        let mine = over.iter().zip(lanes);
        mine.filter_map(move |(s, lane)| of.contains(&lane).then_some(s))
    }

    /// What the kernel counted of these tasks of every worker; absent while
    /// the run goes on.
    pub fn kernel(
        &self,
        of: Range<u32>,
        counter: Counter,
    ) -> Option<impl Iterator<Item = Option<u64>> + '_> {
        let tasks = self.tasks(of);
        let done = self.part_ns.is_none();
        done.then(|| tasks.map(move |task| task.kernel(counter as usize)))
    }

    /// CPU time of these tasks of every worker, in ns.
    #[must_use]
    pub fn cpu_ns(&self, of: Range<u32>) -> Option<u64> {
        let used = |slot: &Slot| {
            let begin = slot.cpu_begin_ns.load(Relaxed);
            slot.cpu_end_ns.load(Relaxed).saturating_sub(begin)
        };
        let sum = self.tasks(of).map(used).sum();
        (sum > 0).then_some(sum)
    }
}

/// `n * by / of` without overflow on the way; 0 of nothing.
#[must_use]
pub fn scale(n: u64, by: u64, of: u64) -> u64 {
    match of {
        0 => 0,
        _ => u64::try_from(u128::from(n) * u128::from(by) / u128::from(of))
            .unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::scale;

    #[test]
    fn scaling_does_not_overflow() {
        assert_eq!(scale(u64::MAX, 1000, 1000), u64::MAX);
        assert_eq!(scale(7, 1000, 0), 0);
    }
}
