//! `boot`: the whole way from sources to a table.

use crate::cmd::runs;
use crate::decode::decode_ports;
use crate::format::Format;
use crate::live::Live;
use crate::model::Report;
use crate::qemu::{Machine, Vm};
use crate::store::{self, Parts, Pending};
use crate::{build, kernel, outcome, tools};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use core::time::Duration;
use initramfs::add::Addition;
use initramfs::newc::Archive;
use pidone::plan::token::Source;
use pidone::plan::{Plan, Sources, builtin};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};
use std::{fs, thread};
use tempfile::TempDir;

/// Boot a kernel with the payload and print what it measured. The plan
/// follows `--`; without one, every work type runs for 200 ms.
#[derive(Debug, Default, FromArgs, ArgsInfo)]
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
    /// virtual CPUs, 2 by default
    #[argh(option, default = "2")]
    pub smp: u32,
    /// NUMA nodes, 1 by default
    #[argh(option, default = "1")]
    pub numa: u32,
    /// memory: MiB, or a number with M or G as in 2G; 512M by default
    #[argh(option, default = "512", from_str_fn(mebibytes))]
    pub mem: u32,
    /// words for the kernel command line
    #[argh(option)]
    pub append: Vec<String>,
    /// boot a machine whose every figure is repeatable; SEED is 1 if left out
    #[argh(option, arg_name = "seed")]
    pub deterministic: Option<u64>,
    /// seconds until the machine is stopped; by default it is stopped when
    /// nothing was heard of it for a minute and four times what the plan
    /// takes, or after five times as long
    #[argh(option)]
    pub timeout: Option<u64>,
    /// what to print: table (the default), json, csv, ktap, junit or kcidb
    #[argh(option)]
    pub format: Option<Format>,
    /// write the results as JSON to a file; `-` is standard output
    #[argh(option)]
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

/// Everything a boot needs.
struct Ready {
    kernel: PathBuf,
    initrd: PathBuf,
    tokens: Vec<String>,
    limits: Limits,
    /// Holds what is for this boot alone.
    temporary: TempDir,
}

impl Ready {
    fn new(args: &Args) -> Result<Self> {
        let words = args.plan.iter().filter(|word| *word != "--");
        let mut tokens: Vec<String> = words.cloned().collect();
        let option = tokens.iter().find(|word| word.starts_with("--"));
        if let Some(option) = option {
            bail!("`{option}` is in the plan; options come before it");
        }
        let mut added = build::additions(&args.add)?;
        let plan = tokens.join(" ");
        let planned = match &args.payload {
            Some(_) => FOREIGN,
            None => check(&plan, &added)?,
        };
        if tokens.len() > MOST_WORDS || plan.len() > LONGEST_PLAN {
            build::pack_plan(&mut added, "boot", plan)?;
            tokens = vec!["plan=boot".to_owned()];
        }
        tools::require(&[tools::QEMU], args.setup)?;
        let kernel = kernel::resolve(&args.kernel, args.setup)?;
        let temporary = tempfile::tempdir()?;
        let dir = temporary.path();
        let initrd = match &args.payload {
            Some(payload) => build::pack_into(payload, added, dir)?,
            None => {
                let payload = build::payload(args.setup)?;
                build::pack_for_boot(&payload, added, dir)?
            }
        };
        let limits = Limits::new(args.timeout, planned);
        Ok(Self {
            kernel,
            initrd,
            tokens,
            limits,
            temporary,
        })
    }

    /// Boots; the logs go to `--logs`, or to `dir`, or are not kept.
    fn boot(self, args: &Args, dir: Option<&Path>) -> Result<Booted> {
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
            kernel: self.kernel,
            initrd: self.initrd,
            smp: args.smp,
            numa: args.numa,
            mem_mib: args.mem,
            append,
            deterministic: seed,
            dir,
        };
        let (started, begin) = (SystemTime::now(), Instant::now());
        let of = machine.clone();
        let vm = machine.start()?;
        let parts = thread::spawn(move || Parts::of(&of));
        let timed_out = wait(vm, &machine, self.limits)?;
        let took = begin.elapsed();
        let (report, code) = report(&machine, timed_out)?;
        let parts = match parts.join() {
            Ok(parts) => parts?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok(Booted {
            machine,
            parts,
            started,
            took,
            timed_out,
            report,
            code,
            _temporary: self.temporary,
        })
    }
}

/// A boot that is over.
struct Booted {
    machine: Machine,
    parts: Parts,
    started: SystemTime,
    took: Duration,
    timed_out: bool,
    report: Report,
    code: u8,
    /// The logs may be in there.
    _temporary: TempDir,
}

impl Booted {
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
            timed_out: self.timed_out,
            report: &self.report,
            exit_code: self.code,
        })
    }
}

/// `512`, `512M` or `2G` in MiB.
fn mebibytes(text: &str) -> Result<u32, String> {
    let (number, scale) = match text.strip_suffix(['G', 'g']) {
        Some(number) => (number, 1024),
        None => (text.strip_suffix(['M', 'm']).unwrap_or(text), 1),
    };
    let mib = number
        .parse::<u32>()
        .ok()
        .and_then(|n| n.checked_mul(scale));
    mib.filter(|&mib| mib > 0).ok_or_else(|| {
        format!("`{text}` is no size; valid are 512, 512M or 2G")
    })
}

/// Most words of a plan on the kernel command line: with more than 32 behind
/// `--` the kernel panics, and some of them are ours.
const MOST_WORDS: usize = 24;
/// Longest plan on the kernel command line, of which x86 has 2048 bytes.
const LONGEST_PLAN: usize = 1000;

/// Checks a plan before anything is built; returns how long its runs take.
pub(super) fn check(tokens: &str, added: &Archive) -> Result<Duration> {
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
    let runs = plan.runs().map(|r| r.settings.warmup + r.settings.time);
    Ok(runs.sum())
}

/// When a machine counts as hung. A busy host makes a machine slow, not
/// silent, so it is its silence that counts, unless told otherwise.
#[derive(Debug, Clone, Copy)]
struct Limits {
    silence: Duration,
    all: Duration,
}

impl Limits {
    fn new(seconds: Option<u64>, planned: Duration) -> Self {
        match seconds.map(Duration::from_secs) {
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
    use super::mebibytes;

    #[test]
    fn sizes_of_memory() {
        for (text, mib) in [("512", 512), ("512M", 512), ("2G", 2048)] {
            assert_eq!(mebibytes(text), Ok(mib), "{text}");
        }
        for bad in ["", "0", "2T", "G", "-1", "5000000G"] {
            assert!(mebibytes(bad).is_err(), "{bad}");
        }
    }
}
