//! `matrix`: kernels by machines by plans, several boots at once.

pub(super) mod prepare;
mod resume;
pub(super) mod stored;

use self::prepare::Job;
use super::boot::forms;
use crate::boot::ready::Setting;
use crate::exit::Exit;
use crate::format::Format;
use crate::kernel_build::key;
use crate::live::Screen;
use crate::matrix::schedule::{Due, Schedule, Width};
use crate::matrix::shown::Shown;
use crate::matrix::summary::{self, CellBoot, Summary};
use crate::matrix::work::work;
use crate::matrix::{Cell, listed, only, parse};
use crate::program;
use crate::runner::Runner;
use crate::text::several;
use crate::{cache, finished, interrupt, store, usage, utc};
use anyhow::{Context, Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};
use std::fs;
use std::path::{Path, PathBuf};

/// Work off a file of kernels, machines and plans: every kernel on every
/// machine under every plan.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "matrix")]
#[argh(
    example = "What would be booted, and then boot it:\n\
               \x20 {command_name} list docs/matrix.toml\n\
               \x20 {command_name} run docs/matrix.toml",
    note = "docs/matrix.md has the form of the file."
)]
pub struct Args {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Verb {
    Run(Run),
    List(List),
    Summary(Stored),
}

/// Say what is stored of a matrix, as `run` does at its end: of one that was
/// booted here, or of the jobs of a CI whose logs were imported.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "summary")]
#[argh(
    error_code(0, "no boot failed"),
    error_code(1, "a boot failed by its kernel, a run or a condition"),
    error_code(125, "none failed, and some cannot tell: no boot, or skips"),
    error_code(255, "there is no such matrix, or a payload failed")
)]
struct Stored {
    /// what to print: table (the default), json, csv or junit
    #[argh(option)]
    format: Option<Format>,
    /// write the results as JSON to a file; `-` is standard output
    #[argh(option)]
    json: Option<String>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    store: Option<PathBuf>,
    /// the name of the matrix
    #[argh(positional)]
    name: String,
}

/// Boot every cell of a matrix, as many at once as the host has cores for,
/// and print what became of each. Every boot is stored.
#[derive(Debug, Default, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "run")]
#[argh(
    example = "{command_name} matrix.toml --only new --only pipes",
    example = "After Ctrl-C, what is left:\n\
               \x20 {command_name} matrix.toml --resume",
    note = "A machine of 4 CPUs keeps 4 cores busy, a deterministic one keeps \
            one; a machine that is wider than the host is booted alone.",
    error_code(0, "no boot failed"),
    error_code(1, "a boot failed by its kernel, a run or a condition"),
    error_code(125, "none failed, and some cannot tell: no boot, or skips"),
    error_code(255, "the tool, its usage, the file or a plan failed")
)]
pub struct Run {
    /// boots at once, however large their machines are
    #[argh(option)]
    pub jobs: Option<usize>,
    /// a kernel, machine, plan or cell (new/small/pipes) to boot; may be
    /// repeated
    #[argh(option)]
    pub only: Vec<String>,
    /// check everything, and say what would be booted
    #[argh(switch)]
    pub dry_run: bool,
    /// go on with what was interrupted: keep the boots that are stored
    #[argh(switch)]
    pub resume: bool,
    /// what to print: table (the default), json, csv or junit
    #[argh(option)]
    pub format: Option<Format>,
    /// write the results as JSON to a file; `-` is standard output
    #[argh(option)]
    pub json: Option<String>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    pub store: Option<PathBuf>,
    /// install what is missing
    #[argh(switch)]
    pub setup: bool,
    /// the matrix file
    #[argh(positional)]
    pub file: String,
}

/// Say what a matrix file asks for, without looking for its kernels: the
/// cells, how often each is booted, and a command that does.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list")]
struct List {
    /// as of `run`; may be repeated
    #[argh(option)]
    only: Vec<String>,
    /// the matrix file
    #[argh(positional)]
    file: String,
}

/// Runs the verb.
///
/// # Errors
///
/// The file or the usage is wrong, or something that is needed is missing.
pub fn run(args: &Args) -> Result<Exit> {
    match &args.verb {
        Verb::Run(args) => run_all(args),
        Verb::List(args) => {
            let cells = read(&args.file, &args.only)?;
            prepare::check(&args.file, &cells)?;
            let lines = cells.iter().map(|cell| shown(cell, cell.boots));
            super::print(&lines.collect::<String>())?;
            Ok(Exit::Good)
        }
        Verb::Summary(args) => {
            let (format, json) = forms(args.format, args.json.as_deref())?;
            summary::fits(format)?;
            let root = store::root(args.store.as_deref())?;
            told(&stored::summary(&args.name, &root)?, format, json)
        }
    }
}

/// The cells of a file that are asked for.
///
/// # Errors
///
/// All that is wrong with the file, or a name that it does not have.
pub(super) fn read(file: &str, words: &[String]) -> Result<Vec<Cell>> {
    let text = fs::read_to_string(file).with_context(|| file.to_owned())?;
    let cells = parse(&text).map_err(|wrong| anyhow!(listed(file, &wrong)))?;
    only(cells, words).map_err(|why| anyhow!(why))
}

/// A cell, and a command for it.
fn shown(cell: &Cell, boots: u64) -> String {
    let words = cell.request.command();
    let words: Vec<String> = words.iter().map(|w| usage::quoted(w)).collect();
    let command = words.join(" ");
    let program = program::name();
    format!(
        "{cell}: {}\n  {program} {command}\n",
        several(boots, "boot")
    )
}

fn run_all(args: &Run) -> Result<Exit> {
    let (format, json) = forms(args.format, args.json.as_deref())?;
    summary::fits(format)?;
    let (summary, worked) = worked(args)?;
    let Some(summary) = summary else {
        return Ok(Exit::Good);
    };
    let exit = told(&summary, format, json)?;
    let all: u64 = summary.cells.iter().map(|cell| cell.boots).sum();
    if let left @ 1.. = all.saturating_sub(summary.boots.len() as u64) {
        crate::tell!(
            "{} to go; the same with --resume makes them",
            several(left, "boot")
        );
    }
    worked?;
    Ok(exit)
}

/// Prints what came of a matrix.
fn told(summary: &Summary, format: Format, json: Option<&str>) -> Result<Exit> {
    let name = &summary.matrix;
    let program = program::name();
    crate::tell!("stored as {name}; `{program} report {name}` makes a page");
    super::print(&summary.render(format)?)?;
    if let Some(file) = json {
        let json = summary.render(Format::Json)?;
        fs::write(file, json).with_context(|| file.to_owned())?;
    }
    Ok(summary.exit())
}

/// Works a file off: what came of it, unless nothing is to be booted, and
/// what kept it from being finished.
///
/// # Errors
///
/// As those of [`run`].
pub fn worked(args: &Run) -> Result<(Option<Summary>, Result<()>)> {
    if args.jobs == Some(0) {
        bail!("--jobs 0 boots nothing");
    }
    let cells = read(&args.file, &args.only)?;
    let jobs = prepare::jobs(&args.file, &cells, args.setup)?;
    let given = PathBuf::from(&args.file);
    let file = fs::canonicalize(&given).unwrap_or(given);
    let root = store::root(args.store.as_deref())?;
    // Two that worked off one file would make every boot twice.
    let _alone = match args.dry_run {
        true => None,
        false => Some(alone(&file)?),
    };
    let (matrix, done) = match args.resume {
        true => resume::found(&file, &jobs, &root)?,
        false => (None, Vec::new()),
    };
    let mut due: Vec<Due> = Vec::new();
    let pools = pools(&jobs);
    for (at, job) in jobs.iter().enumerate() {
        let boots = (1..=job.cell.boots).filter(|boot| {
            !done.iter().any(|d| (d.cell, d.number) == (at, *boot))
        });
        due.extend(boots.map(|boot| Due {
            boot,
            cell: at,
            cores: job.cores(),
            pool: pools.iter().position(|pool| *pool == runners(job)),
        }));
    }
    let width = width(args.jobs, &jobs);
    if args.dry_run {
        for (at, job) in jobs.iter().enumerate() {
            let boots = due.iter().filter(|due| due.cell == at).count();
            super::print(&shown(&job.cell, boots as u64))?;
        }
        return Ok((None, Ok(())));
    }
    let stem = Path::new(&args.file).file_stem().unwrap_or_default();
    let fresh = || {
        let (stem, process) = (stem.to_string_lossy(), std::process::id());
        format!("{stem}-{}-{process}", utc::now())
    };
    let mut show = Shown::new(due.len(), |due: Due| {
        let cell = &jobs[due.cell].cell;
        match cell.boots {
            1 => cell.to_string(),
            of => format!("{cell}, {} of {of}", due.boot),
        }
    });
    let mut summary = Summary {
        matrix: matrix.unwrap_or_else(fresh),
        file: file.clone(),
        cells,
        boots: done,
        against: None,
    };
    let matrix = summary.matrix.clone();
    if !due.is_empty() {
        let boots = several(due.len(), "boot");
        crate::tell!(
            "{matrix}: {boots} to make; after Ctrl-C, --resume goes on"
        );
    }
    let boot = |due: Due, screen: Screen| -> Result<CellBoot> {
        let job = &jobs[due.cell];
        let setting = Setting {
            screen: screen.clone(),
            cell: Some(finished::Cell {
                matrix: matrix.clone(),
                file: file.clone(),
                name: job.cell.to_string(),
                boot: due.boot,
            }),
        };
        let seed = job.cell.seed(due.boot);
        let boot = job.ready.boot_and_store(seed, &setting, &root)?;
        let report = &boot.report;
        screen.say(&format!("{}: {}", report.outcome, report.reason));
        Ok(CellBoot {
            cell: due.cell,
            number: due.boot,
            boot,
        })
    };
    let places = pools.iter().map(|pool| pool.len()).collect();
    let schedule = Schedule::new(width, places, due);
    let boots = &mut summary.boots;
    let worked = work(schedule, &mut show, boot, |_, ended| boots.push(ended));
    drop(show);
    Ok((Some(summary), worked))
}

/// The runners of a cell.
fn runners(job: &Job) -> &[Runner] {
    &job.cell.request.runner
}

/// The pools of runners that boot cells.
fn pools(jobs: &[Job]) -> Vec<&[Runner]> {
    let mut pools: Vec<&[Runner]> = Vec::new();
    for pool in jobs.iter().map(runners).filter(|pool| !pool.is_empty()) {
        if !pools.contains(&pool) {
            pools.push(pool);
        }
    }
    pools
}

/// Waits until nobody else works this file off.
fn alone(file: &Path) -> Result<fs::File> {
    let place = file.display().to_string();
    let dir = cache::dir()?.join("matrix").join(key(&[&place]));
    interrupt::lock(&dir, &format!("another matrix of {place}"))
}

/// How many boots at once, and what there is to say of it.
fn width(asked: Option<usize>, jobs: &[Job]) -> Width {
    if let Some(jobs) = asked {
        return Width::Jobs(jobs);
    }
    let cores = std::thread::available_parallelism();
    let cores = cores.map_or(1, usize::from);
    let wide = jobs.iter().filter(|job| job.cores() > cores);
    let mut machines: Vec<(&str, usize)> =
        wide.map(|job| (&*job.cell.names[1], job.cores())).collect();
    machines.dedup();
    for (machine, cpus) in machines {
        crate::tell!(
            "note: {machine} has {cpus} CPUs and this host {cores}; it is \
             booted alone"
        );
    }
    Width::Cores(cores)
}
