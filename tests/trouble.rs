//! What goes wrong is reported for what it is.

use crate::machine;
use crate::signals::until;
use core::time::Duration;
use pidone::kit::exit;
use pidone::wire::record::Verdict;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use xtask::arch::Arch;
use xtask::boot::{BootRequest as Args, boot};
use xtask::build;
use xtask::decode::decode;
use xtask::exit::Exit;
use xtask::model::{Outcome, Report};

const KERNEL: &str = "debian:6.12-cloud";

#[test]
fn a_bad_plan_in_the_machine_ends_it() {
    let bad = |append: &str| {
        boot(&Args {
            append: vec![append.to_owned()],
            plan: vec!["work=PipeIo".to_owned()],
            ..machine(KERNEL)
        })
    };
    let (report, exit) = bad("pidone.affinity=exact:900").unwrap();
    assert_eq!((report.outcome, exit), (Outcome::PlanError, Exit::Tool));
    let why = "CPUs this machine does not have";
    assert!(report.reason.contains(why), "{}", report.reason);
    // What can be known on the host is said there.
    let error = bad("pidone.work=FutexPingpong").unwrap_err().to_string();
    assert!(error.contains("nearest is `FutexPingPong`"), "{error}");
}

#[test]
fn a_bad_plan_on_the_host_boots_nothing() {
    for (plan, message) in [
        ("work=FutexPingpong", "nearest is `FutexPingPong`"),
        ("work=PipeIo workers=3", "nearest is `4`"),
        ("policy=fifo:100", "1 to 99"),
        ("time=abc", "a number and a unit"),
        ("work=PipeIo bogus=1", "no such key"),
    ] {
        let said = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["boot", "--"])
            .args(plan.split(' '))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(255), "{plan}");
        assert!(text.contains(message), "{plan}: {text}");
    }
}

/// What the tool says of a wrong command line, and it prints nothing.
#[track_caller]
pub(crate) fn refused(line: &str) -> String {
    let said = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(line.split_whitespace())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(255), "{line}: {text}");
    assert!(said.stdout.is_empty(), "{line}");
    text
}

#[test]
fn help_is_no_failure() {
    for line in ["--help", "help", "boot --help", "help decode", "boot -h"] {
        let said = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(line.split(' '))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.status.success(), "{line}");
        for part in ["Usage:", "Examples:", "Error codes:", "255"] {
            assert!(text.contains(part), "{line}: {text}");
        }
    }
}

#[test]
fn a_panic_that_the_plan_asks_for_is_its_end() {
    let plan = ["end=panic", "time=100ms", "work=SpinWait"];
    let (report, exit) = boot(&Args {
        plan: plan.map(str::to_owned).to_vec(),
        ..machine(KERNEL)
    })
    .unwrap();
    assert_eq!((report.outcome, exit), (Outcome::Ok, Exit::Good));
    assert_eq!(report.runs[0].verdict, Verdict::Ok);
}

#[test]
fn a_machine_that_is_stopped_was_hanging() {
    let plan = ["time=60m", "work=SpinWait"];
    let (report, exit) = boot(&Args {
        plan: plan.map(str::to_owned).to_vec(),
        timeout: Some(Duration::from_secs(45)),
        ..machine(KERNEL)
    })
    .unwrap();
    assert_eq!((report.outcome, exit), (Outcome::Hang, Exit::Bad));
    let run = &report.runs[0];
    assert_eq!(run.verdict, Verdict::Fail);
    assert!(
        run.reasons[0].contains("iterations after"),
        "{:?}",
        run.reasons
    );
}

#[test]
fn a_killed_worker_is_named_with_all_it_counted() {
    let plan = ["work=SpinWait", "workers=2", "time=1s"];
    let (child, workers) = started(&plan, 2);
    let worker = &workers[0];
    signal("KILL", worker);
    let said = child.wait_with_output().unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(text.contains("was killed by signal 9"), "{text}");
    assert!(text.contains("not ok 1 SpinWait"), "{text}");
}

#[test]
fn a_process_without_a_plan_says_what_it_is_and_does_nothing() {
    let payload = build::payload(Arch::host(), false).unwrap();
    for (words, code) in [(&[][..], 255), (&["--help"], 0), (&["-h"], 0)] {
        let said = Command::new(&payload).args(words).output().unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        assert_eq!(said.status.code(), Some(code), "{words:?}: {text}");
        assert!(text.contains("pidone time=1s work=PipeIo"), "{text}");
        assert!(!text.contains("KTAP"), "{text}");
    }
}

/// The plain process, and the ids of its workers as soon as all are there.
fn started(plan: &[&str], workers: usize) -> (Child, Vec<String>) {
    let payload = build::payload(Arch::host(), false).unwrap();
    let mut child = Command::new(payload)
        .args(plan)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let children = format!("/proc/{pid}/task/{pid}/children");
    let ids = until("its workers", || {
        let text = fs::read_to_string(&children).unwrap();
        let ids: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        let all = ids.len() == workers;
        let ended = child.try_wait().unwrap();
        assert!(all || ended.is_none(), "it ended too early");
        all.then_some(ids)
    });
    (child, ids)
}

/// By the shell, since not every system has a program that does it.
fn signal(name: &str, pid: &str) {
    let kill = format!("kill -{name} {pid}");
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_worker_that_never_stops_is_killed_and_keeps_what_it_counted() {
    let plan = "output=ktap,records work=SpinWait workers=2 grace=300ms";
    let plan: Vec<&str> = plan.split(' ').chain(["time=4s"]).collect();
    let (child, workers) = started(&plan, 2);
    // It must have counted something, and 50 ms of CPU are enough.
    let stat = format!("/proc/{}/stat", workers[0]);
    let ticks = |stat: &str| -> u64 {
        let text = fs::read_to_string(stat).unwrap();
        let fields = text.rsplit_once(')').unwrap().1;
        fields.split_whitespace().nth(11).unwrap().parse().unwrap()
    };
    until("50 ms of CPU", || (ticks(&stat) >= 5).then_some(()));
    signal("STOP", &workers[0]);
    let said = child.wait_with_output().unwrap();
    let text = String::from_utf8(said.stdout.clone()).unwrap();
    assert_eq!(said.status.code(), Some(1), "{text}");
    let reason = "SpinWait worker 0 did not stop within grace";
    assert!(text.contains(reason), "{text}");
    let boot = decode(&said.stdout).newest();
    let report = Report::new(&boot);
    assert_eq!(report.lost_records, 0);
    let [killed, whole] = &report.runs[0].groups[0].workers[..] else {
        panic!("two workers");
    };
    assert_eq!(
        (killed.completed, killed.exit),
        (false, exit::Exit::Timeout)
    );
    assert!(killed.iterations > 0 && killed.cpu_ns > 0);
    assert!(whole.completed);
    for worker in workers {
        assert!(!Path::new(&format!("/proc/{worker}")).exists());
    }
}
