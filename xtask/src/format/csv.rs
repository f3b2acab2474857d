//! A line per figure, for spreadsheets and data frames.
//!
//! What a kernel does not tell has no line. Text, histogram buckets and lists
//! are left to the JSON, but for what the kernel warned of before init and for
//! what went wrong that no run tells: lines of no run, with the value 1.

use crate::model::{Group, Hist, Outcome, Report, Run};
use crate::untrusted::line;
use anyhow::Result;
use csv::{Terminator, Writer, WriterBuilder};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

const HEADER: [&str; 8] = [
    "run", "name", "verdict", "group", "work", "worker", "figure", "value",
];

/// The report as CSV (RFC 4180).
///
/// # Errors
///
/// Those of the serialiser.
pub fn render(report: &Report) -> Result<String> {
    let mut csv = Csv::new(&[])?;
    csv.report(report)?;
    csv.text()
}

/// Boots of cells in a matrix: the cell and the number of the boot come before
/// the other columns.
///
/// # Errors
///
/// Those of the serialiser.
pub fn render_all(reports: &[(&str, u64, &Report)]) -> Result<String> {
    let mut csv = Csv::new(&["cell", "boot"])?;
    for (cell, boot, report) in reports {
        csv.before = vec![(*cell).to_owned(), boot.to_string()];
        csv.report(report)?;
    }
    csv.text()
}

struct Csv {
    /// What each line begins with.
    before: Vec<String>,
    lines: Writer<Vec<u8>>,
}

impl Csv {
    fn new(before: &[&str]) -> Result<Self> {
        let mut writer = WriterBuilder::new();
        let mut lines = writer.terminator(Terminator::CRLF).from_writer(vec![]);
        lines.write_record(before.iter().chain(&HEADER))?;
        let before = Vec::new();
        Ok(Self { before, lines })
    }

    fn text(self) -> Result<String> {
        Ok(String::from_utf8(self.lines.into_inner()?)?)
    }

    fn report(&mut self, report: &Report) -> Result<()> {
        for warning in &report.boot_warnings {
            let figure = ["before init: ".to_owned(), warning.clone()];
            self.boot("boot", report.outcome, figure)?;
        }
        for (name, outcome, trouble) in super::trouble(report) {
            self.boot(&name, outcome, [trouble, String::new()])?;
        }
        for (run, number) in report.runs.iter().zip(1_usize..) {
            let number = number.to_string();
            let place = [number.as_str(), &run.name, run.verdict.name()];
            self.run(&place, run)?;
        }
        Ok(())
    }

    /// What is said of the boot, not of a run.
    fn boot(
        &mut self,
        name: &str,
        outcome: Outcome,
        figure: [String; 2],
    ) -> Result<()> {
        self.line(&["", name, outcome.name()], [""; 3], figure, &1.into())
    }

    fn run(&mut self, place: &[&str; 3], run: &Run) -> Result<()> {
        let of_run = |name: &str| [name.to_owned(), String::new()];
        let none = ["", "", ""];
        if run.wall_ns > 0 {
            self.line(place, none, of_run("wall_ns"), &run.wall_ns.into())?;
        }
        for (name, value) in &run.kernel.counters {
            let figure = of_run(&format!("kernel.{name}"));
            self.line(place, none, figure, &(*value).into())?;
        }
        for e in &run.expect {
            let held = of_run(&format!("held.{}", e.text));
            self.line(place, none, held, &e.held.into())?;
            let value = e.value.map_or(Value::Null, Value::from);
            self.line(place, none, of_run(&e.text), &value)?;
        }
        for group in &run.groups {
            self.group(place, run, group)?;
        }
        Ok(())
    }

    fn group(
        &mut self,
        place: &[&str; 3],
        run: &Run,
        group: &Group,
    ) -> Result<()> {
        let index = group.group_idx.to_string();
        let who = [&index, group.work.as_str(), ""];
        self.fields(place, who, "", group)?;
        for (name, value) in &group.metrics {
            let figure = [name.clone(), String::new()];
            self.line(place, who, figure, &(*value).into())?;
        }
        for (name, hist) in &group.hist {
            self.hist(place, who, name, hist)?;
        }
        for part in &run.intervals {
            if part.group == group.group_idx {
                for (name, value) in &part.values {
                    let figure = format!("until {} ms.{name}", part.end_ms);
                    let figure = [figure, String::new()];
                    self.line(place, who, figure, &(*value).into())?;
                }
            }
        }
        for worker in &group.workers {
            let number = worker.index.to_string();
            let who = [&index, group.work.as_str(), &number];
            self.fields(place, who, "", worker)?;
            for (name, hist) in &worker.hist {
                self.hist(place, who, name, hist)?;
            }
        }
        Ok(())
    }

    fn hist(
        &mut self,
        place: &[&str; 3],
        who: [&str; 3],
        name: &str,
        hist: &Hist,
    ) -> Result<()> {
        for (field, value) in fields(hist)? {
            // Values that are no times are not called so.
            let field = match hist.unit.as_str() {
                "ns" => &field,
                _ => field.trim_end_matches("_ns"),
            };
            let figure = [format!("{name}."), field.to_owned()];
            self.line(place, who, figure, &value)?;
        }
        Ok(())
    }

    /// All fields that are numbers or truth values.
    fn fields(
        &mut self,
        place: &[&str; 3],
        who: [&str; 3],
        prefix: &str,
        of: &impl Serialize,
    ) -> Result<()> {
        let identity = ["group_idx", "index"];
        for (field, value) in fields(of)? {
            if !identity.contains(&field.as_str()) {
                let figure = [prefix.to_owned(), field];
                self.line(place, who, figure, &value)?;
            }
        }
        Ok(())
    }

    fn line(
        &mut self,
        place: &[&str; 3],
        who: [&str; 3],
        figure: [String; 2],
        value: &Value,
    ) -> Result<()> {
        let value = match value {
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => u8::from(*truth).to_string(),
            _ => return Ok(()),
        };
        let figure = figure.concat();
        let cells = self.before.iter().map(String::as_str);
        let cells = cells.chain(place.iter().chain(&who).copied());
        for text in cells.chain([figure.as_str()]) {
            self.lines.write_field(&*cell(text))?;
        }
        self.lines.write_record([value])?;
        Ok(())
    }
}

/// A text that no spreadsheet takes for a formula: an apostrophe, which they
/// do not show, stands in front of what would begin one.
#[must_use]
pub fn cell(text: &str) -> Cow<'_, str> {
    let text = line(text);
    match text.trim_start().starts_with(['=', '+', '-', '@']) {
        true => format!("'{text}").into(),
        false => text,
    }
}

fn fields(of: &impl Serialize) -> Result<Vec<(String, Value)>> {
    match serde_json::to_value(of)? {
        Value::Object(fields) => Ok(fields.into_iter().collect()),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::{cell, render, render_all};
    use crate::testing::report;

    #[test]
    fn a_line_for_every_figure() {
        let csv = render(&report()).unwrap();
        for line in [
            "1,PipeIo,ok,,,,wall_ns,1000000000",
            "1,PipeIo,ok,,,,kernel.ctxt,1000",
            "1,PipeIo,ok,,,,held.wake.p99<500us,1",
            "1,PipeIo,ok,,,,wake.p99<500us,120.5",
            "1,PipeIo,ok,0,PipeIo,,iterations,48210",
            "1,PipeIo,ok,0,PipeIo,,wake.count,48200",
            "1,PipeIo,ok,0,PipeIo,,stale,3",
            "1,PipeIo,ok,0,PipeIo,1,nvcsw,24000",
            "2,SpinWait,fail,0,SpinWait,0,completed,0",
        ] {
            assert!(csv.contains(&format!("{line}\r\n")), "{line} in {csv}");
        }
        // Not told, so not there.
        assert!(!csv.contains("2,SpinWait,fail,0,SpinWait,0,nr_wakeups,"));
        let commas = |line: &str| line.matches(',').count();
        assert!(csv.lines().all(|line| commas(line) == 7));
    }

    #[test]
    fn no_cell_is_a_formula() {
        let mut report = report();
        report.runs[0].name = "=HYPERLINK(\"x\")".to_owned();
        let csv = render(&report).unwrap();
        let row = "\r\n1,\"'=HYPERLINK(\"\"x\"\")\",ok,";
        assert!(csv.contains(row), "{csv}");
        for (text, shown) in [
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-1", "'-1"),
            ("\t=1", "' =1"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(cell(text), shown);
        }
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut report = report();
        report.runs[0].name = "a,\"b\"".to_owned();
        let csv = render_all(&[("new/one", 2, &report)]).unwrap();
        let line = "new/one,2,1,\"a,\"\"b\"\"\",ok,,,,wall_ns,1000000000\r\n";
        assert!(csv.contains(line), "{csv}");
        assert!(csv.starts_with("cell,boot,run,name,"), "{csv}");
    }
}
