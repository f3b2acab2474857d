//! Signals to us, to QEMU and to compilers: none of them says anything of a
//! kernel, and what was finished is kept.

use crate::fakes::{git, history};
use core::time::Duration;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Instant;
use tempfile::TempDir;
use xtask::arch::Arch;
use xtask::build;

/// The virtual machine.
pub(crate) const QEMU: [&str; 2] = ["qemu-system", "-append"];
const KERNEL: &str = "debian:6.12-cloud";
/// Nothing here takes as long; a host that is busy may.
const BOUND: Duration = Duration::from_secs(300);

/// Where our program has its temporary files.
const TEMPORARY: &str = "temporary";

/// Asks again and again, until there is an answer.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < BOUND, "{what}: not in {BOUND:?}");
        // Polling an external process.
        thread::sleep(Duration::from_millis(10));
    }
}

/// Our program under way, whose signals are those of a terminal, however the
/// tests were started.
pub(crate) struct Running {
    child: Child,
    said: PathBuf,
}

impl Running {
    /// Starts it in a directory, where its messages and its temporary files
    /// go, and lets everybody write what it makes.
    pub(crate) fn start(dir: &Path, words: &[&str], path: &str) -> Self {
        // What is built first takes as long as it takes.
        build::payload(Arch::host(), false).unwrap();
        let said = dir.join("said");
        const LINE: &str =
            "umask 0; exec env --default-signal=INT,TERM,HUP \"$0\" \"$@\"";
        fs::create_dir_all(dir.join(TEMPORARY)).unwrap();
        let child = Command::new("sh")
            .args(["-c", LINE, env!("CARGO_BIN_EXE_xtask")])
            .args(words)
            .current_dir(dir)
            .env("TMPDIR", dir.join(TEMPORARY))
            .env("PATH", path)
            .stdout(File::create(dir.join("printed")).unwrap())
            .stderr(File::create(&said).unwrap())
            .spawn()
            .unwrap();
        Self { child, said }
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(crate) fn says(&mut self, part: &str) {
        until(part, || {
            let said = self.said();
            let over = self.child.try_wait().unwrap().is_some();
            let there = said.contains(part);
            assert!(there || !over, "{part}: it ended: {said}");
            there.then_some(())
        });
    }

    /// A program below it, by its name and a word of its command, other than
    /// those.
    #[track_caller]
    pub(crate) fn runs(&mut self, what: [&str; 2], others: &[u32]) -> u32 {
        until(what[0], || {
            let over = self.child.try_wait().unwrap();
            assert!(over.is_none(), "no {what:?}: {}", self.said());
            let below = below(self.child.id(), what);
            below.into_iter().find(|pid| !others.contains(pid))
        })
    }

    pub(crate) fn signal(&self, name: &str) {
        kill(name, self.child.id());
    }

    #[track_caller]
    pub(crate) fn ends(&mut self) -> (Option<i32>, String) {
        let status = until("the end", || self.child.try_wait().unwrap());
        (ExitStatus::code(&status), self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, as it should.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Processes of that name below another, with that word in their command.
fn below(root: u32, [name, word]: [&str; 2]) -> Vec<u32> {
    let mut all: Vec<(u32, String, u32)> = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat"));
        let stat = stat.unwrap_or_default();
        let Some((head, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        let (pid, of) = head.split_once(" (").unwrap();
        let parent = rest.split(' ').nth(1).unwrap();
        all.push((
            pid.parse().unwrap(),
            of.to_owned(),
            parent.parse().unwrap(),
        ));
    }
    let (mut found, mut parents) = (Vec::new(), vec![root]);
    while let Some(parent) = parents.pop() {
        for (pid, of, _) in all.iter().filter(|(_, _, its)| *its == parent) {
            parents.push(*pid);
            // The kernel keeps 15 bytes of a name. QEMU is also asked for
            // its version, which is not the one that is meant.
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline"));
            let is = line.is_ok_and(|line| line.contains(word));
            if of.starts_with(name) && is {
                found.push(*pid);
            }
        }
    }
    found
}

fn kill(name: &str, pid: u32) {
    let kill = format!("kill -{name} {pid}");
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.unwrap().success(), "{kill}");
}

pub(crate) fn path() -> String {
    std::env::var("PATH").unwrap()
}

/// Runs that are stored, and no part of one.
fn stored(dir: &Path) -> usize {
    match dir.is_dir() {
        true => fs::read_dir(dir).unwrap().count(),
        false => 0,
    }
}

#[test]
fn a_killed_qemu_is_no_failure_of_the_kernel() {
    let dir = TempDir::new().unwrap();
    let long = ["boot", "--smp", "1", "--store", "runs", "--kernel", KERNEL];
    let long = [&long[..], &["--", "time=60m", "work=PipeIo"]].concat();
    let mut boot = Running::start(dir.path(), &long, &path());
    let mut killed = Vec::new();
    for name in ["STOP", "KILL", "TERM"] {
        let qemu = boot.runs(QEMU, &killed);
        kill(name, qemu);
        killed.push(qemu);
    }
    let (code, said) = boot.ends();
    assert_eq!(code, Some(125), "{said}");
    let stopped = "QEMU was stopped by a signal";
    for part in ["signal 15", "signal 9", stopped, "it is booted again"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("cannot tell: QEMU was ended: "), "{said}");
    assert_eq!(stored(&dir.path().join("runs")), 0);
}

const MATRIX: &str = "[kernels]\nnew = \"debian:6.12-cloud\"\n\
    [machines]\none = { smp = 1, deterministic = 1 }\n\
    [plans]\nshort = \"time=50ms work=PipeIo\"\n";

#[test]
fn a_boot_of_a_matrix_whose_qemu_was_killed_is_made_again() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("m.toml"), MATRIX).unwrap();
    let run = ["matrix", "run", "m.toml", "--store", "runs"];
    let mut matrix = Running::start(dir.path(), &run, &path());
    let qemu = matrix.runs(QEMU, &[]);
    // Another one of the same file waits for it.
    let other = TempDir::new().unwrap();
    let file = dir.path().join("m.toml").display().to_string();
    let again = ["matrix", "run", &file, "--store", "runs"];
    let mut waits = Running::start(other.path(), &again, &path());
    waits.says("waiting for another matrix of ");
    waits.signal("TERM");
    assert_eq!(waits.ends().0, Some(125));
    kill("TERM", qemu);
    let (code, said) = matrix.ends();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("signal 15"), "{said}");
    assert!(said.contains("it is booted again"), "{said}");
    let (runs, wrong) = xtask::store::list(&dir.path().join("runs")).unwrap();
    assert_eq!((runs.len(), wrong.len()), (1, 0));
    assert_eq!(runs[0].meta.outcome.name(), "ok");
}

#[test]
fn a_signal_ends_every_wait() {
    let dir = TempDir::new().unwrap();
    let long = ["boot", "--smp", "1", "--store", "runs", "--kernel", KERNEL];
    let long = [&long[..], &["--add", "/etc/passwd", "--"]].concat();
    let long = [&long[..], &["time=60m", "work=PipeIo"]].concat();
    for name in ["INT", "TERM", "HUP"] {
        let mut boot = Running::start(dir.path(), &long, &path());
        let qemu = boot.runs(QEMU, &[]);
        let modes = |of: &str| -> Vec<u32> {
            let all = fs::read_dir(dir.path().join(of)).unwrap();
            let modes = all.map(|it| it.unwrap().metadata().unwrap().mode());
            modes.map(|mode| mode & 0o777).collect()
        };
        assert_eq!(modes(TEMPORARY), [0o700]);
        let runs = modes("runs");
        assert!(runs.iter().all(|mode| mode & 0o022 == 0), "{runs:?}");
        boot.signal(name);
        let (code, said) = boot.ends();
        assert_eq!(code, Some(125), "{name}: {said}");
        assert!(said.contains("cannot tell: interrupted"), "{said}");
        let gone = !Path::new(&format!("/proc/{qemu}")).exists();
        assert!(gone, "it outlived its owner");
        assert!(modes(TEMPORARY).is_empty(), "something is left behind");
        assert_eq!(stored(&dir.path().join("runs")), 0);
    }
    // Standard input may never end.
    let fifo = dir.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let line = format!(
        "exec env --default-signal=TERM {} decode - <> {}",
        env!("CARGO_BIN_EXE_xtask"),
        fifo.display()
    );
    let mut shell = Command::new("sh").args(["-c", &line]).spawn().unwrap();
    let signals = format!("/proc/{}/status", shell.id());
    until("its handlers", || {
        let status = fs::read_to_string(&signals).unwrap();
        let caught = status.lines().find(|l| l.starts_with("SigCgt:"));
        let caught = caught?.split_whitespace().nth(1)?;
        let mask = u64::from_str_radix(caught, 16).unwrap();
        (mask >> 14 & 1 == 1).then_some(())
    });
    kill("TERM", shell.id());
    let status = until("the end", || shell.try_wait().unwrap());
    assert_eq!(status.code(), Some(125));
}

/// Programs that build a kernel in no time: `make` copies an image. What it
/// does is in the environment, as how it is to fail.
struct Fakes {
    dir: TempDir,
    tree: PathBuf,
}

impl Fakes {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let early = format!(
            "cat {dir}/fails >&2 2>/dev/null && exit 2\n\
             [ -e {dir}/hangs ] && exec sleep 3600",
            dir = dir.path().display(),
        );
        let commits = [("old", KERNEL), ("new", KERNEL)];
        history(dir.path(), &commits, &early);
        let tree = dir.path().join("linux");
        fs::write(dir.path().join("empty"), "").unwrap();
        Self { dir, tree }
    }

    fn path(&self) -> String {
        format!("{}:{}", self.dir.path().join("bin").display(), path())
    }

    /// `bisect` of both commits, which are the same kernel.
    fn bisect(&self) -> Running {
        self.bisect_in(self.dir.path())
    }

    /// The same from another directory.
    fn bisect_in(&self, dir: &Path) -> Running {
        let empty = self.dir.path().join("empty").display().to_string();
        let tree = self.tree.display().to_string();
        let words = [
            "bisect",
            "--tree",
            &tree,
            "--good",
            "old",
            "--bad",
            "new",
            "--fragment",
            &empty,
            "--deterministic",
            "--smp",
            "1",
            "--seeds",
            "1",
            "--metric",
            "rate",
            "--store",
            "runs",
            "--",
            "time=50ms",
            "work=PipeIo",
        ];
        Running::start(dir, &words, &self.path())
    }

    /// What makes the next builds fail with these words.
    fn fails(&self, why: Option<&str>) {
        let file = self.dir.path().join("fails");
        match why {
            Some(why) => fs::write(file, why).unwrap(),
            None => fs::remove_file(file).unwrap(),
        }
    }
}

#[test]
fn a_bisection_blames_nobody_for_a_kill() {
    let fakes = Fakes::new();
    // A compiler without memory is no diagnosis, and is told of twice.
    fakes.fails(Some(
        "gcc: fatal error: Killed signal terminated program cc1\n",
    ));
    let (code, said) = fakes.bisect().ends();
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains("it is tried again"), "{said}");
    assert!(said.contains("the build was cut short"), "{said}");
    fakes.fails(None);
    // Nor is one that somebody ended.
    let hangs = fakes.dir.path().join("hangs");
    fs::write(&hangs, "").unwrap();
    let mut bisect = fakes.bisect();
    let mut killed = Vec::new();
    for name in ["TERM", "KILL"] {
        let make = bisect.runs(["sleep", "3600"], &killed);
        kill(name, make);
        killed.push(make);
    }
    let (code, said) = bisect.ends();
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains("the build was cut short"), "{said}");
    // Nor is one that we end ourselves.
    let mut bisect = fakes.bisect();
    let make = bisect.runs(["sleep", "3600"], &killed);
    // Meanwhile another one of the same tree does nothing but wait.
    let other = TempDir::new().unwrap();
    let mut waits = fakes.bisect_in(other.path());
    waits.says("waiting for another bisection or review of ");
    waits.signal("TERM");
    let (code, said) = waits.ends();
    assert_eq!(code, Some(125), "{said}");
    // That, and that it was interrupted, which ended it.
    assert_eq!(said.lines().count(), 3, "{said}");
    bisect.signal("TERM");
    let (code, said) = bisect.ends();
    assert_eq!(code, Some(125), "{said}");
    assert!(!Path::new(&format!("/proc/{make}")).exists(), "{said}");
    fs::remove_file(hangs).unwrap();
    // Nor is a kernel to blame for a QEMU that is killed.
    let mut bisect = fakes.bisect();
    let mut killed = Vec::new();
    for name in ["KILL", "TERM", "KILL"] {
        let qemu = bisect.runs(QEMU, &killed);
        kill(name, qemu);
        killed.push(qemu);
    }
    let (code, said) = bisect.ends();
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains("cannot tell: QEMU was ended: "), "{said}");
    assert_eq!(stored(&fakes.dir.path().join("runs")), 0);
    // All of it is taken up again as if nothing had been.
    let (code, said) = fakes.bisect().ends();
    assert_eq!(code, Some(125), "{said}");
    assert!(!said.contains("taken up again"), "{said}");
    let printed = fs::read_to_string(fakes.dir.path().join("printed"));
    let printed = printed.unwrap();
    assert!(printed.contains("cannot tell: both ends "), "{printed}");
    assert_eq!(stored(&fakes.dir.path().join("runs")), 2);
    // A diagnosis is one: of a build that is not in the cache.
    fs::write(fakes.tree.join("Kbuild"), "wrong").unwrap();
    git(&fakes.tree, &["commit", "-q", "-a", "-m", "wrong"]);
    git(&fakes.tree, &["tag", "-f", "new"]);
    fakes.fails(Some("kernel/fork.c:7:1: error: expected ';'\n"));
    let (code, said) = fakes.bisect().ends();
    let printed = fs::read_to_string(fakes.dir.path().join("printed"));
    let printed = printed.unwrap();
    assert_eq!(code, Some(125), "{said}");
    assert!(printed.contains("the bad end does not build"), "{printed}");
}
