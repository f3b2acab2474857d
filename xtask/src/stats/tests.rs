//! Known values, and what must hold for any figures.

use super::{
    ALPHA, Found, Interval, corrected, difference, median, more_runs,
    paired_difference, paired_test, quantile, rank_test,
};
use proptest::prelude::{
    Strategy, prop, prop_assert, prop_assert_eq, proptest,
};

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 5e-4, "{found} for {expected}");
}

#[test]
fn middles() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0]), Some(3.0));
    assert_eq!(median(&[9.0, 1.0, 4.0]), Some(4.0));
    assert_eq!(median(&[9.0, 1.0, 4.0, 5.0]), Some(4.5));
    assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.25), Some(1.5));
    assert_eq!(quantile(&[1.0, 2.0, 3.0], 1.0), Some(3.0));
}

#[test]
fn the_rank_test_of_the_books() {
    near(rank_test(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), 0.1);
    let (low, high) = ([1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]);
    near(rank_test(&low, &high), 2.0 / 252.0);
    assert_eq!(rank_test(&[1.0; 5], &[1.0; 5]), 1.0);
    assert_eq!(rank_test(&[], &[1.0]), 1.0);
    // Mann and Whitney's table: of 10 and 10, U = 23 is the largest below
    // 0.05. The first nine values have 15 of it, the last one the rest.
    let b: Vec<f64> = (0..10).map(|n| f64::from(n) * 10.0 + 39.0).collect();
    let with_last = |last: f64| {
        let mut a: Vec<f64> = (0..10).map(|n| f64::from(n) * 10.0).collect();
        a[9] = last;
        rank_test(&a, &b)
    };
    near(with_last(111.0), 0.0433);
    near(with_last(121.0), 0.0524);
}

#[test]
fn many_samples_are_tested_by_approximation() {
    let a: Vec<f64> = (0..12).map(|n| f64::from(n) * 10.0).collect();
    let b: Vec<f64> = a.iter().map(|v| v + 31.0).collect();
    let exact = rank_test(&a, &b);
    let more = [a.clone(), vec![55.5]].concat();
    let approximate = rank_test(&more, &b);
    assert!((exact - approximate).abs() < 0.03, "{exact} {approximate}");
    // Nothing but ties.
    assert_eq!(rank_test(&[1.0; 20], &[1.0; 20]), 1.0);
}

/// Wilcoxon's limits: of 8 pairs, ranks of 3 on one side are the most below
/// 0.05; all on one side is 2 of 256.
#[test]
fn the_signed_rank_test_of_the_books() {
    let one_side: Vec<f64> = (1..=8).map(f64::from).collect();
    near(paired_test(&one_side), 2.0 / 256.0);
    let flip = |ranks: &[usize]| {
        let mut d = one_side.clone();
        ranks.iter().for_each(|&rank| d[rank - 1] *= -1.0);
        paired_test(&d)
    };
    assert!(flip(&[3]) < ALPHA && flip(&[4]) > ALPHA);
    near(flip(&[1, 2]), 10.0 / 256.0);
    assert_eq!(paired_test(&[0.0, 0.0]), 1.0);
    assert_eq!(paired_test(&[]), 1.0);
    let many: Vec<f64> = (1..=60).map(|n| f64::from(n) - 20.5).collect();
    assert!(paired_test(&many) < 0.01);
}

#[test]
fn the_correction_of_holm() {
    let holm = corrected(&[0.01, 0.04, 0.03, 0.005]);
    for (found, expected) in holm.iter().zip([0.03, 0.06, 0.06, 0.02]) {
        near(*found, expected);
    }
    assert!(corrected(&[]).is_empty());
}

#[test]
fn a_difference_has_an_interval_and_the_same_one_again() {
    let a = [100.0, 101.0, 99.0, 100.5, 99.5, 100.2];
    let b = a.map(|v| v + 10.0);
    let once = difference(&a, &b).unwrap();
    assert!(once.low > 8.5 && once.high < 11.5, "{once:?}");
    assert_eq!(difference(&a, &b), Some(once));
    assert!(difference(&a, &a).unwrap().holds_zero());
    assert_eq!(difference(&a[..1], &b), None);
    assert_eq!(paired_difference(&[1.0]), None);
    let sure = paired_difference(&[1.0, 1.0, 1.0]).unwrap();
    assert_eq!((sure.low, sure.high), (1.0, 1.0));
}

#[test]
fn how_many_more() {
    let found = Found {
        runs: 5,
        difference: 2.0,
        interval: Some(Interval {
            low: -1.0,
            high: 5.0,
        }),
        margin: 0.5,
        metrics: 1,
        paired: false,
    };
    // Three half widths of 2 are 6 wide; 1.43 of them must fit into 2.
    let more = more_runs(&found).unwrap();
    assert_eq!(more, 18);
    // Of one run nothing is known but what the test needs: 2 of 70 ways.
    let few = Found {
        runs: 1,
        interval: None,
        ..found
    };
    assert_eq!(more_runs(&few), Some(3));
    let pairs = Found {
        paired: true,
        ..few
    };
    assert_eq!(more_runs(&pairs), Some(5));
    // A hundred metrics at once take more.
    let many = Found {
        metrics: 100,
        ..few
    };
    assert_eq!(more_runs(&many), Some(7));
    let hopeless = Found {
        difference: 0.499,
        ..found
    };
    assert_eq!(more_runs(&hopeless), None);
}

/// Values with ties among them.
fn values(most: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0_i32..12).prop_map(f64::from), 1..most)
}

/// The share of all choices of `a.len()` values whose ranks are as uneven.
fn by_brute_force(a: &[f64], b: &[f64]) -> f64 {
    let all = [a, b].concat();
    // Twice how often the chosen lose against the rest, less the mean.
    let uneven = |chosen: u32| {
        let is = |at: usize| chosen >> at & 1 == 1;
        let mut won = 0_i64;
        for x in (0..all.len()).filter(|&at| is(at)) {
            for y in (0..all.len()).filter(|&at| !is(at)) {
                won += match all[x].total_cmp(&all[y]) {
                    core::cmp::Ordering::Less => -1,
                    core::cmp::Ordering::Equal => 0,
                    core::cmp::Ordering::Greater => 1,
                };
            }
        }
        won.abs()
    };
    let size = u32::try_from(a.len()).unwrap();
    let observed = uneven((1 << size) - 1);
    let choices = (0..1_u32 << all.len()).filter(|c| c.count_ones() == size);
    let (mut ways, mut like) = (0.0, 0.0);
    for choice in choices {
        ways += 1.0;
        like += f64::from(uneven(choice) >= observed);
    }
    like / ways
}

proptest! {
    #[test]
    fn a_middle_is_between_the_ends(values in values(30)) {
        let middle = median(&values).unwrap();
        let below = values.iter().filter(|v| **v <= middle).count();
        let above = values.iter().filter(|v| **v >= middle).count();
        prop_assert!(2 * below >= values.len());
        prop_assert!(2 * above >= values.len());
        prop_assert_eq!(quantile(&values, 0.5), Some(middle));
    }

    #[test]
    fn every_arrangement_is_counted(a in values(6), b in values(6)) {
        let (fast, slow) = (rank_test(&a, &b), by_brute_force(&a, &b));
        prop_assert!((fast - slow).abs() < 1e-9, "{} {}", fast, slow);
    }

    #[test]
    fn sides_and_scales_do_not_matter(a in values(30), b in values(30)) {
        let p = rank_test(&a, &b);
        prop_assert!(p > 0.0 && p <= 1.0);
        prop_assert!((p - rank_test(&b, &a)).abs() < 1e-9);
        let scaled = |v: &[f64]| v.iter().map(|x| x.exp()).collect::<Vec<_>>();
        prop_assert!((p - rank_test(&scaled(&a), &scaled(&b))).abs() < 1e-9);
    }

    #[test]
    fn pairs_may_be_turned_round(a in values(20)) {
        let centred: Vec<f64> = a.iter().map(|v| v - 5.0).collect();
        let turned: Vec<f64> = centred.iter().map(|v| -v).collect();
        let p = paired_test(&centred);
        prop_assert!(p > 0.0 && p <= 1.0);
        prop_assert!((p - paired_test(&turned)).abs() < 1e-9);
    }

    #[test]
    fn a_correction_keeps_the_order(a in values(20)) {
        let p: Vec<f64> = a.iter().map(|v| v / 12.0).collect();
        let held = corrected(&p);
        for (x, cx) in p.iter().zip(&held) {
            prop_assert!(*cx >= *x && *cx <= 1.0);
            for (y, cy) in p.iter().zip(&held) {
                prop_assert!(x > y || cx <= cy);
            }
        }
    }

    #[test]
    fn an_interval_is_among_what_can_be(a in values(12), b in values(12)) {
        if let Some(Interval { low, high }) = difference(&a, &b) {
            let ends = |v: &[f64]| {
                let least = v.iter().copied().fold(f64::MAX, f64::min);
                (least, v.iter().copied().fold(f64::MIN, f64::max))
            };
            let ((a0, a1), (b0, b1)) = (ends(&a), ends(&b));
            prop_assert!(low <= high && low >= b0 - a1 && high <= b1 - a0);
        }
    }
}
