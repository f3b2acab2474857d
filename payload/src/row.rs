//! What a work type declares: data that is asked for everywhere.
//!
//! Plan parsing and its messages, help, the catalogue, KTAP names, needs and
//! the check of kernel configurations all come from a type's [`Row`]. A row
//! knows nothing of the loop that belongs to it
//! ([`Workload`](crate::ctx::workload::Workload)).

pub mod attr;
pub mod doc;
pub mod feature;
pub mod hist;
pub mod metric;
pub mod need;
pub mod param;
pub mod shared;

pub use doc::{Doc, doc};
pub use feature::Feature;
pub use hist::{Hist, MAX_HISTS, Shown, Unit};
pub use metric::{How, Metric, Totals};
pub use need::{Fit, Need, What};
pub use param::{BadValue, Kind, LONGEST, MAX_PARAMS, Param, Value, Work};
pub use shared::Shared;

use crate::kit::op::Op;
use crate::kit::stop::ThinStr;
use attr::{Affinity, Policy};
use core::fmt;

/// Most groups in one run.
pub const MAX_GROUPS: usize = 8;
/// Most workers in one group.
pub const MAX_WORKERS: u32 = 4096;

/// One work type. Rows are `const` and end in `..Row::BASE`.
#[derive(Clone, Copy)]
pub struct Row {
    /// Exact PascalCase name.
    pub name: &'static str,
    /// `file!()` of the row, in [`doc()`] like all texts that are not sent.
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
    /// CPUs; `None` where one instance is meant.
    pub workers: Option<fn(&Work<'_>, u32) -> u32>,
    /// Tasks one worker is made of, on so many CPUs; all but the first are
    /// threads that the worker starts (`Ctx::lane` tells them apart).
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
    /// most of them degrades it. `Ctx::tried` and `Ctx::failed` count
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
}

impl Row {
    /// What a row need not say: no parameters, ungrouped, nothing shared.
    pub const BASE: Self = Self {
        name: "",
        file: doc(""),
        family: Family::Cpu,
        summary: doc(""),
        path: doc(""),
        params: &[],
        group: |_| None,
        workers: None,
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
    };

    /// The type with default parameters.
    #[must_use]
    pub fn work<'t>(&self) -> Work<'t> {
        Work::new(self.name, self.params)
    }

    /// Workers per instance with these parameters, if the type is grouped.
    #[must_use]
    pub fn group_size(&self, work: &Work<'_>) -> Option<u32> {
        (self.group)(work)
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Row").field(&self.name).finish()
    }
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
