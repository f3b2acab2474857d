//! The metrics of both sides, row by row: differences, tests, verdicts.

use super::{ComparisonOptions, Row};
use crate::evidence::{
    Evidence, Question, Samples, Verdict, ends, median, weigh,
};
use crate::finished::FinishedBoot;
use crate::metrics::{self, Better, Metric};
use anyhow::Result;
use std::collections::BTreeMap;

/// A metric of each sample of one side, by run and name.
type Table = BTreeMap<(String, String), Vec<Option<Metric>>>;

fn table(
    side: &[&FinishedBoot],
    asked: &ComparisonOptions,
    order: &mut Vec<(String, String)>,
) -> Result<Table> {
    let mut all = Table::new();
    for (at, sample) in side.iter().enumerate() {
        let mut take = |run: &str, metric: Metric| {
            let key = (run.to_owned(), metric.name.clone());
            if !order.contains(&key) {
                order.push(key.clone());
            }
            let row = all.entry(key);
            row.or_insert_with(|| vec![None; side.len()])[at] = Some(metric);
        };
        if asked.metrics.is_empty() {
            for run in metrics::of_report(&sample.report) {
                run.metrics.into_iter().for_each(|m| take(&run.run, m));
            }
        }
        for selector in &asked.metrics {
            for (run, metric) in selector.of(&sample.report)? {
                take(&run, metric);
            }
        }
    }
    Ok(all)
}

/// The rows of metrics that both sides have. Of those to judge by that one
/// side alone has, the names are put into `missing`; what is to be said of
/// others, into `warnings`.
pub(super) fn rows_of(
    sides: [&[&FinishedBoot]; 2],
    pairs: &[(u64, usize, usize)],
    asked: &ComparisonOptions,
    missing: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Row>> {
    let mut order = Vec::new();
    let a = table(sides[0], asked, &mut order)?;
    let b = table(sides[1], asked, &mut order)?;
    let mut rows = Vec::new();
    for key in order {
        match (a.get(&key), b.get(&key)) {
            (Some(a), Some(b)) => {
                let known = || a.iter().chain(b).flatten();
                if let Some(gap) = known().find_map(|metric| metric.gap)
                    && !known().all(|metric| judged(metric, asked))
                {
                    let (run, name) = &key;
                    let gap = gap * 100.0;
                    warnings.push(format!(
                        "{run} {name} is not judged: it lies between two \
                         groups of samples, {gap:.0} % apart"
                    ));
                }
                rows.extend(row(&key, a, b, pairs, asked));
            }
            (Some(one), None) | (None, Some(one)) => {
                let mut known = one.iter().flatten();
                if known.any(|metric| judged(metric, asked)) {
                    let (run, name) = key;
                    missing.push(format!("{run} {name}: on one side only"));
                }
            }
            (None, None) => {}
        }
    }
    Ok(rows)
}

fn judged(metric: &Metric, asked: &ComparisonOptions) -> bool {
    match (asked.metrics.is_empty(), asked.all) {
        (false, _) => true,
        (true, true) => metric.better != Better::Neither,
        (true, false) => metric.judged,
    }
}

fn row(
    (run, name): &(String, String),
    a: &[Option<Metric>],
    b: &[Option<Metric>],
    pairs: &[(u64, usize, usize)],
    asked: &ComparisonOptions,
) -> Option<Row> {
    let value = |metric: &Option<Metric>| metric.as_ref().map(|m| m.value);
    let seeds: Vec<(u64, f64, f64)> = pairs
        .iter()
        .filter_map(|&(seed, at, bt)| {
            Some((seed, value(&a[at])?, value(&b[bt])?))
        })
        .collect();
    let values: [Vec<f64>; 2] = match pairs.is_empty() {
        true => [a, b].map(|v| v.iter().filter_map(value).collect()),
        false => [
            seeds.iter().map(|seed| seed.1).collect(),
            seeds.iter().map(|seed| seed.2).collect(),
        ],
    };
    let known = || a.iter().chain(b).flatten();
    let first = known().next()?;
    let judged = known().all(|metric| judged(metric, asked));
    if !judged && !asked.rest {
        return None;
    }
    // What placement may move on one side is not steady on the other.
    let steady = known().all(|metric| metric.steady.is_some());
    let (a, b) = (median(&values[0])?, median(&values[1])?);
    let spread = [&values[0], &values[1]].map(|values| spread(values));
    let samples = match seeds.is_empty() {
        true => {
            let [a, b] = values;
            Samples::Boots { a, b }
        }
        false => Samples::Seeds {
            pairs: seeds.iter().map(|&(_, a, b)| (a, b)).collect(),
            steady: first.steady.filter(|_| steady),
        },
    };
    Some(Row {
        run: run.clone(),
        metric: name.clone(),
        unit: first.unit.clone(),
        better: first.better,
        judged,
        a,
        b,
        spread,
        difference: None,
        interval: None,
        p: 1.0,
        p_corrected: 1.0,
        verdict: Verdict::Unknown,
        more: None,
        exact: false,
        seeds,
        margin: first.margin(asked.margin),
        samples,
    })
}

/// The range of the values as a share of their median; `None` of one, or
/// around 0.
fn spread(values: &[f64]) -> Option<f64> {
    let median = median(values).filter(|&median| median != 0.0)?;
    let (least, most) = ends(values)?;
    (values.len() > 1).then(|| (most - least) / median.abs())
}

/// Fills in what the evidence says. Rows that count for the exit code are a
/// family of their own.
pub(super) fn judge(rows: &mut [Row], identical: bool, look: u32) {
    for judged in [true, false] {
        let of = |row: &&mut Row| row.judged == judged;
        let mine: Vec<&mut Row> = rows.iter_mut().filter(of).collect();
        let questions: Vec<Question> = mine
            .iter()
            .map(|row| Question {
                samples: row.samples.clone(),
                better: row.better,
                margin: row.margin,
            })
            .collect();
        for (row, found) in mine.into_iter().zip(weigh(&questions, look)) {
            let found = match identical && !row.seeds.is_empty() {
                true => Evidence::identical(),
                false => found,
            };
            row.difference = found.estimate;
            row.interval = found.interval;
            row.p = found.p;
            row.p_corrected = found.p_corrected;
            row.verdict = found.verdict;
            row.more = found.more;
            row.exact = found.exact;
        }
    }
}
