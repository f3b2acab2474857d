//! Everything that shows what a guest said, and what must hold of it there.

use xtask::finished::FinishedBoot;
use xtask::format::Format;
use xtask::matrix::summary::{CellBoot, Summary};
use xtask::report::{self, Source};
use xtask::{metrics, untrusted};

/// Shows a boot, with what its console said, in one form.
pub type Form = fn(&FinishedBoot, &str);

/// Every form.
pub static FORMS: [Form; 12] = [
    |boot, _| table(&render(Format::Table, boot)),
    |boot, _| json(&render(Format::Json, boot)),
    |boot, _| json(&render(Format::Kcidb, boot)),
    |boot, _| csv(&render(Format::Csv, boot), 8),
    |boot, _| ktap(&render(Format::Ktap, boot)),
    |boot, _| junit(&render(Format::Junit, boot)),
    pages,
    |boot, _| table(&summary(Format::Table, boot)),
    |boot, _| json(&summary(Format::Json, boot)),
    |boot, _| csv(&summary(Format::Csv, boot), 10),
    |boot, _| junit(&summary(Format::Junit, boot)),
    names,
];

/// One form, which the last byte of an input chooses. To show a boot in all of
/// them takes most of the time, and a fuzzer is to try many inputs.
#[must_use]
pub fn one(data: &[u8]) -> &'static [Form] {
    let number = data.last().map_or(0, |&byte| usize::from(byte));
    core::slice::from_ref(&FORMS[number % FORMS.len()])
}

/// Shows a boot in these forms.
///
/// # Panics
///
/// A form is not what it must be.
pub fn show(boot: &FinishedBoot, console: &str, forms: &[Form]) {
    for form in forms {
        form(boot, console);
    }
}

fn render(format: Format, boot: &FinishedBoot) -> String {
    format.render(&boot.report).unwrap()
}

/// With another boot beside it, and alone.
fn pages(boot: &FinishedBoot, console: &str) {
    let source = Source {
        name: boot.name(),
        meta: Some(boot.meta.clone()),
        report: boot.report.clone(),
        console: console.to_owned(),
    };
    let bare = Source {
        meta: None,
        name: "run".to_owned(),
        ..source.clone()
    };
    page(&report::render(core::slice::from_ref(&source)));
    page(&report::render(&[bare, source]));
    let matrix = matrix(boot);
    page(&report::matrix::render(&matrix, &matrix.pairs()));
}

/// A matrix of two kernels, with this boot of both.
fn matrix(boot: &FinishedBoot) -> Summary {
    let cells = "[kernels]\nk = 'x'\nl = 'y'\n[machines]\nm = {}\n\
                 [plans]\np = 'work=PipeIo'\n";
    let boots = [0, 1].map(|cell| CellBoot {
        cell,
        number: 1,
        boot: boot.clone(),
    });
    Summary {
        matrix: "m".to_owned(),
        file: "m.toml".into(),
        cells: xtask::matrix::parse(cells).unwrap(),
        boots: boots.into(),
        against: None,
    }
}

fn summary(format: Format, boot: &FinishedBoot) -> String {
    matrix(boot).render(format).unwrap()
}

/// Names of runs and of files.
fn names(boot: &FinishedBoot, _: &str) {
    for run in metrics::of_report(&boot.report) {
        bare(&run.run, "");
    }
    for file in boot.report.runs.iter().filter_map(|r| r.trace.as_ref()) {
        assert!(!file.file.contains('/'), "{}", file.file);
    }
}

/// A bit for each control character that a text may have, another for
/// whatever needs a closer look, and none for other ASCII.
const KINDS: [u8; 256] = {
    let mut kinds = [1; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        kinds[byte as usize] = 0;
        byte += 1;
    }
    kinds[b'\n' as usize] = 2;
    kinds[b'\r' as usize] = 4;
    kinds[b'\t' as usize] = 8;
    kinds
};

/// The kinds of a text's bytes. A fuzzer sees each comparison, which takes it
/// a while, so that there is one for many bytes.
fn kinds(text: &str) -> u8 {
    let of = |part: &[u8]| {
        let kinds = part.iter().map(|&byte| KINDS[usize::from(byte)]);
        kinds.fold(0, |all, kind| all | kind)
    };
    let (parts, rest) = text.as_bytes().as_chunks::<32>();
    parts.iter().fold(of(rest), |all, part| all | of(part))
}

/// No character is hidden but these.
#[track_caller]
fn bare(text: &str, but: &str) {
    if kinds(text) & !kinds(but) == 0 {
        return;
    }
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
    // Links lead to a place on the page.
    let links = text.matches("<a ").count();
    assert_eq!(links, text.matches("<a href=\"#").count());
}
