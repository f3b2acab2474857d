//! Our KTAP, read by the kernel's own `kunit.py parse`.

use crate::machine;
use pidone::wire::record::Verdict;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::boot::{BootRequest as Args, boot};
use xtask::build;
use xtask::decode::decode;
use xtask::exit::Exit;
use xtask::format::Format;
use xtask::kernel_build::sources;
use xtask::model::{Outcome, Report, Run};
use xtask::outcome::judge;

/// What is counted in a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    skipped: usize,
    /// With those that never ended, which kunit.py takes for crashed.
    failed: usize,
}

impl Counts {
    /// As our records have it.
    fn of(report: &Report) -> Self {
        let count = |verdicts: &[Verdict]| {
            let of = |run: &&Run| verdicts.contains(&run.verdict);
            report.runs.iter().filter(of).count()
        };
        Self {
            passed: count(&[Verdict::Ok, Verdict::Degraded]),
            skipped: count(&[Verdict::Skip]),
            failed: count(&[Verdict::Fail]),
        }
    }
}

/// What `kunit.py parse` says of a log.
struct Kunit {
    counts: Counts,
    /// It finds fault with the log: a wrong number, a missing result.
    errors: usize,
    good: bool,
    said: String,
}

fn kunit(log: &Path) -> Kunit {
    let tree = sources("debian:6.12", false).unwrap();
    let out = Command::new("python3")
        .arg(tree.join("tools/testing/kunit/kunit.py"))
        .arg("parse")
        .arg(log)
        // It would write its byte code beside the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let summary = said.rsplit_once("Testing complete. ").unwrap().1;
    // `Ran 3 tests: passed: 1, failed: 1, skipped: 1`, in colours or not.
    let count = |name: &str| -> usize {
        let number = summary.split_once(&format!("{name}: "));
        let digits = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_digit());
            text[..end.unwrap_or(text.len())].parse().unwrap()
        };
        number.map_or(0, |(_, rest)| digits(rest))
    };
    Kunit {
        counts: Counts {
            passed: count("passed"),
            skipped: count("skipped"),
            failed: count("failed") + count("crashed"),
        },
        errors: count("errors"),
        good: out.status.success(),
        said,
    }
}

/// It counts what the records have and finds no fault with what is whole; of
/// what is not it says so, and counts no more than the records have.
#[track_caller]
fn agrees(log: &Path, report: &Report, whole: bool) {
    let name = log.display();
    let kunit = kunit(log);
    let (ours, said) = (Counts::of(report), &kunit.said);
    if whole {
        assert_eq!((kunit.counts, kunit.errors), (ours, 0), "{name}: {said}");
        assert_eq!(kunit.good, report.outcome == Outcome::Ok, "{name}: {said}");
    } else {
        assert!(kunit.errors > 0 && !kunit.good, "{name}: {said}");
        assert!(kunit.counts.passed <= ours.passed, "{name}: {said}");
    }
}

#[test]
fn recorded_consoles() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ktap");
    let mut raw = 0;
    let folder = build::workspace().join("tests/data/consoles");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "log") {
            continue;
        }
        let log = fs::read(&path).unwrap();
        let decoded = decode(&log);
        for boot in decoded.boots() {
            let mut report = Report::new(boot);
            judge(boot, false, &mut report);
            let name = path.display().to_string();
            // What is made of the records, with a test for the boot itself
            // where no run tells what went wrong.
            let ktap = Format::Ktap.render(&report).unwrap();
            fs::write(&file, &ktap).unwrap();
            let mut counts = Counts::of(&report);
            counts.failed += ktap.matches("not ok").count() - counts.failed;
            let made = kunit(&file);
            assert_eq!(made.counts, counts, "{name}: {}", made.said);
            assert_eq!(made.errors, 0, "{name}: {}", made.said);
            // The console itself, where it is one that kunit.py reads: it
            // knows no colours, no JSON and no second boot.
            let text = String::from_utf8_lossy(&log).into_owned();
            let begun = text.lines().any(|l| l.ends_with("KTAP version 1"));
            if begun && decoded.boots().len() == 1 {
                let bye = boot.bye();
                let whole = bye.is_some_and(|bye| !bye.plan_error);
                agrees(&path, &report, whole);
                raw += 1;
            }
        }
    }
    assert!(raw > 5, "{raw} consoles");
}

/// A run of every verdict.
const PLAN: &str = "work=SpinWait work=SmtSiblingSpin \
    work=SpinWait expect=cost.max<1ns work=PipeIo";

/// Boots a plan, and keeps the console in `dir`.
#[track_caller]
fn booted(plan: &str, append: &[&str], dir: &Path) -> Report {
    let (report, exit) = boot(&Args {
        append: append.iter().map(|&word| word.to_owned()).collect(),
        plan: plan.split_whitespace().map(str::to_owned).collect(),
        logs: Some(dir.to_path_buf()),
        ..machine("debian:6.12-cloud")
    })
    .unwrap();
    assert_eq!((report.outcome, exit), (Outcome::Fail, Exit::Bad));
    report
}

#[test]
fn a_quiet_console() {
    let dir = tempfile::tempdir().unwrap();
    let report = booted(&format!("time=200ms {PLAN}"), &[], dir.path());
    let counts = Counts {
        passed: 2,
        skipped: 1,
        failed: 1,
    };
    assert_eq!(Counts::of(&report), counts);
    agrees(&dir.path().join("console.log"), &report, true);
}

/// A kernel that prints each interrupt of its serial ports, and so talks all
/// the time in which we do.
#[test]
fn a_console_with_kernel_noise() {
    let dir = tempfile::tempdir().unwrap();
    let append = [
        "loglevel=8",
        "ignore_loglevel",
        "tp_printk",
        "trace_event=irq:irq_handler_entry",
    ];
    let report = booted(&format!("time=200ms {PLAN}"), &append, dir.path());
    let log = dir.path().join("console.log");
    let console = fs::read(&log).unwrap();
    let console = String::from_utf8_lossy(&console).into_owned();
    let (_, ktap) = console.split_once("KTAP version 1").unwrap();
    // How many there are is up to the host: the fuller the port, the fewer.
    let mut noise = vec![0];
    for line in ktap.lines() {
        if line.contains("irq_handler_entry: irq=") {
            *noise.last_mut().unwrap() += 1;
        } else if line.starts_with("ok ") || line.starts_with("not ok ") {
            noise.push(0);
        }
    }
    let runs = report.runs.len();
    assert!(noise.len() > runs, "{noise:?}");
    assert!(!noise[..runs].contains(&0), "{noise:?}");
    agrees(&log, &report, true);
}
