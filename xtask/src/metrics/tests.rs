//! Figures of a report that no machine made.

use super::{Better, Selector, better, check, judge, labels, of_report};
use crate::testing::report;

fn value(text: &str) -> f64 {
    let found = Selector::parse(text).unwrap().of(&report()).unwrap();
    found[0].1.value
}

#[test]
fn a_report_is_a_list_of_named_figures() {
    let all = of_report(&report());
    assert_eq!(all[0].run, "PipeIo");
    let find = |name: &str| {
        let mut metrics = all[0].metrics.iter();
        metrics.find(|metric| metric.name == name).unwrap()
    };
    for (name, value, unit, better) in [
        ("iterations", 48_210.0, "", Better::Higher),
        ("rate", 48_210.0, "/s", Better::Higher),
        ("cpu", 960_000_000.0, "ns", Better::Neither),
        ("run_delay", 2_000_000.0, "ns", Better::Lower),
        ("wake.count", 48_200.0, "", Better::Neither),
        ("wake.max", 1_200_000.0, "ns", Better::Lower),
        ("late", 4.0, "", Better::Neither),
        ("kernel.ctxt", 1000.0, "", Better::Neither),
    ] {
        let found = find(name);
        assert_eq!(found.value, value, "{name}");
        assert_eq!(found.unit, unit, "{name}");
        assert_eq!(found.better, better, "{name}");
    }
    let cost = find("cpu/iterations").value;
    assert!((cost - 960_000_000.0 / 48_210.0).abs() < 1e-9);
    // What the kernel did not tell is not there.
    let absent = |m: &super::Metric| m.name == "nr_wakeups_remote";
    assert!(!all[0].metrics.iter().any(absent));
}

#[test]
fn which_way_is_better_follows_from_the_terms() {
    for (name, way) in [
        ("wake.p99", Better::Lower),
        ("PipeIo.wake.p99", Better::Lower),
        ("g1.rate", Better::Higher),
        ("iterations/wall", Better::Higher),
        ("cpu/iterations", Better::Lower),
        ("run_delay/run_count", Better::Lower),
        ("g1.rate/g0.rate", Better::Neither),
        ("wake.p99/wake.p50", Better::Neither),
        ("nvcsw", Better::Neither),
        ("kernel.ctxt", Better::Neither),
    ] {
        assert_eq!(better(name), way, "{name}");
    }
}

#[test]
fn what_is_judged_by_default_is_in_the_table() {
    let all = of_report(&report());
    let judged = |m: &&super::Metric| m.judged;
    let judged = all[0].metrics.iter().filter(judged);
    let names: Vec<&str> = judged.map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["rate", "cpu/iterations", "wake.p50"]);
    // Two CPUs to choose from.
    assert!(all[0].metrics.iter().all(|m| m.steady.is_none()));
    let mut pinned = report();
    for worker in &mut pinned.runs[0].groups[0].workers {
        worker.cpus_allowed = vec![1];
    }
    let steady = |text: &str| {
        let found = Selector::parse(text).unwrap().of(&pinned).unwrap();
        found[0].1.steady.is_some()
    };
    assert!(steady("PipeIo:rate") && steady("1:g0.cpu/g0.iterations"));
    assert!(steady("PipeIo:PipeIo.wake.p50"));
    assert!(!steady("PipeIo:wake.p99") && !steady("1:kernel.ctxt"));
    let resolution = |text: &str| {
        let found = Selector::parse(text).unwrap().of(&pinned).unwrap();
        found[0].1.resolution
    };
    assert!(resolution("1:wake.p99.9") > 0.0);
    assert_eq!(resolution("1:wake.mean"), 0.0);
}

#[test]
fn what_is_asked_for_is_of_the_grammar_of_conditions() {
    assert_eq!(value("wake.p50"), value("1:wake.p50"));
    assert_eq!(value("PipeIo:iterations*2"), 96_420.0);
    for (text, why) in [
        ("3", "a metric has a figure"),
        ("cpu*wall", "is no number, duration or rate"),
        ("wake..p99", "a histogram has .count"),
        ("", "a side is up to 4 figures"),
    ] {
        let error = Selector::parse(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    for (text, why) in [
        ("SpinWait:wake.p99", "SpinWait has no such histogram"),
        ("PipeIo:wak.p99", "nearest is `wake`"),
        ("Nope:rate", "no run `Nope`; runs are PipeIo, SpinWait"),
        ("3:rate", "no run `3`"),
    ] {
        let selector = Selector::parse(text).unwrap();
        let error = selector.of(&report()).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn metrics_are_checked_against_a_plan() {
    let check = |text: &str, plan: &str| {
        let metric = Selector::parse(text).unwrap();
        check(&[metric], plan).map_err(|error| error.to_string())
    };
    let plan = "time=1s work=PipeIo with=SpinWait work=TimerLatency";
    for good in ["timer.p99", "wake.p50", "g1.rate", "2:overruns", "rate"] {
        assert_eq!(check(good, plan), Ok(()), "{good}");
    }
    for (bad, why) in [
        ("wak.p50", "nearest is `wake`"),
        ("2:wake.p50", "TimerLatency has no such histogram"),
        ("3:rate", "no run `3`; runs are PipeIo"),
        ("g2.rate", "the run has no such group"),
        ("kernel.ctx", "nearest is `ctxt`"),
    ] {
        let said = check(bad, plan).unwrap_err();
        assert!(said.contains(why), "{bad}: {said}");
    }
    // Said by others, or not known before the boot.
    assert_eq!(check("wak.p50", "work=Nope"), Ok(()));
    assert_eq!(check("wak.p50", "plan=mine"), Ok(()));
}

#[test]
fn a_report_is_judged_as_the_machine_judges_itself() {
    let judged = judge("PipeIo:wake.p99<500us", &report()).unwrap();
    assert!(judged.len() == 1 && judged[0].1.held);
    let judged = judge("iterations>48220", &report()).unwrap();
    assert_eq!(judged.len(), 2);
    assert!(!judged[0].1.held);
    assert_eq!(judged[0].1.milli, Some(48_210_000));
    assert!(judge("rate", &report()).is_err());
}

#[test]
fn runs_of_one_name_are_told_apart() {
    let mut report = report();
    report.runs[1].name = "PipeIo".to_owned();
    assert_eq!(labels(&report), ["PipeIo", "PipeIo#2"]);
    let found = Selector::parse("PipeIo#2:iterations").unwrap();
    assert_eq!(found.of(&report).unwrap().len(), 1);
    let both = Selector::parse("PipeIo:iterations").unwrap();
    assert_eq!(both.of(&report).unwrap().len(), 2);
}

/// Runs of one name are counted once, and not again for each of them.
#[test]
fn any_number_of_runs_is_judged() {
    let mut report = report();
    report.runs.truncate(1);
    report.runs = vec![report.runs[0].clone(); 20_000];
    let judged = judge("iterations>1", &report).unwrap();
    assert_eq!(judged.len(), 20_000);
    assert_eq!(judged[19_999].0, "PipeIo#20000");
    let last = Selector::parse("20000:iterations").unwrap();
    assert_eq!(last.of(&report).unwrap()[0].0, "PipeIo#20000");
}
