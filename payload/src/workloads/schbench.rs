//! Message threads wake workers that compute, as schbench.
//!
//! Stands for: a server whose requests are handed out by a few threads.
//! Task 0 of an instance takes the samples of the rate and steers it; then
//! come the message threads, then their workers in turn.

mod figures;
mod layout;
mod options;
mod pin;
mod rate;
mod threads;

use crate::ctx::workload::Workload;
use crate::kit::clock::SECOND;
use crate::row::{Family, Feature, Need, Row, What, Work, doc};
use figures::{
    AVERAGE, BYTES, GOAL, INJECTED, MESSAGE_DELAY, QUEUE, RATE, REQUEST,
    RETRIES, SKIPPED, TRANSFERS, WAKE, WAKEUP, WORKER_DELAY, WORKER_NVCSW,
};
use layout::Layout;
use options::{
    AUTO_RPS, CALIBRATE, FOOTPRINT, INTERVAL, LABEL, MESSAGE_CPUS, MESSAGES,
    OPERATIONS, PACING, PIPE, RPS, SKIP_LOCKING, SLEEP, SPLIT, STRICT_STAMP,
    WARMUP, WORKER_CPUS, WORKERS, ZERO,
};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "Schbench",
        file: doc(file!()),
        family: Family::Compound,
        summary: doc("message threads wake computing workers, as schbench"),
        path: doc("private futex handshake, try_to_wake_up, hrtimer sleep, \
                   per-CPU spin locks"),
        params: &[
            MESSAGES,
            WORKERS,
            FOOTPRINT,
            OPERATIONS,
            SLEEP,
            SKIP_LOCKING,
            RPS,
            AUTO_RPS,
            PIPE,
            SPLIT,
            CALIBRATE,
            MESSAGE_CPUS,
            WORKER_CPUS,
            WARMUP,
            INTERVAL,
            ZERO,
            LABEL,
            PACING,
            STRICT_STAMP,
        ],
        tasks: |work, cpus| Layout::new(work, cpus).tasks(),
        iteration: "request",
        unit: "request",
        hists: &[WAKEUP, REQUEST, RATE, QUEUE, WAKE],
        metrics: &[
            AVERAGE,
            GOAL,
            INJECTED,
            SKIPPED,
            RETRIES,
            WORKER_NVCSW,
            MESSAGE_DELAY,
            WORKER_DELAY,
            TRANSFERS,
            BYTES,
        ],
        needs: &[
            Need::required(What::Feature(Feature::Futex)),
            Need::required(What::Feature(Feature::PosixTimers)),
            Need::required(What::Memory(footprint)),
        ],
        proof: doc(
            "worker_nvcsw + nowait = 2 * requests with sleep_usec > 0; \
             the sum of loops = average_rps",
        ),
        shared: |work, cpus| Layout::new(work, cpus).shared(),
        check: options::check,
        check_policy: options::check_policy,
        interval_ns: |work| work.count(&INTERVAL) * SECOND,
        ..Row::BASE
    },
    run: threads::run,
    ..Workload::BASE
};

/// Matrices of all workers, and room for the rest of the machine.
fn footprint(work: &Work<'_>, cpus: u32) -> u64 {
    let workers = u64::from(Layout::new(work, cpus).workers());
    workers * (work.count(&FOOTPRINT) + 64) + 32 * 1024
}
