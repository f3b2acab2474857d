//! `decode`: a log from anywhere, or a stored run.

use crate::decode::decode_ports;
use crate::exit::Exit;
use crate::format::Format;
use crate::input::{Input, choose};
use crate::model::Report;
use crate::usage::STDIN;
use crate::{outcome, store};
use anyhow::Result;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;

/// Decode the log of a console, however it was damaged on its way, or a
/// stored run.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "decode")]
#[argh(
    example = "{command_name} console.log",
    example = "A log from a CI, for another tool:\n\
               \x20 curl -s $URL | {command_name} --format json",
    example = "A stored run again:\n\
               \x20 {command_name} latest",
    note = "The exit code is that of the boot that is in the log.",
    error_code(0, "no run failed"),
    error_code(1, "the kernel, a run or a condition failed, or it hung"),
    error_code(125, "cannot tell: no boot, or every run was skipped"),
    error_code(255, "no such log, another release's, or a wrong plan")
)]
pub struct Args {
    /// table (the default), json, csv, ktap, junit or kcidb
    #[argh(option, default = "Format::default()")]
    format: Format,
    /// which boot of a log that has several, from 1; by default the results
    /// of the last, and a verdict over all of the payload's
    #[argh(option)]
    boot: Option<usize>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    store: Option<PathBuf>,
    /// the log, or a stored run: its directory, its name, the beginning of it,
    /// or `latest`; `-` or nothing is standard input
    #[argh(positional, default = "String::from(\"-\")")]
    file: String,
}

/// Runs the verb.
///
/// # Errors
///
/// The log cannot be read, or has no such boot.
pub fn run(args: &Args) -> Result<Exit> {
    let root = store::root(args.store.as_deref())?;
    let place = match args.file.as_str() {
        stdin @ ("-" | STDIN) => PathBuf::from(stdin),
        name => store::find::find(name, &root)?,
    };
    let input = Input::read(&place.to_string_lossy())?;
    let decoded = decode_ports(&input.ports());
    let boots = decoded.boots();
    let (report, exit) = match args.boot {
        Some(number) => {
            let boot = choose(boots, number)?;
            let mut report = Report::new(boot);
            let exit = outcome::judge(boot, input.timed_out(), &mut report);
            (report, exit)
        }
        None => outcome::of_all(boots, input.timed_out()),
    };
    if let Some(last) = report.boots.last() {
        crate::tell!(
            "the results are those of boot {} of {}; --boot has the others",
            last.number,
            boots.len()
        );
    }
    super::print(&match &input.meta {
        Some(meta) => args.format.render_with(&report, meta)?,
        None => args.format.render(&report)?,
    })?;
    Ok(exit)
}
