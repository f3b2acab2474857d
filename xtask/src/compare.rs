//! Two sets of boots compared, metric by metric; no I/O.
//!
//! Boots of deterministic machines are compared seed by seed: each difference
//! is exact, and what is left to chance is the schedule that a seed settles
//! into. Other boots are compared as samples. `docs/compare.md` says how a
//! verdict comes about.

pub mod exact;
mod rows;
pub mod splits;
pub mod table;

use self::rows::{decidable, judge, rows_of};
use crate::metrics::{Better, Selector};
use crate::model::Report;
use crate::noise::Noise;
use crate::stats::{ALPHA, rank_test};
use anyhow::{Result, bail};
use core::fmt;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// What spreads more than this from one boot to the next is warned of.
const WIDE: f64 = 0.1;
/// The exit code of a boot that failed for its kernel's sake.
const BAD: u8 = 1;

/// A boot.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// What came of it.
    pub report: Report,
    /// The exit code it stands for.
    pub code: u8,
    /// Seed of a deterministic machine.
    pub seed: Option<u64>,
    /// Of everything else that was booted.
    pub made_of: String,
    /// What else its host did.
    pub noise: Option<Noise>,
}

/// One side of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// What it is called.
    pub name: String,
    /// Its boots.
    pub samples: Vec<Sample>,
}

/// What to compare.
#[derive(Debug, Clone)]
pub struct Asked {
    /// These metrics; by default those that are made for it.
    pub metrics: Vec<Selector>,
    /// Judge every metric that is better one way.
    pub all: bool,
    /// Have rows of those that are not judged, too.
    pub rest: bool,
    /// A difference of less than this share does not count.
    pub margin: f64,
}

/// What became of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// B is worse.
    Worse,
    /// B is better.
    Better,
    /// B differs, and neither way is better.
    Differs,
    /// It cannot be told.
    Undecided,
    /// No difference that counts.
    Same,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Differs => "differs",
            Self::Undecided => "undecided",
            Self::Same => "same",
        })
    }
}

/// A metric of both sides. Shares are of A's median: 0.01 is 1 %.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The run.
    pub run: String,
    /// The metric, as `expect=` has it.
    pub metric: String,
    /// `ns`, `/s`, what a histogram counts, or nothing.
    pub unit: String,
    /// `higher`, `lower` or nothing.
    #[serde(serialize_with = "better")]
    pub better: Better,
    /// It counts for the exit code.
    pub judged: bool,
    /// A's median.
    pub a: f64,
    /// B's median.
    pub b: f64,
    /// Range of the values of A and of B as a share of their medians: over
    /// seeds, or over boots.
    pub spread: [Option<f64>; 2],
    /// The difference; absent if A's median is 0.
    pub difference: Option<f64>,
    /// Its interval of 95 %; absent if there are too few boots.
    pub interval: Option<[f64; 2]>,
    /// How likely such values are without a difference.
    pub p: f64,
    /// The same, corrected for the number of metrics.
    pub p_corrected: f64,
    /// What became of it.
    pub verdict: Verdict,
    /// How many more runs, or seeds, would probably decide it; 0 if it is
    /// decided, absent if no reasonable number would.
    pub more: Option<usize>,
    /// Seed by seed: the seed, A, B.
    pub seeds: Vec<(u64, f64, f64)>,
    /// How far seeds alone have been seen to move it, where they hardly do.
    #[serde(skip)]
    floor: Option<f64>,
    /// A difference of less does not count.
    margin: f64,
    #[serde(skip)]
    values: [Vec<f64>; 2],
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde wants"
)]
fn better<S: Serializer>(of: &Better, to: S) -> Result<S::Ok, S::Error> {
    match of {
        Better::Higher => to.serialize_some("higher"),
        Better::Lower => to.serialize_some("lower"),
        Better::Neither => to.serialize_none(),
    }
}

/// A finished comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Version of this form.
    pub schema: u32,
    /// Names of both sides.
    pub sides: [String; 2],
    /// The boots of both sides.
    pub boots: [Vec<String>; 2],
    /// Seed by seed.
    pub deterministic: bool,
    /// Every value of A is B's, to the bit.
    pub identical: bool,
    /// The metrics, judged ones first within each run.
    pub rows: Vec<Row>,
    /// What to know beside the figures.
    pub warnings: Vec<String>,
    /// `worse`, `no worse` or `cannot tell`.
    pub verdict: String,
    /// What that rests on.
    pub reason: String,
    /// 0, 1 or 125.
    pub exit_code: u8,
}

/// Compares two sides.
///
/// # Errors
///
/// They were not made to be compared: different plans, seeds on one side
/// only, nothing in common; or a metric is none.
pub fn compare(a: &Side, b: &Side, asked: &Asked) -> Result<Comparison> {
    let mut warnings = Vec::new();
    let deterministic = modes(a, b)?;
    plans(a, b)?;
    machines(a, b, &mut warnings);
    let failures = failures(a, b, deterministic, &mut warnings);
    let (good_a, good_b) = (good(a), good(b));
    let pairs = match deterministic {
        true => pairs(&good_a, &good_b, &mut warnings),
        false => Vec::new(),
    };
    let mut rows = Vec::new();
    if !good_a.is_empty() && !good_b.is_empty() {
        let sides = [&good_a, &good_b].map(|side| side.as_slice());
        rows = rows_of(sides, &pairs, asked)?;
        if rows.is_empty() {
            bail!("A and B have no metric in common");
        }
        judge(&mut rows, deterministic);
    }
    if !deterministic {
        noise(a, b, &rows, &mut warnings);
    }
    let digests = |&(_, at, bt): &(u64, usize, usize)| {
        let digest = |sample: &Sample| sample.report.digest.clone();
        (digest(good_a[at]), digest(good_b[bt]))
    };
    let mut digests = pairs.iter().map(digests);
    let identical = !pairs.is_empty()
        && [good_a.len(), good_b.len()] == [pairs.len(); 2]
        && digests.all(|(a, b)| a.is_some() && a == b);
    let (verdict, reason, exit_code) = match failures {
        Some(failed) => failed,
        None => overall(&rows, identical, deterministic),
    };
    let names = |side: &Side| {
        let samples = side.samples.iter();
        samples.map(|sample| sample.name.clone()).collect()
    };
    Ok(Comparison {
        schema: 1,
        sides: [a.name.clone(), b.name.clone()],
        boots: [names(a), names(b)],
        deterministic,
        identical,
        rows,
        warnings,
        verdict,
        reason,
        exit_code,
    })
}

/// Whether both sides are of deterministic machines. Refuses those that differ
/// in this, or in their architecture.
pub(crate) fn modes(a: &Side, b: &Side) -> Result<bool> {
    let all = || a.samples.iter().chain(&b.samples);
    let hellos = all().filter_map(|sample| sample.report.hello.as_ref());
    let arches: BTreeSet<_> = hellos.map(|h| h.machine.as_str()).collect();
    if arches.len() > 1 {
        let arches: Vec<_> = arches.into_iter().collect();
        bail!("boots of {} do not compare", arches.join(" and of "));
    }
    let seeded = all().filter(|sample| sample.seed.is_some()).count();
    match (seeded, all().count() - seeded) {
        (_, 0) => Ok(true),
        (0, _) => Ok(false),
        _ => bail!(
            "boots of deterministic machines and of others do not compare"
        ),
    }
}

/// Refuses different plans.
pub(crate) fn plans(a: &Side, b: &Side) -> Result<()> {
    let all = a.samples.iter().chain(&b.samples);
    let mut known: Option<(&str, String)> = None;
    for sample in all {
        let Some(hello) = &sample.report.hello else {
            continue;
        };
        let plan = hello.plan.join(" ");
        match &known {
            Some((name, other)) if *other != plan => bail!(
                "different plans do not compare: that of {name} is `{other}`, \
                 that of {} is `{plan}`",
                sample.name
            ),
            Some(_) => {}
            None => known = Some((&sample.name, plan)),
        }
    }
    Ok(())
}

/// Warns of everything that differs beside the kernel.
fn machines(a: &Side, b: &Side, warnings: &mut Vec<String>) {
    let all = || a.samples.iter().chain(&b.samples);
    let hellos = || all().filter_map(|sample| sample.report.hello.as_ref());
    let mut check = |what: &str, values: BTreeSet<String>| {
        if values.len() > 1 {
            let values: Vec<String> = values.into_iter().collect();
            let values = values.join(" and ");
            warnings.push(format!("{what} differs: {values}"));
        }
    };
    let sizes = hellos().map(|h| format!("{} CPUs", h.cpus));
    check("the machine", sizes.collect());
    let nodes = hellos().map(|h| format!("{} nodes", h.nodes));
    check("the machine", nodes.collect());
    let llcs = hellos().map(|h| format!("{} last-level caches", h.llcs));
    check("the machine", llcs.collect());
    let clocks = hellos().map(|h| h.clocksource.clone());
    check("the clock source", clocks.collect());
    let payloads = hellos().map(|h| h.pidone.clone());
    check("the payload", payloads.collect());
}

type Overall = (String, String, u8);

/// What boots that failed say of the comparison. Some may fail on a busy
/// host, whatever the kernel.
fn failures(
    a: &Side,
    b: &Side,
    deterministic: bool,
    warnings: &mut Vec<String>,
) -> Option<Overall> {
    let said = ["A", "B"].iter().zip([a, b]).map(|(letter, side)| {
        let mut bad = side.samples.iter().filter(|s| s.code != 0);
        let (first, all) = (bad.next()?, side.samples.len());
        Some(format!(
            "{letter}: {} of {all} boots were not good; {}: {}: {}",
            bad.count() + 1,
            first.name,
            first.report.outcome,
            first.report.reason
        ))
    });
    let said: Vec<Option<String>> = said.collect();
    warnings.extend(said.iter().flatten().cloned());
    let answer = |verdict: &str, side: usize, code| {
        let why = said[side].clone().unwrap_or_default();
        Some((verdict.to_owned(), why, code))
    };
    let fails = |side: &Side| -> Vec<f64> {
        let of = |sample: &Sample| f64::from(u8::from(sample.code == BAD));
        side.samples.iter().map(of).collect()
    };
    let (of_a, of_b) = (fails(a), fails(b));
    let sum = |fails: &[f64]| fails.iter().sum::<f64>();
    if good(a).is_empty() {
        return answer("cannot tell", 0, 125);
    }
    if good(b).is_empty() {
        return match sum(&of_b) > 0.0 {
            true => answer("worse", 1, 1),
            false => answer("cannot tell", 1, 125),
        };
    }
    let seeds = |side: &Side, bad: bool| -> BTreeSet<Option<u64>> {
        let mine = side.samples.iter().filter(|s| (s.code == BAD) == bad);
        mine.map(|sample| sample.seed).collect()
    };
    let only_b = match deterministic {
        true => !seeds(b, true).is_disjoint(&seeds(a, false)),
        false => sum(&of_b) > sum(&of_a) && rank_test(&of_a, &of_b) < ALPHA,
    };
    match only_b {
        true => answer("worse", 1, 1),
        false => None,
    }
}

/// The boots that ended well.
fn good(side: &Side) -> Vec<&Sample> {
    let good = |sample: &&Sample| sample.code == 0;
    side.samples.iter().filter(good).collect()
}

/// Indices of boots with the same seed on both sides: of several with one
/// seed, which are the same, the first.
fn pairs(
    a: &[&Sample],
    b: &[&Sample],
    warnings: &mut Vec<String>,
) -> Vec<(u64, usize, usize)> {
    let seeds = |side: &[&Sample]| -> BTreeMap<u64, usize> {
        let all = side.iter().enumerate().rev();
        all.filter_map(|(at, s)| Some((s.seed?, at))).collect()
    };
    let (of_a, of_b) = (seeds(a), seeds(b));
    let lonely = of_a.keys().filter(|seed| !of_b.contains_key(seed)).count()
        + of_b.keys().filter(|seed| !of_a.contains_key(seed)).count();
    let pairs: Vec<_> = of_a
        .iter()
        .filter_map(|(&seed, &at)| Some((seed, at, *of_b.get(&seed)?)))
        .collect();
    if pairs.is_empty() {
        warnings.push("no seed is on both sides".to_owned());
    } else if lonely > 0 {
        warnings.push(format!("{lonely} seeds are on one side only"));
    }
    pairs
}

/// Warns of a host that did other things, and of metrics that wander.
fn noise(a: &Side, b: &Side, rows: &[Row], warnings: &mut Vec<String>) {
    let all: Vec<&Sample> = a.samples.iter().chain(&b.samples).collect();
    let loud = all.iter().filter_map(|sample| sample.noise);
    let loud: Vec<Noise> = loud.filter(Noise::loud).collect();
    if let Some(most) = loud.iter().copied().reduce(|x, y| x.most(&y)) {
        warnings.push(format!(
            "the host did other things during {} of {} boots: up to {:.1} \
             CPUs busy for others, {:.1} % stolen, load average {:.1}",
            loud.len(),
            all.len(),
            most.others,
            most.steal * 100.0,
            most.load
        ));
    }
    let wide = |row: &&Row| {
        row.judged && row.spread.iter().flatten().any(|&s| s > WIDE)
    };
    let wide: Vec<String> = rows
        .iter()
        .filter(wide)
        .map(|row| {
            let most = row.spread.iter().flatten().copied();
            let most = most.fold(0.0, f64::max) * 100.0;
            format!("{} {} by {most:.0} %", row.run, row.metric)
        })
        .collect();
    if let [first, rest @ ..] = &wide[..] {
        let more = match rest.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        warnings.push(format!(
            "boots of one kernel spread: {first}{more}; --deterministic has \
             no such noise"
        ));
    }
}

/// What the judged rows say together.
fn overall(rows: &[Row], identical: bool, deterministic: bool) -> Overall {
    let judged = || rows.iter().filter(|row| row.judged);
    let of = |verdict: Verdict| {
        let mine = judged().filter(|row| row.verdict == verdict);
        let named = mine.map(|row| {
            let share = row.difference.map(|d| format!(" {:+.2} %", d * 100.0));
            let share = share.unwrap_or_default();
            format!("{} {}{share}", row.run, row.metric)
        });
        named.collect::<Vec<String>>()
    };
    let answer = |verdict: &str, reason, code| (verdict.into(), reason, code);
    if identical {
        let reason = "every figure of every boot is the same".to_owned();
        return answer("no worse", reason, 0);
    }
    let worse = of(Verdict::Worse);
    if !worse.is_empty() {
        return answer("worse", worse.join(", "), 1);
    }
    let (better, open) = (of(Verdict::Better), of(Verdict::Undecided));
    let all = judged().count();
    if all == 0 {
        let reason = "no metric that is judged by default; --metric names one";
        return answer("cannot tell", reason.to_owned(), 125);
    }
    if open.len() == all && !judged().any(|row| decidable(row, all)) {
        let what = if deterministic {
            "seeds"
        } else {
            "runs on each side"
        };
        let most = judged().filter_map(|row| row.more).max();
        let more = most.map_or(String::new(), |more| {
            format!("; {more} more would probably do")
        });
        let reason = format!("too few {what} for {all} metrics{more}");
        return answer("cannot tell", reason, 125);
    }
    let mut parts = Vec::new();
    if !better.is_empty() {
        parts.push(format!("better: {}", better.join(", ")));
    }
    if !open.is_empty() {
        parts.push(format!("{} of {all} undecided", open.len()));
    }
    if parts.is_empty() {
        parts.push("no difference that counts".to_owned());
    }
    answer("no worse", parts.join("; "), 0)
}

#[cfg(test)]
mod tests;
