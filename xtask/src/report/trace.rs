//! Where the kernel events are that runs recorded, and what of them is
//! missing.

use super::html::Html;
use super::{Page, Section};
use crate::model::trace::Trace;
use crate::program;

/// The traces of a run.
pub(super) fn of_run(h: &mut Html, page: &Page<'_>, section: &Section<'_>) {
    let runs = section.runs.iter().zip(0..);
    let all: Vec<(usize, &Trace)> = runs
        .filter_map(|(run, at)| Some((at, (*run)?.trace.as_ref()?)))
        .collect();
    if all.is_empty() {
        return;
    }
    let heads = page.heads(&["file", "#lines", "missing"]);
    let caption = format!(
        "Kernel events that were recorded: ui.perfetto.dev opens the file, {} \
         trace tells of slow wakes",
        program::name()
    );
    h.table(&caption, &heads, |h| {
        h.el("tbody", &[], |h| {
            for (at, trace) in &all {
                h.el("tr", &[], |h| {
                    page.head(h, *at, 1, "row");
                    h.cell(&trace.file);
                    h.number(&trace.lines.to_string());
                    h.cell(&trace.missing());
                });
            }
        });
    });
}
