//! A regression is planted in a history of Linux 6.12 and found, by searching
//! and by looking at its commit. The history and the kernels stay in the cache,
//! so that only the first time is slow.

use serde_json::Value;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use xtask::store::StoredRun;
use xtask::{build, cache, kernel_build};

/// Folders that no kernel of ours is made of: only what `make` reads itself
/// is taken from them, for the history to be a third of the size.
const BULK: &[&str] = &[
    "Documentation",
    "drivers/clk",
    "drivers/crypto",
    "drivers/gpu",
    "drivers/hwmon",
    "drivers/iio",
    "drivers/infiniband",
    "drivers/media",
    "drivers/net/ethernet",
    "drivers/net/wireless",
    "drivers/pinctrl",
    "drivers/scsi",
    "drivers/staging",
    "samples",
    "sound",
    "tools/perf",
    "tools/testing",
];

/// A commit: what it is called, and the text that it puts into a file behind
/// a line, or at the end without one.
struct Change {
    subject: &'static str,
    file: &'static str,
    behind: Option<&'static str>,
    text: &'static str,
}

const fn at_end(
    subject: &'static str,
    file: &'static str,
    text: &'static str,
) -> Change {
    let behind = None;
    Change {
        subject,
        file,
        behind,
        text,
    }
}

const CORE: &str = "kernel/sched/core.c";
const IDLE: &str = "kernel/sched/idle.c";
const CULPRIT: &str = "sched: extra work in every wake-up";
/// Where that is.
const BEHIND: &str = "int try_to_wake_up(struct task_struct *p, unsigned int \
                      state, int wake_flags)\n{\n\tguard(preempt)();\n\
                      \tint cpu, success = 0;\n";

/// As much code as the culprit has, where it costs nothing.
const UNUSED: Change = at_end(
    "sched: a function that nothing calls",
    CORE,
    "\nstatic __used void never_called(void)\n{\n\
     \tfor (int i = 0; i < 250; i++)\n\t\tbarrier();\n}\n",
);

/// One slows down, one does not build, and the others change nothing.
const PLANTED: &[Change] = &[
    at_end("fair: say more", "kernel/sched/fair.c", "\n/* More. */\n"),
    UNUSED,
    at_end("lib: say more", "lib/string.c", "\n/* More. */\n"),
    at_end(
        "idle: does not build",
        IDLE,
        "\n#define BROKEN\n#ifdef BROKEN\n#error\n#endif\n",
    ),
    Change {
        subject: "idle: builds again",
        file: IDLE,
        behind: Some("\n#define BROKEN\n"),
        text: "#undef BROKEN\n",
    },
    Change {
        subject: CULPRIT,
        file: CORE,
        behind: Some(BEHIND),
        text: "\n\tfor (int i = 0; i < 250; i++)\n\t\tbarrier();\n",
    },
    at_end("README: say more", "README", "\nMore.\n"),
    at_end("fair: say even more", "kernel/sched/fair.c", "\n/* ! */\n"),
];

/// For machines that do not repeat themselves: what costs enough to be seen
/// among other things.
const LOUD: &[Change] = &[
    at_end("fair: say more", "kernel/sched/fair.c", "\n/* More. */\n"),
    Change {
        subject: CULPRIT,
        file: CORE,
        behind: Some(BEHIND),
        text: "\n\tfor (int i = 0; i < 500000; i++)\n\t\tbarrier();\n",
    },
    at_end("lib: say more", "lib/string.c", "\n/* More. */\n"),
    at_end("fair: say even more", "kernel/sched/fair.c", "\n/* ! */\n"),
];

const HARMLESS: &[Change] = &[
    UNUSED,
    at_end("fair: say more", "kernel/sched/fair.c", "\n/* More. */\n"),
];

fn git(tree: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(tree).args(args);
    // The same commits every time, so that kernels are found again.
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "pidone");
        git.env(format!("GIT_{who}_EMAIL"), "pidone@localhost");
        git.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    let out = git.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "git {args:?}: {said}");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

fn copy(from: &Path, to: &Path, below: &str) {
    for entry in fs::read_dir(from.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = match below {
            "" => name.clone(),
            below => format!("{below}/{name}"),
        };
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            fs::create_dir_all(to.join(&path)).unwrap();
            copy(from, to, &path);
            continue;
        }
        let within = |dir: &str| {
            let rest = path.strip_prefix(dir);
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let other = within("arch") && !within("arch/x86") && below != "arch";
        let bulk = other || BULK.iter().any(|dir| within(dir));
        let read = ["Kconfig", "Makefile", "Kbuild"];
        if bulk && !read.iter().any(|word| name.starts_with(word)) {
            continue;
        }
        match kind.is_symlink() {
            true => {
                let target = fs::read_link(entry.path()).unwrap();
                std::os::unix::fs::symlink(target, to.join(&path)).unwrap();
            }
            false => {
                fs::copy(entry.path(), to.join(&path)).unwrap();
            }
        }
    }
}

/// A repository of Debian's 6.12 with two histories on it.
fn plant() -> PathBuf {
    let tree = cache::dir().unwrap().join("planted/linux");
    let planted = |rev: &str| {
        let mut git = Command::new("git");
        git.arg("-C")
            .arg(&tree)
            .args(["rev-parse", "-q", "--verify", rev]);
        git.output().unwrap().status.success()
    };
    if !tree.join(".git").is_dir() || !planted("base") {
        let source = kernel_build::sources("debian:6.12", false).unwrap();
        if tree.exists() {
            fs::remove_dir_all(&tree).unwrap();
        }
        fs::create_dir_all(&tree).unwrap();
        copy(&source, &tree, "");
        git(&tree, &["init", "-q", "-b", "base"]);
        git(&tree, &["add", "-A", "-f"]);
        git(&tree, &["commit", "-q", "-m", "6.12 as Debian has it"]);
    }
    for (name, changes) in
        [("planted", PLANTED), ("harmless", HARMLESS), ("loud", LOUD)]
    {
        git(&tree, &["checkout", "-q", "-f", "-B", name, "base"]);
        for change in changes {
            let file = tree.join(change.file);
            let old = fs::read_to_string(&file).unwrap();
            let at = match change.behind {
                Some(text) => old.find(text).unwrap() + text.len(),
                None => old.len(),
            };
            let new = [&old[..at], change.text, &old[at..]].concat();
            fs::write(&file, new).unwrap();
            git(&tree, &["commit", "-q", "-a", "-m", change.subject]);
        }
    }
    tree
}

fn bisect(tree: &Path, bad: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["bisect", "--tree"]).arg(tree);
    command.args(["--good", "base", "--bad", bad]);
    command.args(["--smp", "1", "--metric", "rate"]);
    command.arg("--store").arg(tree.with_file_name("runs"));
    command.args(more).args(["--", "time=200ms", "work=PipeIo"]);
    command
}

/// On machines that repeat themselves, with the functions.
fn exactly(tree: &Path, bad: &str, more: &[&str]) -> Command {
    let more = [&["--deterministic", "--profile"], more].concat();
    bisect(tree, bad, &more)
}

fn shown(out: &Output) -> String {
    let [stdout, stderr] = [&out.stdout, &out.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    println!("{stderr}{stdout}({})\n", out.status);
    stderr + &stdout
}

/// The second example of `docs/profile.md`.
#[test]
fn two_kernels_differ_by_functions_that_are_named() {
    let words = [
        "compare",
        "debian:6.12-cloud",
        "debian:7.2-cloud",
        "--deterministic",
        "--smp",
        "1",
        "--profile",
        "--",
        "time=100ms",
        "work=FutexPingPong",
    ];
    let page = build::workspace().join("docs/profile.md");
    let page = fs::read_to_string(page).unwrap().replace("\\\n  ", "");
    let command = format!("\ncargo xtask {}\n", words.join(" "));
    assert!(page.contains(&command), "{command}");
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(words)
        .output()
        .unwrap();
    let text = shown(&out);
    assert_eq!(out.status.code(), Some(1), "{text}");
    for row in ["__futex_hash", "_fair", " all\n", " slower, exact\n"] {
        assert!(text.contains(row), "{row}: {text}");
    }
}

#[test]
fn a_planted_regression_is_found_and_a_harmless_change_is_not_blamed() {
    let tree = plant();
    let head = git(&tree, &["rev-parse", "HEAD"]);
    // Interrupted in the middle of a step.
    let mut child = exactly(&tree, "planted", &["--restart"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let mut last = String::new();
    for line in said.lines().map(Result::unwrap) {
        println!("{line}");
        if line.starts_with("step 1,") {
            let group = format!("-{}", child.id());
            let kill = ["-TERM", "--", &group];
            Command::new("kill").args(kill).status().unwrap();
        }
        last = line;
    }
    assert!(last.starts_with("cannot tell: interrupted"), "{last}");
    assert_eq!(child.wait().unwrap().code(), Some(125));
    let out = exactly(&tree, "planted", &[]).output().unwrap();
    let text = shown(&out);
    assert_eq!(out.status.code(), Some(0), "{text}");
    for part in [
        "taken up again: 6 boots and 0 steps are known",
        "the ends can be told apart: rate -",
        "skip: the kernel does not build",
        &format!("{CULPRIT}\n  parent: "),
        "idle: builds again\n  rate -",
        "covered in 96.7 %",
        "%): try_to_wake_up +",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let found = text.lines().find(|line| line.starts_with("found: "));
    assert!(found.is_some_and(|line| line.ends_with(CULPRIT)), "{text}");
    let out = exactly(&tree, "harmless", &["--restart"]).output().unwrap();
    let text = shown(&out);
    assert_eq!(out.status.code(), Some(125), "{text}");
    assert!(text.contains("both ends are alike: rate "));
    assert!(!text.contains("found: "), "{text}");
    assert_eq!(git(&tree, &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&tree, &["status", "--porcelain", "-uno"]), "");
}

/// What `review` says of a commit, in a text and in JSON, and how it ends.
fn reviewed(tree: &Path, subject: &str, plan: &[&str]) -> (Value, i32) {
    let like = format!("--grep=^{subject}$");
    let commit = git(tree, &["log", "planted", "-1", "--format=%H", &like]);
    let json = tree.with_file_name("review.json");
    let mut review = Command::new(env!("CARGO_BIN_EXE_xtask"));
    review.args(["review", "--tree"]).arg(tree);
    review.arg(format!("{commit}~1..{commit}"));
    review.arg("--json").arg(&json);
    review.arg("--store").arg(tree.with_file_name("runs"));
    let out = review.arg("--").args(plan).output().unwrap();
    shown(&out);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    for line in text.lines() {
        assert!(line.chars().count() < 72, "{line}");
    }
    // Nobody else knows this host.
    let here = cache::dir().unwrap().display().to_string();
    assert!(!text.contains(&here), "{text}");
    let json: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(json["text"], text);
    (json, out.status.code().unwrap())
}

/// Instructions of a round of the planted loop, which counts down and goes
/// back, and of what sets its counter.
const LOOP: f64 = 250.0 * 2.0 + 1.0;

#[test]
fn a_commit_is_slower_harmless_or_does_not_build() {
    let tree = plant();
    let (json, code) = reviewed(&tree, CULPRIT, &[]);
    let text = json["text"].as_str().unwrap();
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("B changes the code of try_to_wake_up."),
        "{text}"
    );
    let comparison = &json["comparison"];
    let boots = [0, 1].map(|side: usize| {
        let boot = comparison["boots"][side][0].as_str().unwrap();
        let boot = tree.with_file_name("runs").join(boot);
        StoredRun::at(&boot).unwrap().read().unwrap()
    });
    let profiles = comparison["profiles"].as_array().unwrap();
    assert!(!profiles.is_empty(), "{text}");
    for (at, profile) in profiles.iter().enumerate() {
        // The one function, and as many instructions in each call of it as
        // were planted.
        let rows = &profile["rows"];
        assert_eq!(rows[0]["name"], "try_to_wake_up", "{text}");
        let [a, b] = boots.each_ref().map(|boot| {
            let profile = boot.report.runs[at].profile.as_ref().unwrap();
            let mut functions = profile.functions.iter();
            let function = functions.find(|it| it.name == "try_to_wake_up");
            let function = function.unwrap();
            function.instructions as f64 / function.calls as f64
        });
        // What else the function does may be compiled in another way.
        let planted = b - a;
        assert!((planted - LOOP).abs() < 3.0, "{planted} a call: {text}");
        // Tasks that wake later are switched to more or less often.
        let [more, other] = [0, 1]
            .map(|row: usize| rows[row]["difference"].as_f64().unwrap().abs());
        assert!(other < more * 0.2, "{other} elsewhere: {text}");
    }
    // What is built tells `which` of code, too.
    let like = format!("--grep=^{CULPRIT}$");
    let commit = git(&tree, &["log", "planted", "-1", "--format=%H", &like]);
    let mut which = Command::new(env!("CARGO_BIN_EXE_xtask"));
    which.args(["which", "--tree"]).arg(&tree);
    which.arg("--diff").arg(format!("{commit}~1..{commit}"));
    let kernel = cache::dir().unwrap().join("maps");
    let maps = xtask::store::list(&kernel).unwrap().0;
    let map = maps.last().unwrap().dir.display().to_string();
    let said = shown(&which.args(["--map", &map]).output().unwrap());
    assert!(said.contains("the code of 1 function differs"), "{said}");
    // A comment is in no kernel.
    let (json, code) = reviewed(&tree, "lib: say more", &[]);
    assert_eq!(code, 0);
    assert!(
        json["text"]
            .as_str()
            .unwrap()
            .contains("the same, to the byte")
    );
    // Nor does it cost anything that all else lies elsewhere.
    let plan = ["time=100ms", "work=PipeIo", "work=FutexPingPong"];
    let (json, code) = reviewed(&tree, UNUSED.subject, &plan);
    let text = json["text"].as_str().unwrap();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("B adds never_called."), "{text}");
    let none = "In PipeIo, FutexPingPong no function executes more or fewer";
    assert!(text.contains(none), "{text}");
    let (json, code) = reviewed(&tree, "idle: does not build", &[]);
    let text = json["text"].as_str().unwrap();
    assert_eq!(code, 125, "{text}");
    assert!(text.contains("B does not build:"), "{text}");
}

/// The same where each boot is another one: by as many as it takes.
#[test]
fn a_planted_regression_is_found_among_noise() {
    let tree = plant();
    let noisy = ["--restart", "--margin", "5%"];
    let out = bisect(&tree, "loud", &noisy).output().unwrap();
    let text = shown(&out);
    assert_eq!(out.status.code(), Some(0), "{text}");
    let found = text.lines().find(|line| line.starts_with("found: "));
    assert!(found.is_some_and(|line| line.ends_with(CULPRIT)), "{text}");
    // With the boots that it took.
    assert!(text.contains(" boots in all, "), "{text}");
    assert!(text.contains("% sure"), "{text}");
    let out = bisect(&tree, "harmless", &noisy).output().unwrap();
    let text = shown(&out);
    assert_eq!(out.status.code(), Some(125), "{text}");
    assert!(!text.contains("found: "), "{text}");
    assert!(text.contains("16 boots in all"), "{text}");
}

/// As `docs/knobs.md` does it.
#[test]
fn every_feature_of_a_scheduler_is_tried() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("knobs.json");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["knobs", "debian:7.2-cloud", "--json"])
        .arg(&json)
        .arg("--store")
        .arg(dir.path())
        .args(["--against", "debian:6.12-cloud", "--"])
        .args(["time=100ms", "work=PipeIo", "work=FutexPingPong"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // A feature may move a figure by no more than a seed could.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 125)), "{output:?}");
    let json = fs::read(json).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    let all = json["features"].as_array().unwrap();
    assert!(all.len() > 20, "{said}");
    for feature in all {
        let name = feature["feature"].as_str().unwrap();
        assert_eq!(feature["boots"].as_array().unwrap().len(), 1, "{name}");
        assert_eq!(feature["figures"].as_array().unwrap().len(), 6, "{name}");
        assert!(said.contains(name), "{name} is not in\n{said}");
    }
    assert!(said.contains("features move a figure\n"), "{said}");
}
