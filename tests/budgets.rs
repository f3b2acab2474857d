//! Sizes of what is built, that its bytes depend on the sources alone, and
//! what the payload takes for itself.

use crate::machine;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::build;
use xtask::cmd::boot::{Args, boot};

#[test]
fn payload_and_image_are_small_and_repeatable() {
    let payload = build::payload(false).unwrap();
    let bytes = fs::read(&payload).unwrap();
    assert!(bytes.len() <= build::PAYLOAD_LIMIT, "{}", bytes.len());
    let zstd = initramfs::compress::Compression::Zstd;
    let image = || {
        let archive = initramfs::base(bytes.clone()).unwrap();
        zstd.compress(&archive.to_bytes().unwrap()).unwrap()
    };
    assert!(image().len() <= build::IMAGE_LIMIT, "{}", image().len());
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

/// Most guest time from PID 1's first instruction to the first iteration.
const START_NS: u64 = 5_000_000;
/// Most instructions to record one sample, the clock read not counted. In a
/// deterministic machine an instruction takes 1 ns.
const RECORD_PS: u32 = 60_000;

#[test]
fn start_and_samples_are_cheap() {
    let (report, code) = boot(&Args {
        deterministic: Some(1),
        plan: vec!["time=50ms".to_owned(), "work=PipeIo".to_owned()],
        ..machine("debian:6.12-cloud")
    })
    .unwrap();
    assert_eq!(code, 0, "{}", report.reason);
    let hello = report.hello.unwrap();
    assert_eq!(hello.cpus, 2);
    let workers = report.runs[0].groups.iter().flat_map(|g| &g.workers);
    let first = workers.map(|worker| worker.first_ns).min().unwrap();
    let start = first - hello.entered_ns;
    assert!(first > hello.ready_ns && start <= START_NS, "{start} ns");
    let record = hello.record_ps;
    assert!((1..=RECORD_PS).contains(&record), "{record} ps");
}
