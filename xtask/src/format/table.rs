//! Results for people.

use crate::finished::on;
use crate::model::{Group, Hist, Outcome, Report, Run, Scheduler, Scx, Worker};
use crate::terminal::columns;
use crate::text::several;
use crate::{profile, words};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use core::fmt::Write;
use pidone::kit::text::Human;
use pidone::wire::record::Verdict;
use std::collections::BTreeSet;

/// A report as text: a heading and a table per run.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ok = write_report(report, &mut text);
    text
}

/// The same behind a line that says on what it ran.
#[must_use]
pub fn render_on(mode: &str, report: &Report) -> String {
    on(&[mode.to_owned()]) + &render(report)
}

fn write_report(report: &Report, text: &mut String) -> core::fmt::Result {
    if let Some(h) = &report.hello {
        let cpus = several(h.cpus, "CPU");
        let nodes = several(h.nodes, "node");
        writeln!(
            text,
            "Linux {} {}, {cpus}, {nodes}, clock {} ({} ns)",
            h.kernel, h.machine, h.clock, h.clock_ns
        )?;
        for note in &h.notes {
            writeln!(text, "note: {note}")?;
        }
    }
    for warning in &report.boot_warnings {
        writeln!(text, "before init: {warning}")?;
    }
    if let Some(scx) = &report.scx {
        write_scheduler("scx", &scx.loaded, text)?;
    }
    for run in &report.runs {
        writeln!(text)?;
        write_run(run, text)?;
    }
    if let Some(after) = report.scx.as_ref().and_then(last) {
        writeln!(text)?;
        write_scheduler("scx at the end", after, text)?;
    }
    let rules = rules(report);
    if !rules.is_empty() {
        let names = rules.join(", ");
        writeln!(
            text,
            "\n{names}: how `wake` is taken; `cargo xtask explain {}`",
            rules[0]
        )?;
    }
    // What was not tried is not well.
    let skipped = |run: &Run| run.verdict == Verdict::Skip;
    let nothing = !report.runs.is_empty() && report.runs.iter().all(skipped);
    match nothing && report.outcome == Outcome::Ok {
        true => writeln!(text, "\nnothing measured: {}", report.reason)?,
        false => writeln!(text, "\n{}: {}", report.outcome, report.reason)?,
    }
    for boot in &report.boots {
        let (outcome, reason) = (boot.outcome, &boot.reason);
        writeln!(text, "  boot {}: {outcome}: {reason}", boot.number)?;
    }
    match report.lost_records {
        0 => {}
        1 => writeln!(text, "1 record is lost")?,
        lost => writeln!(text, "{lost} records are lost")?,
    }
    for error in &report.errors {
        writeln!(text, "error: {error}")?;
    }
    match &report.digest {
        Some(digest) => writeln!(text, "digest {digest}"),
        None => Ok(()),
    }
}

/// The rules by which samples in the tables were taken.
fn rules(report: &Report) -> Vec<&str> {
    let groups = report.runs.iter().flat_map(|run| &run.groups);
    let hists = groups.flat_map(|group| group.hist.values());
    let rules = hists.filter_map(|hist| hist.rule.as_deref());
    let rules: BTreeSet<&str> = rules.collect();
    rules.into_iter().collect()
}

/// What became of a scheduler, if that is news.
fn last(scx: &Scx) -> Option<&Scheduler> {
    scx.after.as_ref().filter(|after| **after != scx.loaded)
}

/// A sched_ext scheduler, and what its program wrote.
fn write_scheduler(
    when: &str,
    scx: &Scheduler,
    text: &mut String,
) -> core::fmt::Result {
    writeln!(text, "{when}: {}", scx.summary())?;
    if scx.dropped > 0 {
        writeln!(text, "  scx: {} bytes before this", scx.dropped)?;
    }
    for line in &scx.output {
        writeln!(text, "  scx: {line}")?;
    }
    Ok(())
}

/// A run: heading, figures, conditions, kernel messages.
pub(super) fn write_run(run: &Run, text: &mut String) -> core::fmt::Result {
    write!(text, "{} {}", run.name, run.verdict.name())?;
    match run.wall_ns {
        0 => writeln!(text)?,
        wall => writeln!(text, " in {}", Human(wall))?,
    }
    for reason in &run.reasons {
        match words::help(reason) {
            Some(help) => writeln!(text, "  {reason}: {help}")?,
            None => writeln!(text, "  {reason}")?,
        }
    }
    for tunable in &run.tunables {
        let name = &tunable.name;
        match tunable.change() {
            [value, before] if value == before => {
                writeln!(text, "  set: {name}: no change")?;
            }
            [value, before] => {
                writeln!(text, "  set: {name}={value}, before {before}")?;
            }
        }
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "",
        "count",
        "rate/s",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "min to max",
    ]);
    for group in &run.groups {
        let rate = super::rate(group.iterations, run.wall_ns);
        let rate = rate.map_or_else(|| "-".to_owned(), |rate| rate.to_string());
        let told = |count: String| match group.counted {
            true => count,
            false => "-".to_owned(),
        };
        table.add_row([
            format!("{} x{}", group.work, group.worker_count),
            told(group.iterations.to_string()),
            told(rate),
        ]);
        for (name, hist) in &group.hist {
            if hist.count > 0 {
                table.add_row(hist_row(name, hist));
                if hist.rule.is_some() {
                    table.add_rows(worker_rows(name, hist, group));
                }
            }
        }
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if (1..7).contains(&at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if !run.groups.is_empty() {
        writeln!(text, "{}", table.trim_fmt())?;
    }
    write_rest(run, text)
}

/// What a run has beside rates and times: metrics, conditions, kernel
/// messages.
fn write_rest(run: &Run, text: &mut String) -> core::fmt::Result {
    for group in run.groups.iter().filter(|g| !g.metrics.is_empty()) {
        write!(text, "  {}:", group.work)?;
        for (name, value) in &group.metrics {
            write!(text, " {name}={value}")?;
        }
        writeln!(text)?;
    }
    for e in &run.expect {
        let held = if e.held { "held" } else { "DID NOT HOLD" };
        match e.value {
            Some(value) => {
                writeln!(text, "  expect {}: {held} ({value})", e.text)?;
            }
            None => writeln!(text, "  expect {}: {held} (no value)", e.text)?,
        }
    }
    if let Some(scx) = &run.scx {
        let (on, all) = run.in_class();
        writeln!(
            text,
            "  scx: {on} of {all} workers in its class, {} at the end",
            scx.state
        )?;
        if !scx.events.is_empty() {
            write!(text, "  scx events:")?;
            for (name, value) in scx.events.iter().filter(|e| *e.1 > 0) {
                write!(text, " {name}={value}")?;
            }
            writeln!(text)?;
        }
        for line in &scx.output {
            writeln!(text, "  scx: {line}")?;
        }
    }
    if let Some(trace) = &run.trace {
        write!(text, "  trace: {} lines, {}", trace.lines, trace.file)?;
        match trace.missing() {
            missing if missing.is_empty() => writeln!(text)?,
            missing => writeln!(text, "; {missing}")?,
        }
    }
    if let Some(profile) = &run.profile {
        write!(text, "{}", profile::table::render(profile))?;
    }
    if let Some(sampled) = &run.sampled {
        write!(text, "{}", profile::sampled::render(sampled))?;
    }
    for message in &run.kernel.messages {
        writeln!(text, "  kernel: {message}")?;
    }
    match run.kernel.dropped_messages {
        0 => Ok(()),
        more => writeln!(text, "  kernel: {more} more lines"),
    }
}

/// The worker with the slowest wake, and the one with the fewest if they are
/// less than half of what a worker has on average: who starves.
fn worker_rows(name: &str, all: &Hist, group: &Group) -> Vec<Vec<String>> {
    let each = || {
        let workers = group.workers.iter();
        workers.filter_map(|worker| Some((worker, worker.hist.get(name)?)))
    };
    let row = |what: &str, (worker, hist): (&Worker, &Hist)| {
        let role = match worker.role.as_str() {
            "" => String::new(),
            role => format!(" ({role})"),
        };
        let hist = Hist {
            rule: None,
            ..hist.clone()
        };
        let who = format!("  {what} worker {}{role}", worker.index);
        hist_row(&who, &hist)
    };
    let slowest = each().max_by_key(|(worker, hist)| {
        (hist.max_ns, core::cmp::Reverse(worker.index))
    });
    let fewest = each().min_by_key(|(_, hist)| hist.count);
    // Those that take no samples have no histogram either, and a console
    // carries only two.
    let takers = u64::try_from(each().count().max(2)).unwrap_or(u64::MAX);
    let starves =
        |hist: &Hist| hist.count.saturating_mul(2 * takers) < all.count;
    let slowest = slowest.map(|found| row("slowest", found));
    let fewest = fewest.filter(|found| starves(found.1));
    let fewest = fewest.map(|found| row("fewest", found));
    slowest.into_iter().chain(fewest).collect()
}

fn hist_row(name: &str, hist: &Hist) -> Vec<String> {
    let rule = hist.rule.as_ref().map(|rule| format!(" ({rule})"));
    let in_ns = hist.unit == "ns";
    let unit = match in_ns {
        true => String::new(),
        false => format!(" [{}]", hist.unit),
    };
    let time = |value: u64| match in_ns {
        true => Human(value).to_string(),
        false => value.to_string(),
    };
    vec![
        format!("  {name}{}{unit}", rule.unwrap_or_default()),
        hist.count.to_string(),
        String::new(),
        time(hist.p50_ns),
        time(hist.p90_ns),
        time(hist.p99_ns),
        time(hist.p999_ns),
        format!(
            "{} {} {}",
            time(hist.min_ns),
            sparkline(hist, bars()),
            time(hist.max_ns)
        ),
    ]
}

/// Most bars of a line: fewer where there are no more than 80 columns.
fn bars() -> usize {
    match columns() {
        ..90 => 6,
        _ => 10,
    }
}

/// Samples per power of two, or per as many of them as it takes for no more
/// than so many bars, from the smallest to the largest sample.
fn sparkline(hist: &Hist, bars: usize) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let power = |ns: u64| ns.max(1).ilog2() as usize;
    let (low, high) = (power(hist.min_ns), power(hist.max_ns));
    let powers = high.saturating_sub(low) + 1;
    let each = powers.div_ceil(bars);
    let mut counts = vec![0_u64; powers.div_ceil(each)];
    for &(ns, count) in &hist.buckets {
        let at = power(ns).saturating_sub(low) / each;
        if let Some(bar) = counts.get_mut(at) {
            *bar += count;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    let bar = |&n: &u64| match n {
        0 => ' ',
        n => {
            let step = u128::from(n - 1) * 8 / u128::from(most);
            HEIGHTS[usize::try_from(step).unwrap_or(0).min(7)]
        }
    };
    counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::{hist_row, sparkline, worker_rows};
    use crate::model::{Group, Hist, Worker};

    #[test]
    fn a_bar_for_each_power_of_two() {
        let hist = Hist {
            min_ns: 16,
            max_ns: 70,
            buckets: vec![(16, 1), (40, 8), (70, 4)],
            ..Hist::default()
        };
        assert_eq!(sparkline(&hist, 10), "▁█▄");
    }

    #[test]
    fn the_worker_that_starves_is_named() {
        let worker = |index, count, max_ns| Worker {
            index,
            role: "waiter".to_owned(),
            hist: [(
                "wake".to_owned(),
                Hist {
                    unit: "ns".into(),
                    count,
                    max_ns,
                    ..Hist::default()
                },
            )]
            .into(),
            ..Worker::default()
        };
        let mut group = Group {
            workers: vec![worker(1, 50, 10), worker(2, 45, 90_000)],
            ..Group::default()
        };
        let rows = |group: &Group, count| {
            let all = Hist {
                count,
                ..Hist::default()
            };
            worker_rows("wake", &all, group)
        };
        let [slowest] = &rows(&group, 95)[..] else {
            panic!("nobody starves");
        };
        assert_eq!(slowest[0], "    slowest worker 2 (waiter)");
        assert!(slowest[7].ends_with(" 90.0us"), "{}", slowest[7]);
        group.workers.push(worker(3, 4, 20));
        let [_, fewest] = &rows(&group, 99)[..] else {
            panic!("one starves");
        };
        assert_eq!(
            (&*fewest[0], &*fewest[1]),
            ("    fewest worker 3 (waiter)", "4")
        );
    }

    #[test]
    fn only_times_have_units_of_time() {
        let mut hist = Hist {
            unit: "ns".into(),
            p50_ns: 1500,
            ..Hist::default()
        };
        assert_eq!(hist_row("wake", &hist)[3], "1500ns");
        hist.unit = "tasks".into();
        let row = hist_row("queued", &hist);
        assert_eq!((&*row[0], &*row[3]), ("  queued [tasks]", "1500"));
    }
}
