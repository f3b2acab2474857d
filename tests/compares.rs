//! `compare` on real boots.

use crate::machine;
use tempfile::TempDir;
use xtask::boot::BootRequest;
use xtask::boot::ready::{Ready, Setting};
use xtask::cmd::compare::{Args, comparison};
use xtask::evidence::Verdict;
use xtask::exit::Exit;
use xtask::topology::Smp;

const KERNEL: &str = "debian:6.12-cloud";
/// As few as can decide.
const SEEDS: [u64; 3] = [3, 4, 5];
const PLAN: [&str; 2] = ["time=100ms", "work=PipeIo"];

fn args(store: &TempDir, a: &str, b: &str) -> Args {
    Args {
        a: a.to_owned(),
        b: b.to_owned(),
        margin: 0.5,
        look: 1,
        store: Some(store.path().to_path_buf()),
        ..Args::default()
    }
}

/// A kernel that audits system calls does more at each of them: a regression
/// that every kernel has built in.
#[test]
fn a_kernel_is_itself_and_a_slower_one_is_slower() {
    let store = TempDir::new().unwrap();
    let kernels = Args {
        seeds: Some(SEEDS.len() as u64),
        deterministic: Some(SEEDS[0]),
        smp: Smp::Flat(1),
        plan: PLAN.map(str::to_owned).to_vec(),
        ..args(&store, KERNEL, KERNEL)
    };
    let same = comparison(&kernels).unwrap();
    assert!(same.identical, "{:?}", same.warnings);
    assert_eq!((same.exit_code.code(), same.warnings.len()), (0, 0));
    assert!(same.rows.iter().all(|row| row.verdict == Verdict::Same));
    let [a, _] = &same.boots;

    let slow = BootRequest {
        smp: Smp::Flat(1),
        deterministic: Some(3),
        append: vec!["audit=1".to_owned()],
        plan: PLAN.map(str::to_owned).to_vec(),
        ..machine(KERNEL)
    };
    let ready = Ready::new(&slow).unwrap();
    let slow = SEEDS.map(|seed| {
        let boot = ready
            .boot_and_store(Some(seed), &Setting::alone(), store.path())
            .unwrap();
        assert_eq!(boot.meta.exit_code, Exit::Good, "{}", boot.report.reason);
        boot.dir.display().to_string()
    });
    let (fast, slow) = (a.join(","), slow.join(","));
    for (from, to, code, verdict) in [
        (&fast, &slow, 1, Verdict::Worse),
        (&slow, &fast, 0, Verdict::Better),
    ] {
        let found = comparison(&args(&store, from, to)).unwrap();
        assert_eq!(found.exit_code.code(), code, "{}", found.reason);
        assert!(!found.identical);
        let mut rows = found.rows.iter();
        let rate = rows.find(|row| row.metric == "rate").unwrap();
        assert_eq!((rate.verdict, rate.seeds.len()), (verdict, SEEDS.len()));
    }
}
