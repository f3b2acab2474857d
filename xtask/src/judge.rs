//! One kernel judged by its boots: good, bad, or cannot tell; no I/O.
//!
//! A boot that fails by itself is bad, unless there is a baseline, whose boots
//! may fail as often. Conditions are judged boot by boot, and what most boots
//! say counts, if so many tell; metrics are compared with those of a baseline
//! as `compare` does. What cannot be told is never called bad: a bisection
//! would blame a commit for it.

use crate::boot::plan::Works;
use crate::compare::{self, Comparison, Row, Side, compare, table};
use crate::evidence;
use crate::exit::Exit;
use crate::finished::{FinishedBoot, modes, on};
use crate::map;
use crate::metrics::{self, Better, Selector};
use crate::model::{Outcome, Report};
use crate::profile;
use crate::profile::diff;
use anyhow::{Result, anyhow, bail};
use core::fmt;
use core::str::FromStr;
use pidone::kit::counters;
use pidone::plan::expect::Expect;

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
    /// The exit that says so.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::Good => Exit::Good,
            Self::CannotTell => Exit::CannotTell,
            Self::Bad => Exit::Bad,
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

/// What a kernel is called that could not be measured: `bad` or `skip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadOrSkip(pub Call);

impl FromStr for BadOrSkip {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let both = [("bad", Call::Bad), ("skip", Call::CannotTell)];
        one_of(word, both).map(Self)
    }
}

/// What a kernel is called that nothing is known of: `good` or `bad`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoodOrBad(pub Call);

impl FromStr for GoodOrBad {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let both = [("good", Call::Good), ("bad", Call::Bad)];
        one_of(word, both).map(Self)
    }
}

/// The call with this name.
fn one_of(word: &str, both: [(&str, Call); 2]) -> Result<Call, String> {
    let called = both.iter().find(|(name, _)| *name == word);
    called.map(|&(_, call)| call).ok_or_else(|| {
        let [(one, _), (other, _)] = both;
        format!("`{word}`: valid are {one} and {other}")
    })
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
pub fn ended(report: &Report, exit: Exit, policy: Policy) -> Opinion {
    let call = match (report.outcome, exit) {
        (Outcome::Panic | Outcome::Hang, _) => policy.panic,
        (Outcome::NoBoot, _) => policy.no_boot,
        (_, Exit::Good) => Call::Good,
        (_, Exit::Bad) => Call::Bad,
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
    use pidone::plan::expect::kind::Kind;
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
    let side = pidone::plan::expect::Side::parse(&selector.name);
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

/// What most of several boots call it, if they tell; those of deterministic
/// machines do by being most.
#[must_use]
pub fn most(opinions: &[Opinion], exact: bool) -> Opinion {
    let count = |call| opinions.iter().filter(|o| o.0 == call).count() as u64;
    let (good, bad) = (count(Call::Good), count(Call::Bad));
    let all = opinions.len() as u64;
    let call = match evidence::most(good, bad, exact) {
        // What says nothing must not be most.
        _ if (good + bad) * 2 <= all => Call::CannotTell,
        Some(true) => Call::Good,
        Some(false) => Call::Bad,
        None => Call::CannotTell,
    };
    let mut mine = opinions.iter().filter(|o| o.0 == call);
    let reason = match (mine.next(), count(call)) {
        (Some(first), _) if all == 1 => first.1.clone(),
        (Some(first), n) => format!("{n} of {all} boots: {}", first.1),
        (None, _) => {
            let few = if all < 5 {
                ", which are too few to tell"
            } else {
                ""
            };
            let first = opinions.first().map_or("", |one| one.1.as_str());
            format!("{good} of {all} boots are good, {bad} bad{few}; {first}")
        }
    };
    (call, reason)
}

/// What makes a kernel bad beside how its boots end.
#[derive(Debug, Clone)]
pub struct Criteria {
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
    pub boots: Vec<FinishedBoot>,
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
pub fn judge(asked: &Criteria, boots: &[FinishedBoot]) -> Result<Opinion> {
    let end = |boot: &FinishedBoot| {
        ended(&boot.report, boot.meta.exit_code, asked.policy)
    };
    let ends: Vec<Opinion> = boots.iter().map(end).collect();
    let exact = boots.iter().all(|boot| boot.meta.deterministic.is_some());
    let mut all = (Call::Good, String::new());
    match &asked.baseline {
        Some(baseline) => {
            let boots = boots.iter().zip(&ends);
            let boots = boots.map(|(boot, end)| {
                let mut boot = boot.clone();
                boot.meta.exit_code = end.0.exit();
                boot
            });
            for opinion in worse(baseline, boots.collect())? {
                worst(&mut all, opinion);
            }
        }
        // A kernel that crashes now and then is bad.
        None => {
            if let Some(bad) = ends.iter().find(|end| end.0 == Call::Bad) {
                return Ok(bad.clone());
            }
            let good = ends.iter().filter(|end| end.0 == Call::Good);
            if good.count() * 2 <= ends.len() {
                return Ok(most(&ends, true));
            }
        }
    }
    let pairs = boots.iter().zip(&ends);
    let good = pairs.filter(|(_, end)| end.0 == Call::Good);
    let good: Vec<&FinishedBoot> = good.map(|(boot, _)| boot).collect();
    for condition in &asked.conditions {
        let of = good.iter().map(|boot| condition.of(&boot.report));
        worst(&mut all, most(&of.collect::<Result<Vec<_>>>()?, exact));
    }
    if all.1.is_empty() {
        all = most(&ends, true);
    }
    Ok(all)
}

/// On what the boots ran, and in which functions they differ from a baseline
/// that has profiles, too, or else what is in those of the first one. Sentences
/// are in so many columns.
#[must_use]
pub fn profiles(
    baseline: Option<&Baseline>,
    boots: &[FinishedBoot],
    columns: usize,
) -> String {
    let old = baseline.map_or(&[][..], |baseline| &baseline.boots);
    let header = on(&modes(boots.iter().chain(old).map(|it| it.meta.mode())));
    let differ = diff::of_boots(old, boots);
    if !differ.is_empty() {
        let each = differ.iter().map(|of| of.whole(columns) + "\n");
        return header + &each.collect::<String>();
    }
    let first = boots.first().into_iter();
    let runs = first.flat_map(map::profiles);
    let each = runs
        .map(|(run, of)| format!("{run}\n{}\n", profile::table::render(of)));
    header + &each.collect::<String>()
}

/// What `compare` says of each metric beside the baseline's.
fn worse(baseline: &Baseline, now: Vec<FinishedBoot>) -> Result<Vec<Opinion>> {
    let neither =
        |one: &&Selector| metrics::better(&one.name) == Better::Neither;
    if let Some(metric) = baseline.metrics.iter().find(neither) {
        bail!(
            "`{}` is better neither way; --expect says what it must be",
            metric.name
        );
    }
    let side = |name: &str, boots| Side {
        name: name.to_owned(),
        boots,
    };
    let found: Comparison = compare(
        &side("baseline", baseline.boots.clone()),
        &side("now", now),
        &compare::ComparisonOptions {
            metrics: baseline.metrics.clone(),
            all: false,
            rest: false,
            margin: baseline.by,
            look: 1,
        },
    )?;
    let call = match found.exit_code {
        Exit::Good => Call::Good,
        Exit::Bad => Call::Bad,
        Exit::CannotTell | Exit::Tool => Call::CannotTell,
    };
    // What decided it, if anything did; else all there is.
    let decided = |row: &&Row| match call {
        Call::Good => true,
        Call::Bad => row.verdict == evidence::Verdict::Worse,
        Call::CannotTell => !row.verdict.no_worse(),
    };
    let rows = found.rows.iter().filter(decided);
    let mut all: Vec<Opinion> = rows.map(|row| (call, beside(row))).collect();
    if all.is_empty() {
        all.push((call, found.reason));
    }
    all.insert(0, (call, found.answer));
    Ok(all)
}

/// A metric beside that of the baseline.
fn beside(row: &Row) -> String {
    let shown = |value: f64| table::value(value, &row.unit);
    let change = row.difference.map(|share| {
        let interval = row.interval.map(|of| {
            let [low, high] = [of.low, of.high].map(|end| end * 100.0);
            format!(", {low:+.2} to {high:+.2} %")
        });
        let interval = interval.unwrap_or_default();
        format!(" ({:+.2} %{interval})", share * 100.0)
    });
    let more = match (row.verdict, row.more) {
        (evidence::Verdict::Unknown, Some(more)) => {
            format!("; {more} more boots would probably tell")
        }
        _ => String::new(),
    };
    format!(
        "{}: {} is {}, was {}{}{more}",
        row.run,
        row.metric,
        shown(row.b),
        shown(row.a),
        change.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
