//! The kernels of a matrix beside one of them, on the same machine and with
//! the same plan.

use super::Cell;
use super::summary::{CellBoot, Summary};
use crate::compare::answer;
use crate::compare::{Comparison, ComparisonOptions, Side, compare};
use crate::evidence::Verdict;
use crate::exit::Exit;
use crate::finished::FinishedBoot;
use crate::usage;
use anyhow::{Result, bail};

/// A cell beside that of the baseline.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The cell of the baseline, by its number.
    pub a: usize,
    /// That of another kernel.
    pub b: usize,
    /// What came of it, or why they do not compare.
    pub found: Result<Comparison, String>,
}

/// How runs differ, in the order of the sentence.
const CLASSES: [(Verdict, &str); 4] = [
    (Verdict::Worse, "slower"),
    (Verdict::Better, "faster"),
    (Verdict::Differs, "different"),
    (Verdict::Unknown, "undecided"),
];

impl Summary {
    /// Its kernels, in their order.
    #[must_use]
    pub fn kernels(&self) -> Vec<&str> {
        let mut kernels: Vec<&str> = Vec::new();
        for cell in &self.cells {
            let kernel = cell.names[0].as_str();
            if !kernels.contains(&kernel) {
                kernels.push(kernel);
            }
        }
        kernels
    }

    /// The kernel that the others are held against: the first, unless another
    /// one was named.
    #[must_use]
    pub fn baseline(&self) -> &str {
        let first = || self.cells.first().map(|cell| cell.names[0].as_str());
        self.against.as_deref().or_else(first).unwrap_or_default()
    }

    /// Holds the kernels against this one.
    ///
    /// # Errors
    ///
    /// The matrix does not have it.
    pub fn hold_against(&mut self, kernel: &str) -> Result<()> {
        let kernels = self.kernels();
        if !kernels.contains(&kernel) {
            bail!(
                "--baseline {kernel}: no kernel of {}{}; its kernels are {}",
                self.matrix,
                usage::near(kernel, kernels.iter().copied()),
                kernels.join(", ")
            );
        }
        self.against = Some(kernel.to_owned());
        Ok(())
    }

    /// The boots of a cell, in their order.
    pub(crate) fn of(&self, cell: usize) -> Vec<&CellBoot> {
        let mine = self.boots.iter().filter(|boot| boot.cell == cell);
        let mut mine: Vec<&CellBoot> = mine.collect();
        mine.sort_by_key(|boot| boot.number);
        mine
    }

    /// The numbers of each other kernel's cell and of the baseline's on the
    /// same machine and with the same plan, that one first.
    pub(super) fn beside(&self) -> Vec<(usize, usize)> {
        let base = self.baseline();
        let cells = self.cells.iter().enumerate();
        let pairs = cells.filter_map(|(at, cell)| {
            let same = |other: &Cell| {
                other.names[0] == base && other.names[1..] == cell.names[1..]
            };
            let first = self.cells.iter().position(same)?;
            (first != at).then_some((first, at))
        });
        pairs.collect()
    }

    /// Each kernel compared with the baseline, cell by cell, where both have
    /// boots that measured something.
    #[must_use]
    pub fn pairs(&self) -> Vec<Pair> {
        let side = |at: usize| Side {
            name: self.cells[at].to_string(),
            boots: self.of(at).iter().map(|it| it.boot.clone()).collect(),
        };
        let good = |boot: &FinishedBoot| boot.meta.exit_code == Exit::Good;
        let mut all = Vec::new();
        for (first, at) in self.beside() {
            let (a, b) = (side(first), side(at));
            if [&a, &b].iter().any(|side| !side.boots.iter().any(good)) {
                continue;
            }
            let found = compare(&a, &b, &ComparisonOptions::default());
            let found = found.map_err(|why| format!("{why:#}"));
            all.push(Pair {
                a: first,
                b: at,
                found,
            });
        }
        all
    }

    /// A sentence for each of these.
    pub(super) fn sentences(&self, pairs: &[Pair]) -> Vec<String> {
        let of = |pair: &Pair| match &pair.found {
            Ok(found) => found.answer.clone(),
            Err(why) => {
                let [a, b] = [pair.a, pair.b].map(|at| &self.cells[at]);
                format!("{a} → {b}: not compared: {why}")
            }
        };
        pairs.iter().map(of).collect()
    }

    /// How many runs of each kernel are slower or faster than those of the
    /// baseline, and which differs most: the parts of a sentence, with the
    /// verdict on all.
    #[must_use]
    pub fn answer(&self, pairs: &[Pair]) -> (Verdict, Vec<String>) {
        let mut verdict = Verdict::Same;
        let mut parts = Vec::new();
        for kernel in self.kernels() {
            if kernel == self.baseline() {
                continue;
            }
            let is = |pair: &&Pair| self.cells[pair.b].names[0] == kernel;
            let mine: Vec<&Pair> = pairs.iter().filter(is).collect();
            let arrow = format!("{} → {kernel}", self.baseline());
            parts.push(format!("{arrow}: {}", self.counts(kernel, &mine)));
            let found = mine.iter().map(|pair| match &pair.found {
                Ok(found) => found.verdict,
                Err(_) => Verdict::Unknown,
            });
            let open = match mine.is_empty() {
                true => Verdict::Unknown,
                false => Verdict::Same,
            };
            verdict = found.fold(verdict.max(open), Verdict::max);
        }
        if parts.is_empty() {
            return (Verdict::Same, vec![self.alone()]);
        }
        for wanted in [Verdict::Worse, Verdict::Better] {
            let most = pairs.iter().filter_map(|pair| {
                let most = answer::most(pair.found.as_ref().ok()?)?;
                (most.0 == wanted).then_some((pair, most.1, most.2))
            });
            let most = most.max_by(|x, y| x.1.total_cmp(&y.1));
            if let Some((pair, _, said)) = most {
                let cell = &self.cells[pair.b];
                parts.push(format!("most of all on {cell}: {said}"));
                break;
            }
        }
        (verdict, parts)
    }

    /// What is said of a kernel's runs.
    fn counts(&self, kernel: &str, pairs: &[&Pair]) -> String {
        let found = || pairs.iter().filter_map(|pair| pair.found.as_ref().ok());
        let runs: Vec<Verdict> = found()
            .flat_map(|it| answer::runs(it).into_values())
            .collect();
        let all = runs.len();
        let mut parts: Vec<String> = Vec::new();
        for (verdict, word) in CLASSES {
            let count = runs.iter().filter(|of| **of == verdict).count();
            parts.extend(match (count, parts.is_empty()) {
                (0, _) => None,
                (1, true) => Some(format!("1 of {all} runs is {word}")),
                (n, true) => Some(format!("{n} of {all} runs are {word}")),
                (n, false) => Some(format!("{n} {word}")),
            });
        }
        if parts.is_empty() && all > 0 {
            parts.push(match all {
                1 => "the one run is no slower".to_owned(),
                _ => format!("none of {all} runs is slower"),
            });
        }
        let failing = found().flat_map(|it| &it.rows).filter(|row| {
            answer::is_failures(row) && row.verdict == Verdict::Worse
        });
        match failing.count() {
            0 => {}
            1 => parts.push("boots fail more often in 1 cell".to_owned()),
            n => parts.push(format!("boots fail more often in {n} cells")),
        }
        let cells = self.cells.iter().filter(|it| it.names[0] == kernel);
        match cells.count() - found().count() {
            0 => {}
            1 => parts.push("1 cell is not compared".to_owned()),
            n => parts.push(format!("{n} cells are not compared")),
        }
        parts.join(", ")
    }

    /// What is said where there is nothing to compare.
    fn alone(&self) -> String {
        let good = self.boots.iter();
        let good = good.filter(|it| it.boot.meta.exit_code == Exit::Good);
        let (good, all) = (good.count(), self.boots.len());
        match good == all {
            true => format!("{}: every boot was good", self.baseline()),
            false => {
                format!("{}: {good} of {all} boots were good", self.baseline())
            }
        }
    }
}
