//! What became of a boot, from its console, its records and its end.

use crate::cmd::exit;
use crate::decode::Boot;
use crate::model::Report;

/// Fills in outcome and reason, and returns the exit code.
///
/// `timed_out` says that the machine had to be stopped.
pub fn judge(boot: &Boot, timed_out: bool, report: &mut Report) -> u8 {
    let line = |text: &str| {
        let line = boot.text.lines().find(|line| line.contains(text));
        line.map(|line| line.trim().to_owned())
    };
    let spoke = boot.hello().is_some() || line("KTAP version 1").is_some();
    let failed: Vec<&str> = report
        .runs
        .iter()
        .filter(|run| run.verdict == "fail")
        .map(|run| run.name.as_str())
        .collect();
    let (outcome, reason, code) = if let Some(bail) = line("Bail out! bad plan")
    {
        let reason = bail.replace("Bail out! ", "");
        ("plan_error", reason, exit::TOOL)
    } else if let Some(panic) = line("Kernel panic - not syncing") {
        match spoke {
            true => ("panic", panic, exit::BAD),
            false => ("no_boot", panic, exit::CANNOT_TELL),
        }
    } else if !spoke {
        let last = boot.text.lines().rfind(|line| !line.trim().is_empty());
        let reason = match last {
            Some(last) => format!("the payload never spoke; last line: {last}"),
            None => "there was no output at all".to_owned(),
        };
        ("no_boot", reason, exit::CANNOT_TELL)
    } else if boot.bye().is_none() {
        let inside = boot.unfinished().map(|(start, _)| start.name);
        let inside = inside.unwrap_or("no run");
        match timed_out {
            true => {
                let reason = format!("no end in time; it was in {inside}");
                ("hang", reason, exit::BAD)
            }
            false => {
                let reason = format!("the log ends early, in {inside}");
                ("fail", reason, exit::BAD)
            }
        }
    } else if failed.is_empty() {
        let runs = report.runs.len();
        ("ok", format!("{runs} runs, none failed"), exit::GOOD)
    } else {
        ("fail", format!("failed: {}", failed.join(", ")), exit::BAD)
    };
    outcome.clone_into(&mut report.outcome);
    report.reason = reason;
    code
}
