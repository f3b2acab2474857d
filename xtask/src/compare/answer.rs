//! A comparison in one sentence: what differs most and by what factor, and
//! how many runs are slower, faster, the same or undecided.

use super::{Comparison, Row};
use crate::evidence::Verdict;
use crate::metrics::Better;
use crate::text::several;
use std::collections::{BTreeMap, BTreeSet};

/// A verdict and what is said of runs that have it, of speed or of anything
/// else, in the order of the sentence.
const CLASSES: [(Verdict, &str, &str); 6] = [
    (Verdict::Worse, "slower", "worse"),
    (Verdict::Better, "faster", "better"),
    (Verdict::NoWorse, "no slower", "no worse"),
    (Verdict::Differs, "different", "different"),
    (Verdict::Same, "the same", "the same"),
    (Verdict::Unknown, "undecided", "undecided"),
];

/// The sentence.
#[must_use]
pub fn of(comparison: &Comparison) -> String {
    let sides = sides(&comparison.sides);
    if comparison.identical && comparison.missing.is_empty() {
        return format!("{sides}: every figure of every boot is the same");
    }
    let judged = || comparison.rows.iter().filter(|row| row.judged);
    let mut parts = Vec::new();
    let runs = runs(comparison);
    let failures = judged().find(|row| is_failures(row));
    parts.extend(failures.map(failed));
    let lead = lead(judged(), &runs);
    parts.extend(lead.map(factor));
    parts.extend(counts(comparison, &runs, lead));
    let figures: Vec<&Row> = judged().collect();
    parts.extend(noise(&figures, &runs, comparison.deterministic));
    parts.extend(match &comparison.missing[..] {
        [] => None,
        [one] => Some(format!("not compared: {one}")),
        [one, rest @ ..] => {
            Some(format!("not compared: {one}, and {} more", rest.len()))
        }
    });
    if parts.is_empty() {
        parts.push("nothing was judged; --metric names a metric".to_owned());
    }
    format!("{sides}: {}", parts.join("; "))
}

/// The verdict of each run: of its judged figures, the one that says most.
#[must_use]
pub fn runs(comparison: &Comparison) -> BTreeMap<&str, Verdict> {
    let judged = comparison.rows.iter().filter(|row| row.judged);
    let mut runs: BTreeMap<&str, Verdict> = BTreeMap::new();
    for row in judged.filter(|row| !is_failures(row)) {
        let of = runs.entry(&row.run).or_insert(row.verdict);
        *of = more_telling(row.verdict, *of);
    }
    runs
}

/// The figure that differs most of what is worse, or else of what is better:
/// its verdict, the logarithm of its factor and what is said of it.
#[must_use]
pub fn most(comparison: &Comparison) -> Option<(Verdict, f64, String)> {
    let judged = comparison.rows.iter().filter(|row| row.judged);
    let lead = lead(judged, &runs(comparison))?;
    Some((lead.verdict, size(lead), factor(lead)))
}

fn sides(sides: &[String; 2]) -> String {
    let [a, b] = names(sides);
    match &*sides[0] {
        both if *both == *sides[1] && !both.is_empty() => {
            format!("{a} → {b}, both {both}")
        }
        _ => format!("{a} → {b}"),
    }
}

/// Which of two verdicts stands for both: that of one that is worse, then one
/// that is open; what is better says more than what is the same.
fn more_telling(one: Verdict, other: Verdict) -> Verdict {
    let rank = |verdict| match verdict {
        Verdict::Worse => 0,
        Verdict::Unknown => 1,
        Verdict::Differs => 2,
        Verdict::Better => 3,
        Verdict::NoWorse => 4,
        Verdict::Same => 5,
    };
    match rank(one) <= rank(other) {
        true => one,
        false => other,
    }
}

/// Both names without what they have in common: `debian:6.12-cloud` and
/// `debian:7.2-cloud` are 6.12 and 7.2, `/b/old/bzImage` and `/b/new/bzImage`
/// are old and new.
#[must_use]
pub fn names([a, b]: &[String; 2]) -> [String; 2] {
    if a == b {
        return ["A".to_owned(), "B".to_owned()];
    }
    let prefix = |text: &str| text.find(':').map_or(0, |at| at + 1);
    let front = match a[..prefix(a)] == b[..prefix(b)] {
        true => prefix(a),
        false => 0,
    };
    let [mut one, mut two] = paths([&a[front..], &b[front..]]);
    while let (Some((first, x)), Some((second, y))) =
        (one.rsplit_once('-'), two.rsplit_once('-'))
        && x == y
        && first != second
    {
        (one, two) = (first, second);
    }
    [one.to_owned(), two.to_owned()]
}

/// Both paths without the directories that they begin with, and the names that
/// they end with, as far as these are the same. What does not begin at the root
/// may be a cell of a matrix, whose name stays whole.
fn paths([mut one, mut two]: [&str; 2]) -> [&str; 2] {
    if ![one, two].iter().all(|path| path.starts_with('/')) {
        return [one, two];
    }
    while let (Some((x, first)), Some((y, second))) =
        (one.split_once('/'), two.split_once('/'))
        && x == y
    {
        (one, two) = (first, second);
    }
    while let (Some((first, x)), Some((second, y))) =
        (one.rsplit_once('/'), two.rsplit_once('/'))
        && x == y
    {
        (one, two) = (first, second);
    }
    [one, two]
}

/// The sentence for a mail, in which nothing but ASCII is sure to arrive.
#[must_use]
pub fn ascii(answer: &str) -> String {
    answer.replace('→', "->").replace('×', "x")
}

/// The row of boots that failed.
pub(crate) fn is_failures(row: &Row) -> bool {
    row.run == "boots" && row.metric == "failed"
}

fn failed(row: &Row) -> String {
    let share = |share: f64| format!("{:.0} %", share * 100.0);
    format!(
        "{} of A's boots failed and {} of B's ({})",
        share(row.a),
        share(row.b),
        row.verdict
    )
}

/// What is told first: of the runs that are worse, or else of those that are
/// better, the one that differs by the largest factor. Its rate stands for it,
/// if that says the same, or else the figure that differs most.
fn lead<'r>(
    rows: impl Iterator<Item = &'r Row> + Clone,
    runs: &BTreeMap<&str, Verdict>,
) -> Option<&'r Row> {
    for verdict in [Verdict::Worse, Verdict::Better] {
        let is = |row: &&Row| {
            row.verdict == verdict
                && runs.get(&*row.run) == Some(&verdict)
                && row.difference.is_some()
        };
        let rates = rows.clone().filter(is).filter(|row| row.metric == "rate");
        let rates: BTreeSet<&str> = rates.map(|row| &*row.run).collect();
        let mine = rows
            .clone()
            .filter(is)
            .filter(|row| row.metric == "rate" || !rates.contains(&*row.run));
        let most = mine.max_by(|x, y| size(x).total_cmp(&size(y)));
        if most.is_some() {
            return most;
        }
    }
    None
}

/// By what it differs, either way.
fn size(row: &Row) -> f64 {
    let difference = row.difference.unwrap_or(0.0);
    difference.ln_1p().abs()
}

/// Whether a figure tells how fast something is.
fn of_speed(row: &Row) -> bool {
    ["/s", "ns"].contains(&&*row.unit)
}

/// A figure that differs, with its factor. Metrics have names that are one
/// thing or many, so none of them is the subject of a verb.
fn factor(row: &Row) -> String {
    let ratio = 1.0 + row.difference.unwrap_or(0.0);
    let (run, metric) = (&row.run, &row.metric);
    let (what, word) = match (&**metric, &*row.unit, ratio >= 1.0) {
        ("rate", _, true) => (format!("{run} is"), "faster"),
        ("rate", _, false) => (format!("{run} is"), "slower"),
        (_, unit, more) => (
            format!("{run} is {}: {metric}", row.verdict),
            match (unit, more) {
                ("ns", true) => "longer",
                ("ns", false) => "shorter",
                (_, true) => "higher",
                (_, false) => "lower",
            },
        ),
    };
    // A rate that falls to a half is twice as slow; what is little is told as
    // the table has it, as a share of A.
    let turned = |ratio: f64| if ratio < 1.0 { 1.0 / ratio } else { ratio };
    let large = turned(ratio) >= 1.1;
    let plain = |ratio: f64| match large {
        true => format!("{:.2}", turned(ratio)),
        false => format!("{:.1}", (ratio - 1.0).abs() * 100.0),
    };
    let shown = match (large, (ratio - 1.0).abs()) {
        (true, _) => format!("{} ×", plain(ratio)),
        (false, 0.001..) => format!("{} %", plain(ratio)),
        (false, share) => format!("{:.2} %", share * 100.0),
    };
    let sure = match (row.exact, row.interval) {
        (true, _) => ", exact".to_owned(),
        (false, Some(of)) => {
            let mut ends = [1.0 + of.low, 1.0 + of.high];
            ends.sort_by(|x, y| turned(*x).total_cmp(&turned(*y)));
            format!(" ({} to {})", plain(ends[0]), plain(ends[1]))
        }
        (false, None) => String::new(),
    };
    format!("{what} {shown} {word}{sure}")
}

/// How many runs are what, beside the one that is told.
fn counts(
    comparison: &Comparison,
    runs: &BTreeMap<&str, Verdict>,
    lead: Option<&Row>,
) -> Option<String> {
    let figures = comparison.rows.iter();
    let mut figures = figures.filter(|row| row.judged && !is_failures(row));
    let speed = figures.all(of_speed);
    let mut parts: Vec<String> = Vec::new();
    for (verdict, slower, worse) in CLASSES {
        let all = runs.values().filter(|of| **of == verdict).count();
        let told = lead.is_some_and(|row| runs[&*row.run] == verdict);
        let count = all - usize::from(told);
        if count == 0 {
            continue;
        }
        let word = if speed { slower } else { worse };
        let more = if told { " more" } else { "" };
        let of = match (told, lead.is_some(), count) {
            (true, ..) => "",
            (false, true, 1) => " other run",
            (false, true, _) => " other runs",
            (false, false, 1) => " run",
            (false, false, _) => " runs",
        };
        let is = match (parts.is_empty(), count) {
            (false, _) => String::new(),
            (true, 1) => format!("{of} is"),
            (true, _) => format!("{of} are"),
        };
        parts.push(
            match (lead.is_none() && runs.len() == 1, runs.keys().next()) {
                (true, Some(run)) => format!("{run} is {word}"),
                _ => format!("{count}{more}{is} {word}"),
            },
        );
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What keeps figures from being decided, and what would help.
fn noise(
    rows: &[&Row],
    runs: &BTreeMap<&str, Verdict>,
    deterministic: bool,
) -> Option<String> {
    let open = rows.iter().filter(|row| row.verdict == Verdict::Unknown);
    let open: Vec<&&Row> = open.collect();
    let mut parts = Vec::new();
    if !runs.values().any(|of| *of == Verdict::Unknown) {
        // Of a run that is worse, say.
        return match open.len() {
            0 => None,
            1 => Some("1 figure is undecided".to_owned()),
            many => Some(format!("{many} figures are undecided")),
        };
    }
    let noisy = open.iter().filter(|row| row.is_noisy(deterministic));
    let most = noisy
        .flat_map(|row| row.spread)
        .flatten()
        .fold(0.0, f64::max);
    if most > 0.0 {
        let percent = most * 100.0;
        parts.push(format!("boots of one kernel spread by {percent:.0} %"));
    }
    if let Some(more @ 1..) = open.iter().filter_map(|row| row.more).max() {
        parts.push(format!(
            "{} would probably decide",
            boots(more, deterministic)
        ));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// So many more boots, as they are asked for.
#[must_use]
pub fn boots(more: usize, deterministic: bool) -> String {
    several(
        more,
        if deterministic {
            "more seed"
        } else {
            "more boot"
        },
    )
}

/// What a figure's verdict rests on, in a word or two; nothing where it says
/// all.
#[must_use]
pub fn grounds(row: &Row) -> String {
    let differs = row.better == Better::Neither
        || !matches!(row.verdict, Verdict::Same | Verdict::NoWorse);
    match (row.verdict, row.exact, row.p_corrected) {
        (Verdict::Unknown, ..) => String::new(),
        (_, true, _) => "exact".to_owned(),
        (_, false, p) if differs && p < 0.001 => "p <.001".to_owned(),
        (_, false, p) if differs => format!("p {p:.3}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::sides;

    #[test]
    fn names_are_as_short_as_they_differ() {
        for (a, b, said) in [
            ("debian:6.12-cloud", "debian:7.2-cloud", "6.12 → 7.2"),
            (
                "6.12.1+deb13-amd64",
                "7.2+deb14-amd64",
                "6.12.1+deb13 → 7.2+deb14",
            ),
            ("debian:7.2", "built:7.2", "debian:7.2 → built:7.2"),
            ("debian:7.2-cloud", "debian:7.2-rt", "7.2-cloud → 7.2-rt"),
            ("old/bzImage", "new/bzImage", "old/bzImage → new/bzImage"),
            ("/b/old/bzImage", "/b/new/bzImage", "old → new"),
            ("/b/a1/image", "/b/c/image", "a1 → c"),
            (
                "/b/vmlinuz-6.1",
                "/b/vmlinuz-6.12",
                "vmlinuz-6.1 → vmlinuz-6.12",
            ),
            ("/image", "/old/image", "image → old/image"),
            ("host", "host nosmt", "host → host nosmt"),
            ("k-x", "k-x", "A → B, both k-x"),
        ] {
            assert_eq!(sides(&[a.to_owned(), b.to_owned()]), said);
        }
    }
}
