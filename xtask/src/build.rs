//! The payload and its image.

use crate::tools;
use anyhow::{Context, Result, bail};
use initramfs::compress::Compression;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The payload's target.
pub const TARGET: &str = "x86_64-unknown-linux-musl";
/// Most bytes the payload may have.
pub const PAYLOAD_BUDGET: usize = 256 * 1024;
/// Most bytes its image may have, with zstd.
pub const IMAGE_BUDGET: usize = 96 * 1024;

/// The workspace this program was built from.
#[must_use]
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// Builds the payload; returns where it is.
///
/// # Errors
///
/// The target is missing, or cargo failed.
pub fn payload(setup: bool) -> Result<PathBuf> {
    tools::require_target(TARGET, setup)?;
    let workspace = workspace();
    // Its own target directory: cargo holds a lock on the one that this
    // program may be running from.
    let target = workspace.join("target/payload");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"))
        .unwrap_or_default();
    // Panic messages name source files: by what they are, not where.
    let flags = [
        "-Clink-self-contained=no".to_owned(),
        "-Crelocation-model=static".to_owned(),
        format!("--remap-path-prefix={home}=cargo"),
        format!("--remap-path-prefix={}=pidone", workspace.display()),
    ];
    let status = Command::new(cargo)
        .current_dir(&workspace)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .args(["build", "--quiet", "--package", "pidone", "--bin", "pidone"])
        .args(["--features", "init", "--profile", "payload"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target)
        .status()
        .context("cargo cannot be started")?;
    if !status.success() {
        bail!("the payload does not build: {status}");
    }
    Ok(target.join(TARGET).join("payload/pidone"))
}

/// Packs the payload into an image beside it; returns where it is.
///
/// # Errors
///
/// The payload cannot be read, or the image not be written.
pub fn pack(payload: &Path, compression: Compression) -> Result<PathBuf> {
    let init =
        fs::read(payload).with_context(|| payload.display().to_string())?;
    let image = compression.compress(&initramfs::base(init)?.to_bytes()?)?;
    let path = payload.with_extension(compression.suffix());
    // Another process may be booting the image that is there.
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(&image)?;
    new.persist(&path)
        .with_context(|| path.display().to_string())?;
    Ok(path)
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
