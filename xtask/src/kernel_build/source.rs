//! Source trees: Debian's package, or a directory, and what tells one state
//! of them from another.

use crate::debian;
use crate::model::hex;
use crate::{cache, tools};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tree to build from.
#[derive(Debug)]
pub(super) struct Source {
    /// Where it is.
    pub(super) dir: PathBuf,
    /// Short name: `6.12`, or the directory's.
    pub(super) name: String,
    /// Differs whenever its contents do.
    pub(super) identity: String,
}

impl Source {
    /// A directory, or `debian:VERSION`, which is fetched.
    pub(super) fn find(tree: &str, setup: bool) -> Result<Self> {
        if let Some(version) = tree.strip_prefix("debian:") {
            return of_debian(version, setup);
        }
        let dir = fs::canonicalize(tree).with_context(|| {
            format!("--tree {tree} is no directory and no debian:VERSION")
        })?;
        if !dir.join("Kconfig").is_file() || !dir.join("Kbuild").is_file() {
            bail!("{} is no kernel tree", dir.display());
        }
        let name = dir.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let identity = match git(&dir)? {
            Some(identity) => identity,
            None => format!("{} {}", dir.display(), listing(&dir)?),
        };
        Ok(Self {
            dir,
            name,
            identity,
        })
    }
}

/// Fetches and unpacks Debian's package of sources, without root.
fn of_debian(version: &str, setup: bool) -> Result<Source> {
    let package = format!("{}{version}", debian::SOURCES);
    let cache = cache::dir()?.join("source");
    let source = |version_of_package: &str| Source {
        dir: cache.join(format!("{package}_{version_of_package}")),
        name: version.to_owned(),
        identity: format!("{package} {version_of_package}"),
    };
    // Those that are there, the last fetched one first.
    let mut there: Vec<_> = fs::read_dir(&cache)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let rest = name.strip_prefix(&package)?.strip_prefix('_')?;
            is_whole(&entry.path()).then_some(())?;
            let made = entry.metadata().ok()?.modified().ok()?;
            Some((made, rest.to_owned()))
        })
        .collect();
    there.sort();
    if let Some((_, version)) = there.pop() {
        return Ok(source(&version));
    }
    if !tools::found("apt-get") {
        bail!("debian:{version} needs apt-get; on this system use --tree DIR");
    }
    tools::require(&[tools::DPKG_DEB], setup)?;
    fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
    let work = tempfile::tempdir_in(&cache)?;
    let deb = debian::fetch_sources(version, setup, work.path())?;
    let field = Command::new("dpkg-deb")
        .args(["-f".as_ref(), deb.as_os_str(), "Version".as_ref()])
        .output()
        .context("dpkg-deb cannot be started")?;
    let found = String::from_utf8(field.stdout)?.trim().to_owned();
    if found.is_empty() {
        bail!("{} has no version", deb.display());
    }
    let source = source(&found);
    unpack(&package, &deb, work.path())?;
    // Unless another process was faster.
    if !is_whole(&source.dir) {
        let new = work.path().join(&package);
        cache::replace(&new, &source.dir, work.path())?;
    }
    Ok(source)
}

/// Whether a directory of the cache holds sources.
fn is_whole(dir: &Path) -> bool {
    ["Kconfig", "Makefile"]
        .iter()
        .all(|f| dir.join(f).is_file())
}

fn unpack(package: &str, deb: &Path, work: &Path) -> Result<()> {
    let path = |p: &Path| p.display().to_string();
    let root = work.join("root");
    tools::run(&["dpkg-deb", "-x", &path(deb), &path(&root)])?;
    let tar = root.join(format!("usr/src/{package}.tar.xz"));
    tools::run(&["tar", "-xJf", &path(&tar), "-C", &path(work)])
}

/// What a checkout holds: its commit, and a hash of what differs from it.
fn git(dir: &Path) -> Result<Option<String>> {
    let run = |args: &[&str]| {
        let out = Command::new("git").arg("-C").arg(dir).args(args).output();
        out.ok()
            .filter(|out| out.status.success())
            .map(|o| o.stdout)
    };
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    // A tree that lies inside another checkout is not that checkout.
    let top = run(&["rev-parse", "--show-toplevel"]);
    if top.as_deref().map(text) != Some(dir.display().to_string()) {
        return Ok(None);
    }
    let Some(head) = run(&["rev-parse", "HEAD"]) else {
        return Ok(None);
    };
    let changed = run(&["diff", "--binary", "HEAD"]).unwrap_or_default();
    let new = run(&["ls-files", "-z", "--others", "--exclude-standard"]);
    let new = new.unwrap_or_default();
    let head = text(&head);
    if changed.is_empty() && new.is_empty() {
        return Ok(Some(head));
    }
    let mut hash = Sha256::new();
    hash.update(&changed);
    for name in new.split(|&b| b == 0).filter(|name| !name.is_empty()) {
        let file = dir.join(std::ffi::OsStr::from_bytes(name));
        hash.update(name);
        // A link that leads nowhere has no contents.
        let contents = fs::read(&file).unwrap_or_default();
        hash.update(Sha256::digest(&contents));
    }
    Ok(Some(format!("{head} and {}", hex(&hash.finalize()))))
}

/// A hash of all names, sizes and times: reading a gigabyte to find that
/// nothing changed would take longer than a cache hit may.
fn listing(dir: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        let entries = fs::read_dir(&dir);
        let entries = entries.with_context(|| dir.display().to_string())?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry?.path());
        }
        paths.sort();
        for path in paths {
            let meta = fs::symlink_metadata(&path)?;
            hash.update(path.as_os_str().as_bytes());
            if meta.is_dir() {
                dirs.push(path);
                continue;
            }
            for field in [meta.mtime(), meta.mtime_nsec()] {
                hash.update(field.to_le_bytes());
            }
            hash.update(meta.size().to_le_bytes());
        }
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::Source;
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    fn identity(dir: &Path) -> String {
        let tree = dir.display().to_string();
        Source::find(&tree, false).unwrap().identity
    }

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in ["Kconfig", "Kbuild", "a.c"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        dir
    }

    /// Each change of a tree gives another identity, and changing it back the
    /// first.
    fn follows_changes(dir: &Path) {
        let first = identity(dir);
        assert_eq!(identity(dir), first);
        fs::write(dir.join("a.c"), "changed").unwrap();
        let changed = identity(dir);
        assert_ne!(changed, first);
        fs::write(dir.join("b.c"), "new").unwrap();
        let new = identity(dir);
        assert_ne!(new, changed);
        fs::write(dir.join("b.c"), "newer").unwrap();
        assert_ne!(identity(dir), new);
    }

    #[test]
    fn a_directory_is_known_by_its_files() {
        let dir = tree();
        follows_changes(dir.path());
        let error = Source::find("/no/such", false).unwrap_err();
        assert!(format!("{error:#}").contains("debian:VERSION"));
        fs::remove_file(dir.path().join("Kbuild")).unwrap();
        let tree = dir.path().display().to_string();
        let error = Source::find(&tree, false).unwrap_err().to_string();
        assert!(error.contains("is no kernel tree"), "{error}");
    }

    #[test]
    fn a_checkout_is_known_by_its_commit() {
        let dir = tree();
        let git = |args: &[&str]| {
            let status = Command::new("git")
                .arg("-C")
                .arg(dir.path())
                .args(["-c", "user.name=a", "-c", "user.email=a@b"])
                .args(args)
                .status();
            assert!(status.unwrap().success());
        };
        git(&["init", "-q"]);
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "one"]);
        let clean = identity(dir.path());
        assert_eq!(clean.len(), 40, "{clean}");
        follows_changes(dir.path());
        git(&["reset", "-q", "--hard"]);
        git(&["clean", "-q", "-f"]);
        assert_eq!(identity(dir.path()), clean);
    }
}
