//! Opinions of boots that no machine made.

use super::{As, Asked, Baseline, Call, Condition, Policy, Share, judge, most};
use crate::compare::Sample;
use crate::decode::decode;
use crate::metrics::Selector;
use crate::model::Report;
use crate::testing::Stream;
use pidone::workloads;

const POLICY: Policy = Policy {
    panic: Call::Bad,
    no_boot: Call::CannotTell,
};

/// A boot that ended well; PipeIo went round 48,210 times.
fn boot() -> Sample {
    let log = Stream::sample().once();
    let mut report = Report::new(&decode(log.as_bytes()).newest());
    report.outcome = "ok".to_owned();
    Sample {
        report,
        ..Sample::default()
    }
}

/// As much as so many percent of the usual.
fn faster(percent: u64) -> Sample {
    let mut boot = boot();
    let group = &mut boot.report.runs[0].groups[0];
    for worker in &mut group.workers {
        worker.iterations = worker.iterations * percent / 100;
    }
    boot
}

fn ended(outcome: &str, code: u8) -> Sample {
    let mut boot = boot();
    outcome.clone_into(&mut boot.report.outcome);
    Sample { code, ..boot }
}

fn asked(conditions: &[&str]) -> Asked {
    let plan =
        ["PipeIo", "SpinWait"].map(|name| vec![workloads::find(name).unwrap()]);
    let parse = |text: &&str| Condition::parse(text, &plan).unwrap();
    Asked {
        conditions: conditions.iter().map(parse).collect(),
        baseline: None,
        policy: POLICY,
    }
}

fn call(asked: &Asked, boots: &[Sample]) -> (Call, String) {
    judge(asked, boots).unwrap()
}

#[test]
fn how_a_boot_ends_decides_before_any_figure() {
    let asked = asked(&[]);
    for (outcome, code, is) in [
        ("ok", 0, Call::Good),
        ("fail", 1, Call::Bad),
        ("panic", 1, Call::Bad),
        ("hang", 1, Call::Bad),
        ("no_boot", 125, Call::CannotTell),
        // Every run was skipped.
        ("ok", 125, Call::CannotTell),
    ] {
        let (found, why) = call(&asked, &[ended(outcome, code)]);
        assert_eq!(found, is, "{outcome} {code}");
        assert!(why.starts_with(outcome), "{why}");
    }
    let other = Asked {
        policy: Policy {
            panic: Call::CannotTell,
            no_boot: Call::Bad,
        },
        ..asked
    };
    assert_eq!(call(&other, &[ended("panic", 1)]).0, Call::CannotTell);
    assert_eq!(call(&other, &[ended("no_boot", 125)]).0, Call::Bad);
    // A run that failed is no panic.
    assert_eq!(call(&other, &[ended("fail", 1)]).0, Call::Bad);
}

#[test]
fn one_crash_of_many_is_bad_and_boots_that_are_not_are_outvoted() {
    let asked = asked(&["PipeIo:iterations>48000"]);
    let crash = ended("panic", 1);
    let not = ended("no_boot", 125);
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

#[test]
fn what_is_worse_than_the_baseline_by_more_is_bad() {
    let mut asked = asked(&[]);
    let mut with = |metrics: &[&str], by| {
        let parse = |text: &&str| Selector::parse(text).unwrap();
        asked.baseline = Some(Baseline {
            samples: vec![faster(99), boot(), faster(101)],
            metrics: metrics.iter().map(parse).collect(),
            by,
        });
        asked.clone()
    };
    let by_rate = with(&["PipeIo:rate"], 0.05);
    assert_eq!(call(&by_rate, &[faster(96)]).0, Call::Good);
    assert_eq!(call(&by_rate, &[faster(150)]).0, Call::Good);
    let (found, why) = call(&by_rate, &[faster(94)]);
    assert_eq!(found, Call::Bad);
    assert!(why.contains("was 48210/s (-6.0"), "{why}");
    // The median decides.
    let boots = [faster(50), boot(), boot()];
    assert_eq!(call(&by_rate, &boots).0, Call::Good);
    // Less is better here, and it takes more CPU time for each.
    let by_cost = with(&["1:cpu/iterations"], 0.05);
    assert_eq!(call(&by_cost, &[faster(94)]).0, Call::Bad);
    assert_eq!(call(&by_cost, &[faster(150)]).0, Call::Good);
    // Without a name: what is judged by default, of every run.
    let by_default = with(&[], 0.05);
    let (found, why) = call(&by_default, &[boot()]);
    assert_eq!(found, Call::Good);
    assert!(why.contains("PipeIo: rate") && why.contains("SpinWait: rate"));
    assert_eq!(call(&by_default, &[faster(90)]).0, Call::Bad);
    let error = judge(&with(&["kernel.ctxt"], 0.05), &[boot()]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("better neither way"), "{error}");
}

#[test]
fn what_no_run_can_have_is_refused_before_anything_boots() {
    let spin = [vec![workloads::find("SpinWait").unwrap()]];
    let error = Condition::parse("wake.p99<1ms", &spin).unwrap_err();
    assert!(error.to_string().contains("no such histogram"), "{error}");
    let error = Condition::parse("rate", &spin).unwrap_err();
    assert!(error.to_string().contains("rate"), "{error}");
    // One run of several is enough.
    let both = [spin[0].clone(), vec![workloads::find("PipeIo").unwrap()]];
    assert!(Condition::parse("wake.p99<1ms", &both).is_ok());
    // Of a plan that is not understood, nothing is known.
    assert!(Condition::parse("wake.p99<1ms", &[]).is_ok());
}

#[test]
fn most_is_more_than_half() {
    let of = |call: Call| (call, call.to_string());
    let (good, bad) = (of(Call::Good), of(Call::Bad));
    let skip = of(Call::CannotTell);
    let (found, why) = most(&[good.clone(), bad.clone()]);
    assert_eq!(found, Call::CannotTell);
    assert_eq!(why, "1 of 2 boots are good, 1 bad");
    assert_eq!(most(&[bad.clone(), bad.clone(), skip.clone()]).0, Call::Bad);
    assert_eq!(most(&[good, skip.clone(), skip]).0, Call::CannotTell);
}

#[test]
fn words_of_options() {
    assert_eq!("skip".parse(), Ok(As(Call::CannotTell)));
    assert!("maybe".parse::<As>().is_err());
    assert_eq!("5%".parse(), Ok(Share(0.05)));
    assert_eq!("0.5".parse(), Ok(Share(0.005)));
    for bad in ["", "%", "-1%", "NaN", "five", "1e9"] {
        assert!(bad.parse::<Share>().is_err(), "{bad}");
    }
}
