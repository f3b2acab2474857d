//! A matrix that is stored, booted here or imported.

use crate::cmd::compare::stored;
use crate::matrix::summary::{CellBoot, Summary};
use crate::matrix::{Cell, parse};
use crate::program;
use crate::store;
use anyhow::{Result, bail};
use std::fs;
use std::path::Path;

/// What is stored of a matrix: its cells in the order of its file, or in that
/// in which they came where the file is gone.
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
    in_order_of_file(&mut found);
    match found.boots.is_empty() {
        true => bail!(
            "no matrix `{name}` in {}; `{} runs --json` has their names",
            root.display(),
            program::name()
        ),
        false => Ok(found),
    }
}

/// Puts cells into the order of their file. Boots that began in the same second
/// do not tell it.
fn in_order_of_file(found: &mut Summary) {
    let text = fs::read_to_string(&found.file).unwrap_or_default();
    let names = parse(&text).unwrap_or_default();
    let names: Vec<String> = names.iter().map(Cell::to_string).collect();
    // A cell that the file no longer has comes behind those that it has.
    let place = |cell: &Cell| {
        let name = cell.to_string();
        let known = names.iter().position(|known| *known == name);
        known.unwrap_or(usize::MAX)
    };
    let mut order: Vec<usize> = (0..found.cells.len()).collect();
    order.sort_by_key(|at| place(&found.cells[*at]));
    for boot in &mut found.boots {
        let now = order.iter().position(|at| *at == boot.cell);
        boot.cell = now.unwrap_or(boot.cell);
    }
    found.cells = order.iter().map(|at| found.cells[*at].clone()).collect();
}

#[cfg(test)]
mod tests {
    use super::in_order_of_file;
    use crate::matrix::Cell;
    use crate::matrix::summary::{CellBoot, Summary};
    use std::fs;

    /// Kernels are in the order of their file, whichever booted first.
    #[test]
    fn cells_are_in_the_order_of_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("m.toml");
        let cell = |name: &str| {
            let mut parts = name.split('/').map(str::to_owned);
            let names = core::array::from_fn(|_| parts.next().unwrap());
            Cell {
                names,
                ..Cell::default()
            }
        };
        let boot = |cell| CellBoot {
            cell,
            number: 1,
            boot: Default::default(),
        };
        let stored = || Summary {
            matrix: "m".to_owned(),
            file: file.clone(),
            cells: ["gone/m/p", "z/m/q", "a/m/p", "z/m/p"].map(cell).into(),
            boots: (0..4).map(boot).collect(),
            against: None,
        };
        let names = |of: &Summary| -> Vec<String> {
            let boots = of.boots.iter();
            boots.map(|it| of.cells[it.cell].to_string()).collect()
        };
        let cells = |of: &Summary| -> Vec<String> {
            of.cells.iter().map(ToString::to_string).collect()
        };
        let mut found = stored();
        in_order_of_file(&mut found);
        assert_eq!(cells(&found), cells(&stored()), "without a file");
        let text = "[kernels]\nz = \"host\"\na = \"host\"\n[machines]\n\
                    m = {}\n[plans]\np = \"work=PipeIo\"\nq = \"\
                    work=PipeIo\"\n";
        fs::write(&file, text).unwrap();
        in_order_of_file(&mut found);
        assert_eq!(cells(&found), ["z/m/p", "z/m/q", "a/m/p", "gone/m/p"]);
        assert_eq!(names(&found), names(&stored()));
    }
}
