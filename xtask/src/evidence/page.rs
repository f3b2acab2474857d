//! How often all this is wrong, by simulated boots: what `docs/evidence.md`
//! shows. Draws come from a fixed seed, so the page is always the same.

use super::{
    End, Evidence, Failed, Question, Samples, Threshold, Verdict, level, weigh,
    weigh_one,
};
use crate::metrics::Better;
use core::f64::consts::TAU;
use core::fmt::Write;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Comparisons for each number in `docs/evidence.md`; more of them show the
/// same less roughly.
pub const TIMES: usize = 400;
/// What B's figures are of A's where intervals are to cover it.
const FACTOR: f64 = 1.07;

/// How figures of one kernel are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A bell.
    Normal,
    /// A tail on one side: an exponential distribution.
    Skewed,
    /// One of two bells, a fifth apart, as if by the placement of tasks.
    TwoHumped,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Skewed => "skewed",
            Self::TwoHumped => "two humps",
        }
    }
}

const SHAPES: [Shape; 3] = [Shape::Normal, Shape::Skewed, Shape::TwoHumped];

/// A source of figures.
struct Draw(Xoshiro256PlusPlus);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Above 0, up to 1.
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) + 1) as f64 / 2.0_f64.powi(53)
    }

    /// Around 0, with a deviation of 1.
    fn normal(&mut self) -> f64 {
        let length = (-2.0 * self.uniform().ln()).sqrt();
        length * (TAU * self.uniform()).cos()
    }

    fn figure(&mut self, shape: Shape) -> f64 {
        match shape {
            Shape::Normal => 100.0 + 5.0 * self.normal(),
            Shape::Skewed => 100.0 - 10.0 * self.uniform().ln(),
            Shape::TwoHumped => {
                let hump = if self.uniform() > 0.5 { 100.0 } else { 120.0 };
                hump + self.normal()
            }
        }
    }

    fn figures(&mut self, shape: Shape, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.figure(shape)).collect()
    }

    /// So many boots of two kernels, the second as much slower.
    fn boots(
        &mut self,
        shape: Shape,
        [a, b]: [usize; 2],
        factor: f64,
    ) -> Samples {
        let a = self.figures(shape, a);
        let mut b = self.figures(shape, b);
        b.iter_mut().for_each(|figure| *figure *= factor);
        Samples::Boots { a, b }
    }

    /// The same in pairs; figures that hardly move have a fortieth of the
    /// spread.
    fn seeds(
        &mut self,
        shape: Shape,
        n: usize,
        factor: f64,
        steady: Option<f64>,
    ) -> Samples {
        let mut one = || match steady {
            Some(_) => 100.0 + (self.figure(shape) - 100.0) / 40.0,
            None => self.figure(shape),
        };
        let pairs = (0..n).map(|_| (one(), one() * factor)).collect();
        Samples::Seeds { pairs, steady }
    }

    fn failures(&mut self, share: f64, [a, b]: [u64; 2]) -> Samples {
        let mut side = |of: u64| Failed {
            failed: (0..of).filter(|_| self.uniform() <= share).count() as u64,
            of,
        };
        let (a, b) = (side(a), side(b));
        Samples::Failures { a, b }
    }
}

pub(super) fn question(samples: Samples) -> Question {
    Question {
        samples,
        better: Better::Lower,
        margin: 0.005,
    }
}

/// Where samples come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boots,
    Seeds,
    /// Seeds that the figure hardly depends on.
    Steady,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Boots => "boots",
            Self::Seeds => "seeds",
            Self::Steady => "steady",
        }
    }
}

/// What an interval states, and how often it covered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Covered {
    pub(super) kind: Kind,
    pub(super) n: usize,
    pub(super) shape: Shape,
    /// Absent where no coverage is stated.
    pub(super) stated: Option<f64>,
    pub(super) held: f64,
}

/// Intervals of 2 to 20 samples of every kind and shape.
pub(super) fn covered(times: usize) -> Vec<Covered> {
    let mut draw = Draw::new(1);
    let mut all = Vec::new();
    for n in 2..=20 {
        for kind in [Kind::Boots, Kind::Seeds, Kind::Steady] {
            for shape in SHAPES {
                let (mut hits, mut stated) = (0, None);
                for _ in 0..times {
                    let samples = match kind {
                        Kind::Boots => draw.boots(shape, [n, n], FACTOR),
                        Kind::Seeds => draw.seeds(shape, n, FACTOR, None),
                        Kind::Steady => {
                            draw.seeds(shape, n, FACTOR, Some(STEADY))
                        }
                    };
                    let found = weigh_one(&question(samples), 1);
                    let Some(interval) = found.interval else {
                        continue;
                    };
                    stated = interval.coverage;
                    let (low, high) = (interval.low, interval.high);
                    let share = FACTOR - 1.0;
                    hits += usize::from(low <= share && share <= high);
                }
                let held = hits as f64 / times as f64;
                all.push(Covered {
                    kind,
                    n,
                    shape,
                    stated,
                    held,
                });
            }
        }
    }
    all
}

/// The whole page, from so many comparisons for each number.
#[must_use]
pub fn page(times: usize) -> String {
    page_of(&covered(times), times)
}

pub(super) fn page_of(covered: &[Covered], times: usize) -> String {
    let mut text = format!(
        "# How often a verdict is wrong\n\n\
         Printed by `cargo xtask test --simulate {times}`: simulated boots, \
         judged by what\njudges real ones, {times} comparisons for each \
         number; more of them show the same\nless roughly. \
         [compare.md](compare.md) says how a verdict comes about.\n"
    );
    // Writing to a String cannot fail.
    let _ok = coverage(&mut text, covered)
        .and_then(|()| looks(&mut text, times))
        .and_then(|()| failures(&mut text, times))
        .and_then(|()| steps(&mut text, times));
    text
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Figures that seeds move by no more than this, in the simulation.
const STEADY: f64 = 0.03;

fn coverage(text: &mut String, covered: &[Covered]) -> core::fmt::Result {
    write!(
        text,
        "\n## Intervals\n\n\
         What an interval states (in bold), and how often it covered the \
         factor between\nboth kernels ({FACTOR}), for figures that are \
         normal, skewed (exponential) and\ntwo-humped (half of them a fifth \
         slower). Boots of ordinary machines, so many on\neach side; seeds \
         of deterministic ones; and steady figures, which seeds move by\nno \
         more than {:.0} %, of which two state no coverage: the interval is \
         what is known\nof them.\n\n\
         | Samples |",
        STEADY * 100.0,
    )?;
    for of_kind in covered.chunk_by(|x, y| x.kind == y.kind).take(3) {
        write!(text, " {} |", of_kind[0].kind.name())?;
        for one in of_kind {
            write!(text, " {} |", one.shape.name())?;
        }
    }
    writeln!(text, "\n|{}", "---|".repeat(13))?;
    for of_n in covered.chunk_by(|x, y| x.n == y.n) {
        write!(text, "| {} |", of_n[0].n)?;
        for of_kind in of_n.chunk_by(|x, y| x.kind == y.kind) {
            let stated = of_kind[0].stated;
            let stated = stated.map_or_else(|| "-".to_owned(), percent);
            write!(text, " **{stated}** |")?;
            for one in of_kind {
                write!(text, " {} |", percent(one.held))?;
            }
        }
        writeln!(text)?;
    }
    Ok(())
}

/// Whether a family is found to have a difference at one of several looks.
fn false_alarm(
    draw: &mut Draw,
    shape: Shape,
    figures: usize,
    looks: &[usize],
    factor: f64,
) -> bool {
    let most = looks.last().copied().unwrap_or(0);
    let all: Vec<[Vec<f64>; 2]> = (0..figures)
        .map(|_| {
            let a = draw.figures(shape, most);
            let b = draw.figures(shape, most);
            [a, b.iter().map(|figure| figure * factor).collect()]
        })
        .collect();
    looks.iter().zip(1..).any(|(&n, look)| {
        let questions: Vec<Question> = all
            .iter()
            .map(|[a, b]| {
                let (a, b) = (a[..n].to_vec(), b[..n].to_vec());
                question(Samples::Boots { a, b })
            })
            .collect();
        let found = |one: &Evidence| {
            matches!(one.verdict, Verdict::Worse | Verdict::Better)
        };
        weigh(&questions, look).iter().any(found)
    })
}

fn looks(text: &mut String, times: usize) -> core::fmt::Result {
    let plans: [&[usize]; 4] = [&[6], &[8, 16], &[6, 12, 24], &[7, 8, 9, 10]];
    writeln!(
        text,
        "\n## Differences that are not there\n\n\
         How often any of so many figures was called worse or better, though \
         B is\nslower by no more than the margin (0.5 %), where that is most \
         likely; looked at\nso often, with so many boots a side. Stated is \
         5 % for all looks together.\n\n\
         | Figures | Boots at each look | normal | skewed | two humps |\n\
         |---|---|---|---|---|"
    )?;
    let mut draw = Draw::new(2);
    for figures in [1, 5] {
        for plan in plans {
            let shown: Vec<String> =
                plan.iter().map(ToString::to_string).collect();
            write!(text, "| {figures} | {} |", shown.join(", "))?;
            for shape in SHAPES {
                let wrong = (0..times).filter(|_| {
                    false_alarm(&mut draw, shape, figures, plan, 1.005)
                });
                let share = wrong.count() as f64 / times as f64;
                write!(text, " {} |", percent(share))?;
            }
            writeln!(text)?;
        }
    }
    Ok(())
}

fn failures(text: &mut String, times: usize) -> core::fmt::Result {
    writeln!(
        text,
        "\n## Failures\n\n\
         How often B was called worse though both kernels fail in the same \
         share of\ntheir boots. Stated is {}.\n\n\
         | Boots of A and B | 10 % fail | 30 % | 50 % | 80 % |\n\
         |---|---|---|---|---|",
        percent(level(1))
    )?;
    let mut draw = Draw::new(3);
    for sizes in [[10, 40], [20, 5], [20, 3], [8, 8], [40, 40]] {
        write!(text, "| {}, {} |", sizes[0], sizes[1])?;
        for share in [0.1, 0.3, 0.5, 0.8] {
            let mut wrong = 0;
            for _ in 0..times * 4 {
                let samples = draw.failures(share, sizes);
                let found = weigh_one(&question(samples), 1);
                wrong += usize::from(found.verdict == Verdict::Worse);
            }
            write!(text, " {} |", percent(wrong as f64 / (times * 4) as f64))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// A step of a bisection, both ends measured anew: whether it was decided
/// wrongly, and the boots of the commit.
fn step(draw: &mut Draw, bad: f64, sure: f64) -> (bool, usize) {
    const BOOTS: usize = 8;
    let boots = |draw: &mut Draw, middle: f64| -> Vec<f64> {
        (0..BOOTS).map(|_| middle + draw.normal()).collect()
    };
    let (mut good, of_bad) = loop {
        let (a, b) = (boots(draw, 100.0), boots(draw, bad));
        let samples = Samples::Boots {
            a: a.clone(),
            b: b.clone(),
        };
        if weigh_one(&question(samples), 1).verdict == Verdict::Worse {
            break (a, b);
        }
    };
    let mut threshold = Threshold::new(&good, &of_bad);
    let is_bad = draw.uniform() > 0.5;
    let needed = (sure / (1.0 - sure)).ln();
    let mut ends: Vec<End> = Vec::new();
    let likelihood = loop {
        let likelihood = threshold.likelihood(&ends).unwrap_or(0.0);
        if likelihood.abs() >= needed || ends.len() == 200 {
            break likelihood;
        }
        let beside = 100.0 + draw.normal();
        threshold.add_good(threshold.end(beside, &good));
        good.push(beside);
        let middle = if is_bad { bad } else { 100.0 };
        ends.push(threshold.end(middle + draw.normal(), &good));
    };
    ((likelihood > 0.0) != is_bad, ends.len())
}

fn steps(text: &mut String, times: usize) -> core::fmt::Result {
    writeln!(
        text,
        "\n## Steps of a bisection\n\n\
         How often a commit was taken for the wrong one of both ends, which 8 \
         boots of\neach had told apart, and the boots that it took.\n\n\
         | Ends apart by | wrong where 5 % are stated | boots | where 1.25 % \
         are | boots |\n\
         |---|---|---|---|---|"
    )?;
    let mut draw = Draw::new(4);
    for apart in [4.3, 2.6, 1.7, 1.3] {
        write!(text, "| {apart} standard deviations |")?;
        for sure in [0.95, 0.9875] {
            let (mut wrong, mut boots) = (0, 0);
            for _ in 0..times {
                let one = step(&mut draw, 100.0 + apart, sure);
                wrong += usize::from(one.0);
                boots += one.1;
            }
            let share = percent(wrong as f64 / times as f64);
            let mean = boots as f64 / times as f64;
            write!(text, " {share} | {mean:.1} |")?;
        }
        writeln!(text)?;
    }
    Ok(())
}
