//! Moments in UTC, as text.

use jiff::Timestamp;
use std::time::SystemTime;

/// The time in UTC, as the names of runs begin.
#[must_use]
pub fn now() -> String {
    utc(SystemTime::now(), "%Y%m%dT%H%M%SZ")
}

/// A moment, RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(moment: SystemTime) -> String {
    utc(moment, "%Y-%m-%dT%H:%M:%SZ")
}

/// A moment in UTC, as that form has it, to the second.
fn utc(moment: SystemTime, form: &str) -> String {
    let moment = Timestamp::try_from(moment).unwrap_or_default();
    moment.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::rfc3339;
    use core::time::Duration;
    use std::time::UNIX_EPOCH;

    #[test]
    fn moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_793_880_000, "2026-11-05T12:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let moment = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(rfc3339(moment), text);
        }
    }
}
