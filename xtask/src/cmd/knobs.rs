//! `knobs`: which features of a kernel's scheduler move a figure.

mod lab;

use self::lab::Lab;
use crate::arch::Arch;
use crate::boot::BootRequest;
use crate::boot::ready::Ready;
use crate::compare::{ComparisonOptions, Side};
use crate::exit::Exit;
use crate::finished::FinishedBoot;
use crate::knobs::{Knobs, Question, Tried, Unable, features, render};
use crate::metrics::{self, Selector};
use crate::topology::{Memory, Smp};
use crate::untrusted::json;
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use pidone::plan::settings::SCHED_FEATURES;
use pidone::plan::tunables::KEEP;
use std::fs;
use std::path::{Path, PathBuf};

/// Try every feature of a kernel's scheduler the other way round, a boot each,
/// and say which of them move a figure and by how much. The plan follows `--`.
#[derive(Debug, Clone, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "knobs")]
#[argh(
    usage = "<kernel> [options] -- plan...",
    example = "Which feature makes the difference between two kernels?\n\
               \x20 {command_name} debian:7.2-cloud \\\n\
               \x20   --against debian:6.12-cloud -- time=100ms work=PipeIo",
    example = "After Ctrl-C, what is left:\n\
               \x20 {command_name} debian:7.2-cloud --resume -- \\\n\
               \x20   time=100ms work=PipeIo",
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
    /// x86_64, aarch64 or riscv64; by default that of a kernel's file, or the
    /// host's
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
    /// go on with what was interrupted: keep the boots that are stored
    #[argh(switch)]
    resume: bool,
    /// write what was found as JSON to a file; `-` is standard output
    #[argh(option, from_str_fn(super::output_file))]
    json: Option<String>,
    /// where runs are stored; by default `runs` in the workspace
    #[argh(option)]
    store: Option<PathBuf>,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
    /// what is tried, as --kernel of `boot` takes it: a file, or a name, such
    /// as debian:7.2-cloud
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
    if args.kernel.contains('=') && !Path::new(&args.kernel).exists() {
        bail!(
            "`{}` is no kernel; the kernel to try comes first, as in `knobs \
             debian:7.2-cloud -- work=PipeIo`",
            args.kernel
        );
    }
    let request = args.request(&args.kernel).planned("try")?;
    if request
        .plan
        .iter()
        .any(|word| word.starts_with(SCHED_FEATURES))
    {
        bail!("{SCHED_FEATURES}= is what `knobs` sets; the plan must not");
    }
    metrics::check(&asked.metrics, &request.plan.join(" "))?;
    let mut lab = Lab::new(args)?;
    let kept = with_features(&request, KEEP);
    let mut first = vec![("as-is".to_owned(), Ready::new(&kept)?)];
    if let Some(against) = &args.against {
        // The other kernel may have no features at all.
        let ready = Ready::new(&args.request(against))?;
        first.push(("against".to_owned(), ready));
    }
    if args.resume {
        lab.resume(&first[0])?;
    }
    crate::tell!(
        "{}: first the features as they are; after Ctrl-C the table says what \
         is known, and --resume goes on",
        lab.name
    );
    let mut sides: Vec<Vec<FinishedBoot>> =
        first.iter().map(|_| Vec::new()).collect();
    let work = lab.work(&first)?;
    lab.boot(work, |at, boot| sides[at].push(boot))?;
    let mut sides = sides.into_iter();
    let as_is = side(&args.kernel, sides.next().unwrap_or_default())?;
    let boot = as_is.boots.first().context("no boot")?;
    let all = features(boot)?;
    let against = args.against.as_deref().zip(sides.next());
    let against = against.map(|(name, boots)| side(name, boots)).transpose()?;
    let took = boot.meta.took_ms;
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
    let work = lab.work(&ready)?;
    lab.announce(&work, took);
    let worked = lab.boot(work, |at, boot| boots[at].push(boot));
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
