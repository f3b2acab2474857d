//! What is said of whole boots: what they are, how to repeat them, what the
//! console said last.

use super::html::Html;
use super::number::{ABSENT, count};
use super::{Page, Source, scheduler};
use crate::finished::Meta;
use crate::model::{Hello, Outcome};
use crate::program;
use crate::text::several;
use crate::usage::quoted;

/// What is known of a boot, if it is.
type Of = fn(&Source) -> Option<String>;

/// What boots often have in common.
const COMMON: [(&str, Of); 5] = [
    ("Plan", |source| Some(plan(source).join(" "))),
    ("Machine", |source| {
        source.report.hello.as_ref().map(machine)
    }),
    ("Mode", mode),
    ("Clock", |source| source.report.hello.as_ref().map(clock)),
    ("Started", |source| {
        Some(source.meta.as_ref()?.started.clone())
    }),
];

/// What the boots have in common, below the title.
pub(super) fn header(h: &mut Html, page: &Page<'_>) {
    h.el("dl", &[("class", "facts")], |h| {
        for (name, of) in COMMON {
            let told: Vec<Option<String>> =
                page.sources.iter().map(of).collect();
            let told = told.iter().map(|fact| fact.as_deref().unwrap_or(""));
            fact(h, page, name, &told.collect::<Vec<_>>());
        }
    });
}

/// A fact, once if it is the same of all boots.
fn fact(h: &mut Html, page: &Page<'_>, name: &str, told: &[&str]) {
    if told.iter().all(|fact| fact.is_empty()) {
        return;
    }
    h.leaf("dt", &[], name);
    if told.windows(2).all(|two| two[0] == two[1]) {
        h.leaf("dd", &[], told[0]);
        return;
    }
    let told = told.iter().map(|fact| match fact.is_empty() {
        true => "not known".to_owned(),
        false => (*fact).to_owned(),
    });
    for (fact, keys) in alike(page, told) {
        h.leaf("dd", &[], &format!("{keys}: {fact}"));
    }
}

/// What is said of the boots, each once with all that it is said of.
fn alike(
    page: &Page<'_>,
    said: impl Iterator<Item = String>,
) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (text, key) in said.zip(&page.keys) {
        match all.iter_mut().find(|(known, _)| *known == text) {
            Some((_, keys)) => *keys += &format!(", {key}"),
            None => all.push((text, key.to_string())),
        }
    }
    all
}

/// The words of the plan: as the machine understood them, or as given.
fn plan(source: &Source) -> &[String] {
    let told = source.report.hello.as_ref().map(|hello| &hello.plan);
    let given = || source.meta.as_ref().map(|meta| &meta.plan);
    let told = told.filter(|plan| !plan.is_empty()).or_else(given);
    told.map_or(&[], Vec::as_slice)
}

/// A machine in a few words.
pub(super) fn machine(hello: &Hello) -> String {
    format!(
        "{}, {}, {}, {}, {}, {} MiB",
        hello.machine,
        several(hello.cpus, "CPU"),
        several(hello.cores, "core"),
        several(hello.llcs, "LLC"),
        several(hello.nodes, "node"),
        hello.mem_kib / 1024
    )
}

fn mode(source: &Source) -> Option<String> {
    let meta = source.meta.as_ref()?;
    let seed = meta.deterministic.map(|seed| format!(" (seed {seed})"));
    Some(meta.mode() + &seed.unwrap_or_default())
}

fn clock(hello: &Hello) -> String {
    format!(
        "{}, read in {} ns by {}",
        hello.clocksource, hello.clock_ns, hello.clock
    )
}

/// A row for each boot, and the commands.
pub(super) fn boots(h: &mut Html, page: &Page<'_>) {
    h.el("section", &[("id", "boots")], |h| {
        h.leaf("h2", &[], if page.several() { "Boots" } else { "Boot" });
        let heads =
            page.heads(&["kernel", "outcome", "#runs", "#lost records"]);
        h.table("What became of each boot", &heads, |h| {
            h.el("tbody", &[], |h| {
                for at in 0..page.sources.len() {
                    h.el("tr", &[], |h| boot(h, page, at));
                }
            });
        });
        scheduler::of_boots(h, page);
        commands(h, page);
    });
}

/// What to type, once for boots that were made alike.
fn commands(h: &mut Html, page: &Page<'_>) {
    for (command, keys) in alike(page, page.sources.iter().map(command)) {
        let what = if page.several() { &keys } else { "it" };
        h.classed("p", "label", &format!("To repeat {what}"));
        h.leaf("pre", &[("class", "command")], &command);
    }
}

fn boot(h: &mut Html, page: &Page<'_>, at: usize) {
    let source = &page.sources[at];
    let report = &source.report;
    page.head(h, at, 1, "row");
    h.classed("td", "kernel", source.kernel());
    h.el("td", &[("class", "why")], |h| {
        let class = match report.outcome {
            Outcome::Ok => "ok",
            _ => "fail",
        };
        h.classed("strong", class, report.outcome.name());
        h.text(&format!(" {}", report.reason));
        for boot in &report.boots {
            let (outcome, reason) = (boot.outcome, &boot.reason);
            let text = format!("boot {}: {outcome}: {reason}", boot.number);
            h.classed("div", "about", &text);
        }
        for warning in &report.boot_warnings {
            h.classed("div", "fail", &format!("before init: {warning}"));
        }
        for error in &report.errors {
            h.classed("div", "fail", &format!("contradiction: {error}"));
        }
    });
    h.number(&report.runs.len().to_string());
    match report.lost_records {
        0 => h.number("0"),
        lost => h.classed("td", "n fail", &count(lost)),
    }
}

/// The command that made a boot, if that is known.
pub(super) fn command_of(meta: &Meta) -> Option<String> {
    let words = meta.command.get(1..).filter(|words| !words.is_empty())?;
    Some(format!("{} {}", program::name(), quoted_all(words)))
}

fn quoted_all(words: &[String]) -> String {
    let words = words.iter().map(|word| quoted(word));
    words.collect::<Vec<_>>().join(" ")
}

/// The command that made the boot; of a mere log, as much as it tells.
fn command(source: &Source) -> String {
    let known = source.meta.as_ref().and_then(command_of);
    known.unwrap_or_else(|| {
        format!(
            "{} boot --kernel FILE -- {}\n\
             # FILE: an image of {}; this is known from a log alone",
            program::name(),
            quoted_all(plan(source)),
            source.kernel().replace(['\n', '\r'], " ")
        )
    })
}

/// The last lines of consoles that ended badly.
pub(super) fn consoles(h: &mut Html, page: &Page<'_>) {
    let tails: Vec<_> = page
        .sources
        .iter()
        .zip(&page.keys)
        .filter_map(|(source, key)| Some((source.tail()?, key)))
        .collect();
    if tails.is_empty() {
        return;
    }
    h.el("section", &[("id", "consoles")], |h| {
        h.leaf("h2", &[], "Last lines of the console");
        for (tail, key) in tails {
            if page.several() {
                let label = format!("{key} {}", key.kernel);
                h.classed("p", "label", &label);
            }
            h.leaf("pre", &[("class", "console")], &tail);
        }
    });
}

/// Everything that the boots were made of.
pub(super) fn details(h: &mut Html, page: &Page<'_>) {
    h.el("section", &[("id", "details")], |h| {
        h.leaf("h2", &[], "How it was made");
        for (source, key) in page.sources.iter().zip(&page.keys) {
            h.el("details", &[], |h| {
                let what = match page.several() {
                    true => format!("{key} {}", key.kernel),
                    false => key.kernel.clone(),
                };
                h.leaf("summary", &[], &what);
                h.el("dl", &[("class", "facts")], |h| {
                    for (name, value) in facts(source) {
                        if !value.is_empty() {
                            h.leaf("dt", &[], name);
                            h.leaf("dd", &[], &value);
                        }
                    }
                });
            });
        }
    });
}

fn facts(source: &Source) -> Vec<(&'static str, String)> {
    let report = &source.report;
    let mut facts = vec![("Read from", source.name.clone())];
    if let Some(hello) = &report.hello {
        let [entered, ready] = [hello.entered_ns, hello.ready_ns]
            .map(|ns| format!("{} ms", count(ns / 1_000_000)));
        facts.extend([
            ("pidone", hello.pidone.clone()),
            ("Kernel build", hello.kernel_build.clone()),
            ("PID 1", format!("entered at {entered}, ready at {ready}")),
            ("Kernel lacks", hello.absent.join(", ")),
            ("Notes", hello.notes.join("; ")),
        ]);
    }
    let digest = report.digest.as_deref().unwrap_or(ABSENT);
    facts.push(("Digest of the records", digest.to_owned()));
    let Some(meta) = &source.meta else {
        return facts;
    };
    let of_config = meta.kernel.config_sha256.clone();
    let args = meta.qemu_args.iter().map(|word| quoted(word));
    let args: Vec<String> = args.collect();
    let host = &meta.host;
    let arch = meta.arch.as_deref().unwrap_or("x86_64");
    facts.extend([
        ("Kernel asked for", meta.kernel.spec.clone()),
        ("Kernel image", meta.kernel.path.display().to_string()),
        ("SHA-256 of the image", meta.kernel.sha256.clone()),
        (
            "SHA-256 of its configuration",
            of_config.unwrap_or_default(),
        ),
        ("SHA-256 of the initramfs", meta.initramfs_sha256.clone()),
    ]);
    match (&meta.runner, &meta.imported) {
        (Some(runner), _) => facts.push(("Runner", runner.clone())),
        (None, Some(log)) => {
            let of = format!("{}, boot {}", log.file, log.boot);
            facts.extend([("Log", of), ("SHA-256 of it", log.sha256.clone())]);
        }
        (None, None) => facts.extend([
            ("QEMU", meta.qemu.clone()),
            (
                "QEMU's command",
                format!("qemu-system-{arch} {}", args.join(" ")),
            ),
        ]),
    }
    facts.extend([
        (
            "Host",
            format!(
                "{}, Linux {}, {} × {}",
                host.name, host.kernel, host.cpus, host.cpu
            ),
        ),
        (
            "Took",
            format!("{}.{} s", meta.took_ms / 1000, meta.took_ms / 100 % 10),
        ),
    ]);
    facts
}

#[cfg(test)]
mod tests {
    use super::command;
    use crate::finished::Meta;
    use crate::report::Source;
    use crate::usage::quoted;

    #[test]
    fn commands_are_those_of_a_shell() {
        assert_eq!(quoted("work=PipeIo"), "work=PipeIo");
        assert_eq!(quoted("expect=wake.p99<1ms"), "'expect=wake.p99<1ms'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
        let words = ["target/debug/xtask", "boot", "--", "expect=rate>1"];
        let mut source = Source {
            meta: Some(Meta {
                command: words.map(str::to_owned).into(),
                ..Meta::default()
            }),
            ..Source::default()
        };
        let line = "cargo xtask boot -- 'expect=rate>1'";
        assert_eq!(command(&source), line);
        source.meta = None;
        assert!(command(&source).contains("--kernel FILE"));
    }
}
