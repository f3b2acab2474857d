//! The exact profiles of a stored run, in a file of their own: they have every
//! function that was executed, and are much longer than the report.

use crate::finished::{SCHEMA, read_json};
use crate::model::Report;
use crate::model::profile::Profile;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Their file.
pub const PROFILE: &str = "profile.json";

/// Those of all runs, in their order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Profiles {
    schema: u32,
    runs: Vec<OfRun>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OfRun {
    /// The run's name.
    name: String,
    profile: Option<Profile>,
}

impl Profiles {
    /// Those of a report, which has none then; nothing where it had none.
    pub(super) fn take(report: &mut Report) -> Option<Self> {
        let runs = report.runs.iter_mut().map(|run| OfRun {
            name: run.name.clone(),
            profile: run.profile.take(),
        });
        let runs: Vec<OfRun> = runs.collect();
        let any = runs.iter().any(|run| run.profile.is_some());
        let schema = SCHEMA;
        any.then_some(Self { schema, runs })
    }

    /// Puts them back into the report that they are of.
    ///
    /// # Errors
    ///
    /// They are of another one.
    pub(super) fn put(self, report: &mut Report) -> Result<()> {
        let names = self.runs.iter().map(|run| &run.name);
        if !names.eq(report.runs.iter().map(|run| &run.name)) {
            bail!("{PROFILE} is of other runs than the report");
        }
        for (run, of) in report.runs.iter_mut().zip(self.runs) {
            run.profile = of.profile;
        }
        Ok(())
    }

    /// Those that are stored in a directory, if any are.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>> {
        let file = dir.join(PROFILE);
        file.exists().then(|| read_json(&file)).transpose()
    }
}
