//! Opinions of boots that no machine made.

use super::{
    BadOrSkip, Baseline, Call, Condition, Criteria, GoodOrBad, Policy, Share,
    judge, most, profiles,
};
use crate::exit::Exit;
use crate::finished::FinishedBoot;
use crate::metrics::Selector;
use crate::model::Outcome;
use crate::testing::{boot, profile};
use pidone::workloads;

const POLICY: Policy = Policy {
    panic: Call::Bad,
    no_boot: Call::CannotTell,
};

/// As much as so many percent of the usual.
fn faster(percent: u64) -> FinishedBoot {
    let mut boot = boot();
    let group = &mut boot.report.runs[0].groups[0];
    for worker in &mut group.workers {
        worker.iterations = worker.iterations * percent / 100;
    }
    boot
}

fn ended(outcome: Outcome, exit: Exit) -> FinishedBoot {
    let mut boot = boot();
    boot.report.outcome = outcome;
    boot.meta.exit_code = exit;
    boot
}

fn asked(conditions: &[&str]) -> Criteria {
    let plan =
        ["PipeIo", "SpinWait"].map(|name| vec![workloads::row(name).unwrap()]);
    let parse = |text: &&str| Condition::parse(text, &plan).unwrap();
    Criteria {
        conditions: conditions.iter().map(parse).collect(),
        baseline: None,
        policy: POLICY,
    }
}

fn call(asked: &Criteria, boots: &[FinishedBoot]) -> (Call, String) {
    judge(asked, boots).unwrap()
}

#[test]
fn how_a_boot_ends_decides_before_any_figure() {
    let asked = asked(&[]);
    for (outcome, exit, is) in [
        (Outcome::Ok, Exit::Good, Call::Good),
        (Outcome::Fail, Exit::Bad, Call::Bad),
        (Outcome::Panic, Exit::Bad, Call::Bad),
        (Outcome::Hang, Exit::Bad, Call::Bad),
        (Outcome::NoBoot, Exit::CannotTell, Call::CannotTell),
        // Every run was skipped.
        (Outcome::Ok, Exit::CannotTell, Call::CannotTell),
    ] {
        let (found, why) = call(&asked, &[ended(outcome, exit)]);
        assert_eq!(found, is, "{outcome} {exit:?}");
        assert!(why.starts_with(outcome.name()), "{why}");
    }
    let other = Criteria {
        policy: Policy {
            panic: Call::CannotTell,
            no_boot: Call::Bad,
        },
        ..asked
    };
    assert_eq!(
        call(&other, &[ended(Outcome::Panic, Exit::Bad)]).0,
        Call::CannotTell
    );
    assert_eq!(
        call(&other, &[ended(Outcome::NoBoot, Exit::CannotTell)]).0,
        Call::Bad
    );
    // A run that failed is no panic.
    assert_eq!(
        call(&other, &[ended(Outcome::Fail, Exit::Bad)]).0,
        Call::Bad
    );
}

#[test]
fn one_crash_of_many_is_bad_and_boots_that_are_not_are_outvoted() {
    let asked = asked(&["PipeIo:iterations>48000"]);
    let crash = ended(Outcome::Panic, Exit::Bad);
    let not = ended(Outcome::NoBoot, Exit::CannotTell);
    assert_eq!(call(&asked, &[boot(), boot(), crash]).0, Call::Bad);
    let two = [boot(), not.clone(), boot()];
    assert_eq!(call(&asked, &two).0, Call::Good);
    let (found, _) = call(&asked, &[boot(), not.clone(), not]);
    assert_eq!(found, Call::CannotTell);
}

#[test]
fn conditions_decide_by_most_boots() {
    let holds = asked(&["PipeIo:iterations>48000", "wake.p99<500us"]);
    let (found, why) = call(&holds, &[boot()]);
    // SpinWait has no such histogram, so that cannot be told.
    assert_eq!(found, Call::CannotTell, "{why}");
    let holds = asked(&["PipeIo:iterations>48000", "1:wake.p99<500us"]);
    let (found, why) = call(&holds, &[boot()]);
    assert_eq!(found, Call::Good, "{why}");
    assert!(
        why.contains("PipeIo: iterations>48000 holds: 48210"),
        "{why}"
    );
    let slow = faster(90);
    let (found, why) = call(&holds, core::slice::from_ref(&slow));
    assert_eq!(found, Call::Bad);
    assert!(why.contains("iterations>48000 does not hold: 433"), "{why}");
    let all = [boot(), slow.clone(), slow.clone()];
    assert_eq!(call(&holds, &all).0, Call::Bad);
    let all = [boot(), slow.clone(), boot()];
    assert_eq!(call(&holds, &all).0, Call::Good);
    let (found, why) = call(&holds, &[boot(), slow]);
    assert_eq!(found, Call::CannotTell, "{why}");
}

/// Of a machine on which nothing is exact.
fn free(mut boot: FinishedBoot) -> FinishedBoot {
    boot.meta.deterministic = None;
    boot
}

#[test]
fn conditions_of_other_machines_take_as_many_as_no_coin_gives() {
    let holds = asked(&["PipeIo:iterations>48000"]);
    let all = |good: usize, bad: usize| {
        let mut all = vec![free(boot()); good];
        all.extend(vec![free(faster(90)); bad]);
        call(&holds, &all)
    };
    let (found, why) = all(0, 1);
    assert_eq!(found, Call::CannotTell);
    assert!(why.contains("which are too few to tell"), "{why}");
    assert_eq!(all(4, 0).0, Call::CannotTell);
    assert_eq!(all(5, 0).0, Call::Good);
    assert_eq!(all(0, 5).0, Call::Bad);
    assert_eq!(all(2, 5).0, Call::CannotTell);
    assert_eq!(all(1, 9).0, Call::Bad);
}

/// A question of which the baseline is so many percent of the usual each.
fn beside(baseline: &[u64], metrics: &[&str], by: f64) -> Criteria {
    let parse = |text: &&str| Selector::parse(text).unwrap();
    let samples = baseline.iter().map(|&percent| free(faster(percent)));
    Criteria {
        baseline: Some(Baseline {
            boots: samples.collect(),
            metrics: metrics.iter().map(parse).collect(),
            by,
        }),
        ..asked(&[])
    }
}

fn frees(percents: &[u64]) -> Vec<FinishedBoot> {
    let all = percents.iter().map(|&percent| free(faster(percent)));
    all.collect()
}

const USUAL: [u64; 5] = [99, 100, 101, 100, 100];

#[test]
fn what_is_worse_than_the_baseline_by_more_is_bad() {
    let by_rate = beside(&USUAL, &["PipeIo:rate"], 0.05);
    assert_eq!(call(&by_rate, &frees(&[98; 5])).0, Call::Good);
    assert_eq!(call(&by_rate, &frees(&[103; 5])).0, Call::Good);
    assert_eq!(call(&by_rate, &frees(&[150; 5])).0, Call::Good);
    // Surely no worse, and better by five or not.
    assert_eq!(call(&by_rate, &frees(&[105; 5])).0, Call::Good);
    let (found, why) = call(&by_rate, &frees(&[92; 5]));
    assert_eq!(found, Call::Bad, "{why}");
    assert!(why.contains("was 48210/s (-8.0"), "{why}");
    // One boot of a machine on which nothing is exact is no evidence.
    let (found, why) = call(&by_rate, &frees(&[50]));
    assert_eq!(found, Call::CannotTell);
    assert!(why.contains("more boots would probably tell"), "{why}");
    let boots = frees(&[50, 100, 100, 99, 60]);
    assert_eq!(call(&by_rate, &boots).0, Call::CannotTell);
    // Less is better here, and it takes more CPU time for each.
    let by_cost = beside(&USUAL, &["1:cpu/iterations"], 0.05);
    assert_eq!(call(&by_cost, &frees(&[92; 5])).0, Call::Bad);
    assert_eq!(call(&by_cost, &frees(&[150; 5])).0, Call::Good);
    // Without a name: what is judged by default, of every run.
    let by_default = beside(&USUAL, &[], 0.05);
    let (found, why) = call(&by_default, &frees(&[100; 6]));
    assert_eq!(found, Call::Good, "{why}");
    assert!(why.contains("PipeIo: rate") && why.contains("SpinWait: rate"));
    assert_eq!(call(&by_default, &frees(&[90; 6])).0, Call::Bad);
    let neither = beside(&USUAL, &["kernel.ctxt"], 0.05);
    let error = judge(&neither, &frees(&[100])).unwrap_err().to_string();
    assert!(error.contains("better neither way"), "{error}");
}

#[test]
fn crashes_are_compared_with_those_of_the_baseline() {
    let by_rate = beside(&USUAL, &["PipeIo:rate"], 0.05);
    let crash = free(ended(Outcome::Panic, Exit::Bad));
    let mut boots = frees(&USUAL);
    boots.push(crash.clone());
    assert_eq!(call(&by_rate, &boots).0, Call::CannotTell);
    let (found, why) = call(&by_rate, &vec![crash.clone(); 5]);
    assert_eq!(found, Call::Bad, "{why}");
    let skip = Criteria {
        policy: Policy {
            panic: Call::CannotTell,
            ..POLICY
        },
        ..by_rate
    };
    assert_eq!(call(&skip, &vec![crash; 5]).0, Call::CannotTell);
    assert_eq!(call(&skip, &boots).0, Call::Good);
}

/// `compare`, `judge` and `bisect` say the same of the same boots.
#[test]
fn every_verb_gives_the_same_answer_to_the_same_boots() {
    use crate::bisect::decide::Scale;
    use crate::bisect::state::Boot;
    use crate::compare::{self, Side, compare};
    use crate::evidence::Verdict;
    use crate::metrics::Better;
    let scale = Scale {
        name: "rate".to_owned(),
        unit: String::new(),
        better: Better::Higher,
        margin: 0.03,
        condition: false,
    };
    let rates: [&[u64]; 9] = [
        &[92; 5],
        &[96; 5],
        &[100; 5],
        &[108; 5],
        &[50],
        &[70, 65, 140, 30, 60],
        &[97, 96, 98, 96, 97, 96, 97, 95],
        &[101, 104, 103, 99, 106],
        &[0; 5],
    ];
    let mut seen = Vec::new();
    for (old, new) in rates.iter().flat_map(|a| rates.map(|b| (*a, b))) {
        // With a choice of CPU seeds move what they measure, without hardly.
        for (seeded, pinned) in [(false, false), (true, false), (true, true)] {
            let boots = |percents: &[u64]| -> Vec<FinishedBoot> {
                let all = percents.iter().zip(1..);
                let all = all.map(|(&percent, seed)| {
                    let mut sample = free(faster(percent));
                    sample.meta.deterministic = seeded.then_some(seed);
                    sample.report.digest = None;
                    let groups = sample.report.runs[0].groups.iter_mut();
                    for worker in groups.flat_map(|g| &mut g.workers) {
                        if pinned {
                            worker.cpus_allowed = vec![0];
                        }
                    }
                    sample
                });
                all.collect()
            };
            let side = |percents: &[u64]| Side {
                name: String::new(),
                boots: boots(percents),
            };
            let metrics = vec![Selector::parse("PipeIo:rate").unwrap()];
            let compared = compare(
                &side(old),
                &side(new),
                &compare::ComparisonOptions {
                    metrics: metrics.clone(),
                    all: false,
                    rest: false,
                    margin: scale.margin,
                    look: 1,
                },
            );
            let compared = compared.unwrap();
            let judged = Criteria {
                baseline: Some(Baseline {
                    boots: boots(old),
                    metrics: metrics.clone(),
                    by: scale.margin,
                }),
                ..asked(&[])
            };
            let judged = call(&judged, &boots(new)).0;
            let measured = |percents: &[u64]| -> Vec<Boot> {
                let of = |sample: FinishedBoot| {
                    let found = metrics[0].of(&sample.report).unwrap();
                    Boot {
                        seed: sample.meta.deterministic,
                        value: Some(found[0].1.value),
                        steady: found[0].1.steady,
                        ..Boot::default()
                    }
                };
                boots(percents).into_iter().map(of).collect()
            };
            let apart = scale.apart(&measured(old), &measured(new), 1);
            let case = format!("{old:?} {new:?} {seeded} {pinned}");
            assert_eq!(compared.verdict, apart.verdict, "{case}");
            assert_eq!(compared.rows[0].interval, apart.interval, "{case}");
            let of_verdict = match apart.verdict {
                Verdict::Worse => Call::Bad,
                verdict if verdict.no_worse() => Call::Good,
                _ => Call::CannotTell,
            };
            assert_eq!(judged, of_verdict, "{case}");
            assert_eq!(judged.exit(), compared.exit_code, "{case}");
            seen.push(apart.verdict);
        }
    }
    for verdict in [
        Verdict::Worse,
        Verdict::Better,
        Verdict::Same,
        Verdict::NoWorse,
        Verdict::Unknown,
    ] {
        assert!(seen.contains(&verdict), "{verdict}");
    }
}

#[test]
fn what_no_run_can_have_is_refused_before_anything_boots() {
    let spin = [vec![workloads::row("SpinWait").unwrap()]];
    let error = Condition::parse("wake.p99<1ms", &spin).unwrap_err();
    assert!(error.to_string().contains("no such histogram"), "{error}");
    let error = Condition::parse("rate", &spin).unwrap_err();
    assert!(error.to_string().contains("rate"), "{error}");
    // One run of several is enough.
    let both = [spin[0].clone(), vec![workloads::row("PipeIo").unwrap()]];
    assert!(Condition::parse("wake.p99<1ms", &both).is_ok());
    // Of a plan that is not understood, nothing is known.
    assert!(Condition::parse("wake.p99<1ms", &[]).is_ok());
}

#[test]
fn most_is_more_than_half() {
    let of = |call: Call| (call, call.to_string());
    let (good, bad) = (of(Call::Good), of(Call::Bad));
    let skip = of(Call::CannotTell);
    let (found, why) = most(&[good.clone(), bad.clone()], true);
    assert_eq!(found, Call::CannotTell);
    assert!(why.starts_with("1 of 2 boots are good, 1 bad"), "{why}");
    let all = [bad.clone(), bad.clone(), skip.clone()];
    assert_eq!(most(&all, true).0, Call::Bad);
    let all = [good, skip.clone(), skip];
    assert_eq!(most(&all, true).0, Call::CannotTell);
}

#[test]
fn words_of_options() {
    assert_eq!("skip".parse(), Ok(BadOrSkip(Call::CannotTell)));
    assert!("good".parse::<BadOrSkip>().is_err());
    assert_eq!("good".parse(), Ok(GoodOrBad(Call::Good)));
    assert!("skip".parse::<GoodOrBad>().is_err());
    assert_eq!("5%".parse(), Ok(Share(0.05)));
    assert_eq!("0.5".parse(), Ok(Share(0.005)));
    for bad in ["", "%", "-1%", "NaN", "five", "1e9"] {
        assert!(bad.parse::<Share>().is_err(), "{bad}");
    }
}

/// With so many instructions in a function.
fn profiled(instructions: u64) -> FinishedBoot {
    let mut boot = boot();
    boot.report.runs[0].profile = Some(profile(instructions));
    boot
}

#[test]
fn profiles_are_shown_beside_those_of_a_baseline() {
    let now = [profiled(600)];
    let alone = profiles(None, &now, 80);
    assert!(
        alone.contains("60.00  100.00 %   1.00  kernel  try_"),
        "{alone}"
    );
    let baseline = |boots| Baseline {
        boots,
        metrics: Vec::new(),
        by: 0.01,
    };
    let said = "PipeIo: +50.00 instructions an iteration (+500.00 %): \
                try_to_wake_up +50.00\n";
    let beside = profiles(Some(&baseline(vec![profiled(100)])), &now, 80);
    assert!(beside.contains(said), "{beside}");
    // A baseline without profiles has nothing to stand beside.
    assert_eq!(profiles(Some(&baseline(vec![boot()])), &now, 80), alone);
    let on = "on QEMU TCG, emulated, deterministic: time counts instructions\n";
    assert_eq!(profiles(None, &[boot()], 80), on);
    assert!(alone.starts_with(on) && beside.starts_with(on), "{beside}");
}
