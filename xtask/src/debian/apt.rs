//! apt, as we use it: with sources and lists of packages of its own in our
//! cache, so that the system's are as they were, and without root.

use super::kernel::Suite;
use crate::arch::Arch;
use crate::cache;
use crate::tools::{self, DEBIAN_KEYRING, DPKG_DEB};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The archive, where the system has no mirror of its own.
const DEBIAN: &str = "http://deb.debian.org/debian/";
const SECURITY: &str = "http://deb.debian.org/debian-security/";

/// Reads lists of packages, whatever apt compressed them with.
const HELPER: &str = "/usr/lib/apt/apt-helper";

/// Debian's archive, for one architecture.
#[derive(Debug)]
pub(super) struct Archive {
    arch: &'static str,
    debian: String,
    security: String,
}

impl Archive {
    /// The one that the system uses, if it is Debian.
    ///
    /// # Errors
    ///
    /// What asks it is missing.
    pub(super) fn find(arch: &Arch, setup: bool) -> Result<Self> {
        if !tools::found("apt-get") {
            bail!(
                "kernels of Debian's come by apt-get, which Debian and Ubuntu \
                 have, in a container too; here, give a file or `host`"
            );
        }
        tools::require(&[DPKG_DEB, DEBIAN_KEYRING], setup)?;
        let format = "$(ORIGIN)|$(LABEL)|$(REPO_URI)";
        let text = Apt::default().run(
            "apt-get",
            &["indextargets", "--format", format, "Created-By: Packages"],
            Path::new("/"),
        )?;
        let mirror = |label: &str, default: &str| {
            let begin = format!("Debian|{label}|");
            let uri = text.lines().find_map(|line| line.strip_prefix(&begin));
            uri.unwrap_or(default).to_owned()
        };
        Ok(Self {
            arch: arch.debian,
            debian: mirror("Debian", DEBIAN),
            security: mirror("Debian-Security", SECURITY),
        })
    }

    fn sources(&self, suite: &Suite) -> String {
        let line = |uri: &str, name: &str| {
            let key = DEBIAN_KEYRING.program;
            format!("deb [signed-by={key}] {uri} {name} main\n")
        };
        let security = suite.security.map(|name| line(&self.security, name));
        line(&self.debian, suite.name) + &security.unwrap_or_default()
    }
}

/// apt for one suite, and the lock on its lists.
#[derive(Debug)]
pub(super) struct Private {
    apt: Apt,
    dir: PathBuf,
    _lock: File,
}

impl Private {
    /// With the lists of the last time.
    ///
    /// # Errors
    ///
    /// The cache cannot be written.
    pub(super) fn of(archive: &Archive, suite: &'static Suite) -> Result<Self> {
        let name = format!("apt-{}-{}", archive.arch, suite.name);
        let dir = cache::dir()?.join(name);
        let (lists, cache) = (dir.join("lists"), dir.join("cache"));
        for dir in [&lists, &cache] {
            fs::create_dir_all(dir)
                .with_context(|| dir.display().to_string())?;
        }
        // apt has one too, and fails rather than wait for it.
        let lock = File::create(dir.join("pidone.lock"))?;
        lock.lock().with_context(|| dir.display().to_string())?;
        let sources = dir.join("sources.list");
        fs::write(&sources, archive.sources(suite))
            .with_context(|| sources.display().to_string())?;
        let options = [
            format!("APT::Architecture={}", archive.arch),
            format!("APT::Architectures={}", archive.arch),
            format!("Dir::Etc::sourcelist={}", sources.display()),
            "Dir::Etc::sourceparts=-".to_owned(),
            format!("Dir::State::lists={}", lists.display()),
            format!("Dir::Cache={}", cache.display()),
            // What is installed here does not matter.
            "Dir::State::status=/dev/null".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"
                .to_owned(),
            // Lists that cannot be had are no mere warning.
            "APT::Update::Error-Mode=any".to_owned(),
        ];
        let pairs = options.map(|option| ["-o".to_owned(), option]);
        Ok(Self {
            apt: Apt(pairs.as_flattened().to_vec()),
            dir,
            _lock: lock,
        })
    }

    /// With new lists: nobody knows how old those of the last time are.
    ///
    /// # Errors
    ///
    /// They cannot be had.
    pub(super) fn updated(
        archive: &Archive,
        suite: &'static Suite,
    ) -> Result<Self> {
        let private = Self::of(archive, suite)?;
        private
            .apt
            .run("apt-get", &["-qq", "update"], &private.dir)?;
        Ok(private)
    }

    /// All packages whose names begin so, and their versions.
    ///
    /// # Errors
    ///
    /// The lists cannot be read.
    pub(super) fn packages(
        &self,
        begin: &str,
    ) -> Result<BTreeMap<String, String>> {
        // What apt-cache would say as well, after seconds of indexing.
        let mut text = String::new();
        for entry in fs::read_dir(self.dir.join("lists"))? {
            let file = entry?.path();
            let file = file.to_string_lossy();
            if file.contains("_Packages") {
                let args = ["cat-file", &*file];
                text += &self.apt.run(HELPER, &args, &self.dir)?;
            }
        }
        let mut packages = BTreeMap::new();
        let mut package = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("Package: ") {
                package = name.starts_with(begin).then_some(name);
            } else if let Some(version) = line.strip_prefix("Version: ")
                && let Some(name) = package.take()
            {
                packages.insert(name.to_owned(), version.to_owned());
            }
        }
        Ok(packages)
    }

    /// Fetches a package into an empty directory.
    ///
    /// # Errors
    ///
    /// It cannot be had.
    pub(super) fn download(
        &self,
        package: &str,
        dir: &Path,
    ) -> Result<PathBuf> {
        let mut debs = self.apt.download(&[package], dir)?;
        debs.pop().context("apt-get fetched no package")
    }

    /// Fetches packages and unpacks them below `root`.
    pub(super) fn unpack(
        &self,
        packages: &[String],
        root: &Path,
    ) -> Result<()> {
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        let work = tempfile::tempdir_in(cache::dir()?)?;
        for deb in self.apt.download(&packages, work.path())? {
            let path = |p: &Path| p.display().to_string();
            tools::run(&["dpkg-deb", "-x", &path(&deb), &path(root)])?;
        }
        Ok(())
    }
}

/// Fetches a package of the system's own sources into a directory.
///
/// # Errors
///
/// apt-get failed.
pub fn download(package: &str, dir: &Path) -> Result<PathBuf> {
    let mut debs = Apt::default().download(&[package], dir)?;
    debs.pop().context("apt-get fetched no package")
}

/// apt's programs, and what they are told first.
#[derive(Debug, Default)]
struct Apt(Vec<String>);

impl Apt {
    /// What a command says.
    fn run(&self, program: &str, args: &[&str], dir: &Path) -> Result<String> {
        let out = Command::new(program)
            .args(&self.0)
            .args(args)
            .current_dir(dir)
            .output()
            .with_context(|| format!("{program} cannot be started"))?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            bail!("`{program} {}` failed: {}", args.join(" "), said.trim());
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Files of packages, newly fetched into an empty directory.
    fn download(&self, packages: &[&str], dir: &Path) -> Result<Vec<PathBuf>> {
        crate::tell!("+ apt-get download {}", packages.join(" "));
        let args = [&["-qq", "download"], packages].concat();
        self.run("apt-get", &args, dir)?;
        let mut debs = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "deb") {
                debs.push(path);
            }
        }
        Ok(debs)
    }
}
