//! What a lab does to a machine, and what a program does to the runs behind
//! its own, is no kernel's fault.

use crate::proofs_custom::boot_with;
use crate::signals::{Running, path};
use pidone::wire::record::Verdict;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[test]
fn a_full_disk_of_the_host_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!(
        "mount -t tmpfs -o size=1500k tmpfs . && {} boot --store . --disk 64M \
         -- time=20s work=IoSyncWrite; code=$?; ls; exit $code",
        env!("CARGO_BIN_EXE_xtask")
    );
    let said = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &line])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(255), "{text}");
    let why = "disk0: the host failed a write of the machine's: No space left";
    assert!(text.contains(why), "{text}");
    assert!(said.stdout.is_empty(), "{:?}", said.stdout);
}

/// A search path on which QEMU is started with what `words` makes of its own.
fn with_qemu(dir: &Path, words: &str) -> String {
    let bin = dir.join("bin");
    fs::create_dir(&bin).unwrap();
    let file = bin.join("qemu-system-x86_64");
    let text = format!(
        "#!/bin/sh\nPATH=${{PATH#*:}}\n{words}\n\
         exec qemu-system-x86_64 \"$@\"\n"
    );
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), path())
}

const BUILT: [&str; 5] = ["boot", "--kernel", "built:6.12", "--store", "runs"];

#[test]
fn a_broken_disk_of_the_host_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let broken = "file.driver=blkdebug,file.inject-error.0.event=none,\
        file.inject-error.0.iotype=write,file.inject-error.0.errno=5,\
        file.image.driver=file,file.image.filename=";
    let words = format!(
        "for word; do shift; set -- \"$@\" \"$(printf %s \"$word\" | \
         sed 's|file.driver=file,file.filename=|{broken}|')\"; done"
    );
    let path = with_qemu(dir.path(), &words);
    let plan = ["--disk", "8M", "--", "time=1s", "work=IoSyncWrite"];
    let words = [&BUILT[..], &plan].concat();
    let (code, said) = Running::start(dir.path(), &words, &path).ends();
    assert_eq!(code, Some(255), "{said}");
    let why = "disk0: the host failed a write of the machine's: Input/output";
    assert!(said.contains(why), "{said}");
}

const LEAVERS: &str = "time=300ms \
    work=Custom custom.exec=/bin/c custom.arg.0=leave workers=2 \
    work=Custom custom.exec=/bin/c custom.arg.0=others workers=1 \
    work=Custom custom.exec=/bin/c custom.arg.0=bomb \
    work=Custom custom.exec=/bin/c custom.arg.0=others workers=1";

#[test]
fn nothing_lives_on_into_the_next_run() {
    let (report, _) = boot_with(&[], LEAVERS);
    let [leave, alone, bomb, too] = &report.runs[..] else {
        panic!("{} runs", report.runs.len());
    };
    assert_eq!(leave.verdict, Verdict::Degraded);
    assert_eq!(leave.reasons, ["STRAYS(2)"]);
    // It may leave its own worker no time to end by itself.
    let strays = |reason: &String| reason.starts_with("STRAYS(");
    assert!(bomb.reasons.iter().any(strays), "{:?}", bomb.reasons);
    for run in [alone, too] {
        assert_eq!(run.verdict, Verdict::Ok, "{:?}", run.reasons);
        assert_eq!(run.groups[0].metrics["others"], 0);
    }
}
