//! The kernel as witness: every latency of a wake or a timer is held against
//! the kernel's own events of the same boot.
//!
//! A worker's sample lies between two bounds that come of the trace. It is
//! not shorter than what the kernel saw: from `sched_waking` of the sleeping
//! task to the `sched_switch` to it, or from a timer's deadline to that
//! switch. It is not longer than that and the way between kernel and user
//! space on both sides: some microseconds of the waker's own time on a CPU
//! before the waking, and of the wakee's behind the switch, however long it
//! takes them to get that time. So the k-th longest sample lies between the
//! k-th longest of either bound, and there are as many samples as wakes.

mod bounds;

use self::bounds::faults;
use crate::{booted_on, machine};
use core::time::Duration;
use pidone::row::Row;
use pidone::workloads::rows;
use xtask::boot::BootRequest as Args;
use xtask::topology::Smp;

/// What a histogram is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Wakes by other workers of the group.
    Wakes,
    /// Wakes by a timer, from its deadline.
    Timers,
    /// Time runnable without a CPU, from `sched_wakeup` on, whoever woke (W4).
    Delays,
    /// Wakes by the arrival of a frame (W5).
    Frames,
}

/// A run whose histogram the kernel is asked about.
struct Case {
    plan: &'static str,
    hist: &'static str,
    of: Of,
    /// Whose samples they are; empty for all.
    role: &'static str,
    /// The first task of a worker whose samples they are.
    task: u32,
    /// How many tasks one call wakes.
    wakees: u64,
    /// How many CPUs there must be for it to be woken, and may be.
    cpus: (u32, u32),
    /// Whether a device wakes it.
    device: bool,
    /// What runs beside it, if not two SpinWait for each CPU.
    beside: Option<&'static str>,
}

const fn wakes(plan: &'static str, role: &'static str) -> Case {
    Case {
        plan,
        hist: "wake",
        of: Of::Wakes,
        role,
        task: 0,
        wakees: 1,
        cpus: (1, 2),
        device: false,
        beside: None,
    }
}

const fn many(wakees: u64, plan: &'static str, role: &'static str) -> Case {
    Case {
        wakees,
        ..wakes(plan, role)
    }
}

const fn timers(plan: &'static str, role: &'static str) -> Case {
    Case {
        hist: "timer",
        of: Of::Timers,
        ..wakes(plan, role)
    }
}

const fn delays(plan: &'static str, role: &'static str) -> Case {
    Case {
        of: Of::Delays,
        ..wakes(plan, role)
    }
}

const fn device(plan: &'static str) -> Case {
    Case {
        device: true,
        ..delays(plan, "")
    }
}

/// Types that others wake, and types that sleep for a time, each with hogs
/// beside it, so that both take long now and then; and some as people ask for
/// them.
const CASES: &[Case] = &[
    wakes("PipeIo", ""),
    wakes("FutexPingPong", ""),
    wakes("CachePipe", ""),
    Case {
        beside: Some(""),
        ..wakes("CachePipe", "")
    },
    many(4, "FutexFanOut", "receiver"),
    many(4, "FutexFanOut pace=free", "receiver"),
    Case {
        beside: Some("with=SpinWait workers=6"),
        ..many(4, "FutexFanOut", "receiver")
    },
    many(
        4,
        "FanOutCompute cache_footprint_kib=4 operations=2",
        "receiver",
    ),
    wakes("WakeChain wake=pipe", ""),
    wakes("WakeChain wake=futex", ""),
    many(4, "WakeChain wake=futex_broadcast", ""),
    Case {
        cpus: (2, 2),
        ..wakes("AsymmetricWaker time=300ms", "wakee")
    },
    delays("EpollStorm consumers=8 rd_sample=1", "consumer"),
    Case {
        beside: Some("with=SpinWait workers=4"),
        ..delays("EpollStorm consumers=8 rd_sample=1", "consumer")
    },
    many(7, "ThunderingHerd", "waiter"),
    Case {
        beside: Some("with=SpinWait workers=8"),
        ..many(7, "ThunderingHerd", "waiter")
    },
    wakes("ProducerConsumerImbalance", ""),
    // On one CPU hardly any of them has to sleep.
    Case {
        cpus: (1, 1),
        ..wakes("MutexContention hold_iters=20 work_iters=20 time=300ms", "")
    },
    Case {
        cpus: (2, 2),
        ..wakes("MutexContention hold_iters=20 work_iters=20", "")
    },
    Case {
        cpus: (2, 2),
        beside: Some(""),
        ..wakes("MutexContention hold_iters=20 work_iters=20", "")
    },
    wakes("MutexContention time=300ms", ""),
    Case {
        hist: "wakeup",
        task: 2,
        cpus: (2, 2),
        ..wakes("Schbench operations=1 cache_footprint_kib=4", "")
    },
    wakes("Taobench", ""),
    // Woken on an idle CPU it has no delay by the clock of the run queue.
    Case {
        cpus: (1, 1),
        ..delays("ForkExit rd_sample=1", "")
    },
    device("IoRandRead rd_sample=1"),
    device("IoSyncWrite rd_sample=1"),
    device("IoConvoy rd_sample=1"),
    Case {
        of: Of::Frames,
        device: true,
        ..wakes("IrqWake interval_us=5000 time=300ms", "receiver")
    },
    timers("TimerLatency interval_us=2000", ""),
    timers("Bursty burst_duration=1ms sleep_duration=2ms", ""),
    timers("IdleChurn", ""),
    timers("PreemptStorm", "rt"),
    timers("PriorityInversion period_ms=5", "low"),
    Case {
        cpus: (2, 2),
        ..timers("NumaMigrationChurn period_ms=5", "")
    },
    Case {
        cpus: (2, 2),
        ..timers("NumaWorkingSetSweep sweep_period_ms=5 region_kib=64", "")
    },
];

/// Two CPUs are two nodes. Without devices, whose time is the host's, the boot
/// repeats itself.
fn exact(kernel: &str, cpus: u32) -> Args {
    Args {
        smp: Smp::Flat(cpus),
        numa: cpus,
        deterministic: Some(1),
        // What a busy host takes for what the guest does in seconds.
        timeout: Some(Duration::from_secs(1800)),
        ..machine(kernel)
    }
}

fn cases(cpus: u32, device: bool) -> Vec<&'static Case> {
    let fits = |case: &&Case| {
        let (least, most) = case.cpus;
        (least..=most).contains(&cpus) && case.device == device
    };
    CASES.iter().filter(fits).collect()
}

fn plan(cases: &[&Case], cpus: u32) -> String {
    let hogs = format!("with=SpinWait workers={}", 2 * cpus);
    let run = |case: &&Case| {
        let timer = match case.of {
            Of::Timers => ",timer:hrtimer_start",
            Of::Wakes | Of::Delays | Of::Frames => "",
        };
        let beside = case.beside.unwrap_or(&hogs);
        format!(
            "work={} trace=sched_waking,sched_wakeup,sched_switch{timer} \
             {beside} ",
            case.plan
        )
    };
    let runs: String = cases.iter().map(run).collect();
    format!("time=60ms trace_kib=16384 {runs}")
}

#[test]
fn one_cpu_on_6_1() {
    prove(exact("debian:6.1-cloud", 1));
}

#[test]
fn one_cpu_on_6_12() {
    prove(exact("debian:6.12-cloud", 1));
}

#[test]
fn two_cpus_on_6_12() {
    prove(exact("debian:6.12-cloud", 2));
}

#[test]
fn devices_on_6_12() {
    prove(Args {
        disk: vec!["64M".parse().unwrap()],
        nic: Some("pair".parse().unwrap()),
        ..exact("debian:6.12-cloud", 1)
    });
}

fn prove(machine: Args) {
    let cpus = machine.smp.cpus();
    let cases = cases(cpus, !machine.disk.is_empty());
    let (report, _) = booted_on(machine, &plan(&cases, cpus));
    assert_eq!(report.lost_records, 0);
    assert_eq!(report.runs.len(), cases.len(), "{}", report.reason);
    let wrong: Vec<_> = cases
        .into_iter()
        .zip(&report.runs)
        .flat_map(|(case, run)| faults(case, run))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// But for programs of somebody else's, whose samples are their own.
#[test]
fn every_type_with_such_a_histogram_is_asked() {
    let such = |row: &&Row| {
        let such = ["wake", "timer", "wakeup"];
        row.hists.iter().any(|hist| such.contains(&hist.name))
    };
    let asked = |row: &&Row| {
        let begins = |case: &Case| {
            case.plan.split(' ').next() == Some(row.name)
                && row.hists.iter().any(|hist| hist.name == case.hist)
        };
        CASES.iter().any(begins)
    };
    let missing = rows().filter(such).filter(|row| !asked(row));
    let missing: Vec<_> = missing.map(|row| row.name).collect();
    assert_eq!(missing, ["Custom"]);
}
