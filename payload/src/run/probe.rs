//! What this kernel and machine have.
//!
//! A feature is found by trying it, never by reading a configuration: that
//! works on every kernel, and says what is really there.

use crate::kit::text::read_file;
use crate::run::cgroup;
use crate::sys::numa::get_mempolicy;
use core::sync::atomic::AtomicU32;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::thread::{futex, sched_getaffinity};
use rustix::time::{
    ClockId, DynamicClockId, clock_getres, clock_gettime_dynamic,
};

/// A kernel feature that a work type may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `CONFIG_FUTEX`.
    Futex,
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
}

impl Feature {
    /// What every run needs: the CPU time of a thread is among all figures.
    pub const OF_ALL_RUNS: Self = Self::PosixTimers;

    /// All.
    pub const ALL: &'static [Self] = &[
        Self::Futex,
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
    ];

    /// The configuration option that provides it.
    #[must_use]
    pub fn config(self) -> &'static str {
        match self {
            Self::Futex => "CONFIG_FUTEX",
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
        }
    }

    /// Whether it is among those found at the start, or has come since: timers
    /// become exact when the kernel has made up its mind about the TSC, which
    /// may be a second later.
    #[must_use]
    pub fn present_now(self, found: &[Self]) -> bool {
        found.contains(&self) || self == Self::HighResTimers && self.present()
    }

    /// Whether this kernel has it; needs `/proc`.
    #[must_use]
    pub fn present(self) -> bool {
        match self {
            Self::Futex => {
                let word = AtomicU32::new(0);
                let flags = futex::Flags::PRIVATE;
                futex::wake(&word, flags, 1) != Err(Errno::NOSYS)
            }
            // A kernel without it has stubs for the clocks of a system.
            Self::PosixTimers => {
                let cpu = DynamicClockId::Known(ClockId::ThreadCPUTime);
                clock_gettime_dynamic(cpu).is_ok()
            }
            Self::HighResTimers => {
                // Low-resolution timers report the length of a tick.
                let res = clock_getres(ClockId::Monotonic);
                res.tv_sec == 0 && res.tv_nsec == 1
            }
            Self::SchedInfo => readable("/proc/self/schedstat"),
            Self::Schedstats => readable("/proc/sys/kernel/sched_schedstats"),
            Self::SchedDebug => readable("/proc/self/sched"),
            Self::FutexPi => {
                // Nobody holds it, so that unlocking it is refused.
                let word = AtomicU32::new(0);
                let flags = futex::Flags::PRIVATE;
                futex::unlock_pi(&word, flags) != Err(Errno::NOSYS)
            }
            Self::SchedExt => readable("/sys/kernel/sched_ext/state"),
            // It is empty while no hierarchy is mounted.
            Self::Cgroups => {
                read_file("/proc/self/cgroup", &mut [0; 16]).is_some()
            }
            Self::CgroupSched => cgroup::exists("cpu"),
            Self::Cpusets => cgroup::exists("cpuset"),
            Self::Memcg => cgroup::exists("memory"),
            Self::Numa => get_mempolicy() != Err(Errno::NOSYS),
            Self::MemfdCreate => {
                // Known since 6.3, which complains if it is missing.
                let flags = MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL;
                memfd_create("probe", flags).err() != Some(Errno::NOSYS)
            }
        }
    }
}

/// Whether a sched_ext scheduler is loaded; that may change between runs.
#[must_use]
pub fn sched_ext_enabled() -> bool {
    let state = "/sys/kernel/sched_ext/state";
    read_file(state, &mut [0; 16]).is_some_and(|s| s.trim_ascii() == "enabled")
}

fn readable(path: &str) -> bool {
    read_file(path, &mut [0; 16]).is_some_and(|text| !text.is_empty())
}

/// CPUs this process may run on; 1 if the kernel does not tell.
#[must_use]
pub fn usable_cpus() -> u32 {
    sched_getaffinity(None).map_or(1, |set| set.count().max(1))
}

#[cfg(test)]
mod tests {
    use super::{Feature, usable_cpus};

    #[test]
    fn a_host_that_runs_tests_has_futexes() {
        assert!(Feature::Futex.present());
        assert!(Feature::PosixTimers.present());
        assert!(usable_cpus() >= 1);
    }

    #[test]
    fn every_feature_names_an_option() {
        for feature in Feature::ALL {
            assert!(feature.config().starts_with("CONFIG_"));
        }
    }
}
