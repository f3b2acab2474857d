//! The kernel's own build, with a view of how far it is.

use super::DoesNotBuild;
use crate::arch::Arch;
use crate::exit::NoEvidence;
use crate::interrupt;
use crate::kconfig::Config;
use crate::tools::{self, Tool};
use anyhow::{Context, Result, bail};
use core::time::Duration;
use indicatif::ProgressBar;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// What a build needs: programs, and headers by their paths.
pub(super) const TOOLS: &[Tool] = &[
    Tool::same("make", "make"),
    Tool::same("gcc", "gcc"),
    Tool::same("flex", "flex"),
    Tool::same("bison", "bison"),
    Tool::same("bc", "bc"),
    Tool::same("tar", "tar"),
    Tool::same("cpio", "cpio"),
    Tool::same("zstd", "zstd"),
    Tool::new("xz", ["xz-utils", "xz", "xz", "xz"]),
    Tool::new("pahole", ["dwarves", "dwarves", "pahole", "dwarves"]),
    Tool::new(
        "/usr/include/stdio.h",
        ["libc6-dev", "glibc-devel", "glibc", "glibc-devel"],
    ),
    Tool::new(
        "/usr/include/gelf.h",
        [
            "libelf-dev",
            "elfutils-libelf-devel",
            "libelf",
            "libelf-devel",
        ],
    ),
    Tool::new(
        "/usr/include/openssl/ssl.h",
        ["libssl-dev", "openssl-devel", "openssl", "libopenssl-devel"],
    ),
];

/// What builds for another architecture without a compiler made for it.
const LLVM: &[Tool] = &[tools::CLANG, tools::LLVM, Tool::same("ld.lld", "lld")];

/// A compiler, and what makes the kernel's build use it.
#[derive(Debug)]
pub(super) struct Compiler {
    pub(super) program: String,
    /// Takes debug information off a file.
    strip: String,
    words: [String; 2],
}

impl Compiler {
    /// The host's own; for another architecture that of GNU which is made for
    /// it, or else LLVM's.
    ///
    /// # Errors
    ///
    /// There is none, or, with `setup`, it cannot be had.
    pub(super) fn find(arch: &Arch, setup: bool) -> Result<Self> {
        let prefix = match arch.is_host() {
            true => String::new(),
            false => format!("{}-linux-gnu-", arch.name),
        };
        let gnu = format!("{prefix}gcc");
        let (program, prefix, llvm) = match tools::found(&gnu) {
            true => (gnu, prefix, ""),
            false => ("clang".to_owned(), String::new(), "1"),
        };
        let strip = match llvm.is_empty() {
            true => format!("{prefix}strip"),
            false => tools::LLVM.program.to_owned(),
        };
        if !llvm.is_empty() {
            let what = || format!("to build a kernel for {}", arch.name);
            tools::require(LLVM, setup).with_context(what)?;
        }
        let words = [format!("CROSS_COMPILE={prefix}"), format!("LLVM={llvm}")];
        Ok(Self {
            program,
            strip,
            words,
        })
    }
}

/// Lines of a failed build that are shown.
const TAIL: usize = 15;
/// Steps between two lines where no bar can be shown.
const STEPS: usize = 250;

/// Versions of the programs that make a kernel what it is.
pub(super) fn versions(compiler: &str) -> String {
    let version = |program: &str| {
        let out = Command::new(program).arg("--version").output();
        let out = out.map(|o| o.stdout).unwrap_or_default();
        let text = String::from_utf8_lossy(&out).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    };
    format!("{}; pahole {}", version(compiler), version("pahole"))
}

/// A build directory.
#[derive(Debug)]
pub(super) struct Make<'a> {
    pub(super) source: &'a Path,
    pub(super) objects: &'a Path,
    pub(super) arch: &'a Arch,
    pub(super) compiler: Compiler,
    pub(super) jobs: usize,
}

impl Make<'_> {
    fn command(&self) -> Command {
        let mut make = Command::new("make");
        make.arg("-C")
            .arg(self.source)
            .arg(format!("O={}", self.objects.display()))
            .arg(format!("ARCH={}", self.arch.kernel))
            .args(&self.compiler.words)
            .arg(format!("-j{}", self.jobs))
            .env("LC_ALL", "C")
            // Nothing of the builder and the hour is in the image.
            .env("KBUILD_BUILD_USER", "pidone")
            .env("KBUILD_BUILD_HOST", "pidone")
            .env("KBUILD_BUILD_VERSION", "1")
            .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 2026")
            // A make, or a kernel's build, may be what started us.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .env_remove("KBUILD_OUTPUT")
            .env_remove("KCONFIG_CONFIG")
            .stdin(Stdio::null());
        make
    }

    /// Runs one of the targets that make a configuration.
    pub(super) fn config(&self, target: &str) -> Result<()> {
        let out = self
            .command()
            .args(["-s", target])
            .output()
            .context("make cannot be started")?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            bail!("make {target} failed: {}", said.trim());
        }
        Ok(())
    }

    /// Builds the image, and modules if there are any. A build that fails is
    /// tried again once, which goes on where it failed: the host may have
    /// been short of memory.
    ///
    /// # Errors
    ///
    /// [`DoesNotBuild`] if a compiler says so, or else [`NoEvidence`].
    pub(super) fn build(&self) -> Result<()> {
        let Some(first) = self.build_once()? else {
            return Ok(());
        };
        crate::tell!("note: the build failed ({first}); it is tried again");
        let Some(status) = self.build_once()? else {
            return Ok(());
        };
        let log = self.log();
        let said = fs::read(&log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        let lines: Vec<_> = said.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        let place = log.display();
        Err(match diagnosed(&said) {
            Ok(()) => DoesNotBuild(format!(
                "the kernel does not build ({status}); all it said is in \
                 {place}:\n{tail}"
            ))
            .into(),
            Err(why) => NoEvidence(format!(
                "the build was cut short ({status}): {why}; all it said is \
                 in {place}:\n{tail}"
            ))
            .into(),
        })
    }

    fn log(&self) -> PathBuf {
        self.objects.join("pidone.log")
    }

    /// Runs the build; how it failed, if it did.
    fn build_once(&self) -> Result<Option<ExitStatus>> {
        interrupt::check()?;
        crate::tell!(
            "+ make -C {} O={} ARCH={} {}",
            self.source.display(),
            self.objects.display(),
            self.arch.kernel,
            self.arch.image.0
        );
        let mut make = self.command();
        make.arg(self.arch.image.0);
        if self.has_modules()? {
            make.arg("modules");
        }
        let mut child = make
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.log())?)
            .spawn()
            .context("make cannot be started")?;
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        let out = child.stdout.take().context("make")?;
        let mut steps = 0;
        for line in BufReader::new(out).split(b'\n') {
            let line = line.context("make")?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let Some((what, file)) = step(&line) else {
                continue;
            };
            steps += 1;
            let elapsed = bar.elapsed().as_secs();
            let (minutes, seconds) = (elapsed / 60, elapsed % 60);
            let text = format!(
                "{steps} steps in {minutes}:{seconds:02}: {what} {file}"
            );
            if bar.is_hidden() && steps % STEPS == 0 {
                crate::tell!("{text}");
            }
            bar.set_message(text);
        }
        bar.finish_and_clear();
        let status = child.wait().context("make")?;
        interrupt::check()?;
        Ok((!status.success()).then_some(status))
    }

    /// Its version, as `uname -r` will say it.
    pub(super) fn release(&self) -> Result<String> {
        let file = self.objects.join("include/config/kernel.release");
        let text = fs::read_to_string(&file);
        let text = text.with_context(|| file.display().to_string())?;
        Ok(text.trim().to_owned())
    }

    /// Installs modules, if there are any, under `lib/modules` in `dir`.
    pub(super) fn install_modules(&self, dir: &Path) -> Result<()> {
        if !self.has_modules()? {
            return Ok(());
        }
        let out = self
            .command()
            .arg(format!("INSTALL_MOD_PATH={}", dir.display()))
            .args(["INSTALL_MOD_STRIP=1", "-s", "modules_install"])
            .output()
            .context("make cannot be started")?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            bail!("make modules_install failed: {}", said.trim());
        }
        Ok(())
    }

    /// Copies a file without its debug information, which is most of it;
    /// symbols and types (BTF) stay.
    pub(super) fn strip(&self, from: &Path, to: &Path) -> Result<()> {
        let path = |path: &Path| path.display().to_string();
        let (from, to) = (path(from), path(to));
        tools::run(&[&self.compiler.strip, "--strip-debug", "-o", &to, &from])
    }

    fn has_modules(&self) -> Result<bool> {
        let text = fs::read_to_string(self.objects.join(".config"))?;
        Ok(Config::parse(&text).is_y("MODULES"))
    }
}

/// What is said of a build that was stopped, or had no room: by make of a
/// program that a signal ended, by compilers and by linkers.
const CUT_SHORT: &[&str] = &[
    "] Killed",
    "] Terminated",
    "] Interrupt",
    "] Error 130",
    "] Error 137",
    "] Error 143",
    "signal terminated program",
    "terminated with signal",
    "unable to execute command: ",
    "internal compiler error",
    "No space left on device",
    "Disk quota exceeded",
    "Cannot allocate memory",
    "out of memory",
    "virtual memory exhausted",
];

/// What compilers, linkers and make say of sources that are wrong.
const DIAGNOSES: &[&str] = &[
    ": error:",
    ": fatal error:",
    "undefined reference",
    "undefined symbol",
    "multiple definition",
    "ERROR: modpost",
    "ld: ",
    "ld.lld: error",
    "No rule to make target",
    "syntax error",
    "objtool: ",
    "Assembler messages",
];

/// Whether what a build said is a diagnosis of its sources; why not, if not.
/// Where it was cut short in one place, what it says of others may come of
/// that.
fn diagnosed(said: &str) -> Result<(), String> {
    let find = |signs: &[&str]| {
        let is = |line: &&str| signs.iter().any(|sign| line.contains(sign));
        said.lines().find(is).map(str::trim)
    };
    match (find(CUT_SHORT), find(DIAGNOSES)) {
        (Some(line), _) => Err(line.to_owned()),
        (None, Some(_)) => Ok(()),
        (None, None) => Err("no compiler found anything wrong".to_owned()),
    }
}

/// What make says of a step: `  CC      kernel/fork.o`.
fn step(line: &str) -> Option<(&str, &str)> {
    let (what, file) = line.strip_prefix("  ")?.split_once(' ')?;
    let upper = |c: char| c.is_ascii_uppercase() || "-_".contains(c);
    let named = !what.is_empty() && what.chars().all(upper);
    let file = file.trim_start();
    (named && !file.is_empty()).then_some((what, file))
}

#[cfg(test)]
mod tests {
    use super::{diagnosed, step};

    #[test]
    fn only_a_diagnosis_speaks_against_sources() {
        for said in [
            "kernel/sched/idle.c:9:2: error: #error\nmake[3]: *** Error 1",
            "ld: vmlinux.o: undefined reference to `x'",
            "make[1]: *** No rule to make target 'x.o', needed by 'y'.",
            "./a.h:1:10: fatal error: b.h: No such file or directory",
            "x.c:9: error: unterminated #if in an Interrupt handler",
        ] {
            assert_eq!(diagnosed(said), Ok(()), "{said}");
        }
        for (said, why) in [
            (
                "gcc: fatal error: Killed signal terminated program cc1",
                "cc1",
            ),
            (
                "x.c:1:1: error: y\nas: x.o: No space left on device",
                "space",
            ),
            ("cc1: out of memory allocating 65536 bytes", "out of memory"),
            (
                "x.c:1:1: internal compiler error: Segmentation fault",
                "intern",
            ),
            ("make[2]: *** [x.o] Terminated", "Terminated"),
            ("make: *** [all] Error 1", "no compiler found"),
            ("", "no compiler found"),
        ] {
            let said = diagnosed(said).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn steps_are_told_from_other_lines() {
        let line = "  CC      kernel/sched/core.o";
        assert_eq!(step(line), Some(("CC", "kernel/sched/core.o")));
        assert_eq!(step("  HOSTCC  x.o"), Some(("HOSTCC", "x.o")));
        assert_eq!(step("make[1]: Entering directory"), None);
        assert_eq!(step("  warning: text"), None);
        assert_eq!(step(""), None);
    }
}
