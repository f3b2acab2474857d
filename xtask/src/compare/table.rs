//! A comparison for people.

use crate::compare::{Comparison, Row};
use crate::evidence::Verdict;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use core::fmt::Write;

/// A comparison as text; of metrics that are not judged only if `all`.
#[must_use]
pub fn render(comparison: &Comparison, all: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ok = write_comparison(comparison, all, &mut text);
    text
}

fn write_comparison(
    comparison: &Comparison,
    all: bool,
    text: &mut String,
) -> core::fmt::Result {
    for (side, (name, boots)) in ["A", "B"]
        .iter()
        .zip(comparison.sides.iter().zip(&comparison.boots))
    {
        let boots = match boots.len() {
            1 => "1 boot".to_owned(),
            n => format!("{n} boots"),
        };
        writeln!(text, "{side}: {name}, {boots}")?;
    }
    let mut last = "";
    let mut shown: Vec<&Row> = Vec::new();
    let rows = comparison.rows.iter();
    for row in rows.filter(|row| all || row.judged) {
        if row.run != last && !shown.is_empty() {
            write_run(comparison, last, &shown, text)?;
            shown.clear();
        }
        last = &row.run;
        shown.push(row);
    }
    if !shown.is_empty() {
        write_run(comparison, last, &shown, text)?;
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
    for warning in &comparison.warnings {
        writeln!(text, "warning: {warning}")?;
    }
    for profile in &comparison.profiles {
        writeln!(text, "{}", profile.summary())?;
    }
    for sampled in &comparison.sampled {
        writeln!(text, "{}", sampled.summary())?;
    }
    writeln!(text, "{}: {}", comparison.verdict, comparison.reason)
}

fn write_run(
    comparison: &Comparison,
    run: &str,
    rows: &[&Row],
    text: &mut String,
) -> core::fmt::Result {
    writeln!(text, "\n{run}")?;
    let mut table = Table::new();
    table.load_style(NOTHING);
    let over = match comparison.deterministic {
        true => "over seeds",
        false => "over boots",
    };
    table.set_header([
        "", "A", over, "B", over, "B - A", "interval", "", "p", "", "",
    ]);
    for row in rows {
        table.add_row(cells(row, comparison.deterministic));
    }
    for column in table.column_iter_mut().skip(1).take(8) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(text, "{}", table.trim_fmt())
}

fn cells(row: &Row, deterministic: bool) -> Vec<String> {
    let spread = |at: usize| {
        let spread = row.spread[at];
        spread.map_or(String::new(), |s| format!("{:.2} %", s * 100.0))
    };
    let interval = row.interval.map(|of| {
        format!("{:+.2} .. {:+.2} %", of.low * 100.0, of.high * 100.0)
    });
    let coverage = row.interval.map(|of| match of.coverage {
        Some(share) => format!("{:.1} %", share * 100.0),
        None => "seeds".to_owned(),
    });
    let what = match (deterministic, row.more) {
        (true, Some(1)) => "seed",
        (true, _) => "seeds",
        (false, Some(1)) => "run",
        (false, _) => "runs",
    };
    let more = match (row.verdict, row.more) {
        (Verdict::Unknown, Some(more)) => format!("{more} more {what}"),
        (Verdict::Unknown, None) => format!("no number of {what}"),
        _ => String::new(),
    };
    vec![
        format!("  {}", row.metric),
        value(row.a, &row.unit),
        spread(0),
        value(row.b, &row.unit),
        spread(1),
        row.difference
            .map_or(String::new(), |d| format!("{:+.2} %", d * 100.0)),
        interval.unwrap_or_default(),
        coverage.unwrap_or_default(),
        format!("{:.3}", row.p_corrected),
        row.verdict.to_string(),
        more,
    ]
}

/// A figure in a form that fits its unit, with four digits or more.
#[must_use]
pub fn value(value: f64, unit: &str) -> String {
    let (value, unit) = match unit {
        "ns" if value >= 1e9 => (value / 1e9, "s".to_owned()),
        "ns" if value >= 1e6 => (value / 1e6, "ms".to_owned()),
        "ns" if value >= 1e4 => (value / 1e3, "us".to_owned()),
        "" | "ns" | "/s" => (value, unit.to_owned()),
        counted => (value, format!(" {counted}")),
    };
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}{unit}"),
        0.0..10.0 => format!("{value:.3}{unit}"),
        10.0..100.0 => format!("{value:.2}{unit}"),
        100.0..1000.0 => format!("{value:.1}{unit}"),
        _ => format!("{value:.0}{unit}"),
    }
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
