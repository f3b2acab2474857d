//! Comparisons of reports that no machine made.

use super::{
    Comparison, ComparisonOptions, Side, compare, compare_apart, table,
};
use crate::evidence::Verdict;
use crate::exit::Exit;
use crate::finished::{FinishedBoot, Meta};
use crate::metrics::Selector;
use crate::model::{Outcome, Report};
use crate::noise::Noise;
use crate::terminal::unpainted;
use crate::testing;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A report with a run of PipeIo at so many round trips per second, whose
/// workers are pinned.
fn report(rate: u64) -> Report {
    let mut report = testing::report();
    // The second run failed.
    report.runs.truncate(1);
    report.outcome = Outcome::Ok;
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
    let boots = rates.iter().zip(1..).map(|(&rate, seed)| FinishedBoot {
        dir: format!("{name}{seed}").into(),
        report: report(rate),
        meta: Meta {
            exit_code: Exit::Good,
            deterministic: seeded.then_some(seed),
            ..Meta::default()
        },
        ..FinishedBoot::default()
    });
    Side {
        name: name.to_owned(),
        boots: boots.collect(),
    }
}

fn asked(metrics: &[&str]) -> ComparisonOptions {
    let metrics = metrics.iter().map(|text| Selector::parse(text).unwrap());
    ComparisonOptions {
        metrics: metrics.collect(),
        all: false,
        rest: true,
        margin: 0.005,
        look: 1,
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

const FLAT: [u64; 10] = [1000; 10];

/// What a comparison says, and the first of its rows.
fn said(found: &Comparison) -> (u8, Verdict) {
    (found.exit_code.code(), found.rows[0].verdict)
}

#[test]
fn samples_of_one_kernel_and_of_a_slower_one() {
    let same = compared(&TEN, &TEN.map(|rate| rate + 1), false);
    assert_eq!(said(&same), (125, Verdict::Unknown), "{}", same.reason);
    let near = [10_000, 10_001, 9_999, 10_002, 9_998];
    let same = compared(&near, &near.map(|rate| rate + 5), false);
    assert_eq!(said(&same), (0, Verdict::Same), "{}", same.reason);
    assert_eq!(same.reason, "no difference that counts");
    let slow = compared(&TEN, &TEN.map(|rate| rate - 60), false);
    assert_eq!(said(&slow), (1, Verdict::Worse));
    let row = &slow.rows[0];
    assert_eq!((slow.verdict, row.more), (Verdict::Worse, Some(0)));
    let interval = row.interval.unwrap();
    assert!(interval.low < -0.059 && interval.high > -0.061);
    assert!(interval.high < -0.005 && interval.coverage.unwrap() > 0.95);
    assert!(row.p_corrected < 0.001);
    let fast = compared(&TEN, &TEN.map(|rate| rate + 60), false);
    assert_eq!(said(&fast), (0, Verdict::Better));
    assert!(fast.reason.starts_with("PipeIo rate +"), "{}", fast.reason);
}

/// Thirty per cent less may as well be ten more.
#[test]
fn what_noise_hides_is_not_said_to_be_no_worse() {
    let a = [1000, 2100, 600, 1500, 950];
    let b = [700, 650, 1400, 300, 600];
    let found = compared(&a, &b, false);
    let row = &found.rows[0];
    let interval = row.interval.unwrap();
    assert!(row.difference.unwrap() < -0.3, "{row:?}");
    assert!(interval.low < -0.6 && interval.high > 0.1, "{row:?}");
    assert_eq!(said(&found), (125, Verdict::Unknown), "{}", found.reason);
    assert!(found.reason.contains("would probably tell"));
}

/// What a reader sees first and last.
#[test]
fn the_answer_is_one_sentence() {
    let said = |a: &[u64], b: &[u64], seeded| compared(a, b, seeded).answer;
    let slower = said(&FLAT, &FLAT.map(|rate| rate * 5 / 6), true);
    assert_eq!(slower, "a → b: PipeIo is 1.20 × slower, exact");
    let faster = said(&FLAT, &FLAT.map(|rate| rate + 20), true);
    assert_eq!(faster, "a → b: PipeIo is 2.0 % faster, exact");
    let same = said(&TEN, &TEN, true);
    assert_eq!(same, "a → b: every figure of every boot is the same");
    // Boots that do not repeat themselves have an interval.
    let slower = said(&TEN, &TEN.map(|rate| rate * 5 / 6), false);
    assert_eq!(slower, "a → b: PipeIo is 1.20 × slower (1.19 to 1.21)");
    let open = said(&TEN, &TEN.map(|rate| rate + 1), false);
    let start = "a → b: PipeIo is undecided; ";
    assert!(open.starts_with(start), "{open}");
    assert!(
        open.ends_with(" more boots would probably decide"),
        "{open}"
    );
    let wild = [1000, 2100, 600, 1500, 950];
    let noisy = said(&wild, &[700, 650, 1400, 300, 600], false);
    assert!(
        noisy.contains("boots of one kernel spread by 16"),
        "{noisy}"
    );
    let text = table::render(&compared(&wild, &wild, false), false, 80);
    assert!(
        text.contains("    noise: boots of A spread by 15"),
        "{text}"
    );
    // Several runs are counted, and one is told.
    let (a, b) = (
        runs_of(&[1000, 1000, 1000, 1000, 1000], 10),
        runs_of(&[1000, 500, 900, 1100, 1000], 10),
    );
    let found = compare(&a, &b, &asked(&["rate"])).unwrap();
    assert_eq!(
        found.answer,
        "A → B, both k: run1 is 2.00 × slower, exact; 1 more is slower, 1 \
         faster, 2 the same"
    );
    // By its rate, whatever else of it differs by more.
    let (a, mut b) = (runs_of(&[1000, 1000], 10), runs_of(&[950, 970], 10));
    for boot in &mut b.boots {
        for worker in &mut boot.report.runs[1].groups[0].workers {
            worker.cpu_ns *= 2;
        }
    }
    let found = compare(&a, &b, &asked(&["rate", "cpu/iterations"])).unwrap();
    assert_eq!(
        found.answer,
        "A → B, both k: run0 is 5.0 % slower, exact; 1 more is slower"
    );
    // A kernel that fails is told of first.
    let (a, b) = (
        failing(10, true, 0, Exit::Good),
        failing(10, true, 2, Exit::Bad),
    );
    let found = compare(&a, &b, &asked(&["rate"])).unwrap();
    let start = "A → B, both x: 0 % of A's boots failed and 20 % of B's \
                 (worse); ";
    assert!(found.answer.starts_with(start), "{}", found.answer);
}

/// A likelihood says nothing of machines that repeat themselves.
#[test]
fn what_is_exact_has_no_p() {
    let slow = compared(&FLAT, &FLAT.map(|rate| rate - 60), true);
    assert!(slow.rows[0].exact);
    let text = unpainted(&table::render(&slow, false, 80));
    assert!(text.contains("worse, exact\n"), "{text}");
    assert!(!text.contains(" p "), "{text}");
    let slow = compared(&TEN, &TEN.map(|rate| rate - 60), false);
    assert!(!slow.rows[0].exact);
    let text = unpainted(&table::render(&slow, false, 80));
    assert!(text.contains("worse, p <.001\n"), "{text}");
}

#[test]
fn each_metric_has_its_own_good_side_or_none() {
    let (a, mut b) = (side("a", &TEN, false), side("b", &TEN, false));
    for boot in &mut b.boots {
        let group = &mut boot.report.runs[0].groups[0];
        for worker in &mut group.workers {
            worker.cpu_ns *= 2;
            worker.nvcsw = worker.nvcsw.map(|n| n * 2);
        }
    }
    let verdicts = |a: &Side, b: &Side, metrics: &[&str]| {
        let found = compare(a, b, &asked(metrics)).unwrap();
        let verdicts = found.rows.iter().map(|row| row.verdict);
        (verdicts.collect::<Vec<_>>(), found.exit_code.code())
    };
    let (cost, count) = (["cpu/iterations"], ["nvcsw"]);
    assert_eq!(verdicts(&a, &b, &cost), (vec![Verdict::Worse], 1));
    assert_eq!(verdicts(&b, &a, &cost), (vec![Verdict::Better], 0));
    // Neither the same nor better.
    assert_eq!(verdicts(&a, &b, &count), (vec![Verdict::Differs], 125));
}

#[test]
fn what_is_not_judged_is_not_worse() {
    let (a, mut b) = (side("a", &FLAT, false), side("b", &FLAT, false));
    for sample in &mut b.boots {
        let group = &mut sample.report.runs[0].groups[0];
        for worker in &mut group.workers {
            worker.run_delay_ns = worker.run_delay_ns.map(|ns| ns * 2);
        }
    }
    let mut asked = asked(&[]);
    let found = compare(&a, &b, &asked).unwrap();
    assert_eq!(found.exit_code.code(), 0, "{}", found.reason);
    let mut rows = found.rows.iter();
    let delay = rows.find(|row| row.metric == "run_delay").unwrap();
    assert_eq!(delay.verdict, Verdict::Worse);
    asked.all = true;
    assert_eq!(compare(&a, &b, &asked).unwrap().exit_code.code(), 1);
    asked.rest = false;
    let rows = compare(&a, &b, &asked).unwrap().rows;
    assert!(rows.iter().all(|row| row.judged));
}

#[test]
fn too_few_runs_decide_nothing_and_say_how_many_would() {
    let few = compared(&[1000, 1010, 990], &[900, 905, 895], false);
    assert_eq!(said(&few), (125, Verdict::Unknown));
    assert_eq!(few.rows[0].more, Some(2));
    assert!(few.reason.contains("2 more would"), "{}", few.reason);
    let one = compared(&[1000], &[500], false);
    assert_eq!((one.exit_code.code(), one.rows[0].more), (125, Some(4)));
}

/// One kernel beside itself: only what is the same in every figure is good,
/// and hardly ever is one called worse or better.
#[test]
fn a_kernel_beside_itself_is_hardly_ever_worse() {
    const TIMES: u64 = 400;
    let asked = ComparisonOptions {
        rest: false,
        ..asked(&["rate", "iterations"])
    };
    let (mut wrong, mut same) = (0, 0);
    // The smaller of both spreads is within the margin.
    for (seed, spread) in (0..2 * TIMES).zip([20, 2000].into_iter().cycle()) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut rates = || -> Vec<u64> {
            let rate = |_| 10_000 + random.next_u64() % spread;
            (0..5).map(rate).collect()
        };
        let (a, b) = (side("a", &rates(), false), side("b", &rates(), false));
        let found = compare(&a, &b, &asked).unwrap();
        let is = |verdict| {
            let mut rows = found.rows.iter();
            rows.any(|row| row.judged && row.verdict == verdict)
        };
        let differs = is(Verdict::Worse) || is(Verdict::Better);
        wrong += u64::from(differs);
        if !differs {
            let unknown = is(Verdict::Unknown) || is(Verdict::Differs);
            let exit = if unknown {
                Exit::CannotTell
            } else {
                Exit::Good
            };
            assert_eq!(found.exit_code, exit, "{seed}: {}", found.reason);
            same += u64::from(!unknown && spread == 20);
        }
    }
    // 5 % are stated of each spread, and nothing is wrong of the smaller.
    assert!(wrong * 20 <= TIMES, "{wrong} of {TIMES}");
    assert_eq!(same, TIMES);
}

#[test]
fn looking_again_takes_more() {
    let (a, b) = (side("a", &TEN[..5], false), side("b", &[900; 5], false));
    let at = |look| {
        let asked = ComparisonOptions {
            look,
            ..asked(&["rate"])
        };
        compare(&a, &b, &asked).unwrap().rows[0].verdict
    };
    assert_eq!([at(1), at(3)], [Verdict::Worse, Verdict::Unknown]);
}

#[test]
fn one_seed_is_enough_for_what_seeds_do_not_move() {
    let slow = compared(&[1000], &[960], true);
    assert_eq!(said(&slow), (1, Verdict::Worse));
    assert_eq!(slow.rows[0].seeds, [(1, 1000.0, 960.0)]);
    // Seeds do that much.
    let near = compared(&[1000], &[975], true);
    assert_eq!(said(&near), (125, Verdict::Unknown));
    // But not these.
    let a = [1000, 1001, 1002];
    let small = compared(&a, &a.map(|rate| rate - 10), true);
    assert_eq!(said(&small), (1, Verdict::Worse));
    let within = compared(&a, &a.map(|rate| rate - 4), true);
    assert_eq!(said(&within), (0, Verdict::Same));
    // One seed the other way.
    let mixed = compared(&a, &[960, 961, 1042], true);
    assert_eq!(said(&mixed), (125, Verdict::Unknown));
}

#[test]
fn placement_left_to_the_scheduler_takes_more_seeds() {
    let unpinned = |rates: &[u64]| {
        let mut side = side("x", rates, true);
        for boot in &mut side.boots {
            for worker in &mut boot.report.runs[0].groups[0].workers {
                worker.cpus_allowed = vec![0, 1];
            }
        }
        side
    };
    let a = [1000, 1400, 1001, 1390, 1002, 1410, 1003, 1405];
    let b = a.map(|rate| rate * 9 / 10);
    let rate = asked(&["rate"]);
    let one = compare(&unpinned(&a[..1]), &unpinned(&b[..1]), &rate).unwrap();
    assert_eq!(one.rows[0].verdict, Verdict::Unknown);
    assert_eq!(one.rows[0].more, Some(7));
    // Twice the spread, and yet each seed is slower.
    let all = compare(&unpinned(&a), &unpinned(&b), &rate).unwrap();
    assert_eq!(said(&all), (1, Verdict::Worse));
    assert!(all.rows[0].spread[0].unwrap() > 0.3);
}

#[test]
fn a_kernel_is_identical_to_itself() {
    let same = compared(&[1000, 1001], &[1000, 1001], true);
    assert!(same.identical);
    assert_eq!(said(&same), (0, Verdict::Same));
    assert!(
        same.reason
            .contains("every figure of every boot is the same")
    );
    let (a, mut b) = (side("a", &TEN, true), side("b", &TEN, true));
    b.boots.reverse();
    let rate = asked(&["rate"]);
    assert!(compare(&a, &b, &rate).unwrap().identical);
    b.boots.pop();
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
    let hello = arm.boots[0].report.hello.as_mut().unwrap();
    hello.machine = "aarch64".to_owned();
    let said = refused(&a, &arm, &[]);
    assert!(said.contains("of aarch64 and of x86_64 do not"), "{said}");
    b.boots[0].meta.deterministic = None;
    let plan = &mut b.boots[0].report.hello.as_mut().unwrap().plan;
    plan.push("workers=4".to_owned());
    let said = refused(&a, &b, &[]);
    assert!(said.contains("different plans"), "{said}");
    assert!(said.contains("that of b1 is `time=1s"), "{said}");
    let plan = |side: &mut Side, words: &str| {
        let hello = side.boots[0].report.hello.as_mut().unwrap();
        hello.plan.splice(..0, words.split(' ').map(str::to_owned));
    };
    // What is set of the kernel may differ, and is said; so may words that
    // are one side's.
    let mut b = side("b", &[1], false);
    plan(&mut b, "sched_features=NO_A sysctl.kernel.x=1");
    let by_rate = asked(&["rate"]);
    let found = compare(&a, &b, &by_rate).unwrap();
    let said = "the plan of A sets nothing, that of B sched_features=NO_A \
                sysctl.kernel.x=1";
    assert_eq!(found.warnings[0], said);
    plan(&mut b, "clone=thread");
    let said = refused(&a, &b, &[]);
    assert!(said.contains("different plans"), "{said}");
    let own = ["clone=thread".to_owned()];
    assert!(compare_apart(&a, &b, &by_rate, [&[], &own]).is_ok());
    // What a lab has printed is no other plan.
    let mut lava = side("b", &[1], false);
    plan(&mut lava, "output=ktap,records,lava");
    assert!(compare(&a, &lava, &by_rate).is_ok());
    // Boots of one side are of one plan all the same.
    b.boots.extend(side("c", &[1], false).boots);
    assert!(compare_apart(&a, &b, &by_rate, [&[], &own]).is_err());
    let b = side("b", &[1], false);
    let said = refused(&a, &b, &["nosuch"]);
    assert!(said.contains("PipeIo has no such figure"), "{said}");
    let mut silent = b.clone();
    silent.boots[0].report.runs.clear();
    // A side that measured nothing is no better for it.
    let found = compare(&a, &silent, &asked(&[])).unwrap();
    assert_eq!(found.exit_code.code(), 125);
    assert!(found.reason.contains("PipeIo rate: on one side only"));
    let mut both = a.clone();
    both.boots[0].report.runs.clear();
    let said = refused(&both, &silent, &[]);
    assert!(said.contains("no metric in common"), "{said}");
}

/// Boots of which the first so many failed, or ended so.
fn failing(of: usize, seeded: bool, bad: usize, exit: Exit) -> Side {
    let mut side = side("x", &vec![1000; of], seeded);
    for sample in &mut side.boots[..bad] {
        sample.meta.exit_code = exit;
        sample.report.outcome = Outcome::Panic;
    }
    side
}

#[test]
fn failures_are_compared_as_shares() {
    let rate = asked(&["rate"]);
    let answer = |seeded, a: [usize; 2], b: [usize; 2], exit: Exit| {
        let side = |[bad, of]: [usize; 2]| failing(of, seeded, bad, exit);
        compare(&side(a), &side(b), &rate).unwrap()
    };
    let worse = answer(false, [0, 10], [10, 10], Exit::Bad);
    assert_eq!(said(&worse), (1, Verdict::Worse));
    let why = "B: 10 of 10 boots were not good; x1: panic: ";
    assert!(worse.reason.contains(why), "{}", worse.reason);
    let skipped = answer(false, [0, 10], [10, 10], Exit::CannotTell);
    assert_eq!(skipped.exit_code.code(), 125);
    for (seeded, a, b, verdict, exit) in [
        // A has no figure to compare with, however much better B is.
        (false, [10, 10], [0, 10], Verdict::Better, 125),
        // A busy host may do that; or the kernel.
        (false, [0, 10], [1, 10], Verdict::Unknown, 125),
        (false, [1, 10], [0, 10], Verdict::Same, 0),
        // But not so often, and not on one side.
        (false, [0, 10], [6, 10], Verdict::Worse, 1),
        (false, [5, 10], [6, 10], Verdict::Unknown, 125),
        // More of them, of more boots.
        (false, [9, 10], [12, 40], Verdict::Better, 125),
        (false, [4, 20], [4, 5], Verdict::Worse, 1),
        (false, [0, 20], [2, 3], Verdict::Worse, 1),
        // None at all is an accident on a deterministic machine.
        (true, [0, 10], [1, 10], Verdict::Worse, 1),
        (true, [1, 10], [1, 10], Verdict::Same, 0),
        (true, [1, 10], [0, 10], Verdict::Better, 0),
    ] {
        let found = answer(seeded, a, b, Exit::Bad);
        let case = (seeded, a, b);
        assert_eq!(said(&found), (exit, verdict), "{case:?}: {}", found.reason);
        assert!(found.warnings.iter().any(|w| w.contains("not good")));
        assert_eq!(found.rows[0].metric, "failed");
    }
    // What says nothing counts on neither side.
    let (a, b) = (
        failing(5, false, 0, Exit::Good),
        failing(9, false, 4, Exit::CannotTell),
    );
    let found = compare(&a, &b, &rate).unwrap();
    assert_eq!(said(&found), (0, Verdict::Same));
    assert_eq!(found.rows[0].metric, "rate");
}

#[test]
fn what_makes_figures_doubtful_is_warned_of() {
    let (mut a, mut b) = (side("a", &TEN, false), side("b", &TEN, false));
    a.boots[3].meta.noise = Some(Noise {
        load: 6.5,
        others: 1.8,
        steal: 0.0,
    });
    b.boots[0].report.hello.as_mut().unwrap().cpus = 4;
    b.boots[1].report.runs[0].groups[0].workers[0].iterations = 2000;
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
    a.boots[0].meta.noise = Some(Noise {
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

/// Half of all samples are short and half are long, or one more is.
#[test]
fn a_median_between_two_groups_is_not_judged() {
    let of = |short: u64| {
        let mut side = side("k", &FLAT[..3], true);
        for boot in &mut side.boots {
            boot.report.digest = Some(short.to_string());
            let group = &mut boot.report.runs[0].groups[0];
            let hist = group.hist.get_mut("wake").unwrap();
            (hist.count, hist.min_ns, hist.max_ns) = (100, 6000, 14_100);
            hist.buckets = vec![(6016, short), (14_080, 100 - short)];
        }
        side
    };
    let (a, b) = (of(52), of(48));
    let found = compare(&a, &b, &asked(&[])).unwrap();
    assert_eq!(found.verdict, Verdict::Same, "{}", found.reason);
    let said = "PipeIo wake.p50 is not judged: it lies between two groups of \
                samples, 13";
    let told = found.warnings.iter().any(|it| it.starts_with(said));
    assert!(told, "{:?}", found.warnings);
    let asked_for = compare(&a, &b, &asked(&["wake.p50"])).unwrap();
    assert_eq!(asked_for.verdict, Verdict::Worse);
    let apart = compare(&of(70), &of(30), &asked(&[])).unwrap();
    assert_eq!(apart.verdict, Verdict::Worse, "{}", apart.reason);
}

#[test]
fn a_table_for_people_and_fields_for_programs() {
    let (a, b) = (side("old", &TEN, false), side("new", &TEN, false));
    let found = compare(&a, &b, &asked(&[])).unwrap();
    let short = table::render(&found, false, 80);
    for part in [
        "A: old, 10 boots",
        "on not known\n",
        "  rate ",
        "more metrics with --all",
        "    124 more boots would probably decide",
    ] {
        assert!(short.contains(part), "{part} in {short}");
    }
    assert!(!short.contains("kernel.ctxt") && !short.contains("over boots"));
    let wide = table::render(&found, true, 120);
    assert!(wide.contains("kernel.ctxt") && wide.contains("over boots"));
    let mail = table::render(&found, false, 72);
    for (text, columns) in [(mail, 72), (short, 80), (wide, 120)] {
        let text = unpainted(&text);
        let long = text.lines().find(|it| it.chars().count() > columns);
        assert_eq!(long, None, "{text}");
    }
    let json = serde_json::to_value(&found).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let rate = rows.iter().find(|row| row["metric"] == "rate").unwrap();
    assert_eq!(rate["better"], "higher");
    assert_eq!(rate["a"], 1003.0);
    assert_eq!(rate["verdict"], "unknown");
    assert!(rate["interval"]["coverage"].as_f64().unwrap() > 0.95);
    assert_eq!(json["verdict"], "unknown");
    assert_eq!(json["exit_code"], 125);
}

/// So many boots of a kernel whose runs have these rates.
fn runs_of(rates: &[u64], boots: usize) -> Side {
    let mut side = side("k", &FLAT[..boots], true);
    for boot in &mut side.boots {
        let runs = &mut boot.report.runs;
        let first = runs[0].clone();
        *runs = rates.iter().map(|_| first.clone()).collect();
        for (run, (rate, n)) in runs.iter_mut().zip(rates.iter().zip(0..)) {
            run.name = format!("run{n}");
            run.groups[0].workers[0].iterations = *rate;
        }
        boot.report.digest = Some(format!("{rates:?}"));
    }
    side
}

/// What is said of runs that were all at a rate of 1000.
fn told(rates: &[u64], boots: usize, metric: &str) -> String {
    let a = runs_of(&FLAT[..rates.len()], boots);
    let b = runs_of(rates, boots);
    let found = compare(&a, &b, &asked(&[metric])).unwrap();
    found.answer.replace("A → B, both k: ", "")
}

/// A metric may be one thing or many, and so may what is counted.
#[test]
fn the_answer_is_english_whatever_it_is_of() {
    for (metric, rate, says) in [
        ("rate", 917, "run0 is 8.3 % slower, exact"),
        ("rate", 1500, "run0 is 1.50 × faster, exact"),
        (
            "iterations",
            917,
            "run0 is worse: iterations 8.3 % lower, exact",
        ),
        (
            "iterations",
            2000,
            "run0 is better: iterations 2.00 × higher, exact",
        ),
        (
            "cpu/iterations",
            500,
            "run0 is worse: cpu/iterations 2.00 × longer, exact",
        ),
        (
            "cpu/iterations",
            1050,
            "run0 is better: cpu/iterations 4.8 % shorter, exact",
        ),
    ] {
        assert_eq!(told(&[rate], 10, metric), says);
    }
    for (rates, says) in [
        (
            &[500, 1000][..],
            "run0 is 2.00 × slower, exact; 1 other run is the same",
        ),
        (
            &[500, 1000, 1000],
            "run0 is 2.00 × slower, exact; 2 other runs are the same",
        ),
        (
            &[500, 600],
            "run0 is 2.00 × slower, exact; 1 more is slower",
        ),
        (
            &[500, 600, 600, 1000],
            "run0 is 2.00 × slower, exact; 2 more are slower, 1 the same",
        ),
    ] {
        assert_eq!(told(rates, 10, "rate"), says);
    }
    for (rates, says) in [
        (&[1001][..], "run0 is undecided; "),
        (
            &[1001, 1500],
            "run1 is 1.50 × faster, exact; 1 other run is unde",
        ),
        (&[1001, 1001], "2 runs are undecided; "),
        (
            &[1001, 1001, 900],
            "run2 is 1.11 × slower, exact; 2 other runs are",
        ),
    ] {
        let said = told(rates, 1, "rate");
        assert!(said.starts_with(says), "{said}");
    }
}
