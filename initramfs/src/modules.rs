//! Kernel modules with those that they need, in the order of loading.
//!
//! What a module needs is read from the module itself, so that a tree will do
//! that `depmod` has not seen. Modules are packed as the kernel's loader takes
//! them, whatever they were compressed with.

use crate::compress::Compression;
use crate::newc::Archive;
use anyhow::{Context, Result};
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the payload finds the names of packed modules, a line each, in the
/// order in which it loads them.
pub const ORDER: &str = "modules/order";

/// Suffixes of modules.
const SUFFIXES: &[&str] = &[".ko", ".ko.xz", ".ko.zst", ".ko.gz"];

/// The modules of one kernel: `/lib/modules/VERSION`.
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
}

/// A module's name in the kernel's form.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

fn name_of(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let stem = SUFFIXES.iter().find_map(|end| file.strip_suffix(end));
    stem.map(canonical)
}

impl Tree {
    /// Looks what there is.
    ///
    /// # Errors
    ///
    /// The directory cannot be read, or is no tree of modules.
    pub fn open(dir: &Path) -> Result<Self> {
        let what = || dir.display().to_string();
        let list = dir.join("modules.builtin");
        let list = fs::read_to_string(&list).with_context(|| {
            format!(
                "{} is no /lib/modules/VERSION: it has no modules.builtin",
                dir.display()
            )
        })?;
        let built_in = list.lines().map(Path::new).filter_map(name_of);
        let mut tree = Self {
            dir: dir.to_owned(),
            files: BTreeMap::new(),
            built_in: built_in.collect(),
        };
        let mut seen = BTreeSet::new();
        tree.walk(&dir.join("kernel"), &mut seen)
            .with_context(what)?;
        // Modules that came later take the place of the kernel's own.
        for late in ["extra", "updates"] {
            if dir.join(late).is_dir() {
                tree.walk(&dir.join(late), &mut seen).with_context(what)?;
            }
        }
        Ok(tree)
    }

    /// Looks into a directory, once: a link may lead back to it.
    fn walk(&mut self, dir: &Path, seen: &mut BTreeSet<PathBuf>) -> Result<()> {
        if !dir.is_dir() || !seen.insert(fs::canonicalize(dir)?) {
            return Ok(());
        }
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                self.walk(&path, seen)?;
            } else if let Some(name) = name_of(&path) {
                self.files.insert(name, path);
            }
        }
        Ok(())
    }

    /// Packs modules and what they need. One that is part of the kernel
    /// needs no packing.
    ///
    /// # Errors
    ///
    /// There is no such module, or it cannot be read.
    pub fn pack(&self, names: &[&str], archive: &mut Archive) -> Result<()> {
        let mut found = Found::default();
        for name in names {
            self.find(&canonical(name), &mut found)?;
        }
        if found.order.is_empty() {
            return Ok(());
        }
        for name in &found.order {
            let image = found.images.remove(name).unwrap_or_default();
            archive.file(&format!("modules/{name}.ko"), 0o644, image)?;
        }
        let order = found.order.join("\n") + "\n";
        archive.file(ORDER, 0o644, order.into_bytes())
    }

    fn find(&self, name: &str, found: &mut Found) -> Result<()> {
        if self.built_in.contains(name) || !found.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let file = self.files.get(name).with_context(|| {
            format!(
                "no module {name}: it is neither in {} nor built into that \
                 kernel",
                self.dir.display()
            )
        })?;
        let what = || file.display().to_string();
        let image = fs::read(file).with_context(what)?;
        let image = match Compression::detect(&image) {
            Some(how) => how.decompress(&image).with_context(what)?.0,
            None => image,
        };
        let needs = Needs::of(&image).with_context(what)?;
        for need in needs.required {
            self.find(&need, found)
                .with_context(|| format!("{name} needs {need}"))?;
        }
        for wish in needs.wanted {
            if self.files.contains_key(&wish) {
                self.find(&wish, found)?;
            }
        }
        found.order.push(name.to_owned());
        found.images.insert(name.to_owned(), image);
        Ok(())
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    seen: BTreeSet<String>,
    order: Vec<String>,
    images: BTreeMap<String, Vec<u8>>,
}

/// What a module needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Without which it cannot be loaded.
    pub required: Vec<String>,
    /// Loaded before it where there is one: `softdep=pre:`.
    pub wanted: Vec<String>,
}

impl Needs {
    /// Of the module in this file.
    ///
    /// # Errors
    ///
    /// It is no module.
    pub fn of(image: &[u8]) -> Result<Self> {
        let file = object::File::parse(image).context("no module")?;
        let info = file.section_by_name(".modinfo").context("no .modinfo")?;
        Ok(Self::parse(info.data()?))
    }

    /// `.modinfo` is `key=value` texts that end in NUL.
    fn parse(info: &[u8]) -> Self {
        let entries = info.split(|&byte| byte == 0);
        let entries = entries.filter_map(|e| core::str::from_utf8(e).ok());
        let (mut required, mut wanted) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry.split_once('=') {
                Some(("depends", list)) => {
                    let names = list.split(',').filter(|n| !n.is_empty());
                    required.extend(names.map(canonical));
                }
                Some(("softdep", list)) => {
                    let mut words = list.split_whitespace();
                    if words.next() == Some("pre:") {
                        let pre = words.take_while(|w| !w.ends_with(':'));
                        wanted.extend(pre.map(canonical));
                    }
                }
                _ => {}
            }
        }
        Self { required, wanted }
    }
}

#[cfg(test)]
mod tests {
    use super::{Needs, Tree};
    use crate::newc::Archive;
    use crate::testing::write;

    #[test]
    fn what_a_module_needs() {
        let info = b"license=GPL\0depends=failover,net-failover\0\
            softdep=pre: crypto-crc32 b post: c\0softdep=post: d\0depends=\0";
        let needs = Needs::parse(info);
        assert_eq!(needs.required, ["failover", "net_failover"]);
        assert_eq!(needs.wanted, ["crypto_crc32", "b"]);
    }

    #[test]
    fn links_that_lead_back_are_followed_once() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("modules.builtin"), 0o644, b"");
        write(&dir.path().join("kernel/a/one.ko"), 0o644, b"text");
        for link in ["x", "y", "z"] {
            let link = dir.path().join("kernel/a").join(link);
            std::os::unix::fs::symlink("..", link).unwrap();
        }
        let tree = Tree::open(dir.path()).unwrap();
        assert_eq!(tree.files.len(), 1);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let error = Tree::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("no /lib/modules/VERSION"), "{error}");
        let list = dir.path().join("modules.builtin");
        write(&list, 0o644, b"kernel/drivers/virtio/virtio-pci.ko\n");
        write(&dir.path().join("kernel/a/bad.ko"), 0o644, b"text");
        let tree = Tree::open(dir.path()).unwrap();
        let mut archive = Archive::default();
        tree.pack(&["virtio_pci"], &mut archive).unwrap();
        assert!(archive.is_empty());
        for (name, said) in [("nosuch", "no module nosuch"), ("bad", "bad.ko")]
        {
            let error = tree.pack(&[name], &mut archive).unwrap_err();
            assert!(format!("{error:#}").contains(said), "{error:#}");
        }
    }
}
