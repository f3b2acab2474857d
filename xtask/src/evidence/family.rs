//! Several questions at once, several looks at one, and how many boots more.

use super::{Failed, Question, Samples, Shown, band};
use crate::evidence::ranks::Null;
use statrs::distribution::{ContinuousCDF, Normal};

/// How often at most a family of questions may name a difference that does not
/// count, all looks at it together.
pub const ALPHA: f64 = 0.05;
/// Each look spends this share of what is left of [`ALPHA`].
const SPENT: f64 = 2.0 / 3.0;
/// How likely it is to be that as many boots as are asked for decide.
const POWER: f64 = 0.8;
/// More boots than this are not worth asking for.
pub const MOST_BOOTS: usize = 1000;
/// What ranks tell of normal figures, beside means: 3 / pi.
const EFFICIENCY: f64 = 0.955;

/// How often a look may be wrong: 3.3 % the first, 1.1 % the second, and so
/// on, which is [`ALPHA`] for any number of them.
#[must_use]
pub fn level(look: u32) -> f64 {
    let before = i32::try_from(look.max(1) - 1).unwrap_or(i32::MAX);
    ALPHA * SPENT * (1.0 - SPENT).powi(before)
}

/// The correction of Holm for those questions that can be answered at all, and
/// how many they are. A question whose least possible likelihood is too large
/// to count beside so many others is left out, and likelihood 1.
pub(super) fn corrected(
    p: &[f64],
    least: &[f64],
    level: f64,
) -> (Vec<f64>, usize) {
    let possible = |of: usize| {
        let limit = level / of as f64;
        move |&at: &usize| least[at] <= limit
    };
    let all = || 0..p.len();
    let of = (1..=p.len().max(1))
        .find(|&of| all().filter(possible(of)).count() <= of)
        .unwrap_or(1);
    let mut order: Vec<usize> = all().filter(possible(of)).collect();
    order.sort_by(|&x, &y| p[x].total_cmp(&p[y]));
    let mut corrected = vec![1.0; p.len()];
    let mut so_far: f64 = 0.0;
    for (done, &at) in order.iter().enumerate() {
        let left = (order.len() - done) as f64;
        so_far = so_far.max(p[at] * left).min(1.0);
        corrected[at] = so_far;
    }
    (corrected, order.len())
}

/// How many more boots of each side, or seeds, would probably decide at the
/// next look, if what was seen so far is typical. `None` if more than
/// [`MOST_BOOTS`] would not.
pub(super) fn more(
    question: &Question,
    shown: &Shown,
    look: u32,
    tested: usize,
) -> Option<usize> {
    let next = level(look + 1);
    let each = next / tested.max(1) as f64;
    if let Samples::Failures { a, b } = question.samples {
        return more_failures(a, b, each);
    }
    // No outcome of fewer says anything.
    let possible = |more: usize| match &question.samples {
        Samples::Boots { a, b } => {
            let sizes = [a.len() + more, b.len() + more];
            2.0 * least_of_boots(sizes) <= each
        }
        Samples::Seeds {
            pairs,
            steady: None,
        } => 2.0 * 0.5_f64.powf((pairs.len() + more) as f64) <= each,
        Samples::Seeds { pairs, .. } => {
            pairs.len() + more >= super::LEAST_SEEDS
        }
        _ => false,
    };
    let least = (1..MOST_BOOTS).find(|&more| possible(more))?;
    let boots = shown.boots as f64;
    let needed = shown.deviation.zip(shown.estimate).map(|(deviation, at)| {
        let (low, high) = band(question.margin);
        let normal = Normal::standard();
        let power = normal.inverse_cdf(POWER);
        let within = (high - at).min(at - low);
        // Beyond the margin only what is corrected for others counts.
        let level = if within < 0.0 { each } else { next };
        let sure = normal.inverse_cdf(1.0 - level / 2.0) + power;
        let sides = match question.samples {
            Samples::Boots { .. } => 2.0,
            _ => 1.0,
        };
        let spread = sides * deviation.powi(2) / EFFICIENCY;
        spread * (sure / within).powi(2)
    });
    let more = (needed.unwrap_or(0.0) - boots).ceil().max(least as f64);
    if more.is_nan() || more >= MOST_BOOTS as f64 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and MOST_BOOTS"
    )]
    let more = more as usize;
    Some(more)
}

/// One way of so many is the most uneven one.
fn least_of_boots([a, b]: [usize; 2]) -> f64 {
    if a * b <= 100 {
        return Null::rank_sum(a, b).at_most(0);
    }
    (1..=a.min(b))
        .fold(1.0, |least, k| least * k as f64 / (a.max(b) + k) as f64)
}

/// As many more as it takes if boots go on to fail in these shares, by the
/// normal approximation.
fn more_failures(a: Failed, b: Failed, level: f64) -> Option<usize> {
    let share = |side: Failed| side.failed as f64 / side.of as f64;
    let apart = (share(a) - share(b)).abs();
    let normal = Normal::standard();
    let sure = normal.inverse_cdf(1.0 - level) + normal.inverse_cdf(POWER);
    let all = (a.failed + b.failed) as f64 / (a.of + b.of) as f64;
    let decides = |&more: &usize| {
        let parts = [a, b].map(|side| 1.0 / (side.of as f64 + more as f64));
        let spread = all * (1.0 - all) * (parts[0] + parts[1]);
        apart > sure * spread.sqrt()
    };
    // Without a boot of one side nothing is known.
    (apart.is_finite()).then_some(1..MOST_BOOTS)?.find(decides)
}
