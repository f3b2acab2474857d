//! What `setup` does to a system, and what it does not.

use crate::fakes::script;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use xtask::build;

const QEMU: &str = "qemu-system-x86_64";

/// The search path, in which no QEMU is found: a directory that has one is
/// replaced by links to all else in it.
fn without_qemu(links: &Path) -> Vec<OsString> {
    let path = env::var_os("PATH").unwrap();
    let dirs = env::split_paths(&path).map(|dir| {
        if !dir.join(QEMU).exists() {
            return dir.into();
        }
        let to = tempfile::tempdir_in(links).unwrap().keep();
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() != QEMU {
                symlink(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        to.into()
    });
    dirs.collect()
}

/// Removes `qemu-utils` for QEMU, as recorded, and has packages with a QEMU
/// that only says its name.
const APT: &str = r#"
case "$*" in
*--simulate*) exec cat "$REMOVES" ;;
*download*) ;;
update) exit 0 ;;
*) echo "apt-get $*: not here" >&2; exit 1 ;;
esac
mkdir -p new/DEBIAN new/usr/bin
cat > new/DEBIAN/control <<END
Package: ${3%%=*}
Version: 1
Architecture: all
Maintainer: a <a@b>
Description: c
END
printf '#!/bin/sh\necho "I am QEMU"\n' > new/usr/bin/qemu-system-x86_64
chmod 755 new/usr/bin/qemu-system-x86_64
dpkg-deb -b new . > /dev/null
rm -r new
"#;

#[test]
fn nothing_is_removed_for_qemu() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    script(&bin.join("apt-get"), APT);
    let mut path = vec![bin.into()];
    path.extend(without_qemu(dir.path()));
    let path = env::join_paths(path).unwrap();
    let cache = dir.path().join("cache");
    let removes = build::workspace().join("xtask/src/tools/apt/removes.txt");
    let set_up = || {
        let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["setup", "--arch", "x86_64"])
            .env("PATH", &path)
            .env("PIDONE_CACHE", &cache)
            .env("REMOVES", &removes)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{said}");
        said
    };
    let said = set_up();
    let why = "to install qemu-system-x86, apt-get would remove qemu-utils: \
        QEMU is unpacked into the cache instead";
    assert!(said.contains(why), "{said}");
    let qemu = Command::new(cache.join("qemu/bin").join(QEMU))
        .output()
        .unwrap();
    assert_eq!(qemu.stdout, b"I am QEMU\n");
    // It is there now.
    assert!(!set_up().contains("apt-get"));
}
