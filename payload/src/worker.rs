//! A worker's life: set-up, barrier, loop, report.
//!
//! This runs in processes and threads that the supervisor made. Whatever
//! goes wrong is left in the worker's slot, never printed.

#![expect(unsafe_code, reason = "a thread gets its team as an address")]

use crate::attr::{Affinity, CloneMode, Policy};
use crate::ctx::{Ctx, Given, Instance, wake_all};
use crate::kit::cells::{Gauge, Ring, Stamp, Word};
use crate::kit::clock;
use crate::kit::cpus::Cpus;
use crate::kit::histogram::Histogram;
use crate::kit::pipes::Pipes;
use crate::kit::shm::Arena;
use crate::kit::slot::{Control, Op, Phase, Slot, State};
use crate::plan::{Group, RunSettings};
use crate::sys::{self, Disposition, SchedAttr};
use crate::workload::{Shared, Stop};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use rand_core::Rng;
use rand_core::SeedableRng;
use rand_xoshiro::SplitMix64;
use rustix::io::Errno;
use rustix::process::{getpid, setpgid, setpriority_process};
use rustix::thread::{futex, gettid, sched_getaffinity, sched_setaffinity};

/// Stack of a worker thread.
const STACK: usize = 256 * 1024;

/// A group in memory: its plan and all that its workers share.
#[derive(Debug)]
pub struct Crew<'r> {
    /// What the plan says.
    pub group: &'r Group<'r>,
    /// Number of the group in the run.
    pub number: u16,
    /// Workers per instance, at least 1.
    pub size: u32,
    /// Report slots, one per worker.
    pub slots: &'r [Slot],
    /// Histograms, a row of them per worker.
    pub hists: &'r [Histogram],
    /// Guarded counters of all instances.
    pub gauges: &'r [Gauge],
    words: &'r [Word],
    stamps: &'r [Stamp],
    rings: &'r [Ring],
    pipes: Option<Pipes<'r>>,
    shared: Shared,
}

impl<'r> Crew<'r> {
    /// Bytes of shared memory that `workers` of this group take, at most.
    #[must_use]
    pub fn bytes(group: &Group<'_>, workers: u32) -> usize {
        let shared = (group.work.row().shared)(&group.work);
        let cells = shared.words + shared.stamps + shared.gauges + 2;
        let hists = group.work.row().hists.len() * size_of::<Histogram>();
        let each = size_of::<Slot>()
            + hists
            + cells as usize * size_of::<Word>()
            + shared.rings as usize * size_of::<Ring>();
        workers as usize * each + 4096
    }

    /// Makes everything the group shares.
    ///
    /// # Errors
    ///
    /// The call that failed: `ENOMEM`, `EMFILE`.
    pub fn new(
        arena: &'r Arena,
        group: &'r Group<'r>,
        number: u16,
        workers: u32,
    ) -> Result<Self, (&'static str, Errno)> {
        let mmap = |errno| ("mmap", errno);
        let size = group.work.group_size().unwrap_or(1);
        let instances = workers / size;
        let shared = (group.work.row().shared)(&group.work);
        let n = |each: u32| (instances * each) as usize;
        let workers = workers as usize;
        let ends = if shared.pipes { 2 * workers } else { 0 };
        let ends = arena.slice(ends).map_err(mmap)?;
        Ok(Self {
            group,
            number,
            size,
            slots: arena.slice(workers).map_err(mmap)?,
            hists: arena
                .slice(workers * group.work.row().hists.len())
                .map_err(mmap)?,
            gauges: arena.slice(n(shared.gauges)).map_err(mmap)?,
            words: arena.slice(n(shared.words)).map_err(mmap)?,
            stamps: arena.slice(n(shared.stamps)).map_err(mmap)?,
            rings: arena.slice(n(shared.rings)).map_err(mmap)?,
            pipes: match shared.pipes {
                true => Some(Pipes::new(ends).map_err(|e| ("pipe2", e))?),
                false => None,
            },
            shared,
        })
    }

    /// Wakes everyone who waits on a futex of the group.
    pub fn wake_all(&self) {
        self.words.iter().for_each(|word| wake_all(&word.0));
    }

    /// Where worker `index` writes in the ring of pipes.
    fn next(&self, index: u32) -> u32 {
        let pos = index % self.size;
        index - pos + (pos + 1) % self.size
    }
}

/// What all workers of a run share.
#[derive(Debug, Clone, Copy)]
pub struct Team<'r> {
    /// Settings of the run.
    pub settings: &'r RunSettings,
    /// Start and stop.
    pub control: &'r Control,
    /// The groups.
    pub crews: &'r [Crew<'r>],
    /// CPUs the machine gives us.
    pub cpus: &'r Cpus,
}

/// The whole life of a forked worker.
pub fn process(team: &Team<'_>, crew: &Crew<'_>, index: u32) -> ! {
    let slot = &crew.slots[index as usize];
    begin(slot);
    let life = setpgid(None, None)
        .map_err(|errno| (Op::Setpgid, errno))
        .and_then(|()| signals());
    if let Some(pipes) = &crew.pipes {
        pipes.keep(index as usize, crew.next(index) as usize);
    }
    let code = live(team, crew, index, life);
    sys::exit_group(code)
}

/// The whole life of a host: makes a thread for each worker and waits for
/// their end.
pub fn host(team: &Team<'_>) -> ! {
    let life = setpgid(None, None)
        .map_err(|errno| (Op::Setpgid, errno))
        .and_then(|()| signals());
    let threads = Threads {
        team: *team,
        next: AtomicU32::new(0),
        life,
    };
    let arg = (&raw const threads).expose_provenance();
    let slots = || team.crews.iter().flat_map(|crew| crew.slots);
    for slot in slots() {
        slot.clear_tid.store(1, Relaxed);
        let spawned = sys::Stack::new(STACK).and_then(|stack| {
            // SAFETY: a fresh stack of its own that is never unmapped;
            // `threads` outlives all threads, since this function leaves
            // only by ending the process. Workloads have no thread-locals.
            unsafe {
                sys::spawn_thread(stack.top(), thread, arg, &slot.clear_tid)
            }
        });
        if let Err(errno) = spawned {
            slot.clear_tid.store(0, Relaxed);
            slot.enter(Op::Clone);
            slot.step_errno.store(errno.raw_os_error(), Relaxed);
            slot.set_state(State::Failed);
            ready(team.control);
        }
    }
    for slot in slots() {
        while slot.clear_tid.load(Relaxed) != 0 {
            let word = &slot.clear_tid;
            let second = clock::timespec(clock::SECOND);
            // Any outcome leads back to the test.
            let _again =
                futex::wait(word, futex::Flags::empty(), 1, Some(&second));
        }
    }
    sys::exit_group(0)
}

struct Threads<'r> {
    team: Team<'r>,
    /// Number of the next worker over all groups.
    next: AtomicU32,
    life: Result<(), (Op, Errno)>,
}

extern "C" fn thread(arg: usize) -> ! {
    // SAFETY: `host` passes its `Threads`, which it keeps for the life of
    // the process.
    let threads =
        unsafe { &*core::ptr::with_exposed_provenance::<Threads<'_>>(arg) };
    let mut index = threads.next.fetch_add(1, Relaxed);
    for crew in threads.team.crews {
        let workers = u32::try_from(crew.slots.len()).unwrap_or(u32::MAX);
        if index < workers {
            begin(&crew.slots[index as usize]);
            let _code = live(&threads.team, crew, index, threads.life);
            break;
        }
        index -= workers;
    }
    sys::exit_thread()
}

fn begin(slot: &Slot) {
    let id =
        |pid: rustix::process::Pid| pid.as_raw_nonzero().get().unsigned_abs();
    slot.pid.store(id(getpid()), Relaxed);
    slot.tid.store(id(gettid()), Relaxed);
    slot.set_state(State::Setup);
}

fn signals() -> Result<(), (Op, Errno)> {
    let set = |signal, what| {
        sys::set_signal(signal, what).map_err(|e| (Op::Sigaction, e))
    };
    set(sys::SIGUSR1, Disposition::Interrupt)?;
    // A partner that is gone is EPIPE, not death.
    set(sys::SIGPIPE, Disposition::Ignore)?;
    set(sys::SIGINT, Disposition::Ignore)?;
    sys::unblock_all_signals();
    Ok(())
}

fn ready(control: &Control) {
    control.ready.fetch_add(1, Relaxed);
    wake_all(&control.ready);
}

/// Set-up, barrier, loop, report. Returns the exit code.
fn live(
    team: &Team<'_>,
    crew: &Crew<'_>,
    index: u32,
    life: Result<(), (Op, Errno)>,
) -> u8 {
    let slot = &crew.slots[index as usize];
    if let Err((op, errno)) = life.and_then(|()| attributes(team, crew, index))
    {
        return fail(slot, team.control, op, errno, true);
    }
    slot.set_state(State::Running);
    ready(team.control);
    let phase = &team.control.phase;
    let tenth = clock::timespec(clock::SECOND / 10);
    while phase.load(Relaxed) == Phase::Wait.number() {
        // Any outcome leads back to the test.
        let _again = futex::wait(
            phase,
            futex::Flags::empty(),
            Phase::Wait.number(),
            Some(&tenth),
        );
    }
    if phase.load(Relaxed) == Phase::Stop.number() {
        slot.set_state(State::Done);
        return 0;
    }
    let mut ctx = Ctx::new(given(team, crew, index));
    let outcome = (crew.group.work.row().run)(&mut ctx);
    ctx.finish();
    match outcome {
        Ok(()) => {
            slot.set_state(State::Done);
            0
        }
        Err(Stop::Broken { call, errno }) => {
            let named = Op::ALL.iter().find(|op| op.name() == call);
            let op = named.copied().unwrap_or(Op::Run);
            fail(slot, team.control, op, errno, false)
        }
        Err(Stop::Fail(_)) => {
            fail(slot, team.control, Op::Run, Errno::IO, false)
        }
    }
}

fn fail(
    slot: &Slot,
    control: &Control,
    op: Op,
    errno: Errno,
    in_setup: bool,
) -> u8 {
    slot.enter(op);
    slot.step_errno.store(errno.raw_os_error(), Relaxed);
    slot.set_state(State::Failed);
    if in_setup {
        ready(control);
    }
    1
}

/// Affinity, policy and nice, in this order, and what the kernel made of
/// them.
fn attributes(
    team: &Team<'_>,
    crew: &Crew<'_>,
    index: u32,
) -> Result<(), (Op, Errno)> {
    let slot = &crew.slots[index as usize];
    let settings = &crew.group.settings;
    let seed = team.settings.seed
        ^ u64::from(crew.number) << 32
        ^ u64::from(index) << 40;
    if let Some(cpus) = affinity(&settings.affinity, team.cpus, seed) {
        sched_setaffinity(None, &cpus.to_set())
            .map_err(|e| (Op::SchedSetaffinity, e))?;
    }
    if let Some(policy) = settings.policy {
        sys::sched_setattr(attr(policy, settings.nice))
            .map_err(|e| (Op::SchedSetattr, e))?;
    }
    if let Some(nice) = settings.nice {
        setpriority_process(None, i32::from(nice))
            .map_err(|e| (Op::Setpriority, e))?;
    }
    let attr = sys::sched_getattr().map_err(|e| (Op::SchedSetattr, e))?;
    slot.policy.store(attr.policy + 1, Relaxed);
    slot.rt_priority.store(attr.priority, Relaxed);
    slot.nice.store(attr.nice, Relaxed);
    let set = sched_getaffinity(None).map_err(|e| (Op::SchedSetaffinity, e))?;
    for (to, from) in slot.allowed.iter().zip(Cpus::from_set(&set).words()) {
        to.store(*from, Relaxed);
    }
    Ok(())
}

/// The CPUs a worker is to be pinned to; `None` makes no call.
#[must_use]
pub fn affinity(intent: &Affinity, usable: &Cpus, seed: u64) -> Option<Cpus> {
    match intent {
        Affinity::Inherit => None,
        Affinity::Exact(cpus) => Some(*cpus),
        Affinity::SingleCpu => {
            let mut one = Cpus::EMPTY;
            one.insert(usable.iter().next_back()?)?;
            Some(one)
        }
        Affinity::RandomSubset { from, count } => {
            let pool = from.and(usable);
            let mut random = SplitMix64::seed_from_u64(seed);
            let mut drawn = Cpus::EMPTY;
            // Selection sampling: each CPU with the chance of those still
            // to draw among those still to see.
            let mut left = pool.len();
            let mut want = (*count).min(left);
            for cpu in pool.iter() {
                if random.next_u64() % u64::from(left) < u64::from(want) {
                    drawn.insert(cpu)?;
                    want -= 1;
                }
                left -= 1;
            }
            Some(drawn)
        }
    }
}

fn attr(policy: Policy, nice: Option<i8>) -> SchedAttr {
    let number = match policy {
        Policy::Normal => 0,
        Policy::Fifo(_) => 1,
        Policy::Rr(_) => 2,
        Policy::Batch => 3,
        Policy::Idle => 5,
        Policy::Deadline { .. } => 6,
    };
    let mut attr = SchedAttr {
        policy: number,
        // A deadline task could not fork without it.
        flags: sys::SCHED_FLAG_RESET_ON_FORK,
        nice: nice.map_or(0, i32::from),
        ..SchedAttr::default()
    };
    match policy {
        Policy::Fifo(p) | Policy::Rr(p) => attr.priority = p.into(),
        Policy::Deadline {
            runtime_ns,
            deadline_ns,
            period_ns,
        } => {
            attr.runtime_ns = runtime_ns;
            attr.deadline_ns = deadline_ns;
            attr.period_ns = period_ns;
        }
        Policy::Normal | Policy::Batch | Policy::Idle => {}
    }
    attr
}

fn given<'r>(team: &Team<'r>, crew: &'r Crew<'r>, index: u32) -> Given<'r> {
    let instance = index / crew.size;
    let hists = crew.group.work.row().hists.len();
    let of = |each: u32| {
        let first = (instance * each) as usize;
        first..first + each as usize
    };
    let at = index as usize;
    let pipes = crew.pipes.as_ref();
    Given {
        work: &crew.group.work,
        control: team.control,
        slot: &crew.slots[at],
        hists: &crew.hists[at * hists..(at + 1) * hists],
        instance: Instance {
            words: &crew.words[of(crew.shared.words)],
            stamps: &crew.stamps[of(crew.shared.stamps)],
            rings: &crew.rings[of(crew.shared.rings)],
            gauges: &crew.gauges[of(crew.shared.gauges)],
        },
        index,
        pos: index % crew.size,
        size: crew.size,
        private: team.settings.clone == CloneMode::Thread,
        burn_cpu: team.settings.burn_cpu,
        rd_sample: team.settings.rd_sample,
        pipe_in: pipes.and_then(|p| p.read_end(at)),
        pipe_out: pipes.and_then(|p| p.write_end(crew.next(index) as usize)),
    }
}

#[cfg(test)]
mod tests {
    use super::affinity;
    use crate::attr::Affinity;
    use crate::kit::cpus::Cpus;

    #[test]
    fn intents_resolve_within_the_machine() {
        let usable = Cpus::parse("0-3").unwrap();
        let one = affinity(&Affinity::SingleCpu, &usable, 1).unwrap();
        assert_eq!(one, Cpus::parse("3").unwrap());
        assert_eq!(affinity(&Affinity::Inherit, &usable, 1), None);
        let from = Cpus::parse("1-9").unwrap();
        let subset = Affinity::RandomSubset { from, count: 2 };
        for seed in 0..50 {
            let drawn = affinity(&subset, &usable, seed).unwrap();
            assert_eq!(drawn.len(), 2);
            assert_eq!(drawn.and(&Cpus::parse("1-3").unwrap()), drawn);
            assert_eq!(affinity(&subset, &usable, seed), Some(drawn));
        }
    }
}
