//! What a work type needs of kernel and machine.

use crate::kit::cpus::Cpus;
use crate::kit::stop::ThinStr;
use crate::row::doc::Doc;
use crate::row::feature::Feature;
use crate::row::param::Work;

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

/// What a group finds on a machine.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// Workers it has there.
    pub workers: u32,
    /// Memory nodes that it may use.
    pub mems: Cpus,
}
