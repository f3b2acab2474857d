//! KCIDB's form of reports, version 5.3: a test for each run and each figure.
//!
//! Ids follow from the contents, so that the same report is the same tests.
//! Who has checkouts and builds of one's own there puts their ids in.

use crate::model::{Group, Hist, Outcome, Report, Run, hex};
use crate::untrusted;
use anyhow::Result;
use pidone::wire::record::Verdict;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ORIGIN: &str = "pidone";

/// The report as KCIDB takes it. As in KTAP, a boot that went wrong in a way
/// that no run tells has a test of its own.
///
/// # Errors
///
/// Those of the serialiser.
pub fn render(report: &Report) -> Result<String> {
    let id = hex(&Sha256::digest(serde_json::to_vec(report)?));
    let hello = report.hello.as_ref();
    let of = |name: &str| {
        let of = hello.map_or("unknown", |hello| match name {
            "kernel" => &hello.kernel,
            "build" => &hello.kernel_build,
            _ => &hello.machine,
        });
        of.to_owned()
    };
    let kernel = hex(&Sha256::digest(of("kernel") + &of("build")));
    let mut tests = Tests {
        boot: format!("{ORIGIN}:{id}"),
        build: format!("{ORIGIN}:{kernel}"),
        environment: json!({ "misc": {
            "hello": hello, "boot_warnings": report.boot_warnings,
        } }),
        all: Vec::new(),
    };
    for run in &report.runs {
        tests.run(run);
    }
    for (name, outcome, trouble) in super::trouble(report) {
        let status = match outcome {
            Outcome::Panic | Outcome::Hang => "FAIL",
            _ => "ERROR",
        };
        let fields = json!({ "status": status, "comment": trouble });
        tests.add(&word(&name), &fields);
    }
    let report = json!({
        "version": { "major": 5, "minor": 3 },
        "checkouts": [{
            "id": tests.build,
            "origin": ORIGIN,
            "comment": of("kernel"),
        }],
        "builds": [{
            "id": tests.build,
            "checkout_id": tests.build,
            "origin": ORIGIN,
            "architecture": of("machine"),
            "comment": of("build"),
        }],
        "tests": tests.all,
    });
    Ok(untrusted::json(&report)?)
}

struct Tests {
    boot: String,
    build: String,
    environment: Value,
    all: Vec<Value>,
}

impl Tests {
    fn add(&mut self, path: &str, fields: &Value) {
        let mut test = json!({
            "id": format!("{}:{}", self.boot, self.all.len()),
            "build_id": self.build,
            "origin": ORIGIN,
            "path": format!("{ORIGIN}.{path}"),
            "environment": self.environment,
        });
        let fields = fields.as_object().into_iter().flatten();
        for (name, value) in fields {
            test[name] = value.clone();
        }
        self.all.push(test);
    }

    fn run(&mut self, run: &Run) {
        let status = match run.verdict {
            Verdict::Ok | Verdict::Degraded => "PASS",
            Verdict::Skip => "SKIP",
            Verdict::Fail if run.verdict_lost => "ERROR",
            Verdict::Fail => "FAIL",
        };
        let path = word(&run.name);
        let fields = json!({
            "status": status,
            "duration": seconds(run.wall_ns),
            "comment": run.reasons.join("; "),
            "misc": { "kernel": run.kernel.counters, "expect": run.expect },
        });
        self.add(&path, &fields);
        for group in &run.groups {
            let path = match run.groups.len() {
                1 => path.clone(),
                _ => format!("{path}.{}", word(&group.work)),
            };
            self.group(&path, run.wall_ns, group);
        }
    }

    fn group(&mut self, path: &str, wall_ns: u64, group: &Group) {
        if group.counted && wall_ns > 0 {
            let rate = decimal(group.iterations) / seconds(wall_ns);
            self.figure(&format!("{path}.rate"), rate, "1/s");
        }
        for (name, hist) in group.hist.iter().filter(|(_, h)| h.count > 0) {
            for (statistic, value) in figures(hist) {
                let path = format!("{path}.{}.{statistic}", word(name));
                match hist.unit.as_str() {
                    "ns" => self.figure(&path, seconds(value), "s"),
                    unit => self.figure(&path, decimal(value), unit),
                }
            }
        }
    }

    fn figure(&mut self, path: &str, value: f64, unit: &str) {
        let number =
            json!({ "value": value, "unit": unit, "prefix": "metric" });
        self.add(path, &json!({ "status": "DONE", "number": number }));
    }
}

fn figures(hist: &Hist) -> [(&'static str, u64); 4] {
    [
        ("p50", hist.p50_ns),
        ("p90", hist.p90_ns),
        ("p99", hist.p99_ns),
        ("max", hist.max_ns),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn decimal(value: u64) -> f64 {
    value as f64
}

fn seconds(ns: u64) -> f64 {
    decimal(ns) / 1e9
}

/// A name as a part of a path may be.
fn word(name: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let part = |c| if good(c) { c } else { '_' };
    name.chars().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::decode::decode;
    use crate::model::{Outcome, Report};
    use crate::outcome::judge;
    use crate::testing::Stream;
    use serde_json::Value;

    #[test]
    fn runs_and_figures_are_tests() {
        let log = Stream::sample().once();
        let boot = decode(log.as_bytes()).newest();
        let mut report = Report::new(&boot);
        judge(&boot, false, &mut report);
        let text = render(&report).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        let tests = json["tests"].as_array().unwrap();
        let find = |path: &str| {
            let found = tests.iter().find(|test| test["path"] == path);
            found.unwrap_or_else(|| panic!("no {path} in {text}"))
        };
        assert_eq!(find("pidone.PipeIo")["status"], "PASS");
        assert_eq!(find("pidone.PipeIo")["duration"], 1.0);
        assert_eq!(find("pidone.SpinWait")["status"], "FAIL");
        let max = find("pidone.PipeIo.wake.max");
        assert_eq!(max["number"]["value"], 0.001_2);
        assert_eq!(max["number"]["unit"], "s");
    }

    #[test]
    fn a_boot_that_never_spoke_is_an_error() {
        let report = Report {
            outcome: Outcome::NoBoot,
            ..Report::default()
        };
        let json: Value =
            serde_json::from_str(&render(&report).unwrap()).unwrap();
        assert_eq!(json["tests"][0]["status"], "ERROR");
        assert_eq!(json["tests"][0]["path"], "pidone.boot");
    }
}
