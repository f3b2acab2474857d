//! Exit codes of every verb, safe under `git bisect run`.

use anyhow::anyhow;
use core::fmt;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// What was to tell something of a kernel was killed or interrupted, or ran
/// out of room. As an error it ends every verb with [`Exit::CannotTell`].
#[derive(Debug)]
pub struct NoEvidence(pub String);

impl fmt::Display for NoEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for NoEvidence {}

/// How a verb ends, or what a boot says of its kernel; the worse, the greater.
///
/// A failure of the tool is worst, since not all was tried; then a bad kernel,
/// which nothing else excuses; then what cannot be told.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
)]
#[serde(into = "u8", try_from = "u8")]
pub enum Exit {
    /// 0: all is well.
    Good,
    /// 125: no build, no boot, nothing but skipped runs, undecided,
    /// interrupted.
    #[default]
    CannotTell,
    /// 1: the kernel or an expectation failed.
    Bad,
    /// 255: the tool, its usage or the plan failed.
    Tool,
}

impl Exit {
    /// All of them, with their codes.
    const ALL: [(Self, u8); 4] = [
        (Self::Good, 0),
        (Self::CannotTell, 125),
        (Self::Bad, 1),
        (Self::Tool, 255),
    ];

    /// The code that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        Self::ALL[self as usize].1
    }

    /// That of several together: the worst; of none, it cannot be told.
    pub fn of_all(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().max().unwrap_or_default()
    }
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit.code()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

impl TryFrom<u8> for Exit {
    type Error = anyhow::Error;

    fn try_from(code: u8) -> Result<Self, anyhow::Error> {
        let known = Self::ALL.into_iter().find(|(_, of)| *of == code);
        let known = known.map(|(exit, _)| exit);
        known.ok_or_else(|| anyhow!("no exit code {code} of ours"))
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_come_back() {
        for (exit, code) in Exit::ALL {
            assert_eq!(Exit::try_from(exit.code()).unwrap(), exit);
            assert_eq!(exit.code(), code);
        }
        assert!(Exit::try_from(2).is_err());
    }

    #[test]
    fn several_end_as_the_worst() {
        let (good, bad) = (Exit::Good, Exit::Bad);
        let (unknown, tool) = (Exit::CannotTell, Exit::Tool);
        for (all, worst) in [
            (&[good, good][..], good),
            (&[good, unknown], unknown),
            (&[bad, unknown, good], bad),
            (&[unknown, bad], bad),
            (&[bad, tool, good], tool),
            (&[], unknown),
        ] {
            assert_eq!(Exit::of_all(all.iter().copied()), worst, "{all:?}");
        }
    }
}
