//! `runs`: what is stored.

use crate::{build, store};
use anyhow::Result;
use argh::{ArgsInfo, FromArgs};
use comfy_table::{Table, presets::NOTHING};
use std::path::{Path, PathBuf};

/// List the stored runs, oldest first.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "runs")]
#[argh(
    example = "{command_name}",
    example = "The newest one as JUnit:\n\
               \x20 cargo xtask decode --format junit \\\n\
               \x20   $({command_name} --json | jq -r '.[-1].directory')",
    error_code(0, "always, unless they cannot be read"),
    error_code(255, "they cannot be read")
)]
pub struct Args {
    /// where they are stored; by default `runs` in the workspace
    #[argh(option)]
    runs: Option<PathBuf>,
    /// print what is known of each as JSON
    #[argh(switch)]
    json: bool,
}

/// Where runs are stored unless told otherwise.
#[must_use]
pub fn default_dir() -> PathBuf {
    build::workspace().join("runs")
}

/// Runs the verb.
///
/// # Errors
///
/// The directory cannot be read.
pub fn run(args: &Args) -> Result<u8> {
    let root = args.runs.clone().unwrap_or_else(default_dir);
    let (runs, wrong) = store::list(&root)?;
    for why in wrong {
        eprintln!("not a run: {why}");
    }
    if args.json {
        let mut all = Vec::new();
        for run in &runs {
            let mut value = serde_json::to_value(&run.meta)?;
            value["directory"] = run.dir.display().to_string().into();
            all.push(value);
        }
        super::print(&(serde_json::to_string_pretty(&all)? + "\n"))?;
    } else if runs.is_empty() {
        super::print(&format!("no runs in {}\n", root.display()))?;
    } else {
        super::print(&(table(&runs) + "\n"))?;
    }
    Ok(super::exit::GOOD)
}

fn table(runs: &[store::Stored]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["time", "kernel", "plan", "outcome", "directory"]);
    for run in runs {
        let meta = &run.meta;
        let kernel = meta.kernel.release.as_ref();
        table.add_row([
            &meta.started,
            kernel.unwrap_or(&meta.kernel.spec),
            &meta.label,
            &meta.outcome,
            &shown(&run.dir),
        ]);
    }
    table.trim_fmt()
}

/// A directory as it is called from here.
#[must_use]
pub fn shown(dir: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let short = dir.strip_prefix(here).unwrap_or(dir);
    short.display().to_string()
}
