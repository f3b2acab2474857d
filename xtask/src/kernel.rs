//! Kernels to boot: a file, the host's own, or Debian's packages.

use crate::arch::{ALL, Arch};
use crate::cache;
use crate::debian::{self, Kernel};
use crate::kernel_build::{self, image};
use crate::program;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

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

/// Finds a kernel's image, which is fetched if need be: a file, a kernel tree
/// that is built, `host`, a name of Debian's such as `debian:6.12-cloud` or
/// `debian:sid`, or `built:6.12`.
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
        return host();
    }
    if let Some(name) = spec.strip_prefix("debian:") {
        let dir = named(name, arch)?;
        return match image_in(&dir) {
            Some(image) => Ok(image),
            None => {
                if dir.exists() {
                    crate::tell!(
                        "{spec} in the cache is not whole; it is fetched again"
                    );
                }
                fetch_debian(name, arch, setup)
            }
        };
    }
    if let Some(name) = spec.strip_prefix("built:") {
        return kernel_build::find(name, arch);
    }
    if spec.contains("://") {
        bail!(
            "the kernel {spec} is not fetched: get it by `curl -LO`, or by a \
             browser, and give the file"
        );
    }
    let path = PathBuf::from(spec);
    if path.is_dir() {
        return in_tree(&path, arch);
    }
    if path.is_file() {
        if let Some([is, should]) = image::cut_off(&path)? {
            bail!(
                "the kernel {spec} is cut off: by its header it has {should} \
                 bytes, and the file has {is}"
            );
        }
        return Ok(path);
    }
    bail!(
        "no kernel `{spec}`; valid are a file, a kernel tree that is built, \
         `host`, Debian's kernels, such as `debian:6.12-cloud`, \
         `debian:7.2-rt` or `debian:sid`, and what `kernel build` made, as \
         `built:6.12`; `{} kernel list` shows what there is",
        program::name()
    )
}

/// The same, but what is fetched is the newest of its name, though an older
/// one is there, which stays.
///
/// # Errors
///
/// As those of [`resolve`].
pub fn newest(
    spec: &str,
    asked: Option<&'static Arch>,
    setup: bool,
) -> Result<PathBuf> {
    match spec.strip_prefix("debian:") {
        Some(name) => fetch_debian(name, arch(spec, asked)?, setup),
        None => resolve(spec, asked, setup),
    }
}

fn host() -> Result<PathBuf> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("/proc/sys/kernel/osrelease")?;
    let release = release.trim();
    let places = [
        format!("/boot/vmlinuz-{release}"),
        format!("/lib/modules/{release}/vmlinuz"),
    ];
    for place in &places {
        match fs::File::open(place) {
            Ok(_) => return Ok(place.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let what = format!("the host's kernel {place} is not readable");
                return Err(error).context(what);
            }
        }
    }
    bail!("the host's kernel is not there: {}", places.join(", "))
}

/// Whether a directory has a kernel's sources or object files.
#[must_use]
pub fn is_tree(dir: &Path) -> bool {
    ["Kconfig", ".config"].iter().any(|f| dir.join(f).is_file())
}

/// The image in a directory with sources or object files, or with modules.
fn in_tree(tree: &Path, arch: &Arch) -> Result<PathBuf> {
    let among_modules = IMAGES.map(|name| tree.join(name));
    if let Some(image) = among_modules.into_iter().find(|f| f.is_file()) {
        return Ok(image);
    }
    let image = |arch: &Arch| tree.join(arch.image.1);
    if image(arch).is_file() {
        return Ok(image(arch));
    }
    let dir = tree.display();
    let other = ALL.iter().find(|other| image(other).is_file());
    if let Some(other) = other {
        bail!(
            "{dir} is built for {}, not for {}; say --arch {}",
            other.name,
            arch.name,
            other.name
        );
    }
    if !is_tree(tree) {
        bail!(
            "{dir} is a directory and no kernel tree, nor a \
             /lib/modules/VERSION with an image; give the image"
        );
    }
    let (target, file) = arch.image;
    bail!(
        "{dir} is a kernel tree without {file}: `make {target}` there makes \
         it, or `{} kernel build --tree {dir}` one for our work types",
        program::name()
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
/// both: `boot/vmlinuz-VERSION` and `lib/modules/VERSION`, or all in the
/// latter; or where `kernel build` does.
#[must_use]
pub fn modules_of(image: &Path) -> Option<PathBuf> {
    let name = image.file_name()?.to_str()?;
    let parent = image.parent()?;
    if IMAGES.contains(&name) && parent.join("modules.builtin").is_file() {
        return Some(parent.to_owned());
    }
    if parent.join(kernel_build::ABOUT).is_file() {
        let mut versions = fs::read_dir(parent.join(MODULES[0])).ok()?;
        return Some(versions.next()?.ok()?.path());
    }
    let version = name.strip_prefix("vmlinuz-")?;
    let root = parent.parent()?;
    let dirs = MODULES.map(|dir| root.join(dir).join(version));
    dirs.into_iter().find(|dir| dir.is_dir())
}

/// What an image among modules is called.
const IMAGES: [&str; 2] = ["vmlinuz", "vmlinuz.unsigned"];

/// Where packages have modules.
const MODULES: [&str; 2] = ["lib/modules", "usr/lib/modules"];

/// Where a kernel of Debian's is that is known by a name: a directory, or for
/// the newest of a version or suite, a link to it.
fn named(name: &str, arch: &Arch) -> Result<PathBuf> {
    debian::check(name)?;
    Ok(cache::dir()?.join(format!("debian-{name}-{}", arch.debian)))
}

/// Those of Debian's kernels that are in the cache, by their names.
///
/// # Errors
///
/// The cache cannot be read.
pub fn fetched(arch: &Arch) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(cache::dir()?).into_iter().flatten() {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let name = file.strip_prefix("debian-");
        let name =
            name.and_then(|n| n.strip_suffix(arch.debian)?.strip_suffix('-'));
        if let Some(name) = name
            && image_in(&entry.path()).is_some()
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Fetches the newest kernel of a name, unless it is there, and makes the
/// name that of this one.
fn fetch_debian(name: &str, arch: &Arch, setup: bool) -> Result<PathBuf> {
    let link = named(name, arch)?;
    // Fetched beside its place and moved there, so that what is there is
    // whole.
    fs::create_dir_all(cache::dir()?)?;
    let work = tempfile::tempdir_in(cache::dir()?)?;
    let root = work.path().join("root");
    let place = |kernel: &Kernel| named(&kernel.name(), arch);
    let there = |kernel: &Kernel| {
        place(kernel).is_ok_and(|dir| image_in(&dir).is_some())
    };
    let kernel = debian::fetch(name, arch, setup, &root, &there)?;
    let dir = place(&kernel)?;
    if !there(&kernel) {
        cache::replace(&root, &dir, work.path())?;
    }
    if dir != link {
        let target = dir.file_name().context("no name")?;
        let new = work.path().join("link");
        std::os::unix::fs::symlink(target, &new)?;
        cache::replace(&new, &link, work.path())?;
    }
    image_in(&dir).with_context(|| {
        format!("debian:{} holds no kernel image", kernel.name())
    })
}

/// The image among the files of a package.
fn image_in(root: &Path) -> Option<PathBuf> {
    let is_image = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() > 0)
            && matches!(image::cut_off(path), Ok(None))
    };
    let entries = |dir: PathBuf| {
        let entries = fs::read_dir(dir).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path()))
    };
    let root = fs::canonicalize(root).ok()?;
    let in_boot = entries(root.join("boot")).filter(|path| {
        let name = path.file_name().and_then(|n| n.to_str());
        name.is_some_and(|n| n.starts_with("vmlinuz-"))
    });
    let beside = MODULES.into_iter().flat_map(|dir| entries(root.join(dir)));
    let beside = beside.flat_map(|dir| IMAGES.map(|name| dir.join(name)));
    in_boot.chain(beside).find(is_image)
}

#[cfg(test)]
mod tests {
    use super::{image_in, in_tree, modules_of, resolve};
    use crate::arch::{AARCH64, X86_64};
    use crate::cache::replace;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn file(root: &Path, name: &str, text: &str) -> PathBuf {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        for (spec, said) in [
            ("/no/such/kernel", "`debian:6.12-cloud`"),
            ("debian:linux", "suites are bookworm,"),
            ("https://kernel.org/bzImage", "curl -LO"),
            ("/", "is a directory and no kernel tree"),
        ] {
            let error = resolve(spec, Some(&X86_64), false).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn an_image_has_its_modules_wherever_a_package_puts_them() {
        let dir = tempfile::tempdir().unwrap();
        for (image, modules) in [
            ("old/boot/vmlinuz-6.1", "old/lib/modules/6.1"),
            ("usr/boot/vmlinuz-6.2", "usr/usr/lib/modules/6.2"),
            ("new/usr/lib/modules/7.2/vmlinuz", "new/usr/lib/modules/7.2"),
            ("arch/lib/modules/7.3/vmlinuz", "arch/lib/modules/7.3"),
            (
                "unsigned/usr/lib/modules/7.4/vmlinuz.unsigned",
                "unsigned/usr/lib/modules/7.4",
            ),
        ] {
            let image = file(dir.path(), image, "kernel");
            assert_eq!(modules_of(&image), None, "{}", image.display());
            let modules = dir.path().join(modules);
            file(&modules, "modules.builtin", "");
            assert_eq!(modules_of(&image), Some(modules.clone()));
            let root = modules.strip_prefix(dir.path()).unwrap();
            let root = dir.path().join(root.components().next().unwrap());
            let found = image_in(&root).unwrap();
            assert_eq!(found, fs::canonicalize(&image).unwrap());
            if modules == image.parent().unwrap() {
                assert_eq!(in_tree(&modules, &X86_64).unwrap(), image);
            }
            // What was not written to its end is none.
            fs::write(&image, "").unwrap();
            assert_eq!(image_in(&root), None);
        }
        // Of a build of ours that has modules, and of one that has none.
        let image = file(dir.path(), "built/image", "kernel");
        file(dir.path(), "built/about.json", "{}");
        assert_eq!(modules_of(&image), None);
        file(dir.path(), "built/lib/modules/7.2/modules.builtin", "");
        let modules = dir.path().join("built/lib/modules/7.2");
        assert_eq!(modules_of(&image), Some(modules));
    }

    /// An EFI image of so many bytes, in one section.
    fn efi(length: u32) -> Vec<u8> {
        let mut image = vec![0; length as usize];
        image[..2].copy_from_slice(b"MZ");
        image[0x3c] = 0x40;
        image[0x40..0x44].copy_from_slice(b"PE\0\0");
        // A section, behind no optional header.
        image[0x46] = 1;
        let size = (length - 0x200).to_le_bytes();
        image[0x58 + 16..0x58 + 20].copy_from_slice(&size);
        image[0x58 + 20..0x58 + 24].copy_from_slice(&0x200_u32.to_le_bytes());
        image
    }

    #[test]
    fn what_is_of_no_use_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (place, work) = (dir.path().join("place"), dir.path().join("w"));
        fs::create_dir(&work).unwrap();
        let fresh = || {
            let new = dir.path().join("new");
            file(&new, "boot/vmlinuz-1", "kernel");
            new
        };
        let whole = || image_in(&place).is_some();
        replace(&fresh(), &place, &work).unwrap();
        assert!(whole());
        fs::write(place.join("boot/vmlinuz-1"), "").unwrap();
        assert!(!whole());
        replace(&fresh(), &place, &work).unwrap();
        assert!(whole());
        // A download that ended early.
        let image = efi(0x1000);
        let file = place.join("boot/vmlinuz-1");
        fs::write(&file, &image).unwrap();
        assert!(whole());
        fs::write(&file, &image[..0x900]).unwrap();
        assert!(!whole());
        let said = resolve(file.to_str().unwrap(), None, false).unwrap_err();
        let cut = "by its header it has 4096 bytes, and the file has 2304";
        assert!(said.to_string().contains(cut), "{said}");
        // A link takes the place of a directory, and of a link.
        for target in ["new", "other"] {
            let link = work.join("link");
            std::os::unix::fs::symlink(dir.path().join(target), &link).unwrap();
            drop(fs::remove_dir_all(work.join("place")));
            replace(&link, &place, &work).unwrap();
            assert_eq!(fs::read_link(&place).unwrap(), dir.path().join(target));
        }
    }

    #[test]
    fn a_tree_gives_its_image_or_says_how() {
        let dir = tempfile::tempdir().unwrap();
        let said = |arch| in_tree(dir.path(), arch).unwrap_err().to_string();
        file(dir.path(), "Kconfig", "");
        assert!(said(&X86_64).contains("`make bzImage` there makes it"));
        let image = file(dir.path(), AARCH64.image.1, "kernel");
        let error = said(&X86_64);
        assert!(error.contains("for aarch64, not for x86_64"), "{error}");
        assert_eq!(in_tree(dir.path(), &AARCH64).unwrap(), image);
    }
}
