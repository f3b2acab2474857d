//! Conditions of `expect=` are judged in the machine.

use crate::booted;
use std::fs;
use xtask::boot::{BootRequest as Args, boot};
use xtask::exit::Exit;
use xtask::model::Outcome;

const KERNEL: &str = "debian:6.12-cloud";

#[test]
fn a_condition_that_does_not_hold_fails_its_run_alone() {
    let dir = tempfile::tempdir().unwrap();
    let plan = "time=200ms \
        work=PipeIo expect=wake.count+nowait>0 \
        work=PipeIo expect=iterations>0,nr_wakeups_sync/nr_wakeups>95% \
        work=SpinWait expect=cost.max<1ns \
        work=SpinWait with=YieldHeavy expect=YieldHeavy.iterations>0";
    // A sum is not in the grammar: the host says so before anything boots.
    let words = |plan: &str| -> Vec<String> {
        plan.split_whitespace().map(str::to_owned).collect()
    };
    let refused = boot(&Args {
        plan: words(plan),
        ..crate::machine(KERNEL)
    });
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("wake.count+nowait"), "{message}");

    let plan = plan.replacen("wake.count+nowait>0", "nowait>=0", 1);
    let (report, exit) = boot(&Args {
        plan: words(&plan),
        logs: Some(dir.path().to_path_buf()),
        ..crate::machine(KERNEL)
    })
    .unwrap();
    assert_eq!((report.outcome, exit), (Outcome::Fail, Exit::Bad));
    let verdicts: Vec<_> =
        report.runs.iter().map(|run| run.verdict.name()).collect();
    assert_eq!(verdicts[..2], ["ok", "ok"]);
    assert_eq!(verdicts[2], "fail");
    assert_ne!(verdicts[3], "fail");
    let reasons = report.runs[2].reasons.join("\n");
    assert!(
        reasons.contains("expect cost.max<1ns does not hold: "),
        "{reasons}"
    );
    // The console alone has the verdict too.
    let console = fs::read_to_string(dir.path().join("console.log")).unwrap();
    assert!(console.contains("not ok 3 SpinWait"), "{console}");
    assert!(console.contains("# expect iterations>0: "), "{console}");
}

#[test]
fn what_the_kernel_does_not_tell_never_holds() {
    let plan = "time=100ms work=SpinWait expect=cost.p50>0ns \
        work=YieldHeavy expect=call.p99/nowait<1s";
    let (report, exit) = booted(KERNEL, plan);
    let reasons = report.runs[1].reasons.join("\n");
    assert_eq!(exit, Exit::Bad, "{reasons}");
    assert!(reasons.contains("no such figure"), "{reasons}");
}
