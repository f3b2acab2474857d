//! The pages of `report`: what they take, what is refused, and what is on
//! them. How they look to a browser is in `report/browser.rs`.
//!
//! `PIDONE_OVERWRITE=1 cargo test -p xtask --test machine report` writes
//! `docs/report-sample.html` anew. It shows two runs that were stored by
//! this release, in `tests/data/runs`: later ones have to be able to read
//! them. Only names of the host were changed in them, and `report.json` was
//! made short. Those with profiles are what the picture in the README is made
//! of; in them, functions that differ by less than an instruction are summed
//! up.

mod browser;

use core::mem;
use pidone::wire::record::Verdict;
use serde_json::{Map, Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use xtask::build;
use xtask::cmd::report::source;
use xtask::compare::{ComparisonOptions, Side, compare, table};
use xtask::exit::Exit;
use xtask::finished::{FinishedBoot, Host, Kernel, Meta, SCHEMA};
use xtask::matrix::Cell;
use xtask::matrix::summary::{CellBoot, Summary};
use xtask::model::{Outcome, Report};
use xtask::report::{Source, matrix, render, sides};
use xtask::store::{self, Pending, StoredRun};
use xtask::terminal::unpainted;

/// Most bytes of the sample.
const SAMPLE_BYTES: usize = 150_000;

fn log(name: &str) -> PathBuf {
    let dir = build::workspace().join("tests/data/consoles");
    dir.join(name).with_extension("log")
}

/// A recorded console.
fn recorded(name: &str) -> Source {
    let path = log(name);
    Source {
        name: format!("tests/data/consoles/{name}.log"),
        ..source(path.to_str().unwrap()).unwrap()
    }
}

fn sample() -> String {
    let runs = ["debian-6.1", "debian-6.12"].map(|name| {
        let path = format!("tests/data/runs/{name}");
        let stored = build::workspace().join(&path);
        Source {
            name: path,
            ..source(stored.to_str().unwrap()).unwrap()
        }
    });
    render(&runs)
}

#[test]
fn the_sample_is_current() {
    let page = sample();
    assert!(page.len() < SAMPLE_BYTES, "{} bytes", page.len());
    let file = build::workspace().join("docs/report-sample.html");
    if std::env::var_os("PIDONE_OVERWRITE").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    let differs = there.lines().zip(page.lines()).find(|(a, b)| a != b);
    assert!(
        there == page,
        "docs/report-sample.html is stale ({differs:?}); rewrite it with \
         PIDONE_OVERWRITE=1 cargo test -p xtask --test machine report"
    );
}

/// A boot with a profile, as it is stored.
fn profiled(version: &str) -> FinishedBoot {
    let dir = build::workspace().join("tests/data/runs");
    let dir = dir.join(format!("profiled-{version}"));
    FinishedBoot {
        meta: StoredRun::at(&dir).unwrap().meta,
        report: store::report(&dir).unwrap(),
        dir,
        ..FinishedBoot::default()
    }
}

/// That of an earlier release is in its report.
#[test]
fn the_profile_of_a_stored_run_is_on_its_page() {
    let root = tempfile::tempdir().unwrap();
    let mut boot = profiled("7.2");
    assert!(!boot.dir.join(store::PROFILE).exists());
    let new = Pending::new(root.path()).unwrap();
    new.store(&mut boot).unwrap();
    assert!(boot.dir.join(store::PROFILE).exists());
    let source = source(boot.dir.to_str().unwrap()).unwrap();
    let of = |report: &Report| report.runs[0].profile.clone().unwrap();
    assert_eq!(of(&source.report), of(&boot.report));
    assert!(render(&[source]).contains("__futex_hash"));
}

/// What `compare` prints of two boots, behind its command.
fn picture() -> String {
    let sides = ["6.12", "7.2"].map(|version| {
        let boot = profiled(version);
        Side {
            name: boot.meta.kernel.spec.clone(),
            boots: vec![boot],
        }
    });
    let [a, b] = &sides;
    let options = ComparisonOptions {
        rest: true,
        ..ComparisonOptions::default()
    };
    let of = compare(a, b, &options).unwrap();
    format!(
        "$ cargo xtask compare {} {} \\\n    --deterministic --smp 1 --seeds 1 \
         --profile -- {}\n{}",
        a.name,
        b.name,
        a.boots[0].meta.plan.join(" "),
        unpainted(&table::render(&of, false, 80))
    )
}

#[test]
fn the_readme_shows_what_is_printed() {
    let file = build::workspace().join("README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let fence = "```console\n";
    let (before, rest) = readme.split_once(fence).unwrap();
    let (_, behind) = rest.split_once("\n```\n").unwrap();
    let now = format!("{before}{fence}{}```\n{behind}", picture());
    let count = format!(" {} work types", pidone::workloads::rows().count());
    assert!(now.contains(&count), "not{count}");
    if std::env::var_os("PIDONE_OVERWRITE").is_some() {
        fs::write(&file, &now).unwrap();
    }
    let readme = fs::read_to_string(&file).unwrap();
    let differs = readme.lines().zip(now.lines()).find(|(a, b)| a != b);
    assert!(
        readme == now,
        "README.md is stale ({differs:?}); rewrite it with \
         PIDONE_OVERWRITE=1 cargo test -p xtask --test machine report"
    );
}

/// Runs the verb in a directory.
fn report(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("report")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs the verb, which is to end well; returns what it printed and said.
#[track_caller]
fn good(dir: &Path, args: &[&str]) -> (String, String) {
    let output = report(dir, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    (String::from_utf8(output.stdout).unwrap(), said)
}

#[track_caller]
fn refused(dir: &Path, args: &[&str], why: &str) {
    let output = report(dir, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(why), "{args:?}: {said}");
    assert_eq!(output.status.code(), Some(255), "{args:?}");
    assert_eq!(output.stdout, b"", "{args:?}");
}

#[test]
fn wrong_use_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let clean = log("clean");
    let clean = clean.to_str().unwrap();
    fs::write(dir.join("notes.html"), "<!doctype html>\nnotes").unwrap();
    fs::write(dir.join("new.json"), r#"{"schema":2,"runs":[]}"#).unwrap();
    fs::write(dir.join("odd.json"), r#"{"schema":1,"runs":7}"#).unwrap();
    fs::create_dir(dir.join("page")).unwrap();
    fs::create_dir(dir.join("empty")).unwrap();
    let runs = ["--store", "/no/runs"];
    for (args, why) in [
        (&[][..], "no run was named; `cargo xtask runs` lists them"),
        (
            &["nothing"],
            "no run `nothing`: neither a file nor a directory",
        ),
        (&[&runs[..], &["x"]].concat(), "matrix in /no/runs"),
        (&[".."], "console.log: No such file"),
        (&["empty"], "console.log: No such file"),
        (&[clean, clean], "is named twice"),
        (&["new.json"], "schema 2; this release knows schema 1"),
        (&["odd.json"], "no report as docs/json.md has it"),
        (
            &[clean, "--output", "notes.html"],
            "is there and is no report",
        ),
        (
            &[clean, "--output", "page"],
            "page is no file; `-` is standard",
        ),
        (&[clean, "--output", "/dev/full"], "/dev/full is no file"),
        (&[clean, "--output", "no/page.html"], "no directory no"),
        (&[clean, "--output", "/proc/page.html"], "/proc/page.html: "),
        (
            &[clean, "--format", "pdf"],
            "no format `pdf`; valid are html",
        ),
        (&[clean, "--format", "text"], "--baseline names its A"),
    ] {
        refused(dir, args, why);
    }
    let left = fs::read_dir(dir).unwrap().count();
    assert_eq!(left, 5, "something was written");
    let notes = fs::read_to_string(dir.join("notes.html")).unwrap();
    assert_eq!(notes, "<!doctype html>\nnotes");
}

/// A stored run whose console is a recorded one.
fn stored(root: &Path, name: &str) -> PathBuf {
    let mut report = recorded(name).report;
    // Told apart from what decoding the console gives.
    report.reason += " (as stored)";
    let mut boot = FinishedBoot {
        meta: Meta {
            schema: SCHEMA,
            started: "2026-11-05T12:00:00Z".to_owned(),
            took_ms: 1500,
            command: vec!["xtask".to_owned(), "boot".to_owned()],
            plan: vec!["work=PipeIo".to_owned()],
            label: "PipeIo".to_owned(),
            deterministic: Some(7),
            host: Host::this(),
            kernel: Kernel {
                spec: "debian:6.12-cloud".to_owned(),
                path: "/kernel".into(),
                ..Kernel::default()
            },
            outcome: report.outcome,
            exit_code: Exit::Good,
            ..Meta::default()
        },
        report,
        console: fs::read(log(name)).unwrap(),
        ..FinishedBoot::default()
    };
    Pending::new(root).unwrap().store(&mut boot).unwrap();
    boot.dir
}

#[test]
fn a_run_may_be_named_in_every_way() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let root = dir.join("runs");
    let run = stored(&root, "clean");
    let name = run.file_name().unwrap().to_str().unwrap();
    let clean = log("clean");
    let clean = clean.to_str().unwrap();
    let json = run.join(store::REPORT);
    for (given, says) in [
        (name, "time counts instructions (seed 7)"),
        (run.to_str().unwrap(), "none failed (as stored)"),
        (json.to_str().unwrap(), "none failed (as stored)"),
        (clean, "--kernel FILE"),
    ] {
        let args = ["--store", root.to_str().unwrap(), given];
        let (said, _) = good(dir, &args);
        assert_eq!(said, "written to report.html\n");
        let page = fs::read_to_string(dir.join("report.html")).unwrap();
        assert!(page.contains(says), "{given}: no {says}");
        assert!(page.contains("id=\"run-1\""), "{given}");
    }
    // A log on standard input, the page on standard output.
    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["report", "-", "--output", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&fs::read(clean).unwrap()).unwrap();
    drop(stdin);
    let page = child.wait_with_output().unwrap().stdout;
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("id=\"run-1\"") && page.ends_with("</html>"));
}

#[test]
fn a_boot_that_measured_nothing_is_said_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    for (name, reason, tail) in [
        ("no-boot", "no_boot: ", "Last lines of the console"),
        ("bad-plan", "plan_error: ", "Bail out! bad plan"),
    ] {
        let log = log(name);
        let log = log.to_str().unwrap();
        let args = [log, "--output", "-"];
        let (page, said) = good(dir.path(), &args);
        let why = format!("nothing was measured: {reason}");
        assert!(said.contains(&why), "{said}");
        assert!(page.contains("Nothing was measured."), "{name}");
        assert!(page.contains(tail), "{name}: no {tail}");
    }
    let nothing = dir.path().join("nothing.log");
    fs::write(&nothing, "").unwrap();
    let nothing = nothing.to_str().unwrap();
    let (page, _) = good(dir.path(), &[nothing, "--output", "-"]);
    assert!(page.contains("there was no output at all"));
}

/// Two boots: one whose scheduler was thrown out, and one whose scheduler
/// counts events and writes.
fn schedulers() -> Vec<Source> {
    let mut other = recorded("clean");
    let mut value = serde_json::to_value(&other.report).unwrap();
    let scx = json!({
        "name": "simple", "state": "enabled", "switch_all": false,
        "enable_seq": 3, "nr_rejected": 12,
        "events": {"SCX_EV_A": 0, "SCX_EV_B": 70_001},
        "output": ["local=5"], "dropped": 4096,
    });
    let mut after = scx.clone();
    after["state"] = json!("disabled");
    after["output"] = json!(["EXIT: unregistered"]);
    value["runs"][0]["scx"] = scx.clone();
    value["runs"][0]["groups"][0]["workers"][0]["ext_enabled"] = json!(true);
    value["scx"] = json!({"loaded": scx, "after": after});
    other.report = serde_json::from_value(value).unwrap();
    vec![recorded("scheduler-stalls"), other]
}

/// The text between two places of a page, without markup.
#[track_caller]
fn between(page: &str, from: &str, to: &str) -> String {
    let (_, rest) = page.split_once(from).expect(from);
    let (part, _) = rest.split_once(to).expect(to);
    let texts = part.split('<').map(|tag| match tag.split_once('>') {
        Some((_, text)) => text,
        None => tag,
    });
    let words = texts.flat_map(str::split_whitespace);
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_scheduler_is_named_with_what_became_of_it() {
    let page = render(&schedulers());
    let boots = between(&page, "sched_ext scheduler of each boot", "To repeat");
    for says in [
        "A pidone_stall, enabled for all tasks pidone_stall, disabled",
        "B simple, enabled for tasks of policy ext simple, disabled",
        "program before the runs in B (4096 bytes before this) local=5",
        "program behind the runs in B (4096 bytes before this) EXIT: unregi",
    ] {
        assert!(boots.contains(says), "no {says}: {boots}");
    }
    let run = between(&page, "<section id=\"run-1\"", "</section>");
    for says in [
        "scx: pidone_stall is disabled kernel: sched_ext: BPF scheduler \
         &quot;pidone_stall&quot; disabled (runnable task stall)",
        "A pidone_stall, disabled 2 of 2 0 1 B simple, enabled for tasks of \
         policy ext 1 of 2 12 3",
        "SCX_EV_B \u{2013} 70,001",
        "Output of the scheduler's program in B (4096 bytes before this)",
    ] {
        let says = says.replace('\'', "&#39;");
        assert!(run.contains(&says), "no {says}: {run}");
    }
    assert!(!run.contains("SCX_EV_A"), "{run}");
    let without = render(&[recorded("clean")]);
    assert!(!without.contains("sched_ext"));
}

/// What would break out of any place in a page, and a word that no line
/// has room for.
fn hostile() -> String {
    let long = "W".repeat(300);
    format!(
        "</td></pre></style></title><script>alert(1)</script>\
         <img src=x onerror=alert(1)> \" onload=\"alert(1)\" ' --> & &lt; \
         \u{202e}\u{1b}[31m\u{0} {long}"
    )
}

/// Every text of a report, and every name in it that is not of its form,
/// made hostile.
fn spoil(value: &mut Value) {
    match value {
        Value::String(text) => *text += &hostile(),
        Value::Array(all) => all.iter_mut().for_each(spoil),
        Value::Object(all) => {
            for (key, value) in all.iter_mut() {
                // No other word is read there.
                if ["exit", "outcome", "verdict"].contains(&key.as_str()) {
                    continue;
                }
                let map = ["hist", "metrics", "counters", "errors", "events"];
                let value = match (map.contains(&key.as_str()), value) {
                    (true, Value::Object(map)) => {
                        let spoilt = mem::take(map).into_iter();
                        let spoilt = spoilt.map(|(k, v)| (k + &hostile(), v));
                        *map = spoilt.collect::<Map<_, _>>();
                        map.values_mut().for_each(spoil);
                        continue;
                    }
                    (_, value) => value,
                };
                spoil(value);
            }
        }
        _ => {}
    }
}

fn hostile_source() -> Source {
    let clean = recorded("clean");
    let mut value = serde_json::to_value(&clean.report).unwrap();
    let run = &mut value["runs"][0];
    run["reasons"] = json!([""]);
    run["kernel"]["messages"] = json!(["", "x"]);
    run["kernel"]["taint"] = json!(512);
    run["expect"] = json!([{"text": "", "held": false, "value": 1.5}]);
    run["groups"][0]["metrics"] = json!({"": 7});
    run["groups"][0]["workers"][0]["errors"] = json!({"": [3, 4]});
    let scx = &schedulers()[1].report.scx;
    value["runs"][0]["scx"] = json!(scx.as_ref().unwrap().loaded);
    value["scx"] = json!(scx);
    value["errors"] = json!([""]);
    value["outcome"] = json!("panic");
    spoil(&mut value);
    let mut report: Report = serde_json::from_value(value).unwrap();
    report.outcome = Outcome::Panic;
    let root = tempfile::tempdir().unwrap();
    let run = stored(root.path(), "clean");
    let mut meta =
        serde_json::to_value(StoredRun::at(&run).unwrap().meta).unwrap();
    spoil(&mut meta);
    meta["kernel"]["path"] = json!(hostile().replace('\0', ""));
    Source {
        name: hostile(),
        meta: Some(serde_json::from_value(meta).unwrap()),
        report,
        console: format!("{}\n", hostile()).repeat(50),
    }
}

/// Markup as it is in the text of a page: names of elements, and of all
/// attributes.
fn markup(page: &str) -> Vec<String> {
    let mut names = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        let mut parts = tag.split('"');
        let first = parts.next().unwrap_or_default();
        names.extend(first.split_whitespace().map(str::to_owned));
        // Between values there are only names.
        for (part, n) in parts.zip(1..) {
            if n % 2 == 0 {
                names.extend(part.split_whitespace().map(str::to_owned));
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Hostile texts add no element and no attribute to those of a tame page.
#[test]
fn no_text_becomes_markup() {
    let hostile = [hostile_source(), recorded("clean")];
    let page = render(&hostile);
    assert!(!page.contains("<script") && !page.contains("<img"));
    assert!(page.contains("&lt;script&gt;alert(1)"));
    // And if it did: nothing is allowed but our style.
    let policy = "content=\"default-src &#39;none&#39;; style-src \
        &#39;unsafe-inline&#39;\"";
    assert!(page.contains(policy));
    for c in ['\u{202e}', '\u{1b}', '\0'] {
        assert!(!page.contains(c), "{c:?}");
    }
    let known = "!doctype html html lang= data-made-by= head meta charset= \
        name= content= http-equiv= title style body header p class= h1 dl \
        dt dd main section id= h2 h3 div role= aria-label= tabindex= table \
        caption thead tr th scope= tbody rowspan= title= svg viewBox= \
        aria-hidden= path d= td strong pre code span a href= ul li figure \
        figcaption aria-labelledby= text text-anchor= x= y= details open= \
        summary style= footer";
    let known: Vec<&str> = known.split_whitespace().collect();
    for name in markup(&page) {
        let bare = name.trim_start_matches('/');
        assert!(known.contains(&bare), "{name}");
    }
}

/// Three boots of a kernel, each with so many more iterations.
fn boots(more: u64) -> Vec<FinishedBoot> {
    let boots = (0..3).map(|n| {
        let mut report = recorded("clean").report;
        for run in &mut report.runs {
            run.verdict = Verdict::Ok;
            for group in &mut run.groups {
                group.iterations += n * 11 + more;
                for worker in &mut group.workers {
                    worker.iterations += (n * 11 + more) * 10;
                }
            }
        }
        let meta = Meta {
            exit_code: Exit::Good,
            command: vec!["xtask".into(), "<b>boot".into()],
            ..Meta::default()
        };
        FinishedBoot {
            report,
            meta,
            ..FinishedBoot::default()
        }
    });
    boots.collect()
}

/// Three boots a side, of which B's are slower; one row is open.
fn compared() -> String {
    let side = |name: &str, more: u64| Side {
        name: name.to_owned(),
        boots: boots(more),
    };
    let (a, b) = (side("6.12 <script>", 0), side("7.2", 9000));
    let options = ComparisonOptions::default();
    let of = compare(&a, &b, &options).unwrap();
    sides::render(&of, [&a.boots, &b.boots])
}

/// Three kernels on two machines; the last one failed on the second.
fn summary() -> Summary {
    let mut of = Summary {
        matrix: "m-<script>".to_owned(),
        file: "m.toml".into(),
        cells: Vec::new(),
        boots: Vec::new(),
        against: None,
    };
    let kernels = ["6.1 <script>", "6.12", "7.2"];
    for (kernel, more) in kernels.into_iter().zip([5000, 4000, 9000]) {
        for machine in ["one", "two"] {
            let cell = of.cells.len();
            of.cells.push(Cell {
                names: [kernel, machine, "pipes"].map(str::to_owned),
                boots: 3,
                ..Cell::default()
            });
            for (mut boot, number) in boots(more).into_iter().zip(1..) {
                if (kernel, machine) == ("7.2", "two") {
                    boot.meta.exit_code = Exit::Bad;
                    boot.report.outcome = Outcome::Fail;
                    boot.report.reason = "failed: <b>".to_owned();
                }
                of.boots.push(CellBoot { cell, number, boot });
            }
        }
    }
    of
}

#[test]
fn a_matrix_shows_its_kernels_in_order() {
    let mut of = summary();
    let page = matrix::render(&of, &of.pairs());
    let heading = between(&page, "<h1", "</h1>");
    for part in ["6.1 &lt;script&gt; → 6.12: ", "→ 7.2: ", "1 cell is not co"]
    {
        assert!(heading.contains(part), "no {part}: {heading}");
    }
    let table = between(&page, "Kernel by kernel</caption>", "</table>");
    let head = "trend 6.1 &lt;script&gt; 6.12 7.2 ";
    assert!(table.starts_with(head), "{table}");
    for part in [
        "<section id=\"contents\">",
        "class=\"trend\"",
        "class=\"band c2\"",
        "3 kernels, 2 machines, 1 plan",
        "6.1 &lt;script&gt;/one/pipes: 3 boots",
        "failed: &lt;b&gt;",
        "not compared: one of both has no good boot",
        ", the baseline</dd>",
        "&#39;&lt;b&gt;boot&#39;",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    assert!(!page.contains("<script") && !page.contains("<b>"));
    assert!(!page.contains("NaN") && !page.contains("inf "));
    of.hold_against("6.12").unwrap();
    let heading = between(&matrix::render(&of, &of.pairs()), "<h1", "</h1>");
    assert!(heading.contains("6.12 → 6.1 &lt;script&gt;: "), "{heading}");
    let said = of.hold_against("6.13").unwrap_err().to_string();
    let wants = "--baseline 6.13: no kernel of m-<script>; nearest is `6.12`; \
                 its kernels are 6.1 <script>, 6.12, 7.2";
    assert_eq!(said, wants);
}

/// A comparison begins with its answer, and has a plot for each time.
#[test]
fn a_comparison_begins_with_the_answer() {
    let page = compared();
    let heading = between(&page, "<h1", "</h1>");
    assert!(heading.contains("6.12 &lt;script&gt; → 7.2: "), "{heading}");
    for part in [
        "id=\"verdicts\"",
        "class=\"forest\"",
        "class=\"band c0\"",
        "class=\"band c1\"",
        "7.2, 3 boots",
        "cargo xtask &#39;&lt;b&gt;boot&#39;",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    assert!(!page.contains("<script") && !page.contains("<b>"));
    assert!(!page.contains("NaN") && !page.contains("inf "));
}

/// Pages to look at in a browser.
fn pages() -> Vec<(&'static str, String)> {
    let many = |n: usize| vec![recorded("clean"); n];
    let mut kernels = many(12);
    for (source, n) in kernels.iter_mut().zip(0..) {
        let hello = source.report.hello.as_mut().unwrap();
        let n: u32 = n;
        hello.kernel = format!("6.{}.0-rc1-next-20261105-very-long", n / 2);
    }
    let of = summary();
    vec![
        ("sample", sample()),
        (
            "apart",
            render(&["clean", "two-boots", "panic-in-a-run"].map(recorded)),
        ),
        ("schedulers", render(&schedulers())),
        ("one", render(&many(1))),
        ("many", render(&kernels)),
        ("hostile", render(&[hostile_source(), recorded("clean")])),
        ("noise", render(&[recorded("kernel-in-frames")])),
        ("nothing", render(&[recorded("no-boot")])),
        ("sides", compared()),
        ("matrix", matrix::render(&of, &of.pairs())),
    ]
}
