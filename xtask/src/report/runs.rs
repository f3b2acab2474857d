//! What is said of each run: verdicts, figures of groups, workers and CPUs,
//! and what the kernel counted and said.

use super::html::{Attr, Html};
use super::number::{
    ABSENT, MS, PERCENTILES, Unit, count, percent, rate, ratio, time, told,
    told_ms,
};
use super::plot::{self, Line};
use super::{Page, Section, scheduler};
use crate::model::{Expect, Group, Hist, Kernel, Run, Worker};
use pidone::expect::Kind;
use pidone::workload::Workload;
use pidone::workloads;
use std::collections::BTreeSet;

/// More rows than this are folded away until asked for.
const FOLDED: usize = 16;

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
fn sign(verdict: &str) -> &'static str {
    match verdict {
        "ok" => "✓",
        "degraded" => "~",
        "skip" => "–",
        _ => "✗",
    }
}

fn verdict(h: &mut Html, verdict: &str) {
    let text = format!("{} {verdict}", sign(verdict));
    h.classed("span", &format!("verdict {verdict}"), &text);
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
                Some(run) => verdict(h, &run.verdict),
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
        scheduler::of_run(h, page, section);
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
                row: workloads::find(work),
                groups,
                id: format!("{id}-{index}"),
            };
            group.all(h);
        }
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
            h.el("td", &[], |h| verdict(h, &run.verdict));
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
    let kind = pidone::expect::Expect::parse(&expect.text);
    match kind.map(|condition| condition.kind()) {
        Ok(Kind::Duration) => time(value),
        Ok(Kind::Rate) => format!("{value} /s"),
        _ => value.to_string(),
    }
}

/// One group of a run in all boots.
struct Shown<'p> {
    page: &'p Page<'p>,
    section: &'p Section<'p>,
    work: &'p str,
    /// What is known of the work type, if it is one of ours.
    row: Option<&'static Workload>,
    groups: &'p [Option<&'p Group>],
    id: String,
}

impl Shown<'_> {
    fn all(&self, h: &mut Html) {
        if let Some(row) = self.row {
            h.classed("p", "about", row.summary.text());
        }
        self.args(h);
        h.el("div", &[("class", "beside")], |h| {
            self.throughput(h);
            self.metrics(h);
        });
        self.hists(h);
        self.workers(h);
        self.cpus(h);
    }

    /// The groups that there are, with their boots.
    fn there(&self) -> impl Iterator<Item = (usize, &Group)> {
        let all = self.groups.iter().enumerate();
        all.filter_map(|(at, group)| Some((at, (*group)?)))
    }

    /// Parameters as resolved; those that differ are said of each boot.
    fn args(&self, h: &mut Html) {
        let all: Vec<_> = self.there().collect();
        let same = all.windows(2).all(|two| two[0].1.args == two[1].1.args);
        for (at, group) in all {
            let args = group.args.join(" ");
            h.el("p", &[("class", "args")], |h| {
                if !same {
                    let key = &self.page.keys[at];
                    h.classed("strong", "fail", &format!("{key} differs: "));
                }
                h.leaf("code", &[], &args);
            });
            if same {
                break;
            }
        }
    }

    fn throughput(&self, h: &mut Html) {
        let of = |what: &str, told: fn(&Workload) -> &'static str| {
            let told = self.row.map_or("", told);
            match told.is_empty() {
                true => format!("#{what}"),
                false => format!("#{what} ({told})"),
            }
        };
        let iterations = of("iterations", |row| row.iteration);
        let units = of("work units", |row| row.unit);
        let heads = ["#workers", &iterations, "#/s", &units, "#/s"];
        let heads = self.page.heads(&heads);
        h.table("Throughput", &heads, |h| {
            h.el("tbody", &[], |h| {
                for (at, group) in self.there() {
                    h.el("tr", &[], |h| {
                        self.page.head(h, at, 1, "row");
                        h.number(&group.worker_count.to_string());
                        let wall = self.section.runs[at];
                        let wall = wall.map_or(0, |run| run.wall_ns);
                        for n in [group.iterations, group.work_units] {
                            let told = group.counted;
                            let or = |text| match told {
                                true => text,
                                false => ABSENT.to_owned(),
                            };
                            h.number(&or(count(n)));
                            h.number(&or(rate(n, wall)));
                        }
                    });
                }
            });
        });
    }

    /// Percentiles in a table, distributions as lines.
    fn hists(&self, h: &mut Html) {
        let names: BTreeSet<&str> = self
            .there()
            .flat_map(|(_, group)| group.hist.keys())
            .map(String::as_str)
            .collect();
        if names.is_empty() {
            return;
        }
        let percentiles = [
            "#samples", "#min", "#p50", "#p90", "#p99", "#p99.9", "#max",
            "#mean",
        ];
        let heads = self.page.heads(&percentiles);
        let heads: Vec<&str> = ["of"].into_iter().chain(heads).collect();
        h.table("Percentiles", &heads, |h| {
            for name in &names {
                h.el("tbody", &[], |h| self.percentiles(h, name));
            }
        });
        self.page.legend(h, self.there().map(|(at, _)| at));
        for name in names {
            let lines: Vec<Line<'_>> = self
                .named(name)
                .filter(|(_, hist)| !hist.buckets.is_empty())
                .map(|(at, hist)| Line {
                    key: &self.page.keys[at],
                    hist,
                })
                .collect();
            let unit = lines.first().map_or("", |line| &line.hist.unit);
            let what = match unit {
                "ns" | "" => name.to_owned(),
                unit => format!("{name}, {unit}"),
            };
            h.el("figure", &[], |h| {
                h.el("figcaption", &[], |h| {
                    h.leaf("strong", &[], &what);
                    let meaning = self.row.and_then(|row| {
                        row.hists.iter().find(|hist| hist.name == name)
                    });
                    if let Some(hist) = meaning {
                        h.text(&format!(" {}", hist.meaning.text()));
                    }
                    if lines.is_empty() {
                        h.text(" (no samples)");
                    }
                });
                if !lines.is_empty() {
                    let id = format!("{}-{}", self.id, word(name));
                    let what = format!("{} {what}", self.work);
                    h.el("div", &[("class", "panels")], |h| {
                        plot::plot(h, &id, &what, &lines);
                    });
                }
            });
        }
    }

    /// The histograms of that name.
    fn named(&self, name: &str) -> impl Iterator<Item = (usize, &Hist)> {
        let all = self.there();
        all.filter_map(move |(at, group)| Some((at, group.hist.get(name)?)))
    }

    fn percentiles(&self, h: &mut Html, name: &str) {
        let hists: Vec<(usize, &Hist)> = self.named(name).collect();
        let of: Vec<&Hist> = hists.iter().map(|&(_, hist)| hist).collect();
        let unit = Unit::of(&of);
        let rows = hists.len().to_string();
        for (n, (at, hist)) in hists.into_iter().enumerate() {
            h.el("tr", &[], |h| {
                if n == 0 {
                    let attrs = [("scope", "rowgroup"), ("rowspan", &*rows)];
                    h.el("th", &attrs, |h| {
                        h.text(name);
                        let rule = hist.rule.as_ref();
                        let rule = rule.map(|rule| format!(" ({rule})"));
                        h.text(&rule.unwrap_or_default());
                        h.classed("span", "unit", &format!(" {}", unit.name));
                    });
                }
                self.page.head(h, at, 1, "row");
                h.number(&count(hist.count));
                values(h, hist, unit);
            });
        }
    }

    /// What the type counts beside iterations.
    fn metrics(&self, h: &mut Html) {
        let names: BTreeSet<&str> = self
            .there()
            .flat_map(|(_, group)| group.metrics.keys())
            .map(String::as_str)
            .collect();
        if names.is_empty() {
            return;
        }
        let meaning = |name: &str| {
            let all = self.row.map_or(&[][..], |row| row.metrics);
            let metric = all.iter().find(|metric| metric.name == name);
            metric.map(|metric| metric.meaning.text())
        };
        let figures = Figures {
            names,
            meaning: &meaning,
            of: &|at, name| self.groups[at]?.metrics.get(name).copied(),
        };
        let heads = figures.heads(self.page);
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        h.table("Metrics", &heads, |h| figures.body(h, self.page));
    }

    fn workers(&self, h: &mut Html) {
        let all: Vec<(usize, &Group)> = self.there().collect();
        let count: usize = all.iter().map(|(_, g)| g.workers.len()).sum();
        if count == 0 {
            return;
        }
        let heads = self.page.heads(&[
            "worker",
            "#iterations",
            "#on CPU, %",
            "#run delay, ms",
            "#switches",
            "#preempted",
            "#migrations",
            "CPUs",
            "#longest gap, ms",
            "class",
            "end",
        ]);
        folded(h, "Workers", &heads, count, |h| {
            for (at, group) in all {
                h.el("tbody", &[], |h| self.workers_of(h, at, group));
            }
        });
    }

    fn workers_of(&self, h: &mut Html, at: usize, group: &Group) {
        let most = group.workers.iter().map(|w| w.iterations).max();
        for (n, worker) in group.workers.iter().enumerate() {
            h.el("tr", &[], |h| {
                if n == 0 {
                    let rows = group.workers.len();
                    self.page.head(h, at, rows, "rowgroup");
                }
                worker_cells(h, worker, most.unwrap_or(0));
            });
        }
        let lost = usize::try_from(group.worker_count).unwrap_or(0);
        let lost = lost.saturating_sub(group.workers.len());
        if lost > 0 {
            h.el("tr", &[], |h| {
                let text = format!("{lost} more, whose records are lost");
                h.leaf("td", &[("colspan", "12"), ("class", "fail")], &text);
            });
        }
    }

    /// What is known of each CPU, which is what workers that stayed on it
    /// tell.
    fn cpus(&self, h: &mut Html) {
        let cpus: BTreeSet<u32> = self
            .there()
            .flat_map(|(_, group)| &group.workers)
            .flat_map(|worker| worker.cpus_used.iter().copied())
            .collect();
        if cpus.is_empty() {
            return;
        }
        let heads = self.page.heads(&[
            "CPU",
            "#workers seen",
            "#only here",
            "#iterations",
            "#on CPU, ms",
            "#run delay, ms",
            "#switches",
            "#preempted",
            "#longest gap, ms",
        ]);
        let rows = (cpus.len() + 1) * self.there().count();
        let what = "CPUs: sums of the workers that were on no other";
        folded(h, what, &heads, rows, |h| {
            for (at, group) in self.there() {
                h.el("tbody", &[], |h| self.cpus_of(h, at, group, &cpus));
            }
        });
    }

    fn cpus_of(
        &self,
        h: &mut Html,
        at: usize,
        group: &Group,
        cpus: &BTreeSet<u32>,
    ) {
        let of = |on: &dyn Fn(&Worker) -> bool| {
            let workers = group.workers.iter();
            workers.filter(|worker| on(worker)).collect::<Vec<_>>()
        };
        let wandering = of(&|worker| worker.cpus_used.len() != 1);
        let rows = cpus.len() + usize::from(!wandering.is_empty());
        for (n, &cpu) in cpus.iter().enumerate() {
            let seen = of(&|worker| worker.cpus_used.contains(&cpu));
            let only = of(&|worker| worker.cpus_used == [cpu]);
            let gap = of(&|worker| worker.max_gap_cpu == cpu);
            let gap = gap.iter().map(|worker| worker.max_gap_ns).max();
            h.el("tr", &[], |h| {
                if n == 0 {
                    self.page.head(h, at, rows, "rowgroup");
                }
                h.leaf("th", &[("scope", "row")], &cpu.to_string());
                h.number(&seen.len().to_string());
                sums(h, &only, gap);
            });
        }
        if !wandering.is_empty() {
            h.el("tr", &[], |h| {
                h.leaf("th", &[("scope", "row")], "several");
                h.number(&wandering.len().to_string());
                sums(h, &wandering, None);
            });
        }
    }
}

/// Percentiles of a histogram, in cells.
fn values(h: &mut Html, hist: &Hist, unit: Unit<'_>) {
    if hist.count == 0 {
        for _ in 0..7 {
            h.number(ABSENT);
        }
        return;
    }
    h.number(&unit.show(hist.min_ns));
    for percentile in &PERCENTILES {
        let class = match percentile.is_met(hist.count) {
            true => "n",
            false => "n few",
        };
        h.classed("td", class, &unit.show((percentile.of)(hist)));
    }
    h.number(&unit.show(hist.max_ns));
    h.number(&unit.show(hist.sum_ns / hist.count));
}

fn worker_cells(h: &mut Html, worker: &Worker, most: u64) {
    let name = match worker.role.is_empty() {
        true => worker.index.to_string(),
        false => format!("{} {}", worker.index, worker.role),
    };
    h.leaf("th", &[("scope", "row")], &name);
    match worker.counted {
        true => {
            let part = percent(worker.iterations, most);
            let share = match most {
                0 => "--share:0%".to_owned(),
                _ => format!("--share:{part}%"),
            };
            let attrs = [("class", "n bar"), ("style", share.as_str())];
            h.leaf("td", &attrs, &count(worker.iterations));
        }
        false => h.number(ABSENT),
    }
    h.number(&percent(worker.cpu_ns, worker.wall_ns));
    h.number(&told_ms(worker.run_delay_ns));
    h.number(&told(worker.nvcsw));
    h.number(&told(worker.nivcsw));
    h.number(&told(worker.migrations));
    h.cell(&ranges(&worker.cpus_used));
    h.number(&match worker.max_gap_ns {
        0 => ABSENT.to_owned(),
        ns => format!("{} on {}", MS.show(ns), worker.max_gap_cpu),
    });
    h.cell(&class(worker));
    h.el("td", &[], |h| {
        let well = worker.completed && worker.exit == "code 0";
        match well {
            true => h.text("✓"),
            false => h.classed("span", "fail", &worker.exit),
        }
        for (op, (count, errno)) in &worker.errors {
            let text = format!("{op} failed {count}×, errno {errno}");
            h.classed("div", "fail", &text);
        }
    });
}

/// Figures of workers together, in cells.
fn sums(h: &mut Html, workers: &[&Worker], gap: Option<u64>) {
    let sum = |of: &dyn Fn(&Worker) -> Option<u64>| {
        let all = workers.iter().map(|worker| of(worker));
        all.sum::<Option<u64>>().filter(|_| !workers.is_empty())
    };
    h.number(&workers.len().to_string());
    h.number(&told(sum(&|w| w.counted.then_some(w.iterations))));
    h.number(&told_ms(sum(&|w| Some(w.cpu_ns))));
    h.number(&told_ms(sum(&|w| w.run_delay_ns)));
    h.number(&told(sum(&|w| w.nvcsw)));
    h.number(&told(sum(&|w| w.nivcsw)));
    h.number(&told_ms(gap.filter(|&ns| ns > 0)));
}

/// How a worker was scheduled.
fn class(worker: &Worker) -> String {
    let Some(policy) = worker.policy else {
        return ABSENT.to_owned();
    };
    let name = match (policy, worker.ext_enabled) {
        (_, Some(true)) => "ext",
        (0, _) => "other",
        (1, _) => "fifo",
        (2, _) => "rr",
        (3, _) => "batch",
        (5, _) => "idle",
        (6, _) => "deadline",
        (7, _) => "ext",
        _ => return format!("policy {policy}"),
    };
    match (worker.rt_priority.unwrap_or(0), worker.nice.unwrap_or(0)) {
        (0, 0) => name.to_owned(),
        (0, nice) => format!("{name}, nice {nice}"),
        (priority, _) => format!("{name} {priority}"),
    }
}

/// CPUs as `0-3,5`.
fn ranges(cpus: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => parts.push((cpu, cpu)),
        }
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    match parts.is_empty() {
        true => ABSENT.to_owned(),
        false => parts.join(","),
    }
}

/// A table that is open if it is short.
pub(super) fn folded(
    h: &mut Html,
    caption: &str,
    heads: &[&str],
    rows: usize,
    inner: impl FnOnce(&mut Html),
) {
    h.el("details", open(rows), |h| {
        h.leaf("summary", &[], caption);
        h.table(caption, heads, inner);
    });
}

/// The attributes of a part of so many rows.
pub(super) fn open(rows: usize) -> &'static [Attr<'static>] {
    match rows > FOLDED {
        true => &[],
        false => &[("open", "")],
    }
}

/// Figures in rows, boots in columns.
pub(super) struct Figures<'f> {
    pub(super) names: BTreeSet<&'f str>,
    /// What a figure counts, if that is known.
    pub(super) meaning: &'f dyn Fn(&str) -> Option<&'static str>,
    /// The figure of a boot.
    pub(super) of: &'f dyn Fn(usize, &str) -> Option<u64>,
}

impl Figures<'_> {
    pub(super) fn heads(&self, page: &Page<'_>) -> Vec<String> {
        let mut heads = vec!["figure".to_owned()];
        heads.extend(page.columns());
        if page.sources.len() == 2 {
            heads.push("#B/A".to_owned());
        }
        if self.explained() {
            heads.push("meaning".to_owned());
        }
        heads
    }

    fn explained(&self) -> bool {
        self.names.iter().any(|name| (self.meaning)(name).is_some())
    }

    pub(super) fn body(&self, h: &mut Html, page: &Page<'_>) {
        h.el("tbody", &[], |h| {
            for name in &self.names {
                h.el("tr", &[], |h| self.row(h, page, name));
            }
        });
    }

    fn row(&self, h: &mut Html, page: &Page<'_>, name: &str) {
        h.leaf("th", &[("scope", "row")], name);
        let boots = 0..page.keys.len();
        let values: Vec<_> = boots.map(|at| (self.of)(at, name)).collect();
        for value in &values {
            h.number(&told(*value));
        }
        match values[..] {
            [Some(a), Some(b)] => h.number(&ratio(a, b)),
            [_, _] => h.number(""),
            _ => {}
        }
        if self.explained() {
            h.cell((self.meaning)(name).unwrap_or_default());
        }
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
fn word(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::{class, ranges};
    use crate::model::Worker;

    #[test]
    fn cpus_and_classes() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges(&[]), "\u{2013}");
        let mut worker = Worker::default();
        assert_eq!(class(&worker), "\u{2013}");
        worker.policy = Some(0);
        worker.nice = Some(5);
        assert_eq!(class(&worker), "other, nice 5");
        worker.ext_enabled = Some(true);
        assert_eq!(class(&worker), "ext, nice 5");
        worker.policy = Some(1);
        worker.ext_enabled = None;
        worker.rt_priority = Some(50);
        assert_eq!(class(&worker), "fifo 50");
    }
}
