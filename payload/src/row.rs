//! What a work type is: one row of data and one loop.
//!
//! Each file in `workloads/` declares a [`Workload`] row. Everything anyone
//! asks about a work type comes from its row: plan parsing and its messages,
//! help, the catalogue, KTAP names, needs, and the kernel-config check.
//! [`Work`] is a row with values for its parameters (`workload/param.rs`), and
//! [`Stop`] why a loop ended by itself (`workload/stop.rs`).

pub mod attr;
mod param;

pub use param::{BadValue, Kind, LONGEST, Param, Value, Work};

use crate::ctx::Ctx;
use crate::kit::cells::{Gauge, Ring, Stamp, Word};
use crate::kit::cpus::Cpus;
use crate::kit::files::Files;
use crate::kit::histogram::Histogram;
use crate::kit::named::Named;
use crate::kit::slot::{Op, Slot};
use crate::kit::stop::{Stop, ThinStr};
use crate::row::attr::{Affinity, Policy};
use crate::run::cgroup::Base;
use crate::run::figures::Totals;
use crate::run::probe::Feature;
use crate::wire::record::WakeRule;
use core::fmt;
use core::sync::atomic::AtomicU64;

/// Most parameters one work type has.
pub const MAX_PARAMS: usize = 40;
/// Most histograms one work type has.
pub const MAX_HISTS: usize = 32;
/// Most metrics one work type has.
pub const MAX_METRICS: usize = 16;

/// A text for the host alone: help, catalogue, tests. In the payload it has
/// no size and is empty.
#[derive(Debug, Clone, Copy)]
pub struct Doc {
    #[cfg(not(feature = "init"))]
    text: &'static str,
}

impl Doc {
    /// The text.
    #[must_use]
    pub const fn text(self) -> &'static str {
        #[cfg(not(feature = "init"))]
        return self.text;
        #[cfg(feature = "init")]
        return "";
    }
}

impl fmt::Display for Doc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A text for the host alone.
#[must_use]
#[cfg_attr(
    feature = "init",
    expect(unused_variables, reason = "the payload leaves it out")
)]
pub const fn doc(text: &'static str) -> Doc {
    Doc {
        #[cfg(not(feature = "init"))]
        text,
    }
}

/// One work type. Rows are `const` and end in `..Workload::BASE`.
#[derive(Clone, Copy)]
pub struct Workload {
    /// Exact PascalCase name.
    pub name: &'static str,
    /// `file!()` of the row, in [`doc`] like all texts that are not sent.
    pub file: Doc,
    /// Where it is listed.
    pub family: Family,
    /// One line, lower case, at most 60 columns.
    pub summary: Doc,
    /// The kernel path it is aimed at.
    pub path: Doc,
    /// Its own parameters, in order of their indices.
    pub params: &'static [Param],
    /// Workers per instance; `None` where any number will do.
    pub group: fn(&Work<'_>) -> Option<u32>,
    /// Workers of a group for which the plan names no number, on so many
    /// CPUs.
    pub workers: fn(&Work<'_>, u32) -> u32,
    /// Tasks one worker is made of, on so many CPUs; all but the first are
    /// threads that the worker starts ([`Ctx::lane`] tells them apart).
    pub tasks: fn(&Work<'_>, u32) -> u32,
    /// What a position does, in one word, where positions differ.
    pub role: fn(&Work<'_>, u32) -> &'static str,
    /// Where its workers run when the plan does not say.
    pub affinity: fn(&Work<'_>) -> Affinity,
    /// What one iteration is.
    pub iteration: &'static str,
    /// What one work unit is.
    pub unit: &'static str,
    /// Its histograms, in order of their indices.
    pub hists: &'static [Hist],
    /// Its own figures, in order of their indices.
    pub metrics: &'static [Metric],
    /// What it needs of kernel and machine.
    pub needs: &'static [Need],
    /// The calls it is for: one that fails at every try fails the run, at
    /// most of them degrades it. [`Ctx::tried`] and [`Ctx::failed`] count
    /// them.
    pub calls: &'static [Op],
    /// How kernel counters prove that the intended path ran.
    pub proof: Doc,
    /// Memory and descriptors an instance shares, on so many CPUs.
    pub shared: fn(&Work<'_>, u32) -> Shared,
    /// Refuses values that are each fine but not together: the rule they
    /// break, which names their keys.
    pub check: fn(&Work<'_>) -> Result<(), &'static str>,
    /// Words that make a bare `work=NAME` runnable, where it is not.
    pub example: ThinStr,
    /// Refuses values that are fine but not under the group's policy.
    pub check_policy: fn(&Work<'_>, Policy) -> Result<(), &'static str>,
    /// How often figures of a part of the run are sent, in ns; 0 is never.
    pub interval_ns: fn(&Work<'_>) -> u64,
    /// Acts on its whole process, so that threads cannot run it.
    pub fork_only: bool,
    /// Acts on its whole cgroup, so that it needs one of its own.
    pub in_cgroup: bool,
    /// Runs in the supervisor for each instance before the first worker is
    /// cloned: opens what the instance shares, changes kernel settings.
    pub create: fn(&Instance<'_>, &Place<'_>) -> Result<(), Stop>,
    /// Runs in the supervisor for each instance after the last worker is
    /// gone, however it went, and undoes what `create` changed.
    pub destroy: fn(&Instance<'_>, &Place<'_>),
    /// Runs in the supervisor for each instance at these moments, for types
    /// whose workers become other programs. What it returns counts at
    /// [`Moment::SetUp`] only: whether a worker that cannot say so itself
    /// has finished its set-up.
    pub tend: Option<fn(&Instance<'_>, &Place<'_>, Moment) -> bool>,
    /// The worker: sets itself up, meets the others at [`Ctx::start`], and
    /// loops until [`Ctx::stop`].
    pub run: fn(&mut Ctx<'_>) -> Result<(), Stop>,
}

impl Workload {
    /// What a row need not say: no parameters, ungrouped, nothing shared.
    pub const BASE: Self = Self {
        name: "",
        file: doc(""),
        family: Family::Cpu,
        summary: doc(""),
        path: doc(""),
        params: &[],
        group: |_| None,
        workers: |work, _| work.group_size().unwrap_or(1),
        tasks: |_, _| 1,
        role: |_, _| "",
        affinity: |_| Affinity::Inherit,
        iteration: "pass of the loop",
        unit: "spin step",
        hists: &[],
        metrics: &[],
        needs: &[],
        calls: &[],
        proof: doc(""),
        shared: |_, _| Shared::NONE,
        check: |_| Ok(()),
        example: &"",
        check_policy: |_, _| Ok(()),
        interval_ns: |_| 0,
        fork_only: false,
        in_cgroup: false,
        create: |_, _| Ok(()),
        destroy: |_, _| {},
        tend: None,
        run: |_| Ok(()),
    };
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workload").field(&self.name).finish()
    }
}

/// When the supervisor tends an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Workers are setting themselves up; comes again and again.
    SetUp,
    /// The loops begin, before the measured window.
    WarmUp,
    /// The measured window begins.
    Measure,
    /// It goes on; comes again and again.
    Look,
    /// All are asked to leave.
    Stop,
    /// A worker of the instance has ended and is not reaped yet.
    Ended,
}

/// The part of an instance that all its workers share.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'r> {
    /// Futex words.
    pub words: &'r [Word],
    /// Stamp slots.
    pub stamps: &'r [Stamp],
    /// Generation rings.
    pub rings: &'r [Ring],
    /// Guarded counters.
    pub gauges: &'r [Gauge],
    /// Plain memory.
    pub cells: &'r [AtomicU64],
    /// Named figures.
    pub named: &'r [Named],
    /// Open files.
    pub files: Files<'r>,
    /// Report slots of its workers and their further tasks: position times
    /// tasks per worker, plus the task.
    pub slots: &'r [Slot],
    /// Histograms of these tasks, a row of them each.
    pub hists: &'r [Histogram],
}

/// Where an instance is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'r> {
    /// The work type and its parameters.
    pub work: &'r Work<'r>,
    /// Number of the group in the run.
    pub group: u16,
    /// Number of the instance in the group.
    pub number: u32,
    /// CPUs its workers may use.
    pub cpus: &'r Cpus,
    /// Where cgroups can be made.
    pub cgroups: Option<&'r Base>,
    /// The first instance of the group, which keeps what all of the group
    /// share.
    pub lead: Instance<'r>,
}

/// Families, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// CPU primitives.
    Cpu,
    /// Block devices.
    Block,
    /// Bursts and sleeps.
    BurstSleep,
    /// Caches.
    Cache,
    /// Wake placement.
    Wake,
    /// Timers and interrupts.
    Timer,
    /// Life cycle and class churn.
    LifeCycle,
    /// Memory and NUMA.
    Memory,
    /// Locks.
    Lock,
    /// Signals and preemption.
    Signal,
    /// Compound.
    Compound,
}

impl Family {
    /// All, in order.
    pub const ALL: &'static [Self] = &[
        Self::Cpu,
        Self::Block,
        Self::BurstSleep,
        Self::Cache,
        Self::Wake,
        Self::Timer,
        Self::LifeCycle,
        Self::Memory,
        Self::Lock,
        Self::Signal,
        Self::Compound,
    ];

    /// Heading in lists.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU primitives",
            Self::Block => "Block I/O",
            Self::BurstSleep => "Burst and sleep",
            Self::Cache => "Cache pressure",
            Self::Wake => "Wake placement",
            Self::Timer => "Timer and IRQ",
            Self::LifeCycle => "Life cycle and class churn",
            Self::Memory => "Memory and NUMA",
            Self::Lock => "Locks",
            Self::Signal => "Signals and preemption",
            Self::Compound => "Compound",
        }
    }
}

/// A place in a row's list, in the size a table has for it.
#[expect(clippy::cast_possible_truncation, reason = "asserted")]
const fn place(index: usize) -> u8 {
    assert!(index < 256, "a row's lists are short");
    index as u8
}

/// A histogram: its place, name and meaning.
#[derive(Debug, Clone, Copy)]
pub struct Hist {
    /// Its index in the row's `hists`.
    pub index: u8,
    /// `wake`, `call`, `timer` …
    pub name: &'static str,
    /// How its samples are taken, for `wake`.
    pub rule: Option<WakeRule>,
    /// What a value counts.
    pub unit: Unit,
    /// What one sample measures, from when to when.
    pub meaning: Doc,
    /// Percentiles on the console.
    pub shown: Shown,
}

/// What a value of a histogram counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Events per second.
    PerSecond,
}

impl Unit {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::PerSecond => "1/s",
        }
    }
}

/// The percentiles of a histogram that are on the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The median and the 99th.
    MedianAndTail,
    /// Those that schbench prints.
    Schbench,
}

impl Shown {
    /// The percentiles, in tenths of a percent.
    #[must_use]
    pub fn tenths(self) -> &'static [u16] {
        match self {
            Self::MedianAndTail => &[500, 990],
            Self::Schbench => &[200, 500, 900, 990, 999],
        }
    }
}

impl Hist {
    /// Its place among those of its row.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.index as usize
    }

    /// A histogram of durations.
    #[must_use]
    pub const fn new(
        index: usize,
        name: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            index: place(index),
            name,
            rule: None,
            unit: Unit::Ns,
            meaning: doc(meaning),
            shown: Shown::MedianAndTail,
        }
    }

    /// The `wake` histogram.
    #[must_use]
    pub const fn wake(
        index: usize,
        rule: WakeRule,
        meaning: &'static str,
    ) -> Self {
        Self {
            rule: Some(rule),
            ..Self::new(index, "wake", meaning)
        }
    }
}

/// A figure of its own that a work type reports for a group.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its index in the row's `metrics`.
    pub index: u8,
    /// Name in JSON.
    pub name: &'static str,
    /// How it comes about.
    pub how: How,
    /// What it counts.
    pub meaning: Doc,
}

/// How the figure of a group comes about.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// The sum over the workers of what [`Ctx::metric`] added.
    Sum,
    /// The largest of what [`Ctx::metric_max`] gave.
    Max,
    /// The sum over the instances of a guarded counter.
    Gauge(usize),
    /// A figure made of the others; absent where the run, or the part of
    /// it, does not tell.
    Derived(fn(&Totals<'_>) -> Option<u64>),
}

impl Metric {
    /// Its place among those of its row.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.index as usize
    }

    /// A sum over the workers.
    #[must_use]
    pub const fn sum(
        index: usize,
        name: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self::new(index, name, How::Sum, meaning)
    }

    /// Deadlines that a periodic loop left out.
    #[must_use]
    pub const fn overruns(index: usize) -> Self {
        const MEANING: &str = "deadlines left out, for they had passed";
        Self::sum(index, "overruns", MEANING)
    }

    /// The largest of all workers'.
    #[must_use]
    pub const fn max(
        index: usize,
        name: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self::new(index, name, How::Max, meaning)
    }

    /// A figure made of the others.
    #[must_use]
    pub const fn derived(
        index: usize,
        name: &'static str,
        from: fn(&Totals<'_>) -> Option<u64>,
        meaning: &'static str,
    ) -> Self {
        Self::new(index, name, How::Derived(from), meaning)
    }

    /// Any kind.
    #[must_use]
    pub const fn new(
        index: usize,
        name: &'static str,
        how: How,
        meaning: &'static str,
    ) -> Self {
        Self {
            index: place(index),
            name,
            how,
            meaning: doc(meaning),
        }
    }
}

/// Something a work type needs, and what happens without it.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// The thing needed.
    pub what: What,
    /// Whether the work type is meaningless without it (SKIP) or only says
    /// less (DEGRADED).
    pub required: bool,
    /// With which parameters it is needed.
    pub when: fn(&Work<'_>) -> bool,
}

/// A thing that kernel or machine may lack.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// A kernel feature, named by its configuration option.
    Feature(Feature),
    /// A configuration option without which the type finds something missing
    /// by itself, and says so.
    Config(Doc),
    /// A machine that the parameters fit; otherwise the plan is refused, for
    /// the reason that is returned.
    Fits(fn(&Work<'_>, &Fit) -> Result<(), &'static str>),
    /// At least this many CPUs in the affinity mask.
    Cpus(u32),
    /// At least this many workers per CPU in the affinity mask, so that they
    /// compete.
    WorkersPerCpu(u32),
    /// `CAP_SYS_NICE`.
    SysNice,
    /// At least as many as there are CPUs in the affinity mask of those
    /// among so many workers whom the others must wait for.
    Rivals(fn(&Work<'_>, u32) -> u32),
    /// A cgroup2 hierarchy in which cgroups can be made.
    Cgroup2,
    /// This controller in it.
    Controller(ThinStr),
    /// A sched_ext scheduler that is loaded.
    SchedExt,
    /// A core with two CPUs, as the kernel sees it.
    Smt,
    /// The disk of the plan.
    BlockDevice,
    /// The network interface of the plan.
    Nic,
    /// `CAP_NET_RAW` and `CAP_NET_ADMIN`.
    NetAdmin,
    /// At least so many nodes with CPUs in the affinity mask.
    CpuNodes(u32),
    /// At least so many nodes with memory.
    MemoryNodes(u32),
    /// So many KiB of available memory for each worker, on so many CPUs.
    Memory(fn(&Work<'_>, u32) -> u64),
}

impl Need {
    /// SKIP without it.
    #[must_use]
    pub const fn required(what: What) -> Self {
        Self {
            what,
            required: true,
            when: |_| true,
        }
    }

    /// DEGRADED without it.
    #[must_use]
    pub const fn wanted(what: What) -> Self {
        Self {
            required: false,
            ..Self::required(what)
        }
    }

    /// Only with these parameters.
    #[must_use]
    pub const fn when(self, when: fn(&Work<'_>) -> bool) -> Self {
        Self { when, ..self }
    }
}

/// Memory and descriptors one instance shares, made before the first clone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shared {
    /// Futex words, one cache line each.
    pub words: u32,
    /// Stamp slots (W1, W3), one cache line each.
    pub stamps: u32,
    /// Rings of generations and stamps (W2).
    pub rings: u32,
    /// Guarded counters; a metric of [`How::Gauge`] reports them.
    pub gauges: u32,
    /// Plain 64-bit cells, packed.
    pub cells: u32,
    /// Places for figures that get their names in the run; those of one
    /// name are added up over the group.
    pub named: u32,
    /// Places for open files, which [`Workload::create`] fills.
    pub files: u32,
    /// A ring of pipes: position `p` reads pipe `p` and writes the pipe of
    /// the position after it.
    pub pipes: bool,
}

impl Shared {
    /// Nothing.
    pub const NONE: Self = Self {
        words: 0,
        stamps: 0,
        rings: 0,
        gauges: 0,
        cells: 0,
        named: 0,
        files: 0,
        pipes: false,
    };
}

/// What a group finds on a machine.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// Workers it has there.
    pub workers: u32,
    /// Memory nodes that it may use.
    pub mems: Cpus,
}
