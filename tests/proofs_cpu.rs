//! Proofs of the types that load CPUs, caches and memory, and of the
//! affinity intents that follow the machine's topology.

use crate::{at_least, counter, good, good_exact, group, machine};
use pidone::wire::record::Verdict;
use xtask::boot::{BootRequest as Args, boot};
use xtask::model::{Report, Run};

const PLAN: &str = "time=300ms work=CachePressure size_kib=64 \
    work=CachePressure size_kib=32768 stride=4160 \
    work=CacheYield workers=4 \
    work=CachePipe workers=4 \
    work=IdleChurn affinity=single_cpu precise_timing=on \
    work=PageFaultChurn \
    work=IpcVariance hot_iters=10000 period_iters=4 \
    work=SmtSiblingSpin work=SpinWait affinity=smt_sibling_pair:shared \
    work=CachePressure size_kib=1048576";

/// The same with every width that there is.
const WIDTHS: &str = "time=20ms \
    work=AluHot width=scalar work=AluHot width=vec128 \
    work=AluHot width=vec256 work=AluHot width=amx work=AluHot";

#[test]
fn on_6_12() {
    prove("debian:6.12-cloud", &AVX2);
}

#[test]
fn on_6_1() {
    prove("debian:6.1-cloud", &AVX2);
}

/// The registers that QEMU offers without KVM.
pub(crate) struct Registers {
    /// Multiplications in general registers, and in vectors of 128 and 256
    /// bits.
    pub(crate) multiplies: [u64; 3],
    /// Of the runs, those of vectors of some width, and of twice that.
    pub(crate) twice: [usize; 2],
}

/// AVX2 and narrower, by QEMU 7.2.
const AVX2: Registers = Registers {
    multiplies: [4, 16, 32],
    twice: [1, 2],
};

pub(crate) fn prove(kernel: &str, registers: &Registers) {
    let report = good(kernel, PLAN);
    caches(&report);
    pipes(&report);
    idling(&report);
    faults(&report);
    widths(&good_exact(kernel, WIDTHS), registers);
    variance(&report);
    no_siblings(&report);
    let huge = report.runs.last().unwrap();
    assert_eq!(huge.verdict, Verdict::Skip);
    assert_eq!(huge.reasons, ["LOW_MEMORY"]);
}

fn caches(report: &Report) {
    let walk = group(report, "CachePressure");
    assert!(walk.iterations > 0);
    assert_eq!(walk.work_units / 1024, walk.iterations);
    assert_eq!(walk.hist["cost"].count, walk.iterations);
    let pages: u64 = walk.workers[0].numa_pages.values().sum();
    assert_eq!(pages, 64 / 4, "the region is all in memory");
    // Each access on another page, and more pages than fit anywhere. How much
    // longer that takes is the host's to say.
    let far = &report.runs[1].groups[0];
    let pages: u64 = far.workers[0].numa_pages.values().sum();
    assert_eq!(pages, 32768 / 4);
    let (near, far) = (walk.hist["cost"].p50_ns, far.hist["cost"].p50_ns);
    println!("far memory takes {far} ns, near memory {near} ns");

    let yields = group(report, "CacheYield");
    assert!(yields.iterations > 0);
    at_least(
        counter(report, "CacheYield", "yld_count"),
        95,
        yields.iterations,
    );
    assert_eq!(yields.hist["call"].count, yields.iterations);
    assert_eq!(yields.hist["cost"].count, yields.iterations);
    assert!(yields.sum(|w| w.migrations).is_some());
}

fn pipes(report: &Report) {
    let pipe = group(report, "CachePipe");
    let all = pipe.sum(|w| w.nr_wakeups).unwrap();
    let sync = pipe.sum(|w| w.nr_wakeups_sync).unwrap();
    assert!(sync * 100 > all * 95, "{sync} of {all} are synchronous");
    let wake = &pipe.hist["wake"];
    assert!(wake.count > 0);
    assert_eq!(wake.count + pipe.nowait, pipe.iterations);
    at_least(pipe.work_units, 100, 1024 * pipe.iterations);
}

fn idling(report: &Report) {
    let idle = group(report, "IdleChurn");
    let worker = &idle.workers[0];
    let sleeps = worker.nvcsw.unwrap();
    at_least(sleeps, 95, worker.iterations);
    at_least(worker.iterations + 2, 95, sleeps);
    assert_eq!(idle.hist["timer"].count, idle.iterations);
    // Once idle for every sleep.
    let idled = counter(report, "IdleChurn", "sched_goidle");
    at_least(idled, 95, idle.iterations);
    // 1 ms of 6 ms, and no more than a bit late.
    at_least(worker.wall_ns, 250, worker.cpu_ns);
}

fn faults(report: &Report) {
    let churn = group(report, "PageFaultChurn");
    let worker = &churn.workers[0];
    assert_eq!(churn.metrics["touches"], 256);
    assert_eq!(churn.metrics["page_bytes"], 4096);
    let touches = 256 * churn.iterations;
    assert!(touches > 0);
    let minflt = worker.minflt.unwrap();
    assert!(minflt >= touches, "{minflt} for {touches}");
    // Of its own it has few: its stack, and pages that are now its own.
    assert!(minflt - touches < 512, "{minflt} for {touches}");
    at_least(counter(report, "PageFaultChurn", "pgfault"), 99, touches);
    // The stop may come in the middle of an iteration.
    let whole = |count: u64, each| count / each == churn.iterations;
    assert!(whole(churn.hist["fault"].count, 16), "{churn:?}");
    assert!(whole(churn.hist["call"].count, 1), "{churn:?}");
    assert!(whole(churn.work_units, 256 + 64), "{churn:?}");
}

fn widths(report: &Report, registers: &Registers) {
    let figures = report.runs.iter().map(|run| {
        let group = &run.groups[0];
        assert!(group.iterations > 0);
        assert_eq!(group.work_units, 1024 * group.iterations);
        assert_eq!(group.hist["cost"].count, group.iterations);
        let metric = |name: &str| group.metrics[name];
        let degraded = run.reasons == ["WIDTH"];
        assert_eq!(run.verdict == Verdict::Degraded, degraded);
        let asked = metric("width_requested");
        let used = metric("width_resolved");
        assert_eq!(degraded, asked != 0 && asked != used);
        (asked, used, metric("multiplies_per_step"))
    });
    let figures: Vec<_> = figures.collect();
    let [scalar, narrow, wide] = registers.multiplies;
    let known = [(64, 64, scalar), (128, 128, narrow), (256, 256, wide)];
    assert_eq!(figures[..3], known);
    // Asked for tiles, and for the widest.
    let (tiles, widest) = (figures[3], figures[4]);
    assert_eq!((tiles.0, widest.0), (8192, 0));
    assert_eq!((tiles.1, tiles.2), (widest.1, widest.2));
    assert!(widest.1 >= 256);
    // Twice the lanes in one instruction, and time is instructions here.
    let rate = |at: usize| {
        let fastest = report.runs[at].groups[0].hist["cost"].min_ns;
        (figures[at].1, 1024 * figures[at].2 * 1000 / fastest)
    };
    let [(half, narrow), (whole, wide)] = registers.twice.map(rate);
    assert_eq!(2 * half, whole);
    println!("{narrow} and {wide} multiplications per us");
    assert!(wide * 10 > narrow * 19, "{narrow} and {wide} per us");
}

fn variance(report: &Report) {
    let group = group(report, "IpcVariance");
    let (hot, cold) = (&group.hist["cost_hot"], &group.hist["cost_cold"]);
    let cycles = group.iterations;
    assert!(cycles > 0);
    assert_eq!(group.hist["cost"].count, cycles);
    // Whole phases of 10000 steps and 1024 touches, and pieces of the last.
    assert!(hot.count >= 4 * cycles && cold.count >= 4 * cycles);
    let done = 10_000 * hot.count + 1024 * cold.count;
    assert!(group.work_units >= done);
    assert!(group.work_units <= done + 11_024);
    let (step, touch) = (hot.p50_ns * 1000 / 10_000, cold.p50_ns * 1000 / 1024);
    println!("{step} ps a step, {touch} ps a touch");
}

/// A machine of one socket with two cores of two threads.
fn with_siblings(kernel: &str, plan: &str) -> Report {
    let (report, _code) = boot(&Args {
        smp: "1n1l2c2t".parse().unwrap(),
        plan: plan.split_whitespace().map(str::to_owned).collect(),
        ..machine(kernel)
    })
    .unwrap();
    report
}

#[test]
fn siblings_are_two_threads_of_one_core() {
    siblings("debian:6.12-cloud");
}

pub(crate) fn siblings(kernel: &str) {
    let plan = "time=200ms work=SmtSiblingSpin workers=4 \
        work=SmtSiblingSpin workers=4 affinity=smt_sibling_pair:shared \
        work=SpinWait workers=2 affinity=smt_sibling_pair clone=thread \
        work=SpinWait affinity=llc_aligned";
    let report = with_siblings(kernel, plan);
    assert_eq!(report.lost_records, 0);
    let hello = report.hello.as_ref().unwrap();
    assert_eq!((hello.cpus, hello.cores, hello.llcs), (4, 2, 1));
    assert_eq!(report.runs.len(), 4);
    let masks = |run: &Run| -> Vec<Vec<u32>> {
        assert_eq!(run.verdict, Verdict::Ok, "{:?}", run.reasons);
        let workers = run.groups[0].workers.iter();
        let mask = workers.map(|worker| {
            let (used, mask) = (&worker.cpus_used, &worker.cpus_allowed);
            assert!(!used.is_empty());
            assert!(used.iter().all(|cpu| mask.contains(cpu)));
            mask.clone()
        });
        mask.collect()
    };
    let [split, shared, loose, llc] = [0, 1, 2, 3].map(|i| &report.runs[i]);
    assert_eq!(masks(split), [[0], [1], [2], [3]]);
    assert_eq!(masks(shared), [[0, 1], [0, 1], [2, 3], [2, 3]]);
    assert_eq!(masks(loose), [[0], [1]]);
    assert_eq!(masks(llc), [[0, 1, 2, 3]]);
    let spin = &split.groups[0];
    assert_eq!(spin.hist["cost"].count, spin.iterations);
    assert_eq!(spin.work_units, 1024 * spin.iterations);
}

/// The machine has no core with two threads.
fn no_siblings(report: &Report) {
    let skips = report.runs.iter().filter(|r| r.reasons == ["NO_SMT"]);
    let names: Vec<_> =
        skips.map(|r| (r.name.as_str(), r.verdict.name())).collect();
    assert_eq!(names, [("SmtSiblingSpin", "skip"), ("SpinWait", "skip")]);
}
