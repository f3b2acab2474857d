//! What a loop sees of its run: the only thing a workload file talks to.
//!
//! A [`Ctx`] counts, measures, waits and wakes. It makes every system call a
//! loop needs, stops at the stop signal, and keeps the books of gaps and CPUs
//! at checkpoints. Nothing here allocates, formats or prints.

pub mod block;
pub mod broadcast;
pub mod cgroup;
mod child;
mod class;
pub mod disk;
mod events;
pub mod exec;
pub mod given;
pub mod instance;
pub mod lanes;
mod measure;
mod memory;
pub mod mutex;
pub mod nic;
mod packet;
pub mod setup;
mod signals;
mod sleep;
mod spin;
mod switches;
pub mod wait;
pub mod workload;

use crate::ctx::given::Given;
use crate::ctx::instance::Instance;
use crate::ctx::setup::{arrive, effective};
use crate::ctx::switches::Switches;
use crate::kit::cells::{Gauge, Ring, Stamp, Word, sleep_while};
use crate::kit::clock::{self, MILLISECOND, now};
use crate::kit::control::Phase;
use crate::kit::cpus::Cpus;
use crate::kit::memory::Region;
use crate::kit::op::Op;
use crate::kit::reason::Reason;
use crate::kit::slot::{CPU_WORDS, State, add};
use crate::kit::stop::{CallExt, Stop};
use crate::kit::task;
use crate::row::attr::Policy;
use crate::row::{Hist, Metric, Work};
use crate::sys::sched;
use core::mem::ManuallyDrop;
use core::ops::Range;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed},
};
use rand_core::SeedableRng;
use rand_xoshiro::SplitMix64;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::thread::{sched_getcpu, sched_setaffinity};

/// A worker's view of its run.
#[derive(Debug)]
pub struct Ctx<'r> {
    given: Given<'r>,
    started: bool,
    phase: u32,
    last_ns: u64,
    last_cpu: usize,
    cpu_read_ns: u64,
    cpu_read_at: u64,
    delay_steps: u32,
    /// What is known of voluntary context switches and of the time a pipe
    /// takes.
    switches: Switches,
    /// Where the type's own memory is, for `numa_maps`.
    region: Range<usize>,
}

impl<'r> Ctx<'r> {
    /// The view of a worker that is still setting itself up.
    #[must_use]
    pub fn new(given: Given<'r>) -> Self {
        Self {
            given,
            started: false,
            phase: Phase::Wait.number(),
            last_ns: 0,
            last_cpu: usize::MAX,
            cpu_read_ns: 0,
            cpu_read_at: 0,
            delay_steps: 0,
            switches: Switches::UNKNOWN,
            region: 0..0,
        }
    }

    /// Ends the set-up: reads back what the kernel made of the worker's
    /// attributes, waits for all the others, and starts counting.
    pub fn start(&mut self) {
        let slot = self.given.slot;
        effective(slot, self.given.sched_ext);
        slot.set_state(State::Running);
        self.started = true;
        arrive(self.given.control);
        let phase = &self.given.control.phase;
        let wait = Phase::Wait.number();
        while phase.load(Acquire) == wait {
            sleep_while(phase, wait, clock::SECOND / 10);
        }
        self.phase = phase.load(Relaxed);
        self.begin();
    }

    /// Whether the worker got through its set-up.
    #[must_use]
    pub fn started(&self) -> bool {
        self.started
    }

    fn begin(&mut self) {
        let slot = self.given.slot;
        slot.kernel_begin.store(&task::read_own());
        self.switches = Switches::UNKNOWN;
        let cpu = clock::thread_cpu();
        let now = now();
        slot.restart(now, cpu);
        for hist in self.given.hists {
            hist.clear();
        }
        self.last_ns = now;
        (self.cpu_read_at, self.cpu_read_ns) = (now, cpu);
        self.last_cpu = usize::MAX;
        self.sample_cpu();
        if slot.first_ns.load(Relaxed) == 0 {
            slot.first_ns.store(now, Relaxed);
        }
    }

    /// Closes the books; to be called when the loop has ended.
    pub fn finish(&mut self) {
        let slot = self.given.slot;
        slot.end_ns.store(now(), Relaxed);
        slot.cpu_end_ns.store(clock::thread_cpu(), Relaxed);
        slot.kernel_end.store(&task::read_own());
        if self.given.lane == 0 {
            task::own_numa_pages(&self.region, &slot.numa_pages);
        }
    }

    /// Memory of this worker's own; the report says on which nodes it is, so
    /// it stays until the process ends.
    ///
    /// # Errors
    ///
    /// `mmap` failed.
    pub fn memory(
        &mut self,
        bytes: usize,
    ) -> Result<ManuallyDrop<Region>, Stop> {
        let region = Region::new(bytes).call(Op::Mmap.name())?;
        let start = region.address();
        self.region = start..start + bytes;
        Ok(ManuallyDrop::new(region))
    }

    /// The type's own memory is at these addresses.
    pub fn report_region(&mut self, addresses: Range<usize>) {
        self.region = addresses;
    }

    /// Notes that the run says less than it could.
    pub fn degrade(&self, reason: Reason) {
        self.given.slot.degrade(reason);
    }

    /// Random numbers of this task's own, from the plan's seed.
    #[must_use]
    pub fn random(&self) -> SplitMix64 {
        SplitMix64::seed_from_u64(self.given.seed)
    }

    /// Which task of the worker this is: 0 is the worker itself.
    #[must_use]
    pub fn lane(&self) -> u32 {
        self.given.lane
    }

    /// Tasks per worker.
    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.given.lanes
    }

    /// Index of the worker in its group.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.given.index
    }

    /// Workers in its group.
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.given.workers
    }

    /// What the workers of the instance share.
    #[must_use]
    pub fn instance(&self) -> &Instance<'r> {
        &self.given.instance
    }

    /// A 64-bit cell of the instance.
    #[must_use]
    pub fn cell(&self, index: u32) -> &'r AtomicU64 {
        &self.given.instance.cells[index as usize]
    }

    /// A file of the instance.
    ///
    /// # Errors
    ///
    /// The row's `create` did not open it.
    pub fn file(&self, index: usize) -> Result<BorrowedFd<'r>, Stop> {
        let file = self.given.instance.files.get(index);
        file.ok_or(Stop::fail(&"the type's row opens no such file"))
    }

    /// Thread id of the worker at position `pos` of this instance; known
    /// from [`Ctx::start`] on.
    #[must_use]
    pub fn tid_of(&self, pos: u32) -> u32 {
        let at = (pos * self.given.lanes) as usize;
        let slot = self.given.instance.slots.get(at);
        slot.map_or(0, |slot| slot.tid.load(Relaxed))
    }

    /// CPUs this task may run on.
    #[must_use]
    pub fn allowed(&self) -> Cpus {
        let words = &self.given.slot.allowed;
        let mut set = [0; CPU_WORDS];
        for (to, from) in set.iter_mut().zip(words) {
            *to = from.load(Relaxed);
        }
        Cpus::from_words(set)
    }

    /// `sched_setaffinity` of this task.
    ///
    /// # Errors
    ///
    /// `EINVAL`: none of the CPUs is allowed; `EPERM`: a deadline task.
    pub fn sched_setaffinity(&self, cpus: &Cpus) -> Result<(), Errno> {
        sched_setaffinity(None, &cpus.to_set())
    }

    /// `sched_setattr` of this task, at the nice value it has.
    ///
    /// # Errors
    ///
    /// `EPERM`, `EBUSY` (deadline admission), `EACCES` (the sched_ext
    /// scheduler will not have it).
    pub fn sched_setattr(&self, policy: Policy) -> Result<(), Errno> {
        let nice = i8::try_from(sched::sched_getattr()?.nice).ok();
        sched::sched_setattr(policy.attr(nice))
    }

    /// The work type and its parameters.
    #[must_use]
    pub fn work(&self) -> &'r Work<'r> {
        self.given.work
    }

    /// Position in the instance.
    #[must_use]
    pub fn pos(&self) -> u32 {
        self.given.pos
    }

    /// Workers per instance.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.given.size
    }

    /// A futex word of the instance.
    #[must_use]
    pub fn word(&self, index: u32) -> &'r Word {
        &self.given.instance.words[index as usize]
    }

    /// A stamp slot of the instance.
    #[must_use]
    pub fn stamp(&self, index: u32) -> &'r Stamp {
        &self.given.instance.stamps[index as usize]
    }

    /// A generation ring of the instance.
    #[must_use]
    pub fn ring(&self, index: u32) -> &'r Ring {
        &self.given.instance.rings[index as usize]
    }

    /// A guarded counter of the instance.
    #[must_use]
    pub fn gauge(&self, index: u32) -> &'r Gauge {
        &self.given.instance.gauges[index as usize]
    }

    /// Whether to leave the loop.
    #[inline]
    #[must_use]
    pub fn stop(&self) -> bool {
        self.given.control.phase.load(Relaxed) == Phase::Stop.number()
    }

    /// Counts an iteration that ended at `now`, which is a checkpoint.
    pub fn iteration_at(&mut self, now: u64) {
        add(&self.given.slot.iterations, 1);
        self.keep_books(now);
        if self.given.control.phase.load(Relaxed) != self.phase {
            self.follow();
        }
    }

    /// Counts an iteration that ends here.
    #[inline]
    pub fn iteration(&mut self) {
        self.iteration_at(now());
    }

    /// Counts work units.
    #[inline]
    pub fn units(&self, n: u64) {
        add(&self.given.slot.work_units, n);
    }

    /// Adds to one of the type's own figures.
    #[inline(always)]
    pub fn metric(&self, metric: &Metric, n: u64) {
        add(&self.given.slot.metrics[metric.at()], n);
    }

    /// Raises one of the type's own figures to `n`, if that is more.
    #[inline(always)]
    pub fn metric_max(&self, metric: &Metric, n: u64) {
        let cell = &self.given.slot.metrics[metric.at()];
        if n > cell.load(Relaxed) {
            cell.store(n, Relaxed);
        }
    }

    /// Records a sample.
    #[inline(always)]
    pub fn record(&self, hist: &Hist, ns: u64) {
        self.record_at(hist.at(), ns);
    }

    fn record_at(&self, hist: usize, ns: u64) {
        let over = self.given.hists[hist].record(ns);
        if let Some(alarm) = self.given.alarm.filter(|_| over) {
            alarm.ring(ns);
        }
    }

    /// Counts a call that [`Ctx::failed`] is told of if it fails.
    #[inline]
    pub fn tried(&self, op: Op) {
        self.given.slot.count_try(op);
    }

    /// Counts a failed call.
    pub fn failed(&self, op: Op, errno: Errno) {
        self.given.slot.count_failure(op, errno.raw_os_error());
    }

    /// The books of a moment in which the task runs: gaps and CPUs.
    pub fn checkpoint_at(&mut self, now: u64) {
        self.keep_books(now);
    }

    /// What is rare in it has functions of its own: this is a part of every
    /// iteration that is measured.
    #[inline(always)]
    fn keep_books(&mut self, now: u64) {
        let gap = now.saturating_sub(self.last_ns);
        self.last_ns = now;
        self.sample_cpu();
        let slot = self.given.slot;
        if gap > slot.max_gap_ns.load(Relaxed) {
            self.longest_gap(gap, now);
        }
        if gap > slot.max_cpu_gap_ns.load(Relaxed)
            || now - self.cpu_read_at > MILLISECOND
        {
            self.read_cpu_time(gap, now);
        }
    }

    #[cold]
    #[inline(never)]
    fn longest_gap(&self, gap: u64, now: u64) {
        let slot = self.given.slot;
        slot.max_gap_ns.store(gap, Relaxed);
        let cpu = u32::try_from(self.last_cpu).unwrap_or(u32::MAX);
        slot.max_gap_cpu.store(cpu, Relaxed);
        slot.max_gap_at_ns.store(now, Relaxed);
    }

    /// CPU time is a system call, so it is read at most once a millisecond, or
    /// when this gap could be the longest; the gap is then known from above to
    /// within that millisecond.
    #[cold]
    #[inline(never)]
    fn read_cpu_time(&mut self, gap: u64, now: u64) {
        let slot = self.given.slot;
        let longest = slot.max_cpu_gap_ns.load(Relaxed);
        let cpu = clock::thread_cpu();
        let used = cpu.saturating_sub(self.cpu_read_ns).min(gap);
        slot.max_cpu_gap_ns.store(longest.max(used), Relaxed);
        slot.cpu_end_ns.store(cpu, Relaxed);
        (self.cpu_read_at, self.cpu_read_ns) = (now, cpu);
    }

    /// The task has slept of its own will until `now`: no gap.
    #[inline]
    pub fn resumed_at(&mut self, now: u64) {
        self.last_ns = now;
    }

    #[inline(always)]
    fn sample_cpu(&mut self) {
        let cpu = sched_getcpu();
        if cpu != self.last_cpu {
            self.moved_to(cpu);
        }
    }

    #[cold]
    #[inline(never)]
    fn moved_to(&mut self, cpu: usize) {
        let slot = self.given.slot;
        if self.last_cpu != usize::MAX {
            add(&slot.migrations_seen, 1);
        }
        self.last_cpu = cpu;
        slot.saw_cpu(cpu);
    }
}
