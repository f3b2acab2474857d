//! Runs that did nothing because the host did not let them.

use crate::model::{Outcome, Report, Run};
use core::time::Duration;
use pidone::wire::record::Verdict;

/// How the payload says that a run did nothing.
const NO_PROGRESS: &str = "FAIL(no_progress)";

/// Why failures say nothing of a kernel: all that failed is runs in which no
/// work was done, and for longer than each of them the host had `withheld` its
/// CPUs from the machine.
#[must_use]
pub(super) fn starvation(
    report: &Report,
    withheld: Duration,
) -> Option<String> {
    let fails = |run: &&Run| run.verdict == Verdict::Fail;
    let failed: Vec<&Run> = report.runs.iter().filter(fails).collect();
    let longest = failed.iter().map(|run| run.wall_ns).max()?;
    let longest = Duration::from_nanos(longest);
    let idle = failed.iter().all(|run| {
        let mut reasons = run.reasons.iter();
        !run.reasons.is_empty()
            && reasons.all(|reason| reason.starts_with(NO_PROGRESS))
    });
    (report.outcome == Outcome::Fail && idle && withheld >= longest).then(
        || {
            format!(
                "the host kept its CPUs from the machine for {withheld:.1?}, \
                 and a run that did nothing lasted {longest:.1?}; longer runs, \
                 --deterministic or a quieter host would tell"
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::{Duration, Outcome, Report, Run, Verdict, starvation};

    #[test]
    fn a_run_without_a_cpu_says_nothing_of_a_kernel() {
        let failed = |reason: &str, ms: u64| Run {
            verdict: Verdict::Fail,
            reasons: vec![reason.to_owned()],
            wall_ns: ms * 1_000_000,
            ..Run::default()
        };
        let idle = failed("FAIL(no_progress): PipeIo did no work", 100);
        let report = |runs: &[&Run]| Report {
            outcome: Outcome::Fail,
            runs: runs.iter().map(|&run| run.clone()).collect(),
            ..Report::default()
        };
        let ms = Duration::from_millis;
        let why = |runs: &[&Run], of| starvation(&report(runs), ms(of));
        let good = Run {
            verdict: Verdict::Ok,
            ..Run::default()
        };
        let said = why(&[&good, &idle], 150).unwrap();
        assert!(said.contains("for 150.0ms"), "{said}");
        assert!(said.contains("lasted 100.0ms"), "{said}");
        assert_eq!(why(&[&idle], 99), None);
        // Each of them has to be shorter, and nothing else may have failed.
        let long = failed("FAIL(no_progress): PipeIo did no work", 200);
        assert_eq!(why(&[&idle, &long], 150), None);
        let other = failed("FAIL(write, 5): 1 of 1 calls of IoSyncWrite", 100);
        assert_eq!(why(&[&idle, &other], 150), None);
        let hang = Report {
            outcome: Outcome::Hang,
            ..report(&[&idle])
        };
        assert_eq!(starvation(&hang, ms(150)), None);
    }
}
