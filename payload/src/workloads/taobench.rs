//! Requests to an object cache, whose misses take a slow path, as taobench.
//!
//! Stands for: a cache server in front of a database.
//! The tasks of an instance are first its fast threads, then dispatchers,
//! then slow threads. The clients of the original are connections that each
//! fast thread serves in turn, so there is no network.

mod fast;
mod figures;
mod layout;
mod options;
mod slow;
mod thread;

use crate::ctx::workload::Workload;
use crate::kit::clock::SECOND;
use crate::row::{Family, Feature, Need, Row, What, doc};
use figures::{
    COMPRESSED, DROPPED, EVICTED, FAST, FAST_QPS, HIT_RATE, HIT_RATIO, LOOKUPS,
    MISSES, PER_FAST_CPU, QUEUE, SERVE, SERVICE, SLOW, SLOW_QPS, STEADY,
    TOTAL_QPS, WAKE,
};
use layout::Layout;
use options::{
    ARRIVAL_RATE, CACHE_MIB, COMPRESS, CONNS, DISPATCHERS, FAST_THREADS,
    INTERVAL, PIN, PROFILE, SLOW_P99, SLOW_SLEEP, SLOW_THREADS, TARGET_HIT,
    WAIT,
};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "Taobench",
        file: doc(file!()),
        family: Family::Compound,
        summary: doc(
            "cache hits, and misses that take a slow path, as taobench",
        ),
        path: doc("futex hand-offs or nanosleep polling, shard locks"),
        params: &[
            PROFILE,
            FAST_THREADS,
            DISPATCHERS,
            SLOW_THREADS,
            CONNS,
            CACHE_MIB,
            TARGET_HIT,
            SLOW_SLEEP,
            SLOW_P99,
            WAIT,
            COMPRESS,
            INTERVAL,
            PIN,
            ARRIVAL_RATE,
        ],
        tasks: |work, cpus| Layout::new(work, cpus).tasks(),
        iteration: "completed request",
        unit: "completed request",
        hists: &[WAKE, QUEUE, SERVICE, SERVE],
        metrics: &[
            FAST,
            SLOW,
            LOOKUPS,
            MISSES,
            DROPPED,
            EVICTED,
            COMPRESSED,
            FAST_QPS,
            SLOW_QPS,
            TOTAL_QPS,
            HIT_RATIO,
            HIT_RATE,
            STEADY,
            PER_FAST_CPU,
        ],
        needs: &[
            Need::required(What::Feature(Feature::Futex)),
            Need::required(What::Feature(Feature::PosixTimers)),
            Need::required(What::Memory(|work, _| {
                (work.count(&CACHE_MIB) * 3 / 2 + 64) * 1024
            })),
        ],
        proof: doc(
            "hit_ratio_permille within 30 of 10 * target_hit_pct and below \
             1000; slow > 0",
        ),
        shared: |work, cpus| Layout::new(work, cpus).shared(),
        check: options::check,
        interval_ns: |work| work.count(&INTERVAL) * SECOND,
        ..Row::BASE
    },
    run: thread::run,
    ..Workload::BASE
};
