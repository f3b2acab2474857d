//! What workers are given in place of what they would inherit, and what is
//! left of them when their supervisor is killed.

use crate::signals::until;
use crate::{good_on, machine};
use core::time::Duration;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;
use xtask::arch::Arch;
use xtask::boot::{BootRequest as Args, boot};
use xtask::build;
use xtask::exit::Exit;
use xtask::model::Outcome;

const KERNELS: [&str; 2] = ["debian:6.12-cloud", "debian:6.1-cloud"];

fn deterministic(kernel: &str) -> Args {
    Args {
        deterministic: Some(1),
        ..machine(kernel)
    }
}

/// Timer slack of a fair task that nobody has changed.
const SLACK_NS: u64 = 50_000;

#[test]
fn a_worker_has_the_timer_slack_of_its_class() {
    for kernel in KERNELS {
        let plan = "time=50ms work=TimerLatency \
            work=TimerLatency policy=batch work=TimerLatency policy=idle \
            work=TimerLatency clone=thread work=TimerLatency pcomm=leader \
            work=TimerLatency slack_ns=1000 \
            work=TimerLatency policy=fifo:10 work=TimerLatency policy=rr:10 \
            work=TimerLatency policy=fifo:10 clone=thread";
        // The other one does not boot in such a machine with two CPUs.
        let exact = kernel == KERNELS[0];
        let machine = match exact {
            true => deterministic(kernel),
            false => machine(kernel),
        };
        let report = good_on(machine, plan);
        assert_eq!(report.runs.len(), 9);
        for (at, run) in report.runs.iter().enumerate() {
            let group = &run.groups[0];
            let want = match at {
                0..5 => SLACK_NS,
                5 => 1000,
                _ => 0,
            };
            let args = &group.args;
            let slack = group.workers[0].timer_slack_ns;
            assert_eq!(slack, Some(want), "{kernel}: {args:?}");
            // The kernel lets a timer expire no later than that, and an idle
            // machine has nothing that would have it expire earlier.
            let p50 = group.hist["timer"].p50_ns;
            assert!(
                !exact || (want..want + SLACK_NS).contains(&p50),
                "{kernel}: {p50} ns with {args:?}"
            );
        }
    }
}

/// As many as the tasks of an executable in this directory.
fn alive(dir: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ours = processes.filter(|entry| {
        fs::read_link(entry.path().join("exe"))
            .is_ok_and(|exe| exe.starts_with(dir))
    });
    ours.map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_killed_supervisor_leaves_nothing_behind() {
    let payload = build::payload(Arch::host(), false).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("pidone");
    fs::copy(payload, &own).unwrap();
    let sleep = dir.path().join("sleep");
    fs::copy("/bin/sleep", &sleep).unwrap();
    let program = format!(
        "work=Custom custom.exec={} custom.arg.0=60",
        sleep.display()
    );
    let mut plans = vec![
        // The supervisor, and its workers or their host.
        ("work=SpinWait workers=2", 3),
        ("work=SpinWait workers=2 clone=thread", 2),
        ("work=SpinWait workers=2 pcomm=a with=PipeIo", 4),
        ("work=ForkExit workers=2", 3),
        (program.as_str(), 2),
    ];
    // Who may become another user loses what the kernel was asked for.
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        plans.push(("work=SpinWait workers=2 uid=65534", 3));
        plans.push(("work=SpinWait workers=1 policy=fifo:1", 2));
    }
    for (plan, processes) in plans {
        let mut supervisor = Command::new(&own)
            .arg("time=60s")
            .args(plan.split(' '))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until(plan, || {
            let ended = supervisor.try_wait().unwrap();
            assert!(ended.is_none(), "{plan}: it ended too early");
            (alive(dir.path()).len() >= processes).then_some(())
        });
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
        // They have been sent a signal by now, and need a CPU to die.
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let left = alive(dir.path());
            if left.is_empty() {
                break;
            }
            if Instant::now() > patience {
                let kill = format!("kill -KILL {}", left.join(" "));
                let _killed = Command::new("sh").args(["-c", &kill]).status();
                panic!("{plan}: {left:?} live on");
            }
            thread::yield_now();
        }
    }
}

#[test]
fn a_plan_has_as_many_open_files_as_it_needs() {
    let payload = build::payload(Arch::host(), false).unwrap();
    let plan = "time=100ms work=PipeIo workers=520 \
        work=WakeChain depth=1024 work_per_hop=0us";
    let run = format!("ulimit -Sn 1024; exec {} {plan}", payload.display());
    let said = Command::new("sh").args(["-c", &run]).output().unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success(), "{text}");
    for line in ["PipeIo: 520 workers", "WakeChain: 1024 workers"] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_plan_that_needs_more_open_files_is_refused() {
    let (report, exit) = boot(&Args {
        append: vec!["sysctl.fs.nr_open=1024".to_owned()],
        plan: ["work=PipeIo", "workers=520"].map(str::to_owned).to_vec(),
        ..deterministic(KERNELS[0])
    })
    .unwrap();
    assert_eq!((report.outcome, exit), (Outcome::PlanError, Exit::Tool));
    for part in ["needs 1236 open files", "at most 1024", "fewer workers"] {
        assert!(report.reason.contains(part), "{}", report.reason);
    }
}
