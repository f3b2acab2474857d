//! Runs under a sched_ext scheduler: of ours, and of a packed program.

use crate::proofs_custom::c_program;
use crate::{booted, good, group, machine, run};
use core::time::Duration;
use pidone::wire::record::Verdict;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use xtask::boot::{BootRequest as Args, boot};
use xtask::exit::Exit;
use xtask::kernel_build::{self, Order};
use xtask::model::{Outcome, Report, Run, Scheduler};
use xtask::{build, tools};

const KERNEL: &str = "built:6.12";
const FIFO: &str = "pidone_fifo";
const SCHED_EXT: u8 = 7;

/// Boots a plan with the test's own scheduler as `/bin/scheduler`, which
/// `scx` is the argument of.
fn packed(scx: &str, plan: &str) -> (Report, Exit) {
    let rust = build::workspace().join("tests/data/custom/rust");
    let program = build::own_binary(&rust, "scheduler").unwrap();
    let mut words: Vec<String> =
        plan.split_whitespace().map(str::to_owned).collect();
    if !scx.is_empty() {
        words.insert(0, format!("scx=/bin/scheduler {scx}"));
    }
    boot(&Args {
        scheduler: Some(program),
        plan: words,
        ..machine(KERNEL)
    })
    .unwrap()
}

/// Before the first run, and behind the last.
fn ends(report: &Report) -> (&Scheduler, &Scheduler) {
    let scx = report.scx.as_ref().unwrap();
    (&scx.loaded, scx.after.as_ref().unwrap())
}

/// All that the program wrote, whatever it was doing meanwhile.
fn output(report: &Report) -> Vec<&str> {
    let (loaded, after) = ends(report);
    let runs = report.runs.iter().filter_map(|run| run.scx.as_ref());
    let all = [loaded].into_iter().chain(runs).chain([after]);
    all.flat_map(|scx| &scx.output)
        .map(String::as_str)
        .collect()
}

/// For each worker of a group, whether it ran in the class.
fn in_class(report: &Report, work: &str) -> Vec<Option<bool>> {
    let workers = group(report, work).workers.iter();
    workers.map(|worker| worker.ext_enabled).collect()
}

#[track_caller]
fn has_reason(run: &Run, part: &str) {
    let found = run.reasons.iter().any(|reason| reason.contains(part));
    assert!(found, "{part}: {:?}", run.reasons);
}

#[test]
fn all_tasks_run_under_fifo() {
    let report = good(
        KERNEL,
        "scx=fifo time=200ms work=PipeIo \
         work=AsymmetricWaker waker_class=ext wakee_class=cfs \
         work=PolicyChurn include_ext=true",
    );
    let (loaded, after) = ends(&report);
    assert_eq!((&*loaded.name, &*loaded.state), (FIFO, "enabled"));
    assert_eq!(loaded.switch_all, Some(true));
    assert_eq!(after.state, "disabled");
    for run in &report.runs {
        let scx = run.scx.as_ref().unwrap();
        assert_eq!((&*scx.name, &*scx.state), (FIFO, "enabled"));
        // No scheduler came in its place.
        assert_eq!(scx.enable_seq, loaded.enable_seq);
        assert_eq!(scx.nr_rejected, Some(0));
    }
    for work in ["PipeIo", "AsymmetricWaker", "PolicyChurn"] {
        for ext in in_class(&report, work) {
            assert_eq!(ext, Some(true), "{work}");
        }
    }
    let waker = group(&report, "AsymmetricWaker");
    let policies = waker.workers.iter().map(|w| w.policy);
    assert_eq!(policies.collect::<Vec<_>>(), [Some(SCHED_EXT), Some(0)]);
    assert!(waker.hist["wake"].count > 0);
    let churn = group(&report, "PolicyChurn");
    assert!(churn.metrics["to_ext"] > 0);
    assert_eq!(churn.metrics["policies_read_back"], 6);
}

#[test]
fn a_partial_one_has_only_those_who_ask() {
    // The class comes behind the fair one: they are not to share a CPU.
    let report = good(
        KERNEL,
        "scx=fifo:partial time=200ms work=PipeIo policy=ext nice=3 \
         affinity=exact:0 with=SpinWait affinity=exact:1",
    );
    let (loaded, after) = ends(&report);
    assert_eq!((&*loaded.name, &*loaded.state), (FIFO, "enabled"));
    assert_eq!(loaded.switch_all, Some(false));
    assert_eq!(after.state, "disabled");
    assert_eq!(in_class(&report, "PipeIo"), [Some(true); 2]);
    assert_eq!(in_class(&report, "SpinWait"), [Some(false)]);
    let pipe = group(&report, "PipeIo");
    assert!(pipe.args.contains(&"policy=ext".to_owned()));
    for worker in &pipe.workers {
        assert_eq!((worker.policy, worker.nice), (Some(SCHED_EXT), Some(3)));
    }
    assert!(pipe.iterations > 0);
}

#[test]
fn one_that_stalls_is_thrown_out() {
    let plan = "scx=stall time=200ms work=PipeIo work=SpinWait";
    let (report, exit) = booted(KERNEL, plan);
    // The machine has powered off by itself, and every record arrived.
    assert_eq!(
        (report.outcome, exit),
        (Outcome::Fail, Exit::Bad),
        "{}",
        report.reason
    );
    assert_eq!(report.lost_records, 0);
    let (loaded, after) = ends(&report);
    assert_eq!((&*loaded.name, &*loaded.state), ("pidone_stall", "enabled"));
    assert_eq!(after.state, "disabled");
    let [pipe, spin] = &report.runs[..] else {
        panic!("two runs");
    };
    assert_eq!(pipe.verdict, Verdict::Fail);
    has_reason(pipe, "scx: pidone_stall is disabled");
    has_reason(pipe, "\"pidone_stall\" disabled (runnable task stall)");
    // Of a task, or of the kernel's own watchdog, whichever comes first.
    has_reason(pipe, "kernel: sched_ext: pidone_stall: ");
    has_reason(pipe, " failed to ");
    assert_eq!(pipe.scx.as_ref().unwrap().state, "disabled");
    assert_eq!(spin.verdict, Verdict::Skip);
    has_reason(spin, "NO_SCHED_EXT");
    // Its program may live on.
    let (report, exit) = packed("stalls", "time=200ms work=PipeIo");
    assert_eq!(
        (report.outcome, exit),
        (Outcome::Fail, Exit::Bad),
        "{}",
        report.reason
    );
    let pipe = run(&report, "PipeIo");
    has_reason(pipe, "kernel: sched_ext: pidone_stall: ");
    assert!(pipe.reasons.iter().all(|why| !why.contains("its program")));
    assert_eq!(output(&report), ["loaded", "asked to leave"]);
}

#[test]
fn a_packed_one_is_started_and_asked_to_leave() {
    let (report, exit) = packed("", "time=200ms work=PipeIo");
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    let (loaded, after) = ends(&report);
    assert_eq!((&*loaded.name, &*loaded.state), (FIFO, "enabled"));
    assert_eq!(in_class(&report, "PipeIo"), [Some(true); 2]);
    assert_eq!(after.state, "disabled");
    assert_eq!(output(&report), ["loaded", "asked to leave"]);
    // One that does not know the first signal, with an argument.
    let plan = "time=200ms work=PipeIo policy=ext work=SpinWait";
    let (report, exit) = packed("deaf", plan);
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    let (_, after) = ends(&report);
    assert_eq!(after.state, "disabled");
    assert_eq!(output(&report), ["loaded", "asked to leave"]);
}

/// What libbpf and the programs that use it look for; here the program is
/// one that says what it finds, and has arguments.
#[test]
fn a_packed_one_finds_tracefs_and_bpffs() {
    let stat = "/usr/bin/stat -f -c %T /sys/kernel/tracing /sys/fs/bpf";
    let (report, exit) = boot(&Args {
        scheduler: Some(PathBuf::from(stat)),
        timeout: Some(Duration::from_secs(200)),
        plan: ["time=200ms", "work=PipeIo"].map(str::to_owned).to_vec(),
        ..machine(KERNEL)
    })
    .unwrap();
    assert_eq!(exit, Exit::Bad, "{}", report.reason);
    assert_eq!(output(&report), ["tracefs", "bpf_fs"]);
    // It may take half of the time-out to load.
    let plan = &report.hello.as_ref().unwrap().plan;
    let limit = "scx_load=100000ms";
    assert!(plan.iter().any(|word| word.ends_with(limit)), "{plan:?}");
}

#[test]
fn a_packed_one_that_leaves_fails_the_run() {
    let (report, exit) = packed("leaves", "time=1s work=PipeIo work=SpinWait");
    assert_eq!(
        (report.outcome, exit),
        (Outcome::Fail, Exit::Bad),
        "{}",
        report.reason
    );
    let (loaded, _) = ends(&report);
    assert_eq!((&*loaded.name, &*loaded.state), ("", "disabled"));
    assert_eq!(loaded.output, ["not today"]);
    let pipe = run(&report, "PipeIo");
    assert_eq!((pipe.verdict.name(), pipe.wall_ns), ("fail", 0));
    has_reason(pipe, "scx: the scheduler is disabled");
    has_reason(pipe, "scx: its program left with exit code 3");
    assert_eq!(run(&report, "SpinWait").verdict, Verdict::Skip);

    let plan = "time=1s work=PipeIo comm=victim work=SpinWait";
    let (report, exit) = packed("dies", plan);
    assert_eq!(
        (report.outcome, exit),
        (Outcome::Fail, Exit::Bad),
        "{}",
        report.reason
    );
    assert_eq!(ends(&report).0.state, "enabled");
    let pipe = run(&report, "PipeIo");
    assert_eq!(pipe.verdict, Verdict::Fail);
    // It was carried out, and counted.
    assert!(pipe.wall_ns > 0 && group(&report, "PipeIo").iterations > 0);
    has_reason(pipe, "scx: pidone_fifo is disabled");
    has_reason(pipe, "scx: its program left with exit code 4");
    has_reason(pipe, "disabled (unregistered from user space)");
    assert_eq!(run(&report, "SpinWait").verdict, Verdict::Skip);
}

#[test]
fn one_that_was_replaced_is_not_the_same() {
    let (report, exit) = packed("returns", "time=1s work=PipeIo comm=victim");
    assert_eq!(
        (report.outcome, exit),
        (Outcome::Fail, Exit::Bad),
        "{}",
        report.reason
    );
    let pipe = run(&report, "PipeIo");
    has_reason(pipe, "scx: pidone_fifo is replaced");
    has_reason(pipe, "disabled (unregistered from user space)");
    let scx = pipe.scx.as_ref().unwrap();
    assert_eq!((&*scx.name, &*scx.state), (FIFO, "enabled"));
    assert_eq!(ends(&report).1.state, "disabled");
}

/// Builds a scheduler of the kernel's own, from the sources and with the
/// types of the kernel that is booted. Several tests want it.
fn scx_simple() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build_scx_simple).clone()
}

fn build_scx_simple() -> PathBuf {
    let order = Order::of_tests(false).unwrap();
    let image = kernel_build::build(&order).unwrap().image;
    let sources = kernel_build::sources(&order.tree, false).unwrap();
    tools::require(&[tools::CLANG, tools::LLVM], false).unwrap();
    let out = build::workspace().join("target/sched_ext");
    fs::create_dir_all(&out).unwrap();
    let assign = |name: &str, path: &Path| format!("{name}={}", path.display());
    let made = Command::new("make")
        .args(["-s", "-j2", "-C"])
        .arg(sources.join("tools/sched_ext"))
        .arg(assign("O", &out))
        .arg(assign("VMLINUX_BTF", &kernel_build::vmlinux(&image)))
        .arg("scx_simple")
        .env_remove("MAKEFLAGS")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{errors}");
    out.join("build/bin/scx_simple")
}

/// Boots runs under it, with the tests' program in C to add to them.
fn under_scx_simple(runs: &str) -> (Report, Exit) {
    let dir = tempfile::tempdir().unwrap();
    let c = format!("{}:/bin/c", c_program(dir.path()).display());
    let scx = ["scx=/bin/scx_simple -f"].into_iter();
    boot(&Args {
        scheduler: Some(scx_simple()),
        add: vec![c.parse().unwrap()],
        plan: scx.chain(runs.split(' ')).map(str::to_owned).collect(),
        ..machine(KERNEL)
    })
    .unwrap()
}

#[test]
fn the_kernels_own_scheduler_runs_packed() {
    let (report, exit) = under_scx_simple("time=2s work=PipeIo");
    assert_eq!(exit, Exit::Good, "{}: {:?}", report.reason, report.scx);
    let (loaded, after) = ends(&report);
    assert_eq!((&*loaded.name, &*loaded.state), ("simple", "enabled"));
    assert_eq!(in_class(&report, "PipeIo"), [Some(true); 2]);
    assert_eq!(after.state, "disabled");
    // Once a second it says how many tasks it queued, and in the end why it
    // left.
    let last = output(&report).pop();
    assert_eq!(last, Some("EXIT: unregistered from user space"));
    let queued = |line: &str| {
        let (local, global) =
            line.strip_prefix("local=")?.split_once(" global=")?;
        Some(local.parse::<u64>().ok()? + global.parse::<u64>().ok()?)
    };
    let queued = output(&report).into_iter().filter_map(queued).max();
    assert!(queued > Some(0), "{:?}", output(&report));
}

#[test]
fn the_kernels_own_scheduler_is_thrown_out() {
    let plan = "time=500ms work=PipeIo work=PipeIo with=Custom \
                custom.exec=/bin/c custom.arg.0=throw work=PipeIo";
    let (report, exit) = under_scx_simple(plan);
    assert_eq!(exit, Exit::Bad, "{}: {:?}", report.reason, report.scx);
    let [before, thrown, behind] = &report.runs[..] else {
        panic!("{} runs", report.runs.len());
    };
    assert_eq!(before.verdict, Verdict::Ok, "{:?}", before.reasons);
    assert_eq!(thrown.verdict, Verdict::Fail);
    // It was carried out, and counted.
    assert!(thrown.wall_ns > 0 && thrown.groups[0].iterations > 0);
    has_reason(thrown, "scx: simple is disabled");
    has_reason(thrown, "\"simple\" disabled (disabled by sysrq-S)");
    assert_eq!(behind.verdict, Verdict::Skip);
    has_reason(behind, "NO_SCHED_EXT");
    assert_eq!(ends(&report).1.state, "disabled");
    // What it says of its end is kept.
    let said = output(&report);
    assert!(said.contains(&"EXIT: disabled by sysrq-S"), "{said:?}");
}

#[test]
fn what_is_not_there_is_said() {
    let args = |plan: &str| Args {
        plan: plan.split(' ').map(str::to_owned).collect(),
        ..machine(KERNEL)
    };
    let error = boot(&args("scx=/bin/nowhere work=PipeIo")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`/bin/nowhere` is not in the image")
    );
    let error = boot(&args("scx=lifo work=PipeIo")).unwrap_err();
    assert!(
        error.to_string().contains("scx is fifo or stall"),
        "{error}"
    );
    // Where it is the machine that looks.
    let (report, exit) = boot(&Args {
        append: vec!["pidone.scx=/bin/nowhere".to_owned()],
        ..args("work=PipeIo")
    })
    .unwrap();
    assert_eq!((report.outcome, exit), (Outcome::PlanError, Exit::Tool));
    assert!(
        report.reason.contains("no such program"),
        "{}",
        report.reason
    );
}

#[test]
fn a_kernel_without_the_class_skips() {
    let plan = "scx=fifo time=200ms work=PipeIo work=SpinWait policy=ext";
    let (report, exit) = booted("debian:6.12-cloud", plan);
    assert_eq!(exit, Exit::CannotTell, "{}", report.reason);
    assert!(report.scx.is_some());
    for run in &report.runs {
        assert_eq!(run.verdict, Verdict::Skip);
        assert_eq!(run.reasons, ["NO_CONFIG:CONFIG_SCHED_CLASS_EXT"]);
    }
}

#[test]
fn policy_ext_without_a_scheduler_skips_unless_told_otherwise() {
    let plan = "time=200ms work=SpinWait policy=ext \
                work=PipeIo policy=ext require_ext=false";
    let report = good(KERNEL, plan);
    let spin = run(&report, "SpinWait");
    assert_eq!(
        (spin.verdict.name(), &*spin.reasons),
        ("skip", &["NO_SCHED_EXT".to_owned()][..])
    );
    assert_eq!(in_class(&report, "PipeIo"), [Some(false); 2]);
    let policies = group(&report, "PipeIo").workers.iter().map(|w| w.policy);
    assert!(policies.eq([Some(SCHED_EXT); 2]));
    assert!(report.scx.is_none());
}
