//! `decode`: a log from anywhere, or a stored run.

use crate::decode::{Boot, decode_ports};
use crate::format::Format;
use crate::model::Report;
use crate::{outcome, store};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use std::fs;
use std::io::Read;
use std::path::Path;

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
    let (ports, timed_out) = read(&args.file)?;
    let ports: Vec<&[u8]> = ports.iter().map(Vec::as_slice).collect();
    let decoded = decode_ports(&ports);
    let boot = choose(decoded.boots(), args.boot)?;
    let mut report = Report::new(boot);
    let code = outcome::judge(boot, timed_out, &mut report);
    super::print(&args.format.render(&report)?)?;
    Ok(code)
}

/// The ports of a machine, the console first, and whether it was stopped
/// because its time was over.
fn read(name: &str) -> Result<(Vec<Vec<u8>>, bool)> {
    if name == "-" {
        let mut log = Vec::new();
        std::io::stdin()
            .read_to_end(&mut log)
            .context("standard input")?;
        return Ok((vec![log], false));
    }
    let path = Path::new(name);
    if !path.is_dir() {
        let log = fs::read(path).with_context(|| name.to_owned())?;
        return Ok((vec![log], false));
    }
    let port = |name: &str| {
        let path = path.join(name);
        fs::read(&path).with_context(|| path.display().to_string())
    };
    let ports = vec![port(store::CONSOLE)?, port(store::RECORDS)?];
    // Logs that `--logs` kept come without it.
    let timed_out = match path.join(store::META).exists() {
        true => store::meta(path)?.timed_out,
        false => false,
    };
    Ok((ports, timed_out))
}

fn choose(boots: &[Boot], number: Option<usize>) -> Result<&Boot> {
    let all = boots.len();
    if number.is_none() && all > 1 {
        eprintln!("boot {all} of {all}; --boot has the others");
    }
    let at = number.unwrap_or(all).checked_sub(1);
    match at.and_then(|at| boots.get(at)) {
        Some(boot) => Ok(boot),
        None => bail!("no such boot; the log has {all}, from 1"),
    }
}
