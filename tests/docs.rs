//! The commands of `docs/ci.md` are carried out as they stand there.

use crate::fakes::{git, made, script};
use initramfs::add::Addition;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use xtask::arch::{AARCH64, ALL, X86_64};
use xtask::decode::decode;
use xtask::model::Report;
use xtask::{build, ci, dist, kernel};

/// Fenced blocks of a page with their language, in order.
pub(crate) fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((_, fenced)) = rest.split_once("\n```") {
        let (block, behind) = fenced.split_once("\n```").unwrap();
        blocks.push(block.split_once('\n').unwrap());
        rest = behind;
    }
    blocks
}

/// What the page asks for to be there: files of a release, a kernel, an image
/// of somebody else's, a history, U-Boot, and `cargo xtask`, which is what is
/// tested.
fn bench(dir: &Path) {
    dist::write(&build::workspace(), dir, &ALL).unwrap();
    for (arch, name) in [(&X86_64, "bzImage"), (&AARCH64, "Image")] {
        let spec = "debian:6.12-cloud";
        let image = kernel::resolve(spec, Some(arch), false).unwrap();
        symlink(image, dir.join(name)).unwrap();
    }
    for device in ["device.yaml", "device-arm64.yaml"] {
        let of_tests = build::workspace().join("tests/data/ci").join(device);
        symlink(of_tests, dir.join(device)).unwrap();
    }
    let mut other = initramfs::base(b"#!/bin/none\n".to_vec()).unwrap();
    let fill = vec![b'x'; 70_001];
    other.file("etc/other", 0o644, fill).unwrap();
    let gzip = initramfs::compress::Compression::Gzip;
    let other = gzip.compress(&other.to_bytes().unwrap()).unwrap();
    fs::write(dir.join("initrd.img"), other).unwrap();
    let boards = ci::tools::boards(false).unwrap();
    let rom = boards.join("usr/lib/u-boot/qemu-x86/u-boot.rom");
    symlink(rom, dir.join("u-boot.rom")).unwrap();
    history(&dir.join("linux"));
    cargo(dir);
}

/// A `cargo xtask` that is what is tested, in `bin`.
pub(crate) fn cargo(dir: &Path) {
    let bin = dir.join("bin");
    fs::create_dir(&bin).unwrap();
    let cargo = format!(
        "[ \"$1\" = xtask ] && shift\nexec {} \"$@\"",
        env!("CARGO_BIN_EXE_xtask")
    );
    script(&bin.join("cargo"), &cargo);
}

/// A history of kernels, `good` to `bad`, with a guard of real-time tasks of
/// another kind from `culprit` on.
fn history(tree: &Path) {
    made(
        tree,
        &[
            ("good", "debian:6.1-cloud"),
            ("same", "debian:6.1-cloud"),
            ("culprit", "debian:6.12-cloud"),
            ("bad", "debian:6.12-cloud"),
        ],
    );
}

/// A system that is up with kexec and the files of the page: a shell that
/// carries out a block of it.
fn board(dir: &Path, block: &str) {
    let mut add = vec![
        "/bin/sh:/bin/sh".to_owned(),
        "/bin/mount:/bin/mount".to_owned(),
    ];
    let mounts = "mount -t proc proc /proc\nmount -t sysfs sysfs /sys";
    script(&dir.join("board.sh"), &format!("{mounts}\n{block}"));
    for file in ["board.sh", "bzImage", "pidone-x86_64.cpio.gz"] {
        add.push(format!("{}:/{file}", dir.join(file).display()));
    }
    let add: Vec<Addition> =
        add.iter().map(|one| one.parse().unwrap()).collect();
    let mut image = initramfs::base(Vec::new()).unwrap();
    image.merge(build::additions(&add).unwrap()).unwrap();
    // As they are: kexec needs some of these libraries, and those no others.
    let root = ci::tools::boards(false).unwrap();
    let libraries = fs::read_dir(root.join("usr/lib/x86_64-linux-gnu"));
    let libraries = libraries.unwrap().map(|entry| entry.unwrap().path());
    for file in libraries.chain([root.join("sbin/kexec")]) {
        if file.is_file() {
            let place = file.strip_prefix(&root).unwrap().to_str().unwrap();
            image.file(place, 0o755, fs::read(&file).unwrap()).unwrap();
        }
    }
    fs::write(dir.join("board.img"), image.to_bytes().unwrap()).unwrap();
    let out = Command::new("./pidone-boot")
        .args(["bzImage", "board.img"])
        .current_dir(dir)
        .env("APPEND", "rdinit=/board.sh")
        .env("LOG", "kexec.log")
        .output()
        .unwrap();
    assert!(out.status.success(), "{block}\n{out:?}");
}

#[test]
fn every_command_of_the_page_on_cis_works() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    bench(dir);
    let own = [
        dir.join("bin"),
        ci::tools::lava(false).unwrap(),
        ci::tools::python(false).unwrap(),
        ci::tools::boards(false).unwrap().join("usr/bin"),
    ];
    let path = std::env::var_os("PATH").unwrap();
    let dirs = own.into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(dirs).unwrap();
    let page = build::workspace().join("docs/ci.md");
    let page = fs::read_to_string(page).unwrap();
    let mut commands = 0;
    for (language, block) in blocks(&page) {
        match language {
            "ipxe" => {
                fs::write(dir.join("pidone.ipxe"), block).unwrap();
                continue;
            }
            "uboot" => {
                fs::write(dir.join("pidone.cmd"), block).unwrap();
                continue;
            }
            "sh board" => {
                board(dir, block);
                continue;
            }
            "toml" => {
                fs::write(dir.join("matrix.toml"), block).unwrap();
                continue;
            }
            "sh" => commands += 1,
            other => panic!("`{other}` is not carried out"),
        }
        let out = Command::new("sh")
            .args(["-eu", "-c", block])
            .current_dir(dir)
            .env("PATH", &path)
            .output()
            .unwrap();
        let said = [out.stdout.clone(), out.stderr.clone()].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(out.status.success(), "{block}\n{}\n{said}", out.status);
    }
    assert!(commands > 10, "{commands} blocks were found");
    // Those that end well whatever is in the machine were in one all the same.
    let logs = [
        "console.log",
        "arm64.log",
        "pxe.log",
        "uboot.log",
        "kexec.log",
        "pidone.log",
    ];
    for log in logs {
        let log = fs::read(dir.join(log)).unwrap();
        let report = Report::new(&decode(&log).newest());
        assert_eq!(report.runs[0].name, "PipeIo");
        assert_eq!(report.lost_records, 0);
    }
    let tree = dir.join("linux");
    let rev = |name: &str| git(&tree, &["rev-parse", name]);
    assert_eq!(rev("refs/bisect/bad"), rev("culprit"));
    for file in [
        "job.yaml",
        "pidone.yaml",
        "pidone.jinja2",
        "workflow.yaml",
        "lava/new-small-wakes-2.yaml",
        "tuxrun/new-small-pipes.sh",
        "pidone-matrix.yaml",
        "workflow-matrix.yaml",
    ] {
        assert!(dir.join(file).is_file(), "{file}");
    }
}

#[test]
fn the_matrix_of_the_page_is_the_file_beside_it() {
    let text = |file: &str| {
        let file = build::workspace().join("docs").join(file);
        fs::read_to_string(file).unwrap()
    };
    let (page, file) = (text("matrix.md"), text("matrix.toml"));
    let shown = blocks(&page).into_iter().find(|(of, _)| *of == "toml");
    let (_, shown) = shown.unwrap();
    assert!(file.contains(shown), "{shown}");
    let cells = xtask::matrix::parse(&file).unwrap();
    assert_eq!(cells.len(), 7);
}
