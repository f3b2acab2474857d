//! Metrics and conditions as a user asks for them, held against a report or
//! a plan.

use super::figures::RunFigures;
use super::{Metric, labels, metric};
use crate::model::{Group, Report, Run};
use anyhow::{Result, anyhow, bail};
use pidone::kit::counters;
use pidone::plan::Plan;
use pidone::plan::expect::kind::Kind;
use pidone::plan::expect::{Expect, Judged, Side};
use pidone::plan::sources::Sources;
use pidone::plan::token::Source;
use pidone::run::collect;
use pidone::workloads;

/// A metric as a user asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Of which run; of every one if absent.
    pub run: Option<String>,
    /// The metric.
    pub name: String,
}

impl Selector {
    /// Parses `[RUN:]METRIC`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        let (run, name) = split_run(text);
        let side = Side::parse(name).map_err(|error| anyhow!("{error}"))?;
        if side.constant() {
            bail!("`{name}`: a metric has a figure, such as wake.p99 or rate");
        }
        if side.kind() == Kind::Other {
            bail!("`{name}` is no number, duration or rate per second");
        }
        Ok(Self {
            run: run.map(str::to_owned),
            name: name.to_owned(),
        })
    }

    /// The metric in each run that is meant, with the label of the run.
    ///
    /// # Errors
    ///
    /// There is no such run, or none of them can have such a figure, with the
    /// nearest there is. A figure that a kernel did not tell is no error, and
    /// not there.
    pub fn of(&self, report: &Report) -> Result<Vec<(String, Metric)>> {
        let (mut found, mut wrong) = (Vec::new(), None);
        let runs = runs(self.run.as_deref(), report)?;
        let (labels, all) = (labels(report), runs.len());
        let mut refused = 0;
        for at in runs {
            let run = &report.runs[at];
            if let Err(error) = self.check(run) {
                refused += 1;
                wrong.get_or_insert(error);
            } else if let Some(metric) =
                metric(&self.name, run, &RunFigures::new(run))
            {
                found.push((labels[at].clone(), metric));
            }
        }
        match wrong {
            Some(error) if refused == all => Err(error),
            _ => Ok(found),
        }
    }

    /// Checks that a run can have the metric. What a run of work types of
    /// another release can have is not known.
    fn check(&self, run: &Run) -> Result<()> {
        let groups = &run.groups;
        let row = |n: usize| workloads::row(&groups.get(n)?.work);
        let known = (0..groups.len()).all(|n| row(n).is_some());
        if groups.is_empty() || !known {
            return Ok(());
        }
        let side = Side::parse(&self.name);
        let checked = side.and_then(|s| s.check(&row, counters::name));
        checked.map_err(|error| anyhow!("{error}"))
    }
}

/// Checks metrics before a boot: whether the runs of a plan can have them. Of
/// a plan that is packed, or wrong in itself, nothing is said.
///
/// # Errors
///
/// No such run in the plan, or no such figure, with the nearest there is.
pub fn check(metrics: &[Selector], plan: &str) -> Result<()> {
    let sources = Sources {
        args: Source::args(plan),
        ..Sources::default()
    };
    let Ok(plan) = Plan::parse(&sources) else {
        return Ok(());
    };
    let group = |(work, group_idx): (&str, u16)| Group {
        work: work.to_owned(),
        group_idx,
        ..Group::default()
    };
    let runs = plan.runs().map(|run| Run {
        name: collect::name(run).to_string(),
        groups: run
            .groups
            .iter()
            .map(|group| group.row().name)
            .zip(0..)
            .map(group)
            .collect(),
        ..Run::default()
    });
    let expected = Report {
        runs: runs.collect(),
        ..Report::default()
    };
    if expected.runs.is_empty() {
        return Ok(());
    }
    metrics.iter().try_for_each(|metric| {
        metric.of(&expected)?;
        Ok(())
    })
}

/// Judges `[RUN:]CONDITION` on a report: the label of each run that is meant
/// and what became of it there.
///
/// # Errors
///
/// The condition is none, or there is no such run.
pub fn judge(text: &str, report: &Report) -> Result<Vec<(String, Judged)>> {
    let (run, condition) = split_run(text);
    let expect = Expect::parse(condition).map_err(|e| anyhow!("{e}"))?;
    let labels = labels(report);
    let judged = |at: usize| {
        let judged = expect.evaluate(&RunFigures::new(&report.runs[at]));
        (labels[at].clone(), judged)
    };
    Ok(runs(run, report)?.into_iter().map(judged).collect())
}

/// Splits `[RUN:]TEXT`.
#[must_use]
pub fn split_run(text: &str) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((run, text)) => (Some(run), text),
        None => (None, text),
    }
}

/// Indices of the runs of this number from 1, label or name; of all without.
fn runs(which: Option<&str>, report: &Report) -> Result<Vec<usize>> {
    let labels = labels(report);
    let Some(which) = which else {
        return Ok((0..labels.len()).collect());
    };
    let number = which.parse::<usize>().ok();
    let is = |at: &usize| {
        number == Some(at + 1)
            || labels[*at] == which
            || report.runs[*at].name == which
    };
    let found: Vec<usize> = (0..labels.len()).filter(is).collect();
    if found.is_empty() {
        let labels = labels.join(", ");
        bail!("no run `{which}`; runs are {labels}, or a number from 1");
    }
    Ok(found)
}
