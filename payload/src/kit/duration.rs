//! Durations as a plan writes them: `100us`, `2s`.

use crate::kit::text::digits;
use core::fmt;
use core::time::Duration;

/// What a duration looks like.
pub const DURATION_RULE: &str =
    "a duration is a number and a unit (ns, us, ms, s, m), for example 2s";

/// Parses a whole number with a unit: `100us`, `2s`. `None` for anything
/// else, a missing unit included.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(length)?;
    let number = digits(number)?;
    Some(match unit {
        "ns" => Duration::from_nanos(number),
        "us" => Duration::from_micros(number),
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    })
}

/// A duration in the grammar's form, in its largest exact unit.
#[derive(Debug, Clone, Copy)]
pub struct InGrammar(pub Duration);

impl fmt::Display for InGrammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 584 years are longer than any duration of a plan.
        let ns = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        let (scale, unit) = match ns {
            n if n % 1_000_000_000 == 0 => (1_000_000_000, "s"),
            n if n % 1_000_000 == 0 => (1_000_000, "ms"),
            n if n % 1_000 == 0 => (1_000, "us"),
            _ => (1, "ns"),
        };
        write!(f, "{}{unit}", ns / scale)
    }
}
