//! End-to-end tests: they boot real kernels in QEMU and read what came back.
//!
//! `cargo xtask test --setup` installs what they need. Proofs that the
//! intended kernel path ran are in `proofs.rs` and `proofs_*.rs`, what goes
//! wrong is in `trouble.rs`, properties of whole boots are in `boots.rs`,
//! additions to images are in `packing.rs`, an init of one's own in
//! `library.rs`, schedulers in `sched_ext.rs`, kernel events in `trace.rs`,
//! what runs set of the kernel in `knobs.rs`,
//! what they say of our figures in `witness.rs`, comparisons in
//! `compares.rs`, many boots at once in `matrix.rs`, and signals in
//! `signals.rs`, with programs that stand for others in `fakes.rs`, machines of
//! others in `runners.rs` with those of `hosts.rs`,
//! a program that carries all it needs in `pidonectl.rs`, and what becomes of
//! a system in `setup.rs`;
//! `cases.rs` has logs and `command_lines.rs` plans that were
//! mangled on their way; `ktap.rs` asks the kernel's own reader of KTAP,
//! `jobs.rs` has the CIs of `cis.rs` carry out our jobs, and `docs.rs` carries
//! out the commands of `docs/ci.md`. Without a kernel, `consoles.rs` decodes
//! recorded consoles, `messages.rs` has what is said to wrong input,
//! `report.rs` opens pages in a browser, `untrusted.rs` sends what is hostile
//! through everything that shows it, `budgets.rs` looks at what is built and
//! `tidy.rs` at the sources. `cost.rs` holds loops against the same in C, and
//! `which.rs` asks a map for the types of a patch. All of it is for x86_64;
//! `arm64.rs` and `riscv64.rs` have others repeat a part of theirs.

#![cfg(test)]

mod arm64;
mod boots;
mod budgets;
mod cases;
mod cis;
mod command_lines;
mod compares;
mod configs;
mod consoles;
mod cost;
mod docs;
mod expects;
mod fakes;
#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library of its own elsewhere")]
mod fuzz;
mod hosts;
mod inherits;
mod jobs;
mod judging;
mod knobs;
mod ktap;
mod lab;
mod library;
mod matrix;
mod messages;
mod packing;
mod pidonectl;
mod proofs;
mod proofs_bench;
mod proofs_cgroup;
mod proofs_churn;
mod proofs_cpu;
mod proofs_custom;
mod proofs_devices;
mod proofs_numa;
mod proofs_wake;
mod report;
mod riscv64;
mod runners;
mod sampled;
mod sched_ext;
mod setup;
mod signals;
mod smoke;
mod stops;
mod tidy;
mod trace;
mod trouble;
mod untrusted;
mod user;
mod verdicts;
mod which;
mod witness;

use xtask::boot::{BootRequest as Args, boot};
use xtask::exit::Exit;
use xtask::model::{Group, Outcome, Report, Run};
use xtask::topology::Smp;

/// Debian's 6.12 for another architecture.
const ARM64: &str = "aarch64 debian:6.12-cloud";
/// Debian's newest for the third; it has no flavour for virtual machines.
const RISCV64: &str = "riscv64 debian:sid";

/// Boots a plan on a kernel with 2 CPUs.
fn booted(kernel: &str, plan: &str) -> (Report, Exit) {
    booted_on(machine(kernel), plan)
}

fn booted_on(machine: Args, plan: &str) -> (Report, Exit) {
    boot(&Args {
        plan: plan.split_whitespace().map(str::to_owned).collect(),
        ..machine
    })
    .unwrap()
}

/// Boots a plan that is to end well, with no record lost.
#[track_caller]
fn good(kernel: &str, plan: &str) -> Report {
    good_on(machine(kernel), plan)
}

/// The same on any machine.
#[track_caller]
fn good_on(machine: Args, plan: &str) -> Report {
    let (report, exit) = booted_on(machine, plan);
    all_well(&report);
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    report
}

/// The same on one CPU with a time that is a function of instructions: for
/// what is said of how long things take, which is then so on any host.
#[track_caller]
fn good_exact(kernel: &str, plan: &str) -> Report {
    let machine = Args {
        smp: Smp::Flat(1),
        deterministic: Some(1),
        ..machine(kernel)
    };
    good_on(machine, plan)
}

/// No run failed, and no record is lost.
#[track_caller]
fn all_well(report: &Report) {
    let verdicts: Vec<_> = report
        .runs
        .iter()
        .map(|r| (&r.name, &r.verdict, &r.reasons))
        .collect();
    assert_eq!(
        report.outcome,
        Outcome::Ok,
        "{}: {verdicts:?}",
        report.reason
    );
    assert_eq!(report.lost_records, 0);
}

/// The first run of that name.
fn run<'r>(report: &'r Report, name: &str) -> &'r Run {
    report.runs.iter().find(|run| run.name == name).unwrap()
}

/// A kernel counter's delta over that run.
fn counter(report: &Report, name: &str, counter: &str) -> u64 {
    run(report, name).kernel.counters[counter]
}

/// `part` is at least `percent` of `whole`, which is something.
#[track_caller]
fn at_least(part: u64, percent: u64, whole: u64) {
    assert!(whole > 0, "of nothing");
    assert!(part * 100 >= whole * percent, "{part} of {whole}");
}

/// The machine for a kernel, before whose name its architecture may stand.
fn machine(kernel: &str) -> Args {
    let words = kernel.split_once(' ');
    let (arch, kernel) = words.map_or((None, kernel), |(arch, kernel)| {
        (Some(arch.parse().unwrap()), kernel)
    });
    Args {
        arch,
        kernel: kernel.to_owned(),
        ..Args::default()
    }
}

/// The first group of the named work type.
fn group<'r>(report: &'r Report, work: &str) -> &'r Group {
    report
        .runs
        .iter()
        .flat_map(|run| &run.groups)
        .find(|group| group.work == work)
        .unwrap_or_else(|| panic!("no {work}"))
}
