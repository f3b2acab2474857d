//! `decode`: a log from anywhere, or a stored run.

use crate::decode::decode_ports;
use crate::format::Format;
use crate::input::{Input, choose};
use crate::model::Report;
use crate::outcome;
use anyhow::Result;
use argh::{ArgsInfo, FromArgs};

/// Decode the log of a console, however it was damaged on its way, or a
/// stored run.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "decode")]
#[argh(
    example = "{command_name} console.log",
    example = "A log from a CI, for another tool:\n\
               \x20 curl -s $URL | {command_name} --format json",
    example = "A stored run again:\n\
               \x20 {command_name} runs/20261105T120000Z-PipeIo-a1b2c3",
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
    /// which boot of a log that has several, from 1; the last by default
    #[argh(option)]
    boot: Option<usize>,
    /// the log, or the directory of a stored run; `-` or nothing is standard
    /// input
    #[argh(positional, default = "String::from(\"-\")")]
    file: String,
}

/// Runs the verb.
///
/// # Errors
///
/// The log cannot be read, or has no such boot.
pub fn run(args: &Args) -> Result<u8> {
    let input = Input::read(&args.file)?;
    let decoded = decode_ports(&input.ports());
    let boot = choose(decoded.boots(), args.boot)?;
    let mut report = Report::new(boot);
    let code = outcome::judge(boot, input.timed_out(), &mut report);
    super::print(&args.format.render(&report)?)?;
    Ok(code)
}
