//! `runs`: what is stored.

use crate::exit::Exit;
use crate::model::Outcome;
use crate::store;
use crate::terminal::columns;
use crate::untrusted::json;
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
    store: Option<PathBuf>,
    /// print what is known of each as JSON
    #[argh(switch)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
///
/// The directory cannot be read.
pub fn run(args: &Args) -> Result<Exit> {
    let root = store::root(args.store.as_deref())?;
    let (runs, wrong) = store::list(&root)?;
    for why in wrong {
        crate::tell!("not a run: {why}");
    }
    if args.json {
        let mut all = Vec::new();
        for run in &runs {
            let mut value = serde_json::to_value(&run.meta)?;
            value["directory"] = run.dir.display().to_string().into();
            all.push(value);
        }
        super::print(&json(&all)?)?;
    } else if runs.is_empty() {
        super::print(&format!("no runs in {}\n", root.display()))?;
    } else {
        super::print(&(table(&runs, columns()) + "\n"))?;
    }
    Ok(Exit::Good)
}

/// With fewer columns the directories are known by their names, which every
/// verb takes and which begin with the time.
const WIDE: usize = 110;

fn table(runs: &[store::StoredRun], columns: usize) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let wide = columns >= WIDE;
    let cells = runs.iter().any(|run| run.meta.cell.is_some());
    // A cell says which kernel and which plan.
    let mut heads = match (wide, cells) {
        (true, false) => vec!["time", "kernel", "plan", "outcome"],
        (true, true) => vec!["time", "kernel", "outcome", "cell"],
        (false, false) => vec!["kernel", "outcome"],
        (false, true) => vec!["outcome", "cell or kernel"],
    };
    heads.push(if wide { "directory" } else { "name" });
    table.set_header(heads);
    for run in runs {
        let meta = &run.meta;
        let kernel = meta.kernel.release.as_ref();
        let kernel = kernel.unwrap_or(&meta.kernel.spec).clone();
        let outcome = match (meta.outcome, meta.exit_code) {
            (Outcome::Ok, Exit::CannotTell) => "nothing measured".to_owned(),
            (outcome, _) => outcome.to_string(),
        };
        let cell = meta.cell.as_ref().map(|cell| cell.name.clone());
        let (time, plan) = (meta.started.clone(), meta.label.clone());
        let mut row = match (wide, cells) {
            (true, false) => vec![time, kernel, plan, outcome],
            (true, true) => {
                vec![time, kernel, outcome, cell.unwrap_or_default()]
            }
            (false, false) => vec![kernel, outcome],
            (false, true) => vec![outcome, cell.unwrap_or(kernel)],
        };
        row.push(if wide { shown(&run.dir) } else { run.name() });
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
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
