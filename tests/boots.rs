//! Properties of whole boots.

use crate::proofs_custom::c_program;
use crate::{RISCV64, booted_on, good_on, machine};
use core::fmt::Write;
use pidone::wire::record::Verdict;
use pidone::workloads::rows;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::boot::{BootRequest as Args, boot};
use xtask::build;
use xtask::decode::decode;
use xtask::exit::Exit;
use xtask::machine::Machine;
use xtask::model::profile::Function;
use xtask::model::{Report, Run};
use xtask::qemu;
use xtask::topology::Smp;

const KERNEL: &str = "debian:6.12-cloud";

#[test]
fn deterministic_boots_repeat_every_record() {
    for smp in [1, 2] {
        repeats(KERNEL, smp);
    }
}

/// The kernel's own disk and interface wait for nobody else.
#[test]
fn every_type_repeats_with_devices_of_the_kernel_s_own() {
    let dir = tempfile::tempdir().unwrap();
    let c = format!("{}:/bin/custom", c_program(dir.path()).display());
    let mut plan = "time=20ms".to_owned();
    for row in rows() {
        write!(plan, " work={} {}", row.name, row.example).unwrap();
        if row.name == "Custom" {
            plan += " custom.arg.0=others";
        }
        for param in row.params {
            plan += match param.name {
                "dev" => " dev=/dev/nullb0",
                "io_backing" => " io_backing=device",
                "nic" => " nic=lo",
                _ => "",
            };
        }
    }
    let [one, other] = [7, 7].map(|seed| {
        let machine = Args {
            smp: Smp::Flat(2),
            numa: 2,
            deterministic: Some(seed),
            add: vec![c.parse().unwrap()],
            ..machine(KERNEL)
        };
        booted_on(machine, &plan).0
    });
    assert_eq!(one.digest, other.digest);
    assert_eq!(one.runs.len(), rows().count());
    for run in &one.runs {
        let reasons = match run.name.as_str() {
            "SmtSiblingSpin" => &["NO_SMT"][..],
            // That disk has nothing to flush.
            "IoSyncWrite" | "IoConvoy" | "Sequence" => &["WRITE_THROUGH"],
            _ => &[],
        };
        assert_eq!(run.reasons, reasons, "{}", run.name);
    }
}

/// Two deterministic boots with so many CPUs are one and the same, though the
/// instructions of one of them are counted.
pub(crate) fn repeats(kernel: &str, smp: u32) {
    let plan = "time=60ms work=PipeIo work=FutexPingPong work=ForkExit \
                work=AluHot";
    let [plain, counted] = [false, true].map(|profile| {
        let machine = Args {
            smp: Smp::Flat(smp),
            deterministic: Some(7),
            profile,
            ..machine(kernel)
        };
        good_on(machine, plan)
    });
    let digest = plain.digest.unwrap();
    assert_eq!(digest, counted.digest.unwrap(), "with {smp} CPUs");
    let left = counted.runs.iter().map(profiled);
    let left: Vec<i64> = left.collect();
    // An instruction is a nanosecond of guest time, but for the reading of the
    // clock, whose calibration is a few millionths off, and for time in which
    // all CPUs are idle. The last run leaves none so.
    assert!(left[3].abs() < 1_000, "{left:?}");
    let least = left.iter().min().unwrap();
    let apart = left.iter().max().unwrap() - least;
    // The clock of riscv64 counts in steps of 100 ns.
    let step = if kernel == RISCV64 { 100 } else { 0 };
    assert!(apart < 50 + step || smp > 1, "{left:?}");
}

/// Rows sum to the whole, and functions are called as they are to be. Returns
/// how many nanoseconds there were without an instruction.
fn profiled(run: &Run) -> i64 {
    let (name, profile) = (&run.name, run.profile.as_ref().unwrap());
    let functions = profile.functions.iter();
    let sum: u64 = functions.map(|function| function.instructions).sum();
    assert_eq!(sum, profile.instructions, "{name}");
    let iterations: u64 = run.groups.iter().map(|g| g.iterations).sum();
    assert_eq!(profile.iterations, iterations);
    // Each iteration goes through these functions once or more.
    let through = match name.as_str() {
        "PipeIo" => ["pipe_read", "pipe_write"],
        "FutexPingPong" => ["futex_wake", "get_futex_key"],
        "ForkExit" => ["copy_process", "do_exit"],
        _ => ["pidone::ctx::Ctx::record_at", "pidone::kit::clock::now"],
    };
    for name in through {
        let mut functions = profile.functions.iter();
        // Linux 6.15 calls those of pipes `anon_pipe_read` and so on.
        let is = |it: &&Function| it.name.trim_start_matches("anon_") == name;
        let found = functions.find(is).unwrap();
        assert!(found.calls + 9 > iterations, "{found:?} of {iterations}");
    }
    i64::try_from(run.wall_ns).unwrap() - i64::try_from(sum).unwrap()
}

/// The console alone: no second port, no host tool beside QEMU.
pub(crate) fn plain_boot(
    kernel: &str,
    deterministic: Option<u64>,
    append: &[&str],
) -> Vec<u8> {
    let arch = machine(kernel).arch.unwrap_or_default();
    let payload = build::payload(arch, false).unwrap();
    plain_boot_of(&payload, kernel, deterministic, append)
}

/// The same of another init.
pub(crate) fn plain_boot_of(
    payload: &Path,
    kernel: &str,
    deterministic: Option<u64>,
    append: &[&str],
) -> Vec<u8> {
    let Args { arch, kernel, .. } = machine(kernel);
    let arch = arch.unwrap_or_default();
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine {
        arch,
        kernel: xtask::kernel::resolve(&kernel, Some(arch), false).unwrap(),
        initrd: build::pack(payload, "gzip".parse().unwrap()).unwrap(),
        append: append.iter().map(|&word| word.to_owned()).collect(),
        deterministic,
        dir: dir.path().to_path_buf(),
        ..Machine::default()
    };
    let turn = qemu::turn(true).unwrap();
    let status = Command::new(arch.qemu.program)
        .args(machine.args().unwrap())
        .status()
        .unwrap();
    drop(turn);
    assert!(status.success());
    fs::read(machine.console()).unwrap()
}

#[test]
fn a_console_is_enough_and_may_be_damaged() {
    damaged(KERNEL);
}

/// What is left of a damaged console is what was sent.
pub(crate) fn damaged(kernel: &str) {
    let plan = ["pidone.work=TimerLatency", "pidone.time=300ms"];
    let mut log = plain_boot(kernel, None, &plan);
    let boot = decode(&log).newest();
    let report = Report::new(&boot);
    assert_eq!(report.lost_records, 0);
    assert_eq!(report.runs[0].verdict, Verdict::Ok);
    let sent = boot.records().count();
    // Every hundredth byte, as a bad line would.
    let mut random = 1_u32;
    let mut hits = 0;
    for byte in &mut log {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if random >> 16 & 0x7f == 0 {
            *byte ^= 0x10;
            hits += 1;
        }
    }
    assert!(hits > 20, "{hits} bytes were damaged");
    let damaged = decode(&log).newest();
    let left = damaged.records().count();
    if damaged.bye().is_some() {
        let all = u64::try_from(sent).unwrap();
        let lost = damaged.lost_records();
        assert_eq!(u64::try_from(left).unwrap() + lost, all);
        assert_eq!(Report::new(&damaged).lost_records, lost);
    }
    assert!(left > 0);
    for (number, bytes, _) in damaged.records() {
        let original = boot.records().find(|r| r.0 == number).unwrap();
        assert_eq!(bytes, original.1, "record {number}");
    }
}

#[test]
fn a_machine_is_what_was_spelled_out() {
    for (smp, memory, want) in [
        ("2n4l8c1t", "512M", (8, 2, 4, 8)),
        ("1n1l2c2t", "512M", (4, 1, 1, 2)),
        // A node without CPUs counts as one.
        ("2n2l4c1t", "192M,192M,128M", (4, 3, 2, 4)),
    ] {
        let (report, exit) = boot(&Args {
            smp: smp.parse().unwrap(),
            mem: memory.parse().unwrap(),
            plan: vec!["time=50ms".to_owned(), "work=SpinWait".to_owned()],
            ..machine(KERNEL)
        })
        .unwrap();
        assert_eq!(exit, Exit::Good, "{smp}: {}", report.reason);
        let hello = report.hello.as_ref().unwrap();
        let seen = (hello.cpus, hello.nodes, hello.llcs, hello.cores);
        assert_eq!(seen, want, "{smp}");
        assert_eq!(report.runs[0].verdict, Verdict::Ok, "{smp}");
    }
}
