//! Figures of a report by name, for everything that compares or judges.
//!
//! A metric is what one side of a condition of `expect=` may be: a figure
//! (`wake.p99`, `kernel.ctxt`) or a product or quotient of some
//! (`run_delay/run_count`). It is evaluated by the payload's own code, so a
//! report is judged here as the machine judged itself. In front of it may
//! stand the run that is meant, by number or name: `2:rate`, `PipeIo:rate`.

mod figures;
mod selector;

pub use figures::RunFigures;
pub use selector::{Selector, check, judge, split_run};

use crate::model::{Hist, Report, Run};
use pidone::plan::expect::Side;
use pidone::plan::expect::kind::Kind;
use pidone::plan::expect::totals::names;
use std::collections::BTreeMap;

/// A figure of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// As `expect=` has it: `wake.p99`, `g1.rate`, `kernel.ctxt`.
    pub name: String,
    /// In ns, per second or plain.
    pub value: f64,
    /// `ns`, `/s`, what a histogram counts, or nothing.
    pub unit: String,
    /// Which way is better.
    pub better: Better,
    /// It is one of those to judge by, unless others are asked for.
    pub judged: bool,
    /// How far the seed of a deterministic machine was ever seen to move it,
    /// as a share; absent if it moves it a lot, as it does whatever depends on
    /// a placement that is left to the scheduler.
    pub steady: Option<f64>,
    /// Smaller differences than this share are made by rounding.
    pub resolution: f64,
    /// Of a median to judge by that lies between two groups of samples, how
    /// far these are apart, as a share: next to nothing moves it from one to
    /// the other, so that it is not judged by.
    pub gap: Option<f64>,
}

impl Metric {
    /// The smallest share that counts as a difference, where as little as
    /// `asked` would.
    #[must_use]
    pub fn margin(&self, asked: f64) -> f64 {
        asked.max(self.resolution)
    }
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is.
    Higher,
    /// Less is.
    Lower,
    /// Neither is.
    Neither,
}

impl Better {
    fn inverse(self) -> Self {
        match self {
            Self::Higher => Self::Lower,
            Self::Lower => Self::Higher,
            Self::Neither => Self::Neither,
        }
    }

    /// Of a product; neither if its factors pull both ways.
    fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::Neither, one) | (one, Self::Neither) => one,
            (a, b) if a == b => a,
            _ => Self::Neither,
        }
    }
}

/// The metrics of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunMetrics {
    /// Its name, with `#2` and so on behind it where an earlier run has the
    /// same.
    pub run: String,
    /// What it has: group by group, then the kernel's counters.
    pub metrics: Vec<Metric>,
}

/// What is known of a metric.
struct KnownMetric {
    /// A figure or a statistic, or else a product of some.
    name: &'static str,
    better: Better,
    /// To judge by.
    judged: bool,
    /// Range over seeds as a share, where the seed does not move workers to
    /// other CPUs; `docs/compare.md` has the measurement.
    steady: Option<f64>,
}

/// How far neighbouring buckets of a histogram are apart, as a share: a
/// percentile moves by that or not at all.
const RESOLUTION: f64 = 0.032;

/// Samples this far apart as a share, a twentieth of all below and above the
/// median, are of two groups.
const GAP: f64 = 0.25;

/// Every metric about which something is known. What is not here is better
/// neither way, unless its terms are, and depends on the seed.
const KNOWN: &[KnownMetric] = &[
    known("rate", Better::Higher).judged(0.03),
    known("iterations", Better::Higher).steady(0.03),
    known("work_units", Better::Higher).steady(0.03),
    known("cpu/iterations", Better::Lower).judged(0.035),
    known("wake.p50", Better::Lower).judged(RESOLUTION),
    known("timer.p50", Better::Lower).judged(RESOLUTION),
    known("run_delay", Better::Lower),
    known("max_gap", Better::Lower),
    known("max_cpu_gap", Better::Lower),
    known("majflt", Better::Lower),
    known("mean", Better::Lower),
    known("min", Better::Lower),
    known("p50", Better::Lower),
    known("p90", Better::Lower),
    known("p99", Better::Lower),
    known("p999", Better::Lower),
    known("max", Better::Lower),
    known("overruns", Better::Lower),
    known("missed", Better::Lower),
];

const fn known(name: &'static str, better: Better) -> KnownMetric {
    KnownMetric {
        name,
        better,
        judged: false,
        steady: None,
    }
}

impl KnownMetric {
    const fn steady(mut self, share: f64) -> Self {
        self.steady = Some(share);
        self
    }

    const fn judged(self, share: f64) -> Self {
        let mut steady = self.steady(share);
        steady.judged = true;
        steady
    }
}

/// Quotients that every group has beside its figures.
const QUOTIENTS: &[[&str; 2]] = &[
    ["cpu", "iterations"],
    ["run_delay", "run_count"],
    ["nvcsw", "iterations"],
    ["nivcsw", "iterations"],
    ["migrations", "iterations"],
];

/// Statistics that every histogram has.
const STATISTICS: &[&str] =
    &["count", "mean", "min", "p50", "p90", "p99", "p999", "max"];

/// The metrics of every run, in order. A run without results, and a figure
/// that the kernel did not tell, has none.
#[must_use]
pub fn of_report(report: &Report) -> Vec<RunMetrics> {
    let labels = labels(report);
    let of = |(run, label): (&Run, String)| RunMetrics {
        run: label,
        metrics: of_run(run),
    };
    report.runs.iter().zip(labels).map(of).collect()
}

/// What each run is called where it must differ from the others.
#[must_use]
pub fn labels(report: &Report) -> Vec<String> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let names = report.runs.iter().map(|run| run.name.as_str());
    names
        .map(|name| {
            let number = seen.entry(name).or_default();
            *number += 1;
            match *number {
                1 => name.to_owned(),
                n => format!("{name}#{n}"),
            }
        })
        .collect()
}

fn of_run(run: &Run) -> Vec<Metric> {
    let figures = RunFigures::new(run);
    let mut all = Vec::new();
    for group in &run.groups {
        let prefix = match group.group_idx {
            0 => String::new(),
            n => format!("g{n}."),
        };
        let mut of_group: Vec<String> = Vec::new();
        of_group.extend(names().map(|name| format!("{prefix}{name}")));
        for [above, below] in QUOTIENTS {
            of_group.push(format!("{prefix}{above}/{prefix}{below}"));
        }
        for name in group.hist.keys() {
            let stats = STATISTICS.iter();
            of_group.extend(stats.map(|s| format!("{prefix}{name}.{s}")));
        }
        let metrics = group.metrics.keys();
        of_group.extend(metrics.map(|name| format!("{prefix}{name}")));
        all.extend(of_group);
    }
    let counters = run.kernel.counters.keys();
    all.extend(counters.map(|name| format!("kernel.{name}")));
    let metric = |name: &String| metric(name, run, &figures);
    all.iter().filter_map(metric).collect()
}

/// One metric of a run; `None` if the run does not have it.
fn metric(name: &str, run: &Run, figures: &RunFigures<'_>) -> Option<Metric> {
    let side = Side::parse(name).ok()?;
    let known = find(name);
    let judged = known.is_some_and(|known| known.judged);
    let gap = gap(name, figures).filter(|_| judged);
    Some(Metric {
        name: name.to_owned(),
        value: side.value(figures)?,
        unit: unit(name, &side, run),
        better: better(name),
        judged: judged && gap.is_none(),
        steady: known.and_then(|known| known.steady).filter(|_| placed(run)),
        resolution: match is_percentile(name) {
            true => RESOLUTION,
            false => 0.0,
        },
        gap,
    })
}

/// How far two groups of samples are apart, if a median lies between them.
fn gap(name: &str, figures: &RunFigures<'_>) -> Option<f64> {
    let of = name.strip_suffix(".p50")?;
    let at = |percentile: &str| {
        let name = format!("{of}.{percentile}");
        Side::parse(&name).ok()?.value(figures)
    };
    let gap = at("p55")? / at("p45")? - 1.0;
    (gap > GAP).then_some(gap)
}

/// Which way a metric is better.
#[must_use]
pub fn better(name: &str) -> Better {
    if let Some(known) = find(name) {
        return known.better;
    }
    let mut all = Better::Neither;
    for (divides, term) in terms(name) {
        let of = find(term).map_or(Better::Neither, |known| known.better);
        all = all.times(if divides { of.inverse() } else { of });
    }
    all
}

/// Whether the scheduler has no choice of CPU for any worker.
fn placed(run: &Run) -> bool {
    let mut workers = run.groups.iter().flat_map(|group| &group.workers);
    workers.all(|worker| worker.cpus_allowed.len() == 1)
}

/// The terms of a metric, and whether each of them divides.
fn terms(name: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut divides = false;
    name.split_inclusive(['*', '/']).map(move |term| {
        let now = divides;
        divides = term.ends_with('/');
        (now, term.trim_end_matches(['*', '/']))
    })
}

/// What is known of a metric as a whole: `wake.p50` before `p50`.
fn find(name: &str) -> Option<&'static KnownMetric> {
    // A kernel counter is nobody's figure.
    if name.contains("kernel.") {
        return None;
    }
    let of = |take: &dyn Fn(&str) -> String| {
        let plain: Vec<String> = name.split('/').map(take).collect();
        let plain = plain.join("/");
        KNOWN.iter().find(|known| known.name == plain)
    };
    let placeless = |term: &str| match term.split_once('.') {
        Some((place, rest)) if is_place(place) => rest.to_owned(),
        _ => term.to_owned(),
    };
    let last = |term: &str| {
        let placeless = placeless(term);
        placeless.rsplit('.').next().unwrap_or_default().to_owned()
    };
    of(&placeless).or_else(|| of(&last))
}

/// Whether a percentile is in it.
fn is_percentile(name: &str) -> bool {
    terms(name).any(|(_, term)| {
        let mut parts = term.split('.').skip(1);
        parts.any(|part| {
            let digits = part.strip_prefix('p').unwrap_or("");
            digits.starts_with(|c: char| c.is_ascii_digit())
        })
    })
}

/// `g1` or a work type, in front of a figure.
fn is_place(word: &str) -> bool {
    let number = word.strip_prefix('g').unwrap_or("");
    word.starts_with(|c: char| c.is_ascii_uppercase())
        || number.starts_with(|c: char| c.is_ascii_digit())
}

fn unit(name: &str, side: &Side<'_>, run: &Run) -> String {
    match side.kind() {
        Kind::Rate => "/s".to_owned(),
        Kind::Duration => {
            let of_hist = hist_of(name, run).map(|hist| hist.unit.clone());
            of_hist.unwrap_or_else(|| "ns".to_owned())
        }
        Kind::Number | Kind::Other => String::new(),
    }
}

/// The histogram whose statistic a metric is.
fn hist_of<'r>(name: &str, run: &'r Run) -> Option<&'r Hist> {
    let mut parts = name.rsplit('.').skip(1);
    let hist = parts.next()?;
    let group = parts.next().and_then(|place| place.strip_prefix('g'));
    let group: u16 = group.map_or(Ok(0), str::parse).ok()?;
    let mut groups = run.groups.iter();
    groups.find(|g| g.group_idx == group)?.hist.get(hist)
}

#[cfg(test)]
mod tests;
