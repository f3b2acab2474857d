//! Two kernels, booted in turn.

use super::Args;
use super::stored::{repeats, sample};
use crate::cmd::boot::ready::Ready;
use crate::cmd::{boot, exit};
use crate::compare::{Asked, Sample, Side};
use crate::store::{self, Stored};
use crate::{kernel, metrics};
use anyhow::{Result, anyhow, bail};
use std::path::Path;

/// Boots of each kernel.
const RUNS: usize = 5;
/// Seeds of deterministic machines.
const SEEDS: u64 = 3;

/// Both sides by booting them in turn.
pub(super) fn booted(
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
    let arch = |of: &boot::Args| kernel::arch(&of.kernel, of.arch);
    let arches = [arch(&a)?.name, arch(&b)?.name];
    if arches[0] != arches[1] {
        bail!("kernels for {} do not compare", arches.join(" and for "));
    }
    let ready = [Ready::new(&a)?, Ready::new(&b)?];
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
        if done.code == exit::TOOL {
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
pub(super) fn order(
    args: &Args,
    seed: Option<u64>,
) -> Result<Vec<(usize, Option<u64>)>> {
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
