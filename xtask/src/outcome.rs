//! What became of a boot, from its console, its records and its end; and of
//! all the boots in a log.

use crate::decode::Boot;
use crate::decode::ktap::Console;
use crate::exit::Exit;
use crate::model::{BootOutcome, Outcome, Report, Run};
use crate::text::several;
use crate::untrusted::line;
use pidone::wire::record::Verdict;

/// What became of it, what that rests on, and how the verb ends.
type Judgement = (Outcome, String, Exit);

/// The verdict over all of the payload's boots in a log: the report is that
/// of the last of them, outcome and exit are those of the worst. Boots
/// without a sign of the payload are others', unless there are no others.
#[must_use]
pub fn of_all(boots: &[Boot], timed_out: bool) -> (Report, Exit) {
    let numbered = || boots.iter().zip(1..);
    let mut ours: Vec<(&Boot, usize)> =
        numbered().filter(|(boot, _)| boot.is_ours()).collect();
    if ours.is_empty() {
        ours.extend(numbered().last());
    }
    let Some((last, earlier)) = ours.split_last() else {
        return (Report::default(), Exit::CannotTell);
    };
    let of = |boot: &Boot, timed_out: bool| {
        let mut report = Report::new(boot);
        let exit = judge(boot, timed_out, &mut report);
        (report, exit)
    };
    let (mut report, mut exit) = of(last.0, timed_out);
    if earlier.is_empty() {
        return (report, exit);
    }
    let outcome = |number: usize, report: &Report, exit: Exit| BootOutcome {
        number,
        outcome: report.outcome,
        reason: report.reason.clone(),
        exit,
    };
    let mut all: Vec<BootOutcome> = earlier
        .iter()
        .map(|&(boot, number)| {
            // A machine that began again was not stopped.
            let (report, exit) = of(boot, false);
            outcome(number, &report, exit)
        })
        .collect();
    all.push(outcome(last.1, &report, exit));
    // Of equals the first, which is the cause of what came behind it.
    let worst = all.iter().rev().max_by_key(|boot| boot.exit);
    if let Some(worst) = worst
        && worst.exit > exit
    {
        report.outcome = worst.outcome;
        report.reason = format!(
            "boot {} of {}: {}",
            worst.number,
            boots.len(),
            worst.reason
        );
        exit = worst.exit;
    }
    report.boots = all;
    (report, exit)
}

/// Fills in outcome and reason, and returns the exit of the verb.
///
/// `timed_out` says that the machine had to be stopped.
pub fn judge(boot: &Boot, timed_out: bool, report: &mut Report) -> Exit {
    let console = boot.console();
    let (outcome, reason, exit) = judgement(boot, &console, timed_out, report);
    (report.outcome, report.reason) = (outcome, line(&reason).into_owned());
    exit
}

fn judgement(
    boot: &Boot,
    console: &Console,
    timed_out: bool,
    report: &Report,
) -> Judgement {
    let spoke = boot.stream.is_some() || console.version;
    let refused = boot.bye().is_some_and(|bye| bye.plan_error);
    if let Some(why) = &boot.foreign {
        return (Outcome::Fail, why.clone(), Exit::Tool);
    }
    let bail = console.bail.as_deref().unwrap_or_default();
    if bail.starts_with("bad plan") {
        return (Outcome::PlanError, bail.to_owned(), Exit::Tool);
    }
    if refused {
        let reason = "the plan was refused; why is lost".to_owned();
        return (Outcome::PlanError, reason, Exit::Tool);
    }
    if let Some(why) = bail.strip_prefix("pidone: ") {
        let reason = format!("the payload failed: {why}");
        return (Outcome::Fail, reason, Exit::Tool);
    }
    let trouble = console.trouble.as_ref();
    // Behind all runs, a panic may be the end that the plan asks for.
    let planned = boot.bye().is_some() && asks(report, console, "end=panic");
    if let Some(panic) = console.panic.as_ref().filter(|_| !planned) {
        let cause = trouble.map(|(_, line)| line);
        let warned = panic.contains("panic_on_warn");
        let warning = console.warning.as_ref().filter(|_| warned);
        let cause = match warning.or(cause) {
            Some(line) => format!(", after: {line}"),
            None => String::new(),
        };
        return match spoke {
            true => {
                let reason = format!("{panic}{cause}; {}", place(boot));
                (Outcome::Panic, reason, Exit::Bad)
            }
            false => {
                (Outcome::NoBoot, format!("{panic}{cause}"), Exit::CannotTell)
            }
        };
    }
    if !spoke {
        return (Outcome::NoBoot, silence(console), Exit::CannotTell);
    }
    if boot.bye().is_some() || console.complete() {
        return finished(boot, console, report);
    }
    let place = place(boot);
    let seen = match trouble {
        Some((what, line)) => format!("{what}: {line}; "),
        None => String::new(),
    };
    if timed_out {
        let reason = match seen.is_empty() {
            true => {
                format!("no end in time and no word from the kernel; {place}")
            }
            false => format!("{seen}no end in time; {place}"),
        };
        return (Outcome::Hang, reason, Exit::Bad);
    }
    if console.ended {
        return damaged(report, &place);
    }
    let reason = format!("{seen}the log ends early; {place}");
    (Outcome::Fail, reason, Exit::Bad)
}

/// Whether the plan has this word.
fn asks(report: &Report, console: &Console, word: &str) -> bool {
    let line = console.command_line.as_deref().unwrap_or_default();
    let on_it = || line.split_ascii_whitespace();
    let ours = |told: &str| {
        let told = told.trim_matches('"');
        told.strip_prefix("pidone.") == Some(word)
    };
    let hello = report.hello.as_ref();
    let told = hello.is_some_and(|hello| {
        let set = hello.set.iter().map(|set| set.trim_start_matches("-- "));
        let plan = hello.plan.iter().map(String::as_str);
        set.chain(plan).any(|told| told == word || ours(told))
    });
    told || on_it().any(ours)
}

/// The names of the runs for which `of` holds.
fn names(report: &Report, of: impl Fn(&Run) -> bool) -> Vec<&str> {
    let runs = report.runs.iter().filter(|run| of(run));
    runs.map(|run| run.name.as_str()).collect()
}

fn failed(run: &Run) -> bool {
    run.verdict == Verdict::Fail && !run.verdict_lost
}

/// The machine ended by itself, and yet not all that it said has come.
fn damaged(report: &Report, place: &str) -> Judgement {
    // The run that seems to be under way may have ended.
    let told = |run: &Run| failed(run) && !run.unfinished;
    let failed = names(report, told);
    if !failed.is_empty() {
        let reason = format!("failed: {}", failed.join(", "));
        return (Outcome::Fail, reason, Exit::Bad);
    }
    let reason = format!(
        "cannot tell: the machine ended by itself, and what it said behind \
         that is lost: {place}"
    );
    (Outcome::Fail, reason, Exit::CannotTell)
}

/// All runs were carried out.
fn finished(boot: &Boot, console: &Console, report: &Report) -> Judgement {
    let lost = names(report, |run| run.verdict_lost);
    let failed = names(report, failed);
    let counted = boot.bye().map_or(0, |bye| usize::from(bye.failed));
    if counted > failed.len() {
        let known = match failed.len() {
            0 => String::new(),
            _ => format!(", {} among them", failed.join(", ")),
        };
        let reason = format!("{counted} runs failed{known}");
        return (Outcome::Fail, reason, Exit::Bad);
    }
    if !failed.is_empty() {
        let reason = format!("failed: {}", failed.join(", "));
        return (Outcome::Fail, reason, Exit::Bad);
    }
    let strict = asks(report, console, "boot_warnings=fail");
    if let Some(first) = report.boot_warnings.first().filter(|_| strict) {
        let more = match report.boot_warnings.len() {
            1 => String::new(),
            n => format!(", and {} more", n - 1),
        };
        let reason = format!("before init was started: {first}{more}");
        return (Outcome::Fail, reason, Exit::Bad);
    }
    if !lost.is_empty() {
        let lost = lost.join(", ");
        let reason = format!("cannot tell: the verdict on {lost} is lost");
        return (Outcome::Fail, reason, Exit::CannotTell);
    }
    let all = report.runs.len();
    let skipped = names(report, |run| run.verdict == Verdict::Skip);
    if all > 0 && skipped.len() == all {
        let mut why: Vec<&str> = report
            .runs
            .iter()
            .filter_map(|run| run.reasons.first().map(String::as_str))
            .collect();
        why.dedup();
        let why = why.join(", ");
        let reason = format!("cannot tell: every run was skipped: {why}");
        return (Outcome::Ok, reason, Exit::CannotTell);
    }
    let skipped = match skipped.len() {
        0 => String::new(),
        n => format!(", {n} skipped"),
    };
    let runs = several(all, "run");
    (
        Outcome::Ok,
        format!("{runs}{skipped}, none failed"),
        Exit::Good,
    )
}

/// Why a payload that never spoke did not.
fn silence(console: &Console) -> String {
    let early = || console.boot_warnings.first();
    match (&console.trouble, &console.last) {
        (Some((what, line)), _) => {
            format!("the payload never spoke; {what}: {line}")
        }
        (None, Some(last)) => match early() {
            Some(warning) => format!(
                "the payload never spoke; after: {warning}; last line: {last}"
            ),
            None if console.stamped || console.command_line.is_some() => {
                format!("the payload never spoke; last line: {last}")
            }
            None => format!(
                "the payload never spoke, nor does a line look like a \
                 kernel's; is this the log of a console? last line: {last}"
            ),
        },
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
    use super::judge;
    use crate::decode::decode;
    use crate::exit::Exit;
    use crate::model::{Outcome, Report};
    use crate::testing::{Stream, hello, progress, run, start};
    use pidone::wire::record::{Interval, Pairs, Record, Tunable, Verdict};

    fn judged(log: &str, timed_out: bool) -> (Report, Exit) {
        let boot = decode(log.as_bytes()).newest();
        let mut report = Report::new(&boot);
        let exit = judge(&boot, timed_out, &mut report);
        (report, exit)
    }

    #[track_caller]
    fn is(
        log: &str,
        timed_out: bool,
        outcome: Outcome,
        exit: Exit,
        reason: &str,
    ) {
        let (report, got) = judged(log, timed_out);
        let got = (report.outcome, got);
        assert_eq!(got, (outcome, exit), "{}", report.reason);
        assert!(report.reason.contains(reason), "{}", report.reason);
    }

    const BANNER: &str = "[    0.000000] Linux version 6.12\n";
    const KTAP: &str = "KTAP version 1\n";

    fn sick(line: &str) -> String {
        format!("{BANNER}{KTAP}[    2.000000] {line}\n")
    }

    #[test]
    fn kinds_of_silence_are_told_apart() {
        let hung = format!("{BANNER}{KTAP}");
        is(
            &hung,
            true,
            Outcome::Hang,
            Exit::Bad,
            "no word from the kernel",
        );
        is(&hung, false, Outcome::Fail, Exit::Bad, "the log ends early");
        for (line, what) in [
            ("watchdog: BUG: soft lockup - CPU#0 stuck", "watchdog: "),
            ("rcu: INFO: rcu_sched self-detected stall", "watchdog: "),
            ("INFO: task x:1 blocked for more than 120 s", "watchdog: "),
            ("BUG: kernel NULL pointer dereference", "oops: BUG: kernel"),
            ("Oops: 0000 [#1] PREEMPT SMP", "oops: Oops"),
        ] {
            is(&sick(line), true, Outcome::Hang, Exit::Bad, what);
        }
    }

    #[test]
    fn a_kernel_that_does_not_boot_cannot_be_judged() {
        let panic = "[    1.000000] Kernel panic - not syncing: VFS: no root\n";
        is(
            &format!("{BANNER}{panic}"),
            false,
            Outcome::NoBoot,
            Exit::CannotTell,
            "VFS: no root",
        );
        is(
            "",
            true,
            Outcome::NoBoot,
            Exit::CannotTell,
            "no output at all",
        );
        is(
            "root:x:0:0:root:/root:/bin/bash\n",
            false,
            Outcome::NoBoot,
            Exit::CannotTell,
            "is this the log of a console? last line: root:x",
        );
        is(
            BANNER,
            true,
            Outcome::NoBoot,
            Exit::CannotTell,
            "last line: Linux version 6.12",
        );
        let lava = r#"- {"dt": "2026-11-05T12:00:00.1", "lvl": "target", "#;
        let lava = format!(r#"{lava}"msg": "{}"}}"#, panic.trim());
        let reason = "Kernel panic - not syncing: VFS: no root";
        is(&lava, false, Outcome::NoBoot, Exit::CannotTell, reason);
        assert_eq!(judged(&lava, false).0.reason, reason);
        let bug = format!("{BANNER}[    1.000000] kernel BUG at mm/x.c:1!\n");
        is(
            &bug,
            true,
            Outcome::NoBoot,
            Exit::CannotTell,
            "oops: kernel BUG at",
        );
    }

    #[test]
    fn a_panic_names_its_run_and_its_cause() {
        // What is sent before the end of a run is no result of it.
        let set = Record::Tunable(Tunable {
            run: 0,
            name: "sysctl.kernel.softlockup_panic",
            before: "0",
            value: "1",
        });
        let interval = Record::Interval(Interval {
            run: 0,
            group: 0,
            end_ms: 900,
            values: Pairs("iterations=70"),
        });
        let begin = start(0, "PipeIo");
        let records = [hello(), begin, set, interval, progress(0, 77)];
        let log = Stream::of(1, &records).once();
        let log = format!(
            "{BANNER}{KTAP}{log}[    2.000000] BUG: unable to handle page\n\
             [    2.000001] Kernel panic - not syncing: Fatal exception\n"
        );
        is(
            &log,
            false,
            Outcome::Panic,
            Exit::Bad,
            "in PipeIo (run 1 of 2) after 1000 ms",
        );
        is(
            &log,
            false,
            Outcome::Panic,
            Exit::Bad,
            "after: BUG: unable to handle page",
        );
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
            Outcome::Ok,
            Exit::CannotTell,
            "every run was skipped: NO_CAP",
        );
        let ok = run(1, "SpinWait", Verdict::Ok, "");
        let some = Stream::of(1, &[hello(), skip(0), ok]).closed();
        is(
            &some.once(),
            false,
            Outcome::Ok,
            Exit::Good,
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
        is(
            &without(&stream, &[4]),
            false,
            Outcome::Fail,
            Exit::CannotTell,
            lost,
        );
        let (report, _) = judged(&without(&stream, &[4]), false);
        assert_eq!(report.runs[1].verdict, Verdict::Fail);
        assert_eq!(report.runs[1].reasons, ["its verdict is lost"]);
        assert_eq!((report.lost_records, report.digest), (1, None));
        // Nothing at all is left of the run but the count in `Bye`.
        let (report, _) = judged(&without(&stream, &[3, 4]), false);
        assert_eq!(report.runs[1].name, "run 2");
        // `Bye` knows that a run failed of which nothing arrived.
        let bad = run(1, "SpinWait", Verdict::Fail, "x");
        let stream = Stream::of(1, &[hello(), ok(0, "PipeIo"), bad]).closed();
        is(
            &without(&stream, &[2]),
            false,
            Outcome::Fail,
            Exit::Bad,
            "1 runs failed",
        );
    }

    #[test]
    fn failures_of_ours_are_ours() {
        let panic = sick("").replace(
            "[    2.000000] ",
            "Bail out! pidone: panicked at src/x.rs:1",
        );
        is(
            &panic,
            false,
            Outcome::Fail,
            Exit::Tool,
            "the payload failed: panicked",
        );
        let mut stream = Stream::sample();
        stream.records[0][1] = 9;
        is(
            &stream.once(),
            false,
            Outcome::Fail,
            Exit::Tool,
            "wire schema 9",
        );
    }
}
