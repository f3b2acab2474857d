//! Kernels built from a source tree and the fragments of `kernel-configs/`.
//!
//! A build is kept in the cache under a hash of everything it depends on:
//! sources, merged configuration and compiler. Object files are kept per tree
//! and architecture, outside the tree, so that the next build compiles only
//! what changed.

pub mod image;
mod make;
mod source;
mod verify;

use crate::arch::{Arch, X86_64};
use crate::kconfig::{self, Config, Request, lang::Kconfig};
use crate::model::hex;
use crate::{build, cache, interrupt, tools};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use source::Source;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Fragments that are merged unless some are named, in this order.
pub const DEFAULT: [&str; 8] = [
    "base",
    "sched-ext",
    "numa",
    "cgroup",
    "block",
    "net",
    "rt",
    "guest",
];

/// All others: each makes another kind of kernel.
pub const OTHERS: [&str; 3] = ["debug", "kcsan", "preempt-rt"];

/// What a build says of itself, beside its image.
pub(crate) const ABOUT: &str = "about.json";

/// Hexadecimal digits of a build's key.
const KEY: usize = 16;

/// What is to be built.
#[derive(Debug)]
pub struct Order {
    /// A directory, or `debian:VERSION`.
    pub tree: String,
    /// Names or files; none stands for [`DEFAULT`].
    pub fragments: Vec<String>,
    /// `tinyconfig`, `defconfig`, or a file.
    pub base: String,
    /// The architecture.
    pub arch: &'static Arch,
    /// Compilers at once.
    pub jobs: usize,
    /// Install what is missing.
    pub setup: bool,
}

impl Order {
    /// A build of a tree with as many compilers at once as there are CPUs.
    #[must_use]
    pub fn of(tree: &str, base: &str, arch: &'static Arch) -> Self {
        let cpus = std::thread::available_parallelism();
        Self {
            tree: tree.to_owned(),
            fragments: Vec::new(),
            base: base.to_owned(),
            arch,
            jobs: cpus.map_or(1, usize::from),
            setup: false,
        }
    }

    /// The kernel that tests boot: Debian's 6.12 with all default fragments.
    ///
    /// # Errors
    ///
    /// The number of CPUs cannot be found.
    pub fn of_tests(setup: bool) -> Result<Self> {
        Ok(Self {
            tree: "debian:6.12".to_owned(),
            fragments: Vec::new(),
            base: "tinyconfig".to_owned(),
            arch: &X86_64,
            jobs: std::thread::available_parallelism()?.get(),
            setup,
        })
    }
}

/// A kernel that is there.
#[derive(Debug)]
pub struct Built {
    /// The image.
    pub image: PathBuf,
    /// Whether it was there before.
    pub cached: bool,
}

/// What is kept beside an image.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    /// What it is found by: `built:NAME`.
    name: String,
    /// Version as the kernel says it.
    release: String,
    arch: String,
    source: String,
    base: String,
    fragments: Vec<String>,
    compiler: String,
}

/// The kernel does not build, though its configuration is in order.
#[derive(Debug)]
pub struct DoesNotBuild(String);

impl core::fmt::Display for DoesNotBuild {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for DoesNotBuild {}

/// Builds, or finds what was built before.
///
/// # Errors
///
/// A symbol that cannot be had, with what it needs; what is missing to build;
/// or [`DoesNotBuild`].
pub fn build(order: &Order) -> Result<Built> {
    let base = match order.base.as_str() {
        name @ ("tinyconfig" | "defconfig") => Base::Target(name.to_owned()),
        file => Base::Text(fs::read_to_string(file).with_context(|| {
            format!("--base {file} is no tinyconfig, defconfig or file")
        })?),
    };
    let names = match order.fragments.is_empty() {
        true => DEFAULT.map(str::to_owned).to_vec(),
        false => order.fragments.clone(),
    };
    let requests = requests(&names, order.arch)?;
    tools::require(make::TOOLS, order.setup)?;
    let compiler = make::Compiler::find(order.arch, order.setup)?;
    let versions = make::versions(&compiler.program);
    let source = Source::find(&order.tree, order.setup)?;
    let key = key(&[
        order.arch.name,
        &source.identity,
        base.text(),
        &requests_text(&requests),
        &versions,
    ]);
    let dir = cache()?.join(&key);
    if let Some(image) = whole(&dir) {
        // The last one that was asked for is what a name finds.
        touch(&dir)?;
        return Ok(Built {
            image,
            cached: true,
        });
    }
    let objects = objects(&source, order.arch)?;
    // Another process may be building the same.
    let lock = fs::File::create(objects.join("pidone.lock"))?;
    interrupt::hold(&lock, "another build of this tree")?;
    if let Some(image) = whole(&dir) {
        return Ok(Built {
            image,
            cached: true,
        });
    }
    let make = make::Make {
        source: &source.dir,
        objects: &objects,
        arch: order.arch,
        compiler,
        jobs: order.jobs,
    };
    configure(&make, &base, &requests, &names)?;
    make.build()?;
    let about = About {
        name: source.name.clone(),
        release: make.release()?,
        arch: order.arch.name.to_owned(),
        source: source.identity.clone(),
        base: order.base.clone(),
        fragments: names,
        compiler: versions,
    };
    let image = keep_in(&cache()?, &make, &about, &dir)?;
    Ok(Built {
        image,
        cached: false,
    })
}

/// Builds, where sources that do not build are an answer: `Err` in `Ok` says
/// why they do not.
///
/// # Errors
///
/// As those of [`build`], but for [`DoesNotBuild`].
pub fn attempt(order: &Order) -> Result<core::result::Result<PathBuf, String>> {
    match build(order) {
        Ok(built) => Ok(Ok(built.image)),
        Err(error) if error.is::<DoesNotBuild>() => Ok(Err(error.to_string())),
        Err(error) => Err(error),
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

/// What a configuration begins as.
enum Base {
    Target(String),
    Text(String),
}

impl Base {
    fn text(&self) -> &str {
        match self {
            Self::Target(text) | Self::Text(text) => text,
        }
    }
}

/// The sources that a kernel of this `tree` is built from.
///
/// # Errors
///
/// There are none, and they cannot be had.
pub fn sources(tree: &str, setup: bool) -> Result<PathBuf> {
    Ok(Source::find(tree, setup)?.dir)
}

/// Our own fragments.
#[must_use]
pub fn folder() -> PathBuf {
    build::workspace().join("kernel-configs")
}

/// Reads fragments by their names or files. `base` brings the architecture's.
///
/// # Errors
///
/// A fragment that is not there, or a line of it that says nothing.
pub fn requests(names: &[String], arch: &Arch) -> Result<Vec<Request>> {
    let mut fragments = Vec::new();
    for name in names {
        let ours = folder().join(format!("{name}.config"));
        let file = if ours.is_file() {
            ours
        } else {
            PathBuf::from(name)
        };
        let text = fs::read_to_string(&file).with_context(|| {
            let all: Vec<_> = DEFAULT.iter().chain(&OTHERS).copied().collect();
            format!(
                "no fragment `{name}`; valid are {}, and files",
                all.join(", ")
            )
        })?;
        fragments.push(kconfig::fragment(name, &text)?);
        if name == "base" {
            let file = folder().join(format!("{}.config", arch.kernel));
            let text = fs::read_to_string(&file)
                .with_context(|| file.display().to_string())?;
            fragments.push(kconfig::fragment(arch.kernel, &text)?);
        }
    }
    Ok(kconfig::merge(fragments))
}

fn requests_text(requests: &[Request]) -> String {
    let lines = requests.iter().map(|r| format!("{r} {}\n", r.optional));
    lines.collect()
}

/// A short name of what these are together.
pub(crate) fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(0).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())[..KEY].to_owned()
}

/// Where finished kernels are.
fn cache() -> Result<PathBuf> {
    Ok(cache::dir()?.join("built"))
}

/// The directory of a tree's object files.
fn objects(source: &Source, arch: &Arch) -> Result<PathBuf> {
    let place = source.dir.to_string_lossy();
    let name = format!("{}-{}", source.name, key(&[arch.name, &place]));
    let dir = cache::dir()?.join("objects").join(name);
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir)
}

/// What each finished build has beside its modules.
const PARTS: [&str; 4] = ["image", "config", VMLINUX, ABOUT];

/// The image of a finished build; nothing where a part of it is missing, or
/// was not written to its end.
fn image_in(dir: &Path) -> Option<PathBuf> {
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

/// Makes the configuration, and sees to it that it is what was asked for.
fn configure(
    make: &make::Make<'_>,
    base: &Base,
    requests: &[Request],
    names: &[String],
) -> Result<()> {
    let file = make.objects.join(".config");
    let base = match base {
        Base::Target(target) => {
            make.config(target)?;
            let text = fs::read_to_string(&file);
            text.with_context(|| file.display().to_string())?
        }
        Base::Text(text) => text.clone(),
    };
    let merged = Config::parse(&base).merged(requests);
    fs::write(&file, merged)?;
    make.config("olddefconfig")?;
    let text = fs::read_to_string(&file)?;
    let config = Config::parse(&text);
    if kconfig::unmet(requests, &config).is_empty() {
        return Ok(());
    }
    let mut read = |path: &str| {
        let bytes = fs::read(make.source.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let kconfig = Kconfig::parse(&mut read, make.arch.srcarch);
    verify::all_met(requests, names, &config, &kconfig)
}

/// Puts what was built into its place in the cache.
fn keep_in(
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

/// The image of a build that is all there.
fn whole(dir: &Path) -> Option<PathBuf> {
    image_in(dir).filter(|_| dir.join(ABOUT).is_file())
}

/// Notes that a build was asked for.
fn touch(dir: &Path) -> Result<()> {
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
    for entry in fs::read_dir(cache()?).into_iter().flatten() {
        let dir = entry?.path();
        let file = dir.join(ABOUT);
        if whole(&dir).is_none() {
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
            "no kernel `built:{name}`: none was built; see cargo xtask kernel \
             build --help"
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

#[cfg(test)]
mod tests {
    use super::{About, DEFAULT, OTHERS, folder, image_in, keep_in, key};
    use super::{make, requests, vmlinux};
    use crate::arch::{self, AARCH64, Arch, X86_64};
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    fn every_fragment_is_listed() {
        let there: BTreeSet<String> = fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let arches = arch::ALL.map(|arch| arch.kernel);
        let names = DEFAULT.iter().chain(&OTHERS).chain(&arches);
        let listed: BTreeSet<String> =
            names.map(|name| format!("{name}.config")).collect();
        assert_eq!(there, listed);
    }

    #[test]
    fn base_brings_its_architecture() {
        for (arch, symbol) in
            [(&X86_64, "64BIT"), (&AARCH64, "SERIAL_AMBA_PL011")]
        {
            let all = requests(&["base".to_owned()], arch).unwrap();
            let found = all.iter().find(|r| r.symbol == symbol);
            let found = found.unwrap_or_else(|| panic!("no {symbol}"));
            assert_eq!(found.fragment, arch.kernel);
        }
        let error = requests(&["no-such".to_owned()], &X86_64).unwrap_err();
        assert!(format!("{error:#}").contains("valid are base, sched-ext"));
    }

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
        for part in super::PARTS {
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

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["a"]), key(&["a"]));
        assert_eq!(key(&["a"]).len(), super::KEY);
    }
}
