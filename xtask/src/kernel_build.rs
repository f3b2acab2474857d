//! Kernels built from a source tree and the fragments of `kernel-configs/`.
//!
//! A build is kept in the cache under a hash of everything it depends on:
//! sources, merged configuration and compiler. Object files are kept per tree
//! and architecture, outside the tree, so that the next build compiles only
//! what changed.

pub mod image;
mod kept;
mod make;
mod source;
mod verify;

use crate::arch::{Arch, X86_64};
use crate::kconfig::{self, Config, Request, lang::Kconfig};
use crate::model::hex;
use crate::{cache, interrupt, supply, tools};
use anyhow::{Context, Result};
pub(crate) use kept::ABOUT;
use kept::{About, image_in, keep_in, touch};
pub use kept::{find, names, of_commits, told, vmlinux, was_built};
use sha2::{Digest, Sha256};
use source::Source;
use std::fs;
use std::path::PathBuf;

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
    let dir = kept::dir()?.join(&key);
    if let Some(image) = image_in(&dir) {
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
    if let Some(image) = image_in(&dir) {
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
    let image = keep_in(&kept::dir()?, &make, &about, &dir)?;
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

/// Reads fragments by their names or files. `base` brings the architecture's.
///
/// # Errors
///
/// A fragment that is not there, or a line of it that says nothing.
pub fn requests(names: &[String], arch: &Arch) -> Result<Vec<Request>> {
    let mut fragments = Vec::new();
    let folder = supply::fragments()?;
    for name in names {
        let ours = folder.join(format!("{name}.config"));
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
            let file = folder.join(format!("{}.config", arch.kernel));
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

/// The directory of a tree's object files.
fn objects(source: &Source, arch: &Arch) -> Result<PathBuf> {
    let place = source.dir.to_string_lossy();
    let name = format!("{}-{}", source.name, key(&[arch.name, &place]));
    let dir = cache::dir()?.join("objects").join(name);
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir)
}

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

#[cfg(test)]
mod tests {
    use super::{DEFAULT, OTHERS, key, requests};
    use crate::arch::{self, AARCH64, X86_64};
    use crate::supply;
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    fn every_fragment_is_listed() {
        let there: BTreeSet<String> =
            fs::read_dir(supply::fragments().unwrap())
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
    fn parts_of_a_key_do_not_run_together() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["a"]), key(&["a"]));
        assert_eq!(key(&["a"]).len(), super::KEY);
    }
}
