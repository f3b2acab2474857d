//! The map: which work types execute which function, and how often.
//!
//! A map is made of stored runs like any other: a deterministic boot of all
//! work types with a profile of each, and another one of those that want
//! another machine. They are kept in the cache, by their kernel.

pub mod code;
pub mod patch;
pub mod stored;

use crate::cache;
use crate::finished::FinishedBoot;
use crate::model::profile::{Function, Profile};
use crate::profile::table::number;
use crate::store;
use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use core::fmt::Write;
use pidone::workloads::rows;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Types that a plan to copy has at most.
const PLANNED: usize = 6;
/// Types that are shown, unless one more would be all.
const SHOWN: usize = 12;
/// A type that spends less than this share of an iteration in what was asked
/// for shows nothing of it, unless nothing else does.
pub const LEAST: f64 = 0.001;
/// Functions that are named of a type.
const NAMED: usize = 3;
/// Calls of the system have these before their names, by architecture and by
/// what a kernel's macros make of them.
const CALLS: [&str; 7] = [
    "__x64_sys_",
    "__arm64_sys_",
    "__riscv_sys_",
    "__ia32_sys_",
    "__do_sys_",
    "__se_sys_",
    "sys_",
];

/// Where maps are kept.
///
/// # Errors
///
/// There is no cache.
pub fn dir() -> Result<PathBuf> {
    Ok(cache::dir()?.join("maps"))
}

/// The plan of a map: all work types, as their rows run them.
#[must_use]
pub fn plan(time: &str) -> Vec<String> {
    let all: Vec<&str> = rows().map(|row| row.name).collect();
    plan_of(time, &all)
}

/// The same of these work types.
#[must_use]
pub fn plan_of(time: &str, types: &[&str]) -> Vec<String> {
    let mut words = vec![format!("time={time}")];
    for row in rows().filter(|row| types.contains(&row.name)) {
        words.push(format!("work={}", row.name));
        words.extend(row.example.split_whitespace().map(str::to_owned));
    }
    words
}

/// The newest map of a kernel, by the SHA-256 of its image.
///
/// # Errors
///
/// The maps cannot be read.
pub fn find(sha256: &str) -> Result<Option<FinishedBoot>> {
    find_in(&dir()?, sha256)
}

/// The same, in a directory.
///
/// # Errors
///
/// As those of [`find`].
pub fn find_in(root: &Path, sha256: &str) -> Result<Option<FinishedBoot>> {
    let (runs, _wrong) = store::list(root)?;
    let newest = runs.into_iter().rev();
    let of = newest.filter(|run| run.meta.kernel.sha256 == sha256);
    let boots: Result<Vec<_>> = of.map(|run| run.read()).collect();
    Ok(united(boots?))
}

/// One map of the boots of one kernel, the newest first: that of most types,
/// with what others have of those that it has no profile of.
#[must_use]
pub fn united(mut boots: Vec<FinishedBoot>) -> Option<FinishedBoot> {
    boots.retain(|boot| profiles(boot).next().is_some());
    let most = boots.iter().map(|boot| boot.report.runs.len()).max()?;
    let first = boots.iter().position(|it| it.report.runs.len() == most)?;
    let mut map = boots.remove(first);
    for run in &mut map.report.runs {
        let others = boots.iter().flat_map(|boot| &boot.report.runs);
        let mut others = others.filter(|it| it.profile.is_some());
        if run.profile.is_none()
            && let Some(other) = others.find(|other| other.name == run.name)
        {
            *run = other.clone();
        }
    }
    Some(map)
}

/// Removes the maps below `root` that nobody looks at any more: those of a
/// kernel and plan that have a newer one, which is what [`find`] takes.
/// Returns where they were.
///
/// # Errors
///
/// They cannot be read, or not be removed.
pub fn remove_old(root: &Path) -> Result<Vec<PathBuf>> {
    let (runs, _wrong) = store::list(root)?;
    let mut newest = BTreeSet::new();
    let mut old = Vec::new();
    for run in runs.into_iter().rev() {
        let meta = &run.meta;
        if !newest.insert((meta.kernel.sha256.clone(), meta.label.clone())) {
            fs::remove_dir_all(&run.dir)
                .with_context(|| run.dir.display().to_string())?;
            old.push(run.dir);
        }
    }
    Ok(old)
}

/// The newest map of a kernel, or else of one with the same configuration: of
/// another commit, whose work types take much the same paths.
///
/// # Errors
///
/// The maps cannot be read.
pub fn find_like(
    sha256: &str,
    config_sha256: Option<&str>,
) -> Result<Option<FinishedBoot>> {
    if let Some(map) = find(sha256)? {
        return Ok(Some(map));
    }
    let (runs, _wrong) = store::list(&dir()?)?;
    let mut newest = runs.into_iter().rev();
    let like = newest.find(|run| {
        let config = run.meta.kernel.config_sha256.as_deref();
        config.is_some() && config == config_sha256
    });
    like.map_or(Ok(None), |run| find(&run.meta.kernel.sha256))
}

/// How much of a work type's iteration is in the functions that were asked
/// for.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit<'m> {
    /// The work type.
    pub work: &'m str,
    /// Instructions of an iteration in those functions.
    pub instructions: f64,
    /// The same as a share of all of the iteration's.
    pub share: f64,
    /// The functions, those with the most instructions first: name,
    /// instructions and calls of an iteration.
    pub functions: Vec<(&'m str, f64, f64)>,
}

/// The name of a function without what tells one architecture's system calls
/// from another's.
fn plain(name: &str) -> &str {
    let call = CALLS.iter().find_map(|begin| name.strip_prefix(begin));
    call.unwrap_or(name)
}

/// Whether a function of a profile is the one that was named.
fn is(function: &Function, name: &str) -> bool {
    is_named(&function.name, name)
}

/// Whether a name of a profile is the function that was named.
#[must_use]
pub fn is_named(known: &str, name: &str) -> bool {
    known == name
        || (CALLS.iter().any(|begin| name.starts_with(begin))
            && plain(known) == plain(name)
            && known != plain(name))
}

/// The work types that execute any of these functions, those first that spend
/// the largest share of an iteration there.
#[must_use]
pub fn hits<'m>(map: &'m FinishedBoot, names: &[String]) -> Vec<Hit<'m>> {
    let mut hits: Vec<Hit<'m>> = Vec::new();
    for run in &map.report.runs {
        let Some(profile) = &run.profile else {
            continue;
        };
        let mut functions: Vec<_> = profile
            .functions
            .iter()
            .filter(|function| names.iter().any(|name| is(function, name)))
            .map(|function| {
                let each = |count| profile.each(count);
                let (all, calls) = (function.instructions, function.calls);
                (function.name.as_str(), each(all), each(calls))
            })
            .collect();
        if functions.is_empty() {
            continue;
        }
        functions.sort_by(|a, b| b.1.total_cmp(&a.1));
        let instructions = functions.iter().map(|(_, all, _)| all).sum();
        hits.push(Hit {
            work: &run.name,
            instructions,
            share: instructions / profile.each(profile.instructions).max(1.0),
            functions,
        });
    }
    hits.sort_by(|a, b| b.share.total_cmp(&a.share));
    hits
}

/// Those of the names that no work type executes.
#[must_use]
pub fn absent<'n>(map: &FinishedBoot, names: &'n [String]) -> Vec<&'n str> {
    let known: Vec<&Function> = profiles(map)
        .flat_map(|(_, profile)| &profile.functions)
        .collect();
    let missing = names
        .iter()
        .filter(|name| !known.iter().any(|function| is(function, name)));
    missing.map(String::as_str).collect()
}

/// All names of functions, once each.
#[must_use]
pub fn names(map: &FinishedBoot) -> BTreeSet<&str> {
    profiles(map)
        .flat_map(|(_, profile)| &profile.functions)
        .map(|function| function.name.as_str())
        .collect()
}

/// The work types and their profiles.
pub fn profiles(map: &FinishedBoot) -> impl Iterator<Item = (&str, &Profile)> {
    let runs = map.report.runs.iter();
    runs.filter_map(|run| Some((run.name.as_str(), run.profile.as_ref()?)))
}

/// What [`hits`] found, as a table and a plan to copy.
#[must_use]
pub fn render(hits: &[Hit<'_>]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["share", "instructions", "work type", "in"]);
    let shown = match hits.len() {
        all if all <= SHOWN + 1 => all,
        _ => SHOWN,
    };
    for hit in &hits[..shown] {
        let mut names: Vec<String> = hit
            .functions
            .iter()
            .take(NAMED)
            .map(|(name, all, calls)| match calls {
                // What was entered in another way has no calls.
                0.0 => format!("{name} {}", few(*all)),
                calls => {
                    format!("{name} {} in {}", few(*all), times(*calls))
                }
            })
            .collect();
        if let Some(more @ 1..) = hit.functions.len().checked_sub(NAMED) {
            names.push(format!("{more} more"));
        }
        table.add_row([
            share(hit),
            few(hit.instructions),
            hit.work.to_owned(),
            names.join(", "),
        ]);
    }
    for column in table.column_iter_mut().take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = table.trim_fmt() + "\n";
    if let Some(next) = hits.get(shown) {
        let (more, share) = (hits.len() - shown, share(next));
        let _ok = writeln!(text, "{more} more, with {share} and less");
    }
    let telling = hits.iter().filter(|hit| hit.share >= LEAST).count();
    let planned = match telling {
        0 => PLANNED,
        some => some.min(PLANNED),
    };
    let planned = hits.iter().take(planned);
    let words: Vec<String> =
        planned.map(|hit| planned_word(hit.work)).collect();
    let _ok = writeln!(text, "\nplan: time=1s {}", words.join(" "));
    text
}

/// The words of a plan that run a work type.
#[must_use]
pub fn planned_word(work: &str) -> String {
    let row = rows().find(|row| row.name == work);
    match row.map_or("", |row| row.example) {
        "" => format!("work={work}"),
        example => format!("work={work} {example}"),
    }
}

fn share(hit: &Hit<'_>) -> String {
    match hit.instructions {
        0.0 => "few".to_owned(),
        _ => format!("{:.2} %", hit.share * 100.0),
    }
}

/// Instructions of an iteration; what was executed and has no numbers is that.
fn few(instructions: f64) -> String {
    match instructions {
        0.0 => "few".to_owned(),
        some => number(some),
    }
}

fn times(calls: f64) -> String {
    match number(calls).as_str() {
        "1.00" => "1 call".to_owned(),
        other => format!("{other} calls"),
    }
}

#[cfg(test)]
mod tests {
    use super::{absent, find_in, hits, plan, remove_old, render, united};
    use crate::finished::FinishedBoot;
    use crate::model::profile::{Function, Profile, Space};
    use crate::model::{Report, Run};
    use pidone::workloads::rows;

    fn run(name: &str, of: &[(&str, u64)]) -> Run {
        let functions = of.iter().map(|&(name, instructions)| Function {
            name: name.to_owned(),
            space: Space::Kernel,
            instructions,
            calls: 10,
        });
        Run {
            name: name.to_owned(),
            profile: Some(Profile {
                iterations: 10,
                instructions: of.iter().map(|(_, all)| all).sum(),
                functions: functions.collect(),
            }),
            ..Run::default()
        }
    }

    fn map() -> FinishedBoot {
        FinishedBoot {
            report: Report {
                runs: vec![
                    run("PipeIo", &[("pipe_read", 100), ("schedule", 900)]),
                    run("SpinWait", &[("[payload]", 1000)]),
                    run(
                        "YieldHeavy",
                        &[("__x64_sys_sched_yield", 300), ("schedule", 200)],
                    ),
                    Run::default(),
                ],
                ..Report::default()
            },
            ..FinishedBoot::default()
        }
    }

    fn of(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn types_are_ranked_by_their_share() {
        let map = map();
        let found = hits(&map, &of(&["schedule", "pipe_read"]));
        let ranked: Vec<_> = found
            .iter()
            .map(|hit| (hit.work, hit.instructions))
            .collect();
        assert_eq!(ranked, [("PipeIo", 100.0), ("YieldHeavy", 20.0)]);
        assert!((found[1].share - 0.4).abs() < 1e-9);
        let text = render(&found);
        let first = text.lines().nth(1).unwrap();
        assert!(first.contains("100.00 %"), "{text}");
        let named = "schedule 90.00 in 1 call, pipe_read 10.00 in 1 call";
        assert!(first.ends_with(named), "{text}");
        assert!(
            text.ends_with("plan: time=1s work=PipeIo work=YieldHeavy\n"),
            "{text}"
        );
    }

    #[test]
    fn a_type_that_shows_next_to_nothing_is_not_planned() {
        let little = ("__x64_sys_futex", 1);
        let mut map = map();
        map.report.runs = vec![
            run("PipeIo", &[("schedule", 1000), ("pipe_read", 1000)]),
            run("SpinWait", &[("schedule", 1), ("[payload]", 5000), little]),
        ];
        let text = render(&hits(&map, &of(&["schedule"])));
        assert!(text.contains("SpinWait"), "{text}");
        assert!(text.ends_with("plan: time=1s work=PipeIo\n"), "{text}");
        // Unless nothing else does.
        let text = render(&hits(&map, &of(&[little.0])));
        assert!(text.ends_with("plan: time=1s work=SpinWait\n"), "{text}");
    }

    #[test]
    fn a_call_has_the_name_of_its_architecture() {
        let map = map();
        for name in ["__x64_sys_sched_yield", "__do_sys_sched_yield"] {
            assert_eq!(hits(&map, &of(&[name])).len(), 1, "{name}");
        }
        // A function of the same name is another.
        assert!(hits(&map, &of(&["sched_yield"])).is_empty());
        let asked = of(&["schedule", "e1000_probe"]);
        assert_eq!(absent(&map, &asked), ["e1000_probe"]);
    }

    #[test]
    fn a_boot_on_another_machine_completes_a_map() {
        let mut other = FinishedBoot::default();
        other.report.runs = vec![Run {
            name: "SmtSiblingSpin".to_owned(),
            ..run("", &[("select_idle_smt", 10)])
        }];
        let mut whole = map();
        whole.report.runs[3].name = "SmtSiblingSpin".to_owned();
        let mut older = whole.clone();
        older.report.runs.truncate(1);
        let none = FinishedBoot::default();
        let boots = vec![none.clone(), other, whole, older];
        let map = united(boots).unwrap();
        assert_eq!(map.report.runs.len(), 4);
        let found = hits(&map, &of(&["select_idle_smt"]));
        assert_eq!(found[0].work, "SmtSiblingSpin");
        assert!(united(vec![none]).is_none());
    }

    #[test]
    fn the_newest_of_a_kernel_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let put = |started: &str, sha256: &str, label: &str| {
            let mut boot = map();
            boot.meta.schema = crate::finished::SCHEMA;
            boot.report.schema = crate::finished::SCHEMA;
            boot.meta.started = started.to_owned();
            boot.meta.label = label.to_owned();
            boot.meta.kernel.sha256 = sha256.to_owned();
            let pending = crate::store::Pending::new(root).unwrap();
            pending.store(&mut boot).unwrap();
            boot.dir
        };
        let old = put("2026-11-28T10:00:00Z", "a", "SpinWait+44");
        let kept = [
            put("2026-11-28T11:00:00Z", "b", "SpinWait+44"),
            put("2026-11-28T12:00:00Z", "a", "SpinWait+44"),
            put("2026-11-28T09:00:00Z", "a", "SmtSiblingSpin"),
        ];
        assert_eq!(remove_old(root).unwrap(), core::slice::from_ref(&old));
        assert!(!old.exists());
        assert!(kept.iter().all(|dir| dir.is_dir()));
        assert_eq!(remove_old(root).unwrap().len(), 0);
        let found = find_in(root, "a").unwrap().unwrap();
        assert_eq!(found.dir, kept[1]);
        assert!(find_in(root, "c").unwrap().is_none());
    }

    #[test]
    fn the_plan_has_every_type() {
        let plan = plan("20ms");
        let works = plan.iter().filter(|word| word.starts_with("work="));
        assert_eq!(works.count(), rows().count());
    }
}
