//! Logs in files: plain, compressed, and in archives. Nothing of an archive
//! is written anywhere, whatever its files are called.

use super::Log;
use crate::input::{decompressed, packed};
use crate::untrusted::line;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::time::SystemTime;

/// Most bytes of the files in an archive, so that a small one cannot fill the
/// memory.
const MOST: u64 = 256 << 20;

/// The logs in a file.
///
/// # Errors
///
/// It cannot be read, or is packed in a way that we do not know.
pub fn logs(path: &Path) -> Result<Vec<Log>> {
    let shown = path.display().to_string();
    let bytes = fs::read(path).with_context(|| shown.clone())?;
    let written = fs::metadata(path).and_then(|meta| meta.modified());
    let written = written.unwrap_or_else(|_| SystemTime::now());
    let mut all = Vec::new();
    within(&shown, bytes, written, true, &mut all)?;
    Ok(all)
}

/// Takes a file apart. An archive in an archive is none of ours.
fn within(
    name: &str,
    bytes: Vec<u8>,
    written: SystemTime,
    archives: bool,
    all: &mut Vec<Log>,
) -> Result<()> {
    let what = || name.to_owned();
    let bytes = decompressed(bytes).with_context(what)?;
    let zip = bytes.starts_with(b"PK\x03\x04");
    let tar = bytes.get(257..262) == Some(b"ustar");
    if archives && (zip || tar) {
        let files = match zip {
            true => zipped(&bytes),
            false => tarred(&bytes),
        };
        let files = files.with_context(|| format!("{name}: broken"))?;
        for (file, bytes) in files {
            let name = format!("{name}: {}", line(&file));
            within(&name, bytes, written, false, all)?;
        }
        return Ok(());
    }
    if let Some(form) = packed(&bytes) {
        bail!("{name}: this is {form}; unpack it first");
    }
    all.push(Log {
        name: name.to_owned(),
        written,
        text: bytes,
    });
    Ok(())
}

/// The files of an archive by name.
type Files = Vec<(String, Vec<u8>)>;

fn zipped(bytes: &[u8]) -> Result<Files> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))?;
    let (mut files, mut left) = (Files::new(), MOST);
    for at in 0..archive.len() {
        let file = archive.by_index(at)?;
        if file.is_file() {
            let name = String::from_utf8_lossy(file.name_raw());
            let name = name.into_owned();
            files.push((name, bounded(file, &mut left)?));
        }
    }
    Ok(files)
}

fn tarred(bytes: &[u8]) -> Result<Files> {
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let (mut files, mut left) = (Files::new(), MOST);
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.header().entry_type().is_file() {
            let name = entry.path_bytes();
            let name = String::from_utf8_lossy(&name).into_owned();
            files.push((name, bounded(entry, &mut left)?));
        }
    }
    Ok(files)
}

/// All of a file that is not larger than what is left of the limit.
fn bounded(file: impl Read, left: &mut u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(*left + 1).read_to_end(&mut bytes)?;
    let more = u64::try_from(bytes.len())?;
    match left.checked_sub(more) {
        Some(rest) => *left = rest,
        None => bail!("its files have more than {} MiB", MOST >> 20),
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::logs;
    use initramfs::compress::Compression;
    use std::fs;
    use std::io::{Cursor, Write};

    const LOG: &[u8] = b"[    0.000000] Linux version 6\n";

    fn tarred(name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.as_ustar_mut().unwrap().name[..name.len()]
            .copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, bytes).unwrap();
        tar.into_inner().unwrap()
    }

    fn zipped(name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn logs_are_found_wherever_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("it");
        let gzip = |bytes: &[u8]| Compression::Gzip.compress(bytes).unwrap();
        let evil = "../../evil";
        for (bytes, of) in [
            (LOG.to_vec(), None),
            (gzip(LOG), None),
            (tarred(evil, LOG), Some(evil)),
            (gzip(&tarred("a/b.log", &gzip(LOG))), Some("a/b.log")),
            (zipped(evil, LOG), Some(evil)),
            (zipped("b.log.gz", &gzip(LOG)), Some("b.log.gz")),
        ] {
            fs::write(&path, bytes).unwrap();
            let found = logs(&path).unwrap();
            assert_eq!((found.len(), &*found[0].text), (1, LOG));
            let file = path.display().to_string();
            let name =
                of.map_or_else(|| file.clone(), |of| format!("{file}: {of}"));
            assert_eq!(found[0].name, name);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        for (bytes, why) in [
            (zipped("a", &zipped("b", LOG)), "a zip archive; unpack"),
            (b"BZh9x".to_vec(), "bzip2"),
            (b"PK\x03\x04x".to_vec(), "broken"),
            (gzip(LOG)[..20].to_vec(), "broken"),
        ] {
            fs::write(&path, bytes).unwrap();
            let error = format!("{:#}", logs(&path).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }
}
