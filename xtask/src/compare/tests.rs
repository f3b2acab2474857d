//! Comparisons of reports that no machine made.

use super::splits::splits;
use super::{Asked, Comparison, Sample, Side, Verdict, compare, table};
use crate::decode::decode;
use crate::metrics::Selector;
use crate::model::Report;
use crate::noise::Noise;
use crate::testing::Stream;

/// A report with a run of PipeIo at so many round trips per second, whose
/// workers are pinned.
fn report(rate: u64) -> Report {
    let mut stream = Stream::sample();
    // The second run failed.
    stream.records.truncate(14);
    let stream = stream.closed();
    let log = stream.once();
    let mut report = Report::new(&decode(log.as_bytes()).newest());
    report.outcome = "ok".to_owned();
    report.digest = Some(rate.to_string());
    let group = &mut report.runs[0].groups[0];
    group.workers[0].iterations = rate;
    group.workers[1].iterations = 0;
    for worker in &mut group.workers {
        worker.cpus_allowed = vec![0];
    }
    report
}

fn side(name: &str, rates: &[u64], seeded: bool) -> Side {
    let samples = rates.iter().zip(1..).map(|(&rate, seed)| Sample {
        name: format!("{name}{seed}"),
        report: report(rate),
        seed: seeded.then_some(seed),
        ..Sample::default()
    });
    Side {
        name: name.to_owned(),
        samples: samples.collect(),
    }
}

fn asked(metrics: &[&str]) -> Asked {
    let metrics = metrics.iter().map(|text| Selector::parse(text).unwrap());
    Asked {
        metrics: metrics.collect(),
        all: false,
        rest: true,
        margin: 0.005,
    }
}

fn compared(a: &[u64], b: &[u64], seeded: bool) -> Comparison {
    let (a, b) = (side("a", a, seeded), side("b", b, seeded));
    compare(&a, &b, &asked(&["rate"])).unwrap()
}

fn refused(a: &Side, b: &Side, metrics: &[&str]) -> String {
    compare(a, b, &asked(metrics)).unwrap_err().to_string()
}

const TEN: [u64; 10] =
    [1000, 1010, 990, 1005, 1020, 980, 1001, 1011, 991, 1006];

#[test]
fn samples_of_one_kernel_and_of_a_slower_one() {
    let same = compared(&TEN, &TEN.map(|rate| rate + 1), false);
    assert_eq!((same.exit_code, same.verdict.as_str()), (0, "no worse"));
    assert_ne!(same.rows[0].verdict, Verdict::Worse);
    let slow = compared(&TEN, &TEN.map(|rate| rate - 60), false);
    assert_eq!((slow.exit_code, slow.verdict.as_str()), (1, "worse"));
    let row = &slow.rows[0];
    assert_eq!((row.verdict, row.more), (Verdict::Worse, Some(0)));
    let [low, high] = row.interval.unwrap();
    assert!(low < -0.059 && high > -0.061 && high < 0.0, "{low} {high}");
    assert!(row.p_corrected < 0.001);
    let fast = compared(&TEN, &TEN.map(|rate| rate + 60), false);
    assert_eq!((fast.exit_code, fast.rows[0].verdict), (0, Verdict::Better));
    assert!(fast.reason.contains("better: PipeIo rate +5.9"));
}

#[test]
fn each_metric_has_its_own_good_side_or_none() {
    let (a, mut b) = (side("a", &TEN, false), side("b", &TEN, false));
    for sample in &mut b.samples {
        let group = &mut sample.report.runs[0].groups[0];
        for worker in &mut group.workers {
            worker.cpu_ns *= 2;
            worker.nvcsw = worker.nvcsw.map(|n| n * 2);
        }
    }
    let verdicts = |a: &Side, b: &Side, metrics: &[&str]| {
        let found = compare(a, b, &asked(metrics)).unwrap();
        let verdicts = found.rows.iter().map(|row| row.verdict);
        (verdicts.collect::<Vec<_>>(), found.exit_code)
    };
    let (cost, count) = (["cpu/iterations"], ["nvcsw"]);
    assert_eq!(verdicts(&a, &b, &cost), (vec![Verdict::Worse], 1));
    assert_eq!(verdicts(&b, &a, &cost), (vec![Verdict::Better], 0));
    assert_eq!(verdicts(&a, &b, &count), (vec![Verdict::Differs], 0));
}

#[test]
fn what_is_not_judged_is_not_worse() {
    let (a, mut b) = (side("a", &TEN, false), side("b", &TEN, false));
    for sample in &mut b.samples {
        let group = &mut sample.report.runs[0].groups[0];
        for worker in &mut group.workers {
            worker.run_delay_ns = worker.run_delay_ns.map(|ns| ns * 2);
        }
    }
    let mut asked = asked(&[]);
    let found = compare(&a, &b, &asked).unwrap();
    assert_eq!(found.exit_code, 0, "{}", found.reason);
    let mut rows = found.rows.iter();
    let delay = rows.find(|row| row.metric == "run_delay").unwrap();
    assert_eq!(delay.verdict, Verdict::Worse);
    asked.all = true;
    assert_eq!(compare(&a, &b, &asked).unwrap().exit_code, 1);
    asked.rest = false;
    let rows = compare(&a, &b, &asked).unwrap().rows;
    assert!(rows.iter().all(|row| row.judged));
}

#[test]
fn too_few_runs_decide_nothing_and_say_how_many_would() {
    let few = compared(&[1000, 1010, 990], &[900, 905, 895], false);
    assert_eq!((few.exit_code, few.verdict.as_str()), (125, "cannot tell"));
    assert_eq!(few.rows[0].more, Some(1));
    assert!(few.reason.contains("1 more would"), "{}", few.reason);
    let one = compared(&[1000], &[500], false);
    assert_eq!((one.exit_code, one.rows[0].more), (125, Some(3)));
}

#[test]
fn one_seed_is_enough_for_what_seeds_do_not_move() {
    let slow = compared(&[1000], &[980], true);
    assert_eq!((slow.exit_code, slow.rows[0].verdict), (1, Verdict::Worse));
    assert_eq!(slow.rows[0].seeds, [(1, 1000.0, 980.0)]);
    // Seeds do that much.
    let near = compared(&[1000], &[990], true);
    assert_eq!(
        (near.exit_code, near.verdict.as_str()),
        (125, "cannot tell")
    );
    // But not these.
    let a = [1000, 1001, 1002];
    let small = compared(&a, &a.map(|rate| rate - 10), true);
    assert_eq!(
        (small.exit_code, small.rows[0].verdict),
        (1, Verdict::Worse)
    );
    let within = compared(&a, &a.map(|rate| rate - 4), true);
    assert_eq!(
        (within.exit_code, within.rows[0].verdict),
        (0, Verdict::Same)
    );
    // One seed the other way.
    let mixed = compared(&a, &[980, 981, 1022], true);
    assert_eq!(mixed.rows[0].verdict, Verdict::Undecided);
}

#[test]
fn placement_left_to_the_scheduler_takes_more_seeds() {
    let unpinned = |rates: &[u64]| {
        let mut side = side("x", rates, true);
        for sample in &mut side.samples {
            for worker in &mut sample.report.runs[0].groups[0].workers {
                worker.cpus_allowed = vec![0, 1];
            }
        }
        side
    };
    let a = [1000, 1400, 1001, 1390, 1002, 1410, 1003, 1405];
    let b = a.map(|rate| rate * 9 / 10);
    let rate = asked(&["rate"]);
    let one = compare(&unpinned(&a[..1]), &unpinned(&b[..1]), &rate).unwrap();
    assert_eq!(one.rows[0].verdict, Verdict::Undecided);
    assert_eq!(one.rows[0].more, Some(5));
    // Twice the spread, and yet each seed is slower.
    let all = compare(&unpinned(&a), &unpinned(&b), &rate).unwrap();
    assert_eq!((all.exit_code, all.rows[0].verdict), (1, Verdict::Worse));
    assert!(all.rows[0].spread[0].unwrap() > 0.3);
}

#[test]
fn a_kernel_is_identical_to_itself() {
    let same = compared(&[1000, 1001], &[1000, 1001], true);
    assert!(same.identical && same.exit_code == 0);
    assert_eq!(same.rows[0].verdict, Verdict::Same);
    assert!(
        same.reason
            .contains("every figure of every boot is the same")
    );
    let (a, mut b) = (side("a", &TEN, true), side("b", &TEN, true));
    b.samples.reverse();
    let rate = asked(&["rate"]);
    assert!(compare(&a, &b, &rate).unwrap().identical);
    b.samples.pop();
    assert!(!compare(&a, &b, &rate).unwrap().identical);
    let other = compared(&[1000, 1001], &[1000, 1000], true);
    assert!(!other.identical);
    assert!(!compared(&[1000], &[1000], false).identical);
}

#[test]
fn what_was_not_made_to_be_compared_is_refused() {
    let (a, mut b) = (side("a", &[1], false), side("b", &[1], true));
    assert!(refused(&a, &b, &[]).contains("deterministic machines and of"));
    let mut arm = side("b", &[1], false);
    let hello = arm.samples[0].report.hello.as_mut().unwrap();
    hello.machine = "aarch64".to_owned();
    let said = refused(&a, &arm, &[]);
    assert!(said.contains("of aarch64 and of x86_64 do not"), "{said}");
    b.samples[0].seed = None;
    let plan = &mut b.samples[0].report.hello.as_mut().unwrap().plan;
    plan.push("workers=4".to_owned());
    let said = refused(&a, &b, &[]);
    assert!(said.contains("different plans"), "{said}");
    assert!(said.contains("that of b1 is `time=1s"), "{said}");
    let b = side("b", &[1], false);
    let said = refused(&a, &b, &["nosuch"]);
    assert!(said.contains("PipeIo has no such figure"), "{said}");
    let mut silent = b.clone();
    silent.samples[0].report.runs.clear();
    let said = refused(&a, &silent, &[]);
    assert!(said.contains("no metric in common"), "{said}");
}

#[test]
fn a_kernel_that_fails_is_worse_if_the_other_does_not() {
    let failing = |name, seeded, boots: &[usize], code| {
        let mut side = side(name, &TEN, seeded);
        for &boot in boots {
            side.samples[boot].code = code;
            side.samples[boot].report.outcome = "panic".to_owned();
        }
        side
    };
    let all: Vec<usize> = (0..10).collect();
    let answer = |seeded, a: &[usize], b: &[usize], code| {
        let a = failing("a", seeded, a, code);
        let b = failing("b", seeded, b, code);
        compare(&a, &b, &asked(&["rate"])).unwrap()
    };
    let worse = answer(false, &[], &all, 1);
    assert_eq!((worse.exit_code, worse.verdict.as_str()), (1, "worse"));
    let why = "B: 10 of 10 boots were not good; b1: panic: ";
    assert!(worse.reason.contains(why), "{}", worse.reason);
    for (seeded, a, b, code, exit_code) in [
        (false, &all[..], &all[..0], 1, 125),
        (false, &all[..0], &all[..], 125, 125),
        // A busy host may do that.
        (false, &all[..0], &all[..1], 1, 0),
        (false, &all[..1], &all[..0], 1, 0),
        // But not so often, and not on one side.
        (false, &all[..0], &all[..6], 1, 1),
        (false, &all[..5], &all[..6], 1, 0),
        // Nor at all to a deterministic machine.
        (true, &all[..0], &all[..1], 1, 1),
        (true, &all[..1], &all[..1], 1, 0),
        (true, &all[..1], &all[..0], 1, 0),
    ] {
        let found = answer(seeded, a, b, code);
        let case = (seeded, a.len(), b.len(), code);
        assert_eq!(found.exit_code, exit_code, "{case:?}: {}", found.reason);
        assert!(found.warnings.iter().any(|w| w.contains("not good")));
    }
}

#[test]
fn what_makes_figures_doubtful_is_warned_of() {
    let (mut a, mut b) = (side("a", &TEN, false), side("b", &TEN, false));
    a.samples[3].noise = Some(Noise {
        load: 6.5,
        others: 1.8,
        steal: 0.0,
    });
    b.samples[0].report.hello.as_mut().unwrap().cpus = 4;
    b.samples[1].report.runs[0].groups[0].workers[0].iterations = 2000;
    let warned = compare(&a, &b, &asked(&["rate"])).unwrap().warnings;
    let all = warned.join("\n");
    for part in [
        "the machine differs: 2 CPUs and 4 CPUs",
        "during 1 of 20 boots: up to 1.8 CPUs busy for others",
        "boots of one kernel spread: PipeIo rate by 10",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
    // None of it is of any matter to a deterministic machine.
    let mut a = side("a", &TEN, true);
    a.samples[0].noise = Some(Noise {
        others: 1.8,
        ..Noise::default()
    });
    let b = side("b", &TEN, true);
    let warned = compare(&a, &b, &asked(&["rate"])).unwrap().warnings;
    assert_eq!(warned, [""; 0]);
}

#[test]
fn seeds_of_one_side_only_are_left_out() {
    let (a, b) = (side("a", &TEN, true), side("b", &TEN[..4], true));
    let found = compare(&a, &b, &asked(&["rate"])).unwrap();
    assert_eq!(found.rows[0].seeds.len(), 4);
    assert_eq!(found.warnings, ["6 seeds are on one side only"]);
}

#[test]
fn splitting_boots_of_one_kernel_finds_little() {
    let all = side("a", &TEN, false);
    let found = splits(&all.samples, &asked(&["rate"]), 200).unwrap();
    assert_eq!((found.splits, found.sizes), (200, [5, 5]));
    // One metric at 5 %, and ranks allow no more than that.
    assert!(found.found <= 10 + 10, "{}", found.found);
    let twice = splits(&all.samples, &asked(&["rate"]), 200).unwrap();
    assert_eq!(twice.found, found.found);
    assert!(splits(&all.samples[..1], &asked(&[]), 1).is_err());
    let text = table::render_splits(&found);
    assert!(text.starts_with("200 splits of 10 boots into 5 and 5"));
}

#[test]
fn a_table_for_people_and_fields_for_programs() {
    let (a, b) = (side("old", &TEN, false), side("new", &TEN, false));
    let found = compare(&a, &b, &asked(&[])).unwrap();
    let short = table::render(&found, false);
    for part in ["A: old, 10 boots", "  rate ", "more metrics with --all"] {
        assert!(short.contains(part), "{part} in {short}");
    }
    assert!(!short.contains("kernel.ctxt"));
    assert!(table::render(&found, true).contains("kernel.ctxt"));
    let json = serde_json::to_value(&found).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let rate = rows.iter().find(|row| row["metric"] == "rate").unwrap();
    assert_eq!(rate["better"], "higher");
    assert_eq!(rate["a"], 1003.0);
    assert_eq!(rate["verdict"], "undecided");
    assert_eq!(json["exit_code"], 0);
}
