//! What `check` and `test` check, and what it takes: no machine, machines, or
//! programs of others beside them.

mod fuzz;

use crate::arch::{self, AARCH64, Arch, RISCV64, X86_64};
use crate::tools::{self, CLANG, DPKG_DEB, GIT, LLVM, PYTHON, Tool};
use crate::{ci, kernel, kernel_build, qemu};
use anyhow::{Context, Result, bail};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;

/// The newest kernel that Debian has as a release.
pub const NEWEST: &str = "debian:sid-cloud";

/// Kernels that tests boot.
const KERNELS: [(&str, &Arch); 5] = [
    ("debian:6.12-cloud", &X86_64),
    ("debian:6.1-cloud", &X86_64),
    (NEWEST, &X86_64),
    ("debian:6.12-cloud", &AARCH64),
    ("debian:sid", &RISCV64),
];

/// Programs that tests run, beside QEMU.
pub const TOOLS: [Tool; 5] = [DPKG_DEB, GIT, PYTHON, CLANG, LLVM];

/// Compiles schedulers for BPF's fourth set of instructions, which clang has
/// since 18.
pub const BPF_CLANG: Tool =
    Tool::new("clang-19", ["clang-19", "clang", "clang", "clang19"]);

/// What schedulers of crates.io are built with.
const SCHEDULERS: &[Tool] = &[
    BPF_CLANG,
    Tool::new(
        "pkg-config",
        ["pkg-config", "pkgconf-pkg-config", "pkgconf", "pkg-config"],
    ),
    Tool::new(
        "/usr/include/zlib.h",
        ["zlib1g-dev", "zlib-devel", "zlib", "zlib-devel"],
    ),
    Tool::new(
        "/usr/include/seccomp.h",
        [
            "libseccomp-dev",
            "libseccomp-devel",
            "libseccomp",
            "libseccomp-devel",
        ],
    ),
];

/// The lints that are errors.
const LINTS: [&str; 3] = ["--", "-D", "warnings"];

/// The end-to-end tests of one kind.
struct Part {
    /// How their names begin; of several, the longest decides.
    begin: &'static [&'static str],
    /// What they need; with true, it is installed.
    require: fn(bool) -> Result<()>,
    /// Whether several run at once. Machines take [turns](qemu::turn) then.
    at_once: bool,
}

/// In the order in which they run, what takes the most last.
static PARTS: [Part; 3] = [
    Part {
        begin: &[
            "configs::every_",
            "consoles::",
            "docs::the_matrix",
            "messages::",
            "report::",
            "setup::",
            "tidy::",
            "trouble::a_wrong_command_line",
            "trouble::help_",
            "untrusted::",
        ],
        require: |setup| tools::require(&[GIT], setup),
        at_once: true,
    },
    Part {
        begin: &[""],
        require: machines,
        at_once: true,
    },
    // Others' programs boot machines as well, and take no turns.
    Part {
        begin: &[
            "budgets::another_checkout",
            "docs::",
            "jobs::",
            "report::browser::",
            "runners::a_host_behind_ssh",
            "trace::others_read",
        ],
        require: |setup| {
            machines(setup)?;
            tools::require_browser(setup)?;
            ci::tools::lava(setup)?;
            ci::tools::traces(setup)?;
            ci::tools::sshd(setup)?;
            ci::tools::boards(setup).map(drop)
        },
        at_once: false,
    },
];

impl Part {
    /// The part that a test is of, by its place.
    fn of(test: &str) -> Option<usize> {
        let length = |part: &Self| {
            let fits =
                part.begin.iter().filter(|begin| test.starts_with(**begin));
            fits.map(|begin| begin.len()).max()
        };
        let parts = PARTS.iter().enumerate();
        let fitting = parts.filter_map(|(at, part)| Some((length(part)?, at)));
        fitting.max().map(|(_, at)| at)
    }
}

/// What boots machines, and what they boot.
fn machines(setup: bool) -> Result<()> {
    tools::require(&TOOLS, setup)?;
    qemu::require(&arch::ALL, setup)?;
    for arch in arch::ALL {
        tools::require_target(arch.target, setup)?;
    }
    for (kernel, arch) in KERNELS {
        kernel::resolve(kernel, Some(arch), setup)?;
    }
    kernel_build::build(&kernel_build::Order::of_tests(setup)?)?;
    Ok(())
}

/// Format, lints, and every test that needs no machine.
///
/// # Errors
///
/// The check that failed.
pub fn without_machine(setup: bool) -> Result<()> {
    format_and_lints()?;
    tools::run(&["cargo", "test", "--quiet", "--workspace", "--lib"])?;
    end_to_end(&[], setup, &PARTS[..1])
}

/// All of that, and every other test.
///
/// # Errors
///
/// The check that failed, or what is missing for it.
pub fn all(setup: bool) -> Result<()> {
    without_machine(setup)?;
    tools::run(&["cargo", "test", "--quiet", "--workspace", "--doc"])?;
    end_to_end(&[], setup, &PARTS[1..])
}

/// The tests whose names hold one of these.
///
/// # Errors
///
/// None does; or the test that failed, or what is missing for it.
pub fn named(names: &[String], setup: bool) -> Result<()> {
    let units = ["--workspace", "--lib"];
    let found = list(&units, names)?;
    if !found.is_empty() {
        let failed = run(&units, &found, 0)?;
        if !failed.is_empty() {
            bail!("tests failed: {}", failed.join(" "));
        }
    }
    let machine = list(&MACHINE, names)?;
    if found.is_empty() && machine.is_empty() {
        bail!(
            "no test's name holds {}; `cargo test --workspace -- --list` \
             shows them",
            names.join(" or ")
        );
    }
    end_to_end(names, setup, &PARTS)
}

/// What takes long in its place.
///
/// # Errors
///
/// The test that failed, or what is missing for it.
pub fn slow(setup: bool) -> Result<()> {
    machines(setup)?;
    tools::require(SCHEDULERS, setup)?;
    ci::tools::sshd(setup)?;
    ci::tools::slurm(setup)?;
    // What the history is made of.
    kernel_build::sources("debian:6.12", setup)?;
    let of = ["--package", "xtask", "--features", "slow", "--test", "slow"];
    tools::run(&[&["cargo", "clippy", "--quiet"], &of[..], &LINTS].concat())?;
    let shown = ["--", "--nocapture"];
    tools::run(&[&["cargo", "test"], &of[..], &shown].concat())?;
    fuzz::bounded(setup)
}

fn format_and_lints() -> Result<()> {
    tools::run(&["cargo", "fmt", "--all", "--check"])?;
    let all = ["cargo", "clippy", "--quiet", "--workspace", "--all-targets"];
    tools::run(&[&all[..], &LINTS].concat())
}

/// Where the end-to-end tests are.
const MACHINE: [&str; 4] = ["--package", "xtask", "--test", "machine"];

/// Runs those end-to-end tests of some parts whose names hold one of these;
/// none stands for all.
///
/// Those that run at once share the CPUs, and the host may take them away.
/// What fails is run again behind all others, alone: a test fails that fails
/// twice.
fn end_to_end(names: &[String], setup: bool, parts: &[Part]) -> Result<()> {
    let tests = list(&MACHINE, names)?;
    let mut failed = Vec::new();
    for (at, part) in PARTS.iter().enumerate() {
        if !parts.iter().any(|asked| core::ptr::eq(asked, part)) {
            continue;
        }
        let of_part = |test: &&String| Part::of(test) == Some(at);
        let tests: Vec<String> =
            tests.iter().filter(of_part).cloned().collect();
        if tests.is_empty() {
            continue;
        }
        (part.require)(setup)?;
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        let at_once = if part.at_once { cpus } else { 1 };
        failed.extend(run(&MACHINE, &tests, at_once)?);
    }
    if failed.is_empty() {
        return Ok(());
    }
    let names = failed.join(" ");
    crate::tell!("again, one at a time: {names}");
    let twice = run(&MACHINE, &failed, 1)?;
    if !twice.is_empty() {
        bail!("tests failed: {}", twice.join(" "));
    }
    crate::tell!("these passed only when run again: {names}");
    Ok(())
}

/// The names of tests that hold one of these.
fn list(of: &[&str], names: &[String]) -> Result<Vec<String>> {
    let out = Command::new("cargo")
        .args(["test", "--quiet"])
        .args(of)
        .args(["--", "--list"])
        .args(names)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    if !out.status.success() {
        bail!("the tests do not build");
    }
    let text = String::from_utf8_lossy(&out.stdout);
    let tests = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(tests.map(str::to_owned).collect())
}

/// Runs tests by their whole names, so many at once; 0 is as many as there
/// are CPUs. Gives the names of those that failed.
fn run(of: &[&str], tests: &[String], at_once: usize) -> Result<Vec<String>> {
    let shown = of.join(" ");
    crate::tell!("+ cargo test {shown}, {} of its tests", tests.len());
    let turns = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("cargo");
    command
        .arg("test")
        .args(of)
        .args(["--", "--exact"])
        .args(tests)
        .env("PATH", tools::path()?)
        .stdout(Stdio::piped());
    if at_once > 0 {
        command.arg(format!("--test-threads={at_once}"));
        command.env(qemu::TURNS, turns.path());
    }
    let mut cargo = command.spawn().context("cargo cannot be started")?;
    let mut said = Vec::new();
    if let Some(output) = cargo.stdout.take() {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? > 0 {
            io::stdout().write_all(&line)?;
            said.append(&mut line);
        }
    }
    let status = cargo.wait().context("cargo")?;
    let failed = failures(&String::from_utf8_lossy(&said));
    if !status.success() && failed.is_empty() {
        bail!("`cargo test {shown}` failed: {status}");
    }
    Ok(failed)
}

/// The tests that a run of Rust's test harness lists as failed, at its end.
fn failures(said: &str) -> Vec<String> {
    let list = said.rsplit_once("\nfailures:\n").map(|(_, list)| list);
    let lines = list.unwrap_or_default().lines();
    let names = lines.map_while(|line| line.strip_prefix("    "));
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Part, failures};

    #[test]
    fn the_longest_beginning_says_what_a_test_needs() {
        for (test, at) in [
            ("tidy::x", 0),
            ("report::wrong_use", 0),
            ("report::browser::a_browser_shows", 2),
            ("docs::the_matrix_of", 0),
            ("docs::every", 2),
            ("budgets::another_checkout", 2),
            ("proofs::on_6_1", 1),
            ("what_is_new::x", 1),
        ] {
            assert_eq!(Part::of(test), Some(at), "{test}");
        }
    }

    #[test]
    fn the_last_list_of_failures_counts() {
        let said = "running 3 tests\ntest a::b ... FAILED\n\nfailures:\n\n\
            ---- a::b stdout ----\n\nfailures:\n    made up\n\n\
            failures:\n    a::b\n    c\n\ntest result: FAILED. 1 passed";
        assert_eq!(failures(said), ["a::b", "c"]);
        assert_eq!(failures("test result: ok. 3 passed"), [""; 0]);
    }
}
