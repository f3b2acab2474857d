//! `boot`: the whole way from sources to a table.

use crate::cmd::runs;
use crate::decode::decode_ports;
use crate::devices::{Disk, Nic};
use crate::format::Format;
use crate::live::Live;
use crate::model::Report;
use crate::noise::{Noise, Watch};
use crate::qemu::{Machine, Vm, kvm_works};
use crate::store::{self, Parts, Pending};
use crate::topology::{Distance, Memory, Smp, Topology};
use crate::{build, duration, kernel, outcome, tools, usage};
use anyhow::{Context, Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};
use core::time::Duration;
use initramfs::add::Addition;
use initramfs::newc::Archive;
use pidone::attr::scx::Scx;
use pidone::plan::token::Source;
use pidone::plan::{Plan, Sources, builtin};
use pidone::workload::Workload;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};
use std::{fs, thread};
use tempfile::TempDir;

/// Boot a kernel with the payload and print what it measured. The plan
/// follows `--`; without one, every work type runs for 200 ms.
#[derive(Debug, Clone, Default, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "boot")]
#[argh(
    usage = "[options] [-- plan...]",
    example = "Latency of wake-ups through pipes, with 4 workers:\n\
               \x20 {command_name} -- time=1s work=PipeIo workers=4",
    example = "The same figures every time, on a kernel of one's own:\n\
               \x20 {command_name} --deterministic --kernel bzImage -- \
               time=1s work=FutexPingPong",
    example = "For `git bisect run`, with a condition:\n\
               \x20 {command_name} --kernel bzImage -- work=PipeIo \
               'expect=wake.p99<500us'",
    note = "A value may follow an option as a word or behind `=`.",
    note = "The grammar of a plan is in docs/plan.md, that of conditions in \
            docs/expect.md, the fields of --json in docs/json.md.",
    error_code(0, "no run failed"),
    error_code(1, "the kernel, a run or a condition failed, or it hung"),
    error_code(125, "cannot tell: no boot, or every run was skipped"),
    error_code(255, "the tool, its usage or the plan failed")
)]
pub struct Args {
    /// a file, `host`, debian:6.12-cloud (the default) or built:6.12
    #[argh(option, default = "String::from(\"debian:6.12-cloud\")")]
    pub kernel: String,
    /// virtual CPUs: a number (2 by default), or all that they share as in
    /// 2n4l8c2t: 2 nodes, 4 last-level caches, 8 cores, of 2 threads each
    #[argh(option, default = "Smp::default()")]
    pub smp: Smp,
    /// NUMA nodes to divide CPUs and memory over, 1 by default
    #[argh(option, default = "1", from_str_fn(nodes))]
    pub numa: u32,
    /// memory: MiB, or a number with M or G as in 2G; 512M by default. One
    /// for each node with commas between them; those behind the nodes with
    /// CPUs make more nodes, without any
    #[argh(option, default = "Memory::default()")]
    pub mem: Memory,
    /// how far it is between two nodes as in 0-1=21, where 20 is usual; may
    /// be repeated
    #[argh(option)]
    pub distance: Vec<Distance>,
    /// a disk: its size as in 64M, or null-co[:SIZE] for one that costs the
    /// host nothing; may be repeated
    #[argh(option)]
    pub disk: Vec<Disk>,
    /// network interfaces: pair (if the value is left out), two on one hub,
    /// or user, one with a gateway
    #[argh(option)]
    pub nic: Option<Nic>,
    /// words for the kernel command line
    #[argh(option)]
    pub append: Vec<String>,
    /// boot a machine whose every figure is repeatable; SEED is 1 if left out
    #[argh(option, arg_name = "seed")]
    pub deterministic: Option<u64>,
    /// seconds until the machine is stopped, or a duration as in 2m; by
    /// default it is stopped when nothing was heard of it for a minute and
    /// four times what the plan takes, or after five times as long
    #[argh(option, from_str_fn(duration::seconds))]
    pub timeout: Option<Duration>,
    /// what to print: table (the default), json, csv, ktap, junit or kcidb
    #[argh(option)]
    pub format: Option<Format>,
    /// write the results as JSON to a file; `-` is standard output
    #[argh(option, from_str_fn(super::output_file))]
    pub json: Option<String>,
    /// keep the serial logs in this directory
    #[argh(option)]
    pub logs: Option<PathBuf>,
    /// where to store the run; by default `runs` in the workspace
    #[argh(option)]
    pub runs: Option<PathBuf>,
    /// do not store the run
    #[argh(switch)]
    pub no_store: bool,
    /// a file or directory to add to the initramfs, as FILE or FILE:PATH,
    /// with the libraries that it needs; may be repeated
    #[argh(option)]
    pub add: Vec<Addition>,
    /// a kernel module to load before the plan, with those that it needs; may
    /// be repeated. Drivers of --disk and --nic need not be named
    #[argh(option)]
    pub module: Vec<String>,
    /// where the kernel's modules are: a /lib/modules/VERSION; by default
    /// beside the kernel, as packages put them
    #[argh(option)]
    pub modules: Option<PathBuf>,
    /// a program that loads a sched_ext scheduler, to add with its libraries
    /// as /bin/NAME; the plan's scx= is set to it unless it is given
    #[argh(option)]
    pub scheduler: Option<PathBuf>,
    /// a binary of your own to boot in place of the payload, which then
    /// checks the plan by itself
    #[argh(option)]
    pub payload: Option<PathBuf>,
    /// install what is missing
    #[argh(switch)]
    pub setup: bool,
    /// the plan
    #[argh(positional, greedy)]
    pub plan: Vec<String>,
}

impl Args {
    /// The machine's CPUs, nodes and memory.
    fn topology(&self) -> Topology {
        Topology {
            smp: self.smp,
            numa: self.numa,
            memory: self.mem.clone(),
            distances: self.distance.clone(),
        }
    }
}

/// How long a plan may take that only a payload of its own understands.
const FOREIGN: Duration = Duration::from_secs(150);

/// Runs the verb.
///
/// # Errors
///
/// The plan is wrong, something that is needed is missing, or there is
/// nowhere to store the run.
pub fn run(args: &Args) -> Result<u8> {
    let on_stdout = args.json.as_deref() == Some("-");
    if on_stdout && args.format.is_some() {
        bail!("--format and `--json -` both want standard output");
    }
    let format = match on_stdout {
        true => Format::Json,
        false => args.format.unwrap_or_default(),
    };
    let ready = Ready::new(args)?;
    let root = args.runs.clone().unwrap_or_else(runs::default_dir);
    let store = match args.no_store {
        true => None,
        false => Some(Pending::new(&root)?),
    };
    let dir = store.as_ref().map(|store| store.dir());
    let booted = ready.boot(args, dir)?;
    if let Some(file) = args.json.as_deref().filter(|_| !on_stdout) {
        let json = Format::Json.render(&booted.report)?;
        fs::write(file, json).with_context(|| file.to_owned())?;
    }
    super::print(&format.render(&booted.report)?)?;
    if let Some(store) = store {
        // What was measured is known, so this does not change the verdict.
        let stored = match booted.store(args, store) {
            Ok(dir) => format!("stored in {}", runs::shown(&dir)),
            Err(error) => format!("warning: not stored: {error:#}"),
        };
        match format {
            Format::Table => super::print(&(stored + "\n"))?,
            _ => eprintln!("{stored}"),
        }
    }
    Ok(booted.code)
}

/// Boots without storing, and returns what came of it with the exit code.
///
/// # Errors
///
/// The plan is wrong, or something that is needed is missing.
pub fn boot(args: &Args) -> Result<(Report, u8)> {
    let booted = Ready::new(args)?.boot(args, None)?;
    Ok((booted.report, booted.code))
}

/// Everything that boots of one kernel need; what is built is built once.
#[derive(Debug)]
pub struct Ready {
    kernel: PathBuf,
    initrd: PathBuf,
    tokens: Vec<String>,
    limits: Limits,
    /// Holds what is for these boots alone, logs that nobody keeps included.
    temporary: TempDir,
}

impl Ready {
    /// Checks the plan, finds the kernel and packs the initramfs.
    ///
    /// # Errors
    ///
    /// The plan is wrong, or something that is needed is missing.
    pub fn new(args: &Args) -> Result<Self> {
        let Planned {
            tokens,
            mut added,
            takes,
            ..
        } = Planned::new(args)?;
        args.topology().args()?;
        tools::require(&[tools::QEMU], args.setup)?;
        let kernel = kernel::resolve(&args.kernel, args.setup)?;
        modules(args, &kernel, &mut added)?;
        let temporary = tempfile::tempdir()?;
        let dir = temporary.path();
        let initrd = match &args.payload {
            Some(payload) => build::pack_into(payload, added, dir)?,
            None => {
                let payload = build::payload(args.setup)?;
                build::pack_for_boot(&payload, added, dir)?
            }
        };
        let limits = Limits::new(args.timeout, takes);
        Ok(Self {
            kernel,
            initrd,
            tokens,
            limits,
            temporary,
        })
    }

    /// Boots once, and stores what came of it below `root`. `args` may differ
    /// from those that this was made from in the seed alone.
    ///
    /// # Errors
    ///
    /// The machine cannot be started, or the run not be stored.
    pub fn boot_and_store(&self, args: &Args, root: &Path) -> Result<Done> {
        let store = Pending::new(root)?;
        let booted = self.boot(args, Some(store.dir()))?;
        let dir = booted.store(args, store)?;
        Ok(Done {
            report: booted.report,
            code: booted.code,
            dir,
        })
    }

    /// Boots; the logs go to `--logs`, or to `dir`, or are not kept. A kernel
    /// that QEMU stumbled over is booted again.
    fn boot(&self, args: &Args, dir: Option<&Path>) -> Result<Booted> {
        for _ in 0..AGAIN {
            let booted = self.boot_once(args, dir)?;
            if !booted.stumbled()? {
                return Ok(booted);
            }
            eprintln!(
                "note: an int3 of the kernel's own ended its start, as may \
                 happen in QEMU without KVM; it is booted again"
            );
        }
        self.boot_once(args, dir)
    }

    fn boot_once(&self, args: &Args, dir: Option<&Path>) -> Result<Booted> {
        let dir = args.logs.as_deref().or(dir);
        let dir = dir.unwrap_or_else(|| self.temporary.path()).to_path_buf();
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let seed = args.deterministic;
        let mut append = args.append.clone();
        append.push("pidone.records=/dev/ttyS1".to_owned());
        if let Some(seed) = seed {
            append.push(format!("pidone.seed={seed} pidone.progress=off"));
        }
        append.push("--".to_owned());
        append.extend(self.tokens.iter().cloned());
        let machine = Machine {
            kernel: self.kernel.clone(),
            initrd: self.initrd.clone(),
            topology: args.topology(),
            disks: args.disk.clone(),
            nic: args.nic,
            append,
            deterministic: seed,
            dir,
        };
        let (started, begin) = (SystemTime::now(), Instant::now());
        let watch = Watch::start();
        let of = machine.clone();
        let vm = machine.start()?;
        let parts = thread::spawn(move || Parts::of(&of));
        let timed_out = wait(vm, &machine, self.limits)?;
        let (took, noise) = (begin.elapsed(), watch.end());
        let (report, code) = report(&machine, timed_out)?;
        if code != super::exit::GOOD {
            store::room(&machine.dir)?;
        }
        let parts = match parts.join() {
            Ok(parts) => parts?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok(Booted {
            machine,
            parts,
            started,
            took,
            noise,
            timed_out,
            report,
            code,
        })
    }
}

/// A plan that was checked, and what is packed for it.
struct Planned {
    tokens: Vec<String>,
    added: Archive,
    /// How long its runs take.
    takes: Duration,
    works: Vec<Works>,
}

/// The work types of a run, one a group.
pub type Works = Vec<&'static Workload>;

/// The work types of each run, without booting; none of a plan that only a
/// payload of its own understands.
///
/// # Errors
///
/// The plan is wrong.
pub fn works(args: &Args) -> Result<Vec<Works>> {
    Ok(Planned::new(args)?.works)
}

impl Planned {
    fn new(args: &Args) -> Result<Self> {
        let words = args.plan.iter().filter(|word| *word != "--");
        let mut tokens: Vec<String> = words.cloned().collect();
        let option = tokens.iter().find(|word| word.starts_with("--"));
        if let Some(option) = option {
            bail!("`{option}` is in the plan; options come before it");
        }
        let mut additions = args.add.clone();
        let scheduler = args.scheduler.as_deref().map(placed).transpose()?;
        additions.extend(scheduler.as_ref().map(|it| it.0.clone()));
        let mut added = build::additions(&additions)?;
        // A word with spaces stays one.
        for word in &mut tokens {
            if word.contains(char::is_whitespace) && !word.contains('"') {
                *word = format!("\"{word}\"");
            }
        }
        if let Some((_, path)) = scheduler
            && !says_scx(&tokens.join(" "), &added)
        {
            tokens.insert(0, format!("scx={path}"));
        }
        let plan = tokens.join(" ");
        let (takes, works) = match &args.payload {
            Some(_) => (FOREIGN, Vec::new()),
            None => check(&plan, &added)?,
        };
        if tokens.len() > MOST_WORDS || plan.len() > LONGEST_PLAN {
            build::pack_plan(&mut added, "boot", plan)?;
            tokens = vec!["plan=boot".to_owned()];
        }
        Ok(Self {
            tokens,
            added,
            takes,
            works,
        })
    }
}

/// The options of boots that another verb makes: the words that are handed on
/// to this one, a kernel and a plan.
///
/// # Errors
///
/// An option is wrong, or there is no plan.
pub fn handed(
    verb: &str,
    to_boot: &[String],
    kernel: &str,
    plan: &[String],
) -> Result<Args> {
    let mut plan = plan.iter().filter(|word| *word != "--").peekable();
    if plan.peek().is_none() {
        bail!("what to {verb} is missing: a plan follows `--`");
    }
    let words = to_boot.iter().map(String::as_str);
    let words: Vec<&str> = words
        .chain(["--"])
        .chain(plan.map(String::as_str))
        .collect();
    let parsed = Args::from_args(&[verb], &words);
    let mut args = parsed
        .map_err(|early| anyhow!(usage::plainer(early.output.trim_end())))?;
    kernel.clone_into(&mut args.kernel);
    Ok(args)
}

/// A boot that is over and stored.
#[derive(Debug)]
pub struct Done {
    /// What came of it.
    pub report: Report,
    /// The exit code it stands for.
    pub code: u8,
    /// Where it is stored.
    pub dir: PathBuf,
}

/// A boot that is over.
struct Booted {
    machine: Machine,
    parts: Parts,
    started: SystemTime,
    took: Duration,
    noise: Option<Noise>,
    timed_out: bool,
    report: Report,
    code: u8,
}

/// How often a kernel that QEMU stumbled over is booted again.
const AGAIN: u32 = 2;

impl Booted {
    /// Whether QEMU is to blame for a kernel that did not boot: a kernel that
    /// patches its own code while another CPU runs it puts an int3 there for
    /// a moment, and QEMU without KVM may run that int3 when it is gone. A
    /// deterministic machine runs one CPU at a time.
    fn stumbled(&self) -> Result<bool> {
        let told = &self.report.outcome == "no_boot";
        if !told || self.machine.deterministic.is_some() || kvm_works() {
            return Ok(false);
        }
        let console = fs::read(self.machine.console())?;
        Ok(String::from_utf8_lossy(&console).contains("int3: 0000"))
    }

    fn store(&self, args: &Args, store: Pending) -> Result<PathBuf> {
        let words = args.append.iter().chain(&args.plan);
        let words = words.filter(|w| *w != "--").cloned();
        let plan: Vec<String> = words.collect();
        store.store(&store::Boot {
            started: self.started,
            took: self.took,
            kernel_spec: &args.kernel,
            plan: &plan,
            machine: &self.machine,
            parts: &self.parts,
            noise: self.noise,
            timed_out: self.timed_out,
            report: &self.report,
            exit_code: self.code,
        })
    }
}

fn nodes(text: &str) -> Result<u32, String> {
    let nodes = text.parse().ok().filter(|&nodes| nodes > 0);
    nodes.ok_or_else(|| {
        format!("`{text}` is no number of NUMA nodes; it is 1 or more")
    })
}

/// Most words of a plan on the kernel command line: with more than 32 behind
/// `--` the kernel panics, and some of them are ours.
const MOST_WORDS: usize = 24;
/// Longest plan on the kernel command line, of which x86 has 2048 bytes.
const LONGEST_PLAN: usize = 1000;

/// Packs the modules that were asked for, and drivers of what the machine
/// has. A kernel without known modules has its drivers built in, or it says
/// that there is no such device.
fn modules(args: &Args, kernel: &Path, added: &mut Archive) -> Result<()> {
    let tree = args.modules.clone().or_else(|| kernel::modules_of(kernel));
    let Some(tree) = tree else {
        if let Some(name) = args.module.first() {
            bail!(
                "--module {name}: there are no modules beside {}; say where \
                 with --modules DIR",
                kernel.display()
            );
        }
        return Ok(());
    };
    let mut names: Vec<&str> = args.module.iter().map(String::as_str).collect();
    if !args.disk.is_empty() {
        names.extend(["virtio_pci", "virtio_blk"]);
    }
    if args.nic.is_some() {
        names.extend(["virtio_pci", "virtio_net"]);
    }
    match names.is_empty() && args.modules.is_none() {
        true => Ok(()),
        false => build::pack_modules(added, &tree, &names),
    }
}

/// A scheduler's program as an addition, and where it goes.
fn placed(program: &Path) -> Result<(Addition, String)> {
    let name = program.file_name().and_then(|name| name.to_str());
    let name = name.filter(|name| !name.contains(char::is_whitespace));
    let Some(name) = name else {
        bail!(
            "--scheduler {}: not the name of a program, without spaces",
            program.display()
        );
    };
    let path = format!("/bin/{name}");
    Ok((format!("{}:{path}", program.display()).parse()?, path))
}

/// Whether a plan, or the packed one that it names, says `scx=`.
fn says_scx(tokens: &str, added: &Archive) -> bool {
    let args = Source::args(tokens);
    let sources = Sources {
        args,
        ..Sources::default()
    };
    let packed = sources
        .plan_name()
        .and_then(|name| build::packed_plan(added, name).map(Source::file));
    let all = [Some(args), packed].into_iter().flatten();
    all.flat_map(|source| source.tokens())
        .any(|token| token.key == "scx")
}

/// Checks a plan before anything is built; returns how long its runs take
/// and their work types.
pub(super) fn check(
    tokens: &str,
    added: &Archive,
) -> Result<(Duration, Vec<Works>)> {
    let mut text = String::new();
    let mut sources = Sources {
        args: Source::args(tokens),
        ..Sources::default()
    };
    if let Some(name) = sources.plan_name() {
        if let Some(plan) = build::packed_plan(added, name) {
            sources.file = Source::file(plan);
        } else if builtin(name, &mut text).is_some() {
            sources.file = Source::file(&text);
        }
    }
    let plan = match Plan::parse(&sources) {
        Ok(plan) => plan,
        Err(error) => bail!("{error}"),
    };
    let program = plan.boot.scx.and_then(Scx::program);
    if let Some(path) = program.filter(|path| added.get(path).is_none()) {
        bail!(
            "bad plan: `{path}` is not in the image; --scheduler FILE adds \
             one, and --add FILE:{path}"
        );
    }
    let runs = plan.runs().map(|r| r.settings.warmup + r.settings.time);
    let works = plan.runs().map(|run| {
        let groups = run.groups.iter();
        groups.map(|group| group.work.row()).collect()
    });
    Ok((runs.sum(), works.collect()))
}

/// When a machine counts as hung. A busy host makes a machine slow, not
/// silent, so it is its silence that counts, unless told otherwise.
#[derive(Debug, Clone, Copy)]
struct Limits {
    silence: Duration,
    all: Duration,
}

impl Limits {
    fn new(all: Option<Duration>, planned: Duration) -> Self {
        match all {
            Some(all) => Self { silence: all, all },
            None => {
                // Guest time runs slower than ours in a deterministic machine.
                let silence = Duration::from_secs(60) + planned * 4;
                Self {
                    silence,
                    all: silence * 5,
                }
            }
        }
    }
}

/// Waits for the end; whether the machine had to be stopped.
fn wait(mut vm: Vm, machine: &Machine, limits: Limits) -> Result<bool> {
    let begin = Instant::now();
    let mut heard = begin;
    let mut live = Live::new(machine);
    loop {
        if let Some(status) = vm.ended()? {
            if !status.success() {
                let log = fs::read_to_string(machine.dir.join("qemu.log"));
                bail!("QEMU failed: {}", log.unwrap_or_default().trim());
            }
            return Ok(false);
        }
        if begin.elapsed() > limits.all || heard.elapsed() > limits.silence {
            return Ok(true);
        }
        if live.update() {
            heard = Instant::now();
        }
        // Polling an external process; nothing is synchronised by it.
        thread::sleep(Duration::from_millis(50));
    }
}

fn report(machine: &Machine, timed_out: bool) -> Result<(Report, u8)> {
    let read = |path: PathBuf| {
        fs::read(&path).with_context(|| path.display().to_string())
    };
    let console = read(machine.console())?;
    let records = read(machine.records())?;
    let boot = decode_ports(&[&console, &records]).newest();
    let mut report = Report::new(&boot);
    let code = outcome::judge(&boot, timed_out, &mut report);
    Ok((report, code))
}

#[cfg(test)]
mod tests {
    use super::{placed, says_scx};
    use initramfs::newc::Archive;
    use std::path::Path;

    #[test]
    fn a_scheduler_gets_a_place_unless_the_plan_says_where() {
        let (_, path) = placed(Path::new("out/scx_simple")).unwrap();
        assert_eq!(path, "/bin/scx_simple");
        for bad in ["..", "out/two words"] {
            assert!(placed(Path::new(bad)).is_err(), "{bad}");
        }
        let mut added = Archive::default();
        let plan = b"scx=fifo work=PipeIo".to_vec();
        added.file("plans/mine", 0o644, plan).unwrap();
        let says = |tokens| says_scx(tokens, &added);
        assert!(says("plan=mine") && says("\"scx=/bin/x -f\" work=PipeIo"));
        assert!(!says("work=PipeIo") && !says("plan=smoke") && !says(""));
    }
}
