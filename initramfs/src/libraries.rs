//! The loader and the libraries that a program needs.
//!
//! The loader of the guest is followed step by step, with two answers at
//! each: a file that the archive has, or one that the host has, which then
//! goes to where the guest's loader looks. What a program opens by itself
//! while it runs (`dlopen`) is not known here. Neither is `LD_LIBRARY_PATH`,
//! so that the archive depends on files only.

use crate::elf::{Elf, Kind};
use crate::host::read;
use crate::newc::Archive;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// Directories that some build of the GNU C library looks in by itself,
/// beside the multiarch ones.
const KNOWN: [&str; 9] = [
    "/lib64",
    "/usr/lib64",
    "/lib64/lp64d",
    "/usr/lib64/lp64d",
    "/lib32",
    "/usr/lib32",
    "/libx32",
    "/lib",
    "/usr/lib",
];
/// Directories that musl looks in by itself.
const MUSL: [&str; 3] = ["/lib", "/usr/local/lib", "/usr/lib"];
/// Libraries that are part of musl's loader, without `lib` and what follows
/// the dot.
const IN_MUSL: [&str; 7] = ["c", "pthread", "rt", "m", "dl", "util", "xnet"];

/// A program or a library in the archive.
pub(crate) struct Object {
    /// Its path in the archive, with a leading slash.
    path: String,
    /// Where on the host it is from.
    source: Option<PathBuf>,
    elf: Elf,
    /// Directories of `DT_RPATH`, its own and those of what needs it.
    inherited: Vec<Dir>,
}

impl Object {
    /// What `source` is at `path` of the archive.
    pub(crate) fn new(path: String, source: &Path, elf: Elf) -> Self {
        Self {
            path: format!("/{path}"),
            source: Some(source.to_path_buf()),
            elf,
            inherited: Vec::new(),
        }
    }

    /// Its name in messages.
    fn name(&self) -> String {
        match &self.source {
            Some(source) => source.display().to_string(),
            None => self.path.clone(),
        }
    }
}

/// A directory in which a library may be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dir {
    /// In the guest.
    guest: String,
    /// On the host.
    host: Option<PathBuf>,
}

/// What is known of a loader.
struct Loader {
    name: String,
    musl: bool,
    /// Directories it looks in by itself.
    built_in: Vec<String>,
}

impl Loader {
    /// Whether a library of this name is the loader itself.
    fn is(&self, library: &str) -> bool {
        let part = library.strip_prefix("lib").and_then(|l| l.split_once('.'));
        let in_musl = part.is_some_and(|(stem, _)| IN_MUSL.contains(&stem));
        library == self.name || self.musl && in_musl
    }
}

/// An archive that is being completed.
pub(crate) struct Libraries<'a> {
    pub(crate) archive: &'a mut Archive,
    /// What stands for the host's root.
    sysroot: &'a Path,
    /// Where the files of the archive are from, and whether only because
    /// something needs them.
    sources: BTreeMap<String, (PathBuf, bool)>,
}

impl<'a> Libraries<'a> {
    pub(crate) fn new(archive: &'a mut Archive, sysroot: &'a Path) -> Self {
        Self {
            archive,
            sysroot,
            sources: BTreeMap::new(),
        }
    }

    /// Adds a file that was asked for; returns its real path.
    pub(crate) fn file(
        &mut self,
        path: &str,
        source: &Path,
        mode: u32,
        bytes: Vec<u8>,
    ) -> Result<String> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.archive.real(parent);
        let parent = parent.context("its links lead in a circle")?;
        let path = match &parent[..] {
            "" => name.to_owned(),
            parent => format!("{parent}/{name}"),
        };
        self.archive.file(&path, mode, bytes)?;
        let source = (source.to_path_buf(), false);
        self.sources.insert(path.clone(), source);
        Ok(path)
    }

    /// Adds what a program or a library needs.
    pub(crate) fn complete(&mut self, object: Object) -> Result<()> {
        let loader = self.loader(&object)?;
        let defaults = self.defaults(object.elf.kind, loader.as_ref());
        // A library is loaded once, by its name.
        let mut seen = BTreeSet::new();
        let mut queue = VecDeque::from([object]);
        while let Some(mut object) = queue.pop_front() {
            let own = self.expand_all(&object.elf.rpath, &object);
            object.inherited.splice(0..0, own);
            for name in object.elf.needed.clone() {
                let here = loader.as_ref().is_some_and(|l| l.is(&name));
                if here || !seen.insert(name.clone()) {
                    continue;
                }
                queue.push_back(self.shared_object(&name, &object, &defaults)?);
            }
        }
        Ok(())
    }

    /// Adds the loader that a program asks for.
    fn loader(&mut self, object: &Object) -> Result<Option<Loader>> {
        let Some(path) = &object.elf.interpreter else {
            return Ok(None);
        };
        let (dir, name) = path
            .rsplit_once('/')
            .filter(|_| path.starts_with('/'))
            .with_context(|| {
                format!("{}: its loader is `{path}`", object.name())
            })?;
        let triplet = object.elf.kind.triplet();
        let hosts = [
            Some(self.host(dir)),
            triplet.map(|t| self.host(&format!("/usr/{t}/lib"))),
        ];
        let dirs = hosts.into_iter().flatten().map(|host| Dir {
            guest: dir.to_owned(),
            host: Some(host),
        });
        self.find(name, object, &dirs.collect::<Vec<_>>())?;
        let image = self.archive.get(path);
        let image = image.map_or(&[][..], |entry| &entry.data);
        let musl = name.starts_with("ld-musl-");
        Ok(Some(Loader {
            name: name.to_owned(),
            musl,
            built_in: if musl {
                MUSL.map(str::to_owned).to_vec()
            } else {
                let mut known = known(object.elf.kind);
                known.retain(|dir| holds_directory(image, dir));
                known
            },
        }))
    }

    /// Finds a library that something needs, and adds it.
    fn shared_object(
        &mut self,
        name: &str,
        by: &Object,
        defaults: &[Dir],
    ) -> Result<Object> {
        if let Some((dir, name)) = name.rsplit_once('/') {
            let dirs: Vec<Dir> = self.expand(dir, by).into_iter().collect();
            return self.find(name, by, &dirs);
        }
        let mut dirs = match &by.elf.runpath {
            Some(runpath) => self.expand_all(runpath, by),
            None => by.inherited.clone(),
        };
        dirs.extend_from_slice(defaults);
        self.find(name, by, &dirs)
    }

    fn find(
        &mut self,
        name: &str,
        by: &Object,
        dirs: &[Dir],
    ) -> Result<Object> {
        let kind = by.elf.kind;
        for dir in dirs {
            let path = format!("{}/{name}", dir.guest);
            let Some(real) = self.archive.real(&path) else {
                continue;
            };
            let on_host = match &dir.host {
                Some(host) => candidate(&host.join(name), kind)?,
                None => None,
            };
            let old = self.archive.get(&real).filter(|e| e.is_file());
            let found = match (old, on_host) {
                (Some(old), on_host) => {
                    let elf = Elf::parse(&old.data).context(path.clone())?;
                    let Some(elf) = elf.filter(|elf| elf.kind == kind) else {
                        continue;
                    };
                    let source = self.sources.get(&real);
                    if let (Some(new), Some((first, true))) = (on_host, source)
                        && new.bytes != old.data
                    {
                        bail!(
                            "`{path}` would be both {} and {}, which {} \
                             needs; give one of the programs another PATH",
                            first.display(),
                            new.path.display(),
                            by.name()
                        );
                    }
                    (elf, source.map(|(source, _)| source.clone()))
                }
                (None, Some(new)) => {
                    self.archive.file(&real, new.mode, new.bytes)?;
                    let source = (new.path.clone(), true);
                    self.sources.insert(real, source);
                    (new.elf, Some(new.path))
                }
                (None, None) => continue,
            };
            let (elf, source) = found;
            return Ok(Object {
                path,
                source,
                elf,
                inherited: by.inherited.clone(),
            });
        }
        let mut looked: Vec<String> = dirs
            .iter()
            .filter_map(|dir| Some(dir.host.as_ref()?.display().to_string()))
            .collect();
        let mut seen = BTreeSet::new();
        looked.retain(|dir| seen.insert(dir.clone()));
        if looked.is_empty() {
            looked.push("no place: its path is relative".to_owned());
        }
        bail!(
            "no `{name}` of the right kind, which {} needs; looked in {}",
            by.name(),
            looked.join(", ")
        )
    }

    fn expand_all(&self, dirs: &[String], object: &Object) -> Vec<Dir> {
        let dirs = dirs.iter();
        dirs.filter_map(|dir| self.expand(dir, object)).collect()
    }

    /// A directory of a path in `object`. `None` for a relative one, which
    /// would depend on where the program is started.
    fn expand(&self, dir: &str, object: &Object) -> Option<Dir> {
        let origin = ["${ORIGIN}", "$ORIGIN"];
        let from = |origin_is: &str| {
            let expand = |dir: String, o: &&str| dir.replace(*o, origin_is);
            origin.iter().fold(dir.to_owned(), expand)
        };
        let (folder, _) = object.path.rsplit_once('/')?;
        let guest = from(folder);
        let host = if origin.iter().any(|o| dir.contains(o)) {
            let source = object.source.as_ref().and_then(|s| s.parent());
            let source = source.and_then(|source| source.to_str());
            source.map(|source| PathBuf::from(from(source)))
        } else {
            Some(self.host(dir))
        };
        guest.starts_with('/').then_some(Dir { guest, host })
    }

    /// Where a library may be if nothing says so in particular. The guest
    /// has no cache of what `ld.so.conf` names, so that what is found there
    /// goes to a directory that the loader looks in by itself.
    fn defaults(&self, kind: Kind, loader: Option<&Loader>) -> Vec<Dir> {
        let musl = loader.filter(|loader| loader.musl);
        let known = known(kind);
        let mut built_in =
            loader.map_or_else(Vec::new, |loader| loader.built_in.clone());
        if built_in.is_empty() {
            // Of an unknown loader: where there is something, there it looks.
            built_in.clone_from(&known);
            built_in.retain(|dir| self.host(dir).is_dir());
        }
        let first = built_in.first().map_or("/lib", String::as_str);
        let mut all = match musl {
            Some(loader) => self.musl_path(&loader.name),
            None => self.ld_so_conf(),
        };
        all.extend(built_in.iter().cloned());
        all.extend(kind.triplet().into_iter().flat_map(|triplet| {
            let triplet = match musl {
                Some(_) => triplet.replace("-gnu", "-musl"),
                None => triplet.to_owned(),
            };
            [format!("/usr/{triplet}/lib"), format!("/usr/lib/{triplet}")]
        }));
        if musl.is_none() {
            all.extend(known);
        }
        let dirs = all.iter().map(|dir| Dir {
            guest: match built_in.contains(dir) {
                true => dir.clone(),
                false => first.to_owned(),
            },
            host: Some(self.host(dir)),
        });
        dirs.collect()
    }

    fn host(&self, path: &str) -> PathBuf {
        self.sysroot.join(path.trim_start_matches('/'))
    }

    /// The directories of musl's own configuration.
    fn musl_path(&self, loader: &str) -> Vec<String> {
        let stem = loader.split('.').next().unwrap_or(loader);
        let file = self.host(&format!("/etc/{stem}.path"));
        let text = fs::read_to_string(file).unwrap_or_default();
        let dirs = text.split([':', '\n']).filter(|dir| dir.starts_with('/'));
        dirs.map(str::to_owned).collect()
    }

    /// The directories of `/etc/ld.so.conf` and the files it includes.
    fn ld_so_conf(&self) -> Vec<String> {
        let mut dirs = Vec::new();
        let mut seen = BTreeSet::new();
        let mut todo = VecDeque::from([self.host("/etc/ld.so.conf")]);
        while let Some(file) = todo.pop_front() {
            if !seen.insert(file.clone()) {
                continue;
            }
            // It is there for those who have something to say.
            let text = fs::read_to_string(&file).unwrap_or_default();
            for line in text.lines() {
                let line = line.split('#').next().unwrap_or_default().trim();
                if let Some(pattern) = line.strip_prefix("include ") {
                    todo.extend(self.matching(&file, pattern.trim()));
                } else if line.starts_with('/') {
                    let parts = line.split([':', ',', ' ', '\t']);
                    let parts = parts.filter(|dir| !dir.is_empty());
                    dirs.extend(parts.map(|dir| {
                        let dir = dir.trim_end_matches('/');
                        dir.to_owned()
                    }));
                }
            }
        }
        dirs
    }

    /// The files that a pattern of an `include` line names, sorted. Only
    /// their names may have one `*`, as everywhere in practice.
    fn matching(&self, by: &Path, pattern: &str) -> Vec<PathBuf> {
        let pattern = match pattern.strip_prefix('/') {
            Some(_) => self.host(pattern),
            None => by.with_file_name("").join(pattern),
        };
        let name = pattern.file_name().and_then(|name| name.to_str());
        let Some((head, tail)) = name.and_then(|name| name.split_once('*'))
        else {
            return vec![pattern];
        };
        let fits = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            let rest = name.and_then(|name| name.strip_prefix(head));
            rest.is_some_and(|rest| rest.ends_with(tail))
        };
        let files = pattern.parent().and_then(|dir| fs::read_dir(dir).ok());
        let files = files.into_iter().flatten().flatten();
        let mut files: Vec<_> = files.map(|f| f.path()).filter(fits).collect();
        files.sort();
        files
    }
}

/// A library of the host.
struct Candidate {
    path: PathBuf,
    bytes: Vec<u8>,
    mode: u32,
    elf: Elf,
}

/// What is at a path, if it is a library of this kind.
fn candidate(path: &Path, kind: Kind) -> Result<Option<Candidate>> {
    if !path.is_file() {
        return Ok(None);
    }
    let (bytes, mode) = read(path)?;
    // A script for the linker may have a library's name, and a loader passes
    // over damaged files of other machines too.
    let elf = Elf::parse(&bytes).ok().flatten();
    let elf = elf.filter(|elf| elf.kind == kind);
    Ok(elf.map(|elf| Candidate {
        path: path.to_path_buf(),
        bytes,
        mode,
        elf,
    }))
}

/// Where a GNU C library for this kind may look by itself.
fn known(kind: Kind) -> Vec<String> {
    let multiarch = kind.triplet().into_iter();
    let multiarch =
        multiarch.flat_map(|t| [format!("/lib/{t}"), format!("/usr/lib/{t}")]);
    multiarch.chain(KNOWN.map(str::to_owned)).collect()
}

/// Whether a loader holds this directory as the GNU C library's does: behind
/// another text or none, with a slash and a zero byte at its end.
fn holds_directory(image: &[u8], dir: &str) -> bool {
    let text = format!("{dir}/\0");
    let inside = |byte: u8| byte.is_ascii_graphic();
    let mut places = image.windows(text.len()).enumerate();
    places.any(|(at, window)| {
        window == text.as_bytes() && !(at > 0 && inside(image[at - 1]))
    })
}

#[cfg(test)]
mod tests;
