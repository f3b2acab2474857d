//! The metrics of both sides, row by row: differences, tests, verdicts.

use super::{Asked, Row, Sample, Verdict};
use crate::metrics::{self, Better, Metric};
use crate::stats::{
    ALPHA, Found, Interval, corrected, difference, least_likelihood, median,
    more_runs, paired_difference, paired_test, quantile, rank_test,
};
use anyhow::Result;
use std::collections::BTreeMap;

/// Fewer runs on each side than this are never said to be the same: an
/// interval of so few is too narrow.
const LEAST_SAME: usize = 5;
/// Fewer seeds than this are not said to be the same.
const LEAST_SEEDS: usize = 3;
/// Differences of so many times the range over seeds on either side are none
/// of the seeds'. Of three seeds each from one normal distribution, 1 in 2000
/// looks so; of more, less.
const RANGES: f64 = 3.0;

/// A metric of each sample of one side, by run and name.
type Table = BTreeMap<(String, String), Vec<Option<Metric>>>;

fn table(
    side: &[&Sample],
    asked: &Asked,
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

pub(super) fn rows_of(
    sides: [&[&Sample]; 2],
    pairs: &[(u64, usize, usize)],
    asked: &Asked,
) -> Result<Vec<Row>> {
    let mut order = Vec::new();
    let a = table(sides[0], asked, &mut order)?;
    let b = table(sides[1], asked, &mut order)?;
    let mut rows = Vec::new();
    for key in order {
        if let (Some(a), Some(b)) = (a.get(&key), b.get(&key))
            && let Some(row) = row(&key, a, b, pairs, asked)
        {
            rows.push(row);
        }
    }
    Ok(rows)
}

fn row(
    (run, name): &(String, String),
    a: &[Option<Metric>],
    b: &[Option<Metric>],
    pairs: &[(u64, usize, usize)],
    asked: &Asked,
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
    let judged = match (asked.metrics.is_empty(), asked.all) {
        (false, _) => true,
        (true, true) => first.better != Better::Neither,
        (true, false) => first.judged,
    };
    if !judged && !asked.rest {
        return None;
    }
    // What placement may move on one side is not steady on the other.
    let steady = known().all(|metric| metric.steady.is_some());
    Some(Row {
        run: run.clone(),
        metric: name.clone(),
        unit: first.unit.clone(),
        better: first.better,
        judged,
        a: median(&values[0])?,
        b: median(&values[1])?,
        spread: [&values[0], &values[1]].map(|values| spread(values)),
        difference: None,
        interval: None,
        p: 1.0,
        p_corrected: 1.0,
        verdict: Verdict::Undecided,
        more: None,
        seeds,
        floor: first.steady.filter(|_| steady),
        margin: asked.margin.max(first.resolution),
        values,
    })
}

/// The range of the values as a share of their median; `None` of one, or
/// around 0.
fn spread(values: &[f64]) -> Option<f64> {
    let median = median(values).filter(|&median| median != 0.0)?;
    let range = quantile(values, 1.0)? - quantile(values, 0.0)?;
    (values.len() > 1).then(|| range / median.abs())
}

/// Differences, tests and verdicts.
pub(super) fn judge(rows: &mut [Row], deterministic: bool) {
    for row in rows.iter_mut() {
        let [a, b] = &row.values;
        let apart = row.seeds.iter().map(|(_, a, b)| b - a);
        let apart: Vec<f64> = apart.collect();
        let paired = !apart.is_empty();
        let (p, shift, interval) = match paired {
            true => (
                paired_test(&apart),
                median(&apart).unwrap_or(0.0),
                paired_difference(&apart),
            ),
            false => (rank_test(a, b), row.b - row.a, difference(a, b)),
        };
        row.p = p;
        if row.a != 0.0 {
            let share = |of: f64| of / row.a.abs();
            row.difference = Some(share(shift));
            row.interval = interval.map(|i| [share(i.low), share(i.high)]);
        }
    }
    // Those that count are a family of their own.
    for judged in [true, false] {
        let of = |row: &&mut Row| row.judged == judged;
        let mine: Vec<&mut Row> = rows.iter_mut().filter(of).collect();
        let likelihoods: Vec<f64> = mine.iter().map(|row| row.p).collect();
        let metrics = mine.len();
        for (row, p) in mine.into_iter().zip(corrected(&likelihoods)) {
            row.p_corrected = p;
            decide(row, metrics, deterministic);
        }
    }
}

fn decide(row: &mut Row, metrics: usize, deterministic: bool) {
    let margin = row.margin;
    let paired = !row.seeds.is_empty();
    let runs = match paired {
        true => row.seeds.len(),
        false => row.values[0].len().min(row.values[1].len()),
    };
    let [a, b] = &row.values;
    let constant = a.iter().chain(b).all(|value| *value == row.a);
    let exactly_same = match paired {
        true => row.seeds.iter().all(|(_, a, b)| a == b),
        false => constant && runs >= LEAST_SAME,
    };
    let Some(difference) = row.difference else {
        // From 0 there is no share; only a test can tell.
        row.verdict = match () {
            () if exactly_same => Verdict::Same,
            () if row.p_corrected < ALPHA => direction(row, row.b - row.a),
            () => Verdict::Undecided,
        };
        row.more = Some(0).filter(|_| row.verdict != Verdict::Undecided);
        return;
    };
    let interval = row.interval.map(|[low, high]| Interval { low, high });
    let least = if paired { LEAST_SEEDS } else { LEAST_SAME };
    let within = interval.is_some_and(|interval| interval.within(margin));
    let sure = row.p_corrected < ALPHA && difference.abs() >= margin;
    row.verdict = match () {
        () if exactly_same => Verdict::Same,
        () if sure || (deterministic && beyond(row)) => {
            direction(row, difference)
        }
        () if runs >= least && within => Verdict::Same,
        () => Verdict::Undecided,
    };
    row.more = match row.verdict {
        Verdict::Undecided => more_runs(&Found {
            runs,
            difference,
            interval,
            margin,
            metrics,
            paired,
        }),
        _ => Some(0),
    };
}

/// Whether each seed's difference is the same way and larger than what seeds
/// alone do: then a few of them are enough, or one.
fn beyond(row: &Row) -> bool {
    let Some(floor) = row.floor else {
        return false;
    };
    let seen = row.spread.iter().flatten().copied().fold(0.0, f64::max);
    let floor = match row.seeds.len() {
        0..LEAST_SEEDS => floor.max(seen),
        _ => RANGES * seen,
    };
    let least = floor.max(row.margin) * row.a.abs();
    let differences = || row.seeds.iter().map(|(_, a, b)| b - a);
    !row.seeds.is_empty()
        && (differences().all(|d| d > least)
            || differences().all(|d| d < -least))
}

fn direction(row: &Row, difference: f64) -> Verdict {
    match (row.better, difference > 0.0) {
        (Better::Neither, _) => Verdict::Differs,
        (Better::Higher, true) | (Better::Lower, false) => Verdict::Better,
        (Better::Higher, false) | (Better::Lower, true) => Verdict::Worse,
    }
}

/// Whether there are enough runs for the test to say anything.
pub(super) fn decidable(row: &Row, metrics: usize) -> bool {
    let paired = !row.seeds.is_empty();
    let runs = match paired {
        true => row.seeds.len(),
        false => row.values[0].len().min(row.values[1].len()),
    };
    let least = least_likelihood(runs, paired);
    least * metrics as f64 <= ALPHA
}
