//! Which features of a kernel's scheduler move a figure, and by how much; no
//! I/O.
//!
//! A kernel is compared with itself, one feature the other way round at a
//! time. What counts as a difference is what does in `compare`.

mod table;

pub use self::table::render;

use crate::compare::{ComparisonOptions, Row, Side, compare_apart};
use crate::evidence::Verdict;
use crate::exit::Exit;
use crate::finished::{FinishedBoot, modes};
use anyhow::Result;
use core::fmt;
use pidone::plan::settings::SCHED_FEATURES;
use pidone::wire::record;
use serde::Serialize;

/// What turns a feature off, in front of its name.
const OFF: &str = "NO_";

/// A feature of the scheduler as a kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// It is on unless it is turned off.
    pub on: bool,
}

impl Feature {
    /// As the kernel's list has it.
    fn parse(word: &str) -> Self {
        let off = word.strip_prefix(OFF);
        Self {
            name: off.unwrap_or(word).to_owned(),
            on: off.is_none(),
        }
    }

    /// What turns it the other way round.
    #[must_use]
    pub fn flipped(&self) -> String {
        match self.on {
            true => format!("{OFF}{}", self.name),
            false => self.name.clone(),
        }
    }
}

/// A kernel whose features cannot be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unable {
    /// What its boot is worth.
    pub exit: Exit,
    why: String,
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl core::error::Error for Unable {}

/// The features that a good boot with `sched_features=keep` read.
///
/// # Errors
///
/// It was not good, or read none, and why.
pub fn features(boot: &FinishedBoot) -> Result<Vec<Feature>, Unable> {
    let mut tunables = boot.report.runs.iter().flat_map(|run| &run.tunables);
    let list = tunables.find(|it| it.name == SCHED_FEATURES);
    match (not_good(boot), list) {
        (None, Some(list)) => {
            Ok(list.value.split_whitespace().map(Feature::parse).collect())
        }
        (why, _) => Err(Unable {
            exit: boot.meta.exit_code.max(Exit::CannotTell),
            why: format!(
                "{}: {}",
                boot.meta.kernel.spec,
                why.unwrap_or_else(|| "its features were not read".to_owned())
            ),
        }),
    }
}

/// A figure that a feature moves, or does not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The run.
    pub run: String,
    /// The metric, as `expect=` has it.
    pub metric: String,
    /// `ns`, `/s`, what a histogram counts, or nothing.
    pub unit: String,
    /// As the kernel is.
    pub as_is: f64,
    /// With the feature the other way round.
    pub flipped: f64,
    /// How much more that is, as a share; absent where it is none of 0.
    pub difference: Option<f64>,
    /// What it is worth, as `compare` has it.
    pub verdict: Verdict,
    /// Whether the feature moves it; absent if that cannot be told.
    pub moves: Option<bool>,
    /// How much of the difference to the other kernel is gone, as a share;
    /// absent where there is none.
    pub of_difference: Option<f64>,
}

impl Figure {
    /// The feature moves it.
    #[must_use]
    pub fn moved(&self) -> bool {
        self.moves == Some(true)
    }
}

fn moved(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Better | Verdict::Worse | Verdict::Differs)
}

/// What became of a feature.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    /// Its name.
    pub feature: String,
    /// It is on unless it is turned off.
    pub on: bool,
    /// Boots with it the other way round; none if it was not tried.
    pub boots: Vec<String>,
    /// What is judged, if those boots measured it.
    pub figures: Vec<Figure>,
    /// Why it cannot be told what it does.
    pub reason: Option<String>,
    /// 0, 1 or 125, of the boots.
    pub exit_code: Exit,
}

impl Tried {
    /// The largest share by which it moves a figure.
    fn most(&self) -> f64 {
        let all = self.figures.iter().filter(|figure| figure.moved());
        let all = all.map(|figure| figure.difference.unwrap_or(1.0).abs());
        all.fold(0.0, f64::max)
    }
}

/// All that is known of a kernel's features.
#[derive(Debug, Clone, Serialize)]
pub struct Knobs {
    /// Version of this form.
    pub schema: u32,
    /// The kernel.
    pub kernel: String,
    /// The one that it is held against.
    pub against: Option<String>,
    /// The plan.
    pub plan: Vec<String>,
    /// On what it ran, and what its time is worth.
    pub machines: Vec<String>,
    /// Boots of both as they are.
    pub boots: [Vec<String>; 2],
    /// How the kernel differs from the other one.
    pub difference: Vec<Row>,
    /// Each feature: first those that move a figure, the largest move first,
    /// then the others in the kernel's order.
    pub features: Vec<Tried>,
    /// How many were not tried.
    pub untried: usize,
    /// 0, 1 or 125.
    pub exit_code: Exit,
}

/// What is asked of features.
#[derive(Debug, Clone)]
pub struct Question {
    /// The plan, of which nothing is set.
    pub plan: Vec<String>,
    /// The kernel as it is.
    pub as_is: Side,
    /// The kernel that it is held against, as that is.
    pub against: Option<Side>,
    /// What is judged.
    pub asked: ComparisonOptions,
}

impl Question {
    /// How the kernel differs from the one that it is held against.
    ///
    /// # Errors
    ///
    /// They do not compare.
    pub fn difference(&self) -> Result<Vec<Row>> {
        let Some(against) = &self.against else {
            return Ok(Vec::new());
        };
        let found = self.compare(against, &self.as_is)?;
        Ok(found.into_iter().filter(|row| row.judged).collect())
    }

    fn compare(&self, a: &Side, b: &Side) -> Result<Vec<Row>> {
        Ok(compare_apart(a, b, &self.asked, [&[], &[]])?.rows)
    }

    /// What is found of a feature by boots with it the other way round.
    ///
    /// # Errors
    ///
    /// They do not compare with those of the kernel as it is.
    pub fn tried(
        &self,
        feature: &Feature,
        boots: Vec<FinishedBoot>,
        difference: &[Row],
    ) -> Result<Tried> {
        let mut tried = Tried {
            feature: feature.name.clone(),
            on: feature.on,
            boots: boots.iter().map(FinishedBoot::name).collect(),
            figures: Vec::new(),
            reason: boots.iter().find_map(not_good),
            exit_code: Exit::of_all(
                boots.iter().map(|boot| boot.meta.exit_code),
            ),
        };
        if boots.is_empty() {
            tried.reason = Some("not tried".to_owned());
        }
        if tried.reason.is_some() {
            tried.exit_code = tried.exit_code.max(Exit::CannotTell);
            return Ok(tried);
        }
        let side = Side {
            name: feature.flipped(),
            boots,
        };
        let rows = self.compare(&self.as_is, &side)?;
        let rows = rows.into_iter().filter(|row| row.judged);
        tried.figures = rows.map(|row| figure(row, difference)).collect();
        let unknown = |it: &Figure| it.moves.is_none();
        if tried.figures.is_empty() || tried.figures.iter().any(unknown) {
            tried.exit_code = Exit::CannotTell;
        }
        Ok(tried)
    }

    /// All of it.
    #[must_use]
    pub fn knobs(&self, difference: Vec<Row>, mut all: Vec<Tried>) -> Knobs {
        all.sort_by(|a, b| b.most().total_cmp(&a.most()));
        let names = |side: &Side| -> Vec<String> {
            side.boots.iter().map(FinishedBoot::name).collect()
        };
        let against = self.against.as_ref();
        Knobs {
            schema: 1,
            kernel: self.as_is.name.clone(),
            against: against.map(|side| side.name.clone()),
            plan: self.plan.clone(),
            machines: modes(self.as_is.boots.iter().map(|it| it.meta.mode())),
            boots: [names(&self.as_is), against.map(names).unwrap_or_default()],
            difference,
            untried: all.iter().filter(|it| it.boots.is_empty()).count(),
            exit_code: Exit::of_all(all.iter().map(|tried| tried.exit_code)),
            features: all,
        }
    }
}

/// Whether a difference is no more than what a seed alone was ever seen to
/// make of such a figure.
fn within_a_seed(row: &Row) -> bool {
    let known = row.interval.filter(|interval| interval.coverage.is_none());
    known.is_some_and(|interval| interval.low <= 0.0 && interval.high >= 0.0)
}

fn figure(row: Row, difference: &[Row]) -> Figure {
    // Of a difference that is none there is no share.
    let theirs = difference.iter().find(|of| {
        (&of.run, &of.metric) == (&row.run, &row.metric) && moved(of.verdict)
    });
    let of_difference = theirs.map(|of| (row.a - row.b) / (of.b - of.a));
    let moves = match row.verdict {
        of if moved(of) => Some(true),
        Verdict::Unknown => within_a_seed(&row).then_some(false),
        _ => Some(false),
    };
    Figure {
        run: row.run,
        metric: row.metric,
        unit: row.unit,
        as_is: row.a,
        flipped: row.b,
        difference: row.difference,
        verdict: row.verdict,
        moves,
        of_difference: of_difference.filter(|share| share.is_finite()),
    }
}

/// Why a boot says nothing of a feature: it failed, a run of it was skipped,
/// or the kernel did not take what was set.
fn not_good(boot: &FinishedBoot) -> Option<String> {
    let runs = boot.report.runs.iter();
    let bad = runs.filter(|run| {
        run.verdict >= record::Verdict::Skip
            || run.reasons.iter().any(|why| why.starts_with("READ_BACK"))
    });
    let first = bad.map(|run| {
        let why = run.reasons.first().map_or("", String::as_str);
        format!("{} {}: {why}", run.name, run.verdict.name())
    });
    let first = first.into_iter().next();
    match boot.meta.exit_code {
        Exit::Good => first,
        _ => Some(first.unwrap_or_else(|| {
            format!("{}: {}", boot.report.outcome, boot.report.reason)
        })),
    }
}

#[cfg(test)]
mod tests;
