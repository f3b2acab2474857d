//! Durations on the command line.

use core::time::Duration;
use pidone::kit::duration::{DURATION_RULE, parse_duration};
use pidone::kit::text::digits;

/// A duration as a plan has it, `90s` or `2m`, or a number of seconds; not
/// nothing.
///
/// # Errors
///
/// What would be valid.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let plain = digits(text).map(Duration::from_secs);
    let duration = plain.or_else(|| parse_duration(text));
    duration.filter(|it| !it.is_zero()).ok_or_else(|| {
        format!(
            "`{text}` is no duration above 0; {DURATION_RULE}, or a number \
             of seconds: 90"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::seconds;
    use core::time::Duration;

    #[test]
    fn seconds_with_and_without_a_unit() {
        for (text, ms) in [
            ("90", 90_000),
            ("3300s", 3_300_000),
            ("2m", 120_000),
            ("1500ms", 1_500),
        ] {
            assert_eq!(seconds(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "0", "0s", "s", "1.5s", "1h", "-1", "3 s", "2M"] {
            let error = seconds(bad).unwrap_err();
            let named = error.starts_with(&format!("`{bad}` is no duration"));
            assert!(named && error.contains("ms, s, m"), "{error}");
        }
    }
}
