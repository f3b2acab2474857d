//! Writing and reading newc cpio archives, the form the kernel unpacks.
//!
//! Owner, times and inode numbers are fixed and entries are sorted by path,
//! so the bytes depend on the content alone.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;

const DIR: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const CHAR: u32 = 0o020_000;
const LINK: u32 = 0o120_000;
const TYPE: u32 = 0o170_000;
const TRAILER: &str = "TRAILER!!!";
const HEADER: usize = 110;
/// Without and with a checksum, which the kernel does not look at.
const MAGICS: [&[u8; 6]; 2] = [b"070701", b"070702"];
/// Most symbolic links on the way of one path, as in the kernel.
const MAX_LINKS: usize = 40;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path without a leading slash.
    pub path: String,
    /// Type and permissions, as in `stat`.
    pub mode: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Content of a file, or where a symbolic link points to.
    pub data: Vec<u8>,
}

impl Entry {
    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mode & TYPE == FILE
    }

    /// Where it points to, if it is a symbolic link.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        let link = self.mode & TYPE == LINK;
        link.then(|| core::str::from_utf8(&self.data).ok())?
    }
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

    /// Adds a symbolic link, and the directories it is in.
    ///
    /// # Errors
    ///
    /// A path that is not plain, or taken by something else.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        let target = target.as_bytes().to_vec();
        self.add(path, LINK | 0o777, (0, 0), target)
    }

    /// Adds all entries of another archive.
    ///
    /// # Errors
    ///
    /// A path that both have, with different things there.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        other.entries.into_values().try_for_each(|entry| {
            let Entry {
                path,
                mode,
                device,
                data,
            } = entry;
            self.add(&path, mode, device, data)
        })
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, sorted by path.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// What is at a path, links followed.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(&self.real(path)?)
    }

    /// A path from the root with `.` and `..` resolved and the links of this
    /// archive followed; what the archive does not have is taken for plain.
    /// `None` if links lead in a circle.
    #[must_use]
    pub fn real(&self, path: &str) -> Option<String> {
        let mut todo: Vec<String> = parts(path).rev().collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(part);
            let entry = self.entries.get(&done.join("/"));
            if let Some(target) = entry.and_then(Entry::target) {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                if target.starts_with('/') {
                    done.clear();
                } else {
                    done.pop();
                }
                todo.extend(parts(target).rev());
            }
        }
        Some(done.join("/"))
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

/// The parts of a path that are neither empty nor `.`.
fn parts(path: &str) -> impl DoubleEndedIterator<Item = String> {
    let parts = path.split('/').filter(|p| !p.is_empty() && *p != ".");
    parts.map(str::to_owned)
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

/// Whether these bytes begin as an archive does.
#[must_use]
pub fn starts(bytes: &[u8]) -> bool {
    MAGICS.iter().any(|magic| bytes.starts_with(*magic))
}

/// Reads an archive, or several in a row, and returns their entries with the
/// number of bytes they take: up to the end, or to what is neither padding
/// nor an archive.
///
/// # Errors
///
/// What is malformed, and at which byte.
pub fn read(bytes: &[u8]) -> Result<(Vec<Entry>, usize)> {
    let mut entries = Vec::new();
    let mut at = 0;
    loop {
        at += bytes[at..].iter().take_while(|&&b| b == 0).count();
        if !starts(&bytes[at..]) {
            return Ok((entries, at));
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
    let header = &bytes.get(at..at + HEADER)?[MAGICS[0].len()..];
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
        let (entries, used) = read(&bytes).unwrap();
        assert_eq!(used, bytes.len());
        let paths: Vec<_> = entries.into_iter().map(|e| e.path).collect();
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

    #[test]
    fn links_are_followed_inside_the_archive() {
        let mut archive = Archive::default();
        archive.symlink("lib", "usr/lib").unwrap();
        archive.symlink("usr/lib/a.so", "/lib/./a.so.1").unwrap();
        archive.file("usr/lib/a.so.1", 0o644, vec![7]).unwrap();
        archive.symlink("round", "../round").unwrap();
        let real = |path| archive.real(path);
        assert_eq!(real("/lib/a.so").as_deref(), Some("usr/lib/a.so.1"));
        assert_eq!(archive.get("/bin/../lib/a.so").unwrap().data, [7]);
        assert_eq!(real("/lib/b/c").as_deref(), Some("usr/lib/b/c"));
        assert_eq!(real("round"), None);
        let (entries, _) = read(&archive.to_bytes().unwrap()).unwrap();
        assert_eq!(entries[0].target(), Some("usr/lib"));
        assert!(!entries[0].is_file());
    }

    #[test]
    fn archives_are_merged_unless_they_disagree() {
        let one = |data| {
            let mut archive = Archive::default();
            archive.file("a/b", 0o644, vec![data]).unwrap();
            archive
        };
        let mut both = one(1);
        both.merge(one(1)).unwrap();
        assert!(both.merge(one(2)).is_err());
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
            let (entries, _) = read(&bytes).unwrap();
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
