//! A worker's life: set-up, barrier, loop, report.
//!
//! This runs in processes and threads that the supervisor made. Whatever
//! goes wrong is left in the worker's slot, never printed.

#![expect(unsafe_code, reason = "a thread gets its team as an address")]

use crate::ctx::Ctx;
use crate::ctx::setup::arrive;
use crate::kit::cells::sleep_while;
use crate::kit::clock::SECOND;
use crate::kit::op::Op;
use crate::kit::slot::{Slot, State};
use crate::kit::stop::Why;
use crate::row::attr::mempolicy::Mode;
use crate::run::affinity::{Seat, affinity};
use crate::run::crew::{Crew, Team};
use crate::run::inherit::Step;
use crate::sys;
use crate::sys::numa::set_mempolicy;
use crate::sys::process;
use crate::sys::sched;
use core::ffi::CStr;
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Relaxed},
};
use rustix::io::Errno;
use rustix::process::{Pid, getpid, setpgid, setpriority_process};
use rustix::thread::{gettid, sched_setaffinity, set_name};

/// Stack of a worker thread.
const STACK: usize = 256 * 1024;

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
            sleep_while(word, 1, SECOND);
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
