//! Job definitions of `cargo xtask ci`, carried out by LAVA's dispatcher and
//! by tuxrun, or checked against the schema of whom they are for.

use crate::cis::{self, data, text};
use crate::fakes::script;
use crate::proofs_custom::c_program;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use xtask::arch::X86_64;
use xtask::decode::decode;
use xtask::model::Report;
use xtask::qemu::kvm_works;
use xtask::{build, ci, kernel};

/// A run of every verdict.
const PLAN: &str = "time=200ms work=PipeIo work=SmtSiblingSpin \
    work=SpinWait expect=cost.max<1ns work=YieldHeavy";

/// A machine that does not live to the last run.
const PANIC: &str = "time=2s work=YieldHeavy time=100ms work=Custom \
    custom.exec=/bin/c custom.arg.0=panic with=SpinWait work=PipeIo";

/// A directory with an image that has the program in C, and a kernel.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let c = format!("{}:/bin/c", c_program(bench.dir.path()).display());
        let ramdisk = bench.path("pidone.cpio.gz");
        xtask(&["pack", "--add", &c, "--output", &ramdisk]);
        let image = kernel::resolve("debian:6.12-cloud", None, false).unwrap();
        fs::copy(image, bench.path("bzImage")).unwrap();
        bench
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Writes a definition, and returns where it is.
    fn written(&self, system: &str, more: &[&str], plan: &str) -> String {
        let file = self.path(&format!("{system}{}", more.join("")));
        let kernel = format!("file://{}", self.path("bzImage"));
        let ramdisk = format!("file://{}", self.path("pidone.cpio.gz"));
        let mut words = vec!["ci", system, "--kernel", &kernel];
        words.extend(["--ramdisk", &ramdisk, "--output", &file]);
        words.extend(more);
        words.push("--");
        words.extend(plan.split_whitespace());
        xtask(&words);
        file
    }

    /// Writes definitions of the cells of a matrix with this bench's kernel;
    /// returns where they are, and what was said.
    fn of_matrix(&self, system: &str, rest: &str) -> (PathBuf, Output) {
        let url = format!("file://{}", self.path("bzImage"));
        let ramdisk = format!("file://{}", self.path("pidone.cpio.gz"));
        let text = format!(
            "[kernels]\nnew = {{ url = \"{url}\", kbuild = \"kbuild-x\" }}\n\
             {rest}\n"
        );
        let (file, to) = (self.path("m.toml"), self.path("jobs.yaml"));
        fs::write(&file, text).unwrap();
        let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["ci", system, "--matrix", &file])
            .args(["--ramdisk", &ramdisk, "--output", &to])
            .output()
            .unwrap();
        (to.into(), out)
    }

    /// `lava-run` of a job; whether it passed, and its log.
    fn lava(&self, job: &str, more: &[&str]) -> (bool, Vec<Value>) {
        let out = cis::lava(self.dir.path(), job.as_ref(), more);
        let log = text(&out);
        // YAML, which is JSON but for the sizes of what was fetched.
        let lines = log.lines().filter_map(|l| serde_json::from_str(l).ok());
        (out.status.success(), lines.collect())
    }
}

fn xtask(words: &[&str]) {
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(words)
        .output()
        .unwrap();
    assert!(out.status.success(), "{words:?}: {}", text(&out));
}

/// What is recorded of a suite: name, result, measurement and unit.
fn cases(log: &[Value], suite: &str) -> Vec<[String; 4]> {
    let results = log.iter().filter(|line| line["lvl"] == "results");
    let ours = results.filter(|line| line["msg"]["definition"] == suite);
    let word = |line: &Value, name: &str| match &line["msg"][name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ours.map(|line| {
        ["case", "result", "measurement", "units"].map(|n| word(line, n))
    })
    .collect()
}

/// What our own decoder makes of the console in a dispatcher's log.
fn report(log: &[Value]) -> Report {
    let target = log.iter().filter(|line| line["lvl"] == "target");
    let lines = target.filter_map(|line| line["msg"].as_str());
    let console: Vec<&str> = lines.collect();
    Report::new(&decode(console.join("\n").as_bytes()).newest())
}

#[test]
fn lava_records_cases_and_measurements() {
    let bench = Bench::new();
    let job = bench.written("lava", &["--append", "quiet"], PLAN);
    let (passed, log) = bench.lava(&job, &[]);
    assert!(passed, "{:?}", cases(&log, "lava").last());
    let cases = cases(&log, "pidone");
    let report = report(&log);
    assert_eq!(report.lost_records, 0);
    let mut measured = Vec::new();
    for run in &report.runs {
        let result = match run.verdict.name() {
            "degraded" | "ok" => "pass",
            other => other,
        };
        let case = [
            run.name.to_lowercase(),
            result.to_owned(),
            run.wall_ns.to_string(),
            "ns".to_owned(),
        ];
        assert!(cases.contains(&case), "{case:?} in {cases:?}");
        measured.push(case);
        let hists = run.groups.iter().flat_map(|group| &group.hist);
        for (hist, figures) in hists.filter(|(_, hist)| hist.count > 0) {
            let name = format!("{}_{hist}", run.name.to_lowercase());
            for (what, value) in
                [("p99", figures.p99_ns), ("max", figures.max_ns)]
            {
                let id = format!("{name}_{what}");
                let case = [id, "pass".into(), value.to_string(), "ns".into()];
                assert!(cases.contains(&case), "{case:?} in {cases:?}");
                measured.push(case);
            }
        }
    }
    assert!(measured.len() > 10, "{measured:?}");
    let result = |at: usize| report.runs[at].verdict.name();
    assert_eq!([0, 1, 2].map(result), ["ok", "skip", "fail"]);
}

#[test]
fn lava_keeps_what_was_before_a_panic() {
    let bench = Bench::new();
    let job = bench.written("lava", &[], PANIC);
    let (passed, log) = bench.lava(&job, &[]);
    let ours = cases(&log, "pidone");
    assert!(!passed, "{ours:?}");
    let names: Vec<&str> = ours.iter().map(|c| c[0].as_str()).collect();
    assert!(names.contains(&"yieldheavy"), "{names:?}");
    assert!(!names.iter().any(|n| n.starts_with("pipeio")), "{names:?}");
    // It ends with the machine, and is not waited for.
    let job = log.iter().find(|l| l["msg"]["case"] == "job").unwrap();
    let why = job["msg"]["error_msg"].as_str().unwrap_or_default();
    assert!(!why.contains("timed out"), "{why}");
}

/// The exit code and the words of a script that runs tuxrun.
fn tuxrun(bench: &Bench, plan: &str) -> (Option<i32>, String) {
    run_tuxrun(bench, &bench.written("tuxrun", &[], plan))
}

fn run_tuxrun(bench: &Bench, script: &str) -> (Option<i32>, String) {
    let out = cis::tuxrun(bench.dir.path(), script.as_ref());
    (out.status.code(), text(&out))
}

#[test]
fn tuxrun_boots_and_the_log_is_judged() {
    let bench = Bench::new();
    let (code, said) = tuxrun(&bench, PLAN);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("fail: failed: SpinWait"), "{said}");
    for part in ["PipeIo ok in", "SmtSiblingSpin skip", "YieldHeavy "] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let json = fs::read(bench.path("pidone.json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["lava"]["job"]["result"], "pass", "{json}");

    let (code, said) = tuxrun(&bench, PANIC);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("\nYieldHeavy "), "{said}");
    assert!(said.contains("\npanic: "), "{said}");
}

/// A schema that comes with check-jsonschema.
#[track_caller]
fn valid(schema: &str, file: &Path) {
    let python = ci::tools::python(false).unwrap();
    let out = Command::new(python.join("check-jsonschema"))
        .args(["--builtin-schema", schema])
        .arg(file)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", text(&out));
}

#[test]
fn github_and_kernelci_take_what_is_written() {
    let bench = Bench::new();
    let workflow = bench.written("github", &[], PLAN);
    let yaml = PathBuf::from(&workflow).with_extension("yaml");
    fs::rename(&workflow, &yaml).unwrap();
    valid("vendor.github-workflows", &yaml);

    let config = bench.written("kernelci", &[], PLAN);
    let template = bench.written("kernelci", &["--template"], PLAN);
    let kernel = format!("file://{}", bench.path("bzImage"));
    let job = bench.path("rendered.yaml");
    let python = ci::tools::python(false).unwrap();
    let out = Command::new(python.join("python"))
        .arg(data("kernelci.py"))
        .args([&config, &template, &kernel, &job])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", text(&out));
    let (passed, log) = bench.lava(&job, &["--validate"]);
    assert!(passed, "{log:?}");
    // But for its name it is the job for LAVA.
    let of = |file: &str, part: &str| {
        let text = fs::read_to_string(file).unwrap();
        let (_, rest) = text.split_once(part).unwrap();
        rest.lines().next().unwrap().to_owned()
    };
    let lava = bench.written("lava", &[], PLAN);
    for part in ["image_arg: '-kernel", "pattern:", "start:", "end:"] {
        assert_eq!(of(&job, part), of(&lava, part));
    }
}

const CELLS: &str = "[machines]
    one = { smp = 1, mem = \"256M\", boots = 2 }
    two = { smp = 2, append = \"quiet\" }
    [plans]
    pipes = \"time=100ms work=PipeIo expect=nr_wakeups>0\"";

#[test]
fn cells_of_a_matrix_are_jobs() {
    let bench = Bench::new();
    let (dir, out) = bench.of_matrix("lava", CELLS);
    assert!(out.status.success(), "{}", text(&out));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 3, "{}", text(&out));
    let job = |name: &str| dir.join(name).display().to_string();
    for name in ["new-one-pipes-2.yaml", "new-two-pipes.yaml"] {
        let (passed, log) = bench.lava(&job(name), &["--validate"]);
        assert!(passed, "{log:?}");
    }
    let (passed, log) = bench.lava(&job("new-one-pipes.yaml"), &[]);
    assert!(passed, "{:?}", cases(&log, "lava").last());
    let hello = report(&log).hello.unwrap();
    // The device has more of both.
    assert_eq!(hello.cpus, 1);
    let of_pipes = cases(&log, "pidone");
    assert!(
        of_pipes.iter().any(|case| case[0] == "pipeio"),
        "{of_pipes:?}"
    );

    fs::remove_dir_all(&dir).unwrap();
    let two = CELLS.lines().filter(|line| !line.contains("one"));
    let two: Vec<&str> = two.collect();
    let (dir, out) = bench.of_matrix("tuxrun", &two.join("\n"));
    assert!(out.status.success(), "{}", text(&out));
    let script = dir.join("new-two-pipes.sh").display().to_string();
    let (code, said) = run_tuxrun(&bench, &script);
    assert_eq!(code, Some(0), "{said}");
    assert!(dir.join("new-two-pipes.json").is_file(), "{said}");
    fs::remove_dir_all(&dir).unwrap();

    let (workflow, out) = bench.of_matrix("github", CELLS);
    assert!(out.status.success(), "{}", text(&out));
    valid("vendor.github-workflows", &workflow);
    let text_of = fs::read_to_string(workflow).unwrap();
    assert_eq!(text_of.matches("- name: 'new/").count(), 3, "{text_of}");

    let (config, out) = bench.of_matrix("kernelci", CELLS);
    assert!(out.status.success(), "{}", text(&out));
    let template = bench.written("kernelci", &["--template"], PLAN);
    let kernel = format!("file://{}", bench.path("bzImage"));
    let python = ci::tools::python(false).unwrap();
    for name in ["pidone-new-one-pipes-2", "pidone-new-two-pipes"] {
        let job = bench.path("rendered.yaml");
        let out = Command::new(python.join("python"))
            .arg(data("kernelci.py"))
            .arg(&config)
            .args([&template, &kernel, &job, name])
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", text(&out));
        let (passed, log) = bench.lava(&job, &["--validate"]);
        assert!(passed, "{log:?}");
        let rendered = fs::read_to_string(&job).unwrap();
        let small = rendered.contains("-kernel {kernel} -smp 1 -m 256M ");
        assert_eq!(small, name.contains("-one-"), "{rendered}");
    }
}

#[test]
fn cells_that_cannot_be_jobs_are_named() {
    let bench = Bench {
        dir: tempfile::tempdir().unwrap(),
    };
    let rest = "old = \"debian:6.1-cloud\"\n\
                [machines]\nexact = { smp = 1, deterministic = true }\n\
                [plans]\npipes = \"work=PipeIo\"";
    for system in ["lava", "tuxrun", "kernelci", "github"] {
        let (to, out) = bench.of_matrix(system, rest);
        assert_eq!(out.status.code(), Some(255));
        let said = text(&out);
        for part in [
            "m.toml:5: new/exact/pipes: `deterministic`: ",
            "m.toml:5: old/exact/pipes: `deterministic`: ",
            "m.toml:3: old/exact/pipes: ",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(!to.exists());
    }
    for (words, what) in [
        (&["--only", "x"][..], "--only x needs --matrix"),
        (
            &["--matrix", "m.toml", "--kernel", "k"],
            "--kernel comes from",
        ),
        (
            &["--matrix", "m.toml", "--", "work=PipeIo"],
            "a plan comes from",
        ),
        (
            &["--matrix", "m.toml", "--only", "x"],
            "there is no such name",
        ),
    ] {
        let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["ci", "lava", "--ramdisk", "x"])
            .args(words)
            .current_dir(bench.dir.path())
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(255));
        assert!(text(&out).contains(what), "{what} in {}", text(&out));
    }
}

#[test]
fn kcidb_takes_every_recorded_console() {
    let python = ci::tools::python(false).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let folder = build::workspace().join("tests/data/consoles");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "log") {
            continue;
        }
        let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["decode", "--format", "kcidb"])
            .arg(&path)
            .output()
            .unwrap();
        let file = dir.path().join(files.len().to_string());
        fs::write(&file, out.stdout).unwrap();
        files.push(file);
    }
    assert!(files.len() > 10, "{} consoles", files.len());
    let check = "import json, sys\n\
                 from kcidb_io.schema import V5_3\n\
                 for name in sys.argv[1:]:\n    \
                     V5_3.validate_exactly(json.load(open(name)))\n";
    let out = Command::new(python.join("python"))
        .args(["-c", check])
        .args(files)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", text(&out));
}

#[test]
fn the_action_fails_on_a_condition() {
    let root = build::workspace();
    valid("vendor.github-actions", &root.join("action.yml"));
    let bench = Bench::new();
    let action = |inputs: &[(&str, &str)]| {
        let inputs = inputs.iter();
        let words = inputs.map(|(name, value)| format!("{name}={value}"));
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let out = cis::action(bench.dir.path(), &words);
        (out.status.code(), text(&out))
    };
    let kernel = format!("file://{}", bench.path("bzImage"));
    let run = |plan: &str, more: &[(&str, &str)]| {
        let plan = ("plan", plan);
        let initramfs = ("initramfs", "pidone.cpio.gz");
        let all = [("kernel", kernel.as_str()), initramfs, plan];
        action(&[&all, more].concat())
    };
    let good = "time=100ms\nwork=PipeIo\nexpect=nr_wakeups>0";
    let (code, said) = run(good, &[("smp", "1"), ("append", "quiet")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("verdict=ok: 1 runs, none failed"), "{said}");
    assert!(said.contains("# expect nr_wakeups>0: "), "{said}");
    let log = fs::read(bench.path("pidone.log")).unwrap();
    let report = Report::new(&decode(&log).newest());
    assert_eq!(report.hello.unwrap().cpus, 1);

    for (plan, code, verdict) in [
        (
            "time=100ms work=SpinWait expect=cost.max<1ns",
            1,
            "fail: 1 of 1",
        ),
        (PANIC, 1, "panic: Kernel panic - not syncing: sysrq"),
        (
            "work=SmtSiblingSpin",
            125,
            "cannot tell: every run was skipped",
        ),
        ("work=Nothing", 255, "verdict=bad plan: `work=Nothing`"),
    ] {
        let (ended, said) = run(plan, &[("smp", "2")]);
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(verdict), "{verdict} in {said}");
    }
    let (ended, said) = run(good, &[("append", "rdinit=/none")]);
    assert_eq!(ended, Some(125), "{said}");
    let hung = "time=60m work=SpinWait";
    let (ended, said) = run(hung, &[("timeout", "45")]);
    assert_eq!(ended, Some(1), "{said}");
    assert!(said.contains("verdict=hang: "), "{said}");
}

/// A start that ended as one under QEMU without KVM may.
const INT3: &str = "Linux version 6.12\r\nint3: 0000 [#1] PREEMPT SMP\r\n\
    Kernel panic - not syncing: Fatal exception in interrupt\r\n";

/// `pidone-boot` with a QEMU that writes the consoles in turn, the last one
/// from then on; the exit code, what it said, and how many were started.
fn pidone_boot(consoles: &[&[u8]]) -> (Option<i32>, String, usize) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for (console, n) in consoles.iter().zip(1..) {
        let n: usize = n;
        fs::write(path(&n.to_string()), console).unwrap();
    }
    fs::write(path("boots"), "").unwrap();
    let qemu = format!(
        "cd {}\necho >>boots\nn=$(wc -l <boots)\n\
         [ -e $n ] || n={}\ncat $n >pidone.log",
        dir.path().display(),
        consoles.len()
    );
    script(&path("qemu"), &qemu);
    let out = Command::new("sh")
        .arg(build::workspace().join("action/pidone-boot"))
        .args([path("qemu"), path("qemu")])
        .current_dir(dir.path())
        .env("QEMU", path("qemu"))
        .env("LOG", path("pidone.log"))
        .env("PATH", crate::cases::in_time())
        .output()
        .unwrap();
    let boots = fs::read(path("boots")).unwrap().len();
    (out.status.code(), text(&out), boots)
}

#[test]
fn a_kernel_that_qemu_stumbled_over_is_booted_again() {
    let clean = build::workspace().join("tests/data/consoles/clean.log");
    let clean = fs::read(clean).unwrap();
    let good = clean.as_slice();
    let int3 = INT3.as_bytes();
    let late = [good, int3].concat();
    let part = good.windows(4).position(|four| four == b"\nok ").unwrap();
    let within = [&good[..part], int3].concat();
    let other = INT3.replace("int3: 0000", "Oops: 0000");
    let other = other.as_bytes();
    // With KVM it is the kernel's own fault.
    let at_most = |boots| if kvm_works(&X86_64) { 1 } else { boots };
    for (consoles, boots, code) in [
        (&[int3, good][..], 2, 0),
        (&[int3, int3, good], 3, 0),
        (&[int3], 3, 125),
        (&[&within, good], 2, 0),
        (&[other], 1, 125),
        (&[&late], 1, 0),
        (&[good], 1, 0),
    ] {
        let (ended, said, booted) = pidone_boot(consoles);
        assert_eq!(booted, at_most(boots), "{said}");
        let notes = said.matches("died of an int3").count();
        assert_eq!(notes, booted - 1, "{said}");
        if !kvm_works(&X86_64) {
            assert_eq!(ended, Some(code), "{said}");
        }
    }
}
