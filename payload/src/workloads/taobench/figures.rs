//! What taobench reports.

use super::layout::Layout;
use crate::kit::clock::SECOND;
use crate::row::metric::scale;
use crate::row::{Hist, Metric, Totals};
use crate::wire::record::WakeRule;

pub(super) const WAKE: Hist = Hist::wake(
    0,
    WakeRule::ManyWakers,
    "before the FUTEX_WAKE of a hand-off or reply to running",
);
pub(super) const QUEUE: Hist =
    Hist::new(1, "queue", "a miss is parked to a slow thread taking it");
pub(super) const SERVICE: Hist =
    Hist::new(2, "service", "start of a request to its completion");
pub(super) const SERVE: Hist =
    Hist::new(3, "serve", "intended arrival to completion, open loop only");

pub(super) const FAST: Metric =
    Metric::sum(0, "fast", "requests completed by a hit");
pub(super) const SLOW: Metric =
    Metric::sum(1, "slow", "requests completed by a reply");
pub(super) const LOOKUPS: Metric = Metric::sum(2, "lookups", "lookups");
pub(super) const MISSES: Metric =
    Metric::sum(3, "misses", "lookups that found nothing");
pub(super) const DROPPED: Metric = Metric::sum(
    4,
    "dropped",
    "misses answered as such, the dispatcher having 1024",
);
pub(super) const EVICTED: Metric =
    Metric::sum(5, "evicted", "objects that made room for others");
pub(super) const COMPRESSED: Metric =
    Metric::sum(6, "compressed_bytes", "bytes that compression left");
pub(super) const FAST_QPS: Metric = Metric::derived(
    7,
    "fast_qps",
    |totals| Some(totals.per_second(&FAST)),
    "hits completed per second",
);
pub(super) const SLOW_QPS: Metric = Metric::derived(
    8,
    "slow_qps",
    |totals| Some(totals.per_second(&SLOW)),
    "replies completed per second",
);
pub(super) const TOTAL_QPS: Metric = Metric::derived(
    9,
    "total_qps",
    |totals| Some(totals.per_second(&FAST) + totals.per_second(&SLOW)),
    "fast_qps + slow_qps",
);
pub(super) const HIT_RATIO: Metric = Metric::derived(
    10,
    "hit_ratio_permille",
    |totals| {
        let (fast, slow) = (totals.sum(&FAST), totals.sum(&SLOW));
        (fast + slow > 0).then(|| scale(fast, 1000, fast + slow))
    },
    "fast / (fast + slow), in thousandths",
);
pub(super) const HIT_RATE: Metric = Metric::derived(
    11,
    "hit_rate_permille",
    hit_rate,
    "1 - misses / lookups, in thousandths",
);
pub(super) const STEADY: Metric = Metric::derived(
    12,
    "steady",
    |totals| hit_rate(totals).map(|rate| u64::from(rate >= 880)),
    "1 if hit_rate_permille is at least 880",
);
pub(super) const PER_FAST_CPU: Metric = Metric::derived(
    13,
    "total_per_fast_cpu_s",
    |totals| {
        let layout = Layout::of_tasks(totals.work, totals.lanes());
        let cpu_ns = totals.cpu_ns(0..layout.fast)?;
        let total = totals.sum(&FAST) + totals.sum(&SLOW);
        Some(scale(total, SECOND, cpu_ns))
    },
    "fast and slow per second of the fast threads' CPU time",
);

fn hit_rate(totals: &Totals<'_>) -> Option<u64> {
    let (misses, lookups) = (totals.sum(&MISSES), totals.sum(&LOOKUPS));
    let missed = scale(misses, 1000, lookups);
    (lookups > 0).then(|| 1000_u64.saturating_sub(missed))
}
