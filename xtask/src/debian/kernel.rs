//! What a name of a kernel of Debian's means, and which packages it is in.

use crate::arch::Arch;
use crate::program;
use anyhow::{Result, bail};
use core::cmp::Reverse;
use std::collections::BTreeMap;

/// A suite with kernels.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) name: &'static str,
    /// The one with its security updates.
    pub(super) security: Option<&'static str>,
    /// Architectures of ours that it is not made for, as Debian calls them.
    without: &'static [&'static str],
}

impl Suite {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            security: None,
            without: &[],
        }
    }

    const fn without(mut self, arches: &'static [&'static str]) -> Self {
        self.without = arches;
        self
    }

    const fn security(mut self, name: &'static str) -> Self {
        self.security = Some(name);
        self
    }

    /// Those that are made for an architecture.
    pub(super) fn of(
        arch: &Arch,
    ) -> impl Iterator<Item = &'static Self> + use<> {
        let debian = arch.debian;
        let made = move |suite: &&Self| !suite.without.contains(&debian);
        SUITES.iter().filter(made)
    }
}

/// What was released before Debian was made for riscv64.
const EARLY: &[&str] = &["riscv64"];

/// The older come first: of two packages of one version, theirs is taken.
pub(super) static SUITES: [Suite; 7] = [
    Suite::new("bookworm")
        .security("bookworm-security")
        .without(EARLY),
    Suite::new("trixie").security("trixie-security"),
    Suite::new("bookworm-backports").without(EARLY),
    Suite::new("trixie-backports"),
    Suite::new("forky"),
    Suite::new("sid"),
    Suite::new("experimental"),
];

/// What follows `debian:`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name<'n> {
    /// The only suite to look in.
    pub(super) suite: Option<&'static Suite>,
    /// `7.2`, `7.2.13`, `7.2.13+deb14`, `6.1.0-56`; any, if empty.
    version: &'n str,
    /// `cloud`, `rt`, or that of most machines, which is called nothing.
    flavour: &'n str,
}

impl<'n> Name<'n> {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// It is neither `VERSION` nor `SUITE`, with or without `-FLAVOUR`.
    pub(super) fn parse(name: &'n str) -> Result<Self> {
        let split = |begin: &'static Suite| {
            let rest = name.strip_prefix(begin.name)?;
            (rest.is_empty() || rest.starts_with('-')).then_some((begin, rest))
        };
        let named = SUITES.iter().filter_map(split);
        if let Some((suite, rest)) = named.min_by_key(|(_, r)| r.len()) {
            return Ok(Self {
                suite: Some(suite),
                version: "",
                flavour: rest.trim_start_matches('-'),
            });
        }
        let word = |c: char| c.is_ascii_alphanumeric() || "+.~".contains(c);
        let plain = |w: &str| !w.is_empty() && w.chars().all(word);
        if !name.starts_with(|c: char| c.is_ascii_digit())
            || !name.split('-').all(plain)
        {
            bail!(
                "`debian:{name}` is no debian:VERSION or debian:SUITE, with \
                 or without -FLAVOUR: debian:6.12-cloud, debian:7.2-rt, \
                 debian:sid; suites are {}; `{} kernel list` shows all",
                names(SUITES.iter().map(|suite| suite.name)),
                program::name()
            );
        }
        let (version, flavour) = version_and_flavour(name);
        Ok(Self {
            suite: None,
            version,
            flavour,
        })
    }

    pub(super) fn fits(&self, kernel: &Kernel) -> bool {
        let begins = |text: &str| {
            let rest = text.strip_prefix(self.version);
            rest.is_some_and(|rest| {
                let next = rest.chars().next();
                next.is_none_or(|c| {
                    self.version.is_empty() || ".+-~".contains(c)
                })
            })
        };
        self.suite.is_none_or(|suite| kernel.suite == suite)
            && self.flavour == kernel.flavour
            && (begins(&kernel.version) || begins(kernel.upstream()))
    }
}

/// `6.1.0-56-cloud` and the like in two: what follows the version and the
/// number of a build.
fn version_and_flavour(name: &str) -> (&str, &str) {
    let digits = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
    let mut at = name.find('-').unwrap_or(name.len());
    if let Some(rest) = name.get(at + 1..) {
        let build = rest.split('-').next().unwrap_or_default();
        if !build.is_empty() && digits(build) {
            at += 1 + build.len();
        }
    }
    (&name[..at], name[at..].trim_start_matches('-'))
}

pub(super) fn names(all: impl Iterator<Item = impl Into<String>>) -> String {
    all.map(Into::into).collect::<Vec<_>>().join(", ")
}

/// A kernel in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    pub(super) suite: &'static Suite,
    /// What names it, the flavour apart: of its release, or of its package
    /// where many have one release, as candidates have.
    version: String,
    flavour: String,
    /// The version of its package.
    package: String,
    /// The packages that it is in: the image, modules, and what belongs to
    /// both.
    pub(super) parts: Vec<String>,
}

impl Kernel {
    /// What follows `debian:` to name this one and no other.
    #[must_use]
    pub fn name(&self) -> String {
        joined(&self.version, &self.flavour)
    }

    /// The suite that it is taken from.
    #[must_use]
    pub fn suite(&self) -> &'static str {
        self.suite.name
    }

    /// What follows `debian:` to name the newest of its series, and of its
    /// suite.
    #[must_use]
    pub fn short_names(&self) -> [String; 2] {
        [&*self.series(), self.suite.name]
            .map(|name| joined(name, &self.flavour))
    }

    /// The kernel's own version, as the package has it.
    fn upstream(&self) -> &str {
        upstream(&self.package)
    }

    /// The numbers that name its series: `7.2`.
    fn series(&self) -> String {
        let mut parts = self.upstream().split(['.', '~']);
        let mut next = || parts.next().unwrap_or_default();
        format!("{}.{}", next(), next())
    }

    /// Orders kernels by age. A candidate is older than what it becomes.
    pub(super) fn age(&self) -> impl Ord + use<> {
        let suite = SUITES.iter().position(|suite| suite == self.suite);
        let age = upstream_age(self.upstream());
        (age, Reverse(suite), numbers(&self.version))
    }
}

/// The kernel's own version, as the version of a package has it.
pub(super) fn upstream(package: &str) -> &str {
    let version = package.rsplit_once('-');
    version.map_or(package, |(upstream, _)| upstream)
}

/// Orders versions of the kernel by age.
pub(super) fn upstream_age(upstream: &str) -> impl Ord + use<> {
    let (version, candidate) = match upstream.split_once("~rc") {
        Some((version, rc)) => (version, rc.parse().unwrap_or(0)),
        None => (upstream, u32::MAX),
    };
    let mut version = numbers(version);
    version.resize(4, 0);
    (version, candidate)
}

fn joined(version: &str, flavour: &str) -> String {
    match flavour {
        "" => version.to_owned(),
        flavour => format!("{version}-{flavour}"),
    }
}

/// The numbers in a text.
pub(super) fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse().ok())
        .collect()
}

pub(super) fn of_packages(
    packages: &BTreeMap<String, String>,
    suite: &'static Suite,
    arch: &str,
) -> Vec<Kernel> {
    let mut all = Vec::new();
    for (release, (_, image)) in images(packages.keys(), arch) {
        let parts = ["base", "modules"].map(|p| format!("linux-{p}-{release}"));
        let parts = parts.into_iter().filter(|p| packages.contains_key(p));
        let Some((version, flavour)) = release_parts(release, arch) else {
            continue;
        };
        let mut kernel = Kernel {
            suite,
            version,
            flavour,
            package: packages[image].clone(),
            parts: parts.chain([image.to_owned()]).collect(),
        };
        // Each candidate has the release of what it becomes.
        if !kernel.version.contains(['+', '-']) {
            kernel.version = kernel.upstream().to_owned();
        }
        all.push(kernel);
    }
    all
}

/// The packages with images among names, by release, and how good each is:
/// the smaller, the better. Newer ones have the image alone; where they are,
/// `linux-image` is nothing but what needs them. For a while, an image that is
/// not signed may be all that there is.
fn images<'n>(
    names: impl Iterator<Item = &'n String>,
    arch: &str,
) -> BTreeMap<&'n str, (usize, &'n str)> {
    let mut images = BTreeMap::new();
    for name in names {
        let binary = name.strip_prefix("linux-binary-");
        let image = name.strip_prefix("linux-image-");
        let (rank, release) = match (binary, image) {
            (Some(rest), _) => match rest.strip_prefix("unsigned-") {
                None => (0, rest),
                Some(release) => (1, release),
            },
            (_, Some(rest)) => match rest.strip_suffix("-unsigned") {
                None => (2, rest),
                Some(release) => (3, release),
            },
            _ => continue,
        };
        let other = ["-dbg", "-template"].iter().any(|e| release.ends_with(e));
        if other || release_parts(release, arch).is_none() {
            continue;
        }
        let best = images.entry(release).or_insert((rank, &**name));
        *best = (*best).min((rank, name));
    }
    images
}

/// Version and flavour of a kernel's release: `6.1.0-56` and `cloud` of
/// `6.1.0-56-cloud-amd64`, `16k` of `6.12.95+deb12-arm64-16k`.
fn release_parts(release: &str, arch: &str) -> Option<(String, String)> {
    let words: Vec<&str> = release.split('-').collect();
    let at = words.iter().position(|word| *word == arch)?;
    let begin = words[..at].join("-");
    let (version, before) = version_and_flavour(&begin);
    let flavour = [&[before], &words[at + 1..]].concat();
    let flavour: Vec<&str> = flavour
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect();
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then(|| (version.to_owned(), flavour.join("-")))
}

/// What is said of a name that nothing has.
pub(super) fn unknown(
    name: &str,
    wanted: &Name<'_>,
    all: &[Kernel],
    arch: &Arch,
) -> String {
    let like = all.iter().filter(|k| k.flavour == wanted.flavour);
    let mut valid: Vec<String> = like
        .map(|kernel| joined(&kernel.series(), &kernel.flavour))
        .collect();
    if valid.is_empty() {
        let any = wanted.suite.map_or(wanted.version, |suite| suite.name);
        let of = |kernel: &Kernel| joined(any, &kernel.flavour);
        valid = all.iter().map(of).collect();
        valid.sort();
    }
    valid.dedup();
    format!(
        "Debian has no kernel debian:{name} for {}; valid are {}, as `cargo \
         xtask kernel list` shows",
        arch.debian,
        names(valid.iter().map(|name| format!("debian:{name}")))
    )
}

#[cfg(test)]
mod tests {
    use super::{Kernel, Name, SUITES, of_packages, unknown};
    use crate::arch::{AARCH64, X86_64};
    use std::collections::BTreeMap;

    fn kernels(suite: &str, arch: &str, packages: &str) -> Vec<Kernel> {
        let suite = SUITES.iter().find(|s| s.name == suite).unwrap();
        let packages: BTreeMap<String, String> = packages
            .lines()
            .filter_map(|line| line.trim().split_once(' '))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect();
        of_packages(&packages, suite, arch)
    }

    /// What the archive had once, cut short.
    fn archive() -> Vec<Kernel> {
        let mut all = kernels(
            "bookworm",
            "amd64",
            "linux-image-6.1.0-9-cloud-amd64 6.1.27-1
             linux-image-6.1.0-56-cloud-amd64 6.1.180-1
             linux-image-6.1.0-56-cloud-amd64-dbg 6.1.180-1
             linux-image-6.12.117+deb12-cloud-amd64-unsigned 6.12.117-1~deb12u1
             linux-image-6.12-amd64-signed-template 6.12.117-1~deb12u1
             linux-image-cloud-amd64 6.1.180-1",
        );
        all.extend(kernels(
            "trixie",
            "amd64",
            "linux-image-6.12.9+deb13-cloud-amd64 6.12.9-1
             linux-image-6.12.117+deb13-cloud-amd64 6.12.117-1
             linux-image-6.12.117+deb13-rt-amd64 6.12.117-1",
        ));
        all.extend(kernels(
            "trixie-backports",
            "amd64",
            "linux-binary-7.3.4+deb13-cloud-amd64 7.3.4-1~bpo13+1
             linux-binary-7.4+deb13-cloud-amd64 7.4-1~bpo13+1",
        ));
        all.extend(kernels(
            "sid",
            "amd64",
            "linux-base 4.12
             linux-base-7.2.13+deb14-cloud-amd64 7.2.13-1
             linux-binary-7.2.13+deb14-cloud-amd64 7.2.13-1
             linux-binary-unsigned-7.2.13+deb14-cloud-amd64 7.2.13-1
             linux-image-7.2.13+deb14-cloud-amd64 7.2.13-1
             linux-modules-7.2.13+deb14-cloud-amd64 7.2.13-1
             linux-binary-7.2.13+deb14-amd64 7.2.13-1",
        ));
        all.extend(kernels(
            "experimental",
            "amd64",
            "linux-binary-unsigned-7.3-cloud-amd64 7.3~rc7-1~exp1
             linux-binary-7.4-cloud-amd64 7.4~rc2-1~exp1",
        ));
        all.sort_by_cached_key(Kernel::age);
        all
    }

    fn newest(name: &str) -> Option<String> {
        let wanted = Name::parse(name).unwrap();
        let all = archive();
        let found = all.iter().rfind(|kernel| wanted.fits(kernel));
        found.map(|kernel| format!("{} {}", kernel.name(), kernel.suite()))
    }

    #[test]
    fn a_name_means_its_newest_kernel() {
        for (name, is) in [
            ("6.1-cloud", "6.1.0-56-cloud bookworm"),
            ("6.1.0-9-cloud", "6.1.0-9-cloud bookworm"),
            ("6.1.27-cloud", "6.1.0-9-cloud bookworm"),
            // Of one version, that of the older suite.
            ("6.12-cloud", "6.12.117+deb12-cloud bookworm"),
            ("6.12.117+deb13-cloud", "6.12.117+deb13-cloud trixie"),
            ("6.12-rt", "6.12.117+deb13-rt trixie"),
            ("6.12.9-cloud", "6.12.9+deb13-cloud trixie"),
            ("trixie-cloud", "6.12.117+deb13-cloud trixie"),
            ("trixie-backports-cloud", "7.4+deb13-cloud trixie-backports"),
            ("7.4-cloud", "7.4+deb13-cloud trixie-backports"),
            ("7.2-cloud", "7.2.13+deb14-cloud sid"),
            ("7.2", "7.2.13+deb14 sid"),
            ("sid", "7.2.13+deb14 sid"),
            ("sid-cloud", "7.2.13+deb14-cloud sid"),
            // A candidate is older than what it becomes.
            ("7.3-cloud", "7.3.4+deb13-cloud trixie-backports"),
            ("7.3~rc7-cloud", "7.3~rc7-cloud experimental"),
            ("experimental-cloud", "7.4~rc2-cloud experimental"),
        ] {
            assert_eq!(newest(name).as_deref(), Some(is), "{name}");
        }
        for name in ["6.12.1-cloud", "7.2-rt", "7-rt", "sid-16k", "7.20"] {
            assert_eq!(newest(name), None, "{name}");
        }
    }

    #[test]
    fn a_kernel_is_all_of_its_packages() {
        let all = archive();
        let parts = |name: &str| {
            let kernel = all.iter().find(|k| k.name() == name).unwrap();
            kernel.parts.join(" ")
        };
        assert_eq!(
            parts("7.2.13+deb14-cloud"),
            "linux-base-7.2.13+deb14-cloud-amd64 \
             linux-modules-7.2.13+deb14-cloud-amd64 \
             linux-binary-7.2.13+deb14-cloud-amd64"
        );
        assert_eq!(
            parts("6.12.117+deb12-cloud"),
            "linux-image-6.12.117+deb12-cloud-amd64-unsigned"
        );
        assert_eq!(
            parts("7.3~rc7-cloud"),
            "linux-binary-unsigned-7.3-cloud-amd64"
        );
        let arm = kernels(
            "trixie",
            AARCH64.debian,
            "linux-image-6.12.95+deb13-arm64-16k 6.12.95-1
             linux-image-6.12.95+deb13-amd64 6.12.95-1",
        );
        let names: Vec<_> = arm.iter().map(Kernel::name).collect();
        assert_eq!(names, ["6.12.95+deb13-16k"]);
    }

    #[test]
    fn a_name_that_nothing_has_gets_the_list() {
        for bad in ["", "linux", "7.2-", "../x", "7.2 cloud", "sidcloud"] {
            let error = Name::parse(bad).unwrap_err().to_string();
            assert!(error.contains("debian:7.2-rt"), "{error}");
            assert!(error.contains("sid, experimental"), "{error}");
        }
        let said = |name| {
            let wanted = Name::parse(name).unwrap();
            unknown(name, &wanted, &archive(), &X86_64)
        };
        let text = said("5.4-cloud");
        assert!(
            text.contains(
                "no kernel debian:5.4-cloud for amd64; valid are \
                 debian:6.1-cloud, debian:6.12-cloud, debian:7.2-cloud, \
                 debian:7.3-cloud, debian:7.4-cloud, as"
            ),
            "{text}"
        );
        let text = said("sid-big");
        let want = "valid are debian:sid, debian:sid-cloud, debian:sid-rt, as";
        assert!(text.contains(want), "{text}");
    }
}
