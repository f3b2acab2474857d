//! A worker's life: set-up, barrier, loop, report.
//!
//! This runs in processes and threads that the supervisor made. Whatever
//! goes wrong is left in the worker's slot, never printed.

#![expect(unsafe_code, reason = "a thread gets its team as an address")]

use crate::ctx::Ctx;
use crate::ctx::given::Given;
use crate::ctx::instance::{Instance, Place};
use crate::ctx::setup::arrive;
use crate::ctx::workload::Moment;
use crate::kit::alarm::Alarm;
use crate::kit::cells::wake_all;
use crate::kit::cells::{Gauge, Ring, Stamp, Word};
use crate::kit::cgroup::Base;
use crate::kit::clock;
use crate::kit::cpus::Cpus;
use crate::kit::files::Files;
use crate::kit::histogram::Histogram;
use crate::kit::named::Named;
use crate::kit::pipes::Pipes;
use crate::kit::shm::Arena;
use crate::kit::slot::MAX_METRICS;
use crate::kit::slot::{Control, Op, Slot, State};
use crate::kit::stop::{CallExt, Stop, Why};
use crate::plan::group::{Group, Host};
use crate::plan::settings::RunSettings;
use crate::row::MAX_HISTS;
use crate::row::Shared;
use crate::row::attr::Affinity;
use crate::row::attr::mempolicy::Mode;
use crate::run::affinity::{Seat, Within, affinity, pool};
use crate::run::inherit::{Inheritance, Step};
use crate::run::leaves::Leaves;
use crate::sys;
use crate::sys::numa::set_mempolicy;
use crate::sys::process;
use crate::sys::sched;
use core::ffi::CStr;
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{Acquire, Relaxed},
};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::process::{Pid, getpid, setpgid, setpriority_process};
use rustix::thread::{futex, gettid, sched_setaffinity, set_name};

/// What is remembered of a group from one interval to the next: its
/// iterations, its work units, its metrics and the samples of its histograms.
pub const MARKS: usize = 2 + MAX_METRICS + MAX_HISTS;
/// Stack of a worker thread.
const STACK: usize = 256 * 1024;

/// A group in memory: its plan and all that its workers share.
#[derive(Debug)]
pub struct Crew<'r> {
    /// What the plan says.
    pub group: &'r Group<'r>,
    /// Number of the group in the run.
    pub number: u16,
    /// Workers.
    pub workers: u32,
    /// Workers per instance, at least 1.
    pub size: u32,
    /// Tasks per worker, at least 1.
    pub lanes: u32,
    /// Where they run.
    pub affinity: Affinity,
    /// CPUs they may use.
    pub cpus: Cpus,
    /// What its affinity is resolved in.
    within: Within,
    /// Directory of their cgroup.
    cgroup: Option<BorrowedFd<'r>>,
    /// Where others can be made.
    cgroups: Option<&'r Base>,
    /// Report slots, those of each worker's tasks together.
    pub slots: &'r [Slot],
    /// Histograms, a row of them per task.
    pub hists: &'r [Histogram],
    /// Guarded counters of all instances.
    gauges: &'r [Gauge],
    words: &'r [Word],
    stamps: &'r [Stamp],
    rings: &'r [Ring],
    cells: &'r [AtomicU64],
    /// Figures that the run named, those of all instances.
    pub named: &'r [Named],
    files: Files<'r>,
    pipes: Option<Pipes<'r>>,
    shared: Shared,
    /// What had been counted at the end of the last interval.
    pub marks: &'r [AtomicU64],
}

impl<'r> Crew<'r> {
    /// Bytes of shared memory that `workers` of this group take, at most,
    /// on `cpus` CPUs.
    #[must_use]
    pub fn bytes(group: &Group<'_>, workers: u32, cpus: u32) -> usize {
        let work = &group.work;
        let row = group.row();
        let shared = (row.shared)(work, cpus);
        let lines = shared.words
            + shared.stamps
            + shared.gauges
            + shared.files
            + if shared.pipes { 2 } else { 0 };
        let task = size_of::<Slot>() + row.hists.len() * size_of::<Histogram>();
        let each = (row.tasks)(work, cpus) as usize * task
            + lines as usize * size_of::<Word>()
            + shared.rings as usize * size_of::<Ring>()
            + shared.cells as usize * size_of::<u64>()
            + shared.named as usize * size_of::<Named>();
        workers as usize * each + size_of::<[u64; MARKS]>() + 4096
    }

    /// Makes everything the group shares.
    ///
    /// # Errors
    ///
    /// The call that failed: `ENOMEM`, `EMFILE`; or what the type's own
    /// `create` said.
    pub fn new(
        arena: &'r Arena,
        group: &'r Group<'r>,
        number: u16,
        workers: u32,
        within: Within,
        leaves: &'r Leaves<'r>,
    ) -> Result<Self, Stop> {
        let mmap = Op::Mmap.name();
        let work = &group.work;
        let row = group.row();
        let intent = group.intent();
        let size = group.group_size().unwrap_or(1);
        let cpus = pool(&intent, &within, workers, size);
        let lanes = (row.tasks)(work, cpus.len()).max(1);
        let shared = (row.shared)(work, cpus.len());
        let n = |each: u32| (workers / size) as usize * each as usize;
        let tasks = (workers * lanes) as usize;
        let ends = if shared.pipes { 2 * workers } else { 0 };
        let ends = arena.slice(ends as usize).call(mmap)?;
        let pipes = match shared.pipes {
            true => Some(Pipes::new(ends).call(&"pipe2")?),
            false => None,
        };
        let hists = tasks * row.hists.len();
        let crew = Self {
            group,
            number,
            workers,
            size,
            lanes,
            affinity: intent,
            cpus,
            within,
            cgroup: leaves.of(group),
            cgroups: leaves.base(),
            slots: arena.slice(tasks).call(mmap)?,
            hists: arena.slice(hists).call(mmap)?,
            gauges: arena.slice(n(shared.gauges)).call(mmap)?,
            words: arena.slice(n(shared.words)).call(mmap)?,
            stamps: arena.slice(n(shared.stamps)).call(mmap)?,
            rings: arena.slice(n(shared.rings)).call(mmap)?,
            cells: arena.slice(n(shared.cells)).call(mmap)?,
            named: arena.slice(n(shared.named)).call(mmap)?,
            files: Files::new(arena.slice(n(shared.files)).call(mmap)?),
            pipes,
            shared,
            marks: arena.slice(MARKS).call(mmap)?,
        };
        for number in 0..workers / size {
            (group.workload.create)(
                &crew.instance(number),
                &crew.place(number),
            )?;
        }
        Ok(crew)
    }

    /// Makes a process in the group's cgroup; `None` in the child.
    ///
    /// # Errors
    ///
    /// See [`process::fork`] and [`sys::cgroup::fork_into`].
    pub fn fork(&self) -> Result<Option<Pid>, Errno> {
        match self.cgroup {
            Some(directory) => sys::cgroup::fork_into(directory),
            None => process::fork(),
        }
    }

    /// The slots of one worker's tasks, its own first.
    #[must_use]
    pub fn tasks_of(&self, index: u32) -> &'r [Slot] {
        let first = (index * self.lanes) as usize;
        &self.slots[first..first + self.lanes as usize]
    }

    /// What the workers of one instance share.
    fn instance(&self, number: u32) -> Instance<'r> {
        let hists = self.group.row().hists.len();
        // A row has a few dozen at most.
        let hists = u32::try_from(hists).unwrap_or(0);
        let of = |each: u32| {
            let first = number as usize * each as usize;
            first..first + each as usize
        };
        Instance {
            words: &self.words[of(self.shared.words)],
            stamps: &self.stamps[of(self.shared.stamps)],
            rings: &self.rings[of(self.shared.rings)],
            gauges: &self.gauges[of(self.shared.gauges)],
            cells: &self.cells[of(self.shared.cells)],
            named: &self.named[of(self.shared.named)],
            files: self.files.range(of(self.shared.files)),
            slots: &self.slots[of(self.size * self.lanes)],
            hists: &self.hists[of(self.size * self.lanes * hists)],
        }
    }

    fn place(&self, number: u32) -> Place<'_> {
        Place {
            work: &self.group.work,
            group: self.number,
            number,
            cpus: &self.cpus,
            cgroups: self.cgroups,
            lead: self.instance(0),
        }
    }

    /// Whether the type wants to be told of moments.
    #[must_use]
    pub fn is_tended(&self) -> bool {
        self.group.workload.tend.is_some()
    }

    /// Tells the type of a moment, for the instances that one of whose slots
    /// is of interest. Returns how many of them say that a worker which
    /// cannot say so itself is ready.
    pub fn tend(&self, moment: Moment, of: impl Fn(&Slot) -> bool) -> u32 {
        let Some(tend) = self.group.workload.tend else {
            return 0;
        };
        let instances = (0..self.workers / self.size).map(|number| {
            let instance = self.instance(number);
            let told = instance.slots.iter().any(&of);
            let ready = told && tend(&instance, &self.place(number), moment);
            u32::from(ready)
        });
        instances.sum()
    }

    /// Wakes everyone who waits on a futex of the group.
    pub fn wake_all(&self) {
        self.words.iter().for_each(|word| wake_all(&word.0));
    }

    /// Sets the limit of one of its histograms, in all tasks.
    pub fn set_limit(&self, hist: usize, ns: u64) {
        let each = self.group.row().hists.len().max(1);
        let mine = self.hists.iter().skip(hist).step_by(each);
        mine.for_each(|hist| hist.set_limit(ns));
    }

    /// The sum over the instances of one of their guarded counters.
    #[must_use]
    pub fn gauge_sum(&self, index: usize) -> u64 {
        let each = (self.shared.gauges as usize).max(1);
        let mine = self.gauges.iter().skip(index).step_by(each);
        mine.map(Gauge::get).sum()
    }

    /// Where worker `index` writes in the ring of pipes.
    fn next(&self, index: u32) -> u32 {
        let pos = index % self.size;
        index - pos + (pos + 1) % self.size
    }

    /// What one task of a worker is given.
    fn given(
        &'r self,
        team: &Team<'r>,
        (index, lane): (u32, u32),
    ) -> Given<'r> {
        let settings = team.settings;
        let row = self.group.row();
        let task = (index * self.lanes + lane) as usize;
        let hists = row.hists.len();
        let pipes = self.pipes.as_ref();
        let next = self.next(index) as usize;
        Given {
            work: &self.group.work,
            control: team.control,
            sched_ext: team.sched_ext,
            alarm: team.alarm,
            slot: &self.slots[task],
            hists: &self.hists[task * hists..(task + 1) * hists],
            instance: self.instance(index / self.size),
            group: self.number,
            index,
            workers: self.workers,
            time_ns: u64::try_from(settings.time.as_nanos())
                .unwrap_or(u64::MAX),
            pos: index % self.size,
            size: self.size,
            lane,
            lanes: self.lanes,
            seed: self.seed(settings, index) ^ u64::from(lane) << 52,
            // The tasks of one worker are always threads of one process.
            private: self.group.host(settings.clone).is_some()
                || (self.size == 1 && self.lanes > 1),
            burn_cpu: settings.burn_cpu,
            rd_sample: settings.rd_sample,
            cgroups: self.cgroups,
            pipe_in: pipes.and_then(|p| p.read_end(index as usize)),
            pipe_out: pipes.and_then(|p| p.write_end(next)),
        }
    }

    fn seed(&self, settings: &RunSettings, index: u32) -> u64 {
        settings.seed ^ u64::from(self.number) << 32 ^ u64::from(index) << 40
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        for number in 0..self.workers / self.size {
            let (instance, place) = (self.instance(number), self.place(number));
            (self.group.workload.destroy)(&instance, &place);
        }
        self.files.close_all();
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
    /// The kernel has the sched_ext class.
    pub sched_ext: bool,
    /// What its tasks are given in place of what they would inherit.
    pub inheritance: Inheritance,
    /// Ends the recording of kernel events at a sample above the limit.
    pub alarm: Option<Alarm<'r>>,
}

impl<'r> Team<'r> {
    /// The process whose threads the workers of a group are.
    #[must_use]
    pub fn host(&self, crew: &Crew<'r>) -> Option<Host<'r>> {
        crew.group.host(self.settings.clone)
    }

    /// The groups whose workers are threads of the same process as this
    /// group's.
    pub fn threads_of(
        &self,
        crew: &Crew<'r>,
    ) -> impl Iterator<Item = &'r Crew<'r>> + use<'r> {
        let (team, host) = (*self, self.host(crew));
        let crews = team.crews.iter();
        crews.filter(move |crew| host.is_some() && team.host(crew) == host)
    }
}

/// The team of this process, for a panic, which knows nothing else.
static TEAM: AtomicPtr<Team<'static>> = AtomicPtr::new(null_mut());

fn belong_to(team: &Team<'_>) {
    let team: *const Team<'_> = team;
    TEAM.store(team.cast::<Team<'static>>().cast_mut(), Relaxed);
}

/// Leaves what a panicking worker has to say in its slot. Returns whether
/// the caller is one.
pub fn panicked(message: &str) -> bool {
    // SAFETY: `process` and `host`, which never return, stored what they
    // were given and nobody changes.
    let Some(team) = (unsafe { TEAM.load(Relaxed).as_ref() }) else {
        return false;
    };
    let tid = gettid().as_raw_nonzero().get().unsigned_abs();
    let mut slots = team.crews.iter().flat_map(|crew| crew.slots);
    let own = slots.find(|slot| slot.tid.load(Relaxed) == tid);
    if let Some(slot) = own {
        slot.note.set(message);
    }
    own.is_some()
}

/// The whole life of a forked worker.
pub fn process(team: &Team<'_>, crew: &Crew<'_>, index: u32) -> ! {
    belong_to(team);
    let life = setpgid(None, None)
        .map_err(|errno| (Op::Setpgid, errno))
        .and_then(|()| team.inheritance.process());
    if let Some(pipes) = &crew.pipes {
        pipes.keep(index as usize, crew.next(index) as usize);
    }
    let code = with_lanes(team, crew, index, life);
    process::exit_group(code)
}

/// The whole life of a host: makes a thread for each worker of the groups
/// that share it with `first`, and waits for their end.
pub fn host(team: &Team<'_>, first: &Crew<'_>) -> ! {
    belong_to(team);
    let life = setpgid(None, None)
        .map_err(|errno| (Op::Setpgid, errno))
        .and_then(|()| team.inheritance.process())
        .and_then(|()| comm(first.group.settings.pcomm));
    let workers = || {
        let crews = team.threads_of(first);
        crews.flat_map(|crew| (0..crew.workers).map(move |index| (crew, index)))
    };
    let threads = |run: &dyn Fn(Thread<'_>)| {
        workers().for_each(|(crew, index)| {
            let (team, lane) = (*team, 0);
            run(Thread {
                team,
                crew,
                index,
                lane,
                life,
            });
        });
    };
    threads(&|thread| thread.spawn());
    threads(&|thread| thread.join());
    process::exit_group(0)
}

/// Starts the other tasks of a worker, is the first of them, and waits for
/// the end of the others. Returns the exit code.
fn with_lanes(
    team: &Team<'_>,
    crew: &Crew<'_>,
    index: u32,
    life: Result<(), Step>,
) -> u8 {
    let thread = |lane| Thread {
        team: *team,
        crew,
        index,
        lane,
        life,
    };
    (1..crew.lanes).for_each(|lane| thread(lane).spawn());
    let code = live(&thread(0));
    (1..crew.lanes).for_each(|lane| thread(lane).join());
    code
}

/// A task that is a thread of its worker or host.
#[derive(Clone, Copy)]
struct Thread<'r> {
    team: Team<'r>,
    crew: &'r Crew<'r>,
    index: u32,
    lane: u32,
    /// How the set-up of the whole process went.
    life: Result<(), Step>,
}

impl<'r> Thread<'r> {
    fn slot(&self) -> &'r Slot {
        &self.crew.tasks_of(self.index)[self.lane as usize]
    }

    /// Starts it on a stack of its own, which also carries what it is told.
    fn spawn(self) {
        let slot = self.slot();
        slot.clear_tid.store(1, Relaxed);
        let spawned = process::Stack::new(STACK).and_then(|stack| {
            let (top, arg) = stack.with(self);
            // SAFETY: a fresh stack that is never unmapped; what `self`
            // refers to outlives the thread, since whoever spawns it joins
            // it or ends the process. Workloads have no thread-locals.
            unsafe { process::spawn_thread(top, thread, arg, &slot.clear_tid) }
        });
        if let Err(errno) = spawned {
            slot.clear_tid.store(0, Relaxed);
            fail(slot, Op::Clone, errno);
            arrive(self.team.control);
        }
    }

    /// Waits until it has ended.
    fn join(self) {
        let word = &self.slot().clear_tid;
        while word.load(Acquire) != 0 {
            let second = clock::timespec(clock::SECOND);
            // Any outcome leads back to the test.
            let _again =
                futex::wait(word, futex::Flags::empty(), 1, Some(&second));
        }
    }
}

extern "C" fn thread(arg: usize) -> ! {
    // SAFETY: `spawn` passes a `Thread` that lies on this thread's stack.
    let it = unsafe { *core::ptr::with_exposed_provenance::<Thread<'_>>(arg) };
    let _code = match it.lane {
        0 => with_lanes(&it.team, it.crew, it.index, it.life),
        _ => live(&it),
    };
    process::exit_thread()
}

/// Set-up, barrier, loop, report of one task. Returns the exit code of its
/// process.
fn live(it: &Thread<'_>) -> u8 {
    let (team, crew, slot) = (&it.team, it.crew, it.slot());
    let id = |pid: Pid| pid.as_raw_nonzero().get().unsigned_abs();
    slot.pid.store(id(getpid()), Relaxed);
    slot.tid.store(id(gettid()), Relaxed);
    slot.set_state(State::Setup);
    let attributes = || attributes(team, crew, it.index);
    if let Err((op, errno)) = it.life.and_then(|()| attributes()) {
        fail(slot, op, errno);
        arrive(team.control);
        return 1;
    }
    let place = (it.index, it.lane);
    let mut ctx = Ctx::new(crew.given(team, place));
    let outcome = (crew.group.workload.run)(&mut ctx);
    match ctx.started() {
        true => ctx.finish(),
        false => arrive(team.control),
    }
    match outcome {
        Ok(()) => {
            slot.set_state(State::Done);
            return 0;
        }
        Err(stop) => {
            slot.note.set(stop.text());
            match stop.why() {
                Why::Broken(errno) => {
                    let call = Op::named(stop.text());
                    fail(slot, call.unwrap_or(Op::Run), errno);
                }
                Why::Fail => fail(slot, Op::Run, Errno::IO),
                Why::Skip => slot.set_state(State::Skipped),
            }
        }
    }
    1
}

fn fail(slot: &Slot, op: Op, errno: Errno) {
    slot.enter(op);
    slot.step_errno.store(errno.raw_os_error(), Relaxed);
    slot.set_state(State::Failed);
}

/// Names the calling task.
fn comm(name: Option<&str>) -> Result<(), Step> {
    let Some(name) = name else {
        return Ok(());
    };
    let mut buf = [0; 16];
    // The plan takes no name longer than 15 bytes, so a NUL follows.
    for (to, from) in buf.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    CStr::from_bytes_until_nul(&buf)
        .map_err(|_| Errno::INVAL)
        .and_then(set_name)
        .map_err(|errno| (Op::Prctl, errno))
}

/// Slack, name, affinity, memory policy, policy, nice, group and user, in
/// this order: a real-time policy takes the slack away, and whoever has become
/// another user may do less.
fn attributes(
    team: &Team<'_>,
    crew: &Crew<'_>,
    index: u32,
) -> Result<(), Step> {
    let settings = &crew.group.settings;
    team.inheritance.task()?;
    comm(settings.comm)?;
    let seat = Seat::of(index, crew.size, crew.seed(team.settings, index));
    if let Some(cpus) = affinity(&crew.affinity, &crew.within, seat) {
        sched_setaffinity(None, &cpus.to_set())
            .map_err(|e| (Op::SchedSetaffinity, e))?;
    }
    let memory = &settings.mempolicy;
    if memory.mode != Mode::Default {
        set_mempolicy(memory.number(), memory.nodes.words())
            .map_err(|e| (Op::SetMempolicy, e))?;
    }
    if let Some(policy) = settings.policy {
        sched::sched_setattr(policy.attr(settings.nice))
            .map_err(|e| (Op::SchedSetattr, e))?;
    }
    if let Some(nice) = settings.nice {
        setpriority_process(None, i32::from(nice))
            .map_err(|e| (Op::Setpriority, e))?;
    }
    if let Some(gid) = settings.gid {
        sys::ids::setresgid(gid).map_err(|e| (Op::Setresgid, e))?;
    }
    if let Some(uid) = settings.uid {
        sys::ids::setresuid(uid).map_err(|e| (Op::Setresuid, e))?;
    }
    match (settings.uid, settings.gid) {
        (None, None) => Ok(()),
        _ => team.inheritance.mortal(),
    }
}
