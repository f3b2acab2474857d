//! What is added to an image is there in the machine, and works.

use crate::machine;
use pidone::wire::record::Verdict;
use std::fs;
use xtask::boot::{BootRequest as Args, boot};
use xtask::checks::NEWEST;
use xtask::exit::Exit;
use xtask::model::Outcome;
use xtask::topology::Smp;

const KERNEL: &str = "debian:6.12-cloud";

#[test]
fn a_packed_plan_is_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("my.plan");
    fs::write(&file, "time=100ms\nwork=PipeIo\nwork=YieldHeavy\n").unwrap();
    let add = format!("{}:/plans/mine", file.display());
    let (report, exit) = boot(&Args {
        add: vec![add.parse().unwrap()],
        plan: vec!["plan=mine".to_owned()],
        ..machine(KERNEL)
    })
    .unwrap();
    assert_eq!((report.outcome, exit), (Outcome::Ok, Exit::Good));
    let names: Vec<_> = report.runs.iter().map(|run| &run.name).collect();
    assert_eq!(names, ["PipeIo", "YieldHeavy"]);
}

#[test]
fn a_dynamic_program_finds_its_libraries() {
    let dir = tempfile::tempdir().unwrap();
    let (_, exit) = boot(&Args {
        add: vec!["/bin/ls".parse().unwrap()],
        // The kernel starts it in place of the payload, and says how it
        // ended as it panics.
        append: vec!["rdinit=/bin/ls".to_owned()],
        logs: Some(dir.path().to_path_buf()),
        ..machine(KERNEL)
    })
    .unwrap();
    assert_ne!(exit, Exit::Good);
    let console = fs::read(dir.path().join("console.log")).unwrap();
    let console = String::from_utf8_lossy(&console).into_owned();
    for part in ["Run /bin/ls as init", "proc", "exitcode=0x00000000"] {
        assert!(console.contains(part), "{part} in {console}");
    }
}

#[test]
fn a_module_of_another_kernel_bails_out() {
    let old = xtask::kernel::resolve("debian:6.1-cloud", None, false).unwrap();
    let (report, exit) = boot(&Args {
        module: vec!["virtio-net".to_owned()],
        modules: Some(xtask::kernel::modules_of(&old).unwrap()),
        plan: vec!["work=PipeIo".to_owned()],
        ..machine("debian:6.12-cloud")
    })
    .unwrap();
    assert_eq!((report.outcome, exit), (Outcome::PlanError, Exit::Tool));
    // One that it needs.
    let said = "`virtio_ring`: the kernel does not load this packed module, \
                error 8";
    assert!(report.reason.contains(said), "{}", report.reason);
}

/// Its modules are in another package than its image.
#[test]
fn the_newest_kernel_has_its_drivers() {
    let works = ["IoSyncWrite", "IoRandRead", "NetTraffic", "PipeIo"];
    let (report, code) = boot(&Args {
        smp: Smp::Flat(1),
        disk: vec!["64M".parse().unwrap()],
        nic: Some("pair".parse().unwrap()),
        deterministic: Some(1),
        plan: ["time=100ms".to_owned()]
            .into_iter()
            .chain(works.map(|work| format!("work={work}")))
            .collect(),
        ..machine(NEWEST)
    })
    .unwrap();
    assert_eq!(code, Exit::Good, "{}", report.reason);
    let runs = report.runs.iter().map(|run| (&*run.name, run.verdict));
    let expected = works.map(|work| (work, Verdict::Ok));
    assert_eq!(runs.collect::<Vec<_>>(), expected);
}
