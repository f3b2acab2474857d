//! The files of a release, the same to the byte from every checkout.

mod sbom;
mod tool;

use crate::arch::Arch;
use crate::bundle::{self, Files};
use crate::completions::Shell;
use crate::model::hex;
use crate::supply::{self, FRAGMENTS, PLUGIN};
use crate::{build, manual};
use anyhow::{Context, Result, bail};
use argh::CommandInfoWithArgs;
use initramfs::compress::Compression;
use initramfs::newc::Archive;
use sbom::{PAYLOAD, TOOL};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// How images are compressed.
const IMAGES: [Compression; 3] =
    [Compression::None, Compression::Gzip, Compression::Zstd];
/// Files of the workspace that go along as they are.
const AS_THEY_ARE: [&str; 4] = [
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "action/pidone-boot",
    "docs/pidone_custom.h",
];

/// The files of a release.
#[derive(Debug)]
pub struct Release<'a> {
    workspace: &'a Path,
    arches: &'a [&'static Arch],
    /// By their names.
    files: Files,
}

impl<'a> Release<'a> {
    /// Builds the workspace in this directory for these architectures: what a
    /// release has beside `pidonectl`.
    ///
    /// # Errors
    ///
    /// Something does not build, or is missing.
    pub fn new(
        workspace: &'a Path,
        arches: &'a [&'static Arch],
    ) -> Result<Self> {
        let mut files = Files::new();
        for arch in arches {
            let payload = build::payload_of(workspace, arch)?;
            let name = arch.name;
            for how in IMAGES {
                let image = build::image(&payload, Archive::default(), how)?;
                files.insert(format!("pidone-{name}.{}", how.suffix()), image);
            }
            let crates = sbom::crates(workspace, &PAYLOAD, arch.target)?;
            files.insert(
                format!("pidone-{name}.cdx.json"),
                sbom::cyclonedx(&PAYLOAD, &crates)?.into_bytes(),
            );
            files.insert(
                format!("THIRD-PARTY-{name}.txt"),
                sbom::licences(&PAYLOAD, &crates)?.into_bytes(),
            );
            files.insert(format!("pidone-{name}"), read(&payload)?);
        }
        let plugin = read(&build::plugin_of(workspace)?)?;
        files.insert(PLUGIN.to_owned(), plugin);
        files.extend(as_they_are(workspace)?);
        let changes = read(&workspace.join("CHANGELOG.md"))?;
        let changes = String::from_utf8(changes)?;
        let notes = notes(&changes, env!("CARGO_PKG_VERSION"))?;
        files.insert("RELEASE-NOTES.md".to_owned(), notes.into_bytes());
        Ok(Self {
            workspace,
            arches,
            files,
        })
    }

    /// Adds `pidonectl` for hosts of each architecture that has static
    /// programs, its manual page, which is made of its command line, and what
    /// makes shells complete that.
    ///
    /// # Errors
    ///
    /// It does not build, or what it takes is missing.
    pub fn add_programs(
        &mut self,
        info: &CommandInfoWithArgs,
        setup: bool,
    ) -> Result<()> {
        for arch in self.arches.iter().filter(|it| it.has_static_programs()) {
            let crates = sbom::crates(self.workspace, &TOOL, arch.target)?;
            let bill = sbom::cyclonedx(&TOOL, &crates)?.into_bytes();
            let program = tool::build(self.workspace, arch, setup)?;
            let mut carried = carried(self.workspace, self.arches, arch)?;
            let others = self.files.iter();
            carried.extend(others.filter_map(|(name, bytes)| {
                let licences = name.starts_with("THIRD-PARTY-");
                licences.then(|| (name.clone(), bytes.clone()))
            }));
            let mut licences = sbom::licences(&TOOL, &crates)?;
            licences += &tool::licence_of_library(arch, setup)?;
            let name = "THIRD-PARTY-pidonectl.txt".to_owned();
            carried.insert(name, licences.into_bytes());
            let program = bundle::append(&program, &carried)?;
            let name = format!("pidonectl-{}", arch.name);
            self.files.insert(format!("{name}.cdx.json"), bill);
            self.files.insert(name, program);
        }
        let page = manual::page(info).into_bytes();
        self.files.insert("pidonectl.1".to_owned(), page);
        for shell in Shell::ALL {
            let name = format!("completions/{}", shell.file("pidonectl"));
            self.files.insert(name, shell.script(info).into_bytes());
        }
        Ok(())
    }

    /// Writes all of them and their checksums into `out`, which is to be empty
    /// or not there. Returns the names.
    ///
    /// # Errors
    ///
    /// It is not empty, or something cannot be written.
    pub fn write(mut self, out: &Path) -> Result<Vec<String>> {
        unused(out)?;
        let sums = self
            .files
            .iter()
            .map(|(name, bytes)| format!("{}  {name}\n", sum(bytes)));
        let sums: String = sums.collect();
        self.files
            .insert("SHA256SUMS".to_owned(), sums.into_bytes());
        for (name, bytes) in &self.files {
            let path = out.join(name);
            let folder = path.parent().unwrap_or(out);
            let what = || path.display().to_string();
            fs::create_dir_all(folder).with_context(what)?;
            build::write(&path, bytes)?;
            if bundle::is_program(bytes) {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                fs::set_permissions(&path, mode).with_context(what)?;
            }
        }
        Ok(self.files.into_keys().collect())
    }
}

/// What goes along as it is in the workspace.
fn as_they_are(workspace: &Path) -> Result<Files> {
    let mut files = Files::new();
    let configs = workspace.join(FRAGMENTS);
    for entry in fs::read_dir(&configs).context(FRAGMENTS)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            files.insert(format!("{FRAGMENTS}/{name}"), read(&path)?);
        }
    }
    for path in AS_THEY_ARE {
        let name = path.rsplit('/').next().unwrap_or(path);
        files.insert(name.to_owned(), read(&workspace.join(path))?);
    }
    Ok(files)
}

/// What a program carries on hosts of an architecture to boot kernels of these
/// without the workspace in this directory.
///
/// # Errors
///
/// Something does not build, or cannot be read.
pub fn carried(
    workspace: &Path,
    arches: &[&'static Arch],
    host: &Arch,
) -> Result<Files> {
    let mut files = as_they_are(workspace)?;
    for arch in arches {
        let payload = build::payload_of(workspace, arch)?;
        let name = supply::payload_of(arch);
        let whole = build::with_symbols(Path::new(&name));
        let whole = whole.display().to_string();
        files.insert(whole, read(&build::with_symbols(&payload))?);
        files.insert(name, read(&payload)?);
    }
    // QEMU of this machine can load it, and no other.
    if host.is_host() {
        let plugin = read(&build::plugin_of(workspace)?)?;
        files.insert(PLUGIN.to_owned(), plugin);
    }
    Ok(files)
}

/// Sees to it that nothing is in a directory, if it is there.
///
/// # Errors
///
/// Something is.
pub fn unused(out: &Path) -> Result<()> {
    match fs::read_dir(out).is_ok_and(|mut dir| dir.next().is_some()) {
        true => bail!("{} is not empty", out.display()),
        false => Ok(()),
    }
}

/// Builds and writes a release without `pidonectl`. Returns the names.
///
/// # Errors
///
/// Something does not build, is missing, or cannot be written.
pub fn write(
    workspace: &Path,
    out: &Path,
    arches: &[&'static Arch],
) -> Result<Vec<String>> {
    unused(out)?;
    Release::new(workspace, arches)?.write(out)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

fn sum(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What a change log says of a version, or of what is to be the next one.
fn notes(changes: &str, version: &str) -> Result<String> {
    let section = |name: &str| {
        let (_, rest) = changes.split_once(&format!("\n## {name}"))?;
        let text = rest.split_once('\n')?.1;
        let end = text.find("\n## ").unwrap_or(text.len());
        Some(text[..end].trim().to_owned())
    };
    let text = section(version).or_else(|| section("Unreleased"));
    let text = text.with_context(|| {
        format!("CHANGELOG.md has neither {version} nor Unreleased")
    })?;
    Ok(format!("# pidone {version}\n\n{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::notes;

    #[test]
    fn notes_are_those_of_the_version() {
        let changes = "# Changelog\n\n## Unreleased\n\n- new\n\n\
                       ## 0.2.0 (2026-12-01)\n\n- two\n\n## 0.1.0\n\n- one\n";
        assert_eq!(
            notes(changes, "0.2.0").unwrap(),
            "# pidone 0.2.0\n\n- two\n"
        );
        assert_eq!(
            notes(changes, "0.1.0").unwrap(),
            "# pidone 0.1.0\n\n- one\n"
        );
        assert_eq!(
            notes(changes, "0.3.0").unwrap(),
            "# pidone 0.3.0\n\n- new\n"
        );
        assert!(notes("# Changelog\n", "0.1.0").is_err());
    }
}
