//! What runs set of the kernel: it is set, read back, and gone behind them.

use crate::proofs_custom::c_program;
use crate::{booted_on, machine};
use initramfs::add::Addition;
use pidone::wire::record::Verdict;
use xtask::boot::BootRequest as Args;
use xtask::exit::Exit;
use xtask::model::Run;
use xtask::model::tunable::Tunable;
use xtask::topology::Smp;

const RT: &str = "sysctl.kernel.sched_rt_runtime_us";
const SLICE: &str = "sched.base_slice_ns";

#[track_caller]
fn of<'r>(run: &'r Run, name: &str) -> &'r Tunable {
    let mut tunables = run.tunables.iter();
    tunables.find(|it| it.name == name).unwrap()
}

/// What the kernel had before a run, and what in it.
#[track_caller]
fn values<'r>(run: &'r Run, name: &str) -> [&'r str; 2] {
    let Tunable { before, value, .. } = of(run, name);
    [before, value]
}

/// One boot of them all, since each run says what the one before it left.
#[test]
fn what_is_set_is_read_back_and_restored_however_a_run_ends() {
    let dir = tempfile::tempdir().unwrap();
    let program = c_program(dir.path());
    let c: Addition = format!("{}:/bin/c", program.display()).parse().unwrap();
    let request = Args {
        smp: Smp::Flat(1),
        deterministic: Some(1),
        add: vec![c],
        ..machine("debian:6.12-cloud")
    };
    let (set, off) = (format!("{RT}=900000"), "sched_features=NO_PLACE_LAG");
    let plan = format!(
        "time=50ms grace=100ms \
         work=PipeIo {off} {set} {SLICE}=1500000 \
         work=Custom custom.exec=/bin/c custom.arg.0=deaf {off} {set} \
         work=RtStarvation rt_limit=off {set} sched_features=keep \
         work=PipeIo sched_features=NO_PLACE_LGA {set} \
         work=PipeIo {set} sched.bse_slice_ns=1 \
         work=PipeIo {off} {SLICE}=abc \
         work=PipeIo {off},RUN_TO_PARITY {set} {SLICE}=1500000"
    );
    let (report, exit) = booted_on(request, &plan);
    // The program that was deaf failed.
    assert_eq!((exit, report.lost_records), (Exit::Bad, 0));
    let [first, deaf, starved, feature, file, value, last] = &report.runs[..]
    else {
        panic!("{} runs", report.runs.len());
    };
    assert_eq!((first.verdict, &first.reasons[..]), (Verdict::Ok, &[][..]));
    let [before, during] = values(first, "sched_features");
    let on = |features: &str| features.split(' ').any(|it| it == "PLACE_LAG");
    assert!(on(before) && !on(during), "{before}\n{during}");
    assert_eq!(during, before.replace("PLACE_LAG", "NO_PLACE_LAG"));
    let [rt, during] = values(first, RT);
    assert_eq!(during, "900000");
    assert_ne!(rt, "900000");
    let [slice, during] = values(first, SLICE);
    assert_eq!(during, "1500000");

    // Each finds what there was at first, whatever became of the one before:
    // it was killed, changed the same by itself, or was never carried out.
    let said = "Custom worker 0 did not stop within grace";
    assert_eq!(deaf.reasons, [said]);
    for run in [deaf, starved, file, last] {
        assert_eq!(values(run, RT), [rt, "900000"], "{}", run.name);
    }
    assert_eq!(values(deaf, "sched_features")[0], before);
    assert_eq!(values(starved, "sched_features"), [before, before]);
    assert_eq!(values(last, "sched_features")[0], before);
    assert_eq!(values(last, SLICE), [slice, "1500000"]);
    assert_eq!(last.verdict, Verdict::Ok);
    assert!(starved.verdict < Verdict::Skip, "{:?}", starved.reasons);

    for (run, reason) in [
        (feature, "NO_FEATURE:NO_PLACE_LGA; nearest is PLACE_LAG"),
        (
            file,
            "NO_TUNABLE:sched.bse_slice_ns; nearest is sched.base_slice_ns",
        ),
        (value, "NOT_SET(sched.base_slice_ns=abc, 22)"),
    ] {
        assert_eq!(run.verdict, Verdict::Skip);
        assert_eq!(run.reasons, [reason]);
    }
}
