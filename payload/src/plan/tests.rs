//! Tests of the plan: its grammar, its sources, and what it refuses.

use super::{Plan, Sources, Workers, builtin};
use crate::plan::token::Source;
use crate::workload::Kind;
use crate::workloads::ALL;
use core::time::Duration;
use proptest::prelude::{prop_assert, proptest};
use std::string::{String, ToString};
use std::{format, vec::Vec};

fn parse(args: &str) -> Result<Plan<'_>, String> {
    let sources = Sources {
        args: Source::args(args),
        ..Sources::default()
    };
    Plan::parse(&sources).map_err(|error| error.to_string())
}

fn error(args: &str) -> String {
    parse(args).expect_err(args)
}

#[test]
fn the_example_of_the_grammar() {
    let plan = parse(
        "time=5s work=SpinWait workers=2 with=FutexPingPong workers=4 \
         nice=5 work=PipeIo time=1s burst_iters=7",
    )
    .unwrap();
    let runs: Vec<_> = plan.runs().collect();
    assert_eq!(plan.len(), 2);
    assert_eq!(runs[0].to_string(), "SpinWait+FutexPingPong");
    assert_eq!(runs[0].settings.time, Duration::from_secs(5));
    assert_eq!(runs[0].groups[1].settings.nice, Some(5));
    assert_eq!(runs[0].groups[0].settings.nice, None);
    assert_eq!(runs[0].groups[1].settings.workers, Workers::Count(4));
    assert_eq!(runs[1].settings.time, Duration::from_secs(1));
    let burst = &runs[1].groups[0].work;
    assert_eq!(burst.count(&burst.row().params[0]), 7);
}

#[test]
fn every_mistake_has_its_message() {
    for (plan, message) in [
        (
            "work=FutexPingpong",
            "bad plan: `work=FutexPingpong`: no work type `FutexPingpong`; \
             nearest is `FutexPingPong`",
        ),
        (
            "work=PipeIo workers=3",
            "bad plan: `workers=3`: PipeIo works in groups of 2; nearest \
             is `4`",
        ),
        (
            "policy=fifo:100 work=PipeIo",
            "bad plan: `policy=fifo:100`: the priority is 1 to 99, for \
             example fifo:50",
        ),
        (
            "time=abc work=PipeIo",
            "bad plan: `time=abc`: a duration is a number and a unit (ns, \
             us, ms, s, m), for example 2s",
        ),
        (
            "tme=1s work=PipeIo",
            "bad plan: `tme=1s`: no such key here; nearest is `time`",
        ),
        (
            "burst_iters=1 work=PipeIo",
            "bad plan: `burst_iters=1`: a parameter of PipeIo stands behind \
             its `work=PipeIo`",
        ),
        ("time=1s time=2s", "bad plan: `time=2s`: given twice"),
        (
            "work",
            "bad plan: `work`: a plan is made of key=value words",
        ),
        (
            "work=ForkExit clone=thread",
            "bad plan: `work=ForkExit`: this type acts on its whole process \
             and runs with clone=fork only",
        ),
    ] {
        assert_eq!(error(plan), message);
    }
    let unknown = error("work=PipeIo bogus=1");
    assert!(unknown.contains("valid are work, with, time"), "{unknown}");
    assert!(unknown.ends_with("burst_iters"), "{unknown}");
}

#[test]
fn every_parameter_refuses_what_is_outside_its_range() {
    for row in ALL {
        for param in row.params {
            let name = param.name;
            let bad = match param.kind {
                Kind::Count { max, .. } | Kind::CountOr { max, .. } => {
                    (max + 1).to_string()
                }
                Kind::Duration { .. } => String::from("5"),
                Kind::Flag { .. } | Kind::Choice { .. } => {
                    String::from("perhaps")
                }
                Kind::Text { .. } => String::from("\u{7}"),
            };
            let text = format!("work={} {name}={bad}", row.name);
            let message = error(&text);
            assert!(message.contains(&format!("{name}={bad}")), "{message}");
        }
    }
}

#[test]
fn conditions_are_checked_against_their_run() {
    let plan = parse(
        "expect=iterations>0 work=PipeIo expect=wake.p99<1s,rate>1 \
         expect=nowait<5% work=SpinWait",
    );
    let message = plan.expect_err("nowait is no ratio");
    assert!(message.contains("`nowait<5%`"), "{message}");
    let plan = parse(
        "expect=iterations>0 work=PipeIo expect=wake.p99<1s,rate>1 \
         work=SpinWait with=PipeIo expect=g1.iterations/g0.iterations<1",
    )
    .unwrap();
    let counts: Vec<_> = plan.runs().map(|run| run.expects().count()).collect();
    assert_eq!(counts, [3, 2]);
    for (plan, part) in [
        ("work=SpinWait expect=wake.p99<1s", "wake"),
        ("work=PipeIo expect=wake.p99<5", "duration"),
        ("work=PipeIo expect=iteration>5", "nearest is `iterations`"),
        ("work=PipeIo expect=g1.rate>5", "group"),
        ("expect= work=PipeIo", "wake.p99<500us"),
    ] {
        let message = error(plan);
        assert!(message.contains(part), "{plan}: {message}");
    }
    let many = "iterations>0,".repeat(64);
    let message = error(&format!("work=PipeIo expect={many}rate>1"));
    assert!(message.contains("at most 64 conditions"), "{message}");
}

#[test]
fn higher_sources_override_defaults_and_runs() {
    let sources = Sources {
        file: Source::file("time=1s nice=3 work=SpinWait # all\nwork=Mixed"),
        args: Source::args("time=2s"),
        kernel: Source::kernel("quiet pidone.time=3s pidone.work=PipeIo"),
        ..Sources::default()
    };
    let plan = Plan::parse(&sources).unwrap();
    let runs: Vec<_> = plan.runs().collect();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].to_string(), "PipeIo");
    assert_eq!(runs[0].settings.time, Duration::from_secs(3));
    assert_eq!(runs[0].groups[0].settings.nice, Some(3));
}

#[test]
fn built_in_plans_are_plans() {
    for name in ["smoke", "all", "latency"] {
        let mut text = String::new();
        builtin(name, &mut text).unwrap();
        let sources = Sources {
            file: Source::file(&text),
            ..Sources::default()
        };
        let plan = Plan::parse(&sources).unwrap();
        assert!(!plan.is_empty(), "{name}");
    }
    assert!(builtin("bogus", &mut String::new()).is_none());
    assert_eq!(Sources::default().plan_name(), Some("smoke"));
}

#[test]
fn repeats_are_counted_and_made() {
    let plan = parse("work=SpinWait repeat=3 work=Mixed").unwrap();
    assert_eq!(plan.len(), 4);
    assert_eq!(plan.runs().count(), 4);
}

proptest! {
    #[test]
    fn no_text_panics_and_errors_name_a_word(text in "\\PC{0,120}") {
        if let Err(message) = parse(&text) {
            prop_assert!(message.starts_with("bad plan: `"));
        }
    }

    #[test]
    fn no_list_of_words_panics(
        words in proptest::collection::vec(
            "(work|with|time|workers|nice|policy|burst_iters|end|plan)=\
             (PipeIo|SpinWait|[0-9]{1,3}(s|ms)?|fifo:[0-9]{1,3}|smoke)",
            0..12,
        ),
    ) {
        let text = words.join(" ");
        if let Ok(plan) = parse(&text) {
            prop_assert!(plan.runs().count() == usize::from(plan.len()));
        }
    }
}
