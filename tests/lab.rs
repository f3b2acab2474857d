//! What a lab does to a machine, and what a program does to the runs behind
//! its own, is no kernel's fault.

use crate::proofs_custom::boot_with;
use pidone::wire::record::Verdict;
use std::process::Command;

#[test]
fn a_full_disk_of_the_host_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!(
        "mount -t tmpfs -o size=1500k tmpfs . && {} boot --runs . --disk 64M \
         -- time=2s work=IoSyncWrite; code=$?; ls; exit $code",
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
