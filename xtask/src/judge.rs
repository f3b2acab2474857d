//! One kernel judged by its boots: good, bad, or cannot tell; no I/O.
//!
//! A boot that fails by itself is bad whatever was asked. Conditions are
//! judged boot by boot, and what most boots say counts; metrics are compared
//! with those of a baseline by their medians. What cannot be told is never
//! called bad: a bisection would blame a commit for it.

use crate::cmd::boot::plan::Works;
use crate::cmd::exit;
use crate::compare::{Sample, table};
use crate::metrics::{self, Better, Selector};
use crate::model::Report;
use crate::stats::median;
use anyhow::{Result, anyhow, bail};
use core::fmt;
use core::str::FromStr;
use pidone::counters;
use pidone::expect::Expect;

/// What a kernel is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Nothing is wrong with it.
    Good,
    /// It cannot be told.
    CannotTell,
    /// Something is.
    Bad,
}

impl Call {
    /// The exit code that says so.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Good => exit::GOOD,
            Self::CannotTell => exit::CANNOT_TELL,
            Self::Bad => exit::BAD,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::CannotTell => "cannot tell",
            Self::Bad => "bad",
        })
    }
}

/// A call as a user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct As(pub Call);

impl FromStr for As {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "good" => Ok(Self(Call::Good)),
            "bad" => Ok(Self(Call::Bad)),
            "skip" => Ok(Self(Call::CannotTell)),
            _ => Err(format!("`{word}` is neither good, bad nor skip")),
        }
    }
}

/// A share, as a user writes it: `5%` or `5`, both of a hundred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
        let share = number.ok().filter(|n| (0.0..10_000.0).contains(n));
        share.map(|n| Self(n / 100.0)).ok_or_else(|| {
            format!("`{text}` is no percentage of 0 or more, such as 5%")
        })
    }
}

/// A call and what it rests on.
pub type Opinion = (Call, String);

/// What boots are called that measured nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The kernel panicked or hung after the payload had begun.
    pub panic: Call,
    /// The payload never spoke.
    pub no_boot: Call,
}

/// What a boot says of its kernel by how it ended.
#[must_use]
pub fn ended(report: &Report, code: u8, policy: Policy) -> Opinion {
    let call = match (report.outcome.as_str(), code) {
        ("panic" | "hang", _) => policy.panic,
        ("no_boot", _) => policy.no_boot,
        (_, exit::GOOD) => Call::Good,
        (_, exit::BAD) => Call::Bad,
        _ => Call::CannotTell,
    };
    (call, format!("{}: {}", report.outcome, report.reason))
}

/// A condition that runs must keep: `[RUN:]CONDITION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    text: String,
}

impl Condition {
    /// Parses one, and checks that some run of the plan can have its figures.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the nearest name there is.
    pub fn parse(text: &str, plan: &[Works]) -> Result<Self> {
        let (_, condition) = metrics::split_run(text);
        let expect = Expect::parse(condition);
        let expect = expect.map_err(|e| anyhow!("{e}"))?;
        known(plan, &|works| {
            let row = |n: usize| works.get(n).copied();
            let checked = expect.check(&row, counters::name);
            checked.map_err(|e| anyhow!("{e}"))
        })?;
        let text = text.to_owned();
        Ok(Self { text })
    }

    /// Judges a boot that ended well.
    ///
    /// # Errors
    ///
    /// There is no such run.
    pub fn of(&self, report: &Report) -> Result<Opinion> {
        let mut all = (Call::Good, String::new());
        for (run, judged) in metrics::judge(&self.text, report)? {
            let (_, condition) = metrics::split_run(&self.text);
            let opinion = match (judged.held, judged.milli) {
                (_, None) => (
                    Call::CannotTell,
                    format!("{run}: no figure for {condition}"),
                ),
                (held, Some(milli)) => {
                    let call = if held { Call::Good } else { Call::Bad };
                    let value = shown(milli as f64 / 1000.0, condition);
                    let how = if held { "holds" } else { "does not hold" };
                    (call, format!("{run}: {condition} {how}: {value}"))
                }
            };
            worst(&mut all, opinion);
        }
        Ok(all)
    }
}

/// The value of a condition's left side.
fn shown(value: f64, condition: &str) -> String {
    use pidone::expect::Kind;
    let unit = match Expect::parse(condition).map(|expect| expect.kind()) {
        Ok(Kind::Duration) => "ns",
        Ok(Kind::Rate) => "/s",
        _ => "",
    };
    table::value(value, unit)
}

/// Checks that some run of a plan can have a metric.
///
/// # Errors
///
/// What there is not, with the nearest name there is.
pub fn known_metric(selector: &Selector, plan: &[Works]) -> Result<()> {
    let side = pidone::expect::Side::parse(&selector.name);
    let side = side.map_err(|e| anyhow!("{e}"))?;
    known(plan, &|works| {
        let row = |n: usize| works.get(n).copied();
        let checked = side.check(&row, counters::name);
        checked.map_err(|e| anyhow!("{e}"))
    })
}

/// Whether a check passes for one run at least; nothing is known of the runs
/// of a payload of one's own.
fn known(plan: &[Works], check: &dyn Fn(&Works) -> Result<()>) -> Result<()> {
    let mut first = Ok(());
    for works in plan {
        match (check(works), &first) {
            (Ok(()), _) => return Ok(()),
            (error, Ok(())) => first = error,
            (Err(_), Err(_)) => {}
        }
    }
    first
}

/// Adds an opinion: a worse one wins, and equal ones stand side by side.
pub(crate) fn worst(all: &mut Opinion, mut other: Opinion) {
    if other.0 > all.0 {
        core::mem::swap(all, &mut other);
    } else if other.0 == all.0 {
        if !all.1.is_empty() {
            all.1.push_str("; ");
        }
        all.1.push_str(&other.1);
    }
}

/// What most of several opinions call it; without most, it cannot be told.
#[must_use]
pub fn most(opinions: &[Opinion]) -> Opinion {
    let count = |call| opinions.iter().filter(|o| o.0 == call).count();
    for call in [Call::Good, Call::Bad, Call::CannotTell] {
        if count(call) * 2 > opinions.len() {
            let mut mine = opinions.iter().filter(|o| o.0 == call);
            let first = mine.next().map_or("", |o| o.1.as_str());
            let reason = match (count(call), opinions.len()) {
                (_, 1) => first.to_owned(),
                (n, all) => format!("{n} of {all} boots: {first}"),
            };
            return (call, reason);
        }
    }
    let reason = format!(
        "{} of {} boots are good, {} bad",
        count(Call::Good),
        opinions.len(),
        count(Call::Bad)
    );
    (Call::CannotTell, reason)
}

/// What makes a kernel bad beside how its boots end.
#[derive(Debug, Clone)]
pub struct Asked {
    /// These do not hold.
    pub conditions: Vec<Condition>,
    /// It is worse than this.
    pub baseline: Option<Baseline>,
    /// What boots are called that measured nothing.
    pub policy: Policy,
}

/// Boots to compare with.
#[derive(Debug, Clone)]
pub struct Baseline {
    /// They.
    pub samples: Vec<Sample>,
    /// In these metrics, or else in those that are judged by default.
    pub metrics: Vec<Selector>,
    /// By more than this share.
    pub by: f64,
}

/// Judges a kernel by its boots.
///
/// # Errors
///
/// There is no such run or metric, or it is better neither way.
pub fn judge(asked: &Asked, boots: &[Sample]) -> Result<Opinion> {
    let ends = boots.iter();
    let ends: Vec<Opinion> = ends
        .map(|boot| ended(&boot.report, boot.code, asked.policy))
        .collect();
    // A kernel that crashes now and then is bad.
    if let Some(bad) = ends.iter().find(|end| end.0 == Call::Bad) {
        return Ok(bad.clone());
    }
    let pairs = boots.iter().zip(&ends);
    let good = pairs.filter(|(_, end)| end.0 == Call::Good);
    let good: Vec<&Sample> = good.map(|(boot, _)| boot).collect();
    if good.len() * 2 <= boots.len() {
        return Ok(most(&ends));
    }
    let mut all = (Call::Good, String::new());
    for condition in &asked.conditions {
        let of = good.iter().map(|boot| condition.of(&boot.report));
        worst(&mut all, most(&of.collect::<Result<Vec<_>>>()?));
    }
    if let Some(baseline) = &asked.baseline {
        for opinion in worse(baseline, &good)? {
            worst(&mut all, opinion);
        }
    }
    if all.1.is_empty() {
        all = most(&ends);
    }
    Ok(all)
}

/// Each metric beside that of the baseline.
fn worse(baseline: &Baseline, now: &[&Sample]) -> Result<Vec<Opinion>> {
    let old: Vec<&Sample> = baseline.samples.iter().collect();
    let selectors = match (baseline.metrics.is_empty(), old.first()) {
        (true, Some(first)) => {
            let runs = metrics::of_report(&first.report);
            let of = |run: metrics::RunMetrics| {
                let judged = run.metrics.into_iter().filter(|m| m.judged);
                judged.map(move |metric| Selector {
                    run: Some(run.run.clone()),
                    name: metric.name,
                })
            };
            runs.into_iter().flat_map(of).collect()
        }
        (_, Some(first)) => {
            // One without a run is that of every run which has it.
            let mut all = Vec::new();
            for selector in &baseline.metrics {
                let name = &selector.name;
                let of = selector.of(&first.report)?.into_iter();
                all.extend(of.map(|(run, _)| Selector {
                    run: Some(run),
                    name: name.clone(),
                }));
            }
            all
        }
        (_, None) => Vec::new(),
    };
    let mut all = Vec::new();
    if selectors.is_empty() {
        let why = "no metric to judge by; --metric names one";
        all.push((Call::CannotTell, why.to_owned()));
    }
    for selector in &selectors {
        let (before, after) = (values(selector, &old)?, values(selector, now)?);
        let better = metrics::better(&selector.name);
        if better == Better::Neither {
            bail!(
                "`{}` is better neither way; --expect says what it must be",
                selector.name
            );
        }
        let medians = (median(&before.0), median(&after.0));
        let (Some(before), Some(value)) = medians else {
            let run = selector.run.as_deref().unwrap_or_default();
            let why = format!("{run}: no figure for {}", selector.name);
            all.push((Call::CannotTell, why));
            continue;
        };
        let limit = match better {
            Better::Higher => before * (1.0 - baseline.by),
            _ => before * (1.0 + baseline.by),
        };
        let is_worse = match better {
            Better::Higher => value < limit,
            _ => value > limit,
        };
        let change = match before == 0.0 {
            true => String::new(),
            false => format!(" ({:+.2} %)", (value / before - 1.0) * 100.0),
        };
        let run = selector.run.as_ref().map(|run| format!("{run}: "));
        let reason = format!(
            "{}{} is {}, was {}{change}",
            run.unwrap_or_default(),
            selector.name,
            table::value(value, &after.1),
            table::value(before, &after.1),
        );
        let call = if is_worse { Call::Bad } else { Call::Good };
        all.push((call, reason));
    }
    Ok(all)
}

/// A metric of one run of each boot that has it, and its unit.
fn values(
    selector: &Selector,
    boots: &[&Sample],
) -> Result<(Vec<f64>, String)> {
    let (mut values, mut unit) = (Vec::new(), String::new());
    for boot in boots {
        let found = selector.of(&boot.report)?;
        if let Some((_, metric)) = found.into_iter().next() {
            values.push(metric.value);
            unit = metric.unit;
        }
    }
    Ok((values, unit))
}

#[cfg(test)]
mod tests;
