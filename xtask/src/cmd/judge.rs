//! `judge`: one kernel, good or bad, for `git bisect run`.

use super::compare::stored;
use super::import;
use crate::arch::Arch;
use crate::boot::BootRequest;
use crate::boot::plan::works;
use crate::boot::ready::{Ready, Setting};
use crate::boot::request::with_machine;
use crate::compare::{Side, modes, plans};
use crate::exit::Exit;
use crate::finished::FinishedBoot;
use crate::judge::{
    BadOrSkip, Baseline, Call, Condition, Criteria, GoodOrBad, Opinion, Policy,
    Share, judge, known_metric, profiles,
};
use crate::kernel_build::{self, Order};
use crate::metrics::Selector;
use crate::store;
use crate::terminal::columns;
use anyhow::{Context, Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};
use std::path::{Path, PathBuf};

with_machine! {
/// Boot a kernel and say by the exit code whether it is good or bad: by how
/// it ends, by conditions, and beside a stored run.
#[derive(Debug, Clone, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "judge")]
#[argh(
    usage = "[--expect CONDITION] [--baseline RUN --worse-by SHARE] [options] \
             -- plan...",
    example = "Which commit made wake-ups slow, in a kernel tree:\n\
               \x20 git bisect run ~/pidone/target/debug/xtask judge \\\n\
               \x20   --tree . --deterministic --smp 1 \\\n\
               \x20   --expect 'wake.p50<12us' -- time=1s work=PipeIo",
    example = "Worse than a stored run of the same plan by 3 %:\n\
               \x20 {command_name} --kernel bzImage \\\n\
               \x20   --deterministic --smp 1 --worse-by 3% \\\n\
               \x20   --baseline 20261105T12 -- work=PipeIo",
    example = "What a CI has booted:\n\
               \x20 {command_name} --log artifacts.zip \
               --expect 'wake.p99<1ms'",
    note = "The options of `boot` that describe a machine are options of \
            `judge`, too. docs/bisect.md has more to copy.",
    error_code(0, "good"),
    error_code(1, "bad: the kernel, a run, a condition or a metric"),
    error_code(125, "cannot tell: no build, no boot, or nothing to judge"),
    error_code(255, "the tool, its usage or the plan failed")
)]
pub struct Args {
    /// what --kernel of `boot` takes
    #[argh(option)]
    pub kernel: Option<String>,
    /// a log, plain, compressed or in an archive, or a stored run, of which
    /// every boot is judged in place of one that is made; may be repeated
    #[argh(option)]
    pub log: Vec<String>,
    /// a directory with sources to build it from, in place of --kernel
    #[argh(option)]
    pub tree: Option<String>,
    /// a fragment for --tree, as `kernel build` takes it; may be repeated
    #[argh(option)]
    pub fragment: Vec<String>,
    /// a condition that must hold, as in wake.p99<500us, or of one run as in
    /// PipeIo:rate>5000; may be repeated
    #[argh(option)]
    pub expect: Vec<String>,
    /// stored runs to compare with: names, their beginnings or directories,
    /// with commas between them
    #[argh(option)]
    pub baseline: Option<String>,
    /// how much worse than the baseline is bad, as in 5%
    #[argh(option)]
    pub worse_by: Option<Share>,
    /// a metric to compare with the baseline's, as in wake.p50 or PipeIo:rate;
    /// may be repeated; by default those that are judged by `compare`
    #[argh(option)]
    pub metric: Vec<String>,
    /// boots; by default 5 where a figure decides, else 1
    #[argh(option)]
    pub runs: Option<u64>,
    /// seeds of deterministic machines, 1 by default
    #[argh(option)]
    pub seeds: Option<u64>,
    /// what a panic or a hang in the middle of a run is: bad (the default) or
    /// skip
    #[argh(option, default = "BadOrSkip(Call::Bad)")]
    pub panic: BadOrSkip,
    /// what a kernel is that never gets to its init: skip (the default) or bad
    #[argh(option, default = "BadOrSkip(Call::CannotTell)")]
    pub no_boot: BadOrSkip,
    /// end with 0 or 1 only, as git_bayesect needs it: what cannot be told is
    /// good or bad
    #[argh(option)]
    pub bayes: Option<GoodOrBad>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    pub store: Option<PathBuf>,
}
}

/// Boots of a machine that does not repeat itself, where figures decide: all
/// of so many on one side are more than a coin gives.
const RUNS: u64 = 5;

/// Runs the verb.
///
/// # Errors
///
/// The usage or the plan is wrong, or something that is needed is missing.
pub fn run(args: &Args) -> Result<Exit> {
    let ((mut call, reason), profiles) = opinion(args)?;
    super::print(&format!("{profiles}{call}: {reason}\n"))?;
    if call == Call::CannotTell
        && let Some(instead) = args.bayes
    {
        call = instead.0;
        super::print(&format!("taken as {call}\n"))?;
    }
    Ok(call.exit())
}

/// Builds and boots what is to be judged, and judges it. Behind the opinion
/// are the profiles of the boots, if there are any, for people.
///
/// # Errors
///
/// As those of [`run`].
pub fn opinion(args: &Args) -> Result<(Opinion, String)> {
    let root = store::root(args.store.as_deref())?;
    if !args.log.is_empty() {
        return of_logs(args, &root);
    }
    let kernel = args.kernel.as_deref().unwrap_or_default();
    let mut request = args.request(kernel).planned("judge")?;
    let seeds = seeds(args)?;
    let asked = asked(args, &request, &root)?;
    match (&args.kernel, &args.tree) {
        (Some(_), None) => {}
        (None, Some(tree)) => {
            match kernel_build::attempt(&order(args, tree))? {
                Ok(image) => request.kernel = image.display().to_string(),
                Err(why) => {
                    return Ok(((Call::CannotTell, why), String::new()));
                }
            }
        }
        _ => bail!(
            "judge takes one of --kernel IMAGE, --tree DIRECTORY and --log FILE"
        ),
    }
    let ready = Ready::new(&request)?;
    let mut boots: Vec<FinishedBoot> = Vec::new();
    for (n, seed) in seeds.iter().enumerate() {
        if seeds.len() > 1 {
            crate::tell!("boot {} of {}", n + 1, seeds.len());
        }
        let boot = ready.boot_and_store(*seed, &Setting::alone(), &root)?;
        boots.push(boot.sound()?);
        if n == 0
            && let Some(baseline) = &asked.baseline
        {
            comparable(baseline, &boots[0])?;
        }
    }
    let profiles = profiles(asked.baseline.as_ref(), &boots, columns());
    Ok((judge(&asked, &boots)?, profiles))
}

/// Judges boots that were made elsewhere, of one plan.
fn of_logs(args: &Args, root: &Path) -> Result<(Opinion, String)> {
    let mut request = args.request("");
    let plan = !core::mem::take(&mut request.plan).is_empty();
    for (given, what) in [
        (args.kernel.is_some(), "--kernel"),
        (args.tree.is_some(), "--tree"),
        (!args.fragment.is_empty(), "--fragment"),
        (args.runs.is_some(), "--runs"),
        (args.seeds.is_some(), "--seeds"),
        // The verb and the mark in front of a plan are always there.
        (request.command().len() > 2, "an option of `boot`"),
        (plan, "a plan"),
    ] {
        if given {
            bail!("{what} with --log: that was booted already");
        }
    }
    let known = stored::list(root)?;
    let mut boots: Vec<FinishedBoot> = Vec::new();
    for log in &args.log {
        match Path::new(log).is_file() {
            true => boots.extend(import::of(Path::new(log), "")?),
            false => {
                let found = stored::find(log, &known)?;
                let stored::Found::Stored(runs) = found else {
                    bail!("--log {log}: not a log but a kernel");
                };
                boots.extend(stored::read(&runs)?);
            }
        }
    }
    let side = |boots: &[FinishedBoot]| Side {
        name: String::new(),
        boots: boots.to_vec(),
    };
    plans(&side(&boots), &side(&[])).context("--log")?;
    let told = |boot: &FinishedBoot| {
        boot.report.hello.as_ref().map(|hello| hello.plan.clone())
    };
    request.plan = boots.iter().find_map(told).unwrap_or_default();
    let asked = asked(args, &request, root)?;
    if let (Some(baseline), Some(first)) = (&asked.baseline, boots.first()) {
        comparable(baseline, first)?;
    }
    let boots: Vec<FinishedBoot> = boots
        .into_iter()
        .map(FinishedBoot::sound)
        .collect::<Result<_>>()?;
    let profiles = profiles(asked.baseline.as_ref(), &boots, columns());
    Ok((judge(&asked, &boots)?, profiles))
}

/// What is built of a tree.
fn order(args: &Args, tree: &str) -> Order {
    let arch = args.arch.unwrap_or_else(Arch::host);
    Order {
        fragments: args.fragment.clone(),
        setup: args.setup,
        ..Order::of(tree, "tinyconfig", arch)
    }
}

/// The seed of each boot.
fn seeds(args: &Args) -> Result<Vec<Option<u64>>> {
    let first = args.deterministic;
    let (boots, what) = match (first, args.runs, args.seeds) {
        (None, _, Some(_)) => {
            bail!("--seeds needs --deterministic; --runs is for other boots")
        }
        (Some(_), Some(_), _) => bail!(
            "--runs is not for deterministic boots, which repeat themselves; \
             --seeds makes them differ"
        ),
        (None, Some(runs), None) => (runs, "--runs"),
        (None, None, None) if args.expect.is_empty() => {
            let alone = args.baseline.is_none();
            (if alone { 1 } else { RUNS }, "--runs")
        }
        (None, None, None) => (RUNS, "--runs"),
        (Some(_), None, seeds) => (seeds.unwrap_or(1), "--seeds"),
    };
    if boots == 0 {
        bail!("{what} 0: 0 boots say nothing");
    }
    let seed = |n: u64| {
        let seed = first.map(|first| first.checked_add(n));
        seed.map(|s| s.ok_or_else(|| anyhow!("{what} {boots}: too many")))
            .transpose()
    };
    (0..boots).map(seed).collect()
}

/// What is asked, checked before anything is built.
fn asked(args: &Args, request: &BootRequest, root: &Path) -> Result<Criteria> {
    let plan = works(request)?;
    let conditions = args.expect.iter();
    let conditions = conditions
        .map(|text| Condition::parse(text, &plan))
        .collect::<Result<_>>()?;
    let metrics = args.metric.iter();
    let metrics: Vec<Selector> = metrics
        .map(|text| {
            let selector = Selector::parse(text)?;
            known_metric(&selector, &plan)?;
            Ok(selector)
        })
        .collect::<Result<_>>()?;
    let baseline = match (&args.baseline, args.worse_by) {
        (Some(text), Some(Share(by))) => {
            let stored = stored::list(root)?;
            let found = stored::find(text, &stored)?;
            let stored::Found::Stored(runs) = found else {
                bail!("--baseline {text}: not a stored run but a kernel");
            };
            let boots = stored::read(&runs)?;
            let bad = |boot: &&FinishedBoot| boot.meta.exit_code != Exit::Good;
            if let Some(bad) = boots.iter().find(bad) {
                bail!(
                    "--baseline: {} did not end well: {}",
                    bad.name(),
                    bad.report.reason
                );
            }
            Some(Baseline { boots, metrics, by })
        }
        (Some(_), None) => bail!("--baseline needs --worse-by, such as 5%"),
        (None, Some(_)) => {
            bail!("--worse-by needs --baseline RUN, to be worse than")
        }
        (None, None) if !metrics.is_empty() => {
            bail!("--metric needs --baseline; --expect takes a condition")
        }
        (None, None) => None,
    };
    Ok(Criteria {
        conditions,
        baseline,
        policy: Policy {
            panic: args.panic.0,
            no_boot: args.no_boot.0,
        },
    })
}

/// Refuses to compare with boots of another plan or kind of machine.
fn comparable(baseline: &Baseline, now: &FinishedBoot) -> Result<()> {
    let side = |boots: &[FinishedBoot]| Side {
        name: String::new(),
        boots: boots.to_vec(),
    };
    let (old, new) = (side(&baseline.boots), side(core::slice::from_ref(now)));
    modes(&old, &new).context("--baseline")?;
    plans(&old, &new).context("--baseline")
}
