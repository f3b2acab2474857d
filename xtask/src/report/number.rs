//! Numbers for people: of one unit and one precision in a column.

use crate::model::Hist;

/// What stands where nothing was told.
pub(super) const ABSENT: &str = "\u{2013}";

/// A percentile that is shown.
pub(super) struct Percentile {
    /// Its name.
    pub(super) name: &'static str,
    /// Which part of the samples is up to it.
    pub(super) share: f64,
    /// Its value.
    pub(super) of: fn(&Hist) -> u64,
}

/// Those that are shown.
pub(super) const PERCENTILES: [Percentile; 4] = [
    Percentile {
        name: "p50",
        share: 0.5,
        of: |hist| hist.p50_ns,
    },
    Percentile {
        name: "p90",
        share: 0.9,
        of: |hist| hist.p90_ns,
    },
    Percentile {
        name: "p99",
        share: 0.99,
        of: |hist| hist.p99_ns,
    },
    Percentile {
        name: "p99.9",
        share: 0.999,
        of: |hist| hist.p999_ns,
    },
];

impl Percentile {
    /// Whether there is a sample beyond it.
    pub(super) fn is_met(&self, count: u64) -> bool {
        // A little less, for the share is no exact number.
        as_f64(count.into()) * (1.0 - self.share) > 1.0 - 1e-6
    }
}

/// A number as a place on a screen.
#[expect(clippy::cast_precision_loss, reason = "a place on a screen")]
pub(super) fn as_f64(n: u128) -> f64 {
    n as f64
}

/// What the values of a histogram are shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit<'a> {
    /// Its name; empty for plain numbers.
    pub(super) name: &'a str,
    scale: u64,
    decimals: u32,
}

/// Milliseconds.
pub(super) const MS: Unit<'_> = Unit::new("ms", 1_000_000, 1);
/// Nanoseconds, and whatever is counted.
const NS: Unit<'_> = Unit::new("ns", 1, 0);

impl<'a> Unit<'a> {
    const fn new(name: &'a str, scale: u64, decimals: u32) -> Self {
        Self {
            name,
            scale,
            decimals,
        }
    }

    /// A unit for time in which a typical value has some digits and no more
    /// than needed.
    pub(super) fn of_time(typical_ns: u64) -> Self {
        let decimals = |scale| match typical_ns / scale {
            0..3 => 2,
            _ => 1,
        };
        let [us, ms, s] = [1_000, 1_000_000, 1_000_000_000];
        match typical_ns {
            0..1_000 => NS,
            n if n < ms => Self::new("µs", us, decimals(us)),
            n if n < s => Self::new("ms", ms, decimals(ms)),
            _ => Self::new("s", s, decimals(s)),
        }
    }

    /// One unit for the same histogram of several boots.
    pub(super) fn of(hists: &[&'a Hist]) -> Self {
        let unit = hists.first().map_or("ns", |hist| hist.unit.as_str());
        if unit != "ns" {
            return Self { name: unit, ..NS };
        }
        let medians = hists.iter().filter(|hist| hist.count > 0);
        Self::of_time(medians.map(|hist| hist.p50_ns).min().unwrap_or(0))
    }

    /// A value without the unit.
    pub(super) fn show(&self, value: u64) -> String {
        let tenths = 10_u128.pow(self.decimals);
        let scale = u128::from(self.scale);
        let scaled = (u128::from(value) * tenths + scale / 2) / scale;
        let whole = grouped(scaled / tenths);
        match usize::try_from(self.decimals) {
            Ok(width @ 1..) => {
                format!("{whole}.{:0width$}", scaled % tenths)
            }
            _ => whole,
        }
    }
}

/// A whole number with a comma between thousands.
pub(super) fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (digit, left) in digits.chars().zip((0..digits.len()).rev()) {
        text.push(digit);
        if left > 0 && left % 3 == 0 {
            text.push(',');
        }
    }
    text
}

/// A count.
pub(super) fn count(number: u64) -> String {
    grouped(number.into())
}

/// A count that may be absent.
pub(super) fn told(number: Option<u64>) -> String {
    number.map_or_else(|| ABSENT.to_owned(), count)
}

/// A time in ms that may be absent.
pub(super) fn told_ms(ns: Option<u64>) -> String {
    ns.map_or_else(|| ABSENT.to_owned(), |ns| MS.show(ns))
}

/// A time by itself.
pub(super) fn time(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let unit = units.iter().find(|(scale, _)| ns >= *scale);
    let &(scale, name) = unit.unwrap_or(&(1.0, "ns"));
    format!("{:.1} {name}", ns / scale)
}

/// How many a second.
pub(super) fn rate(number: u64, wall_ns: u64) -> String {
    if wall_ns == 0 {
        return ABSENT.to_owned();
    }
    let tenths = u128::from(number) * 10_000_000_000 / u128::from(wall_ns);
    match tenths {
        0..1_000 => format!("{}.{}", tenths / 10, tenths % 10),
        _ => grouped((tenths + 5) / 10),
    }
}

/// A part of a whole, in per cent.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => ABSENT.to_owned(),
        _ => {
            let percent = u128::from(part) * 1000 / u128::from(whole);
            format!("{}.{}", percent / 10, percent % 10)
        }
    }
}

/// How often `one` goes into `two`.
pub(super) fn ratio(one: u64, two: u64) -> String {
    match one {
        0 => ABSENT.to_owned(),
        _ => {
            let scaled = u128::from(two) * 1000 / u128::from(one);
            let scaled = (scaled + 5) / 10;
            format!("{}.{:02}", grouped(scaled / 100), scaled % 100)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PERCENTILES, Unit, grouped, percent, rate, ratio, time};

    #[test]
    fn one_precision_for_all_of_a_unit() {
        for (typical, value, text) in [
            (15_800, 15_800, "15.8 µs"),
            (15_800, 32_123_456, "32,123.5 µs"),
            (1_500, 999, "1.00 µs"),
            (900, 1_234_567, "1,234,567 ns"),
            (2_670_000, 51_149_999, "51.15 ms"),
            (12_000_000_000, 1, "0.0 s"),
            (1, u64::MAX, "18,446,744,073,709,551,615 ns"),
        ] {
            let unit = Unit::of_time(typical);
            let shown = format!("{} {}", unit.show(value), unit.name);
            assert_eq!(shown, text);
        }
    }

    #[test]
    fn a_percentile_needs_a_sample_beyond_it() {
        for (percentile, count) in PERCENTILES.iter().zip([2, 10, 100, 1000]) {
            let name = percentile.name;
            assert!(percentile.is_met(count), "{name}");
            assert!(!percentile.is_met(count - 1), "{name}");
        }
    }

    #[test]
    fn numbers_for_people() {
        let all = [0, 12, 123, 1234, 1_234_567].map(grouped);
        assert_eq!(all, ["0", "12", "123", "1,234", "1,234,567"]);
        let second = 1_000_000_000;
        assert_eq!(rate(23, second), "23.0");
        assert_eq!(rate(4_237, second + 8_000_000), "4,203");
        assert_eq!(rate(1, 0), "\u{2013}");
        assert_eq!(percent(505, 1011), "49.9");
        assert_eq!(ratio(3, 2), "0.67");
        assert_eq!(ratio(0, 2), "\u{2013}");
        let times = [51_455.0, 1.25, 0.0, 2e9].map(time);
        assert_eq!(times, ["51.5 µs", "1.2 ns", "0.0 ns", "2.0 s"]);
    }
}
