//! Sizes of what is built, and that its bytes depend on the sources alone.

use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::build;

#[test]
fn payload_and_image_are_small_and_repeatable() {
    let payload = build::payload(false).unwrap();
    let bytes = fs::read(&payload).unwrap();
    assert!(bytes.len() <= build::PAYLOAD_BUDGET, "{}", bytes.len());
    let zstd = initramfs::compress::Compression::Zstd;
    let image = || {
        let archive = initramfs::base(bytes.clone()).unwrap();
        zstd.compress(&archive.to_bytes().unwrap()).unwrap()
    };
    assert!(image().len() <= build::IMAGE_BUDGET, "{}", image().len());
    assert_eq!(image(), image());
}

#[test]
fn another_checkout_gives_the_same_image() {
    let here = build::workspace();
    let parent = tempfile::tempdir().unwrap();
    let there = parent.path().join("a checkout in another place");
    copy_sources(&here, &there);
    let image = |payload: &Path| {
        let added = Default::default();
        let zstd = initramfs::compress::Compression::Zstd;
        build::image(payload, added, zstd).unwrap()
    };
    let one = image(&build::payload(false).unwrap());
    let two = image(&build::payload_of(&there, build::TARGET).unwrap());
    // Their bytes are no help in a message.
    assert!(one == two, "{} and {} bytes differ", one.len(), two.len());
}

/// Copies what a commit of the sources, as they are, would hold.
fn copy_sources(from: &Path, to: &Path) {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others"])
        .arg("--exclude-standard")
        .current_dir(from)
        .output()
        .unwrap();
    assert!(listed.status.success(), "the workspace is no git checkout");
    let names = String::from_utf8(listed.stdout).unwrap();
    for name in names.split_terminator('\0') {
        let (from, to) = (from.join(name), to.join(name));
        // One that was removed may still be listed.
        if from.is_file() {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        }
    }
}
