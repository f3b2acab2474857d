//! What a program is made of: its crates, where they are from, and the
//! licences under which they may be passed on.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that is passed on.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    package: &'static str,
    features: &'static [&'static str],
}

/// The payload.
pub(super) const PAYLOAD: Program = Program {
    name: "The payload",
    package: "pidone",
    features: &["--features=init"],
};
/// `pidonectl`.
pub(super) const TOOL: Program = Program {
    name: "pidonectl",
    package: "xtask",
    features: &[],
};

/// A crate that is linked into a program.
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
pub(super) fn crates(
    workspace: &Path,
    program: &Program,
    target: &str,
) -> Result<Vec<Crate>> {
    let form = ["--prefix=none", "--format={p}", "--target", target];
    let of = ["tree", "--edges=normal,no-proc-macro", "--package"];
    let of = [&of[..], &[program.package], program.features, &form].concat();
    let tree = cargo(workspace, &of)?;
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
pub(super) fn cyclonedx(program: &Program, crates: &[Crate]) -> Result<String> {
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
    let own = crates.iter().find(|c| c.name == program.package);
    let own = own.context("a program is not in its tree")?;
    let mut own = component(own);
    own["type"] = json!("application");
    let others = crates.iter().filter(|c| c.checksum.is_some());
    let components: Vec<Value> = others.map(component).collect();
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": own },
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&bom)? + "\n")
}

/// The licence texts that come with the crates.
///
/// # Errors
///
/// A crate comes without any and cannot do without, or they cannot be read.
pub(super) fn licences(program: &Program, crates: &[Crate]) -> Result<String> {
    let mut all = format!(
        "{} is linked from these crates, under these licences.\n",
        program.name
    );
    for c in crates.iter().filter(|c| c.checksum.is_some()) {
        let title = format!("{} {}: {}", c.name, c.version, c.licence);
        all += &format!("\n{}\n{title}\n", "=".repeat(title.len()));
        let mut texts = BTreeMap::new();
        let mut paths = Vec::new();
        for entry in fs::read_dir(&c.folder)? {
            let path = entry?.path();
            // A library that is not in Rust is in a folder of its crate.
            if path.is_dir() && c.name.ends_with("-sys") {
                for entry in fs::read_dir(&path)? {
                    paths.push(entry?.path());
                }
            }
            paths.push(path);
        }
        for path in paths {
            let name = path.file_name().unwrap_or_default();
            let upper = name.to_string_lossy().to_uppercase();
            let is = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT"]
                .iter()
                .any(|begin| upper.starts_with(begin));
            if is && path.is_file() {
                let name = path.strip_prefix(&c.folder)?.display();
                texts.insert(name.to_string(), fs::read_to_string(&path)?);
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
