//! KTAP again, of what was decoded, as a console without damage would have it.

use super::rate;
use crate::model::{Report, Run};
use crate::untrusted::line as line_of;
use core::fmt::Write;
use pidone::kit::text::Human;
use pidone::wire::record::Verdict;

/// The report as KTAP. A boot that went wrong in a way that no run tells has
/// one more test, named `boot`, so that no reader takes it for a good one.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ok = write_report(report, &mut text);
    text
}

fn write_report(report: &Report, text: &mut String) -> core::fmt::Result {
    let trouble = super::trouble(report);
    let tests = report.runs.len() + trouble.len();
    writeln!(text, "KTAP version 1\n1..{tests}")?;
    if let Some(h) = &report.hello {
        diagnostic(text, &format!("Linux {} {}", h.kernel, h.machine))?;
    }
    for warning in &report.boot_warnings {
        diagnostic(text, &format!("before init: {warning}"))?;
    }
    let mut number = 0;
    for run in &report.runs {
        number += 1;
        write_run(run, number, text)?;
    }
    for (name, _, trouble) in trouble {
        number += 1;
        diagnostic(text, &trouble)?;
        writeln!(text, "not ok {number} {name}")?;
    }
    if report.lost_records > 0 {
        let lost = format!("records lost: {}", report.lost_records);
        diagnostic(text, &lost)?;
    }
    Ok(())
}

fn write_run(run: &Run, number: usize, text: &mut String) -> core::fmt::Result {
    for group in &run.groups {
        let rate = rate(group.iterations, run.wall_ns);
        let rate = rate.map_or(String::new(), |rate| format!(", {rate}/s"));
        let line = format!(
            "{}: {} workers, {} iterations{rate}",
            group.work, group.worker_count, group.iterations
        );
        diagnostic(text, &line)?;
        for (name, hist) in group.hist.iter().filter(|(_, h)| h.count > 0) {
            let show = |value: u64| match hist.unit == "ns" {
                true => Human(value).to_string(),
                false => value.to_string(),
            };
            let line = format!(
                "{}: {name} p50 {} p99 {} max {}",
                group.work,
                show(hist.p50_ns),
                show(hist.p99_ns),
                show(hist.max_ns)
            );
            diagnostic(text, &line)?;
        }
    }
    for e in &run.expect {
        let held = if e.held { "held" } else { "did not hold" };
        diagnostic(text, &format!("expect {}: {held}", e.text))?;
    }
    for reason in &run.reasons {
        diagnostic(text, &format!("{}: {reason}", run.verdict.name()))?;
    }
    let name = description(&run.name);
    let why = run.reasons.first().map_or("", String::as_str);
    match run.verdict {
        Verdict::Skip => {
            writeln!(text, "ok {number} {name} # SKIP {}", line_of(why))
        }
        Verdict::Ok | Verdict::Degraded => writeln!(text, "ok {number} {name}"),
        Verdict::Fail => writeln!(text, "not ok {number} {name}"),
    }
}

/// What a kernel says as it panics for want of a root file system ends the
/// log for `kunit.py`, wherever it stands in a line.
fn diagnostic(text: &mut String, line: &str) -> core::fmt::Result {
    let line = line_of(line).replace("syncing: VFS:", "syncing, VFS:");
    writeln!(text, "# {line}")
}

/// A `#` would begin a directive.
fn description(name: &str) -> String {
    line_of(name).replace('#', "_")
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::model::{Outcome, Report, Run};
    use pidone::wire::record::Verdict;

    fn run(name: &str, verdict: Verdict, reason: &str) -> Run {
        Run {
            name: name.into(),
            verdict,
            reasons: vec![reason.into()],
            ..Run::default()
        }
    }

    #[test]
    fn results_are_numbered_and_planned() {
        let report = Report {
            runs: vec![
                run("PipeIo", Verdict::Degraded, "NOT_CONTENDED"),
                run("A+#B", Verdict::Skip, "needs\n2 nodes"),
                run("SpinWait", Verdict::Fail, "killed"),
            ],
            outcome: Outcome::Fail,
            ..Report::default()
        };
        assert_eq!(
            render(&report),
            "KTAP version 1\n1..3\n\
             # degraded: NOT_CONTENDED\nok 1 PipeIo\n\
             # skip: needs 2 nodes\nok 2 A+_B # SKIP needs 2 nodes\n\
             # fail: killed\nnot ok 3 SpinWait\n"
        );
    }

    #[test]
    fn no_diagnostic_ends_the_log_for_kunit() {
        let report = Report {
            outcome: Outcome::NoBoot,
            reason: "Kernel panic - not syncing: VFS: no root".into(),
            ..Report::default()
        };
        let ktap = render(&report);
        assert!(!ktap.contains("Kernel panic - not syncing: VFS:"), "{ktap}");
    }

    #[test]
    fn a_boot_that_never_spoke_is_not_ok() {
        let report = Report {
            outcome: Outcome::NoBoot,
            reason: "there was no output at all".into(),
            ..Report::default()
        };
        assert_eq!(
            render(&report),
            "KTAP version 1\n1..1\n\
             # no_boot: there was no output at all\nnot ok 1 boot\n"
        );
    }
}
