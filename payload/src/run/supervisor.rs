//! One run: probe, create, start, watch, stop, reap, report.
//!
//! The supervisor never runs workload code and never blocks without a
//! time-out. Workers are processes of their own; whatever they do, the
//! supervisor ends the run and reports what they had counted.

use crate::ctx::workload::Moment;
use crate::kit::cells::{sleep_while, wake_all};
use crate::kit::clock::{MILLISECOND, SECOND, now};
use crate::kit::control::{Control, Phase};
use crate::kit::counters::{self, Snapshot};
use crate::kit::exit::{Exit, encode_exit, exit_of};
use crate::kit::shm::Arena;
use crate::kit::slot::{Slot, State};
use crate::kit::stop::{CallExt, Stop, Why};
use crate::kit::topology::memory_nodes;
use crate::plan::run::Run;
use crate::row::{Feature, MAX_GROUPS};
use crate::run::affinity::Within;
use crate::run::collect;
use crate::run::crew::{Crew, Team};
use crate::run::figures::Intervals;
use crate::run::findings::Findings;
use crate::run::leaves::Leaves;
use crate::run::machine::Machine;
use crate::run::measured::Measured;
use crate::run::needs::{attributes, needs};
use crate::run::output::Output;
use crate::run::samples::Sampler;
use crate::run::sched_ext::Scheduler;
use crate::run::trace::Recording;
use crate::run::tunables::Tunables;
use crate::run::worker;
use crate::sys::mark;
use crate::sys::process;
use crate::sys::sched;
use crate::sys::signal;
use crate::wire::record::{Progress, Record, Start, Verdict};
use core::sync::atomic::Ordering::{Relaxed, Release};
use heapless::{String, Vec};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpgid, kill_process_group, setpgid};

/// How long set-up may take.
const READY_S: u64 = 30;
/// How often the stop signal is repeated.
const STOP_AGAIN_NS: u64 = 20 * MILLISECOND;
/// How often workers that are other programs are looked at.
const LOOK_NS: u64 = 50 * MILLISECOND;
/// How long a killed process may take to die.
const DIE_NS: u64 = 3 * SECOND;
/// What each task adds to both times: a thousand of them take turns in closing
/// their books.
const EACH_NS: u64 = 10 * MILLISECOND;

/// What a run gave, for the caller's counts.
#[derive(Debug)]
pub struct Result {
    /// The verdict.
    pub verdict: Verdict,
    /// A signal asked the whole plan to end.
    pub interrupted: bool,
}

/// Makes this process one that supervises: nothing interrupts it but what it
/// waits for, and it comes before all workers. Whether it may.
pub fn settle() -> bool {
    signal::block_signals(&[signal::SIGCHLD, signal::SIGINT, signal::SIGTERM]);
    let first = sched::sched_setattr(sched::SchedAttr {
        policy: sched::SCHED_FIFO,
        priority: 99,
        flags: sched::SCHED_FLAG_RESET_ON_FORK,
        ..sched::SchedAttr::default()
    });
    first.is_ok()
}

/// Executes one run and reports it.
pub fn run(
    machine: &Machine,
    run: &Run<'_>,
    number: u16,
    out: &mut Output<'_>,
) -> Result {
    let mut findings = Findings {
        verdict: Verdict::Ok,
        reasons: String::new(),
    };
    if let Some(scheduler) = &machine.scheduler {
        scheduler.before(&mut findings);
    }
    let mut counts: Vec<u32, MAX_GROUPS> = Vec::new();
    for group in &run.groups {
        // Sizes were checked before the first run.
        let usable = run.usable(group, &machine.cpus, &machine.online);
        let workers = group.workers(usable.len()).unwrap_or(0);
        let _room = counts.push(workers);
        let within = Within::new(machine, usable);
        let mems = run.mems(group, &memory_nodes());
        needs(machine, group, workers, &within, &mems, &mut findings);
        attributes(machine, group, &mut findings);
    }
    if findings.verdict >= Verdict::Skip {
        collect::skipped(run, number, &findings, out);
        return Result {
            verdict: findings.verdict,
            interrupted: false,
        };
    }
    let time = run.settings.warmup + run.settings.time;
    out.record(&Record::Start(Start {
        run: number,
        name: &collect::name(run),
        planned_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        workers: counts.iter().sum(),
    }));
    out.flush();
    out.drain();
    let wanted = &run.tunables;
    let tunables =
        Tunables::set(wanted, number, machine.pid1, &mut findings, out);
    if findings.verdict >= Verdict::Skip {
        collect::skipped(run, number, &findings, out);
        return Result {
            verdict: findings.verdict,
            interrupted: false,
        };
    }
    let bytes: usize = run
        .groups
        .iter()
        .zip(&counts)
        .map(|(group, &workers)| {
            Crew::bytes(group, workers, machine.cpus.len())
        })
        .sum();
    let outcome = match Arena::new(bytes + 64 * 1024) {
        Ok(arena) => {
            let means = Means {
                counts: &counts,
                arena: &arena,
                tunables: &tunables,
            };
            execute(machine, run, number, &means, &mut findings, out)
        }
        Err(errno) => Err(errno).call(&"mmap"),
    };
    match outcome {
        Ok(interrupted) => Result {
            verdict: findings.verdict,
            interrupted,
        },
        Err(stop) => {
            let text = stop.text();
            match stop.why() {
                Why::Skip => {
                    findings.add(Verdict::Skip, format_args!("{text}"));
                }
                Why::Fail => {
                    findings.add(Verdict::Fail, format_args!("{text}"));
                }
                Why::Broken(errno) => {
                    let errno = errno.raw_os_error();
                    findings.call(text, errno, format_args!(""));
                }
            }
            collect::skipped(run, number, &findings, out);
            Result {
                verdict: findings.verdict,
                interrupted: false,
            }
        }
    }
}

struct Watch<'r> {
    crews: &'r [Crew<'r>],
    control: &'r Control,
    scheduler: Option<&'r Scheduler>,
    recording: Option<&'r Recording>,
    sampler: Option<Sampler>,
    /// Whether a sample had ended the recording, once it is over.
    stopped: bool,
    /// Processes not yet reaped: workers, and hosts of those that are
    /// threads.
    alive: u32,
    /// Processes that had left their worker's group when the run was over.
    strays: u32,
    interrupted: bool,
    /// The set-up took too long.
    late: bool,
}

/// What a run is carried out with.
struct Means<'r> {
    /// Workers of each group.
    counts: &'r [u32],
    /// What they share.
    arena: &'r Arena,
    /// What is set of the kernel meanwhile.
    tunables: &'r Tunables<'r>,
}

fn execute(
    machine: &Machine,
    run: &Run<'_>,
    number: u16,
    means: &Means<'_>,
    findings: &mut Findings,
    out: &mut Output<'_>,
) -> core::result::Result<bool, Stop> {
    let Means { counts, arena, .. } = *means;
    let control: &Control = arena.one().call(&"mmap")?;
    // Before the groups, to be removed behind the last of them.
    let leaves = Leaves::make(machine.cgroups.as_ref(), run)?;
    let mut crews: Vec<Crew<'_>, MAX_GROUPS> = Vec::new();
    for ((group, &workers), number) in run.groups.iter().zip(counts).zip(0..) {
        let usable = run.usable(group, &machine.cpus, &machine.online);
        let within = Within::new(machine, usable);
        let crew = Crew::new(arena, group, number, workers, within, &leaves)?;
        let _room = crews.push(crew);
    }
    // Before the workers, which inherit what stops it.
    let recording = Recording::new(&run.trace, machine.pid1, findings);
    if let Some(limit) = &run.trace.stop {
        for (crew, number) in crews.iter().zip(0..) {
            if let Some(hist) = limit.place(number, crew.group) {
                crew.set_limit(hist, limit.over_ns);
            }
        }
    }
    let sampler = Sampler::new(run, number, &machine.online, findings);
    let team = Team {
        settings: &run.settings,
        control,
        crews: &crews,
        sched_ext: machine.features.contains(&Feature::SchedExt),
        inheritance: machine.inheritance,
        alarm: recording.as_ref().and_then(Recording::alarm),
    };
    if let Some(kmsg) = &machine.kmsg {
        kmsg.skip();
    }
    let taint = counters::taint();
    let mut watch = Watch {
        crews: &crews,
        control,
        scheduler: machine.scheduler.as_ref(),
        recording: recording.as_ref(),
        sampler,
        stopped: false,
        alive: 0,
        strays: 0,
        interrupted: false,
        late: false,
    };
    let started = watch.start(&team);
    let ready = started.is_ok() && watch.ready();
    let before = Snapshot::read();
    let (begin, end) = match ready {
        true => watch.measure(run, number, machine, out),
        false => (0, 0),
    };
    watch.set_phase(Phase::Stop);
    if let Some(recording) = watch.recording {
        // Behind the stop, so that no sample is without its events.
        watch.stopped = !recording.is_on();
        recording.end(number);
    }
    watch.stop(run);
    // Behind the last iteration, which may end after the deadline.
    let after = Snapshot::read();
    // A program that holds a scheduler is no worker's, and is to stay.
    let stays = machine.scheduler.as_ref().is_some_and(Scheduler::lives);
    watch.tear_down(machine.pid1 && !stays);
    match watch.strays {
        0 => {}
        n => findings.add(Verdict::Degraded, format_args!("STRAYS({n})")),
    }
    if let Some(scheduler) = &machine.scheduler {
        scheduler.after(findings);
        scheduler.report(Some(number), out);
    }
    if let Err(errno) = started {
        let errno = errno.raw_os_error();
        findings.add(Verdict::Fail, format_args!("FAIL(clone, {errno})"));
    }
    if watch.late {
        let seconds = format_args!("set-up took more than {READY_S} s");
        findings.add(Verdict::Fail, seconds);
    }
    if watch.interrupted {
        findings.add(Verdict::Fail, format_args!("interrupted"));
    }
    let sampler = watch.sampler.as_mut().filter(|_| ready);
    let sampler = sampler.map(|it| it.finish(findings));
    means.tunables.restore(findings);
    let measured = Measured {
        run,
        number,
        crews: &crews,
        ready,
        begin,
        end,
        counters: &after.since(&before),
        taint: counters::taint() & !taint,
        kmsg: machine.kmsg.as_ref(),
    };
    let recorded = recording.as_ref().filter(|_| ready);
    let kept = recorded.map(|it| it.kept(watch.stopped, findings));
    collect::finished(&measured, findings, out);
    if let Some((recording, kept)) = recorded.zip(kept) {
        recording.send(number, &crews, kept, out);
    }
    if let Some(sampler) = sampler {
        sampler.send(out);
    }
    Ok(watch.interrupted)
}

impl<'r> Watch<'r> {
    fn slots(&self) -> impl Iterator<Item = &'r Slot> + use<'r> {
        self.crews.iter().flat_map(|crew| crew.slots)
    }

    /// Time for every task to have its turn.
    fn turns(&self) -> u64 {
        self.slots().map(|_| EACH_NS).sum()
    }

    fn start(&mut self, team: &Team<'r>) -> core::result::Result<(), Errno> {
        for (crew, at) in team.crews.iter().zip(0..) {
            let host = team.host(crew);
            let mut before = team.crews.iter().take(at);
            if host.is_none() {
                for index in 0..crew.workers {
                    let Some(child) = crew.fork()? else {
                        worker::process(team, crew, index)
                    };
                    self.born(child, crew.tasks_of(index).iter());
                }
            } else if before.all(|other| team.host(other) != host) {
                let Some(child) = crew.fork()? else {
                    worker::host(team, crew)
                };
                let threads = team.threads_of(crew);
                self.born(child, threads.flat_map(|crew| crew.slots));
            }
        }
        Ok(())
    }

    /// Takes note of a process whose tasks report in these slots.
    fn born(&mut self, child: Pid, slots: impl Iterator<Item = &'r Slot>) {
        let pid = child.as_raw_nonzero().get().unsigned_abs();
        slots.for_each(|slot| slot.pid.store(pid, Relaxed));
        self.alive += 1;
        // The child does the same; whoever is first closes the race, and
        // the other is told EACCES or ESRCH.
        let _raced = setpgid(Some(child), Some(child));
    }

    /// Waits until every worker has finished its set-up; whether all
    /// succeeded.
    fn ready(&mut self) -> bool {
        let deadline = now() + READY_S * SECOND;
        let all = u32::try_from(self.slots().count()).unwrap_or(u32::MAX);
        loop {
            let ready = self.control.ready.load(Relaxed);
            if ready + self.tend(Moment::SetUp) >= all {
                break;
            }
            self.reap();
            if self.alive == 0 || self.interrupted {
                return false;
            }
            if now() > deadline {
                self.late = true;
                return false;
            }
            // A worker that dies in its set-up wakes nobody.
            sleep_while(&self.control.ready, ready, 10 * MILLISECOND);
        }
        self.slots().all(|slot| match slot.state() {
            State::Running => true,
            State::Replaced => slot.exit.load(Relaxed) == 0,
            _ => false,
        })
    }

    fn tend(&self, moment: Moment) -> u32 {
        self.crews
            .iter()
            .map(|crew| crew.tend(moment, |_| true))
            .sum()
    }

    fn set_phase(&self, phase: Phase) {
        self.control.phase_ns.store(now(), Relaxed);
        self.control.phase.store(phase.number(), Release);
        wake_all(&self.control.phase);
    }

    /// Runs warm-up and measurement; returns when the measured window began
    /// and ended, in ns.
    fn measure(
        &mut self,
        run: &Run<'_>,
        number: u16,
        machine: &Machine,
        out: &mut Output<'_>,
    ) -> (u64, u64) {
        let nanos = |d: core::time::Duration| {
            u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
        };
        let warmup = nanos(run.settings.warmup);
        let started = now();
        if warmup > 0 {
            self.set_phase(Phase::WarmUp);
            self.tend(Moment::WarmUp);
            let end = started + warmup;
            self.until(end, started, None, number, machine, out);
        }
        if let Some(recording) = self.recording {
            recording.begin(number, &collect::name(run));
        }
        self.sample(true);
        let begin = now();
        mark::begin();
        self.set_phase(Phase::Measure);
        self.tend(Moment::Measure);
        let mut parts = Intervals::new(self.crews, begin);
        let deadline = begin.saturating_add(nanos(run.settings.time));
        let parts = Some(&mut parts);
        self.until(deadline, started, parts, number, machine, out);
        mark::end();
        let end = now();
        self.sample(false);
        (begin, end)
    }

    fn sample(&self, on: bool) {
        self.sampler.iter().for_each(|it| it.enable(on));
    }

    fn until(
        &mut self,
        deadline: u64,
        started: u64,
        mut parts: Option<&mut Intervals>,
        number: u16,
        machine: &Machine,
        out: &mut Output<'_>,
    ) {
        let mut tick = started + SECOND;
        let tended = self.crews.iter().any(Crew::is_tended);
        while self.alive > 0 && !self.interrupted {
            let time = now();
            let mut part = deadline;
            if let Some(parts) = &mut parts {
                parts.report(time.min(deadline), number, self.crews, out);
                part = parts.next();
            }
            if time >= deadline {
                return;
            }
            if machine.progress && time >= tick {
                tick += SECOND;
                self.progress(time - started, number, out);
            }
            let next = if machine.progress { tick } else { deadline };
            let look = if tended { time + LOOK_NS } else { deadline };
            let sampler = self.sampler.as_mut();
            let full = sampler.map_or(deadline, |it| it.tend(time));
            let next = deadline.min(next).min(part).min(look).min(full);
            self.wait(next.saturating_sub(now()));
        }
    }

    fn progress(&self, elapsed: u64, number: u16, out: &mut Output<'_>) {
        let sum = |f: fn(&Slot) -> u64| self.slots().map(f).sum();
        out.record(&Record::Progress(Progress {
            run: number,
            elapsed_ms: elapsed / MILLISECOND,
            iterations: sum(|slot| slot.iterations.load(Relaxed)),
            work_units: sum(|slot| slot.work_units.load(Relaxed)),
            running: self.alive,
        }));
        out.flush();
    }

    /// Sleeps until a child ends, a signal comes, or the time is over.
    fn wait(&mut self, timeout_ns: u64) {
        let signals = [signal::SIGCHLD, signal::SIGINT, signal::SIGTERM];
        match signal::wait_signal(&signals, timeout_ns) {
            Some(signal::SIGINT | signal::SIGTERM) => self.interrupted = true,
            _ => self.reap(),
        }
    }

    fn reap(&mut self) {
        while let Ok(Some(ended)) = process::peek_ended() {
            let pid = ended.pid.as_raw_nonzero().get().unsigned_abs();
            // Of the zombie, which may be the child of a worker.
            let group = Pid::as_raw(getpgid(Some(ended.pid)).ok());
            let group = group.unsigned_abs();
            let (mut mine, mut stray) = (false, true);
            if let Some(scheduler) = self.scheduler {
                scheduler.saw_end(&ended);
            }
            for slot in self.slots() {
                let leader = slot.pid.load(Relaxed);
                stray &= leader != group;
                if leader != pid {
                    continue;
                }
                mine = true;
                slot.close();
                if slot.exit.load(Relaxed) == 0 {
                    slot.exit.store(encode_exit(exit_of(&ended)), Relaxed);
                }
            }
            for crew in self.crews {
                crew.tend(Moment::Ended, |s| s.pid.load(Relaxed) == pid);
            }
            if mine {
                // The zombie still holds the group's id.
                let _none = kill_process_group(ended.pid, Signal::KILL);
            }
            if process::reap(ended.pid, true).is_ok() && mine {
                self.alive = self.alive.saturating_sub(1);
            }
            self.strays += u32::from(stray);
        }
    }

    /// Asks the workers to leave, again and again, for as long as `grace`.
    fn stop(&mut self, run: &Run<'_>) {
        let grace = run.settings.grace.as_nanos();
        let grace = u64::try_from(grace).unwrap_or(u64::MAX);
        let deadline = now().saturating_add(grace).saturating_add(self.turns());
        self.tend(Moment::Stop);
        while self.alive > 0 && now() < deadline {
            self.crews.iter().for_each(Crew::wake_all);
            for slot in self.slots() {
                let pid = i32::try_from(slot.pid.load(Relaxed)).unwrap_or(0);
                let unfinished =
                    matches!(slot.state(), State::Setup | State::Running)
                        && slot.exit.load(Relaxed) == 0;
                if let (true, Some(pid)) = (unfinished, Pid::from_raw(pid)) {
                    signal::send_stop(pid, slot.tid.load(Relaxed));
                }
            }
            let left = deadline.saturating_sub(now());
            self.wait(left.min(STOP_AGAIN_NS));
        }
    }

    /// Kills what is left, and reaps it; with `all`, also what left the
    /// groups of its workers and would live on into the next run. PID 1 is
    /// the parent of whatever lost its own.
    fn tear_down(&mut self, all: bool) {
        for slot in self.slots() {
            let pid = i32::try_from(slot.pid.load(Relaxed)).unwrap_or(0);
            if slot.exit.load(Relaxed) != 0 {
                continue;
            }
            slot.close();
            if !matches!(slot.state(), State::Failed | State::Skipped) {
                slot.exit.store(encode_exit(Exit::Timeout), Relaxed);
            }
            if let Some(pid) = Pid::from_raw(pid) {
                // Already gone is as good.
                let _gone = kill_process_group(pid, Signal::KILL);
            }
        }
        let deadline = now() + DIE_NS + self.turns();
        self.strays = 0;
        while now() < deadline
            && (self.alive > 0 || all && process::peek_ended().is_ok())
        {
            if all {
                process::kill_everything();
            }
            self.wait(STOP_AGAIN_NS);
        }
        if self.alive > 0 {
            for slot in self.slots() {
                if slot.exit.load(Relaxed) == encode_exit(Exit::Timeout) {
                    slot.exit.store(encode_exit(Exit::Stuck), Relaxed);
                }
            }
        }
    }
}
