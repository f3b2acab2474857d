//! Two profiles of a run compared: by which functions they differ.

use super::table::{number, shortened, signed};
use crate::finished::FinishedBoot;
use crate::model::profile::{Profile, Space};
use crate::text::filled;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use serde::Serialize;
use std::collections::BTreeMap;

/// Functions that are shown, unless one more would be all.
const SHOWN: usize = 20;
/// Functions that are named in a sentence.
const NAMED: usize = 3;

/// How the instructions of an iteration differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The run.
    pub run: String,
    /// Iterations of A and of B, over all boots.
    pub iterations: [u64; 2],
    /// Instructions of A and of B: the sums of those of the rows.
    pub instructions: [u64; 2],
    /// Those of an iteration.
    pub each: [f64; 2],
    /// What B has more than A, an iteration.
    pub difference: f64,
    /// The functions, those that differ most first.
    pub rows: Vec<Row>,
}

/// A function in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub space: Space,
    /// Instructions of A and of B, over all boots.
    pub instructions: [u64; 2],
    /// Those of an iteration.
    pub each: [f64; 2],
    /// What B has more than A, an iteration.
    pub difference: f64,
}

/// The differences of each run that all boots of both sides have a profile of.
#[must_use]
pub fn of_boots(a: &[FinishedBoot], b: &[FinishedBoot]) -> Vec<Difference> {
    let first = a.first().map_or(&[][..], |boot| &boot.report.runs);
    let runs = first.iter().enumerate().filter_map(|(at, run)| {
        let of = |boots: &[FinishedBoot]| -> Option<Vec<Profile>> {
            let profiles = boots.iter().map(|boot| {
                let same = boot.report.runs.get(at);
                let same = same.filter(|same| same.name == run.name);
                same?.profile.clone()
            });
            profiles.collect()
        };
        let (a, b) = (of(a)?, of(b)?);
        (!b.is_empty()).then(|| difference(&run.name, [&a, &b]))
    });
    runs.collect()
}

/// How two sides of profiles of a run differ.
#[must_use]
pub fn difference(run: &str, sides: [&[Profile]; 2]) -> Difference {
    let mut sums: BTreeMap<(&str, Space), [u64; 2]> = BTreeMap::new();
    for (at, profiles) in sides.into_iter().enumerate() {
        for function in profiles.iter().flat_map(|it| &it.functions) {
            let key = (&*function.name, function.space);
            sums.entry(key).or_default()[at] += function.instructions;
        }
    }
    let sum = |of: fn(&Profile) -> u64| {
        sides.map(|side| side.iter().map(of).sum::<u64>())
    };
    let iterations = sum(|profile| profile.iterations);
    let instructions = sum(|profile| profile.instructions);
    let each = |numbers: [u64; 2]| {
        let of = |at: usize| {
            let whole = Profile {
                iterations: iterations[at],
                ..Profile::default()
            };
            whole.each(numbers[at])
        };
        [of(0), of(1)]
    };
    let rows = sums.into_iter().map(|((name, space), instructions)| {
        let each = each(instructions);
        Row {
            name: name.to_owned(),
            space,
            instructions,
            each,
            difference: each[1] - each[0],
        }
    });
    let mut rows: Vec<Row> = rows.collect();
    // Those that are equal stay in the order of their names.
    rows.sort_by(|x, y| y.difference.abs().total_cmp(&x.difference.abs()));
    let each = each(instructions);
    Difference {
        run: run.to_owned(),
        iterations,
        instructions,
        each,
        difference: each[1] - each[0],
        rows,
    }
}

impl Difference {
    /// In a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let (run, whole) = (&self.run, self.difference);
        let differ = self.rows.iter().filter(|row| row.difference != 0.0);
        let count = differ.clone().count();
        if count == 0 {
            return format!("{run}: not an instruction more or less");
        }
        let share = match self.each[0] {
            0.0 => String::new(),
            a => format!(" ({:+.2} %)", whole / a * 100.0),
        };
        let named = differ.take(NAMED).map(|row| {
            let name = shortened(&row.name);
            format!("{name} {}", signed(row.difference))
        });
        let mut named: Vec<String> = named.collect();
        if count > NAMED {
            named.push(format!("{} more", count - NAMED));
        }
        format!(
            "{run}: {} instructions an iteration{share}: {}",
            signed(whole),
            named.join(", ")
        )
    }

    /// The table, and the sentence below it in so many columns.
    #[must_use]
    pub fn whole(&self, columns: usize) -> String {
        let summary = filled(&self.summary(), "", "  ", columns);
        format!("{}{summary}\n", self.render())
    }

    /// The functions that differ most, what the others make together, and the
    /// whole.
    #[must_use]
    pub fn render(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["B - A", "A", "B", "", "function"]);
        let mut row = |each: [f64; 2], of: [&str; 2]| {
            table.add_row([
                signed(each[1] - each[0]),
                number(each[0]),
                number(each[1]),
                of[0].to_owned(),
                of[1].to_owned(),
            ]);
        };
        let differ = self.rows.iter().filter(|row| row.difference != 0.0);
        let shown = match differ.clone().count() {
            all if all <= SHOWN + 1 => all,
            _ => SHOWN,
        };
        for function in differ.take(shown) {
            let name = shortened(&function.name);
            row(function.each, [function.space.name(), &name]);
        }
        let rest = &self.rows[shown..];
        if !rest.is_empty() {
            let sum = |at: usize| rest.iter().map(|it| it.each[at]).sum();
            row([sum(0), sum(1)], ["", &format!("{} more", rest.len())]);
        }
        row(self.each, ["", "all"]);
        for column in table.column_iter_mut().take(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!(
            "{}: instructions an iteration, by function\n{}\n",
            self.run,
            table.trim_fmt()
        )
    }
}
