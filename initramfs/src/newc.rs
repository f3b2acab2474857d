//! Writing and listing newc cpio archives, the form the kernel unpacks.
//!
//! Owner, times and inode numbers are fixed and entries are sorted by path,
//! so the bytes depend on the content alone.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;

const DIR: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const CHAR: u32 = 0o020_000;
const TRAILER: &str = "TRAILER!!!";
const HEADER: usize = 110;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path without a leading slash.
    pub path: String,
    /// Type and permissions, as in `stat`.
    pub mode: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Content of a file.
    pub data: Vec<u8>,
}

/// An archive to be written.
#[derive(Debug, Clone, Default)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// Adds a directory, and those it is in.
    ///
    /// # Errors
    ///
    /// A path that is not plain, or taken by something else.
    pub fn dir(&mut self, path: &str) -> Result<()> {
        self.add(path, DIR | 0o755, (0, 0), Vec::new())
    }

    /// Adds a file with these permissions, and the directories it is in.
    ///
    /// # Errors
    ///
    /// A path that is not plain, or taken by something else.
    pub fn file(&mut self, path: &str, mode: u32, data: Vec<u8>) -> Result<()> {
        self.add(path, FILE | mode, (0, 0), data)
    }

    /// Adds a character device, and the directories it is in.
    ///
    /// # Errors
    ///
    /// A path that is not plain, or taken by something else.
    pub fn char_device(
        &mut self,
        path: &str,
        mode: u32,
        device: (u32, u32),
    ) -> Result<()> {
        self.add(path, CHAR | mode, device, Vec::new())
    }

    fn add(
        &mut self,
        path: &str,
        mode: u32,
        device: (u32, u32),
        data: Vec<u8>,
    ) -> Result<()> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let plain = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && part != TRAILER
        };
        if !path.split('/').all(plain) || path.contains('\0') {
            bail!(
                "`{path}` is not a path for an archive: no empty part, `.`, \
                 `..` or NUL"
            );
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.dir(parent)?;
        }
        let entry = Entry {
            path: path.to_owned(),
            mode,
            device,
            data,
        };
        match self.entries.get(path) {
            Some(old) if *old != entry => {
                bail!("`{path}` would be in the archive twice")
            }
            _ => {
                self.entries.insert(path.to_owned(), entry);
                Ok(())
            }
        }
    }

    /// The archive, padded to whole 512-byte blocks.
    ///
    /// # Errors
    ///
    /// A file of 4 GiB or more.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for (entry, inode) in self.entries.values().zip(1..) {
            write_entry(&mut out, entry, inode)?;
        }
        let trailer = Entry {
            path: TRAILER.to_owned(),
            mode: 0,
            device: (0, 0),
            data: Vec::new(),
        };
        write_entry(&mut out, &trailer, 0)?;
        out.resize(out.len().next_multiple_of(512), 0);
        Ok(out)
    }
}

fn write_entry(out: &mut Vec<u8>, entry: &Entry, inode: u32) -> Result<()> {
    let size = u32::try_from(entry.data.len())
        .with_context(|| format!("`{}` is 4 GiB or larger", entry.path))?;
    let name = u32::try_from(entry.path.len() + 1)?;
    let links = if entry.mode & DIR == DIR { 2 } else { 1 };
    let (major, minor) = entry.device;
    out.extend_from_slice(b"070701");
    let fields = [
        inode, entry.mode, 0, 0, links, 0, size, 0, 0, major, minor, name, 0,
    ];
    for field in fields {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(entry.path.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(&entry.data);
    out.resize(out.len().next_multiple_of(4), 0);
    Ok(())
}

/// Lists an archive, or several in a row.
///
/// # Errors
///
/// What is malformed, and at which byte.
pub fn read(bytes: &[u8]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut at = 0;
    loop {
        let zeroes = bytes[at..].iter().take_while(|&&b| b == 0).count();
        at += zeroes;
        if at == bytes.len() {
            return Ok(entries);
        }
        let (entry, next) = read_entry(bytes, at)
            .with_context(|| format!("no newc entry at byte {at}"))?;
        at = next.min(bytes.len());
        if entry.path != TRAILER {
            entries.push(entry);
        }
    }
}

fn read_entry(bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    let header = bytes.get(at..at + HEADER)?.strip_prefix(b"070701")?;
    let field = |n: usize| {
        let text = core::str::from_utf8(header.get(n * 8..n * 8 + 8)?).ok()?;
        u32::from_str_radix(text, 16).ok()
    };
    let (size, name) = (field(6)? as usize, field(11)? as usize);
    let name_at = at + HEADER;
    let path = bytes.get(name_at..name_at.checked_add(name)?)?;
    let path = core::str::from_utf8(path.strip_suffix(&[0])?).ok()?;
    let data_at = (name_at + name).next_multiple_of(4);
    let data = bytes.get(data_at..data_at.checked_add(size)?)?;
    let entry = Entry {
        path: path.to_owned(),
        mode: field(1)?,
        device: (field(9)?, field(10)?),
        data: data.to_vec(),
    };
    Some((entry, (data_at + size).next_multiple_of(4)))
}

#[cfg(test)]
mod tests {
    use super::{Archive, read};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    #[test]
    fn order_of_adding_does_not_matter() {
        let mut one = Archive::default();
        one.file("/bin/a", 0o755, vec![1, 2, 3]).unwrap();
        one.char_device("dev/null", 0o666, (1, 3)).unwrap();
        let mut two = Archive::default();
        two.char_device("/dev/null", 0o666, (1, 3)).unwrap();
        two.dir("bin").unwrap();
        two.file("bin/a", 0o755, vec![1, 2, 3]).unwrap();
        let bytes = one.to_bytes().unwrap();
        assert_eq!(bytes, two.to_bytes().unwrap());
        assert_eq!(bytes.len() % 512, 0);
        let paths: Vec<_> =
            read(&bytes).unwrap().into_iter().map(|e| e.path).collect();
        assert_eq!(paths, ["bin", "bin/a", "dev", "dev/null"]);
    }

    #[test]
    fn odd_paths_are_refused() {
        let mut archive = Archive::default();
        for path in ["", "/", "a//b", "../a", "a/./b", "a\0b", "a/"] {
            assert!(archive.dir(path).is_err(), "{path:?}");
        }
        archive.file("a", 0o644, vec![1]).unwrap();
        let twice = archive.file("a", 0o644, vec![2]).unwrap_err();
        assert!(twice.to_string().contains("`a`"), "{twice}");
    }

    proptest! {
        #[test]
        fn archives_in_a_row_are_all_listed(
            data in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut archive = Archive::default();
            archive.file("init", 0o755, data.clone()).unwrap();
            let mut bytes = archive.to_bytes().unwrap();
            bytes.extend(bytes.clone());
            let entries = read(&bytes).unwrap();
            prop_assert_eq!(entries.len(), 2);
            prop_assert_eq!(&entries[1].data, &data);
        }

        #[test]
        fn no_bytes_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
            head in any::<bool>(),
        ) {
            if head {
                bytes.splice(0..0, *b"070701");
            }
            let _listed = read(&bytes);
        }
    }
}
