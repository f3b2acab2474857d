//! `trace`: the slowest wakes of a run, from the kernel's own events.

use crate::decode::decode_ports;
use crate::exit::Exit;
use crate::finished::on;
use crate::ftrace::{Sched, tell};
use crate::input::{Input, choose};
use crate::model::Report;
use crate::store::{self, StoredRun};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use std::fs;
use std::path::{Path, PathBuf};

/// Say of the slowest wake of each work type who woke whom, and what ran on
/// that CPU meanwhile. The run's plan has to say trace=sched.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "trace")]
#[argh(
    usage = "[options] [run]",
    example = "What kept a waiter waiting:\n\
               \x20 cargo xtask boot -- time=1s trace=sched \\\n\
               \x20   work=PipeIo with=SpinWait workers=4\n\
               \x20 {command_name}",
    note = "What is printed is from trace.txt beside the run's report, which \
            ui.perfetto.dev opens as it is; docs/trace.md has more.",
    error_code(0, "the run has a trace"),
    error_code(255, "no such run, or it has no trace")
)]
pub struct Args {
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    store: Option<PathBuf>,
    /// a stored run by name, the beginning of one, `latest` (the default) or
    /// directory; a log; or the text of a trace
    #[argh(positional, default = "store::find::LATEST.to_owned()")]
    run: String,
}

/// Runs the verb.
///
/// # Errors
///
/// There is no such run, or it has no trace.
pub fn run(args: &Args) -> Result<Exit> {
    let root = store::root(args.store.as_deref())?;
    let place = store::find::find(&args.run, &root)?;
    let mut said = match StoredRun::at(&place) {
        Ok(run) => on(&[run.meta.mode()]) + "\n",
        // A log, or the text of a trace, does not say.
        Err(_) => String::new(),
    };
    let begun = said.len();
    for (heading, text) in traces(&place)? {
        if said.len() > begun {
            said.push('\n');
        }
        said.push_str(&heading);
        said.push_str(&tell::slowest(&Sched::of(&text)));
    }
    super::print(&said)?;
    Ok(Exit::Good)
}

/// The traces of a boot, each with what is said above it.
fn traces(place: &Path) -> Result<Vec<(String, String)>> {
    let name = place.display();
    if place.is_file() {
        let text = fs::read(place).with_context(|| name.to_string())?;
        if text.starts_with(b"# tracer:") {
            let text = String::from_utf8_lossy(&text).into_owned();
            return Ok(vec![(String::new(), text)]);
        }
    }
    let stored = place.join(store::REPORT);
    let mut report = match stored.is_file() {
        true => store::report(place)?,
        false => {
            let input = Input::read(&name.to_string())?;
            let decoded = decode_ports(&input.ports());
            Report::new(choose(decoded.boots(), decoded.boots().len())?)
        }
    };
    let mut all = Vec::new();
    for (run, number) in report.runs.iter_mut().zip(1..) {
        let Some(trace) = &mut run.trace else {
            continue;
        };
        if stored.is_file() {
            let path = place.join(&trace.file);
            trace.text = fs::read_to_string(&path)
                .with_context(|| path.display().to_string())?;
        }
        let missing = match trace.missing() {
            missing if missing.is_empty() => missing,
            missing => format!("; {missing}"),
        };
        let heading = format!(
            "run {number} {}: {} lines in {}{missing}\n",
            run.name, trace.lines, trace.file
        );
        all.push((heading, core::mem::take(&mut trace.text)));
    }
    if all.is_empty() {
        bail!("{name} has no trace: its plan did not say trace=sched");
    }
    Ok(all)
}
