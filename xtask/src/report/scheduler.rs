//! What is said of sched_ext schedulers: which one there was before, in and
//! behind the runs, what it counted, and what its program wrote.
//!
//! Why one was disabled is among the reasons of its run, in the kernel's
//! words; its dump is among the kernel's messages.

use super::html::Html;
use super::number::told;
use super::runs::{Figures, folded, open};
use super::{Page, Section};
use crate::model::{Run, Scheduler};
use std::collections::BTreeSet;

/// The schedulers of whole boots.
pub(super) fn of_boots(h: &mut Html, page: &Page<'_>) {
    let reports = page.sources.iter().map(|source| &source.report);
    let all: Vec<_> = reports
        .zip(0..)
        .filter_map(|(report, at)| Some((at, report.scx.as_ref()?)))
        .collect();
    if all.is_empty() {
        return;
    }
    let heads = page.heads(&["when loaded", "at the end"]);
    h.table("sched_ext scheduler of each boot", &heads, |h| {
        h.el("tbody", &[], |h| {
            for (at, scx) in &all {
                h.el("tr", &[], |h| {
                    page.head(h, *at, 1, "row");
                    h.cell(&scx.loaded.summary());
                    let after = scx.after.as_ref().map(Scheduler::summary);
                    h.cell(after.as_deref().unwrap_or("not known"));
                });
            }
        });
    });
    for (at, scx) in all {
        output(h, page, at, " before the runs", &scx.loaded);
        if let Some(after) = &scx.after {
            output(h, page, at, " behind the runs", after);
        }
    }
}

/// The schedulers behind a run.
pub(super) fn of_run(h: &mut Html, page: &Page<'_>, section: &Section<'_>) {
    let runs = section.runs.iter().zip(0..);
    let all: Vec<(usize, &Run, &Scheduler)> = runs
        .filter_map(|(run, at)| Some((at, (*run)?, (*run)?.scx.as_ref()?)))
        .collect();
    if all.is_empty() {
        return;
    }
    let heads = page.heads(&[
        "scheduler",
        "#workers in its class",
        "#tasks rejected",
        "#schedulers so far",
    ]);
    h.table("sched_ext scheduler behind the run", &heads, |h| {
        h.el("tbody", &[], |h| {
            for (at, run, scx) in &all {
                h.el("tr", &[], |h| {
                    page.head(h, *at, 1, "row");
                    h.cell(&scx.summary());
                    let (on, workers) = run.in_class();
                    h.number(&format!("{on} of {workers}"));
                    h.number(&told(scx.nr_rejected));
                    h.number(&told(scx.enable_seq));
                });
            }
        });
    });
    events(h, page, &all);
    for (at, _, scx) in all {
        output(h, page, at, "", scx);
    }
}

/// Events that some boot had.
fn events(h: &mut Html, page: &Page<'_>, all: &[(usize, &Run, &Scheduler)]) {
    let events = all.iter().flat_map(|(.., scx)| &scx.events);
    let names: BTreeSet<&str> = events
        .filter(|(_, count)| **count > 0)
        .map(|(name, _)| name.as_str())
        .collect();
    if names.is_empty() {
        return;
    }
    let rows = names.len();
    let figures = Figures {
        names,
        meaning: &|_| None,
        of: &|at, name| {
            let (.., scx) = all.iter().find(|one| one.0 == at)?;
            scx.events.get(name).copied()
        },
    };
    let heads = figures.heads(page);
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let caption = "Events of the scheduler since it was loaded";
    folded(h, caption, &heads, rows, |h| figures.body(h, page));
}

/// What the scheduler's program wrote.
fn output(
    h: &mut Html,
    page: &Page<'_>,
    at: usize,
    when: &str,
    scx: &Scheduler,
) {
    if scx.output.is_empty() && scx.dropped == 0 {
        return;
    }
    let whose = match page.several() {
        true => format!(" in {}", page.keys[at]),
        false => String::new(),
    };
    let mut text = scx.output.join("\n");
    if scx.dropped > 0 {
        text = format!("({} bytes before this)\n{text}", scx.dropped);
    }
    h.el("details", open(scx.output.len()), |h| {
        let summary = format!("Output of the scheduler's program{when}{whose}");
        h.leaf("summary", &[], &summary);
        h.leaf("pre", &[("class", "console")], &text);
    });
}
