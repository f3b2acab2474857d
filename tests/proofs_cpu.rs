//! Proofs of the types that load CPUs, caches and memory, and of the
//! affinity intents that follow the machine's topology.

use crate::{booted, group};
use xtask::model::{Report, Run};

const PLAN: &str = "time=300ms work=CachePressure size_kib=64 \
    work=CacheYield workers=4 \
    work=CachePipe workers=4 \
    work=IdleChurn affinity=single_cpu precise_timing=on \
    work=PageFaultChurn \
    work=CachePressure size_kib=1048576";

#[test]
fn on_6_12() {
    prove("debian:6.12-cloud");
}

#[test]
fn on_6_1() {
    prove("debian:6.1-cloud");
}

fn prove(kernel: &str) {
    let (report, code) = booted(kernel, PLAN);
    for run in &report.runs {
        eprintln!("{} {} {:?}", run.name, run.verdict, run.reasons);
        for group in &run.groups {
            eprintln!("  {} {:?}", group.iterations, group.metrics);
            for (name, h) in &group.hist {
                eprintln!("    {name} {} p50 {}", h.count, h.p50_ns);
            }
        }
    }
    assert_eq!(report.outcome, "ok", "{}", report.reason);
    assert_eq!(code, 0);
    caches(&report);
    pipes(&report);
    idling(&report);
    faults(&report);
    let huge = report.runs.last().unwrap();
    assert_eq!(huge.verdict, "skip");
    assert_eq!(huge.reasons, ["LOW_MEMORY"]);
}

fn run<'r>(report: &'r Report, work: &str) -> &'r Run {
    report.runs.iter().find(|run| run.name == work).unwrap()
}

fn counter(report: &Report, work: &str, name: &str) -> u64 {
    run(report, work).kernel.counters[name]
}

/// `part` is at least `percent` of `whole`.
#[track_caller]
fn at_least(part: u64, percent: u64, whole: u64) {
    assert!(part * 100 >= whole * percent, "{part} of {whole}");
}

fn caches(report: &Report) {
    let walk = group(report, "CachePressure");
    assert!(walk.iterations > 0);
    assert_eq!(walk.work_units / 1024, walk.iterations);
    assert_eq!(walk.hist["cost"].count, walk.iterations);
    let pages: u64 = walk.workers[0].numa_pages.values().sum();
    assert_eq!(pages, 64 / 4, "the region is all in memory");

    let yields = group(report, "CacheYield");
    assert!(yields.iterations > 0);
    at_least(
        counter(report, "CacheYield", "yld_count"),
        95,
        yields.iterations,
    );
    assert_eq!(yields.hist["call"].count, yields.iterations);
    assert_eq!(yields.hist["cost"].count, yields.iterations);
    assert!(yields.sum(|w| w.migrations).is_some());
}

fn pipes(report: &Report) {
    let pipe = group(report, "CachePipe");
    let all = pipe.sum(|w| w.nr_wakeups).unwrap();
    let sync = pipe.sum(|w| w.nr_wakeups_sync).unwrap();
    assert!(sync * 100 > all * 95, "{sync} of {all} are synchronous");
    let wake = &pipe.hist["wake"];
    assert!(wake.count > 0);
    assert_eq!(wake.count + pipe.nowait, pipe.iterations);
    at_least(pipe.work_units, 100, 1024 * pipe.iterations);
}

fn idling(report: &Report) {
    let idle = group(report, "IdleChurn");
    let worker = &idle.workers[0];
    let sleeps = worker.nvcsw.unwrap();
    at_least(sleeps, 95, worker.iterations);
    at_least(worker.iterations + 2, 95, sleeps);
    assert_eq!(idle.hist["timer"].count, idle.iterations);
    // Once idle for every sleep.
    let idled = counter(report, "IdleChurn", "sched_goidle");
    at_least(idled, 95, idle.iterations);
    // 1 ms of 6 ms, and no more than a bit late.
    at_least(worker.wall_ns, 250, worker.cpu_ns);
}

fn faults(report: &Report) {
    let churn = group(report, "PageFaultChurn");
    let worker = &churn.workers[0];
    assert_eq!(churn.metrics["touches"], 256);
    assert_eq!(churn.metrics["page_bytes"], 4096);
    let touches = 256 * churn.iterations;
    assert!(touches > 0);
    let minflt = worker.minflt.unwrap();
    at_least(minflt, 99, touches);
    at_least(touches, 99, minflt);
    at_least(counter(report, "PageFaultChurn", "pgfault"), 99, touches);
    assert_eq!(churn.hist["fault"].count, 16 * churn.iterations);
    assert_eq!(churn.hist["call"].count, churn.iterations);
    assert_eq!(churn.work_units, (256 + 64) * churn.iterations);
}
