//! Two sampled profiles of a run compared, as far as samples tell.

use super::{Estimate, SURE, each_ns};
use crate::finished::FinishedBoot;
use crate::model::Run;
use crate::model::profile::Space;
use crate::model::sampled::Sampled;
use crate::profile::table::{number, signed};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use core::fmt;
use serde::Serialize;
use std::collections::BTreeMap;

/// Functions that are shown, unless one more would be all.
const SHOWN: usize = 20;
/// Functions that are named in a sentence.
const NAMED: usize = 3;

/// How the CPU time of an iteration differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The run.
    pub run: String,
    /// Samples a second of each CPU.
    pub hz: u32,
    /// Iterations of A and of B, over all boots.
    pub iterations: [u64; 2],
    /// Samples of A and of B: the sums of those of the rows.
    pub samples: [u64; 2],
    /// CPU time of an iteration, in ns.
    pub each_ns: [f64; 2],
    /// The functions: first those that differ, then those that may.
    pub rows: Vec<Row>,
}

/// A function in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub space: Space,
    /// Samples of A and of B, over all boots.
    pub samples: [u64; 2],
    /// CPU time of an iteration, in ns. All true ones together are within
    /// these bounds in 95 of 100 comparisons.
    pub each_ns: [Estimate; 2],
    /// What that says.
    pub verdict: Verdict,
}

impl Row {
    fn difference(&self) -> f64 {
        self.each_ns[1].value - self.each_ns[0].value
    }
}

/// What samples say of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// B has more.
    More,
    /// B has less.
    Less,
    /// The bounds of both overlap.
    Undecided,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::More => "more",
            Self::Less => "less",
            Self::Undecided => "undecided",
        })
    }
}

/// The differences of each run that all boots of both sides have a sampled
/// profile of; and what to know of those that have none.
#[must_use]
pub fn of_boots(
    a: &[FinishedBoot],
    b: &[FinishedBoot],
) -> (Vec<Difference>, Vec<String>) {
    let (mut all, mut warnings) = (Vec::new(), Vec::new());
    let first = a.first().map_or(&[][..], |boot| &boot.report.runs);
    for (at, run) in first.iter().enumerate() {
        let same = |boots: &'_ [FinishedBoot]| -> Option<Vec<Run>> {
            let runs = boots.iter().map(|boot| {
                let same = boot.report.runs.get(at);
                same.filter(|same| same.name == run.name).cloned()
            });
            runs.collect()
        };
        let (Some(a), Some(b)) = (same(a), same(b)) else {
            continue;
        };
        match of_run(&run.name, [&a, &b]) {
            Ok(difference) => all.extend(difference),
            Err(warning) => warnings.push(warning),
        }
    }
    (all, warnings)
}

/// The difference of one run, if it was sampled in all boots.
fn of_run(
    name: &str,
    sides: [&[Run]; 2],
) -> Result<Option<Difference>, String> {
    let exact = |runs: &[Run]| runs.iter().all(|run| run.profile.is_some());
    let any = |runs: &[Run]| runs.iter().any(|run| run.sampled.is_some());
    let of = |runs: &[Run]| -> Option<Vec<Sampled>> {
        runs.iter().map(|run| run.sampled.clone()).collect()
    };
    let both = match sides {
        [a, b] if a.is_empty() || b.is_empty() || !(any(a) || any(b)) => {
            return Ok(None);
        }
        [a, b] => of(a).zip(of(b)),
    };
    let Some((a, b)) = both else {
        let [a, b] = sides;
        let why = match (any(a), any(b)) {
            (true, false) if exact(b) => "A's is sampled, B's is exact",
            (false, true) if exact(a) => "A's is exact, B's is sampled",
            _ => "not all boots have one",
        };
        return Err(format!(
            "the sampled profiles of {name} are not compared: {why}"
        ));
    };
    let how = |of: &Sampled| (of.hz, of.event, of.scope);
    if a.iter().chain(&b).any(|of| how(of) != how(&a[0])) {
        return Err(format!(
            "the sampled profiles of {name} are not compared: they were not \
             taken in the same way"
        ));
    }
    Ok(Some(difference(name, [&a, &b])))
}

/// How two sides of profiles of a run differ, all taken in the same way.
#[must_use]
pub fn difference(run: &str, sides: [&[Sampled]; 2]) -> Difference {
    let mut sums: BTreeMap<(&str, Space), [u64; 2]> = BTreeMap::new();
    for (at, profiles) in sides.into_iter().enumerate() {
        for seen in profiles.iter().flat_map(|it| &it.functions) {
            let sum = sums.entry((&*seen.name, seen.space)).or_default();
            sum[at] = sum[at].saturating_add(seen.samples);
        }
    }
    let sum = |of: fn(&Sampled) -> u64| {
        let add = |sum: u64, it| sum.saturating_add(of(it));
        sides.map(|side| side.iter().fold(0, add))
    };
    let (iterations, samples) = (sum(|it| it.iterations), sum(|it| it.samples));
    let first = sides.iter().find_map(|side| side.first());
    let hz = first.map_or(1, |it| it.hz);
    let each = [0, 1].map(|at| each_ns((samples[at], hz, iterations[at])));
    // The rows of both sides are to be right together.
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let coverage = 1.0 - (1.0 - SURE) / (2 * sums.len().max(1)) as f64;
    let rows = sums.into_iter().map(|((name, space), of)| {
        let each_ns = [0, 1].map(|at| {
            let share = Estimate::share(of[at], samples[at], coverage);
            share.of(each[at])
        });
        let [a, b] = &each_ns;
        let verdict = match a.overlaps(b) {
            true => Verdict::Undecided,
            false if a.value < b.value => Verdict::More,
            false => Verdict::Less,
        };
        Row {
            name: name.to_owned(),
            space,
            samples: of,
            each_ns,
            verdict,
        }
    });
    let mut rows: Vec<Row> = rows.collect();
    let undecided = |row: &Row| row.verdict == Verdict::Undecided;
    // Those that are equal stay in the order of their names.
    rows.sort_by(|x, y| {
        let larger = y.difference().abs().total_cmp(&x.difference().abs());
        undecided(x).cmp(&undecided(y)).then(larger)
    });
    Difference {
        run: run.to_owned(),
        hz,
        iterations,
        samples,
        each_ns: each,
        rows,
    }
}

impl Difference {
    /// In a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let decided = |row: &&Row| row.verdict != Verdict::Undecided;
        let differ = self.rows.iter().filter(decided);
        let count = differ.clone().count();
        let named = differ
            .take(NAMED)
            .map(|row| format!("{} {} ns", row.name, signed(row.difference())));
        let mut named: Vec<String> = named.collect();
        if count > NAMED {
            named.push(format!("{} more", count - NAMED));
        }
        if count == 0 {
            named.push("no function differs beyond its error".to_owned());
        }
        format!("{}, sampled: {}", self.run, named.join(", "))
    }

    /// The functions that differ most, each with its error, what the others
    /// make together, and the whole.
    #[must_use]
    pub fn render(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header([
            "B - A", "A", "bounds", "B", "bounds", "", "", "function",
        ]);
        let bounds = |of: &Estimate| {
            format!("{} .. {}", number(of.low), number(of.high))
        };
        let shown = match self.rows.len() {
            all if all <= SHOWN + 1 => all,
            _ => SHOWN,
        };
        for row in &self.rows[..shown] {
            let [a, b] = &row.each_ns;
            table.add_row([
                signed(row.difference()),
                number(a.value),
                bounds(a),
                number(b.value),
                bounds(b),
                row.verdict.to_string(),
                row.space.name().to_owned(),
                row.name.clone(),
            ]);
        }
        let mut sum = |each: [f64; 2], name: &str| {
            let empty = String::new;
            table.add_row([
                signed(each[1] - each[0]),
                number(each[0]),
                empty(),
                number(each[1]),
                empty(),
                empty(),
                empty(),
                name.to_owned(),
            ]);
        };
        let rest = &self.rows[shown..];
        if !rest.is_empty() {
            let of =
                |at: usize| rest.iter().map(move |it| it.each_ns[at].value);
            let both = [0, 1].map(|at| of(at).sum());
            sum(both, &format!("{} more", rest.len()));
        }
        sum(self.each_ns, "all");
        for column in table.column_iter_mut().take(5) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!(
            "{}: CPU time an iteration by function, in ns, sampled {} times a \
             second\n{}\n",
            self.run,
            self.hz,
            table.trim_fmt()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, difference, of_run};
    use crate::model::Run;
    use crate::model::profile::Profile;
    use crate::profile::sampled::tests::sampled;

    #[test]
    fn what_overlaps_is_undecided() {
        let a = [("same", 500), ("more", 100), ("gone", 60), ("few", 3)];
        let b = [("same", 520), ("more", 300), ("new", 80), ("few", 6)];
        let [a, b] = [a, b].map(|of| sampled(1000, &of));
        let of = difference("Run", [core::slice::from_ref(&a), &[b]]);
        let rows = of.rows.iter().map(|row| (&*row.name, row.verdict));
        let rows: Vec<_> = rows.collect();
        let expected = [
            ("more", Verdict::More),
            ("new", Verdict::More),
            ("gone", Verdict::Less),
            ("same", Verdict::Undecided),
            ("few", Verdict::Undecided),
        ];
        assert_eq!(rows, expected);
        let said = "Run, sampled: more +200000 ns, new +80000 ns, gone -60000 \
                    ns";
        assert_eq!(of.summary(), said);
        let text = of.render();
        assert!(text.contains("undecided  kernel  few"), "{text}");
        let all = text.lines().last().unwrap();
        assert!(all.trim_start().starts_with("+243000  663000"), "{text}");
        // The same twice is no difference, however small the bounds.
        let same = difference("Run", [core::slice::from_ref(&a); 2]);
        let said = "Run, sampled: no function differs beyond its error";
        assert_eq!(same.summary(), said);
    }

    #[test]
    fn exact_and_sampled_are_never_mixed() {
        let run = |hz: Option<u32>, exact: bool| {
            let sampled = hz.map(|hz| {
                let mut of = sampled(10, &[("f", 10)]);
                of.hz = hz;
                of
            });
            let profile = exact.then(Profile::default);
            vec![Run {
                sampled,
                profile,
                ..Run::default()
            }]
        };
        let said = |a: &[Run], b: &[Run]| match of_run("PipeIo", [a, b]) {
            Ok(found) => found.is_some().to_string(),
            Err(why) => why,
        };
        let (exact, sampled) = (run(None, true), run(Some(99), false));
        for (a, b, end) in [
            (&exact, &sampled, "A's is exact, B's is sampled"),
            (&sampled, &exact, "A's is sampled, B's is exact"),
            (&sampled, &run(None, false), "not all boots have one"),
            (&sampled, &run(Some(98), false), "taken in the same way"),
            (&sampled, &run(Some(99), true), "true"),
            (&exact, &exact, "false"),
            (&exact, &vec![], "false"),
        ] {
            let text = said(a, b);
            assert!(text.ends_with(end), "{text}");
        }
    }
}
