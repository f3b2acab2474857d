//! QEMU of Debian's archive, unpacked into our cache: without root, and beside
//! whatever is installed.

use super::apt;
use crate::arch::Arch;
use crate::tools::{self, DPKG_DEB};
use crate::{build, cache};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is the system's in any case: a program of another C library than its
/// loader's does not start.
const OF_SYSTEM: &str = "libc6";

/// Unpacks QEMU for these architectures, with all that it needs and the system
/// has not, in place of what was unpacked before. Returns where it is.
///
/// # Errors
///
/// The archive does not have it, or it does not go with the system.
pub fn unpack(arches: &[&Arch]) -> Result<PathBuf> {
    if !tools::found("apt-get") {
        bail!("to unpack QEMU takes apt-get, which Debian and Ubuntu have");
    }
    tools::require(&[DPKG_DEB], false)?;
    let packages = arches.iter().map(|arch| arch.qemu.of_debian());
    let packages: Vec<&str> = packages.collect();
    let installed = tools::simulate(&packages)?.installed;
    if installed.is_empty() {
        bail!("{} is installed", packages.join(", "));
    }
    if installed.iter().any(|(name, _)| name == OF_SYSTEM) {
        bail!("it needs another {OF_SYSTEM} than this system has");
    }
    let place = tools::unpacked_dir()?;
    let cache = cache::dir()?;
    fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
    let work = tempfile::tempdir_in(&cache)?;
    let root = work.path().join("root");
    for (name, version) in &installed {
        let into = work.path().join(name);
        fs::create_dir(&into)?;
        let deb = apt::download(&format!("{name}={version}"), &into)?;
        let deb = deb.display().to_string();
        tools::run(&["dpkg-deb", "-x", &deb, &root.display().to_string()])?;
    }
    for arch in arches {
        let program = arch.qemu.program;
        let bin = root.join("bin");
        if !root.join("usr/bin").join(program).is_file() {
            bail!("{program} is not in {}", packages.join(", "));
        }
        fs::create_dir_all(&bin)?;
        let start = bin.join(program);
        build::write(&start, script(&root, program)?.as_bytes())?;
        fs::set_permissions(&start, fs::Permissions::from_mode(0o755))?;
    }
    cache::replace(&root, &place, work.path())?;
    Ok(place)
}

/// Where Debian's QEMU has its firmware.
const FIRMWARE: [&str; 3] =
    ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"];

/// What starts a program with the libraries that are unpacked with it, and
/// with firmware of there or else of the system: part of it may be installed.
fn script(root: &Path, program: &str) -> Result<String> {
    let mut libraries = Vec::new();
    let mut next = vec![root.join("usr/lib"), root.join("lib")];
    while let Some(folder) = next.pop() {
        if !folder.is_dir() {
            continue;
        }
        let mut has = false;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            has |= path.to_string_lossy().contains(".so");
            if path.is_dir() && !path.is_symlink() {
                next.push(path);
            }
        }
        if has {
            let below = folder.strip_prefix(root)?.display();
            libraries.push(format!("$root/{below}"));
        }
    }
    libraries.sort();
    let firmware = ["$root", ""].map(|root| {
        FIRMWARE.map(|dir| format!(" -L \"{root}/{dir}\"")).concat()
    });
    Ok(format!(
        "#!/bin/sh\nroot=${{0%/bin/*}}\nLD_LIBRARY_PATH={} \\\n    exec \
         \"$root/usr/bin/{program}\"{} \"$@\"\n",
        libraries.join(":"),
        firmware.concat()
    ))
}

#[cfg(test)]
mod tests {
    use super::script;
    use crate::build;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    #[test]
    fn an_unpacked_program_finds_its_own_libraries() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("with space");
        for folder in ["bin", "usr/bin", "usr/lib/t/pulse", "usr/share/x"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("usr/lib/t/libx.so.1"), "").unwrap();
        fs::write(root.join("usr/lib/t/pulse/liby.so"), "").unwrap();
        let run = |file: &str, text: &str| {
            let file = root.join(file);
            build::write(&file, text.as_bytes()).unwrap();
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&file, mode).unwrap();
            file
        };
        run(
            "usr/bin/qemu",
            "#!/bin/sh\necho \"$LD_LIBRARY_PATH $1 $2 $*\"\n",
        );
        let start = run("bin/qemu", &script(&root, "qemu").unwrap());
        let out = Command::new(start).args(["-a", "b"]).output().unwrap();
        let root = root.display();
        let said = String::from_utf8(out.stdout).unwrap();
        let begin = format!(
            "{root}/usr/lib/t:{root}/usr/lib/t/pulse -L {root}/usr/share/qemu "
        );
        assert!(said.starts_with(&begin), "{said}");
        assert!(said.ends_with(" -L /usr/lib/ipxe/qemu -a b\n"), "{said}");
    }
}
