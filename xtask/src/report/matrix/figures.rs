//! The figures of a matrix, kernel by kernel, work types by family.

use crate::evidence::median;
use crate::exit::Exit;
use crate::matrix::summary::Summary;
use crate::metrics;
use crate::model::Report;
use pidone::row::Family;
use pidone::workloads;
use std::collections::BTreeMap;

/// A run on a machine, with a plan.
pub(super) struct Measured {
    /// What it is called.
    pub(super) run: String,
    /// Its machine and its plan.
    pub(super) place: [String; 2],
    pub(super) figures: Vec<Figure>,
}

/// A figure that is judged, of each kernel.
pub(super) struct Figure {
    pub(super) metric: String,
    pub(super) unit: String,
    pub(super) values: Vec<Option<f64>>,
}

/// The heading of what no family has.
const OTHER: &str = "Other";

/// The family of a run, by its first group.
fn family(report: &Report, at: usize) -> &'static str {
    let group = report.runs.get(at).and_then(|run| run.groups.first());
    let row = group.and_then(|group| workloads::row(&group.work));
    row.map_or(OTHER, |row| row.family.title())
}

/// The runs of all cells with what is judged of them: by family, then in the
/// order of the work types, then of machines and plans.
pub(super) fn families(
    of: &Summary,
    kernels: &[&str],
) -> Vec<(&'static str, Vec<Measured>)> {
    let mut families: Vec<(&'static str, Vec<Measured>)> = Vec::new();
    for (at, cell) in of.cells.iter().enumerate() {
        let kernel = kernels.iter().position(|name| *name == cell.names[0]);
        let Some(kernel) = kernel else { continue };
        let [_, machine, plan] = &cell.names;
        let boots = of.of(at);
        let good = boots
            .iter()
            .filter(|boot| boot.boot.meta.exit_code == Exit::Good);
        let mut values: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
        for boot in good {
            let report = &boot.boot.report;
            for (nth, run) in metrics::of_report(report).into_iter().enumerate()
            {
                let title = family(report, nth);
                let measured = place(
                    &mut families,
                    title,
                    &run.run,
                    [machine, plan].map(String::clone),
                );
                for metric in run.metrics.iter().filter(|it| it.judged) {
                    let key = (run.run.clone(), metric.name.clone());
                    let mine = values.entry(key).or_default();
                    mine.push(metric.value);
                    let all = &mut measured.figures;
                    let known =
                        all.iter().position(|it| it.metric == metric.name);
                    let figure = known.unwrap_or_else(|| {
                        all.push(Figure {
                            metric: metric.name.clone(),
                            unit: metric.unit.clone(),
                            values: vec![None; kernels.len()],
                        });
                        all.len() - 1
                    });
                    all[figure].values[kernel] = median(mine);
                }
            }
        }
    }
    let order = |title: &str| {
        let mut all = Family::ALL.iter();
        all.position(|it| it.title() == title).unwrap_or(usize::MAX)
    };
    families.sort_by_key(|(title, _)| order(title));
    for (_, runs) in &mut families {
        // Those of one name together, as they were met first.
        let names: Vec<String> = runs.iter().map(|it| it.run.clone()).collect();
        runs.sort_by_key(|run| names.iter().position(|name| *name == run.run));
    }
    families
}

/// Where a run's figures are.
fn place<'f>(
    families: &'f mut Vec<(&'static str, Vec<Measured>)>,
    title: &'static str,
    run: &str,
    place: [String; 2],
) -> &'f mut Measured {
    let known = families.iter().position(|(of, _)| *of == title);
    let family = known.unwrap_or_else(|| {
        families.push((title, Vec::new()));
        families.len() - 1
    });
    let runs = &mut families[family].1;
    let known = runs
        .iter()
        .position(|it| it.run == run && it.place == place);
    let at = known.unwrap_or_else(|| {
        runs.push(Measured {
            run: run.to_owned(),
            place,
            figures: Vec::new(),
        });
        runs.len() - 1
    });
    &mut runs[at]
}
