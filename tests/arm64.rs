//! The same proofs on arm64, in few boots.

use crate::proofs_cpu::Registers;
use crate::smoke::smoke;
use crate::trouble::refused;
use crate::{ARM64, boots, group, machine, proofs, proofs_cpu};
use pidone::wire::record::Verdict;
use xtask::arch::{AARCH64, X86_64};
use xtask::boot::BootRequest as Args;
use xtask::kernel;
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
    let skipped = report
        .runs
        .iter()
        .filter(|run| run.verdict == Verdict::Skip);
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
    // A step takes 2 ns, where it takes 120 in the emulator for x86: the mutex
    // would be free again before anyone sleeps.
    let mutex = "hold_iters=16384 work_iters=65536";
    // A busy host holds up the CPUs of this emulator, one boot in five for
    // longer than the counts bear; of a deterministic machine it cannot.
    let exact = Args {
        deterministic: Some(1),
        ..machine(ARM64)
    };
    proofs::prove(exact, mutex);
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

#[test]
fn every_verb_knows_its_architectures() {
    let ends = "-- time=50ms work=SpinWait";
    for line in [
        "boot",
        "build",
        "pack",
        "setup",
        "dist",
        "ci lava --kernel k --ramdisk r",
        "compare host host",
        "judge --kernel k",
        "bisect --tree . --good a --bad b",
        "kernel build --tree .",
        "kernel check k",
        "kernel fetch k",
    ] {
        let text = refused(&format!("{line} --arch vax {ends}"));
        let want = "`vax`; valid are x86_64, aarch64 and riscv64";
        assert!(text.contains(want), "{line}: {text}");
    }
}

#[test]
fn what_is_for_the_other_architecture_is_refused() {
    let image = |arch| {
        let spec = "debian:6.12-cloud";
        let image = kernel::resolve(spec, Some(arch), false).unwrap();
        image.display().to_string()
    };
    let (x86, arm) = (image(&X86_64), image(&AARCH64));
    let ends = "-- time=50ms work=SpinWait";
    for (line, message) in [
        (
            format!("boot --arch x86_64 --kernel {arm}"),
            "is a kernel for aarch64, and --arch is x86_64",
        ),
        (
            format!("boot --arch arm64 --kernel {x86}"),
            "is a kernel for x86_64, and --arch is aarch64",
        ),
        (
            format!("compare {x86} {arm}"),
            "kernels for x86_64 and for aarch64 do not compare",
        ),
        (
            "boot --arch aarch64 --smp 2n4l8c2t".to_owned(),
            "has one last-level cache",
        ),
    ] {
        let text = refused(&format!("{line} {ends}"));
        assert!(text.contains(message), "{line}: {text}");
    }
}
