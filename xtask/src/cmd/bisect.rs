//! `bisect`: the commit of a kernel tree that made something worse.

use crate::arch::Arch;
use crate::bisect::decide::Scale;
use crate::bisect::git::Repo;
use crate::bisect::state::{Boot, State};
use crate::bisect::{Answer, Bisection, BisectionOptions, Lab, Measurement};
use crate::boot::BootRequest;
use crate::boot::plan::works;
use crate::boot::ready::{Ready, Setting};
use crate::boot::request::with_machine;
use crate::exit::Exit;
use crate::finished::{FinishedBoot, SCHEMA, modes, on};
use crate::judge::{
    BadOrSkip, Call, Condition, Policy, Share, ended, known_metric, worst,
};
use crate::kernel_build::{self, Order, key};
use crate::metrics::{self, Better, Selector};
use crate::noise::Noise;
use crate::profile::diff::of_boots;
use crate::store::StoredRun;
use crate::terminal::columns;
use crate::text::several;
use crate::{cache, interrupt, store, tools};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

with_machine! {
/// Find the commit of a kernel tree that made something worse: measure both
/// ends, and search what lies between them in a worktree of its own.
#[derive(Debug, Clone, Default, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "bisect")]
#[argh(
    usage = "--tree DIR --good REV --bad REV [--metric METRIC | --expect \
             CONDITION...] [options] -- plan...",
    example = "Exact figures, one boot a step:\n\
               \x20 {command_name} --tree linux --good v6.12 --bad v6.13 \\\n\
               \x20   --deterministic --smp 1 --metric rate -- work=PipeIo",
    example = "Where wake-ups became slower than a limit, by chance or not:\n\
               \x20 {command_name} --tree linux --good v6.12 --bad v6.13 \\\n\
               \x20   --expect 'wake.p99<500us' -- time=2s work=PipeIo",
    note = "The same command takes an interrupted bisection up again, and says \
            once more what a finished one found.",
    note = "Without --metric and --expect, a commit is bad if its boot fails: \
            by the kernel, a run, or the plan's own expect=.",
    note = "The options of `boot` that describe a machine are options of \
            `bisect`, too. docs/bisect.md says how steps are decided.",
    error_code(0, "found, and verified beside its parent"),
    error_code(125, "cannot tell: the ends, or what was found, do not differ"),
    error_code(255, "the tool, its usage or the plan failed")
)]
pub struct Args {
    /// a git checkout of the kernel, which stays as it is
    #[argh(option)]
    pub tree: PathBuf,
    /// a revision that is good
    #[argh(option)]
    pub good: String,
    /// a revision that is bad
    #[argh(option)]
    pub bad: String,
    /// a metric that became worse, as in wake.p50, or of one run as in
    /// PipeIo:rate
    #[argh(option)]
    pub metric: Option<String>,
    /// a condition that no longer holds, as in wake.p99<500us; may be repeated
    #[argh(option)]
    pub expect: Vec<String>,
    /// look for what made it better
    #[argh(switch)]
    pub better: bool,
    /// boots of each end, and of the culprit and its parent, 8 by default
    #[argh(option)]
    pub runs: Option<usize>,
    /// seeds of deterministic machines, beginning with that of
    /// --deterministic, 3 by default, of conditions 4
    #[argh(option)]
    pub seeds: Option<usize>,
    /// how sure all steps together must be, 95% by default; boots are repeated
    /// until they are
    #[argh(option)]
    pub confidence: Option<Share>,
    /// most boots of a step, 40 by default
    #[argh(option)]
    pub most_boots: Option<usize>,
    /// a difference between both ends that does not count, 0.5% by default
    #[argh(option)]
    pub margin: Option<Share>,
    /// what a panic or a hang in the middle of a run is: bad or skip; by
    /// default skip for --metric and else bad
    #[argh(option)]
    pub panic: Option<BadOrSkip>,
    /// what a kernel is that never gets to its init: skip (the default) or bad
    #[argh(option)]
    pub no_boot: Option<BadOrSkip>,
    /// a fragment of kernel-configs/, as `kernel build` takes it; may be
    /// repeated
    #[argh(option)]
    pub fragment: Vec<String>,
    /// what they are merged into: tinyconfig (the default), defconfig or a file
    #[argh(option)]
    pub base: Option<String>,
    /// forget what an earlier bisection of the same measured
    #[argh(switch)]
    pub restart: bool,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    pub store: Option<PathBuf>,
}
}

/// Boots of each end.
const RUNS: usize = 8;
/// Seeds of deterministic machines.
const SEEDS: usize = 3;
/// The same where each seed only says yes or no: fewer cannot tell two ends
/// apart.
const SEEDS_OF_CONDITIONS: usize = 4;
/// Most boots of a step.
const MOST: usize = 40;

/// Runs the verb.
///
/// # Errors
///
/// The usage or the plan is wrong, or something that is needed is missing.
pub fn run(args: &Args) -> Result<Exit> {
    let (answer, report) = bisect(args)?;
    super::print(&report)?;
    Ok(match answer {
        Answer::Found { .. } => Exit::Good,
        _ => Exit::CannotTell,
    })
}

/// Finds the commit; also says so in words.
///
/// # Errors
///
/// As those of [`run`].
pub fn bisect(args: &Args) -> Result<(Answer, String)> {
    let request = args.request("").planned("bisect")?;
    tools::require(&[tools::GIT], args.setup)?;
    let (asked, question) = asked(args, &request)?;
    let tree = Repo::top(&args.tree)?;
    let ends = [&args.good, &args.bad];
    let [good, bad] = ends.map(|rev| Repo::commit(&tree, rev));
    let (good, bad) = (good?, bad?);
    if good == bad {
        bail!(
            "--good {} and --bad {}: the same commit",
            args.good,
            args.bad
        );
    }
    if Repo::is_ancestor(&tree, &bad, &good)? {
        bail!(
            "--bad {} is older than --good {}; are they swapped? --better \
             looks for what made it better",
            args.bad,
            args.good
        );
    }
    if Repo::dirty(&tree)? {
        crate::tell!(
            "note: {} has changes that are not committed; they are left as \
             they are, and are in no kernel that is built",
            tree.display()
        );
    }
    let (_alone, dir, repo) = workbench(&tree)?;
    let words = said(args);
    let file = dir.join(format!("{}.json", key(&[&good, &bad, &words])));
    let mut state = match State::resumed(&file, args.restart)? {
        Some(state) => state,
        None => State {
            schema: SCHEMA,
            question: words,
            good: good.clone(),
            bad: bad.clone(),
            ..State::default()
        },
    };
    if state.count() > 0 {
        crate::tell!(
            "taken up again: {} and {} are known; --restart forgets them",
            several(state.count(), "boot"),
            several(state.steps.len(), "step")
        );
    }
    let seed = asked.seed;
    let mut bench = Bench {
        args,
        request,
        question,
        policy: policy(args),
        worktree: &repo.worktree,
        root: store::root(args.store.as_deref())?,
        ready: BTreeMap::new(),
        noise: None,
    };
    let mut bisection = Bisection {
        repo: &repo,
        state: &mut state,
        file: &file,
        asked,
    };
    let answer = bisection.run(&mut bench);
    if answer.is_err() && interrupt::happened() {
        crate::tell!(
            "{} and {} are kept; the same command goes on with them",
            several(bisection.state.count(), "boot"),
            several(bisection.state.steps.len(), "step")
        );
    }
    let answer = answer?;
    let history = repo.between(&good, &bad)?;
    let mut report = bisection.report(&answer, &history);
    report.insert_str(0, &ran_on(&bench.root, &state));
    if args.profile && matches!(answer, Answer::Found { .. }) {
        report += &functions(&bench.root, &state)?;
    }
    if let Some(noise) = bench.noise.filter(|_| seed.is_none()) {
        report += &format!(
            "the host did other things meanwhile: up to {:.1} CPUs busy for \
             others; --deterministic has no such noise\n",
            noise.others
        );
    }
    Ok((answer, report))
}

/// The place where kernels of a tree are built, which is ours alone for as
/// long as the file is held, and a worktree there.
pub(super) fn workbench(tree: &Path) -> Result<(File, PathBuf, Repo)> {
    let name = tree.file_name().unwrap_or_default().to_string_lossy();
    let place = tree.display().to_string();
    let dir = cache::dir()?
        .join("bisect")
        .join(format!("{name}-{}", key(&[&place])));
    let what = format!("another bisection or review of {place}");
    let alone = interrupt::lock(&dir, &what)?;
    let repo = Repo::open(tree, &dir.join(name.as_ref()))?;
    Ok((alone, dir, repo))
}

/// On what the boots ran that are still stored.
fn ran_on(root: &Path, state: &State) -> String {
    let boots = state.commits.values().flat_map(|commit| &commit.boots);
    let stored: Vec<StoredRun> = boots
        .filter_map(|boot| StoredRun::at(&root.join(&boot.run)).ok())
        .collect();
    on(&modes(stored.iter().map(|run| run.meta.mode())))
}

/// In which functions the culprit executes more or less than its parent.
fn functions(root: &Path, state: &State) -> Result<String> {
    let read = |boots: &[Boot]| -> Result<Vec<FinishedBoot>> {
        let runs = boots.iter().map(|boot| root.join(&boot.run));
        runs.map(|dir| StoredRun::at(&dir)?.read()).collect()
    };
    let [parent, culprit] = &state.verified;
    let all = of_boots(&read(parent)?, &read(culprit)?);
    let each = all.iter().map(|of| format!("\n{}", of.whole(columns())));
    Ok(each.collect())
}

/// Everything that makes this bisection another one.
fn said(args: &Args) -> String {
    let call = |of: Option<BadOrSkip>| of.map(|of| of.0.to_string());
    let base = args.base.as_deref().unwrap_or("tinyconfig");
    let parts: [(&str, Vec<String>); 7] = [
        ("metric", args.metric.iter().cloned().collect()),
        ("expect", args.expect.clone()),
        ("better", vec![args.better.to_string()]),
        ("panic", call(args.panic).into_iter().collect()),
        ("no boot", call(args.no_boot).into_iter().collect()),
        (
            "kernel",
            [args.fragment.clone(), vec![base.into()]].concat(),
        ),
        ("boot", args.request("").measured()),
    ];
    let lines = parts.map(|(what, words)| format!("{what}: {words:?}\n"));
    lines.concat()
}

fn policy(args: &Args) -> Policy {
    let panic = match args.metric {
        Some(_) => Call::CannotTell,
        None => Call::Bad,
    };
    Policy {
        panic: args.panic.map_or(panic, |call| call.0),
        no_boot: args.no_boot.map_or(Call::CannotTell, |call| call.0),
    }
}

/// What boots are asked.
enum Question {
    Metric(Selector),
    Conditions(Vec<Condition>),
}

/// Checks everything that needs no kernel.
fn asked(
    args: &Args,
    request: &BootRequest,
) -> Result<(BisectionOptions, Question)> {
    let plan = works(request)?;
    let question = match &args.metric {
        Some(_) if !args.expect.is_empty() => {
            bail!("--metric and --expect: one of them at a time")
        }
        Some(text) => {
            let selector = Selector::parse(text)?;
            known_metric(&selector, &plan)?;
            Question::Metric(selector)
        }
        None => {
            let all = args.expect.iter();
            let all = all.map(|text| Condition::parse(text, &plan));
            Question::Conditions(all.collect::<Result<_>>()?)
        }
    };
    let (name, way) = match &question {
        Question::Metric(metric) => {
            (args.metric.clone(), metrics::better(&metric.name))
        }
        Question::Conditions(all) if all.is_empty() => {
            (Some("how boots end".to_owned()), Better::Lower)
        }
        Question::Conditions(_) => {
            (Some(args.expect.join(" and ")), Better::Lower)
        }
    };
    let better = match (args.better, way) {
        (true, Better::Lower) => Better::Higher,
        (true, Better::Higher) => Better::Lower,
        (_, way) => way,
    };
    let boots = match (request.deterministic, args.runs, args.seeds) {
        (None, _, Some(_)) => {
            bail!("--seeds needs --deterministic; --runs is for other boots")
        }
        (Some(_), Some(_), _) => bail!(
            "--runs is not for deterministic boots, which repeat themselves; \
             --seeds makes them differ"
        ),
        (None, runs, None) => runs.unwrap_or(RUNS),
        (Some(_), None, Some(seeds)) => seeds,
        (Some(_), None, None) if args.metric.is_some() => SEEDS,
        (Some(_), None, None) => SEEDS_OF_CONDITIONS,
    };
    let most = args.most_boots.unwrap_or(MOST);
    if boots == 0 || most == 0 {
        bail!("0 boots say nothing");
    }
    let last = request.deterministic.unwrap_or(0).checked_add(boots as u64);
    last.with_context(|| format!("--seeds {boots}: too many"))?;
    let confidence = args.confidence.map_or(0.95, |share| share.0);
    if !(0.5..1.0).contains(&confidence) {
        bail!(
            "--confidence {}%: valid is 50% or more, below 100%",
            confidence * 100.0
        );
    }
    let asked = BisectionOptions {
        scale: Scale {
            name: name.unwrap_or_default(),
            unit: String::new(),
            better,
            margin: args.margin.map_or(0.005, |share| share.0),
            condition: args.metric.is_none(),
        },
        seed: request.deterministic,
        boots,
        confidence,
        most,
    };
    Ok((asked, question))
}

/// Builds in the worktree and boots in QEMU.
struct Bench<'a> {
    args: &'a Args,
    request: BootRequest,
    question: Question,
    policy: Policy,
    worktree: &'a Path,
    root: PathBuf,
    ready: BTreeMap<PathBuf, Ready>,
    /// The loudest that the host was.
    noise: Option<Noise>,
}

impl Lab for Bench<'_> {
    fn build(&mut self) -> Result<core::result::Result<PathBuf, String>> {
        let base = self.args.base.as_deref().unwrap_or("tinyconfig");
        let arch = self.request.arch.unwrap_or_else(Arch::host);
        kernel_build::attempt(&Order {
            fragments: self.args.fragment.clone(),
            setup: self.request.setup,
            ..Order::of(&self.worktree.display().to_string(), base, arch)
        })
    }

    fn boot(&mut self, image: &Path, seed: Option<u64>) -> Result<Measurement> {
        if !self.ready.contains_key(image) {
            let mut request = self.request.clone();
            request.kernel = image.display().to_string();
            let ready = Ready::new(&request)?;
            self.ready.insert(image.to_path_buf(), ready);
        }
        let ready = self.ready.get(image).context("no image")?;
        let alone = Setting::alone();
        let boot = ready.boot_and_store(seed, &alone, &self.root)?.sound()?;
        if let Some(loud) = boot.meta.noise.filter(Noise::loud) {
            self.noise = Some(self.noise.map_or(loud, |n| n.most(&loud)));
        }
        measured(&self.question, self.policy, &boot)
    }

    fn say(&mut self, text: &str) {
        crate::tell!("{text}");
    }
}

/// What a boot says to the question.
fn measured(
    question: &Question,
    policy: Policy,
    boot: &FinishedBoot,
) -> Result<Measurement> {
    let report = &boot.report;
    let (mut call, mut why) = ended(report, boot.meta.exit_code, policy);
    let mut found = Measurement {
        boot: Boot {
            seed: boot.meta.deterministic,
            run: boot.name(),
            ..Boot::default()
        },
        initramfs: boot.meta.initramfs_sha256.clone(),
        ..Measurement::default()
    };
    match question {
        Question::Metric(selector) if call == Call::Good => {
            let metrics = selector.of(report)?;
            if let [(_, metric)] = &metrics[..] {
                found.boot.value = Some(metric.value);
                found.boot.steady = metric.steady;
                found.resolution = metric.resolution;
                found.unit.clone_from(&metric.unit);
            } else if metrics.is_empty() {
                why = format!("no figure for {}", selector.name);
            } else {
                let all = metrics.iter();
                let all = all.map(|(run, m)| format!("{run}:{}", m.name));
                let all: Vec<String> = all.collect();
                bail!("which run's metric? --metric {}", all.join(", "));
            }
        }
        Question::Metric(_) => found.boot.bad = call == Call::Bad,
        Question::Conditions(all) => {
            if call == Call::Good && !all.is_empty() {
                why.clear();
                for condition in all {
                    let mut of = (call, why);
                    worst(&mut of, condition.of(report)?);
                    (call, why) = of;
                }
            }
            found.boot.value = match call {
                Call::Good => Some(0.0),
                Call::Bad => Some(1.0),
                Call::CannotTell => None,
            };
        }
    }
    found.boot.why = why;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::functions;
    use crate::bisect::state::{Boot, State};
    use crate::finished::{FinishedBoot, Meta, SCHEMA};
    use crate::model::{Report, Run};
    use crate::store::Pending;
    use crate::testing::profile;
    use std::path::Path;

    fn stored(root: &Path, instructions: u64) -> Vec<Boot> {
        let run = Run {
            name: "PipeIo".to_owned(),
            profile: Some(profile(instructions)),
            ..Run::default()
        };
        let mut boot = FinishedBoot {
            meta: Meta {
                schema: SCHEMA,
                ..Meta::default()
            },
            report: Report {
                schema: SCHEMA,
                runs: vec![run],
                ..Report::default()
            },
            ..FinishedBoot::default()
        };
        Pending::new(root).unwrap().store(&mut boot).unwrap();
        let run = boot.name();
        vec![Boot {
            run,
            ..Boot::default()
        }]
    }

    #[test]
    fn a_culprit_is_told_by_its_functions() {
        let root = tempfile::tempdir().unwrap();
        let verified = [100, 5100].map(|n| stored(root.path(), n));
        let state = State {
            verified,
            ..State::default()
        };
        let text = functions(root.path(), &state).unwrap();
        let said = "PipeIo: +500.0 instructions an iteration (+5000.00 %): \
                    try_to_wake_up +500.0\n";
        assert!(text.ends_with(said), "{text}");
        assert!(text.starts_with("\nPipeIo: instructions an iter"), "{text}");
    }
}
