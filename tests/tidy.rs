//! Rules of style that no other tool checks, over all files of a commit.

use pidone::workloads::rows;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::arch::ALL;
use xtask::build;

const WIDTH: usize = 80;
/// Of code without its tests.
const WORKLOAD_LINES: usize = 300;
/// The same of any other source.
const SOURCE_LINES: usize = 600;
/// Endings of files that people write.
const TEXTS: [&str; 7] =
    [".config", ".json", ".md", ".rs", ".sh", ".toml", ".yml"];

/// A text file of the workspace, by its path there.
struct File {
    path: String,
    text: String,
}

/// All of them, new ones that are not in a commit yet included.
fn files() -> Vec<File> {
    let root = build::workspace();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others"])
        .arg("--exclude-standard")
        .current_dir(&root)
        .output()
        .unwrap();
    assert!(listed.status.success(), "the workspace is no git checkout");
    let names = String::from_utf8(listed.stdout).unwrap();
    let names: BTreeSet<&str> = names.split_terminator('\0').collect();
    names
        .into_iter()
        .filter(|path| TEXTS.iter().any(|end| path.ends_with(end)))
        // Recorded consoles are what they are.
        .filter(|path| !path.starts_with("tests/data/"))
        .filter(|path| root.join(path).is_file())
        .map(|path| File {
            path: path.to_owned(),
            text: fs::read_to_string(root.join(path)).unwrap(),
        })
        .collect()
}

/// It stands alone, and so has a machine for each architecture once more.
#[test]
fn pidone_boot_has_the_machines_of_boot() {
    let script = build::workspace().join("action/pidone-boot");
    let script = fs::read_to_string(script).unwrap();
    for arch in ALL {
        let (name, machine, cpu) = (arch.name, arch.machine, arch.cpu);
        let line = format!("arch={name} machine={machine} cpu={cpu}");
        assert!(script.contains(&line), "{line}");
        assert!(script.contains(&format!("console={}", arch.console)));
        assert_eq!(arch.qemu.program, format!("qemu-system-{name}"));
    }
}

/// Fails with all that is wrong at once.
#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn lines_have_no_tab_no_space_at_their_end_and_are_short() {
    let mut wrong = Vec::new();
    for file in files() {
        let mut fenced = false;
        for (line, number) in file.text.lines().zip(1..) {
            let mut say = |what: &str| {
                wrong.push(format!("{}:{number}: {what}", file.path));
            };
            if line.contains('\t') {
                say("a tab");
            }
            if line.ends_with(' ') {
                say("a space at the end");
            }
            fenced ^= line.trim_start().starts_with("```");
            let exempt = fenced || is_whole(&file.path, line);
            if line.chars().count() > WIDTH && !exempt {
                say("over 80 columns");
            }
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            wrong.push(format!("{}: no end of its last line", file.path));
        }
        if file.text.ends_with("\n\n") {
            wrong.push(format!("{}: an empty last line", file.path));
        }
    }
    none(&wrong);
}

/// Whether a line cannot be broken: one with an address, a row of a table, an
/// inline table, and data.
fn is_whole(path: &str, line: &str) -> bool {
    line.contains("://")
        || path.ends_with(".md") && line.trim_start().starts_with('|')
        || path.ends_with(".toml") && line.contains(" = {")
        || path.ends_with(".toml") && line.trim_start().starts_with('{')
        || path.ends_with(".json")
}

#[test]
fn every_source_says_what_it_is() {
    let sources = files().into_iter().filter(|f| f.path.ends_with(".rs"));
    let silent = sources.filter(|file| !file.text.starts_with("//! "));
    none(&silent.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn sources_are_of_one_job() {
    let mut wrong = Vec::new();
    for file in files() {
        let work = file.path.starts_with("payload/src/workloads/");
        let most = if work { WORKLOAD_LINES } else { SOURCE_LINES };
        let lines = code(&file).lines().count();
        let of = ["payload/", "initramfs/src/", "xtask/src/"];
        let ours = of.iter().any(|dir| file.path.starts_with(dir))
            && file.path.ends_with(".rs")
            && !file.path.ends_with("/tests.rs");
        if ours && lines > most {
            wrong.push(format!("{}: {lines} lines of code", file.path));
        }
    }
    none(&wrong);
}

#[test]
fn a_fragment_sets_an_option_once() {
    let mut wrong = Vec::new();
    for file in files() {
        if !file.path.starts_with("kernel-configs/") {
            continue;
        }
        let mut seen = BTreeSet::new();
        for line in file.text.lines() {
            let line = line.strip_prefix("# ").unwrap_or(line);
            let option = line.split(['=', ' ']).next().unwrap_or_default();
            let set = line.contains('=') || line.ends_with(" is not set");
            let is = option.starts_with("CONFIG_") && set;
            if is && !seen.insert(option.to_owned()) {
                wrong.push(format!("{}: {option} twice", file.path));
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_work_type_has_a_proof() {
    let all = files().into_iter();
    let proofs = all.filter(|file| file.path.starts_with("tests/proofs"));
    let proofs: String = proofs.map(|file| file.text).collect();
    let proven: BTreeSet<&str> =
        proofs.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let wrong = rows().filter(|row| !proven.contains(row.name));
    let wrong: Vec<_> = wrong
        .map(|row| format!("{} is in none of tests/proofs*.rs", row.name))
        .collect();
    none(&wrong);
}

#[test]
fn every_verb_is_listed() {
    let files = files();
    let text = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        &file.unwrap_or_else(|| panic!("no {path}")).text
    };
    let modules = text("xtask/src/cmd.rs");
    let lists = ["cli", "cli/xtask", "cli/pidonectl"];
    let lists = lists.map(|list| text(&format!("xtask/src/{list}.rs")));
    let mut wrong = Vec::new();
    let mut verbs = 0;
    for file in &files {
        let path = Path::new(&file.path);
        let in_folder = path.parent() == Some(Path::new("xtask/src/cmd"));
        let Some(verb) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        if !in_folder || !file.path.ends_with(".rs") {
            continue;
        }
        verbs += 1;
        if !modules.contains(&format!("mod {verb};")) {
            wrong.push(format!("{}: not in xtask/src/cmd.rs", file.path));
        }
        // What has no `Args` helps the verbs.
        let is_verb = file.text.contains("#[argh(subcommand, name = ");
        let line = format!(" {verb},\n");
        if is_verb && !lists.iter().any(|list| list.contains(&line)) {
            wrong.push(format!("{}: in no list of xtask/src/cli", file.path));
        }
    }
    assert!(verbs > 5, "{verbs} verbs were found");
    none(&wrong);
}

/// The code of a file without its tests: what only they use is no matter of
/// the module.
fn code(file: &File) -> &str {
    let code = file.text.split("#[cfg(test)]\nmod tests").next();
    code.unwrap_or_default()
}

/// The modules at the top of a crate that each of them uses.
fn uses(files: &[File], krate: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let root = format!("{krate}/src/");
    for file in files {
        let Some(path) = file.path.strip_prefix(&root) else {
            continue;
        };
        let Some(path) = path.strip_suffix(".rs") else {
            continue;
        };
        let module = path.split('/').next().unwrap();
        if ["lib", "main", "testing"].contains(&module)
            || path.ends_with("/tests")
        {
            continue;
        }
        let of = uses.entry(module.to_owned()).or_default();
        for path in paths(code(file), "crate") {
            let head = path.split("::").next().unwrap();
            of.extend((head != module).then(|| head.to_owned()));
        }
    }
    uses
}

/// The paths that begin with this name, without it.
fn paths(code: &str, first: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let start = format!("{first}::");
    for (at, _) in code.match_indices(&start) {
        let line = code[..at].rsplit('\n').next().unwrap_or_default();
        let before = line.chars().next_back().unwrap_or(' ');
        let inside = before.is_alphanumeric() || "_:".contains(before);
        if !inside && !line.contains("//") {
            tree(&code[at + start.len()..], "", &mut paths);
        }
    }
    paths
}

/// Takes a path, or a list of them in braces; returns what follows.
fn tree<'t>(text: &'t str, under: &str, paths: &mut Vec<String>) -> &'t str {
    let between = |c: char| c.is_whitespace() || c == ',';
    if let Some(mut list) = text.strip_prefix('{') {
        loop {
            list = list.trim_start_matches(between);
            match list.strip_prefix('}') {
                Some(rest) => return rest,
                None if list.is_empty() => return list,
                None => list = tree(list, under, paths),
            }
            // Another name for it is none of ours.
            let (item, _) = list.split_once([',', '}']).unwrap_or_default();
            list = &list[item.len()..];
        }
    }
    let is = |c: char| c.is_alphanumeric() || c == '_';
    let (name, rest) = text.split_at(text.find(|c| !is(c)).unwrap_or(0));
    match rest.strip_prefix("::") {
        Some(rest) => tree(rest, &format!("{under}{name}::"), paths),
        None => {
            // A macro is the crate's, wherever it is written.
            if !rest.starts_with('!') {
                paths.push(format!("{under}{name}"));
            }
            rest
        }
    }
}

/// All that can be reached from a module.
fn reached<'u>(
    uses: &'u BTreeMap<String, BTreeSet<String>>,
    from: &str,
) -> BTreeSet<&'u str> {
    let mut all = BTreeSet::new();
    let mut next: Vec<&str> = vec![from];
    while let Some(module) = next.pop() {
        for used in uses.get(module).into_iter().flatten() {
            if all.insert(used.as_str()) {
                next.push(used);
            }
        }
    }
    all
}

#[test]
fn modules_use_each_other_in_one_direction() {
    let files = files();
    let mut cycles = BTreeSet::new();
    for krate in ["initramfs", "xtask"] {
        let uses = uses(&files, krate);
        assert!(uses.len() > 5, "{krate}: {uses:?}");
        for module in uses.keys() {
            let reaches =
                |from: &str, to: &str| reached(&uses, from).contains(to);
            let cycle = uses.keys().filter(|other| {
                reaches(module, other) && reaches(other, module)
            });
            let cycle: Vec<&str> = cycle.map(String::as_str).collect();
            if !cycle.is_empty() {
                cycles.insert(format!("{krate}: {}", cycle.join(", ")));
            }
        }
    }
    none(&cycles.into_iter().collect::<Vec<_>>());
}

/// The floors of the payload, the lowest first: a file uses its own floor and
/// those below. `ARCHITECTURE.md` says what each is for.
const FLOORS: [&str; 9] = [
    "sys",
    "kit",
    "wire",
    "row",
    "ctx",
    "workloads",
    "plan",
    "run",
    "init",
];

/// The files of the payload by their modules, as in `kit::clock`.
fn payload(files: &[File]) -> BTreeMap<String, &File> {
    let modules = files.iter().filter_map(|file| {
        let path = file.path.strip_prefix("payload/src/")?;
        let module = path.strip_suffix(".rs")?.replace('/', "::");
        let whole = ["lib", "main"].contains(&module.as_str());
        let used = !whole && !module.ends_with("::tests");
        used.then_some((module, file))
    });
    modules.collect()
}

/// The modules whose files this one uses, each with the path that says so.
fn imports(
    module: &str,
    file: &File,
    all: &BTreeMap<String, &File>,
) -> BTreeMap<String, String> {
    let code = code(file);
    let mut told: Vec<String> = paths(code, "crate");
    let mut above = module;
    let mut step = "super".to_owned();
    while let Some((parent, _)) = above.rsplit_once("::") {
        let relative = paths(code, &step).into_iter();
        told.extend(relative.map(|path| format!("{parent}::{path}")));
        above = parent;
        step += "::super";
    }
    let children = code.lines().filter_map(|line| {
        let (_, name) = line.strip_suffix(';')?.split_once("mod ")?;
        line.starts_with(['m', 'p']).then_some(name)
    });
    for child in children {
        let below = paths(code, child).into_iter();
        told.extend(below.map(|path| format!("{module}::{child}::{path}")));
    }
    let mut imports = BTreeMap::new();
    for path in told {
        let mut of = path.as_str();
        while !all.contains_key(of) {
            let Some((shorter, _)) = of.rsplit_once("::") else {
                break;
            };
            of = shorter;
        }
        if of != module {
            imports.insert(of.to_owned(), path.clone());
        }
    }
    imports
}

#[test]
fn a_floor_of_the_payload_uses_those_below_it() {
    let files = files();
    let all = payload(&files);
    let floor = |module: &str| {
        let name = module.split("::").next();
        FLOORS.iter().position(|floor| Some(*floor) == name)
    };
    let (mut wrong, mut below) = (Vec::new(), 0);
    for (module, file) in &all {
        let Some(own) = floor(module) else {
            wrong.push(format!("{}: on no floor", file.path));
            continue;
        };
        for (used, path) in imports(module, file, &all) {
            match floor(&used) {
                Some(at) if at > own => wrong.push(format!(
                    "{}: crate::{path} is above it: {} must not use {}",
                    file.path, FLOORS[own], FLOORS[at],
                )),
                Some(_) => below += 1,
                None => wrong.push(format!("{}: what is {path}?", file.path)),
            }
        }
    }
    assert!(all.len() > 150 && below > 600, "{} {below}", all.len());
    none(&wrong);
}

#[test]
fn files_of_the_payload_use_each_other_in_one_direction() {
    let files = files();
    let all = payload(&files);
    let uses: BTreeMap<String, BTreeSet<String>> = all
        .iter()
        .map(|(module, file)| {
            let used = imports(module, file, &all).into_keys();
            (module.clone(), used.collect())
        })
        .collect();
    let reach: BTreeMap<&str, BTreeSet<&str>> = uses
        .keys()
        .map(|module| (module.as_str(), reached(&uses, module)))
        .collect();
    let mut cycles = BTreeSet::new();
    for (module, to) in &reach {
        let cycle: Vec<&str> = to
            .iter()
            .filter(|other| reach[*other].contains(module))
            .map(|other| all[*other].path.as_str())
            .collect();
        if !cycle.is_empty() {
            cycles.insert(cycle.join(", "));
        }
    }
    none(&cycles.into_iter().collect::<Vec<_>>());
}
