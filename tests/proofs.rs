//! For each work type: its proof, from kernel counters.

use crate::{at_least, counter, good_on, group, machine, run};
use xtask::boot::BootRequest as Args;
use xtask::model::Report;

const PLAN: &str = "time=400ms work=SpinWait workers=4 \
    work=YieldHeavy workers=4 \
    work=Mixed workers=4 \
    work=Bursty burst_duration=5ms sleep_duration=10ms \
    work=PipeIo workers=4 \
    work=FutexPingPong \
    work=FutexFanOut \
    work=TimerLatency interval_us=4000 \
    work=ForkExit \
    work=FutexPingPong clone=thread \
    work=MutexContention";

#[test]
fn on_6_12() {
    prove(machine("debian:6.12-cloud"), "");
}

#[test]
fn on_6_1() {
    prove(machine("debian:6.1-cloud"), "");
}

/// With more parameters of the mutex, which comes last.
pub(crate) fn prove(machine: Args, mutex_params: &str) {
    let report = good_on(machine, &format!("{PLAN} {mutex_params}"));
    assert_eq!(report.runs.len(), 11);
    cpu(&report);
    yields(&report);
    bursts(&report);
    wakes(&report);
    timer(&report);
    forks(&report);
    mutex(&report);
}

fn cpu(report: &Report) {
    let spin = group(report, "SpinWait");
    let wall = run(report, "SpinWait").wall_ns;
    let cpu: u64 = spin.workers.iter().map(|w| w.cpu_ns).sum();
    at_least(cpu, 80, 2 * wall);
    assert!(spin.sum(|w| w.nivcsw).unwrap() > 0, "oversubscribed");
}

fn yields(report: &Report) {
    for work in ["YieldHeavy", "Mixed"] {
        let iterations = group(report, work).iterations;
        assert!(iterations > 0);
        at_least(counter(report, work, "yld_count"), 95, iterations);
        assert_eq!(group(report, work).hist["call"].count, iterations);
    }
}

fn bursts(report: &Report) {
    let bursty = group(report, "Bursty");
    let worker = &bursty.workers[0];
    let sleeps = worker.nvcsw.unwrap();
    at_least(sleeps, 90, worker.iterations);
    at_least(worker.iterations + 3, 90, sleeps);
    // 5 ms of 15 ms.
    at_least(worker.cpu_ns, 20, worker.wall_ns);
    at_least(worker.wall_ns, 200, worker.cpu_ns);
}

fn wakes(report: &Report) {
    let pipe = group(report, "PipeIo");
    let all = pipe.sum(|w| w.nr_wakeups).unwrap();
    let sync = pipe.sum(|w| w.nr_wakeups_sync).unwrap();
    assert!(
        sync * 100 > all * 95,
        "{sync} of {all} wakes are synchronous"
    );
    let wake = &pipe.hist["wake"];
    assert_eq!(wake.count + pipe.nowait, pipe.iterations);
    assert!(wake.count > 0);

    for run in report.runs.iter().filter(|r| r.name == "FutexPingPong") {
        let futex = &run.groups[0];
        let all = futex.sum(|w| w.nr_wakeups).unwrap();
        let sync = futex.sum(|w| w.nr_wakeups_sync).unwrap();
        assert!(sync * 100 <= all, "{sync} of {all} wakes are synchronous");
        let [a, b] = &futex.workers[..] else {
            panic!("two partners");
        };
        assert!(a.iterations.abs_diff(b.iterations) <= 1);
        let wake = &futex.hist["wake"];
        assert!(wake.count > 0);
        at_least(futex.sum(|w| w.nvcsw).unwrap(), 95, wake.count);
    }

    let fan = group(report, "FutexFanOut");
    let (calls, woken) = (fan.metrics["wake_calls"], fan.metrics["woken"]);
    at_least(woken, 80, 4 * calls);
    let receivers = fan.workers.iter().filter(|w| w.pos > 0);
    let switches: u64 = receivers.map(|w| w.nvcsw.unwrap()).sum();
    at_least(switches, 95, woken);
}

fn timer(report: &Report) {
    let timer = group(report, "TimerLatency");
    let worker = &timer.workers[0];
    at_least(worker.nvcsw.unwrap(), 95, worker.iterations);
    at_least(
        counter(report, "TimerLatency", "irq_loc"),
        95,
        worker.iterations,
    );
    assert_eq!(timer.hist["timer"].count, timer.iterations);
}

fn forks(report: &Report) {
    let fork = group(report, "ForkExit");
    assert!(fork.work_units > 0);
    assert!(counter(report, "ForkExit", "processes") >= fork.work_units);
    assert_eq!(fork.hist["newtask"].count, fork.work_units);
}

fn mutex(report: &Report) {
    let mutex = group(report, "MutexContention");
    assert_eq!(mutex.metrics["guarded"], mutex.metrics["acquired"]);
    assert!(mutex.metrics["contended"] > 0);
    let waits = mutex.metrics["waits"];
    at_least(mutex.sum(|w| w.nvcsw).unwrap(), 50, waits);
}
