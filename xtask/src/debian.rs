//! Kernels of Debian's archive, by name: `debian:VERSION` or `debian:SUITE`,
//! with or without `-FLAVOUR`.

pub mod apt;
mod kernel;
pub mod qemu;

use crate::arch::Arch;
use anyhow::{Context, Result, bail};
use apt::{Archive, Private};
pub use kernel::Kernel;
use kernel::{Name, SUITES, Suite, names, numbers};
use kernel::{of_packages, unknown, upstream, upstream_age};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

/// Refuses what no kernel can be called.
///
/// # Errors
///
/// It is neither `VERSION` nor `SUITE`, with or without `-FLAVOUR`.
pub fn check(name: &str) -> Result<()> {
    Name::parse(name).map(drop)
}

/// The newest kernel of a name, unpacked below `dir` as its packages have it;
/// nothing, if `there` says that it is not needed.
///
/// # Errors
///
/// Nothing has that name, and what there is; or the archive cannot be asked.
pub fn fetch(
    name: &str,
    arch: &Arch,
    setup: bool,
    dir: &Path,
    there: &dyn Fn(&Kernel) -> bool,
) -> Result<Kernel> {
    let wanted = Name::parse(name)?;
    let archive = Archive::find(arch, setup)?;
    let mut suites: Vec<_> = Suite::of(arch).collect();
    suites.retain(|suite| wanted.suite.is_none_or(|only| only == *suite));
    if let ([], Some(suite)) = (&*suites, wanted.suite) {
        bail!("Debian's {} is not made for {}", suite.name, arch.debian);
    }
    let all = of_suites(&suites, &archive, arch)?;
    let newest = all.iter().rfind(|kernel| wanted.fits(kernel));
    let Some(newest) = newest else {
        bail!("{}", unknown(name, &wanted, &all, arch));
    };
    if !there(newest) {
        Private::of(&archive, newest.suite)?.unpack(&newest.parts, dir)?;
    }
    Ok(newest.clone())
}

/// All kernels that can be had, the newest last.
///
/// # Errors
///
/// The archive cannot be asked.
pub fn list(arch: &Arch, setup: bool) -> Result<Vec<Kernel>> {
    let suites: Vec<_> = Suite::of(arch).collect();
    of_suites(&suites, &Archive::find(arch, setup)?, arch)
}

/// The kernels of these suites, the newest last.
fn of_suites(
    suites: &[&'static Suite],
    archive: &Archive,
    arch: &Arch,
) -> Result<Vec<Kernel>> {
    let lists = packages(suites, archive, arch, "linux-")?;
    let all = lists.iter().flat_map(|(suite, packages)| {
        of_packages(packages, suite, arch.debian)
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by_cached_key(Kernel::age);
    Ok(all)
}

/// Packages whose names begin so, and their versions, of each suite.
type Packages = Vec<(&'static Suite, BTreeMap<String, String>)>;

/// Asks these suites for packages.
fn packages(
    suites: &[&'static Suite],
    archive: &Archive,
    arch: &Arch,
    begin: &str,
) -> Result<Packages> {
    let shown = names(suites.iter().map(|suite| suite.name));
    crate::tell!("+ apt-get update, of {shown} for {}", arch.debian);
    let of = |suite: &'static Suite| {
        Private::updated(archive, suite)?.packages(begin)
    };
    thread::scope(|scope| {
        let ask = |&suite| (suite, scope.spawn(move || of(suite)));
        let asked: Vec<_> = suites.iter().map(ask).collect();
        let mut all = Vec::new();
        for (suite, thread) in asked {
            let packages = thread.join().ok().context("a thread of ours");
            all.push((suite, packages??));
        }
        Ok(all)
    })
}

/// Fetches a package of a suite for an architecture, and unpacks it below
/// `root`.
///
/// # Errors
///
/// There is no such suite, or the archive does not have it.
pub fn unpack(
    package: &str,
    suite: &str,
    arch: &Arch,
    setup: bool,
    root: &Path,
) -> Result<()> {
    let found = SUITES.iter().find(|it| it.name == suite);
    let suite = found.with_context(|| format!("no suite {suite}"))?;
    let archive = Archive::find(arch, setup)?;
    let private = Private::updated(&archive, suite)?;
    private.unpack(&[package.to_owned()], root)
}

/// What packages of sources are called, before their version.
pub const SOURCES: &str = "linux-source-";

/// Fetches the newest package of the sources of a version, as `7.2`, into an
/// empty directory.
///
/// # Errors
///
/// No suite has it, and what there is; or the archive cannot be asked.
pub fn fetch_sources(
    version: &str,
    setup: bool,
    dir: &Path,
) -> Result<PathBuf> {
    let arch = Arch::host();
    let archive = Archive::find(arch, setup)?;
    let suites: Vec<_> = Suite::of(arch).collect();
    let lists = packages(&suites, &archive, arch, SOURCES)?;
    let suite = newest_sources(version, &lists)?;
    let package = format!("{SOURCES}{version}");
    Private::of(&archive, suite)?.download(&package, dir)
}

/// The suite that has the newest sources of a version.
fn newest_sources(version: &str, lists: &Packages) -> Result<&'static Suite> {
    let package = format!("{SOURCES}{version}");
    let newest = lists
        .iter()
        .filter_map(|(suite, packages)| Some((suite, packages.get(&package)?)))
        // Of two suites with the same, the older one's.
        .rev()
        .max_by_key(|(_, version)| upstream_age(upstream(version)));
    if let Some((suite, _)) = newest {
        return Ok(suite);
    }
    let there = lists.iter().flat_map(|(_, packages)| packages.keys());
    let mut there: Vec<&str> = there
        .filter_map(|name| name.strip_prefix(SOURCES))
        .collect();
    there.sort_by_cached_key(|version| numbers(version));
    there.dedup();
    bail!(
        "Debian has no sources debian:{version}; valid are {}",
        names(there.iter().map(|version| format!("debian:{version}")))
    )
}

#[cfg(test)]
mod tests {
    use super::{SOURCES, SUITES, newest_sources};

    #[test]
    fn sources_are_the_newest_of_their_version() {
        let mut lists = Vec::new();
        for (suite, text) in [
            ("bookworm", "6.1 6.1.180-1, 6.12 6.12.117-1~deb12u1"),
            ("trixie", "6.12 6.12.117-1"),
            (
                "trixie-backports",
                "7.2 7.2.12-1~bpo13+1, 7.3 7.3.4-1~bpo13+1",
            ),
            ("sid", "7.2 7.2.13-1"),
            ("experimental", "7.3 7.3~rc7-1~exp1"),
        ] {
            let suite = SUITES.iter().find(|s| s.name == suite).unwrap();
            let packages = text.split(", ").map(|word| {
                let (name, version) = word.split_once(' ').unwrap();
                (format!("{SOURCES}{name}"), version.to_owned())
            });
            lists.push((suite, packages.collect()));
        }
        for (version, suite) in [
            ("6.1", "bookworm"),
            ("6.12", "bookworm"),
            ("7.2", "sid"),
            ("7.3", "trixie-backports"),
        ] {
            let newest = newest_sources(version, &lists).unwrap();
            assert_eq!(newest.name, suite, "{version}");
        }
        let said = newest_sources("6.13", &lists).unwrap_err().to_string();
        assert!(
            said.ends_with("debian:6.1, debian:6.12, debian:7.2, debian:7.3"),
            "{said}"
        );
    }
}
