//! What became of a boot, from its console, its records and its end.

use crate::cmd::exit;
use crate::decode::{Boot, splice};
use crate::model::Report;

/// What a kernel says when it waited too long for something.
const WATCHDOG: &[&str] = &[
    "soft lockup",
    "hard LOCKUP",
    "detected stall",
    "self-detected stall",
    "detected expedited stalls",
    "blocked for more than",
];

/// What a kernel says when it found itself broken. A lockup is a `BUG: ` too,
/// so the watchdogs are asked first.
const OOPS: &[&str] = &[
    "BUG: ",
    "kernel BUG at",
    "Oops",
    "general protection fault",
    "Unable to handle kernel",
    "unable to handle",
    "Internal error:",
    "double fault",
];

/// A word, what it rests on, and the exit code.
type Judgement = (&'static str, String, u8);

/// The exit code of several boots together: that of the worst. A failure of
/// the tool counts most, since not all was tried; then a bad kernel, which
/// nothing else excuses; then what cannot be told.
pub fn folded(codes: impl IntoIterator<Item = u8>) -> u8 {
    let order = [exit::GOOD, exit::CANNOT_TELL, exit::BAD];
    let rank = |code: &u8| order.iter().position(|known| known == code);
    let codes = codes.into_iter();
    let worst = codes.max_by_key(|code| rank(code).unwrap_or(order.len()));
    worst.unwrap_or(exit::CANNOT_TELL)
}

/// Fills in outcome and reason, and returns the exit code.
///
/// `timed_out` says that the machine had to be stopped.
pub fn judge(boot: &Boot, timed_out: bool, report: &mut Report) -> u8 {
    let (outcome, reason, code) = judgement(boot, timed_out, report);
    outcome.clone_into(&mut report.outcome);
    report.reason = reason;
    code
}

fn judgement(boot: &Boot, timed_out: bool, report: &Report) -> Judgement {
    let find = |text: &str| find(boot, |line| line.contains(text));
    let spoke = boot.hello().is_some() || find("KTAP version 1").is_some();
    let refused = boot.bye().is_some_and(|bye| bye.plan_error);
    if let Some(why) = &boot.foreign {
        return ("fail", why.clone(), exit::TOOL);
    }
    if let Some(bail) = find("Bail out! bad plan") {
        let reason = bail.replace("Bail out! ", "");
        return ("plan_error", reason, exit::TOOL);
    }
    if refused {
        let reason = "the plan was refused; why is lost".to_owned();
        return ("plan_error", reason, exit::TOOL);
    }
    if let Some(bail) = find("Bail out! pidone: ") {
        let reason = bail.replace("Bail out! pidone: ", "the payload failed: ");
        return ("fail", reason, exit::TOOL);
    }
    let trouble = trouble(boot);
    if let Some(panic) = find("Kernel panic - not syncing") {
        let cause = trouble.map(|(_, line)| format!(", after: {line}"));
        let cause = cause.unwrap_or_default();
        return match spoke {
            true => {
                let place = place(boot);
                ("panic", format!("{panic}{cause}; {place}"), exit::BAD)
            }
            false => ("no_boot", panic + &cause, exit::CANNOT_TELL),
        };
    }
    if !spoke {
        return ("no_boot", silence(boot, trouble), exit::CANNOT_TELL);
    }
    if boot.bye().is_some() {
        return finished(boot, report);
    }
    let place = place(boot);
    let seen = match trouble {
        Some((what, line)) => format!("{what}: {line}; "),
        None => String::new(),
    };
    match timed_out {
        true if seen.is_empty() => {
            let reason =
                format!("no end in time and no word from the kernel; {place}");
            ("hang", reason, exit::BAD)
        }
        true => ("hang", format!("{seen}no end in time; {place}"), exit::BAD),
        false => (
            "fail",
            format!("{seen}the log ends early; {place}"),
            exit::BAD,
        ),
    }
}

/// All runs were carried out.
fn finished(boot: &Boot, report: &Report) -> Judgement {
    let names = |of: &dyn Fn(&crate::model::Run) -> bool| {
        let runs = report.runs.iter().filter(|run| of(run));
        runs.map(|run| run.name.as_str()).collect::<Vec<_>>()
    };
    let lost = names(&|run| run.verdict_lost);
    let failed = names(&|run| run.verdict == "fail" && !run.verdict_lost);
    let counted = boot.bye().map_or(0, |bye| usize::from(bye.failed));
    if counted > failed.len() {
        let known = match failed.len() {
            0 => String::new(),
            _ => format!(", {} among them", failed.join(", ")),
        };
        let reason = format!("{counted} runs failed{known}");
        return ("fail", reason, exit::BAD);
    }
    if !failed.is_empty() {
        let reason = format!("failed: {}", failed.join(", "));
        return ("fail", reason, exit::BAD);
    }
    if !lost.is_empty() {
        let lost = lost.join(", ");
        let reason = format!("cannot tell: the verdict on {lost} is lost");
        return ("fail", reason, exit::CANNOT_TELL);
    }
    let (all, skipped) =
        (report.runs.len(), names(&|run| run.verdict == "skip"));
    if all > 0 && skipped.len() == all {
        let mut why: Vec<&str> = report
            .runs
            .iter()
            .filter_map(|run| run.reasons.first().map(String::as_str))
            .collect();
        why.dedup();
        let why = why.join(", ");
        let reason = format!("cannot tell: every run was skipped: {why}");
        return ("ok", reason, exit::CANNOT_TELL);
    }
    let skipped = match skipped.len() {
        0 => String::new(),
        n => format!(", {n} skipped"),
    };
    let runs = if all == 1 { "run" } else { "runs" };
    (
        "ok",
        format!("{all} {runs}{skipped}, none failed"),
        exit::GOOD,
    )
}

/// The first line that `wanted` holds for, without what a log collector or
/// the kernel put in front of it.
fn find(boot: &Boot, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let line = boot.text.lines().find(|line| wanted(line))?;
    Some(bare(line).to_owned())
}

fn bare(line: &str) -> &str {
    let line = line.trim();
    // LAVA's logs are YAML.
    let line = match line.split_once("\"msg\": \"") {
        Some((_, message)) => message.trim_end_matches(['}', '"']),
        None => line,
    };
    // Prefixes are ASCII, so this is a boundary.
    line.get(splice::any_prefix(line.as_bytes())..)
        .unwrap_or(line)
}

/// The first sign of trouble on the console and what kind it is of.
fn trouble(boot: &Boot) -> Option<(&'static str, String)> {
    boot.text.lines().find_map(|line| {
        let is = |texts: &[&str]| texts.iter().any(|text| line.contains(text));
        // Our own lines repeat what the kernel said.
        let ours = bare(line).starts_with("# ");
        let what = match (is(WATCHDOG), is(OOPS)) {
            (true, _) => "watchdog",
            (false, true) => "oops",
            (false, false) => return None,
        };
        (!ours).then(|| (what, bare(line).to_owned()))
    })
}

/// Why a payload that never spoke did not.
fn silence(boot: &Boot, trouble: Option<(&'static str, String)>) -> String {
    let last = boot.text.lines().rfind(|line| !line.trim().is_empty());
    match (trouble, last) {
        (Some((what, line)), _) => {
            format!("the payload never spoke; {what}: {line}")
        }
        (None, Some(last)) => {
            format!("the payload never spoke; last line: {}", bare(last))
        }
        (None, None) => "there was no output at all".to_owned(),
    }
}

/// Where in the plan the machine was when it said its last.
fn place(boot: &Boot) -> String {
    let runs = boot.hello().map_or(0, |hello| hello.runs);
    if boot.bye().is_some() {
        return "after the last run".to_owned();
    }
    if let Some((start, progress)) = boot.unfinished() {
        let number = u32::from(start.run) + 1;
        let time = progress.map(|p| format!(" after {} ms", p.elapsed_ms));
        return format!(
            "in {} (run {number} of {runs}){}",
            start.name,
            time.unwrap_or_default()
        );
    }
    match boot.runs().last() {
        Some(run) => format!("after {}, in no run", run.name),
        None => "before the first run".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{folded, judge};
    use crate::decode::decode;
    use crate::model::Report;
    use crate::testing::{Stream, hello, progress, run, start};
    use pidone::record::Verdict;

    fn judged(log: &str, timed_out: bool) -> (Report, u8) {
        let boot = decode(log.as_bytes()).newest();
        let mut report = Report::new(&boot);
        let code = judge(&boot, timed_out, &mut report);
        (report, code)
    }

    #[track_caller]
    fn is(log: &str, timed_out: bool, outcome: &str, code: u8, reason: &str) {
        let (report, exit) = judged(log, timed_out);
        let got = (report.outcome.as_str(), exit);
        assert_eq!(got, (outcome, code), "{}", report.reason);
        assert!(report.reason.contains(reason), "{}", report.reason);
    }

    const BANNER: &str = "[    0.000000] Linux version 6.12\n";
    const KTAP: &str = "KTAP version 1\n";

    fn sick(line: &str) -> String {
        format!("{BANNER}{KTAP}[    2.000000] {line}\n")
    }

    #[test]
    fn several_boots_end_as_the_worst() {
        for (codes, code) in [
            (&[0, 0][..], 0),
            (&[0, 125], 125),
            (&[1, 125, 0], 1),
            (&[125, 1], 1),
            (&[1, 255, 0], 255),
            (&[], 125),
        ] {
            assert_eq!(folded(codes.iter().copied()), code, "{codes:?}");
        }
    }

    #[test]
    fn kinds_of_silence_are_told_apart() {
        let hung = format!("{BANNER}{KTAP}");
        is(&hung, true, "hang", 1, "no word from the kernel");
        is(&hung, false, "fail", 1, "the log ends early");
        for (line, what) in [
            ("watchdog: BUG: soft lockup - CPU#0 stuck", "watchdog: "),
            ("rcu: INFO: rcu_sched self-detected stall", "watchdog: "),
            ("INFO: task x:1 blocked for more than 120 s", "watchdog: "),
            ("BUG: kernel NULL pointer dereference", "oops: BUG: kernel"),
            ("Oops: 0000 [#1] PREEMPT SMP", "oops: Oops"),
        ] {
            is(&sick(line), true, "hang", 1, what);
        }
    }

    #[test]
    fn a_kernel_that_does_not_boot_cannot_be_judged() {
        let panic = "[    1.000000] Kernel panic - not syncing: VFS: no root\n";
        is(
            &format!("{BANNER}{panic}"),
            false,
            "no_boot",
            125,
            "VFS: no root",
        );
        is("", true, "no_boot", 125, "no output at all");
        is(
            BANNER,
            true,
            "no_boot",
            125,
            "last line: Linux version 6.12",
        );
        let lava = r#"- {"dt": "2026-11-05T12:00:00.1", "lvl": "target", "#;
        let lava = format!(r#"{lava}"msg": "{}"}}"#, panic.trim());
        let reason = "Kernel panic - not syncing: VFS: no root";
        is(&lava, false, "no_boot", 125, reason);
        assert_eq!(judged(&lava, false).0.reason, reason);
        let bug = format!("{BANNER}[    1.000000] kernel BUG at mm/x.c:1!\n");
        is(&bug, true, "no_boot", 125, "oops: kernel BUG at");
    }

    #[test]
    fn a_panic_names_its_run_and_its_cause() {
        let records = [hello(), start(0, "PipeIo"), progress(0, 77)];
        let log = Stream::of(1, &records).once();
        let log = format!(
            "{BANNER}{KTAP}{log}[    2.000000] BUG: unable to handle page\n\
             [    2.000001] Kernel panic - not syncing: Fatal exception\n"
        );
        is(
            &log,
            false,
            "panic",
            1,
            "in PipeIo (run 1 of 2) after 1000 ms",
        );
        is(&log, false, "panic", 1, "after: BUG: unable to handle page");
        let (report, _) = judged(&log, false);
        assert!(report.runs[0].reasons[0].contains("77 iterations"));
    }

    #[test]
    fn skips_are_not_a_pass() {
        let skip = |n| run(n, "PipeIo", Verdict::Skip, "NO_CAP");
        let all = Stream::of(1, &[hello(), skip(0), skip(1)]).closed();
        is(
            &all.once(),
            false,
            "ok",
            125,
            "every run was skipped: NO_CAP",
        );
        let ok = run(1, "SpinWait", Verdict::Ok, "");
        let some = Stream::of(1, &[hello(), skip(0), ok]).closed();
        is(
            &some.once(),
            false,
            "ok",
            0,
            "2 runs, 1 skipped, none failed",
        );
    }

    /// The stream's lines without those of these records.
    fn without(stream: &Stream, gone: &[u32]) -> String {
        let lines = stream.lines().filter(|(n, _)| !gone.contains(n));
        lines.map(|(_, line)| line + "\n").collect()
    }

    #[test]
    fn a_lost_verdict_is_no_pass() {
        let ok = |n, name| run(n, name, Verdict::Ok, "");
        let stream = Stream::of(
            1,
            &[
                hello(),
                start(0, "PipeIo"),
                ok(0, "PipeIo"),
                start(1, "SpinWait"),
                ok(1, "SpinWait"),
            ],
        )
        .closed();
        let lost = "cannot tell: the verdict on SpinWait is lost";
        is(&without(&stream, &[4]), false, "fail", 125, lost);
        let (report, _) = judged(&without(&stream, &[4]), false);
        assert_eq!(report.runs[1].verdict, "fail");
        assert_eq!(report.runs[1].reasons, ["its verdict is lost"]);
        assert_eq!((report.lost_records, report.digest), (1, None));
        // Nothing at all is left of the run but the count in `Bye`.
        let (report, _) = judged(&without(&stream, &[3, 4]), false);
        assert_eq!(report.runs[1].name, "run 2");
        // `Bye` knows that a run failed of which nothing arrived.
        let bad = run(1, "SpinWait", Verdict::Fail, "x");
        let stream = Stream::of(1, &[hello(), ok(0, "PipeIo"), bad]).closed();
        is(&without(&stream, &[2]), false, "fail", 1, "1 runs failed");
    }

    #[test]
    fn failures_of_ours_are_ours() {
        let panic = sick("").replace(
            "[    2.000000] ",
            "Bail out! pidone: panicked at src/x.rs:1",
        );
        is(&panic, false, "fail", 255, "the payload failed: panicked");
        let mut stream = Stream::sample();
        stream.records[0][1] = 9;
        is(&stream.once(), false, "fail", 255, "wire schema 9");
    }
}
