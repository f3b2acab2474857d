//! `compare`: two kernels, or stored runs of two.

mod booted;
pub(super) mod stored;

use self::booted::booted;
use self::stored::{Found, find, list, read, repeats};
use crate::boot::request::with_machine;
use crate::compare::{
    Comparison, ComparisonOptions, Side, answer, compare_apart, table,
};
use crate::exit::Exit;
use crate::matrix::words_of;
use crate::metrics::Selector;
use crate::store::{self, StoredRun};
use crate::untrusted::json;
use crate::{report, terminal};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use std::fs;
use std::path::{Path, PathBuf};

with_machine! {
/// Compare two kernels that are booted in turn, or stored runs of two: both
/// medians of each metric, the difference with its interval and how sure it
/// is, and what is worse. The plan follows `--`.
#[derive(Debug, Clone, Default, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "compare")]
#[argh(
    usage = "<a> [<b>] [options] [-- plan...]",
    example = "Exactly, on machines that repeat themselves:\n\
               \x20 {command_name} old/bzImage new/bzImage --deterministic \\\n\
               \x20   --smp 1 -- time=200ms work=PipeIo",
    example = "On a real machine or plain TCG, ten boots each:\n\
               \x20 {command_name} old/bzImage new/bzImage --runs 10 -- \
               time=2s work=PipeIo",
    example = "What a word of the kernel command line does:\n\
               \x20 {command_name} host --append-b mitigations=off -- \
               work=PipeIo",
    example = "What a feature of the scheduler does:\n\
               \x20 {command_name} host --deterministic --smp 1 \\\n\
               \x20   --plan-b sched_features=NO_DELAY_DEQUEUE -- \
               time=200ms work=PipeIo",
    example = "Stored runs, by prefixes of their names:\n\
               \x20 {command_name} 20261105T12 20261106T09,20261106T10",
    example = "Two cells of a matrix:\n\
               \x20 {command_name} old/small/pipes new/small/pipes",
    note = "A kernel is what --kernel of `boot` takes. The options of `boot` \
            that describe a machine are options of `compare`, too.",
    note = "docs/compare.md says how a verdict comes about and which metrics \
            are judged unless --metric names others.",
    error_code(0, "every metric that is judged is the same or better"),
    error_code(1, "B is worse, or fails"),
    error_code(125, "cannot tell: no boot, too few runs, too much noise"),
    error_code(255, "the tool, its usage or the plan failed")
)]
pub struct Args {
    /// boots of each kernel, 6 by default
    #[argh(option)]
    pub runs: Option<usize>,
    /// seeds of deterministic machines, beginning with that of
    /// --deterministic, 3 by default; needs --deterministic
    #[argh(option)]
    pub seeds: Option<u64>,
    /// a metric to judge by, as conditions have it: wake.p99, rate,
    /// run_delay/run_count, and of one run as in PipeIo:rate or 2:rate; may be
    /// repeated
    #[argh(option)]
    pub metric: Vec<String>,
    /// show every metric, and judge all that are better one way
    #[argh(switch)]
    pub all: bool,
    /// a difference that does not count, in percent, 0.5 by default
    #[argh(option, default = "0.5")]
    pub margin: f64,
    /// which look at these boots it is, 1 by default: 2 if fewer of them were
    /// compared before, and so on
    #[argh(option, default = "1")]
    pub look: u32,
    /// more words for the kernel command line of A
    #[argh(option)]
    pub append_a: Vec<String>,
    /// more words for the kernel command line of B
    #[argh(option)]
    pub append_b: Vec<String>,
    /// words of a plan that A begins with, as in 'sched_features=NO_X'
    #[argh(option)]
    pub plan_a: Vec<String>,
    /// words of a plan that B begins with
    #[argh(option)]
    pub plan_b: Vec<String>,
    /// write the comparison as JSON to a file; `-` is standard output
    #[argh(option, from_str_fn(super::output_file))]
    pub json: Option<String>,
    /// write the comparison as a page of HTML to a file
    #[argh(option, from_str_fn(super::output_file))]
    pub html: Option<String>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    pub store: Option<PathBuf>,
    /// a kernel, or stored runs: names, their beginnings or directories, or a
    /// cell of a matrix, with commas between them
    #[argh(positional)]
    pub a: String,
    /// what A is compared with; it may be left out where --plan-b or --append-b
    /// makes the difference
    #[argh(positional)]
    pub b: String,
}
}

/// Runs the verb.
///
/// # Errors
///
/// The usage or the plan is wrong, or something that is needed is missing.
pub fn run(args: &Args) -> Result<Exit> {
    let (comparison, sides) = compared(args)?;
    let json = json(&comparison)?;
    match args.json.as_deref() {
        Some("-") => super::print(&json)?,
        file => {
            let columns = terminal::columns();
            let text = table::render(&comparison, args.all, columns);
            super::print_painted(&text)?;
            if let Some(file) = file {
                fs::write(file, json).with_context(|| file.to_owned())?;
            }
        }
    }
    if let Some(file) = &args.html {
        let boots = sides.each_ref().map(|side| side.boots.as_slice());
        let page = report::sides::render(&comparison, boots);
        match file.as_str() {
            "-" => super::print(&page)?,
            file => fs::write(file, page).with_context(|| file.to_owned())?,
        }
    }
    Ok(comparison.exit_code)
}

/// Boots or reads both sides, and compares them.
///
/// # Errors
///
/// As those of [`run`].
pub fn comparison(args: &Args) -> Result<Comparison> {
    Ok(compared(args)?.0)
}

/// The comparison, and the boots of both sides.
fn compared(args: &Args) -> Result<(Comparison, [Side; 2])> {
    let args = &both_sides(args)?;
    let asked = asked(args)?;
    let root = store::root(args.store.as_deref())?;
    let stored = list(&root)?;
    let sides = [&args.a, &args.b].map(|text| find(text, &stored));
    let mut differing = Vec::new();
    let [a, b] = match sides {
        [Ok(Found::Stored(a)), Ok(Found::Stored(b))] => {
            of_stored(args, &a, &b, &mut differing)?
        }
        [Ok(Found::Kernel), Ok(Found::Kernel)] => {
            booted(args, &asked, &root, &mut differing)?
        }
        [Ok(_), Ok(_)] => bail!(
            "`{}` and `{}`: a kernel does not compare with stored runs; boot \
             it first, with the same plan",
            args.a,
            args.b
        ),
        [Err(error), _] | [_, Err(error)] => return Err(error),
    };
    let own = [&args.plan_a, &args.plan_b].map(|words| own(words));
    let own = own.each_ref().map(Vec::as_slice);
    let mut comparison = compare_apart(&a, &b, &asked, own)?;
    if !differing.is_empty() {
        comparison.identical = false;
        comparison.answer = answer::of(&comparison);
    }
    differing.append(&mut comparison.warnings);
    comparison.warnings = differing;
    Ok((comparison, [a, b]))
}

/// The arguments with a second side: A again where a plan follows the first,
/// and something is said of one side alone.
fn both_sides(args: &Args) -> Result<Args> {
    let mut args = args.clone();
    let is_word = args.b.split_once('=').is_some_and(|(key, _)| {
        let good = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
        key.chars().all(good)
    });
    if is_word && !Path::new(&args.b).exists() {
        let one = [&args.append_a, &args.append_b, &args.plan_a, &args.plan_b];
        if one.iter().all(|words| words.is_empty()) {
            bail!(
                "what `{}` is compared with is missing: another kernel, or \
                 --plan-b or --append-b for the same one",
                args.a
            );
        }
        let first = core::mem::replace(&mut args.b, args.a.clone());
        args.plan.insert(0, first);
    }
    for (option, words) in
        [("--plan-a", &args.plan_a), ("--plan-b", &args.plan_b)]
    {
        let starts = |word: &&String| {
            ["work=", "with=", "plan="]
                .iter()
                .any(|it| word.starts_with(it))
        };
        let words = own(words);
        if let Some(word) = words.iter().find(starts) {
            bail!(
                "{option} {word}: only settings go there, as in {option} \
                 sched_features=NO_X; the runs of both sides are those of the \
                 plan behind `--`"
            );
        }
    }
    Ok(args)
}

/// The words of a plan that are one side's.
fn own(words: &[String]) -> Vec<String> {
    words.iter().flat_map(|words| words_of(words)).collect()
}

fn asked(args: &Args) -> Result<ComparisonOptions> {
    if !(0.0..100.0).contains(&args.margin) {
        bail!("--margin {}: valid is 0 or more, below 100", args.margin);
    }
    if args.look == 0 {
        bail!("--look 0: the first one is 1");
    }
    let selectors = args.metric.iter().map(|text| Selector::parse(text));
    Ok(ComparisonOptions {
        metrics: selectors.collect::<Result<_>>()?,
        all: args.all,
        rest: true,
        margin: args.margin / 100.0,
        look: args.look,
    })
}

/// Refuses what stored runs have no use for.
fn for_kernels_only(args: &Args) -> Result<()> {
    let mut request = args.request("");
    let plan = !core::mem::take(&mut request.plan).is_empty();
    // The verb and the mark in front of a plan are always there.
    let machine = request.command().len() > 2;
    for (given, what) in [
        (args.runs.is_some(), "--runs"),
        (args.seeds.is_some(), "--seeds"),
        (!args.append_a.is_empty(), "--append-a"),
        (!args.append_b.is_empty(), "--append-b"),
        (!args.plan_a.is_empty(), "--plan-a"),
        (!args.plan_b.is_empty(), "--plan-b"),
        (machine, "an option of `boot`"),
        (plan, "a plan"),
    ] {
        if given {
            bail!("{what} is for kernels; stored runs are booted already");
        }
    }
    Ok(())
}

/// Both sides of stored runs, by their names.
///
/// # Errors
///
/// There are none of these names, or they cannot be read.
pub(super) fn stored_sides(names: [&str; 2], root: &Path) -> Result<[Side; 2]> {
    let stored = list(root)?;
    let of = |name: &str| match find(name, &stored)? {
        Found::Stored(runs) => Ok(runs),
        Found::Kernel => bail!(
            "`{name}` is a kernel; a page is made of runs that are stored"
        ),
    };
    sides(&of(names[0])?, &of(names[1])?)
}

/// Both sides from what is stored.
fn of_stored(
    args: &Args,
    a: &[StoredRun],
    b: &[StoredRun],
    differing: &mut Vec<String>,
) -> Result<[Side; 2]> {
    for_kernels_only(args)?;
    let sides = sides(a, b)?;
    let all = sides.iter().flat_map(|side| &side.boots);
    repeats(all, differing);
    Ok(sides)
}

fn sides(a: &[StoredRun], b: &[StoredRun]) -> Result<[Side; 2]> {
    if let Some(both) = a.iter().find(|x| b.iter().any(|y| x.dir == y.dir)) {
        bail!("{} is on both sides", both.name());
    }
    let side = |runs: &[StoredRun]| -> Result<Side> {
        let kernels = runs.iter().map(|run| {
            let kernel = &run.meta.kernel;
            kernel.release.as_ref().unwrap_or(&kernel.spec).clone()
        });
        let mut names: Vec<String> = kernels.collect();
        names.dedup();
        Ok(Side {
            name: names.join(", "),
            boots: read(runs)?,
        })
    };
    Ok([side(a)?, side(b)?])
}

#[cfg(test)]
mod tests;
