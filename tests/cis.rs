//! CIs that carry out our jobs on this host: LAVA's dispatcher, tuxrun, and
//! what a runner of GitHub's does with an action.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::{build, ci};

/// A file of what stands for a CI.
pub(crate) fn data(name: &str) -> PathBuf {
    build::workspace().join("tests/data/ci").join(name)
}

/// A search path with `dirs` in front.
pub(crate) fn path(dirs: &[PathBuf]) -> String {
    let path = std::env::var_os("PATH").unwrap();
    let dirs = dirs.iter().cloned().chain(std::env::split_paths(&path));
    std::env::join_paths(dirs).unwrap().into_string().unwrap()
}

pub(crate) fn text(out: &Output) -> String {
    let all = [out.stdout.clone(), out.stderr.clone()].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// `lava-run` of a job, in a directory.
pub(crate) fn lava(dir: &Path, job: &Path, more: &[&str]) -> Output {
    Command::new(ci::tools::lava(false).unwrap().join("lava-run"))
        .args(["--job-id", &std::process::id().to_string()])
        .args(["--output-dir", "out", "--device"])
        .arg(data("device.yaml"))
        .args(more)
        .arg(job)
        .current_dir(dir)
        .output()
        .unwrap()
}

/// A script that runs tuxrun, in a directory.
pub(crate) fn tuxrun(dir: &Path, script: &Path) -> Output {
    let lava = ci::tools::lava(false).unwrap();
    let python = ci::tools::python(false).unwrap();
    let decode = format!("{} decode", env!("CARGO_BIN_EXE_xtask"));
    Command::new("sh")
        .arg(script)
        .current_dir(dir)
        .env("PATH", path(&[lava, python]))
        .env("TUXRUN_FLAGS", "--runtime null")
        .env("PIDONE_DECODE", decode)
        .output()
        .unwrap()
}

/// Our action, in a directory, with these words for `action.py`.
pub(crate) fn action(dir: &Path, words: &[&str]) -> Output {
    let python = ci::tools::python(false).unwrap();
    Command::new(python.join("python"))
        .arg(data("action.py"))
        .arg(build::workspace())
        .args(words)
        .current_dir(dir)
        .output()
        .unwrap()
}
