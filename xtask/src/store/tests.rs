//! Runs that are stored, read and listed.

use super::{
    CONSOLE, Cell, FinishedBoot, META, Meta, PROFILE, Pending, RECORDS, REPORT,
    ROOM, Report, StoredRun, json, list, of_matrix, room,
};
use crate::finished::SCHEMA;
use crate::metrics::{self, Metric, RunMetrics};
use crate::model::profile::Profile;
use crate::testing;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A boot whose logs were written elsewhere.
fn boot() -> FinishedBoot {
    let dir = PathBuf::from("/logs");
    let path = dir.join(CONSOLE).display().to_string();
    FinishedBoot {
        dir,
        meta: Meta {
            schema: SCHEMA,
            started: "2026-11-05T12:00:00Z".to_owned(),
            label: "PipeIo".to_owned(),
            qemu_args: vec![format!("path={path}")],
            ..Meta::default()
        },
        report: Report {
            schema: SCHEMA,
            ..Report::default()
        },
        console: b"Linux version 6.1 x\n".to_vec(),
        records: b"records".to_vec(),
    }
}

fn stored(root: &Path) -> PathBuf {
    let mut boot = boot();
    let pending = Pending::new(root).unwrap();
    pending.store(&mut boot).unwrap();
    boot.dir
}

fn entries(root: &Path) -> usize {
    fs::read_dir(root).unwrap().count()
}

#[test]
fn a_run_is_there_as_a_whole_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().join("runs");
    let mut boot = boot();
    let pending = Pending::new(&root).unwrap();
    assert_eq!(list(&root).unwrap().0, []);
    pending.store(&mut boot).unwrap();
    let mut names: Vec<_> = fs::read_dir(&boot.dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, [CONSOLE, META, RECORDS, REPORT]);
    let name = boot.name();
    assert!(name.starts_with("20261105T120000Z-PipeIo-"), "{name}");
    let (runs, wrong) = list(&root).unwrap();
    assert_eq!((runs.len(), wrong.len()), (1, 0));
    // What is read is what was written, with the logs where they are.
    let read = runs[0].read().unwrap();
    assert_eq!((&read.dir, &read.meta), (&boot.dir, &boot.meta));
    assert_eq!(read.console, boot.console);
    assert_eq!(read.records, boot.records);
    let console = boot.dir.join(CONSOLE).display().to_string();
    assert_eq!(read.meta.qemu_args, [format!("path={console}")]);
}

#[test]
fn a_run_of_another_schema_is_named_with_both() {
    let root = tempfile::tempdir().unwrap();
    for (file, of) in [(META, "meta"), (REPORT, "report")] {
        let path = stored(root.path()).join(file);
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("\"schema\": 1", "\"schema\": 2");
        fs::write(&path, text).unwrap();
        let run = StoredRun::at(path.parent().unwrap());
        let error = run.and_then(|run| run.read()).unwrap_err();
        let said = format!("{error:#}");
        let why = "schema 2; this release knows schema 1";
        assert!(said.ends_with(why) && said.contains(of), "{said}");
    }
    let (runs, wrong) = list(root.path()).unwrap();
    assert_eq!((runs.len(), wrong.len()), (1, 1));
    assert!(wrong[0].contains("schema 2; this release"), "{wrong:?}");
}

#[test]
fn profiles_have_a_file_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    let mut boot = boot();
    boot.report = testing::report();
    let profile = Some(Profile {
        iterations: 3,
        instructions: 5,
        functions: Vec::new(),
    });
    boot.report.runs[0].profile.clone_from(&profile);
    let whole = json(&boot.report).unwrap();
    let new = Pending::new(root.path()).unwrap();
    new.store(&mut boot).unwrap();
    assert_eq!(boot.report.runs[0].profile, profile);
    let [report, profiles] = [REPORT, PROFILE].map(|name| boot.dir.join(name));
    let text = fs::read_to_string(&report).unwrap();
    assert!(!text.contains("instructions"), "{text}");
    let read = || StoredRun::at(&boot.dir).unwrap().read();
    let of_first = || read().unwrap().report.runs.remove(0).profile;
    assert_eq!(of_first(), profile);
    let text = fs::read_to_string(&profiles).unwrap();
    for (old, new, why) in [
        (
            "\"schema\": 1",
            "\"schema\": 2",
            "this release knows schema 1",
        ),
        (
            "\"name\": \"",
            "\"name\": \"x",
            "profile.json is of other runs",
        ),
    ] {
        fs::write(&profiles, text.replacen(old, new, 1)).unwrap();
        let error = format!("{:#}", read().unwrap_err());
        assert!(error.contains(why), "{error}");
    }
    // As earlier releases had it.
    fs::remove_file(profiles).unwrap();
    assert_eq!(of_first(), None);
    fs::write(report, whole).unwrap();
    assert_eq!(of_first(), profile);
}

/// What joined since is absent, and all else is what it was.
#[test]
fn a_run_of_an_earlier_release_is_read() {
    const JOINED: [&str; 16] = [
        "arch",
        "boot_warnings",
        "boots",
        "config_sha256",
        "counted",
        "hist",
        "imported",
        "p20_ns",
        "profile",
        "runner",
        "sampled",
        "scx",
        "set",
        "stale",
        "timer_slack_ns",
        "trace",
    ];
    let root = tempfile::tempdir().unwrap();
    let mut boot = boot();
    boot.report = testing::report();
    let new = Pending::new(root.path()).unwrap();
    new.store(&mut boot).unwrap();
    for file in [META, REPORT] {
        let path = boot.dir.join(file);
        let text = fs::read_to_string(&path).unwrap();
        let mut json: Value = serde_json::from_str(&text).unwrap();
        forget(&mut json, &JOINED);
        fs::write(&path, json.to_string()).unwrap();
    }
    let old = StoredRun::at(&boot.dir).unwrap().read().unwrap();
    assert_eq!(old.meta.started, boot.meta.started);
    let metrics = metrics::of_report(&old.report);
    let known = |of: &[RunMetrics]| -> Vec<Metric> {
        let all = of.iter().flat_map(|run| run.metrics.clone());
        all.filter(|metric| metric.name != "stale").collect()
    };
    assert_eq!(known(&metrics), known(&metrics::of_report(&boot.report)));
}

/// Takes those fields out of it, wherever they are; histograms of groups
/// were there from the start.
fn forget(json: &mut Value, fields: &[&str]) {
    match json {
        Value::Object(map) => {
            let group = map.contains_key("work");
            map.retain(|name, _| {
                !fields.contains(&name.as_str()) || group && name == "hist"
            });
            map.values_mut().for_each(|value| forget(value, fields));
        }
        Value::Array(all) => {
            all.iter_mut().for_each(|value| forget(value, fields));
        }
        _ => {}
    }
}

/// A full disk, for what is written there under that name.
fn full(dir: &Path, name: &str) {
    std::os::unix::fs::symlink("/dev/full", dir.join(name)).unwrap();
}

#[test]
fn a_full_disk_leaves_nothing_and_is_said() {
    let root = tempfile::tempdir().unwrap();
    let logs = tempfile::tempdir().unwrap();
    for name in [CONSOLE, RECORDS, REPORT, META] {
        let pending = Pending::new(root.path()).unwrap();
        full(pending.dir(), name);
        let error = pending.store(&mut boot()).unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains("No space left"), "{name}: {said}");
        assert_eq!(entries(root.path()), 0, "{name}");
    }
    // Logs that the machine wrote itself are not written again.
    assert!(room(logs.path()).is_ok());
    assert_eq!(entries(logs.path()), 0);
    full(logs.path(), ROOM);
    let said = format!("{:#}", room(logs.path()).unwrap_err());
    assert!(said.contains("cut short: No space left"), "{said}");
    assert_eq!(entries(logs.path()), 0);
}

#[test]
fn what_a_kill_left_is_swept_and_what_is_alive_is_not() {
    let root = tempfile::tempdir().unwrap();
    let killed = Pending::new(root.path()).unwrap();
    // As a kill does: the lock goes and the directory stays.
    let left = killed.dir.keep();
    drop(killed.lock);
    let alive = Pending::new(root.path()).unwrap();
    assert!(!left.exists());
    let other = Pending::new(root.path()).unwrap();
    assert!(alive.dir().exists() && other.dir().exists());
    drop((alive, other));
    assert_eq!(entries(root.path()), 0);
}

#[test]
fn runs_stored_at_once_have_places_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| stored(root.path()));
        }
    });
    assert_eq!(list(root.path()).unwrap().0.len(), 8);
}

#[test]
fn boots_of_a_matrix_have_names() {
    let of = |matrix: &str, name: &str| StoredRun {
        dir: PathBuf::from(format!("{matrix}/{name}")),
        meta: Meta {
            cell: Some(Cell {
                matrix: matrix.to_owned(),
                name: name.to_owned(),
                ..Cell::default()
            }),
            ..Meta::default()
        },
    };
    let mut stored =
        vec![of("m-1", "a/b/c"), of("m-1", "a/b/d"), of("m-12", "a/b/c")];
    stored.push(StoredRun {
        dir: "x".into(),
        meta: Meta::default(),
    });
    for (word, expected) in [
        ("m-1", &["m-1/a/b/c", "m-1/a/b/d"][..]),
        ("m-12", &["m-12/a/b/c"]),
        ("m-1/a/b/c", &["m-1/a/b/c"]),
        // The newest that has it.
        ("a/b/c", &["m-12/a/b/c"]),
        ("a/b/d", &["m-1/a/b/d"]),
        ("m-1a/b/c", &[]),
        ("a/b", &[]),
        ("", &[]),
    ] {
        let found = of_matrix(word, &stored);
        let dirs: Vec<_> = found.iter().map(|run| &run.dir).collect();
        let expected: Vec<_> = expected.iter().map(Path::new).collect();
        assert_eq!(dirs, expected, "{word}");
    }
}
