//! `compare`: two kernels, or stored runs of two.

use crate::cmd::{boot, runs};
use crate::compare::{
    Asked, Comparison, Sample, Side, Splits, compare, exact, splits, table,
};
use crate::metrics::{self, Selector};
use crate::model::Report;
use crate::store::{self, Meta, Stored};
use anyhow::{Context, Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Compare two kernels that are booted in turn, or stored runs of two: both
/// medians of each metric, the difference with its interval and how sure it
/// is, and what is worse. The plan follows `--`.
#[derive(Debug, Default, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "compare")]
#[argh(
    usage = "<a> <b> [options] [-- plan...]",
    example = "Exactly, on machines that repeat themselves:\n\
               \x20 {command_name} old/bzImage new/bzImage --deterministic \\\n\
               \x20   --smp 1 -- time=200ms work=PipeIo",
    example = "On a real machine or plain TCG, ten boots each:\n\
               \x20 {command_name} old/bzImage new/bzImage --runs 10 -- \
               time=2s work=PipeIo",
    example = "What a word of the kernel command line does:\n\
               \x20 {command_name} host host --append-b mitigations=off -- \
               work=PipeIo",
    example = "Stored runs, by prefixes of their names:\n\
               \x20 {command_name} 20261105T12 20261106T09,20261106T10",
    note = "A kernel is what --kernel of `boot` takes. The options of `boot` \
            that describe a machine are options of `compare`, too.",
    note = "docs/compare.md says how a verdict comes about and which metrics \
            are judged unless --metric names others.",
    error_code(0, "nothing is worse"),
    error_code(1, "B is worse, or fails"),
    error_code(125, "cannot tell: no boot, or too few runs"),
    error_code(255, "the tool, its usage or the plan failed")
)]
pub struct Args {
    /// boots of each kernel, 5 by default
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
    /// split stored runs of one kernel, both sides together, in two again and
    /// again, so many times, and say how often a difference is found that
    /// cannot be there
    #[argh(option)]
    pub splits: Option<usize>,
    /// more words for the kernel command line of A
    #[argh(option)]
    pub append_a: Vec<String>,
    /// more words for the kernel command line of B
    #[argh(option)]
    pub append_b: Vec<String>,
    /// write the comparison as JSON to a file; `-` is standard output
    #[argh(option, from_str_fn(super::output_file))]
    pub json: Option<String>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    pub store: Option<PathBuf>,
    /// a word for `boot`
    #[argh(option, hidden_help)]
    pub to_boot: Vec<String>,
    /// a kernel, or stored runs: names, their beginnings or directories, with
    /// commas between them
    #[argh(positional)]
    pub a: String,
    /// what it is compared with
    #[argh(positional)]
    pub b: String,
    /// the plan
    #[argh(positional, greedy)]
    pub plan: Vec<String>,
}

/// Boots of each kernel.
const RUNS: usize = 5;
/// Seeds of deterministic machines.
const SEEDS: u64 = 3;

/// Runs the verb.
///
/// # Errors
///
/// The usage or the plan is wrong, or something that is needed is missing.
pub fn run(args: &Args) -> Result<u8> {
    if let Some(times) = args.splits {
        super::print(&table::render_splits(&split(args, times)?))?;
        return Ok(super::exit::GOOD);
    }
    let comparison = comparison(args)?;
    let on_stdout = args.json.as_deref() == Some("-");
    let json = || serde_json::to_string_pretty(&comparison).map(|j| j + "\n");
    match args.json.as_deref() {
        Some("-") => super::print(&json()?)?,
        Some(file) => {
            fs::write(file, json()?).with_context(|| file.to_owned())?;
        }
        None => {}
    }
    if !on_stdout {
        super::print(&table::render(&comparison, args.all))?;
    }
    Ok(comparison.exit_code)
}

/// Boots or reads both sides, and compares them.
///
/// # Errors
///
/// As those of [`run`].
pub fn comparison(args: &Args) -> Result<Comparison> {
    let asked = asked(args)?;
    let root = args.store.clone().unwrap_or_else(runs::default_dir);
    let stored = list(&root)?;
    let sides = [&args.a, &args.b].map(|text| find(text, &stored));
    let mut differing = Vec::new();
    let (a, b) = match sides {
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
    let mut comparison = compare(&a, &b, &asked)?;
    if !differing.is_empty() {
        comparison.identical = false;
    }
    differing.append(&mut comparison.warnings);
    comparison.warnings = differing;
    Ok(comparison)
}

fn asked(args: &Args) -> Result<Asked> {
    if !(0.0..100.0).contains(&args.margin) {
        bail!("--margin {}: valid is 0 or more, below 100", args.margin);
    }
    let selectors = args.metric.iter().map(|text| Selector::parse(text));
    Ok(Asked {
        metrics: selectors.collect::<Result<_>>()?,
        all: args.all,
        rest: args.splits.is_none(),
        margin: args.margin / 100.0,
    })
}

pub(super) fn list(root: &Path) -> Result<Vec<Stored>> {
    let (stored, wrong) = store::list(root)?;
    for why in wrong {
        eprintln!("not a run: {why}");
    }
    Ok(stored)
}

/// Splits the runs of both sides.
fn split(args: &Args, times: usize) -> Result<Splits> {
    if times == 0 {
        bail!("--splits 0 splits nothing");
    }
    let root = args.store.clone().unwrap_or_else(runs::default_dir);
    let stored = list(&root)?;
    let mut all: Vec<Stored> = Vec::new();
    for text in [&args.a, &args.b] {
        match find(text, &stored)? {
            Found::Kernel => bail!("--splits is for stored runs: `{text}`"),
            Found::Stored(mut runs) => {
                runs.retain(|run| all.iter().all(|old| old.dir != run.dir));
                all.append(&mut runs);
            }
        }
    }
    for_kernels_only(args)?;
    let kernels = all.iter().map(|run| run.meta.kernel.sha256.as_str());
    if kernels.collect::<BTreeSet<_>>().len() > 1 {
        bail!("--splits is for runs of one kernel");
    }
    let samples: Vec<Sample> = all.iter().map(sample).collect::<Result<_>>()?;
    splits(&samples, &asked(args)?, times)
}

/// Refuses what stored runs have no use for.
fn for_kernels_only(args: &Args) -> Result<()> {
    let plan = args.plan.iter().any(|word| word != "--");
    for (given, what) in [
        (args.runs.is_some(), "--runs"),
        (args.seeds.is_some(), "--seeds"),
        (!args.append_a.is_empty(), "--append-a"),
        (!args.append_b.is_empty(), "--append-b"),
        (!args.to_boot.is_empty(), "an option of `boot`"),
        (plan, "a plan"),
    ] {
        if given {
            bail!("{what} is for kernels; stored runs are booted already");
        }
    }
    Ok(())
}

/// What a side is.
pub(super) enum Found {
    Kernel,
    Stored(Vec<Stored>),
}

pub(super) fn find(text: &str, stored: &[Stored]) -> Result<Found> {
    let kernel = text == "host" || text.contains(':');
    if kernel || Path::new(text).is_file() {
        return Ok(Found::Kernel);
    }
    let mut found: Vec<Stored> = Vec::new();
    for part in text.split(',') {
        let path = Path::new(part);
        let mut these: Vec<Stored> = match path.join(store::META).is_file() {
            true => vec![Stored {
                dir: path.to_path_buf(),
                meta: store::meta(path)?,
            }],
            false => {
                let is = |run: &&Stored| name(run).starts_with(part);
                stored.iter().filter(is).cloned().collect()
            }
        };
        if these.is_empty() || part.is_empty() {
            bail!(
                "`{part}` is neither a kernel nor a stored run; kernels are \
                 files, `host`, debian:6.12-cloud and built:6.12, and \
                 `cargo xtask runs` lists {} stored runs",
                stored.len()
            );
        }
        these.retain(|run| found.iter().all(|other| other.dir != run.dir));
        found.append(&mut these);
    }
    Ok(Found::Stored(found))
}

pub(super) fn name(run: &Stored) -> String {
    let name = run.dir.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Both sides from what is stored.
fn of_stored(
    args: &Args,
    a: &[Stored],
    b: &[Stored],
    differing: &mut Vec<String>,
) -> Result<(Side, Side)> {
    for_kernels_only(args)?;
    if let Some(both) = a.iter().find(|x| b.iter().any(|y| x.dir == y.dir)) {
        bail!("{} is on both sides", name(both));
    }
    let side = |runs: &[Stored]| -> Result<Side> {
        let mut names: Vec<String> = runs
            .iter()
            .map(|run| {
                let kernel = &run.meta.kernel;
                kernel.release.as_ref().unwrap_or(&kernel.spec).clone()
            })
            .collect();
        names.dedup();
        let samples = runs.iter().map(sample).collect::<Result<_>>()?;
        let name = names.join(", ");
        Ok(Side { name, samples })
    };
    let sides = (side(a)?, side(b)?);
    let all: Vec<(&Path, &Sample)> = a
        .iter()
        .zip(&sides.0.samples)
        .chain(b.iter().zip(&sides.1.samples))
        .map(|(run, sample)| (run.dir.as_path(), sample))
        .collect();
    repeats(&all, differing)?;
    Ok(sides)
}

pub(super) fn sample(run: &Stored) -> Result<Sample> {
    let path = run.dir.join(store::REPORT);
    let what = || path.display().to_string();
    let json = fs::read(&path).with_context(what)?;
    let report: Report = serde_json::from_slice(&json).with_context(what)?;
    Ok(Sample {
        name: name(run),
        report,
        code: run.meta.exit_code,
        seed: run.meta.deterministic,
        made_of: made_of(&run.meta),
        noise: run.meta.noise,
    })
}

/// Everything that decides how a deterministic machine runs.
fn made_of(meta: &Meta) -> String {
    let place = |word: &&String| {
        !word.starts_with("file,id=")
            && **word != meta.kernel.path.display().to_string()
    };
    let args = meta.qemu_args.iter().filter(place);
    let mut words: Vec<&str> = args.map(String::as_str).collect();
    // The initramfs goes by its hash.
    if let Some(at) = words.iter().position(|word| *word == "-initrd") {
        words.remove(at + 1);
    }
    let (kernel, initrd) = (&meta.kernel.sha256, &meta.initramfs_sha256);
    [kernel, initrd, meta.qemu.as_str(), &words.join(" ")].join("\n")
}

/// Looks for deterministic boots of the same that differ.
fn repeats(
    all: &[(&Path, &Sample)],
    differing: &mut Vec<String>,
) -> Result<()> {
    let mut known: BTreeMap<&str, (&Path, &Sample)> = BTreeMap::new();
    for &(dir, sample) in all.iter().filter(|(_, s)| s.seed.is_some()) {
        let Some(&(first, of)) = known.get(sample.made_of.as_str()) else {
            known.insert(&sample.made_of, (dir, sample));
            continue;
        };
        let ports = |dir: &Path| -> Result<Vec<Vec<u8>>> {
            let logs = [store::CONSOLE, store::RECORDS].into_iter();
            logs.map(|log| {
                let path = dir.join(log);
                fs::read(&path).with_context(|| path.display().to_string())
            })
            .collect()
        };
        let found = exact::first_difference(&ports(first)?, &ports(dir)?);
        if let Some(what) = found {
            differing.push(format!(
                "{} and {} are boots of the same kernel, machine and seed and \
                 differ: {what}",
                of.name, sample.name
            ));
        }
    }
    Ok(())
}

/// Both sides by booting them in turn.
fn booted(
    args: &Args,
    asked: &Asked,
    root: &Path,
    differing: &mut Vec<String>,
) -> Result<(Side, Side)> {
    let a = boot_args(args, &args.a, &args.append_a)?;
    let b = boot_args(args, &args.b, &args.append_b)?;
    let order = order(args, a.deterministic)?;
    if a.payload.is_none() {
        metrics::check(&asked.metrics, &a.plan.join(" "))?;
    }
    let ready = [boot::Ready::new(&a)?, boot::Ready::new(&b)?];
    let mut of = [a, b];
    let mut stored: [Vec<Stored>; 2] = [Vec::new(), Vec::new()];
    let mut sides = [(&args.a, &args.append_a), (&args.b, &args.append_b)].map(
        |(kernel, append)| Side {
            name: [core::slice::from_ref(kernel), append].concat().join(" "),
            samples: Vec::new(),
        },
    );
    let mut boots = 0;
    let mut boot = |at: usize,
                    seed: Option<u64>,
                    what: &str|
     -> Result<(Stored, Sample)> {
        boots += 1;
        let letter = ["A", "B"][at];
        let seeded = seed.map_or(String::new(), |s| format!(", seed {s}"));
        eprintln!("boot {boots}{what}: {letter}{seeded}");
        of[at].deterministic = seed;
        let done = ready[at].boot_and_store(&of[at], root)?;
        if done.code == super::exit::TOOL {
            bail!("{letter}: {}: {}", done.report.outcome, done.report.reason);
        }
        let meta = store::meta(&done.dir)?;
        let run = Stored {
            dir: done.dir,
            meta,
        };
        let sample = sample(&run)?;
        Ok((run, sample))
    };
    let what = format!(" of {}", order.len());
    for &(at, seed) in &order {
        let (run, sample) = boot(at, seed, &what)?;
        stored[at].push(run);
        sides[at].samples.push(sample);
    }
    // Unless both sides are the same, each is booted a second time.
    let mut again = Vec::new();
    for (at, side) in sides.iter().enumerate() {
        let first = &side.samples[0];
        let all = sides.iter().flat_map(|side| &side.samples);
        let same = all.filter(|other| other.made_of == first.made_of).count();
        if first.seed.is_some() && same == 1 {
            again.push(boot(at, first.seed, ", again")?);
        }
    }
    let mut all: Vec<(&Path, &Sample)> = Vec::new();
    for (runs, side) in stored.iter().zip(&sides) {
        let runs = runs.iter().map(|run| run.dir.as_path());
        all.extend(runs.zip(&side.samples));
    }
    all.extend(
        again
            .iter()
            .map(|(run, sample)| (run.dir.as_path(), sample)),
    );
    repeats(&all, differing)?;
    payloads(&stored, differing);
    let [a, b] = sides;
    Ok((a, b))
}

/// Warns if the sources of the payload changed while it was booted.
fn payloads(stored: &[Vec<Stored>; 2], warnings: &mut Vec<String>) {
    let mut images: Vec<&str> = stored
        .iter()
        .flatten()
        .map(|run| run.meta.initramfs_sha256.as_str())
        .collect();
    images.sort_unstable();
    images.dedup();
    if images.len() > 1 {
        warnings.push("the initramfs changed between boots".to_owned());
    }
}

/// The sides in the order of their boots, with their seeds.
fn order(args: &Args, seed: Option<u64>) -> Result<Vec<(usize, Option<u64>)>> {
    let none = "0 boots compare nothing";
    let turn = |n: u64| match n % 2 {
        0 => [0, 1],
        _ => [1, 0],
    };
    let Some(first) = seed else {
        if args.seeds.is_some() {
            bail!("--seeds needs --deterministic; --runs is for other boots");
        }
        let runs = args.runs.unwrap_or(RUNS);
        if runs == 0 {
            bail!("--runs 0: {none}");
        }
        let turns = (0..runs as u64).flat_map(turn);
        return Ok(turns.map(|at| (at, None)).collect());
    };
    if args.runs.is_some() {
        bail!(
            "--runs is not for deterministic boots, which repeat themselves; \
             --seeds makes them differ"
        );
    }
    let seeds = args.seeds.unwrap_or(SEEDS);
    if seeds == 0 {
        bail!("--seeds 0: {none}");
    }
    let last = first.checked_add(seeds - 1);
    let last = last.ok_or_else(|| anyhow!("--seeds {seeds}: too many"))?;
    let pairs = (first..=last)
        .flat_map(|seed| turn(seed - first).map(move |at| (at, Some(seed))));
    Ok(pairs.collect())
}

/// The options of one side's boots.
fn boot_args(args: &Args, kernel: &str, more: &[String]) -> Result<boot::Args> {
    let mut boot = boot::handed("compare", &args.to_boot, kernel, &args.plan)?;
    boot.append.extend(more.iter().cloned());
    Ok(boot)
}

#[cfg(test)]
mod tests;
