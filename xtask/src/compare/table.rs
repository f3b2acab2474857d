//! A comparison for people.

use crate::compare::{Comparison, Row, answer};
use crate::evidence::Verdict;
use crate::finished::on;
use crate::terminal::{Paint, paint};
use crate::text::{filled, several};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use core::fmt::Write;

/// A comparison as text, in so many columns if it can be; of metrics that are
/// not judged only if `all`. The last line is the answer.
#[must_use]
pub fn render(comparison: &Comparison, all: bool, columns: usize) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ok = write_comparison(comparison, all, columns, &mut text);
    text
}

fn write_comparison(
    comparison: &Comparison,
    all: bool,
    columns: usize,
    text: &mut String,
) -> core::fmt::Result {
    for (side, (name, boots)) in ["A", "B"]
        .iter()
        .zip(comparison.sides.iter().zip(&comparison.boots))
    {
        let boots = several(boots.len(), "boot");
        writeln!(text, "{side}: {name}, {boots}")?;
    }
    text.push_str(&on(&comparison.machines));
    for warning in &comparison.warnings {
        let warning = filled(&format!("warning: {warning}"), "", "  ", columns);
        writeln!(text, "{}", paint(Paint::Open, &warning))?;
    }
    let mut last = "";
    let mut shown: Vec<&Row> = Vec::new();
    let rows = comparison.rows.iter();
    for row in rows.filter(|row| all || row.judged) {
        if row.run != last && !shown.is_empty() {
            write_run(comparison, last, &shown, columns, text)?;
            shown.clear();
        }
        last = &row.run;
        shown.push(row);
    }
    if !shown.is_empty() {
        write_run(comparison, last, &shown, columns, text)?;
    }
    let hidden = comparison.rows.iter().filter(|row| !row.judged).count();
    if hidden > 0 && !all {
        writeln!(text, "\n{hidden} more metrics with --all or --metric")?;
    }
    for profile in &comparison.profiles {
        write!(text, "\n{}", profile.render())?;
    }
    for sampled in &comparison.sampled {
        write!(text, "\n{}", sampled.render())?;
    }
    writeln!(text)?;
    for profile in &comparison.profiles {
        writeln!(text, "{}", filled(&profile.summary(), "", "  ", columns))?;
    }
    for sampled in &comparison.sampled {
        writeln!(text, "{}", filled(&sampled.summary(), "", "  ", columns))?;
    }
    for missing in &comparison.missing {
        let missing =
            filled(&format!("not compared: {missing}"), "", "  ", columns);
        writeln!(text, "{missing}")?;
    }
    let answer = filled(&comparison.answer, "", "  ", columns);
    let how = match comparison.verdict {
        Verdict::Worse => Paint::Bad,
        verdict if verdict.no_worse() => Paint::Good,
        _ => Paint::Open,
    };
    writeln!(text, "{}", paint(how, &answer))
}

/// A table is wide from so many columns on.
const WIDE: usize = 110;
/// With fewer columns there are no intervals.
const NARROW: usize = 80;

fn write_run(
    comparison: &Comparison,
    run: &str,
    rows: &[&Row],
    columns: usize,
    text: &mut String,
) -> core::fmt::Result {
    let wide = columns >= WIDE;
    let narrow = columns < NARROW;
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut heads = vec![run, "", "A", "B", "B - A, %", "interval, %", ""];
    let over = match comparison.deterministic {
        true => "over seeds",
        false => "over boots",
    };
    // Of one boot or seed there is no range.
    let ranges = rows.iter().any(|row| row.spread != [None; 2]);
    if wide {
        heads.insert(6, "covers");
    }
    if wide && ranges {
        heads.insert(4, over);
        heads.insert(3, over);
    }
    if narrow {
        heads.remove(5);
    }
    table.set_header(&heads);
    for row in rows {
        let mut cells = cells(row, wide, ranges);
        if narrow {
            cells.remove(5);
        }
        table.add_row(cells);
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if (2..heads.len() - 1).contains(&at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let table = table.trim_fmt();
    let mut lines = table.lines();
    let head = lines.next().unwrap_or_default();
    writeln!(text, "\n{head}")?;
    for (line, row) in lines.zip(rows) {
        writeln!(text, "{line}")?;
        for note in notes(row, comparison.deterministic) {
            writeln!(text, "{}", paint(Paint::Open, &format!("    {note}")))?;
        }
    }
    Ok(())
}

/// What spoils a figure, and what would help.
fn notes(row: &Row, deterministic: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if row.is_noisy(deterministic) {
        let each = ["A", "B"].iter().zip(row.spread);
        let each = each.filter_map(|(side, spread)| {
            Some(format!("of {side} spread by {:.0} %", spread? * 100.0))
        });
        let each: Vec<String> = each.collect();
        let each = each.join(" and ");
        notes.push(format!("noise: boots {each}"));
    }
    if row.verdict != Verdict::Unknown {
        return notes;
    }
    notes.push(match row.more {
        Some(more) => {
            let more = answer::boots(more, deterministic);
            format!("{more} would probably decide")
        }
        None => format!(
            "no reasonable number of {} would decide",
            if deterministic { "seeds" } else { "boots" }
        ),
    });
    notes
}

fn cells(row: &Row, wide: bool, ranges: bool) -> Vec<String> {
    let (unit, both) = in_one_unit(&[row.a, row.b], &row.unit);
    let interval = row
        .interval
        .map(|of| format!("{} to {}", percent(of.low), percent(of.high)));
    let verdict = match answer::grounds(row) {
        none if none.is_empty() => row.verdict.to_string(),
        grounds => format!("{}, {grounds}", row.verdict),
    };
    let verdict = match row.verdict {
        Verdict::Worse => paint(Paint::Bad, &verdict),
        Verdict::Better => paint(Paint::Good, &verdict),
        Verdict::Unknown | Verdict::Differs => paint(Paint::Open, &verdict),
        Verdict::Same | Verdict::NoWorse => verdict,
    };
    let mut cells = vec![
        format!("  {}", row.metric),
        unit,
        both[0].clone(),
        both[1].clone(),
        row.difference.map_or(String::new(), percent),
        interval.unwrap_or_default(),
        verdict,
    ];
    if wide {
        let coverage = row.interval.map(|of| match of.coverage {
            Some(share) => format!("{:.1} %", share * 100.0),
            None => "seeds".to_owned(),
        });
        let spread = |at: usize| {
            let spread = row.spread[at];
            spread.map_or(String::new(), |s| format!("{:.2} %", s * 100.0))
        };
        cells.insert(6, coverage.unwrap_or_default());
        if ranges {
            cells.insert(4, spread(1));
            cells.insert(3, spread(0));
        }
    }
    cells
}

/// A share as a signed percentage, with digits enough to tell it from others.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent.abs() {
        ..10.0 => format!("{percent:+.2}"),
        10.0..1000.0 => format!("{percent:+.1}"),
        _ => format!("{percent:+.0}"),
    }
}

/// Figures in the unit that fits the largest of them, and that unit.
#[must_use]
pub fn in_one_unit(all: &[f64], unit: &str) -> (String, Vec<String>) {
    let most = all.iter().copied().map(f64::abs).fold(0.0, f64::max);
    let (scale, unit) = scale(most, unit);
    let shown = all.iter().map(|it| digits(it / scale));
    (unit.trim_start().to_owned(), shown.collect())
}

/// What a figure is divided by, and the unit that it has then.
fn scale(value: f64, unit: &str) -> (f64, String) {
    match unit {
        "ns" if value >= 1e9 => (1e9, "s".to_owned()),
        "ns" if value >= 1e6 => (1e6, "ms".to_owned()),
        "ns" if value >= 1e4 => (1e3, "us".to_owned()),
        "" | "ns" | "/s" => (1.0, unit.to_owned()),
        counted => (1.0, format!(" {counted}")),
    }
}

/// A number with four digits or more.
fn digits(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        0.0..10.0 => format!("{value:.3}"),
        10.0..100.0 => format!("{value:.2}"),
        100.0..1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A figure in a form that fits its unit, with four digits or more.
#[must_use]
pub fn value(value: f64, unit: &str) -> String {
    let (scale, unit) = scale(value, unit);
    format!("{}{unit}", digits(value / scale))
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn figures_have_units_and_digits() {
        for (figure, unit, text) in [
            (9804.0, "ns", "9804ns"),
            (12_613.57, "ns", "12.61us"),
            (1_234_567.0, "ns", "1.235ms"),
            (2.5e9, "ns", "2.500s"),
            (78_877.6, "/s", "78878/s"),
            (0.5, "", "0.500"),
            (3.0, "tasks", "3 tasks"),
            (0.0, "ns", "0ns"),
        ] {
            assert_eq!(value(figure, unit), text);
        }
    }
}
