//! Which program this is: `cargo xtask`, of a checkout, or `pidonectl`, which
//! needs none.

use argh::CommandInfoWithArgs;
use std::sync::OnceLock;

/// A program of ours.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// What is typed to start it.
    pub name: &'static str,
    /// Whether it is of a checkout, and stores its runs there.
    pub in_checkout: bool,
    /// The command line of `pidonectl`, from which completions and its manual
    /// page are made. Some programs have none.
    pub released: Option<fn() -> CommandInfoWithArgs>,
}

/// What texts of help call the program; others read `pidonectl` there.
pub const XTASK: &str = "cargo xtask";

/// This one. In tests nothing has said which it is.
static THIS: OnceLock<Program> = OnceLock::new();

/// Says which program this is, once.
pub fn set(program: Program) {
    THIS.get_or_init(|| program);
}

/// This program.
#[must_use]
pub fn current() -> Program {
    THIS.get().copied().unwrap_or(Program {
        name: XTASK,
        in_checkout: true,
        released: None,
    })
}

/// What is typed to start this program.
#[must_use]
pub fn name() -> &'static str {
    current().name
}

/// A text of help, as a program of this name has it.
#[must_use]
pub fn named(text: &str, name: &str) -> String {
    text.replace(XTASK, name)
}
