//! Cgroups and their members, as loops move and count them.

use super::Ctx;
use crate::kit::cgroup::{self, own};
use crate::kit::clock::{now, sleep_until};
use crate::kit::cpus::Cpus;
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::kit::text::{Cut, around_last, path, read_file};
use crate::sys::process::{self, die_with};
use crate::sys::signal::{self, Disposition};
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use heapless::String;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, getpid};
use rustix::thread::{gettid, sched_getaffinity, sched_setaffinity};

impl Ctx<'_> {
    /// Opens `cgroup.procs` of a cgroup that the row's `create` made.
    ///
    /// # Errors
    ///
    /// It is not there, or this user may not write to it.
    pub fn cgroup_procs(&self, name: &str) -> Result<OwnedFd, Stop> {
        let base = self.given.cgroups.ok_or(Stop::skip(&"NO_CGROUP2"))?;
        let file = cgroup::open(&base.path(name), "cgroup.procs");
        file.call(Op::Open.name())
    }

    /// This worker's process.
    #[must_use]
    pub fn own_process(&self) -> Pid {
        getpid()
    }

    /// Moves a process into the cgroup whose `cgroup.procs` this is.
    ///
    /// # Errors
    ///
    /// `ESRCH`: the process is gone; `EBUSY`, `EOPNOTSUPP`: the cgroup takes
    /// no processes.
    pub fn attach(&mut self, procs: &OwnedFd, pid: Pid) -> Result<(), Errno> {
        let mut text: String<16> = String::new();
        let _fits = write!(text, "{}", pid.as_raw_nonzero());
        self.tried(Op::CgroupAttach);
        let written = rustix::io::write(procs, text.as_bytes());
        // The kernel waits for its own locks there.
        self.resumed_at(now());
        written.map(drop)
    }

    /// Whether the kernel says that this process is in that cgroup, by the
    /// last name of its path.
    #[must_use]
    pub fn is_in_cgroup(&self, name: &str) -> bool {
        is_in_cgroup(getpid(), name)
    }

    /// Whether it says so of another process; one that is gone is nowhere.
    #[must_use]
    pub fn confirms_cgroup(&self, pid: Pid, name: &str) -> bool {
        is_in_cgroup(pid, name)
    }

    /// Thread ids of all tasks in this task's cgroup but itself, into
    /// `tids`. Returns how many there are; more than fit are left out.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub fn cgroup_siblings(&self, tids: &[AtomicU64]) -> Result<usize, Stop> {
        let own = own().ok_or(Stop::skip(&"NO_CGROUP2"))?;
        let file = cgroup::open_read(&own, "cgroup.threads").call(&"open")?;
        let me = gettid().as_raw_nonzero().get().unsigned_abs().into();
        let mut room = tids.iter();
        let (mut count, mut number) = (0, 0);
        let mut buf = [0; 512];
        loop {
            let n = rustix::io::read(&file, &mut buf).call(&"read")?;
            if n == 0 {
                return Ok(count);
            }
            for byte in &buf[..n] {
                if byte.is_ascii_digit() {
                    number = number * 10 + u64::from(byte - b'0');
                    continue;
                }
                if number != 0
                    && number != me
                    && let Some(tid) = room.next()
                {
                    tid.store(number, Relaxed);
                    count += 1;
                }
                number = 0;
            }
        }
    }

    /// `sched_setaffinity` of another task.
    ///
    /// # Errors
    ///
    /// `ESRCH`: it is gone; `EINVAL`: none of the CPUs is allowed to it.
    pub fn sched_setaffinity_of(
        &self,
        tid: u64,
        cpus: &Cpus,
    ) -> Result<(), Errno> {
        self.tried(Op::SchedSetaffinity);
        let tid = i32::try_from(tid).ok().and_then(Pid::from_raw);
        let tid = tid.ok_or(Errno::SRCH)?;
        sched_setaffinity(Some(tid), &cpus.to_set())
    }

    /// `sched_getaffinity` of another task.
    #[must_use]
    pub fn sched_getaffinity_of(&self, tid: u64) -> Option<Cpus> {
        let tid = i32::try_from(tid).ok().and_then(Pid::from_raw)?;
        let set = sched_getaffinity(Some(tid)).ok()?;
        Some(Cpus::from_set(&set))
    }

    /// From here on the kernel reaps this worker's children by itself.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub fn ignore_children(&self) -> Result<(), Stop> {
        signal::set_signal(signal::SIGCHLD, Disposition::Ignore)
            .call(Op::Sigaction.name())
    }

    /// Forks a child that exits after so many ns. `None` if the fork
    /// failed, which is counted.
    pub fn fork_for(&self, ns: u64) -> Option<Pid> {
        let parent = getpid();
        self.tried(Op::Clone);
        match process::fork() {
            Ok(Some(child)) => Some(child),
            Ok(None) => {
                if ns > 0 {
                    // It would outlive a worker that is killed.
                    let _asked = die_with(parent);
                    // Woken early it only exits early.
                    let _early = sleep_until(now() + ns);
                }
                process::exit_group(0)
            }
            Err(errno) => {
                self.failed(Op::Clone, errno);
                None
            }
        }
    }
}

fn is_in_cgroup(pid: Pid, name: &str) -> bool {
    let mut buf = [0; 1024];
    let file = path(format_args!("/proc/{}/cgroup", pid.as_raw_nonzero()));
    let cgroup = read_file(&file, &mut buf).and_then(|text| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix("0::"))
    });
    let last = cgroup.and_then(|path| around_last(path, b'/'));
    last.is_some_and(|(_, last)| last.ends_with(name))
}

/// Formats the name of a cgroup.
#[must_use]
pub fn name(args: core::fmt::Arguments<'_>) -> String<32> {
    let mut name = String::new();
    let _cut = Cut(&mut name).write_fmt(args);
    name
}
