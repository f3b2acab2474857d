//! A bounded run of every fuzz target.
//!
//! The flags are those of `cargo fuzz` without a sanitizer, which is for
//! `unsafe` code, so that the toolchain of the workspace will do.

use crate::build;
use crate::tools::{self, Tool};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// libFuzzer is made of C++.
const CXX: Tool = Tool::new("c++", ["g++", "gcc-c++", "gcc", "gcc-c++"]);

/// Have the compiler tell the fuzzer what is executed and compared.
const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing -Ccodegen-units=1";

/// Seconds for each target.
const SECONDS: u32 = 60;

/// Runs each target for a minute, beginning with its corpus.
///
/// # Errors
///
/// An input that is mishandled, with the file that has it; or what is missing.
pub(super) fn bounded(setup: bool) -> Result<()> {
    tools::require(&[CXX], setup)?;
    let fuzz = build::workspace().join("fuzz");
    let built = build::workspace().join("target/fuzz");
    // With a target, build scripts and macros are not for the fuzzer.
    let host = host()?;
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--bins", "--target", &host])
        .current_dir(&fuzz)
        .env("CARGO_TARGET_DIR", &built)
        .env("RUSTFLAGS", FLAGS)
        .status()
        .context("cargo cannot be started")?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    let mut names: Vec<String> = fs::read_dir(fuzz.join("corpus"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    for name in names {
        let program = built.join(&host).join("release").join(&name);
        run(&fuzz, &name, &program)?;
    }
    Ok(())
}

/// Runs a target; what it learns is not kept, what it finds is.
fn run(fuzz: &Path, name: &str, program: &Path) -> Result<()> {
    let learnt = tempfile::tempdir()?;
    let found = fuzz.join("artifacts").join(name);
    fs::create_dir_all(&found)?;
    crate::tell!("+ fuzz target {name}, {SECONDS} s");
    let out = Command::new(program)
        .arg(format!("-max_total_time={SECONDS}"))
        // An input is as long as the longest of its corpus, at most.
        .args(["-timeout=60", "-rss_limit_mb=2048"])
        .args(["-print_final_stats=1", "-verbosity=0"])
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(learnt.path())
        .arg(fuzz.join("corpus").join(name))
        .output()
        .with_context(|| program.display().to_string())?;
    let said = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        let place = found.display();
        bail!(
            "fuzz target {name} found an input that is mishandled; it is in \
             {place}, and belongs into fuzz/corpus/{name} when it is mended:\n\
             {said}"
        );
    }
    let stat = "stat::number_of_executed_units:";
    let runs = said.lines().find_map(|line| line.strip_prefix(stat));
    crate::tell!("{} inputs", runs.unwrap_or(" unknown").trim());
    Ok(())
}

/// What rustc calls this machine.
fn host() -> Result<String> {
    let out = Command::new("rustc").arg("-vV").output();
    let out = out.context("rustc cannot be started")?;
    let text = String::from_utf8_lossy(&out.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}
