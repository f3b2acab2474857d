//! Two commits of a kernel tree reviewed: which work types tell something of
//! what changed, and what they said; no I/O.

mod choose;
mod mail;

pub use self::choose::{Choice, Left, choose, lacking};

use crate::bisect::show::short;
use crate::compare::{Comparison, answer};
use crate::evidence::Verdict;
use crate::exit::Exit;
use crate::map::code::CodeChanges;
use crate::model::profile::Space;
use std::collections::BTreeSet;

/// One side.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Its name.
    pub name: String,
    /// Its first line.
    pub subject: String,
    /// It is the checkout as it stands, with changes that are in no commit.
    pub dirty: bool,
    /// What its kernel says it is.
    pub release: String,
    /// SHA-256 of its image.
    pub image: String,
}

impl Commit {
    /// What it is called in a sentence.
    fn called(&self) -> String {
        match self.dirty {
            true => "the checkout".to_owned(),
            false => short(&self.name).to_owned(),
        }
    }
}

/// What differs between both.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Functions that the patch changes, by its text.
    pub patch: BTreeSet<String>,
    /// Files that it changes outside of functions.
    pub elsewhere: BTreeSet<String>,
    /// Functions whose code differs; nothing where that cannot be known.
    pub code: Option<CodeChanges>,
}

impl Changes {
    /// All functions that the work types should execute.
    #[must_use]
    pub fn functions(&self) -> Vec<String> {
        let code = self.code.as_ref().map(CodeChanges::all);
        let all = &self.patch | &code.unwrap_or_default();
        all.into_iter().collect()
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Found {
    /// A side does not build: which, and why.
    NotBuilt(usize, String),
    /// Both kernels are the same, to the byte.
    SameImage,
    /// No work type that this machine can run executes what changed.
    NoType,
    /// They were measured.
    Compared(Box<Comparison>),
}

/// A review.
#[derive(Debug, Clone)]
pub struct Review {
    /// The name of the tree.
    pub tree: String,
    /// Both commits.
    pub sides: [Commit; 2],
    /// What differs.
    pub changes: Changes,
    /// A plan was given.
    pub given: bool,
    /// The work types that were chosen unless it was.
    pub choice: Choice,
    /// The names by which the work types know the functions.
    pub executed: BTreeSet<String>,
    /// What came of it.
    pub found: Found,
    /// How the kernels were built.
    pub built_with: String,
    /// The machine, in a few words.
    pub machine: String,
    /// Which pidone measured it.
    pub pidone: String,
    /// The words that ask for it again.
    pub command: Vec<String>,
}

impl Review {
    /// Takes what came of measuring, and calls both sides by their commits.
    pub fn measured(&mut self, mut of: Comparison) {
        of.sides = self.sides.each_ref().map(Commit::called);
        of.answer = answer::of(&of);
        self.found = Found::Compared(Box::new(of));
    }

    /// What it says in a word.
    #[must_use]
    pub fn verdict(&self) -> String {
        match &self.found {
            Found::NotBuilt(..) | Found::NoType => "cannot tell".to_owned(),
            Found::SameImage => Verdict::Same.to_string(),
            Found::Compared(of) => match (of.verdict, self.is_missed()) {
                (Verdict::Unknown, _) => "cannot tell".to_owned(),
                (verdict, true) if verdict.no_worse() => {
                    "cannot tell".to_owned()
                }
                (verdict, _) => verdict.to_string(),
            },
        }
    }

    /// How the verb ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match &self.found {
            Found::NotBuilt(..) | Found::NoType => Exit::CannotTell,
            Found::SameImage => Exit::Good,
            Found::Compared(of) => match (of.exit_code, self.is_missed()) {
                (Exit::Good, true) => Exit::CannotTell,
                (exit, _) => exit,
            },
        }
    }

    /// Whether nothing of what changed was executed by the types that were
    /// chosen, so that figures that are the same say nothing of it. Whoever
    /// gives a plan knows what it is good for.
    fn is_missed(&self) -> bool {
        let asked = self.changes.functions();
        !self.given && self.split(&asked).0.is_empty()
    }

    /// Of functions those that were executed while it was measured, and the
    /// others.
    fn split<'f>(&self, all: &'f [String]) -> (Vec<&'f str>, Vec<&'f str>) {
        let Found::Compared(of) = &self.found else {
            return (Vec::new(), Vec::new());
        };
        let rows = of.profiles.iter().flat_map(|profile| &profile.rows);
        let rows = rows.filter(|row| row.space == Space::Kernel);
        let ran: BTreeSet<&str> = rows
            .filter(|row| row.instructions != [0, 0])
            .map(|row| row.name.as_str())
            .collect();
        let names = all.iter().map(String::as_str);
        names.partition(|name| {
            ran.iter().any(|ran| crate::map::is_named(ran, name))
        })
    }
}

#[cfg(test)]
mod tests;
