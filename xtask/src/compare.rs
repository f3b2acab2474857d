//! Two sets of boots compared, metric by metric; no I/O.
//!
//! Boots of deterministic machines are compared seed by seed, others as
//! samples. What they say is that of `evidence`; here the figures are put
//! together that it judges as a family. `docs/compare.md` has more.

pub mod answer;
pub mod exact;
mod rows;
pub mod table;

use self::rows::{judge, rows_of};
use crate::evidence::{Failed, Interval, Samples, Verdict};
use crate::exit::Exit;
use crate::finished::{FinishedBoot, modes as modes_of};
use crate::metrics::{Better, Selector};
use crate::model::only_prints;
use crate::noise::Noise;
use crate::profile::diff::{self, Difference};
use crate::profile::sampled::diff as sampled;
use crate::text::several;
use anyhow::{Result, bail};
use pidone::plan::tunables::is_key;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// What spreads more than this from one boot to the next is warned of.
const WIDE: f64 = 0.1;

/// One side of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// What it is called.
    pub name: String,
    /// Its boots.
    pub boots: Vec<FinishedBoot>,
}

/// What to compare.
#[derive(Debug, Clone)]
pub struct ComparisonOptions {
    /// These metrics; by default those that are made for it.
    pub metrics: Vec<Selector>,
    /// Judge every metric that is better one way.
    pub all: bool,
    /// Have rows of those that are not judged, too.
    pub rest: bool,
    /// A difference of less than this share does not count.
    pub margin: f64,
    /// Which look at these boots it is: 1, or more if fewer of them were
    /// compared before.
    pub look: u32,
}

impl Default for ComparisonOptions {
    /// What `compare` does unless it is told otherwise, without the rows that
    /// are not judged.
    fn default() -> Self {
        Self {
            metrics: Vec::new(),
            all: false,
            rest: false,
            margin: 0.005,
            look: 1,
        }
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
    /// What B is more than A; absent where A is 0. Of boots that failed, the
    /// difference of both shares.
    pub difference: Option<f64>,
    /// Its interval; absent if there are too few boots.
    pub interval: Option<Interval>,
    /// How likely such values are if no difference counts.
    pub p: f64,
    /// The same, corrected for the number of metrics and of looks.
    pub p_corrected: f64,
    /// What became of it.
    pub verdict: Verdict,
    /// How many more runs, or seeds, would probably decide it; 0 if it is
    /// decided, absent if no reasonable number would.
    pub more: Option<usize>,
    /// The verdict rests on machines that repeat themselves, and on no
    /// likelihood.
    pub exact: bool,
    /// Seed by seed: the seed, A, B.
    pub seeds: Vec<(u64, f64, f64)>,
    /// A difference of less does not count.
    margin: f64,
    /// What it is judged by.
    #[serde(skip)]
    samples: Samples,
}

impl Row {
    /// Whether the host, and no seed, moves it by so much that this is to be
    /// known beside it.
    #[must_use]
    pub fn is_noisy(&self, deterministic: bool) -> bool {
        let wide = |spread: &f64| *spread > WIDE;
        !deterministic && self.spread.iter().flatten().any(wide)
    }
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
    /// The whole in one sentence.
    pub answer: String,
    /// The boots of both sides.
    pub boots: [Vec<String>; 2],
    /// On what they ran, and what its time is worth; one for both sides, if
    /// they are alike.
    pub machines: Vec<String>,
    /// Seed by seed.
    pub deterministic: bool,
    /// Every value of A is B's, to the bit.
    pub identical: bool,
    /// The metrics, judged ones first within each run.
    pub rows: Vec<Row>,
    /// How the instructions of each run differ, where both sides have
    /// profiles.
    pub profiles: Vec<Difference>,
    /// How the CPU time of each run differs by function, where both sides have
    /// sampled profiles.
    pub sampled: Vec<sampled::Difference>,
    /// What to know beside the figures.
    pub warnings: Vec<String>,
    /// What was to be judged and could not be compared.
    pub missing: Vec<String>,
    /// What all judged metrics together say.
    pub verdict: Verdict,
    /// What that rests on.
    pub reason: String,
    /// 0, 1 or 125.
    pub exit_code: Exit,
}

/// Compares two sides.
///
/// # Errors
///
/// They were not made to be compared: different plans, seeds on one side
/// only, nothing in common; or a metric is none.
pub fn compare(
    a: &Side,
    b: &Side,
    asked: &ComparisonOptions,
) -> Result<Comparison> {
    compare_apart(a, b, asked, [&[], &[]])
}

/// The same of sides whose plans begin with words of their own.
///
/// # Errors
///
/// As those of [`compare`].
pub fn compare_apart(
    a: &Side,
    b: &Side,
    asked: &ComparisonOptions,
    own: [&[String]; 2],
) -> Result<Comparison> {
    let mut warnings = Vec::new();
    let deterministic = modes(a, b)?;
    plans_apart(a, b, own)?;
    machines(a, b, &mut warnings);
    let not_good = not_good(a, b);
    warnings.extend(not_good.iter().cloned());
    let (good_a, good_b) = (good(a), good(b));
    let pairs = match deterministic {
        true => pairs(&good_a, &good_b, &mut warnings),
        false => Vec::new(),
    };
    let digests = |&(_, at, bt): &(u64, usize, usize)| {
        let digest = |boot: &FinishedBoot| boot.report.digest.clone();
        (digest(good_a[at]), digest(good_b[bt]))
    };
    let mut digests = pairs.iter().map(digests);
    let identical = !pairs.is_empty()
        && [good_a.len(), good_b.len()] == [pairs.len(); 2]
        && digests.all(|(a, b)| a.is_some() && a == b);
    let mut rows = Vec::from_iter(failed(a, b, deterministic));
    let mut missing = Vec::new();
    if good_a.is_empty() || good_b.is_empty() {
        missing.extend(not_good);
    } else {
        let sides = [&good_a, &good_b].map(|side| side.as_slice());
        let of_metrics =
            rows_of(sides, &pairs, asked, &mut missing, &mut warnings)?;
        if of_metrics.is_empty() && missing.is_empty() {
            bail!("A and B have no metric in common");
        }
        rows.extend(of_metrics);
    }
    judge(&mut rows, identical, asked.look);
    if !deterministic {
        noise(a, b, &rows, &mut warnings);
    }
    let (verdict, reason) = match identical && missing.is_empty() {
        true => {
            let reason = "every figure of every boot is the same".to_owned();
            (overall(&rows, &[]).0, reason)
        }
        false => overall(&rows, &missing),
    };
    let exit_code = match verdict {
        Verdict::Worse => Exit::Bad,
        verdict if verdict.no_worse() => Exit::Good,
        _ => Exit::CannotTell,
    };
    let (sampled, not_compared) = sampled::of_boots(&a.boots, &b.boots);
    warnings.extend(not_compared);
    let names = |side: &Side| {
        let samples = side.boots.iter();
        samples.map(|boot| boot.name()).collect()
    };
    let all = a.boots.iter().chain(&b.boots);
    let machines = modes_of(all.map(|it| it.meta.mode()));
    let mut comparison = Comparison {
        schema: 2,
        sides: [a.name.clone(), b.name.clone()],
        answer: String::new(),
        boots: [names(a), names(b)],
        machines,
        deterministic,
        identical,
        rows,
        profiles: diff::of_boots(&a.boots, &b.boots),
        sampled,
        warnings,
        missing,
        verdict,
        reason,
        exit_code,
    };
    comparison.answer = answer::of(&comparison);
    Ok(comparison)
}

/// Whether both sides are of deterministic machines. Refuses those that differ
/// in this, or in their architecture.
pub(crate) fn modes(a: &Side, b: &Side) -> Result<bool> {
    let all = || a.boots.iter().chain(&b.boots);
    let hellos = all().filter_map(|boot| boot.report.hello.as_ref());
    let arches: BTreeSet<_> = hellos.map(|h| h.machine.as_str()).collect();
    if arches.len() > 1 {
        let arches: Vec<_> = arches.into_iter().collect();
        bail!("boots of {} do not compare", arches.join(" and of "));
    }
    let seeded = all()
        .filter(|boot| boot.meta.deterministic.is_some())
        .count();
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
    let all = a.boots.iter().chain(&b.boots);
    same_plans(all.map(|boot| (boot, None)))
}

/// The same, but for what each side's plan sets of the kernel, and the words
/// that are its own.
fn plans_apart(a: &Side, b: &Side, own: [&[String]; 2]) -> Result<()> {
    for side in [a, b] {
        same_plans(side.boots.iter().map(|boot| (boot, None)))?;
    }
    let all = [a, b].into_iter().zip(own);
    same_plans(all.flat_map(|(side, own)| {
        side.boots.iter().map(move |boot| (boot, Some(own)))
    }))
}

/// Whether a word of a plan sets something of the kernel.
fn sets(word: &str) -> bool {
    let word = word.trim_start_matches('"');
    is_key(word.split_once('=').map_or(word, |(key, _)| key))
}

/// Refuses plans that differ: by any word, or by others than those and what
/// they set of the kernel.
fn same_plans<'b>(
    all: impl Iterator<Item = (&'b FinishedBoot, Option<&'b [String]>)>,
) -> Result<()> {
    let mut known: Option<(String, String)> = None;
    for (boot, own) in all {
        let Some(hello) = &boot.report.hello else {
            continue;
        };
        let mut words = hello.plan.clone();
        for own in own.unwrap_or_default() {
            let at = words.iter().position(|word| word == own);
            at.map(|at| words.remove(at));
        }
        words.retain(|word| own.is_none() || !sets(word));
        words.retain(|word| !only_prints(word));
        let plan = words.join(" ");
        match &known {
            Some((name, other)) if *other != plan => bail!(
                "different plans do not compare: that of {name} is `{other}`, \
                 that of {} is `{plan}`",
                boot.name()
            ),
            Some(_) => {}
            None => known = Some((boot.name(), plan)),
        }
    }
    Ok(())
}

/// Warns of everything that differs beside the kernel, and says what is set
/// of it on one side alone.
fn machines(a: &Side, b: &Side, warnings: &mut Vec<String>) {
    let set = [a, b].map(|side| {
        let hello = side.boots.iter().find_map(|it| it.report.hello.as_ref());
        let words = hello.iter().flat_map(|hello| &hello.plan);
        let words = words.filter(|word| sets(word)).cloned();
        match words.collect::<Vec<_>>().join(" ") {
            none if none.is_empty() => "nothing".to_owned(),
            words => words,
        }
    });
    if let [a, b] = &set
        && a != b
    {
        warnings.push(format!("the plan of A sets {a}, that of B {b}"));
    }
    let all = || a.boots.iter().chain(&b.boots);
    let hellos = || all().filter_map(|boot| boot.report.hello.as_ref());
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
    let places = [a, b].map(|side| {
        let of = |boot: &FinishedBoot| match boot.meta.runner.clone() {
            Some(runner) => runner,
            None if boot.meta.imported.is_some() => "a log".to_owned(),
            None => "QEMU on this host".to_owned(),
        };
        let all: BTreeSet<String> = side.boots.iter().map(of).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    });
    // A pool has the same places for both.
    check("where it ran", places.into_iter().collect());
}

/// What is said of boots that measured nothing, side by side.
fn not_good(a: &Side, b: &Side) -> Vec<String> {
    let of = |(letter, side): (&str, &Side)| {
        let mut bad =
            side.boots.iter().filter(|s| s.meta.exit_code != Exit::Good);
        let first = bad.next()?;
        Some(format!(
            "{letter}: {} of {} boots were not good; {}: {}: {}",
            bad.count() + 1,
            side.boots.len(),
            first.name(),
            first.report.outcome,
            first.report.reason
        ))
    };
    [("A", a), ("B", b)].into_iter().filter_map(of).collect()
}

/// A row for the boots that failed, if any did. What was skipped, killed or
/// never booted says nothing.
fn failed(a: &Side, b: &Side, deterministic: bool) -> Option<Row> {
    let count = |side: &Side| {
        let of = |exit: Exit| {
            let mine = side.boots.iter().filter(|s| s.meta.exit_code == exit);
            mine.count() as u64
        };
        let failed = of(Exit::Bad);
        let of = failed + of(Exit::Good);
        Failed { failed, of }
    };
    let (of_a, of_b) = (count(a), count(b));
    if of_a.failed + of_b.failed == 0 {
        return None;
    }
    let seeds = |side: &Side, exit: Exit| -> BTreeSet<u64> {
        let mine = side.boots.iter().filter(|s| s.meta.exit_code == exit);
        mine.filter_map(|boot| boot.meta.deterministic).collect()
    };
    let (good, bad) = (Exit::Good, Exit::Bad);
    let both = |of_a: Exit, of_b: Exit| {
        seeds(a, of_a).intersection(&seeds(b, of_b)).count() as u64
    };
    let (only_a, only_b) = (both(bad, good), both(good, bad));
    let common = only_a + only_b + both(bad, bad) + both(good, good);
    let samples = match deterministic && common > 0 {
        true => Samples::FailedSeeds { only_a, only_b },
        false => Samples::Failures { a: of_a, b: of_b },
    };
    let share = |of: Failed| match of.of {
        0 => 0.0,
        all => of.failed as f64 / all as f64,
    };
    Some(Row {
        run: "boots".to_owned(),
        metric: "failed".to_owned(),
        unit: String::new(),
        better: Better::Lower,
        judged: true,
        a: share(of_a),
        b: share(of_b),
        spread: [None; 2],
        difference: None,
        interval: None,
        p: 1.0,
        p_corrected: 1.0,
        verdict: Verdict::Unknown,
        more: None,
        exact: false,
        seeds: Vec::new(),
        margin: 0.0,
        samples,
    })
}

/// The boots that ended well.
fn good(side: &Side) -> Vec<&FinishedBoot> {
    let good = |boot: &&FinishedBoot| boot.meta.exit_code == Exit::Good;
    side.boots.iter().filter(good).collect()
}

/// Indices of boots with the same seed on both sides: of several with one
/// seed, which are the same, the first.
fn pairs(
    a: &[&FinishedBoot],
    b: &[&FinishedBoot],
    warnings: &mut Vec<String>,
) -> Vec<(u64, usize, usize)> {
    let seeds = |side: &[&FinishedBoot]| -> BTreeMap<u64, usize> {
        let all = side.iter().enumerate().rev();
        all.filter_map(|(at, s)| Some((s.meta.deterministic?, at)))
            .collect()
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
    let all: Vec<&FinishedBoot> = a.boots.iter().chain(&b.boots).collect();
    let loud = all.iter().filter_map(|boot| boot.meta.noise);
    let loud: Vec<Noise> = loud.filter(Noise::loud).collect();
    if let Some(most) = loud.iter().copied().reduce(|x, y| x.most(&y)) {
        warnings.push(format!(
            "the host did other things during {} of {}: up to {:.1} CPUs busy \
             for others, {:.1} % stolen, load average {:.1}",
            loud.len(),
            several(all.len(), "boot"),
            most.others,
            most.steal * 100.0,
            most.load
        ));
    }
    let wide = |row: &&Row| row.judged && row.is_noisy(false);
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

/// What the judged rows say together: the worst of them. What cannot be
/// compared is open.
fn overall(rows: &[Row], missing: &[String]) -> (Verdict, String) {
    let judged = || rows.iter().filter(|row| row.judged);
    let open = match missing.is_empty() && judged().next().is_some() {
        true => Verdict::Same,
        false => Verdict::Unknown,
    };
    let verdict = judged().map(|row| row.verdict).fold(open, Verdict::max);
    let mut parts = Vec::new();
    for of in [
        Verdict::Worse,
        Verdict::Better,
        Verdict::Differs,
        Verdict::Unknown,
    ] {
        let mine = judged().filter(|row| row.verdict == of);
        let named: Vec<String> = mine.map(named).collect();
        // The verdict stands before all of it.
        let before = match of == verdict {
            true => String::new(),
            false => format!("{of}: "),
        };
        if !named.is_empty() {
            parts.push(before + &named.join(", "));
        }
    }
    parts.extend(missing.iter().cloned());
    if judged().next().is_none() && missing.is_empty() {
        let none = "no metric that is judged by default; --metric names one";
        parts.push(none.to_owned());
    }
    if parts.is_empty() {
        parts.push("no difference that counts".to_owned());
    }
    let more = judged().map(|row| row.more).max().flatten();
    if let Some(more @ 1..) = more
        && verdict == Verdict::Unknown
    {
        parts.push(format!("{more} more would probably tell"));
    }
    (verdict, parts.join("; "))
}

/// A row in a few words.
fn named(row: &Row) -> String {
    let share = row.difference.map(|d| format!(" {:+.2} %", d * 100.0));
    format!("{} {}{}", row.run, row.metric, share.unwrap_or_default())
}

#[cfg(test)]
mod tests;
