//! Logs from anywhere as boots that are over: what a CI, a lab or a mail has
//! of them, with as much as it says of where they are from.

pub mod archive;

use crate::arch::Arch;
use crate::decode::{Boot, decode};
use crate::exit::Exit;
use crate::finished::{
    Cell, FinishedBoot, Imported, Kernel, Meta, SCHEMA, label,
};
use crate::model::{Report, hex};
use crate::outcome::judge;
use crate::untrusted::line;
use crate::utc::rfc3339;
use anyhow::{Result, bail};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use pidone::plan::token::split_dashes;
use regex::bytes::Regex;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::time::SystemTime;

/// How the word of a command line begins that says which boot of which cell
/// of a matrix it is, as in `ci.cell=new/small/pipes:2`. A kernel ignores a
/// word of a module that it has not, and so does the payload.
pub const CELL: &str = "ci.cell=";
/// What begins a payload's words on a kernel's command line.
const OURS: &str = "pidone.";
/// Where a log is looked for the time it was written at.
const HEAD: usize = 1 << 16;

/// A log, and where it is from.
#[derive(Debug, Clone)]
pub struct Log {
    /// The file, and in an archive the file in it.
    pub name: String,
    /// When it was written, at the latest.
    pub written: SystemTime,
    /// What it says.
    pub text: Vec<u8>,
}

/// The payload's boots in a log, in its order; those of `matrix` that say
/// which cell they are of.
///
/// # Errors
///
/// There is none.
pub fn boots(log: &Log, matrix: &str) -> Result<Vec<FinishedBoot>> {
    let decoded = decode(&log.text);
    let sum = hex(&Sha256::digest(&log.text));
    let mut all = Vec::new();
    for (boot, number) in decoded.boots().iter().zip(1..) {
        let console = boot.console();
        let words = console.command_line.unwrap_or_default();
        // A kernel that never got to its payload was to boot it.
        let asked = words
            .split_whitespace()
            .any(|word| word.starts_with(OURS) || word.starts_with(CELL));
        if !boot.is_ours() && !asked {
            continue;
        }
        let mut report = Report::new(boot);
        let exit_code = judge(boot, false, &mut report);
        let (plan, arch) = match &report.hello {
            Some(hello) => (
                [&hello.plan[..], &hello.set].concat(),
                hello.machine.parse::<&'static Arch>().ok(),
            ),
            None => (planned(&words), None),
        };
        let kernel = report.hello.as_ref().map(|it| it.kernel.clone());
        let text = raw(boot, &log.text);
        let release = kernel.or_else(|| crate::finished::release(&text));
        let from = Imported {
            file: line(&log.name).into_owned(),
            sha256: sum.clone(),
            boot: number,
        };
        let meta = Meta {
            schema: SCHEMA,
            started: started(&text, log.written),
            took_ms: 0,
            cell: cell(&words, matrix),
            label: label(&plan),
            plan,
            arch: arch.map(|arch| arch.name.to_owned()),
            kernel: Kernel {
                spec: release.clone().unwrap_or_default(),
                release,
                ..Kernel::default()
            },
            outcome: report.outcome,
            reason: report.reason.clone(),
            exit_code,
            imported: Some(from),
            ..Meta::default()
        };
        all.push(FinishedBoot {
            meta: meta.plain(),
            report,
            console: text,
            ..FinishedBoot::default()
        });
    }
    match all.is_empty() {
        true => bail!("{}: no boot of the payload is in it", log.name),
        false => Ok(all),
    }
}

/// What a log has of one of its boots, to the byte.
fn raw(boot: &Boot, log: &[u8]) -> Vec<u8> {
    let pieces = boot
        .places
        .iter()
        .filter_map(|place| log.get(place.clone()));
    pieces.collect::<Vec<_>>().concat()
}

/// The plan on a command line whose payload never spoke.
fn planned(line: &str) -> Vec<String> {
    let (kernel, args) = split_dashes(line);
    let kernel = kernel.split_whitespace();
    let kernel = kernel.filter(|word| word.starts_with(OURS));
    let words = args.split_whitespace().chain(kernel);
    words.map(line_of).collect()
}

fn line_of(word: &str) -> String {
    line(word).into_owned()
}

/// The cell that a command line names, if it names one as ours are named.
fn cell(words: &str, matrix: &str) -> Option<Cell> {
    let mut words = words.split_whitespace();
    let word = words.find_map(|word| word.strip_prefix(CELL))?;
    let (name, boot) = word.rsplit_once(':')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || ".+-_".contains(c);
    let part = |part: &str| !part.is_empty() && part.chars().all(fits);
    let whole = name.split('/').count() == 3 && name.split('/').all(part);
    let boot: u64 = boot.parse().ok().filter(|&boot| boot > 0)?;
    whole.then(|| Cell {
        matrix: matrix.to_owned(),
        file: PathBuf::new(),
        name: name.to_owned(),
        boot,
    })
}

/// The word by which a boot says of which cell it is.
#[must_use]
pub fn word_of(cell: &str, boot: u64) -> String {
    format!("{CELL}{cell}:{boot}")
}

/// When a boot began: the first time that a collector put in front of a line,
/// or else when the log was written.
fn started(text: &[u8], written: SystemTime) -> String {
    const TIME: &str = concat!(
        r#"(?m)^(?:- )?(?:\{"dt": "|\[)?"#,
        r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2})"
    );
    let head = &text[..text.len().min(HEAD)];
    let found = || {
        let found = Regex::new(TIME).ok()?.captures(head)?.get(1)?;
        let time = core::str::from_utf8(found.as_bytes()).ok()?;
        let time: DateTime = time.replace(' ', "T").parse().ok()?;
        let time = time.to_zoned(TimeZone::UTC).ok()?;
        Some(SystemTime::from(time.timestamp()))
    };
    rfc3339(found().unwrap_or(written))
}

/// How a verb ends that imported these.
#[must_use]
pub fn exit(refused: usize) -> Exit {
    match refused {
        0 => Exit::Good,
        _ => Exit::Tool,
    }
}

#[cfg(test)]
mod tests {
    use super::{Log, boots, cell, started, word_of};
    use crate::exit::Exit;
    use crate::model::Outcome;
    use crate::testing::Stream;
    use core::time::Duration;
    use std::time::UNIX_EPOCH;

    fn log(text: &str) -> Log {
        Log {
            name: "a\u{1b}[31m.log".to_owned(),
            written: UNIX_EPOCH + Duration::from_secs(1_000_000_000),
            text: text.as_bytes().to_vec(),
        }
    }

    const BANNER: &str = "[    0.000000] Linux version 6.12.1 (x)\n";

    fn command_line(words: &str) -> String {
        format!("{BANNER}[    0.000000] Command line: a=b {words}\n")
    }

    #[test]
    fn every_boot_of_ours_is_one() {
        let stream = |id: u32| {
            let mut stream = Stream::sample();
            stream.id = pidone::wire::frame::StreamId::new(id);
            format!("KTAP version 1\n{}", stream.once())
        };
        let end = "[    9.000000] reboot: Restarting system\n";
        let first = command_line("ci.cell=new/small/pipes:1") + &stream(1);
        let second = command_line("ci.cell=new/small/pipes:2") + &stream(2);
        let other = format!("{BANNER}its own system\n");
        let text = format!("U-Boot\n{first}{end}{second}{end}{other}");
        let all = boots(&log(&text), "m").unwrap();
        assert_eq!(all.len(), 2);
        for (boot, number) in all.iter().zip(1..) {
            // One of its runs did.
            assert_eq!(boot.report.outcome, Outcome::Fail);
            assert_eq!(boot.meta.exit_code, Exit::Bad);
            let cell = boot.meta.cell.as_ref().unwrap();
            assert_eq!((&*cell.name, cell.boot), ("new/small/pipes", number));
            assert_eq!(cell.matrix, "m");
            let from = boot.meta.imported.as_ref().unwrap();
            assert_eq!(from.boot, number);
            assert_eq!(from.file, "a\u{fffd}[31m.log");
            assert_eq!(boot.meta.plan[..2], ["time=1s", "work=PipeIo"]);
            assert_eq!(boot.meta.arch.as_deref(), Some("x86_64"));
            assert_eq!(boot.meta.started, "2001-09-09T01:46:40Z");
            assert!(boot.meta.command.is_empty());
        }
        // Its own part of the log, to the byte.
        let of = |at: usize| String::from_utf8_lossy(&all[at].console);
        assert_eq!(of(0), format!("U-Boot\n{first}{end}"));
        assert_eq!(of(1), format!("{second}{end}"));
    }

    #[test]
    fn a_kernel_that_never_got_there_is_one_if_it_was_to() {
        let dead = "[    1.000000] Kernel panic - not syncing: VFS\n";
        let words = "pidone.x=1 ci.cell=a/b/c:1 -- time=1s work=PipeIo";
        let text = command_line(words) + dead;
        let all = boots(&log(&text), "m").unwrap();
        let meta = &all[0].meta;
        assert_eq!(meta.outcome, Outcome::NoBoot);
        assert_eq!(meta.exit_code, Exit::CannotTell);
        assert_eq!(meta.label, "PipeIo");
        assert_eq!(meta.kernel.release.as_deref(), Some("6.12.1"));
        for none in ["", "\u{0}\u{1}", &(command_line("quiet") + dead)] {
            let error = boots(&log(none), "m").unwrap_err().to_string();
            assert!(error.contains("no boot of the payload"), "{error}");
        }
    }

    #[test]
    fn a_cell_is_named_as_ours_are() {
        let named = |word: &str| {
            let cell = cell(&format!("quiet {word} -- x"), "m");
            cell.map(|cell| (cell.name, cell.boot))
        };
        let ours = ("new/small/pipes".to_owned(), 2);
        assert_eq!(named(&word_of("new/small/pipes", 2)), Some(ours));
        for bad in [
            "ci.cell=a/b/c",
            "ci.cell=a/b/c:0",
            "ci.cell=../../etc:1",
            "ci.cell=a/b:1",
            "ci.cell=a//c:1",
            "ci.cell=a/b/\u{1b}:1",
            "ci.cell=a/b/c:x",
        ] {
            // Dots alone are a name, and no path is made of it.
            let odd = bad.contains("..");
            assert_eq!(named(bad).is_some(), odd, "{bad}");
        }
    }

    #[test]
    fn a_boot_began_when_its_log_says_so() {
        let then = UNIX_EPOCH;
        for (text, time) in [
            ("x\n", "1970-01-01T00:00:00Z"),
            ("2026-11-05T12:00:01.5Z x\n", "2026-11-05T12:00:01Z"),
            ("x\n[2026-11-05 12:00:02] y\n", "2026-11-05T12:00:02Z"),
            (
                "- {\"dt\": \"2026-11-05T12:00:03.1\", \"lvl\": 1}\n",
                "2026-11-05T12:00:03Z",
            ),
            ("2026-13-05T12:00:01Z x\n", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(started(text.as_bytes(), then), time, "{text}");
        }
    }
}
