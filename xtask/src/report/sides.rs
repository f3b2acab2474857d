//! Two sides of a comparison as a page: the answer first, then every verdict
//! with its interval, the distributions of both sides and the functions that
//! differ.
//!
//! A side is one line, of all its boots together, in a band of what its boots
//! are by themselves: what the host or a seed moves is seen as such.

use super::html::Html;
use super::plot::{self, Pooled};
use super::{Key, head};
use crate::compare::answer;
use crate::compare::table::pair;
use crate::compare::{Comparison, Row};
use crate::evidence::Verdict;
use crate::finished::FinishedBoot;
use crate::metrics::labels;
use crate::model::{Hist, Run};
use crate::profile::diff::Difference;
use crate::profile::table::number;
use crate::profile::table::signed;
use crate::usage::quoted;
use pidone::kit::histogram::{bucket_of, percentile};
use pidone::workloads;
use std::collections::BTreeMap;

/// Functions that are shown of a run.
const FUNCTIONS: usize = 20;

/// The page of a comparison, of whose sides these are the boots.
#[must_use]
pub fn render(of: &Comparison, boots: [&[FinishedBoot]; 2]) -> String {
    let names = answer::names(&of.sides);
    let page = Page {
        of,
        boots,
        keys: [0, 1].map(|at| Key {
            letters: names[at].clone(),
            colour: at,
            dashes: at,
            kernel: of.sides[at].clone(),
        }),
    };
    let mut html = Html::default();
    let attrs = [("lang", "en"), ("data-made-by", "pidone report")];
    html.el("html", &attrs, |h| {
        let title = format!("{} → {}: {}", names[0], names[1], of.verdict);
        h.el("head", &[], |h| head(h, &title));
        h.el("body", &[], |h| {
            h.el("header", &[], |h| page.header(h));
            h.el("main", &[], |h| {
                page.verdicts(h);
                for run in page.runs() {
                    page.run(h, run);
                }
                page.boots(h);
            });
            h.el("footer", &[], footer);
        });
    });
    html.into_page()
}

struct Page<'c> {
    of: &'c Comparison,
    boots: [&'c [FinishedBoot]; 2],
    keys: [Key; 2],
}

/// The class of a verdict.
fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Worse => "fail",
        Verdict::Better => "ok",
        Verdict::Unknown | Verdict::Differs => "degraded",
        Verdict::Same | Verdict::NoWorse => "skip",
    }
}

/// A verdict with its sign, for those who see no colours.
fn word(row: &Row) -> String {
    let sign = match row.verdict {
        Verdict::Worse => "✗",
        Verdict::Better => "✓",
        Verdict::Differs => "≠",
        Verdict::Same => "=",
        Verdict::NoWorse => "≥",
        Verdict::Unknown => "?",
    };
    format!("{sign} {}", row.verdict)
}

impl Page<'_> {
    fn header(&self, h: &mut Html) {
        h.classed("p", "kicker", "Two kernels compared");
        let class = format!("answer {}", class(self.of.verdict));
        // A number stays with its sign.
        let answer = self.of.answer.replace(" ×", "\u{a0}×");
        h.classed("h1", &class, &answer);
        h.el("dl", &[("class", "facts")], |h| {
            for (key, boots) in self.keys.iter().zip(self.boots) {
                h.el("dt", &[], |h| {
                    plot::sample(h, key);
                    h.text(&format!(" {key}"));
                });
                let count = match boots.len() {
                    1 => "1 boot".to_owned(),
                    n => format!("{n} boots"),
                };
                h.leaf("dd", &[], &format!("{}, {count}", key.kernel));
            }
            for machine in &self.of.machines {
                h.leaf("dt", &[], "Machine");
                h.leaf("dd", &[], machine);
            }
            let first = self.boots[0].first();
            let hello = first.and_then(|boot| boot.report.hello.as_ref());
            if let Some(hello) = hello {
                h.leaf("dt", &[], "Plan");
                h.leaf("dd", &[], &hello.plan.join(" "));
            }
        });
        for warning in &self.of.warnings {
            h.classed("p", "warning", &format!("Warning: {warning}"));
        }
        for missing in &self.of.missing {
            h.classed("p", "warning", &format!("Not compared: {missing}"));
        }
    }

    /// The rows that are judged, or all of them.
    fn judged(&self) -> Vec<&Row> {
        let judged = self.of.rows.iter().filter(|row| row.judged);
        judged.collect()
    }

    /// The runs, each once, in their order.
    fn runs(&self) -> Vec<&str> {
        let mut runs: Vec<&str> = Vec::new();
        for row in self.judged() {
            if !runs.contains(&&*row.run) && row.run != "boots" {
                runs.push(&row.run);
            }
        }
        runs
    }

    fn verdicts(&self, h: &mut Html) {
        h.el("section", &[("id", "verdicts")], |h| {
            h.leaf("h2", &[], "Verdicts");
            let rows = self.judged();
            if rows.is_empty() {
                h.leaf("p", &[], "Nothing was judged.");
                return;
            }
            let names = self.keys.each_ref().map(|key| format!("#{key}"));
            let heads = [
                "",
                "verdict",
                "#difference",
                "#interval",
                "",
                &*names[0],
                &*names[1],
            ];
            let reach = reach(&rows);
            h.table("What is judged", &heads, |h| {
                let mut last = "";
                for row in rows {
                    if row.run != last {
                        last = &row.run;
                        h.el("tbody", &[], |h| run_head(h, last));
                    }
                    h.el("tbody", &[("class", "figures")], |h| {
                        h.el("tr", &[], |h| self.row(h, row, reach));
                    });
                }
            });
            let reach = reach * 100.0;
            h.classed(
                "p",
                "note",
                &format!(
                    "The line in the middle is no difference, the ends are \
                     {reach:.0} % less and more; a dot is the difference, and \
                     its line the interval."
                ),
            );
        });
    }

    fn row(&self, h: &mut Html, row: &Row, reach: f64) {
        let attrs = [("scope", "row"), ("class", "sub")];
        h.leaf("th", &attrs, &row.metric);
        h.el("td", &[], |h| {
            let class = format!("verdict {}", class(row.verdict));
            h.classed("span", &class, &word(row));
            let grounds = answer::grounds(row);
            if !grounds.is_empty() {
                h.classed("span", "about", &format!(" {grounds}"));
            }
            if row.is_noisy(self.of.deterministic) {
                let most = row.spread.iter().flatten().copied();
                let most = most.fold(0.0, f64::max) * 100.0;
                let text = format!("noise: boots spread by {most:.0} %");
                h.classed("div", "about", &text);
            }
            if let (Verdict::Unknown, Some(more @ 1..)) =
                (row.verdict, row.more)
            {
                let more = answer::boots(more, self.of.deterministic);
                let text = format!("{more} would probably decide");
                h.classed("div", "about", &text);
            }
        });
        let percent = |share: f64| format!("{:+.2} %", share * 100.0);
        h.number(&row.difference.map_or(String::new(), percent));
        h.number(&row.interval.map_or(String::new(), |of| {
            let [low, high] = [of.low, of.high].map(percent);
            format!("{} to {high}", low.trim_end_matches(" %"))
        }));
        h.el("td", &[], |h| forest(h, row, reach));
        let (unit, both) = pair([row.a, row.b], &row.unit);
        let unit = match unit.as_str() {
            "us" => "µs",
            unit => unit,
        };
        for figure in both {
            h.number(format!("{figure} {unit}").trim_end());
        }
    }

    /// One run: distributions, and where the instructions went.
    fn run(&self, h: &mut Html, name: &str) {
        let runs = self.boots.map(|boots| {
            let runs = boots.iter().filter_map(|boot| {
                let labels = labels(&boot.report);
                let at = labels.iter().position(|label| label == name)?;
                boot.report.runs.get(at)
            });
            runs.collect::<Vec<&Run>>()
        });
        let id = format!("run-{}", super::runs::word(name));
        h.el("section", &[("id", &id)], |h| {
            h.leaf("h2", &[], name);
            self.functions(h, name);
            for (place, (work, what)) in hists(&runs).into_iter().enumerate() {
                let of = |run: &&Run| {
                    let mut groups = run.groups.iter();
                    let group = groups.find(|group| group.work == work)?;
                    group.hist.get(&what).filter(|hist| hist.count > 0).cloned()
                };
                let each = runs.each_ref().map(|runs| {
                    runs.iter().filter_map(of).collect::<Vec<Hist>>()
                });
                let id = format!("{id}-{place}");
                self.figure(h, &id, [&work, &what], &each);
            }
        });
    }

    fn figure(
        &self,
        h: &mut Html,
        id: &str,
        [work, what]: [&str; 2],
        each: &[Vec<Hist>; 2],
    ) {
        let whole = each.each_ref().map(|hists| pool(hists));
        let sides: Vec<Pooled<'_>> = (0..2)
            .filter(|at| whole[*at].count > 0)
            .map(|at| Pooled {
                key: &self.keys[at],
                whole: &whole[at],
                boots: &each[at],
            })
            .collect();
        if sides.is_empty() {
            return;
        }
        h.el("figure", &[], |h| {
            h.el("figcaption", &[], |h| {
                h.leaf("strong", &[], &format!("{work} {what}"));
                let row = workloads::row(work);
                let hist = row.and_then(|row| {
                    row.hists.iter().find(|hist| hist.name == what)
                });
                if let Some(hist) = hist {
                    h.text(&format!(" {}", hist.meaning.text()));
                }
            });
            self.legend(h);
            h.el("div", &[("class", "panels")], |h| {
                plot::pooled(h, id, &format!("{work} {what}"), &sides);
            });
        });
    }

    fn legend(&self, h: &mut Html) {
        h.el("ul", &[("class", "legend")], |h| {
            for (key, boots) in self.keys.iter().zip(self.boots) {
                h.el("li", &[], |h| {
                    plot::sample(h, key);
                    let all = match boots.len() {
                        1 => format!(" {key}"),
                        n => format!(" {key}, {n} boots"),
                    };
                    h.text(&all);
                });
            }
        });
    }

    /// The functions by which the run differs.
    fn functions(&self, h: &mut Html, run: &str) {
        let mut all = self.of.profiles.iter();
        let Some(of) = all.find(|of| of.run == run) else {
            return;
        };
        h.classed("p", "about", &of.summary());
        let rows = of.rows.iter().filter(|row| row.difference != 0.0);
        let rows: Vec<_> = rows.take(FUNCTIONS).collect();
        if rows.is_empty() {
            return;
        }
        let names = self.keys.each_ref().map(|key| format!("#{key}"));
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

    /// What the sides are made of.
    fn boots(&self, h: &mut Html) {
        h.el("section", &[("id", "boots")], |h| {
            h.leaf("h2", &[], "Boots");
            for (key, boots) in self.keys.iter().zip(self.boots) {
                h.el("details", &[], |h| {
                    let text = format!("{key}: {} boots", boots.len());
                    h.leaf("summary", &[], &text);
                    for boot in boots {
                        let (of, why) = (boot.meta.outcome, &boot.meta.reason);
                        let text = format!("{}: {of}: {why}", boot.name());
                        h.leaf("p", &[], &text);
                        let words = boot.meta.command.iter().skip(1);
                        let words: Vec<String> =
                            words.map(|word| quoted(word)).collect();
                        if !words.is_empty() {
                            let text =
                                format!("cargo xtask {}", words.join(" "));
                            h.leaf("pre", &[("class", "command")], &text);
                        }
                    }
                });
            }
        });
    }
}

fn run_head(h: &mut Html, run: &str) {
    h.el("tr", &[], |h| {
        let attrs = [("scope", "rowgroup"), ("colspan", "7")];
        let id = format!("#run-{}", super::runs::word(run));
        h.el("th", &attrs, |h| match run {
            "boots" => h.text("boots"),
            run => h.leaf("a", &[("href", &id)], run),
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

/// The times that are worth a figure, by work type and name.
fn hists(runs: &[Vec<&Run>; 2]) -> Vec<(String, String)> {
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
fn reach(rows: &[&Row]) -> f64 {
    let ends = rows.iter().flat_map(|row| {
        let of = row.interval.map(|of| [of.low.abs(), of.high.abs()]);
        of.into_iter().flatten().chain(row.difference.map(f64::abs))
    });
    let most = ends.fold(0.0, f64::max);
    let steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75];
    steps.into_iter().find(|step| *step >= most).unwrap_or(1.0)
}

/// Half of a plot's width.
const HALF: f64 = 100.0;

/// A difference with its interval, around no difference.
fn forest(h: &mut Html, row: &Row, reach: f64) {
    let x = |share: f64| HALF + (share / reach).clamp(-1.0, 1.0) * (HALF - 4.0);
    let view = format!("0 0 {} 16", 2.0 * HALF);
    let told = match (row.interval, row.difference) {
        (Some(of), _) => {
            format!("{:+.2} % to {:+.2} %", of.low * 100.0, of.high * 100.0)
        }
        (None, Some(_)) => "no interval".to_owned(),
        (None, None) => return,
    };
    let attrs = [
        ("class", "forest"),
        ("viewBox", view.as_str()),
        ("role", "img"),
        ("aria-label", &told),
    ];
    h.el("svg", &attrs, |h| {
        h.leaf("title", &[], &told);
        let middle = format!("M{HALF} 0V16");
        h.leaf("path", &[("class", "grid"), ("d", &middle)], "");
        let class = class(row.verdict);
        if let Some(of) = row.interval {
            let (low, high) = (x(of.low), x(of.high));
            let d =
                format!("M{low:.1} 3V13M{low:.1} 8H{high:.1}M{high:.1} 3V13");
            let class = format!("interval {class}");
            h.leaf("path", &[("class", &class), ("d", &d)], "");
        }
        if let Some(difference) = row.difference {
            let d = format!(
                "M{:.1} 8m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0z",
                x(difference)
            );
            let class = format!("dot {class}");
            h.leaf("path", &[("class", &class), ("d", &d)], "");
        }
    });
}

fn footer(h: &mut Html) {
    h.leaf(
        "p",
        &[],
        "A distribution is of all boots of a side together; the band around \
         it is from the lowest to the highest of its boots. Values of a \
         histogram are exact to 1.6 %. Plots leave out to the left what a \
         thousandth of the samples is below. docs/compare.md says how a \
         verdict comes about.",
    );
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
