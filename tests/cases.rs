//! What logs go through in other people's labs.
//!
//! `tests/data/cases/` has consoles that were cut, prefixed, quoted, torn and
//! united as collectors, kernels and boards do it; more of each kind are made
//! here. `decode` and `action/pidone-boot` must give the same answer to all.

use pidone::wire::record::Verdict;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use xtask::build;
use xtask::decode::decode_ports;
use xtask::exit::Exit;
use xtask::format::Format;
use xtask::input::Input;
use xtask::model::{Outcome, Report};
use xtask::outcome;

const FORMATS: [Format; 6] = [
    Format::Table,
    Format::Json,
    Format::Csv,
    Format::Ktap,
    Format::Junit,
    Format::Kcidb,
];

pub(crate) fn data() -> PathBuf {
    build::workspace().join("tests/data")
}

/// A case's log as it came off the console.
fn case(name: &str) -> Vec<u8> {
    let path = data().join("cases").join(format!("{name}.gz"));
    let input = Input::read(path.to_str().unwrap()).unwrap();
    input.ports.into_iter().next().unwrap()
}

fn judged(log: &[u8]) -> (Report, Exit) {
    outcome::of_all(decode_ports(&[log]).boots(), false)
}

/// A search path with a clock that leaves any recorded boot its time.
pub(crate) fn in_time() -> String {
    let bin = data().join("cases/bin");
    format!("{}:{}", bin.display(), env::var("PATH").unwrap())
}

/// What `pidone-boot` says of a log, if it asked for this plan.
pub(crate) fn said(log: &[u8], plan: &[&str]) -> (Option<i32>, String) {
    said_in(&in_time(), log, plan)
}

fn said_in(path: &str, log: &[u8], plan: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    fs::write(file("fake"), log).unwrap();
    fs::write(file("image"), "none").unwrap();
    let out = Command::new(build::workspace().join("action/pidone-boot"))
        .arg(file("image"))
        .arg(file("image"))
        .args(plan)
        .env("QEMU", data().join("cases/fakeqemu"))
        .env("FAKELOG", file("fake"))
        .env("LOG", file("log"))
        .env("PATH", path)
        .env_remove("APPEND")
        .output()
        .unwrap();
    let both = [out.stdout, out.stderr].concat();
    let text = String::from_utf8_lossy(&both).into_owned();
    (out.status.code(), text)
}

/// The verdict on a log, on which both must agree.
#[track_caller]
fn agreed(what: &str, log: &[u8]) -> (Report, Exit) {
    let (report, exit) = judged(log);
    let (code, text) = said(log, &["work=PipeIo"]);
    let expected = Some(i32::from(exit.code()));
    assert_eq!(code, expected, "{what}: {}\n{text}", report.reason);
    let panic = text.lines().last().unwrap_or("").starts_with("panic");
    assert_eq!(panic, report.outcome == Outcome::Panic, "{what}: {text}");
    (report, exit)
}

#[test]
fn torn_and_prefixed_logs_lose_nothing() {
    let whole = judged(&case("torn-t30-raw.log")).0;
    for name in [
        "torn-t30-raw.log",
        "torn-t30-jenkins.log",
        "torn-t30-nostamp.log",
        "torn-t30-dropped.log",
        "torn-kbreak-compose.log",
        "torn-mail-wrapped.txt",
        "torn-verdict.log",
        "torn-version-line.log",
        "lost-verdict.lava.yaml.log",
        "compressed.log",
        "back-to-the-boards-own-system.log",
        "panic-text-behind-the-end.log",
    ] {
        let (report, exit) = agreed(name, &case(name));
        assert_eq!(exit, Exit::Good, "{name}: {}", report.reason);
        assert_eq!(report.lost_records, 0, "{name}");
        assert_eq!(report.digest, whole.digest, "{name}");
        assert_eq!(report.boots, [], "{name}");
        let table = Format::Table.render(&report).unwrap();
        assert!(!table.contains("192000000000"), "{table}");
    }
}

#[test]
fn a_lost_boot_is_a_result_of_its_own() {
    let (report, exit) = agreed("crash", &case("crash-then-clean-reboot.log"));
    assert_eq!((report.outcome, exit), (Outcome::Panic, Exit::Bad));
    assert!(
        report.reason.starts_with("boot 1 of 2: "),
        "{}",
        report.reason
    );
    let outcomes: Vec<_> = report.boots.iter().map(|b| b.outcome).collect();
    assert_eq!(outcomes, [Outcome::Panic, Outcome::Ok]);
    let shown = |format: Format| format.render(&report).unwrap();
    let junit = shown(Format::Junit);
    assert!(junit.contains("errors=\"1\""), "{junit}");
    assert!(junit.contains("<testcase name=\"boot 1\""), "{junit}");
    assert!(shown(Format::Ktap).contains("not ok 3 boot 1\n"));
    assert!(shown(Format::Kcidb).contains("pidone.boot_1"));
    for format in FORMATS {
        let text = shown(format);
        assert!(text.contains("NULL pointer dereference"), "{text}");
    }
}

#[test]
fn ktap_alone_has_verdicts_and_no_figures() {
    let (report, exit) = agreed("ktap", &case("ktap-only.log"));
    assert_eq!((report.outcome, exit), (Outcome::Ok, Exit::Good));
    let [run] = &report.runs[..] else {
        panic!("one run");
    };
    assert_eq!((run.name.as_str(), run.verdict), ("PipeIo", Verdict::Ok));
    assert!(run.groups.is_empty() && report.digest.is_none());
    let json = Format::Json.render(&report).unwrap();
    assert!(json.contains("\"wall_ns\": null"), "{json}");
    let log = String::from_utf8(case("ktap-only.log")).unwrap();
    for (from, to, exit) in [
        ("ok 1 PipeIo", "not ok 1 PipeIo", Exit::Bad),
        ("ok 1 PipeIo", "ok 1 PipeIo # SKIP NO_CAP", Exit::CannotTell),
        // The machine went on to its end, so nothing is to be blamed.
        ("ok 1 PipeIo", "o", Exit::CannotTell),
        ("\n1..1", "\n1..2", Exit::CannotTell),
    ] {
        let log = log.replacen(&format!("\n{from}\n"), &format!("\n{to}\n"), 1);
        let log = if from.starts_with('\n') {
            log.replacen(from, to, 1)
        } else {
            log
        };
        let (report, got) = agreed(to, log.as_bytes());
        assert_eq!(got, exit, "{to}: {}", report.reason);
    }
}

/// A machine on whose clock more time passed than here.
#[test]
fn a_clock_that_went_wrong_is_no_verdict() {
    let whole = String::from_utf8(case("ktap-only.log")).unwrap();
    let last = "[    4.543186] reboot: ";
    assert!(whole.contains(last));
    let whole = whole.replace(last, "[ 4004.543186] reboot: ");
    let path = env::var("PATH").unwrap();
    for (from, to) in [("", ""), ("\nok 1 ", "\nnot ok 1 ")] {
        let log = whole.replacen(from, to, 1);
        let (code, text) = said_in(&path, log.as_bytes(), &["work=PipeIo"]);
        assert_eq!(code, Some(125), "{text}");
        let last = text.lines().last().unwrap();
        let why = "cannot tell: the machine's clock went wrong: ";
        assert!(last.starts_with(why), "{last}");
        let verdict = if from.is_empty() {
            "ok: 1 runs"
        } else {
            "fail: 1 of"
        };
        assert!(last.contains(verdict), "{last}");
    }
    // What a plan or the tool did is so by any clock.
    let log = whole.replacen("\n1..1\n", "\nBail out! bad plan: x\n", 1);
    let (code, text) = said_in(&path, log.as_bytes(), &["work=PipeIo"]);
    assert_eq!(code, Some(255), "{text}");
}

#[test]
fn a_panic_by_a_warning_names_it() {
    let (report, exit) = agreed("warn", &case("panic-on-warn.log"));
    assert_eq!((report.outcome, exit), (Outcome::Panic, Exit::Bad));
    let cause = ", after: WARNING: CPU: 1 PID: 87 at kernel/sched/fair.c:701 \
                 in update_entity_lag";
    assert!(report.reason.contains(cause), "{}", report.reason);
}

#[test]
fn warnings_before_init_are_in_every_format_and_may_fail() {
    let log = case("boot-time-warning.log");
    let (report, exit) = agreed("warning", &log);
    assert_eq!((report.outcome, exit), (Outcome::Ok, Exit::Good));
    assert_eq!(report.boot_warnings.len(), 3);
    for format in FORMATS {
        let text = format.render(&report).unwrap();
        for part in ["build_sched_domains", "sleeping function", "Oops: "] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    let text = String::from_utf8_lossy(&log).into_owned();
    let strict = "pidone.boot_warnings=fail pidone.time=";
    let text = text.replacen("pidone.time=", strict, 1);
    let (report, exit) = judged(text.as_bytes());
    assert_eq!(exit, Exit::Bad, "{}", report.reason);
    assert!(report.reason.contains("build_sched_domains"));
    let (code, _) = said(&log, &["boot_warnings=fail", "work=PipeIo"]);
    assert_eq!(code, Some(1));
}

#[test]
fn a_histogram_that_cannot_be_is_left_out() {
    let (report, _) = judged(&case("report-min.log"));
    let [error] = &report.errors[..] else {
        panic!("{:?}", report.errors);
    };
    assert!(
        error.contains("wake of PipeIo in run 1 is left out"),
        "{error}"
    );
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    fs::write(&log, case("report-min.log")).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["report", "--output", "-"])
        .arg(&log)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let page = String::from_utf8(out.stdout).unwrap();
    assert!(page.contains("is left out"));
}

/// More of the kinds, of recorded consoles and those of other tests.
#[test]
fn both_agree_on_all_consoles_whatever_stands_around_them() {
    let mut logs: Vec<(String, String)> = Vec::new();
    let dir = data().join("consoles");
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "log") {
            let log = String::from_utf8_lossy(&fs::read(&path).unwrap())
                .replace('\r', "");
            let name = path.file_stem().unwrap().to_string_lossy();
            agreed(&name, log.as_bytes());
            logs.push((name.into_owned(), log));
        }
    }
    assert!(logs.len() > 10);
    let bare = case("ktap-only.log");
    let bare = String::from_utf8_lossy(&bare).replace('\r', "");
    logs.push(("ktap-only".to_owned(), bare));
    let names = [
        "clean",
        "panic-in-a-run",
        "scheduler-stalls",
        "bad-plan",
        "ktap-only",
    ];
    type Around = fn(usize, &str) -> String;
    let arounds: [(&str, Around); 11] = [
        ("journald", |n, l| {
            format!("Nov 28 03:16:{:02} host qemu[4711]: {l}", n % 60)
        }),
        ("docker", |n, l| {
            let l = l.replace('\\', "\\\\").replace('"', "\\\"");
            let time = format!("2026-11-28T03:16:{:02}.{n:09}Z", n % 60);
            let rest = format!("\"stream\":\"stdout\",\"time\":\"{time}\"");
            format!("{{\"log\":\"{l}\\n\",{rest}}}")
        }),
        ("compose", |_, l| format!("board-1  | {l}")),
        ("compose, coloured", |_, l| {
            format!("\x1b[36mboard-1  | \x1b[0m{l}")
        }),
        ("numbered", |n, l| format!("{n:>6}\t{l}")),
        ("quoted twice", |_, l| format!("> > {l}")),
        ("teamcity", |n, l| {
            format!("[03:16:{:02}] :\t [Step 2/2] {l}", n % 60)
        }),
        ("buildkite", |n, l| {
            format!("\x1b_bk;t=17643240{n:05}\x07{l}")
        }),
        ("an encoding's mark", |n, l| match n {
            0 => format!("\u{feff}{l}"),
            _ => l.to_owned(),
        }),
        ("a firmware's last words", |n, l| match n {
            0 => format!("Booting from ROM..{l}"),
            _ => l.to_owned(),
        }),
        ("moreutils", |n, l| {
            format!("{n}.{:06} {l}", n * 7 % 1_000_000)
        }),
    ];
    for name in names {
        let (_, log) = logs.iter().find(|(known, _)| known == name).unwrap();
        let (plain, exit) = judged(log.as_bytes());
        for (what, around) in arounds {
            let lines = log.lines().enumerate();
            let lines = lines.map(|(n, line)| around(n, line) + "\n");
            let log: String = lines.collect();
            let what = format!("{name}, {what}");
            let (report, got) = agreed(&what, log.as_bytes());
            assert_eq!(got, exit, "{what}: {}", report.reason);
            assert_eq!(report.digest, plain.digest, "{what}");
            assert_eq!(report.lost_records, 0, "{what}");
            assert_eq!(report.outcome, plain.outcome, "{what}");
        }
    }
}

/// A kernel's line at every third place of a frame's first part, then in it
/// from end to end.
#[test]
fn a_frame_may_be_torn_anywhere_by_any_line() {
    let log = fs::read(data().join("consoles/clean.log")).unwrap();
    let log = String::from_utf8_lossy(&log).replace('\r', "");
    let whole = judged(log.as_bytes()).0;
    for line in [
        "[   12.345678] usb 1-1: new\n",
        "<4>[   12.345678][  T99] x\n[   12.345679][    C1] y\n",
        "usb 1-1: new high-speed USB device\n",
        "Abc: d\nEfg_h\n",
        "** 23 printk messages dropped **\n",
    ] {
        for step in [3, 7, 11] {
            let mut torn = String::new();
            for (n, text) in log.lines().enumerate() {
                // A mark that is torn itself is in the other copy.
                let at = 6 + n * step % text.len().saturating_sub(6).max(1);
                match text.starts_with("# ~p1:") && text.len() > at {
                    true => {
                        let (head, tail) = text.split_at(at);
                        torn += &format!("{head}{line}{tail}\n");
                    }
                    false => torn += &format!("{text}\n"),
                }
            }
            let (report, exit) = agreed(line, torn.as_bytes());
            assert_eq!(exit, Exit::Good, "{line:?}: {}", report.reason);
            assert_eq!(report.digest, whole.digest, "{line:?} {step}");
        }
    }
}

#[test]
fn damage_without_a_cure_blames_no_kernel() {
    let log = fs::read(data().join("consoles/clean.log")).unwrap();
    let log = String::from_utf8_lossy(&log).replace('\r', "");
    // No frame is left whole, and no verdict.
    let mut lines = log.lines().map(|line| match line {
        line if line.contains("~p1:") => line.replace(':', ";"),
        line if line.starts_with("ok ") => String::new(),
        line => line.to_owned(),
    });
    let damaged = lines.by_ref().collect::<Vec<_>>().join("\n");
    let (report, exit) = agreed("damaged", damaged.as_bytes());
    assert_eq!(exit, Exit::CannotTell, "{}", report.reason);
    // One frame of the end is there, the verdict is not.
    let gone = |line: &&str| !line.starts_with("ok ") && !line.contains(":4:");
    let lost: Vec<_> = log.lines().filter(gone).collect();
    let (report, exit) = judged(lost.join("\n").as_bytes());
    assert!(exit != Exit::Bad, "{}", report.reason);
}

#[test]
fn a_log_without_line_ends_is_no_slower() {
    let log = fs::read(data().join("consoles/clean.log")).unwrap();
    let log = String::from_utf8_lossy(&log).into_owned();
    let one = log.replace(['\r', '\n'], "");
    let whole = judged(log.as_bytes()).0;
    assert_eq!(judged(one.as_bytes()).0.digest, whole.digest);
}

/// What GitHub's runner takes for a command, and a page for its own.
#[test]
fn nothing_of_a_guest_is_a_command_to_a_runner() {
    let log = String::from_utf8(case("ktap-only.log")).unwrap();
    let evil = "::error::x\r\n ::stop-commands::y\n##[error]z\n```\n# h\n\
                \x1b[31mred\u{9b}2J\nok 1 ";
    let log = log.replacen("\nok 1 ", &format!("\n{evil}"), 1);
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    fs::write(file("fake"), log).unwrap();
    fs::write(file("image"), "none").unwrap();
    fs::write(file("summary"), "").unwrap();
    let out = Command::new(build::workspace().join("action/github"))
        .env("ACTION_PATH", build::workspace())
        .env("KERNEL", file("image"))
        .env("INITRAMFS", file("image"))
        .env("PLAN", "work=PipeIo")
        .envs([
            ("APPEND", ""),
            ("SMP", "2"),
            ("MEM", "512"),
            ("TIMEOUT", ""),
        ])
        .env("QEMU", data().join("cases/fakeqemu"))
        .env("FAKELOG", file("fake"))
        .env("LOG", file("log"))
        .env("PATH", in_time())
        .env("GITHUB_OUTPUT", file("output"))
        .env("GITHUB_STEP_SUMMARY", file("summary"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(0), "{text}");
    assert!(text.contains("error: :x") && text.contains("red"), "{text}");
    for bad in ["::", "##[", "\x1b", "\u{9b}"] {
        assert!(!text.contains(bad), "{bad:?} in {text}");
    }
    let summary = fs::read_to_string(file("summary")).unwrap();
    assert_eq!(summary.matches("```").count(), 2, "{summary}");
    let output = fs::read_to_string(file("output")).unwrap();
    assert_eq!(output, "verdict=ok: 1 runs, none failed\n");
}
