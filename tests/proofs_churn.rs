//! Proofs of the types that change their class, weight, CPU or nature, from
//! kernel counters.

use crate::{at_least, good, good_exact, group};
use pidone::wire::record::Verdict;
use xtask::model::{Group, Report, Run, Worker};

const PLAN: &str = "time=300ms \
    work=NiceSweep \
    work=AffinityChurn \
    work=PolicyChurn \
    work=PolicyChurn include_ext=true \
    work=PreemptStorm rt_sleep_us=5000 time=500ms \
    work=PriorityInversion period_ms=20 \
    work=RtStarvation time=3s \
    work=RtStarvation time=1s rt_limit=off \
    work=RtStarvation \
    work=Sequence time=1s \
    phases=spin:10ms,sleep:40ms,yield:10ms,io:10ms,alu_hot:vec128/10ms";

const INVERSIONS: &str = "time=600ms \
    work=PriorityInversion period_ms=20 \
    work=PriorityInversion period_ms=20 pi_mode=pi \
    work=PriorityInversion period_ms=20 time=300ms pi_mode=pi clone=thread";

#[test]
fn on_6_12() {
    prove("debian:6.12-cloud", 2);
}

#[test]
fn on_6_1() {
    prove("debian:6.1-cloud", 1);
}

/// `guard` is the number of what protects fair tasks on this kernel.
fn prove(kernel: &str, guard: u64) {
    let report = good(kernel, PLAN);
    one_cpu(&report);
    nice(&report);
    affinity(&report);
    policies(&report);
    storm(&report);
    inversion(&good_exact(kernel, INVERSIONS));
    starvation(&report, guard);
    sequence(&report);
}

fn runs<'r>(report: &'r Report, work: &str) -> Vec<&'r Run> {
    report.runs.iter().filter(|run| run.name == work).collect()
}

fn no_call_failed(group: &Group) {
    for worker in &group.workers {
        assert!(worker.errors.is_empty(), "{:?}", worker.errors);
    }
}

fn in_role<'g>(group: &'g Group, role: &str) -> Vec<&'g Worker> {
    group.workers.iter().filter(|w| w.role == role).collect()
}

/// Some types run on the last CPU unless told otherwise.
fn one_cpu(report: &Report) {
    for work in ["PreemptStorm", "PriorityInversion", "RtStarvation"] {
        for worker in &group(report, work).workers {
            assert_eq!(worker.cpus_used, [1], "{work}");
        }
    }
}

fn nice(report: &Report) {
    let sweep = group(report, "NiceSweep");
    no_call_failed(sweep);
    // Every seventh change is read back.
    let values = (sweep.iterations / 7).min(40);
    assert!(values > 5, "{values}");
    assert_eq!(sweep.metrics["nice_values"], values);
    assert_eq!(sweep.hist["call"].count, sweep.iterations);
    let yields = runs(report, "NiceSweep")[0].kernel.counters["yld_count"];
    at_least(yields, 95, sweep.iterations);
}

fn affinity(report: &Report) {
    let churn = group(report, "AffinityChurn");
    no_call_failed(churn);
    assert_eq!(churn.hist["call"].count, churn.iterations);
    at_least(churn.sum(|w| w.migrations).unwrap(), 95, churn.iterations);
}

fn policies(report: &Report) {
    let churn = group(report, "PolicyChurn");
    no_call_failed(churn);
    let to = |policy: &str| churn.metrics[&format!("to_{policy}")];
    let counts = ["normal", "batch", "idle", "fifo", "rr"].map(to);
    let (least, most) =
        (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*least > 0 && most - least <= 1, "{counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), churn.iterations);
    assert_eq!(to("ext"), 0);
    assert_eq!(churn.metrics["policies_read_back"], 5);

    let with_ext = runs(report, "PolicyChurn")[1];
    assert_eq!(
        with_ext.verdict,
        Verdict::Skip,
        "these kernels have no sched_ext"
    );
    assert_eq!(with_ext.reasons, ["NO_CONFIG:CONFIG_SCHED_CLASS_EXT"]);
}

fn storm(report: &Report) {
    let storm = group(report, "PreemptStorm");
    let bursts = storm.metrics["rt_bursts"];
    let [rt] = in_role(storm, "rt")[..] else {
        panic!("one real-time task");
    };
    let fair = in_role(storm, "fair");
    assert_eq!((rt.iterations, fair.len()), (bursts, 2));
    let preempted: u64 = fair.iter().map(|w| w.nivcsw.unwrap()).sum();
    at_least(preempted, 90, bursts);
    at_least(rt.nvcsw.unwrap(), 90, bursts);
    assert_eq!(storm.hist["timer"].count, bursts);
    let steps: u64 = fair.iter().map(|w| w.iterations).sum();
    assert_eq!(storm.hist["cost"].count, steps);
}

fn inversion(report: &Report) {
    let [plain, pi, threads] = runs(report, "PriorityInversion")[..] else {
        panic!("three runs");
    };
    let of = |run: &Run, name: &str| run.groups[0].metrics[name];
    let p50 = |run: &Run, name: &str| run.groups[0].hist[name].p50_ns;
    for run in [plain, pi, threads] {
        let group = &run.groups[0];
        no_call_failed(group);
        let [high, medium, low] = &group.workers[..] else {
            panic!("three tasks");
        };
        at_least(high.iterations, 80, low.iterations);
        at_least(medium.iterations, 80, low.iterations);
        at_least(of(run, "contended"), 90, high.iterations);
        // In every eighth round low takes its time with the mutex.
        let samples = group.hist["lock"].count;
        at_least(samples, 75, high.iterations);
        assert!(samples < high.iterations, "{samples}");
    }
    assert!(p50(plain, "lock") >= 2_000_000, "{}", p50(plain, "lock"));
    assert_eq!(of(plain, "low_running_priority"), 30);
    for run in [pi, threads] {
        at_least(2 * p50(run, "hold"), 100, p50(run, "lock"));
        assert!(p50(run, "lock") < 2_000_000, "{}", p50(run, "lock"));
        assert_eq!(of(run, "low_running_priority"), 70);
    }
}

fn starvation(report: &Report, guard: u64) {
    let [kept, off, restored] = runs(report, "RtStarvation")[..] else {
        panic!("three runs");
    };
    let fair = |run: &Run| {
        let fair = in_role(&run.groups[0], "fair")[0];
        (fair.cpu_ns, fair.max_gap_ns, fair.wall_ns)
    };
    let metric = |run: &Run, name: &str| run.groups[0].metrics[name];

    let (cpu, gap, wall) = fair(kept);
    assert_eq!(metric(kept, "guard"), guard);
    assert_eq!(metric(kept, "guard_period_us"), 1_000_000);
    let granted = if guard == 1 { 950_000 } else { 50_000 };
    assert_eq!(metric(kept, "guard_runtime_us"), granted);
    // 5 %, of three periods that begin anywhere.
    at_least(cpu, 2, wall);
    at_least(wall, 1100, cpu);
    assert!((500_000_000..2_200_000_000).contains(&gap), "{gap}");

    let (cpu, gap, wall) = fair(off);
    assert_eq!(metric(off, "guard"), 0);
    at_least(wall, 10_000, cpu);
    at_least(gap, 90, wall);

    assert_eq!(metric(restored, "guard"), guard);
    assert_eq!(metric(restored, "guard_runtime_us"), granted);
}

fn sequence(report: &Report) {
    let run = runs(report, "Sequence")[0];
    let sequence = &run.groups[0];
    let worker = &sequence.workers[0];
    no_call_failed(sequence);
    assert!(sequence.iterations > 2);
    let times = ["spin", "sleep", "yield", "io", "alu_hot"]
        .map(|phase| sequence.metrics[&format!("{phase}_ns")]);
    at_least(times.iter().sum(), 98, worker.wall_ns);
    // 10, 40, 10, 10 and 10 of 80 ms.
    for (time, share) in times.into_iter().zip([1, 4, 1, 1, 1]) {
        at_least(8 * time, 50, share * worker.wall_ns);
        at_least(share * worker.wall_ns, 50, 8 * time);
    }
    assert_eq!(sequence.metrics["width_resolved"], 128);
    let count = |phase: &str| sequence.hist[phase].count;
    assert!(count("phase1").abs_diff(sequence.iterations) <= 1);
    let yields = run.kernel.counters["yld_count"];
    at_least(yields, 95, count("phase2"));
    at_least(count("phase2"), 95, yields);
    // A sleep, and one behind each batch of 16 blocks.
    at_least(
        worker.nvcsw.unwrap(),
        90,
        count("phase1") + count("phase3") / 16,
    );
    for phase in ["phase0", "phase3", "phase4"] {
        assert!(count(phase) > sequence.iterations, "{phase}");
    }
    assert_eq!(count("phase5"), 0);
}
