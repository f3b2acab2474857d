//! Two kernels, booted in turn.

use super::stored::repeats;
use super::{Args, own};
use crate::boot::BootRequest;
use crate::boot::ready::{Ready, Setting};
use crate::compare::{ComparisonOptions, Side};
use crate::finished::FinishedBoot;
use crate::{kernel, metrics};
use anyhow::{Context, Result, anyhow, bail};
use std::path::Path;

/// A kernel, and what is said of its side alone: words of the kernel command
/// line, and of the plan.
type Given<'a> = (&'a String, &'a Vec<String>, Vec<String>);

/// Boots of each kernel.
const RUNS: usize = 6;
/// Seeds of deterministic machines.
const SEEDS: u64 = 3;

/// Both sides by booting them in turn.
pub(super) fn booted(
    args: &Args,
    asked: &ComparisonOptions,
    root: &Path,
    differing: &mut Vec<String>,
) -> Result<[Side; 2]> {
    let given = [
        (&args.a, &args.append_a, own(&args.plan_a)),
        (&args.b, &args.append_b, own(&args.plan_b)),
    ];
    let request = |(kernel, more, own): &Given<'_>| -> Result<_> {
        let mut request = args.request(kernel).planned("compare")?;
        request.append.extend(more.iter().cloned());
        request.plan.splice(..0, own.iter().cloned());
        Ok(request)
    };
    let [a, b] = given.each_ref().map(request);
    let both = [a?, b?];
    let order = order(args, args.deterministic)?;
    if args.payload.is_none() {
        metrics::check(&asked.metrics, &both[0].plan.join(" "))?;
    }
    let arch = |of: &BootRequest| kernel::arch(&of.kernel, of.arch);
    let arches = [arch(&both[0])?.name, arch(&both[1])?.name];
    if arches[0] != arches[1] {
        bail!("kernels for {} do not compare", arches.join(" and for "));
    }
    let ready = [Ready::new(&both[0])?, Ready::new(&both[1])?];
    let mut sides = given.map(|(kernel, append, own)| Side {
        name: [core::slice::from_ref(kernel), append, &own]
            .concat()
            .join(" "),
        boots: Vec::new(),
    });
    let mut count = 0;
    let mut boot = |at: usize, seed: Option<u64>, what: &str| {
        count += 1;
        let letter = ["A", "B"][at];
        let seeded = seed.map_or(String::new(), |s| format!(", seed {s}"));
        crate::tell!("boot {count}{what}: {letter}{seeded}");
        let boot = ready[at].boot_and_store(seed, &Setting::alone(), root)?;
        boot.sound().context(letter)
    };
    let what = format!(" of {}", order.len());
    for &(at, seed) in &order {
        sides[at].boots.push(boot(at, seed, &what)?);
    }
    // Unless both sides are the same, each is booted a second time.
    let mut again = Vec::new();
    for (at, side) in sides.iter().enumerate() {
        let first = &side.boots[0];
        let all = sides.iter().flat_map(|side| &side.boots);
        let same = all.filter(|other| other.made_of() == first.made_of());
        let seed = first.meta.deterministic;
        if seed.is_some() && same.count() == 1 {
            again.push(boot(at, seed, ", again")?);
        }
    }
    let all = sides.iter().flat_map(|side| &side.boots);
    let all: Vec<&FinishedBoot> = all.collect();
    payloads(&all, differing);
    repeats(all.into_iter().chain(&again), differing);
    Ok(sides)
}

/// Warns if the sources of the payload changed while it was booted.
fn payloads(boots: &[&FinishedBoot], warnings: &mut Vec<String>) {
    let images = boots.iter().map(|boot| &boot.meta.initramfs_sha256);
    let mut images: Vec<&String> = images.collect();
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
