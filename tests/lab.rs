//! What a lab does to a machine, and what a program does to the runs behind
//! its own, is no kernel's fault.

use crate::fakes::script;
use crate::machine;
use crate::proofs_custom::{boot_with, c_program};
use crate::signals::{Running, path, until};
use pidone::wire::record::Verdict;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use xtask::boot::{BootRequest, boot};
use xtask::exit::Exit;
use xtask::model::Outcome;
use xtask::store;

#[test]
fn a_full_disk_of_the_host_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!(
        "mount -t tmpfs -o size=1500k tmpfs . && {} boot --store . --disk 64M \
         -- time=20s work=IoSyncWrite; code=$?; ls; exit $code",
        env!("CARGO_BIN_EXE_xtask")
    );
    let said = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &line])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(255), "{text}");
    let why = "disk0: the host failed a write of the machine's: No space left";
    assert!(text.contains(why), "{text}");
    assert!(said.stdout.is_empty(), "{:?}", said.stdout);
}

/// A search path on which QEMU is started with what `words` makes of its own.
fn with_qemu(dir: &Path, words: &str) -> String {
    let bin = dir.join("bin");
    fs::create_dir(&bin).unwrap();
    let file = bin.join("qemu-system-x86_64");
    let own = format!("PATH=${{PATH#*:}}\n{words}");
    script(&file, &format!("{own}\nexec qemu-system-x86_64 \"$@\""));
    format!("{}:{}", bin.display(), path())
}

const BUILT: [&str; 5] = ["boot", "--kernel", "built:6.12", "--store", "runs"];

#[test]
fn a_broken_disk_of_the_host_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let broken = "file.driver=blkdebug,file.inject-error.0.event=none,\
        file.inject-error.0.iotype=write,file.inject-error.0.errno=5,\
        file.image.driver=file,file.image.filename=";
    let words = format!(
        "for word; do shift; set -- \"$@\" \"$(printf %s \"$word\" | \
         sed 's|file.driver=file,file.filename=|{broken}|')\"; done"
    );
    let path = with_qemu(dir.path(), &words);
    let plan = ["--disk", "8M", "--", "time=1s", "work=IoSyncWrite"];
    let words = [&BUILT[..], &plan].concat();
    let (code, said) = Running::start(dir.path(), &words, &path).ends();
    assert_eq!(code, Some(255), "{said}");
    let why = "disk0: the host failed a write of the machine's: Input/output";
    assert!(said.contains(why), "{said}");
}

/// A machine's second monitor.
struct Monitor {
    commands: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Monitor {
    fn of(socket: &Path) -> Self {
        let commands = UnixStream::connect(socket).unwrap();
        let answers = BufReader::new(commands.try_clone().unwrap());
        let mut monitor = Self { commands, answers };
        monitor.tell("qmp_capabilities", "{}");
        monitor
    }

    /// What it answers to a command, which it has done by then.
    fn tell(&mut self, command: &str, with: &str) -> String {
        let line = format!(r#"{{"execute":"{command}","arguments":{with}}}"#);
        writeln!(self.commands, "{line}").unwrap();
        loop {
            let mut answer = String::new();
            let read = self.answers.read_line(&mut answer).unwrap();
            assert!(read > 0 && !answer.contains("\"error\""), "{answer}");
            if answer.contains("\"return\"") {
                return answer;
            }
        }
    }
}

/// A cable that is pulled and a disk that shrinks to nothing in the middle of
/// a run, which says so; the next ones find neither.
#[test]
fn devices_that_go_in_mid_run() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("monitor");
    let words = format!(
        "set -- \"$@\" -qmp unix:{},server=on,wait=off",
        socket.display()
    );
    let path = with_qemu(dir.path(), &words);
    let devices = "--nic pair --disk 8M -- time=100ms \
        work=NetTraffic with=IoRandRead time=4s \
        work=NetTraffic work=IoRandRead work=PipeIo";
    let words: Vec<&str> = BUILT
        .into_iter()
        .chain(devices.split_whitespace())
        .collect();
    let mut running = Running::start(dir.path(), &words, &path);
    running.says("1 of 4");
    let mut monitor = Monitor::of(&socket);
    // Setting up reads a few blocks alone.
    until("reads", || {
        let stats = monitor.tell("query-blockstats", "{}");
        let stats: Value = serde_json::from_str(&stats).unwrap();
        let all = stats["return"].as_array().unwrap();
        let mut all = all.iter().filter(|disk| disk["node-name"] == "disk0");
        let reads = &all.next().unwrap()["stats"]["rd_operations"];
        (reads.as_u64().unwrap() > 500).then_some(())
    });
    monitor.tell("set_link", r#"{"name":"nic0","up":false}"#);
    monitor.tell("block_resize", r#"{"node-name":"disk0","size":0}"#);
    let (code, said) = running.ends();
    assert_eq!(code, Some(0), "{said}");
    let (stored, _) = store::list(&dir.path().join("runs")).unwrap();
    let report = stored[0].read().unwrap().report;
    let [both, lost, none, good] = &report.runs[..] else {
        panic!("{} runs", report.runs.len());
    };
    assert_eq!(both.verdict, Verdict::Degraded);
    assert_eq!(both.reasons[0], "NO_ECHO");
    let failed = "FAILED(pread, 5): ";
    assert!(both.reasons[1].starts_with(failed), "{:?}", both.reasons);
    // There is a file in the place of a disk.
    for (run, verdict, reason) in [
        (lost, Verdict::Skip, "NO_ECHO"),
        (none, Verdict::Degraded, "NO_BLOCK_DEVICE"),
    ] {
        assert_eq!(
            (run.verdict, &run.reasons[..]),
            (verdict, &[reason.to_owned()][..])
        );
    }
    assert_eq!(good.verdict, Verdict::Ok, "{:?}", good.reasons);
}

const LEAVERS: &str = "time=300ms \
    work=Custom custom.exec=/bin/c custom.arg.0=leave workers=2 \
    work=Custom custom.exec=/bin/c custom.arg.0=others workers=1 \
    work=Custom custom.exec=/bin/c custom.arg.0=bomb \
    work=Custom custom.exec=/bin/c custom.arg.0=others workers=1";

#[test]
fn nothing_lives_on_into_the_next_run() {
    let (report, _) = boot_with(&[], LEAVERS);
    let [leave, alone, bomb, too] = &report.runs[..] else {
        panic!("{} runs", report.runs.len());
    };
    assert_eq!(leave.verdict, Verdict::Degraded);
    assert_eq!(leave.reasons, ["STRAYS(2)"]);
    // It may leave its own worker no time to end by itself.
    let strays = |reason: &String| reason.starts_with("STRAYS(");
    assert!(bomb.reasons.iter().any(strays), "{:?}", bomb.reasons);
    for run in [alone, too] {
        assert_eq!(run.verdict, Verdict::Ok, "{:?}", run.reasons);
        assert_eq!(run.groups[0].metrics["others"], 0);
    }
}

/// The pipe is full before the kernel's first line.
#[test]
fn a_console_that_nobody_reads_ends_at_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let words = "for word; do shift; case $word in file,id=con,*) \
         : >\"${word##*path=}\"; mkfifo unread.in unread.out; \
         exec 7<>unread.out; head -c 65536 /dev/zero >&7; \
         word=pipe,id=con,path=unread;; esac; set -- \"$@\" \"$word\"; done";
    let path = with_qemu(dir.path(), words);
    let plan = ["--timeout", "10", "--", "time=1s", "work=PipeIo"];
    let words = [&BUILT[..], &plan].concat();
    let (code, said) = Running::start(dir.path(), &words, &path).ends();
    assert_eq!(code, Some(125), "{said}");
    let printed = fs::read_to_string(dir.path().join("printed")).unwrap();
    let why = "there was no output at all; --timeout ended it after 10s";
    assert!(printed.contains(why), "{printed}");
}

/// Twice a CPU is kept in the kernel for longer than its watchdog waits.
const LOCKUPS: &str = "time=120s work=Custom custom.exec=/bin/c \
    custom.arg.0=lockup \
    work=Custom custom.exec=/bin/c custom.arg.0=lockup \
    sysctl.kernel.softlockup_panic=1";

#[test]
fn a_soft_lockup_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let c = format!("{}:/bin/c", c_program(dir.path()).display());
    let (report, exit) = boot(&BootRequest {
        add: vec![c.parse().unwrap()],
        append: vec!["watchdog_thresh=1".to_owned()],
        mem: "1G".parse().unwrap(),
        plan: LOCKUPS.split_whitespace().map(str::to_owned).collect(),
        ..machine("debian:6.12-cloud")
    })
    .unwrap();
    let said = "watchdog: BUG: soft lockup - CPU#";
    let [goes_on, _] = &report.runs[..] else {
        panic!("{} runs: {}", report.runs.len(), report.reason);
    };
    assert_eq!(goes_on.verdict, Verdict::Fail);
    let of_the_kernel = format!("kernel: {said}");
    for part in ["TAINT:0x4000", &of_the_kernel] {
        let mut reasons = goes_on.reasons.iter();
        assert!(
            reasons.any(|reason| reason.starts_with(part)),
            "{part}: {:?}",
            goes_on.reasons
        );
    }
    assert_eq!((report.outcome, exit), (Outcome::Panic, Exit::Bad));
    let why = format!(
        "Kernel panic - not syncing: softlockup: hung tasks, after: {said}"
    );
    assert!(report.reason.starts_with(&why), "{}", report.reason);
    let place = "; in Custom (run 2 of 2)";
    assert!(report.reason.contains(place), "{}", report.reason);
}

/// The kernel is told that its clock is ten times as slow as it is, and must
/// not find out.
#[test]
fn a_wrong_clock_tells_nothing_of_a_kernel() {
    let wrong = "tsc_early_khz=250000 tsc=reliable";
    let (report, exit) = boot(&BootRequest {
        append: vec![wrong.to_owned()],
        plan: vec!["time=2s".to_owned(), "work=PipeIo".to_owned()],
        ..machine("debian:6.12-cloud")
    })
    .unwrap();
    assert_eq!(exit, Exit::CannotTell, "{}", report.reason);
    let why = "cannot tell: the machine's clock went wrong: ";
    assert!(report.reason.starts_with(why), "{}", report.reason);
}
