//! Kernels to boot: a file, the host's own, or Debian's packages.

use crate::kernel_build;
use crate::tools::{self, DPKG_DEB};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Finds or fetches a kernel image: `FILE`, `host`, or
/// `debian:6.12-cloud` / `debian:6.1-cloud`, or `built:6.12`.
///
/// # Errors
///
/// What was looked for and where, or which command failed.
pub fn resolve(spec: &str, setup: bool) -> Result<PathBuf> {
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
        return debian(name, setup);
    }
    if let Some(name) = spec.strip_prefix("built:") {
        return kernel_build::find(name);
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

fn debian(name: &str, setup: bool) -> Result<PathBuf> {
    let dir = cache_dir()?.join(format!("debian-{name}"));
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
    if setup {
        // Old lists name packages that are no longer to be had.
        tools::update()?;
    }
    let package = packages(version, flavour)?.pop().with_context(|| {
        let hint = match setup {
            true => "Debian 12 has 6.12 in its bookworm-security suite",
            false => "run `apt-get update`, or add --setup",
        };
        format!("apt knows no kernel package for debian:{name}; {hint}")
    })?;
    // Fetched beside its place and moved there, so that what is there is
    // whole.
    fs::create_dir_all(cache_dir()?)?;
    let work = tempfile::tempdir_in(cache_dir()?)?;
    let deb = download(&package, work.path())?;
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

/// Fetches a Debian package into a directory; needs no root.
///
/// # Errors
///
/// apt-get failed.
pub fn download(package: &str, dir: &Path) -> Result<PathBuf> {
    eprintln!("+ apt-get download {package}");
    let fetched = Command::new("apt-get")
        .args(["-qq", "download", package])
        .current_dir(dir)
        .output()
        .context("apt-get cannot be started")?;
    if !fetched.status.success() {
        let said = String::from_utf8_lossy(&fetched.stderr).into_owned();
        bail!("`apt-get download {package}` failed: {}", said.trim());
    }
    fs::read_dir(dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|e| e == "deb"))
        .context("apt-get fetched no package")
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

/// Names of matching kernel packages, the newest last.
fn packages(version: &str, flavour: &str) -> Result<Vec<String>> {
    let arch = "amd64";
    let known = Command::new("apt-cache")
        .args(["pkgnames", &format!("linux-image-{version}.")])
        .output()
        .context("apt-cache cannot be started")?;
    let text = String::from_utf8_lossy(&known.stdout).into_owned();
    let suffix = format!("-{flavour}-{arch}-unsigned");
    let mut names: Vec<String> = text
        .lines()
        .filter(|name| name.ends_with(&suffix))
        .map(str::to_owned)
        .collect();
    names.sort_by_key(|name| numbers(name));
    Ok(names)
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
        let error = resolve("/no/such/kernel", false).unwrap_err();
        assert!(error.to_string().contains("debian:6.12-cloud"), "{error}");
    }
}
