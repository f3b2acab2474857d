//! Plans on command lines, as shells, bootloaders and kernels hand them on:
//! what was asked for runs, or nothing does.

use crate::cases::{data, said};
use crate::fakes::script;
use crate::machine;
use pidone::plan::Plan;
use pidone::plan::sources::Sources;
use pidone::plan::token::{Source, split_dashes};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use xtask::arch::X86_64;
use xtask::boot::expected::ExpectedPlan;
use xtask::boot::{BootRequest as Args, boot};
use xtask::build;
use xtask::exit::Exit;
use xtask::kernel;
use xtask::model::{Hello, Report};

const KERNEL: &str = "debian:6.12-cloud";
const PLAN: &str = "time=1s work=PipeIo expect=rate>999999999";

fn kernel_line(plan: &str) -> String {
    let words = plan.split(' ').map(|word| format!(" pidone.{word}"));
    format!("console=ttyS0 panic=-1{}", words.collect::<String>())
}

/// Takes something of the plan that the payload would read from a command
/// line; `None` if it refuses it.
fn plan_of<T>(line: &str, take: impl Fn(&Sources<'_>) -> T) -> Option<T> {
    let mut sources = Sources {
        kernel: Source::kernel(line),
        args: Source::args(split_dashes(line).1),
        ..Sources::default()
    };
    let mut text = String::new();
    if let Some(name) = sources.plan_name() {
        pidone::plan::builtin(name, &mut text)?;
        sources.file = Source::file(&text);
    }
    Plan::parse(&sources).ok()?;
    Some(take(&sources))
}

/// What the payload would report of a command line.
fn payload(line: &str) -> Option<Report> {
    plan_of(line, |sources| {
        let words = sources.words();
        let words = words.map(|(before, word)| before.to_owned() + word);
        let (set, plan) = words.partition(|word: &String| {
            word.starts_with("pidone.") || word.starts_with("-- ")
        });
        Report {
            hello: Some(Hello {
                plan,
                set,
                ..Hello::default()
            }),
            ..Report::default()
        }
    })
}

/// What it would print of it.
fn printed(line: &str) -> Option<String> {
    plan_of(line, |sources| {
        sources.given().map(|word| format!(" {word}")).collect()
    })
}

/// Command lines as shells, bootloaders and boot configurations mangle them.
fn mangled() -> Vec<String> {
    let line = kernel_line(PLAN);
    let mut all = Vec::new();
    let mut change = |from: &str, to: &str| {
        let changed = line.replace(from, to);
        assert!(changed != line, "{from}");
        all.push(changed);
    };
    let expect = "pidone.expect=rate>999999999";
    for (before, after) in [
        ("'", "'"),
        ("\\\"", "\\\""),
        ("\u{201c}", "\u{201d}"),
        ("\u{2018}", "\u{2019}"),
        ("\u{ab}", "\u{bb}"),
        ("\"", ""),
        ("", "\""),
        ("`", "`"),
        ("foo=\"a ", ""),
        ("dyndbg=\"file kernel/sched/* +p ", ""),
        ("\u{feff}", ""),
        ("\x1a", ""),
        ("", "\x1a"),
        ("quiet,", ""),
        ("console=ttyS0,", ""),
        ("-- ", ""),
        ("--", ""),
        ("kernel.", ""),
    ] {
        change(expect, &format!("{before}{expect}{after}"));
    }
    for key in [
        "pidone_expect",
        "pidone-expect",
        "PIDONE.expect",
        "Pidone.Expect",
        "pidone.Expect",
        "pidone.expct",
        "pidone .expect",
        "pidone. expect",
        "pidone.expect ",
        "pidone:expect",
        "pidone/expect",
        "pidone..expect",
        "pidoen.expect",
        "pidon.expect",
        "pid0ne.expect",
        "idone.expect",
        "p1done.expect",
        "pidone,expect",
        "pidone\u{2024}expect",
    ] {
        change("pidone.expect", key);
    }
    for value in [
        "rate",
        "rate>",
        "rate>>9",
        "rate\u{ff1e}9",
        "\"rate>9",
        "'rate>9'",
    ] {
        change("expect=rate>999999999", &format!("expect={value}"));
    }
    for blank in [
        "\u{a0}", "\u{3000}", "\x0b", ",", ";", "\\ ", "%20", "+", "",
    ] {
        change(" pidone.expect", &format!("{blank}pidone.expect"));
    }
    all.push(format!("{line} {}", kernel_line(PLAN)));
    all.push(line.replace("pidone.work", "pidone.time=1s pidone.work"));
    all.push(line.replace(" pidone.", " -- pidone."));
    all.push(line.replace("panic=-1", "panic=-1 --"));
    all.push(line.replace("panic=-1", "panic=-1 -- work=PipeIo"));
    all.push(line.replace("panic=-1", "panic=-1 pidone.plan=smoke"));
    for key in ["time=1s", "work=PipeIo", expect] {
        let word = format!("pidone.{}", key.trim_start_matches("pidone."));
        all.push(line.replace(&word, &format!("{word} {word}")));
        all.push(format!("{word} {line}"));
        all.push(format!("{line} {word}"));
    }
    all.extend(by_bootconfig(&line));
    for end in 0..line.len() {
        all.push(line[..end].to_owned());
    }
    for start in 1..line.len() {
        all.push(line[start..].to_owned());
    }
    all
}

/// Lines as kernels make them of a boot configuration: its keys come first,
/// each value in quotes, and those of `init.` behind `--`.
fn by_bootconfig(line: &str) -> Vec<String> {
    let (console, plan) = line.split_at("console=ttyS0 panic=-1".len());
    let quoted = |word: &str| match word.split_once('=') {
        Some((key, value)) => format!("{key}=\"{value}\" "),
        None => format!("{word} "),
    };
    let words: Vec<String> = plan.split_whitespace().map(quoted).collect();
    let mut all = vec![words.concat() + console];
    for at in 0..words.len() {
        let (mut own, mut rest) = (words.clone(), plan.to_owned());
        let one = own.remove(at);
        rest = rest.replace(one.replace('"', "").trim_end(), "");
        // One of them there, or all but one, or one in both.
        all.push(format!("{one}{console} {rest}"));
        all.push(format!("{}{console} {}", own.concat(), one.trim_end()));
        all.push(format!("{one}{line}"));
        let bare = one.replace("pidone.", "");
        all.push(format!("{}{console} -- {bare}", own.concat()));
        all.push(format!("{console} {rest} -- {bare}"));
    }
    // A list, an empty value, and a key under another.
    all.push(
        line.replace("pidone.expect", "pidone.expect=\"a\" pidone.expect"),
    );
    all.push(format!("pidone.expect=\"\" {line}"));
    all.push(line.replace("pidone.expect", "kernel.pidone.expect"));
    all
}

#[test]
fn no_mangled_command_line_is_a_pass_of_another_plan() {
    let line = kernel_line(PLAN);
    let asked = ExpectedPlan::of(&line, &[], &|_| None, true).unwrap();
    let mut same = payload(&line).unwrap();
    assert_eq!(asked.hold(&mut same, Exit::Good), Exit::Good);
    let all = mangled();
    assert!(all.len() > 150, "{}", all.len());
    let mut refused = 0;
    let ours = |line: &str| -> Vec<String> {
        let bare = line.replace('"', "");
        let words = bare.split_whitespace().map(str::to_owned);
        words.filter(|word| word.starts_with("pidone.")).collect()
    };
    for mangled in &all {
        let Some(mut report) = payload(mangled) else {
            refused += 1;
            continue;
        };
        let words = |report: &Report| {
            let hello = report.hello.clone().unwrap();
            (hello.plan, hello.set)
        };
        let same = words(&report) == words(&payload(&line).unwrap());
        let exit = asked.hold(&mut report, Exit::Good);
        let expected = if same { Exit::Good } else { Exit::Tool };
        assert_eq!(exit, expected, "{mangled}: {}", report.reason);
        // What is the same is so because nothing of the plan was changed.
        assert!(!same || ours(mangled) == ours(&line), "{mangled}");
    }
    assert!(refused > 60, "{refused}");
    // `boot` does not even begin.
    for append in [
        "dyndbg=\"file kernel/sched/* +p",
        "'pidone.expect=rate>9'",
        "pidone_expect=rate>9",
        "quiet -- x",
        &"x".repeat(2000),
    ] {
        let error = boot(&Args {
            append: vec![append.to_owned()],
            plan: PLAN.split(' ').map(str::to_owned).collect(),
            ..machine(KERNEL)
        });
        assert!(error.is_err(), "{append}");
    }
}

/// `pidone-boot` with these words for the kernel, on a real one.
fn real(append: &[u8], plan: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let payload = build::payload(&X86_64, false).unwrap();
    let image = build::pack_for_boot(
        &payload,
        initramfs::newc::Archive::default(),
        dir.path(),
    );
    let out = Command::new(build::workspace().join("action/pidone-boot"))
        .arg(kernel::resolve(KERNEL, None, false).unwrap())
        .arg(image.unwrap())
        .args(plan)
        .env("APPEND", std::ffi::OsStr::from_bytes(append))
        .env("LOG", dir.path().join("log"))
        .output()
        .unwrap();
    let both = [out.stdout, out.stderr].concat();
    let text = String::from_utf8_lossy(&both).into_owned();
    (out.status.code(), text)
}

/// The script compares what the payload printed with what it asked for.
#[test]
fn a_mangled_command_line_is_no_pass_for_the_script() {
    let whole = printed(&kernel_line(PLAN)).unwrap();
    let mut ran: Vec<String> = vec![whole.clone()];
    let cut = (0..whole.len()).map(|end| whole[..end].to_owned());
    let lines = mangled();
    let read = lines.iter().filter_map(|line| printed(line));
    for words in read.chain(cut) {
        if !ran.contains(&words) {
            ran.push(words);
        }
    }
    assert!(ran.len() > 50, "{}", ran.len());
    for words in ran {
        let log = format!(
            "[    0.000000] Linux version 6.12\nKTAP version 1\n\
             # plan:{words}\n1..1\nok 1 PipeIo\n\
             [    9.000000] reboot: Power down\n",
        );
        let asked: Vec<&str> = PLAN.split(' ').collect();
        let (code, text) = said(log.as_bytes(), &asked);
        // Quotes around a value are a kernel's, and change nothing.
        let same = words.replace('"', "") == whole;
        let expected = if same { 0 } else { 255 };
        assert_eq!(code, Some(expected), "{words:?}: {text}");
    }
}

#[test]
fn a_mangled_command_line_is_no_pass_in_a_machine() {
    let plan = ["time=100ms", "work=PipeIo", "expect=rate>999999999"];
    for (append, code, why) in [
        (&b"label=caf\xe9"[..], 1, "fail: 1 of 1 runs"),
        (b"'pidone.expect=rate>1'", 255, "bad plan: `'pidone.expect"),
        (b"dyndbg=\"file x +p", 255, "never closed"),
        (b"pidone.label=caf\xe9", 255, "no text"),
        (
            b"pidone.time=\"50ms\" pidone.work=\"SpinWait\"",
            1,
            "1 of 2 runs",
        ),
        (b"quiet -- work=SpinWait time=10ms", 255, "bad plan"),
    ] {
        let (got, text) = real(append, &plan);
        assert_eq!(got, Some(code), "{text}");
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn long_command_lines_are_refused_at_once() {
    let long = format!("expect={}", "rate>1,".repeat(400));
    let (code, text) = said(b"", &["work=PipeIo", &long]);
    assert_eq!(code, Some(255), "{text}");
    assert!(text.contains("kernels take 2047"), "{text}");
    let line = format!(
        "ci lava --kernel http://a/k --ramdisk http://a/r --append {} -- \
         work=PipeIo",
        "x".repeat(2000)
    );
    let text = crate::trouble::refused(&line);
    assert!(text.contains("kernels take 2047"), "{text}");
}

#[test]
fn the_limit_of_a_boot_follows_from_its_plan() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("timeout");
    // Says the limit in place of waiting for it.
    script(&bin, "echo \"limit $2\" >&2");
    let path = format!(
        "{}:{}",
        dir.path().display(),
        std::env::var("PATH").unwrap()
    );
    let limit = |plan: &str| {
        let out = Command::new(build::workspace().join("action/pidone-boot"))
            .args([&bin, &bin])
            .args(plan.split_whitespace())
            .env("PATH", &path)
            .env("QEMU", data().join("cases/fakeqemu"))
            .env("LOG", dir.path().join("log"))
            .env_remove("TIMEOUT")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("limit "));
        line.unwrap_or_else(|| panic!("{text}"))
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(limit("time=310s work=TimerLatency"), 300 + 5 * 310);
    assert_eq!(
        limit("time=1m warmup=1s work=A work=B repeat=3"),
        300 + 5 * 244
    );
    assert_eq!(limit("work=A time=1500ms"), 300 + 5 * 2);
    assert_eq!(limit(""), 300);
    assert!(limit("plan=all") > 300 && limit("plan=mine") > 3000);
}

#[test]
fn isolated_cpus_and_other_consoles_are_used() {
    let logs = tempfile::tempdir().unwrap();
    let (report, exit) = boot(&Args {
        append: vec!["isolcpus=1 console=tty0".to_owned()],
        deterministic: Some(1),
        plan: "time=50ms work=SpinWait affinity=exact:1 work=SpinWait"
            .split(' ')
            .map(str::to_owned)
            .collect(),
        logs: Some(logs.path().to_path_buf()),
        ..machine(KERNEL)
    })
    .unwrap();
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    let cpus = |run: usize| &report.runs[run].groups[0].workers[0].cpus_used;
    assert_eq!((&cpus(0)[..], &cpus(1)[..]), (&[1][..], &[0][..]));
    assert_eq!(report.hello.as_ref().unwrap().cpus, 2);
    // `/dev/console` is not the serial port, which has the results too.
    let console = fs::read(logs.path().join("console.log")).unwrap();
    let console = String::from_utf8_lossy(&console);
    assert!(console.contains("\nok 2 SpinWait"), "{console}");
    assert!(console.contains("# plan: records=/dev/ttyS1 "), "{console}");
}
