//! Work of one's own: programs under the contract of `docs/custom.md`, and
//! types in Rust.

use crate::machine;
use pidone::kit::exit;
use pidone::wire::record::Verdict;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::boot::{BootRequest as Args, boot};
use xtask::build;
use xtask::exit::Exit;
use xtask::model::{Group, Outcome, Report, Run};

const KERNEL: &str = "debian:6.12-cloud";

fn data() -> PathBuf {
    build::workspace().join("tests/data/custom")
}

/// Builds the program in C into `dir`.
pub(crate) fn c_program(dir: &Path) -> PathBuf {
    let program = dir.join("custom-c");
    let built = Command::new("cc")
        .args(["-O2", "-Wall", "-Werror", "-static", "-o"])
        .args([&program, &data().join("custom.c")])
        .status()
        .unwrap();
    assert!(built.success(), "cc: {built}");
    program
}

/// Boots with the program in C as `/bin/c`, and with whatever else.
pub(crate) fn boot_with(more: &[String], plan: &str) -> (Report, Exit) {
    let dir = tempfile::tempdir().unwrap();
    let c = format!("{}:/bin/c", c_program(dir.path()).display());
    // Longer than a kernel command line may be.
    let file = dir.path().join("plan");
    std::fs::write(&file, plan).unwrap();
    let file = format!("{}:/plans/custom", file.display());
    let add = more.iter().chain([&c, &file]);
    boot(&Args {
        add: add.map(|add| add.parse().unwrap()).collect(),
        plan: vec!["plan=custom".to_owned()],
        ..machine(KERNEL)
    })
    .unwrap()
}

fn only(run: &Run) -> &Group {
    let [group] = &run.groups[..] else {
        panic!("one group in {}", run.name);
    };
    group
}

const PLAN: &str = "time=300ms grace=500ms \
    work=Custom custom.exec=/bin/c custom.arg.0=full custom.start=ready \
        workers=2 custom.shared_bytes=8192 custom.u64.1=77 custom.i64.2=-5 \
        custom.i32.3=-6 custom.bool.0=on custom.blob=00ff nice=5 warmup=100ms \
        policy=batch affinity=exact:1 \
    work=Custom custom.exec=/bin/rust \
    work=Custom custom.exec=/bin/c custom.arg.0=silent \
    work=Custom custom.exec=/bin/c custom.arg.0=deaf \
    work=Custom custom.exec=/bin/c custom.arg.0=crash \
    work=Custom custom.exec=/bin/nowhere \
    work=Custom custom.exec=/etc \
    work=Custom custom.exec=/bin/junk \
    work=Custom custom.exec=/bin/c custom.arg.0=skip \
    work=Custom custom.exec=/bin/c custom.arg.0=malformed \
    work=Custom custom.exec=/bin/c custom.arg.0=postcard \
    work=Custom custom.exec=/bin/c custom.arg.0=helpers time=10s \
    work=Custom custom.name=Nobody \
    work=Custom custom.exec=/bin/c custom.arg.0=dies custom.start=ready \
        workers=2 \
    work=SpinWait";

#[test]
fn programs_keep_the_contract() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let junk = dir.path().join("junk");
    std::fs::write(&junk, "no program").unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&junk, mode).unwrap();
    let rust = build::own_binary(&data().join("rust"), "program").unwrap();
    let add = [
        format!("{}:/bin/junk", junk.display()),
        format!("{}:/bin/rust", rust.display()),
    ];
    let (report, exit) = boot_with(&add, PLAN);
    assert_eq!((report.outcome, exit), (Outcome::Fail, Exit::Bad));
    assert_eq!(report.lost_records, 0);
    let [
        full,
        rust,
        silent,
        deaf,
        crash,
        nowhere,
        folder,
        junk,
        skip,
        malformed,
        postcard,
        helpers,
        nobody,
        dies,
        spin,
    ] = &report.runs[..]
    else {
        panic!("{} runs", report.runs.len());
    };
    told(full);
    in_rust(rust);
    untold(silent);

    assert_eq!(deaf.verdict, Verdict::Fail);
    let said = "Custom worker 0 did not stop within grace";
    assert_eq!(deaf.reasons, [said]);
    let group = only(deaf);
    assert_eq!((group.iterations, group.work_units), (5, 7));
    let worker = &group.workers[0];
    assert_eq!(
        (worker.exit, worker.completed),
        (exit::Exit::Timeout, false)
    );
    // It slept all the time, which its last sign of life shows.
    assert!(worker.max_gap_ns > 200_000_000, "{}", worker.max_gap_ns);

    assert_eq!(crash.reasons, ["Custom worker 0 was killed by signal 11"]);
    let group = only(crash);
    assert_eq!((group.iterations, group.work_units), (11, 13));
    assert_eq!(group.workers[0].exit, exit::Exit::Signal(11));

    for missing in [nowhere, folder, nobody] {
        assert_eq!(missing.verdict, Verdict::Skip);
        assert_eq!(missing.reasons, ["NO_PAYLOAD"]);
    }
    // ENOEXEC.
    assert_eq!(junk.reasons, ["FAIL(execve, 8): Custom worker 0"]);
    assert_eq!(skip.verdict, Verdict::Skip);
    assert_eq!(skip.reasons, ["no cards in this machine"]);

    let said = "Custom worker 0: FAIL(report): nonsense";
    assert_eq!(malformed.reasons, [said]);
    let group = only(malformed);
    assert_eq!((group.iterations, group.work_units), (17, 0));
    assert_eq!(group.metrics["mine"], 3);

    assert_eq!(postcard.verdict, Verdict::Ok, "{:?}", postcard.reasons);
    let group = only(postcard);
    assert_eq!((group.iterations, group.work_units), (300, 4));
    assert_eq!((group.metrics["a"], group.metrics["b"]), (1, 2));

    // The run ends with its worker, and the helper with the run.
    assert_eq!(helpers.verdict, Verdict::Ok, "{:?}", helpers.reasons);
    assert!(helpers.wall_ns < 5_000_000_000, "{}", helpers.wall_ns);

    // One is ready and the other is dead: not 30 s of waiting.
    assert_eq!(dies.verdict, Verdict::Fail);
    let said = "Custom worker 1 left with exit code 3";
    assert!(dies.reasons.iter().any(|r| r == said), "{:?}", dies.reasons);

    assert_eq!(spin.verdict, Verdict::Ok, "{:?}", spin.reasons);
}

/// A program that uses everything.
fn told(run: &Run) {
    assert_eq!(run.verdict, Verdict::Ok, "{:?}", run.reasons);
    let group = only(run);
    assert!(group.counted && group.iterations > 100);
    assert_eq!(group.work_units, 2 * group.iterations);
    let metric = |name: &str| group.metrics[name];
    // Counters and samples of the warm-up are left out, those of its own
    // report are not.
    assert!(metric("loops") > group.iterations);
    let read = |name: &str| group.hist[name].count + metric("samples_lost") / 2;
    let within = |n: u64| n.abs_diff(group.iterations) * 20 < group.iterations;
    assert!(within(read("cost")) && within(read("wake")), "{group:?}");
    assert_eq!(group.hist["wake"].p50_ns, 1000);
    // Each of the two reports what it was given.
    let both = ["u64", "i64", "i32", "bool", "blob", "pgrp", "terms"];
    let values = both.map(metric);
    assert_eq!(values, [154, 10, 12, 2, 510, 2, 2]);
    assert_eq!(metric("group"), 0);
    assert_eq!(metric("index"), 1);
    assert_eq!(metric("workers"), 4);
    assert_eq!(metric("ms"), 600);
    // Both had written there before either started.
    assert_eq!(metric("at_start.region"), 4);
    for worker in &group.workers {
        assert!(worker.completed);
        assert_eq!(worker.exit, exit::Exit::Code(0));
        assert_eq!((worker.policy, worker.nice), (Some(3), Some(5)));
        assert_eq!(worker.cpus_allowed, [1]);
        assert_eq!(worker.cpus_used, [1]);
        // Two that share one CPU take turns, if not at every yield.
        let switches = worker.nvcsw.unwrap() + worker.nivcsw.unwrap();
        assert!(switches * 10 > worker.iterations, "{worker:?}");
    }
    // Those of the warm-up are among them.
    let yields = run.kernel.counters["yld_count"];
    assert!(yields > group.iterations, "{yields}");
    // They shared that CPU for all of the window, and nothing before it.
    let cpu: u64 = group.workers.iter().map(|w| w.cpu_ns).sum();
    assert!(cpu * 10 > run.wall_ns * 7, "{cpu} of {}", run.wall_ns);
    assert!(cpu * 10 < run.wall_ns * 13, "{cpu} of {}", run.wall_ns);
}

/// A program in Rust, started at the start.
fn in_rust(run: &Run) {
    assert_eq!(run.verdict, Verdict::Ok, "{:?}", run.reasons);
    let group = only(run);
    assert!(group.iterations > 100, "{}", group.iterations);
    assert_eq!(group.metrics["rust"], 1);
    assert_eq!(group.workers[0].exit, exit::Exit::Code(0));
    assert!(group.hist["cost"].count > 0);
    assert_eq!(group.hist["wake"].count, 0);
    let yields = run.kernel.counters["yld_count"];
    assert!(yields * 100 > group.iterations * 95, "{yields}");
}

/// A program that knows nothing of the contract.
fn untold(run: &Run) {
    assert_eq!(run.verdict, Verdict::Ok, "{:?}", run.reasons);
    let group = only(run);
    let worker = &group.workers[0];
    assert_eq!(
        (worker.exit, worker.completed),
        (exit::Exit::Signal(15), true)
    );
    let json = serde_json::to_value(group).unwrap();
    for absent in ["iterations", "work_units"] {
        assert!(json[absent].is_null(), "{json}");
        assert!(json["workers"][0][absent].is_null(), "{json}");
    }
    // What the kernel shows is there all the same, from before the reaping.
    assert!(worker.cpu_ns * 2 > run.wall_ns, "{}", worker.cpu_ns);
    assert!(worker.nivcsw.is_some() && worker.minflt.unwrap() > 10);
    assert!(!worker.cpus_used.is_empty());
    assert!(run.kernel.counters["yld_count"] > 100);
}

#[test]
fn a_panic_in_a_run_names_the_run_and_keeps_the_others() {
    let (report, exit) = boot_with(
        &[],
        "time=5s work=SpinWait time=100ms work=Custom custom.exec=/bin/c \
         custom.arg.0=panic with=SpinWait work=YieldHeavy",
    );
    assert_eq!((report.outcome, exit), (Outcome::Panic, Exit::Bad));
    assert!(report.reason.contains("sysrq"), "{}", report.reason);
    let [spin, panic] = &report.runs[..] else {
        panic!("{} runs", report.runs.len());
    };
    assert_eq!(spin.verdict, Verdict::Ok);
    assert!(only(spin).iterations > 0);
    assert_eq!(panic.name, "Custom+SpinWait");
    assert_eq!(panic.verdict, Verdict::Fail);
    let said = &panic.reasons[0];
    assert!(
        said.starts_with("the machine stopped in this run"),
        "{said}"
    );
}

#[test]
fn a_payload_has_types_of_its_own() {
    let own = build::own_binary(&data().join("rust"), "own").unwrap();
    let run = |plan: &str| {
        boot(&Args {
            payload: Some(own.clone()),
            plan: plan.split_whitespace().map(str::to_owned).collect(),
            ..machine(KERNEL)
        })
        .unwrap()
    };
    let (report, exit) = run("time=300ms work=Pass custom.u64.0=64 \
         work=Custom custom.name=Pass clone=thread work=probe \
         work=probe custom.bool.0=on work=idle work=PipeIo");
    let reason = &report.reason;
    assert_eq!(
        (report.outcome, exit),
        (Outcome::Fail, Exit::Bad),
        "{reason}"
    );
    let [bare, named, probe, panic, idle, pipe] = &report.runs[..] else {
        panic!("{} runs", report.runs.len());
    };
    for (run, burst) in [(bare, 64), (named, 0)] {
        assert_eq!((run.name.as_str(), run.verdict.name()), ("Pass", "ok"));
        let group = only(run);
        assert_eq!(group.metrics["burst"], burst);
        assert!(group.work_units >= (burst + 1) * group.iterations);
        let [a, b] = &group.workers[..] else {
            panic!("two partners");
        };
        assert!(a.iterations.abs_diff(b.iterations) <= 1);
        let wake = &group.hist["wake"];
        assert!(wake.count > 0 && wake.count <= group.iterations + 2);
        let switches = group.sum(|w| w.nvcsw).unwrap();
        // With hardly a burst, the word often changes between the look at it
        // and the call, which then returns at once: a wake without a switch.
        assert!(
            switches * 2 >= wake.count,
            "{switches} switches, {} wakes",
            wake.count
        );
    }
    for run in [probe, pipe] {
        assert_eq!(run.verdict, Verdict::Ok, "{:?}", run.reasons);
        assert!(only(run).iterations > 0);
    }
    let [said] = &panic.reasons[..] else {
        panic!("{:?}", panic.reasons);
    };
    assert!(said.starts_with("probe worker 0 left with exit code 254"));
    assert!(said.contains("told to panic"), "{said}");
    assert_eq!(only(panic).iterations, 1);
    assert_eq!(idle.reasons, ["FAIL(no_progress): idle did no work"]);

    let (report, exit) = run("work=Custom custom.name=Pas");
    assert_eq!((report.outcome, exit), (Outcome::PlanError, Exit::Tool));
    let reason = &report.reason;
    assert!(reason.contains("nearest is `Pass`"), "{reason}");
}

#[test]
fn a_bare_panic_says_its_callers() {
    let bare = build::own_binary(&data().join("rust"), "bare").unwrap();
    let output = Command::new(bare).output().unwrap();
    assert_eq!(output.status.code(), Some(254));
    let said = String::from_utf8(output.stdout).unwrap();
    let start = "Bail out! pidone: panicked, called from ";
    let callers = said.trim().strip_prefix(start).unwrap();
    let callers: Vec<_> = callers
        .split(' ')
        .map(|caller| u64::from_str_radix(caller, 16).unwrap())
        .collect();
    // What refuses an index, `inner`, `outer` and `main` at least, all of
    // which are in a small program at the linker's usual place.
    assert!(callers.len() >= 4, "{said}");
    for caller in callers {
        assert!((0x20_0000..0x22_0000).contains(&caller), "{said}");
    }
}
