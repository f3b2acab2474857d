//! `matrix` on real boots, and wrong files.

use crate::signals::{QEMU, Running};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use xtask::store;

/// A directory with a matrix file and a place for its runs.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let bench = Self { dir };
        bench.write(text);
        bench
    }

    fn write(&self, text: &str) {
        fs::write(self.dir.path().join("small.toml"), text).unwrap();
    }

    fn runs(&self) -> PathBuf {
        self.dir.path().join("runs")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(words).current_dir(self.dir.path());
        command
    }

    /// `matrix run` of the file; exit code, output and messages.
    fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let run = ["matrix", "run", "small.toml", "--store", "runs"];
        let out = self.command(&[&run, words].concat()).output().unwrap();
        said(&out)
    }

    /// What is stored of each run, by cell and number of the boot.
    fn stored(&self) -> Vec<(String, u64, Value)> {
        let (runs, wrong) = store::list(&self.runs()).unwrap();
        assert_eq!(wrong, Vec::<String>::new());
        let mut all: Vec<_> = runs
            .into_iter()
            .map(|run| {
                let cell = run.meta.cell.clone().unwrap();
                let meta = serde_json::to_value(&run.meta).unwrap();
                (cell.name, cell.boot, meta)
            })
            .collect();
        all.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        all
    }
}

fn said(out: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// Two kernels on two machines, of which one fails for a word on its command
/// line.
const FILE: &str = r#"
[kernels]
old = "debian:6.1-cloud"
new = "debian:6.12-cloud"

[machines]
good = { smp = 1, deterministic = 7, boots = 2 }
bad = { smp = 2, append = "rdinit=/none" }

[plans]
pipes = "time=50ms work=PipeIo"
"#;

#[test]
fn several_are_booted_at_once_and_each_is_stored() {
    let bench = Bench::new(FILE);
    let (code, table, said) = bench.run(&["--jobs", "3", "--json", "all.json"]);
    assert_eq!(code, Some(125), "{said}");
    // Three begin before any ends, and the second round comes last.
    let lines: Vec<&str> = said.lines().skip(1).collect();
    let begins = |line: &&&str| line.ends_with(" begins");
    assert_eq!(lines.iter().take(3).filter(begins).count(), 3, "{said}");
    let begun: Vec<_> = lines.iter().filter(begins).collect();
    let cells: Vec<_> = begun
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let order = [
        "old/good/pipes, 1 of 2",
        "old/bad/pipes",
        "new/good/pipes, 1 of 2",
        "new/bad/pipes",
        "old/good/pipes, 2 of 2",
        "new/good/pipes, 2 of 2",
    ];
    assert_eq!(cells, order, "{said}");

    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("kernel "))
        .take_while(|line| !line.is_empty())
        // An outcome may go on in further lines.
        .filter(|line| !line.starts_with("  "))
        .map(|l| l.split_whitespace().take(7).collect())
        .collect();
    assert_eq!(rows.len(), 5, "{table}");
    assert_eq!(rows[1][..6], ["old", "good", "pipes", "2", "2", "0"]);
    assert_eq!(rows[4][..6], ["new", "bad", "pipes", "1", "0", "1"]);
    assert!(table.contains("no_boot: Kernel panic"), "{table}");
    // On what it ran first, and last how the kernels compare.
    assert!(table.starts_with("bad: on QEMU TCG, emulated: "), "{table}");
    let answer = "\nold/good/pipes → new/good/pipes: ";
    assert!(table.contains(answer), "{table}");

    let stored = bench.stored();
    let names: Vec<_> = stored.iter().map(|(c, b, _)| (&**c, *b)).collect();
    assert_eq!(
        names,
        [
            ("new/bad/pipes", 1),
            ("new/good/pipes", 1),
            ("new/good/pipes", 2),
            ("old/bad/pipes", 1),
            ("old/good/pipes", 1),
            ("old/good/pipes", 2),
        ]
    );
    // Each boot of a deterministic machine has a seed of its own, and a
    // command that makes it again.
    assert_eq!(stored[2].2["deterministic"], 8);
    let words: Vec<&str> = stored[2].2["command"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let again = "boot --kernel debian:6.12-cloud --smp 1 --deterministic 8 \
                 -- time=50ms work=PipeIo";
    assert_eq!(words[1..].join(" "), again);

    let json = fs::read(bench.dir.path().join("all.json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        (&json["schema"], &json["exit_code"]),
        (&1.into(), &125.into())
    );
    let boots = json["cells"][2]["boots"].as_array().unwrap();
    assert_eq!(boots.len(), 2);
    for boot in boots {
        let dir = bench.dir.path().join(boot["directory"].as_str().unwrap());
        let report = store::report(&dir).unwrap();
        let report = serde_json::to_value(report).unwrap();
        assert_eq!(boot["report"], report);
        assert_eq!(report["outcome"], "ok");
    }

    // All of it is there for the other verbs, by its names.
    let compare = ["compare", "--store", "runs"];
    let cells = ["new/good/pipes", "old/good/pipes"];
    let out = bench
        .command(&[&compare[..], &cells].concat())
        .output()
        .unwrap();
    let (_, table, _) = self::said(&out);
    for side in ["A: 6.12.", "B: 6.1."] {
        let line = table.lines().find(|line| line.starts_with(side));
        assert!(line.unwrap().ends_with(", 2 boots"), "{table}");
    }
    let matrix = json["matrix"].as_str().unwrap();
    assert!(matrix.starts_with("small-"), "{matrix}");
    let report = ["report", "--store", "runs", matrix];
    let (code, _, why) = self::said(&bench.command(&report).output().unwrap());
    assert_eq!(code, Some(0), "{why}");
    let page = fs::read_to_string(bench.dir.path().join("report.html"));
    let page = page.unwrap();
    assert!(page.contains("old/bad/pipes"), "no such boot on the page");

    // Whatever is there is not booted again, in any format.
    for (format, part) in [
        ("junit", "<testsuite name=\"old/bad/pipes, boot 1\""),
        ("csv", "new/good/pipes,2,1,PipeIo,ok,"),
        ("table", "no_boot: Kernel panic"),
    ] {
        let words = ["--resume", "--format", format];
        let (code, text, said) = bench.run(&words);
        assert_eq!(code, Some(125), "{said}");
        assert!(text.contains(part), "{part} in {text}");
        assert!(said.contains("6 of 6 boots are there"), "{said}");
        assert!(!said.contains(" begins"), "{said}");
    }
    // But on another command line it is.
    bench.write(&FILE.replace("rdinit=/none", "rdinit=/nothing"));
    let words = ["--resume", "--only", "new", "--dry-run"];
    let (code, text, said) = bench.run(&words);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("2 of 3 boots are there, beside 1 of"),
        "{said}"
    );
    assert!(text.contains("new/good/pipes: 0 boots\n"), "{text}");
    assert!(text.contains("new/bad/pipes: 1 boot\n"), "{text}");
}

#[test]
fn what_was_interrupted_is_resumed() {
    let file = "[kernels]\nnew = \"debian:6.12-cloud\"\n\
                [machines]\none = { smp = 1, deterministic = 1 }\n\
                [plans]\nshort = \"time=50ms work=PipeIo\"\n\
                long = \"time=10m work=PipeIo\"\n";
    let bench = Bench::new(file);
    let run = [
        "matrix",
        "run",
        "small.toml",
        "--store",
        "runs",
        "--jobs",
        "1",
    ];
    let path = std::env::var("PATH").unwrap();
    for name in ["INT", "TERM"] {
        let mut matrix = Running::start(bench.dir.path(), &run, &path);
        matrix.says("new/one/long: boot 2 of 2 begins");
        let qemu = matrix.runs(QEMU, &[]);
        matrix.signal(name);
        let (code, said) = matrix.ends();
        assert_eq!(code, Some(125), "{said}");
        assert!(said.contains("stored as "), "{said}");
        let gone = !Path::new(&format!("/proc/{qemu}")).exists();
        assert!(gone, "it outlived its owner");
        if name == "INT" {
            fs::remove_dir_all(bench.runs()).unwrap();
        }
    }
    let first = bench.stored();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].0, "new/one/short");

    bench.write(&file.replace("10m", "50ms"));
    let (code, table, said) = bench.run(&["--resume"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 of 2 boots are there"), "{said}");
    assert!(said.contains("new/one/long: boot 1 of 1 begins"), "{said}");
    assert_eq!(table.matches("ok: 1 run").count(), 2, "{table}");
    let stored = bench.stored();
    let of = |at: usize| stored[at].2["cell"]["matrix"].clone();
    assert_eq!((stored.len(), of(0)), (2, of(1)));
    assert_eq!(stored[1].2, first[0].2, "it was booted once");
    // Nothing but whole runs is left.
    assert_eq!(fs::read_dir(bench.runs()).unwrap().count(), 2);
}

#[test]
fn all_that_is_wrong_is_said_before_anything_is_booted() {
    let file = "[kernels]\n\
                here = \"debian:6.12-cloud\"\n\
                away = \"/no/such/bzImage\"\n\
                elsewhere = { url = \"https://example.org/bzImage\" }\n\
                [machines]\n\
                small = { smp = 2 }\n\
                odd = { smp = 3, numa = 2 }\n\
                [plans]\n\
                pipes = \"work=PipeIo\"\n\
                wrong = \"work=PipIo\"\n\
                lacks = { plan = \"work=PipeIo\", add = \"/no/such/file\" }\n";
    let bench = Bench::new(file);
    let (code, _, said) = bench.run(&[]);
    assert_eq!(code, Some(255), "{said}");
    let all: Vec<&str> = said.lines().collect();
    assert_eq!(all.len(), 5, "{said}");
    for (line, what) in [
        (3, "no kernel `/no/such/bz"),
        (4, "kernel `elsewhere` has"),
        (7, "cannot be divided over 2 nodes"),
        (10, "nearest is `PipeIo`"),
        (11, "/no/such/file"),
    ] {
        let place = format!("small.toml:{line}: ");
        let is = |said: &&&str| said.contains(&place) && said.contains(what);
        assert_eq!(all.iter().filter(is).count(), 1, "{what} in {said}");
    }
    for (words, what) in [
        (&["--jobs", "0"][..], "--jobs 0 boots nothing"),
        (&["--only", "smal"], "nearest is `small`"),
        (
            &["--format", "ktap"],
            "valid are table, json, csv and junit",
        ),
        (
            &["--format", "csv", "--json", "-"],
            "both want standard output",
        ),
        (&["--job", "1"], "`matrix run` has no option `--job`"),
    ] {
        let (code, _, said) = bench.run(words);
        assert_eq!(code, Some(255), "{said}");
        assert!(said.contains(what), "{what} in {said}");
    }
    assert!(!bench.runs().exists());
}
