//! The order of a boot: from the first instruction to the verdict.

use crate::attr::Affinity;
use crate::attr::scx::Scx;
use crate::boot;
use crate::counters;
use crate::custom::program::is_program;
use crate::custom::types::Registered;
use crate::frame::{CRC, StreamId};
use crate::kit::shm;
use crate::kit::text::{Cut, path, read_file};
use crate::machine::{self, Shape};
use crate::output::{Output, Sink};
use crate::plan::error::{PlanError, Rule};
use crate::plan::settings::End;
use crate::plan::token::{Source, split_dashes};
use crate::plan::{self, Plan, Sources};
use crate::probe::Feature;
use crate::record::{self, Bye, Hello, Lines, Record, SCHEMA, Verdict};
use crate::sched_ext::Scheduler;
use crate::supervisor::{self, Machine};
use crate::sys;
use crate::topology::{cpus_of_node, memory_nodes};
use crate::workload::{Fit, What, Workload};
use core::fmt::Write;
use heapless::String;
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
/// `works` are types beside the built-in ones.
pub fn init(works: &'static [&'static Workload]) -> ! {
    let entered = sys::monotonic_ns_by_syscall();
    let mut notes: String<256> = String::new();
    for kind in boot::mounts() {
        let _cut = writeln!(Cut(&mut notes), "{kind} could not be mounted");
    }
    let mut order = [0; boot::ORDER_LIMIT];
    let broken = boot::modules(&mut order);
    let mut cmdline = [0; 4096];
    let cmdline = read_file("/proc/cmdline", &mut cmdline).unwrap_or("");
    let (_, args) = split_dashes(cmdline);
    let sources = Sources {
        kernel: Source::kernel(cmdline),
        args: Source::args(args),
        works: Registered(works),
        ..Sources::default()
    };
    let (_, end) = go(entered, sources, Some(&mut notes), broken);
    boot::end(end.unwrap_or(End::Poweroff))
}

/// As a plain process: runs the plan of `args`, touching nothing of the
/// host. `works` are types beside the built-in ones.
#[must_use]
pub fn process(args: &str, works: &'static [&'static Workload]) -> Outcome {
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
    let console = match boot.and_then(|boot| boot.console) {
        Some(path) => Sink::open(path).ok(),
        None if pid1 => Sink::open("/dev/console").ok(),
        None => None,
    };
    let console = console.or_else(|| {
        let stdout = rustix::io::dup(sys::stdout()).ok()?;
        Some(Sink::from_fd(stdout))
    });
    let Some(console) = console else {
        return (Outcome::Bad, None);
    };
    let mut out = Output::new(console, stream(), log);
    out.send = pid1;
    let level = if pid1 { boot::quieten() } else { None };
    let (outcome, end) = match parsed {
        Ok(plan) => {
            let end = plan.boot.end;
            (with_plan(entered, &plan, notes, &mut out), end)
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
    let mut machine = machine::probe(boot.progress.unwrap_or(apart));
    if let Err(error) = fits(plan, &machine) {
        return refuse(&error, out);
    }
    sys::block_signals(&[sys::SIGCHLD, sys::SIGINT, sys::SIGTERM]);
    let first = sys::sched_setattr(sys::SchedAttr {
        policy: sys::SCHED_FIFO,
        priority: 99,
        flags: sys::SCHED_FLAG_RESET_ON_FORK,
        ..sys::SchedAttr::default()
    });
    if first.is_err() {
        let _cut = writeln!(Cut(notes), "the supervisor has no priority");
    }
    hello(entered, plan, pid1, notes, &machine, out);
    out.line(format_args!("KTAP version 1"));
    out.line(format_args!("1..{}", u32::from(plan.len())));
    if let Some(what) = boot.scx {
        let scheduler = Scheduler::load(what, &machine.features);
        scheduler.report(None, out);
        out.flush();
        machine.scheduler = Some(scheduler);
    }
    out.signal("STARTRUN");
    let (mut passed, mut skipped, mut failed) = (0, 0, 0);
    for (run, number) in plan.runs().zip(0..) {
        let result = supervisor::run(&machine, &run, number, out);
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

/// Checks what needs the machine: worker counts and CPU lists.
fn fits<'t>(plan: &Plan<'t>, machine: &Machine) -> Result<(), PlanError<'t>> {
    let allowed = memory_nodes();
    let program = plan.boot.scx.and_then(Scx::program);
    if let Some(token) = program.filter(|path| !is_program(path)) {
        let rule = Rule::Is("there is no such program");
        return Err(PlanError { token, rule });
    }
    for run in plan.runs() {
        for group in &run.groups {
            let refuse = |rule| {
                let (token, rule) = (group.token, Rule::Is(rule));
                Err(PlanError { token, rule })
            };
            let leaf = run.leaf(group).unwrap_or_default();
            let confined = leaf.cpus().unwrap_or(machine.cpus);
            if confined.and(&machine.cpus) != confined {
                return refuse(
                    "its cpuset.cpus names CPUs this machine does \
                               not have",
                );
            }
            let nodes = leaf.mems().unwrap_or(machine.nodes);
            if nodes.and(&machine.nodes) != nodes {
                return refuse(
                    "its cpuset.mems names nodes that are not \
                               online",
                );
            }
            let wanted = group.settings.mempolicy.nodes;
            if wanted.and(&nodes) != wanted {
                return refuse(
                    "its mempolicy names nodes that are not online \
                               or not in its cpuset.mems",
                );
            }
            let usable = run.usable(group, &machine.cpus);
            let workers = group.workers(usable.len())?;
            let mems = run.mems(group, &allowed);
            let fit = Fit { workers, mems };
            for need in group.work.row().needs {
                if let What::Fits(fits) = need.what
                    && let Err(rule) = fits(&group.work, &fit)
                {
                    return refuse(rule);
                }
            }
            let there = match group.intent() {
                Affinity::Exact(cpus) => cpus.and(&usable) == cpus,
                Affinity::RandomSubset { from, .. } => {
                    !from.and(&usable).is_empty()
                }
                Affinity::NumaNode(node) => cpus_of_node(node)
                    .is_some_and(|cpus| !cpus.and(&usable).is_empty()),
                Affinity::Inherit
                | Affinity::SingleCpu
                | Affinity::CrossCgroup
                | Affinity::LlcAligned
                | Affinity::SmtSiblingPair { .. } => true,
            };
            if !there {
                return refuse(
                    "its affinity names CPUs this machine does not \
                               have, or its cpuset.cpus leaves out",
                );
            }
        }
    }
    Ok(())
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
        cpus: machine.cpus.len(),
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
    let mut tokens: String<8192> = String::new();
    for token in plan.tokens() {
        let _cut = writeln!(Cut(&mut tokens), "{}", token.text);
    }
    let tokens = Lines(tokens.trim_ascii_end());
    out.record(&Record::Plan(record::Plan { tokens }));
    out.flush();
}
