//! Forms of a report: one for people, the others for programs.

pub mod csv;
pub mod junit;
pub mod kcidb;
pub mod ktap;
pub mod table;

use crate::model::Report;
use anyhow::Result;
use core::str::FromStr;

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

    /// The report in this form, with a newline at its end.
    ///
    /// # Errors
    ///
    /// Those of the serialisers; a report has nothing that they refuse.
    pub fn render(self, report: &Report) -> Result<String> {
        Ok(match self {
            Self::Table => table::render(report),
            Self::Json => serde_json::to_string_pretty(report)? + "\n",
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

/// Why a boot that did not end well is not told by any of its runs: a panic
/// behind the last one, records that are lost.
fn trouble(report: &Report) -> Option<String> {
    let told = report.runs.iter().any(|run| run.verdict == "fail");
    let well = report.outcome == "ok" || told;
    (!well).then(|| format!("{}: {}", report.outcome, report.reason))
}
