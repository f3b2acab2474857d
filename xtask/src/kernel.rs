//! Kernels to boot: a file, the host's own, or Debian's packages.

use crate::arch::Arch;
use crate::kernel_build::{self, image};
use crate::tools::{self, DPKG_DEB};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The architecture of what [`resolve`] finds: the one that was asked for, or
/// else that of a file, or the host's.
///
/// # Errors
///
/// The file is for another one, or the host is and its kernel is asked for.
pub fn arch(spec: &str, asked: Option<&'static Arch>) -> Result<&'static Arch> {
    match (spec, asked) {
        ("host", Some(asked)) if !asked.is_host() => bail!(
            "the host's kernel is for {}, and --arch is {}",
            std::env::consts::ARCH,
            asked.name
        ),
        (file, _) if file != "host" && Path::new(file).is_file() => {
            Arch::for_image(asked, Path::new(file))
        }
        _ => Ok(asked.unwrap_or_else(Arch::host)),
    }
}

/// Finds or fetches a kernel image: `FILE`, `host`, or
/// `debian:6.12-cloud` / `debian:6.1-cloud`, or `built:6.12`.
///
/// # Errors
///
/// What was looked for and where, or which command failed.
pub fn resolve(
    spec: &str,
    asked: Option<&'static Arch>,
    setup: bool,
) -> Result<PathBuf> {
    let arch = arch(spec, asked)?;
    if spec == "host" {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")
            .context("/proc/sys/kernel/osrelease")?;
        let image = PathBuf::from(format!("/boot/vmlinuz-{}", release.trim()));
        fs::File::open(&image).with_context(|| {
            format!("the host's kernel {} is not readable", image.display())
        })?;
        return Ok(image);
    }
    if let Some(name) = spec.strip_prefix("debian:") {
        return debian(name, arch, setup);
    }
    if let Some(name) = spec.strip_prefix("built:") {
        return kernel_build::find(name, arch);
    }
    let image = PathBuf::from(spec);
    if image.is_file() {
        return Ok(image);
    }
    bail!(
        "no kernel `{spec}`; valid are a file, `host`, `debian:6.12-cloud`, \
         `debian:6.1-cloud`, and what `kernel build` made, as `built:6.12`"
    )
}

/// Unpacks an image into `dir` that QEMU might not know; where it is then.
///
/// # Errors
///
/// It cannot be read or unpacked, or the other not be written.
pub fn unpacked(image: &Path, dir: &Path) -> Result<Option<PathBuf>> {
    let what = || image.display().to_string();
    let bytes = fs::read(image).with_context(what)?;
    let kernel = image::bootable(&bytes).with_context(what)?;
    let Some(kernel) = kernel else {
        return Ok(None);
    };
    let path = dir.join("kernel");
    fs::write(&path, kernel).with_context(|| path.display().to_string())?;
    Ok(Some(path))
}

/// The modules that belong to an image, if they are where a package puts
/// both: `boot/vmlinuz-VERSION` and `lib/modules/VERSION`.
#[must_use]
pub fn modules_of(image: &Path) -> Option<PathBuf> {
    let version = image.file_name()?.to_str()?.strip_prefix("vmlinuz-")?;
    let root = image.parent()?.parent()?;
    let dir = root.join("lib/modules").join(version);
    dir.is_dir().then_some(dir)
}

/// Where kernels and other things fetched are kept.
///
/// # Errors
///
/// Neither `PIDONE_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache_dir() -> Result<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    var("PIDONE_CACHE")
        .or_else(|| Some(var("XDG_CACHE_HOME")?.join("pidone")))
        .or_else(|| Some(var("HOME")?.join(".cache/pidone")))
        .context("set PIDONE_CACHE to a directory for fetched kernels")
}

fn debian(name: &str, arch: &Arch, setup: bool) -> Result<PathBuf> {
    let dir = format!("debian-{name}-{}", arch.debian);
    let dir = cache_dir()?.join(dir);
    if let Some(image) = image_in(&dir) {
        return Ok(image);
    }
    let (version, flavour) = name.split_once('-').with_context(|| {
        format!(
            "`debian:{name}` is not debian:VERSION-FLAVOUR, for example \
             debian:6.12-cloud"
        )
    })?;
    if !tools::found("apt-get") {
        bail!(
            "debian:{name} needs apt-get; on this system use --kernel FILE \
             or --kernel host"
        );
    }
    tools::require(&[DPKG_DEB], setup)?;
    let apt = match arch.is_host() {
        true => {
            if setup {
                // Old lists name packages that are no longer to be had.
                tools::update()?;
            }
            Apt::default()
        }
        false => Apt::foreign(arch)?,
    };
    let package = apt.kernels(version, flavour, arch)?.pop();
    let package = package.with_context(|| {
        let hint = match setup || !arch.is_host() {
            true => "Debian 12 has 6.12 in its bookworm-security suite",
            false => "run `apt-get update`, or add --setup",
        };
        let of = arch.debian;
        format!("apt knows no {of} kernel package for debian:{name}; {hint}")
    })?;
    // Fetched beside its place and moved there, so that what is there is
    // whole.
    fs::create_dir_all(cache_dir()?)?;
    let work = tempfile::tempdir_in(cache_dir()?)?;
    let deb = apt.download(&package, work.path())?;
    let root = work.path().join("root");
    let status = Command::new("dpkg-deb")
        .arg("-x")
        .args([&deb, &root])
        .status()
        .context("dpkg-deb cannot be started")?;
    if !status.success() {
        bail!("`dpkg-deb -x {}` failed: {status}", deb.display());
    }
    match fs::rename(&root, &dir) {
        Ok(()) => {}
        // Another process was faster.
        Err(_) if image_in(&dir).is_some() => {}
        Err(error) => {
            return Err(error).context(dir.display().to_string());
        }
    }
    image_in(&dir).with_context(|| format!("{package} holds no kernel image"))
}

/// Fetches a Debian package of the host's into a directory; needs no root.
///
/// # Errors
///
/// apt-get failed.
pub fn download(package: &str, dir: &Path) -> Result<PathBuf> {
    Apt::default().download(package, dir)
}

/// apt: the system's own, or one that has its lists of packages in the cache
/// and takes its sources for those of another architecture. Neither needs
/// root.
#[derive(Debug, Default)]
struct Apt(Vec<String>);

impl Apt {
    /// With new lists for this architecture: it is not known how old those of
    /// the last time are.
    fn foreign(arch: &Arch) -> Result<Self> {
        let dir = cache_dir()?.join(format!("apt-{}", arch.debian));
        let (lists, cache) = (dir.join("lists"), dir.join("cache"));
        for dir in [&lists, &cache] {
            fs::create_dir_all(dir)
                .with_context(|| dir.display().to_string())?;
        }
        let options = [
            format!("APT::Architecture={}", arch.debian),
            format!("APT::Architectures={}", arch.debian),
            format!("Dir::State::lists={}", lists.display()),
            format!("Dir::Cache={}", cache.display()),
            // No package of that kind is installed.
            "Dir::State::status=/dev/null".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ];
        let pairs = options.map(|option| ["-o".to_owned(), option]);
        let apt = Self(pairs.as_flattened().to_vec());
        eprintln!("+ apt-get update, for {}", arch.debian);
        apt.run("apt-get", &["-qq", "update"], &dir)?;
        Ok(apt)
    }

    /// What a command of apt's says.
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

    fn download(&self, package: &str, dir: &Path) -> Result<PathBuf> {
        eprintln!("+ apt-get download {package}");
        self.run("apt-get", &["-qq", "download", package], dir)?;
        fs::read_dir(dir)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|e| e == "deb"))
            .context("apt-get fetched no package")
    }

    /// Names of matching kernel packages, the newest last.
    fn kernels(
        &self,
        version: &str,
        flavour: &str,
        arch: &Arch,
    ) -> Result<Vec<String>> {
        let begin = format!("linux-image-{version}.");
        let here = Path::new(".");
        let text = self.run("apt-cache", &["pkgnames", &begin], here)?;
        let suffix = format!("-{flavour}-{}-unsigned", arch.debian);
        let mut names: Vec<String> = text
            .lines()
            .filter(|name| name.ends_with(&suffix))
            .map(str::to_owned)
            .collect();
        names.sort_by_key(|name| numbers(name));
        Ok(names)
    }
}

fn image_in(dir: &Path) -> Option<PathBuf> {
    fs::read_dir(dir.join("boot"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let name = path.file_name().and_then(|n| n.to_str());
            name.is_some_and(|n| n.starts_with("vmlinuz-"))
        })
}

/// The numbers in a name, for comparing versions.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{numbers, resolve};

    #[test]
    fn newer_versions_come_later() {
        let old = "linux-image-6.12.9+deb12-cloud-amd64-unsigned";
        let new = "linux-image-6.12.117+deb12-cloud-amd64-unsigned";
        assert!(numbers(old) < numbers(new));
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let error = resolve("/no/such/kernel", None, false).unwrap_err();
        assert!(error.to_string().contains("debian:6.12-cloud"), "{error}");
    }
}
