//! What features of a scheduler do, for people.

use super::{Figure, Knobs, Tried};
use crate::compare::Row;
use crate::compare::table::value;
use crate::finished::on;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use core::fmt::Write;

/// All of it as text.
#[must_use]
pub fn render(knobs: &Knobs) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ok = write_knobs(knobs, &mut text);
    text
}

fn write_knobs(knobs: &Knobs, text: &mut String) -> core::fmt::Result {
    writeln!(text, "{}, {}", knobs.kernel, knobs.plan.join(" "))?;
    text.push_str(&on(&knobs.machines));
    if let Some(against) = &knobs.against {
        let moved = |row: &&Row| super::moved(row.verdict);
        let rows = knobs.difference.iter().filter(moved);
        let rows: Vec<String> = rows.map(difference).collect();
        match rows.is_empty() {
            true => writeln!(text, "no difference to {against} that counts")?,
            false => {
                writeln!(text, "\nmore than {against} has:")?;
                rows.iter().try_for_each(|row| writeln!(text, "  {row}"))?;
            }
        }
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut heads =
        vec!["feature", "is", "moves", "as it is", "flipped", "by", ""];
    heads.extend(knobs.against.as_ref().map(|_| "of the difference"));
    table.set_header(heads);
    let (tried, untried): (Vec<_>, Vec<_>) = knobs
        .features
        .iter()
        .partition(|feature| !feature.boots.is_empty());
    for tried in tried {
        for row in rows(tried, knobs.against.is_some()) {
            table.add_row(row);
        }
    }
    for at in [3, 4, 5, 7] {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(text, "\n{}\n", table.trim_fmt())?;
    let all = knobs.features.len();
    let moving = knobs.features.iter();
    let moving = moving.filter(|it| it.figures.iter().any(Figure::moved));
    writeln!(text, "{} of {all} features move a figure", moving.count())?;
    if untried.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = untried.iter().map(|it| &*it.feature).collect();
    writeln!(
        text,
        "not tried, which the same with --resume does: {}",
        names.join(", ")
    )
}

fn share(of: f64) -> String {
    format!("{:+.2} %", of * 100.0)
}

fn difference(row: &Row) -> String {
    let more = row.difference.map(share).unwrap_or_default();
    let values = [row.a, row.b].map(|it| value(it, &row.unit));
    let (run, metric) = (&row.run, &row.metric);
    format!(
        "{run} {metric} {more} ({} to {}), {}",
        values[0], values[1], row.verdict
    )
}

/// A line for each figure that it moves, or one that says that there is none.
fn rows(tried: &Tried, against: bool) -> Vec<Vec<String>> {
    let state = if tried.on { "on" } else { "off" };
    let told = |figure: &&Figure| figure.moves != Some(false);
    let mut rows: Vec<Vec<String>> = tried
        .figures
        .iter()
        .filter(told)
        .map(|figure| {
            let more = figure.difference.map(share).unwrap_or_default();
            let of = figure.of_difference.filter(|_| figure.moved());
            let of = of.map(|of| format!("{:.0} %", of * 100.0));
            let mut row = vec![
                String::new(),
                String::new(),
                format!("{} {}", figure.run, figure.metric),
                value(figure.as_is, &figure.unit),
                value(figure.flipped, &figure.unit),
                more,
                figure.verdict.to_string(),
            ];
            row.extend(against.then(|| of.unwrap_or_default()));
            row
        })
        .collect();
    if rows.is_empty() {
        rows.push(vec![String::new(), String::new(), nothing(tried)]);
    }
    rows[0][0].clone_from(&tried.feature);
    rows[0][1] = state.to_owned();
    rows
}

fn nothing(tried: &Tried) -> String {
    if let Some(reason) = &tried.reason {
        return format!("? {reason}");
    }
    let all = tried.figures.iter().filter_map(|it| it.difference);
    match all.map(f64::abs).fold(0.0, f64::max) {
        0.0 => "nothing".to_owned(),
        most => format!("nothing ({:.2} % at most)", most * 100.0),
    }
}
