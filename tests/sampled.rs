//! `sample=`: what samples say agrees with what is counted.

use crate::{booted_on, machine};
use pidone::wire::record::{Scope, Verdict};
use xtask::boot::BootRequest as Args;
use xtask::exit::Exit;
use xtask::model::Run;
use xtask::model::profile::Space;
use xtask::model::sampled::{Event, Sampled};
use xtask::profile::sampled::Estimate;
use xtask::topology::Smp;

/// The share of a run's instructions that a function has.
#[expect(clippy::cast_precision_loss, reason = "shares are compared")]
fn exact(run: &Run, space: Space, name: &str) -> f64 {
    let profile = run.profile.as_ref().unwrap();
    let functions = profile.functions.iter();
    let same = functions.filter(|it| it.space == space && it.name == name);
    let sum: u64 = same.map(|it| it.instructions).sum();
    sum as f64 / profile.instructions as f64
}

/// The functions, with a hundredth of the instructions or more, that are not
/// within bounds that hold for all of them.
fn apart(plain: &Run, sampled: &Sampled) -> Vec<String> {
    let mut apart = Vec::new();
    for seen in &sampled.functions {
        let share = Estimate::share(seen.samples, sampled.samples, 0.999);
        let exact = exact(plain, seen.space, &seen.name);
        if !(share.low..=share.high).contains(&exact)
            && exact.max(share.low) >= 0.01
        {
            apart.push(format!("{}: {exact}, {share:?}", seen.name));
        }
    }
    apart
}

/// The first run of each pair is not sampled: what a sample costs is in no
/// sample, but would be in what is counted.
#[test]
fn samples_agree_with_what_is_counted() {
    let plan = "time=200ms work=AluHot work=AluHot sample=9973 \
                work=CachePressure work=CachePressure sample=9973 \
                work=PipeIo time=20ms sample=9973 \
                sysctl.kernel.kptr_restrict=2 \
                work=PipeIo time=20ms sample=9973 \
                sysctl.kernel.perf_event_max_sample_rate=500";
    let args = Args {
        smp: Smp::Flat(1),
        deterministic: Some(1),
        profile: true,
        ..machine("debian:6.12-cloud")
    };
    let (report, exit) = booted_on(args, plan);
    assert_eq!(exit, Exit::Good, "{}", report.reason);
    for pair in report.runs[..4].chunks(2) {
        let [plain, run] = pair else {
            panic!("{} runs", report.runs.len());
        };
        assert!(plain.sampled.is_none());
        assert_eq!((run.verdict, &run.reasons[..]), (Verdict::Ok, &[][..]));
        let sampled = run.sampled.as_ref().unwrap();
        assert_eq!(sampled.event, Event::CpuClock);
        assert_eq!(sampled.scope, Scope::Cpus);
        assert_eq!(sampled.missing(), Vec::<String>::new());
        assert_eq!(apart(plain, sampled), Vec::<String>::new());
        // It would not with the names of others.
        let mut shifted = sampled.clone();
        let names = sampled.functions.iter().map(|it| it.name.clone());
        let others = names.cycle().skip(1);
        for (seen, name) in shifted.functions.iter_mut().zip(others) {
            seen.name = name;
        }
        assert!(!apart(plain, &shifted).is_empty(), "{}", run.name);
    }
    what_the_kernel_lacks_is_a_reason(&report.runs[4..]);
}

fn what_the_kernel_lacks_is_a_reason(runs: &[Run]) {
    let starts = ["NO_NAMES: ", "NO_PROFILE: perf_event_max_sample_rate=500"];
    for (run, start) in runs.iter().zip(starts) {
        assert_eq!(run.verdict, Verdict::Degraded, "{}", run.name);
        let said = run.reasons.iter().any(|it| it.starts_with(start));
        assert!(said, "{:?}", run.reasons);
    }
    let functions = &runs[0].sampled.as_ref().unwrap().functions;
    let kernel = functions.iter().filter(|it| it.space == Space::Kernel);
    let names: Vec<_> = kernel.map(|it| &*it.name).collect();
    assert_eq!(names, ["[kernel: no symbol]"]);
    assert!(runs[1].sampled.is_none());
}
