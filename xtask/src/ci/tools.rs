//! Programs of continuous integration systems, of labs and of boards, for the
//! tests: what is written for them is carried out here.
//!
//! Packages for Python are in a directory of their own in the cache, at the
//! versions of `requirements.txt`. All others are Debian's, unpacked in the
//! cache; nothing of them is installed.

use super::NAMES;
use crate::debian::apt;
use crate::tools::{self, Tool};
use crate::{build, cache};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIREMENTS: &str = include_str!("requirements.txt");
/// TRAPpy and what it needs, in a directory of their own for their size.
const OF_TRACES: &str = include_str!("requirements-traces.txt");
/// Packages of the dispatcher.
const LAVA: [&str; 3] =
    ["lava-common", "lava-dispatcher", "lava-dispatcher-host"];
/// Packages of what boards are booted with.
const BOARDS: [&str; 3] = ["u-boot-qemu", "u-boot-tools", "kexec-tools"];
/// The package of the server of ssh.
const SSHD: [&str; 1] = ["openssh-server"];
/// What its clients run.
const SSH: Tool = Tool::new(
    "ssh",
    [
        "openssh-client",
        "openssh-clients",
        "openssh",
        "openssh-clients",
    ],
);
/// Packages of a cluster that gives jobs to its nodes.
const SLURM: [&str; 4] = [
    "slurmctld",
    "slurmd",
    "slurm-client",
    "slurm-wlm-basic-plugins",
];

/// In place of modules that have to be compiled: one for images of disks, and
/// one that finds the address that a device would fetch its files from. Our
/// jobs have neither.
const STAND_INS: [(&str, &str); 2] = [
    ("guestfs.py", "GuestFS = None\n"),
    (
        "netifaces.py",
        "AF_INET = 2\n\
         def gateways():\n    \
             return {'default': {AF_INET: ('127.0.0.1', 'lo')}}\n\
         def ifaddresses(_):\n    \
             return {AF_INET: [{'addr': '127.0.0.1'}]}\n",
    ),
];

/// The directory of programs from Python's packages.
///
/// # Errors
///
/// They are not there; or, with `setup`, cannot be had.
pub fn python(setup: bool) -> Result<PathBuf> {
    venv("python", REQUIREMENTS, setup)
}

/// The directory of the Python that reads the kernel's traces, with TRAPpy.
///
/// # Errors
///
/// It is not there; or, with `setup`, cannot be had.
pub fn traces(setup: bool) -> Result<PathBuf> {
    venv("python-traces", OF_TRACES, setup)
}

/// The directory of programs from a list of Python's packages.
fn venv(name: &str, requirements: &str, setup: bool) -> Result<PathBuf> {
    let dir = cache::dir()?.join(name);
    let (bin, mark) = (dir.join("bin"), dir.join("requirements.txt"));
    if fs::read_to_string(&mark).is_ok_and(|text| text == requirements) {
        return Ok(bin);
    }
    if !setup {
        bail!(
            "packages of Python that the tests run are missing; `cargo xtask \
             setup` installs them"
        );
    }
    tools::require(&[tools::PYTHON], setup)?;
    let path = |path: PathBuf| path.display().to_string();
    tools::run(&["python3", "-m", "venv", "--clear", &path(dir.clone())])?;
    let list = dir.join("wanted.txt");
    fs::write(&list, requirements)?;
    let pip = path(bin.join("pip"));
    tools::run(&[&pip, "install", "--quiet", "-r", &path(list.clone())])?;
    // What is there last says that all of it is.
    fs::rename(list, mark)?;
    Ok(bin)
}

/// The directory of `lava-run`, which runs a job without a server. It writes
/// to `/var/lib/lava`, for which it has to be root.
///
/// # Errors
///
/// It is not there; or, with `setup`, cannot be had.
pub fn lava(setup: bool) -> Result<PathBuf> {
    let python = python(setup)?;
    let dir = cache::dir()?.join("lava");
    let (bin, root) = (dir.join("bin"), dir.join("root"));
    let run = format!(
        "#!/bin/sh\nPATH=\"$PATH:{bin}\" \\\n\
         PYTHONPATH={bin}:{root}/usr/lib/python3/dist-packages \\\n    \
         exec {python}/python {root}/usr/bin/lava-run \"$@\"\n",
        bin = bin.display(),
        root = root.display(),
        python = python.display()
    );
    let mut files = vec![("lava-run".to_owned(), run)];
    let modules = STAND_INS.map(|(name, text)| (name.into(), text.into()));
    files.extend(modules);
    // A QEMU that is no package of Debian's is asked for its version by what
    // LAVA calls the architecture.
    for names in &NAMES {
        let (name, qemu) = (names.lava, names.of.qemu.program);
        let name = format!("qemu-system-{name}");
        if name != qemu {
            files.push((name, format!("#!/bin/sh\nexec {qemu} \"$@\"\n")));
        }
    }
    let is = |(name, text): &(String, String)| {
        fs::read(bin.join(name)).is_ok_and(|file| file == text.as_bytes())
    };
    if files.iter().all(is) {
        return Ok(bin);
    }
    if !setup {
        bail!("lava-run is missing; `cargo xtask setup` installs it");
    }
    fs::create_dir_all(&bin)?;
    if !root.join("usr/bin/lava-run").is_file() {
        unpacked(&LAVA, &root)?;
    }
    for (name, text) in files {
        let file = bin.join(name);
        build::write(&file, text.as_bytes())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&file, mode).context("lava-run")?;
    }
    Ok(bin)
}

/// A directory in which `sbin/kexec` and its libraries, `usr/bin/mkimage` and
/// `usr/lib/u-boot` are.
///
/// # Errors
///
/// They are not there; or, with `setup`, cannot be had.
pub fn boards(setup: bool) -> Result<PathBuf> {
    whole("boards", &BOARDS, "sbin/kexec", "setup", setup)
}

/// A directory in which `usr/sbin/sshd` and its libraries are.
///
/// # Errors
///
/// They or the client are not there; or, with `setup`, cannot be had.
pub fn sshd(setup: bool) -> Result<PathBuf> {
    tools::require(&[SSH], setup)?;
    whole("sshd", &SSHD, "usr/sbin/sshd", "setup", setup)
}

/// A directory in which the programs of Slurm are: `usr/bin/srun`, and in
/// `usr/sbin` its daemons. Only slow tests need them.
///
/// # Errors
///
/// They are not there; or, with `setup`, cannot be had.
pub fn slurm(setup: bool) -> Result<PathBuf> {
    let by = "test --slow --setup";
    whole("slurm", &SLURM, "usr/bin/srun", by, setup)
}

/// A directory of the cache with these packages, which is whole if `file` is
/// in it, and comes by the verb `by`.
fn whole(
    name: &str,
    packages: &[&str],
    file: &str,
    by: &str,
    setup: bool,
) -> Result<PathBuf> {
    let cache = cache::dir()?;
    let dir = cache.join(name);
    let whole = || dir.join(file).is_file();
    if whole() {
        return Ok(dir);
    }
    if !setup {
        let packages = packages.join(", ");
        bail!("missing: {packages}; `cargo xtask {by}` unpacks them");
    }
    fs::create_dir_all(&cache)?;
    let work = tempfile::tempdir_in(cache)?;
    let root = work.path().join("root");
    unpacked(packages, &root)?;
    // All at once: what is there is whole.
    if !whole() {
        cache::replace(&root, &dir, work.path())?;
    }
    Ok(dir)
}

/// Unpacks Debian's packages into a directory, with those libraries of theirs
/// that are not installed.
fn unpacked(packages: &[&str], root: &Path) -> Result<()> {
    if !tools::found("apt-get") {
        bail!("{}: Debian's packages need apt-get", packages.join(", "));
    }
    tools::require(&[tools::DPKG_DEB], true)?;
    let work = tempfile::tempdir_in(cache::dir()?)?;
    let mut wanted: Vec<String> =
        packages.iter().map(|&name| name.to_owned()).collect();
    let mut at = 0;
    while let Some(package) = wanted.get(at) {
        let into = work.path().join(package);
        fs::create_dir(&into)?;
        let deb = apt::download(package, &into)?.display().to_string();
        tools::run(&["dpkg-deb", "-x", &deb, &root.display().to_string()])?;
        for needed in libraries(&deb)? {
            if !wanted.contains(&needed) && !installed(&needed)? {
                wanted.push(needed);
            }
        }
        at += 1;
    }
    Ok(())
}

/// The libraries that a package depends on.
fn libraries(deb: &str) -> Result<Vec<String>> {
    let out = Command::new("dpkg-deb")
        .args(["-f", deb, "Depends"])
        .output()?;
    let depends = String::from_utf8_lossy(&out.stdout).into_owned();
    // Of several that do, the first.
    let names = depends.split(',').filter_map(|one| {
        let name = one.split(['|', '(', ':']).next()?.trim();
        name.starts_with("lib").then(|| name.to_owned())
    });
    Ok(names.collect())
}

fn installed(package: &str) -> Result<bool> {
    let out = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}\\n", package])
        .output()
        .context("dpkg-query")?;
    let states = String::from_utf8_lossy(&out.stdout).into_owned();
    Ok(states.lines().any(|state| state == "installed"))
}
