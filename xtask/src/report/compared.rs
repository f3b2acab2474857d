//! What pages of comparisons share: verdicts, intervals, distributions of all
//! boots of a side together, functions that differ, and commands.

use super::Key;
use super::boots::command_of;
use super::html::Html;
use super::plot::{self, Pooled};
use crate::compare::{Row, answer, table};
use crate::evidence::Verdict;
use crate::finished::FinishedBoot;
use crate::model::{Hist, Run};
use crate::profile::diff::Difference;
use crate::profile::table::{number, signed};
use crate::text::{several, unbroken};
use pidone::kit::histogram::{bucket_of, percentile};
use pidone::workloads;
use std::collections::BTreeMap;

/// Functions that are shown of a run.
const FUNCTIONS: usize = 20;

/// What all of these pages say of their plots.
pub(super) const PLOTS: &str = "\
     A distribution is of all boots of a kernel together; the band around it \
     is from the lowest to the highest of its boots. Values of a histogram \
     are exact to 1.6 %. Plots leave out to the left what a thousandth of the \
     samples is below. docs/compare.md says how a verdict comes about.";

/// The class of a verdict.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Worse => "fail",
        Verdict::Better => "ok",
        Verdict::Unknown | Verdict::Differs => "degraded",
        Verdict::Same | Verdict::NoWorse => "skip",
    }
}

/// A verdict's sign, for those who see no colours.
pub(super) fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Worse => "✗",
        Verdict::Better => "✓",
        Verdict::Differs => "≠",
        Verdict::Same => "=",
        Verdict::NoWorse => "≥",
        Verdict::Unknown => "?",
    }
}

/// The answer as the page's heading, each of its parts in a line of its own.
pub(super) fn heading(h: &mut Html, answer: &[String], verdict: &str) {
    let class = format!("answer {verdict}");
    h.el("h1", &[("class", &class)], |h| {
        for (part, at) in answer.iter().zip(0..) {
            if at > 0 {
                h.el("br", &[], |_| {});
            }
            h.text(&unbroken(part));
        }
    });
}

/// A share as a signed percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", table::percent(share))
}

/// A unit as a page has it.
pub(super) fn unit_sign(unit: &str) -> &str {
    match unit {
        "us" => "µs",
        unit => unit,
    }
}

/// A difference's interval in words.
pub(super) fn interval(row: &Row) -> Option<String> {
    let of = row.interval?;
    let [low, high] = [of.low, of.high].map(percent);
    Some(format!("{} to {high}", low.trim_end_matches(" %")))
}

/// What is said below a verdict: noise, and what would decide it.
pub(super) fn notes(h: &mut Html, row: &Row, deterministic: bool) {
    if row.is_noisy(deterministic) {
        let most = row.spread.iter().flatten().copied();
        let most = most.fold(0.0, f64::max) * 100.0;
        let text = format!("noise: boots spread by {most:.0} %");
        h.classed("div", "about", &text);
    }
    if let (Verdict::Unknown, Some(more @ 1..)) = (row.verdict, row.more) {
        h.classed("div", "about", &answer::boots(more, deterministic));
    }
}

/// The boots of a kernel that have a histogram.
#[derive(Debug)]
pub(super) struct Drawn<'k> {
    pub(super) key: &'k Key,
    /// Boots, with the histogram or without.
    pub(super) boots: usize,
    pub(super) hists: Vec<Hist>,
}

/// A histogram of several kernels, with its legend.
pub(super) fn figure(
    h: &mut Html,
    id: &str,
    [work, what]: [&str; 2],
    all: &[Drawn<'_>],
) {
    let whole: Vec<Hist> = all.iter().map(|of| pool(&of.hists)).collect();
    let pooled = all.iter().zip(&whole);
    let sides: Vec<Pooled<'_>> = pooled
        .filter(|(_, whole)| whole.count > 0)
        .map(|(of, whole)| Pooled {
            key: of.key,
            whole,
            boots: &of.hists,
        })
        .collect();
    if sides.is_empty() {
        return;
    }
    h.el("figure", &[], |h| {
        h.el("figcaption", &[], |h| {
            h.leaf("strong", &[], &format!("{work} {what}"));
            let row = workloads::row(work);
            let hist =
                row.and_then(|row| row.hists.iter().find(|it| it.name == what));
            if let Some(hist) = hist {
                h.text(&format!(" {}", hist.meaning.text()));
            }
        });
        h.el("ul", &[("class", "legend")], |h| {
            for of in all {
                h.el("li", &[], |h| {
                    plot::sample(h, of.key);
                    h.text(&match of.boots {
                        1 => format!(" {}", of.key),
                        n => format!(" {}, {}", of.key, several(n, "boot")),
                    });
                });
            }
        });
        h.el("div", &[("class", "panels")], |h| {
            plot::pooled(h, id, &format!("{work} {what}"), &sides);
        });
    });
}

/// The times that are worth a figure, by work type and name.
pub(super) fn hists(runs: &[Vec<&Run>]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for group in runs.iter().flatten().flat_map(|run| &run.groups) {
        for (name, hist) in &group.hist {
            let one = (group.work.clone(), name.clone());
            if hist.unit == "ns" && hist.count > 0 && !all.contains(&one) {
                all.push(one);
            }
        }
    }
    // True wake-up latency first.
    all.sort_by_key(|(_, name)| name != "wake");
    all
}

/// The same histogram of each of these runs that has it.
pub(super) fn of_runs(runs: &[&Run], [work, what]: [&str; 2]) -> Vec<Hist> {
    let of = |run: &&Run| {
        let mut groups = run.groups.iter();
        let group = groups.find(|group| group.work == work)?;
        group.hist.get(what).filter(|hist| hist.count > 0).cloned()
    };
    runs.iter().filter_map(of).collect()
}

/// The functions by which a run differs.
pub(super) fn functions(h: &mut Html, of: &Difference, keys: [&Key; 2]) {
    h.classed("p", "about", &of.summary());
    let rows = of.rows.iter().filter(|row| row.difference != 0.0);
    let rows: Vec<_> = rows.take(FUNCTIONS).collect();
    if rows.is_empty() {
        return;
    }
    let names = keys.map(|key| format!("#{key}"));
    let heads = ["function", "of", "#more or less", &*names[0], &*names[1]];
    let caption = "Instructions an iteration, by function";
    h.table(caption, &heads, |h| {
        h.el("tbody", &[], |h| {
            for row in &rows {
                let of = row.space.name();
                let each = (row.difference, row.each);
                function(h, [&row.name, of], each);
            }
            let rest = rest(of, rows.len());
            let count = of.rows.len() - rows.len();
            if count > 0 {
                let name = format!("{count} more");
                function(h, [&name, ""], (rest[1] - rest[0], rest));
            }
            function(h, ["all", ""], (of.difference, of.each));
        });
    });
}

fn function(h: &mut Html, names: [&str; 2], (more, each): (f64, [f64; 2])) {
    h.el("tr", &[], |h| {
        h.leaf("th", &[("scope", "row")], names[0]);
        h.cell(names[1]);
        h.number(&signed(more));
        h.number(&number(each[0]));
        h.number(&number(each[1]));
    });
}

/// What the functions behind the first so many make together.
fn rest(of: &Difference, shown: usize) -> [f64; 2] {
    let rows = of.rows.iter();
    let mut left = shown;
    let rest = rows.filter(|row| {
        let is_shown = row.difference != 0.0 && left > 0;
        left -= usize::from(is_shown);
        !is_shown
    });
    rest.fold([0.0, 0.0], |[a, b], row| [a + row.each[0], b + row.each[1]])
}

/// Boots with what became of each and the command that repeats it, folded.
pub(super) fn boots(h: &mut Html, name: &str, boots: &[&FinishedBoot]) {
    h.el("details", &[], |h| {
        let text = format!("{name}: {}", several(boots.len(), "boot"));
        h.leaf("summary", &[], &text);
        for boot in boots {
            let (of, why) = (boot.meta.outcome, &boot.meta.reason);
            let text = format!("{}: {of}: {why}", boot.name());
            h.leaf("p", &[], &text);
            if let Some(command) = command_of(&boot.meta) {
                h.leaf("pre", &[("class", "command")], &command);
            }
        }
    });
}

/// All boots of a side as one.
fn pool(hists: &[Hist]) -> Hist {
    let mut buckets: BTreeMap<u64, u64> = BTreeMap::new();
    for &(low, count) in hists.iter().flat_map(|hist| &hist.buckets) {
        *buckets.entry(low).or_default() += count;
    }
    let count: u64 = hists.iter().map(|hist| hist.count).sum();
    let of = |f: fn(&Hist) -> u64| hists.iter().map(f);
    let max = of(|hist| hist.max_ns).max().unwrap_or(0);
    let mut all = Hist {
        rule: None,
        unit: hists
            .first()
            .map_or_else(|| "ns".to_owned(), |hist| hist.unit.clone()),
        count,
        sum_ns: of(|hist| hist.sum_ns).sum(),
        min_ns: of(|hist| hist.min_ns).min().unwrap_or(0),
        max_ns: max,
        buckets: buckets.into_iter().collect(),
        ..Hist::default()
    };
    let up_to = |thousandths: u64| {
        let buckets = all.buckets.iter();
        let buckets = buckets.map(|&(low, count)| (bucket_of(low), count));
        percentile(buckets, &all.summary(), thousandths, 1000)
    };
    let of = [200, 500, 900, 990, 999].map(up_to);
    [all.p20_ns, all.p50_ns, all.p90_ns, all.p99_ns, all.p999_ns] = of;
    all
}

/// How far the plots of intervals reach, as a share.
pub(super) fn reach(rows: &[&Row]) -> f64 {
    let ends = rows.iter().flat_map(|row| {
        let of = row.interval.map(|of| [of.low.abs(), of.high.abs()]);
        of.into_iter().flatten().chain(row.difference.map(f64::abs))
    });
    let most = ends.fold(0.0, f64::max);
    let steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75];
    steps.into_iter().find(|step| *step >= most).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::{pool, reach};
    use crate::model::Hist;

    #[test]
    fn boots_of_a_side_are_one_distribution() {
        let hist = |buckets: &[(u64, u64)]| Hist {
            unit: "ns".into(),
            count: buckets.iter().map(|it| it.1).sum(),
            min_ns: buckets[0].0,
            max_ns: buckets[buckets.len() - 1].0,
            buckets: buckets.into(),
            ..Hist::default()
        };
        let all = pool(&[hist(&[(3, 5), (7, 4)]), hist(&[(7, 1), (100, 10)])]);
        assert_eq!(all.buckets, [(3, 5), (7, 5), (100, 10)]);
        assert_eq!((all.count, all.min_ns, all.max_ns), (20, 3, 100));
        assert_eq!((all.p20_ns, all.p50_ns, all.p90_ns), (3, 7, 100));
        assert_eq!(pool(&[]).count, 0);
        assert!((reach(&[]) - 0.01).abs() < 1e-9);
    }
}
