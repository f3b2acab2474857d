//! `explain`: one work type in full.

use crate::catalogue::{group, need_line, range};
use anyhow::{Result, anyhow};
use argh::FromArgs;
use pidone::plan::nearest;
use pidone::workloads::{ALL, find};

/// Explain a work type: kernel path, parameters with ranges and defaults,
/// needs, what each histogram means, and how its path is proven.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "explain")]
pub struct Args {
    /// its name
    #[argh(positional)]
    name: String,
}

/// Runs the verb.
///
/// # Errors
///
/// There is no such work type.
pub fn run(args: &Args) -> Result<u8> {
    let name = &args.name;
    let row = find(name).ok_or_else(|| {
        match nearest::of(name, ALL.iter().map(|row| row.name)) {
            Some(near) => {
                anyhow!("no work type `{name}`; nearest is `{near}`")
            }
            None => anyhow!("no work type `{name}`; see `cargo xtask list`"),
        }
    })?;
    println!("{}: {}\n", row.name, row.summary);
    println!("  path       {}", row.path);
    println!("  workers    {}", group(row));
    println!("  iteration  {}", row.iteration);
    println!("  work unit  {}", row.unit);
    println!("  proof      {}", row.proof);
    if !row.example.is_empty() {
        println!("  example    work={} {}", row.name, row.example);
    }
    for need in row.needs {
        println!("  needs      {}", need_line(need, row));
    }
    if row.fork_only {
        println!("  clone      fork only");
    }
    if !row.params.is_empty() {
        println!("\nParameters: default [range]");
    }
    for param in row.params {
        println!("  {} = {}", param.name, range(&param.kind));
        println!("      {}", param.summary);
    }
    if !row.hists.is_empty() {
        println!("\nHistograms");
    }
    for hist in row.hists {
        let rule = hist.rule.map(|rule| format!(" ({})", rule.name()));
        let rule = rule.unwrap_or_default();
        println!("  {}{rule}: {}", hist.name, hist.meaning);
    }
    if !row.metrics.is_empty() {
        println!("\nMetrics");
    }
    for metric in row.metrics {
        println!("  {}: {}", metric.name, metric.meaning);
    }
    Ok(super::exit::GOOD)
}
