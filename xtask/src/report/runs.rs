//! What is said of each run: verdicts, figures of groups, workers and CPUs,
//! and what the kernel counted and said.

mod figures;
mod group;

use super::html::Html;
use super::number::{ABSENT, MS, PERCENTILES, Unit, rate, ratio, time};
use super::{Page, Section, profile, sampled, scheduler, trace, tunables};
use crate::model::{Expect, Group, Hist, Kernel, Run};
pub(super) use figures::{Figures, folded, open};
use group::Shown;
use pidone::plan::expect::kind::Kind;
use pidone::wire::record::Verdict;
use pidone::workloads;
use std::collections::BTreeSet;

/// Which figure stands for all of a run: true wake-up latency, or the first
/// time there is.
fn headline(group: &Group) -> Option<(&str, &Hist)> {
    let times = || {
        let all = group.hist.iter();
        all.filter(|(_, hist)| hist.unit == "ns" && hist.count > 0)
    };
    let wake = times().find(|(name, _)| *name == "wake");
    let first = wake.or_else(|| times().next());
    first.map(|(name, hist)| (name.as_str(), hist))
}

/// The verdicts with their sign.
fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "✓",
        Verdict::Degraded => "~",
        Verdict::Skip => "–",
        Verdict::Fail => "✗",
    }
}

fn verdict(h: &mut Html, verdict: Verdict) {
    let name = verdict.name();
    let text = format!("{} {name}", sign(verdict));
    h.classed("span", &format!("verdict {name}"), &text);
}

/// All runs in a table, for those who read no further.
pub(super) fn glance(h: &mut Html, page: &Page<'_>) {
    h.el("section", &[("id", "runs")], |h| {
        h.leaf("h2", &[], "Runs");
        if page.sections.is_empty() {
            h.leaf("p", &[], "Nothing was measured.");
            return;
        }
        let boots = page.columns();
        let mut heads = vec!["run"];
        heads.extend(boots.iter().map(String::as_str));
        let both = page.sources.len() == 2;
        if both {
            heads.push("#B/A");
        }
        h.table("Every run at a glance", &heads, |h| {
            for (section, number) in page.sections.iter().zip(1..) {
                let number: usize = number;
                h.el("tbody", &[], |h| {
                    glance_rows(h, section, &format!("#run-{number}"), both);
                });
            }
        });
    });
}

/// A figure with its text for each boot.
struct Row {
    name: String,
    values: Vec<Option<u64>>,
    shown: Vec<String>,
}

fn glance_rows(h: &mut Html, section: &Section<'_>, href: &str, both: bool) {
    h.el("tr", &[], |h| {
        h.el("th", &[("scope", "rowgroup")], |h| {
            h.leaf("a", &[("href", href)], section.name);
        });
        for run in &section.runs {
            h.el("td", &[("class", "n")], |h| match run {
                Some(run) => verdict(h, run.verdict),
                None => h.text("not run"),
            });
        }
        if both {
            h.cell("");
        }
    });
    for row in headline_rows(section) {
        h.el("tr", &[], |h| {
            let attrs = [("scope", "row"), ("class", "sub")];
            h.leaf("th", &attrs, &row.name);
            for text in &row.shown {
                h.number(text);
            }
            if both {
                match row.values[..] {
                    [Some(one), Some(two)] => h.number(&ratio(one, two)),
                    _ => h.number(""),
                }
            }
        });
    }
}

/// Rate, median and 99th percentile of the first group.
fn headline_rows(section: &Section<'_>) -> Vec<Row> {
    let Some((_, groups)) = section.groups().into_iter().next() else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    let per_second = |at: usize| {
        let (group, run) = (groups[at]?, section.runs[at]?);
        let wall = u128::from(run.wall_ns);
        let told = group.counted && wall > 0;
        let milli = u128::from(group.iterations) * 1_000_000_000_000;
        let milli = told.then(|| u64::try_from(milli / wall))?.ok()?;
        Some((milli, rate(group.iterations, run.wall_ns)))
    };
    let rates: Vec<_> = (0..groups.len()).map(per_second).collect();
    rows.push(Row {
        name: "iterations/s".to_owned(),
        values: rates.iter().map(|rate| Some(rate.as_ref()?.0)).collect(),
        shown: rates
            .iter()
            .map(|rate| rate.as_ref().map_or("", |rate| &rate.1).to_owned())
            .collect(),
    });
    let first = groups.iter().flatten().find_map(|group| headline(group));
    let Some((name, _)) = first else {
        return rows;
    };
    let hists: Vec<Option<&Hist>> = groups
        .iter()
        .map(|group| (*group)?.hist.get(name).filter(|hist| hist.count > 0))
        .collect();
    let known: Vec<&Hist> = hists.iter().flatten().copied().collect();
    let unit = Unit::of(&known);
    for percentile in PERCENTILES.iter().step_by(2) {
        let of = percentile.of;
        let values: Vec<Option<u64>> =
            hists.iter().map(|hist| hist.map(of)).collect();
        rows.push(Row {
            name: format!("{name} {}, {}", percentile.name, unit.name),
            shown: values
                .iter()
                .map(|value| value.map_or(String::new(), |v| unit.show(v)))
                .collect(),
            values,
        });
    }
    rows
}

/// A run with all its groups.
pub(super) fn section(
    h: &mut Html,
    page: &Page<'_>,
    section: &Section<'_>,
    number: usize,
) {
    let id = format!("run-{number}");
    h.el("section", &[("id", &id)], |h| {
        h.leaf("h2", &[], section.name);
        h.el("div", &[("class", "beside")], |h| {
            verdicts(h, page, section);
            expects(h, page, section);
        });
        missing(h, page, section);
        tunables::of_run(h, page, section);
        scheduler::of_run(h, page, section);
        trace::of_run(h, page, section);
        let groups = section.groups();
        for ((work, groups), index) in groups.iter().zip(0..) {
            let index: usize = index;
            if section.groups().len() > 1 {
                h.leaf("h3", &[], &format!("Group {index}: {work}"));
            }
            let group = Shown {
                page,
                section,
                work,
                row: workloads::row(work),
                groups,
                id: format!("{id}-{index}"),
            };
            group.all(h);
        }
        profile::of_run(h, page, section);
        sampled::of_run(h, page, section);
        kernel(h, page, section);
    });
}

/// Rows of a table, one for each boot that has the run.
fn rows(
    h: &mut Html,
    page: &Page<'_>,
    section: &Section<'_>,
    row: impl Fn(&mut Html, &Run),
) {
    h.el("tbody", &[], |h| {
        for (at, run) in section.runs.iter().enumerate() {
            if let Some(run) = run {
                h.el("tr", &[], |h| {
                    page.head(h, at, 1, "row");
                    row(h, run);
                });
            }
        }
    });
}

fn verdicts(h: &mut Html, page: &Page<'_>, section: &Section<'_>) {
    let heads = page.heads(&["verdict", "reasons", "#measured, ms", "#seed"]);
    h.table("Verdict", &heads, |h| {
        rows(h, page, section, |h, run| {
            h.el("td", &[], |h| verdict(h, run.verdict));
            match &run.reasons[..] {
                [] => h.cell(ABSENT),
                reasons => h.el("td", &[("class", "why")], |h| {
                    for reason in reasons {
                        h.leaf("div", &[], reason);
                    }
                }),
            }
            h.number(&MS.show(run.wall_ns));
            h.number(&run.seed.to_string());
        });
    });
}

/// Which boots did not have the run.
fn missing(h: &mut Html, page: &Page<'_>, section: &Section<'_>) {
    let missing = section.runs.iter().zip(&page.keys);
    let missing: Vec<String> = missing
        .filter(|(run, _)| run.is_none())
        .map(|(_, key)| key.to_string())
        .collect();
    if !missing.is_empty() {
        let text = format!("Not run in {}.", missing.join(", "));
        h.classed("p", "note", &text);
    }
}

/// Conditions, those of one boot below each other.
fn expects(h: &mut Html, page: &Page<'_>, section: &Section<'_>) {
    let none = |run: &&Run| run.expect.is_empty();
    if section.runs.iter().flatten().all(none) {
        return;
    }
    let heads = page.heads(&["expected", "held", "#value"]);
    h.table("Expectations", &heads, |h| {
        h.el("tbody", &[], |h| {
            for (at, run) in section.runs.iter().enumerate() {
                let all = run.map_or(&[][..], |run| &run.expect);
                for (n, expect) in all.iter().enumerate() {
                    h.el("tr", &[], |h| {
                        if n == 0 {
                            page.head(h, at, all.len(), "rowgroup");
                        }
                        h.el("td", &[], |h| h.leaf("code", &[], &expect.text));
                        h.el("td", &[], |h| {
                            let (class, word) = match expect.held {
                                true => ("ok", "✓ held"),
                                false => ("fail", "✗ did not hold"),
                            };
                            h.classed("span", class, word);
                        });
                        h.number(&value(expect));
                    });
                }
            }
        });
    });
}

/// What the left side of a condition came to, with its unit.
fn value(expect: &Expect) -> String {
    let Some(value) = expect.value else {
        return ABSENT.to_owned();
    };
    let kind = pidone::plan::expect::Expect::parse(&expect.text);
    match kind.map(|condition| condition.kind()) {
        Ok(Kind::Duration) => time(value),
        Ok(Kind::Rate) => format!("{value} /s"),
        _ => value.to_string(),
    }
}

/// What the kernel counted and said in the run.
fn kernel(h: &mut Html, page: &Page<'_>, section: &Section<'_>) {
    let kernels = || {
        let runs = section.runs.iter().zip(&page.keys);
        runs.filter_map(|(run, key)| Some((&(*run)?.kernel, key)))
    };
    let names: BTreeSet<&str> = kernels()
        .flat_map(|(kernel, _)| kernel.counters.keys())
        .map(String::as_str)
        .collect();
    if !names.is_empty() {
        let figures = Figures {
            names,
            meaning: &|_| None,
            of: &|at, name| {
                section.runs[at]?.kernel.counters.get(name).copied()
            },
        };
        let heads = figures.heads(page);
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let rows = figures.names.len();
        let caption = "Kernel counters of the whole machine";
        folded(h, caption, &heads, rows, |h| figures.body(h, page));
    }
    for (kernel, key) in kernels() {
        messages(h, page, kernel, &key.to_string());
    }
}

fn messages(h: &mut Html, page: &Page<'_>, kernel: &Kernel, key: &str) {
    let quiet = kernel.messages.is_empty() && kernel.dropped_messages == 0;
    if quiet && kernel.taint == 0 {
        return;
    }
    let whose = match page.several() {
        true => format!("Kernel messages in {key}"),
        false => "Kernel messages".to_owned(),
    };
    let mut text = kernel.messages.join("\n");
    if kernel.dropped_messages > 0 {
        text += &format!("\n({} more lines)", kernel.dropped_messages);
    }
    if kernel.taint != 0 {
        text += &format!("\n(new taint bits: {:#x})", kernel.taint);
    }
    h.el("details", open(kernel.messages.len()), |h| {
        h.leaf("summary", &[], &whose);
        h.leaf(
            "pre",
            &[("class", "console")],
            text.trim_start_matches('\n'),
        );
    });
}

/// A name as part of an `id`.
pub(super) fn word(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(fits).collect()
}
