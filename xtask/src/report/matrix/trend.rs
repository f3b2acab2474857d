//! A figure over the kernels of a matrix, as a small plot.

use super::super::compared::{class, percent};
use super::super::html::Html;
use crate::compare::Row;
use core::fmt::Write;

/// Of a trend: how far kernels are apart, where the baseline's line is, and
/// how far from it the farthest dot may be.
const STEP: f64 = 26.0;
const MIDDLE: f64 = 18.0;
const UP: f64 = 14.0;

/// A kernel of a trend.
pub(super) struct Dot<'r> {
    /// What it is called.
    pub(super) name: String,
    /// It is the baseline, and has the figure.
    pub(super) is_base: bool,
    /// How it compares with the baseline.
    pub(super) row: Option<&'r Row>,
}

/// A dot for each kernel, at what it is more or less than the baseline; the
/// ends of the plot are so much more and less.
pub(super) fn trend(h: &mut Html, kernels: &[Dot<'_>], reach: f64) {
    let y = |share: f64| MIDDLE - (share / reach).clamp(-1.0, 1.0) * UP;
    let mut told = Vec::new();
    let mut dots: Vec<(f64, f64, Option<&Row>)> = Vec::new();
    for (kernel, x) in kernels.iter().zip(0_u32..) {
        let x = STEP * (f64::from(x) + 0.5);
        let more = kernel.row.and_then(|row| row.difference);
        match more {
            Some(more) => {
                told.push(format!("{} {}", kernel.name, percent(more)));
                dots.push((x, y(more), kernel.row));
            }
            None if kernel.is_base => dots.push((x, MIDDLE, None)),
            None => {}
        }
    }
    if told.is_empty() {
        return;
    }
    let told = told.join(", ");
    let count = u32::try_from(kernels.len()).unwrap_or(u32::MAX);
    let width = STEP * f64::from(count);
    let view = format!("0 0 {width} {}", 2.0 * MIDDLE);
    let (wide, high) = (width.to_string(), (2.0 * MIDDLE).to_string());
    let attrs = [
        ("class", "trend"),
        ("viewBox", view.as_str()),
        ("width", wide.as_str()),
        ("height", high.as_str()),
        ("role", "img"),
        ("aria-label", told.as_str()),
    ];
    h.el("svg", &attrs, |h| {
        h.leaf("title", &[], &told);
        let line = format!("M0 {MIDDLE}H{width}");
        h.leaf("path", &[("class", "grid"), ("d", &line)], "");
        let mut path = String::new();
        for (x, y, _) in &dots {
            let to = if path.is_empty() { 'M' } else { 'L' };
            let _ok = write!(path, "{to}{x:.1} {y:.1}");
        }
        h.leaf("path", &[("class", "course"), ("d", &path)], "");
        for (x, at, row) in &dots {
            let class = row.map_or("skip", |row| class(row.verdict));
            if let Some(of) = row.and_then(|row| row.interval) {
                let (low, high) = (y(of.low), y(of.high));
                let d = format!("M{x:.1} {low:.1}V{high:.1}");
                let class = format!("interval {class}");
                h.leaf("path", &[("class", &class), ("d", &d)], "");
            }
            let d = format!(
                "M{x:.1} {at:.1}m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 \
                 0z"
            );
            let class = format!("dot {class}");
            h.leaf("path", &[("class", &class), ("d", &d)], "");
        }
    });
}
