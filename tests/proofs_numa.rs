//! Proofs of the types that need several memory nodes, from kernel counters.

use crate::{all_well, at_least, machine};
use pidone::wire::record::Verdict;
use xtask::boot::{BootRequest as Args, boot};
use xtask::exit::Exit;
use xtask::model::{Outcome, Report, Run};

const PLAN: &str = "time=400ms \
    work=NumaMigrationChurn period_ms=5 \
    work=NumaMigrationChurn period_ms=0 workers=2 \
    work=NumaMigrationChurn affinity=exact:0-1 \
    work=NumaWorkingSetSweep sweep_period_ms=5 region_kib=1024 \
    work=NumaWorkingSetSweep sweep_period_ms=0 region_kib=256 workers=2 \
    work=NumaWorkingSetSweep sweep_period_ms=5 region_kib=256 target_nodes=1";

/// Four CPUs on two nodes.
fn two_nodes(kernel: &str, plan: &str) -> (Report, Exit) {
    boot(&Args {
        smp: "4".parse().unwrap(),
        numa: 2,
        plan: plan.split_whitespace().map(str::to_owned).collect(),
        ..machine(kernel)
    })
    .unwrap()
}

#[test]
fn on_6_12() {
    prove("debian:6.12-cloud");
}

#[test]
fn on_6_1() {
    prove("debian:6.1-cloud");
}

fn prove(kernel: &str) {
    let (report, exit) = two_nodes(kernel, PLAN);
    all_well(&report);
    assert_eq!(exit, Exit::Good);
    let [slow, fast, one_node, sweep, sweeps, pinned] = &report.runs[..] else {
        panic!("six runs");
    };
    rotates(slow);
    rotates(fast);
    at_least(slow.groups[0].hist["timer"].count + 1, 95, iterations(slow));
    assert_eq!(fast.groups[0].hist["timer"].count, 0);
    assert_eq!(one_node.verdict, Verdict::Skip);
    assert_eq!(one_node.reasons, ["NO_NUMA"]);
    sweeps_over(sweep, 256, 1);
    sweeps_over(sweeps, 64, 2);
    baseline(pinned);
}

fn iterations(run: &Run) -> u64 {
    run.groups[0].iterations
}

fn rotates(run: &Run) {
    assert_eq!(run.verdict, Verdict::Ok, "{:?}", run.reasons);
    let churn = &run.groups[0];
    assert_eq!(churn.metrics["nodes"], 2);
    assert_eq!(churn.hist["call"].count, churn.iterations);
    assert_eq!(churn.metrics["node_changes"], churn.iterations);
    for worker in &churn.workers {
        assert!(worker.errors.is_empty(), "{:?}", worker.errors);
        at_least(worker.migrations.unwrap(), 100, worker.iterations);
        let nodes = worker.cpus_used.iter().map(|cpu| cpu / 2);
        let nodes: Vec<_> = nodes.collect();
        assert!(nodes.contains(&0) && nodes.contains(&1), "{nodes:?}");
    }
}

fn sweeps_over(run: &Run, pages: u64, workers: u64) {
    assert_eq!(run.verdict, Verdict::Ok, "{:?}", run.reasons);
    let sweep = &run.groups[0];
    let sweeps = sweep.iterations;
    assert!(sweeps > 2 * workers, "{sweeps} sweeps");
    assert_eq!(sweep.metrics["page_bytes"], 4096);
    at_least(sweep.work_units, 100, pages * sweeps);
    assert_eq!(sweep.metrics["on_target"], pages * sweeps);
    assert_eq!(sweep.metrics["off_target"], 0);
    at_least(moved(run), 100, pages * (sweeps - workers));
    for worker in &sweep.workers {
        assert!(worker.errors.is_empty(), "{:?}", worker.errors);
    }
}

/// With one target, pages move once at most.
fn baseline(run: &Run) {
    assert_eq!(run.verdict, Verdict::Ok, "{:?}", run.reasons);
    let sweep = &run.groups[0];
    assert!(sweep.iterations > 2);
    assert_eq!(sweep.metrics["on_target"], 64 * sweep.iterations);
    assert_eq!(sweep.workers[0].numa_pages["1"], 64);
    assert!(moved(run) < 2 * 64, "{}", moved(run));
}

fn moved(run: &Run) -> u64 {
    run.kernel.counters["pgmigrate_success"]
}

#[test]
fn one_node_is_none() {
    let plan = "time=50ms work=NumaMigrationChurn work=NumaWorkingSetSweep \
                work=NumaWorkingSetSweep target_nodes=0";
    let (report, exit) = crate::booted("debian:6.12-cloud", plan);
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    let verdicts = report.runs.iter().map(|r| r.verdict.name());
    let verdicts: Vec<_> = verdicts.collect();
    assert_eq!(verdicts, ["skip", "skip", "ok"]);
    for run in &report.runs[..2] {
        assert_eq!(run.reasons, ["NO_NUMA"], "{}", run.name);
    }
    let plan = "work=NumaWorkingSetSweep target_nodes=0-1";
    let (report, exit) = crate::booted("debian:6.12-cloud", plan);
    assert_eq!((report.outcome, exit), (Outcome::PlanError, Exit::Tool));
    assert!(report.reason.contains("target_nodes"), "{}", report.reason);
}
