//! `explain`: one work type in full.

use anyhow::{Result, anyhow};
use argh::FromArgs;
use pidone::attr::InGrammar;
use pidone::plan::nearest;
use pidone::workload::{Kind, What, Work};
use pidone::workloads::{ALL, find};

/// Explain a work type: kernel path, parameters, needs, histograms, proof.
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
    println!("  iteration  {}", row.iteration);
    println!("  unit       {}", row.unit);
    println!("  proof      {}", row.proof);
    for param in row.params {
        let range = match param.kind {
            Kind::Count { default, min, max } => {
                format!("{default} [{min}..{max}]")
            }
            Kind::CountOr { word, min, max } => {
                format!("{word} [{word}, {min}..{max}]")
            }
            Kind::Duration { default, min, max } => format!(
                "{} [{}..{}]",
                InGrammar(default),
                InGrammar(min),
                InGrammar(max)
            ),
            Kind::Flag { default } => format!("{default} [true, false]"),
            Kind::Text { rule, .. } => rule.to_owned(),
            Kind::Choice { default, names } => {
                format!("{} [{}]", names[default], names.join(", "))
            }
        };
        println!("\n  {} = {range}\n    {}", param.name, param.summary);
    }
    for need in row.needs {
        let what = match need.what {
            What::Feature(feature) => feature.config().to_owned(),
            What::Cpus(n) => format!("{n} CPUs"),
            What::WorkersPerCpu(n) => format!("{n} workers per CPU"),
            What::SysNice => "CAP_SYS_NICE".to_owned(),
            What::MemKib(each) => {
                let kib = each(&Work::new(row), 4);
                format!("{kib} KiB of memory with defaults on 4 CPUs")
            }
        };
        let without = if need.required {
            "skips"
        } else {
            "is degraded"
        };
        println!("\n  needs {what}, or {without}");
    }
    for hist in row.hists {
        let rule = hist.rule.map(|rule| format!(" ({})", rule.name()));
        let rule = rule.unwrap_or_default();
        println!("\n  {}{rule}: {}", hist.name, hist.meaning);
    }
    for metric in row.metrics {
        println!("\n  {}: {}", metric.name, metric.meaning);
    }
    Ok(super::exit::GOOD)
}
