//! Conditions of `expect=`, judged on a run that was carried out.

use crate::kit::histogram::Histogram;
use crate::kit::shm::Arena;
use crate::kit::text::Human;
use crate::plan::expect::Judged;
use crate::plan::expect::figure::{Figures, Stat};
use crate::plan::expect::kind::Kind;
use crate::plan::expect::totals::Totals;
use crate::plan::run::MAX_CONDITIONS;
use crate::row::MAX_GROUPS;
use crate::run::figures::{metrics, total};
use crate::run::findings::Findings;
use crate::run::measured::{Measured, with_worker};
use crate::wire::record::Verdict;
use core::fmt;
use heapless::Vec;

/// The figures of a run, for its conditions.
struct RunFigures<'r> {
    measured: &'r Measured<'r>,
    totals: Vec<Totals, MAX_GROUPS>,
    scratch: &'r Histogram,
}

impl Figures for RunFigures<'_> {
    fn work(&self, group: usize) -> Option<&str> {
        Some(self.measured.crews.get(group)?.group.row().name)
    }

    fn hist(&self, group: usize, name: &str, stat: Stat) -> Option<u64> {
        let crew = self.measured.crews.get(group)?;
        let mut hists = crew.group.row().hists.iter();
        let hist = hists.find(|hist| hist.name == name)?;
        total(crew, hist.at(), self.scratch);
        stat.of(&self.scratch.summary(), self.scratch.occupied())
    }

    fn figure(&self, group: usize, name: &str) -> Option<u64> {
        let crew = self.measured.crews.get(group)?;
        self.totals.get(group)?.get(name).or_else(|| {
            let mut found = None;
            metrics(crew, |metric, value| {
                if metric == name {
                    found = Some(value);
                }
            });
            found
        })
    }

    fn counter(&self, name: &str) -> Option<u64> {
        self.measured.counter(name)
    }
}

/// Judges every condition of a run; one that does not hold fails it.
#[must_use]
pub fn judge_expects(
    measured: &Measured<'_>,
    findings: &mut Findings,
) -> Vec<Judged, MAX_CONDITIONS> {
    let mut judgements = Vec::new();
    if measured.run.expects().next().is_none() || !measured.ready {
        return judgements;
    }
    let arena = Arena::new(size_of::<Histogram>());
    let scratch = arena.as_ref().ok().and_then(|arena| arena.one().ok());
    let Some(scratch) = scratch else {
        findings.add(Verdict::Fail, format_args!("no memory to judge expect="));
        return judgements;
    };
    let mut totals = Vec::new();
    for crew in measured.crews {
        let mut total = Totals::new(measured.end - measured.begin);
        for index in 0..crew.workers {
            with_worker(measured, crew, index, &mut |w| total.add(w));
        }
        // A run has no more crews than groups.
        let _room = totals.push(total);
    }
    let figures = RunFigures {
        measured,
        totals,
        scratch,
    };
    for expect in measured.run.expects() {
        let judged = expect.evaluate(&figures);
        if !judged.held {
            let found = Found(expect.kind(), judged.milli);
            let text = expect.text;
            findings.add(
                Verdict::Fail,
                format_args!("expect {text} does not hold: {found}"),
            );
        }
        // The plan was refused if it had more.
        let _room = judgements.push(judged);
    }
    judgements
}

/// What a condition found, for people.
#[derive(Debug)]
pub struct Found(pub Kind, pub Option<u64>);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(milli) = self.1 else {
            return f.write_str("the run has no such figure");
        };
        match self.0 {
            Kind::Duration => write!(f, "{}", Human(milli / 1000)),
            Kind::Rate => write!(f, "{}/s", milli / 1000),
            _ if milli.is_multiple_of(1000) => write!(f, "{}", milli / 1000),
            _ => write!(f, "{}.{:03}", milli / 1000, milli % 1000),
        }
    }
}
