//! The figures that every group has, and their totals over its workers.

use crate::kit::task::Counter;
use crate::plan::expect::kind::Kind;
use crate::wire::record::Worker;

/// The figures that every group has, summed over its workers.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    wall_ns: u64,
    values: [Option<u64>; FIGURES.len()],
}

impl Totals {
    /// Those of no worker yet, in a measured window of `wall_ns`.
    #[must_use]
    pub fn new(wall_ns: u64) -> Self {
        Self {
            wall_ns,
            values: [Some(0); FIGURES.len()],
        }
    }

    /// Adds a worker. What is absent for one is absent for all.
    pub fn add(&mut self, worker: &Worker<'_>) {
        for (total, figure) in self.values.iter_mut().zip(FIGURES) {
            let value = match figure.of {
                Of::Sum(of) => of(worker),
                Of::Most(of) => Some(of(worker)),
                Of::Kernel(counter) => worker.kernel[counter],
                Of::Run => None,
            };
            *total = total.zip(value).map(|(total, value)| match figure.of {
                Of::Most(_) => total.max(value),
                _ => total.saturating_add(value),
            });
        }
    }

    /// The figure of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        if name == WALL {
            return Some(self.wall_ns);
        }
        let mut named = self.values.iter().zip(FIGURES);
        *named.find(|(_, figure)| figure.name == name)?.0
    }
}

/// A figure that every group has.
pub(super) struct GroupFigure {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    of: Of,
}

enum Of {
    /// The sum over the workers.
    Sum(fn(&Worker<'_>) -> Option<u64>),
    /// The sum over the workers of what the kernel counted.
    Kernel(Counter),
    /// The largest of the workers.
    Most(fn(&Worker<'_>) -> u64),
    /// Not of the workers.
    Run,
}

pub(super) const ITERATIONS: &str = "iterations";

pub(super) const WALL: &str = "wall";

pub(super) const RATE: &str = "rate";

pub(super) const FIGURES: &[GroupFigure] = &[
    number(ITERATIONS, |w| w.counted.then_some(w.iterations)),
    number("work_units", |w| w.counted.then_some(w.work_units)),
    figure(RATE, Kind::Rate, Of::Run),
    figure(WALL, Kind::Duration, Of::Run),
    number("workers", |_| Some(1)),
    number("nowait", |w| Some(w.nowait)),
    number("stale", |w| Some(w.stale)),
    duration("cpu", |w| Some(w.cpu_ns)),
    figure("run_delay", Kind::Duration, Of::Kernel(Counter::RunDelay)),
    kernel("run_count", Counter::RunCount),
    kernel("nvcsw", Counter::Nvcsw),
    kernel("nivcsw", Counter::Nivcsw),
    kernel("migrations", Counter::Migrations),
    number("migrations_seen", |w| Some(w.migrations_seen)),
    kernel("nr_wakeups", Counter::Wakeups),
    kernel("nr_wakeups_sync", Counter::WakeupsSync),
    kernel("nr_wakeups_migrate", Counter::WakeupsMigrate),
    kernel("nr_wakeups_remote", Counter::WakeupsRemote),
    kernel("minflt", Counter::Minflt),
    kernel("majflt", Counter::Majflt),
    figure("max_gap", Kind::Duration, Of::Most(|w| w.max_gap_ns)),
    figure(
        "max_cpu_gap",
        Kind::Duration,
        Of::Most(|w| w.max_cpu_gap_ns),
    ),
];

/// Names of the figures that every group has.
pub fn names() -> impl Iterator<Item = &'static str> {
    FIGURES.iter().map(|figure| figure.name)
}

const fn figure(name: &'static str, kind: Kind, of: Of) -> GroupFigure {
    GroupFigure { name, kind, of }
}

const fn number(
    name: &'static str,
    of: fn(&Worker<'_>) -> Option<u64>,
) -> GroupFigure {
    figure(name, Kind::Number, Of::Sum(of))
}

const fn duration(
    name: &'static str,
    of: fn(&Worker<'_>) -> Option<u64>,
) -> GroupFigure {
    figure(name, Kind::Duration, Of::Sum(of))
}

const fn kernel(name: &'static str, counter: Counter) -> GroupFigure {
    figure(name, Kind::Number, Of::Kernel(counter))
}
