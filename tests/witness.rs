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

use self::bounds::{Way, faults};
use crate::{booted_on, machine};
use core::time::Duration;
use xtask::boot::BootRequest as Args;
use xtask::topology::Smp;

/// What a histogram is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Wakes by other workers of the group.
    Wakes,
    /// Wakes by a timer, from its deadline.
    Timers,
    /// Time runnable without a CPU, from `sched_wakeup` on (W4).
    Delays,
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
}

const fn wakes(plan: &'static str, role: &'static str) -> Case {
    Case {
        plan,
        hist: "wake",
        of: Of::Wakes,
        role,
        task: 0,
        wakees: 1,
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
        plan,
        hist: "timer",
        of: Of::Timers,
        role,
        task: 0,
        wakees: 1,
    }
}

/// Types that others wake, and types that sleep for a time, each with hogs
/// beside it, so that both take long now and then.
const CASES: &[Case] = &[
    wakes("PipeIo", ""),
    wakes("FutexPingPong", ""),
    wakes("CachePipe", ""),
    many(4, "FutexFanOut", "receiver"),
    many(
        4,
        "FanOutCompute cache_footprint_kib=4 operations=2",
        "receiver",
    ),
    wakes("WakeChain wake=pipe", ""),
    wakes("WakeChain wake=futex", ""),
    many(4, "WakeChain wake=futex_broadcast", ""),
    wakes("AsymmetricWaker time=300ms", "wakee"),
    Case {
        of: Of::Delays,
        ..wakes("EpollStorm consumers=8 rd_sample=1", "consumer")
    },
    many(7, "ThunderingHerd", "waiter"),
    wakes("ProducerConsumerImbalance", ""),
    wakes("MutexContention hold_iters=20 work_iters=20", ""),
    wakes("MutexContention", ""),
    Case {
        hist: "wakeup",
        task: 2,
        ..wakes("Schbench operations=1", "")
    },
    wakes("Taobench", ""),
    timers("TimerLatency interval_us=2000", ""),
    timers("Bursty burst_duration=1ms sleep_duration=2ms", ""),
    timers("IdleChurn", ""),
    timers("PreemptStorm", "rt"),
    timers("PriorityInversion period_ms=5", "low"),
];

/// What is measured in a machine whose time is a function of instructions:
/// at most this.
const EXACT: Way = Way {
    before: 40,
    behind: 40,
};

fn args(kernel: &str, smp: u32) -> Args {
    Args {
        smp: Smp::Flat(smp),
        deterministic: Some(1),
        // What a busy host takes for what the guest does in seconds.
        timeout: Some(Duration::from_secs(1800)),
        ..machine(kernel)
    }
}

fn plan(cpus: u32) -> String {
    let hogs = 2 * cpus;
    let run = |case: &Case| {
        let timer = match case.of {
            Of::Timers => ",timer:hrtimer_start",
            Of::Wakes | Of::Delays => "",
        };
        format!(
            "work={} trace=sched_waking,sched_wakeup,sched_switch{timer} \
             with=SpinWait workers={hogs} ",
            case.plan
        )
    };
    let runs: String = CASES.iter().map(run).collect();
    format!("time=60ms trace_kib=16384 {runs}")
}

#[test]
fn one_cpu_on_6_12() {
    prove(args("debian:6.12-cloud", 1), EXACT);
}

#[test]
fn two_cpus_on_6_12() {
    prove(args("debian:6.12-cloud", 2), EXACT);
}

fn prove(machine: Args, way: Way) {
    let plan = plan(machine.smp.cpus());
    let (report, _) = booted_on(machine, &plan);
    assert_eq!(report.lost_records, 0);
    assert_eq!(report.runs.len(), CASES.len(), "{}", report.reason);
    let cases = CASES.iter().zip(&report.runs);
    let wrong: Vec<_> = cases
        .flat_map(|(case, run)| faults(case, run, way))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
