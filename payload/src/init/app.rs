//! The order of a boot: from the first instruction to the verdict.

use crate::ctx::workload::Workload;
use crate::init::boot;
use crate::kit::counters;
use crate::kit::shm::{self, Scratch};
use crate::kit::text::{Cut, around_last, path, read_file};
use crate::plan::error::{PlanError, Rule};
use crate::plan::settings::End;
use crate::plan::sources::Sources;
use crate::plan::token::{Source, split_dashes};
use crate::plan::{self, Plan};
use crate::row::Feature;
use crate::row::attr::scx::Scx;
use crate::run::descriptors::reserve;
use crate::run::fits::fits;
use crate::run::machine::{self, Machine, Shape};
use crate::run::output::{CONSOLES, Output, Sink};
use crate::run::sched_ext::Scheduler;
use crate::run::spawn::apart;
use crate::run::supervisor;
use crate::sys;
use crate::wire::frame::{CRC, StreamId};
use crate::wire::record::{self, Bye, Hello, Lines, Record, SCHEMA, Verdict};
use crate::workloads::custom::program::is_program;
use crate::workloads::custom::types::Registered;
use core::fmt::Write;
use heapless::{String, Vec};
use rustix::process::getpid;
use rustix::system::uname;
use rustix::time::{ClockId, clock_gettime};

/// Bytes of one burst of records.
const BURST: usize = 4 << 20;
/// Longest plan.
const PLAN: usize = 16 * 1024;

/// How it all ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No run failed.
    Good,
    /// A run failed.
    Bad,
    /// The plan was refused.
    PlanError,
}

impl Outcome {
    /// The exit code of the plain process.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Bad => 1,
            Self::PlanError => 255,
        }
    }
}

/// As PID 1: runs the plan of the kernel command line and ends the machine.
/// `args` are the arguments, `None` if there were too many; they are asked
/// where the command line cannot be read. `works` are types beside the
/// built-in ones.
pub fn init(args: Option<&str>, works: &'static [&'static Workload]) -> ! {
    let entered = sys::monotonic_ns_by_syscall();
    let mut notes: String<256> = String::new();
    for kind in boot::mounts() {
        let _cut = writeln!(Cut(&mut notes), "{kind} could not be mounted");
    }
    let mut order = [0; boot::ORDER_LIMIT];
    let broken = boot::modules(&mut order);
    let mut sources = Sources {
        works: Registered(works),
        ..Sources::default()
    };
    let unread = match boot::command_line() {
        Ok(line) => {
            sources.kernel = Source::kernel(line);
            sources.args = Source::args(split_dashes(line).1);
            None
        }
        Err(rule) => {
            let args = args.unwrap_or("");
            sources.args = Source::args(args);
            let token = boot::COMMAND_LINE;
            let rule = Rule::Is(rule);
            let none = args.trim_ascii().is_empty();
            none.then_some(PlanError { token, rule })
        }
    };
    let broken = broken.or(unread);
    let (_, end) = go(entered, sources, Some(&mut notes), broken);
    boot::end(end.unwrap_or(End::Poweroff))
}

/// Runs the plan of `args` for a program that has other things to do: in a
/// child, so that limits, signals, priority and children of the caller stay
/// as they are, however it ends. `works` are types beside the built-in ones.
#[must_use]
pub fn process(args: &str, works: &'static [&'static Workload]) -> Outcome {
    const GOOD: u8 = 1;
    const REFUSED: u8 = 2;
    let told = apart(1, |told| {
        told.fill(match plain(args, works) {
            Outcome::Good => GOOD,
            Outcome::PlanError => REFUSED,
            Outcome::Bad => 0,
        });
    });
    // A child that was killed has told nothing.
    match told.as_ref().map(Scratch::read) {
        Ok([GOOD]) => Outcome::Good,
        Ok([REFUSED]) => Outcome::PlanError,
        _ => Outcome::Bad,
    }
}

/// As a plain process: runs the plan of `args`, touching nothing of the
/// host. `works` are types beside the built-in ones.
#[must_use]
pub(super) fn plain(
    args: &str,
    works: &'static [&'static Workload],
) -> Outcome {
    let entered = sys::monotonic_ns_by_syscall();
    let sources = Sources {
        args: Source::args(args),
        works: Registered(works),
        ..Sources::default()
    };
    go(entered, sources, None, None).0
}

/// `notes` are those of PID 1, and absent in a plain process. Whatever is
/// `broken` is in the plan's place.
fn go(
    entered: u64,
    given: Sources<'_>,
    notes: Option<&mut String<256>>,
    broken: Option<PlanError<'_>>,
) -> (Outcome, Option<End>) {
    let pid1 = notes.is_some();
    let mut file: String<PLAN> = String::new();
    let mut buf = [0; PLAN];
    let mut sources = Sources { ..given };
    if let Some(name) = sources.plan_name() {
        let packed = path(format_args!("/plans/{name}"));
        sources.file = match read_file(&packed, &mut buf) {
            Some(text) if pid1 => Source::file(text),
            // An unknown name leaves the file empty, which `parse` reports.
            _ => plan::builtin(name, &mut file)
                .map_or(sources.file, |()| Source::file(&file)),
        };
    }
    let parsed = match broken {
        Some(error) => Err(error),
        None => Plan::parse(&sources),
    };
    let boot = parsed.as_ref().ok().map(|plan| plan.boot);
    let Some(log) = shm::private(BURST) else {
        return (Outcome::Bad, None);
    };
    let mut consoles: Vec<Sink, CONSOLES> = Vec::new();
    match boot.and_then(|boot| boot.console) {
        Some(path) => consoles.extend(Sink::open(path).ok()),
        None if pid1 => open_consoles(&mut consoles),
        None => {}
    }
    if consoles.is_empty() {
        let stdout = rustix::io::dup(sys::stdout()).ok();
        consoles.extend(stdout.map(Sink::from_fd));
    }
    if consoles.is_empty() {
        return (Outcome::Bad, None);
    }
    let mut out = Output::new(consoles, stream(), log);
    out.send = pid1;
    let level = if pid1 { boot::quieten() } else { None };
    let (outcome, end) = match parsed {
        Ok(plan) => {
            let end = plan.boot.end;
            (with_plan(entered, &sources, &plan, notes, &mut out), end)
        }
        Err(error) => (refuse(&error, &mut out), None),
    };
    out.flush();
    out.drain();
    if let Some(level) = level {
        // It was set a moment ago, so it can be set again.
        let _restored = sys::set_console_level(level);
    }
    (outcome, end)
}

/// Opens the kernel's consoles. `/dev/console` is the last that the command
/// line names, which need not be the one that somebody reads.
fn open_consoles(consoles: &mut Vec<Sink, CONSOLES>) {
    consoles.extend(Sink::open("/dev/console").ok());
    let mut buf = [0; 256];
    let active = "/sys/class/tty/console/active";
    let names = read_file(active, &mut buf).unwrap_or("").trim_ascii();
    let others = around_last(names, b' ').map_or("", |(others, _)| others);
    for name in others.split_ascii_whitespace() {
        if let Ok(sink) = Sink::open(&path(format_args!("/dev/{name}"))) {
            // The kernel has eight consoles at most.
            let _room = consoles.push(sink);
        }
    }
}

/// A name for this boot's stream: the time, which differs between boots
/// unless the machine is deterministic.
fn stream() -> StreamId {
    let time = clock_gettime(ClockId::Realtime);
    let pid = getpid().as_raw_nonzero().get();
    let mut digest = CRC.digest();
    digest.update(&time.tv_sec.to_le_bytes());
    digest.update(&time.tv_nsec.to_le_bytes());
    digest.update(&pid.to_le_bytes());
    StreamId::new(digest.finalize())
}

fn refuse(error: &PlanError<'_>, out: &mut Output<'_>) -> Outcome {
    out.say(format_args!("KTAP version 1"));
    out.say(format_args!("Bail out! {error}"));
    let (records, crc) = out.totals();
    out.record(&Record::Bye(Bye {
        records,
        crc,
        passed: 0,
        skipped: 0,
        failed: 0,
        plan_error: true,
    }));
    Outcome::PlanError
}

fn with_plan(
    entered: u64,
    sources: &Sources<'_>,
    plan: &Plan<'_>,
    notes: Option<&mut String<256>>,
    out: &mut Output<'_>,
) -> Outcome {
    let boot = &plan.boot;
    let pid1 = notes.is_some();
    let mut none = String::new();
    let notes = notes.unwrap_or(&mut none);
    if pid1 {
        boot::settings(boot.schedstats);
    } else if boot.end.is_some() {
        let (token, rule) = ("end", Rule::Is("only PID 1 ends a machine"));
        return refuse(&PlanError { token, rule }, out);
    }
    (out.ktap, out.lava) = (boot.ktap, boot.lava);
    out.send = boot
        .send_records
        .unwrap_or_else(|| pid1 || boot.records.is_some());
    if let Some(device) = boot.records {
        match Sink::open(device) {
            Ok(sink) => out.records = Some(sink),
            Err(errno) => {
                let _cut = writeln!(
                    Cut(notes),
                    "{device} cannot be opened ({errno}); records go to the \
                     console"
                );
            }
        }
    }
    let apart = out.records.is_some();
    out.burst = boot.burst.unwrap_or(if apart { 1 } else { 2 });
    let mut machine = machine::probe(pid1, boot.progress.unwrap_or(apart));
    if let Err(error) = all_fit(plan, &machine) {
        return refuse(&error, out);
    }
    if !supervisor::settle() {
        let _cut = writeln!(Cut(notes), "the supervisor has no priority");
    }
    hello(entered, plan, pid1, notes, &machine, out);
    send_plan(sources, out);
    out.flush();
    out.line(format_args!("KTAP version 1"));
    say_plan(sources, out);
    out.line(format_args!("1..{}", u32::from(plan.len())));
    if let Some(what) = boot.scx {
        let scheduler = Scheduler::load(what, boot.scx_load, &machine.features);
        scheduler.report(None, out);
        out.flush();
        machine.scheduler = Some(scheduler);
    }
    out.signal("STARTRUN");
    let (mut passed, mut skipped, mut failed) = (0, 0, 0);
    for (run, number) in plan.runs().zip(0..) {
        let result = supervisor::run(&machine, run, number, out);
        match result.verdict {
            Verdict::Ok | Verdict::Degraded => passed += 1,
            Verdict::Skip => skipped += 1,
            Verdict::Fail => failed += 1,
        }
        if result.interrupted {
            out.say(format_args!("Bail out! interrupted"));
            break;
        }
    }
    if let Some(scheduler) = &mut machine.scheduler {
        scheduler.unload();
        scheduler.report(None, out);
    }
    out.flush();
    out.signal("ENDRUN");
    let (records, crc) = out.totals();
    out.record(&Record::Bye(Bye {
        records,
        crc,
        passed,
        skipped,
        failed,
        plan_error: false,
    }));
    match failed {
        0 => Outcome::Good,
        _ => Outcome::Bad,
    }
}

/// Checks what needs the machine, and raises limits as high as runs need.
fn all_fit<'t>(
    plan: &Plan<'t>,
    machine: &Machine,
) -> Result<(), PlanError<'t>> {
    let program = plan.boot.scx.and_then(Scx::program);
    if let Some(token) = program.filter(|path| !is_program(path)) {
        let rule = Rule::Is("there is no such program");
        return Err(PlanError { token, rule });
    }
    let mut runs = plan.distinct().iter();
    runs.try_for_each(|run| {
        fits(run, machine)?;
        reserve(run, machine)
    })
}

fn hello(
    entered: u64,
    plan: &Plan<'_>,
    pid1: bool,
    notes: &str,
    machine: &Machine,
    out: &mut Output<'_>,
) {
    let uname = uname();
    let shape = Shape::look(&machine.topology);
    let mut absent: String<512> = String::new();
    for feature in Feature::ALL {
        if !machine.features.contains(feature) {
            let _fits = writeln!(Cut(&mut absent), "{}", feature.config());
        }
    }
    out.record(&Record::Hello(Hello {
        schema: SCHEMA,
        pidone: env!("CARGO_PKG_VERSION"),
        kernel: uname.release().to_str().unwrap_or(""),
        kernel_build: uname.version().to_str().unwrap_or(""),
        machine: uname.machine().to_str().unwrap_or(""),
        pid1,
        cpus: machine.online.len(),
        nodes: shape.nodes,
        llcs: shape.llcs,
        cores: shape.cores,
        mem_kib: shape.mem_kib,
        clock: shape.clock(),
        clocksource: &shape.clocksource,
        clock_ns: shape.clock_ns,
        spin_step_ps: shape.spin_step_ps,
        record_ps: shape.record_ps,
        entered_ns: entered,
        ready_ns: crate::kit::clock::now(),
        taint: counters::taint(),
        runs: plan.len(),
        absent: Lines(absent.trim_ascii_end()),
        notes: Lines(notes.trim_ascii_end()),
    }));
}

/// Sends the plan's words, in as many records as they need.
fn send_plan(sources: &Sources<'_>, out: &mut Output<'_>) {
    let mut lines: String<8192> = String::new();
    let mut send = |lines: &mut String<8192>| {
        let tokens = Lines(lines.trim_ascii_end());
        out.record(&Record::Plan(record::Plan { tokens }));
        lines.clear();
    };
    for (before, word) in sources.words() {
        // A word is far shorter than this.
        if lines.len() + before.len() + word.len() + 1 > lines.capacity() {
            send(&mut lines);
        }
        let _fits = writeln!(lines, "{before}{word}");
    }
    send(&mut lines);
}

/// Prints the words that were given, for whoever has no records.
fn say_plan(sources: &Sources<'_>, out: &Output<'_>) {
    let mut line: String<256> = String::new();
    for word in sources.given() {
        if line.len() + word.len() + 1 > 100 && !line.is_empty() {
            out.line(format_args!("# plan:{line}"));
            line.clear();
        }
        let _cut = write!(Cut(&mut line), " {word}");
    }
    out.line(format_args!("# plan:{line}"));
}

#[cfg(test)]
mod tests {
    use super::{Outcome, process};
    use crate::ctx::Ctx;
    use crate::ctx::workload::Workload;
    use crate::kit::stop::Stop;
    use crate::sys;
    use crate::sys::sched::sched_getattr;
    use crate::workloads::custom::types::workload;
    use rustix::process::{Resource, getpid, getrlimit};
    use std::string::String;

    fn kills_its_supervisor(_: &mut Ctx<'_>) -> Result<(), Stop> {
        let parent = rustix::process::getppid();
        assert_ne!(parent, Some(getpid()));
        let kill = rustix::process::Signal::KILL;
        let _gone = rustix::process::kill_process(parent.unwrap(), kill);
        Ok(())
    }

    static KILLS: Workload =
        workload(&crate::fn_work!("kills", kills_its_supervisor));
    static WORKS: &[&Workload] = &[&KILLS];

    /// Whatever a process may have changed of itself.
    fn of_this_thread() -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status");
        let status = status.unwrap();
        // SigQ is of all that this user runs.
        let of = ["SigBlk:", "SigIgn:", "SigCgt:"];
        let signals = status
            .lines()
            .filter(|line| of.iter().any(|field| line.starts_with(field)));
        let signals: std::vec::Vec<_> = signals.collect();
        let files = getrlimit(Resource::Nofile);
        std::format!("{signals:?} {:?} {files:?}", sched_getattr().unwrap())
    }

    #[test]
    fn a_caller_stays_as_it_was() {
        let before = of_this_thread();
        let Some(child) = sys::process::fork().unwrap() else {
            sys::process::exit_group(7)
        };
        for (plan, outcome) in [
            ("time=20ms work=SpinWait", Outcome::Good),
            ("time=20ms work=SpinWait expect=iterations<0", Outcome::Bad),
            ("work=SpinWait bogus=1", Outcome::PlanError),
            ("work=kills", Outcome::Bad),
        ] {
            let plan = std::format!("console=/dev/null {plan}");
            assert_eq!(process(&plan, WORKS), outcome, "{plan}");
            assert_eq!(of_this_thread(), before, "{plan}");
        }
        let ended = sys::process::reap(child, false).unwrap().unwrap();
        assert_eq!(ended.code, 7);
    }
}
