//! Reproducible initramfs images.
//!
//! The same content gives the same bytes, wherever and whenever it is packed.
//! This package knows nothing of the payload but that it is `/init`.

pub mod add;
pub mod compress;
pub mod elf;
mod host;
mod libraries;
pub mod list;
pub mod modules;
pub mod newc;

#[cfg(test)]
mod testing;

use anyhow::Result;
use newc::Archive;

/// Directories every image has, for the payload to mount on.
const DIRS: &[&str] = &["dev", "proc", "sys", "tmp"];

/// The archive of a bare payload: `/init`, mount points, and the device nodes
/// a kernel without devtmpfs needs.
///
/// # Errors
///
/// None that the content could cause.
pub fn base(init: Vec<u8>) -> Result<Archive> {
    let mut archive = Archive::default();
    archive.file("init", 0o755, init)?;
    DIRS.iter().try_for_each(|dir| archive.dir(dir))?;
    archive.char_device("dev/console", 0o600, (5, 1))?;
    archive.char_device("dev/null", 0o666, (1, 3))?;
    archive.char_device("dev/kmsg", 0o644, (1, 11))?;
    Ok(archive)
}
