//! What runs set of their kernels.

use super::html::Html;
use super::{Page, Section};
use crate::model::Run;
use crate::model::tunable::Tunable;

/// What a run set, boot by boot.
pub(super) fn of_run(h: &mut Html, page: &Page<'_>, section: &Section<'_>) {
    let all: Vec<(usize, &[Tunable])> = section
        .runs
        .iter()
        .zip(0..)
        .filter_map(|(run, at)| {
            let of = |run: &'_ &Run| !run.tunables.is_empty();
            Some((at, run.filter(of)?.tunables.as_slice()))
        })
        .collect();
    if all.is_empty() {
        return;
    }
    let heads = page.heads(&["setting", "in the run", "before"]);
    h.table("What the run set of the kernel", &heads, |h| {
        for (at, tunables) in &all {
            h.el("tbody", &[], |h| {
                for (tunable, row) in tunables.iter().zip(0..) {
                    h.el("tr", &[], |h| {
                        if row == 0 {
                            page.head(h, *at, tunables.len(), "rowgroup");
                        }
                        h.cell(&tunable.name);
                        let [value, before] = tunable.change();
                        h.cell(&value);
                        h.cell(&before);
                    });
                }
            });
        }
    });
}
