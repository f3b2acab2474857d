//! A matrix as a page: the answer first, then every figure kernel by kernel,
//! in the kernels' order, work types by family; and what became of each cell.

mod figures;
mod trend;

use self::figures::{Figure, Measured, families};
use self::trend::{Dot, trend};
use super::boots::machine;
use super::compared::{
    self, Drawn, PLOTS, class, figure, functions, heading, hists, interval,
    of_runs, percent, reach, sign, unit_sign,
};
use super::html::Html;
use super::number::ABSENT;
use super::{Key, STYLES, document, plot};
use crate::compare::table::in_one_unit;
use crate::compare::{Row, answer};
use crate::evidence::Verdict;
use crate::exit::Exit;
use crate::finished::FinishedBoot;
use crate::matrix::Pair;
use crate::matrix::summary::{Summary, outcome};
use crate::metrics;
use crate::model::Run;
use crate::text::{several, unbroken};
use std::collections::BTreeSet;

/// The page of a matrix, with its [`Summary::pairs`].
#[must_use]
pub fn render(of: &Summary, pairs: &[Pair]) -> String {
    let page = Page::new(of, pairs);
    let (verdict, answer) = of.answer(pairs);
    document(
        &format!("{}: {verdict}", of.matrix),
        |h| page.header(h, &answer, verdict),
        |h| {
            page.contents(h);
            for (title, runs) in &page.families {
                page.family(h, title, runs);
            }
            page.cells(h);
            page.functions(h);
            page.boots(h);
        },
        |h| {
            h.leaf("p", &[], NOTES);
            h.leaf("p", &[], PLOTS);
        },
    )
}

struct Page<'s> {
    of: &'s Summary,
    /// The kernels, and how each is drawn.
    keys: Vec<Key>,
    pairs: &'s [Pair],
    /// By the headings of the families.
    families: Vec<(&'static str, Vec<Measured>)>,
}

/// What is said of verdicts below figures.
const NOTES: &str = "\
     Below a figure is what it is more or less than that of the baseline: \
     ✗ worse, ✓ better, = the same, ≥ the same or better, ? undecided, with \
     the number of boots or seeds that would probably decide it; noisy is a \
     figure that ranges over more than a tenth from boot to boot.";

impl<'s> Page<'s> {
    fn new(of: &'s Summary, pairs: &'s [Pair]) -> Self {
        let kernels = of.kernels();
        let keys = kernels.iter().enumerate().map(|(at, kernel)| Key {
            letters: (*kernel).to_owned(),
            colour: at % STYLES,
            dashes: (at + at / STYLES) % STYLES,
            kernel: String::new(),
        });
        Self {
            of,
            keys: keys.collect(),
            pairs,
            families: families(of, &kernels),
        }
    }

    fn several_places(&self) -> bool {
        let cells = self.of.cells.iter();
        let places: BTreeSet<_> = cells.map(|cell| &cell.names[1..]).collect();
        places.len() > 1
    }

    fn cell(&self, kernel: usize, place: &[String; 2]) -> Option<usize> {
        let name = self.keys[kernel].to_string();
        let mut cells = self.of.cells.iter();
        cells.position(|it| it.names[0] == name && it.names[1..] == *place)
    }

    /// The boots of a cell that ended well.
    fn good(&self, kernel: usize, place: &[String; 2]) -> Vec<&FinishedBoot> {
        let cell = self.cell(kernel, place);
        let all = cell.map_or(Vec::new(), |cell| self.of.of(cell));
        let boots = all.into_iter().map(|it| &it.boot);
        boots
            .filter(|boot| boot.meta.exit_code == Exit::Good)
            .collect()
    }

    /// How a figure of a kernel compares with that of the baseline, and
    /// whether that is seed by seed.
    fn row(
        &self,
        kernel: usize,
        of: &Measured,
        metric: &str,
    ) -> Option<(&Row, bool)> {
        let cell = self.cell(kernel, &of.place)?;
        let pair = self.pairs.iter().find(|pair| pair.b == cell)?;
        let found = pair.found.as_ref().ok()?;
        let mut rows = found.rows.iter();
        let row = rows.find(|row| row.run == of.run && row.metric == metric)?;
        Some((row, found.deterministic))
    }

    fn header(&self, h: &mut Html, answer: &[String], verdict: Verdict) {
        let kinds = [self.keys.len(), self.names(1).len(), self.names(2).len()];
        let words = ["kernel", "machine", "plan"];
        let kinds = kinds
            .iter()
            .zip(words)
            .map(|(count, word)| several(*count, word));
        let kinds: Vec<String> = kinds.collect();
        h.classed("p", "kicker", &kinds.join(", "));
        let class = match self.of.exit() {
            Exit::Good => class(verdict),
            _ if self.pairs.is_empty() => "degraded",
            _ => class(verdict),
        };
        heading(h, answer, class);
        h.el("dl", &[("class", "facts")], |h| {
            for (at, key) in self.keys.iter().enumerate() {
                h.el("dt", &[], |h| {
                    plot::sample(h, key);
                    h.text(&format!(" {key}"));
                });
                h.leaf("dd", &[], &self.kernel(at));
            }
            for name in self.names(1) {
                h.leaf("dt", &[], name);
                h.leaf("dd", &[], &self.machine(name));
            }
            for name in self.names(2) {
                h.leaf("dt", &[], name);
                h.leaf("dd", &[], &self.plan(name));
            }
        });
        for pair in self.pairs {
            for warning in pair.found.iter().flat_map(|it| &it.warnings) {
                let cell = &self.of.cells[pair.b];
                let text = format!("Warning: {cell}: {warning}");
                h.classed("p", "warning", &text);
            }
        }
    }

    /// The names of machines (1) or of plans (2), in their order.
    fn names(&self, kind: usize) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for cell in &self.of.cells {
            let name = cell.names[kind].as_str();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The boots of cells that have this name.
    fn boots_of(&self, kind: usize, name: &str) -> Vec<&FinishedBoot> {
        let mine = self.of.boots.iter().filter(|boot| {
            let cell = &self.of.cells[boot.cell];
            cell.names[kind] == name
        });
        mine.map(|boot| &boot.boot).collect()
    }

    fn kernel(&self, at: usize) -> String {
        let boots = self.boots_of(0, &self.keys[at].to_string());
        let told = boots.iter().find_map(|boot| {
            let hello = boot.report.hello.as_ref()?;
            Some(format!("Linux {}", hello.kernel))
        });
        let meta = boots.first().map(|boot| &boot.meta.kernel.spec);
        let told = told.or_else(|| meta.cloned()).unwrap_or_default();
        let base = match self.keys[at].to_string() == self.of.baseline() {
            true if self.keys.len() > 1 => ", the baseline",
            _ => "",
        };
        format!("{told}, {}{base}", several(boots.len(), "boot"))
    }

    fn machine(&self, name: &str) -> String {
        let boots = self.boots_of(1, name);
        let modes: BTreeSet<String> =
            boots.iter().map(|boot| boot.meta.mode()).collect();
        let hello = boots.iter().find_map(|it| it.report.hello.as_ref());
        let hello = hello.map(machine);
        let all: Vec<String> = hello.into_iter().chain(modes).collect();
        all.join("; ")
    }

    fn plan(&self, name: &str) -> String {
        let boots = self.boots_of(2, name);
        let told = boots.iter().find_map(|it| it.report.hello.as_ref());
        let told = told.map(|hello| hello.plan.join(" "));
        let asked = || boots.first().map(|boot| boot.meta.plan.join(" "));
        told.or_else(asked).unwrap_or_default()
    }

    /// The kernels that are held against the baseline.
    fn others(&self) -> Vec<usize> {
        let is = |at: &usize| self.keys[*at].to_string() != self.of.baseline();
        (0..self.keys.len()).filter(is).collect()
    }

    /// The families, with how many figures of each kernel differ.
    fn contents(&self, h: &mut Html) {
        h.el("section", &[("id", "contents")], |h| {
            h.leaf("h2", &[], "Work types by family");
            if self.families.is_empty() {
                h.leaf("p", &[], "Nothing was measured.");
                return;
            }
            let others = self.others();
            let names = others.iter().map(|at| self.keys[*at].to_string());
            let names: Vec<String> = names.collect();
            let mut heads = vec!["family", "work types"];
            heads.extend(names.iter().map(String::as_str));
            h.table("Figures that differ, by family", &heads, |h| {
                h.el("tbody", &[], |h| {
                    for (title, runs) in &self.families {
                        h.el("tr", &[], |h| {
                            self.entry(h, title, runs, &others);
                        });
                    }
                });
            });
        });
    }

    fn entry(
        &self,
        h: &mut Html,
        title: &str,
        runs: &[Measured],
        others: &[usize],
    ) {
        h.el("th", &[("scope", "row")], |h| {
            let href = format!("#{}", slug(title));
            h.leaf("a", &[("href", &href)], title);
        });
        let mut names: Vec<&str> =
            runs.iter().map(|run| run.run.as_str()).collect();
        names.dedup();
        h.cell(&names.join(", "));
        for at in others {
            let rows = runs.iter().flat_map(|run| {
                let figures = run.figures.iter();
                figures.filter_map(|it| self.row(*at, run, &it.metric))
            });
            let verdicts: Vec<Verdict> =
                rows.map(|(row, _)| row.verdict).collect();
            h.el("td", &[], |h| counts(h, &verdicts));
        }
    }

    fn family(&self, h: &mut Html, title: &str, runs: &[Measured]) {
        h.el("section", &[("id", &slug(title))], |h| {
            h.leaf("h2", &[], title);
            let others = self.others();
            let rows = runs.iter().flat_map(|run| {
                let of = run.figures.iter();
                of.flat_map(|it| {
                    others
                        .iter()
                        .filter_map(|at| self.row(*at, run, &it.metric))
                })
            });
            let rows: Vec<&Row> = rows.map(|(row, _)| row).collect();
            let reach = reach(&rows);
            let names = self.keys.iter().map(|key| format!("#{key}"));
            let names: Vec<String> = names.collect();
            let mut heads = vec![""];
            if !others.is_empty() {
                heads.push("trend");
            }
            heads.extend(names.iter().map(String::as_str));
            let columns = heads.len().to_string();
            h.table("Kernel by kernel", &heads, |h| {
                for run in runs {
                    h.el("tbody", &[], |h| {
                        let attrs =
                            [("scope", "rowgroup"), ("colspan", &*columns)];
                        h.el("tr", &[], |h| {
                            h.el("th", &attrs, |h| self.name(h, run));
                        });
                    });
                    h.el("tbody", &[("class", "figures")], |h| {
                        for figure in &run.figures {
                            h.el("tr", &[], |h| {
                                self.figure(h, run, figure, reach);
                            });
                        }
                    });
                }
            });
            if !others.is_empty() {
                let text = format!(
                    "The line of a trend is the baseline, {}; its top and \
                     bottom are {:.0} % more and less.",
                    self.of.baseline(),
                    reach * 100.0
                );
                h.classed("p", "note", &text);
            }
            for run in runs {
                self.distributions(h, run);
            }
        });
    }

    fn name(&self, h: &mut Html, of: &Measured) {
        h.leaf("strong", &[], &of.run);
        if self.several_places() {
            let [machine, plan] = &of.place;
            h.classed("span", "args", &format!(" on {machine}, {plan}"));
        }
    }

    fn figure(&self, h: &mut Html, of: &Measured, it: &Figure, reach: f64) {
        let attrs = [("scope", "row"), ("class", "sub")];
        let known: Vec<f64> = it.values.iter().flatten().copied().collect();
        let (unit, shown) = in_one_unit(&known, &it.unit);
        let mut shown = shown.iter();
        h.el("th", &attrs, |h| {
            h.text(&it.metric);
            if !unit.is_empty() {
                h.text(&format!(", {}", unit_sign(&unit)));
            }
        });
        let kernels = 0..self.keys.len();
        let rows: Vec<Option<(&Row, bool)>> =
            kernels.map(|at| self.row(at, of, &it.metric)).collect();
        if self.keys.len() > 1 {
            let kernels = self.keys.iter().zip(&it.values).zip(&rows);
            let kernels = kernels.map(|((key, value), row)| {
                let name = key.to_string();
                Dot {
                    is_base: name == self.of.baseline() && value.is_some(),
                    row: row.map(|(row, _)| row),
                    name,
                }
            });
            let kernels: Vec<Dot<'_>> = kernels.collect();
            h.el("td", &[], |h| trend(h, &kernels, reach));
        }
        for (value_of, row) in it.values.iter().zip(&rows) {
            h.el("td", &[("class", "n")], |h| {
                let shown = value_of.and_then(|_| shown.next());
                h.text(shown.map_or(ABSENT, String::as_str));
                if let Some((row, deterministic)) = row {
                    judged(h, row, *deterministic);
                }
            });
        }
    }

    /// The first of a run's histograms, of every kernel, folded.
    fn distributions(&self, h: &mut Html, of: &Measured) {
        let boots = (0..self.keys.len()).map(|at| self.good(at, &of.place));
        let boots: Vec<Vec<&FinishedBoot>> = boots.collect();
        let runs = boots.iter().map(|boots| {
            let runs = boots.iter().filter_map(|boot| {
                let labels = metrics::labels(&boot.report);
                let at = labels.iter().position(|label| *label == of.run)?;
                boot.report.runs.get(at)
            });
            runs.collect::<Vec<&Run>>()
        });
        let runs: Vec<Vec<&Run>> = runs.collect();
        let Some((work, what)) = hists(&runs).into_iter().next() else {
            return;
        };
        let each = self.keys.iter().zip(boots.iter().zip(&runs));
        let each = each.map(|(key, (boots, runs))| Drawn {
            key,
            boots: boots.len(),
            hists: of_runs(runs, [&work, &what]),
        });
        let each: Vec<Drawn<'_>> =
            each.filter(|it| !it.hists.is_empty()).collect();
        let [machine, plan] = &of.place;
        let id = slug(&format!("{} {machine} {plan}", of.run));
        h.el("details", &[], |h| {
            h.el("summary", &[], |h| {
                h.text(&format!("{what} of "));
                self.name(h, of);
            });
            figure(h, &id, [&work, &what], &each);
        });
    }

    /// What became of each cell, and how it compares with the baseline's.
    fn cells(&self, h: &mut Html) {
        h.el("section", &[("id", "cells")], |h| {
            h.leaf("h2", &[], "Cells");
            let against = format!("against {}", self.of.baseline());
            let mut heads =
                vec!["kernel", "machine", "plan", "#boots", "outcome"];
            if self.keys.len() > 1 {
                heads.push(&against);
            }
            h.table("What became of each cell", &heads, |h| {
                h.el("tbody", &[], |h| {
                    for (at, cell) in self.of.cells.iter().enumerate() {
                        h.el("tr", &[], |h| {
                            h.leaf("th", &[("scope", "row")], &cell.names[0]);
                            h.cell(&cell.names[1]);
                            h.cell(&cell.names[2]);
                            self.became(h, at);
                        });
                    }
                });
            });
        });
    }

    fn became(&self, h: &mut Html, cell: usize) {
        let boots = self.of.of(cell);
        h.number(&match self.of.cells[cell].boots {
            all if all == boots.len() as u64 => all.to_string(),
            all => format!("{} of {all}", boots.len()),
        });
        let good = |exit: Exit| exit == Exit::Good && !boots.is_empty();
        let exits = boots.iter().map(|boot| boot.boot.meta.exit_code);
        let class = match good(Exit::of_all(exits)) {
            true => "ok",
            false => "fail",
        };
        h.el("td", &[("class", "why")], |h| {
            h.classed("span", class, &outcome(&boots));
        });
        if self.keys.len() > 1 {
            h.el("td", &[("class", "why")], |h| h.text(&self.told(cell)));
        }
    }

    /// How a cell compares with the baseline's.
    fn told(&self, cell: usize) -> String {
        if self.of.cells[cell].names[0] == self.of.baseline() {
            return ABSENT.to_owned();
        }
        let pair = self.pairs.iter().find(|pair| pair.b == cell);
        match pair.map(|pair| &pair.found) {
            Some(Ok(found)) => {
                let said = found.answer.split_once(": ");
                unbroken(said.map_or(&*found.answer, |(_, said)| said))
            }
            Some(Err(why)) => format!("not compared: {why}"),
            None => "not compared: one of both has no good boot".to_owned(),
        }
    }

    /// By which functions cells differ from that of the baseline.
    fn functions(&self, h: &mut Html) {
        let profiles = self.of.profiles();
        if profiles.is_empty() {
            return;
        }
        h.el("section", &[("id", "functions")], |h| {
            h.leaf("h2", &[], "Functions");
            for beside in &profiles {
                let key = |cell: &str| {
                    let mut keys = self.keys.iter();
                    keys.find(|key| cell.starts_with(&format!("{key}/")))
                };
                let (Some(a), Some(b)) = (key(&beside.a), key(&beside.b))
                else {
                    continue;
                };
                h.el("details", &[], |h| {
                    let text = format!("{} → {}", beside.a, beside.b);
                    h.leaf("summary", &[], &text);
                    for difference in &beside.differences {
                        functions(h, difference, [a, b]);
                    }
                });
            }
        });
    }

    fn boots(&self, h: &mut Html) {
        h.el("section", &[("id", "boots")], |h| {
            h.leaf("h2", &[], "Boots");
            for (at, cell) in self.of.cells.iter().enumerate() {
                let boots = self.of.of(at);
                let boots = boots.iter().map(|boot| &boot.boot);
                let boots: Vec<&FinishedBoot> = boots.collect();
                compared::boots(h, &cell.to_string(), &boots);
            }
        });
    }
}

/// How many figures are worse, better or undecided; or none.
fn counts(h: &mut Html, verdicts: &[Verdict]) {
    let shown = [Verdict::Worse, Verdict::Better, Verdict::Unknown];
    let mut said = false;
    for verdict in shown {
        let count = verdicts.iter().filter(|of| **of == verdict).count();
        if count > 0 {
            let text = format!("{} {count} {verdict}", sign(verdict));
            h.classed("div", &format!("verdict {}", class(verdict)), &text);
            said = true;
        }
    }
    match (said, verdicts.len()) {
        (true, _) => {}
        (false, 0) => h.text(ABSENT),
        (false, n) => h.classed("span", "skip", &format!("{n} no worse")),
    }
}

/// A verdict below a figure.
fn judged(h: &mut Html, row: &Row, deterministic: bool) {
    let difference = row.difference.map_or(String::new(), percent);
    let text = format!("{} {difference}", sign(row.verdict));
    let grounds = answer::grounds(row);
    let title = match interval(row) {
        Some(interval) => format!("{}: {interval}", row.verdict),
        None => row.verdict.to_string(),
    };
    h.el("div", &[("title", title.as_str())], |h| {
        h.classed("span", class(row.verdict), &text);
        if !grounds.is_empty() {
            h.classed("span", "args", &format!(" {grounds}"));
        }
    });
    if row.is_noisy(deterministic) {
        h.classed("div", "args", "noisy");
    }
    if let (Verdict::Unknown, Some(more @ 1..)) = (row.verdict, row.more) {
        h.classed("div", "args", &answer::boots(more, deterministic));
    }
}

/// A heading as part of an `id`.
fn slug(text: &str) -> String {
    super::runs::word(&text.to_lowercase())
}
