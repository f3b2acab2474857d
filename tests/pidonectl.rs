//! `pidonectl` where there are neither sources nor Rust.

use crate::user::User;
use std::fs;
use std::path::{Path, PathBuf};
use xtask::arch::{AARCH64, ALL, Arch, X86_64};
use xtask::{build, bundle, dist, kernel};

fn image(spec: &str) -> String {
    let image = kernel::resolve(spec, Some(&X86_64), false).unwrap();
    image.display().to_string()
}

#[test]
fn a_program_that_carries_its_files_needs_no_checkout() {
    let files = dist::carried(&build::workspace(), &ALL, Arch::host());
    let bare = fs::read(env!("CARGO_BIN_EXE_pidonectl")).unwrap();
    let program = bundle::append(&bare, &files.unwrap()).unwrap();
    let user = User::new(&program);
    let [old, new] = ["debian:6.1-cloud", "debian:6.12-cloud"].map(image);
    // What the program is without its files: nothing is made up.
    let bare = env!("CARGO_BIN_EXE_pidonectl");
    fs::copy(bare, user.file("bare")).unwrap();
    let out = user.run(&format!("./bare boot --kernel {old} work=PipeIo"));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("carries no images"), "{said}");
    assert_eq!(out.status.code(), Some(255));
    for kernel in [&old, &new] {
        user.says(&format!(
            "./pidonectl boot --kernel {kernel} --deterministic --smp 1 \
             --profile time=20ms work=PipeIo"
        ));
    }
    // Both are stored as the user's data.
    let runs = user.file(".local/share/pidone/runs");
    let runs = fs::read_dir(runs).unwrap().map(|run| run.unwrap().path());
    let mut runs: Vec<PathBuf> = runs.collect();
    runs.sort();
    assert_eq!(runs.len(), 2, "{runs:?}");
    let log = runs[0].join("console.log");
    let shown = |path: &Path| path.display().to_string();
    let decoded = user.says(&format!("./pidonectl decode {}", shown(&log)));
    assert!(decoded.contains("PipeIo ok"), "{decoded}");
    let both = format!("{} {}", shown(&runs[0]), shown(&runs[1]));
    // One seed is no verdict; the functions are known all the same.
    let out = user.run(&format!("./pidonectl compare {both}"));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("kernel  pick_eevdf"), "{said}{out:?}");
    user.says(&format!("./pidonectl report {both} --output page.html"));
    let page = fs::read_to_string(user.file("page.html")).unwrap();
    assert!(page.contains("pidonectl boot"), "no command is in the page");
    assert!(!page.contains("cargo xtask"), "a command needs a checkout");
    let check = user.says(&format!("./pidonectl kernel check {new}"));
    assert!(check.contains("PipeIo"), "{check}");
    for arch in [&X86_64, &AARCH64] {
        let name = arch.name;
        user.says(&format!("./pidonectl pack --arch {name} --output {name}"));
    }
    let files = user.says("./pidonectl files");
    for name in ["LICENSE-MIT", "kernel-configs/base.config"] {
        assert!(files.lines().any(|line| line == name), "{files}");
    }
    let licence = user.says("./pidonectl files LICENSE-MIT");
    assert!(licence.contains("WITHOUT WARRANTY"), "{licence}");
    let page = user.says("./pidonectl manual");
    assert!(page.starts_with(".TH PIDONECTL 1"), "{page}");
    // What was unpacked is there once.
    let cache = user.file(".cache/pidone/files");
    assert_eq!(fs::read_dir(cache).unwrap().count(), 1);
    let help = user.says("./pidonectl --help; ./pidonectl trace --help");
    assert!(!help.contains("cargo xtask"), "{help}");
}
