//! Every work type in one boot, and many starts and stops of each.

use crate::machine;
use pidone::kit::exit::Exit as End;
use pidone::wire::record::Verdict;
use pidone::workloads::rows;
use xtask::boot::{BootRequest as Args, boot};
use xtask::exit::Exit;
use xtask::model::{Report, Run};
use xtask::topology::{Memory, Smp};

/// Reasons that are true of these kernels and machines.
const REASONS: &[&str] = &[
    "NO_BLOCK_DEVICE",
    "NO_NIC",
    "NO_NUMA",
    "NO_PAYLOAD",
    "NO_SCHED_EXT",
    "NO_SMT",
    "NO_CACHE_TOPOLOGY",
    "NOT_CONTENDED",
    "TOO_FEW_CPUS",
    "WIDTH",
];

/// Boots a machine with every work type, all of which are honest.
pub(crate) fn smoke(args: Args) -> Report {
    let (report, exit) = boot(&args).unwrap();
    let failed: Vec<_> = report
        .runs
        .iter()
        .filter(|run| run.verdict == Verdict::Fail)
        .map(|run| (&run.name, &run.reasons))
        .collect();
    assert_eq!(exit, Exit::Good, "{}: {failed:?}", report.reason);
    assert_eq!(report.lost_records, 0);
    for row in rows() {
        let run = report.runs.iter().find(|run| run.name == row.name);
        honest(run.unwrap_or_else(|| panic!("no {}", row.name)));
    }
    report
}

/// Nothing is idle in silence, and nothing skips for a wrong reason.
fn honest(run: &Run) {
    let units: u64 = run.groups.iter().map(|group| group.work_units).sum();
    match run.verdict.name() {
        "ok" => {
            assert!(run.reasons.is_empty(), "{}: {:?}", run.name, run.reasons);
            assert!(units > 0, "{} did nothing", run.name);
        }
        "skip" | "degraded" => {
            assert!(!run.reasons.is_empty(), "{}", run.name);
            for reason in &run.reasons {
                let word = reason.split([':', ' ']).next().unwrap_or("");
                assert!(REASONS.contains(&word), "{}: {reason}", run.name);
            }
        }
        other => panic!("{} is {other}", run.name),
    }
}

#[test]
fn every_type_on_6_12_with_four_cpus() {
    smoke(Args {
        smp: Smp::Flat(4),
        mem: Memory::mib(2048),
        plan: vec!["plan=smoke".to_owned()],
        ..machine("debian:6.12-cloud")
    });
}

/// With two nodes, a disk and interfaces nothing is left to skip but what
/// needs threads of a core, or a program.
#[test]
fn every_type_with_all_devices() {
    let report = smoke(Args {
        smp: "2n2l4c1t".parse().unwrap(),
        mem: "1G,1G".parse().unwrap(),
        disk: vec!["64M".parse().unwrap()],
        nic: Some("pair".parse().unwrap()),
        plan: vec!["plan=smoke".to_owned()],
        ..machine("debian:6.12-cloud")
    });
    let skipped = report
        .runs
        .iter()
        .filter(|run| run.verdict == Verdict::Skip);
    let skipped: Vec<_> = skipped.map(|run| run.name.as_str()).collect();
    assert_eq!(skipped, ["SmtSiblingSpin", "Custom"]);
}

#[test]
fn every_type_on_6_1_with_two_cpus() {
    smoke(Args {
        mem: Memory::mib(1024),
        plan: vec!["plan=smoke".to_owned()],
        ..machine("debian:6.1-cloud")
    });
}

#[test]
fn starting_and_stopping_again_and_again() {
    let mut plan = String::from("time=20ms repeat=20");
    for row in rows() {
        plan += &format!(" work={} {}", row.name, row.example);
    }
    let (report, exit) = boot(&Args {
        mem: Memory::mib(2048),
        plan: plan.split_whitespace().map(str::to_owned).collect(),
        ..machine("debian:6.12-cloud")
    })
    .unwrap();
    // In so short a time a slow machine may not get to work at all.
    let idle = |run: &Run| {
        let none = |why: &String| why.contains("no_progress");
        run.reasons.iter().any(none)
    };
    let failed = |run: &Run| run.verdict == Verdict::Fail;
    assert_eq!(report.runs.len(), 20 * rows().count());
    for (runs, row) in report.runs.chunks(20).zip(rows()) {
        assert!(runs.iter().all(|run| run.name == row.name), "{}", row.name);
        // But it gets to do so in one of twenty.
        assert!(!runs.iter().all(idle), "{}", row.name);
        let skipped = |run: &Run| run.verdict == Verdict::Skip;
        for run in runs {
            // What is skipped once is skipped always.
            assert_eq!(skipped(run), skipped(&runs[0]), "{}", row.name);
            assert!(
                !failed(run) || idle(run),
                "{}: {:?}",
                run.name,
                run.reasons
            );
            for group in &run.groups {
                let all = group.workers.len() == group.worker_count as usize;
                assert!(all, "{}: {group:?}", run.name);
                for worker in &group.workers {
                    assert!(worker.completed, "{}: {worker:?}", run.name);
                    assert_eq!(worker.exit, End::Code(0), "{}", run.name);
                }
            }
        }
    }
    let expected = match report.runs.iter().any(failed) {
        true => Exit::Bad,
        false => Exit::Good,
    };
    assert_eq!(exit, expected, "{}", report.reason);
    assert_eq!(report.lost_records, 0);
    assert_eq!(report.errors, [""; 0]);
}
