//! What constructors and builder make is what the parser makes of words.

use super::choices::{Handoff, IoBacking, Wake};
use super::constructors::{DEFAULTS, FUNCTIONS, STRUCTURES};
use super::{Make, WorkType};
use crate::kit::cpus::Cpus;
use crate::kit::duration::InGrammar;
use crate::kit::phases::{Does, Phase, Phases};
use crate::plan::Plan;
use crate::plan::builder::RunBuilder;
use crate::plan::error::PlanError;
use crate::plan::run::Run;
use crate::plan::sources::Sources;
use crate::plan::token::Source;
use crate::row::attr::{Affinity, CloneMode, Policy};
use crate::row::{Kind, LONGEST, Param, Row, Value};
use crate::workloads::{row, rows};
use core::time::Duration;
use std::borrow::ToOwned;
use std::boxed::Box;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

const NS: Duration = Duration::from_nanos(1);

/// All of a run that two ways of making it could differ in, or the rule that
/// was broken.
fn told(run: Result<Run<'_>, PlanError<'_>>) -> Result<String, String> {
    let run = run.map_err(|error| {
        let said = error.to_string();
        let (_, rule) = said.split_once("`: ").unwrap();
        rule.to_owned()
    })?;
    let expects: Vec<_> = run.expects().map(|e| e.text).collect();
    let groups = run.groups.iter().map(|group| {
        let name = group.row().name;
        format!("{name} {:?} {:?}", group.work, group.settings)
    });
    let groups: Vec<_> = groups.collect();
    let (settings, trace) = (run.settings, run.trace);
    Ok(format!("{settings:?} {trace:?} {expects:?} {groups:#?}"))
}

fn parsed(words: &str) -> Result<String, String> {
    let sources = Sources {
        args: Source::args(words),
        ..Sources::default()
    };
    told(Plan::parse(&sources).map(|plan| plan.distinct()[0].clone()))
}

fn static_text(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// A value as a plan writes it.
fn text_of(param: &Param, value: Value<'static>) -> String {
    match (value, param.kind) {
        (Value::Count(n), _) => n.to_string(),
        (Value::Duration(d), _) => InGrammar(d).to_string(),
        (Value::Flag(flag), _) => flag.to_string(),
        (Value::Text(text), _) => text.to_owned(),
        (Value::Choice(at), Kind::Choice { names, .. }) => names[at].to_owned(),
        (_, Kind::CountOr { word, .. }) => (*word).to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Values at both ends of a parameter's range and beyond them.
fn values(param: &Param) -> Vec<Value<'static>> {
    let numbers = |min: u64, max: u64| {
        let all = [min, min + 1, max, max + 1].into_iter();
        all.chain(min.checked_sub(1)).map(Value::Count).collect()
    };
    match param.kind {
        Kind::Count { min, max, .. } => numbers(min.into(), max),
        Kind::CountOr { min, max, .. } => {
            let mut all: Vec<_> = numbers(min.into(), max.into());
            all.push(Value::Word);
            all
        }
        Kind::Duration { min_ns, .. } => {
            let min = Duration::from_nanos(min_ns.into());
            let all = [min, min + NS, LONGEST, LONGEST + NS].into_iter();
            all.chain(min.checked_sub(NS))
                .map(Value::Duration)
                .collect()
        }
        Kind::Flag { .. } => vec![Value::Flag(false), Value::Flag(true)],
        Kind::Choice { names, .. } => {
            (0..names.len()).map(Value::Choice).collect()
        }
        Kind::Text { .. } => {
            let texts =
                ["0-1", "sda", "/dev/sda", "spin:1ms", "\u{7}", "futex"];
            texts.map(Value::Text).to_vec()
        }
    }
}

/// The words that make a bare type runnable.
fn example(row: &'static Row) -> Vec<(&'static str, &'static str)> {
    let words = row.example.split_ascii_whitespace();
    words.map(|word| word.split_once('=').unwrap()).collect()
}

/// Every type with the constructor that its parameters go through.
fn constructors() -> impl Iterator<Item = (&'static Row, Make)> {
    let all = FUNCTIONS.iter().chain(STRUCTURES);
    all.map(|&(name, make)| (row(name).unwrap(), make))
}

#[test]
fn every_type_is_made_as_its_words_are() {
    let mut compared = 0;
    for (row, make) in constructors() {
        let given = example(row);
        let params = row.params.iter();
        let trials =
            params.flat_map(|p| values(p).into_iter().map(move |v| (p, v)));
        for changed in trials.map(Some).chain([None]) {
            let usual = |name: &'static str| {
                let param = row.params.iter().find(|p| p.name == name).unwrap();
                let set = given.iter().find(|(key, _)| *key == name);
                match (changed, set) {
                    (Some((other, value)), _) if other.name == name => value,
                    (_, Some((_, text))) => Value::Text(text),
                    _ => param.kind.default(),
                }
            };
            let mut words = format!("work={}", row.name);
            let is_changed =
                |key: &str| changed.is_some_and(|(param, _)| param.name == key);
            let mut others = Vec::new();
            for &(key, text) in &given {
                if !is_changed(key) {
                    words += &format!(" {key}={text}");
                    let param = row.params.iter().any(|p| p.name == key);
                    others.extend((!param).then_some((key, text)));
                }
            }
            if let Some((param, value)) = changed {
                let text = text_of(param, value);
                words += &format!(" {}={text}", param.name);
            }
            let words = static_text(words);
            let made = make(&usual).and_then(|work| {
                assert_eq!(work.name(), row.name);
                let builder = RunBuilder::new(work);
                let all = others.iter();
                all.fold(builder, |b, (key, text)| b.set(key, text)).build()
            });
            assert_eq!(told(made), parsed(words), "{words}");
            compared += 1;
        }
    }
    assert!(compared > 400, "{compared}");
}

#[test]
fn every_type_has_a_constructor_of_all_its_parameters() {
    let made: Vec<_> = constructors().map(|(row, _)| row.name).collect();
    let mut expected: Vec<_> = rows().map(|row| row.name).collect();
    assert_eq!(expected, WorkType::ALL_NAMES);
    expected.retain(|&name| name != "Custom");
    let (mut sorted, mut all) = (made.clone(), expected);
    sorted.sort_unstable();
    all.sort_unstable();
    assert_eq!(sorted, all);
    for (row, make) in constructors() {
        let asked = core::cell::RefCell::new(Vec::new());
        let given = example(row);
        let _made = make(&|name| {
            asked.borrow_mut().push(name);
            let set = given.iter().find(|(key, _)| *key == name);
            let param = row.params.iter().find(|p| p.name == name).unwrap();
            match set {
                Some((_, text)) => Value::Text(text),
                None => param.kind.default(),
            }
        });
        let names: Vec<_> = row.params.iter().map(|p| p.name).collect();
        assert_eq!(asked.into_inner(), names, "{}", row.name);
    }
    for usual in DEFAULTS {
        let work = usual().unwrap();
        let bare = parsed(static_text(format!("work={}", work.name())));
        assert_eq!(told(RunBuilder::new(work).build()), bare);
    }
}

#[test]
fn types_have_names_and_sizes() {
    let none = |name: &str| WorkType::from_name(name).is_none();
    let nameless: Vec<_> = WorkType::ALL_NAMES
        .into_iter()
        .filter(|name| none(name))
        .collect();
    assert_eq!(nameless, ["Sequence", "Custom"]);
    assert!(none("pipeio") && none(""));
    let size = |name: &str| WorkType::from_name(name)?.worker_group_size();
    assert_eq!(size("ForkExit"), None);
    assert_eq!(size("SpinWait"), None);
    assert_eq!(size("PipeIo"), Some(2));
    let chain = WorkType::wake_chain(5, Wake::Futex, Duration::ZERO).unwrap();
    assert_eq!(chain.worker_group_size(), Some(5));
    assert_eq!(chain.value("wake"), Some(Value::Choice(1)));
    assert_eq!(chain.value("depht"), None);
}

#[test]
fn a_bad_value_names_its_rule() {
    let ms = Duration::from_millis(1);
    for (made, rule) in [
        (
            WorkType::bursty(Duration::ZERO, ms),
            "burst_duration is 1ns to 3600s",
        ),
        (
            WorkType::bursty(ms, LONGEST + NS),
            "sleep_duration is 1ns to 3600s",
        ),
        (
            WorkType::mutex_contention(1, 256, 1024),
            "contenders is a whole number from 2 to 1024",
        ),
        // Values that are each fine, but not together.
        (WorkType::idle_churn(Duration::ZERO, ms, false), "burst"),
        (WorkType::custom("bin/app"), "an absolute path"),
        (WorkType::custom(""), "custom.exec"),
        (
            WorkType::from_name("AsymmetricWaker")
                .unwrap()
                .set("handoff", "trun"),
            "valid are turn, free",
        ),
        (
            WorkType::from_name("PipeIo").unwrap().set("burst", 1_u64),
            "no such key here; valid are burst_iters",
        ),
        (
            WorkType::from_name("PipeIo")
                .unwrap()
                .set("burst_iters", true),
            "burst_iters is a whole number",
        ),
    ] {
        let error = made.map(|work| work.name()).unwrap_err().to_string();
        assert!(error.contains(rule), "{error}");
    }
    let waker = WorkType::from_name("AsymmetricWaker").unwrap();
    let typed = waker.set("handoff", Handoff::Free).unwrap();
    let text = waker.set("handoff", "free").unwrap();
    assert_eq!(typed.value("handoff"), text.value("handoff"));
    assert_eq!(text.value("handoff"), Some(Value::Choice(1)));
}

#[test]
fn a_sequence_is_made_of_phases() {
    let phase = |what, ns| Phase { what, ns };
    let list = [phase(Does::Spin, 5_000_000), phase(Does::AluHot(0), 1000)];
    let phases = Phases::new(&list).unwrap();
    let made = WorkType::sequence("", false, &phases, IoBacking::Tmpfs);
    let words = "work=Sequence phases=spin:5ms,alu_hot:scalar/1us";
    let run = RunBuilder::new(made.unwrap()).build();
    assert_eq!(told(run), parsed(words));
    for list in [&[][..], &[phase(Does::Spin, 0)]] {
        let phases = Phases::new(list).unwrap();
        let made = WorkType::sequence("", false, &phases, IoBacking::Tmpfs);
        let error = made.unwrap_err().to_string();
        assert!(error.contains("1 to 32 of spin:D"), "{error}");
    }
}

type Step = fn(RunBuilder<'static>) -> RunBuilder<'static>;

/// A builder's calls, and the words that say the same.
const STEPS: &[(&str, Step)] = &[
    ("", |b| b),
    ("workers=4", |b| b.workers(4)),
    ("workers=0", |b| b.workers(0)),
    ("workers=3", |b| b.workers(3)),
    ("workers=4097", |b| b.workers(4097)),
    ("nice=-20", |b| b.nice(-20)),
    ("nice=20", |b| b.nice(20)),
    ("policy=batch", |b| b.policy(Policy::Batch)),
    ("policy=fifo:99", |b| b.policy(Policy::Fifo(99))),
    ("policy=fifo:0", |b| b.policy(Policy::Fifo(0))),
    ("policy=rr:100", |b| b.policy(Policy::Rr(100))),
    ("policy=deadline:1ms/2ms/2ms", |b| {
        let ms = Duration::from_millis;
        b.policy(Policy::deadline(ms(1), ms(2), Duration::ZERO).unwrap())
    }),
    ("policy=deadline:3ms/2ms/2ms", |b| {
        b.policy(Policy::Deadline {
            runtime_ns: 3_000_000,
            deadline_ns: 2_000_000,
            period_ns: 2_000_000,
        })
    }),
    ("policy=deadline:1us/2ms/2ms", |b| {
        b.policy(Policy::Deadline {
            runtime_ns: 1000,
            deadline_ns: 2_000_000,
            period_ns: 2_000_000,
        })
    }),
    ("affinity=exact:0-1", |b| {
        b.affinity(Affinity::Exact(Cpus::parse("0-1").unwrap()))
    }),
    ("affinity=random_subset:0-3/0", |b| {
        let from = Cpus::parse("0-3").unwrap();
        b.affinity(Affinity::RandomSubset { from, count: 0 })
    }),
    ("numa_node=1", |b| b.affinity(Affinity::NumaNode(1))),
    ("numa_node=1024", |b| b.affinity(Affinity::NumaNode(1024))),
    ("numa_node=1 affinity=single_cpu", |b| {
        b.affinity(Affinity::NumaNode(1))
            .affinity(Affinity::SingleCpu)
    }),
    ("nice=1 nice=2", |b| b.nice(1).nice(2)),
    ("time=0s", |b| b.time(Duration::ZERO)),
    ("time=1ns warmup=0s grace=1440m", |b| {
        let day = Duration::from_secs(86_400);
        b.time(NS).warmup(Duration::ZERO).grace(day)
    }),
    ("warmup=1441m", |b| b.warmup(Duration::from_secs(86_460))),
    ("repeat=2 seed=7 clone=thread", |b| {
        b.repeat(2).seed(7).clone_mode(CloneMode::Thread)
    }),
    ("repeat=0", |b| b.repeat(0)),
    ("cgroup=a cpu.weight=50", |b| {
        b.set("cgroup", "a").set("cpu.weight", "50")
    }),
    ("cpu.weight=50", |b| b.set("cpu.weight", "50")),
    ("mempolicy=local uid=1 comm=x", |b| {
        b.set("mempolicy", "local").set("uid", "1").set("comm", "x")
    }),
    ("expect=rate>1 expect=wake.p99<1s", |b| {
        b.expect("rate>1").expect("wake.p99<1s")
    }),
    ("expect=weak.p99<1s", |b| b.expect("weak.p99<1s")),
    ("trace_stop=wake>1ms", |b| b.set("trace_stop", "wake>1ms")),
    ("wrokers=2", |b| b.set("wrokers", "2")),
    ("with=ForkExit workers=3", |b| {
        b.with(WorkType::fork_exit().unwrap()).workers(3)
    }),
    ("clone=thread with=ForkExit", |b| {
        b.clone_mode(CloneMode::Thread)
            .with(WorkType::fork_exit().unwrap())
    }),
    ("workers=3 with=ForkExit", |b| {
        b.workers(3).with(WorkType::fork_exit().unwrap())
    }),
];

#[test]
fn a_builder_makes_what_the_parser_makes() {
    let mut refused = 0;
    for (words, step) in STEPS {
        let words = static_text(format!("work=PipeIo {words}"));
        let built = step(RunBuilder::new(WorkType::pipe_io(1024).unwrap()));
        let built = told(built.build());
        refused += u32::from(built.is_err());
        assert_eq!(built, parsed(words), "{words}");
    }
    assert_eq!(refused, 21);
}
