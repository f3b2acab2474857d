//! Files that are right, and all the ways in which one is wrong.

use super::summary::{CellBoot, Summary};
use super::{Cell, Wrong, listed, only, parse};
use crate::exit::Exit;
use crate::finished::FinishedBoot;
use crate::format::Format;
use crate::model::{Report, Run};
use crate::testing::{self, profile};

const FILE: &str = r#"
# For the tests.

[defaults]
boots = 2
timeout = 60
append = "quiet"

[kernels]
old = { kernel = "debian:6.1-cloud", append = "audit=1" }
new = "debian:6.12-cloud"

[machines]
one = { smp = 1, deterministic = true, timeout = false }
two = { smp = "2", disk = ["64M", "null-co"], nic = true, boots = 3 }

[plans]
pipes = "time=1s work=PipeIo"
wakes = ["time=1s", "work=FutexPingPong"]
scx = { plan = '"scx=/bin/x -f" work=PipeIo', module = "null_blk" }

[[exclude]]
kernel = "old"
plan = ["scx", "wakes"]

[[include]]
kernel = "old"
machine = "two"
plan = "wakes"
"#;

fn cells(text: &str) -> Vec<Cell> {
    parse(text).unwrap_or_else(|wrong| panic!("{}", listed("m", &wrong)))
}

fn names(cells: &[Cell]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

#[test]
fn entries_are_put_together() {
    let cells = cells(FILE);
    assert_eq!(
        names(&cells),
        [
            "old/one/pipes",
            "old/two/pipes",
            "old/two/wakes",
            "new/one/pipes",
            "new/one/wakes",
            "new/one/scx",
            "new/two/pipes",
            "new/two/wakes",
            "new/two/scx",
        ]
    );
    let old = &cells[0];
    let command = |cell: &Cell| cell.request.command().join(" ");
    assert_eq!(
        command(old),
        "boot --kernel debian:6.1-cloud --smp 1 --append quiet --append \
         audit=1 --deterministic 1 -- time=1s work=PipeIo"
    );
    assert_eq!((old.boots, old.lines), (2, [10, 14, 18]));
    assert_eq!([old.seed(1), old.seed(2)], [Some(1), Some(2)]);
    let new = &cells[8];
    assert_eq!(
        command(new),
        "boot --kernel debian:6.12-cloud --disk 64M --disk null-co:64M \
         --nic pair --append quiet --timeout 60s --module null_blk -- \
         \"scx=/bin/x -f\" work=PipeIo"
    );
    assert_eq!((new.boots, new.seed(2)), (3, None));
    assert_eq!(new.request.plan, ["\"scx=/bin/x -f\"", "work=PipeIo"]);
    assert_eq!(cells[4].request.plan, ["time=1s", "work=FutexPingPong"]);
}

#[test]
fn some_of_them_only() {
    let of = |words: &[&str]| {
        let words: Vec<String> =
            words.iter().map(ToString::to_string).collect();
        only(cells(FILE), &words).map(|cells| names(&cells))
    };
    assert_eq!(of(&[]).unwrap().len(), 9);
    assert_eq!(of(&["old"]).unwrap().len(), 3);
    assert_eq!(of(&["one", "wakes"]).unwrap(), ["new/one/wakes"]);
    assert_eq!(of(&["wakes", "scx", "two"]).unwrap().len(), 3);
    assert_eq!(
        of(&["new/one/scx", "old/two/pipes"]).unwrap(),
        ["old/two/pipes", "new/one/scx"]
    );
    assert_eq!(of(&["new/one/scx", "old", "one"]).unwrap().len(), 2);
    let error = of(&["olds"]).unwrap_err();
    assert!(error.contains("nearest is `old`"), "{error}");
    let error = of(&["old", "scx"]).unwrap_err();
    assert!(error.contains("no cell is left"), "{error}");
}

/// The file with some of it replaced, and the line that has it.
fn with(part: &str, instead: &str) -> (String, usize) {
    let (before, _) = FILE.split_once(part).unwrap();
    let line = before.matches('\n').count() + 1;
    (FILE.replacen(part, instead, 1), line)
}

#[test]
fn all_that_is_wrong_is_said_with_its_line() {
    for (part, instead, down, what) in [
        ("boots = 2", "boots = 0", 0, "whole number, 1 or more"),
        ("boots = 2", "boots = \"2\"", 0, "whole number, 1 or more"),
        ("boots = 2", "boost = 2", 0, "`boost`; nearest is `boots`"),
        (
            "boots = 2",
            "zzz = 2",
            0,
            "no option `zzz`; valid are boots,",
        ),
        ("boots = 2", "boots =", 0, ""),
        ("boots = 2", "boots = 2\nboots = 3", 1, "duplicate"),
        ("boots = 2", "setup = true", 0, "no option `setup`"),
        ("boots = 2", "format = \"json\"", 0, "no option `format`"),
        ("boots = 2", "plan = \"x\"", 0, "`plan` is for [plans]"),
        ("[defaults]", "[default]", 0, "nearest is `defaults`"),
        ("[defaults]", "[zzz]", 0, "valid are defaults, kernels,"),
        (
            "[defaults]",
            "defaults = 1\n[x]",
            0,
            "`defaults` is of type",
        ),
        ("[kernels]", "kernels = 1\n[x]", 0, "no option `kernels`"),
        ("new =", "\"n w\" =", 0, "`n w` is no name"),
        ("one =", "new =", 0, "`new` is the name of a kernel already"),
        ("kernel = \"debian:6.1-cloud\", ", "", 0, "has no `kernel`"),
        ("\"debian:6.12-cloud\"", "6.12", 0, "`new` is of type float"),
        ("\"debian:6.12-cloud\"", "\"\"", 0, "`kernel` is empty"),
        (
            "smp = 1",
            "smpp = 1",
            0,
            "no option `smpp`; nearest is `smp`",
        ),
        ("smp = 1", "smp = 0", 0, "`smp = 0`: `0` is no set of CPUs"),
        ("smp = 1", "smp = [1]", 0, "`smp` is of type array"),
        ("smp = 1", "smp = true", 0, "`smp` is of type boolean"),
        ("smp = 1", "mem = \"1X\"", 0, "`mem = 1X`: `1X`"),
        (
            "smp = 1",
            "kernel = \"host\"",
            0,
            "`kernel` is for [kernels]",
        ),
        ("timeout = false", "timeout = \"x\"", 0, "`timeout = x`: "),
        ("\"null-co\"", "\"disk\"", 0, "valid are a size such as 64M"),
        ("\"null-co\"", "{}", 0, "`disk` is of type table"),
        ("nic = true", "nic = \"tap\"", 0, "valid are pair"),
        ("two = {", "two = 2\nx = {", 0, "table of options of `boot`"),
        (
            "plan = '",
            "smp = 4, plan = '",
            0,
            "`smp` is given by machine",
        ),
        ("plan = '", "boots = 4, plan = '", 0, "and by plan `scx`"),
        (
            "\"time=1s work=PipeIo\"",
            "3",
            0,
            "`pipes` is of type integer",
        ),
        ("\"time=1s\",", "1,", 0, "`plan` is of type integer"),
        (
            "kernel = \"old\"",
            "kernel = \"odl\"",
            -1,
            "nearest is `old`",
        ),
        (
            "kernel = \"old\"",
            "kernels = \"x\"",
            0,
            "nearest is `kernel`",
        ),
        ("kernel = \"old\"", "kernel = 1", 0, "`kernel` is of type"),
        ("[[exclude]]", "[exclude]", 0, "valid is tables that name"),
        (
            "plan = \"wakes\"",
            "plan = \"pipes\"",
            -3,
            "takes nothing in",
        ),
        (
            "[[include]]",
            "[[exclude]]\n[[x]]",
            0,
            "`exclude` names nothing",
        ),
    ] {
        let (text, line) = with(part, instead);
        let wrong = parse(&text).err().unwrap_or_default();
        let said = listed("m.toml", &wrong);
        let place = format!("m.toml:{}: ", line.strict_add_signed(down));
        let mut lines = said.lines();
        let is = |l: &str| l.starts_with(&place) && l.contains(what);
        assert!(lines.any(is), "{place}{what} in:\n{said}");
    }
    for table in ["kernels", "machines", "plans"] {
        let (before, rest) = FILE.split_once(&format!("[{table}]")).unwrap();
        let behind = rest.split_once("\n\n").unwrap().1;
        let wrong = parse(&format!("{before}{behind}")).unwrap_err();
        let said = listed("m.toml", &wrong);
        assert!(said.contains(&format!("no [{table}], as in")), "{said}");
        let wrong = parse(&format!("{before}[{table}]\n{behind}")).unwrap_err();
        let said = listed("m.toml", &wrong);
        assert!(said.contains(&format!("[{table}] is empty")), "{said}");
    }
    let none = FILE.to_owned() + "[[exclude]]\nmachine = [\"one\", \"two\"]\n";
    let none = none.replace("[[include]]", "[[exclude]]");
    let wrong = parse(&none).unwrap_err();
    assert_eq!(wrong, [Wrong::new(22, "every cell is excluded")]);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let (text, _) = with("smp = 1", "smpp = 1");
    let text = text
        .replace("new =", "\"n w\" =")
        .replace("nic = true", "nic = \"tap\"");
    let wrong = parse(&text).unwrap_err();
    assert_eq!(wrong.len(), 3, "{}", listed("m", &wrong));
}

/// A boot of a cell, with so many instructions in a function.
fn profiled(cell: usize, instructions: Option<u64>) -> CellBoot {
    let run = Run {
        name: "PipeIo".to_owned(),
        profile: instructions.map(profile),
        ..Run::default()
    };
    let report = Report {
        runs: vec![run],
        ..Report::default()
    };
    let boot = FinishedBoot {
        report,
        ..FinishedBoot::default()
    };
    CellBoot {
        cell,
        number: 1,
        boot,
    }
}

#[test]
fn kernels_are_told_apart_by_their_functions() {
    let cells = cells(FILE);
    let at = |name: &str| {
        let mut all = cells.iter();
        all.position(|cell| cell.to_string() == name).unwrap()
    };
    let mut summary = Summary {
        matrix: "m".to_owned(),
        file: "m.toml".into(),
        boots: vec![
            profiled(at("old/one/pipes"), Some(100)),
            profiled(at("new/one/pipes"), Some(600)),
            // Without a profile on both sides there is nothing to say.
            profiled(at("old/two/pipes"), None),
            profiled(at("new/two/pipes"), Some(600)),
            profiled(at("new/one/scx"), Some(600)),
        ],
        cells: cells.clone(),
        against: None,
    };
    let text = summary.render(Format::Table).unwrap();
    let said = "old/one/pipes → new/one/pipes\n  PipeIo: +50.00 instructions \
                an iteration (+500.00 %): try_to_wake_up +50.00\n\n";
    assert!(text.starts_with(said), "{text}");
    // What is last is what is read.
    let table = text.find("outcome\n").unwrap();
    assert!(table > text.find(said).unwrap(), "{text}");
    assert_eq!(text.matches("PipeIo:").count(), 1, "{text}");
    let json = summary.render(Format::Json).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let first = &json["profiles"][0];
    assert_eq!(first["b"], "new/one/pipes");
    assert_eq!(first["differences"][0]["difference"], 50.0);
    summary.boots.truncate(1);
    assert!(summary.profiles().is_empty());
}

/// Kernels, each with a deterministic boot of PipeIo at so many round trips,
/// or none that is good.
fn kernels(all: &[(&str, u64)]) -> Summary {
    let mut of = Summary {
        matrix: "m".to_owned(),
        file: "m.toml".into(),
        cells: Vec::new(),
        boots: Vec::new(),
        against: None,
    };
    for (name, rate) in all {
        let mut boot = testing::boot();
        boot.report.runs.truncate(1);
        boot.report.digest = Some(rate.to_string());
        let workers = &mut boot.report.runs[0].groups[0].workers;
        workers[0].iterations = *rate;
        workers[1].iterations = 0;
        for worker in workers {
            worker.cpus_allowed = vec![0];
        }
        if *rate == 0 {
            boot.meta.exit_code = Exit::CannotTell;
        }
        let cell = of.cells.len();
        of.cells.push(Cell {
            names: [name, "m", "p"].map(str::to_owned),
            boots: 1,
            ..Cell::default()
        });
        of.boots.push(CellBoot {
            cell,
            number: 1,
            boot,
        });
    }
    of
}

#[test]
fn a_matrix_has_an_answer_too() {
    let said = |of: &Summary| of.answer(&of.pairs()).1.join("; ");
    for (all, says) in [
        (&[("a", 1000)][..], "a: every boot was good"),
        (&[("a", 0)], "a: 0 of 1 boots were good"),
        (
            &[("a", 10_000), ("b", 5000)],
            "a → b: 1 of 1 runs is slower; most of all on b/m/p: PipeIo is \
             2.00 × slower, exact",
        ),
        (
            &[("a", 10_000), ("b", 0), ("c", 20_000)],
            "a → b: 1 cell is not compared; a → c: 1 of 1 runs is faster; \
             most of all on c/m/p: PipeIo is 2.00 × faster, exact",
        ),
        (
            &[("a", 10_000), ("b", 10_000)],
            "a → b: the one run is no slower",
        ),
    ] {
        assert_eq!(said(&kernels(all)), says);
    }
    let mut of = kernels(&[("a", 10_000), ("b", 5000)]);
    of.hold_against("b").unwrap();
    let says = "b → a: 1 of 1 runs is faster; most of all on a/m/p: PipeIo \
                is 2.00 × faster, exact";
    assert_eq!(said(&of), says);
    // The last line of the table, where there is more than one sentence.
    let of = kernels(&[("a", 10_000), ("b", 5000), ("c", 5000)]);
    let text = of.text(72);
    let last = "\n\na → b: 1 of 1 runs is slower\na → c: 1 of 1 runs is \
                slower\nmost of all on c/m/p: PipeIo is 2.00 × slower, \
                exact\n";
    assert!(text.ends_with(last), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 72),
        "{text}"
    );
    let header = "on QEMU TCG, emulated, deterministic: time counts \
                  instructions\n";
    assert!(text.starts_with(header), "{text}");
}
