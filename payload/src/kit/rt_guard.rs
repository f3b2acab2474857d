//! What lets fair tasks run beside real-time tasks that never sleep.
//!
//! Up to 6.11 the kernel throttles the real-time class once it has used
//! `sched_rt_runtime_us` out of every `sched_rt_period_us`. Since 6.12 it
//! leaves the real-time class alone, and a deadline server on each CPU gives
//! starved fair tasks some milliseconds of every second; its figures are in
//! debugfs. Kernels with `CONFIG_RT_GROUP_SCHED` throttle as well.

use crate::kit::cpus::Cpus;
use crate::kit::mounts::{DEBUGFS, mount_kind};
use crate::kit::stop::{CallExt, Stop};
use crate::kit::text::{digits, path, read_file, write_file};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use rustix::system::uname;

const RUNTIME_US: &str = "/proc/sys/kernel/sched_rt_runtime_us";
const PERIOD_US: &str = "/proc/sys/kernel/sched_rt_period_us";
/// The first kernel with a fair server.
const FAIR_SERVER_SINCE: (u64, u64) = (6, 12);

/// Which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing does.
    None,
    /// The real-time class is throttled.
    RtThrottle,
    /// Fair tasks have a deadline server.
    FairServer,
}

impl Kind {
    /// Its number in reports.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::None => 0,
            Self::RtThrottle => 1,
            Self::FairServer => 2,
        }
    }
}

/// What protects fair tasks, with its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Which one.
    pub kind: Kind,
    /// What it grants in a period, in µs: to real-time tasks if it throttles
    /// them, to fair tasks if it serves them; `None` if that is not told.
    pub runtime_us: Option<u64>,
    /// Its period in µs.
    pub period_us: Option<u64>,
}

impl Guard {
    /// Finds the guard of one CPU.
    #[must_use]
    pub fn of(cpu: u32) -> Self {
        let ns = |file| number(&server(cpu, file)).map(|ns| ns / 1000);
        match (ns("runtime"), has_fair_server()) {
            (Some(0), _) => Self::NONE,
            (runtime_us, true) => Self {
                kind: Kind::FairServer,
                runtime_us,
                period_us: ns("period"),
            },
            (_, false) => Self::throttle(number(RUNTIME_US)),
        }
    }

    const NONE: Self = Self {
        kind: Kind::None,
        runtime_us: None,
        period_us: None,
    };

    /// `runtime_us` is `None` for -1, which is no limit.
    fn throttle(runtime_us: Option<u64>) -> Self {
        let period_us = number(PERIOD_US);
        if runtime_us.is_none() || runtime_us >= period_us {
            return Self::NONE;
        }
        Self {
            kind: Kind::RtThrottle,
            runtime_us,
            period_us,
        }
    }
}

/// Mounts debugfs, where the fair server is; for PID 1 only.
pub fn mount_debugfs() {
    // Where it is not there or already mounted, reading it tells.
    let _told = mount_kind(c"debugfs", DEBUGFS);
}

/// Takes all guards away, on all of these CPUs. What was changed is kept in
/// `saved`, zeroed cells, of which there is one more than CPUs.
///
/// # Errors
///
/// SKIP where the kernel has a fair server and no debugfs; a write that
/// failed.
pub fn lift(cpus: &Cpus, saved: &[AtomicU64]) -> Result<(), Stop> {
    let (throttle, servers) = saved.split_first().ok_or(NO_CELLS)?;
    if has_fair_server() && cpus.iter().all(|cpu| runtime(cpu).is_none()) {
        return Err(Stop::skip(&"NO_CONFIG:CONFIG_DEBUG_FS"));
    }
    if let Some(us) = number(RUNTIME_US) {
        write_file(RUNTIME_US, "-1").call(&"write")?;
        throttle.store(us + 1, Relaxed);
    }
    for (cpu, saved) in cpus.iter().zip(servers) {
        if let Some(ns) = runtime(cpu).filter(|&ns| ns > 0) {
            write_file(&server(cpu, "runtime"), "0").call(&"write")?;
            saved.store(ns + 1, Relaxed);
        }
    }
    Ok(())
}

/// Brings back what [`lift`] took away, which may be nothing.
pub fn restore(cpus: &Cpus, saved: &[AtomicU64]) {
    let Some((throttle, servers)) = saved.split_first() else {
        return;
    };
    let back = |file: &str, saved: &AtomicU64| {
        if let Some(value) = saved.swap(0, Relaxed).checked_sub(1) {
            let text = path(format_args!("{value}"));
            // It was there, and could be written, a moment ago.
            let _restored = write_file(file, &text);
        }
    };
    back(RUNTIME_US, throttle);
    for (cpu, saved) in cpus.iter().zip(servers) {
        back(&server(cpu, "runtime"), saved);
    }
}

const NO_CELLS: Stop = Stop::fail(&"the type's row declares no cells");

fn server(cpu: u32, file: &str) -> heapless::String<96> {
    let debugfs = DEBUGFS.to_str().unwrap_or("");
    path(format_args!("{debugfs}/sched/fair_server/cpu{cpu}/{file}"))
}

fn runtime(cpu: u32) -> Option<u64> {
    number(&server(cpu, "runtime"))
}

fn number(file: &str) -> Option<u64> {
    digits(read_file(file, &mut [0; 32])?.trim_ascii())
}

/// Whether this kernel has fair servers. It has no other way to tell than
/// debugfs, which may not be there, so that its version has to do.
fn has_fair_server() -> bool {
    let uname = uname();
    version(uname.release().to_str().unwrap_or("")) >= FAIR_SERVER_SINCE
}

fn version(release: &str) -> (u64, u64) {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || digits(parts.next()?);
    let major = next().unwrap_or(0);
    (major, next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Guard, Kind, version};

    #[test]
    fn releases_have_versions() {
        assert_eq!(version("6.12.117+deb12-cloud-amd64"), (6, 12));
        assert_eq!(version("6.1.0-56-cloud-amd64"), (6, 1));
        assert_eq!(version("7.0-rc1"), (7, 0));
        assert_eq!(version(""), (0, 0));
    }

    #[test]
    fn no_limit_is_no_guard() {
        assert_eq!(Guard::throttle(None).kind, Kind::None);
        assert_eq!(Guard::throttle(Some(u64::MAX)).kind, Kind::None);
    }
}
