//! Proofs of the compound benchmarks, from kernel counters.

use crate::{at_least, good};
use xtask::model::{Group, Run};

// A kernel takes 32 arguments for init.
const SCHBENCH: &str = "time=1200ms \
    work=Schbench cache_footprint_kib=1 interval_s=1 strict_stamp=1 \
    work=Schbench cache_footprint_kib=1 requests_per_sec=100 pacing=even \
    work=Schbench pipe_transfer_bytes=4096 \
    work=Schbench cache_footprint_kib=1 zero_s=1 \
    work=Schbench cache_footprint_kib=1 auto_rps=90 time=3200ms \
    work=Schbench cache_footprint_kib=8 split_percent=50 \
        message_cpus=auto worker_cpus=auto calibrate=1 \
    work=Schbench worker_threads=4096 workers=400";

const TAOBENCH: &str = "time=1200ms \
    work=Taobench cache_mib=32 interval_s=1 \
    work=Taobench cache_mib=32 profile=dcperf slow_sleep_us=20000 \
    work=Taobench cache_mib=32 arrival_rate=2000 \
    work=Taobench cache_mib=32 arrival_rate=8000 target_hit_pct=10 \
        slow_sleep_us=50000 slow_threads=1";

#[test]
fn schbench_on_6_12() {
    schbench("debian:6.12-cloud");
}

#[test]
fn schbench_on_6_1() {
    schbench("debian:6.1-cloud");
}

#[test]
fn taobench_on_6_12() {
    taobench("debian:6.12-cloud");
}

#[test]
fn taobench_on_6_1() {
    taobench("debian:6.1-cloud");
}

fn schbench(kernel: &str) {
    let report = good(kernel, SCHBENCH);
    let [message, rate, pipe, zero, auto, split, memory] = &report.runs[..]
    else {
        panic!("{} runs", report.runs.len());
    };
    messages(message);
    rates(&rate.groups[0]);
    pipes(&pipe.groups[0]);
    zeroed(zero);
    // From 10 up at most threefold, every second.
    let goal = auto.groups[0].metrics["goal_rps"];
    assert!((60..=270).contains(&goal), "{goal}");
    splits(&split.groups[0]);
    assert_eq!(
        (memory.verdict.name(), &*memory.reasons[0]),
        ("skip", "LOW_MEMORY")
    );
}

fn taobench(kernel: &str) {
    let report = good(kernel, TAOBENCH);
    let [standard, dcperf, open, flooded] = &report.runs[..] else {
        panic!("{} runs", report.runs.len());
    };
    caches(standard);
    polls(&dcperf.groups[0]);
    arrivals(&open.groups[0]);
    drops(&flooded.groups[0]);
}

/// `part` is `whole`, within `percent`.
#[track_caller]
fn about(part: u64, percent: u64, whole: u64) {
    let off = part.abs_diff(whole);
    assert!(off * 100 <= whole * percent, "{part} is not about {whole}");
}

fn messages(run: &Run) {
    let group = &run.groups[0];
    let requests = group.iterations;
    // Far more than the waits that end by their time-out would give.
    assert!(requests > 200, "{requests}");
    // A monitor, a message thread, and a worker for each CPU.
    assert_eq!(group.workers[0].tasks, 4);
    // One for the wait, one for the think time.
    let blocked = group.metrics["worker_nvcsw"] + group.nowait;
    about(blocked, 5, 2 * requests);
    let hist = |name: &str| group.hist[name].count;
    assert_eq!(hist("request"), requests);
    about(hist("wakeup"), 5, requests);
    about(hist("wake") + group.nowait, 5, requests);
    let wall_ms = run.wall_ns / 1_000_000;
    // Each thread has a window of its own.
    about(group.metrics["average_rps"] * wall_ms / 1000, 20, requests);
    assert!(group.metrics["worker_delay_ns"] > 0);

    let rps = &group.hist["rps"];
    // One at the very beginning, as schbench has it, and one a second.
    assert_eq!((rps.count, rps.min_ns, &*rps.unit), (2, 0, "1/s"));
    let [interval] = &run.intervals[..] else {
        panic!("{:?}", run.intervals);
    };
    assert_eq!(interval.end_ms, 1000);
    about(interval.values["iterations"], 20, rps.max_ns);
    let p20 = interval.values["request.p20"];
    assert!(p20 > 0 && p20 <= interval.values["request.p90"]);
    assert!(!interval.values.contains_key("worker_nvcsw"));
}

fn rates(group: &Group) {
    // 100 in the first second, and as many a second in what is left.
    about(group.metrics["injected"], 10, 120);
    about(group.iterations, 10, group.metrics["injected"]);
    about(group.hist["queue"].count, 10, group.iterations);
    assert_eq!(group.metrics["goal_rps"], 100);
    assert_eq!(group.metrics["skipped"], 0);
}

fn pipes(group: &Group) {
    let transfers = group.metrics["worker_transfers_per_s"];
    assert!(transfers > 0);
    about(group.metrics["worker_bytes_per_s"], 1, 4096 * transfers);
    // Nobody thinks: no switch but the one of the wait.
    let blocked = group.metrics["worker_nvcsw"] + group.nowait;
    about(blocked, 5, group.iterations);
}

fn zeroed(run: &Run) {
    let group = &run.groups[0];
    assert_eq!(group.hist["request"].count, group.iterations);
    // Less than three wakes a request: the kernel has counted those of the
    // second before as well.
    at_least(run.kernel.counters["ttwu_count"], 600, group.iterations);
}

fn splits(group: &Group) {
    assert!(group.iterations > 0);
    // Workers have what the message thread leaves of two CPUs, one.
    assert!(group.metrics["worker_nvcsw"] > group.iterations);
    assert_eq!(group.metrics["lock_retries"], 0);
}

#[track_caller]
fn hits_as_wanted(group: &Group, permille: u64) {
    for name in ["hit_ratio_permille", "hit_rate_permille"] {
        let got = group.metrics[name];
        assert!(got.abs_diff(permille) <= 30 && got < 1000, "{name} {got}");
    }
    let [fast, slow, lookups, misses, dropped] =
        ["fast", "slow", "lookups", "misses", "dropped"]
            .map(|name| group.metrics[name]);
    assert!(slow > 0);
    assert_eq!(lookups, fast + misses);
    assert_eq!(group.iterations, fast + slow + dropped);
    // What was parked has been answered before the end.
    assert_eq!(misses, slow + dropped);
    assert_eq!(group.hist["service"].count, group.iterations);
    assert_eq!(group.hist["queue"].count, slow);
}

fn caches(run: &Run) {
    let group = &run.groups[0];
    hits_as_wanted(group, 900);
    assert_eq!(group.workers[0].tasks, 1 + 1 + 3);
    assert!(group.metrics["evicted"] > 0);
    assert_eq!(group.metrics["compressed_bytes"], 0);
    let fast_and_slow = group.metrics["fast_qps"] + group.metrics["slow_qps"];
    assert_eq!(group.metrics["total_qps"], fast_and_slow);
    assert!(group.metrics["total_per_fast_cpu_s"] > 0);
    assert!(group.hist["wake"].count > 0);
    assert_eq!(group.hist["serve"].count, 0);
    // The fetch sleeps, and a dispatcher and a slow thread are woken.
    let switches = group.sum(|w| w.nvcsw).unwrap();
    assert!(switches > group.metrics["slow"], "{switches}");
    let [interval] = &run.intervals[..] else {
        panic!("{:?}", run.intervals);
    };
    assert_eq!(interval.values["steady"], 1);
}

fn polls(group: &Group) {
    hits_as_wanted(group, 900);
    assert!(group.metrics["compressed_bytes"] > 0);
    assert_eq!(group.hist["wake"].count, 0);
    // Threads that poll wake by their timers all the time, also while every
    // connection waits for a fetch; hand-offs would give four a request.
    let switches = group.sum(|w| w.nvcsw).unwrap();
    assert!(switches > 10 * group.metrics["slow"], "{switches}");
}

fn arrivals(group: &Group) {
    hits_as_wanted(group, 900);
    about(group.iterations, 25, 2400);
    let serve = &group.hist["serve"];
    assert_eq!(serve.count, group.iterations);
    assert!(serve.sum_ns >= group.hist["service"].sum_ns);
}

fn drops(group: &Group) {
    assert!(group.metrics["dropped"] > 0);
    assert_eq!(group.metrics["steady"], 0);
}
