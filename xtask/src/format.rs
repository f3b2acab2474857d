//! Forms of a report: one for people, the others for programs.

pub mod csv;
pub mod junit;
pub mod kcidb;
pub mod ktap;
pub mod table;

use crate::exit::Exit;
use crate::finished::Meta;
use crate::model::{BootOutcome, Outcome, Report};
use crate::untrusted::json;
use anyhow::Result;
use core::str::FromStr;
use pidone::wire::record::Verdict;

/// A form of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// Everything, as `docs/json.md` has it.
    Json,
    /// A line per figure.
    Csv,
    /// As the machine says it on its console.
    Ktap,
    /// For the test views of CIs.
    Junit,
    /// For the collection of kernel test results.
    Kcidb,
}

impl Format {
    /// All, with their names.
    const ALL: [(&'static str, Self); 6] = [
        ("table", Self::Table),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("ktap", Self::Ktap),
        ("junit", Self::Junit),
        ("kcidb", Self::Kcidb),
    ];

    /// The same, and for people on what it ran.
    ///
    /// # Errors
    ///
    /// As those of [`Self::render`].
    pub fn render_with(self, report: &Report, meta: &Meta) -> Result<String> {
        match self {
            Self::Table => Ok(table::render_on(&meta.mode(), report)),
            other => other.render(report),
        }
    }

    /// The report in this form, with a newline at its end.
    ///
    /// # Errors
    ///
    /// Those of the serialisers; a report has nothing that they refuse.
    pub fn render(self, report: &Report) -> Result<String> {
        Ok(match self {
            Self::Table => table::render(report),
            Self::Json => json(report)?,
            Self::Csv => csv::render(report)?,
            Self::Ktap => ktap::render(report),
            Self::Junit => junit::render(report)?,
            Self::Kcidb => kcidb::render(report)?,
        })
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|&(_, format)| format).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            format!("no format `{name}`; valid are {names}")
        })
    }
}

/// What went wrong that no run tells, with the name of its test: a panic
/// behind the last run, records that are lost, another boot in the same log.
fn trouble(report: &Report) -> Vec<(String, Outcome, String)> {
    let told = report.runs.iter().any(|run| run.verdict == Verdict::Fail);
    let of = |name: &str, outcome: Outcome, reason: &str| {
        let text = format!("{outcome}: {reason}");
        (name.to_owned(), outcome, text)
    };
    let Some((last, earlier)) = report.boots.split_last() else {
        let well = report.outcome == Outcome::Ok || told;
        let boot = || of("boot", report.outcome, &report.reason);
        return (!well).then(boot).into_iter().collect();
    };
    let bad = |boot: &&BootOutcome| boot.exit != Exit::Good;
    let earlier = earlier.iter().filter(bad);
    let last = Some(last).filter(|boot| boot.outcome != Outcome::Ok && !told);
    earlier
        .chain(last)
        .map(|boot| {
            let name = format!("boot {}", boot.number);
            of(&name, boot.outcome, &boot.reason)
        })
        .collect()
}

/// A rate; `None` where the time it would be over is not known.
fn rate(number: u64, wall_ns: u64) -> Option<u128> {
    (u128::from(number) * 1_000_000_000).checked_div(u128::from(wall_ns))
}
