//! Entries put together to cells.

use super::file::File;
use super::{Cell, Kind, Wrong};
use crate::boot::BootRequest;
use crate::usage::near;
use std::collections::BTreeMap;

/// An option of `boot` that an entry gives.
#[derive(Debug, Clone)]
pub(super) struct OptionValue {
    pub(super) name: &'static str,
    pub(super) line: usize,
    /// It may be given several times.
    pub(super) repeats: bool,
    /// Words for `boot`; none take back what holds for every boot.
    pub(super) words: Vec<String>,
}

/// A kernel, a machine or a plan.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) boots: Option<u64>,
    /// What only this kind of entry has.
    pub(super) own: BTreeMap<&'static str, Vec<String>>,
    pub(super) options: Vec<OptionValue>,
}

impl Entry {
    fn own(&self, key: &str) -> Option<String> {
        self.own.get(key).map(|words| words.join(" "))
    }
}

/// Cells to leave out, or to take in again: those of all these names, where
/// none of a kind means any.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) names: [Vec<String>; 3],
}

impl Row {
    fn has(&self, cell: &Cell) -> bool {
        let mut both = self.names.iter().zip(&cell.names);
        both.all(|(names, name)| names.is_empty() || names.contains(name))
    }
}

/// The cells of a file.
pub(super) fn cells(file: &File) -> Result<Vec<Cell>, Vec<Wrong>> {
    let mut wrong = Vec::new();
    for row in file.exclude.iter().chain(&file.include) {
        named(row, file, &mut wrong);
    }
    let [kernels, machines, plans] = &file.entries;
    let mut all = Vec::new();
    for kernel in kernels {
        for machine in machines {
            for plan in plans {
                let entries = [kernel, machine, plan];
                let cell = cell(file, entries, &mut wrong);
                let is = |row: &Row| row.has(&cell);
                let kept = !file.exclude.iter().any(is);
                all.push((kept, cell));
            }
        }
    }
    for row in &file.include {
        let mut back = 0;
        for (kept, _) in all.iter_mut().filter(|(_, cell)| row.has(cell)) {
            back += usize::from(!*kept);
            *kept = true;
        }
        if back == 0 && wrong.is_empty() {
            let what = "this `include` takes nothing in again: all of it is \
                        there";
            wrong.push(Wrong::new(row.line, what));
        }
    }
    let kept: Vec<Cell> = all
        .into_iter()
        .filter_map(|(kept, cell)| kept.then_some(cell))
        .collect();
    if kept.is_empty() && wrong.is_empty() {
        let line = file.exclude.first().map_or(1, |row| row.line);
        wrong.push(Wrong::new(line, "every cell is excluded"));
    }
    match wrong.is_empty() {
        true => Ok(kept),
        false => Err(wrong),
    }
}

/// Checks the names of a row.
fn named(row: &Row, file: &File, wrong: &mut Vec<Wrong>) {
    for kind in Kind::ALL {
        let entries = file.entries[kind as usize].iter();
        let known = entries.map(|entry| entry.name.as_str());
        for name in &row.names[kind as usize] {
            if !known.clone().any(|known| known == name) {
                let (kind, near) = (kind.name(), near(name, known.clone()));
                let what = format!("no {kind} `{name}`{near}");
                wrong.push(Wrong::new(row.line, what));
            }
        }
    }
}

fn cell(file: &File, of: [&Entry; 3], wrong: &mut Vec<Wrong>) -> Cell {
    let mut boots: Option<(u64, String)> = None;
    // By option, who gave it.
    let mut given: BTreeMap<&str, String> = BTreeMap::new();
    let mut options: Vec<&OptionValue> = Vec::new();
    let mut twice = |line, name: &str, one: &str, other: &str| {
        let what = format!("`{name}` is given by {one} and by {other}");
        wrong.push(Wrong::new(line, what));
    };
    for (kind, entry) in Kind::ALL.into_iter().zip(of) {
        let who = format!("{} `{}`", kind.name(), entry.name);
        if let Some(number) = entry.boots {
            match &boots {
                Some((_, other)) => twice(entry.line, "boots", other, &who),
                None => boots = Some((number, who.clone())),
            }
        }
        for option in &entry.options {
            let known = given.get(option.name).filter(|_| !option.repeats);
            match known {
                Some(other) => twice(option.line, option.name, other, &who),
                None => {
                    given.insert(option.name, who.clone());
                    options.push(option);
                }
            }
        }
    }
    let defaults = file.defaults.options.iter();
    let defaults = defaults
        .filter(|option| option.repeats || !given.contains_key(option.name));
    let options: Vec<&OptionValue> = defaults.chain(options).collect();
    let given = options.iter().filter(|option| !option.words.is_empty());
    let places = given.map(|option| (option.name, option.line)).collect();
    let [kernel, machine, plan] = of;
    let words = options.iter().flat_map(|option| &option.words);
    let own = plan.own.get("plan").into_iter().flatten();
    let words: Vec<&str> = words
        .map(String::as_str)
        .chain(["--"])
        .chain(own.map(String::as_str))
        .collect();
    let mut request =
        BootRequest::parse("matrix", &words).unwrap_or_else(|error| {
            wrong.push(Wrong::new(machine.line, format!("{error:#}")));
            BootRequest::default()
        });
    request.kernel = kernel.own("kernel").unwrap_or_default();
    let boots = boots.map(|(number, _)| number).or(file.defaults.boots);
    Cell {
        names: of.map(|entry| entry.name.clone()),
        lines: of.map(|entry| entry.line),
        places,
        boots: boots.unwrap_or(1),
        request,
        url: kernel.own("url"),
        kbuild: kernel.own("kbuild"),
    }
}
