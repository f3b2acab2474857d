//! Where the CPUs were during a run, by samples.

use super::html::Html;
use super::{Page, Section};
use crate::model::profile::Space;
use crate::model::sampled::{Sampled, Seen};
use crate::profile::table::number;
use std::collections::BTreeMap;

/// Functions that are shown.
const SHOWN: usize = 30;

/// Samples in a function, of each boot that has a profile.
type Row<'r> = ((&'r str, Space), Vec<Option<u64>>);

/// The sampled profiles of a run, side by side.
pub(super) fn of_run(h: &mut Html, page: &Page<'_>, section: &Section<'_>) {
    let all = section.runs.iter().map(|run| (*run)?.sampled.as_ref());
    let all: Vec<Option<&Sampled>> = all.collect();
    if all.iter().all(Option::is_none) {
        return;
    }
    let mut rows = rows(&all);
    let share = |(_, samples): &Row<'_>| {
        let each = all.iter().zip(samples);
        let each = each.filter_map(|(of, n)| Some(of.as_ref()?.share((*n)?)));
        each.fold(0.0, |most, share| f64::max(most, share.value))
    };
    rows.sort_by(|a, b| share(b).total_cmp(&share(a)));
    let rest = rows.split_off(SHOWN.min(rows.len()));
    let most = rows.first().map_or(1.0, share);
    let columns = page.columns();
    let mut heads = vec!["function", "of"];
    heads.extend(columns.iter().map(String::as_str));
    let caption = "Sampled: share of the CPU time by function, its 95 % \
                   interval, and ns an iteration";
    h.table(caption, &heads, |h| {
        h.el("tbody", &[], |h| {
            for ((name, space), samples) in &rows {
                one(h, [name, space.name()], &all, samples, most);
            }
            if !rest.is_empty() {
                let sum = |at: usize| {
                    let each = rest.iter().filter_map(|row| row.1[at]);
                    all[at].map(|_| each.fold(0, u64::saturating_add))
                };
                let samples: Vec<_> = (0..all.len()).map(sum).collect();
                let name = format!("{} more", rest.len());
                one(h, [&name, ""], &all, &samples, f64::INFINITY);
            }
        });
    });
    for (sampled, column) in all.iter().zip(&columns) {
        for missing in sampled.iter().flat_map(|it| it.missing()) {
            let column = column.trim_start_matches('#');
            h.leaf("p", &[], &format!("{column}, sampled profile: {missing}"));
        }
    }
}

fn rows<'r>(all: &[Option<&'r Sampled>]) -> Vec<Row<'r>> {
    let mut rows: BTreeMap<(&str, Space), Vec<Option<u64>>> = BTreeMap::new();
    for (at, sampled) in all.iter().enumerate() {
        for seen in sampled.iter().flat_map(|it| &it.functions) {
            let Seen { name, space, .. } = seen;
            // A function that a profile lacks was not seen.
            let none = || all.iter().map(|it| it.map(|_| 0)).collect();
            let row = rows.entry((name, *space)).or_insert_with(none);
            row[at] = Some(seen.samples);
        }
    }
    rows.into_iter().collect()
}

/// A row, with bars as long as they are shares of `most`.
fn one(
    h: &mut Html,
    [name, space]: [&str; 2],
    all: &[Option<&Sampled>],
    samples: &[Option<u64>],
    most: f64,
) {
    h.el("tr", &[], |h| {
        h.leaf("th", &[("scope", "row")], name);
        h.cell(space);
        for (sampled, samples) in all.iter().zip(samples) {
            let Some((sampled, samples)) = sampled.zip(*samples) else {
                h.number("");
                continue;
            };
            let share = sampled.share(samples);
            let bar = format!("--share:{:.1}%", share.value / most * 100.0);
            let attrs = [("class", "n bar"), ("style", bar.as_str())];
            let [low, value, high] =
                [share.low, share.value, share.high].map(|x| x * 100.0);
            let each = number(sampled.each_ns(samples));
            let text = format!("{value:.2} % ({low:.2} .. {high:.2}), {each}");
            h.leaf("td", &attrs, &text);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::of_run;
    use crate::model::{Report, Run};
    use crate::profile::sampled::tests::sampled;
    use crate::report::Source;
    use crate::report::profile::tests::with_part;

    fn source(of: Option<&[(&str, u64)]>) -> Source {
        Source {
            report: Report {
                runs: vec![Run {
                    name: "PipeIo".to_owned(),
                    sampled: of.map(|of| sampled(10, of)),
                    ..Run::default()
                }],
                ..Report::default()
            },
            ..Source::default()
        }
    }

    fn shown(sources: &[Source]) -> String {
        with_part(of_run, sources)
    }

    #[test]
    fn shares_have_their_error_and_names_are_escaped() {
        let a = source(Some(&[("small<", 20), ("large", 180)]));
        let mut b = source(Some(&[("new", 40), ("large", 60)]));
        b.report.runs[0].sampled.as_mut().unwrap().lost = 3;
        let text = shown(&[a, b]);
        let rows = ["large", "new", "small&lt;"];
        let places = rows.map(|row| text.find(&format!(">{row}<")).unwrap());
        assert!(places.is_sorted(), "{text}");
        assert!(text.contains("Sampled: share"), "{text}");
        assert!(text.contains("90.00 % (85.06 .. 93.43), "), "{text}");
        assert!(text.contains("3 samples lost"), "{text}");
        let names: Vec<String> = (0..40).map(|n| format!("f{n}")).collect();
        let many: Vec<(&str, u64)> =
            names.iter().map(|name| (&**name, 2)).collect();
        let text = shown(&[source(Some(&many))]);
        assert!(text.contains(">10 more</th>"), "{text}");
        assert!(!shown(&[source(None)]).contains("table"));
    }
}
