//! What a worker reports, in shared memory, while it runs.
//!
//! The worker is the only writer; the supervisor reads at any time. So a
//! worker that crashes or hangs is still reported with all it had counted.
//! Everything starts as zero, which is "nothing yet".

use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::kit::reason::Reason;
use crate::kit::task::{self, COUNTERS, TaskCounters};
use core::sync::atomic::{
    AtomicI32, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Most metrics one work type has.
pub const MAX_METRICS: usize = 16;
/// NUMA nodes that are told apart.
pub const MAX_NODES: usize = 16;
/// Words of a CPU bitmap.
pub const CPU_WORDS: usize = 16;

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
    /// It could not be meaningful; [`Slot::note`] says why.
    Skipped,
    /// Its process runs another program; whoever tends it knows how far it
    /// is.
    Replaced,
}

/// A short text in shared memory.
#[derive(Debug)]
#[repr(C)]
pub struct Note([AtomicU8; 160]);

impl Note {
    /// Writes it as one line; what does not fit is left out.
    pub fn set(&self, text: &str) {
        let one_line = |byte| if byte == b'\n' { b' ' } else { byte };
        let bytes = text.bytes().map(one_line).chain(core::iter::repeat(0));
        for (to, byte) in self.0.iter().zip(bytes) {
            to.store(byte, Relaxed);
        }
    }

    /// Reads it into `buf`.
    pub fn get<'b>(&self, buf: &'b mut [u8; 160]) -> &'b str {
        for (to, from) in buf.iter_mut().zip(&self.0) {
            *to = from.load(Relaxed);
        }
        let end = buf.iter().position(|&b| b == 0).unwrap_or(buf.len());
        let text = &buf[..end];
        match core::str::from_utf8(text) {
            Ok(text) => text,
            Err(e) => {
                core::str::from_utf8(&text[..e.valid_up_to()]).unwrap_or("")
            }
        }
    }
}

/// Calls of one operation, and how many of them failed.
#[derive(Debug)]
#[repr(C)]
pub struct Calls {
    tries: AtomicU64,
    count: AtomicU64,
    errno: AtomicI32,
}

/// Counters of one task as read from `/proc`; 0 is "absent", any other value
/// is one more than what was read.
#[derive(Debug)]
#[repr(C)]
pub struct KernelCounters([AtomicU64; COUNTERS]);

impl KernelCounters {
    /// Stores a reading.
    pub fn store(&self, c: &TaskCounters) {
        for (to, from) in self.0.iter().zip(c.0) {
            to.store(from.map_or(0, |value| value.wrapping_add(1)), Relaxed);
        }
    }

    fn at(&self, counter: usize) -> Option<u64> {
        let stored = self.0.get(counter)?.load(Relaxed);
        stored.checked_sub(1)
    }

    /// Whether nothing was stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|value| value.load(Relaxed) == 0)
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
    /// Waits that did not have to sleep.
    pub nowait: AtomicU64,
    /// Wakes that have no sample, because their stamp was gone.
    pub stale: AtomicU64,
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
    calls: [Calls; 40],
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
    /// Mode and flags of the memory policy as read back, plus one.
    pub mempolicy: AtomicU32,
    /// Its nodes.
    pub mempolicy_nodes: [AtomicU64; CPU_WORDS],
    /// How it ended: an encoded [`crate::kit::exit::Exit`], plus one.
    pub exit: AtomicU32,
    /// Runs in the sched_ext class: 0 is "not told", 1 no, 2 yes.
    pub ext_enabled: AtomicU32,
    /// Timer slack in ns, plus one; 0 is "not told".
    pub timer_slack: AtomicU64,
    /// Pages of its memory on each node.
    pub numa_pages: [AtomicU64; MAX_NODES],
    /// 1 if nobody told iterations and work units, so that both are absent.
    pub uncounted: AtomicU32,
    /// Reasons for which the run says less, a bit each.
    reasons: AtomicU32,
    /// Why it failed or skipped.
    pub note: Note,
}

impl Slot {
    /// What the kernel counted meanwhile of the [`Counter`] of this number,
    /// where both readings are known.
    ///
    /// [`Counter`]: crate::kit::task::Counter
    #[must_use]
    pub fn kernel(&self, counter: usize) -> Option<u64> {
        let [begin, end] = [&self.kernel_begin, &self.kernel_end];
        Some(end.at(counter)?.saturating_sub(begin.at(counter)?))
    }

    /// Takes from `/proc` what a worker did not live to report.
    pub fn close(&self) {
        if self.state() == State::Done || self.end_ns.load(Relaxed) != 0 {
            return;
        }
        let (pid, tid) = (self.pid.load(Relaxed), self.tid.load(Relaxed));
        if tid != 0 && self.begin_ns.load(Relaxed) != 0 {
            self.kernel_end.store(&task::read(pid, tid));
            self.end_ns.store(now(), Relaxed);
        }
    }

    /// How far the worker is.
    #[must_use]
    pub fn state(&self) -> State {
        match self.state.load(Acquire) {
            0 => State::New,
            1 => State::Setup,
            2 => State::Running,
            3 => State::Done,
            5 => State::Skipped,
            6 => State::Replaced,
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
            State::Skipped => 5,
            State::Replaced => 6,
        };
        self.state.store(number, Release);
    }

    /// The step in progress or failed.
    #[must_use]
    pub fn op(&self) -> Op {
        let index = self.step.load(Relaxed) as usize;
        Op::ALL.get(index).map_or(Op::Run, |&(op, _)| op)
    }

    /// Enters a step.
    pub fn enter(&self, op: Op) {
        let number = u32::try_from(op.index()).unwrap_or(0);
        self.step.store(number, Relaxed);
    }

    /// Counts a call, which may fail.
    #[inline]
    pub fn count_try(&self, op: Op) {
        if let Some(entry) = self.calls.get(op.index()) {
            add(&entry.tries, 1);
        }
    }

    /// How often a call was made that [`Slot::count_try`] counts.
    #[must_use]
    pub fn tries_of(&self, op: Op) -> u64 {
        let entry = self.calls.get(op.index());
        entry.map_or(0, |entry| entry.tries.load(Relaxed))
    }

    /// Counts a failed call.
    pub fn count_failure(&self, op: Op, errno: i32) {
        if let Some(entry) = self.calls.get(op.index()) {
            add(&entry.count, 1);
            entry.errno.store(errno, Relaxed);
        }
    }

    /// How often this call failed, and its last errno.
    #[must_use]
    pub fn failures_of(&self, op: Op) -> (u64, i32) {
        self.calls.get(op.index()).map_or((0, 0), |entry| {
            (entry.count.load(Relaxed), entry.errno.load(Relaxed))
        })
    }

    /// Notes that the run says less.
    pub fn degrade(&self, reason: Reason) {
        self.reasons.fetch_or(1 << reason as u32, Relaxed);
    }

    /// Whether iterations and work units are known.
    #[must_use]
    pub fn counted(&self) -> bool {
        self.uncounted.load(Relaxed) == 0
    }

    /// Notes that the task was on this CPU.
    pub fn saw_cpu(&self, cpu: usize) {
        if let Some(word) = self.cpus_used.get(cpu / 64) {
            word.store(word.load(Relaxed) | 1 << (cpu % 64), Relaxed);
        }
    }

    /// The reasons noted.
    pub fn reasons(&self) -> impl Iterator<Item = &'static str> + '_ {
        let noted = self.reasons.load(Relaxed);
        Reason::ALL
            .iter()
            .filter(move |(reason, _)| noted >> *reason as u32 & 1 == 1)
            .map(|&(_, name)| name)
    }

    /// Starts counting anew at `now`, for the end of a warm-up.
    pub fn restart(&self, now: u64, cpu: u64) {
        for counter in [
            &self.iterations,
            &self.work_units,
            &self.nowait,
            &self.stale,
            &self.max_gap_ns,
            &self.max_gap_at_ns,
            &self.max_cpu_gap_ns,
            &self.migrations_seen,
        ] {
            counter.store(0, Relaxed);
        }
        for word in self.cpus_used.iter().chain(&self.metrics) {
            word.store(0, Relaxed);
        }
        for calls in &self.calls {
            calls.tries.store(0, Relaxed);
            calls.count.store(0, Relaxed);
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
    use super::{Calls, Op, Slot};
    use core::mem::offset_of;

    #[test]
    fn every_op_has_its_place() {
        let room = offset_of!(Slot, state) - offset_of!(Slot, calls);
        assert!(Op::ALL.len() <= room / size_of::<Calls>());
    }
}
