//! What became of the cells of a matrix.

use super::Cell;
use crate::exit::Exit;
use crate::finished::{FinishedBoot, on};
use crate::format::{Format, csv, junit};
use crate::profile::diff::{Difference, of_boots};
use crate::program;
use crate::terminal::columns;
use crate::text::filled;
use crate::untrusted::json;
use anyhow::{Result, bail};
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A boot of a cell.
#[derive(Debug, Clone)]
pub struct CellBoot {
    /// The number of its cell.
    pub cell: usize,
    /// Which boot of the cell, from 1.
    pub number: u64,
    /// The boot.
    pub boot: FinishedBoot,
}

impl CellBoot {
    fn exit(&self) -> Exit {
        self.boot.meta.exit_code
    }
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
    pub boots: Vec<CellBoot>,
    /// The kernel that the others are held against, if one was named.
    pub against: Option<String>,
}

/// How boots end, and the columns that count them.
const COLUMNS: [(Exit, &str); 4] = [
    (Exit::Good, "good"),
    (Exit::Bad, "bad"),
    (Exit::CannotTell, "cannot tell"),
    (Exit::Tool, "tool failed"),
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
             table, json, csv and junit, and `{} decode` writes any of them \
             for a stored run",
            program::name()
        ),
    }
}

impl Summary {
    /// One for all: that of the worst boot.
    #[must_use]
    pub fn exit(&self) -> Exit {
        Exit::of_all(self.boots.iter().map(CellBoot::exit))
    }

    /// All boots with the names of their cells.
    fn named(&self) -> Vec<(String, &CellBoot)> {
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
            Format::Json => json(&self.json()?)?,
            Format::Csv => {
                let all = named.iter();
                let all =
                    all.map(|(c, b)| (c.as_str(), b.number, &b.boot.report));
                csv::render_all(&all.collect::<Vec<_>>())?
            }
            Format::Junit => {
                let all = named.into_iter();
                let all = all.map(|(cell, boot)| {
                    (format!("{cell}, boot {}", boot.number), &boot.boot.report)
                });
                junit::render_all(&all.collect::<Vec<_>>())?
            }
            _ => self.text(columns()),
        })
    }

    /// The whole for people, in so many columns if it can be.
    #[must_use]
    pub fn text(&self, columns: usize) -> String {
        let differ = self.profiles();
        let differ = differ.iter().map(|it| it.render(columns));
        let differ: String = differ.collect();
        differ + &self.table(columns) + &self.answers(columns)
    }

    /// How each kernel compares with the baseline, cell by cell, and last all
    /// of it in a sentence.
    fn answers(&self, columns: usize) -> String {
        let pairs = self.pairs();
        let filled = |line: &String| filled(line, "", "  ", columns) + "\n";
        let lines = self.sentences(&pairs);
        let mut text: String = lines.iter().map(filled).collect();
        if lines.len() > 1 {
            let all = self.answer(&pairs).1;
            text.push('\n');
            text.extend(all.iter().map(filled));
        }
        match text.is_empty() {
            true => text,
            false => format!("\n{text}"),
        }
    }

    /// By which functions each kernel differs from the baseline, on the same
    /// machine and with the same plan, where the boots of both have profiles.
    #[must_use]
    pub fn profiles(&self) -> Vec<Beside> {
        let boots = |at: usize| -> Vec<FinishedBoot> {
            self.of(at).into_iter().map(|it| it.boot.clone()).collect()
        };
        let mut all = Vec::new();
        for (first, at) in self.beside() {
            let differences = of_boots(&boots(first), &boots(at));
            if !differences.is_empty() {
                all.push(Beside {
                    a: self.cells[first].to_string(),
                    b: self.cells[at].to_string(),
                    differences,
                });
            }
        }
        all
    }

    /// On what the boots ran: once, or for each machine.
    fn machines(&self) -> String {
        let mut all: Vec<(String, String)> = Vec::new();
        for boot in &self.boots {
            let machine = self.cells[boot.cell].names[1].clone();
            let of = (machine, boot.boot.meta.mode());
            if !all.contains(&of) {
                all.push(of);
            }
        }
        all.sort();
        match &all[..] {
            [] => String::new(),
            [(_, first), rest @ ..] if rest.iter().all(|it| it.1 == *first) => {
                on(core::slice::from_ref(first))
            }
            all => {
                let each = all.iter();
                each.map(|(name, mode)| {
                    format!("{name}: {}", on(core::slice::from_ref(mode)))
                })
                .collect()
            }
        }
    }

    /// A row for each cell.
    fn table(&self, columns: usize) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        let mine = |cell: usize, exit: Exit| {
            self.of(cell)
                .iter()
                .filter(|boot| boot.exit() == exit)
                .count()
        };
        // A column of nothing but zeros says nothing.
        let shown: Vec<_> = COLUMNS
            .into_iter()
            .filter(|(exit, _)| self.boots.iter().any(|b| b.exit() == *exit))
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
            let counts = shown.iter().map(|(exit, _)| mine(at, *exit));
            row.extend(counts.map(|count| count.to_string()));
            row.push(outcome(&boots));
            table.add_row(row);
        }
        let width = u16::try_from(columns).unwrap_or(u16::MAX);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        self.machines() + &table.trim_fmt() + "\n"
    }

    fn json(&self) -> Result<Value> {
        let mut cells = Vec::new();
        for (at, cell) in self.cells.iter().enumerate() {
            let mut boots = Vec::new();
            for boot in self.of(at) {
                boots.push(json!({
                    "boot": boot.number,
                    "directory": boot.boot.dir.display().to_string(),
                    "exit_code": boot.exit(),
                    "report": serde_json::to_value(&boot.boot.report)?,
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
            "profiles": self.profiles(),
            "answer": self.answer(&self.pairs()).1.join("; "),
            "exit_code": self.exit(),
        }))
    }
}

/// By which functions two cells differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Beside {
    /// The cell of the first kernel.
    pub a: String,
    /// That of another one.
    pub b: String,
    /// As a comparison has them.
    pub differences: Vec<Difference>,
}

impl Beside {
    /// A sentence for each run: a matrix has many, and pages, JSON and
    /// `compare` show their tables.
    fn render(&self, columns: usize) -> String {
        let each = self
            .differences
            .iter()
            .map(|it| filled(&it.summary(), "  ", "    ", columns) + "\n");
        let each: String = each.collect();
        format!("{} → {}\n{each}\n", self.a, self.b)
    }
}

/// What came of a cell's boots: of the worst of them, if any is not good.
pub(crate) fn outcome(boots: &[&CellBoot]) -> String {
    let exit = Exit::of_all(boots.iter().map(|boot| boot.exit()));
    let worst = boots.iter().find(|boot| boot.exit() == exit);
    match worst {
        Some(boot) => {
            let report = &boot.boot.report;
            format!("{}: {}", report.outcome, report.reason)
        }
        None => "not booted".to_owned(),
    }
}
