//! What schbench reports.

use super::layout::Layout;
use super::options::PIPE;
use crate::kit::task::Counter;
use crate::row::metric::scale;
use crate::row::{Hist, Metric, Shown, Totals, Unit};
use crate::wire::record::WakeRule;
use core::ops::Range;

const SHOWN: Shown = Shown::Schbench;

pub(super) const WAKEUP: Hist = Hist {
    shown: SHOWN,
    ..Hist::new(0, "wakeup", "stamp of the batch to the worker running")
};
pub(super) const REQUEST: Hist = Hist {
    shown: SHOWN,
    ..Hist::new(1, "request", "start of a request to its end")
};
pub(super) const RATE: Hist = Hist {
    shown: SHOWN,
    unit: Unit::PerSecond,
    ..Hist::new(2, "rps", "requests completed, one sample a second")
};
pub(super) const QUEUE: Hist = Hist {
    shown: SHOWN,
    ..Hist::new(3, "queue", "injection of a request to its start")
};
pub(super) const WAKE: Hist = Hist {
    shown: SHOWN,
    ..Hist::wake(4, WakeRule::Pair, "before the worker's own post to running")
};

pub(super) const AVERAGE: Metric = Metric::derived(
    0,
    "average_rps",
    |totals| Some(totals.iterations_per_second()),
    "requests per second over the whole window",
);
pub(super) const GOAL: Metric =
    Metric::max(1, "goal_rps", "rate asked for, as last steered");
pub(super) const INJECTED: Metric =
    Metric::sum(2, "injected", "requests put into a queue");
pub(super) const SKIPPED: Metric = Metric::sum(
    3,
    "skipped",
    "requests not injected, the worker having more than 128",
);
pub(super) const RETRIES: Metric =
    Metric::sum(4, "lock_retries", "locks given up after a migration");
pub(super) const WORKER_NVCSW: Metric = Metric::derived(
    5,
    "worker_nvcsw",
    |totals| {
        let (_, workers) = roles(totals);
        totals.kernel(workers, Counter::Nvcsw)?.sum()
    },
    "voluntary context switches of the workers",
);
pub(super) const MESSAGE_DELAY: Metric = Metric::derived(
    6,
    "message_delay_ns",
    |totals| delay(totals, roles(totals).0),
    "mean wait of a message thread for a CPU, per run",
);
pub(super) const WORKER_DELAY: Metric = Metric::derived(
    7,
    "worker_delay_ns",
    |totals| delay(totals, roles(totals).1),
    "mean wait of a worker for a CPU, per run",
);
pub(super) const TRANSFERS: Metric = Metric::derived(
    8,
    "worker_transfers_per_s",
    |totals| transfers(totals, 1),
    "pipe mode: transfers of a worker per second",
);
pub(super) const BYTES: Metric = Metric::derived(
    9,
    "worker_bytes_per_s",
    |totals| transfers(totals, totals.work.count(&PIPE)),
    "pipe mode: bytes copied for a worker per second",
);

/// Message threads and workers among the tasks.
fn roles(totals: &Totals<'_>) -> (Range<u32>, Range<u32>) {
    let layout = Layout::of_tasks(totals.work, totals.lanes());
    let first = 1 + layout.messages;
    (1..first, first..totals.lanes())
}

/// The mean over the tasks of their mean wait for a CPU.
fn delay(totals: &Totals<'_>, of: Range<u32>) -> Option<u64> {
    let (mut sum, mut tasks) = (0, 0);
    let delays = totals.kernel(of.clone(), Counter::RunDelay)?;
    for (delay, count) in delays.zip(totals.kernel(of, Counter::RunCount)?) {
        sum += delay? / count?.max(1);
        tasks += 1;
    }
    (tasks > 0).then(|| sum / tasks)
}

fn transfers(totals: &Totals<'_>, by: u64) -> Option<u64> {
    let workers = u64::from(totals.workers()) * roles(totals).1.len() as u64;
    let rate = totals.iterations_per_second();
    (totals.work.count(&PIPE) > 0).then(|| scale(rate, by, workers))
}
