//! `compare` on real boots.

use crate::machine;
use tempfile::TempDir;
use xtask::cmd::boot;
use xtask::cmd::boot::ready::Ready;
use xtask::cmd::compare::{Args, comparison};
use xtask::compare::Verdict;
use xtask::topology::Smp;

const KERNEL: &str = "debian:6.12-cloud";
const PLAN: [&str; 2] = ["time=50ms", "work=PipeIo"];

fn args(store: &TempDir, a: &str, b: &str) -> Args {
    Args {
        a: a.to_owned(),
        b: b.to_owned(),
        margin: 0.5,
        store: Some(store.path().to_path_buf()),
        ..Args::default()
    }
}

/// A kernel that audits system calls does more at each of them: a regression
/// that every kernel has built in.
#[test]
fn a_kernel_is_itself_and_a_slower_one_is_slower() {
    let store = TempDir::new().unwrap();
    let words = ["--deterministic", "3", "--smp", "1"];
    let kernels = Args {
        seeds: Some(1),
        to_boot: words.map(str::to_owned).to_vec(),
        plan: PLAN.map(str::to_owned).to_vec(),
        ..args(&store, KERNEL, KERNEL)
    };
    let same = comparison(&kernels).unwrap();
    assert!(same.identical, "{:?}", same.warnings);
    assert_eq!((same.exit_code, same.warnings.len()), (0, 0));
    assert!(same.rows.iter().all(|row| row.verdict == Verdict::Same));
    let [a, _] = &same.boots;

    let slow = boot::Args {
        smp: Smp::Flat(1),
        deterministic: Some(3),
        append: vec!["audit=1".to_owned()],
        plan: PLAN.map(str::to_owned).to_vec(),
        ..machine(KERNEL)
    };
    let ready = Ready::new(&slow).unwrap();
    let slow = ready.boot_and_store(&slow, store.path()).unwrap();
    assert_eq!(slow.code, 0, "{}", slow.report.reason);
    let slow = slow.dir.display().to_string();
    for (from, to, code, verdict) in [
        (&a[0], &slow, 1, Verdict::Worse),
        (&slow, &a[0], 0, Verdict::Better),
    ] {
        let found = comparison(&args(&store, from, to)).unwrap();
        assert_eq!(found.exit_code, code, "{}", found.reason);
        assert!(!found.identical);
        let mut rows = found.rows.iter();
        let rate = rows.find(|row| row.metric == "rate").unwrap();
        assert_eq!((rate.verdict, rate.seeds.len()), (verdict, 1));
    }
}
