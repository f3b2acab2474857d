//! Files to add to an archive, with the libraries they need.
//!
//! What is added depends on the content of the files and on nothing else of
//! them: owner, times and all permissions but the right to execute are fixed.

use crate::elf::Elf;
use crate::host::read;
use crate::libraries::{Libraries, Object};
use crate::newc::Archive;
use anyhow::{Context, Result, bail};
use core::fmt;
use core::str::FromStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A file or a directory of the host, and where it goes: `FILE` or
/// `FILE:PATH`.
///
/// `PATH` begins with `/`; one that ends with `/` is the directory that
/// `FILE` goes into. Without it, a program goes to `/bin/NAME`, and anything
/// else to the path that was given, seen from the root: `/etc/hosts` to
/// `/etc/hosts`, `data/table` to `/data/table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// On the host. Links are followed.
    file: PathBuf,
    /// In the archive.
    path: Option<String>,
}

impl FromStr for Addition {
    type Err = anyhow::Error;

    fn from_str(spec: &str) -> Result<Self> {
        let (file, path) = match spec.rfind(":/") {
            Some(at) => (&spec[..at], Some(&spec[at + 1..])),
            None => (spec, None),
        };
        if file.is_empty() {
            bail!("`{spec}` is not FILE or FILE:PATH: FILE is empty");
        }
        let inner = path.unwrap_or("/").trim_matches('/');
        let odd = |part: &str| matches!(part, "" | "." | "..");
        if !inner.is_empty() && inner.split('/').any(odd) {
            bail!("`{spec}`: no empty part, `.` or `..` in PATH");
        }
        Ok(Self {
            file: PathBuf::from(file),
            path: path.map(str::to_owned),
        })
    }
}

impl fmt::Display for Addition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.path.iter().try_for_each(|path| write!(f, ":{path}"))
    }
}

impl Addition {
    /// Where it goes, without a leading slash.
    fn place(&self, program: bool) -> Result<String> {
        let name = || {
            let name = self.file.file_name().and_then(|name| name.to_str());
            name.context("its name is no UTF-8; give it with FILE:PATH")
        };
        match &self.path {
            // A directory may be added as the root itself.
            Some(path) if path == "/" && self.file.is_dir() => {
                Ok(String::new())
            }
            Some(path) if path.ends_with('/') => {
                Ok(format!("{}{}", &path[1..], name()?))
            }
            Some(path) => Ok(path[1..].to_owned()),
            None if program => Ok(format!("bin/{}", name()?)),
            None => plain(&self.file).context(
                "it has no place of its own in an archive; give it one with \
                 FILE:PATH",
            ),
        }
    }
}

/// Adds files and directories, and then the loaders and libraries that
/// programs among them need. Those are looked for under `sysroot`, which is
/// `/` for programs of this machine.
///
/// A directory is added with all that is in it, in which links stay links.
/// Libraries are looked for when all additions are in the archive, and there
/// before on the host.
///
/// # Errors
///
/// A file that cannot be read or is of no kind an archive has, a path that
/// two of them would take, or a library that is nowhere to be found.
pub fn add(
    archive: &mut Archive,
    additions: &[Addition],
    sysroot: &Path,
) -> Result<()> {
    let mut adder = Adder {
        libraries: Libraries::new(archive, sysroot),
        objects: Vec::new(),
    };
    for addition in additions {
        let what = || format!("cannot add `{addition}`");
        adder.one(addition).with_context(what)?;
    }
    let Adder {
        mut libraries,
        objects,
    } = adder;
    objects
        .into_iter()
        .try_for_each(|object| libraries.complete(object))
}

/// Additions on their way into an archive.
struct Adder<'a> {
    libraries: Libraries<'a>,
    /// What may need libraries.
    objects: Vec<Object>,
}

impl Adder<'_> {
    fn one(&mut self, addition: &Addition) -> Result<()> {
        let host = fs::canonicalize(&addition.file).with_context(|| {
            let file = addition.file.display().to_string();
            match file.contains(':') {
                true => "PATH in FILE:PATH begins with /".to_owned(),
                false => file,
            }
        })?;
        if host.is_dir() {
            return self.tree(&host, &addition.place(false)?);
        }
        let (bytes, mode) = read(&host)?;
        let elf = Elf::parse(&bytes)?;
        // Some systems let libraries be executed.
        let library = elf.as_ref().is_some_and(|elf| elf.soname.is_some());
        let place = addition.place(mode == 0o755 && !library)?;
        self.file(&host, &place, (bytes, mode), elf)
    }

    fn tree(&mut self, host: &Path, path: &str) -> Result<()> {
        if !path.is_empty() {
            self.libraries.archive.dir(path)?;
        }
        let what = || host.display().to_string();
        let entries = fs::read_dir(host).with_context(what)?;
        let entries: Result<Vec<_>, _> = entries.collect();
        let mut entries = entries.with_context(what)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let host = entry.path();
            let name = entry.file_name();
            let name = name
                .to_str()
                .with_context(|| format!("{} is no UTF-8", host.display()))?;
            let path = match path {
                "" => name.to_owned(),
                path => format!("{path}/{name}"),
            };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.tree(&host, &path)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(&host)?;
                let target = target.to_str().with_context(|| {
                    format!("{} points to no UTF-8", host.display())
                })?;
                self.libraries.archive.symlink(&path, target)?;
            } else {
                let (bytes, mode) = read(&host)?;
                let elf = Elf::parse(&bytes)
                    .with_context(|| host.display().to_string())?;
                self.file(&host, &path, (bytes, mode), elf)?;
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        host: &Path,
        path: &str,
        (bytes, mode): (Vec<u8>, u32),
        elf: Option<Elf>,
    ) -> Result<()> {
        let path = self.libraries.file(path, host, mode, bytes)?;
        let object = elf.map(|elf| Object::new(path, host, elf));
        self.objects.extend(object);
        Ok(())
    }
}

/// A path as it was given, seen from the root. `None` if it is the root, or
/// outside of what it is relative to.
fn plain(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{Addition, add};
    use crate::newc::{Archive, Entry, read};
    use crate::testing::{Build, write};
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn added(specs: &[String]) -> anyhow::Result<Vec<Entry>> {
        let specs: anyhow::Result<Vec<Addition>> =
            specs.iter().map(|spec| spec.parse()).collect();
        let mut archive = Archive::default();
        // A sysroot without libraries.
        add(&mut archive, &specs?, Path::new("/proc"))?;
        Ok(read(&archive.to_bytes()?)?.0)
    }

    fn paths(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.path.as_str()).collect()
    }

    #[test]
    fn everything_has_a_place() {
        let dir = tempfile::tempdir().unwrap();
        let tool = dir.path().join("tool");
        write(&tool, 0o4700, b"#!/bin/sh\n");
        let data = dir.path().join("data");
        write(&data, 0o600, b"1");
        let library = dir.path().join("libx.so.1");
        let soname = "libx.so.1";
        let elf = Build {
            soname,
            ..Build::default()
        };
        write(&library, 0o755, &elf.bytes());
        let (tool, data) = (tool.display(), data.display());
        let library = library.display();
        for (spec, path, mode) in [
            (format!("{tool}"), "bin/tool".to_owned(), 0o755),
            (format!("{tool}:/init"), "init".to_owned(), 0o755),
            (format!("{tool}:/opt/"), "opt/tool".to_owned(), 0o755),
            (format!("{data}"), format!("{data}")[1..].to_owned(), 0o644),
            (format!("{data}:/plans/a"), "plans/a".to_owned(), 0o644),
            (format!("{data}:/"), "data".to_owned(), 0o644),
            (
                format!("{library}"),
                format!("{library}")[1..].to_owned(),
                0o755,
            ),
        ] {
            let entries = added(core::slice::from_ref(&spec)).unwrap();
            let last = entries.last().unwrap();
            assert_eq!(last.path, path, "{spec}");
            assert_eq!(last.mode & 0o7777, mode, "{spec}");
        }
        let relative: Addition = "a/./b".parse().unwrap();
        assert_eq!(relative.place(false).unwrap(), "a/b");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        write(&one, 0o644, b"1");
        write(&two, 0o644, b"2");
        let (one, two) = (one.display(), two.display());
        for (specs, message) in [
            (vec!["".to_owned()], "FILE is empty"),
            (vec![":/a".to_owned()], "FILE is empty"),
            (vec![format!("{one}:/a/../b")], "`..` in PATH"),
            (
                vec!["/no/such:/a".to_owned()],
                "`/no/such:/a`: /no/such: No",
            ),
            (vec![format!("{one}:a")], "begins with /"),
            (vec!["/dev/null".to_owned()], "no file, directory or link"),
            (vec!["..".to_owned()], "give it one with FILE:PATH"),
            (
                vec![format!("{one}:/a"), format!("{two}:/a")],
                "`a` would be in the archive twice",
            ),
        ] {
            let error = format!("{:#}", added(&specs).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_directory_brings_its_tree() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("t/sub/b"), 0o644, b"b");
        write(&dir.path().join("t/a"), 0o755, b"a");
        fs::create_dir(dir.path().join("t/empty")).unwrap();
        symlink("../a", dir.path().join("t/sub/link")).unwrap();
        symlink(".", dir.path().join("t/round")).unwrap();
        let tree = dir.path().join("t").display().to_string();
        let entries = added(&[format!("{tree}:/x/")]).unwrap();
        assert_eq!(
            paths(&entries),
            [
                "x",
                "x/t",
                "x/t/a",
                "x/t/empty",
                "x/t/round",
                "x/t/sub",
                "x/t/sub/b",
                "x/t/sub/link",
            ]
        );
        assert_eq!(entries[7].target(), Some("../a"));
        let entries = added(&[format!("{tree}:/")]).unwrap();
        assert_eq!(paths(&entries)[..2], ["a", "empty"]);
        // A file may go where a link of a tree leads.
        let file = format!("{tree}/a:/round/c");
        let entries = added(&[format!("{tree}:/"), file]).unwrap();
        assert!(paths(&entries).contains(&"c"));
    }

    proptest! {
        #[test]
        fn order_times_and_modes_do_not_matter(
            data in proptest::collection::vec(any::<u8>(), 0..50),
            mode in 0..8_u32,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let spec = |folder: &str, name: &str, mode| {
                let path = dir.path().join(folder).join(name);
                write(&path, mode, &data);
                format!("{}:/etc/{name}", path.display())
            };
            let mode = 0o600 | (mode & 6) << 3 | mode & 6;
            let one = [spec("1", "a", 0o644), spec("1", "b", 0o755)];
            let two = [spec("2", "b", 0o711), spec("2", "a", mode)];
            prop_assert_eq!(added(&one).unwrap(), added(&two).unwrap());
        }
    }
}
