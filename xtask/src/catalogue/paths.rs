//! The page that leads from a function of the kernel to work types, and from a
//! work type to the functions that it executes. It is made of maps.

use super::{cell, sentence};
use crate::map::stored::{StoredMap, TypeMap, stated};
use crate::profile::table::number;
use crate::text;
use core::fmt::Write;
use pidone::row::{Family, Row};
use pidone::workloads::rows;
use std::collections::{BTreeMap, BTreeSet};

/// Functions that are shown of a work type.
const SHOWN: usize = 12;
/// Work types that are named of a function.
const TYPES: usize = 5;
/// Columns of a line.
const WIDTH: usize = 80;
/// The least share of a type's instructions in the kernel that a function has
/// to have in order to lead to it.
const SHARE: f64 = 0.01;

/// The functions that the path of a work type names.
#[must_use]
pub fn named(name: &str) -> Vec<&'static str> {
    let row = rows().find(|row| row.name == name);
    let path = row.map_or("", |row| row.path.text());
    let names = stated(path)
        .flat_map(|stated| [Some(stated.name), stated.other()].into_iter());
    names.flatten().collect()
}

/// The page, from maps of an older kernel and of a newer one.
#[must_use]
pub fn page(maps: &[StoredMap; 2]) -> String {
    let mut text = String::from(
        "# Which path did I change?\n\nThis page is generated from maps: \
         every work type was profiled exactly\n([profile.md](profile.md)) on \
         these kernels.\n\n",
    );
    // Writing to a String cannot fail.
    for StoredMap {
        kernel, release, ..
    } in maps
    {
        let _ok = writeln!(text, "- {release} (`{kernel}`)");
    }
    text += "\n";
    text += &filled(
        "Find the function that you touched, or the one that calls it, in the \
         first table; the sections behind it have the functions of each work \
         type. `cargo xtask which` has the same of any kernel, and of all \
         functions.",
    );
    text += "\n## By function\n\n";
    text += &filled(
        "Functions in which a work type spends at least one percent of its \
         instructions in the newer of these kernels, or that the path of one \
         names, and those types; behind each its share.",
    );
    text += "\n| Function | Work types |\n|---|---|\n";
    by_function(&maps[1], &mut text);
    text += "\n## By work type\n\nInstructions are a function's own, without \
             those of what it calls, for each\niteration; calls are, too. \
             `-` is for what was not executed, and `few` for less\nthan a \
             500th of all in the kernel.\n";
    for &family in Family::ALL {
        let _ok = writeln!(text, "\n### {}", family.title());
        for row in rows().filter(|row| row.family == family) {
            let _ok = section(row, maps, &mut text);
        }
    }
    text
}

fn by_function(map: &StoredMap, text: &mut String) {
    let mut functions: BTreeMap<&str, Vec<(f64, &str)>> = BTreeMap::new();
    for of in &map.types {
        let names = named(&of.name);
        for function in of.functions.keys() {
            let share = of.share(function);
            if share >= SHARE || names.contains(&&**function) {
                let types = functions.entry(function).or_default();
                types.push((share, &of.name));
            }
        }
    }
    let plain = |name: &str| name.trim_start_matches('_').to_owned();
    let mut functions: Vec<_> = functions.into_iter().collect();
    functions.sort_by_key(|(name, _)| (plain(name), *name));
    for (name, mut types) in functions {
        types.sort_by(|a, b| b.0.total_cmp(&a.0));
        let more = types.len().saturating_sub(TYPES);
        let shown = types.iter().take(TYPES);
        let shown = shown.map(|(share, name)| match share {
            ..0.0005 => format!("{name} below 0.1 %"),
            _ => format!("{name} {:.1} %", share * 100.0),
        });
        let mut shown: Vec<String> = shown.collect();
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        let _ok = writeln!(text, "| `{name}` | {} |", shown.join(", "));
    }
}

fn section(
    row: &Row,
    maps: &[StoredMap; 2],
    text: &mut String,
) -> core::fmt::Result {
    let path = cell(row.path.text());
    let summary = sentence(row.summary.text());
    let about = filled(&format!("{summary}. Path: {path}."));
    write!(text, "\n#### {}\n\n{about}", row.name)?;
    let of = maps.each_ref().map(|map| map.of(row.name));
    let [Some(old), Some(new)] = of else {
        let none = "It is in no map: what it executes is not its own";
        return writeln!(text, "{none}.");
    };
    let of = [old, new];
    let releases = maps.each_ref().map(|map| {
        let release = map.release.split(['-', '+']).next();
        release.unwrap_or_default()
    });
    let [a, b] = releases;
    writeln!(text, "\n| function | {a} | calls | {b} | calls |")?;
    writeln!(text, "|---|---:|---:|---:|---:|")?;
    let names: BTreeSet<&String> =
        of.iter().flat_map(|of| of.functions.keys()).collect();
    let mut names: Vec<&String> = names.into_iter().collect();
    let weight = |name: &str| of.map(|of| of.share(name));
    names.sort_by(|a, b| {
        let [a, b] = [a, b].map(|name| weight(name));
        b[0].max(b[1]).total_cmp(&a[0].max(a[1]))
    });
    let shown = &names[..SHOWN.min(names.len())];
    for name in shown {
        let [a, b] = of.map(|of| numbers(of, name));
        writeln!(text, "| `{name}` | {a} | {b} |")?;
    }
    let [a, b] = of.map(|of| {
        let kept = |name: &&String| of.functions.get(*name).copied().flatten();
        let shown = shown.iter().filter_map(kept).map(|kept| kept[0]);
        of.instructions[1].saturating_sub(shown.sum())
    });
    let more = names.len() - shown.len();
    let each = |a, b| (number(of[0].each(a)), number(of[1].each(b)));
    let (a, b) = each(a, b);
    writeln!(text, "| {more} more | {a} | | {b} | |")?;
    let [(user_a, a), (user_b, b)] = of.map(|of| {
        let [user, kernel] = of.instructions;
        (user, kernel)
    });
    let (a, b) = each(a, b);
    writeln!(text, "| all of the kernel | {a} | | {b} | |")?;
    let (a, b) = each(user_a, user_b);
    writeln!(text, "| user space | {a} | | {b} | |")
}

/// Text in lines of a page.
fn filled(text: &str) -> String {
    text::filled(text, "", "", WIDTH) + "\n"
}

/// Instructions and calls of a function, as cells.
fn numbers(of: &TypeMap, name: &str) -> String {
    match of.functions.get(name) {
        Some(Some([instructions, 0])) => {
            format!("{} | ", number(of.each(*instructions)))
        }
        Some(Some([instructions, calls])) => {
            let [instructions, calls] =
                [instructions, calls].map(|of_all| number(of.each(*of_all)));
            format!("{instructions} | {calls}")
        }
        Some(None) => "few | ".to_owned(),
        None => "- | ".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{named, page};
    use crate::map::stored::{StoredMap, TypeMap};

    #[test]
    fn both_kernels_stand_side_by_side() {
        let of = |release: &str, functions: &[(&str, Option<[u64; 2]>)]| {
            let functions = functions.iter();
            let functions =
                functions.map(|(name, of)| ((*name).to_owned(), *of));
            StoredMap {
                kernel: "k".to_owned(),
                release: release.to_owned(),
                types: vec![TypeMap {
                    name: "PipeIo".to_owned(),
                    iterations: 10,
                    instructions: [500, 10_000],
                    functions: functions.collect(),
                }],
            }
        };
        let old = of("6.12.1-x", &[("old", Some([3_000, 10])), ("few", None)]);
        let new = of(
            "7.2.3+y",
            &[("__new", Some([8_000, 0])), ("pipe_write", Some([10, 10]))],
        );
        let text = page(&[old, new]);
        for line in [
            "| `__new` | PipeIo 80.0 % |",
            "| `pipe_write` | PipeIo 0.1 % |",
            "| function | 6.12.1 | calls | 7.2.3 | calls |",
            "| `__new` | - |  | 800.0 |  |",
            "| `old` | 300.0 | 1.00 | - |  |",
            "| `pipe_write` | - |  | 1.00 | 1.00 |",
            "| `few` | few |  | - |  |",
            "| 0 more | 700.0 | | 199.0 | |",
            "| all of the kernel | 1000.0 | | 1000.0 | |",
            "| user space | 50.00 | | 50.00 | |",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert!(named("PipeIo").contains(&"pipe_write"));
        assert!(text.contains("### Custom\n"), "{text}");
    }
}
