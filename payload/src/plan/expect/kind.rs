//! What figures, numbers and sides are, and how numbers are written.

/// Most figures and numbers on one side of a condition; `TERMS` says it in
/// words.
pub const MAX_TERMS: usize = 4;

/// What a figure, a number or a side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A count or a ratio.
    Number,
    /// A time in ns.
    Duration,
    /// So many per second.
    Rate,
    /// A product that is none of these.
    Other,
}

impl Kind {
    /// Its exponent of time.
    pub(super) fn exponent(self) -> i32 {
        match self {
            Self::Number | Self::Other => 0,
            Self::Duration => 1,
            Self::Rate => -1,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Duration => "a duration",
            Self::Rate => "a rate per second",
            Self::Other => "no number, duration or rate",
        }
    }
}

/// The number with these digits before and behind its point, as a fraction
/// over at most 10^9.
pub(super) fn decimal(whole: &str, decimals: &str) -> Option<(u64, u64)> {
    if whole.is_empty() || decimals.len() > 9 {
        return None;
    }
    let (mut number, mut over) = (0_u64, 1);
    for (text, scale) in [(whole, 1), (decimals, 10)] {
        for digit in text.bytes() {
            let digit = digit.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            number = number.checked_mul(10)?.checked_add(digit.into())?;
            over *= scale;
        }
    }
    Some((number, over))
}

/// Splits at the first dot.
#[inline(never)]
pub(super) fn split_dot(text: &str) -> (&str, Option<&str>) {
    let end = text.bytes().position(|b| b == b'.');
    match end.and_then(|end| text.split_at_checked(end)) {
        Some((before, behind)) => (before, behind.get(1..)),
        None => (text, None),
    }
}
