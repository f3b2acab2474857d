//! `sample=`: what samples say agrees with what is counted.

use crate::{booted_on, machine};
use pidone::wire::record::{Scope, Verdict};
use std::collections::BTreeSet;
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

/// The functions, with such a share of the instructions or more, that are not
/// within bounds that hold for all of them.
fn apart(plain: &Run, sampled: &Sampled, least: f64) -> BTreeSet<String> {
    let seen = sampled.functions.iter();
    let seen = seen.map(|it| (it.space, &*it.name, it.samples));
    let seen: Vec<(Space, &str, u64)> = seen.collect();
    let executed = plain.profile.iter().flat_map(|it| &it.functions);
    let never = executed
        .map(|it| (it.space, &*it.name, 0))
        .filter(|of| !seen.iter().any(|it| (it.0, it.1) == (of.0, of.1)));
    let mut apart = BTreeSet::new();
    for (space, name, samples) in seen.iter().copied().chain(never) {
        let share = Estimate::share(samples, sampled.samples, 0.999);
        let exact = exact(plain, space, name);
        if !(share.low..=share.high).contains(&exact)
            && exact.max(share.low) >= least
        {
            println!("{name}: {exact}, {share:?}");
            apart.insert(name.to_owned());
        }
    }
    apart
}

/// The first run of each pair is not sampled: what a sample costs is in no
/// sample, but would be in what is counted.
///
/// Two types are in user space, where each sample is taken when it is due. Two
/// are in the kernel, where the clock does not see what has interrupts off: one
/// function that switches them on has the samples of that, and the others with
/// a fortieth of the instructions agree.
#[test]
fn samples_agree_with_what_is_counted() {
    let plan = "time=200ms work=AluHot work=AluHot sample=9973 \
                work=CachePressure work=CachePressure sample=9973 \
                work=PageFaultChurn work=PageFaultChurn sample=9973 \
                work=ForkExit work=ForkExit sample=9973 \
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
    let none = BTreeSet::new();
    let late = BTreeSet::from(["_raw_spin_unlock_irqrestore".to_owned()]);
    for (pair, (least, expected)) in report.runs[..8].chunks(2).zip([
        (0.01, &none),
        (0.01, &none),
        (0.025, &late),
        (0.025, &late),
    ]) {
        let [plain, run] = pair else {
            panic!("{} runs", report.runs.len());
        };
        assert!(plain.sampled.is_none());
        assert_eq!((run.verdict, &run.reasons[..]), (Verdict::Ok, &[][..]));
        let sampled = run.sampled.as_ref().unwrap();
        assert_eq!(sampled.event, Event::CpuClock);
        assert_eq!(sampled.scope, Scope::Cpus);
        assert_eq!(sampled.missing(), Vec::<String>::new());
        assert_eq!(&apart(plain, sampled, least), expected, "{}", run.name);
        // It would not with the names of others.
        let mut shifted = sampled.clone();
        let names = sampled.functions.iter().map(|it| it.name.clone());
        let others = names.cycle().skip(1);
        for (seen, name) in shifted.functions.iter_mut().zip(others) {
            seen.name = name;
        }
        let wrong = apart(plain, &shifted, least).len();
        assert!(wrong > expected.len(), "{}", run.name);
    }
    what_the_kernel_lacks_is_a_reason(&report.runs[8..]);
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
