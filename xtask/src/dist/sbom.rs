//! What the payload is made of: its crates, where they are from, and the
//! licences under which they may be passed on.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate that is linked into the payload.
#[derive(Debug)]
pub(super) struct Crate {
    name: String,
    version: String,
    licence: String,
    /// SHA-256 of its archive; none for what is in the workspace.
    checksum: Option<String>,
    folder: PathBuf,
}

/// All of them, by name.
///
/// # Errors
///
/// cargo failed, or names a crate that it does not describe.
pub(super) fn crates(workspace: &Path, target: &str) -> Result<Vec<Crate>> {
    let tree = cargo(
        workspace,
        &[
            "tree",
            "--package=pidone",
            "--features=init",
            "--target",
            target,
            "--edges=normal,no-proc-macro",
            "--prefix=none",
            "--format={p}",
        ],
    )?;
    // `serde v1.0.229 (*)`
    let linked: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let metadata = cargo(workspace, &["metadata", "--format-version=1"])?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let checksums = checksums(workspace)?;
    linked
        .into_iter()
        .map(|(name, version)| {
            let found = packages
                .iter()
                .find(|p| p["name"] == name && p["version"] == version);
            let package = found.with_context(|| {
                format!("cargo does not describe {name} {version}")
            })?;
            let text = |field: &str| {
                let text = package[field].as_str().map(str::to_owned);
                text.with_context(|| format!("{name} has no {field}"))
            };
            let manifest = PathBuf::from(text("manifest_path")?);
            let key = (name.to_owned(), version.to_owned());
            Ok(Crate {
                name: name.to_owned(),
                version: version.to_owned(),
                // An old way of writing OR.
                licence: text("license")?.replace('/', " OR "),
                checksum: checksums.get(&key).cloned(),
                folder: manifest.parent().unwrap_or(&manifest).to_owned(),
            })
        })
        .collect()
}

fn cargo(workspace: &Path, args: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args(args)
        .arg("--locked")
        .current_dir(workspace)
        .output()
        .context("cargo cannot be started")?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        bail!("`cargo {}` failed: {}", args.join(" "), said.trim());
    }
    Ok(String::from_utf8(out.stdout)?)
}

/// What is read of `Cargo.lock`.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

/// A package there; those of the workspace have no checksum.
#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Checksums of `Cargo.lock` by name and version.
fn checksums(workspace: &Path) -> Result<BTreeMap<(String, String), String>> {
    let path = workspace.join("Cargo.lock");
    let what = || path.display().to_string();
    let text = fs::read_to_string(&path).with_context(what)?;
    let lock: Lock = toml::from_str(&text).with_context(what)?;
    let packages = lock.package.into_iter();
    Ok(packages
        .filter_map(|p| Some(((p.name, p.version), p.checksum?)))
        .collect())
}

/// A bill of materials in the form of CycloneDX, without anything that
/// differs from one making to the next.
///
/// # Errors
///
/// Those of the serialiser.
pub(super) fn cyclonedx(crates: &[Crate]) -> Result<String> {
    let component = |c: &Crate| {
        let mut component = json!({
            "type": "library",
            "bom-ref": format!("{}@{}", c.name, c.version),
            "name": c.name,
            "version": c.version,
            "licenses": [{ "expression": c.licence }],
        });
        if let Some(checksum) = &c.checksum {
            component["purl"] =
                json!(format!("pkg:cargo/{}@{}", c.name, c.version));
            component["hashes"] =
                json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        component
    };
    let (own, others): (Vec<&Crate>, Vec<&Crate>) =
        crates.iter().partition(|c| c.checksum.is_none());
    let own = own.first().context("the payload is not in its tree")?;
    let mut payload = component(own);
    payload["type"] = json!("application");
    let components: Vec<Value> = others.into_iter().map(component).collect();
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": payload },
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&bom)? + "\n")
}

/// The licence texts that come with the crates.
///
/// # Errors
///
/// A crate comes without any and cannot do without, or they cannot be read.
pub(super) fn licences(crates: &[Crate]) -> Result<String> {
    let mut all = String::from(
        "The payload is linked from these crates, under these licences.\n",
    );
    for c in crates.iter().filter(|c| c.checksum.is_some()) {
        let title = format!("{} {}: {}", c.name, c.version, c.licence);
        all += &format!("\n{}\n{title}\n", "=".repeat(title.len()));
        let mut texts = BTreeMap::new();
        for entry in fs::read_dir(&c.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            let upper = name.to_uppercase();
            let is = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT"]
                .iter()
                .any(|begin| upper.starts_with(begin));
            if is && path.is_file() {
                texts.insert(name, fs::read_to_string(&path)?);
            }
        }
        if texts.is_empty() {
            // The text of that one is the same for everyone.
            if !c.licence.contains("Apache-2.0") {
                bail!("{} {} has no licence text", c.name, c.version);
            }
            all += "\nNo text comes with it; LICENSE-APACHE has it.\n";
        }
        for (name, text) in texts {
            all += &format!("\n--- {name}\n\n{}\n", text.trim_end());
        }
    }
    Ok(all)
}
