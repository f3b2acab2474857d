//! What this kernel and machine have.
//!
//! A feature is found by trying it, never by reading a configuration: that
//! works on every kernel, and says what is really there.

use crate::kit::cgroup;
use crate::kit::text::read_file;
use crate::row::Feature;
use crate::sys::numa::get_mempolicy;
use core::sync::atomic::AtomicU32;
use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{Errno, write};
use rustix::thread::{futex, sched_getaffinity};
use rustix::time::{
    ClockId, DynamicClockId, clock_getres, clock_gettime_dynamic,
};

/// Whether it is among those found at the start, or has come since: timers
/// become exact when the kernel has made up its mind about the TSC, which
/// may be a second later.
#[must_use]
pub fn present_now(feature: Feature, found: &[Feature]) -> bool {
    found.contains(&feature)
        || feature == Feature::HighResTimers && present(feature)
}

/// Whether this kernel has it. What `/proc` tells of it is not there without
/// `/proc`.
#[must_use]
pub fn present(feature: Feature) -> bool {
    match feature {
        Feature::Futex => {
            let word = AtomicU32::new(0);
            let flags = futex::Flags::PRIVATE;
            futex::wake(&word, flags, 1) != Err(Errno::NOSYS)
        }
        Feature::ProcFs => readable("/proc/uptime"),
        // A kernel without it has stubs for the clocks of a system.
        Feature::PosixTimers => {
            let cpu = DynamicClockId::Known(ClockId::ThreadCPUTime);
            clock_gettime_dynamic(cpu).is_ok()
        }
        Feature::HighResTimers => {
            // Low-resolution timers report the length of a tick.
            let res = clock_getres(ClockId::Monotonic);
            res.tv_sec == 0 && res.tv_nsec == 1
        }
        Feature::SchedInfo => readable("/proc/self/schedstat"),
        Feature::Schedstats => readable("/proc/sys/kernel/sched_schedstats"),
        Feature::SchedDebug => readable("/proc/self/sched"),
        Feature::FutexPi => {
            // Nobody holds it, so that unlocking it is refused.
            let word = AtomicU32::new(0);
            let flags = futex::Flags::PRIVATE;
            futex::unlock_pi(&word, flags) != Err(Errno::NOSYS)
        }
        Feature::SchedExt => readable("/sys/kernel/sched_ext/state"),
        // It is empty while no hierarchy is mounted.
        Feature::Cgroups => {
            read_file("/proc/self/cgroup", &mut [0; 16]).is_some()
        }
        Feature::CgroupSched => cgroup::exists("cpu"),
        Feature::Cpusets => cgroup::exists("cpuset"),
        Feature::Memcg => cgroup::exists("memory"),
        Feature::Numa => get_mempolicy() != Err(Errno::NOSYS),
        Feature::MemfdCreate => probe_file().err() != Some(Errno::NOSYS),
        Feature::Tmpfs => {
            let written = probe_file().and_then(|file| write(&file, b"x"));
            written.err() != Some(Errno::INVAL)
        }
    }
}

/// A file in memory.
fn probe_file() -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC;
    match memfd_create("probe", flags | MemfdFlags::NOEXEC_SEAL) {
        // Before 6.3; later ones complain if it is missing.
        Err(Errno::INVAL) => memfd_create("probe", flags),
        file => file,
    }
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
    use super::{present, usable_cpus};
    use crate::row::Feature;

    #[test]
    fn a_host_that_runs_tests_has_futexes() {
        assert!(present(Feature::Futex));
        assert!(present(Feature::PosixTimers));
        assert!(usable_cpus() >= 1);
    }

    #[test]
    fn every_feature_names_an_option() {
        for feature in Feature::ALL {
            assert!(feature.config().starts_with("CONFIG_"));
        }
    }
}
