//! What a worker reports, in shared memory, while it runs.
//!
//! The worker is the only writer; the supervisor reads at any time. So a
//! worker that crashes or hangs is still reported with all it had counted.
//! Everything starts as zero, which is "nothing yet".

use crate::record::TaskCounters;
use crate::workload::MAX_METRICS;
use core::sync::atomic::{
    AtomicI32, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Words of a CPU bitmap.
pub const CPU_WORDS: usize = 16;

/// Shared by all workers of a run.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Control {
    /// A [`Phase`]; workers wait on it as a futex for the start.
    pub phase: AtomicU32,
    /// `CLOCK_MONOTONIC` at which the current phase began, in ns.
    pub phase_ns: AtomicU64,
    /// Workers that finished their set-up, or failed in it.
    pub ready: AtomicU32,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Setting up.
    Wait,
    /// Running, not measuring yet.
    WarmUp,
    /// Running and measuring.
    Measure,
    /// To be left at once.
    Stop,
}

impl Phase {
    /// Its number in [`Control::phase`].
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Wait => 0,
            Self::WarmUp => 1,
            Self::Measure => 2,
            Self::Stop => 3,
        }
    }
}

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not cloned, or not yet running.
    New,
    /// In the step [`Slot::step`] of its set-up.
    Setup,
    /// Waiting for the start, or in its loop.
    Running,
    /// Left its loop and filled its slot.
    Done,
    /// A step of set-up or loop failed; [`Slot::step`] and
    /// [`Slot::step_errno`] say which and why.
    Failed,
}

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
    /// Opening or reading `/proc`.
    Proc,
    /// The loop itself; the reason is in the run's verdict.
    Run,
}

impl Op {
    /// All, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Setpgid,
        Self::Sigaction,
        Self::SchedSetaffinity,
        Self::SchedSetattr,
        Self::Setpriority,
        Self::Clone,
        Self::Wait4,
        Self::Read,
        Self::Write,
        Self::FutexWait,
        Self::FutexWake,
        Self::ClockNanosleep,
        Self::Prctl,
        Self::Proc,
        Self::Run,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Setpgid => "setpgid",
            Self::Sigaction => "rt_sigaction",
            Self::SchedSetaffinity => "sched_setaffinity",
            Self::SchedSetattr => "sched_setattr",
            Self::Setpriority => "setpriority",
            Self::Clone => "clone",
            Self::Wait4 => "wait4",
            Self::Read => "read",
            Self::Write => "write",
            Self::FutexWait => "futex_wait",
            Self::FutexWake => "futex_wake",
            Self::ClockNanosleep => "clock_nanosleep",
            Self::Prctl => "prctl",
            Self::Proc => "proc",
            Self::Run => "run",
        }
    }

    /// Its place in [`Op::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Failures of one operation.
#[derive(Debug)]
#[repr(C)]
pub struct Failures {
    count: AtomicU64,
    errno: AtomicI32,
}

/// Counters of one task as read from `/proc`; 0 is "absent", any other value
/// is one more than what was read.
#[derive(Debug)]
#[repr(C)]
pub struct KernelCounters([AtomicU64; 11]);

impl KernelCounters {
    /// Stores a reading.
    pub fn store(&self, c: &TaskCounters) {
        for (to, from) in self.0.iter().zip(fields(c)) {
            to.store(from.map_or(0, |value| value.wrapping_add(1)), Relaxed);
        }
    }

    /// The differences `end - self` where both are known.
    #[must_use]
    pub fn until(&self, end: &Self) -> TaskCounters {
        let mut delta = [None; 11];
        for ((out, from), to) in delta.iter_mut().zip(&self.0).zip(&end.0) {
            let (from, to) = (from.load(Relaxed), to.load(Relaxed));
            if from > 0 && to > 0 {
                *out = Some(to.saturating_sub(from));
            }
        }
        from_fields(delta)
    }

    /// Whether nothing was stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|value| value.load(Relaxed) == 0)
    }
}

fn fields(c: &TaskCounters) -> [Option<u64>; 11] {
    [
        c.run_delay_ns,
        c.run_count,
        c.nvcsw,
        c.nivcsw,
        c.migrations,
        c.wakeups,
        c.wakeups_sync,
        c.wakeups_migrate,
        c.wakeups_remote,
        c.minflt,
        c.majflt,
    ]
}

fn from_fields(f: [Option<u64>; 11]) -> TaskCounters {
    TaskCounters {
        run_delay_ns: f[0],
        run_count: f[1],
        nvcsw: f[2],
        nivcsw: f[3],
        migrations: f[4],
        wakeups: f[5],
        wakeups_sync: f[6],
        wakeups_migrate: f[7],
        wakeups_remote: f[8],
        minflt: f[9],
        majflt: f[10],
    }
}

/// One worker's report, as it is being written.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Slot {
    /// Completed iterations.
    pub iterations: AtomicU64,
    /// Work units.
    pub work_units: AtomicU64,
    /// Wakes for which the worker had not blocked.
    pub nowait: AtomicU64,
    /// `CLOCK_MONOTONIC` at the start of the first iteration, in ns.
    pub first_ns: AtomicU64,
    /// `CLOCK_MONOTONIC` when counting began, in ns.
    pub begin_ns: AtomicU64,
    /// `CLOCK_MONOTONIC` when the loop was left, in ns.
    pub end_ns: AtomicU64,
    /// CPU time when counting began, in ns.
    pub cpu_begin_ns: AtomicU64,
    /// CPU time at the last reading, in ns.
    pub cpu_end_ns: AtomicU64,
    /// Longest wall time between checkpoints, in ns.
    pub max_gap_ns: AtomicU64,
    /// CPU on which that ended.
    pub max_gap_cpu: AtomicU32,
    /// When it ended, in ns of `CLOCK_MONOTONIC`.
    pub max_gap_at_ns: AtomicU64,
    /// Longest CPU time between checkpoints, in ns.
    pub max_cpu_gap_ns: AtomicU64,
    /// Changes of CPU seen at checkpoints.
    pub migrations_seen: AtomicU64,
    /// CPUs seen at checkpoints.
    pub cpus_used: [AtomicU64; CPU_WORDS],
    /// The type's own figures.
    pub metrics: [AtomicU64; MAX_METRICS],
    /// Kernel counters when counting began.
    pub kernel_begin: KernelCounters,
    /// Kernel counters at the end.
    pub kernel_end: KernelCounters,
    failures: [Failures; 16],
    state: AtomicU32,
    /// Number of the [`Op`] in progress or failed.
    pub step: AtomicU32,
    /// `errno` of the failed step.
    pub step_errno: AtomicI32,
    /// Thread id.
    pub tid: AtomicU32,
    /// Process id: the worker's own, or that of its host.
    pub pid: AtomicU32,
    /// Thread mode: becomes 0 when the thread has ended.
    pub clear_tid: AtomicU32,
    /// Policy as read back, plus one; 0 is "not read".
    pub policy: AtomicU32,
    /// Real-time priority as read back.
    pub rt_priority: AtomicU32,
    /// Nice value as read back.
    pub nice: AtomicI32,
    /// Allowed CPUs as read back.
    pub allowed: [AtomicU64; CPU_WORDS],
    /// How it ended: an encoded [`crate::record::Exit`], plus one.
    pub exit: AtomicU32,
}

impl Slot {
    /// How far the worker is.
    #[must_use]
    pub fn state(&self) -> State {
        match self.state.load(Acquire) {
            0 => State::New,
            1 => State::Setup,
            2 => State::Running,
            3 => State::Done,
            _ => State::Failed,
        }
    }

    /// Publishes how far it is, and all it wrote before.
    pub fn set_state(&self, state: State) {
        let number = match state {
            State::New => 0,
            State::Setup => 1,
            State::Running => 2,
            State::Done => 3,
            State::Failed => 4,
        };
        self.state.store(number, Release);
    }

    /// The step in progress or failed.
    #[must_use]
    pub fn op(&self) -> Op {
        let index = self.step.load(Relaxed) as usize;
        Op::ALL.get(index).copied().unwrap_or(Op::Run)
    }

    /// Enters a step.
    pub fn enter(&self, op: Op) {
        let number = u32::try_from(op.index()).unwrap_or(0);
        self.step.store(number, Relaxed);
    }

    /// Counts a failed call.
    pub fn count_failure(&self, op: Op, errno: i32) {
        if let Some(entry) = self.failures.get(op.index()) {
            add(&entry.count, 1);
            entry.errno.store(errno, Relaxed);
        }
    }

    /// Failed calls, with their count and last errno.
    pub fn failures(&self) -> impl Iterator<Item = (Op, u64, i32)> + '_ {
        Op::ALL
            .iter()
            .zip(&self.failures)
            .filter_map(|(&op, entry)| {
                let count = entry.count.load(Relaxed);
                (count > 0).then(|| (op, count, entry.errno.load(Relaxed)))
            })
    }

    /// Starts counting anew at `now`, for the end of a warm-up.
    pub fn restart(&self, now: u64, cpu: u64) {
        for counter in [
            &self.iterations,
            &self.work_units,
            &self.nowait,
            &self.max_gap_ns,
            &self.max_gap_at_ns,
            &self.max_cpu_gap_ns,
            &self.migrations_seen,
        ] {
            counter.store(0, Relaxed);
        }
        for word in &self.cpus_used {
            word.store(0, Relaxed);
        }
        self.begin_ns.store(now, Relaxed);
        self.cpu_begin_ns.store(cpu, Relaxed);
        self.cpu_end_ns.store(cpu, Relaxed);
    }
}

/// Adds to a counter that only this task writes.
#[inline]
pub fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::{Failures, Op, Slot};
    use core::mem::offset_of;

    #[test]
    fn ops_stand_at_their_number() {
        for (index, op) in Op::ALL.iter().enumerate() {
            assert_eq!(op.index(), index, "{op:?}");
        }
    }

    #[test]
    fn every_op_has_its_place() {
        let room = offset_of!(Slot, state) - offset_of!(Slot, failures);
        assert!(Op::ALL.len() <= room / size_of::<Failures>());
    }
}
