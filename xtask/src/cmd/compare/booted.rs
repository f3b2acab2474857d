//! Two kernels, booted in turn; machines that repeat themselves several at
//! once.

use super::stored::repeats;
use super::{Args, own};
use crate::boot::BootRequest;
use crate::boot::ready::{Ready, Setting};
use crate::compare::{ComparisonOptions, Side};
use crate::finished::FinishedBoot;
use crate::live::Screen;
use crate::matrix::schedule::{Due, Schedule, Width};
use crate::matrix::shown::Shown;
use crate::matrix::work::work;
use crate::usage::quoted;
use crate::{interrupt, kernel, metrics, program};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

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
    let lab = Lab {
        ready: &ready,
        // A lab's places are its own.
        width: match args.runner.is_empty() {
            true => std::thread::available_parallelism()?.get(),
            false => 1,
        },
        root,
        stored: Mutex::default(),
    };
    let boots = lab.boot(&order, "");
    let boots = boots.inspect_err(|_| lab.interrupted(order.len()))?;
    for (at, boot) in boots {
        sides[at].boots.push(boot);
    }
    // Unless both sides are the same, each is booted a second time.
    let twice = sides.iter().enumerate().filter_map(|(at, side)| {
        let first = &side.boots[0];
        let all = sides.iter().flat_map(|side| &side.boots);
        let same = all.filter(|other| other.made_of() == first.made_of());
        let seed = first.meta.deterministic;
        (seed.is_some() && same.count() == 1).then_some((at, seed))
    });
    let again = lab.boot(&twice.collect::<Vec<_>>(), ", again");
    let again = again.inspect_err(|_| lab.interrupted(order.len()))?;
    let again: Vec<FinishedBoot> =
        again.into_iter().map(|(_, boot)| boot).collect();
    let all = sides.iter().flat_map(|side| &side.boots);
    let all: Vec<&FinishedBoot> = all.collect();
    payloads(&all, differing);
    repeats(all.into_iter().chain(&again), differing);
    Ok(sides)
}

/// Where both sides are booted.
struct Lab<'a> {
    ready: &'a [Ready; 2],
    /// Machines that repeat themselves at once: each keeps a core busy, and
    /// what else the host does changes nothing in them.
    width: usize,
    root: &'a Path,
    /// The names of boots that are stored, by their side.
    stored: Mutex<[BTreeSet<String>; 2]>,
}

impl Lab<'_> {
    /// Boots sides with seeds, and returns each with its side, in this order.
    fn boot(
        &self,
        order: &[(usize, Option<u64>)],
        what: &str,
    ) -> Result<Vec<(usize, FinishedBoot)>> {
        let seeds: Option<Vec<u64>> =
            order.iter().map(|(_, seed)| *seed).collect();
        match seeds {
            Some(seeds) if self.width > 1 => self.at_once(order, &seeds, what),
            _ => self.in_turn(order, what),
        }
    }

    fn in_turn(
        &self,
        order: &[(usize, Option<u64>)],
        what: &str,
    ) -> Result<Vec<(usize, FinishedBoot)>> {
        let all = order.len();
        let each = order.iter().enumerate().map(|(n, &(at, seed))| {
            let name = name(at, seed);
            crate::tell!("boot {} of {all}: {name}{what}", n + 1);
            Ok((at, self.made(at, seed, &Setting::alone())?))
        });
        each.collect()
    }

    fn at_once(
        &self,
        order: &[(usize, Option<u64>)],
        seeds: &[u64],
        what: &str,
    ) -> Result<Vec<(usize, FinishedBoot)>> {
        let due = order.iter().zip(seeds).map(|((at, _), seed)| Due {
            boot: *seed,
            cell: *at,
            cores: 1,
            pool: None,
        });
        let name = |due: Due| name(due.cell, Some(due.boot)) + what;
        let mut show = Shown::new(order.len(), name);
        let width = Width::Cores(self.width);
        let schedule = Schedule::new(width, Vec::new(), due.collect());
        let boot = |due: Due, screen: Screen| {
            interrupt::check()?;
            let setting = Setting {
                screen: screen.clone(),
                cell: None,
            };
            let boot = self.made(due.cell, Some(due.boot), &setting)?;
            let report = &boot.report;
            screen.say(&format!("{}: {}", report.outcome, report.reason));
            Ok(boot)
        };
        let mut ended = BTreeMap::new();
        work(schedule, &mut show, boot, |due, boot| {
            ended.insert((due.cell, Some(due.boot)), boot);
        })?;
        let each = order.iter().filter_map(|of| {
            let boot = ended.remove(of)?;
            Some((of.0, boot))
        });
        Ok(each.collect())
    }

    fn made(
        &self,
        at: usize,
        seed: Option<u64>,
        setting: &Setting,
    ) -> Result<FinishedBoot> {
        let boot = self.ready[at].boot_and_store(seed, setting, self.root)?;
        let boot = boot.sound().context(["A", "B"][at])?;
        if let Ok(mut stored) = self.stored.lock() {
            stored[at].insert(boot.name());
        }
        Ok(boot)
    }

    /// Says after a signal what there is of so many boots, and what to do with
    /// it.
    fn interrupted(&self, all: usize) {
        if interrupt::happened()
            && let Ok(stored) = self.stored.lock()
        {
            let store = self.root.display().to_string();
            crate::tell!("{}", left_over(&stored, all, &store));
        }
    }
}

/// What there is of so many boots, by their side.
pub(super) fn left_over(
    stored: &[BTreeSet<String>; 2],
    all: usize,
    store: &str,
) -> String {
    let boots: usize = stored.iter().map(BTreeSet::len).sum();
    let kept = format!("{} of {all} boots are stored", boots.min(all));
    let names = stored.each_ref().map(|names| {
        let names = names.iter().map(String::as_str);
        names.collect::<Vec<_>>().join(",")
    });
    match names.iter().any(String::is_empty) {
        true => format!("{kept}; the same command begins anew"),
        false => format!(
            "{kept}; to compare those, without more boots:\n  {} compare \
             --store {} {} {}",
            program::name(),
            quoted(store),
            names[0],
            names[1]
        ),
    }
}

/// What a boot is called.
fn name(at: usize, seed: Option<u64>) -> String {
    let letter = ["A", "B"][at];
    match seed {
        Some(seed) => format!("{letter}, seed {seed}"),
        None => letter.to_owned(),
    }
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
