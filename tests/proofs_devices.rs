//! Proofs of the types on disks and network interfaces, from kernel counters.

use crate::proofs_custom::c_program;
use crate::{all_well, at_least, booted, machine};
use pidone::wire::record::Verdict;
use std::process::Command;
use xtask::boot::{BootRequest as Args, boot};
use xtask::build;
use xtask::exit::Exit;
use xtask::model::{Outcome, Report, Run, Worker};

/// The kernel of our fragments, which has the drivers.
const KERNEL: &str = "built:6.12";

fn args(disk: &str, nic: Option<&str>, plan: &str) -> Args {
    Args {
        disk: disk
            .split_whitespace()
            .map(|d| d.parse().unwrap())
            .collect(),
        nic: nic.map(|nic| nic.parse().unwrap()),
        plan: plan.split_whitespace().map(str::to_owned).collect(),
        ..machine(KERNEL)
    }
}

fn good(disk: &str, nic: Option<&str>, plan: &str) -> Report {
    let (report, exit) = boot(&args(disk, nic, plan)).unwrap();
    all_well(&report);
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    report
}

fn counter(run: &Run, name: &str) -> u64 {
    run.kernel.counters[name]
}

fn metric(run: &Run, name: &str) -> u64 {
    run.groups[0].metrics[name]
}

fn count(run: &Run, hist: &str) -> u64 {
    run.groups[0].hist[hist].count
}

/// It is as asked, and no call failed.
#[track_caller]
fn ok(run: &Run) {
    assert_eq!(run.verdict, Verdict::Ok, "{}: {:?}", run.name, run.reasons);
    for worker in &run.groups[0].workers {
        assert!(worker.errors.is_empty(), "{:?}", worker.errors);
    }
}

/// It says less, or nothing, for this reason.
#[track_caller]
fn because(run: &Run, verdict: &str, reason: &str) {
    let got = run.verdict.name();
    assert_eq!(got, verdict, "{}: {:?}", run.name, run.reasons);
    assert_eq!(run.reasons, [reason], "{}", run.name);
}

/// Small, so that a page cache would show.
const DISK: &str = "8M";

#[test]
fn disks() {
    let plan = "time=400ms \
        work=IoSyncWrite \
        work=IoSyncWrite workers=3 block=512 clone=thread \
        work=IoRandRead time=1s \
        work=IoConvoy workers=2 time=1s \
        work=IoConvoy workers=2 mode=direct burst_blocks=3 sync_every=4 \
        work=IoRandRead dev=/dev/vdb \
        work=IoConvoy dev=/dev/vdb \
        work=IoSyncWrite dev=/dev/vdb io_fallback=0 \
        work=IoSyncWrite with=IoRandRead \
        work=Sequence io_backing=device phases=spin:5ms,io:45ms \
        work=Sequence io_backing=device phases=io:50ms dev=/dev/vdb \
        work=NetTraffic work=IrqWake";
    let report = good(DISK, None, plan);
    let [
        one,
        three,
        read,
        buffered,
        direct,
        file,
        files,
        none,
        both,
        phases,
        no_phases,
        net,
        irq,
    ] = &report.runs[..]
    else {
        panic!("{} runs", report.runs.len());
    };
    synchronous(one);
    let flushes = counter(one, "disk_flushes");
    at_least(flushes, 1700, one.groups[0].iterations);
    // A part of a page is written when the rest of it has been read.
    assert_eq!(counter(one, "disk_reads"), 0);
    synchronous(three);
    random(read);
    convoy(buffered, 1, 16);
    convoy(direct, 3, 4);
    // One writes pages when it flushes, the other blocks as they come.
    let pages = |run: &Run| counter(run, "nr_dirtied");
    at_least(pages(buffered), 95, count(buffered, "io_write"));
    at_least(counter(buffered, "nr_written"), 95, pages(buffered));
    at_least(count(buffered, "io_write"), 200, writes(buffered));
    at_least(count(direct, "io_write"), 1000, pages(direct) + 1);
    at_least(writes(direct), 100, count(direct, "io_write"));
    for run in [file, files] {
        because(run, "degraded", "NO_BLOCK_DEVICE");
        assert_eq!(metric(run, "backing_tmpfs"), 1);
        assert_eq!(counter(run, "disk_reads"), 0);
        assert!(run.groups[0].work_units > 0);
    }
    because(none, "skip", "NO_BLOCK_DEVICE");
    ok(both);
    phased(phases);
    because(no_phases, "skip", "NO_BLOCK_DEVICE");
    because(net, "skip", "NO_NIC");
    because(irq, "skip", "NO_NIC");
}

/// Writes but flushes, which the kernel counts as writes too.
fn writes(run: &Run) -> u64 {
    counter(run, "disk_writes") - counter(run, "disk_flushes")
}

fn synchronous(run: &Run) {
    ok(run);
    let group = &run.groups[0];
    let iterations = group.iterations;
    assert_eq!(metric(run, "dev_bytes"), 8 << 20);
    assert_eq!(metric(run, "logical_block"), 512);
    assert_eq!(metric(run, "write_back"), 1);
    assert_eq!(metric(run, "scheduler_none"), 1);
    at_least(group.work_units, 100, 16 * iterations);
    at_least(count(run, "flush"), 100, iterations);
    assert_eq!(count(run, "io"), group.work_units);
    assert!(count(run, "wake") > 0);
    at_least(writes(run), 100, 16 * iterations);
    // Each of the 16 has its own, for some of which others have cared.
    at_least(counter(run, "disk_flushes"), 300, iterations);
    for worker in &group.workers {
        // Of writes and flushes, not all of which need wait.
        at_least(worker.nvcsw.unwrap(), 300, worker.iterations);
    }
}

/// `io` phases, which are the second, as IoSyncWrite.
fn phased(run: &Run) {
    ok(run);
    let (group, blocks) = (&run.groups[0], count(run, "phase1"));
    assert!(group.iterations > 0 && blocks > 16);
    // The kernel counts one when it is done, which may be behind the window.
    at_least(writes(run), 95, blocks);
    at_least(blocks, 95, writes(run));
    // A flush behind each batch, beside those of the writes themselves.
    at_least(counter(run, "disk_flushes"), 1700, blocks / 16);
    at_least(group.workers[0].nvcsw.unwrap(), 300, blocks / 16);
}

fn random(run: &Run) {
    ok(run);
    let group = &run.groups[0];
    let reads = group.iterations;
    assert_eq!((group.work_units, count(run, "io")), (reads, reads));
    // Each sixteenth; what was complete before the task slept is no wake.
    assert_eq!(count(run, "wake") + group.nowait, reads / 16);
    // The last may have been under way at the end.
    let read = counter(run, "disk_reads");
    assert!(read.abs_diff(reads) <= 1, "{read} of {reads}");
    at_least(counter(run, "irq_block"), 90, reads);
    // On a slow machine some are complete before the task sleeps.
    at_least(group.workers[0].nvcsw.unwrap(), 40, reads);
}

fn convoy(run: &Run, burst: u64, sync_every: u64) {
    ok(run);
    let group = &run.groups[0];
    let iterations = group.iterations;
    assert!(iterations > 2 * sync_every, "{iterations} passes");
    assert_eq!(count(run, "io_read"), iterations);
    at_least(count(run, "io_write"), 100, burst * iterations);
    let flushes = count(run, "flush");
    assert!(flushes.abs_diff(iterations / sync_every) <= 2, "{flushes}");
    let moved = count(run, "io_read") + count(run, "io_write");
    assert_eq!(group.work_units, moved);
    let read = counter(run, "disk_reads");
    assert!(read.abs_diff(iterations) <= 2, "{read} of {iterations}");
    // Two that flush at the same time may share it.
    at_least(counter(run, "disk_flushes"), 50, flushes);
    for worker in &group.workers {
        at_least(worker.nvcsw.unwrap(), 40, worker.iterations);
    }
}

#[test]
fn a_disk_of_somebody_else() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("disk");
    let source = build::workspace().join("tests/data/custom/disk.c");
    let built = Command::new("cc")
        .args(["-O2", "-Wall", "-Werror", "-static", "-o"])
        .args([&program, &source])
        .status()
        .unwrap();
    assert!(built.success(), "cc: {built}");
    let others = "work=Custom custom.exec=/bin/disk custom.arg.0";
    let plan = format!(
        "time=200ms work=IoSyncWrite work=IoSyncWrite {others}=junk \
         work=IoSyncWrite work=IoRandRead work=IoConvoy dev_force=1 \
         work=IoConvoy {others}=blank work=IoConvoy {others}=hold \
         work=IoSyncWrite work=IoRandRead dev_force=1"
    );
    let (report, exit) = boot(&Args {
        add: vec![format!("{}:/bin/disk", program.display()).parse().unwrap()],
        ..args(DISK, None, &plan)
    })
    .unwrap();
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    let verdicts: Vec<_> = report
        .runs
        .iter()
        .map(|run| (run.name.as_str(), run.verdict.name()))
        .collect();
    let used = "skip";
    assert_eq!(
        verdicts,
        [
            ("IoSyncWrite", "ok"),
            // What it wrote is its own.
            ("IoSyncWrite", "ok"),
            ("Custom", "ok"),
            ("IoSyncWrite", used),
            ("IoRandRead", used),
            ("IoConvoy", "ok"),
            ("IoConvoy", used),
            ("Custom", "ok"),
            ("IoConvoy", "ok"),
            ("Custom", "ok"),
            ("IoSyncWrite", used),
            ("IoRandRead", "ok"),
        ]
    );
    for run in report
        .runs
        .iter()
        .filter(|run| run.verdict == Verdict::Skip)
    {
        because(run, "skip", "DEVICE_IN_USE");
    }
}

#[test]
fn what_does_not_fit_the_disk() {
    for (plan, rule) in [
        ("work=IoSyncWrite workers=8", "less than 1 MiB of the disk"),
        ("work=IoRandRead block=1000", "the disk's logical block"),
        ("work=IoConvoy dev=/dev/null", "no block device"),
        (
            "work=Sequence io_backing=device workers=8 phases=io:1ms",
            "less than 1 MiB of the disk",
        ),
    ] {
        let (report, exit) = boot(&args(DISK, None, plan)).unwrap();
        assert_eq!((report.outcome, exit), (Outcome::PlanError, Exit::Tool));
        assert!(report.reason.contains(rule), "{}", report.reason);
    }
}

const NET: &str = "time=600ms \
    work=NetTraffic \
    work=NetTraffic workers=2 interval_us=1000 frame_bytes=1514 \
    work=IrqWake interval_us=4000 \
    work=IrqWake workers=4 \
    work=NetTraffic nic=eth7 \
    work=NetTraffic echo=self";

/// Frames to the other interface are lost from the beginning of a run's window
/// on. The next run finds its new address.
const LOSE: &str = "time=600ms \
    work=NetTraffic with=Custom custom.exec=/bin/c custom.arg.0=lose \
    work=NetTraffic";

#[test]
fn two_interfaces_on_a_wire() {
    let dir = tempfile::tempdir().unwrap();
    let c = format!("{}:/bin/c", c_program(dir.path()).display());
    let (report, exit) = boot(&Args {
        add: vec![c.parse().unwrap()],
        ..args("", Some("pair"), &format!("{NET} {LOSE}"))
    })
    .unwrap();
    all_well(&report);
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    net(&report, "pair");
    let [lost, again] = &report.runs[6..] else {
        panic!("{} runs", report.runs.len());
    };
    because(lost, "degraded", "NO_ECHO");
    ok(again);
    for run in &report.runs[2..4] {
        // It began before the time stamp.
        let (e2e, wake) =
            (&run.groups[0].hist["e2e"], &run.groups[0].hist["wake"]);
        assert_eq!(e2e.count, receivers(run));
        assert!(e2e.max_ns >= wake.min_ns);
    }
}

#[test]
fn a_gateway_that_answers() {
    let report = good("", Some("user"), NET);
    net(&report, "arp");
    for run in &report.runs[2..4] {
        assert_eq!(count(run, "e2e"), 0);
    }
}

fn net(report: &Report, echo: &str) {
    let [flood, paced, wake, wakes, nowhere, alone, ..] = &report.runs[..]
    else {
        panic!("{} runs", report.runs.len());
    };
    let echo = format!("echo_{echo}");
    for run in [flood, paced, wake, wakes] {
        assert_eq!(metric(run, &echo), 1);
        assert_eq!(metric(run, "nic_eth0"), 1);
    }
    // Rings may be full, which is counted.
    assert_eq!(flood.verdict, Verdict::Ok, "{:?}", flood.reasons);
    ok(paced);
    for run in [flood, paced] {
        let group = &run.groups[0];
        assert_eq!(count(run, "call"), group.iterations);
        assert!(group.work_units <= group.iterations);
        at_least(counter(run, "net_rx_packets"), 90, group.work_units);
        assert!(counter(run, "softirq_net_rx") > 0);
        assert!(counter(run, "irq_net") > 0);
    }
    // Paced, hardly any come together.
    let units = paced.groups[0].work_units;
    at_least(counter(paced, "softirq_net_rx"), 50, units);
    at_least(counter(paced, "irq_net"), 30, units);
    for run in [wake, wakes] {
        woken(run);
    }
    because(nowhere, "skip", "NO_NIC");
    because(alone, "skip", "NO_ECHO");
}

fn receivers(run: &Run) -> u64 {
    of_receivers(run, |worker| worker.iterations)
}

fn of_receivers(run: &Run, figure: fn(&Worker) -> u64) -> u64 {
    let all = run.groups[0].workers.iter();
    all.filter(|w| w.role == "receiver").map(figure).sum()
}

fn woken(run: &Run) {
    ok(run);
    let group = &run.groups[0];
    assert_eq!(group.work_units, group.iterations);
    let received = receivers(run);
    let sent = group.iterations - received;
    at_least(received, 90, sent);
    assert!(received <= sent);
    assert_eq!(count(run, "block"), received);
    let waited = count(run, "wake");
    assert!(waited > 0);
    assert_eq!(waited + group.nowait + metric(run, "discarded"), received);
    at_least(counter(run, "net_rx_packets"), 100, received);
    at_least(counter(run, "softirq_net_rx"), 50, received);
    // A frame may come between the look at the clock and the sleep.
    let slept: u64 = of_receivers(run, |worker| worker.nvcsw.unwrap());
    at_least(slept, 50, waited);
}

#[test]
fn a_machine_without_devices() {
    let plan = "time=100ms work=IoSyncWrite work=IoRandRead work=IoConvoy \
                work=IoRandRead io_fallback=no work=NetTraffic work=IrqWake";
    // Before 6.6 tmpfs refuses O_DIRECT.
    for kernel in [KERNEL, "debian:6.1-cloud"] {
        let (report, exit) = booted(kernel, plan);
        assert_eq!(exit, Exit::Good, "{}", report.reason);
        let [files @ .., none, net, irq] = &report.runs[..] else {
            panic!("{} runs", report.runs.len());
        };
        for run in files {
            because(run, "degraded", "NO_BLOCK_DEVICE");
            assert!(run.groups[0].work_units > 0);
        }
        because(none, "skip", "NO_BLOCK_DEVICE");
        because(net, "skip", "NO_NIC");
        because(irq, "skip", "NO_NIC");
    }
}
