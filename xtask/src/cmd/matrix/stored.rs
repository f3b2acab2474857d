//! A matrix that is stored, booted here or imported.

use crate::cmd::compare::stored;
use crate::matrix::Cell;
use crate::matrix::summary::{CellBoot, Summary};
use crate::program;
use crate::store;
use anyhow::{Result, bail};
use std::path::Path;

/// What is stored of a matrix, its cells in the order in which they came.
///
/// # Errors
///
/// There is none of that name, or it cannot be read.
pub(in crate::cmd) fn summary(name: &str, root: &Path) -> Result<Summary> {
    let all = stored::list(root)?;
    let mut found = Summary {
        matrix: name.to_owned(),
        file: Default::default(),
        cells: Vec::new(),
        boots: Vec::new(),
        against: None,
    };
    for run in store::of_matrix(name, &all) {
        let Some(cell) = &run.meta.cell else { continue };
        found.file.clone_from(&cell.file);
        let mut parts = cell.name.splitn(3, '/').map(str::to_owned);
        let names: [String; 3] =
            core::array::from_fn(|_| parts.next().unwrap_or_default());
        let known = found.cells.iter().position(|it| it.names == names);
        let at = known.unwrap_or(found.cells.len());
        if known.is_none() {
            found.cells.push(Cell {
                names,
                ..Cell::default()
            });
        }
        // Of one that was booted again, all count.
        found.cells[at].boots += 1;
        found.boots.push(CellBoot {
            cell: at,
            number: cell.boot,
            boot: run.read()?,
        });
    }
    match found.boots.is_empty() {
        true => bail!(
            "no matrix `{name}` in {}; `{} runs --json` has their names",
            root.display(),
            program::name()
        ),
        false => Ok(found),
    }
}
