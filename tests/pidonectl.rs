//! `pidonectl` where there are neither sources nor Rust.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use xtask::arch::{AARCH64, ALL, Arch, X86_64};
use xtask::{build, bundle, dist, kernel};

/// A user's home with `pidonectl` in it, and nothing else.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let host = Arch::host();
        let files = dist::carried(&build::workspace(), &ALL, host).unwrap();
        let bare = fs::read(env!("CARGO_BIN_EXE_pidonectl")).unwrap();
        let program = home.path().join("pidonectl");
        fs::write(&program, bundle::append(&bare, &files).unwrap()).unwrap();
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(program, mode).unwrap();
        Self { home }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs a line in which nobody sees the checkout or a toolchain.
    fn run(&self, line: &str) -> Output {
        let old = |name: &str| env::var_os(name).map(PathBuf::from);
        let below = |name: &str| Some(old("HOME")?.join(name));
        let hidden = [
            Some(build::workspace()),
            old("CARGO_HOME").or_else(|| below(".cargo")),
            old("RUSTUP_HOME").or_else(|| below(".rustup")),
        ];
        let hidden = hidden.iter().flatten().filter(|dir| dir.is_dir());
        let mut text = String::from("set -e\n");
        for dir in hidden {
            let dir = dir.display();
            text += &format!("mount -t tmpfs none '{dir}'\n");
        }
        text += "! command -v cargo && ! command -v rustc\n";
        text += &format!("cd && set +e\n{line}\n");
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "sh", "-c", &text])
            .env("HOME", self.home.path())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        for name in ["PIDONE_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
        for name in ["CARGO", "CARGO_MANIFEST_DIR", "RUSTFLAGS"] {
            command.env_remove(name);
        }
        command.output().unwrap()
    }

    /// The same of what goes well.
    #[track_caller]
    fn says(&self, line: &str) -> String {
        let out = self.run(line);
        let errors = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{line}: {errors}");
        String::from_utf8(out.stdout).unwrap()
    }
}

fn image(spec: &str) -> String {
    let image = kernel::resolve(spec, Some(&X86_64), false).unwrap();
    image.display().to_string()
}

#[test]
fn a_program_that_carries_its_files_needs_no_checkout() {
    let user = User::new();
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
    // One seed decides nothing; the functions are known all the same.
    let out = user.run(&format!("./pidonectl compare {both} --profile"));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("pipe_write"), "{said}{out:?}");
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
