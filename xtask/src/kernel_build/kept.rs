//! Kernels that were built: how each is kept, and found again.

use super::make;
use crate::arch::Arch;
use crate::cache;
use crate::program;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a build says of itself, beside its image.
pub(crate) const ABOUT: &str = "about.json";

/// What is kept beside an image.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    /// What it is found by: `built:NAME`.
    pub(super) name: String,
    /// Version as the kernel says it.
    pub(super) release: String,
    pub(super) arch: String,
    pub(super) source: String,
    pub(super) base: String,
    pub(super) fragments: Vec<String>,
    pub(super) compiler: String,
}

/// Where finished kernels are.
pub(super) fn dir() -> Result<PathBuf> {
    Ok(cache::dir()?.join("built"))
}

/// What each finished build has beside its modules.
const PARTS: [&str; 4] = ["image", "config", VMLINUX, ABOUT];

/// The image of a finished build; nothing where a part of it is missing, or
/// was not written to its end.
pub(super) fn image_in(dir: &Path) -> Option<PathBuf> {
    let whole = |part: &&str| {
        let meta = fs::metadata(dir.join(part));
        meta.is_ok_and(|meta| meta.is_file() && meta.len() > 0)
    };
    PARTS.iter().all(whole).then(|| dir.join(PARTS[0]))
}

/// The kernel proper of an image that was built here, with its symbols and
/// types (BTF).
#[must_use]
pub fn vmlinux(image: &Path) -> PathBuf {
    image.with_file_name(VMLINUX)
}

/// The name of that, in the kernel's build as in ours.
const VMLINUX: &str = "vmlinux";

/// Puts what was built into its place in the cache.
pub(super) fn keep_in(
    cache: &Path,
    make: &make::Make<'_>,
    about: &About,
    dir: &Path,
) -> Result<PathBuf> {
    fs::create_dir_all(cache)?;
    let work = tempfile::tempdir_in(cache)?;
    let new = work.path().join("new");
    let copy = |from: &str, to: &str| {
        let from = make.objects.join(from);
        fs::copy(&from, new.join(to))
            .with_context(|| from.display().to_string())
    };
    fs::create_dir(&new)?;
    copy(make.arch.image.1, "image")?;
    copy(".config", "config")?;
    make.strip(&make.objects.join(VMLINUX), &new.join(VMLINUX))?;
    make.install_modules(&new)?;
    let about = serde_json::to_string_pretty(about)?;
    fs::write(new.join(ABOUT), about)?;
    // Moved there in one step. What is in its place is of no use.
    cache::replace(&new, dir, work.path())?;
    image_in(dir).context("the build is not whole")
}

/// Notes that a build was asked for.
pub(super) fn touch(dir: &Path) -> Result<()> {
    let file = dir.join(ABOUT);
    let open = fs::File::options().write(true).open(&file);
    let set = open.and_then(|file| file.set_modified(SystemTime::now()));
    set.with_context(|| file.display().to_string())
}

/// A finished build.
struct StoredBuild {
    dir: PathBuf,
    about: About,
    /// When it was last asked for.
    asked: SystemTime,
}

impl StoredBuild {
    fn key(&self) -> String {
        let name = self.dir.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// What it is called, and what it is.
    fn name(&self) -> String {
        let About {
            name,
            release,
            arch,
            ..
        } = &self.about;
        format!("built:{name} ({release}, {arch}, {})", self.key())
    }
}

/// All that were built, by their names.
fn stored() -> Result<Vec<StoredBuild>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir()?).into_iter().flatten() {
        let dir = entry?.path();
        let file = dir.join(ABOUT);
        if image_in(&dir).is_none() {
            continue;
        }
        let text = fs::read_to_string(&file)
            .with_context(|| file.display().to_string())?;
        let about: About = serde_json::from_str(&text)
            .with_context(|| file.display().to_string())?;
        let asked = fs::metadata(&file)?.modified()?;
        all.push(StoredBuild { dir, about, asked });
    }
    all.sort_by_cached_key(StoredBuild::name);
    Ok(all)
}

/// What `--kernel` takes for each kernel that was built, and what that is.
///
/// # Errors
///
/// The cache cannot be read.
pub fn names() -> Result<Vec<String>> {
    Ok(stored()?.iter().map(StoredBuild::name).collect())
}

/// The image of `built:NAME`: of those for that architecture that have the
/// name, or else whose version or key begins so, the one that was last asked
/// for.
///
/// # Errors
///
/// Nothing of that name was built.
pub fn find(name: &str, arch: &Arch) -> Result<PathBuf> {
    let all = stored()?;
    let fits = |build: &&StoredBuild| {
        let named = build.about.name == name
            || build.about.release.starts_with(name)
            || build.key().starts_with(name);
        named && build.about.arch == arch.name
    };
    let best = |build: &&StoredBuild| (build.about.name == name, build.asked);
    match all.iter().filter(fits).max_by_key(best) {
        Some(build) => Ok(build.dir.join(PARTS[0])),
        None if all.is_empty() => bail!(
            "no kernel `built:{name}`: none was built; see {} kernel build \
             --help",
            program::name()
        ),
        None => bail!(
            "no kernel `built:{name}` for {}; there are {}",
            arch.name,
            all.iter()
                .map(StoredBuild::name)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// The images of two commits, if both were built in the same way: the ones
/// that were last asked for.
///
/// # Errors
///
/// The cache cannot be read.
pub fn of_commits(
    commits: [&str; 2],
    arch: &Arch,
) -> Result<Option<[PathBuf; 2]>> {
    let all = stored()?;
    let of = |commit: &str| {
        let mut mine: Vec<&StoredBuild> = all
            .iter()
            .filter(|build| build.about.source == commit)
            .filter(|build| build.about.arch == arch.name)
            .collect();
        mine.sort_by_key(|build| core::cmp::Reverse(build.asked));
        mine
    };
    let (of_a, of_b) = (of(commits[0]), of(commits[1]));
    let pairs = of_a.iter().flat_map(|a| of_b.iter().map(move |b| (a, b)));
    let how = |build: &StoredBuild| {
        let About {
            base,
            fragments,
            compiler,
            ..
        } = &build.about;
        (base.clone(), fragments.clone(), compiler.clone())
    };
    let mut alike = pairs.filter(|(a, b)| how(a) == how(b));
    let image = |build: &StoredBuild| build.dir.join(PARTS[0]);
    Ok(alike.next().map(|(a, b)| [image(a), image(b)]))
}

/// Whether a kernel of this commit, of any configuration, is kept.
///
/// # Errors
///
/// The cache cannot be read.
pub fn was_built(commit: &str, arch: &Arch) -> Result<bool> {
    let all = stored()?;
    let is = |build: &StoredBuild| {
        build.about.source == commit && build.about.arch == arch.name
    };
    Ok(all.iter().any(is))
}

/// The version that a kernel which was built here says it is, and what it was
/// built with in words: its base, fragments and compiler.
///
/// # Errors
///
/// It was not built here, or that cannot be read.
pub fn told(image: &Path) -> Result<(String, String)> {
    let file = image.with_file_name(ABOUT);
    let what = || file.display().to_string();
    let text = fs::read_to_string(&file).with_context(what)?;
    let about: About = serde_json::from_str(&text).with_context(what)?;
    let fragments = about.fragments.join(", ");
    let compiler = about.compiler.split(';').next().unwrap_or_default();
    let with = format!("{} with {fragments}; {compiler}", about.base);
    Ok((about.release, with))
}

#[cfg(test)]
mod tests {
    use super::{About, PARTS, image_in, keep_in, make, vmlinux};
    use crate::arch::{Arch, X86_64};
    use std::fs;

    #[test]
    fn a_build_that_is_not_whole_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (objects, place) = (dir.path().join("o"), dir.path().join("kept"));
        let image = objects.join(X86_64.image.1);
        fs::create_dir_all(image.parent().unwrap()).unwrap();
        fs::write(image, "image").unwrap();
        fs::write(objects.join(".config"), "CONFIG_A=y\n").unwrap();
        fs::copy("/proc/self/exe", objects.join("vmlinux")).unwrap();
        let make = make::Make {
            source: dir.path(),
            objects: &objects,
            arch: &X86_64,
            compiler: make::Compiler::find(Arch::host(), false).unwrap(),
            jobs: 1,
        };
        let about = About {
            name: "6.12".to_owned(),
            release: "6.12.0".to_owned(),
            arch: X86_64.name.to_owned(),
            source: String::new(),
            base: String::new(),
            fragments: Vec::new(),
            compiler: String::new(),
        };
        let kept = || {
            let image = keep_in(dir.path(), &make, &about, &place).unwrap();
            assert_eq!(image_in(&place), Some(image.clone()));
            image
        };
        let vmlinux = vmlinux(&kept());
        assert!(fs::read(vmlinux).unwrap().starts_with(b"\x7fELF"));
        for part in PARTS {
            fs::remove_file(place.join(part)).unwrap();
            assert_eq!(image_in(&place), None, "no {part}");
            kept();
            fs::write(place.join(part), "").unwrap();
            assert_eq!(image_in(&place), None, "an empty {part}");
            kept();
        }
        // Nothing else is left.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
