//! Where the instructions of a run went.

use super::plain::text;
use serde::{Deserialize, Serialize};

/// What a compiler puts behind the name of a part of a function, or of one
/// that it made for some of its callers.
const PARTS: [&str; 6] =
    ["cold", "part", "constprop", "isra", "llvm", "lto_priv"];

/// Parts that are no functions of their own: whoever gets there has called the
/// function before.
const PIECES: [&str; 2] = ["cold", "part"];

/// What was executed within the measured window of a run, on all CPUs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Iterations of the run, of all its groups.
    pub iterations: u64,
    /// Instructions: the sum of those of the functions.
    pub instructions: u64,
    /// The functions, those with the most instructions first.
    pub functions: Vec<Function>,
}

/// A function, with the parts that a compiler made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name; between brackets what has none.
    pub name: String,
    /// Whose it is.
    pub space: Space,
    /// Its own instructions, without those of what it calls.
    pub instructions: u64,
    /// How often its first instruction was executed.
    pub calls: u64,
}

/// What the kernel executes, or a program.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// Addresses of the kernel.
    Kernel,
    /// Addresses of programs.
    User,
}

impl Space {
    /// That of an address.
    #[must_use]
    pub fn of(address: u64) -> Self {
        match address >> 63 {
            0 => Self::User,
            _ => Self::Kernel,
        }
    }

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::User => "user",
        }
    }
}

impl Profile {
    /// See [`Report::plain`](super::Report::plain).
    pub(crate) fn plain(&mut self) {
        let Self {
            functions,
            iterations: _,
            instructions: _,
        } = self;
        for Function {
            name,
            space: _,
            instructions: _,
            calls: _,
        } in functions
        {
            text(name);
        }
    }

    /// A number of instructions or calls for each iteration; for the run, if
    /// it has none.
    #[must_use]
    pub fn each(&self, number: u64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "shown with a few digits"
        )]
        let each = number as f64 / self.iterations.max(1) as f64;
        each
    }

    /// Instructions in one space.
    #[must_use]
    pub fn of_space(&self, space: Space) -> u64 {
        let functions = self.functions.iter();
        let mine = functions.filter(|function| function.space == space);
        mine.map(|function| function.instructions).sum()
    }
}

/// A name without what a compiler put behind it, and whether what begins there
/// is a function.
pub(crate) fn folded(name: &str) -> (&str, bool) {
    let mut whole = true;
    for (at, _) in name.match_indices('.') {
        let part = name[at + 1..].split('.').next().unwrap_or_default();
        if at > 0 && PARTS.contains(&part) {
            let rest = name[at..].split('.');
            whole = !rest.into_iter().any(|part| PIECES.contains(&part));
            return (&name[..at], whole);
        }
    }
    (name, whole)
}
