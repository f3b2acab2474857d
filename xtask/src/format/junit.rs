//! JUnit XML, for the test views of CIs.

use crate::model::{Report, Run};
use crate::untrusted::shown;
use anyhow::Result;
use core::fmt::Write;
use core::time::Duration;
use pidone::wire::record::Verdict;
use quick_junit::{
    NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite,
};
use std::collections::BTreeMap;

/// The report as a test suite with a case for each run. As in KTAP, a boot
/// that went wrong in a way that no run tells has a case of its own.
///
/// # Errors
///
/// Those of the serialiser.
pub fn render(report: &Report) -> Result<String> {
    render_all(&[("pidone".to_owned(), report)])
}

/// Several reports, a suite of its own name for each.
///
/// # Errors
///
/// Those of the serialiser.
pub fn render_all(reports: &[(String, &Report)]) -> Result<String> {
    let mut all = quick_junit::Report::new("pidone");
    for (name, report) in reports {
        all.add_test_suite(suite(name, report));
    }
    // XML knows no character that a terminal would obey.
    Ok(shown(&all.to_string()?).into_owned() + "\n")
}

fn suite(name: &str, report: &Report) -> TestSuite {
    let mut suite = TestSuite::new(name);
    if let Some(h) = &report.hello {
        for (name, value) in [
            ("kernel", &h.kernel),
            ("kernel_build", &h.kernel_build),
            ("machine", &h.machine),
            ("pidone", &h.pidone),
        ] {
            suite.add_property(Property::new(name, value.as_str()));
        }
        suite.add_property(Property::new("plan", h.plan.join(" ")));
    }
    suite.add_property(Property::new("outcome", report.outcome.name()));
    if let Some(digest) = &report.digest {
        suite.add_property(Property::new("digest", digest.as_str()));
    }
    for warning in &report.boot_warnings {
        suite.add_property(Property::new("boot_warning", warning.as_str()));
    }
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for run in &report.runs {
        let times = seen.entry(&run.name).or_default();
        *times += 1;
        // Cases of one name would be taken for one.
        let name = match *times {
            1 => run.name.clone(),
            n => format!("{} ({n})", run.name),
        };
        suite.add_test_case(case(run, name));
    }
    for (name, outcome, trouble) in super::trouble(report) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type(outcome.name()).set_message(trouble);
        let mut case = TestCase::new(name, status);
        case.set_classname("pidone");
        suite.add_test_case(case);
    }
    suite
}

fn case(run: &Run, name: String) -> TestCase {
    let why = run.reasons.join("; ");
    let status = match run.verdict {
        Verdict::Ok | Verdict::Degraded => TestCaseStatus::success(),
        Verdict::Skip => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(why);
            status
        }
        Verdict::Fail => {
            let kind = NonSuccessKind::Failure;
            let mut status = TestCaseStatus::non_success(kind);
            status.set_type("fail").set_message(why);
            status.set_description(run.kernel.messages.join("\n"));
            status
        }
    };
    let mut case = TestCase::new(name, status);
    case.set_classname("pidone");
    case.set_time(Duration::from_nanos(run.wall_ns));
    case.set_system_out(said(run));
    case
}

fn said(run: &Run) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ok = super::table::write_run(run, &mut text);
    let _ok = writeln!(text);
    text
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::decode::decode;
    use crate::model::{Outcome, Report};
    use crate::outcome::judge;
    use crate::testing::Stream;

    #[test]
    fn every_run_is_a_case() {
        let log = Stream::sample().once();
        let boot = decode(log.as_bytes()).newest();
        let mut report = Report::new(&boot);
        judge(&boot, false, &mut report);
        report.runs.push(report.runs[0].clone());
        let xml = render(&report).unwrap();
        for part in [
            "tests=\"3\"",
            "failures=\"1\"",
            "<testcase name=\"PipeIo\" classname=\"pidone\" time=\"1.000\">",
            "name=\"PipeIo (2)\"",
            "message=\"worker 0 was killed\"",
            "<property name=\"kernel\" value=\"6.12.117\"/>",
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
    }

    #[test]
    fn characters_that_xml_does_not_know_are_replaced() {
        let report = Report {
            reason: "a\u{fffe}b\u{ffff}c\u{1b}[31md\u{9b}e".into(),
            ..Report::default()
        };
        let xml = render(&report).unwrap();
        let bad = ['\u{fffe}', '\u{ffff}', '\u{1b}', '\u{9b}'];
        assert!(!xml.contains(bad), "{xml}");
        assert!(xml.contains("a\u{fffd}b\u{fffd}c"), "{xml}");
    }

    #[test]
    fn a_boot_that_never_spoke_is_an_error() {
        let report = Report {
            outcome: Outcome::NoBoot,
            reason: "<nothing>".into(),
            ..Report::default()
        };
        let xml = render(&report).unwrap();
        assert!(xml.contains("errors=\"1\""), "{xml}");
        assert!(xml.contains("no_boot: &lt;nothing&gt;"), "{xml}");
    }
}
