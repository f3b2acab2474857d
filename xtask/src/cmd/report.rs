//! `report`: runs, a comparison or a matrix as a page of HTML.

use crate::compare::{ComparisonOptions, answer, compare, table};
use crate::decode::decode_ports;
use crate::exit::Exit;
use crate::finished::from_json;
use crate::input::{Input, choose};
use crate::model::Report;
use crate::program;
use crate::report::{MARK, Source, matrix, render, sides};
use crate::terminal::unpainted;
use crate::{outcome, store};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use core::str::FromStr;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Show runs side by side, a comparison or a matrix, as a page of HTML that
/// needs neither network nor scripts.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "report")]
#[argh(
    usage = "[options] run...",
    example = "Two kernels under the same plan:\n\
               \x20 cargo xtask boot --kernel debian:6.1-cloud -- plan=all\n\
               \x20 cargo xtask boot --kernel debian:6.12-cloud -- plan=all\n\
               \x20 cargo xtask runs\n\
               \x20 {command_name} 20261105T120000Z-all-a1b2c3 \\\n\
               \x20   20261105T120105Z-all-d4e5f6 --output kernels.html",
    example = "A comparison, to look at and to send:\n\
               \x20 {command_name} --baseline old/small/pipes new/small/pipes\n\
               \x20 {command_name} --baseline old/small/pipes \\\n\
               \x20   new/small/pipes --format text",
    example = "A matrix, kernel by kernel, and all boots of one of its cells:\n\
               \x20 {command_name} matrix-20261105T120000Z-4711\n\
               \x20 {command_name} new/small/pipes",
    note = "The page describes; it does not judge, so the exit code does not \
            depend on what is in it. A report that is there already is \
            replaced, any other file is not.",
    error_code(0, "the page is written"),
    error_code(255, "no such run, or the page cannot be written")
)]
pub struct Args {
    /// the page; by default report.html here, `-` is standard output
    #[argh(option, default = "String::from(\"report.html\")")]
    output: String,
    /// compare with these runs: names, their beginnings or directories, or a
    /// cell of a matrix, with commas between them; of a whole matrix, the
    /// kernel that its others are held against, by default its first
    #[argh(option)]
    baseline: Option<String>,
    /// html (the default), or with --baseline text: the comparison for a mail,
    /// on standard output
    #[argh(option, default = "Form::Html")]
    format: Form,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    store: Option<PathBuf>,
    /// stored runs by name or directory, a matrix or a cell of one by name,
    /// logs, the JSON of `--json`; `-` is standard input
    #[argh(positional, arg_name = "run")]
    run: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
///
/// A run cannot be read, or the page cannot be written.
pub fn run(args: &Args) -> Result<Exit> {
    if args.run.is_empty() {
        bail!("no run was named; `{} runs` lists them", program::name());
    }
    let root = store::root(args.store.as_deref())?;
    if let [name] = &args.run[..]
        && is_matrix(name, &root)?
    {
        return of_matrix(args, name, &root);
    }
    if let Some(baseline) = &args.baseline {
        return beside(args, baseline, &root);
    }
    if args.format == Form::Text {
        bail!("--format text is for a comparison: --baseline names its A");
    }
    let mut names: Vec<String> = Vec::new();
    for name in &args.run {
        for place in places(name, &root)? {
            if names.contains(&place) {
                bail!("`{name}` is named twice");
            }
            names.push(place);
        }
    }
    let output = output(args)?;
    let mut sources = Vec::new();
    for name in &names {
        let source = source(name)?;
        if source.report.runs.is_empty() {
            let Report {
                outcome, reason, ..
            } = &source.report;
            crate::tell!("{name}: nothing was measured: {outcome}: {reason}");
        }
        sources.push(source);
    }
    written(output, &render(&sources), "")
}

/// Whether this is the name of a whole matrix.
fn is_matrix(name: &str, root: &Path) -> Result<bool> {
    if Path::new(name).exists() {
        return Ok(false);
    }
    let (stored, _) = store::list(root)?;
    let is = |run: &store::StoredRun| {
        let cell = run.meta.cell.as_ref();
        cell.is_some_and(|cell| cell.matrix == name)
    };
    Ok(stored.iter().any(is))
}

/// Writes what a matrix is.
fn of_matrix(args: &Args, name: &str, root: &Path) -> Result<Exit> {
    let output = output(args)?;
    let mut summary = super::matrix::stored::summary(name, root)?;
    if let Some(kernel) = &args.baseline {
        summary.hold_against(kernel)?;
    }
    if args.format == Form::Text {
        let text = summary.text(MAIL);
        super::print(&answer::ascii(&unpainted(&text)))?;
        return Ok(Exit::Good);
    }
    let pairs = summary.pairs();
    let (_, answer) = summary.answer(&pairs);
    let said = format!("{}\n", answer.join("; "));
    written(output, &matrix::render(&summary, &pairs), &said)
}

/// Where the page goes, if not to standard output: found out before any work.
fn output(args: &Args) -> Result<Option<&Path>> {
    let output = (args.output != "-").then(|| Path::new(&args.output));
    if args.format == Form::Html {
        output.map(writable).transpose()?;
    }
    Ok(output)
}

/// Writes the page, and says so behind what there is to say of it.
fn written(output: Option<&Path>, page: &str, said: &str) -> Result<Exit> {
    match output {
        None => super::print(page)?,
        Some(path) => {
            write(path, page)?;
            super::print(&format!("{said}written to {}\n", path.display()))?;
        }
    }
    Ok(Exit::Good)
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Text,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "html" => Ok(Self::Html),
            "text" => Ok(Self::Text),
            _ => Err(format!("no format `{name}`; valid are html and text")),
        }
    }
}

/// Columns of a mail, at most.
const MAIL: usize = 71;

/// Writes what the runs are beside a baseline.
fn beside(args: &Args, baseline: &str, root: &Path) -> Result<Exit> {
    let output = output(args)?;
    let b = args.run.join(",");
    let sides = super::compare::stored_sides([baseline, &b], root)?;
    let options = ComparisonOptions {
        rest: true,
        ..ComparisonOptions::default()
    };
    let of = compare(&sides[0], &sides[1], &options)?;
    if args.format == Form::Text {
        let text = table::render(&of, false, MAIL);
        super::print(&answer::ascii(&unpainted(&text)))?;
        return Ok(Exit::Good);
    }
    let boots = sides.each_ref().map(|side| side.boots.as_slice());
    let page = sides::render(&of, boots);
    written(output, &page, &format!("{}\n", of.answer))
}

/// The paths of what is named: a run, or all of a matrix or of a cell there.
fn places(name: &str, root: &Path) -> Result<Vec<String>> {
    if !Path::new(name).exists() {
        let (stored, _) = store::list(root)?;
        let of_matrix = store::of_matrix(name, &stored);
        let dirs = of_matrix.iter().map(|run| run.dir.to_str());
        if !of_matrix.is_empty() {
            let places = dirs.map(|dir| place(dir.unwrap_or(name), root));
            return places.collect();
        }
    }
    Ok(vec![place(name, root)?])
}

/// The path of a run, by whatever it is called.
fn place(name: &str, root: &Path) -> Result<String> {
    let path = &store::find::find(name, root)?;
    if !path.is_file() && !path.is_dir() {
        // A pipe has no other name.
        return Ok(name.to_owned());
    }
    let path = path.canonicalize().with_context(|| name.to_owned())?;
    let path = path.to_str().map(str::to_owned);
    path.with_context(|| format!("`{name}` is no text"))
}

/// Reads a run, whatever it is.
///
/// # Errors
///
/// It cannot be read, or is a report of another release.
pub fn source(name: &str) -> Result<Source> {
    let input = Input::read(name)?;
    let mut source = Source {
        name: name.to_owned(),
        meta: input.meta.clone(),
        ..Source::default()
    };
    if let [only] = &input.ports[..]
        && let Some(report) = json(only).with_context(|| name.to_owned())?
    {
        source.report = report;
        return Ok(source);
    }
    let decoded = decode_ports(&input.ports());
    let boots = decoded.boots();
    let (report, _) = outcome::of_all(boots, input.timed_out());
    if let Some(last) = report.boots.last() {
        crate::tell!(
            "{name}: the results of boot {} of {}",
            last.number,
            boots.len()
        );
    }
    let shown = report.boots.last().map_or(boots.len(), |last| last.number);
    source.console.clone_from(&choose(boots, shown)?.text);
    let dir = Path::new(name);
    if input.meta.is_some() && dir.join(store::REPORT).exists() {
        // Whatever has become of the records' form.
        source.report = store::report(dir)?;
        return Ok(source);
    }
    source.report = report;
    Ok(source)
}

/// The report in a file of JSON; none if it is something else.
fn json(bytes: &[u8]) -> Result<Option<Report>> {
    let object = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    match object.is_some_and(|value| value.get("schema").is_some()) {
        true => from_json(bytes)
            .map(|report: Report| Some(report.checked()))
            .context("no report as docs/json.md has it"),
        false => Ok(None),
    }
}

/// Whether a page may be written there: nothing else is overwritten.
fn writable(path: &Path) -> Result<()> {
    let what = || path.display().to_string();
    let parent = parent(path);
    if !parent.is_dir() {
        bail!("{}: no directory {}", what(), parent.display());
    }
    let meta = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        meta => meta.with_context(what)?,
    };
    if !meta.is_file() {
        bail!("{} is no file; `-` is standard output", what());
    }
    let mut head = Vec::new();
    let file = fs::File::open(path).with_context(what)?;
    let length = MARK.len().try_into()?;
    file.take(length)
        .read_to_end(&mut head)
        .with_context(what)?;
    if head != MARK.as_bytes() {
        bail!("{} is there and is no report; name another file", what());
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Writes the page as a whole or not at all.
fn write(path: &Path, page: &str) -> Result<()> {
    let what = || path.display().to_string();
    let mut file = tempfile::Builder::new()
        .prefix(".report-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(parent(path))
        .with_context(what)?;
    file.write_all(page.as_bytes()).with_context(what)?;
    file.as_file().sync_all().with_context(what)?;
    file.persist(path).with_context(what)?;
    Ok(())
}
