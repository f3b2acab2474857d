//! Kernels by machines by plans: what a matrix file asks for.
//!
//! An entry is options of `boot` with a name; a cell is a kernel, a machine
//! and a plan together. `docs/matrix.md` has the form of the file.

mod against;
mod cells;
mod file;
pub mod schedule;
pub mod shown;
pub mod summary;
#[cfg(test)]
mod tests;
pub mod work;

pub use self::against::Pair;
pub use self::file::parse;
pub(crate) use self::file::words_of;

use crate::boot::BootRequest;
use core::fmt;
use std::collections::BTreeMap;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wrong {
    /// The line, from 1.
    pub line: usize,
    /// What, and what is valid.
    pub what: String,
}

impl Wrong {
    /// Something wrong in that line.
    pub fn new(line: usize, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { line, what }
    }
}

/// All that is wrong with a file, a line each, in its order.
#[must_use]
pub fn listed(file: &str, wrong: &[Wrong]) -> String {
    let mut all: Vec<String> = Vec::new();
    let mut sorted: Vec<&Wrong> = wrong.iter().collect();
    sorted.sort();
    sorted.dedup();
    for Wrong { line, what } in sorted {
        all.push(format!("{file}:{line}: {what}"));
    }
    all.join("\n")
}

/// What an entry is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A kernel.
    Kernel,
    /// A machine.
    Machine,
    /// A plan.
    Plan,
}

impl Kind {
    /// All, in the order of a cell's name.
    pub const ALL: [Self; 3] = [Self::Kernel, Self::Machine, Self::Plan];

    /// What one is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["kernel", "machine", "plan"][self as usize]
    }

    /// The table of the file that has them.
    #[must_use]
    pub fn table(self) -> &'static str {
        ["kernels", "machines", "plans"][self as usize]
    }
}

/// A kernel, a machine and a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// Their names.
    pub names: [String; 3],
    /// Lines of the file that have them.
    pub lines: [usize; 3],
    /// Lines of its options.
    pub places: BTreeMap<&'static str, usize>,
    /// How often it is booted.
    pub boots: u64,
    /// Its first boot; without a kernel if it has none here.
    pub request: BootRequest,
    /// Where a CI finds the kernel.
    pub url: Option<String>,
    /// What a KernelCI pipeline calls the build of it.
    pub kbuild: Option<String>,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join("/"))
    }
}

impl Cell {
    /// The line of its kernel, machine or plan.
    #[must_use]
    pub fn line(&self, of: Kind) -> usize {
        self.lines[of as usize]
    }

    /// The line of an option, or of its machine.
    #[must_use]
    pub fn place(&self, option: &str) -> usize {
        let machine = self.line(Kind::Machine);
        self.places.get(option).copied().unwrap_or(machine)
    }

    /// The seed of one of its boots, from 1. They would be the same with the
    /// same.
    #[must_use]
    pub fn seed(&self, boot: u64) -> Option<u64> {
        Some(self.request.deterministic? + (boot - 1))
    }

    /// Whether a word of `--only` names it: its kernel, its machine, its
    /// plan, or all of it.
    fn is(&self, word: &str) -> bool {
        self.names.iter().any(|name| name == word) || self.to_string() == word
    }
}

/// The cells that `--only` leaves: of names of one kind any, and of several
/// kinds one of each.
///
/// # Errors
///
/// A name that none has, or nothing is left.
pub fn only(cells: Vec<Cell>, words: &[String]) -> Result<Vec<Cell>, String> {
    for word in words {
        if !cells.iter().any(|cell| cell.is(word)) {
            let names = cells.iter().flat_map(|cell| &cell.names);
            let mut names: Vec<&str> = names.map(String::as_str).collect();
            names.sort_unstable();
            names.dedup();
            let near = crate::usage::near(word, names.into_iter());
            return Err(format!("--only {word}: there is no such name{near}"));
        }
    }
    let kept = |cell: &Cell| {
        let whole = |word: &&String| word.contains('/');
        if words.iter().filter(whole).any(|word| cell.is(word)) {
            return true;
        }
        let mut parts = words.iter().filter(|word| !whole(word)).peekable();
        let any = parts.peek().is_some() || words.is_empty();
        any && (0..3).all(|at| {
            let mut mine = parts.clone().filter(|word| {
                cells.iter().any(|other| other.names[at] == **word)
            });
            let first = mine.next();
            let rest = first.into_iter().chain(mine);
            first.is_none() || rest.into_iter().any(|w| cell.names[at] == *w)
        })
    };
    let left: Vec<Cell> =
        cells.iter().filter(|cell| kept(cell)).cloned().collect();
    match left.is_empty() {
        true => Err(format!("--only {}: no cell is left", words.join(", "))),
        false => Ok(left),
    }
}
