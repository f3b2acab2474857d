//! The files that a program carries: `pidonectl` has the payload of every
//! architecture, the plugin, fragments and licences behind its own code.
//!
//! They are a tar archive that is packed with zstd and appended to the
//! program, where the loader does not look. Behind it are its length, its
//! SHA-256 and a mark. QEMU can load a plugin from a file only, so all of them
//! are unpacked into the cache, once for each archive.

use crate::cache;
use crate::model::hex;
use anyhow::{Context, Result, bail};
use initramfs::compress::Compression;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What a program with files ends with.
const MARK: &[u8; 16] = b"pidone bundle 1\n";
/// Bytes of a SHA-256.
const SUM: usize = 32;
/// Bytes behind the archive: its length, its sum and the mark.
const END: usize = 8 + SUM + MARK.len();
/// Digits of the sum that name the unpacked files.
const KEY: usize = 16;

/// Files by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A program with these files behind it, in place of those that it has.
///
/// # Errors
///
/// A name is too long.
pub fn append(program: &[u8], files: &Files) -> Result<Vec<u8>> {
    let bare = match length(program)? {
        Some(length) => program.len() - END - length,
        None => program.len(),
    };
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(bytes.len())?);
        header.set_mode(if is_program(bytes) { 0o755 } else { 0o644 });
        tar.append_data(&mut header, name, &bytes[..])
            .with_context(|| name.clone())?;
    }
    let archive = Compression::Zstd.compress(&tar.into_inner()?)?;
    let mut whole = program[..bare].to_vec();
    whole.extend(&archive);
    whole.extend(u64::try_from(archive.len())?.to_le_bytes());
    whole.extend(Sha256::digest(&archive));
    whole.extend(MARK);
    Ok(whole)
}

/// Whether these bytes can be executed.
#[must_use]
pub fn is_program(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"#!")
}

/// The length of the archive that a file ends with, if it has one, from its
/// last bytes.
///
/// # Errors
///
/// It says that it has more than there is.
fn length(end: &[u8]) -> Result<Option<usize>> {
    let Some(end) = end.last_chunk::<END>() else {
        return Ok(None);
    };
    let Some(rest) = end.strip_suffix(MARK) else {
        return Ok(None);
    };
    let length = rest.first_chunk().map(|eight| u64::from_le_bytes(*eight));
    Ok(length.map(usize::try_from).transpose()?)
}

/// The directory of the files that a program carries; none, if it carries
/// none.
///
/// # Errors
///
/// The program cannot be read or is damaged, or the cache cannot be written.
pub fn unpacked(program: &Path) -> Result<Option<PathBuf>> {
    unpacked_in(program, &|| Ok(cache::dir()?.join("files")))
}

fn unpacked_in(
    program: &Path,
    root: &dyn Fn() -> Result<PathBuf>,
) -> Result<Option<PathBuf>> {
    let what = || program.display().to_string();
    let mut file = File::open(program).with_context(what)?;
    let size = file.metadata().with_context(what)?.len();
    let end = u64::try_from(END)?;
    if size < end {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(size - end)).with_context(what)?;
    let mut last = [0; END];
    file.read_exact(&mut last).with_context(what)?;
    let Some(length) = length(&last)? else {
        return Ok(None);
    };
    let sum = &last[8..8 + SUM];
    let dir = root()?.join(&hex(sum)[..KEY]);
    if dir.is_dir() {
        return Ok(Some(dir));
    }
    let damaged = || format!("{}: damaged; fetch it again", program.display());
    let begin = (size - end).checked_sub(u64::try_from(length)?);
    let begin = begin.with_context(damaged)?;
    file.seek(SeekFrom::Start(begin)).with_context(what)?;
    let mut archive = vec![0; length];
    file.read_exact(&mut archive).with_context(what)?;
    if *Sha256::digest(&archive) != *sum {
        bail!("{}", damaged());
    }
    unpack(&archive, &dir)?;
    Ok(Some(dir))
}

/// Unpacks an archive so that `dir` has all of it, or is not there.
fn unpack(archive: &[u8], dir: &Path) -> Result<()> {
    let parent = dir.parent().unwrap_or(dir);
    let what = || dir.display().to_string();
    fs::create_dir_all(parent).with_context(what)?;
    let new = tempfile::tempdir_in(parent).with_context(what)?;
    let (tar, _) = Compression::Zstd.decompress(archive)?;
    tar::Archive::new(&tar[..])
        .unpack(new.path())
        .with_context(what)?;
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(new.path(), all).with_context(what)?;
    match fs::rename(new.path(), dir) {
        // Another process was faster.
        Err(_) if dir.is_dir() => Ok(()),
        renamed => renamed.with_context(what),
    }
}

#[cfg(test)]
mod tests {
    use super::{Files, append, unpacked_in};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_appended_is_found_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        let program = dir.path().join("program");
        let files = |text: &str| {
            let config = ("configs/base.config".to_owned(), text.into());
            let program = ("x86_64/pidone".to_owned(), b"#!x".to_vec());
            Files::from([config, program])
        };
        let found = |bytes: &[u8]| {
            fs::write(&program, bytes).unwrap();
            unpacked_in(&program, &|| Ok(cache.clone()))
        };
        // A program without files, and one that is shorter than their end.
        assert_eq!(found(&[7; 1000]).unwrap(), None);
        assert_eq!(found(b"#!").unwrap(), None);
        let whole = append(&[7; 1000], &files("one")).unwrap();
        assert_eq!(whole[..1000], [7; 1000]);
        // One bit of the archive, or a program that was cut at its front.
        let mut bad = whole.clone();
        bad[1010] ^= 1;
        for damaged in [&bad[..], &whole[1100..]] {
            let error = found(damaged).unwrap_err().to_string();
            assert!(error.ends_with("damaged; fetch it again"), "{error}");
            assert!(!cache.exists());
        }
        let one = found(&whole).unwrap().unwrap();
        let config = one.join("configs/base.config");
        assert_eq!(fs::read_to_string(config).unwrap(), "one");
        let mode = fs::metadata(one.join("x86_64/pidone")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o755);
        // Again, and with other files in their place.
        assert_eq!(found(&whole).unwrap(), Some(one.clone()));
        let other = append(&whole, &files("two")).unwrap();
        assert_eq!(other, append(&[7; 1000], &files("two")).unwrap());
        let two = found(&other).unwrap().unwrap();
        assert_ne!(one, two);
        let left = fs::read_dir(&cache).unwrap().count();
        assert_eq!(left, 2, "nothing half unpacked is left");
    }
}
