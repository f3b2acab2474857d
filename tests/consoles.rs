//! Recorded consoles and what must be decoded from them.
//!
//! Beside each `tests/data/consoles/NAME.log` is `NAME.txt`.
//! `PIDONE_OVERWRITE=1 cargo test -p xtask --test machine consoles` writes
//! them anew; look at the difference before it is committed. `clean`,
//! `kernel-in-frames`, `panic-in-a-run`, `no-boot`, `bad-plan` and
//! the second of `two-boots` were recorded under QEMU with Debian's 6.12
//! kernel; the others are `clean` with what terminals, collectors and bad
//! lines do to it.

use core::fmt::Write;
use std::fs;
use std::path::PathBuf;
use xtask::build;
use xtask::decode::{Boot, decode};
use xtask::format::Format;
use xtask::model::Report;
use xtask::outcome::judge;

/// Most bytes of a recorded console.
const LOG_BYTES: usize = 60_000;

fn consoles() -> Vec<PathBuf> {
    let dir = build::workspace().join("tests/data/consoles");
    let entries = fs::read_dir(dir).unwrap();
    let mut logs: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect();
    logs.sort();
    logs
}

/// What came out of one boot.
fn shown(boot: &Boot) -> String {
    let mut report = Report::new(boot);
    let exit = judge(boot, false, &mut report);
    let records = boot.records().count();
    let mut text = String::new();
    writeln!(text, "{records} records, lost {:?}", boot.lost).unwrap();
    writeln!(text, "exit code {}", exit.code()).unwrap();
    for format in [Format::Table, Format::Ktap] {
        writeln!(text, "\n{}", format.render(&report).unwrap().trim_end())
            .unwrap();
    }
    text
}

fn decoded(log: &[u8]) -> String {
    let decoded = decode(log);
    let all = decoded.boots().len();
    let boots = decoded.boots().iter().zip(1..);
    boots
        .map(|(boot, n)| format!("# boot {n} of {all}\n\n{}", shown(boot)))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn recorded_consoles_decode_as_written_beside_them() {
    let overwrite = std::env::var_os("PIDONE_OVERWRITE").is_some();
    let mut wrong = Vec::new();
    let consoles = consoles();
    assert!(consoles.len() > 10, "{consoles:?}");
    for path in consoles {
        let log = fs::read(&path).unwrap();
        let name = path.display();
        assert!(log.len() < LOG_BYTES, "{name}: {} bytes", log.len());
        let got = decoded(&log);
        let beside = path.with_extension("txt");
        if overwrite {
            fs::write(&beside, &got).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if got != expected {
            wrong
                .push(format!("{name}\n{}", first_difference(&expected, &got)));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nPIDONE_OVERWRITE=1 writes what is decoded",
        wrong.join("\n")
    );
}

/// The first lines that differ.
fn first_difference(expected: &str, got: &str) -> String {
    let mut lines = expected.lines().zip(got.lines());
    match lines.find(|(one, two)| one != two) {
        Some((one, two)) => format!("- {one}\n+ {two}"),
        None => "one is longer than the other".to_owned(),
    }
}

/// Whatever terminals and collectors add, the records are the same.
#[test]
fn what_was_only_decorated_decodes_the_same() {
    let dir = build::workspace().join("tests/data/consoles");
    let report = |name: &str| {
        let log = fs::read(dir.join(name).with_extension("log")).unwrap();
        let boot = decode(&log).newest();
        let mut report = Report::new(&boot);
        judge(&boot, false, &mut report);
        Format::Json.render(&report).unwrap()
    };
    let clean = report("clean");
    for name in ["ansi", "crlf-and-times", "gitlab", "lava"] {
        assert!(report(name) == clean, "{name} differs from clean");
    }
}
