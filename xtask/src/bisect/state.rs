//! What a bisection knows, kept in a file after every boot, so that it may be
//! interrupted at any time.

use crate::finished::read_json;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Everything that was found so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Version of this form.
    pub schema: u32,
    /// What is asked, in words.
    pub question: String,
    /// The good end's commit.
    pub good: String,
    /// The bad end's.
    pub bad: String,
    /// SHA-256 of the initramfs of every boot.
    pub initramfs: Option<String>,
    /// The unit of what is measured.
    pub unit: String,
    /// Smaller differences than this share are made by rounding.
    #[serde(default)]
    pub resolution: f64,
    /// With how many boots of each end it was looked at whether they differ.
    #[serde(default)]
    pub looks: Vec<usize>,
    /// The same of the culprit and its parent.
    #[serde(default)]
    pub looks_at_culprit: Vec<usize>,
    /// What is known of each commit.
    pub commits: BTreeMap<String, Commit>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Boots of the culprit's parent and of the culprit, made to verify it.
    pub verified: [Vec<Boot>; 2],
}

/// A commit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Its first line.
    pub subject: String,
    /// Its kernel.
    pub image: Option<PathBuf>,
    /// Why it has none.
    pub broken: Option<String>,
    /// Its boots.
    pub boots: Vec<Boot>,
}

/// A boot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// Seed of a deterministic machine.
    pub seed: Option<u64>,
    /// The metric; of conditions, 0 if they hold and 1 if one does not.
    pub value: Option<f64>,
    /// How far seeds ever moved what was measured, as a share; absent if a
    /// lot.
    #[serde(default)]
    pub steady: Option<f64>,
    /// Without a value, it counts as bad: the kernel crashed.
    pub bad: bool,
    /// Whether it was on the bad side, when it was booted.
    pub side: Option<bool>,
    /// What it said.
    pub why: String,
    /// Where it is stored.
    pub run: String,
}

/// What became of a commit in the course of the bisection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// It.
    pub commit: String,
    /// What it was called.
    pub mark: Mark,
    /// Why.
    pub why: String,
}

/// What git is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// The change is not in it.
    Good,
    /// It is.
    Bad,
    /// Cannot tell.
    Skip,
}

impl Mark {
    /// As `git bisect` has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Skip => "skip",
        }
    }
}

impl State {
    /// What a file holds; `None` if there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, or another release wrote it.
    pub fn read(file: &Path) -> Result<Option<Self>> {
        if !file.exists() {
            return Ok(None);
        }
        read_json(file).map(Some)
    }

    /// What a bisection goes on from. With `restart` that is nothing, whatever
    /// the file holds and whoever wrote it.
    ///
    /// # Errors
    ///
    /// As those of [`Self::read`].
    pub fn resumed(file: &Path, restart: bool) -> Result<Option<Self>> {
        match restart {
            true => Ok(None),
            false => {
                Self::read(file).context("--restart measures everything anew")
            }
        }
    }

    /// Puts it into a file, which is whole at any time.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let what = || file.display().to_string();
        let dir = file.parent().unwrap_or_else(|| Path::new("."));
        let mut new =
            tempfile::NamedTempFile::new_in(dir).with_context(what)?;
        new.write_all(serde_json::to_string_pretty(self)?.as_bytes())
            .with_context(what)?;
        new.as_file().sync_all().with_context(what)?;
        new.persist(file).with_context(what)?;
        Ok(())
    }

    /// What is known of a commit.
    pub fn commit(&mut self, hash: &str) -> &mut Commit {
        self.commits.entry(hash.to_owned()).or_default()
    }

    /// The boots of a commit.
    #[must_use]
    pub fn boots(&self, hash: &str) -> &[Boot] {
        self.commits.get(hash).map_or(&[], |commit| &commit.boots)
    }

    /// How many boots there were.
    #[must_use]
    pub fn count(&self) -> usize {
        let of = self.commits.values().map(|commit| commit.boots.len());
        of.sum::<usize>() + self.verified.iter().map(Vec::len).sum::<usize>()
    }
}
