//! `pidonectl` as it is in a release, for hosts of both architectures.

use crate::fakes::made;
use crate::user::User;
use object::elf::{FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};
use std::fs;
use std::process::Command;
use xtask::arch::{ALL, Arch};

/// Whether a program needs a loader, and with that a C library of its host's.
fn needs_loader(program: &[u8]) -> bool {
    let header = FileHeader64::<object::Endianness>::parse(program).unwrap();
    let endian = header.endian().unwrap();
    let headers = header.program_headers(endian, program).unwrap();
    headers.iter().any(|it| it.p_type(endian) == PT_INTERP)
}

#[test]
fn the_program_of_a_release_finds_a_commit() {
    let release = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["dist", "--output"])
        .arg(release.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    let read = |name: &str| fs::read(release.path().join(name)).unwrap();
    for arch in ALL.iter().filter(|arch| arch.has_static_programs()) {
        let program = read(&format!("pidonectl-{}", arch.name));
        assert_eq!(Arch::of_elf(&program).unwrap().name, arch.name);
        assert!(!needs_loader(&program), "{} is not static", arch.name);
    }
    assert!(needs_loader(&fs::read("/bin/sh").unwrap()), "nothing is");
    assert!(read("pidonectl.1").starts_with(b".TH"));
    assert!(!read("completions/_pidonectl").is_empty());
    let host = format!("pidonectl-{}", Arch::host().name);
    let user = User::new(&read(&host));
    let version = user.says("./pidonectl --version");
    assert!(version.starts_with("pidone "), "{version}");
    // A history of kernels that are there.
    let tree = user.file("linux");
    made(
        &tree,
        &[
            ("good", "debian:6.12-cloud"),
            ("culprit", "debian:6.1-cloud"),
            ("bad", "debian:6.1-cloud"),
        ],
    );
    let found = user.says(
        "cd linux && git bisect start bad good >&2 && git bisect run sh -c \
         'make -s bzImage || exit 125; ~/pidonectl judge --deterministic \
         --smp 1 --kernel arch/x86/boot/bzImage --expect \"rate>74000\" -- \
         time=100ms work=FutexPingPong' >&2 && git show -s --format=%s \
         bisect/bad",
    );
    assert_eq!(found, "culprit\n");
}
