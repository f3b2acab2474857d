//! What is said of a run: its groups, their workers, and their figures.

use crate::kit::exit::Exit;
use crate::kit::task::TaskCounters;
use crate::wire::record::lists::{Lines, Pairs};
use serde::{Deserialize, Serialize};

/// Judgement on a run or a group, in rising order of trouble.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
)]
pub enum Verdict {
    /// Ran as asked.
    Ok,
    /// Ran, but part of the meaning is missing.
    Degraded,
    /// Could not be meaningful; no worker was started.
    Skip,
    /// The kernel, a worker or an expectation failed; so has a run of which
    /// nothing is known.
    #[default]
    Fail,
}

impl Verdict {
    /// The word used in KTAP diagnostics and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Skip => "skip",
            Self::Fail => "fail",
        }
    }
}

/// A finished run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run<'a> {
    /// Index of the run, from 0.
    pub run: u16,
    /// Names of its work types, joined by `+`.
    pub name: &'a str,
    /// The worst verdict of its groups and of the run itself.
    pub verdict: Verdict,
    /// Why the verdict is not `Ok`, one reason each.
    #[serde(borrow)]
    pub reasons: Lines<'a>,
    /// `CLOCK_MONOTONIC` at the start of the measured window, in ns.
    pub started_ns: u64,
    /// Length of the measured window, in ns.
    pub wall_ns: u64,
    /// Seed of its random numbers.
    pub seed: u64,
    /// Taint bits that appeared during the run.
    pub taint: u64,
    /// Kernel log lines that came during the run but did not fit.
    pub dropped_messages: u32,
    /// How many `Group` records follow.
    pub groups: u16,
    /// How many `Worker` records follow.
    pub workers: u32,
    /// How many `Hist` records follow.
    pub hists: u16,
}

/// One group of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group<'a> {
    /// Index of the run.
    pub run: u16,
    /// Index of the group in the run; 0 is the primary one.
    pub group: u16,
    /// Name of the work type.
    pub work: &'a str,
    /// Every parameter and attribute as resolved, `key=value` each.
    #[serde(borrow)]
    pub args: Lines<'a>,
    /// Workers per instance, 0 if the type is not grouped.
    pub size: u32,
    /// Workers.
    pub workers: u32,
    /// What one iteration is.
    pub iteration: &'a str,
    /// What one work unit is.
    pub unit: &'a str,
    /// Sum over the workers.
    pub iterations: u64,
    /// Sum over the workers.
    pub work_units: u64,
    /// Waits that did not have to sleep, summed over the workers.
    pub nowait: u64,
    /// Every worker told iterations and work units; without it, the sums
    /// are absent rather than 0.
    pub counted: bool,
    /// Wakes that have no sample, because their stamp was gone, summed over
    /// the workers.
    pub stale: u64,
}

/// Scheduling attributes as read back from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effective<'a> {
    /// Policy number of `sched_getattr(2)`.
    pub policy: u8,
    /// Real-time priority, 0 for other classes.
    pub rt_priority: u8,
    /// Nice value.
    pub nice: i8,
    /// Allowed CPUs, a little-endian bitmap without trailing zero bytes.
    pub cpus: &'a [u8],
    /// Memory policy as in the plan (`default`, `bind:0`); absent where the
    /// kernel does not tell.
    pub mempolicy: Option<&'a str>,
    /// Runs in the sched_ext class; absent on kernels that do not have it.
    pub ext_enabled: Option<bool>,
    /// Timer slack in ns; absent where the kernel does not tell.
    pub timer_slack_ns: Option<u64>,
}

/// One worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker<'a> {
    /// Index of the run.
    pub run: u16,
    /// Index of its group.
    pub group: u16,
    /// Index in the group.
    pub index: u32,
    /// Position in its instance.
    pub pos: u32,
    /// What this position does, where positions differ; else empty.
    pub role: &'a str,
    /// Thread id.
    pub tid: u32,
    /// Tasks it is made of, itself included; their counters are summed.
    pub tasks: u32,
    /// Throughput.
    pub iterations: u64,
    /// Progress.
    pub work_units: u64,
    /// Wall time in the loop, in ns.
    pub wall_ns: u64,
    /// CPU time in the loop, in ns.
    pub cpu_ns: u64,
    /// Waits that did not have to sleep.
    pub nowait: u64,
    /// `CLOCK_MONOTONIC` at the first iteration, in ns; 0 if none.
    pub first_ns: u64,
    /// What the kernel counted.
    pub kernel: TaskCounters,
    /// Changes of CPU seen at checkpoints.
    pub migrations_seen: u64,
    /// CPUs seen at checkpoints, a little-endian bitmap.
    pub cpus_used: &'a [u8],
    /// Longest wall time between checkpoints while not voluntarily blocked.
    pub max_gap_ns: u64,
    /// CPU on which that gap ended.
    pub max_gap_cpu: u32,
    /// When that gap ended, in ns since the start of the run.
    pub max_gap_at_ns: u64,
    /// Longest CPU time without a checkpoint, in ns.
    pub max_cpu_gap_ns: u64,
    /// Attributes read back before the start; absent if it never got there.
    #[serde(borrow)]
    pub effective: Option<Effective<'a>>,
    /// Pages of its memory on each node, `node=pages` each: those of the
    /// type's own region if it has one, else of the whole process.
    pub numa_pages: Pairs<'a>,
    /// Left its loop and filled its slot.
    pub completed: bool,
    /// How it ended.
    pub exit: Exit,
    /// It told iterations and work units; without it, they are absent
    /// rather than 0.
    pub counted: bool,
    /// Wakes that have no sample, because their stamp was gone.
    pub stale: u64,
}

/// Failed calls of one worker, by operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallError<'a> {
    /// Index of the run.
    pub run: u16,
    /// Index of the group.
    pub group: u16,
    /// Index of the worker in the group.
    pub index: u32,
    /// The operation, a system call's name where it is one.
    pub op: &'a str,
    /// How often it failed.
    pub count: u64,
    /// `errno` of the last failure.
    pub errno: i32,
}

/// How a `wake` histogram's samples were taken (`docs/wire.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WakeRule {
    /// W1: one stamp slot per wakee.
    Pair,
    /// W2: a ring of generations.
    Broadcast,
    /// W3: the earliest unconsumed stamp of many wakers.
    ManyWakers,
    /// W4: `run_delay` across one blocking step.
    KernelWaker,
    /// W5: the kernel's receive time stamp.
    Packet,
}

impl WakeRule {
    /// `W1` to `W5`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair => "W1",
            Self::Broadcast => "W2",
            Self::ManyWakers => "W3",
            Self::KernelWaker => "W4",
            Self::Packet => "W5",
        }
    }
}

/// One histogram: of a group, merged over its workers, or of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hist<'a> {
    /// Index of the run.
    pub run: u16,
    /// Index of the group.
    pub group: u16,
    /// Its name, `wake` for instance.
    pub name: &'a str,
    /// How its samples were taken, for `wake`.
    pub rule: Option<WakeRule>,
    /// What a value counts: `ns` for all but a few.
    pub unit: &'a str,
    /// Samples.
    pub count: u64,
    /// Sum of all samples, in ns.
    pub sum_ns: u64,
    /// Smallest sample, in ns; 0 if there is none.
    pub min_ns: u64,
    /// Largest sample, in ns.
    pub max_ns: u64,
    /// Occupied buckets in the form of [`crate::kit::histogram::Sparse`].
    pub buckets: &'a [u8],
    /// Index of the worker in the group whose samples these are; absent for
    /// those of all.
    pub worker: Option<u32>,
}

/// Named figures of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics<'a> {
    /// Index of the run.
    pub run: u16,
    /// Index of the group.
    pub group: u16,
    /// `name=value` each, summed over the workers.
    #[serde(borrow)]
    pub values: Pairs<'a>,
}

/// Kernel counter deltas of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters<'a> {
    /// Index of the run.
    pub run: u16,
    /// `name=delta` each.
    #[serde(borrow)]
    pub values: Pairs<'a>,
}

/// A condition of `expect=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect<'a> {
    /// Index of the run.
    pub run: u16,
    /// The condition as written.
    pub text: &'a str,
    /// Whether it held.
    pub held: bool,
    /// The value found, in the condition's base unit times 1000; absent if
    /// the run has no such figure.
    pub milli: Option<u64>,
}

/// Figures of a part of a run, for types that report at intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval<'a> {
    /// Index of the run.
    pub run: u16,
    /// Index of the group.
    pub group: u16,
    /// End of the interval, in ms since the start of the measured window.
    pub end_ms: u64,
    /// `name=value` each.
    #[serde(borrow)]
    pub values: Pairs<'a>,
}
