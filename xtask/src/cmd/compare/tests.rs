//! Stored runs that no machine made, and wrong use.

use super::booted::left_over;
use super::{Args, both_sides, comparison, own, run};
use crate::decode::decode;
use crate::exit::Exit;
use crate::finished::Meta;
use crate::model::Report;
use crate::store;
use crate::testing::{Stream, worker};
use crate::topology::Smp;
use pidone::wire::record::Record;
use std::fs;
use std::path::Path;

/// Stores a run of that name with so many round trips.
fn store(root: &Path, name: &str, seed: Option<u64>, trips: u64) {
    let mut stream = Stream::sample();
    let mut other = worker(0, 1);
    if let Record::Worker(worker) = &mut other {
        worker.iterations = trips;
    }
    stream.records[7] = Stream::encode(&other);
    // The second run failed.
    stream.records.truncate(14);
    let log = stream.closed().once();
    let report = Report::new(&decode(log.as_bytes()).newest());
    let mut meta = Meta {
        schema: 1,
        started: name.to_owned(),
        deterministic: seed,
        exit_code: Exit::Good,
        ..Meta::default()
    };
    "6.12".clone_into(&mut meta.kernel.spec);
    meta.qemu_args = vec!["-seed".to_owned(), format!("{seed:?}")];
    let dir = root.join(name);
    fs::create_dir_all(&dir).unwrap();
    let meta = serde_json::to_string(&meta).unwrap();
    fs::write(dir.join(store::META), meta).unwrap();
    let report = serde_json::to_string(&report).unwrap();
    fs::write(dir.join(store::REPORT), report).unwrap();
    fs::write(dir.join(store::CONSOLE), "KTAP version 1\n").unwrap();
    fs::write(dir.join(store::RECORDS), log).unwrap();
}

fn args(root: &Path, a: &str, b: &str) -> Args {
    Args {
        a: a.to_owned(),
        b: b.to_owned(),
        margin: 0.5,
        look: 1,
        metric: vec!["iterations".to_owned()],
        store: Some(root.to_path_buf()),
        ..Args::default()
    }
}

#[test]
fn stored_runs_by_the_beginnings_of_their_names() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for n in 0..6 {
        store(root, &format!("2026-old-{n}"), None, 24_000 + n * 10);
        store(root, &format!("2026-new-{n}"), None, 20_000 + n * 10);
    }
    let found = comparison(&args(root, "2026-old", "2026-new")).unwrap();
    assert_eq!(found.boots[1].len(), 6);
    assert_eq!((found.exit_code.code(), found.rows.len()), (1, 1));
    let better = comparison(&args(root, "2026-new", "2026-old")).unwrap();
    assert_eq!(better.exit_code.code(), 0);
    // Some by name, one by its directory, none twice.
    let dir = root.join("2026-old-2").display().to_string();
    let some = format!("2026-old-0,{dir},2026-old-2,2026-old-1");
    let found = comparison(&args(root, &some, "2026-new")).unwrap();
    let two = ["2026-old-0", "2026-old-2", "2026-old-1"];
    assert_eq!(found.boots[0], two);
    let json = root.join("out.json").display().to_string();
    let args = Args {
        json: Some(json.clone()),
        ..args(root, "2026-old", "2026-new")
    };
    assert_eq!(run(&args).unwrap(), Exit::Bad);
    let json = fs::read_to_string(json).unwrap();
    assert!(json.contains("\"verdict\": \"worse\""));
}

#[test]
fn boots_of_one_seed_that_differ_are_a_defect() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    store(root, "a1", Some(1), 24_000);
    store(root, "b1", Some(1), 24_000);
    store(root, "b2", Some(2), 23_000);
    let found = comparison(&args(root, "a1", "b1")).unwrap();
    assert!(found.identical && found.warnings.is_empty());
    assert_eq!(found.exit_code.code(), 0);
    store(root, "c1", Some(1), 24_001);
    let found = comparison(&args(root, "a1", "c1")).unwrap();
    assert!(!found.identical);
    assert_eq!(
        found.warnings,
        [
            "a1 and c1 are boots of the same kernel, machine and seed and \
             differ: record 7, Worker run=0 group=0 index=1: \
             Worker.iterations is 24000 and 24001"
        ]
    );
    // Other seeds are other boots.
    let found = comparison(&args(root, "a1", "b2")).unwrap();
    assert_eq!(found.warnings, ["no seed is on both sides"]);
}

#[test]
fn wrong_use_is_answered() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    store(root, "a1", None, 1);
    store(root, "b1", None, 1);
    let words = |text: &str| -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    };
    let kernels = || Args {
        plan: words("-- work=PipeIo"),
        ..args(root, "host", "debian:6.12-cloud")
    };
    for (args, why) in [
        (
            args(root, "a1", "nosuch"),
            "`nosuch` is neither a kernel, a stored run nor a cell of a \
             matrix; kernels are files, `host`, debian:6.12-cloud and \
             built:6.12, and `cargo xtask runs` lists 2 stored runs",
        ),
        (args(root, "a1,", "b1"), "`` is neither"),
        (args(root, "a1", "a1"), "a1 is on both sides"),
        (
            args(root, "a1", "host"),
            "a kernel does not compare with stored",
        ),
        (
            Args {
                runs: Some(3),
                ..args(root, "a1", "b1")
            },
            "--runs is for kernels",
        ),
        (
            Args {
                plan: words("-- work=PipeIo"),
                ..args(root, "a1", "b1")
            },
            "a plan is for kernels",
        ),
        (
            Args {
                smp: Smp::Flat(3),
                ..args(root, "a1", "b1")
            },
            "an option of `boot` is for kernels",
        ),
        (
            Args {
                metric: words("wake.q99"),
                ..args(root, "a1", "b1")
            },
            "a histogram has .count",
        ),
        (
            Args {
                margin: -1.0,
                ..args(root, "a1", "b1")
            },
            "--margin -1",
        ),
        (
            Args {
                look: 0,
                ..args(root, "a1", "b1")
            },
            "--look 0: the first one is 1",
        ),
        (args(root, "host", "host"), "a plan follows `--`"),
        (
            Args {
                plan: words("work=PipeIo"),
                ..args(root, "host", "time=1s")
            },
            "what `host` is compared with is missing: another kernel, or \
             --plan-b",
        ),
        (
            Args {
                plan_b: words("sched_features=NO_A"),
                ..args(root, "a1", "b1")
            },
            "--plan-b is for kernels",
        ),
        (
            Args {
                plan_a: vec!["nice=5 work=SpinWait".to_owned()],
                ..kernels()
            },
            "--plan-a work=SpinWait: only settings go there",
        ),
        (
            Args {
                runs: Some(0),
                ..kernels()
            },
            "--runs 0: 0 boots compare nothing",
        ),
        (
            Args {
                seeds: Some(3),
                ..kernels()
            },
            "--seeds needs --deterministic",
        ),
        (
            Args {
                seeds: Some(0),
                deterministic: Some(1),
                ..kernels()
            },
            "--seeds 0: 0 boots",
        ),
        (
            Args {
                runs: Some(2),
                deterministic: Some(1),
                ..kernels()
            },
            "--runs is not for deterministic boots",
        ),
        (
            Args {
                metric: words("wak.p99"),
                ..kernels()
            },
            "nearest is `wake`",
        ),
    ] {
        let error = comparison(&args).unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains(why), "{why}: {said}");
    }
}

#[test]
fn one_kernel_is_both_sides_where_they_differ_by_themselves() {
    let one = Args {
        a: "host".to_owned(),
        b: "time=1s".to_owned(),
        plan: vec!["work=PipeIo".to_owned()],
        plan_b: vec!["sched_features=NO_A nice=5".to_owned()],
        ..Args::default()
    };
    let both = both_sides(&one).unwrap();
    assert_eq!((&*both.a, &*both.b), ("host", "host"));
    assert_eq!(both.plan, ["time=1s", "work=PipeIo"]);
    assert_eq!(own(&both.plan_b), ["sched_features=NO_A", "nice=5"]);
}

#[test]
fn boots_take_turns() {
    let order = |deterministic, runs, seeds| {
        let args = Args {
            runs,
            seeds,
            ..Args::default()
        };
        super::booted::order(&args, deterministic).unwrap()
    };
    let none = |sides: [usize; 6]| sides.map(|at| (at, None)).to_vec();
    assert_eq!(order(None, Some(3), None), none([0, 1, 1, 0, 0, 1]));
    let seeded = order(Some(7), None, Some(2));
    let sides = [(0, Some(7)), (1, Some(7)), (1, Some(8)), (0, Some(8))];
    assert_eq!(seeded, sides);
}

#[test]
fn what_is_left_of_a_comparison_is_said() {
    let names = |all: &[&str]| all.iter().map(ToString::to_string).collect();
    let said =
        |a: &[&str], b: &[&str]| left_over(&[names(a), names(b)], 4, "my runs");
    let anew = "1 of 4 boots are stored; the same command begins anew";
    assert_eq!(said(&["x1"], &[]), anew);
    assert_eq!(
        said(&["x1", "x2"], &["y1"]),
        "3 of 4 boots are stored; to compare those, without more boots:\n  \
         cargo xtask compare --store 'my runs' x1,x2 y1"
    );
}
