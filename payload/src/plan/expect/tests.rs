//! Tests of conditions.

use super::figure::{Figures, Stat};
use super::totals::{FIGURES, Totals};
use super::{Expect, Judged, Kind};
use crate::kit::exit::Exit;
use crate::kit::histogram::{Summary, bucket_of};
use crate::kit::task::{Counter, TaskCounters};
use crate::row::Row;
use crate::wire::record::{Pairs, Worker};
use crate::workloads;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use std::string::{String, ToString};
use std::{format, vec::Vec};

const COUNTERS: &[&str] = &["ctxt", "ttwu_count"];

fn row(group: usize) -> Option<&'static Row> {
    let works = ["PipeIo", "FutexFanOut", "SpinWait", "SpinWait"];
    workloads::row(works.get(group)?)
}

fn counter(index: usize) -> Option<&'static str> {
    COUNTERS.get(index).copied()
}

/// A run of the groups of [`row`], with an equal value for every figure
/// but those listed, and two samples in `wake`.
struct Run<'a> {
    all: Option<u64>,
    but: &'a [(usize, &'a str, Option<u64>)],
}

impl Figures for Run<'_> {
    fn work(&self, group: usize) -> Option<&str> {
        Some(row(group)?.name)
    }

    fn hist(&self, group: usize, name: &str, stat: Stat) -> Option<u64> {
        let (fast, slow) = (1_000, 100_000);
        let full = Summary {
            count: 100,
            sum_ns: 95 * fast + 5 * slow,
            min_ns: fast,
            max_ns: slow,
        };
        let buckets = [(bucket_of(fast), 95), (bucket_of(slow), 5)];
        match (group, name) {
            (0, "wake") => stat.of(&full, buckets.into_iter()),
            (_, "wake") => stat.of(&Summary::default(), [].into_iter()),
            _ => None,
        }
    }

    fn figure(&self, group: usize, name: &str) -> Option<u64> {
        let mut but = self.but.iter();
        match but.find(|(g, n, _)| (*g, *n) == (group, name)) {
            Some((_, _, value)) => *value,
            None => self.all,
        }
    }

    fn counter(&self, name: &str) -> Option<u64> {
        (name == "ctxt").then_some(7)
    }
}

fn judge(text: &str, run: &Run<'_>) -> (bool, Option<u64>) {
    let expect = Expect::parse(text).expect(text);
    let Judged { held, milli } = expect.evaluate(run);
    (held, milli)
}

fn check(text: &str) -> Result<Kind, String> {
    let expect = Expect::parse(text).map_err(|e| e.to_string())?;
    expect.check(&row, counter).map_err(|e| e.to_string())?;
    Ok(expect.kind())
}

#[test]
fn conditions_and_what_they_compare() {
    for (text, kind) in [
        ("wake.p99<500us", Kind::Duration),
        ("wake.p999<=1.5ms", Kind::Duration),
        ("wake.p99.9<1m", Kind::Duration),
        ("wake.p5>1ns", Kind::Duration),
        ("wake.mean<80us", Kind::Duration),
        ("wake.sum<g1.wake.max*2", Kind::Duration),
        ("wake.count>1000", Kind::Number),
        ("PipeIo.wake.p50<FutexFanOut.wake.p50*0.5", Kind::Duration),
        ("iterations>=1000", Kind::Number),
        ("work_units!=0", Kind::Number),
        ("FutexFanOut.missed==0", Kind::Number),
        ("g1.stale=0", Kind::Number),
        ("kernel.ctxt>0", Kind::Number),
        ("kernel.ctxt/g1.iterations<3", Kind::Number),
        ("rate>5000", Kind::Rate),
        ("rate>5000/1s", Kind::Rate),
        ("g1.rate>g0.rate*0.5", Kind::Rate),
        ("g1.rate>g0.rate*50%", Kind::Rate),
        ("g0.rate/g1.rate>=95%", Kind::Number),
        ("nvcsw/wall<1000", Kind::Rate),
        ("nr_wakeups_sync/nr_wakeups>0.95", Kind::Number),
        ("cpu/iterations<10us", Kind::Duration),
        ("cpu/wall/workers>90%", Kind::Number),
        ("run_delay/run_count<100us", Kind::Duration),
        ("max_gap<5ms", Kind::Duration),
        ("wake.p99/wake.p50<10", Kind::Number),
        ("iterations>18446744073709551615", Kind::Number),
    ] {
        assert_eq!(check(text), Ok(kind), "{text}");
    }
    let list: Vec<_> = Expect::list("nowait<10,rate>5").collect();
    let list: Vec<_> = list.iter().flatten().map(|e| e.text).collect();
    assert_eq!(list, ["nowait<10", "rate>5"]);
    assert!(Expect::list("nowait<10,").any(|e| e.is_err()));
}

#[test]
fn every_mistake_has_its_message() {
    const COMPARES: &str = ": a condition is a figure, one of";
    const NAME: &str = ": a figure is made of letters";
    const NUMBER: &str = ": a value is a number, a percentage or";
    const STAT: &str = ": a histogram has .count, .sum";
    const TERMS: &str = ": a side is up to 4 figures and numbers";
    for (text, part, message) in [
        ("", "", COMPARES),
        ("iterations", "iterations", COMPARES),
        ("iterations>", "iterations>", COMPARES),
        ("<500us", "<500us", COMPARES),
        ("1<iterations<5", "1<iterations<5", COMPARES),
        ("nowait=<5", "nowait=<5", COMPARES),
        ("nowait!5", "nowait!5", COMPARES),
        ("5<nowait", "5", ": a figure stands before the"),
        ("wake.p99 <5us", "wake.p99 ", STAT),
        ("nowait <5", "nowait ", NAME),
        ("now-ait<5", "now-ait", NAME),
        (".wake<5", ".wake", NUMBER),
        ("g0.<5", "g0.", NAME),
        ("kernel.ctxt.max<5", "kernel.ctxt.max", NAME),
        ("nowait<5k", "5k", NUMBER),
        ("nowait<1.", "1.", NUMBER),
        ("nowait<1.2.3", "1.2.3", NUMBER),
        ("nowait<0.0000000001", "0.0000000001", NUMBER),
        (
            "nowait<18446744073709551616",
            "18446744073709551616",
            NUMBER,
        ),
        (
            "max_gap<18446744073709551615s",
            "18446744073709551615s",
            NUMBER,
        ),
        ("nowait</5", "/5", TERMS),
        ("nowait//5>1", "nowait//5", TERMS),
        ("nowait/<5", "nowait/", TERMS),
        ("nowait<1*2*3*4*5", "1*2*3*4*5", TERMS),
        ("nowait/0<5", "nowait/0", ": nothing is divided by 0"),
        ("wake<5ms", "wake", STAT),
        ("wake.99<5ms", "wake.99", STAT),
        ("wake.p<5ms", "wake.p", STAT),
        ("wake.p0<5ms", "wake.p0", STAT),
        ("wake.p100<5ms", "wake.p100", STAT),
        ("wake.p100.0<5ms", "wake.p100.0", STAT),
        ("wake.p99.<5ms", "wake.p99.", STAT),
        ("wake.p9\u{e9}<5ms", "wake.p9\u{e9}", STAT),
        ("wake.median<5ms", "wake.median", STAT),
        (
            "wak.p99<5ms",
            "wak",
            ": PipeIo has no such histogram; nearest is `wake`",
        ),
        (
            "timer.p99<5ms",
            "timer",
            ": PipeIo has no such histogram; valid are wake, wake_call, block",
        ),
        (
            "itertions>5",
            "itertions",
            ": PipeIo has no such figure; nearest is `iterations`",
        ),
        (
            "cpuu<5ms",
            "cpuu",
            ": PipeIo has no such figure; nearest is `cpu`",
        ),
        (
            "missed=0",
            "missed",
            ": PipeIo has no such figure; valid are iterations, work_units",
        ),
        (
            "kernel.ctx>0",
            "ctx",
            ": kernel has no such counter; nearest is `ctxt`",
        ),
        (
            "kernel.bogus>0",
            "bogus",
            ": kernel has no such counter; valid are ctxt, ttwu_count",
        ),
        (
            "g4.rate>5",
            "g4.rate",
            ": the run has no such group; its groups are g0 to g3",
        ),
        (
            "Bursty.rate>5",
            "Bursty.rate",
            ": the run has no such group; its",
        ),
        (
            "PipeIO.rate>5",
            "PipeIO",
            ": pidone has no such work type; nearest is `PipeIo`",
        ),
        ("SpinWait.rate>5", "SpinWait.rate", ": the run has several"),
        (
            "wake.p99<500",
            "wake.p99",
            " is a duration and `500` a number; a duration is a number and",
        ),
        (
            "iterations>5ms",
            "iterations",
            " is a number and `5ms` a duration",
        ),
        (
            "rate>5ms",
            "rate",
            " is a rate per second and `5ms` a duration",
        ),
        (
            "cpu>iterations",
            "cpu",
            " is a duration and `iterations` a number",
        ),
        (
            "rate>iterations",
            "rate",
            " is a rate per second and `iterations` a number",
        ),
        (
            "iterations>5%",
            "iterations",
            " is a number and `5%` a percentage; a percentage is of a ratio",
        ),
        (
            "rate>5%",
            "rate",
            " is a rate per second and `5%` a percentage",
        ),
        (
            "iterations/nowait<5%*1s",
            "iterations/nowait",
            " is a number and `5%*1s` a duration",
        ),
        (
            "cpu*wall>5",
            "cpu*wall",
            " is no number, duration or rate and",
        ),
    ] {
        let error = check(text).expect_err(text);
        let start = format!("`{part}`{message}");
        assert!(error.starts_with(&start), "{text}: {error}");
    }
}

#[test]
fn what_is_refused_is_not_held_either() {
    let run = Run {
        all: Some(0),
        but: &[],
    };
    for text in ["max_gap<500", "iterations<5%", "cpu*wall=0"] {
        assert_eq!(judge(text, &run), (false, None), "{text}");
    }
}

#[test]
fn figures_are_judged_exactly() {
    let run = Run {
        all: Some(0),
        but: &[
            (0, "iterations", Some(10_000)),
            (0, "wall", Some(3_000_000_000)),
            (1, "iterations", Some(9_999)),
            (1, "wall", Some(3_000_000_000)),
            (0, "cpu", Some(1_500_000_001)),
            (0, "nvcsw", None),
        ],
    };
    for (text, held, milli) in [
        ("iterations>=10000", true, Some(10_000_000)),
        ("iterations>10000", false, Some(10_000_000)),
        ("iterations=10000.000000001", false, Some(10_000_000)),
        ("iterations!=9999", true, Some(10_000_000)),
        ("rate>3333.333333333", true, Some(3_333_333)),
        ("rate<3333.333333334", true, Some(3_333_333)),
        ("rate=200000/1m", true, Some(3_333_333)),
        ("iterations/wall=g0.rate", true, Some(3_333_333)),
        ("rate=iterations/3s", true, Some(3_333_333)),
        ("g1.rate<g0.rate", true, Some(3_333_000)),
        ("g1.rate/g0.rate=99.99%", true, Some(999)),
        (
            "FutexFanOut.rate>=PipeIo.rate*0.9999",
            true,
            Some(3_333_000),
        ),
        ("g1.rate>g0.rate*0.9999", false, Some(3_333_000)),
        ("cpu/wall>50%", true, Some(500)),
        ("cpu/iterations<=150us", false, Some(150_000_000)),
        ("cpu/iterations<150.001us", true, Some(150_000_000)),
        ("cpu=1500.000001ms", true, Some(1_500_000_001_000)),
        ("wall/rate>0ns", false, None),
        ("wake.count=100", true, Some(100_000)),
        ("wake.min=1us", true, Some(1_000_000)),
        ("wake.max<100us", false, Some(100_000_000)),
        ("wake.max<=100us", true, Some(100_000_000)),
        ("wake.mean=5950ns", true, Some(5_950_000)),
        ("wake.p95<=1008ns", true, Some(1_003_000)),
        ("wake.p951<100us", true, Some(99_839_000)),
        ("wake.p951>98us", true, Some(99_839_000)),
        ("wake.p99/wake.p50<100", true, Some(99_540)),
        ("kernel.ctxt/iterations=0.07%", true, Some(0)),
        ("nowait=0", true, Some(0)),
        // Absent: an empty histogram, a kernel that does not tell, a
        // histogram or group that is not there, and division by zero.
        ("g1.wake.count=0", true, Some(0)),
        ("g1.wake.p99<1s", false, None),
        ("g1.wake.max>=0ns", false, None),
        ("g1.wake.mean<1s", false, None),
        ("nvcsw>=0", false, None),
        ("nvcsw!=1", false, None),
        ("iterations!=nvcsw", false, None),
        ("kernel.bogus=0", false, None),
        ("block.count=0", false, None),
        ("g9.iterations=0", false, None),
        ("SpinWait.iterations=0", false, None),
        ("nowait/minflt<1", false, None),
        ("nowait/minflt!=1", false, None),
        ("g2.rate=0", false, None),
        ("iterations/g2.rate>=0", false, None),
        ("cpu/rate>=0", false, None),
        ("iterations>iterations/minflt", false, None),
    ] {
        assert_eq!(judge(text, &run), (held, milli), "{text}");
    }
}

#[test]
fn the_largest_figures_neither_wrap_nor_panic() {
    let run = Run {
        all: Some(u64::MAX),
        but: &[(1, "wall", Some(1)), (1, "nowait", Some(u64::MAX - 1))],
    };
    let most = Some(u64::MAX);
    for (text, held, milli) in [
        ("iterations=18446744073709551615", true, most),
        ("iterations>18446744073709551614", true, most),
        ("iterations/g1.nowait>1", true, Some(1000)),
        ("g1.nowait/iterations<1", true, Some(999)),
        ("g1.rate/g0.rate=18446744073709551615", true, most),
        ("rate=1000000000", true, Some(1_000_000_000_000)),
        ("g1.rate>g0.rate*g1.rate*wall", false, most),
        ("g1.rate*minflt*minflt*minflt>g0.rate", true, most),
        ("nowait*minflt*nvcsw*cpu>wall*cpu/cpu", true, most),
    ] {
        assert_eq!(judge(text, &run), (held, milli), "{text}");
    }
}

fn worker(index: u32, nvcsw: Option<u64>) -> Worker<'static> {
    Worker {
        run: 0,
        group: 0,
        index,
        pos: 0,
        role: "",
        tid: 1,
        tasks: 1,
        iterations: 5 + u64::from(index),
        work_units: u64::MAX,
        wall_ns: 8,
        cpu_ns: 9,
        nowait: 10,
        stale: 0,
        first_ns: 11,
        kernel: TaskCounters::default()
            .with(Counter::Nvcsw, nvcsw)
            .with(Counter::Nivcsw, Some(3)),
        migrations_seen: 13,
        cpus_used: &[],
        max_gap_ns: 100 - u64::from(index),
        max_gap_cpu: 0,
        max_gap_at_ns: 0,
        max_cpu_gap_ns: 17,
        effective: None,
        numa_pages: Pairs(""),
        completed: true,
        exit: Exit::Code(0),
        counted: true,
    }
}

#[test]
fn totals_are_sums_maxima_or_absent() {
    let mut totals = Totals::new(77);
    totals.add(&worker(0, Some(1)));
    totals.add(&worker(1, None));
    totals.add(&worker(2, Some(1)));
    for (name, value) in [
        ("wall", Some(77)),
        ("workers", Some(3)),
        ("iterations", Some(18)),
        ("work_units", Some(u64::MAX)),
        ("max_gap", Some(100)),
        ("nivcsw", Some(9)),
        ("nvcsw", None),
        ("run_delay", None),
        ("rate", None),
        ("bogus", None),
    ] {
        assert_eq!(totals.get(name), value, "{name}");
    }
}

#[test]
fn figures_are_documented_and_no_row_hides_one() {
    let page = include_str!("../../../../docs/expect.md");
    let examples = page.split_whitespace();
    for text in examples.filter_map(|word| word.strip_prefix("expect=")) {
        assert!(Expect::list(text).all(|e| e.is_ok()), "{text}");
    }
    for figure in FIGURES {
        let name = figure.name;
        assert!(page.contains(&format!("`{name}`")), "{name}");
        for row in workloads::rows() {
            let mut metrics = row.metrics.iter();
            assert!(metrics.all(|m| m.name != name), "{}", row.name);
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}", all in any::<Option<u64>>()) {
        let _checked = check(&text);
        for expect in Expect::list(&text).flatten() {
            let _judged = expect.evaluate(&Run { all, but: &[] });
        }
    }

    #[test]
    fn nothing_like_a_condition_panics(
        text in "((g[0-9]|kernel|PipeIo)\\.)?(rate|cpu|wake|ctxt|[0-9.]{1,4})\
                 (\\.(p[0-9.]{0,5}|max|mean))?[*/]?(wall|0|7%|3ms)?\
                 [<>=!]{1,2}(g1\\.)?(rate|wall|[0-9]{1,20}(\\.[0-9]{1,10})?\
                 (ns|s|m|%)?)([*/](0\\.5|5%|cpu))?",
        all in any::<Option<u64>>(),
    ) {
        let _checked = check(&text);
        if let Ok(expect) = Expect::parse(&text) {
            let judged = expect.evaluate(&Run { all, but: &[] });
            prop_assert!(!judged.held || judged.milli.is_some());
        }
    }

    #[test]
    fn ratios_compare_as_fractions_do(
        a in any::<u32>(),
        b in 1..u32::MAX,
        c in any::<u32>(),
        factor in 0..1_000_000_u64,
    ) {
        let but = [
            (0, "iterations", Some(u64::from(a))),
            (0, "nowait", Some(u64::from(b))),
            (0, "nvcsw", Some(u64::from(c))),
        ];
        let run = Run { all: None, but: &but };
        let text = format!("iterations/nowait<=nvcsw*0.{factor:06}");
        let (a, b, c) = (u128::from(a), u128::from(b), u128::from(c));
        let held = a * 1_000_000 <= b * c * u128::from(factor);
        let milli = u64::try_from(a * 1000 / b).ok();
        prop_assert_eq!(judge(&text, &run), (held, milli));
    }
}
