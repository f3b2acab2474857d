//! What became of the cells of a matrix.

use super::Cell;
use crate::cmd::exit;
use crate::format::{Format, csv, junit};
use crate::model::Report;
use crate::outcome::folded;
use anyhow::{Result, bail};
use comfy_table::{Table, presets::NOTHING};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A boot that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The number of its cell.
    pub cell: usize,
    /// Which boot of the cell, from 1.
    pub boot: u64,
    /// Where it is stored.
    pub dir: PathBuf,
    /// What came of it.
    pub report: Report,
    /// The exit code it stands for.
    pub code: u8,
}

/// A matrix that was worked off.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Its name.
    pub matrix: String,
    /// Its file.
    pub file: PathBuf,
    /// Its cells.
    pub cells: Vec<Cell>,
    /// What came of them.
    pub boots: Vec<Ended>,
}

/// Codes of boots and the columns that count them.
const COLUMNS: [(u8, &str); 4] = [
    (exit::GOOD, "good"),
    (exit::BAD, "bad"),
    (exit::CANNOT_TELL, "cannot tell"),
    (exit::TOOL, "tool failed"),
];

/// Refuses formats that have no room for several boots.
///
/// # Errors
///
/// It is one of those.
pub fn fits(format: Format) -> Result<()> {
    match format {
        Format::Table | Format::Json | Format::Csv | Format::Junit => Ok(()),
        Format::Ktap | Format::Kcidb => bail!(
            "--format: no room for several boots in ktap and kcidb; valid are \
             table, json, csv and junit, and `cargo xtask decode` writes any \
             of them for a stored run"
        ),
    }
}

impl Summary {
    /// One code for all: that of the worst boot.
    #[must_use]
    pub fn code(&self) -> u8 {
        folded(self.boots.iter().map(|boot| boot.code))
    }

    /// The boots of a cell, in their order.
    fn of(&self, cell: usize) -> Vec<&Ended> {
        let mine = self.boots.iter().filter(|boot| boot.cell == cell);
        let mut mine: Vec<&Ended> = mine.collect();
        mine.sort_by_key(|boot| boot.boot);
        mine
    }

    /// All boots with the names of their cells.
    fn named(&self) -> Vec<(String, &Ended)> {
        let all = self.cells.iter().enumerate();
        let all = all.flat_map(|(at, cell)| {
            let boots = self.of(at).into_iter();
            boots.map(move |boot| (cell.to_string(), boot))
        });
        all.collect()
    }

    /// The whole in a format that [`fits`].
    ///
    /// # Errors
    ///
    /// Those of the serialisers.
    pub fn render(&self, format: Format) -> Result<String> {
        let named = self.named();
        Ok(match format {
            Format::Json => serde_json::to_string_pretty(&self.json()?)? + "\n",
            Format::Csv => {
                let all = named.iter();
                let all = all.map(|(c, b)| (c.as_str(), b.boot, &b.report));
                csv::render_all(&all.collect::<Vec<_>>())?
            }
            Format::Junit => {
                let all = named.into_iter();
                let all = all.map(|(cell, boot)| {
                    (format!("{cell}, boot {}", boot.boot), &boot.report)
                });
                junit::render_all(&all.collect::<Vec<_>>())?
            }
            _ => self.table(),
        })
    }

    /// A row for each cell.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        let mine = |cell: usize, code: u8| {
            self.of(cell)
                .iter()
                .filter(|boot| boot.code == code)
                .count()
        };
        // A column of nothing but zeros says nothing.
        let shown: Vec<_> = COLUMNS
            .into_iter()
            .filter(|(code, _)| self.boots.iter().any(|b| b.code == *code))
            .collect();
        let heads = ["kernel", "machine", "plan", "boots"].into_iter();
        let heads = heads.chain(shown.iter().map(|(_, name)| *name));
        table.set_header(heads.chain(["outcome"]));
        for (at, cell) in self.cells.iter().enumerate() {
            let boots = self.of(at);
            let mut row = cell.names.to_vec();
            row.push(match boots.len() as u64 {
                all if all == cell.boots => all.to_string(),
                some => format!("{some} of {}", cell.boots),
            });
            let counts = shown.iter().map(|(code, _)| mine(at, *code));
            row.extend(counts.map(|count| count.to_string()));
            row.push(outcome(&boots));
            table.add_row(row);
        }
        table.trim_fmt() + "\n"
    }

    fn json(&self) -> Result<Value> {
        let mut cells = Vec::new();
        for (at, cell) in self.cells.iter().enumerate() {
            let mut boots = Vec::new();
            for boot in self.of(at) {
                boots.push(json!({
                    "boot": boot.boot,
                    "directory": boot.dir.display().to_string(),
                    "exit_code": boot.code,
                    "report": serde_json::to_value(&boot.report)?,
                }));
            }
            let [kernel, machine, plan] = &cell.names;
            cells.push(json!({
                "kernel": kernel, "machine": machine, "plan": plan,
                "planned": cell.boots,
                "boots": boots,
            }));
        }
        Ok(json!({
            "schema": 1,
            "matrix": self.matrix,
            "file": self.file.display().to_string(),
            "cells": cells,
            "exit_code": self.code(),
        }))
    }
}

/// What came of a cell's boots: of the worst of them, if any is not good.
fn outcome(boots: &[&Ended]) -> String {
    let code = folded(boots.iter().map(|boot| boot.code));
    let worst = boots.iter().find(|boot| boot.code == code);
    match worst {
        Some(boot) => {
            format!("{}: {}", boot.report.outcome, boot.report.reason)
        }
        None => "not booted".to_owned(),
    }
}
