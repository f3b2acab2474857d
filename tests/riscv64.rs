//! The same proofs on riscv64, in few boots.

use crate::smoke::smoke;
use crate::{RISCV64, boots, group, machine};
use pidone::wire::record::Verdict;
use xtask::boot::BootRequest as Args;
use xtask::topology::Smp;

#[test]
fn every_type_with_all_devices() {
    let report = smoke(Args {
        smp: Smp::Flat(4),
        disk: vec!["64M".parse().unwrap()],
        nic: Some("pair".parse().unwrap()),
        plan: vec!["plan=smoke".to_owned()],
        ..machine(RISCV64)
    });
    let hello = report.hello.as_ref().unwrap();
    assert_eq!(hello.machine, "riscv64");
    assert_eq!(hello.clock, "vdso");
    assert_eq!((hello.cpus, hello.nodes, hello.cores), (4, 1, 4));
    let skipped = report
        .runs
        .iter()
        .filter(|run| run.verdict == Verdict::Skip);
    let skipped: Vec<_> = skipped.map(|run| run.name.as_str()).collect();
    let numa = ["NumaMigrationChurn", "NumaWorkingSetSweep"];
    assert_eq!(skipped, ["SmtSiblingSpin", numa[0], numa[1], "Custom"]);
    for (work, counter) in
        [("SignalStorm", "irq_res"), ("TimerLatency", "irq_loc")]
    {
        let count = crate::counter(&report, work, counter);
        assert!(count > 0, "{counter} of {work}");
    }
    assert_eq!(group(&report, "AluHot").metrics["width_resolved"], 512);
}

#[test]
fn deterministic_boots_repeat_every_record() {
    // One CPU: with more, the firmware waits for ever in QEMU before 8.1.
    boots::repeats(RISCV64, 1);
}
