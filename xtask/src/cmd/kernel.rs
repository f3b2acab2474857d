//! `kernel`: building kernels, and looking into them.

use crate::arch::Arch;
use crate::debian::{self, Kernel};
use crate::exit::Exit;
use crate::kernel;
use crate::kernel_build::{self, DoesNotBuild, Order};
use crate::kernel_check::{self, Finding, Helps, Verdict};
use anyhow::Result;
use argh::{ArgsInfo, FromArgs};
use pidone::workloads::rows;
use std::time::Instant;

/// Build kernels, and say which work types one lets run.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "kernel")]
pub struct Args {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Verb {
    Build(Build),
    Check(Check),
    Fetch(Fetch),
    List(List),
}

/// Build a kernel from fragments of kernel-configs/ and print where its image
/// is; boot it with --kernel built:NAME.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "build")]
struct Build {
    /// a directory with sources, or debian:6.12, debian:7.2 and so on
    #[argh(option)]
    tree: String,
    /// a fragment, or a file of that kind; may be repeated; by default all but
    /// debug, kcsan and preempt-rt
    #[argh(option)]
    fragment: Vec<String>,
    /// what they are merged into: tinyconfig (the default), defconfig or a file
    #[argh(option, default = "String::from(\"tinyconfig\")")]
    base: String,
    /// x86_64, aarch64 or riscv64; by default the host's
    #[argh(option, default = "Default::default()")]
    arch: &'static Arch,
    /// compilers at once, by default one per CPU
    #[argh(option)]
    jobs: Option<usize>,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
}

/// Say which work types run on a kernel, which skip, and what would help.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "check")]
struct Check {
    /// a .config, an image, `host`, or what --kernel of `boot` takes
    #[argh(positional)]
    of: String,
    /// x86_64, aarch64 or riscv64; by default that of an image, or the host's
    #[argh(option)]
    arch: Option<&'static Arch>,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
}

/// Fetch the newest kernel of a name, which is the one that it means from
/// then on, and print where its image is.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "fetch")]
struct Fetch {
    /// what --kernel of `boot` takes, such as debian:6.12-cloud or debian:sid
    #[argh(positional)]
    kernel: String,
    /// x86_64, aarch64 or riscv64; by default the host's
    #[argh(option)]
    arch: Option<&'static Arch>,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
}

/// Show kernels by the names that --kernel takes: those that Debian has, and
/// those that are here.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list")]
struct List {
    /// x86_64, aarch64 or riscv64; by default the host's
    #[argh(option, default = "Default::default()")]
    arch: &'static Arch,
    /// every version, not the newest of each name alone
    #[argh(switch)]
    all: bool,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
}

/// Runs the verb.
///
/// # Errors
///
/// A symbol that cannot be had, a kernel that is not there, or what is
/// missing.
pub fn run(args: &Args) -> Result<Exit> {
    match &args.verb {
        Verb::Build(args) => build(args),
        Verb::Check(args) => check(args),
        Verb::Fetch(args) => {
            let image = kernel::newest(&args.kernel, args.arch, args.setup)?;
            super::say(format_args!("{}", image.display()))?;
            Ok(Exit::Good)
        }
        Verb::List(args) => list(args),
    }
}

/// Names in the order of age, the newest last, and of each the newest kernel.
fn list(args: &List) -> Result<Exit> {
    let kernels = debian::list(args.arch, args.setup)?;
    let fetched = kernel::fetched(args.arch)?;
    let mut rows: Vec<(String, &Kernel)> = Vec::new();
    for kernel in &kernels {
        let [series, suite] = kernel.short_names();
        let names = match args.all {
            true => vec![kernel.name()],
            false => vec![series, suite],
        };
        for name in names {
            rows.retain(|(other, _)| *other != name);
            rows.push((name, kernel));
        }
    }
    let here = |name: &str| match fetched.iter().any(|have| have == name) {
        true => "here",
        false => "",
    };
    super::say(format_args!("{:<34} {:<26} FROM", "KERNEL", "NEWEST"))?;
    for (name, kernel) in rows {
        let newest = kernel.name();
        let line = format!(
            "debian:{name:<27} {newest:<26} {:<18} {}",
            kernel.suite(),
            here(&newest)
        );
        super::say(format_args!("{}", line.trim_end()))?;
    }
    for name in kernel_build::names()? {
        super::say(format_args!("{name}"))?;
    }
    Ok(Exit::Good)
}

fn build(args: &Build) -> Result<Exit> {
    let cpus = std::thread::available_parallelism();
    let begin = Instant::now();
    let built = kernel_build::build(&Order {
        tree: args.tree.clone(),
        fragments: args.fragment.clone(),
        base: args.base.clone(),
        arch: args.arch,
        jobs: args.jobs.unwrap_or_else(|| cpus.map_or(1, usize::from)),
        setup: args.setup,
    });
    match built {
        Ok(built) => {
            let how = if built.cached { "cached" } else { "built" };
            crate::tell!("{how} in {:.1} s", begin.elapsed().as_secs_f64());
            super::say(format_args!("{}", built.image.display()))?;
            Ok(Exit::Good)
        }
        // A bisection goes on with the next commit.
        Err(error) if error.is::<DoesNotBuild>() => {
            crate::tell!("error: {error:#}");
            Ok(Exit::CannotTell)
        }
        Err(error) => Err(error),
    }
}

fn check(args: &Check) -> Result<Exit> {
    let helps = Helps::read()?;
    let (config, place) =
        kernel_check::config(&args.of, args.arch, args.setup)?;
    let kernel = config.kernel.as_deref().unwrap_or("of an unknown version");
    super::say(format_args!("Linux {kernel}, by {place}"))?;
    for missing in kernel_check::boot(&config, &helps) {
        super::say(format_args!("does not boot our image: {missing}"))?;
    }
    let findings = kernel_check::check(&config, rows(), &helps);
    let of = |verdict| findings.iter().filter(move |f| f.verdict == verdict);
    for verdict in [Verdict::Skip, Verdict::Degraded, Verdict::Module] {
        for finding in of(verdict) {
            super::say(format_args!(
                "{verdict:<9} {:<26} {}",
                finding.name,
                why(finding)
            ))?;
        }
    }
    for (keys, missing) in kernel_check::of_keys(&config, &helps) {
        let why = missing.join("; ");
        super::say(format_args!("{:<9} {keys:<26} {why}", Verdict::Skip))?;
    }
    let (noted, plain): (Vec<_>, Vec<_>) =
        of(Verdict::Runs).partition(|f| !f.reasons.is_empty());
    for finding in noted {
        super::say(format_args!(
            "{:<9} {:<26} {}",
            Verdict::Runs,
            finding.name,
            why(finding)
        ))?;
    }
    let names: Vec<_> = plain.iter().map(|f| f.name).collect();
    if !names.is_empty() {
        super::say(format_args!("{:<9} {}", Verdict::Runs, names.join(", ")))?;
    }
    super::say(format_args!("what the machine must have:"))?;
    for (need, works) in kernel_check::of_the_machine(rows()) {
        super::say(format_args!("  {need}: {}", works.join(", ")))?;
    }
    match of(Verdict::Skip).next() {
        Some(_) => Ok(Exit::CannotTell),
        None => Ok(Exit::Good),
    }
}

fn why(finding: &Finding) -> String {
    finding.reasons.join("; ")
}
