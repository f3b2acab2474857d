//! Distributions as lines: which share of the samples is as fast, and which
//! is slower.
//!
//! A histogram tells its shares exactly at the upper ends of its buckets, so
//! each line is a step there. Times have a logarithmic axis.

use super::Key;
use super::html::Html;
use super::number::{PERCENTILES, Unit, as_f64, grouped};
use crate::model::Hist;
use core::cmp::Ordering;
use core::fmt::Write;
use pidone::kit::histogram::{bucket_of, bucket_range};

/// Of a panel.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 20.0;

/// Steps that are smaller are not drawn.
const VISIBLE: f64 = 0.5;

/// One line of a plot.
pub(super) struct Line<'a> {
    /// Whose it is.
    pub(super) key: &'a Key,
    /// What it shows.
    pub(super) hist: &'a Hist,
}

/// Both panels of one histogram.
pub(super) fn plot(h: &mut Html, id: &str, what: &str, lines: &[Line<'_>]) {
    let x = XAxis::of(lines);
    for (panel, title) in [
        (Panel::Share, "share of samples up to a value"),
        (
            Panel::Slower(decades(lines)),
            "share of samples above a value",
        ),
    ] {
        let id = format!("{id}-{}", panel.name());
        svg(h, &id, &format!("{what}: {title}"), |h| {
            draw(h, panel, &x, lines);
        });
    }
}

/// All boots of a side as one, and each by itself.
pub(super) struct Pooled<'a> {
    /// Whose they are.
    pub(super) key: &'a Key,
    /// All of them together.
    pub(super) whole: &'a Hist,
    /// Each of them.
    pub(super) boots: &'a [Hist],
}

/// Both panels of one histogram of several sides.
pub(super) fn pooled(h: &mut Html, id: &str, what: &str, sides: &[Pooled<'_>]) {
    let lines: Vec<Line<'_>> = sides
        .iter()
        .map(|side| Line {
            key: side.key,
            hist: side.whole,
        })
        .collect();
    let x = XAxis::of(&lines);
    for (panel, title) in [
        (Panel::Share, "share of samples up to a value"),
        (
            Panel::Slower(decades(&lines)),
            "share of samples above a value",
        ),
    ] {
        let id = format!("{id}-{}", panel.name());
        svg(h, &id, &format!("{what}: {title}"), |h| {
            for side in sides.iter().filter(|side| side.boots.len() > 1) {
                let class = format!("band c{}", side.key.colour);
                let d = band(panel, &x, side.boots);
                h.leaf("path", &[("class", &class), ("d", &d)], "");
            }
            draw(h, panel, &x, &lines);
        });
    }
}

/// What is between the lowest and the highest of several boots at each value.
fn band(panel: Panel, axis: &XAxis, boots: &[Hist]) -> String {
    let high = |low: u64| bucket_range(bucket_of(low)).1;
    let ends = boots.iter().flat_map(|hist| &hist.buckets);
    let mut ends: Vec<u64> = ends.map(|&(low, _)| high(low)).collect();
    ends.sort_unstable();
    ends.dedup();
    // The share of each boot up to each end.
    let shares = |hist: &Hist| -> Vec<f64> {
        let total = hist.buckets.iter().map(|it| u128::from(it.1)).sum();
        let mut so_far = 0;
        let mut buckets = hist.buckets.iter().peekable();
        let share = ends.iter().map(|&end| {
            while let Some((_, count)) =
                buckets.next_if(|(low, _)| high(*low) <= end)
            {
                so_far += u128::from(*count);
            }
            as_f64(so_far) / as_f64(u128::max(total, 1))
        });
        share.collect()
    };
    let each: Vec<Vec<f64>> = boots.iter().map(shares).collect();
    let mut steps: Vec<(f64, f64, f64)> = Vec::new();
    for (at, &end) in ends.iter().enumerate() {
        let of = each.iter().map(|shares| shares[at]);
        let least = of.clone().fold(f64::INFINITY, f64::min);
        let most = of.fold(0.0, f64::max);
        let x = axis.x(as_f64(end.into()));
        let (low, high) = (panel.y(least), panel.y(most));
        match steps.last_mut() {
            // Not to be told apart on a screen.
            Some(last) if x - last.0 < VISIBLE => *last = (last.0, low, high),
            _ => steps.push((x, low, high)),
        }
    }
    let floor = panel.y(0.0);
    let Some(first) = steps.first() else {
        return String::new();
    };
    let mut d = format!("M{:.1} {floor:.1}", first.0);
    for (x, _, high) in &steps {
        let _ok = write!(d, "H{x:.1}V{high:.1}");
    }
    for two in steps.windows(2).rev() {
        let _ok = write!(d, "V{:.1}H{:.1}", two[0].1, two[0].0);
    }
    d + "Z"
}

/// A short line with its mark, for legends.
pub(super) fn sample(h: &mut Html, key: &Key) {
    let attrs = [
        ("class", "sample"),
        ("viewBox", "0 0 34 12"),
        ("aria-hidden", "true"),
    ];
    h.el("svg", &attrs, |h| {
        let class = format!("line {}", key.class());
        h.leaf("path", &[("class", &class), ("d", "M1 6H33")], "");
        mark(h, key, 17.0, 6.0, "");
    });
}

fn svg(h: &mut Html, id: &str, title: &str, inner: impl FnOnce(&mut Html)) {
    let id = format!("{id}-title");
    let view = format!("0 0 {WIDTH} {HEIGHT}");
    let attrs = [
        ("class", "plot"),
        ("viewBox", view.as_str()),
        ("role", "img"),
        ("aria-labelledby", &id),
    ];
    h.el("svg", &attrs, |h| {
        h.leaf("title", &[("id", &id)], title);
        inner(h);
    });
}

/// What a panel's height means.
#[derive(Debug, Clone, Copy)]
enum Panel {
    /// From none to all.
    Share,
    /// From all down over so many powers of ten.
    Slower(u32),
}

impl Panel {
    fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Slower(_) => "slower",
        }
    }

    /// Where the share of samples up to a value is drawn.
    fn y(self, share: f64) -> f64 {
        let from_top = match self {
            Self::Share => 1.0 - share,
            Self::Slower(decades) => {
                let above = (1.0 - share).max(f64::MIN_POSITIVE);
                (-above.log10() / f64::from(decades)).clamp(0.0, 1.0)
            }
        };
        TOP + from_top * (HEIGHT - TOP - BOTTOM)
    }

    /// Labels, and the shares up to a value that they stand at.
    fn ticks(self) -> Vec<(String, f64)> {
        match self {
            Self::Share => [0, 25, 50, 75, 100]
                .map(|n| (format!("{n} %"), f64::from(n) / 100.0))
                .into(),
            Self::Slower(decades) => (0..=decades)
                .map(|n| {
                    let above = 10_f64.powf(-f64::from(n));
                    (small(n), 1.0 - above)
                })
                .filter(|(_, share)| *share < 1.0)
                .collect(),
        }
    }
}

/// One part of so many powers of ten.
fn small(decades: u32) -> String {
    let (unit, ones) = if decades > 4 { ("ppm", 6) } else { ("%", 2) };
    match ones.cmp(&decades) {
        Ordering::Less => {
            let width = usize::try_from(decades - ones).unwrap_or(1);
            format!("0.{:0width$} {unit}", 1)
        }
        _ => format!("{} {unit}", 10_u32.pow(ones - decades)),
    }
}

/// Powers of ten down to one sample of them all.
fn decades(lines: &[Line<'_>]) -> u32 {
    let most = lines.iter().map(|line| line.hist.count).max();
    let most = most.unwrap_or(1).max(2);
    // With more, the shares are no longer told from 1.
    (most - 1).ilog10().saturating_add(1).min(9)
}

/// The values' axis.
struct XAxis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(String, f64)>,
}

impl XAxis {
    fn of(lines: &[Line<'_>]) -> Self {
        let hists = || lines.iter().map(|line| line.hist);
        let low = hists().map(low).min().unwrap_or(0);
        let high = hists().map(|hist| hist.max_ns).max().unwrap_or(1);
        let times = hists().all(|hist| hist.unit == "ns");
        match times || low > 0 {
            true => Self::logarithmic(low.max(1), high.max(1), times),
            false => Self::linear(high.max(1)),
        }
    }

    fn logarithmic(low: u64, high: u64, times: bool) -> Self {
        // 1, 2 and 5 of each power of ten.
        let nice: Vec<u128> = (0..=20)
            .map(|n| 10_u128.pow(n))
            .flat_map(|n| [n, 2 * n, 5 * n])
            .collect();
        let (low, high) = (u128::from(low), u128::from(high));
        let first = nice.iter().rposition(|&n| n <= low).unwrap_or(0);
        let last = nice.iter().position(|&n| n > high);
        let shown = &nice[first..=last.unwrap_or(nice.len() - 1)];
        // Of a narrow range all are labelled, of a wide one some powers.
        let every = match shown.len() {
            0..8 => 0,
            8..20 => 1,
            _ => 2,
        };
        let ticks = shown.iter().map(|&n| {
            let is = match every {
                0 => true,
                every => {
                    let power = n.ilog10();
                    n == 10_u128.pow(power) && power % every == 0
                }
            };
            let label = if is { tick(n, times) } else { String::new() };
            (label, as_f64(n))
        });
        Self {
            low: as_f64(shown[0]),
            high: as_f64(shown[shown.len() - 1]),
            log: true,
            ticks: ticks.collect(),
        }
    }

    fn linear(high: u64) -> Self {
        let high = u128::from(high);
        let steps = (0..=20).map(|n| 10_u128.pow(n));
        let step = steps
            .flat_map(|n| [n, 2 * n, 5 * n])
            .find(|step| high / step <= 5)
            .unwrap_or(high);
        let last = high.div_ceil(step);
        let ticks = (0..=last).map(|n| {
            let value = n * step;
            (tick(value, false), as_f64(value))
        });
        Self {
            low: 0.0,
            high: as_f64(last * step),
            log: false,
            ticks: ticks.collect(),
        }
    }

    fn x(&self, value: f64) -> f64 {
        let scale = |value: f64| match self.log {
            true => value.max(self.low).log10(),
            false => value,
        };
        let part = (scale(value) - scale(self.low))
            / (scale(self.high) - scale(self.low));
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }
}

/// A value beside an axis.
fn tick(value: u128, times: bool) -> String {
    let units = [(1_000_000_000, " s"), (1_000_000, " ms"), (1_000, " µs")];
    let unit = units.iter().find(|(scale, _)| times && value >= *scale);
    match unit {
        Some((scale, unit)) => format!("{}{unit}", value / scale),
        None if times => format!("{value} ns"),
        None => grouped(value),
    }
}

/// Where the axis begins for a histogram: no more than a thousandth of the
/// samples is below, so that a stray one does not squeeze all others.
fn low(hist: &Hist) -> u64 {
    let total: u128 = hist.buckets.iter().map(|&(_, n)| u128::from(n)).sum();
    let mut below = 0;
    for &(low, count) in &hist.buckets {
        below += u128::from(count);
        if below * 1000 > total {
            return low.max(hist.min_ns);
        }
    }
    hist.min_ns
}

fn draw(h: &mut Html, panel: Panel, x: &XAxis, lines: &[Line<'_>]) {
    let (floor, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    let mut grid = String::new();
    for (label, share) in panel.ticks() {
        let y = panel.y(share);
        let _ok = write!(grid, "M{LEFT} {y:.1}H{right}");
        label_at(h, "end", LEFT - 5.0, y + 3.5, &label);
    }
    let mut minor = String::new();
    for (label, value) in &x.ticks {
        let x = x.x(*value);
        let lines = match label.is_empty() {
            true => &mut minor,
            false => &mut grid,
        };
        let _ok = write!(lines, "M{x:.1} {TOP}V{floor}");
        label_at(h, "middle", x, floor + 14.0, label);
    }
    let what = match panel {
        Panel::Share => "share of samples ≤ x",
        Panel::Slower(_) => "share of samples > x",
    };
    label_at(h, "start", LEFT, TOP - 10.0, what);
    h.leaf("path", &[("class", "minor"), ("d", &minor)], "");
    h.leaf("path", &[("class", "grid"), ("d", &grid)], "");
    for line in lines {
        let class = format!("line {}", line.key.class());
        let d = path(panel, x, line.hist);
        h.leaf("path", &[("class", &class), ("d", &d)], "");
    }
    for line in lines {
        for percentile in &PERCENTILES {
            if percentile.is_met(line.hist.count) {
                let value = (percentile.of)(line.hist);
                let unit = Unit::of(&[line.hist]);
                let text = format!(
                    "{}: {} {} {}",
                    line.key,
                    percentile.name,
                    unit.show(value),
                    unit.name
                );
                let (x, y) =
                    (x.x(as_f64(value.into())), panel.y(percentile.share));
                mark(h, line.key, x, y, &text);
            }
        }
    }
}

fn label_at(h: &mut Html, anchor: &str, x: f64, y: f64, text: &str) {
    if text.is_empty() {
        return;
    }
    let (x, y) = (format!("{x:.1}"), format!("{y:.1}"));
    let attrs = [("text-anchor", anchor), ("x", &x), ("y", &y)];
    h.leaf("text", &attrs, text);
}

/// Steps at the upper ends of the buckets.
fn path(panel: Panel, axis: &XAxis, hist: &Hist) -> String {
    let total: u128 = hist.buckets.iter().map(|&(_, n)| u128::from(n)).sum();
    let total = as_f64(total.max(1));
    let begin = axis.x(as_f64(hist.min_ns.into()));
    let mut at = (begin, panel.y(0.0));
    let mut d = format!("M{:.1} {:.1}", at.0, at.1);
    let mut so_far = 0;
    for (&(low, count), left) in
        hist.buckets.iter().zip((0..hist.buckets.len()).rev())
    {
        so_far += u128::from(count);
        let (_, high) = bucket_range(bucket_of(low));
        let high = as_f64(high.min(hist.max_ns).into());
        let to = (axis.x(high), panel.y(as_f64(so_far) / total));
        let seen = (to.0 - at.0).abs() > VISIBLE
            || (to.1 - at.1).abs() > VISIBLE
            || left == 0;
        if seen {
            let _ok = write!(d, "H{:.1}V{:.1}", to.0, to.1);
            at = to;
        }
    }
    d
}

/// A mark of the key's form around a place, with what to say when asked.
fn mark(h: &mut Html, key: &Key, x: f64, y: f64, text: &str) {
    let place = format!("M{x:.1} {y:.1}");
    let form = key.form();
    let class = format!("mark {}", key.class());
    let attrs = [("class", class.as_str()), ("d", &(place + form))];
    h.el("path", &attrs, |h| {
        if !text.is_empty() {
            h.leaf("title", &[], text);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{Line, Panel, RIGHT, WIDTH, XAxis, decades, path, plot, small};
    use crate::model::Hist;
    use crate::report::Key;
    use crate::report::html::Html;
    use crate::report::number::as_f64;
    use pidone::kit::histogram::bucket_of;

    fn hist(values: &[u64]) -> Hist {
        let mut buckets: Vec<(u64, u64)> = Vec::new();
        for &value in values {
            assert!(bucket_of(value) < 128, "a bucket of one value");
            buckets.push((value, 1));
        }
        Hist {
            unit: "ns".into(),
            count: values.len().try_into().unwrap(),
            min_ns: values[0],
            max_ns: values[values.len() - 1],
            buckets,
            ..Hist::default()
        }
    }

    #[test]
    fn a_line_is_a_step_at_each_value() {
        let hist = hist(&[1, 10, 100]);
        let key = Key::new(0, 0, 0, String::new());
        let line = [Line {
            key: &key,
            hist: &hist,
        }];
        let axis = XAxis::of(&line);
        assert_eq!((axis.low, axis.high), (1.0, 200.0));
        let d = path(Panel::Share, &axis, &hist);
        let third = "M54.0 200.0H54.0V141.3H203.5V82.7H353.0V24.0";
        assert_eq!(d, third);
        // Of three samples, a tenth is the next power of ten.
        assert_eq!(decades(&line), 1);
        let d = path(Panel::Slower(1), &axis, &hist);
        assert_eq!(d, "M54.0 24.0H54.0V55.0H203.5V108.0H353.0V200.0");
    }

    #[test]
    fn small_parts_have_short_names() {
        let names = [0, 2, 3, 4, 5, 6, 7, 9].map(small);
        let want = "100 %,1 %,0.1 %,0.01 %,10 ppm,1 ppm,0.1 ppm,0.001 ppm";
        assert_eq!(names.join(","), want);
    }

    #[test]
    fn axes_fit_whatever_there_is() {
        let labels = |low, high, unit: &str| {
            let hist = Hist {
                unit: unit.into(),
                min_ns: low,
                max_ns: high,
                count: 1,
                ..Hist::default()
            };
            let key = Key::new(0, 0, 0, String::new());
            let axis = XAxis::of(&[Line {
                key: &key,
                hist: &hist,
            }]);
            let place = axis.x(as_f64(high.into()));
            assert!(place <= WIDTH - RIGHT, "{low} {high}: {place}");
            let labels = axis.ticks.into_iter().map(|(label, _)| label);
            labels
                .filter(|l| !l.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(labels(45, 45, "ns"), "20 ns 50 ns");
        assert_eq!(labels(1_500, 9_000, "ns"), "1 µs 2 µs 5 µs 10 µs");
        let wide = "10 µs 100 µs 1 ms 10 ms";
        assert_eq!(labels(4_000, 32_100_000, "ns"), wide);
        assert_eq!(labels(0, 0, "ns"), "1 ns 2 ns");
        assert_eq!(labels(0, 7, "tasks"), "0 2 4 6 8");
        assert_eq!(labels(0, 1, "tasks"), "0 1");
        assert!(labels(0, u64::MAX, "tasks").len() < 160);
        assert!(labels(1, u64::MAX, "ns").split(' ').count() < 25);
    }

    #[test]
    fn many_buckets_are_no_long_path() {
        let buckets: Vec<(u64, u64)> = (0..3000)
            .map(|bucket| pidone::kit::histogram::bucket_range(bucket).0)
            .map(|low| (low, 1 + low % 7))
            .collect();
        let hist = Hist {
            unit: "ns".into(),
            count: 12_000,
            max_ns: buckets[2999].0,
            buckets,
            ..Hist::default()
        };
        let key = Key::new(0, 0, 0, String::new());
        let line = [Line {
            key: &key,
            hist: &hist,
        }];
        let mut html = Html::default();
        plot(&mut html, "x", "wake", &line);
        let page = html.into_page();
        assert!(page.len() < 20_000, "{} bytes", page.len());
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }
}
