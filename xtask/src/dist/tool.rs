//! `pidonectl`, static, for each architecture.
//!
//! Rust's target for musl brings the C library and what starts a program, and
//! the toolchain a linker. The C of zstd and xz, which are linked in, needs a
//! compiler and the headers of that library besides: clang compiles for every
//! architecture, and the headers are Debian's.

use crate::arch::Arch;
use crate::build::{self, CARRIES};
use crate::tools::{self, CLANG, LLVM};
use crate::{cache, debian};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package of the headers, and the suite that has them for the version of
/// the library that Rust brings.
const HEADERS: (&str, &str) = ("musl-dev", "trixie");

/// Builds the program for an architecture; returns what is in it.
///
/// # Errors
///
/// Something that it takes is missing, or it does not build.
pub(super) fn build(
    workspace: &Path,
    arch: &Arch,
    setup: bool,
) -> Result<Vec<u8>> {
    let workspace = fs::canonicalize(workspace)
        .with_context(|| workspace.display().to_string())?;
    tools::require_target(arch.target, setup)?;
    let built = workspace.join("target/tool");
    let program = built.join(arch.target).join("tool/pidonectl");
    let mut flags = build::remapped(&workspace).to_vec();
    // The C library is the target's, unlike for the payload.
    flags.push("-Clinker=rust-lld".to_owned());
    flags.push("-Clink-self-contained=yes".to_owned());
    let mut command = Command::new(build::cargo());
    command
        .current_dir(&workspace)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env(CARRIES, "1")
        .envs(compiler(arch, setup)?)
        .args(["build", "--package=xtask", "--bin=pidonectl"])
        .args(["--profile=tool", "--target", arch.target])
        .args(build::quiet_if(&program))
        .arg("--target-dir")
        .arg(&built);
    let status = command.status().context("cargo cannot be started")?;
    if !status.success() {
        bail!("pidonectl does not build for {}: {status}", arch.name);
    }
    super::read(&program)
}

/// The variables that say what compiles C for the target. Whoever sets them
/// knows better.
fn compiler(arch: &Arch, setup: bool) -> Result<Vec<(String, String)>> {
    let target = arch.target.replace('-', "_");
    if std::env::var_os(format!("CC_{target}")).is_some() {
        return Ok(Vec::new());
    }
    tools::require(&[CLANG, LLVM], setup)?;
    let musl = format!("{}-linux-musl", arch.name);
    let include = headers(arch, setup)?.join("usr/include").join(&musl);
    let flags = format!(
        "--target={musl} -nostdlibinc -isystem {}",
        include.display()
    );
    Ok(vec![
        (format!("CC_{target}"), CLANG.program.to_owned()),
        (format!("AR_{target}"), "llvm-ar".to_owned()),
        (format!("CFLAGS_{target}"), flags),
    ])
}

/// The licence of the C library.
///
/// # Errors
///
/// It is not there, and cannot be had.
pub(super) fn licence_of_library(arch: &Arch, setup: bool) -> Result<String> {
    let text = headers(arch, setup)?.join("usr/share/doc/musl-dev/copyright");
    let what = || text.display().to_string();
    let text = fs::read_to_string(&text).with_context(what)?;
    Ok(format!("\n====\nmusl\n\n{}\n", text.trim_end()))
}

/// The directory of the C library's headers, which are fetched once.
fn headers(arch: &Arch, setup: bool) -> Result<PathBuf> {
    let (package, suite) = HEADERS;
    let cache = cache::dir()?;
    let dir = cache.join(format!("{package}-{suite}-{}", arch.debian));
    if dir.is_dir() {
        return Ok(dir);
    }
    if !setup && !tools::found("apt-get") {
        bail!(
            "pidonectl takes a compiler for {}: CC_{} names one",
            arch.target,
            arch.target.replace('-', "_")
        );
    }
    fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
    let work = tempfile::tempdir_in(&cache)?;
    let root = work.path().join("root");
    fs::create_dir(&root)?;
    debian::unpack(package, suite, arch, setup, &root)?;
    if !dir.is_dir() {
        cache::replace(&root, &dir, work.path())?;
    }
    Ok(dir)
}
