//! `boot`: the whole way from sources to a table.

use crate::cmd::decode::print;
use crate::decode::decode_ports;
use crate::model::Report;
use crate::qemu::Machine;
use crate::{build, kernel, outcome, tools};
use anyhow::{Context, Result, bail};
use argh::FromArgs;
use core::time::Duration;
use initramfs::add::Addition;
use initramfs::newc::Archive;
use pidone::plan::token::Source;
use pidone::plan::{Plan, Sources, builtin};
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, thread};

/// Boot a kernel with the payload and print what it measured.
///
/// The plan follows `--`, for example:
/// cargo xtask boot -- time=1s work=PipeIo workers=4
#[derive(Debug, Default, FromArgs)]
#[argh(subcommand, name = "boot")]
pub struct Args {
    /// a file, `host`, debian:6.12-cloud (the default) or debian:6.1-cloud
    #[argh(option, default = "String::from(\"debian:6.12-cloud\")")]
    pub kernel: String,
    /// virtual CPUs, 2 by default
    #[argh(option, default = "2")]
    pub smp: u32,
    /// NUMA nodes, 1 by default
    #[argh(option, default = "1")]
    pub numa: u32,
    /// memory in MiB, 512 by default
    #[argh(option, default = "512")]
    pub mem: u32,
    /// words for the kernel command line
    #[argh(option)]
    pub append: Vec<String>,
    /// boot a machine whose every figure is repeatable, with this seed
    #[argh(option)]
    pub deterministic: Option<u64>,
    /// seconds until the machine is stopped; by default a minute and four
    /// times what the plan takes
    #[argh(option)]
    pub timeout: Option<u64>,
    /// write the results as JSON to a file; `-` is standard output
    #[argh(option)]
    pub json: Option<String>,
    /// keep the serial logs in this directory
    #[argh(option)]
    pub logs: Option<PathBuf>,
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
/// The plan is wrong, or something that is needed is missing.
pub fn run(args: &Args) -> Result<u8> {
    let (report, code) = boot(args)?;
    match args.json.as_deref() {
        Some("-") => print(&report, "json")?,
        Some(file) => {
            let json = serde_json::to_string_pretty(&report)?;
            fs::write(file, json).with_context(|| file.to_owned())?;
            print(&report, "table")?;
        }
        None => print(&report, "table")?,
    }
    Ok(code)
}

/// Boots, and returns what came of it with the exit code.
///
/// # Errors
///
/// The plan is wrong, or something that is needed is missing.
pub fn boot(args: &Args) -> Result<(Report, u8)> {
    let tokens: Vec<&str> = args
        .plan
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "--")
        .collect();
    let added = build::additions(&args.add)?;
    let planned = match &args.payload {
        Some(_) => FOREIGN,
        None => check(&tokens.join(" "), &added)?,
    };
    tools::require(&[tools::QEMU], args.setup)?;
    let payload = match &args.payload {
        Some(payload) => payload.clone(),
        None => build::payload(args.setup)?,
    };
    let kernel = kernel::resolve(&args.kernel, args.setup)?;
    let temporary = tempfile::tempdir()?;
    let dir = args.logs.clone();
    let dir = dir.unwrap_or_else(|| temporary.path().to_path_buf());
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    let initrd = match args.payload {
        Some(_) => build::pack_into(&payload, added, &dir)?,
        None => build::pack_for_boot(&payload, added, &dir)?,
    };
    let seed = args.deterministic;
    let mut append = args.append.clone();
    append.push("pidone.records=/dev/ttyS1".to_owned());
    if let Some(seed) = seed {
        append.push(format!("pidone.seed={seed} pidone.progress=off"));
    }
    append.push("--".to_owned());
    append.extend(tokens.iter().map(|&word| word.to_owned()));
    let machine = Machine {
        kernel,
        initrd,
        smp: args.smp,
        numa: args.numa,
        mem_mib: args.mem,
        append,
        deterministic: seed,
        dir,
    };
    let timeout = match args.timeout {
        Some(seconds) => Duration::from_secs(seconds),
        // Guest time runs slower than ours in a deterministic machine.
        None => Duration::from_secs(60) + planned * 4,
    };
    let timed_out = wait(&machine, timeout)?;
    report(&machine, timed_out)
}

/// Checks a plan before anything is built; returns how long its runs take.
fn check(tokens: &str, added: &Archive) -> Result<Duration> {
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

/// Boots and waits for the end; whether the machine had to be stopped.
fn wait(machine: &Machine, timeout: Duration) -> Result<bool> {
    let bar = indicatif::ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_message("booting");
    let begin = Instant::now();
    let mut vm = machine.start()?;
    loop {
        if let Some(status) = vm.ended()? {
            bar.finish_and_clear();
            if !status.success() {
                let log = fs::read_to_string(machine.dir.join("qemu.log"));
                bail!("QEMU failed: {}", log.unwrap_or_default().trim());
            }
            return Ok(false);
        }
        if begin.elapsed() > timeout {
            bar.finish_and_clear();
            return Ok(true);
        }
        if let Some(last) = last_result(&machine.console()) {
            bar.set_message(last);
        }
        // Polling an external process; nothing is synchronised by it.
        thread::sleep(Duration::from_millis(50));
    }
}

/// The last KTAP result on the console, for the live view.
fn last_result(console: &Path) -> Option<String> {
    let log = fs::read(console).ok()?;
    let tail = log.get(log.len().saturating_sub(2000)..)?;
    let tail = String::from_utf8_lossy(tail).into_owned();
    let result =
        |line: &&str| line.starts_with("ok ") || line.starts_with("not ok ");
    tail.lines().rfind(result).map(str::to_owned)
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
