//! The calls that a task makes, by number.

use crate::kit::stop::ThinStr;

/// Steps that can fail, and operations whose failures are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `setpgid(2)`.
    Setpgid,
    /// `rt_sigaction(2)`.
    Sigaction,
    /// `sched_setaffinity(2)`.
    SchedSetaffinity,
    /// `sched_setattr(2)`.
    SchedSetattr,
    /// `setpriority(2)`.
    Setpriority,
    /// `clone(2)`.
    Clone,
    /// `wait4(2)`.
    Wait4,
    /// `read(2)`.
    Read,
    /// `write(2)`.
    Write,
    /// `futex(2)`, waiting.
    FutexWait,
    /// `futex(2)`, waking.
    FutexWake,
    /// `clock_nanosleep(2)`.
    ClockNanosleep,
    /// `prctl(2)`.
    Prctl,
    /// `mmap(2)`.
    Mmap,
    /// `madvise(2)`.
    Madvise,
    /// `set_mempolicy(2)`.
    SetMempolicy,
    /// `mbind(2)`.
    Mbind,
    /// `setresuid(2)`.
    Setresuid,
    /// `setresgid(2)`.
    Setresgid,
    /// `execve(2)`.
    Execve,
    /// `open(2)`.
    Open,
    /// `epoll_wait(2)`.
    EpollWait,
    /// `tgkill(2)`.
    Tgkill,
    /// `ppoll(2)`.
    Ppoll,
    /// `futex(2)`, locking with priority inheritance.
    FutexLockPi,
    /// `futex(2)`, unlocking such a lock.
    FutexUnlockPi,
    /// Writing to `cgroup.procs` or `cgroup.threads`.
    CgroupAttach,
    /// `pread64(2)`.
    Pread,
    /// `pwrite64(2)`.
    Pwrite,
    /// `fdatasync(2)`.
    Fdatasync,
    /// `sendto(2)`.
    Sendto,
    /// `recvmsg(2)`.
    Recvmsg,
    /// Opening or reading `/proc`.
    Proc,
    /// The loop itself; the slot's note says why.
    Run,
}

impl Op {
    /// All with their names on the wire, in the order of their numbers.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Setpgid, "setpgid"),
        (Self::Sigaction, "rt_sigaction"),
        (Self::SchedSetaffinity, "sched_setaffinity"),
        (Self::SchedSetattr, "sched_setattr"),
        (Self::Setpriority, "setpriority"),
        (Self::Clone, "clone"),
        (Self::Wait4, "wait4"),
        (Self::Read, "read"),
        (Self::Write, "write"),
        (Self::FutexWait, "futex_wait"),
        (Self::FutexWake, "futex_wake"),
        (Self::ClockNanosleep, "clock_nanosleep"),
        (Self::Prctl, "prctl"),
        (Self::Mmap, "mmap"),
        (Self::Madvise, "madvise"),
        (Self::SetMempolicy, "set_mempolicy"),
        (Self::Mbind, "mbind"),
        (Self::Setresuid, "setresuid"),
        (Self::Setresgid, "setresgid"),
        (Self::Execve, "execve"),
        (Self::Open, "open"),
        (Self::EpollWait, "epoll_wait"),
        (Self::Tgkill, "tgkill"),
        (Self::Ppoll, "ppoll"),
        (Self::FutexLockPi, "futex_lock_pi"),
        (Self::FutexUnlockPi, "futex_unlock_pi"),
        (Self::CgroupAttach, "cgroup_attach"),
        (Self::Pread, "pread"),
        (Self::Pwrite, "pwrite"),
        (Self::Fdatasync, "fdatasync"),
        (Self::Sendto, "sendto"),
        (Self::Recvmsg, "recvmsg"),
        (Self::Proc, "proc"),
        (Self::Run, "run"),
    ];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> ThinStr {
        Self::ALL.get(self.index()).map_or(&"", |(_, name)| name)
    }

    /// The operation of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|op| op.1 == name).map(|op| op.0)
    }

    /// Its place in [`Op::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Op;

    #[test]
    fn ops_stand_at_their_number() {
        for (index, (op, name)) in Op::ALL.iter().enumerate() {
            assert_eq!(op.index(), index, "{op:?}");
            assert_eq!(Op::named(name), Some(*op));
        }
    }
}
