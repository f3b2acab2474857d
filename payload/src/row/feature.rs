//! Kernel features that work types need.

/// A kernel feature that a work type may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `CONFIG_FUTEX`.
    Futex,
    /// `CONFIG_PROC_FS`.
    ProcFs,
    /// `CONFIG_POSIX_TIMERS`.
    PosixTimers,
    /// `CONFIG_HIGH_RES_TIMERS`.
    HighResTimers,
    /// `CONFIG_SCHED_INFO`.
    SchedInfo,
    /// `CONFIG_SCHEDSTATS`.
    Schedstats,
    /// `CONFIG_SCHED_DEBUG`, where it exists.
    SchedDebug,
    /// `CONFIG_FUTEX_PI`.
    FutexPi,
    /// `CONFIG_SCHED_CLASS_EXT`.
    SchedExt,
    /// `CONFIG_CGROUPS`.
    Cgroups,
    /// `CONFIG_CGROUP_SCHED`.
    CgroupSched,
    /// `CONFIG_CPUSETS`.
    Cpusets,
    /// `CONFIG_MEMCG`.
    Memcg,
    /// `CONFIG_NUMA`.
    Numa,
    /// `CONFIG_MEMFD_CREATE`.
    MemfdCreate,
    /// `CONFIG_TMPFS`, without which files in memory can be mapped and neither
    /// written nor made larger, where `CONFIG_SHMEM` is on.
    Tmpfs,
}

impl Feature {
    /// What every run needs: nearly all figures are of `/proc`, and the CPU
    /// time of a thread is among them.
    pub const OF_ALL_RUNS: [Self; 2] = [Self::ProcFs, Self::PosixTimers];

    /// All.
    pub const ALL: &'static [Self] = &[
        Self::Futex,
        Self::ProcFs,
        Self::PosixTimers,
        Self::HighResTimers,
        Self::SchedInfo,
        Self::Schedstats,
        Self::SchedDebug,
        Self::FutexPi,
        Self::SchedExt,
        Self::Cgroups,
        Self::CgroupSched,
        Self::Cpusets,
        Self::Memcg,
        Self::Numa,
        Self::MemfdCreate,
        Self::Tmpfs,
    ];

    /// The configuration option that provides it.
    #[must_use]
    pub fn config(self) -> &'static str {
        match self {
            Self::Futex => "CONFIG_FUTEX",
            Self::ProcFs => "CONFIG_PROC_FS",
            Self::PosixTimers => "CONFIG_POSIX_TIMERS",
            Self::HighResTimers => "CONFIG_HIGH_RES_TIMERS",
            Self::SchedInfo => "CONFIG_SCHED_INFO",
            Self::Schedstats => "CONFIG_SCHEDSTATS",
            Self::SchedDebug => "CONFIG_SCHED_DEBUG",
            Self::FutexPi => "CONFIG_FUTEX_PI",
            Self::SchedExt => "CONFIG_SCHED_CLASS_EXT",
            Self::Cgroups => "CONFIG_CGROUPS",
            Self::CgroupSched => "CONFIG_CGROUP_SCHED",
            Self::Cpusets => "CONFIG_CPUSETS",
            Self::Memcg => "CONFIG_MEMCG",
            Self::Numa => "CONFIG_NUMA",
            Self::MemfdCreate => "CONFIG_MEMFD_CREATE",
            Self::Tmpfs => "CONFIG_TMPFS",
        }
    }
}
