//! Conditions of `expect=`, such as `wake.p99<500us` or
//! `g1.rate>g0.rate*0.5`.
//!
//! A condition compares two products of figures and numbers. The machine
//! judges its run by it, and the host can judge a stored run by the same text
//! and the same code; `docs/expect.md` has the grammar. Nothing is stored but
//! borrowed text, which is walked once to check it and once to judge. Both
//! sides are multiplied out in full, so no rounding decides and no figure is
//! too large. A figure that the run does not have, or a division by zero,
//! means that the condition does not hold.

pub mod error;
pub mod figure;
pub mod kind;
pub mod totals;

use crate::kit::duration::DURATION_RULE;
use crate::plan::expect::error::{
    COMPARES, ExpectError, FIGURE_FIRST, NUMBER, PERCENT, Rule, TERMS, ZERO, is,
};
use crate::plan::expect::figure::{Figure, Figures};
use crate::plan::expect::kind::{Kind, MAX_TERMS, decimal, split_dot};
use crate::row::Row;
use core::cmp::Ordering;
use core::str::Split;

const NS_PER_S: u64 = 1_000_000_000;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// Conditions of a list.
#[derive(Debug, Clone)]
pub struct List<'t>(Split<'t, char>);

impl<'t> Iterator for List<'t> {
    type Item = Result<Expect<'t>, ExpectError<'t>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Expect::parse)
    }
}

/// A condition.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'t> {
    /// It, as written.
    pub text: &'t str,
    left: Side<'t>,
    holds: fn(Ordering) -> bool,
    right: Side<'t>,
}

impl<'t> Expect<'t> {
    /// Parses one condition. Only [`Expect::check`] knows which figures
    /// there are and refuses to compare a duration with a number.
    ///
    /// # Errors
    ///
    /// The rule of the grammar that was broken.
    pub fn parse(text: &'t str) -> Result<Self, ExpectError<'t>> {
        let compares = |b: u8| matches!(b, b'<' | b'>' | b'=' | b'!');
        let bad = is(text, COMPARES);
        let start = text.bytes().position(compares).ok_or(bad)?;
        let (left, rest) = text.split_at_checked(start).ok_or(bad)?;
        let end = rest.bytes().position(|b| !compares(b)).ok_or(bad)?;
        let (op, right) = rest.split_at_checked(end).ok_or(bad)?;
        let holds = match op {
            "<" => Ordering::is_lt,
            "<=" => Ordering::is_le,
            ">" => Ordering::is_gt,
            ">=" => Ordering::is_ge,
            "=" | "==" => Ordering::is_eq,
            "!=" => Ordering::is_ne,
            _ => return Err(bad),
        };
        if left.is_empty() || right.bytes().any(compares) {
            return Err(bad);
        }
        let (left, right) = (Side::parse(left)?, Side::parse(right)?);
        if left.constant {
            return Err(is(left.text, FIGURE_FIRST));
        }
        Ok(Self {
            text,
            left,
            holds,
            right,
        })
    }

    /// Parses conditions separated by commas.
    pub fn list(text: &'t str) -> List<'t> {
        List(text.split(','))
    }

    /// Checks that a run has all the figures and that the two sides are of
    /// one kind. `row` is the work type of each group of the run, `counter`
    /// the name of each kernel counter, both `None` behind the last.
    ///
    /// # Errors
    ///
    /// What there is not, with the nearest name there is; or what does not
    /// compare.
    pub fn check(
        &self,
        row: &dyn Fn(usize) -> Option<&'static Row>,
        counter: fn(usize) -> Option<&'static str>,
    ) -> Result<(), ExpectError<'t>> {
        for side in [&self.left, &self.right] {
            for (_, text) in Terms::of(side.text) {
                if let Term::Figure(figure) = Term::parse(text)? {
                    figure.check(text, row, counter)?;
                }
            }
        }
        if !self.compares() {
            let (left, right) = (&self.left, &self.right);
            let rule = Rule::Kinds {
                left: (left.text, left.kind_name()),
                right: (right.text, right.kind_name()),
                hint: match right.constant {
                    _ if right.percentage() => Some(PERCENT),
                    true if left.kind == Kind::Duration => Some(DURATION_RULE),
                    _ => None,
                },
            };
            let part = self.text;
            return Err(ExpectError { part, rule });
        }
        Ok(())
    }

    /// What is compared, and with it the base unit of [`Judged::milli`].
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.left.kind
    }

    /// Judges a run.
    #[must_use]
    pub fn evaluate(&self, figures: &dyn Figures) -> Judged {
        self.judge(figures).unwrap_or(Judged {
            held: false,
            milli: None,
        })
    }

    fn judge(&self, figures: &dyn Figures) -> Option<Judged> {
        if !self.compares() {
            return None;
        }
        let (mut above, mut below) = (Product::ONE, Product::ONE);
        self.left.multiply(figures, &mut above, &mut below)?;
        let milli = Some(above.milli(&below));
        // left < right is left.above * right.below < left.below * right.above.
        self.right.multiply(figures, &mut below, &mut above)?;
        let held = (self.holds)(above.cmp(&below));
        Some(Judged { held, milli })
    }

    fn compares(&self) -> bool {
        let (left, right) = (&self.left, &self.right);
        match (left.kind, right.kind) {
            (Kind::Other, _) => false,
            (Kind::Number, _) if right.percentage() => left.text.contains('/'),
            (Kind::Rate, Kind::Number) => right.constant && !right.percentage(),
            (left, right) => left == right,
        }
    }
}

/// What became of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// Whether it held.
    pub held: bool,
    /// Its left side times 1000, rounded down, in ns, per second or plain;
    /// `None` if a figure is absent or a divisor is 0, which never holds.
    pub milli: Option<u64>,
}

/// One side of a condition.
#[derive(Debug, Clone, Copy)]
pub struct Side<'t> {
    text: &'t str,
    kind: Kind,
    /// Has no figure.
    constant: bool,
    percent: bool,
}

impl<'t> Side<'t> {
    /// Parses a side. A figure need not be in it.
    ///
    /// # Errors
    ///
    /// The rule of the grammar that was broken.
    pub fn parse(text: &'t str) -> Result<Self, ExpectError<'t>> {
        let (mut exponent, mut constant, mut percent) = (0, true, false);
        for (n, (divides, term)) in Terms::of(text).enumerate() {
            if n == MAX_TERMS || term.is_empty() {
                return Err(is(text, TERMS));
            }
            let kind = match Term::parse(term)? {
                Term::Figure(figure) => {
                    constant = false;
                    figure.kind()
                }
                Term::Number { number: 0, .. } if divides => {
                    return Err(is(text, ZERO));
                }
                Term::Number { kind, .. } => {
                    percent |= term.ends_with('%');
                    kind
                }
            };
            exponent += match divides {
                true => -kind.exponent(),
                false => kind.exponent(),
            };
        }
        let kind = match exponent {
            0 => Kind::Number,
            1 => Kind::Duration,
            -1 => Kind::Rate,
            _ => Kind::Other,
        };
        Ok(Self {
            text,
            kind,
            constant,
            percent,
        })
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it has no figure.
    #[must_use]
    pub fn constant(&self) -> bool {
        self.constant
    }

    /// Checks that a run has its figures, as [`Expect::check`] does.
    ///
    /// # Errors
    ///
    /// What there is not, with the nearest name there is; or that it is no
    /// number, duration or rate.
    pub fn check(
        &self,
        row: &dyn Fn(usize) -> Option<&'static Row>,
        counter: fn(usize) -> Option<&'static str>,
    ) -> Result<(), ExpectError<'t>> {
        // It compares with itself.
        let itself = Expect {
            text: self.text,
            left: *self,
            holds: Ordering::is_eq,
            right: *self,
        };
        itself.check(row, counter)
    }

    /// Its value in a run, in ns, per second or plain; `None` if a figure is
    /// absent or a divisor is 0.
    #[must_use]
    pub fn value(&self, figures: &dyn Figures) -> Option<f64> {
        let (mut above, mut below) = (Product::ONE, Product::ONE);
        self.multiply(figures, &mut above, &mut below)?;
        Some(above.approximately() / below.approximately())
    }

    fn percentage(&self) -> bool {
        self.percent && self.constant && self.kind == Kind::Number
    }

    fn kind_name(&self) -> &'static str {
        if self.percentage() {
            "a percentage"
        } else {
            self.kind.name()
        }
    }

    /// Multiplies numerator and denominator by this side's, in its base
    /// unit. `None` if a figure is absent or a divisor is 0.
    fn multiply(
        &self,
        figures: &dyn Figures,
        above: &mut Product,
        below: &mut Product,
    ) -> Option<()> {
        for (divides, text) in Terms::of(self.text) {
            let (number, over) = match Term::parse(text).ok()? {
                Term::Number { number, over, .. } => (number, over),
                Term::Figure(figure) => figure.value(figures)?,
            };
            let (up, down) = match divides {
                true => (over, number),
                false => (number, over),
            };
            if over == 0 || down == 0 {
                return None;
            }
            above.multiply(up);
            below.multiply(down);
        }
        if self.kind == Kind::Rate {
            // Times are in ns, rates are per second.
            above.multiply(NS_PER_S);
        }
        Some(())
    }
}

/// The terms of a side, and whether each of them divides.
struct Terms<'t> {
    rest: Option<&'t str>,
    divides: bool,
}

impl<'t> Terms<'t> {
    fn of(side: &'t str) -> Self {
        let (rest, divides) = (Some(side), false);
        Self { rest, divides }
    }
}

impl<'t> Iterator for Terms<'t> {
    type Item = (bool, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let divides = self.divides;
        let end = rest.bytes().position(|b| matches!(b, b'*' | b'/'));
        let term = rest.get(..end.unwrap_or(rest.len()))?;
        self.rest = end.and_then(|end| rest.get(end + 1..));
        self.divides = rest.as_bytes().get(term.len()) == Some(&b'/');
        Some((divides, term))
    }
}

enum Term<'t> {
    /// A constant: `number / over`, durations in ns.
    Number {
        number: u64,
        over: u64,
        kind: Kind,
    },
    Figure(Figure<'t>),
}

impl<'t> Term<'t> {
    // Once, not at each caller: the payload counts its bytes.
    #[inline(never)]
    fn parse(text: &'t str) -> Result<Self, ExpectError<'t>> {
        if text.bytes().next().is_some_and(in_number) {
            return constant(text).ok_or_else(|| is(text, NUMBER));
        }
        match Figure::parse(text) {
            Ok(figure) => Ok(Self::Figure(figure)),
            Err(rule) => Err(is(text, rule)),
        }
    }
}

fn constant<'t>(text: &str) -> Option<Term<'t>> {
    let end = text.bytes().position(|b| !in_number(b));
    let end = end.unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let (number, over) = match split_dot(digits) {
        (_, Some("")) => return None,
        (whole, decimals) => decimal(whole, decimals.unwrap_or(""))?,
    };
    let (kind, by, percent) = match unit {
        "" => (Kind::Number, 1, 1),
        "%" => (Kind::Number, 1, 100),
        "ns" => (Kind::Duration, 1, 1),
        "us" => (Kind::Duration, 1_000, 1),
        "ms" => (Kind::Duration, 1_000_000, 1),
        "s" => (Kind::Duration, NS_PER_S, 1),
        "m" => (Kind::Duration, 60 * NS_PER_S, 1),
        _ => return None,
    };
    Some(Term::Number {
        number: number.checked_mul(by)?,
        over: over * percent,
        kind,
    })
}

fn in_number(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

/// Limbs of a [`Product`]: every term of both sides gives at most one factor
/// of 64 bits to each product, and a unit may give one more.
const LIMBS: usize = 2 * MAX_TERMS + 1;

/// A product of up to [`LIMBS`] factors, most significant limb first, so that
/// the derived order is that of the numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Product([u64; LIMBS]);

impl Product {
    const ONE: Self = {
        let mut limbs = [0; LIMBS];
        limbs[LIMBS - 1] = 1;
        Self(limbs)
    };

    // Large when unrolled at each caller.
    #[inline(never)]
    fn multiply(&mut self, by: u64) {
        let mut carry = 0;
        for limb in self.0.iter_mut().rev() {
            (*limb, carry) = limb.carrying_mul(by, carry);
        }
    }

    /// As near as it gets; ten limbs would fit the range.
    fn approximately(&self) -> f64 {
        let limbs = self.0.iter();
        limbs.fold(0.0, |sum, &limb| sum * TWO_64 + limb as f64)
    }

    /// A thousand times the quotient, rounded down; all ones if that needs
    /// more than 64 bits.
    fn milli(mut self, below: &Self) -> u64 {
        self.multiply(1000);
        (0..64).rev().fold(0, |quotient, bit| {
            let more = quotient | 1 << bit;
            let mut product = *below;
            product.multiply(more);
            match product <= self {
                true => more,
                false => quotient,
            }
        })
    }
}

#[cfg(test)]
mod tests;
