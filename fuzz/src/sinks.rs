//! Everything that shows what a guest said, and what must hold of it there.

use xtask::finished::FinishedBoot;
use xtask::format::Format;
use xtask::matrix::summary::{CellBoot, Summary};
use xtask::model::Report;
use xtask::report::{self, Source};
use xtask::{metrics, untrusted};

/// Shows a report in every form.
///
/// # Panics
///
/// A form is not what it must be.
pub fn everywhere(report: &Report, console: &str) {
    table(&render(Format::Table, report));
    json(&render(Format::Json, report));
    json(&render(Format::Kcidb, report));
    csv(&render(Format::Csv, report), 8);
    ktap(&render(Format::Ktap, report));
    junit(&render(Format::Junit, report));
    let source = Source {
        name: "run".to_owned(),
        report: report.clone(),
        console: console.to_owned(),
        ..Source::default()
    };
    page(&report::render(&[source.clone(), source]));
    for run in metrics::of_report(report) {
        bare(&run.run, "");
    }
}

/// Shows a stored run.
///
/// # Panics
///
/// As those of [`everywhere`].
pub fn stored(boot: &FinishedBoot) {
    everywhere(&boot.report, "");
    let source = Source {
        name: boot.name(),
        meta: Some(boot.meta.clone()),
        report: boot.report.clone(),
        ..Source::default()
    };
    page(&report::render(&[source]));
    let cells = "[kernels]\nk = 'x'\n[machines]\nm = {}\n\
                 [plans]\np = 'work=PipeIo'\n";
    let summary = Summary {
        matrix: "m".to_owned(),
        file: "m.toml".into(),
        cells: xtask::matrix::parse(cells).unwrap(),
        boots: vec![CellBoot {
            cell: 0,
            number: 1,
            boot: boot.clone(),
        }],
    };
    table(&summary.render(Format::Table).unwrap());
    json(&summary.render(Format::Json).unwrap());
    csv(&summary.render(Format::Csv).unwrap(), 10);
    junit(&summary.render(Format::Junit).unwrap());
    for file in boot.report.runs.iter().filter_map(|r| r.trace.as_ref()) {
        assert!(!file.file.contains('/'), "{}", file.file);
    }
}

fn render(format: Format, report: &Report) -> String {
    format.render(report).unwrap()
}

/// No character is hidden but these.
#[track_caller]
fn bare(text: &str, but: &str) {
    let bad = |c: &char| untrusted::hidden(*c) && !but.contains(*c);
    if let Some(at) = text.chars().position(|c| bad(&c)) {
        let near: String = text.chars().skip(at.max(40) - 40).collect();
        panic!("{:?}", near.get(..120).unwrap_or(&near));
    }
}

/// Text for people: there is nothing for [`untrusted::shown`] to do.
fn table(text: &str) {
    bare(text, "\n");
    assert_eq!(untrusted::shown(text), text);
}

fn json(text: &str) {
    bare(text, "\n");
    let _value: serde_json::Value = serde_json::from_str(text).unwrap();
}

/// CSV of so many columns, in which no cell of a text is a formula.
fn csv(text: &str, columns: usize) {
    bare(text, "\r\n");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap().len(), columns);
    for record in reader.records().map(Result::unwrap) {
        assert_eq!(record.len(), columns);
        for text in record.iter().take(columns - 1) {
            let text = text.trim_start();
            assert!(!text.starts_with(['=', '+', '-', '@']), "{text:?}");
        }
        let value = record.get(columns - 1).unwrap_or_default();
        assert!(value.parse::<f64>().is_ok(), "{value:?}");
    }
}

/// A plan, results in order, and comments.
fn ktap(text: &str) {
    bare(text, "\n");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("KTAP version 1"));
    let plan = lines.next().and_then(|line| line.strip_prefix("1.."));
    let plan: usize = plan.unwrap().parse().unwrap();
    let mut results = 0;
    for line in lines.filter(|line| !line.starts_with("# ")) {
        results += 1;
        let result = line.strip_prefix("not ").unwrap_or(line);
        let begin = format!("ok {results} ");
        assert!(result.starts_with(&begin), "{line:?}");
        let directive = result.split_once('#').map(|(_, of)| of);
        let skip = directive.is_none_or(|of| of.starts_with(" SKIP "));
        assert!(skip, "{line:?}");
    }
    assert_eq!(results, plan);
}

fn junit(text: &str) {
    bare(text, "\n");
    let document = roxmltree::Document::parse(text).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let known = [
        "testsuites",
        "testsuite",
        "testcase",
        "properties",
        "property",
        "failure",
        "error",
        "skipped",
        "system-out",
    ];
    for element in root.descendants().filter(|node| node.is_element()) {
        assert!(known.contains(&element.tag_name().name()), "{element:?}");
    }
}

/// Elements are those of `report`, whose content escapes what is in it.
fn page(text: &str) {
    bare(text, "\n\t");
    assert!(text.starts_with(report::MARK));
    for element in ["<script", "<img", "<iframe", "<!--"] {
        assert!(!text.contains(element), "{element}");
    }
    // Links lead to a run on the page.
    let links = text.matches("<a ").count();
    assert_eq!(links, text.matches("<a href=\"#run-").count());
}
