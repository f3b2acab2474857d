//! What is done with untrusted bytes, a function for each reader of them.
//!
//! `cargo fuzz` calls them with whatever it makes up, and the tests of the
//! workspace with everything in `corpus/`, which holds what the fuzzer begins
//! with and each input that was found to be mishandled. A function checks more
//! than that nothing panics: what is read must be what was written, and what
//! is shown must be harmless ([`sinks`]).

pub mod sinks;

use initramfs::elf::{self, Elf};
use initramfs::list;
use initramfs::modules::Needs;
use initramfs::newc::{self, Archive};
use pidone::kit::counters;
use pidone::plan::Plan;
use pidone::plan::expect::Expect;
use pidone::plan::expect::figure::{Figures, Stat};
use pidone::plan::sources::Sources;
use pidone::plan::token::Source;
use pidone::run::sched_ext::btf::Btf;
use pidone::wire::frame::{self, CRC, Frame, START, StreamId};
use pidone::wire::record::{MAX_RECORD, Message, Record};
use pidone::workloads;
use pidone::workloads::custom::report as custom_report;
use sinks::Form;
use std::collections::BTreeMap;
use xtask::decode::{Decoder, decode, decode_ports};
use xtask::finished::{FinishedBoot, Meta, from_json};
use xtask::ftrace::{Sched, tell};
use xtask::kernel_build::image as kernel_image;
use xtask::metrics;
use xtask::model::Report;
use xtask::outcome;

/// A target.
pub type Target = (&'static str, fn(&[u8]));

/// All targets by name.
pub const TARGETS: [Target; 13] = [
    ("archives", archives),
    ("btf", btf),
    ("conditions", conditions),
    ("custom", custom),
    ("decoder", decoder),
    ("elf", elf),
    ("frames", frames),
    ("image", image),
    ("matrix", matrix),
    ("plan", plan),
    ("records", records),
    ("stored", stored),
    ("trace", trace),
];

/// An initramfs: what is listed can be packed again.
pub fn archives(data: &[u8]) {
    let _listed = list::read(data);
    let Ok((entries, used)) = newc::read(data) else {
        return;
    };
    assert!(used <= data.len());
    let mut archive = Archive::default();
    for entry in &entries {
        if entry.is_file() {
            let mode = entry.mode & 0o7777;
            let _taken = archive.file(&entry.path, mode, entry.data.clone());
        } else if let Some(target) = entry.target() {
            let _taken = archive.symlink(&entry.path, target);
        }
        let _known = archive.get(&entry.path);
    }
    let bytes = archive.to_bytes().unwrap();
    let (again, _) = newc::read(&bytes).unwrap();
    assert!(archive.entries().eq(again.iter()));
}

/// The types of a guest's kernel, which PID 1 reads.
pub fn btf(data: &[u8]) {
    let Some(types) = Btf::new(data) else { return };
    for name in ["sched_ext_ops", "task_struct", ""] {
        if let Some(found) = types.structure(name) {
            let _offset = found.member("name");
        }
    }
}

/// Conditions of `expect=` and metrics.
pub fn conditions(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let works: Vec<_> = workloads::rows().take(3).collect();
    for condition in Expect::list(&text) {
        let expect = match condition {
            Ok(expect) => expect,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        let row = |group: usize| works.get(group).copied();
        let checked = expect.check(&row, counters::name);
        if let Err(error) = checked {
            assert!(!error.to_string().is_empty());
        }
        for value in [None, Some(0), Some(1), Some(u64::MAX)] {
            let judged = expect.evaluate(&Same(value));
            assert!(value.is_some() || !judged.held, "{}", expect.text);
        }
    }
    if let Ok(selector) = metrics::Selector::parse(&text) {
        let _found = selector.of(&Report::default());
    }
}

/// A run all of whose figures are one.
struct Same(Option<u64>);

impl Figures for Same {
    fn work(&self, group: usize) -> Option<&str> {
        let mut rows = workloads::rows().take(3);
        rows.nth(group).map(|row| row.name)
    }

    fn hist(&self, _: usize, _: &str, _: Stat) -> Option<u64> {
        self.0
    }

    fn figure(&self, _: usize, _: &str) -> Option<u64> {
        self.0
    }

    fn counter(&self, _: &str) -> Option<u64> {
        self.0
    }
}

/// What a program of the user's says of itself, which PID 1 reads.
pub fn custom(data: &[u8]) {
    let mut room = 64;
    let read = custom_report::read(data, &mut |_| {
        room -= 1;
        room > 0
    });
    assert!(read.is_err() || room > 0);
}

/// A console: live, and as a whole.
pub fn decoder(data: &[u8]) {
    decoder_in(data, &sinks::FORMS);
}

/// [`decoder`], shown in these forms alone.
pub fn decoder_in(data: &[u8], forms: &[Form]) {
    let mut live = Decoder::default();
    let mut arrived = 0_usize;
    for part in data.chunks(100) {
        live.push(part, |_, _, _| arrived += 1);
    }
    assert_eq!(live.log(), data);
    let decoded = decode(data);
    let records = decoded.boots().iter().map(|b| b.records().count());
    assert!(records.sum::<usize>() >= arrived);
    let boots = decoded.boots();
    let (report, _) = outcome::of_all(boots, false);
    let text = boots.last().map_or("", |boot| boot.text.as_str());
    let digest = report.digest.clone();
    sinks::show(&finished(report), text, forms);
    // A second port says it again, and nothing is there twice.
    let ports = decode_ports(&[data, data]);
    let (again, _) = outcome::of_all(ports.boots(), false);
    assert_eq!(again.digest, digest);
}

fn finished(report: Report) -> FinishedBoot {
    FinishedBoot {
        report,
        ..FinishedBoot::default()
    }
}

/// An ELF file: a program with its libraries, or a module.
pub fn elf(data: &[u8]) {
    let _parsed = Elf::parse(data);
    if let Ok(loaded) = elf::loaded(data.to_vec()) {
        assert!(loaded.len() <= data.len());
    }
    let _needs = Needs::of(data);
}

/// Frames: alone, with a checksum that is right, and on a noisy line.
pub fn frames(data: &[u8]) {
    frame(data);
    let crc = CRC.checksum(data);
    let end = format!(":{crc:08x}~");
    frame(&[START.as_bytes(), data, end.as_bytes()].concat());
    line_noise(data);
}

/// A frame that is read is written alike.
fn frame(text: &[u8]) {
    if let Some((frame, used)) = Frame::parse(text) {
        assert!(used <= text.len());
        let line = frame.line();
        let again = Frame::parse(&line.as_bytes()["# ".len()..]);
        assert_eq!(again, Some((frame, line.len() - "# ".len())));
    }
}

/// Sends records over a line that the input disturbs: nothing arrives that
/// was not sent.
fn line_noise(data: &[u8]) {
    let stream = StreamId::new(0x5e_0c1f);
    let mut sent: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for (number, run) in (0..).zip(0..3_u16) {
        let text = "a line of the kernel's log. ".repeat(usize::from(run) * 3);
        let message = Record::Message(Message {
            run,
            level: 4,
            time_us: 1_000_000,
            incident: false,
            text: &text,
        });
        let mut buffer = [0; MAX_RECORD];
        let bytes = message.encode(&mut buffer).unwrap();
        for frame in frame::frames(stream, number, bytes) {
            lines.push([frame.line().as_bytes(), b"\n"].concat());
        }
        sent.insert(number, bytes.to_vec());
    }
    let mut log = Vec::new();
    let mut noise = data.chunks(4);
    for line in lines {
        let at = |place: u8| usize::from(place) % line.len();
        match *noise.next().unwrap_or_default() {
            [0, ..] => {}
            [1, ..] => log.extend([&*line, &line].concat()),
            [2, place, ..] => log.extend(&line[at(place)..]),
            [3, place, ..] => log.extend(&line[..at(place)]),
            [4, place, byte, ..] => {
                let mut line = line.clone();
                line[at(place)] = byte;
                log.extend(line);
            }
            [5, place, ref text @ ..] => {
                let (head, tail) = line.split_at(at(place));
                log.extend([head, text, tail].concat());
            }
            _ => log.extend(line),
        }
    }
    for part in noise {
        log.extend(part);
    }
    for boot in decode(&log).boots() {
        if boot.stream == Some(stream) {
            for (number, bytes, _) in boot.records() {
                assert_eq!(sent.get(&number).map(Vec::as_slice), Some(bytes));
            }
        }
    }
}

/// A kernel's image, and its configuration.
pub fn image(data: &[u8]) {
    let _unpacked = kernel_image::bootable(data);
    if let Ok(config) = kernel_image::config(data) {
        let _parsed = xtask::kconfig::Config::parse(&config);
    }
}

/// A matrix file: its cells, or what is wrong with it.
pub fn matrix(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(wrong) = xtask::matrix::parse(&text) {
        assert!(!wrong.is_empty());
        assert!(!xtask::matrix::listed("matrix.toml", &wrong).is_empty());
    }
}

/// A plan: a file, arguments and a kernel command line, with a NUL between
/// them.
pub fn plan(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\0');
    let mut part = || parts.next().unwrap_or_default();
    let sources = Sources {
        file: Source::file(part()),
        args: Source::args(part()),
        kernel: Source::kernel(part()),
        ..Sources::default()
    };
    let _words = sources.words().count();
    match Plan::parse(&sources) {
        Ok(plan) => {
            assert_eq!(plan.runs().count(), usize::from(plan.len()));
            for run in plan.runs().take(20) {
                let _conditions = run.expects().count();
                for group in &run.groups {
                    let _workers = group.workers(4);
                    let _leaf = run.leaf(group);
                }
            }
        }
        Err(error) => {
            assert!(error.to_string().starts_with("bad plan: "));
        }
    }
}

/// Records, each behind its length in two bytes: one by one, and as a console
/// brings them, from which a report is made and shown in every form.
pub fn records(data: &[u8]) {
    records_in(data, &sinks::FORMS);
}

/// [`records`], shown in these forms alone.
pub fn records_in(data: &[u8], forms: &[Form]) {
    let stream = StreamId::new(1);
    let mut log = String::from("KTAP version 1\n");
    let mut rest = data;
    for number in 0..200 {
        let Some((length, tail)) = rest.split_first_chunk::<2>() else {
            break;
        };
        let length = usize::from(u16::from_le_bytes(*length));
        let (bytes, tail) = tail.split_at(length.min(tail.len()));
        rest = tail;
        if let Ok(record) = Record::decode(bytes) {
            let mut buffer = vec![0; MAX_RECORD + bytes.len()];
            let encoded = record.encode(&mut buffer).unwrap();
            assert_eq!(Record::decode(encoded), Ok(record));
        }
        for frame in frame::frames(stream, number, bytes) {
            log += frame.line().as_str();
            log.push('\n');
        }
    }
    let decoded = decode(log.as_bytes());
    let (report, _) = outcome::of_all(decoded.boots(), false);
    let boot = finished(report);
    sinks::show(&boot, &log, forms);
    // Whoever reads it has the same, and nothing to check.
    let json = serde_json::to_string(&boot.report).unwrap();
    let read: Report = from_json(json.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&read.checked()).unwrap(), json);
}

/// What a stored run has: meta and report, with a NUL between them.
pub fn stored(data: &[u8]) {
    stored_in(data, &sinks::FORMS);
}

/// [`stored`], shown in these forms alone.
pub fn stored_in(data: &[u8], forms: &[Form]) {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (meta, report) = (from_json::<Meta>(part()), from_json(part()));
    let meta = meta.unwrap_or_default();
    let report: Report = report.unwrap_or_default();
    let boot = FinishedBoot {
        meta,
        report: report.checked(),
        ..FinishedBoot::default()
    };
    let _command = boot.made_of();
    sinks::show(&boot, "", forms);
}

/// The text of a trace.
pub fn trace(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let sched = Sched::of(&text);
    let told = tell::slowest(&sched);
    assert!(!told.is_empty());
    let _ran = sched.ran(0, 0, u64::MAX);
}
