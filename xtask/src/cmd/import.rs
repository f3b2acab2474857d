//! `import`: logs from anywhere become stored runs.

use crate::exit::Exit;
use crate::finished::{FinishedBoot, Imported};
use crate::import::{self, archive, boots};
use crate::program;
use crate::store::{self, Pending, StoredRun};
use crate::utc;
use anyhow::{Result, bail};
use argh::{ArgsInfo, FromArgs};
use std::path::{Path, PathBuf};

/// Store the boots in logs from anywhere, as if they had been booted here: of
/// a CI, a lab or a mail, plain, compressed or in archives.
#[derive(Debug, Default, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "import")]
#[argh(
    usage = "[options] log...",
    example = "What the jobs of `ci --matrix` logged, side by side:\n\
               \x20 {command_name} --name nightly artifacts.zip out/*.log\n\
               \x20 cargo xtask matrix summary nightly\n\
               \x20 cargo xtask compare old/small/pipes new/small/pipes",
    note = "A log may have several boots. One that is stored already is not \
            stored again. docs/runners.md has more.",
    error_code(0, "every log is stored"),
    error_code(255, "a log cannot be read, or has no boot of the payload")
)]
pub struct Args {
    /// what those boots are called together that are cells of a matrix, as
    /// `matrix summary`, `compare` and `report` take it; by default
    /// import-TIME
    #[argh(option)]
    pub name: Option<String>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    pub store: Option<PathBuf>,
    /// logs, compressed logs and archives of logs
    #[argh(positional, arg_name = "log")]
    pub log: Vec<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
///
/// No log is named, or nothing can be stored.
pub fn run(args: &Args) -> Result<Exit> {
    if args.log.is_empty() {
        bail!("no log was named");
    }
    let name = match &args.name {
        Some(name) => named(name)?,
        None => format!("import-{}", utc::now()),
    };
    let root = store::root(args.store.as_deref())?;
    let (stored, _) = store::list(&root)?;
    let mut known: Vec<Imported> =
        stored.into_iter().filter_map(imported).collect();
    let (mut refused, mut cells) = (0, 0);
    for path in &args.log {
        let found = match of(path, &name) {
            Ok(found) => found,
            Err(error) => {
                refused += 1;
                crate::tell!("not imported: {error:#}");
                continue;
            }
        };
        for mut boot in found {
            let from = boot.meta.imported.clone().unwrap_or_default();
            let shown = format!("{}, boot {}", from.file, from.boot);
            let same = |other: &Imported| {
                (&other.sha256, other.boot) == (&from.sha256, from.boot)
            };
            if known.iter().any(same) {
                super::say(format_args!("{shown}: is stored already"))?;
                continue;
            }
            let pending = Pending::new(&root)?;
            pending.store(&mut boot)?;
            cells += usize::from(boot.meta.cell.is_some());
            super::print(&told(&shown, &boot))?;
            known.push(from);
        }
    }
    if cells > 0 {
        super::say(format_args!(
            "{cells} of them are cells: `{} matrix summary {name}`",
            program::name()
        ))?;
    }
    Ok(import::exit(refused))
}

/// What is said of one that is stored.
fn told(shown: &str, boot: &FinishedBoot) -> String {
    let cell = boot.meta.cell.as_ref();
    let cell = cell.map_or(String::new(), |cell| format!("{}: ", cell.name));
    format!(
        "{shown}: {cell}{}: {}; stored as {}\n",
        boot.report.outcome,
        boot.report.reason,
        boot.name()
    )
}

fn imported(run: StoredRun) -> Option<Imported> {
    run.meta.imported
}

/// A name that is one word and no part of a path.
fn named(name: &str) -> Result<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".+-_".contains(c);
    match !name.is_empty() && name.chars().all(fits) {
        true => Ok(name.to_owned()),
        false => bail!("--name {name}: valid are letters, digits and .+-_"),
    }
}

/// The boots in a file. Of an archive, files that have none are named.
///
/// # Errors
///
/// There are none, or it cannot be read.
pub(super) fn of(path: &Path, matrix: &str) -> Result<Vec<FinishedBoot>> {
    let logs = archive::logs(path)?;
    let (mut all, mut without) = (Vec::new(), Vec::new());
    for log in &logs {
        match boots(log, matrix) {
            Ok(found) => all.extend(found),
            Err(error) if logs.len() == 1 => return Err(error),
            Err(error) => without.push(error),
        }
    }
    if all.is_empty() {
        let files = logs.len();
        let shown = path.display();
        bail!("{shown}: no boot of the payload is in its {files} files");
    }
    for error in without {
        crate::tell!("note: {error:#}");
    }
    Ok(all)
}
