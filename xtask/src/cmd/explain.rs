//! `explain`: one work type in full.

use crate::catalogue::{group, need_line, range};
use crate::exit::Exit;
use crate::program;
use crate::text::filled;
use crate::words;
use anyhow::{Error, Result, anyhow};
use argh::{ArgsInfo, FromArgs};
use core::fmt::Write;
use pidone::plan::nearest;
use pidone::row::Row;
use pidone::workloads::{self, rows};

/// Explain a work type: kernel path, parameters with ranges and defaults,
/// needs, what each histogram means, and how its path is proven.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "explain")]
#[argh(
    example = "{command_name} PipeIo",
    error_code(0, "it is explained"),
    error_code(255, "there is no such work type")
)]
pub struct Args {
    /// a work type, or W1 to W5, the ways in which samples of `wake` are
    /// taken
    #[argh(positional, arg_name = "work_type")]
    name: String,
}

/// Runs the verb.
///
/// # Errors
///
/// There is no such work type, or standard output cannot be written to.
pub fn run(args: &Args) -> Result<Exit> {
    let name = &args.name;
    if let Some(what) = words::rule(name) {
        let text = filled(&format!("{name}: {what}."), "", "", 80);
        let taken = if name == "W4" { "" } else { TAKEN };
        super::print(&format!("{text}\n{taken}{HELD}\n"))?;
        return Ok(Exit::Good);
    }
    let row = workloads::row(name).ok_or_else(|| unknown(name))?;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ok = write(row, &mut text);
    super::print(&text)?;
    Ok(Exit::Good)
}

/// What samples of `wake` have in common, however they are taken.
const TAKEN: &str = "\
A sample of `wake` is the time from there, or from the sleeper's last look at
the clock if that is later, to the first instruction of the sleeper behind its
call.
";

/// Where there is more.
const HELD: &str = "docs/method.md says what that is held against.";

fn unknown(name: &str) -> Error {
    let names = || rows().map(|row| row.name);
    if let Some(near) = nearest::of(name, &|take| names().for_each(take)) {
        return anyhow!("no work type `{name}`; nearest is `{near}`");
    }
    let part = name.to_lowercase();
    let with = names().filter(|name| name.to_lowercase().contains(&part));
    let is_function = part == *name && name.contains('_');
    match with.collect::<Vec<_>>().join(", ").as_str() {
        "" if is_function => anyhow!(
            "no work type `{name}`; if it is a function of the kernel, `{} \
             which {name}` says which types execute it",
            program::name()
        ),
        "" => anyhow!("no work type `{name}`; see `{} list`", program::name()),
        with => anyhow!("no work type `{name}`; with that there are {with}"),
    }
}

fn write(row: &'static Row, text: &mut String) -> core::fmt::Result {
    writeln!(text, "{}: {}\n", row.name, row.summary)?;
    writeln!(text, "  path       {}", row.path)?;
    writeln!(text, "  workers    {}", group(row))?;
    writeln!(text, "  iteration  {}", row.iteration)?;
    writeln!(text, "  work unit  {}", row.unit)?;
    writeln!(text, "  proof      {}", row.proof)?;
    if !row.example.is_empty() {
        writeln!(text, "  example    work={} {}", row.name, row.example)?;
    }
    for need in row.needs {
        writeln!(text, "  needs      {}", need_line(need, row))?;
    }
    if row.fork_only {
        writeln!(text, "  clone      fork only")?;
    }
    if !row.params.is_empty() {
        writeln!(text, "\nParameters: default [range]")?;
    }
    for param in row.params {
        writeln!(text, "  {} = {}", param.name, range(&param.kind))?;
        writeln!(text, "      {}", param.summary)?;
    }
    if !row.hists.is_empty() {
        writeln!(text, "\nHistograms")?;
    }
    for hist in row.hists {
        let rule = hist.rule.map(|rule| format!(" ({})", rule.name()));
        let rule = rule.unwrap_or_default();
        writeln!(text, "  {}{rule}: {}", hist.name, hist.meaning)?;
    }
    if !row.metrics.is_empty() {
        writeln!(text, "\nMetrics")?;
    }
    for metric in row.metrics {
        writeln!(text, "  {}: {}", metric.name, metric.meaning)?;
    }
    Ok(())
}
