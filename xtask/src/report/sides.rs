//! Two sides of a comparison as a page: the answer first, then every verdict
//! with its interval, the distributions of both sides and the functions that
//! differ.
//!
//! A side is one line, of all its boots together, in a band of what its boots
//! are by themselves: what the host or a seed moves is seen as such.

use super::compared::{
    self, Drawn, PLOTS, class, figure, functions, heading, hists, interval,
    of_runs, percent, reach, sign, unit_sign,
};
use super::html::Html;
use super::{Key, document, plot};
use crate::compare::answer;
use crate::compare::table::in_one_unit;
use crate::compare::{Comparison, Row};
use crate::finished::FinishedBoot;
use crate::metrics::labels;
use crate::model::Run;
use crate::text::several;

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
    let title = format!("{} → {}: {}", names[0], names[1], of.verdict);
    document(
        &title,
        |h| page.header(h),
        |h| {
            page.verdicts(h);
            for run in page.runs() {
                page.run(h, run);
            }
            page.boots(h);
        },
        |h| h.leaf("p", &[], PLOTS),
    )
}

struct Page<'c> {
    of: &'c Comparison,
    boots: [&'c [FinishedBoot]; 2],
    keys: [Key; 2],
}

impl Page<'_> {
    fn header(&self, h: &mut Html) {
        h.classed("p", "kicker", "Two kernels compared");
        let answer = core::slice::from_ref(&self.of.answer);
        heading(h, answer, class(self.of.verdict));
        h.el("dl", &[("class", "facts")], |h| {
            for (key, boots) in self.keys.iter().zip(self.boots) {
                h.el("dt", &[], |h| {
                    plot::sample(h, key);
                    h.text(&format!(" {key}"));
                });
                let text =
                    format!("{}, {}", key.kernel, several(boots.len(), "boot"));
                h.leaf("dd", &[], &text);
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
                     its line the interval. What is undecided has the number \
                     of boots or seeds that would probably decide it."
                ),
            );
        });
    }

    fn row(&self, h: &mut Html, row: &Row, reach: f64) {
        let attrs = [("scope", "row"), ("class", "sub")];
        h.leaf("th", &attrs, &row.metric);
        h.el("td", &[], |h| {
            let class = format!("verdict {}", class(row.verdict));
            let word = format!("{} {}", sign(row.verdict), row.verdict);
            h.classed("span", &class, &word);
            let grounds = answer::grounds(row);
            if !grounds.is_empty() {
                h.classed("span", "about", &format!(" {grounds}"));
            }
            compared::notes(h, row, self.of.deterministic);
        });
        h.number(&row.difference.map_or(String::new(), percent));
        h.number(&interval(row).unwrap_or_default());
        h.el("td", &[], |h| forest(h, row, reach));
        let (unit, both) = in_one_unit(&[row.a, row.b], &row.unit);
        let unit = unit_sign(&unit);
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
            let mut profiles = self.of.profiles.iter();
            if let Some(of) = profiles.find(|of| of.run == name) {
                functions(h, of, self.keys.each_ref());
            }
            for (place, (work, what)) in hists(&runs).iter().enumerate() {
                let of = [work.as_str(), what.as_str()];
                let sides = [0, 1].map(|at| Drawn {
                    key: &self.keys[at],
                    boots: self.boots[at].len(),
                    hists: of_runs(&runs[at], of),
                });
                figure(h, &format!("{id}-{place}"), of, &sides);
            }
        });
    }

    /// What the sides are made of.
    fn boots(&self, h: &mut Html) {
        h.el("section", &[("id", "boots")], |h| {
            h.leaf("h2", &[], "Boots");
            for (key, boots) in self.keys.iter().zip(self.boots) {
                let boots: Vec<&FinishedBoot> = boots.iter().collect();
                compared::boots(h, &key.to_string(), &boots);
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

/// Half of a plot's width.
const HALF: f64 = 100.0;

/// A difference with its interval, around no difference.
fn forest(h: &mut Html, row: &Row, reach: f64) {
    let x = |share: f64| HALF + (share / reach).clamp(-1.0, 1.0) * (HALF - 4.0);
    let view = format!("0 0 {} 16", 2.0 * HALF);
    let told = match (interval(row), row.difference) {
        (Some(of), _) => of,
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
