//! `decode`: a log from anywhere.

use crate::decode::decode;
use crate::model::Report;
use crate::{outcome, table};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use std::io::Read;

/// Decode the log of a console, however it was damaged on its way.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "decode")]
#[argh(
    example = "{command_name} console.log",
    example = "A log from a CI, for another tool:\n\
               \x20 curl -s $URL | {command_name} --format json",
    note = "The exit code is that of the boot that is in the log.",
    error_code(0, "no run failed"),
    error_code(1, "the kernel, a run or a condition failed, or it hung"),
    error_code(125, "cannot tell: no boot, or every run was skipped"),
    error_code(255, "no such log, another release's, or a wrong plan")
)]
pub struct Args {
    /// table (the default) or json
    #[argh(option, default = "String::from(\"table\")")]
    format: String,
    /// the log; `-` or nothing is standard input
    #[argh(positional, default = "String::from(\"-\")")]
    file: String,
}

/// Runs the verb.
///
/// # Errors
///
/// The log cannot be read, or the format is unknown.
pub fn run(args: &Args) -> Result<u8> {
    let mut log = Vec::new();
    if args.file == "-" {
        std::io::stdin()
            .read_to_end(&mut log)
            .context("standard input")?;
    } else {
        log = std::fs::read(&args.file).with_context(|| args.file.clone())?;
    }
    let boot = decode(&log).newest();
    let mut report = Report::new(&boot);
    let code = outcome::judge(&boot, false, &mut report);
    print(&report, &args.format)?;
    Ok(code)
}

/// Prints a report.
///
/// # Errors
///
/// The format is unknown.
pub fn print(report: &Report, format: &str) -> Result<()> {
    match format {
        "table" => print!("{}", table::render(report)),
        "json" => println!("{}", serde_json::to_string_pretty(report)?),
        _ => bail!("no format `{format}`; valid are table and json"),
    }
    Ok(())
}
