//! Tests of the plan: its grammar, its sources, and what it refuses.

use super::{Plan, Sources, builtin};
use crate::kit::cpus::Cpus;
use crate::plan::settings::{BOOT_KEYS, GROUP_KEYS, RUN_KEYS, STARTS, Workers};
use crate::plan::token::Source;
use crate::plan::tunables::is_key;
use crate::row::Kind;
use crate::row::attr::scx::Scx;
use crate::workloads::rows;
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
    assert_eq!(burst.count(&burst.params()[0]), 7);
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
            "output=ktap,lav work=PipeIo",
            "bad plan: `output=ktap,lav`: output is a list of ktap, lava and \
             records",
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
        (
            "work=Sequence",
            "bad plan: `work=Sequence`: Sequence has no default phases; for \
             example phases=spin:5ms,sleep:10ms",
        ),
        (
            "work=Sequence phases=spin:5",
            "bad plan: `phases=spin:5`: phases is 1 to 32 of spin:D, \
             sleep:D, yield:D, io:D and alu_hot:WIDTH/D, each duration D \
             above zero, for example spin:5ms,sleep:10ms",
        ),
        (
            "work=Sequence phases=io:5ms dev=/dev/vdb",
            "bad plan: `work=Sequence`: dev goes with io_backing=device",
        ),
        (
            "work=PriorityInversion low_priority=50",
            "bad plan: `work=PriorityInversion`: high_priority > \
             medium_priority > low_priority must hold",
        ),
    ] {
        assert_eq!(error(plan), message);
    }
    let unknown = error("work=PipeIo bogus=1");
    assert!(unknown.contains("valid are work, with, time"), "{unknown}");
    assert!(unknown.ends_with("burst_iters"), "{unknown}");
}

#[test]
fn a_scheduler_is_a_boot_key() {
    let plan = parse("scx=\"/bin/scx -s 5\" policy=ext work=PipeIo").unwrap();
    assert_eq!(plan.boot.scx, Some(Scx::Program("/bin/scx -s 5")));
    assert_eq!(parse("work=PipeIo").unwrap().boot.scx, None);
    assert!(error("scx=scx_simple").contains("scx is fifo or stall"));
    assert!(error("work=PipeIo scx=fifo").contains("a boot key stands"));
    let given = "work=PipeIo policy=ext require_ext=false";
    assert!(parse(given).is_ok());
    let lacks = "policy=batch work=PipeIo require_ext=true";
    assert!(error(lacks).contains("require_ext needs policy=ext"));
}

#[test]
fn attributes_of_tasks_keep_their_rules() {
    for (bad, rule) in [
        ("workers_pct=0", "share of the CPUs"),
        ("workers_pct=0.0", "share of the CPUs"),
        ("workers_pct=-5", "share of the CPUs"),
        ("workers_pct=inf", "share of the CPUs"),
        ("workers_pct=nan", "share of the CPUs"),
        ("workers_pct=1e3", "share of the CPUs"),
        ("workers_pct=12.", "share of the CPUs"),
        ("workers_pct=.5", "share of the CPUs"),
        ("workers_pct=0.0001", "share of the CPUs"),
        ("workers_pct=1000001", "share of the CPUs"),
        ("workers=2 workers_pct=100", "exclude each other"),
        ("workers_pct=100 workers=2", "exclude each other"),
        ("numa_node=x", "number of a node"),
        ("numa_node=-1", "number of a node"),
        ("numa_node=1024", "number of a node"),
        ("numa_node=0-1", "number of a node"),
        ("affinity=inherit numa_node=0", "exclude each other"),
        ("affinity=cross_cgroup:0", "an affinity is"),
        ("cgroup=", "cgroup is a name"),
        ("cgroup=.", "cgroup is a name"),
        ("cgroup=a/b", "cgroup is a name"),
        ("cgroup=cgroup.procs", "cgroup is a name"),
        ("cpu.weight=100", "need a cgroup=NAME"),
        ("cgroup=root cpu.weight=100", "need a cgroup=NAME"),
        ("cgroup=a cpu.weight=0", "1 to 10000"),
        ("cgroup=a cpu.max=50000", "QUOTA/PERIOD"),
        ("cgroup=a cpuset.cpus=3-1", "CPU list"),
        ("cgroup=a cpuset.mems=", "list of nodes"),
        ("cgroup=a memory.max=0", "number of bytes"),
        ("cgroup=a cpu.idle=1", "no such key"),
        ("mempolicy=bind", "takes :NODES"),
        ("mempolicy=bind:", "list of nodes"),
        ("mempolicy=local:0", "has no nodes"),
        ("mempolicy=preferred:0-1", "takes one node"),
        ("mempolicy=mbind:0", "a memory policy is"),
        ("mpol_flags=static_nodes", "goes with a mempolicy"),
        ("mempolicy=bind:0 mpol_flags=static", "mpol_flags is a list"),
        (
            "mempolicy=bind:0 mpol_flags=static_nodes,relative_nodes",
            "exclude each other",
        ),
        (
            "mempolicy=interleave:0 mpol_flags=numa_balancing",
            "bind and preferred_many only",
        ),
        ("comm=", "1 to 15 bytes"),
        ("comm=0123456789abcdef", "1 to 15 bytes"),
        ("comm=a\0b", "1 to 15 bytes"),
        ("pcomm=", "1 to 15 bytes"),
        ("pcomm=0123456789abcdef", "1 to 15 bytes"),
        ("uid=-1", "0 to 4294967294"),
        ("uid=4294967295", "0 to 4294967294"),
        ("uid=root", "0 to 4294967294"),
        ("gid=", "0 to 4294967294"),
        ("gid=4294967296", "0 to 4294967294"),
        (
            "cgroup=a cpu.weight=1 with=Mixed cgroup=a cpu.weight=2",
            "two groups give their cgroup a different cpu.weight",
        ),
        (
            "clone=thread cgroup=a with=Mixed cgroup=b",
            "threads of one process and so in one cgroup",
        ),
    ] {
        let message = error(&format!("work=SpinWait {bad}"));
        assert!(message.contains(rule), "{bad}: {message}");
    }
    for good in [
        "workers_pct=12.5",
        "workers_pct=0.001",
        "cgroup=a cpu.weight=1 with=Mixed cgroup=a cpuset.cpus=0",
        "cgroup=a cpu.weight=1 with=Mixed cgroup=b cpu.weight=2",
        "clone=thread cgroup=a with=Mixed cgroup=b pcomm=x",
        "comm=0123456789abcde pcomm=x uid=0 gid=4294967294",
        "mempolicy=bind:0 mpol_flags=relative_nodes,numa_balancing",
        "affinity=cross_cgroup",
    ] {
        let plan = format!("work=SpinWait {good}");
        assert!(parse(&plan).is_ok(), "{good}");
    }
    // An inner scope may say anew what an outer one said another way.
    parse("workers=2 numa_node=0 work=SpinWait workers_pct=50").unwrap();
}

#[test]
fn what_acts_on_a_process_or_a_cgroup_is_refused_elsewhere() {
    for row in rows().filter(|row| row.fork_only) {
        let name = row.name;
        for threads in ["clone=thread", "pcomm=x"] {
            let given = row.example.replace("cgroup=smoke", "");
            let plan = format!("work={name} cgroup=a {given} {threads}");
            let message = error(&plan);
            assert!(message.contains("whole process"), "{message}");
        }
    }
    for row in rows().filter(|row| row.in_cgroup) {
        for root in ["", "cgroup=root"] {
            let message = error(&format!("work={} {root}", row.name));
            assert!(message.contains("cgroup=NAME"), "{message}");
        }
    }
}

#[test]
fn shares_of_the_cpus_are_rounded_up() {
    for (pct, cpus, workers) in [
        ("150", 1, 2),
        ("100", 4, 4),
        ("0.001", 64, 1),
        ("12.5", 8, 1),
        ("12.501", 8, 2),
        ("250", 3, 8),
    ] {
        let text = format!("work=SpinWait workers_pct={pct}");
        let plan = parse(&text).unwrap();
        let run = plan.runs().next().unwrap();
        assert_eq!(run.groups[0].workers(cpus).unwrap(), workers, "{pct}");
    }
    let plan = parse("work=PipeIo workers_pct=100").unwrap();
    let run = plan.runs().next().unwrap();
    let odd = run.groups[0].workers(3).unwrap_err().to_string();
    assert!(odd.contains("nearest is `4`"), "{odd}");
}

#[test]
fn groups_of_one_cgroup_share_its_cpus() {
    let plan = parse(
        "work=SpinWait cgroup=a with=Mixed cgroup=a cpuset.cpus=1-2 \
         with=Mixed",
    )
    .unwrap();
    let run = plan.runs().next().unwrap();
    let all = Cpus::parse("0-1").unwrap();
    let usable = run.groups.iter().map(|group| run.usable(group, &all, &all));
    let lists: Vec<_> = usable.map(|cpus| cpus.to_string()).collect();
    assert_eq!(lists, ["1", "1", "0-1"]);
}

#[test]
fn every_parameter_refuses_what_is_outside_its_range() {
    for row in rows() {
        for param in row.params {
            let name = param.name;
            let bad = match param.kind {
                Kind::Count { max, .. } => (max + 1).to_string(),
                Kind::CountOr { max, .. } => (u64::from(max) + 1).to_string(),
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

#[test]
fn traces() {
    let plan = parse(
        "trace=sched trace_kib=64 work=PipeIo trace_stop=wake>500us \
         work=SpinWait trace=off work=PipeIo with=TimerLatency \
         trace=irq,timer:hrtimer_start trace_stop=g1.timer>1ms",
    );
    let plan = plan.unwrap();
    let runs: Vec<_> = plan.runs().collect();
    let events = |at: usize| {
        let events = runs[at].trace.events();
        events.map(|events| events.collect::<Vec<_>>())
    };
    let first = events(0).unwrap();
    assert_eq!((first.len(), first[3]), (5, "sched:sched_switch"));
    assert_eq!(events(1), None);
    assert_eq!(events(2).unwrap(), ["irq", "timer:hrtimer_start"]);
    assert_eq!(runs[0].trace.kib, 64);
    let limit = runs[0].trace.stop.unwrap();
    assert_eq!(limit.over_ns, 500_000);
    assert!(limit.place(0, &runs[0].groups[0]).is_some());
    let limit = runs[2].trace.stop.unwrap();
    let places = (0..2).map(|at| limit.place(at, &runs[2].groups[at]));
    assert!(places.map(|place| place.is_some()).eq([false, true]));
    // Nothing is recorded unless it is asked for.
    let plan = parse("work=PipeIo").unwrap();
    let run = plan.runs().next().unwrap();
    assert!(run.trace.events().is_none() && run.trace.stop.is_none());
}

#[test]
fn traces_that_are_refused() {
    for (plan, message) in [
        ("work=PipeIo trace=", "a list of `sched` and names"),
        ("work=PipeIo trace=sched,", "a list of `sched` and names"),
        ("work=PipeIo trace=sched,off", "a list of `sched` and names"),
        ("work=PipeIo trace=a:b:c", "a list of `sched` and names"),
        ("work=PipeIo trace", "key=value"),
        ("work=PipeIo trace=sched trace=off", "given twice"),
        ("work=PipeIo trace_kib=63", "from 64 to 1048576"),
        ("work=PipeIo trace_kib=1048577", "from 64 to 1048576"),
        ("work=PipeIo trace_stop=wake>1ms", "needs trace=, as in"),
        ("trace=sched work=PipeIo trace_stop=wake", "and a duration"),
        (
            "trace=sched work=PipeIo trace_stop=wake>5",
            "and a duration",
        ),
        (
            "trace=sched work=PipeIo trace_stop=wkae>1ms",
            "PipeIo has no such histogram; valid are wake",
        ),
        (
            "trace=sched work=PipeIo trace_stop=g1.wake>1ms",
            "its groups are g0 to g0",
        ),
        (
            "trace=sched work=Schbench trace_stop=rps>1ms",
            "does not count time",
        ),
        (
            "trace=sched work=Custom custom.exec=/bin/x trace_stop=wake>1ms",
            "known only behind the run",
        ),
    ] {
        let error = error(plan);
        assert!(error.contains(message), "{plan}: {error}");
    }
}

/// Else one would be taken for the other.
#[test]
fn no_parameter_has_the_name_of_a_key() {
    let keys = [STARTS, BOOT_KEYS, RUN_KEYS, GROUP_KEYS].concat();
    for row in rows() {
        for param in row.params {
            let clash = keys.contains(&param.name) || is_key(param.name);
            assert!(!clash, "{}.{}", row.name, param.name);
        }
    }
}

#[test]
fn sample_rates() {
    let plan = parse(
        "sample=999 work=PipeIo work=PipeIo sample=off \
         work=Taobench profile=dcperf sample=50",
    );
    let plan = plan.unwrap();
    let hz: Vec<u32> = plan.runs().map(|r| r.settings.sample).collect();
    assert_eq!(hz, [999, 0, 50]);
    for (plan, message) in [
        ("work=PipeIo sample=0", "from 1 to 100000"),
        ("work=PipeIo sample=100001", "from 1 to 100000"),
        ("sample=dcperf work=Taobench", "from 1 to 100000"),
        ("work=PipeIo sample=1 sample=2", "given twice"),
        ("work=PipeIo sample", "key=value"),
        // What is a type's is never taken for it.
        ("work=Taobench profile=50", "standard, dcperf"),
        ("work=PipeIo profile=50", "no such key"),
        ("profile=50 work=Taobench", "Taobench"),
    ] {
        let error = error(plan);
        assert!(error.contains(message), "{plan}: {error}");
    }
}

#[test]
fn kernel_settings() {
    let plan = "sched_features=NO_A,B sysctl.kernel.x=1 work=PipeIo \
                sched_features=keep sched.base_slice_ns=5 work=PipeIo \
                work=PipeIo \"sysctl.net.ipv4.tcp_rmem=1 2 3\"";
    let plan = parse(plan).unwrap();
    let of = |at: usize| -> Vec<(&str, &str)> {
        let all = plan.distinct()[at].tunables.iter();
        all.map(|it| (it.key, it.value)).collect()
    };
    let features = ("sched_features", "NO_A,B");
    let sysctl = ("sysctl.kernel.x", "1");
    let slice = ("sched.base_slice_ns", "5");
    assert_eq!(of(0), [("sched_features", "keep"), sysctl, slice]);
    assert_eq!(of(1), [features, sysctl]);
    let rmem = ("sysctl.net.ipv4.tcp_rmem", "1 2 3");
    assert_eq!(of(2), [features, sysctl, rmem]);
    let names = |at: usize| -> Vec<&str> {
        plan.distinct()[at].tunables[0]
            .features()
            .unwrap()
            .collect()
    };
    assert_eq!(names(1), ["NO_A", "B"]);
    assert!(names(0).is_empty());
    assert!(is_key("sysctl.a") && is_key("sched.a") && !is_key("schedx.a"));
    assert!(!is_key("sysctl") && !is_key("sched_feature"));
}

#[test]
fn kernel_settings_that_are_refused() {
    let of = "sched_features is `keep`, or a list";
    let name = "are followed by the name of a file";
    for (words, why) in [
        ("sched_features=", "a value to set has 1 to 1000 bytes"),
        ("sched_features", "key=value"),
        ("sched_features=no_a", of),
        ("sched_features=A,,B", of),
        ("sched_features=keep,A", of),
        ("sched.features=NO_A", of),
        ("sched_feature=A", "nearest is `sched_features`"),
        ("sysctl.=1", name),
        ("sysctl.kernel..x=1", name),
        ("sysctl.kernel/x=1", name),
        ("sysctl.../etc/passwd=1", name),
        ("sysctl.x=1 sysctl.x=2", "given twice"),
    ] {
        for plan in [
            std::format!("{words} work=PipeIo"),
            std::format!("work=PipeIo {words}"),
        ] {
            let said = error(&plan);
            assert!(said.contains(why), "{plan}: {said}");
        }
    }
    let many = (0..17).map(|at| std::format!("sysctl.a{at}=1"));
    let many: Vec<_> = many.collect();
    let said = error(&std::format!("{} work=PipeIo", many.join(" ")));
    assert!(said.contains("at most 16 kernel settings"), "{said}");
}
