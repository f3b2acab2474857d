//! Tables that are open if they are short, and figures of several boots.

use crate::report::Page;
use crate::report::html::{Attr, Html};
use crate::report::number::{ratio, told};
use std::collections::BTreeSet;

/// More rows than this are folded away until asked for.
const FOLDED: usize = 16;

/// A table that is open if it is short.
pub(in crate::report) fn folded(
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
pub(in crate::report) fn open(rows: usize) -> &'static [Attr<'static>] {
    match rows > FOLDED {
        true => &[],
        false => &[("open", "")],
    }
}

/// Figures in rows, boots in columns.
pub(in crate::report) struct Figures<'f> {
    pub(in crate::report) names: BTreeSet<&'f str>,
    /// What a figure counts, if that is known.
    pub(in crate::report) meaning: &'f dyn Fn(&str) -> Option<&'static str>,
    /// The figure of a boot.
    pub(in crate::report) of: &'f dyn Fn(usize, &str) -> Option<u64>,
}

impl Figures<'_> {
    pub(in crate::report) fn heads(&self, page: &Page<'_>) -> Vec<String> {
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

    pub(in crate::report) fn body(&self, h: &mut Html, page: &Page<'_>) {
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
