//! Sizes of what is built, that its bytes depend on the sources alone, and
//! what the payload takes for itself.

use crate::machine;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::arch::ALL;
use xtask::boot::{BootRequest as Args, boot};
use xtask::exit::Exit;
use xtask::{build, ci, dist};

#[test]
fn payload_and_image_are_small_and_repeatable() {
    for arch in ALL {
        let payload = build::payload(arch, false).unwrap();
        let bytes = fs::read(&payload).unwrap();
        // Its panics name no files.
        assert!(!bytes.windows(5).any(|bytes| bytes == b"/src/"));
        let zstd = initramfs::compress::Compression::Zstd;
        let image = || {
            let archive = initramfs::base(bytes.clone()).unwrap();
            zstd.compress(&archive.to_bytes().unwrap()).unwrap()
        };
        let sizes = [bytes.len(), image().len()];
        println!("{}: payload and image have {sizes:?} bytes", arch.name);
        assert!(sizes[0] <= build::PAYLOAD_BUDGET, "{sizes:?}");
        assert!(sizes[1] <= arch.image_budget, "{sizes:?}");
        assert_eq!(image(), image());
    }
}

#[test]
fn another_checkout_gives_the_same_release() {
    let here = build::workspace();
    let parent = tempfile::tempdir().unwrap();
    let there = parent.path().join("a checkout in another place");
    copy_sources(&here, &there);
    let (one, two) = (parent.path().join("one"), parent.path().join("two"));
    let names = dist::write(&here, &one, &ALL).unwrap();
    assert_eq!(names, dist::write(&there, &two, &ALL).unwrap());
    for name in &names {
        let file = |release: &Path| fs::read(release.join(name)).unwrap();
        // Their bytes are no help in a message.
        assert!(file(&one) == file(&two), "{name} differs");
    }
    // Those who have it have what it may be used by.
    for name in ["pidone-plugin.so", "LICENSE-APACHE", "LICENSE-MIT"] {
        assert!(names.iter().any(|it| it == name), "{name}");
    }
    // There was something in it before.
    assert!(dist::write(&here, &one, &ALL).is_err());
    for (dir, program, args) in [
        (&one, "sha256sum", vec!["--check", "--strict", "SHA256SUMS"]),
        (&two, "./pidone-x86_64", vec!["time=10ms", "work=SpinWait"]),
        (&two, "zstd", vec!["--test", "pidone-x86_64.cpio.zst"]),
        (&two, "gzip", vec!["--test", "pidone-x86_64.cpio.gz"]),
    ] {
        let mut command = Command::new(program);
        let done = command.current_dir(dir).args(args).output().unwrap();
        assert!(done.status.success(), "{program}: {done:?}");
    }
    let sums = fs::read_to_string(one.join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count() + 1, names.len(), "{sums}");
    let python = ci::tools::python(false).unwrap().join("python");
    let check = "import sys\n\
        from cyclonedx.schema import SchemaVersion as Version\n\
        from cyclonedx.validation.json import JsonStrictValidator as V\n\
        wrong = V(Version.V1_6).validate_str(open(sys.argv[1]).read())\n\
        sys.exit(str(wrong) if wrong else 0)\n";
    for arch in ALL {
        let bom = one.join(format!("pidone-{}.cdx.json", arch.name));
        let done = Command::new(&python)
            .args(["-c", check])
            .arg(&bom)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let bom = fs::read_to_string(bom).unwrap();
        assert!(bom.contains("pkg:cargo/rustix@"), "{bom}");
        assert!(!bom.contains("proptest"), "{bom}");
    }
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
    let (report, exit) = boot(&Args {
        deterministic: Some(1),
        plan: vec!["time=50ms".to_owned(), "work=PipeIo".to_owned()],
        ..machine("debian:6.12-cloud")
    })
    .unwrap();
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    let hello = report.hello.unwrap();
    assert_eq!(hello.cpus, 2);
    let workers = report.runs[0].groups.iter().flat_map(|g| &g.workers);
    let first = workers.map(|worker| worker.first_ns).min().unwrap();
    let start = first - hello.entered_ns;
    assert!(first > hello.ready_ns && start <= START_NS, "{start} ns");
    let record = hello.record_ps;
    assert!((1..=RECORD_PS).contains(&record), "{record} ps");
}
