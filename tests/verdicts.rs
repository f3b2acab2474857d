//! A verdict says whether a type did what it is for.

use crate::{booted, good};
use pidone::wire::record::Verdict;
use pidone::workloads;
use xtask::model::Run;

const KERNEL: &str = "debian:6.12-cloud";

/// They need a device, nodes, or threads of a core.
const DEVICES: [&str; 8] = [
    "IoSyncWrite",
    "IoRandRead",
    "IoConvoy",
    "NetTraffic",
    "IrqWake",
    "SmtSiblingSpin",
    "NumaMigrationChurn",
    "NumaWorkingSetSweep",
];

#[test]
fn a_bare_name_is_plain_ok() {
    let rows = workloads::rows();
    let plan: String = rows
        .filter(|row| !DEVICES.contains(&row.name) && row.name != "Custom")
        .map(|row| format!(" work={} {}", row.name, row.example))
        .collect();
    let report = good(KERNEL, &format!("time=300ms{plan}"));
    let bad: Vec<_> = report
        .runs
        .iter()
        .filter(|run| run.verdict != Verdict::Ok)
        .map(|run| (&run.name, run.verdict, &run.reasons))
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(report.runs.len(), workloads::ALL.len() - DEVICES.len() - 1);
    let of = |name: &str| -> &Run {
        report.runs.iter().find(|run| run.name == name).unwrap()
    };
    for name in ["YieldHeavy", "Mixed", "CacheYield"] {
        assert_eq!(of(name).groups[0].workers.len(), 4, "{name}");
    }
    let policies: Vec<_> = of("AsymmetricWaker").groups[0]
        .workers
        .iter()
        .map(|worker| worker.policy)
        .collect();
    assert_eq!(policies, [Some(1), Some(0)]);
    let queue = &of("ProducerConsumerImbalance").groups[0];
    assert_eq!(queue.metrics["depth_max"], 1024);
    // QEMU's CPUs have an L2 of 4 MiB where they have one.
    let cold = of("IpcVariance").groups[0].metrics["cold_kib"];
    assert!(cold > 512, "{cold}");
}

#[test]
fn a_type_whose_call_never_works_fails() {
    let plan = "time=300ms \
        work=AffinityChurn policy=deadline:1ms/10ms/10ms time=2s \
        work=AsymmetricWaker waker_class=cfs \
        work=ThunderingHerd batches=10 inter_batch_ms=5 warmup=300ms";
    let (report, _) = booted(KERNEL, plan);
    let [affinity, waker, herd] = &report.runs[..] else {
        panic!("three runs");
    };
    assert_eq!(affinity.verdict, Verdict::Fail, "{:?}", affinity.reasons);
    let calls = affinity.groups[0].iterations;
    let failed = format!("{calls} of {calls} calls of AffinityChurn");
    let reason = &affinity.reasons[0];
    assert!(
        reason.starts_with("FAIL(sched_setaffinity, 16)"),
        "{reason}"
    );
    assert!(reason.ends_with(&failed), "{reason}");

    assert_eq!(waker.verdict, Verdict::Degraded);
    assert_eq!(waker.reasons, ["SAME_CLASS"]);

    // It wakes its herd all through the warm-up, and ten times behind it.
    assert_eq!(herd.verdict, Verdict::Ok, "{:?}", herd.reasons);
    let herd = &herd.groups[0];
    assert_eq!(herd.workers[0].iterations, 10);
}
