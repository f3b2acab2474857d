//! The figures of a run as the payload's own code asks for them.

use crate::model::Run;
use pidone::kit::histogram::bucket_of;
use pidone::plan::expect::figure::{Figures, Stat};
use pidone::plan::expect::totals::Totals;

/// The figures of a run, for [`Expect`] and [`Side`].
#[derive(Debug)]
pub struct RunFigures<'r> {
    run: &'r Run,
    /// Of each group; absent where records of workers are lost.
    totals: Vec<Option<Totals>>,
}

impl<'r> RunFigures<'r> {
    /// Those of `run`.
    #[must_use]
    pub fn new(run: &'r Run) -> Self {
        let totals = run.groups.iter().map(|group| {
            let mut totals = Totals::new(run.wall_ns);
            for worker in &group.workers {
                totals.add(&worker.as_record());
            }
            let count = usize::try_from(group.worker_count).ok()?;
            (group.workers.len() == count).then_some(totals)
        });
        let totals = totals.collect();
        Self { run, totals }
    }
}

impl Figures for RunFigures<'_> {
    fn work(&self, group: usize) -> Option<&str> {
        Some(&self.run.groups.get(group)?.work)
    }

    fn hist(&self, group: usize, name: &str, stat: Stat) -> Option<u64> {
        let hist = self.run.groups.get(group)?.hist.get(name)?;
        let buckets = hist.buckets.iter();
        stat.of(
            &hist.summary(),
            buckets.map(|&(low, n)| (bucket_of(low), n)),
        )
    }

    fn figure(&self, group: usize, name: &str) -> Option<u64> {
        let of_type = &self.run.groups.get(group)?.metrics;
        let total = self.totals.get(group)?.as_ref()?.get(name);
        total.or_else(|| of_type.get(name).copied())
    }

    fn counter(&self, name: &str) -> Option<u64> {
        self.run.kernel.counters.get(name).copied()
    }
}
