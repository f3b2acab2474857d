//! Schedulers of crates.io, built as their users build them, on a kernel of a
//! distribution. What is built once is kept in the cache.

use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use xtask::boot::{BootRequest, boot};
use xtask::exit::Exit;
use xtask::{cache, checks};

/// Of Debian's, one that has the class.
const KERNEL: &str = "debian:7.2-cloud";

/// The program of a crate, built if it has not been.
fn program(name: &str, version: &str) -> PathBuf {
    let kept = cache::dir().unwrap().join("schedulers");
    let root = kept.join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if program.is_file() {
        return program;
    }
    fs::create_dir_all(&kept).unwrap();
    let made = Command::new("cargo")
        .args(["install", "--locked", "--debug", "--no-track", "--root"])
        .arg(&root)
        .arg(format!("{name}@{version}"))
        // What they share is built once.
        .env("CARGO_TARGET_DIR", kept.join("target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("BPF_CLANG", checks::BPF_CLANG.program)
        .current_dir(&kept)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{name}: {errors}");
    program
}

/// A boot under it ends well, with every worker in its class.
fn runs_all_tasks(name: &str, version: &str) {
    let plan = "time=1s work=PipeIo work=SpinWait workers=4".split(' ');
    let (report, exit) = boot(&BootRequest {
        kernel: KERNEL.to_owned(),
        scheduler: Some(program(name, version)),
        // Half of it is for the program to load its scheduler.
        timeout: Some(Duration::from_secs(240)),
        plan: plan.map(str::to_owned).collect(),
        ..BootRequest::default()
    })
    .unwrap();
    assert_eq!(exit, Exit::Good, "{}: {:?}", report.reason, report.scx);
    let scx = report.scx.as_ref().unwrap();
    let own = name.strip_prefix("scx_").unwrap();
    assert!(scx.loaded.name.starts_with(own), "{scx:?}");
    assert_eq!(scx.loaded.state, "enabled");
    assert_eq!(scx.after.as_ref().unwrap().state, "disabled");
    for run in &report.runs {
        for worker in &run.groups[0].workers {
            assert_eq!(worker.ext_enabled, Some(true), "{}", run.name);
            assert!(worker.iterations > 0, "{}", run.name);
        }
    }
}

#[test]
fn rlfifo() {
    runs_all_tasks("scx_rlfifo", "1.1.4");
}

#[test]
fn bpfland() {
    runs_all_tasks("scx_bpfland", "1.1.4");
}

#[test]
fn cosmos() {
    runs_all_tasks("scx_cosmos", "1.1.7");
}

#[test]
fn lavd() {
    runs_all_tasks("scx_lavd", "1.1.4");
}
