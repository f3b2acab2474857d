//! Known answers, and what must hold for any samples.

use super::page::{Kind, TIMES, covered, page_of, question};
use super::{
    ALPHA, Evidence, Failed, Question, Samples, Verdict, ends, level, median,
    weigh, weigh_one,
};
use crate::metrics::Better;
use proptest::prelude::{
    Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use std::fs;

fn boots(a: &[f64], b: &[f64]) -> Evidence {
    let (a, b) = (a.to_vec(), b.to_vec());
    weigh_one(&question(Samples::Boots { a, b }), 1)
}

fn seeds(pairs: &[(f64, f64)], steady: Option<f64>) -> Evidence {
    let pairs = pairs.to_vec();
    weigh_one(&question(Samples::Seeds { pairs, steady }), 1)
}

fn failures(a: [u64; 2], b: [u64; 2]) -> Evidence {
    let side = |[failed, of]: [u64; 2]| Failed { failed, of };
    let (a, b) = (side(a), side(b));
    weigh_one(&question(Samples::Failures { a, b }), 1)
}

fn times(values: &[f64], factor: f64) -> Vec<f64> {
    values.iter().map(|value| value * factor).collect()
}

const TEN: [f64; 10] = [
    100.0, 101.0, 99.0, 100.5, 102.0, 98.0, 100.1, 101.1, 99.1, 100.6,
];

#[test]
fn a_verdict_says_where_the_interval_lies() {
    let is = |factor: f64| boots(&TEN, &times(&TEN, factor)).verdict;
    assert_eq!(is(1.06), Verdict::Worse);
    assert_eq!(is(0.94), Verdict::Better);
    assert_eq!(is(1.01), Verdict::Unknown);
    let found = boots(&TEN, &times(&TEN, 1.06));
    assert!((found.estimate.unwrap() - 0.06).abs() < 0.005, "{found:?}");
    let interval = found.interval.unwrap();
    assert!(interval.low > 0.04 && interval.high < 0.08, "{found:?}");
    assert!(interval.coverage.unwrap() >= 1.0 - level(1));
    let ask = |better, margin, factor: f64| {
        let (a, b) = (TEN.to_vec(), times(&TEN, factor));
        let samples = Samples::Boots { a, b };
        let question = Question {
            samples,
            better,
            margin,
        };
        weigh_one(&question, 1).verdict
    };
    assert_eq!(ask(Better::Higher, 0.005, 1.06), Verdict::Better);
    assert_eq!(ask(Better::Neither, 0.005, 1.06), Verdict::Differs);
    assert_eq!(ask(Better::Lower, 0.1, 1.06), Verdict::Same);
    // Surely not slower by 5 %, faster by that or not.
    assert_eq!(ask(Better::Lower, 0.05, 0.95), Verdict::NoWorse);
    assert_eq!(ask(Better::Higher, 0.05, 0.95), Verdict::Unknown);
    assert_eq!(ask(Better::Neither, 0.05, 0.95), Verdict::Unknown);
    // No figure can fall by all of itself.
    assert_eq!(ask(Better::Higher, 2.0, 0.01), Verdict::Same);
}

#[test]
fn a_wide_interval_decides_nothing() {
    let a = [100.0, 210.0, 60.0, 150.0, 95.0];
    let b = [70.0, 65.0, 140.0, 30.0, 60.0];
    let found = boots(&a, &b);
    assert!(found.estimate.unwrap() < -0.3, "{found:?}");
    assert_eq!(found.verdict, Verdict::Unknown);
    assert!(found.more.unwrap() > 3, "{found:?}");
}

#[test]
fn so_few_samples_have_the_coverage_that_they_have() {
    let of = |n: usize| boots(&TEN[..n], &times(&TEN[..n], 2.0));
    for (n, coverage, verdict) in [
        (2, Some(2.0 / 3.0), Verdict::Unknown),
        (3, Some(0.9), Verdict::Unknown),
        (4, Some(1.0 - 2.0 / 70.0), Verdict::Worse),
    ] {
        let found = of(n);
        let stated = found.interval.and_then(|i| i.coverage);
        assert!(
            stated.is_some_and(|c| (c - coverage.unwrap()).abs() < 1e-9),
            "{n}: {found:?}"
        );
        assert_eq!(found.verdict, verdict, "{n}: {found:?}");
    }
    let one = of(1);
    assert_eq!((one.interval, one.more), (None, Some(4)));
    // So unequal sides can decide as well.
    let mut all = TEN.to_vec();
    all.extend(times(&TEN, 1.001));
    let found = boots(&all, &times(&TEN[..3], 2.0));
    assert_eq!(found.verdict, Verdict::Worse);
    assert!((found.p - 2.0 / 1771.0).abs() < 1e-9, "{found:?}");
}

#[test]
fn seeds_decide_by_ranks_or_by_what_is_known_of_them() {
    let pairs = |n: usize, factor: f64| -> Vec<(f64, f64)> {
        TEN[..n].iter().map(|&a| (a, a * factor)).collect()
    };
    assert_eq!(seeds(&pairs(5, 2.0), None).verdict, Verdict::Unknown);
    assert_eq!(seeds(&pairs(5, 2.0), None).more, Some(3));
    assert_eq!(seeds(&pairs(6, 2.0), None).verdict, Verdict::Worse);
    // One is enough beyond what seeds ever did, and the margin.
    let one = |factor| seeds(&pairs(1, factor), Some(0.015));
    assert_eq!(one(1.021).verdict, Verdict::Worse);
    assert_eq!(one(0.975).verdict, Verdict::Better);
    assert_eq!(one(1.0).verdict, Verdict::Unknown);
    assert_eq!(one(1.0).more, Some(2));
    let interval = one(1.0).interval.unwrap();
    assert_eq!(interval.coverage, None);
    assert!((interval.high - 0.015).abs() < 1e-9, "{interval:?}");
    // Three tell more.
    let three = |factor: f64| {
        let pairs = [(1000.0, 1000.0), (1001.0, 1000.5), (1002.0, 1002.3)];
        let pairs = pairs.map(|(a, b)| (a, b * factor));
        seeds(&pairs, Some(0.015))
    };
    assert_eq!(three(1.0).verdict, Verdict::Same);
    assert_eq!(three(1.01).verdict, Verdict::Worse);
    // What moves by more than was ever seen is not what it was.
    let wild = [(1000.0, 1000.0), (1000.0, 1030.0), (1000.0, 1001.0)];
    let found = seeds(&wild, Some(0.015));
    assert_eq!(found.verdict, Verdict::Unknown);
    assert_eq!(found.interval.unwrap().coverage, Some(0.75));
}

/// A failed 9 of 10 and B 12 of 40; 4 of 20 and 4 of 5; and so on.
#[test]
fn failures_are_compared_as_shares() {
    for (a, b, verdict) in [
        ([9, 10], [12, 40], Verdict::Better),
        ([4, 20], [4, 5], Verdict::Worse),
        ([0, 20], [2, 3], Verdict::Worse),
        ([0, 10], [1, 10], Verdict::Unknown),
        ([5, 10], [6, 10], Verdict::Unknown),
        ([0, 10], [6, 10], Verdict::Worse),
        ([6, 10], [0, 10], Verdict::Better),
        // B never fails.
        ([1, 10], [0, 10], Verdict::Same),
        ([0, 5], [0, 5], Verdict::Same),
        // So few say nothing, though it is always against never.
        ([0, 3], [3, 3], Verdict::Unknown),
        ([0, 4], [4, 4], Verdict::Worse),
        ([0, 0], [1, 1], Verdict::Unknown),
        ([1, 1], [0, 0], Verdict::Unknown),
    ] {
        let found = failures(a, b);
        assert_eq!(found.verdict, verdict, "{a:?} {b:?}: {found:?}");
    }
    assert_eq!(failures([9, 10], [12, 40]).estimate, Some(0.3 - 0.9));
    assert!((failures([4, 20], [4, 5]).p - 0.0235).abs() < 1e-4);
    let more = failures([0, 10], [2, 10]).more.unwrap();
    assert!((5..40).contains(&more), "{more}");
    let seeds = |only_a, only_b| {
        let samples = Samples::FailedSeeds { only_a, only_b };
        weigh_one(&question(samples), 1).verdict
    };
    assert_eq!(seeds(0, 1), Verdict::Worse);
    assert_eq!(seeds(1, 0), Verdict::Better);
    assert_eq!(seeds(1, 1), Verdict::Unknown);
    assert_eq!(seeds(1, 9), Verdict::Worse);
    assert_eq!(seeds(0, 0), Verdict::Same);
}

#[test]
fn a_family_is_corrected_and_what_cannot_count_is_left_out() {
    let (a, b) = (TEN[..5].to_vec(), times(&TEN[..5], 2.0));
    let slow = question(Samples::Boots { a, b });
    let verdicts = |n: usize| {
        let all = weigh(&vec![slow.clone(); n], 1);
        assert!(all.iter().all(|one| one.verdict == all[0].verdict));
        all[0].verdict
    };
    // 2 of 252 ways; four times that is 3.2 %, five times 4.0 %.
    assert_eq!(verdicts(4), Verdict::Worse);
    assert_eq!(verdicts(5), Verdict::Unknown);
    let (a, b) = (vec![1.0], vec![2.0]);
    let one = question(Samples::Boots { a, b });
    let mut all = vec![one; 30];
    all.push(slow);
    let found = weigh(&all, 1);
    assert_eq!(found[30].verdict, Verdict::Worse);
    assert_eq!(found[0].verdict, Verdict::Unknown);
    // Holm: one that is sure lets the next one count as one of one less.
    let p = [0.01, 0.04, 0.03, 0.005];
    let (holm, tested) = super::family::corrected(&p, &[0.0; 4], level(1));
    for (found, expected) in holm.iter().zip([0.03, 0.06, 0.06, 0.02]) {
        assert!((found - expected).abs() < 1e-9, "{holm:?}");
    }
    assert_eq!(tested, 4);
    assert!(weigh(&[], 1).is_empty());
}

#[test]
fn all_looks_together_spend_what_is_stated() {
    let all: f64 = (1..50).map(level).sum();
    assert!(all < ALPHA + 1e-9 && all > ALPHA - 1e-9, "{all}");
    let (a, b) = (TEN[..5].to_vec(), times(&TEN[..5], 2.0));
    let slow = question(Samples::Boots { a, b });
    let at = |look| weigh_one(&slow, look);
    assert_eq!(at(1).verdict, Verdict::Worse);
    assert_eq!(at(2).verdict, Verdict::Worse);
    assert_eq!(at(3).verdict, Verdict::Unknown);
    assert!(at(1).p_corrected < ALPHA && at(3).p_corrected > ALPHA);
}

#[test]
fn nothing_and_crashes_are_no_division_by_zero() {
    let crash = f64::INFINITY;
    let zeros = [0.0; 5];
    let found = boots(&zeros, &zeros);
    assert_eq!((found.verdict, found.estimate), (Verdict::Same, Some(0.0)));
    let found = boots(&zeros, &TEN);
    assert_eq!((found.verdict, found.estimate), (Verdict::Worse, None));
    let found = boots(&TEN, &[crash; 10]);
    assert_eq!((found.verdict, found.estimate), (Verdict::Worse, None));
    let mixed = [0.0, 0.0, 1.0, 0.0, 2.0];
    assert_eq!(boots(&mixed, &mixed).verdict, Verdict::Unknown);
    let equal = [(0.0, 0.0), (5.0, 5.0)];
    assert_eq!(seeds(&equal, None).verdict, Verdict::Unknown);
    assert_eq!(seeds(&[(0.0, 3.0); 6], None).verdict, Verdict::Worse);
    assert_eq!(boots(&[], &TEN), boots(&TEN, &[]));
    assert_eq!(boots(&[], &TEN).verdict, Verdict::Unknown);
    assert_eq!(boots(&[f64::NAN], &TEN).verdict, Verdict::Unknown);
}

#[test]
fn middles_and_ends() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[9.0, 1.0, 4.0]), Some(4.0));
    assert_eq!(median(&[9.0, 1.0, 4.0, 5.0]), Some(4.5));
    assert_eq!(median(&[f64::INFINITY; 2]), Some(f64::INFINITY));
    assert_eq!(ends(&[9.0, 1.0, 4.0]), Some((1.0, 9.0)));
}

/// The share that is stated for each number of samples is the share of
/// intervals that cover, of figures of any shape; and `docs/evidence.md` shows
/// what is found here.
#[test]
fn intervals_cover_as_often_as_they_say_and_the_page_shows_it() {
    let all = covered(TIMES);
    for one in &all {
        let Some(stated) = one.stated else {
            assert!(one.kind == Kind::Steady && one.n < 3, "{one:?}");
            assert_eq!(one.held, 1.0, "{one:?}");
            continue;
        };
        // One in 10,000 is as far off by chance.
        let off = stated * (1.0 - stated) / TIMES as f64;
        let off = 3.9 * off.sqrt();
        assert!(one.held >= stated - off, "{one:?}");
        // What ranks state is not only reached but true.
        assert!(
            one.kind == Kind::Steady || one.held <= stated + off,
            "{one:?}"
        );
    }
    assert_eq!(all.len(), 19 * 9);
    let docs = crate::build::workspace().join("docs/evidence.md");
    let page = page_of(&all, TIMES);
    if std::env::var_os("PIDONE_OVERWRITE").is_some() {
        fs::write(&docs, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(&docs).unwrap(), page);
}

/// Figures with ties, zeros and crashes among them.
fn figures() -> impl Strategy<Value = Vec<f64>> {
    let one = prop_oneof![
        8 => (0_i32..12).prop_map(f64::from),
        1 => Just(f64::INFINITY),
        1 => Just(0.0),
    ];
    prop::collection::vec(one, 0..12)
}

fn sound(found: &Evidence) -> bool {
    let numbers = [found.p, found.p_corrected];
    let interval = found.interval.is_none_or(|interval| {
        interval.low <= interval.high
            && interval.low.is_finite()
            && interval.high.is_finite()
            && interval.coverage.is_none_or(|c| (0.5..=1.0).contains(&c))
    });
    numbers.iter().all(|p| (0.0..=1.0).contains(p))
        && found.estimate.is_none_or(f64::is_finite)
        && interval
}

proptest! {
    #[test]
    fn no_figures_make_a_nonsense(a in figures(), b in figures()) {
        let found = boots(&a, &b);
        prop_assert!(sound(&found), "{found:?}");
        let pairs: Vec<_> = a.iter().copied().zip(b).collect();
        for steady in [None, Some(0.03)] {
            let found = seeds(&pairs, steady);
            prop_assert!(sound(&found), "{found:?}");
        }
    }

    /// Who is A and who B, in what unit, and in which order they were booted
    /// does not matter.
    #[test]
    fn sides_units_and_order_do_not_matter(a in figures(), b in figures()) {
        let found = boots(&a, &b);
        let scaled = boots(&times(&a, 8.0), &times(&b, 8.0));
        prop_assert_eq!(found.verdict, scaled.verdict);
        prop_assert_eq!(found.p, scaled.p);
        let turned = |v: &[f64]| v.iter().rev().copied().collect::<Vec<_>>();
        prop_assert_eq!(found, boots(&turned(&a), &turned(&b)));
        let other = |better| {
            let (a, b) = (b.clone(), a.clone());
            let samples = Samples::Boots { a, b };
            let margin = 0.0;
            let question = Question { samples, better, margin };
            weigh_one(&question, 1).verdict
        };
        let (a, b) = (a.clone(), b.clone());
        let samples = Samples::Boots { a, b };
        let better = Better::Lower;
        let straight = Question { samples, better, margin: 0.0 };
        let straight = weigh_one(&straight, 1).verdict;
        prop_assert_eq!(straight, other(Better::Higher));
    }

    #[test]
    fn shares_are_sound(
        (a, b) in (0_u64..12, 0_u64..12),
        (m, n) in (0_u64..12, 0_u64..12),
    ) {
        let found = failures([a.min(m), m], [b.min(n), n]);
        prop_assert!(sound(&found), "{found:?}");
    }
}
