//! What a guest says, in every text that it can fill, through everything that
//! shows it; and the inputs of the fuzz targets once more.

use crate::fuzz::{TARGETS, records, sinks};
use pidone::wire::frame::{StreamId, frames};
use pidone::wire::record::{
    Group, Hello, Lines, MAX_RECORD, Message, Metrics, Pairs, Record, Run,
    SCHEMA, Start, Verdict,
};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use xtask::build;
use xtask::decode::decode;
use xtask::exit::Exit;
use xtask::finished::{FinishedBoot, Meta, from_json};
use xtask::format::Format;
use xtask::judge::{Baseline, Call, Condition, Criteria, Policy, ended, judge};
use xtask::metrics::Selector;
use xtask::model::Report;
use xtask::outcome;
use xtask::untrusted::{hidden, line};

/// What a guest may say, and a terminal, a page, a spreadsheet, a shell, a
/// CI's runner or a file system may obey.
const NASTY: [&str; 22] = [
    "\x1b[2J\x1b]0;owned\x07",
    "\u{9b}31mred\u{9d}x\u{9c}",
    "a\u{fffe}b\u{ffff}c\u{1fffe}d",
    "\u{202e}gnp.exe\u{2066}",
    "zero\u{200b}width\u{feff}",
    "::error file=x::owned",
    "\n::stop-commands::x\n",
    "##[error]x ##vso[task.setvariable]y ##teamcity[z]",
    "```\n# heading\n```",
    "=cmd|'/c calc'!A1",
    "\t=1+1",
    "@SUM(1)",
    "-1+1",
    "'\"`\\",
    "../../../etc/passwd",
    "$(touch x); `touch y` & touch z\n",
    "line\nok 1 Fake\nok: 9 runs, none failed\r\n",
    "\rover\x08\x08\x08",
    "nul\0nul",
    "<script>alert(1)</script><!-- ]]> &amp; --> <img src=x onerror=y>",
    "# SKIP all of it",
    "",
];

/// All of it, and a very long one.
fn nasty() -> impl Iterator<Item = String> {
    let long = "x\u{1b}".repeat(2_000);
    let all = NASTY.concat();
    let beside = "../../secret".to_owned();
    NASTY
        .map(str::to_owned)
        .into_iter()
        .chain([beside, all, long])
}

/// Texts of a report that are of a form: verdicts, ends, digests.
const FORMS: [&str; 4] = ["verdict", "outcome", "exit", "exit_code"];

/// Replaces every text, and every name that a guest chooses.
fn fill(value: &mut Value, with: &str, names: bool) {
    match value {
        Value::String(text) => with.clone_into(text),
        Value::Array(all) => {
            all.iter_mut().for_each(|one| fill(one, with, false));
        }
        Value::Object(fields) => {
            for (name, mut value) in core::mem::take(fields) {
                let chosen =
                    ["hist", "metrics", "counters", "errors", "events"]
                        .contains(&name.as_str());
                if !FORMS.contains(&name.as_str()) {
                    fill(&mut value, with, chosen || name == "numa_pages");
                }
                let name = if names { format!("{with}{name}") } else { name };
                fields.insert(name, value);
            }
        }
        _ => {}
    }
}

fn runs() -> PathBuf {
    build::workspace().join("tests/data/runs")
}

/// A stored run all of whose texts are this one: its meta and its report.
fn stored(text: &str) -> [Value; 2] {
    let dir = runs().join("debian-6.12");
    ["meta.json", "report.json"].map(|name| {
        let json = fs::read(dir.join(name)).unwrap();
        let mut value: Value = serde_json::from_slice(&json).unwrap();
        if let Some(runs) = value.get_mut("runs").and_then(Value::as_array_mut)
        {
            runs.truncate(1);
            let scheduler = json!({
                "name": "x", "state": "x", "events": { "x": 1 },
                "output": ["x"], "dropped": 0,
            });
            runs[0]["trace"] = json!({
                "file": "x", "kib": 1, "bytes": 1, "lines": 1, "left_out": 0,
                "overrun": 0, "dropped": 0, "stopped": false,
                "lost_blocks": 0,
            });
            runs[0]["scx"] = scheduler.clone();
            value["scx"] = json!({ "loaded": scheduler, "after": scheduler });
        }
        fill(&mut value, text, false);
        value
    })
}

fn read(files: &[Value; 2]) -> FinishedBoot {
    let [meta, report] = files.clone().map(|file| file.to_string());
    let report: Report = from_json(report.as_bytes()).unwrap();
    FinishedBoot {
        meta: from_json::<Meta>(meta.as_bytes()).unwrap().plain(),
        report: report.checked(),
        ..FinishedBoot::default()
    }
}

#[test]
fn a_stored_run_that_says_anything_is_shown_in_every_form() {
    for text in nasty() {
        let boot = read(&stored(&text));
        sinks::show(&boot, "", &sinks::FORMS);
        let mut value = serde_json::to_value(&boot.report).unwrap();
        // Behind the gate there is nothing to obey, nor a second line.
        assert!(texts(&mut value, &text) > 10);
    }
}

/// How many texts there are, of which each is a line.
fn texts(value: &mut Value, of: &str) -> usize {
    match value {
        Value::String(text) => {
            assert!(!text.contains(hidden), "{of:?}: {text:?}");
            1
        }
        Value::Array(all) => all.iter_mut().map(|one| texts(one, of)).sum(),
        Value::Object(fields) => {
            assert!(fields.keys().all(|name| !name.contains(hidden)));
            fields.values_mut().map(|one| texts(one, of)).sum()
        }
        _ => 0,
    }
}

/// Records in which everything that a payload takes from elsewhere is this.
fn sent(text: &str) -> Vec<Vec<u8>> {
    let text = &text[..text.floor_char_boundary(1500)];
    let pairs = format!("{}=1", line(text));
    let all = [
        Record::Hello(Hello {
            pidone: text,
            kernel: text,
            kernel_build: text,
            machine: text,
            clock: text,
            clocksource: text,
            absent: Lines(text),
            notes: Lines(text),
            schema: SCHEMA,
            pid1: true,
            cpus: 1,
            nodes: 1,
            llcs: 1,
            cores: 1,
            mem_kib: 1,
            clock_ns: 1,
            spin_step_ps: 1,
            record_ps: 1,
            entered_ns: 1,
            ready_ns: 1,
            taint: 0,
            runs: 1,
        }),
        Record::Start(Start {
            run: 0,
            name: text,
            planned_ms: 1,
            workers: 1,
        }),
        Record::Run(Run {
            name: text,
            verdict: Verdict::Skip,
            reasons: Lines(text),
            run: 0,
            started_ns: 1,
            wall_ns: 1,
            seed: 1,
            taint: 0,
            dropped_messages: 0,
            groups: 1,
            workers: 0,
            hists: 0,
        }),
        Record::Group(Group {
            work: text,
            args: Lines(text),
            run: 0,
            group: 0,
            size: 0,
            workers: 1,
            iteration: text,
            unit: text,
            iterations: 1,
            work_units: 1,
            nowait: 0,
            counted: true,
            stale: 0,
        }),
        Record::Metrics(Metrics {
            run: 0,
            group: 0,
            values: Pairs(&pairs),
        }),
        Record::Message(Message {
            run: 0,
            level: 4,
            time_us: 1,
            incident: true,
            text,
        }),
    ];
    let encoded = all.iter().map(|record| {
        let mut buffer = [0; MAX_RECORD];
        record.encode(&mut buffer).unwrap().to_vec()
    });
    encoded.collect()
}

/// A console that says so in records, in KTAP and as a kernel.
fn console(text: &str) -> String {
    let mut log = format!("[    0.000000] Linux version 6.12{text}\n");
    for warning in [text, "Kernel panic - not syncing: "] {
        log += &format!("[    0.000001] WARNING: {warning}{text}\n");
    }
    log += "[    0.5] Run /init as init process\nKTAP version 1\n1..2\n";
    for (bytes, number) in sent(text).iter().zip(0..) {
        for frame in frames(StreamId::new(7), number, bytes) {
            log += &format!("{}\n", frame.line());
        }
    }
    log += &format!("ok 1 {text} # SKIP {text}\nnot ok 2 {text}\n");
    log + &format!("[    9.000000] Kernel panic - not syncing: {text}\n")
}

#[test]
fn a_console_that_says_anything_is_shown_in_every_form() {
    for text in nasty() {
        let log = console(&text);
        let decoded = decode(log.as_bytes());
        let (report, _) = outcome::of_all(decoded.boots(), false);
        assert!(!report.runs.is_empty(), "{text:?}: {report:?}");
        let shown = FinishedBoot {
            report,
            ..FinishedBoot::default()
        };
        for boot in decoded.boots() {
            sinks::show(&shown, &boot.text, &sinks::FORMS);
        }
        let all = sent(&text).into_iter().flat_map(|bytes| {
            let length = u16::try_from(bytes.len()).unwrap();
            [&length.to_le_bytes()[..], &bytes].concat()
        });
        records(&all.collect::<Vec<u8>>());
    }
}

/// What `judge` says of a boot, by its end, by a condition and beside itself,
/// is one line.
#[test]
fn an_opinion_is_a_line_whatever_the_guest_says() {
    for text in nasty() {
        let boot = read(&stored(&text));
        let boots = [boot.clone(), boot];
        let policy = Policy {
            panic: Call::Bad,
            no_boot: Call::CannotTell,
        };
        let metrics = Selector::parse("rate").unwrap();
        let baseline = |metrics| Baseline {
            boots: boots.to_vec(),
            metrics,
            by: 0.05,
        };
        let condition = Condition::parse("rate>1", &[]).unwrap();
        let mut said = Vec::new();
        for (conditions, baseline) in [
            (vec![], None),
            (vec![condition], None),
            (vec![], Some(baseline(vec![]))),
            (vec![], Some(baseline(vec![metrics]))),
        ] {
            let asked = Criteria {
                conditions,
                baseline,
                policy,
            };
            match judge(&asked, &boots) {
                Ok((_, reason)) => said.push(reason),
                Err(error) => said.push(format!("{error:#}")),
            }
        }
        for (_, reason) in boots
            .iter()
            .map(|boot| ended(&boot.report, Exit::Bad, policy))
        {
            said.push(reason);
        }
        for reason in said {
            assert!(!reason.contains(hidden), "{text:?}: {reason:?}");
        }
    }
}

/// No text of a guest makes a line of its own, in which it would say what is
/// not so.
#[test]
fn no_text_is_taken_for_another_line() {
    let lines = |text: &str, format| {
        let boot = read(&stored(text));
        format_of(&boot.report, format).lines().count()
    };
    for text in nasty().filter(|text| !text.is_empty()) {
        for format in [Format::Table, Format::Csv, Format::Ktap] {
            let expected = lines("plain", format);
            assert_eq!(lines(&text, format), expected, "{format:?}: {text:?}");
        }
    }
}

fn format_of(report: &Report, format: Format) -> String {
    format.render(report).unwrap()
}

fn xtask(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args).env("GITHUB_ACTIONS", "true");
    command.output().unwrap()
}

/// Nothing but line ends and tabs, and nothing that GitHub's runner obeys.
fn harmless(out: &Output, what: &str) {
    for bytes in [&out.stdout, &out.stderr] {
        let text = core::str::from_utf8(bytes).unwrap();
        let text = text.replace("\r\n", "\n");
        let bad = |c: char| hidden(c) && !"\n\t".contains(c);
        assert!(!text.contains(bad), "{what}: {text:?}");
        assert!(!text.contains("##["), "{what}: {text}");
        let command = |line: &str| line.trim_start().starts_with("::");
        assert!(!text.lines().any(command), "{what}: {text}");
    }
}

/// Every verb that reads what is stored, as a program: on a terminal there is
/// no more than they print, and they write nowhere else.
#[test]
fn verbs_print_nothing_that_is_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let root = at("runs");
    for (text, n) in nasty().zip(0..) {
        let run = root.join(format!("run-{n}"));
        fs::create_dir_all(&run).unwrap();
        for (name, value) in
            ["meta.json", "report.json"].iter().zip(stored(&text))
        {
            fs::write(run.join(name), value.to_string()).unwrap();
        }
        fs::write(run.join("console.log"), console(&text)).unwrap();
        fs::write(run.join("records.log"), "").unwrap();
    }
    // Beside the runs, where a name of a trace might lead.
    fs::write(at("secret"), "# tracer: nop\nsecret\n").unwrap();
    let runs = root.to_str().unwrap();
    let listed = xtask(&["runs", "--store", runs]);
    assert_eq!(listed.status.code(), Some(0));
    harmless(&listed, "runs");
    harmless(&xtask(&["runs", "--store", runs, "--json"]), "runs --json");
    let last = nasty().count() - 3;
    for n in (0..last).step_by(4).chain(last..last + 3) {
        let run = root.join(format!("run-{n}"));
        let run = run.to_str().unwrap();
        for format in ["table", "json", "csv", "ktap", "junit", "kcidb"] {
            let out = xtask(&["decode", "--format", format, run]);
            assert!(!out.stdout.is_empty());
            harmless(&out, &format!("decode --format {format} {n}"));
        }
        harmless(&xtask(&["report", "--output", "-", run]), "report");
        // The file of a trace is ours, which is not there.
        let out = xtask(&["trace", "--store", runs, run]);
        assert_eq!(out.status.code(), Some(255));
        harmless(&out, "trace");
        harmless(&xtask(&["compare", "--store", runs, run, run]), "compare");
    }
    let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    left.retain(|entry| entry.as_ref().unwrap().file_name() != "runs");
    assert_eq!(left.len(), 1);
}

#[test]
fn a_fuzzer_has_every_form_in_reach() {
    for (byte, form) in (0..).zip(&sinks::FORMS) {
        let [one] = sinks::one(&[7, byte]) else {
            panic!("one form");
        };
        assert!(core::ptr::eq(one, form), "{byte}");
    }
    assert_eq!(sinks::one(&[]).len(), 1);
}

/// The fuzz targets' inputs: what they begin with and what was found.
#[test]
fn every_input_of_the_fuzz_targets_is_handled() {
    let corpus = build::workspace().join("fuzz/corpus");
    for (name, target) in TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpus.join(name)).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "{name} begins with nothing");
    }
    let dirs = fs::read_dir(corpus).unwrap().count();
    assert_eq!(dirs, TARGETS.len());
}
