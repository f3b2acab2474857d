//! The files of a release, the same to the byte from every checkout.

mod sbom;

use crate::arch::Arch;
use crate::build;
use anyhow::{Context, Result, bail};
use initramfs::compress::Compression;
use initramfs::newc::Archive;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::model::hex;

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

/// Files by their names.
type Files = BTreeMap<String, Vec<u8>>;

/// Builds the workspace in this directory for these architectures, and writes
/// what a release of it has into `out`, which is to be empty or not there.
/// Returns the names.
///
/// # Errors
///
/// Something does not build, is missing, or cannot be written.
pub fn write(
    workspace: &Path,
    out: &Path,
    arches: &[&Arch],
) -> Result<Vec<String>> {
    let there = fs::read_dir(out).is_ok_and(|mut d| d.next().is_some());
    if there {
        bail!("{} is not empty", out.display());
    }
    let mut files = Files::new();
    for arch in arches {
        let payload = build::payload_of(workspace, arch)?;
        let (arch, target) = (arch.name, arch.target);
        for how in IMAGES {
            let image = build::image(&payload, Archive::default(), how)?;
            files.insert(format!("pidone-{arch}.{}", how.suffix()), image);
        }
        let crates = sbom::crates(workspace, target)?;
        files.insert(
            format!("pidone-{arch}.cdx.json"),
            sbom::cyclonedx(&crates)?.into_bytes(),
        );
        files.insert(
            format!("THIRD-PARTY-{arch}.txt"),
            sbom::licences(&crates)?.into_bytes(),
        );
        files.insert(format!("pidone-{arch}"), read(&payload)?);
    }
    files.insert(
        build::PLUGIN.to_owned(),
        read(&build::plugin_of(workspace)?)?,
    );
    let configs = workspace.join("kernel-configs");
    for entry in fs::read_dir(&configs).context("kernel-configs")? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            files.insert(format!("kernel-configs/{name}"), read(&path)?);
        }
    }
    for path in AS_THEY_ARE {
        let name = path.rsplit('/').next().unwrap_or(path);
        files.insert(name.to_owned(), read(&workspace.join(path))?);
    }
    let changes = String::from_utf8(read(&workspace.join("CHANGELOG.md"))?)?;
    let notes = notes(&changes, env!("CARGO_PKG_VERSION"))?;
    files.insert("RELEASE-NOTES.md".to_owned(), notes.into_bytes());
    let sums: String = files
        .iter()
        .map(|(name, bytes)| format!("{}  {name}\n", sum(bytes)))
        .collect();
    files.insert("SHA256SUMS".to_owned(), sums.into_bytes());
    for (name, bytes) in &files {
        let path = out.join(name);
        let folder = path.parent().unwrap_or(out);
        let what = || path.display().to_string();
        fs::create_dir_all(folder).with_context(what)?;
        build::write(&path, bytes)?;
        let program = bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"#!");
        if program {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&path, mode).with_context(what)?;
        }
    }
    Ok(files.into_keys().collect())
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
