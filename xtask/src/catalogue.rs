//! What there is to say of a work type, and the pages that say it of all.
//!
//! Everything comes from the rows of `pidone::workloads::ALL`. The pages are
//! checked in; a test holds them current, and rewrites them when the
//! environment variable `PIDONE_OVERWRITE` is set.

pub mod constructors;
pub mod paths;

use core::fmt::Write;
use core::time::Duration;
use pidone::kit::duration::InGrammar;
use pidone::row::{Family, Kind, LONGEST, Need, Row, What};
use pidone::workloads::rows;

/// A default and its range: `1024 [0..1000000000]`.
#[must_use]
pub fn range(kind: &Kind) -> String {
    match *kind {
        Kind::Count { default, min, max } => {
            format!("{default} [{min}..{max}]")
        }
        Kind::CountOr { word, min, max } => {
            format!("{word} [{word}, {min}..{max}]")
        }
        Kind::Duration { default_us, min_ns } => {
            let default = InGrammar(Duration::from_micros(default_us.into()));
            let min = InGrammar(Duration::from_nanos(min_ns.into()));
            format!("{default} [{min}..{}]", InGrammar(LONGEST))
        }
        Kind::Flag { default } => format!("{default} [true, false]"),
        Kind::Choice { default, names } => {
            format!("{} [{}]", names[usize::from(default)], names.join(", "))
        }
        Kind::Text { rule, .. } => (*rule).to_owned(),
    }
}

/// What is needed, in one word or two.
#[must_use]
pub fn need(what: &What) -> String {
    match what {
        What::Feature(feature) => feature.config().to_owned(),
        What::Cpus(n) => format!("{n} CPUs"),
        What::WorkersPerCpu(n) => format!("{n} workers per CPU"),
        What::SysNice => "CAP_SYS_NICE".to_owned(),
        What::Rivals(_) => "as many rivals as CPUs".to_owned(),
        What::Config(name) => name.text().to_owned(),
        What::Nic => "the network interface".to_owned(),
        What::NetAdmin => "CAP_NET_RAW and CAP_NET_ADMIN".to_owned(),
        What::BlockDevice => "the disk".to_owned(),
        What::Fits(_) => "a machine that its parameters fit".to_owned(),
        What::CpuNodes(n) => format!("{n} NUMA nodes with CPUs"),
        What::MemoryNodes(n) => format!("{n} NUMA nodes with memory"),
        What::Memory(_) => "memory for its working set".to_owned(),
        What::Smt => "a core with two threads".to_owned(),
        What::SchedExt => "a loaded sched_ext scheduler".to_owned(),
        What::Cgroup2 => "cgroup2".to_owned(),
        What::Controller(name) => format!("cgroup2 controller {name}"),
    }
}

/// A need with what happens without it.
#[must_use]
pub fn need_line(need_: &Need, row: &'static Row) -> String {
    let without = match (need_.required, need_.what) {
        (_, What::Fits(_)) => "the plan is refused",
        (true, _) => "skips",
        (false, _) => "is degraded",
    };
    let always = (need_.when)(&row.work());
    let when = if always { "" } else { " with some parameters" };
    format!("{}{when}, or {without}", need(&need_.what))
}

/// How many workers make an instance.
#[must_use]
pub fn group(row: &'static Row) -> String {
    let work = row.work();
    let Some(size) = row.group_size(&work) else {
        return "any number".to_owned();
    };
    let roles: Vec<_> = (0..size).map(|pos| (row.role)(&work, pos)).collect();
    let mut named: Vec<(&str, u32)> = Vec::new();
    for role in roles.into_iter().filter(|role| !role.is_empty()) {
        match named.last_mut() {
            Some((last, n)) if *last == role => *n += 1,
            _ => named.push((role, 1)),
        }
    }
    let named: Vec<_> = named
        .iter()
        .map(|(role, n)| format!("{n} {role}"))
        .collect();
    match named.is_empty() {
        true => format!("groups of {size}"),
        false => format!("groups of {size}: {}", named.join(", ")),
    }
}

/// The page of all work types.
#[must_use]
pub fn page() -> String {
    let mut text = String::from(
        "# Work types\n\nThis page is generated from the rows of \
         `payload/src/workloads/`; `cargo xtask\nexplain NAME` prints the \
         same of one type. Defaults stand in front of their\nrange. The \
         numbers of a default instance are meant; parameters may change \
         them.\n",
    );
    for &family in Family::ALL {
        let rows: Vec<_> = rows().filter(|row| row.family == family).collect();
        if rows.is_empty() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ok = write!(text, "\n## {}\n", family.title());
        for row in rows {
            let _ok = section(row, &mut text);
        }
    }
    text
}

fn section(row: &'static Row, text: &mut String) -> core::fmt::Result {
    write!(
        text,
        "\n### {}\n\n{}.\n\n",
        row.name,
        sentence(row.summary.text())
    )?;
    writeln!(text, "| | |\n|---|---|")?;
    writeln!(text, "| path | {} |", cell(row.path.text()))?;
    writeln!(text, "| workers | {} |", group(row))?;
    writeln!(text, "| iteration | {} |", cell(row.iteration))?;
    writeln!(text, "| work unit | {} |", cell(row.unit))?;
    for need in row.needs {
        writeln!(text, "| needs | {} |", need_line(need, row))?;
    }
    if row.fork_only {
        writeln!(text, "| clone | `fork` only |")?;
    }
    for param in row.params {
        writeln!(
            text,
            "| `{}` | {}: {} |",
            param.name,
            cell(param.summary.text()),
            cell(&range(&param.kind))
        )?;
    }
    for hist in row.hists {
        let rule = hist.rule.map(|rule| format!(" ({})", rule.name()));
        let rule = rule.unwrap_or_default();
        writeln!(
            text,
            "| histogram `{}`{rule} | {} |",
            hist.name,
            cell(hist.meaning.text())
        )?;
    }
    for metric in row.metrics {
        writeln!(
            text,
            "| metric `{}` | {} |",
            metric.name,
            cell(metric.meaning.text())
        )?;
    }
    if !row.example.is_empty() {
        writeln!(text, "| example | `work={} {}` |", row.name, row.example)?;
    }
    writeln!(text, "| proof | {} |", cell(row.proof.text()))
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// Text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<")
}

#[cfg(test)]
mod tests {
    use super::{constructors, page, paths};
    use crate::build;
    use crate::map::stored::{KEPT, StoredMap};
    use std::fs;

    #[test]
    fn the_pages_are_current() {
        for (name, text) in [
            ("docs/workloads.md", page()),
            ("docs/paths.md", paths::page(&maps())),
            (constructors::CONSTRUCTORS, constructors::constructors()),
            (constructors::CHOICES, constructors::choices()),
        ] {
            let file = build::workspace().join(name);
            if std::env::var_os("PIDONE_OVERWRITE").is_some() {
                fs::write(&file, &text).unwrap();
            }
            let there = fs::read_to_string(&file).unwrap_or_default();
            let differs = text.lines().zip(there.lines()).find(|(a, b)| a != b);
            assert!(
                there == text,
                "{name} is stale ({differs:?}); rewrite it with \
                 PIDONE_OVERWRITE=1 cargo test -p xtask --lib catalogue"
            );
        }
    }

    /// The maps that are kept with the sources.
    fn maps() -> [StoredMap; 2] {
        KEPT.map(|text| {
            let map = StoredMap::read(text).unwrap();
            assert!(map.to_text() == text, "{} is of another form", map.kernel);
            map
        })
    }

    #[test]
    fn the_paths_of_rows_are_taken() {
        let wrong: Vec<_> =
            maps().iter().flat_map(StoredMap::wrong_paths).collect();
        assert!(
            wrong.is_empty(),
            "no profile has these; say so in the path, as in `f (inlined)`, \
             or make new maps, as docs/profile.md says: {wrong:#?}"
        );
    }
}
