//! `judge`: one kernel, good or bad, for `git bisect run`.

use super::boot::plan::works;
use super::boot::ready::Ready;
use super::compare::stored;
use super::{boot, exit, runs};
use crate::arch::Arch;
use crate::compare::{Sample, Side, modes, plans};
use crate::judge::{
    As, Asked, Baseline, Call, Condition, Opinion, Policy, Share, judge,
    known_metric,
};
use crate::kernel_build::{self, DoesNotBuild, Order};
use crate::metrics::Selector;
use crate::store::{self, Stored};
use anyhow::{Context, Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};
use std::path::{Path, PathBuf};

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
    /// boots, 1 by default: most of them decide
    #[argh(option)]
    pub runs: Option<u64>,
    /// the same for deterministic machines, which differ by their seeds
    #[argh(option)]
    pub seeds: Option<u64>,
    /// what a panic or a hang in the middle of a run is: bad (the default) or
    /// skip
    #[argh(option, default = "As(Call::Bad)")]
    pub panic: As,
    /// what a kernel is that never gets to its init: skip (the default) or bad
    #[argh(option, default = "As(Call::CannotTell)")]
    pub no_boot: As,
    /// end with 0 or 1 only, as git_bayesect needs it: what cannot be told is
    /// good or bad
    #[argh(option)]
    pub bayes: Option<As>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    pub store: Option<PathBuf>,
    /// a word for `boot`
    #[argh(option, hidden_help)]
    pub to_boot: Vec<String>,
    /// the plan
    #[argh(positional, greedy)]
    pub plan: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
///
/// The usage or the plan is wrong, or something that is needed is missing.
pub fn run(args: &Args) -> Result<u8> {
    let (mut call, reason) = opinion(args)?;
    super::print(&format!("{call}: {reason}\n"))?;
    if call == Call::CannotTell
        && let Some(instead) = args.bayes
    {
        call = instead.0;
        super::print(&format!("taken as {call}\n"))?;
    }
    Ok(call.code())
}

/// Builds and boots what is to be judged, and judges it.
///
/// # Errors
///
/// As those of [`run`].
pub fn opinion(args: &Args) -> Result<Opinion> {
    for (what, given) in [("--panic", args.panic), ("--no-boot", args.no_boot)]
    {
        if given.0 == Call::Good {
            bail!("{what} good: valid are bad and skip");
        }
    }
    if args.bayes == Some(As(Call::CannotTell)) {
        bail!("--bayes skip: valid are good and bad");
    }
    let kernel = args.kernel.as_deref().unwrap_or_default();
    let mut of = boot::handed("judge", &args.to_boot, kernel, &args.plan)?;
    let seeds = seeds(args, of.deterministic)?;
    let root = args.store.clone().unwrap_or_else(runs::default_dir);
    let asked = asked(args, &of, &root)?;
    of.kernel = match (&args.kernel, &args.tree) {
        (Some(kernel), None) => kernel.clone(),
        (None, Some(tree)) => match built(args, tree, &of)? {
            Ok(image) => image.display().to_string(),
            Err(why) => return Ok((Call::CannotTell, why)),
        },
        _ => bail!("what to judge: one of --kernel and --tree"),
    };
    let ready = Ready::new(&of)?;
    let mut samples: Vec<Sample> = Vec::new();
    for (n, seed) in seeds.iter().enumerate() {
        if seeds.len() > 1 {
            eprintln!("boot {} of {}", n + 1, seeds.len());
        }
        of.deterministic = *seed;
        samples.push(booted(&ready, &of, &root)?);
        if n == 0
            && let Some(baseline) = &asked.baseline
        {
            comparable(baseline, &samples[0])?;
        }
    }
    judge(&asked, &samples)
}

/// Boots once, and stores it.
///
/// # Errors
///
/// The machine cannot be started, the plan is refused or the run cannot be
/// stored.
pub(super) fn booted(
    ready: &Ready,
    args: &boot::Args,
    root: &Path,
) -> Result<Sample> {
    let done = ready.boot_and_store(args, root)?;
    if done.code == exit::TOOL {
        bail!("{}: {}", done.report.outcome, done.report.reason);
    }
    let meta = store::meta(&done.dir)?;
    stored::sample(&Stored {
        dir: done.dir,
        meta,
    })
}

/// Builds a tree; why it does not build is no failure of ours.
fn built(
    args: &Args,
    tree: &str,
    of: &boot::Args,
) -> Result<core::result::Result<PathBuf, String>> {
    let cpus = std::thread::available_parallelism();
    let built = kernel_build::build(&Order {
        tree: tree.to_owned(),
        fragments: args.fragment.clone(),
        base: "tinyconfig".to_owned(),
        arch: of.arch.unwrap_or_else(Arch::host),
        jobs: cpus.map_or(1, usize::from),
        setup: of.setup,
    });
    match built {
        Ok(built) => Ok(Ok(built.image)),
        Err(error) if error.is::<DoesNotBuild>() => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// The seed of each boot.
fn seeds(args: &Args, first: Option<u64>) -> Result<Vec<Option<u64>>> {
    let (boots, what) = match (first, args.runs, args.seeds) {
        (None, _, Some(_)) => {
            bail!("--seeds needs --deterministic; --runs is for other boots")
        }
        (Some(_), Some(_), _) => bail!(
            "--runs is not for deterministic boots, which repeat themselves; \
             --seeds makes them differ"
        ),
        (None, runs, None) => (runs.unwrap_or(1), "--runs"),
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
fn asked(args: &Args, of: &boot::Args, root: &Path) -> Result<Asked> {
    let plan = works(of)?;
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
            let samples = runs.iter().map(stored::sample);
            let samples: Vec<Sample> = samples.collect::<Result<_>>()?;
            if let Some(bad) = samples.iter().find(|s| s.code != exit::GOOD) {
                bail!(
                    "--baseline: {} did not end well: {}",
                    bad.name,
                    bad.report.reason
                );
            }
            Some(Baseline {
                samples,
                metrics,
                by,
            })
        }
        (Some(_), None) => bail!("--baseline needs --worse-by, such as 5%"),
        (None, Some(_)) => bail!("--worse-by needs --baseline"),
        (None, None) if !metrics.is_empty() => {
            bail!("--metric needs --baseline; --expect takes a condition")
        }
        (None, None) => None,
    };
    Ok(Asked {
        conditions,
        baseline,
        policy: Policy {
            panic: args.panic.0,
            no_boot: args.no_boot.0,
        },
    })
}

/// Refuses to compare with boots of another plan or kind of machine.
fn comparable(baseline: &Baseline, now: &Sample) -> Result<()> {
    let side = |samples: &[Sample]| Side {
        name: String::new(),
        samples: samples.to_vec(),
    };
    let (old, new) =
        (side(&baseline.samples), side(core::slice::from_ref(now)));
    modes(&old, &new).context("--baseline")?;
    plans(&old, &new).context("--baseline")
}
