//! `boot`: the whole way from sources to a table.

pub mod plan;
pub mod ready;

use self::ready::Ready;
use crate::arch::Arch;
use crate::cmd::runs;
use crate::devices::{Disk, Nic};
use crate::format::Format;
use crate::live::Screen;
use crate::model::Report;
use crate::store::Pending;
use crate::topology::{Distance, Memory, Smp, Topology};
use crate::{duration, usage};
use anyhow::{Context, Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};
use core::time::Duration;
use initramfs::add::Addition;
use std::fs;
use std::path::PathBuf;

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
    /// x86_64 or aarch64; by default that of a kernel's file, or the host's
    #[argh(option)]
    pub arch: Option<&'static Arch>,
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
    pub(crate) fn topology(&self) -> Topology {
        Topology {
            smp: self.smp,
            numa: self.numa,
            memory: self.mem.clone(),
            distances: self.distance.clone(),
        }
    }
}

/// Runs the verb.
///
/// # Errors
///
/// The plan is wrong, something that is needed is missing, or there is
/// nowhere to store the run.
pub fn run(args: &Args) -> Result<u8> {
    let (format, json) = forms(args.format, args.json.as_deref())?;
    let ready = Ready::new(args)?;
    let root = args.runs.clone().unwrap_or_else(runs::default_dir);
    let store = match args.no_store {
        true => None,
        false => Some(Pending::new(&root)?),
    };
    let dir = store.as_ref().map(|store| store.dir());
    let booted = ready.boot(args, dir, &Screen::alone())?;
    if let Some(file) = json {
        let json = Format::Json.render(&booted.report)?;
        fs::write(file, json).with_context(|| file.to_owned())?;
    }
    super::print(&format.render(&booted.report)?)?;
    if let Some(store) = store {
        // What was measured is known, so this does not change the verdict.
        let stored = match booted.store(args, store, None) {
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

/// What to print, and the file that JSON is written to.
///
/// # Errors
///
/// Both are to be on standard output.
pub(super) fn forms(
    format: Option<Format>,
    json: Option<&str>,
) -> Result<(Format, Option<&str>)> {
    match (format, json) {
        (Some(_), Some("-")) => {
            bail!("--format and `--json -` both want standard output")
        }
        (None, Some("-")) => Ok((Format::Json, None)),
        (format, json) => Ok((format.unwrap_or_default(), json)),
    }
}

/// Boots without storing, and returns what came of it with the exit code.
///
/// # Errors
///
/// The plan is wrong, or something that is needed is missing.
pub fn boot(args: &Args) -> Result<(Report, u8)> {
    let booted = Ready::new(args)?.boot(args, None, &Screen::alone())?;
    Ok((booted.report, booted.code))
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

fn nodes(text: &str) -> Result<u32, String> {
    let nodes = text.parse().ok().filter(|&nodes| nodes > 0);
    nodes.ok_or_else(|| {
        format!("`{text}` is no number of NUMA nodes; it is 1 or more")
    })
}
