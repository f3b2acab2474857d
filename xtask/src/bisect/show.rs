//! What a bisection found, for people.

use super::decide::{Scale, range};
use super::state::{Mark, State};
use super::{Answer, Bisection};
use crate::compare::table;
use crate::text::several;
use core::fmt::Write;

/// Digits of a commit that are shown.
const SHORT: usize = 12;
/// Columns of the plot.
const COLUMNS: usize = 30;

/// A commit's name, cut short.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..SHORT).unwrap_or(commit)
}

impl Bisection<'_> {
    /// The answer, the numbers along the way and a plot of them.
    #[must_use]
    pub fn report(&self, answer: &Answer, history: &[String]) -> String {
        let named = |commit: &str| {
            let known = self.state.commits.get(commit);
            let subject = known.map_or("", |known| known.subject.as_str());
            format!("{} {subject}", short(commit))
        };
        let mut out = String::new();
        let name = &self.asked.scale.name;
        // Writing to a string does not fail.
        let mut line = |text: String| {
            let _ok = writeln!(out, "{text}");
        };
        match answer {
            Answer::Found {
                commit,
                parent,
                apart,
            } => {
                line(format!("found: {}", named(commit)));
                line(format!("  parent: {}", named(parent)));
                line(format!("  {name} {}", self.difference(apart)));
            }
            Answer::Unconfirmed { commit, why } => {
                line(format!("not confirmed: {}", named(commit)));
                line(format!("  {why}"));
            }
            Answer::OneOf(all) => {
                let count = all.len();
                line(format!("one of these {count}; the rest is skipped:"));
                all.iter().for_each(|one| line(format!("  {}", named(one))));
            }
            Answer::Refused(why) => line(format!("cannot tell: {why}")),
        }
        line(String::new());
        out + &plot(self.state, &self.asked.scale, history) + &self.counts()
    }

    /// How many boots it took.
    fn counts(&self) -> String {
        let steps = self.state.steps.iter();
        let of = steps.map(|step| self.state.boots(&step.commit).len());
        let of: Vec<String> = of.map(|boots| boots.to_string()).collect();
        let steps = match of.len() {
            0 => String::new(),
            n => format!(", {n} steps of {} boots", of.join(", ")),
        };
        format!("{} in all{steps}\n", several(self.state.count(), "boot"))
    }
}

/// A line for each commit that was looked at, in the order of history.
#[must_use]
pub fn plot(state: &State, scale: &Scale, history: &[String]) -> String {
    let mut order: Vec<&String> = vec![&state.good];
    order.extend(history.iter().filter(|hash| **hash != state.good));
    let boots = |hash: &str| state.boots(hash);
    let ranges = order.iter().filter_map(|hash| range(boots(hash)));
    let ranges: Vec<[f64; 3]> = ranges.collect();
    let least = ranges.iter().map(|r| r[0]).fold(f64::INFINITY, f64::min);
    let most = ranges.iter().map(|r| r[2]).fold(-f64::INFINITY, f64::max);
    // What does not count is not to look large.
    let middle = f64::midpoint(least, most);
    let wide = ((most - least) / 2.0).max(scale.margin * middle.abs());
    let (least, most) = (middle - wide, middle + wide);
    let mut out = String::new();
    for hash in order {
        let Some(known) = state.commits.get(hash) else {
            continue;
        };
        let mut steps = state.steps.iter();
        let step = steps.find(|step| step.commit == *hash);
        let mark = match step.map(|step| step.mark) {
            Some(Mark::Good) => "good",
            Some(Mark::Bad) => "bad",
            Some(Mark::Skip) => "skip",
            None if *hash == state.good => "good end",
            None if *hash == state.bad => "bad end",
            None => "",
        };
        let (value, bar) = match range(&known.boots) {
            Some(range) => {
                (table::value(range[1], &scale.unit), bar(range, least, most))
            }
            None => ("-".to_owned(), " ".repeat(COLUMNS)),
        };
        let line = format!(
            "{:12} {mark:8} {:3} {value:>10} |{bar}| {}",
            short(hash),
            known.boots.len(),
            known.subject
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// From least to most, with the median in it.
fn bar(range: [f64; 3], least: f64, most: f64) -> String {
    let width = most - least;
    let at = |value: f64| {
        let share = match width > 0.0 {
            true => (value - least) / width,
            false => 0.5,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the last column"
        )]
        let column = (share * (COLUMNS - 1) as f64).round() as usize;
        column
    };
    let [low, middle, high] = range.map(at);
    let mark = |column| match column {
        _ if column == middle => '●',
        _ if (low..=high).contains(&column) => '─',
        _ => ' ',
    };
    (0..COLUMNS).map(mark).collect()
}
