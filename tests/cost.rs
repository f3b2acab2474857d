//! What the payload adds to the wakes that it measures: its loops against the
//! same loops in C, in one deterministic machine.
//!
//! In such a machine time is the number of instructions, so that the ratios
//! are exact. A loop in C is bare, or takes the figures that the payload
//! takes. It is an ordinary static program: its C library registers a
//! restartable sequence, which costs it some 190 ns a turn in the kernel, and
//! the payload registers none.

use crate::{all_well, machine};
use std::path::Path;
use std::process::Command;
use xtask::boot::{BootRequest as Args, boot};
use xtask::build;
use xtask::model::Run;

/// Most that a turn takes of one in C that measures as well, in thousandths.
const OF_MEASURED: u64 = 1030;
/// The same of a bare one. Two looks at the clock are 2.6 % of it.
const OF_BARE: u64 = 1060;

#[test]
fn wakes_cost_what_they_cost_in_c_on_one_cpu() {
    costs("1", "", "");
}

#[test]
fn wakes_cost_what_they_cost_in_c_on_two_cpus() {
    // Both partners would change places otherwise.
    costs("1n1l1c2t", "affinity=smt_sibling_pair", "apart");
}

fn costs(smp: &str, affinity: &str, apart: &str) {
    let dir = tempfile::tempdir().unwrap();
    let pair = format!("{}:/bin/pair", pair(dir.path()).display());
    let mut plan = String::new();
    let loops = [
        ("futex", "FutexPingPong spin_iters=0"),
        ("pipe", "WakeChain depth=2 wake=pipe work_per_hop=0us"),
    ];
    for (how, work) in loops {
        for time in ["100ms", "300ms"] {
            plan += &format!("work={work} time={time} {affinity} ");
        }
        for what in ["bare", "measured"] {
            plan += &format!(
                "work=Custom custom.exec=/bin/pair custom.arg.0={what} \
                 custom.arg.1={how} custom.arg.2={apart} time=1s "
            );
        }
    }
    let file = dir.path().join("plan");
    std::fs::write(&file, plan).unwrap();
    let file = format!("{}:/plans/cost", file.display());
    let (report, _) = boot(&Args {
        smp: smp.parse().unwrap(),
        deterministic: Some(1),
        add: [pair, file].map(|add| add.parse().unwrap()).into(),
        plan: vec!["plan=cost".to_owned()],
        ..machine("debian:6.12-cloud")
    })
    .unwrap();
    all_well(&report);
    for (runs, (how, _)) in report.runs.chunks(4).zip(loops) {
        let [short, long, bare, measured] = runs else {
            panic!("{} runs", report.runs.len());
        };
        let own = own_turn_ps(short, long);
        let [bare, measured] = [bare, measured].map(c_turn_ps);
        println!("{how}: {own} ps, C {bare} and {measured} ps");
        assert!(own * 1000 <= measured * OF_MEASURED, "{own} of {measured}");
        assert!(own * 1000 <= bare * OF_BARE, "{own} of {bare}");
    }
}

/// Builds the loops in C into `dir`.
fn pair(dir: &Path) -> std::path::PathBuf {
    let source = build::workspace().join("tests/data/cost/pair.c");
    let program = dir.join("pair");
    let built = Command::new("cc")
        .args(["-O2", "-Wall", "-Werror", "-static", "-o"])
        .args([&program, &source])
        .status()
        .unwrap();
    assert!(built.success(), "cc: {built}");
    program
}

/// A turn in ps, of two runs: what begins and ends a run is the same in both.
fn own_turn_ps(short: &Run, long: &Run) -> u64 {
    let ns = long.wall_ns - short.wall_ns;
    let turns = long.groups[0].iterations - short.groups[0].iterations;
    ns * 1000 / turns
}

/// The same of a run in C, which says it itself.
fn c_turn_ps(run: &Run) -> u64 {
    let group = &run.groups[0];
    let turns = group.iterations;
    // Those that measured have a sample for each turn of one process.
    let samples = group.metrics["samples"];
    assert!(samples == 0 || samples * 2 > turns, "{samples} of {turns}");
    group.metrics["ns"] * 1000 / turns
}
