//! `knobs`: which features of a kernel's scheduler move a figure.

use crate::arch::Arch;
use crate::boot::BootRequest;
use crate::boot::ready::{Ready, Setting};
use crate::compare::{ComparisonOptions, Side};
use crate::exit::Exit;
use crate::finished::{Cell, FinishedBoot};
use crate::knobs::{Knobs, Question, Tried, Unable, features, render};
use crate::live::{Board, Screen};
use crate::matrix::schedule::{Due, Schedule, Width};
use crate::matrix::work::{Observer, work};
use crate::metrics::{self, Selector};
use crate::topology::{Memory, Smp};
use crate::untrusted::json;
use crate::{interrupt, store};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use core::time::Duration;
use pidone::plan::settings::SCHED_FEATURES;
use pidone::plan::tunables::KEEP;
use std::fs;
use std::path::PathBuf;

/// Try every feature of a kernel's scheduler the other way round, a boot each,
/// and say which of them move a figure and by how much. The plan follows `--`.
#[derive(Debug, Clone, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "knobs")]
#[argh(
    usage = "<kernel> [options] -- plan...",
    example = "Which feature makes the difference between two kernels?\n\
               \x20 {command_name} debian:7.2-cloud \\\n\
               \x20   --against debian:6.12-cloud -- time=100ms work=PipeIo",
    note = "All machines are deterministic. On one CPU a seed is enough; with \
            more, figures depend on where tasks are placed, and --seeds 6 or \
            more tell what is the feature's.",
    note = "docs/knobs.md has more.",
    error_code(0, "it is known of every feature what it does"),
    error_code(1, "a run failed"),
    error_code(125, "cannot tell: no features, a skipped run, interrupted"),
    error_code(255, "the tool, its usage or the plan failed")
)]
pub struct Args {
    /// a kernel whose difference to this one is to be explained
    #[argh(option)]
    against: Option<String>,
    /// x86_64, aarch64 or riscv64; by default that of a kernel's file, or the host's
    #[argh(option)]
    arch: Option<&'static Arch>,
    /// virtual CPUs, as those of `boot`; 1 by default
    #[argh(option, default = "Smp::Flat(1)")]
    smp: Smp,
    /// memory, as that of `boot`
    #[argh(option, default = "Memory::default()")]
    mem: Memory,
    /// words for the kernel command line
    #[argh(option)]
    append: Vec<String>,
    /// seeds, beginning with 1; 1 by default
    #[argh(option, default = "1")]
    seeds: u64,
    /// a metric to judge by, as that of `compare`; may be repeated
    #[argh(option)]
    metric: Vec<String>,
    /// a difference that does not count, in percent, 0.5 by default
    #[argh(option, default = "0.5")]
    margin: f64,
    /// boots at once; by default as many as the host has cores
    #[argh(option)]
    jobs: Option<usize>,
    /// write what was found as JSON to a file; `-` is standard output
    #[argh(option, from_str_fn(super::output_file))]
    json: Option<String>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    store: Option<PathBuf>,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
    /// what --kernel of `boot` takes
    #[argh(positional)]
    kernel: String,
    /// the plan
    #[argh(positional, greedy)]
    plan: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
///
/// The usage or the plan is wrong, something that is needed is missing, or a
/// machine cannot be started.
pub fn run(args: &Args) -> Result<Exit> {
    let (knobs, worked) = match found(args) {
        Err(error) => match error.downcast_ref::<Unable>() {
            Some(unable) => {
                crate::tell!("cannot tell: {unable}");
                return Ok(unable.exit);
            }
            None => return Err(error),
        },
        Ok(found) => found,
    };
    let json = json(&knobs)?;
    match args.json.as_deref() {
        Some("-") => super::print(&json)?,
        file => {
            super::print(&render(&knobs))?;
            if let Some(file) = file {
                fs::write(file, json).with_context(|| file.to_owned())?;
            }
        }
    }
    worked?;
    Ok(knobs.exit_code)
}

/// What is known of the features, and what kept more from being tried.
///
/// # Errors
///
/// As those of [`run`], before a feature was tried.
pub fn found(args: &Args) -> Result<(Knobs, Result<()>)> {
    let asked = asked(args)?;
    let request = args.request(&args.kernel).planned("try")?;
    if request
        .plan
        .iter()
        .any(|word| word.starts_with(SCHED_FEATURES))
    {
        bail!("{SCHED_FEATURES}= is what `knobs` sets; the plan must not");
    }
    metrics::check(&asked.metrics, &request.plan.join(" "))?;
    let lab = Lab::new(args);
    let kept = with_features(&request, KEEP);
    let mut first = vec![("as-is".to_owned(), Ready::new(&kept)?)];
    if let Some(against) = &args.against {
        // The other kernel may have no features at all.
        let ready = Ready::new(&args.request(against))?;
        first.push(("against".to_owned(), ready));
    }
    crate::tell!(
        "{}: first the features as they are; after Ctrl-C the table says what \
         is known",
        lab.name
    );
    let mut sides: Vec<Vec<FinishedBoot>> =
        first.iter().map(|_| Vec::new()).collect();
    lab.boot(&first, |at, boot| sides[at].push(boot))?;
    let mut sides = sides.into_iter();
    let as_is = side(&args.kernel, sides.next().unwrap_or_default())?;
    let boot = as_is.boots.first().context("no boot")?;
    let all = features(boot)?;
    let against = args.against.as_deref().zip(sides.next());
    let against = against.map(|(name, boots)| side(name, boots)).transpose()?;
    lab.announce(all.len(), boot);
    let question = Question {
        plan: request.plan.clone(),
        as_is,
        against,
        asked,
    };
    let difference = question.difference()?;
    let ready = all.iter().map(|feature| {
        let flipped = feature.flipped();
        let request = with_features(&request, &flipped);
        Ok((flipped, Ready::new(&request)?))
    });
    let ready = ready.collect::<Result<Vec<_>>>()?;
    let mut boots: Vec<Vec<FinishedBoot>> =
        all.iter().map(|_| Vec::new()).collect();
    let worked = lab.boot(&ready, |at, boot| boots[at].push(boot));
    let tried: Result<Vec<Tried>> = all
        .iter()
        .zip(boots)
        .map(|(feature, boots)| question.tried(feature, boots, &difference))
        .collect();
    Ok((question.knobs(difference, tried?), worked))
}

fn asked(args: &Args) -> Result<ComparisonOptions> {
    if !(0.0..100.0).contains(&args.margin) {
        bail!("--margin {}: valid is 0 or more, below 100", args.margin);
    }
    if args.seeds == 0 {
        bail!("--seeds 0: 0 boots compare nothing");
    }
    if args.jobs == Some(0) {
        bail!("--jobs 0 boots nothing");
    }
    let selectors = args.metric.iter().map(|text| Selector::parse(text));
    Ok(ComparisonOptions {
        metrics: selectors.collect::<Result<_>>()?,
        all: false,
        rest: false,
        margin: args.margin / 100.0,
        look: 1,
    })
}

impl Args {
    fn request(&self, kernel: &str) -> BootRequest {
        let words = self.plan.iter().filter(|word| *word != "--");
        BootRequest {
            kernel: kernel.to_owned(),
            arch: self.arch,
            smp: self.smp,
            numa: 1,
            mem: self.mem.clone(),
            append: self.append.clone(),
            deterministic: Some(1),
            setup: self.setup,
            plan: words.cloned().collect(),
            ..BootRequest::default()
        }
    }
}

/// The same, with features set for all of its runs.
fn with_features(request: &BootRequest, features: &str) -> BootRequest {
    let mut request = request.clone();
    request
        .plan
        .insert(0, format!("{SCHED_FEATURES}={features}"));
    request
}

fn side(name: &str, boots: Vec<FinishedBoot>) -> Result<Side> {
    let boots = boots.into_iter().map(FinishedBoot::sound);
    Ok(Side {
        name: name.to_owned(),
        boots: boots.collect::<Result<_>>().context(name.to_owned())?,
    })
}

/// Where boots are made, several at once.
struct Lab {
    /// What they are stored as, all together.
    name: String,
    root: PathBuf,
    seeds: u64,
    jobs: usize,
}

impl Lab {
    fn new(args: &Args) -> Self {
        let cores = std::thread::available_parallelism();
        let cores = cores.map_or(1, usize::from);
        let process = std::process::id();
        Self {
            name: format!("knobs-{}-{process}", store::now()),
            root: args.store.clone().unwrap_or_else(store::default_dir),
            seeds: args.seeds,
            jobs: args.jobs.unwrap_or(cores),
        }
    }

    /// Says how long it will take to try all features, if each boot takes as
    /// long as this one.
    fn announce(&self, features: usize, boot: &FinishedBoot) {
        let boots = features as u64 * self.seeds;
        let rounds = boots.div_ceil(self.jobs as u64);
        let takes = Duration::from_millis(boot.meta.took_ms * rounds);
        crate::tell!(
            "{features} features, {boots} boots of {:.0} s, {} at a time: \
             about {} min {:02} s",
            boot.meta.took_ms as f64 / 1000.0,
            self.jobs,
            takes.as_secs() / 60,
            takes.as_secs() % 60
        );
    }

    /// Boots and stores all of them, with each seed.
    fn boot(
        &self,
        all: &[(String, Ready)],
        mut ended: impl FnMut(usize, FinishedBoot),
    ) -> Result<()> {
        let each = (0..all.len()).flat_map(|cell| {
            let due = move |boot| Due {
                boot,
                cell,
                // QEMU runs all CPUs of such a machine in turn.
                cores: 1,
                pool: None,
            };
            (1..=self.seeds).map(due)
        });
        let due: Vec<Due> = each.collect();
        let mut show = Show {
            board: Board::new(due.len()),
            names: all.iter().map(|(name, _)| name.as_str()).collect(),
            all: due.len(),
            begun: 0,
        };
        let boot = |due: Due, screen: Screen| -> Result<FinishedBoot> {
            interrupt::check()?;
            let (name, ready) = &all[due.cell];
            let setting = Setting {
                screen: screen.clone(),
                cell: Some(Cell {
                    matrix: self.name.clone(),
                    file: PathBuf::new(),
                    name: name.clone(),
                    boot: due.boot,
                }),
            };
            let boot =
                ready.boot_and_store(Some(due.boot), &setting, &self.root)?;
            let report = &boot.report;
            screen.say(&format!("{}: {}", report.outcome, report.reason));
            Ok(boot)
        };
        let schedule = Schedule::new(Width::Jobs(self.jobs), Vec::new(), due);
        work(schedule, &mut show, boot, |due, boot| ended(due.cell, boot))
    }
}

/// Shows what is under way.
struct Show<'n> {
    board: Board,
    names: Vec<&'n str>,
    all: usize,
    begun: usize,
}

impl Observer<Screen> for Show<'_> {
    fn begins(&mut self, due: Due) -> Screen {
        self.begun += 1;
        let screen = self.board.screen(self.names[due.cell]);
        if let Screen::Named(_) = screen {
            screen.say(&format!("boot {} of {} begins", self.begun, self.all));
        }
        screen
    }

    fn counts(&mut self, running: usize, waiting: usize) {
        let ended = self.all - running - waiting;
        self.board.count(ended, running, waiting);
    }
}
