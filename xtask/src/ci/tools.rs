//! Programs of continuous integration systems, for the tests: the definitions
//! that are written are carried out here.
//!
//! Packages for Python are in a directory of their own in the cache, at the
//! versions of `requirements.txt`. LAVA's dispatcher is Debian's.

use crate::{build, kernel, tools};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Packages of the dispatcher.
const LAVA: [&str; 3] =
    ["lava-common", "lava-dispatcher", "lava-dispatcher-host"];

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
    let dir = kernel::cache_dir()?.join("python");
    let (bin, mark) = (dir.join("bin"), dir.join("requirements.txt"));
    if fs::read_to_string(&mark).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(bin);
    }
    if !setup {
        bail!("tools of CIs are missing; `cargo xtask setup` installs them");
    }
    tools::require(&[tools::PYTHON], setup)?;
    let path = |path: PathBuf| path.display().to_string();
    tools::run(&["python3", "-m", "venv", "--clear", &path(dir.clone())])?;
    let list = dir.join("wanted.txt");
    fs::write(&list, REQUIREMENTS)?;
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
    let dir = kernel::cache_dir()?.join("lava");
    let (bin, run) = (dir.join("bin"), dir.join("bin/lava-run"));
    if run.is_file() {
        return Ok(bin);
    }
    if !setup {
        bail!("lava-run is missing; `cargo xtask setup` installs it");
    }
    if !tools::found("apt-get") {
        bail!("lava-run comes from Debian's packages, which need apt-get");
    }
    tools::require(&[tools::DPKG_DEB], setup)?;
    fs::create_dir_all(&bin)?;
    let work = tempfile::tempdir_in(kernel::cache_dir()?)?;
    let root = dir.join("root").display().to_string();
    for package in LAVA {
        let into = work.path().join(package);
        fs::create_dir(&into)?;
        let deb = kernel::download(package, &into)?;
        tools::run(&["dpkg-deb", "-x", &deb.display().to_string(), &root])?;
    }
    for (module, text) in STAND_INS {
        fs::write(bin.join(module), text)?;
    }
    let script = format!(
        "#!/bin/sh\nPYTHONPATH={bin}:{root}/usr/lib/python3/dist-packages \
         exec {python}/python {root}/usr/bin/lava-run \"$@\"\n",
        bin = bin.display(),
        python = python.display()
    );
    build::write(&run, script.as_bytes())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&run, mode).context("lava-run")?;
    Ok(bin)
}
