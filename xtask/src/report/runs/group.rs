//! One group of a run: its arguments, figures, histograms, workers and CPUs.

use super::figures::{Figures, folded};
use super::word;
use crate::model::{Group, Hist, Worker, exits};
use crate::report::html::Html;
use crate::report::number::{
    ABSENT, MS, PERCENTILES, Unit, count, percent, rate, told, told_ms,
};
use crate::report::plot::{self, Line};
use crate::report::{Page, Section};
use pidone::kit::exit::Exit;
use pidone::row::Row;
use std::collections::BTreeSet;

/// One group of a run in all boots.
pub(super) struct Shown<'p> {
    pub(super) page: &'p Page<'p>,
    pub(super) section: &'p Section<'p>,
    pub(super) work: &'p str,
    /// What is known of the work type, if it is one of ours.
    pub(super) row: Option<&'static Row>,
    pub(super) groups: &'p [Option<&'p Group>],
    pub(super) id: String,
}

impl Shown<'_> {
    pub(super) fn all(&self, h: &mut Html) {
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
        let of = |what: &str, told: fn(&Row) -> &'static str| {
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
        let well = worker.completed && worker.exit == Exit::Code(0);
        match well {
            true => h.text("✓"),
            false => h.classed("span", "fail", &exits::text(worker.exit)),
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
