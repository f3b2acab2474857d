//! Runners: what one that is none of ours does, told apart by scripts that
//! boot nothing, and machines that are booted through the contract of
//! `docs/runners.md`.

use crate::hosts::{Host, STEADY, line, over_ssh, port, shipped};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use tempfile::TempDir;
use xtask::boot::BootRequest;
use xtask::boot::ready::{Ready, Setting};
use xtask::build;
use xtask::exit::{Exit, NoEvidence};
use xtask::finished::FinishedBoot;
use xtask::model::Outcome;
use xtask::store;

/// What `clean.log` is of.
const PLAN: &str = "time=100ms work=PipeIo";
const BANNER: &str = "[    0.000000] Linux version 6.12 (x)";

/// A directory with a file that looks like a kernel, and scripts.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let mut image = vec![0; 0x1000];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        fs::write(bench.path("bzImage"), image).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A runner of this script, which has `$LOG` and `$HERE`.
    fn runner(&self, name: &str, script: &str) -> String {
        let log = build::workspace().join("tests/data/consoles/clean.log");
        let text = format!(
            "LOG='{}'\nHERE='{}'\n{script}\n",
            log.display(),
            self.dir.path().display()
        );
        fs::write(self.path(name), text).unwrap();
        format!("sh '{}'", self.path(name).display())
    }

    /// What a boot with these runners gives, which is stored.
    fn boot(
        &self,
        runners: &[&str],
        options: &str,
    ) -> anyhow::Result<FinishedBoot> {
        let kernel = self.path("bzImage").display().to_string();
        let mut words = vec!["--kernel", &kernel];
        words.extend(runners.iter().flat_map(|it| ["--runner", it]));
        words.extend(options.split_whitespace());
        words.push("--");
        words.extend(PLAN.split_whitespace());
        let request = BootRequest::parse("boot", &words)?;
        let ready = Ready::new(&request)?;
        ready.boot_and_store(None, &Setting::alone(), &self.path("runs"))
    }

    /// Why nothing could be told by a boot with this script.
    #[track_caller]
    fn nothing(&self, script: &str, options: &str) -> String {
        self.nothing_of(&self.runner("nothing.sh", script), options)
    }

    /// The same with a whole runner.
    #[track_caller]
    fn nothing_of(&self, runner: &str, options: &str) -> String {
        let error = self.boot(&[runner], options).unwrap_err();
        assert!(error.is::<NoEvidence>(), "{error:#}");
        assert_eq!(store::list(&self.path("runs")).unwrap().0, []);
        error.to_string()
    }

    fn xtask(&self, words: &[&str]) -> (Option<i32>, String) {
        said(
            &Command::new(env!("CARGO_BIN_EXE_xtask"))
                .args(words)
                .current_dir(self.dir.path())
                .output()
                .unwrap(),
        )
    }
}

fn said(out: &Output) -> (Option<i32>, String) {
    let all = [out.stdout.clone(), out.stderr.clone()].concat();
    (
        out.status.code(),
        String::from_utf8_lossy(&all).into_owned(),
    )
}

#[test]
fn a_console_is_all_that_it_takes() {
    let bench = Bench::new();
    let script = "env | grep ^PIDONE_ >\"$PIDONE_DIR/env\"
        test -s \"$PIDONE_KERNEL\" && test -s \"$PIDONE_INITRD\" || exit 9
        cat \"$LOG\"; echo said >&2; echo port >&3";
    let runner = bench.runner("cat.sh", script);
    let boot = bench
        .boot(&[&runner], "--append quiet --timeout 77")
        .unwrap();
    assert_eq!(boot.report.outcome, Outcome::Ok, "{}", boot.report.reason);
    assert_eq!(boot.meta.exit_code, Exit::Good);
    assert_eq!(boot.meta.runner.as_deref(), Some(runner.as_str()));
    assert_eq!((&*boot.meta.qemu, boot.meta.qemu_args.len()), ("", 0));
    assert!(boot.meta.command.contains(&"--runner".to_owned()));
    assert_eq!(boot.records, b"port\n");
    assert!(boot.meta.noise.is_some());
    let stored = |name: &str| fs::read_to_string(boot.dir.join(name)).unwrap();
    assert_eq!(stored("runner.log"), "said\n");
    let env = stored("runner/env");
    for part in [
        "PIDONE_ARCH=x86_64\n",
        "PIDONE_TIMEOUT=77\n",
        "PIDONE_CMDLINE=console=ttyS0 panic=-1",
        " quiet -- time=100ms work=PipeIo\n",
        "bzImage\n",
    ] {
        assert!(env.contains(part), "{part} in {env}");
    }
    assert!(!env.contains("pidone.records"), "{env}");
}

#[test]
fn what_befell_a_runner_is_no_kernels_fault() {
    let bench = Bench::new();
    // Tried again, and then not to be told.
    let why = bench
        .nothing("echo x >>\"$HERE/tries\"; echo no board >&2; exit 75", "");
    assert!(why.starts_with("trouble in the lab of runner"), "{why}");
    assert!(why.ends_with(": no board"), "{why}");
    assert_eq!(bench.read("tries"), "x\nx\nx\n");
    let begun = format!("echo '{BANNER}'; echo KTAP version 1");
    for (end, how) in [
        ("echo a >&2; exit 3", "failed with 3, which says nothing"),
        ("kill -KILL $$", "was ended by signal 9"),
    ] {
        let why = bench.nothing(&format!("{begun}\n{end}"), "");
        assert!(why.contains(how), "{why}");
    }
    // A lab may lose a machine that has begun.
    let why = bench.nothing(&format!("{begun}\necho power >&2; exit 75"), "");
    assert!(why.ends_with(": power"), "{why}");
    let why = bench.nothing("truncate -s 2G /dev/stdout; sleep 600", "");
    assert!(
        why.contains("is no console: it is more than 1024 MiB"),
        "{why}"
    );
    // One that never begins is no machine that hangs.
    let why = bench.nothing("exec sleep 600", "--timeout 1");
    assert!(why.contains("had not begun after 1 s"), "{why}");
    // It ended well, and what came of it is no boot of ours.
    let runner = bench.runner("noise.sh", "head -c 3000 /dev/urandom");
    let boot = bench.boot(&[&runner], "").unwrap();
    assert_eq!(boot.report.outcome, Outcome::NoBoot);
    assert_eq!(boot.meta.exit_code, Exit::CannotTell);
}

#[test]
fn a_machine_is_stopped_when_its_console_says_so() {
    let bench = Bench::new();
    let forever = "trap 'echo told >\"$HERE/told\"; exit 0' TERM
        while :; do sleep 600 & wait $!; done";
    let of = |what: &str, options: &str| {
        let script = format!("echo '{BANNER}'\n{what}\n{forever}");
        let runner = bench.runner("forever.sh", &script);
        let boot = bench.boot(&[&runner], options).unwrap();
        assert_eq!(bench.read("told"), "told\n");
        fs::remove_file(bench.path("told")).unwrap();
        let meta = &boot.meta;
        (boot.report.outcome, meta.exit_code, meta.timed_out)
    };
    assert_eq!(
        of("cat \"$LOG\"; echo '[    9.000000] reboot: Power down'", ""),
        (Outcome::Ok, Exit::Good, false)
    );
    assert_eq!(
        of("echo '[    1.000000] Kernel panic - not syncing: x'", ""),
        (Outcome::NoBoot, Exit::CannotTell, false)
    );
    // Silent in the middle of its plan.
    assert_eq!(
        of("echo KTAP version 1", "--timeout 1"),
        (Outcome::Hang, Exit::Bad, true)
    );
    // How a runner ends behind that is no matter.
    let fails =
        "cat \"$LOG\"; echo '[    9.000000] reboot: Power down'; exit 3";
    let script = format!("echo '{BANNER}'\n{fails}");
    let runner = bench.runner("fails.sh", &script);
    let boot = bench.boot(&[&runner], "").unwrap();
    assert_eq!(boot.meta.exit_code, Exit::Good);
}

#[test]
fn trouble_is_taken_elsewhere() {
    let bench = Bench::new();
    let bad = bench.runner("bad.sh", "echo x >>\"$HERE/bad\"; exit 75");
    let good = bench.runner("good.sh", "cat \"$LOG\"");
    let boot = bench.boot(&[&bad, &good], "").unwrap();
    assert_eq!(boot.meta.exit_code, Exit::Good);
    assert_eq!(boot.meta.runner, Some(good));
    assert_eq!(bench.read("bad"), "x\n");
}

#[test]
fn what_no_runner_can_be_asked_for_is_refused() {
    let bench = Bench::new();
    let runner = bench.runner("never.sh", "echo >\"$HERE/begun\"");
    for (options, why) in [
        ("--deterministic 1", "--deterministic with --runner"),
        ("--smp 4", "the machine is the runner's"),
        ("--mem 1G", "--mem with --runner"),
        ("--disk 64M", "--disk with --runner"),
        ("--nic user", "--nic with --runner"),
        ("--runner none-such", "no program none-such"),
    ] {
        let error = bench.boot(&[&runner], options).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(why), "{options}: {error}");
    }
    let (code, said) = bench.xtask(&["map", "--runner", &runner]);
    assert_eq!(code, Some(255), "{said}");
    assert!(said.contains("counted inside QEMU"), "{said}");
    assert!(!bench.path("begun").exists());
}

/// Each runner waits for the other, so that neither ends alone.
const PAIR: &str = r#"
[kernels]
old = "bzImage"
new = "bzImage"

[machines]
one = { runners = ["sh a.sh", "sh b.sh"] }
two = { runners = ["sh a.sh", "sh b.sh"], append = "quiet" }

[plans]
pipes = "time=100ms work=PipeIo"
again = "time=100ms work=PipeIo"
"#;

#[test]
fn a_pool_boots_as_many_at_once_as_it_has_places() {
    let bench = Bench::new();
    let made = Command::new("mkfifo").arg(bench.path("fifo")).status();
    assert!(made.unwrap().success());
    bench.runner("a.sh", "echo >\"$HERE/fifo\"; cat \"$LOG\"");
    bench.runner("b.sh", "read _ <\"$HERE/fifo\"; cat \"$LOG\"");
    fs::write(bench.path("m.toml"), PAIR).unwrap();
    let run = ["matrix", "run", "m.toml", "--store", "runs"];
    let (code, text) = bench.xtask(&run);
    assert_eq!(code, Some(0), "{text}");
    let (runs, _) = store::list(&bench.path("runs")).unwrap();
    let of = |name: &str| {
        let is =
            |run: &&store::StoredRun| run.meta.runner.as_deref() == Some(name);
        runs.iter().filter(is).count()
    };
    assert_eq!([of("sh a.sh"), of("sh b.sh"), runs.len()], [4, 4, 8]);
    // What was booted by runners is what every verb takes.
    let sides = ["old/one/pipes,old/one/again", "new/one/pipes,new/one/again"];
    let words = [&["compare"], &sides[..], &["--store", "runs"]].concat();
    let (code, text) = bench.xtask(&words);
    assert!(text.contains("PipeIo"), "{text}");
    assert_ne!(code, Some(255), "{text}");
    let judge = [
        "judge",
        "--kernel",
        "bzImage",
        "--store",
        "runs",
        "--runs",
        "5",
        "--runner",
        "sh c.sh",
        "--expect",
        "wake.p50<1s",
        "--",
        "time=100ms",
        "work=PipeIo",
    ];
    let (code, text) = bench.xtask(&judge);
    assert_eq!(code, Some(125), "{text}");
    bench.runner("c.sh", "cat \"$LOG\"");
    let (code, text) = bench.xtask(&judge);
    assert_eq!(code, Some(0), "{text}");
}

fn machine(kernel: &str, runners: &[&str], plan: &str) -> FinishedBoot {
    let runs = tempfile::tempdir().unwrap();
    let mut words = vec!["--kernel", kernel];
    words.extend(runners.iter().flat_map(|it| ["--runner", it]));
    words.push("--");
    words.extend(plan.split_whitespace());
    let request = BootRequest::parse("boot", &words).unwrap();
    let ready = Ready::new(&request).unwrap();
    let alone = Setting::alone();
    let boot = ready.boot_and_store(None, &alone, runs.path()).unwrap();
    assert_eq!(boot.meta.exit_code, Exit::Good, "{}", boot.report.reason);
    boot
}

#[test]
fn qemu_is_a_runner_with_a_second_port() {
    let runner = shipped("qemu.sh") + " -smp 1";
    let plan = "time=200ms work=PipeIo";
    let boot = machine("debian:6.12-cloud", &[&runner], plan);
    assert_eq!(boot.report.lost_records, 0);
    assert_eq!(boot.report.hello.unwrap().cpus, 1);
    // The records are where the runner put them, and not on the console.
    assert!(!boot.records.is_empty());
    let console = String::from_utf8_lossy(&boot.console).into_owned();
    assert!(!console.contains("# ~p1:"), "{console}");
    let own: &Path = &boot.dir;
    assert!(!own.join("runner").exists());
}

#[test]
fn a_host_behind_ssh_boots_and_one_that_is_gone_is_trouble() {
    let (host, ssh) = Host::behind_ssh();
    let there = over_ssh(&ssh) + " host " + STEADY;
    let gone = over_ssh(&format!("ssh -p {}", port())) + " 127.0.0.1";
    let plan = "time=100ms work=PipeIo";
    let boot = machine("built:6.12", &[&gone, &there], plan);
    assert_eq!(boot.meta.runner, Some(there));
    assert_eq!(boot.report.hello.unwrap().cpus, 1);
    // Nothing stays, neither there nor here.
    assert_eq!(fs::read_dir(host.file("tmp")).unwrap().count(), 0);
    assert!(!boot.dir.join("runner").exists());
    // Where there is no other, that is all there is to say.
    let why = Bench::new().nothing_of(&gone, "");
    assert!(why.starts_with("trouble in the lab of runner"), "{why}");
    assert!(why.contains("Connection refused"), "{why}");
}

/// A board that is switched on and off through a fifo, and boots when a line
/// is typed, which it echoes; what that was.
fn board(mut line: File, power: &Path) -> String {
    assert_eq!(fs::read_to_string(power).unwrap(), "on\n");
    line.write_all(b"U-Boot\r\n=> ").unwrap();
    let mut typed = Vec::new();
    while typed.last() != Some(&b'\r') {
        let mut byte = [0];
        line.read_exact(&mut byte).unwrap();
        line.write_all(&byte).unwrap();
        typed.extend(byte);
    }
    let log = build::workspace().join("tests/data/consoles/clean.log");
    let log = fs::read(log).unwrap();
    let end = b"[    9.000000] reboot: Power down\n";
    for part in [b"\n", BANNER.as_bytes(), b"\n", &log, end] {
        line.write_all(part).unwrap();
    }
    assert_eq!(fs::read_to_string(power).unwrap(), "off\n");
    String::from_utf8(typed).unwrap()
}

#[test]
fn a_board_on_a_serial_line_is_switched_on_and_typed_to() {
    let bench = Bench::new();
    let power = bench.path("power");
    let made = Command::new("mkfifo").arg(&power).status();
    assert!(made.unwrap().success());
    let [on, off] = ["on", "off"].map(|what| {
        let script = format!(
            "test -s \"$PIDONE_KERNEL\" && \
            echo {what} >\"$HERE/power\"; echo {what} >&2"
        );
        bench.runner(what, &script)
    });
    let (end, path) = line();
    let runner = format!(
        "serial:{path} \"on={on}\" \"off={off}\" 'wait==> ' \
         'send=go \"$PIDONE_CMDLINE\"'"
    );
    let board = thread::spawn(move || board(end, &power));
    let boot = bench.boot(&[&runner], "--append quiet").unwrap();
    assert_eq!(boot.meta.exit_code, Exit::Good, "{}", boot.report.reason);
    assert_eq!(boot.meta.runner, Some(runner));
    let typed = board.join().unwrap();
    assert!(typed.starts_with("go \"console=ttyS0 "), "{typed}");
    assert!(typed.ends_with(" -- time=100ms work=PipeIo\"\r"), "{typed}");
    let log = fs::read_to_string(boot.dir.join("runner.log")).unwrap();
    let said = "wait==> \non\nsend=go \"$PIDONE_CMDLINE\"\noff\n";
    assert_eq!(log, said);

    let bench = Bench::new();
    let (_end, path) = line();
    let why = bench.nothing_of(&format!("serial:{path} on=false"), "");
    assert!(why.starts_with("trouble in the lab of runner"), "{why}");
    assert!(why.contains("what switches it on failed"), "{why}");
    let taken = File::open(&path).unwrap();
    taken.lock().unwrap();
    let why = bench.nothing_of(&format!("serial:{path}"), "");
    assert!(why.contains("another program has it"), "{why}");
    let error = bench.boot(&["serial:/dev/none"], "").unwrap_err();
    assert!(format!("{error:#}").contains("no serial line"), "{error:#}");
}
