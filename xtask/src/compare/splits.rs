//! How often a difference is found that cannot be there.

use super::{Asked, Sample, Side, Verdict, compare};
use anyhow::{Result, bail};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use std::collections::BTreeMap;

/// What comparing a kernel with itself finds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Splits {
    /// How often it was tried.
    pub splits: usize,
    /// Boots on each side.
    pub sizes: [usize; 2],
    /// How often any judged metric was not the same or undecided.
    pub found: usize,
    /// How often each was, if ever.
    #[serde(skip)]
    pub by_metric: BTreeMap<(String, String), usize>,
}

/// Compares one half of the boots with the other, split at random, again and
/// again: all that is found is false. Seeds are taken to be others on each
/// side, or there would be no difference at all.
///
/// # Errors
///
/// As those of [`compare`]; or there are less than two boots.
pub fn splits(
    samples: &[Sample],
    asked: &Asked,
    times: usize,
) -> Result<Splits> {
    if samples.len() < 2 {
        bail!("one boot cannot be split");
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut order: Vec<usize> = (0..samples.len()).collect();
    let half = samples.len() / 2;
    let mut all = Splits {
        splits: times,
        sizes: [half, samples.len() - half],
        ..Splits::default()
    };
    for _ in 0..times {
        for at in 1..order.len() {
            let wide = u128::from(random.next_u64()) * (at as u128 + 1);
            // At most `at`, since the number is less than 2^64.
            let with = usize::try_from(wide >> 64)?;
            order.swap(at, with);
        }
        let side = |of: &[usize]| Side {
            name: String::new(),
            samples: of
                .iter()
                .zip(0..)
                .map(|(&at, seed)| Sample {
                    seed: samples[at].seed.map(|_| seed),
                    ..samples[at].clone()
                })
                .collect(),
        };
        let (a, b) = order.split_at(half);
        let compared = compare(&side(a), &side(b), asked)?;
        let differ = compared.rows.iter().filter(|row| {
            let none = [Verdict::Same, Verdict::Undecided];
            row.judged && !none.contains(&row.verdict)
        });
        let mut any = false;
        for row in differ {
            any = true;
            let key = (row.run.clone(), row.metric.clone());
            *all.by_metric.entry(key).or_default() += 1;
        }
        all.found += usize::from(any);
    }
    Ok(all)
}
