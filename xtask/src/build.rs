//! The payload and its image.

use crate::arch::Arch;
use crate::tools;
use anyhow::{Context, Result, bail};
use initramfs::add::Addition;
use initramfs::compress::Compression;
use initramfs::elf;
use initramfs::modules::{self, Tree};
use initramfs::newc::Archive;
use pidone::init::boot::ORDER_LIMIT;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes the payload has at most.
pub const PAYLOAD_BUDGET: usize = 320 * 1024;
/// Most bytes of a packed plan that the payload reads.
const PLAN_LIMIT: usize = 16 * 1024;

/// The variable that is set where a program is built to carry its files: then
/// it does not say where its sources were.
pub const CARRIES: &str = "PIDONE_CARRIES_FILES";

/// The package this program was built from.
const PACKAGE: &str = match option_env!("PIDONE_CARRIES_FILES") {
    Some(_) => "/nowhere/xtask",
    None => env!("CARGO_MANIFEST_DIR"),
};

/// The workspace this program was built from. Only what is about sources asks
/// for it: for payloads, fragments and the plugin there is `supply`.
#[must_use]
pub fn workspace() -> PathBuf {
    let package = Path::new(PACKAGE);
    package.parent().unwrap_or(package).to_path_buf()
}

/// Builds the payload; returns where it is.
///
/// # Errors
///
/// The target is missing, or cargo failed.
pub fn payload(arch: &Arch, setup: bool) -> Result<PathBuf> {
    let (target, fallback) = (arch.target, arch.fallback);
    match tools::require_target(target, setup) {
        Ok(()) => payload_of(&workspace(), arch),
        // That of another architecture would have to be fetched as well.
        Err(why) if setup && arch.is_host() => {
            crate::tell!(
                "note: {target} cannot be had ({why:#}); the payload is \
                 built for {fallback}"
            );
            payload_for(&workspace(), arch, fallback)
        }
        Err(why) => Err(why),
    }
}

/// Builds the plugin of the workspace in this directory, for QEMU on this
/// machine; returns where it is. The bytes are the same wherever the directory
/// is.
///
/// # Errors
///
/// There is no such directory, or cargo failed.
pub fn plugin_of(workspace: &Path) -> Result<PathBuf> {
    let workspace = fs::canonicalize(workspace)
        .with_context(|| workspace.display().to_string())?;
    let built = workspace.join("target/plugin");
    let plugin = built.join("release/libpidone_plugin.so");
    let [home, folder] = remapped(&workspace);
    // Names of symbols depend on where the sources are.
    let flags = [home, folder, "-Cstrip=symbols".to_owned()];
    let status = Command::new(cargo())
        .current_dir(&workspace)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .args(["build", "--release", "--package", "pidone-plugin"])
        .args(quiet_if(&plugin))
        .arg("--target-dir")
        .arg(&built)
        .status()
        .context("cargo cannot be started")?;
    match status.success() {
        true => Ok(plugin),
        false => bail!("pidone-plugin does not build: {status}"),
    }
}

/// Cargo shows its progress the first time, when it has all to build, and
/// else speaks of what goes wrong alone.
pub(crate) fn quiet_if(built: &Path) -> Option<&'static str> {
    built.exists().then_some("--quiet")
}

/// Flags that have panic messages name source files by what they are, not
/// where.
pub(crate) fn remapped(folder: &Path) -> [String; 2] {
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"))
        .unwrap_or_default();
    [
        format!("--remap-path-prefix={home}=cargo"),
        format!("--remap-path-prefix={}=pidone", folder.display()),
    ]
}

pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// What cargo is to build for the payload.
const PAYLOAD: &[&str] = &["--package", "pidone", "--features", "init"];

/// Builds the payload of the workspace in this directory for an architecture;
/// returns where it is. The bytes are the same wherever the directory is.
///
/// # Errors
///
/// There is no such directory, or cargo failed.
pub fn payload_of(workspace: &Path, arch: &Arch) -> Result<PathBuf> {
    payload_for(workspace, arch, arch.target)
}

fn payload_for(workspace: &Path, arch: &Arch, target: &str) -> Result<PathBuf> {
    let workspace = fs::canonicalize(workspace)
        .with_context(|| workspace.display().to_string())?;
    let workspace = &workspace;
    // Its own target directory: cargo holds a lock on the one that this
    // program may be running from.
    let built = workspace.join("target/payload");
    let of = Binary {
        folder: workspace,
        what: PAYLOAD,
        bin: "pidone",
        arch,
        target,
        places: false,
    };
    of.build(&built)
}

/// Builds a binary of a crate of one's own, which uses the payload's library,
/// with the flags of the payload; returns where it is.
///
/// # Errors
///
/// There is no such directory, or cargo failed.
pub fn own_binary(folder: &Path, bin: &str) -> Result<PathBuf> {
    let built = workspace().join("target/own");
    let arch = Arch::host();
    let of = Binary {
        folder,
        what: &["--locked"],
        bin,
        arch,
        target: arch.target,
        places: true,
    };
    of.build(&built)
}

/// A binary with the payload's flags.
struct Binary<'a> {
    folder: &'a Path,
    what: &'a [&'a str],
    bin: &'a str,
    arch: &'a Arch,
    target: &'a str,
    /// Its panics say where in the sources they are.
    places: bool,
}

impl Binary<'_> {
    fn build(&self, built: &Path) -> Result<PathBuf> {
        let Self {
            what, bin, target, ..
        } = *self;
        // Compilers see the real path, whatever links led here.
        let folder = fs::canonicalize(self.folder)
            .with_context(|| self.folder.display().to_string())?;
        let bare = built.join(target).join(bin);
        let mut flags = vec![
            "-Clinker=rust-lld".to_owned(),
            "-Clink-self-contained=no".to_owned(),
            "-Crelocation-model=static".to_owned(),
            "-Cforce-frame-pointers=yes".to_owned(),
        ];
        flags.extend(remapped(&folder));
        flags.extend(self.arch.rustflags.iter().map(|&f| f.to_owned()));
        let status = Command::new(cargo())
            .current_dir(&folder)
            .env_remove("RUSTFLAGS")
            // It would make other bytes of the same sources.
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .args(["build", "--bin", bin])
            .args(quiet_if(&bare))
            .args(what)
            .args(["--profile", "payload", "--target", target, "--target-dir"])
            .arg(built)
            .status()
            .context("cargo cannot be started")?;
        if !status.success() {
            bail!("{bin} does not build: {status}");
        }
        let whole = with_symbols(&bare);
        let what = || whole.display().to_string();
        let mut image = fs::read(&whole).with_context(what)?;
        if !self.places {
            elf::without_places(&mut image).with_context(what)?;
        }
        write_as(&bare, &elf::loaded(image).with_context(what)?, 0o755)?;
        Ok(bare)
    }
}

/// Where a binary is as it was linked: with the names and lines that the
/// addresses of a panic stand for.
#[must_use]
pub fn with_symbols(bare: &Path) -> PathBuf {
    let folder = bare.parent().unwrap_or(bare).join("payload");
    folder.join(bare.file_name().unwrap_or_default())
}

/// Files to add to an image, with what they need.
///
/// # Errors
///
/// A file that cannot be added, a library that is nowhere to be found, or a
/// packed plan that the payload could not read as a whole.
pub fn additions(additions: &[Addition]) -> Result<Archive> {
    let mut archive = Archive::default();
    initramfs::add::add(&mut archive, additions, Path::new("/"))?;
    for entry in archive.entries() {
        if let Some(name) = entry.path.strip_prefix("plans/") {
            fits(name, entry.data.len())?;
        }
    }
    Ok(archive)
}

/// Makes sure that programs and modules among additions, and a payload of
/// one's own, are for this architecture.
///
/// # Errors
///
/// One that is not, or the payload cannot be read.
pub fn require_arch(
    arch: &Arch,
    added: &Archive,
    payload: Option<&Path>,
) -> Result<()> {
    let check = |what: &str, file: &[u8]| match Arch::of_elf(file) {
        Some(other) if other != arch => bail!(
            "{what} is for {}, and the image for {}",
            other.name,
            arch.name
        ),
        _ => Ok(()),
    };
    if let Some(payload) = payload {
        let what = payload.display().to_string();
        check(&what, &fs::read(payload).with_context(|| what.clone())?)?;
    }
    let mut entries = added.entries();
    entries.try_for_each(|entry| check(&entry.path, &entry.data))
}

/// Packs kernel modules, and those that they need.
///
/// # Errors
///
/// `tree` is no tree of modules, lacks one of them, or there are too many.
pub fn pack_modules(
    added: &mut Archive,
    tree: &Path,
    names: &[&str],
) -> Result<()> {
    Tree::open(tree)?.pack(names, added)?;
    let order = added.get(&format!("/{}", modules::ORDER));
    let size = order.map_or(0, |order| order.data.len());
    if size > ORDER_LIMIT {
        bail!(
            "the list of modules has {size} bytes; the most are {ORDER_LIMIT}"
        );
    }
    Ok(())
}

/// The modules among additions, by their files' names.
#[must_use]
pub fn packed_modules(added: &Archive) -> Vec<(String, Vec<u8>)> {
    let order = added.get(&format!("/{}", modules::ORDER));
    let order = order.map_or(&[][..], |order| &order.data);
    let names = String::from_utf8_lossy(order);
    let files = names.lines().filter_map(|name| {
        let file = added.get(&format!("/modules/{name}.ko"))?;
        Some((format!("{name}.ko"), file.data.clone()))
    });
    files.collect()
}

/// Packs the text of a plan.
///
/// # Errors
///
/// It is too long, or there is another plan of that name.
pub fn pack_plan(added: &mut Archive, name: &str, plan: String) -> Result<()> {
    fits(name, plan.len())?;
    added.file(&format!("plans/{name}"), 0o644, plan.into_bytes())
}

fn fits(name: &str, size: usize) -> Result<()> {
    if size > PLAN_LIMIT {
        bail!(
            "the plan /plans/{name} has {size} bytes; the most are \
             {PLAN_LIMIT}"
        );
    }
    Ok(())
}

/// The text of a plan among additions.
#[must_use]
pub fn packed_plan<'a>(added: &'a Archive, name: &str) -> Option<&'a str> {
    let entry = added.get(&format!("/plans/{name}"))?;
    core::str::from_utf8(&entry.data).ok()
}

/// Packs the payload alone into an image beside it; returns where it is.
///
/// # Errors
///
/// The payload cannot be read, or the image not be written.
pub fn pack(payload: &Path, compression: Compression) -> Result<PathBuf> {
    let image = image(payload, Archive::default(), compression)?;
    let path = payload.with_extension(compression.suffix());
    write(&path, &image)?;
    Ok(path)
}

/// Packs the payload and `added` for one boot: into `dir`, where no other
/// boot overwrites it, or as [`pack`] does if nothing is added. Compressing
/// what is added would take longer than it saves.
///
/// # Errors
///
/// As those of [`image`] and [`write`].
pub fn pack_for_boot(
    payload: &Path,
    added: Archive,
    dir: &Path,
) -> Result<PathBuf> {
    match added.is_empty() {
        true => pack(payload, Compression::Zstd),
        false => pack_into(payload, added, dir),
    }
}

/// Packs a payload and `added` into `dir`, uncompressed.
///
/// # Errors
///
/// As those of [`image`] and [`write`].
pub fn pack_into(
    payload: &Path,
    added: Archive,
    dir: &Path,
) -> Result<PathBuf> {
    let none = Compression::None;
    let path = dir.join("initramfs").with_extension(none.suffix());
    write(&path, &image(payload, added, none)?)?;
    Ok(path)
}

/// The image of a payload and what is added to it.
///
/// # Errors
///
/// The payload cannot be read, or an addition takes its place.
pub fn image(
    payload: &Path,
    added: Archive,
    compression: Compression,
) -> Result<Vec<u8>> {
    let init =
        fs::read(payload).with_context(|| payload.display().to_string())?;
    let mut archive = initramfs::base(init)?;
    archive.merge(added)?;
    compression.compress(&archive.to_bytes()?)
}

/// Writes an image, all of it or nothing: another process may be booting
/// what is there.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(path: &Path, image: &[u8]) -> Result<()> {
    write_as(path, image, 0o644)
}

/// Writes an image with additions, which may be nobody else's to read, where
/// nobody asked for it.
///
/// # Errors
///
/// As those of [`write`].
pub fn write_private(path: &Path, image: &[u8]) -> Result<()> {
    write_as(path, image, 0o600)
}

fn write_as(path: &Path, image: &[u8], mode: u32) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let what = || path.display().to_string();
    // A temporary file is its owner's alone, as an image need not be.
    let mode = fs::Permissions::from_mode(mode);
    let mut new = tempfile::Builder::new()
        .permissions(mode)
        .tempfile_in(folder)
        .with_context(what)?;
    new.write_all(image).with_context(what)?;
    new.persist(path).with_context(what)?;
    Ok(())
}

/// Size of a file in bytes.
///
/// # Errors
///
/// It cannot be looked at.
pub fn size(path: &Path) -> Result<usize> {
    let meta =
        fs::metadata(path).with_context(|| path.display().to_string())?;
    Ok(usize::try_from(meta.len())?)
}

#[cfg(test)]
mod tests {
    use super::{additions, pack_for_boot, packed_plan, require_arch};
    use crate::arch::{AARCH64, X86_64};
    use initramfs::newc::Archive;
    use std::fs;

    #[test]
    fn boots_with_additions_have_images_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let payload = dir.path().join("pidone");
        fs::write(&payload, "payload").unwrap();
        let image = |name: &str| {
            let own = dir.path().join(name);
            fs::create_dir(&own).unwrap();
            let mut added = Archive::default();
            added.file(name, 0o644, Vec::new()).unwrap();
            pack_for_boot(&payload, added, &own).unwrap()
        };
        let (one, two) = (image("one"), image("two"));
        assert_ne!(fs::read(one).unwrap(), fs::read(two).unwrap());
        let bare = pack_for_boot(&payload, Archive::default(), dir.path());
        assert_eq!(bare.unwrap(), payload.with_extension("cpio.zst"));
    }

    #[test]
    fn programs_for_another_machine_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        let elf = |machine: u16| {
            let ident = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0";
            [&ident[..], &machine.to_le_bytes()].concat()
        };
        let said = |arch, machine: u16| {
            fs::write(&own, elf(machine)).unwrap();
            let mut added = Archive::default();
            added.file("bin/x", 0o755, elf(machine)).unwrap();
            let none = Archive::default();
            let both = [(&added, None), (&none, Some(own.as_path()))];
            both.map(|(added, own)| {
                require_arch(arch, added, own).map_err(|e| e.to_string())
            })
        };
        assert_eq!(said(&X86_64, 62), [Ok(()), Ok(())]);
        assert_eq!(said(&AARCH64, 183), [Ok(()), Ok(())]);
        // Programs for the kernel's BPF.
        assert_eq!(said(&AARCH64, 247), [Ok(()), Ok(())]);
        for error in said(&AARCH64, 62).map(Result::unwrap_err) {
            let want = "is for x86_64, and the image for aarch64";
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn a_packed_plan_is_found_and_not_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("plan");
        let spec = format!("{}:/plans/mine", file.display());
        let added = || additions(&[spec.parse().unwrap()]);
        fs::write(&file, "work=PipeIo").unwrap();
        let archive = added().unwrap();
        assert_eq!(packed_plan(&archive, "mine"), Some("work=PipeIo"));
        assert_eq!(packed_plan(&archive, "other"), None);
        fs::write(&file, " ".repeat(20_000)).unwrap();
        let error = added().unwrap_err().to_string();
        assert!(error.contains("/plans/mine has 20000 bytes"), "{error}");
    }
}
