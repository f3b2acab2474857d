//! External programs: which are needed, and how to get them.

pub mod changes;

use crate::cache;
use anyhow::{Context, Result, bail};
use changes::Changes;
use core::fmt;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program and the packages that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// Name on `PATH`, or the whole path of a file.
    pub program: &'static str,
    /// Package on Debian and Ubuntu, Fedora, Arch and openSUSE.
    packages: [&'static str; 4],
}

impl Tool {
    /// Its package on Debian and Ubuntu.
    #[must_use]
    pub fn of_debian(&self) -> &'static str {
        self.packages[0]
    }

    /// In packages of these names.
    #[must_use]
    pub const fn new(
        program: &'static str,
        packages: [&'static str; 4],
    ) -> Self {
        Self { program, packages }
    }

    /// In a package of one name everywhere.
    #[must_use]
    pub const fn same(program: &'static str, package: &'static str) -> Self {
        Self::new(program, [package; 4])
    }
}

/// Unpacks Debian's kernel packages.
pub const DPKG_DEB: Tool = Tool {
    program: "dpkg-deb",
    packages: ["dpkg", "dpkg", "dpkg", "dpkg"],
};

/// The keys that Debian's archive is signed with.
pub const DEBIAN_KEYRING: Tool = Tool::new(
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    [
        "debian-archive-keyring",
        "debian-keyring",
        "debian-archive-keyring",
        "debian-archive-keyring",
    ],
);

/// Lists the files that the tests of the sources look at.
pub const GIT: Tool = Tool {
    program: "git",
    packages: ["git", "git", "git", "git"],
};

/// Compiles BPF programs: schedulers of the kernel's own.
pub const CLANG: Tool = Tool::same("clang", "clang");
/// See [`CLANG`].
pub const LLVM: Tool = Tool::same("llvm-strip", "llvm");
/// Opens pages in the tests.
pub const BROWSER: Tool = Tool::same("chromium", "chromium");

/// Other names of browsers that do as well.
const BROWSERS: [&str; 3] =
    ["chromium-browser", "google-chrome-stable", "google-chrome"];

/// The browser that there is.
#[must_use]
pub fn browser() -> Option<&'static str> {
    let names = [BROWSER.program].into_iter().chain(BROWSERS);
    names.into_iter().find(|name| found(name))
}

/// Makes sure that there is a browser; with `setup`, installs one.
///
/// # Errors
///
/// As of [`require`].
pub fn require_browser(setup: bool) -> Result<()> {
    match browser() {
        Some(_) => Ok(()),
        None => require(&[BROWSER], setup),
    }
}
/// Runs the kernel's own reader of KTAP, and tools of CIs.
pub const PYTHON: Tool =
    Tool::new("python3", ["python3", "python3", "python", "python3"]);

/// A package manager: its program, and what installs a package.
const MANAGERS: [(&str, &[&str]); 4] = [
    ("apt-get", &["install", "-y", "--no-install-recommends"]),
    ("dnf", &["install", "-y"]),
    ("pacman", &["-S", "--noconfirm"]),
    ("zypper", &["install", "-y"]),
];

/// Whether a program is on `PATH` or unpacked in our cache, or a file at its
/// whole path.
#[must_use]
pub fn found(program: &str) -> bool {
    on_path(program) || unpacked(program).is_some()
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Where programs are that are unpacked in our cache, in its directory `bin`.
///
/// # Errors
///
/// There is no cache.
pub fn unpacked_dir() -> Result<PathBuf> {
    Ok(cache::dir()?.join("qemu"))
}

/// A program that is unpacked in our cache.
#[must_use]
pub fn unpacked(program: &str) -> Option<PathBuf> {
    let file = unpacked_dir().ok()?.join("bin").join(program);
    file.is_file().then_some(file)
}

/// `PATH`, and behind it what is unpacked in our cache: for programs that
/// start QEMU by themselves.
///
/// # Errors
///
/// There is no cache, or its name cannot be in a path.
pub fn path() -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path);
    let dirs = dirs.chain([unpacked_dir()?.join("bin")]);
    Ok(std::env::join_paths(dirs)?)
}

/// What starts a program: its name if it is on `PATH`, or else where it is
/// unpacked in our cache.
#[must_use]
pub fn program(program: &str) -> PathBuf {
    let unpacked = unpacked(program).filter(|_| !on_path(program));
    unpacked.unwrap_or_else(|| program.into())
}

/// A command of a program that gets a signal when we are killed: what nobody
/// owns any more would go on for ever. It finds what is unpacked in our cache.
#[must_use]
pub fn ours(program: &str, signal: &str) -> Command {
    let program = self::program(program);
    let mut command = Command::new(&program);
    if found("setpriv") {
        command = Command::new("setpriv");
        command.args(["--pdeathsig", signal, "--"]).arg(program);
    }
    if let Ok(path) = path() {
        command.env("PATH", path);
    }
    command
}

/// Makes sure that these tools are there; with `setup`, installs them.
///
/// # Errors
///
/// What is missing and the command that would install it, or the command
/// that failed.
pub fn require(tools: &[Tool], setup: bool) -> Result<()> {
    let missing: Vec<Tool> = tools
        .iter()
        .copied()
        .filter(|t| !found(t.program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|t| t.program).collect();
    let names = names.join(", ");
    let Some(place) = MANAGERS.iter().position(|(m, _)| found(m)) else {
        bail!("missing: {names}; no known package manager can install it");
    };
    let (manager, install) = MANAGERS[place];
    let mut command = as_root(manager);
    command.extend(install);
    command.extend(missing.iter().map(|t| t.packages[place]));
    if !setup {
        bail!(
            "missing: {names}; install it with --setup, or by hand: {}",
            command.join(" ")
        );
    }
    if manager == "apt-get" {
        update()?;
        let packages = missing.iter().map(Tool::of_debian);
        let packages: Vec<&str> = packages.collect();
        if let Some(loss) = simulate(&packages)?.loss() {
            let command = command.join(" ");
            let packages = packages.join(" ");
            bail!(Loss {
                packages,
                loss,
                command
            });
        }
        command.push("--no-remove");
    }
    run(&command)?;
    match missing.iter().find(|t| !found(t.program)) {
        Some(tool) => bail!("{} is still missing", tool.program),
        None => Ok(()),
    }
}

/// What installing these packages of Debian's would change. Nothing of other
/// package managers is asked: they do not remove a package for another unless
/// they are told to.
///
/// # Errors
///
/// apt-get does not know them, or cannot have them.
pub fn simulate(packages: &[&str]) -> Result<Changes> {
    let out = Command::new("apt-get")
        .args(["--simulate", "install", "--no-install-recommends"])
        .args(packages)
        .env("LC_ALL", "C")
        .output()
        .context("apt-get cannot be started")?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        bail!("apt-get has no {}: {}", packages.join(", "), said.trim());
    }
    Ok(Changes::read(&String::from_utf8_lossy(&out.stdout)))
}

/// An installation by which something else would be lost, and that was not
/// made.
#[derive(Debug)]
pub struct Loss {
    /// What was to be installed.
    packages: String,
    /// As [`Changes::loss`] has it.
    loss: String,
    /// What does it all the same.
    command: String,
}

impl Loss {
    /// What was refused.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("to install {}, apt-get would {}", self.packages, self.loss)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}; nothing was changed. Either\n\
             - install versions that go with what is there: `apt-cache policy \
             {}` shows which there are, or\n\
             - do it by hand, if nothing needs those: {}",
            self.reason(),
            self.packages,
            self.command
        )
    }
}

impl core::error::Error for Loss {}

/// Makes sure that the payload's target is installed.
///
/// # Errors
///
/// The command that is missing or failed.
pub fn require_target(target: &str, setup: bool) -> Result<()> {
    let libs = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .context("rustc cannot be started")?;
    let dir = String::from_utf8_lossy(&libs.stdout).trim().to_owned();
    if Path::new(&dir).is_dir() {
        return Ok(());
    }
    if !found("rustup") {
        bail!(
            "missing: the Rust target {target}, and rustup to add it; \
             https://rustup.rs says how to install that"
        );
    }
    let command = ["rustup", "target", "add", target];
    if !setup {
        bail!(
            "missing: the Rust target {target}; install it with --setup, or \
             by hand: {}",
            command.join(" ")
        );
    }
    run(&command)
}

/// Runs a command after saying so.
///
/// # Errors
///
/// It cannot be started, or fails.
pub fn run(command: &[&str]) -> Result<()> {
    let line = command.join(" ");
    crate::tell!("+ {line}");
    let (program, args) = command.split_first().context("no command")?;
    let status = Command::new(program)
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("PATH", path()?)
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("`{line}` cannot be started"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Brings apt's lists of packages up to date.
///
/// # Errors
///
/// apt-get failed.
fn update() -> Result<()> {
    run(&[as_root("apt-get").as_slice(), &["update"]].concat())
}

/// The start of a command that needs root.
fn as_root(program: &str) -> Vec<&str> {
    match is_root() || !found("sudo") {
        true => vec![program],
        false => vec!["sudo", program],
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status");
    let status = status.unwrap_or_default();
    let uid = status.lines().find_map(|l| l.strip_prefix("Uid:"));
    uid.and_then(|l| l.split_whitespace().nth(1)) == Some("0")
}

#[cfg(test)]
mod tests {
    use super::{Loss, Tool, found, require};

    #[test]
    fn what_would_be_lost_is_refused_with_choices() {
        let said = Loss {
            packages: "clang".to_owned(),
            loss: "remove gcc".to_owned(),
            command: "sudo apt-get install clang".to_owned(),
        };
        let said = said.to_string();
        for part in [
            "to install clang, apt-get would remove gcc; nothing was changed",
            "`apt-cache policy clang`",
            "by hand, if nothing needs those: sudo apt-get install clang",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_command() {
        assert!(found("sh") && !found("no-such-program"));
        let tool = Tool {
            program: "no-such-program",
            packages: ["no-such-package"; 4],
        };
        let error = require(&[tool], false).unwrap_err().to_string();
        assert!(error.contains("no-such-program"), "{error}");
    }
}
