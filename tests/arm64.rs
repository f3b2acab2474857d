//! The same proofs on arm64, in few boots.

use crate::proofs_cpu::Registers;
use crate::smoke::smoke;
use crate::{ARM64, boots, group, machine, proofs, proofs_cpu};
use xtask::cmd::boot::Args;
use xtask::topology::Smp;

/// NEON and SVE. Kernels give vectors of 512 bits to a program that does not
/// ask for more.
const SVE: Registers = Registers {
    multiplies: [4, 32, 64],
    // NEON is translated into the host's own vectors, SVE is not.
    twice: [2, 4],
};

#[test]
fn every_type_with_all_devices() {
    let report = smoke(Args {
        smp: Smp::Flat(4),
        numa: 2,
        mem: "768M,768M,256M".parse().unwrap(),
        distance: vec!["0-1=31".parse().unwrap()],
        disk: vec!["64M".parse().unwrap()],
        nic: Some("pair".parse().unwrap()),
        plan: vec!["plan=smoke".to_owned()],
        ..machine(ARM64)
    });
    let hello = report.hello.as_ref().unwrap();
    assert_eq!(hello.machine, "aarch64");
    assert_eq!(hello.clock, "vdso");
    assert_eq!((hello.cpus, hello.nodes, hello.cores), (4, 3, 4));
    let skipped = report.runs.iter().filter(|run| run.verdict == "skip");
    let skipped: Vec<_> = skipped.map(|run| run.name.as_str()).collect();
    assert_eq!(skipped, ["SmtSiblingSpin", "Custom"]);
    // The disk's and the interfaces' interrupts, and the kicks of one CPU by
    // another, are where they are counted.
    for (work, counter) in [
        ("IoSyncWrite", "irq_block"),
        ("NetTraffic", "irq_net"),
        ("SignalStorm", "irq_res"),
    ] {
        let count = crate::counter(&report, work, counter);
        assert!(count > 0, "{counter} of {work}");
    }
    assert_eq!(group(&report, "AluHot").metrics["width_resolved"], 512);
}

#[test]
fn wakes_timers_forks_and_yields() {
    proofs::prove(ARM64);
}

#[test]
fn cpus_caches_and_vectors() {
    proofs_cpu::prove(ARM64, &SVE);
}

#[test]
fn siblings_are_two_threads_of_one_core() {
    proofs_cpu::siblings(ARM64);
}

#[test]
fn deterministic_boots_repeat_every_record() {
    boots::repeats(ARM64, 2);
}

#[test]
fn a_console_is_enough_and_may_be_damaged() {
    boots::damaged(ARM64);
}
