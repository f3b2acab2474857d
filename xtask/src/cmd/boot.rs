//! `boot`: the whole way from sources to a table.

use crate::boot::ready::{Ready, Setting};
use crate::boot::request::with_machine;
use crate::exit::Exit;
use crate::format::Format;
use crate::program;
use crate::store::{self, Pending};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use std::fs;
use std::path::PathBuf;

with_machine! {
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
    /// a file, a tree that is built, `host`, debian:6.12-cloud (the default;
    /// of riscv64 debian:sid) or another of Debian's, or built:6.12; `kernel
    /// list` shows them
    #[argh(option)]
    pub kernel: Option<String>,
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
    pub store: Option<PathBuf>,
    /// do not store the run
    #[argh(switch)]
    pub no_store: bool,
}
}

/// Runs the verb.
///
/// # Errors
///
/// The plan is wrong, something that is needed is missing, or there is
/// nowhere to store the run.
pub fn run(args: &Args) -> Result<Exit> {
    let (format, json) = forms(args.format, args.json.as_deref())?;
    let default = args.arch.unwrap_or_default().default_kernel;
    let kernel = args.kernel.as_deref().unwrap_or(default);
    let mut request = args.request(kernel);
    request.logs.clone_from(&args.logs);
    let ready = Ready::new(&request)?;
    let root = store::root(args.store.as_deref())?;
    let pending = match args.no_store {
        true => None,
        false => Some(Pending::new(&root)?),
    };
    let dir = pending.as_ref().map(|pending| pending.dir());
    let mut boot = ready.boot(ready.seed(), &Setting::alone(), dir)?;
    // What was measured is known, so this does not change the verdict; and it
    // is kept before anything else can fail.
    let stored = pending.map(|pending| match pending.store(&mut boot) {
        Ok(()) => {
            let traced = boot.report.runs.iter().any(|r| r.trace.is_some());
            let hint = match traced {
                true => {
                    let program = program::name();
                    format!("; `{program} trace` tells of slow wakes")
                }
                false => String::new(),
            };
            format!("stored in {}{hint}", super::runs::shown(&boot.dir))
        }
        Err(error) => format!("warning: not stored: {error:#}"),
    });
    let table = format == Format::Table;
    if let Some(stored) = stored.as_ref().filter(|_| !table) {
        crate::tell!("{stored}");
    }
    super::print(&format.render_with(&boot.report, &boot.meta)?)?;
    if let Some(stored) = stored.filter(|_| table) {
        super::print(&(stored + "\n"))?;
    }
    if let Some(file) = json {
        let json = Format::Json.render(&boot.report)?;
        fs::write(file, json).with_context(|| file.to_owned())?;
    }
    Ok(boot.meta.exit_code)
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
