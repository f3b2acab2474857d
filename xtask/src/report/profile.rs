//! Where the instructions of a run went, function by function.

use super::html::Html;
use super::number::{ABSENT, grouped};
use super::{Page, Section};
use crate::model::profile::{Function, Profile, Space};
use crate::profile::table::number;
use std::collections::BTreeMap;

/// Functions that are shown.
const SHOWN: usize = 30;

/// A function in each boot.
struct Row<'r> {
    name: &'r str,
    space: &'static str,
    /// Instructions of an iteration, of each boot that has a profile.
    each: Vec<Option<f64>>,
}

impl Row<'_> {
    /// How much two boots differ in it.
    fn difference(&self) -> Option<f64> {
        match self.each[..] {
            [Some(a), Some(b)] => Some(b - a),
            _ => None,
        }
    }

    /// What puts it in front of others: how much two boots differ in it, or
    /// how much it is.
    fn weight(&self) -> f64 {
        let most = || self.each.iter().flatten().copied().fold(0.0, f64::max);
        self.difference().map_or_else(most, f64::abs)
    }
}

/// The profiles of a run, side by side.
pub(super) fn of_run(h: &mut Html, page: &Page<'_>, section: &Section<'_>) {
    let profiles = section.runs.iter().map(|run| (*run)?.profile.as_ref());
    let profiles: Vec<Option<&Profile>> = profiles.collect();
    if profiles.iter().all(Option::is_none) {
        return;
    }
    let mut rows = rows(&profiles);
    rows.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    let rest = rows.split_off(SHOWN.min(rows.len()));
    let most = rows.iter().flat_map(|row| &row.each).flatten();
    let most = most.copied().fold(1.0, f64::max);
    let apart = rows.iter().filter_map(Row::difference).map(f64::abs);
    let longest = [most, apart.fold(1.0, f64::max)];
    let columns = page.columns();
    let mut heads = vec!["function", "of"];
    heads.extend(columns.iter().map(String::as_str));
    if profiles.len() == 2 {
        heads.push("#B - A");
    }
    let caption = "Exact: instructions an iteration, by function";
    h.table(caption, &heads, |h| {
        h.el("tbody", &[], |h| {
            rows.iter().for_each(|row| one(h, row, longest));
            let sum = |of: &dyn Fn(usize) -> Option<f64>| {
                (0..profiles.len()).map(of).collect()
            };
            if !rest.is_empty() {
                let each = sum(&|at| rest.iter().map(|row| row.each[at]).sum());
                let name = &format!("{} more", rest.len());
                let space = "";
                one(h, &Row { name, space, each }, [f64::INFINITY; 2]);
            }
            let each = sum(&|at| {
                let profile = profiles[at]?;
                Some(profile.each(profile.instructions))
            });
            let (name, space) = ("all", "");
            one(h, &Row { name, space, each }, [f64::INFINITY; 2]);
        });
    });
}

fn rows<'r>(profiles: &[Option<&'r Profile>]) -> Vec<Row<'r>> {
    let mut rows: BTreeMap<(&str, Space), Row<'_>> = BTreeMap::new();
    for (at, profile) in profiles.iter().enumerate() {
        let Some(profile) = profile else { continue };
        for Function {
            name,
            space,
            instructions,
            ..
        } in &profile.functions
        {
            let none = || Row {
                name,
                space: space.name(),
                // A function that a profile lacks was not executed.
                each: profiles.iter().map(|p| p.map(|_| 0.0)).collect(),
            };
            let row = rows.entry((name, *space)).or_insert_with(none);
            row.each[at] = Some(profile.each(*instructions));
        }
    }
    rows.into_values().collect()
}

/// A row, with bars as long as they are shares of the longest one, and of that
/// of differences.
fn one(h: &mut Html, row: &Row<'_>, [most, apart]: [f64; 2]) {
    h.el("tr", &[], |h| {
        h.leaf("th", &[("scope", "row")], row.name);
        h.cell(row.space);
        for each in &row.each {
            match *each {
                None => h.number(""),
                Some(0.0) => h.number(ABSENT),
                Some(each) => bar(h, each / most, "n bar long", &shown(each)),
            }
        }
        if row.each.len() == 2 {
            let Some(difference) = row.difference() else {
                h.number("");
                return;
            };
            let (class, sign) = match difference > 0.0 {
                true => ("n bar long more", "+"),
                false => ("n bar long fewer", ""),
            };
            let text = format!("{sign}{}", shown(difference));
            bar(h, difference.abs() / apart, class, &text);
        }
    });
}

/// A cell with a bar behind its number.
fn bar(h: &mut Html, share: f64, class: &str, text: &str) {
    let share = format!("--share:{:.1}%", share * 100.0);
    let attrs = [("class", class), ("style", share.as_str())];
    h.leaf("td", &attrs, text);
}

/// A figure, with its thousands apart if it is large.
fn shown(value: f64) -> String {
    let text = number(value);
    match text.parse::<i64>() {
        Ok(whole) => {
            let sign = if whole < 0 { "-" } else { "" };
            sign.to_owned() + &grouped(whole.unsigned_abs().into())
        }
        Err(_) => text,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::of_run;
    use crate::model::profile::{Function, Profile, Space};
    use crate::model::{Report, Run};
    use crate::report::html::Html;
    use crate::report::{Page, Section, Source};

    fn source(of: &[(&str, u64)]) -> Source {
        let functions = of.iter().map(|&(name, instructions)| Function {
            name: name.to_owned(),
            space: Space::Kernel,
            instructions,
            calls: 1,
        });
        let profile = Profile {
            iterations: 2,
            instructions: of.iter().map(|(_, number)| number).sum(),
            functions: functions.collect(),
        };
        Source {
            report: Report {
                runs: vec![Run {
                    name: "PipeIo".to_owned(),
                    profile: Some(profile),
                    ..Run::default()
                }],
                ..Report::default()
            },
            ..Source::default()
        }
    }

    /// A part of the page of a run.
    type Part = fn(&mut Html, &Page<'_>, &Section<'_>);

    /// The page that has nothing but this part of the first run.
    pub(crate) fn with_part(part: Part, sources: &[Source]) -> String {
        let page = Page::new(sources);
        let mut h = Html::default();
        part(&mut h, &page, &page.sections[0]);
        h.into_page()
    }

    fn shown(sources: &[Source]) -> String {
        with_part(of_run, sources)
    }

    #[test]
    fn what_differs_most_is_on_top_and_rows_sum_to_the_whole() {
        let a = source(&[("large", 900), ("small<", 20)]);
        let b = source(&[("large", 902), ("new", 40), ("small<", 20)]);
        let text = shown(&[a, b]);
        let rows = ["new", "large", "small&lt;", "all"];
        let places = rows.map(|row| text.find(&format!(">{row}<")).unwrap());
        assert!(places.is_sorted(), "{text}");
        assert!(text.contains("--share:100.0%"), "{text}");
        assert!(text.contains(">+20.00</td></tr>"), "{text}");
        // What was not executed is no figure.
        assert!(text.contains("<td class=\"n\">\u{2013}</td>"), "{text}");
        let longest = "class=\"n bar long more\" style=\"--share:100.0%\"";
        assert!(text.contains(longest), "{text}");
        assert!(text.contains(">460.0</td>"), "{text}");
        let many: Vec<(String, u64)> =
            (0..40).map(|n| (format!("f{n}"), 2)).collect();
        let many: Vec<(&str, u64)> =
            many.iter().map(|(name, n)| (&**name, *n)).collect();
        let text = shown(&[source(&many)]);
        assert!(text.contains(">10 more</th>"), "{text}");
        assert!(text.contains(">10.00</td>"), "{text}");
        // Runs without a profile have no table.
        let mut none = source(&[]);
        none.report.runs[0].profile = None;
        assert!(!shown(&[none]).contains("table"));
        assert_eq!(super::shown(-12_345.6), "-12,346");
        assert_eq!(super::shown(123.4), "123.4");
    }
}
