//! Reviews of what no machine made.

use super::{Changes, Choice, Commit, Found, Left, Review, choose, lacking};
use crate::boot::BootRequest;
use crate::compare::{Comparison, ComparisonOptions, Side, compare};
use crate::exit::Exit;
use crate::finished::{FinishedBoot, Meta};
use crate::map::Hit;
use crate::map::code::CodeChanges;
use crate::model::Outcome;
use crate::model::profile::{Function, Profile, Space};
use crate::testing;
use crate::topology::Smp;
use pidone::workloads::rows;
use std::collections::BTreeSet;

fn hit<'m>(work: &'m str, share: f64, functions: &[&'m str]) -> Hit<'m> {
    Hit {
        work,
        instructions: share * 1000.0,
        share,
        functions: functions.iter().map(|name| (*name, 1.0, 1.0)).collect(),
    }
}

fn chosen(hits: &[Hit<'_>]) -> Vec<String> {
    let choice = choose(hits, &|work| {
        (work == "NetTraffic").then(|| "a network interface".to_owned())
    });
    choice.works.into_iter().map(|(work, _)| work).collect()
}

#[test]
fn types_are_chosen_for_each_function_and_by_their_shares() {
    let hits = [
        hit("NetTraffic", 0.7, &["wake"]),
        hit("A", 0.6, &["wake"]),
        hit("B", 0.5, &["wake"]),
        hit("C", 0.4, &["wake"]),
        hit("D", 0.3, &["wake"]),
        hit("E", 0.2, &["wake"]),
        hit("F", 0.000_01, &["wake", "exit"]),
        hit("G", 0.000_01, &["wake", "exit"]),
    ];
    // F is the only one of its function, G the second, and E has no room.
    assert_eq!(chosen(&hits), ["A", "B", "C", "D", "F"]);
    // What hardly runs it is taken if nothing else does.
    assert_eq!(chosen(&hits[7..]), ["G"]);
    assert_eq!(chosen(&hits[..1]), [""; 0]);
    let left = choose(&hits, &|work| {
        (work == "NetTraffic").then(|| "a network interface".to_owned())
    });
    assert_eq!(left.left.len(), 1);
    assert_eq!(left.left[0].work, "NetTraffic");
}

#[test]
fn a_machine_lacks_what_a_type_needs() {
    let one = BootRequest {
        smp: Smp::Flat(1),
        numa: 1,
        ..BootRequest::default()
    };
    let large = BootRequest {
        smp: "2n2l4c8t".parse().unwrap_or(Smp::Flat(4)),
        numa: 2,
        ..BootRequest::default()
    };
    for (work, lacks) in [
        ("PipeIo", None),
        ("FutexPingPong", None),
        ("AffinityChurn", Some("2 CPUs")),
        ("NumaMigrationChurn", Some("2 NUMA nodes")),
        ("SmtSiblingSpin", Some("a core with two CPUs")),
        ("IoSyncWrite", Some("a disk")),
        ("NetTraffic", Some("a network interface")),
    ] {
        assert_eq!(lacking(work, &one).as_deref(), lacks, "{work}");
    }
    for work in ["AffinityChurn", "NumaMigrationChurn"] {
        assert_eq!(lacking(work, &large), None, "{work}");
    }
}

/// A side of boots whose workers make so many round trips, of so many
/// instructions in the functions.
fn side(name: &str, rate: u64, of: &[(&str, u64)]) -> Side {
    let boots = (1..=3).map(|seed| {
        let mut report = testing::report();
        report.runs.truncate(1);
        report.outcome = Outcome::Ok;
        report.digest = Some(format!("{rate} {of:?}"));
        let group = &mut report.runs[0].groups[0];
        group.workers[0].iterations = rate;
        group.workers[1].iterations = 0;
        for worker in &mut group.workers {
            worker.cpus_allowed = vec![0];
        }
        let functions = of.iter().map(|&(name, instructions)| Function {
            name: name.to_owned(),
            space: Space::Kernel,
            instructions: instructions * 10,
            calls: 10,
        });
        report.runs[0].profile = Some(Profile {
            iterations: 10,
            instructions: of.iter().map(|(_, n)| n * 10).sum(),
            functions: functions.collect(),
        });
        FinishedBoot {
            dir: format!("{name}{seed}").into(),
            report,
            meta: Meta {
                exit_code: Exit::Good,
                deterministic: Some(seed),
                ..Meta::default()
            },
            ..FinishedBoot::default()
        }
    });
    Side {
        name: name.to_owned(),
        boots: boots.collect(),
    }
}

fn compared(rate: u64, of: &[(&str, u64)]) -> Comparison {
    let was = [("try_to_wake_up", 120), ("schedule", 9880)];
    let [a, b] = [side("a", 24_000, &was), side("b", rate, of)];
    let asked = ComparisonOptions {
        metrics: Vec::new(),
        all: false,
        rest: true,
        margin: 0.005,
        look: 1,
    };
    compare(&a, &b, &asked).unwrap()
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|&name| name.to_owned()).collect()
}

fn review(found: Found) -> Review {
    let commit = |name: &str, subject: &str, image: &str| Commit {
        name: name.repeat(4),
        subject: subject.to_owned(),
        dirty: false,
        release: "6.12.117".to_owned(),
        image: image.repeat(4),
    };
    Review {
        tree: "linux".to_owned(),
        sides: [
            commit("0b3a47dd9510", "idle: builds again", "aaaabbbbcccc"),
            commit("9f7a6213dd18", "sched: extra work", "ddddeeeeffff"),
        ],
        changes: Changes {
            patch: names(&["try_to_wake_up", "never_called"]),
            elsewhere: BTreeSet::new(),
            code: Some(CodeChanges {
                changed: names(&["try_to_wake_up"]),
                added: names(&["never_called"]),
                removed: BTreeSet::new(),
            }),
        },
        given: false,
        choice: Choice {
            works: vec![("PipeIo".to_owned(), 0.012)],
            left: vec![Left {
                work: "NetTraffic".to_owned(),
                why: "a network interface".to_owned(),
            }],
        },
        executed: names(&["try_to_wake_up"]),
        found,
        built_with: "tinyconfig with base, sched-ext, numa, cgroup, block, \
                     net, rt, guest; gcc (Debian 12.2.0-14) 12.2.0"
            .to_owned(),
        machine: "QEMU 7.2.22, x86_64, 1 CPU".to_owned(),
        pidone: "pidone 0.1.0".to_owned(),
        command: "review --tree linux --smp 1 0b3a47dd9510..9f7a6213dd18 -- \
                  time=100ms work=PipeIo work=FutexPingPong work=WakeChain"
            .split(' ')
            .map(str::to_owned)
            .collect(),
    }
}

/// The text, none of whose lines is too long for a mail.
#[track_caller]
fn mail(review: &Review) -> String {
    let text = review.mail();
    for line in text.lines() {
        assert!(line.chars().count() < 72, "{line}");
        assert_eq!(line.trim_end(), line);
    }
    assert!(text.is_ascii(), "{text}");
    text
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    let words = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ")
    };
    let all = words(text);
    for part in parts {
        assert!(all.contains(&words(part)), "{part}: {text}");
    }
}

#[test]
fn a_mail_says_what_is_slower_and_where() {
    let slower = [("try_to_wake_up", 870), ("schedule", 9881)];
    let comparison = compared(20_000, &slower);
    let mut review = review(Found::NoType);
    review.measured(comparison);
    assert_eq!(review.exit(), Exit::Bad);
    let text = mail(&review);
    has(
        &text,
        &[
            "pidone review of linux, 0b3a47dd9510..9f7a6213dd18: worse",
            "A: 0b3a47dd9510 idle: builds again\n\
             Linux 6.12.117, image aaaabbbbcccc",
            "B changes the code of try_to_wake_up; it adds never_called.",
            "0b3a47dd9510 -> 9f7a6213dd18: PipeIo is 1.20 x slower, exact.",
            "medians of 3 seeds, 1 to 3:",
            "PipeIo rate 24000/s 20000/s -16.67 % worse",
            "(rate: iterations a second",
            "PipeIo: +751.0 (+7.51 %), of 10000 and 10751",
            "+750.0 try_to_wake_up\n +1.00 one other",
            "PipeIo (1.20 %): two tasks exchange bytes through pipes",
            "No work type executes never_called.",
            "Not run, for want of what they need: NetTraffic (a network \
             interface).",
            "QEMU 7.2.22, x86_64, 1 CPU",
            "Kernels: tinyconfig with base",
            "To repeat it (pidone 0.1.0):\n cargo xtask review --tree linux \
             --smp 1 0b3a47dd9510..9f7a6213dd18 \\\n -- time=100ms \
             work=PipeIo work=FutexPingPong",
        ],
    );
    // However long the name of a type is.
    let longest = rows().map(|row| row.name).max_by_key(|name| name.len());
    let longest = longest.unwrap();
    let Found::Compared(of) = &mut review.found else {
        panic!("{text}");
    };
    of.rows
        .iter_mut()
        .for_each(|row| longest.clone_into(&mut row.run));
    let whole = "rate 24000/s 20000/s -16.67 % worse, exact";
    has(&mail(&review), &[&format!("{longest} {whole}")]);
}

#[test]
fn what_lies_elsewhere_shows_no_function() {
    let moved = [("try_to_wake_up", 120), ("schedule", 9883)];
    let comparison = compared(24_001, &moved);
    let mut review = review(Found::NoType);
    review.measured(comparison);
    assert_eq!((review.exit(), &*review.verdict()), (Exit::Good, "same"));
    has(
        &mail(&review),
        &[
            "In PipeIo no function executes more or fewer instructions, \
           beyond 0.1 % of an iteration.",
        ],
    );
    // That none is worse says nothing if none ran what changed.
    review.changes.patch = names(&["never_called", "x_probe"]);
    review.changes.code = None;
    review.executed = names(&["x_probe"]);
    let exit = (review.exit(), &*review.verdict());
    assert_eq!(exit, (Exit::CannotTell, "cannot tell"));
    review.given = true;
    assert_eq!(review.exit(), Exit::Good);
    has(
        &mail(&review),
        &[
            "B changes never_called, x_probe.",
            "No work type executes never_called.",
            "Not executed on this machine, but by work types on others: \
             x_probe.",
        ],
    );
}

#[test]
fn what_cannot_be_measured_is_said() {
    let why = "the kernel does not build (exit status: 2); all it said is in \
               /x/pidone.log:\nIn file included from idle.c\n\
               /x/linux/idle.c:500:2: error: #error\n  500 | #error\n\
               make: *** Error 2";
    let broken = review(Found::NotBuilt(1, why.to_owned()));
    assert_eq!(broken.exit(), Exit::CannotTell);
    has(
        &mail(&broken),
        &[
            "cannot tell",
            "B does not build:\n idle.c:500:2: error: #error",
        ],
    );
    let same = review(Found::SameImage);
    assert_eq!((same.exit(), &*same.verdict()), (Exit::Good, "same"));
    has(&mail(&same), &["the same, to the byte"]);
    let mut none = review(Found::NoType);
    none.executed.clear();
    none.sides[1].dirty = true;
    assert_eq!(none.exit(), Exit::CannotTell);
    has(
        &mail(&none),
        &[
            "of linux, 0b3a47dd9510 and what is in no commit: cannot tell",
            "B: the checkout, with changes that are in no commit",
            "No work type executes never_called, try_to_wake_up.",
            "To repeat it, in a checkout with the same changes",
        ],
    );
    // Whatever a commit is called, and however long words are.
    let mut odd = review(Found::SameImage);
    odd.sides[0].subject = format!("\u{1b}[31m{}", "x".repeat(200));
    odd.changes.elsewhere = names(&[&"include/linux/".repeat(20)]);
    let text = odd.mail();
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 72), "{text}");
}
