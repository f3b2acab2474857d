//! Figures outside the usual books.

use crate::ctx::Ctx;
use crate::kit::control::Phase;
use crate::row::Metric;
use core::sync::atomic::Ordering::Relaxed;

impl Ctx<'_> {
    /// When this task began to count, in ns; the end of a warm-up moves it.
    #[must_use]
    pub fn counting_since(&self) -> u64 {
        self.given.slot.begin_ns.load(Relaxed)
    }

    /// Whether what it counts is of the measured window.
    #[must_use]
    pub fn measures(&self) -> bool {
        self.phase == Phase::Measure.number()
    }

    /// This task's part of one of the type's own figures.
    #[must_use]
    pub fn metric_so_far(&self, metric: &Metric) -> u64 {
        self.given.slot.metrics[metric.at()].load(Relaxed)
    }
}
