//! Proofs, from kernel counters, of the types that wake in numbers: chains,
//! herds, epoll sets, queues, classes and signals.

use crate::{at_least, booted};
use pidone::wire::record::Verdict;
use xtask::model::{Group, Outcome, Report, Run};

const PLAN: &str = "time=500ms \
    work=FanOutCompute cache_footprint_kib=4 operations=2 \
    work=WakeChain wake=pipe work_per_hop=50us \
    work=WakeChain wake=futex work_per_hop=50us \
    work=WakeChain wake=futex_broadcast work_per_hop=50us \
    work=AsymmetricWaker waker_class=rt wakee_class=batch \
    work=AsymmetricWaker waker_class=idle wakee_class=deadline \
    work=AsymmetricWaker waker_class=batch handoff=free \
    work=AsymmetricWaker wakee_class=ext \
    work=EpollStorm events_per_burst=1 gap_us=1000 \
    work=EpollStorm events_per_burst=1 gap_us=1000 edge=true \
    work=EpollStorm edge=true consumers=8 clone=thread \
    work=ThunderingHerd batches=0 \
    work=ThunderingHerd batches=5 inter_batch_ms=10 \
    work=ProducerConsumerImbalance consume_iters=16 produce_rate_hz=100 \
    work=ProducerConsumerImbalance produce_rate_hz=0 queue_depth_target=16 \
    work=ProducerConsumerImbalance consumers=3 queue_depth_target=2 \
        warmup=50ms clone=thread \
    work=SignalStorm target=running affinity=exact:0-1 \
    work=SignalStorm target=sleeping \
    work=SignalStorm target=sleeping workers=6 clone=thread";

/// The run of sched_ext's class, with no such scheduler loaded.
const EXT: usize = 7;

#[test]
fn on_6_12() {
    prove("debian:6.12-cloud");
}

#[test]
fn on_6_1() {
    prove("debian:6.1-cloud");
}

fn prove(kernel: &str) {
    let (report, _skips) = booted(kernel, PLAN);
    assert_eq!(report.outcome, Outcome::Ok, "{}", report.reason);
    assert_eq!(report.lost_records, 0);
    assert_eq!(report.runs.len(), 19);
    for (n, run) in report.runs.iter().enumerate() {
        let verdict = match n {
            EXT => Verdict::Skip,
            _ => Verdict::Ok,
        };
        assert_eq!(run.verdict, verdict, "{n} {}: {:?}", run.name, run.reasons);
    }
    assert_eq!(report.runs[EXT].reasons, ["NO_SCHED_EXT"]);
    fan_out(&report);
    chain(&report);
    classes(&report);
    epoll(&report);
    herd(&report);
    queue(&report);
    signals(&report);
}

/// The `n`-th run of the work type, and its group.
#[track_caller]
fn nth<'r>(report: &'r Report, work: &str, n: usize) -> (&'r Run, &'r Group) {
    let mut runs = report.runs.iter().filter(|run| run.name == work);
    let run = runs.nth(n).unwrap();
    (run, &run.groups[0])
}

/// The sum over the workers in a role.
#[track_caller]
fn of_role(
    group: &Group,
    role: &str,
    of: impl Fn(&xtask::model::Worker) -> u64,
) -> u64 {
    let mine = group.workers.iter().filter(|w| w.role == role);
    assert!(mine.clone().count() > 0, "no {role}");
    mine.map(of).sum()
}

fn switches(group: &Group, role: &str) -> u64 {
    of_role(group, role, |w| w.nvcsw.unwrap())
}

fn fan_out(report: &Report) {
    let (_, group) = nth(report, "FanOutCompute", 0);
    let (calls, woken) = (group.metrics["wake_calls"], group.metrics["woken"]);
    // The messenger waits for all of them.
    assert!(woken <= 4 * calls);
    // One that has answered may not sleep yet when the next call comes.
    at_least(woken, 80, 4 * calls);
    assert_eq!(group.metrics["woken_max"], 4);
    let seen = of_role(group, "receiver", |w| w.iterations);
    // Each generation is a wait and a sleep, unless that began too late.
    at_least(switches(group, "receiver"), 80, woken + seen);
    let products = of_role(group, "receiver", |w| w.work_units);
    // The stop comes in the middle of a pass.
    assert!((2 * seen..=2 * seen + 8).contains(&products), "{products}");
    assert_eq!(group.hist["cost"].count, seen);
}

fn chain(report: &Report) {
    for n in 0..3 {
        let (_, group) = nth(report, "WakeChain", n);
        let hops = group.workers.iter().map(|w| w.iterations);
        let (least, most) = (hops.clone().min().unwrap(), hops.max().unwrap());
        assert!(least > 0 && most - least <= 1, "{least} to {most} hops");
        let all = group.sum(|w| w.nr_wakeups).unwrap();
        let sync = group.sum(|w| w.nr_wakeups_sync).unwrap();
        match n {
            // Other than by the pipe, each may be woken as the run starts.
            0 => at_least(sync + 4, 95, all),
            _ => assert!(sync * 100 <= all, "{sync} of {all} are sync"),
        }
        let (calls, woken) =
            (group.metrics["wake_calls"], group.metrics["woken"]);
        // A stage that was preempted before it could wait needs no wake.
        match n {
            0 => assert_eq!((calls, woken), (0, 0)),
            1 => assert!(woken <= calls && woken * 2 >= calls),
            // The successor and all who wait for another turn.
            _ => at_least(woken, 110, calls),
        }
        let wakes = group.hist["wake"].count;
        at_least(wakes, 50, group.iterations);
        match n {
            // Each hop wakes all who wait, whoever's turn it is.
            2 => assert!(wakes.abs_diff(woken) <= 8, "{wakes} of {woken}"),
            _ => {
                let waits = wakes + group.nowait;
                assert!(waits.abs_diff(group.iterations) <= 4);
            }
        }
        let first = of_role(group, "first", |w| w.iterations);
        // The token may come once more than its hop is finished.
        assert!(group.hist["ring"].count.abs_diff(first) <= 1);
        // A round is four hops of 50 us each.
        assert!(group.hist["ring"].min_ns >= 200_000);
    }
}

fn classes(report: &Report) {
    let policies = |n| {
        let (_, group) = nth(report, "AsymmetricWaker", n);
        let of = |pos: usize| {
            let worker = &group.workers[pos];
            (worker.policy.unwrap(), worker.rt_priority.unwrap())
        };
        (of(0), of(1))
    };
    const BATCH: u8 = 3;
    assert_eq!(policies(0), ((1, 50), (BATCH, 0)), "FIFO 50 wakes batch");
    assert_eq!(policies(1), ((5, 0), (6, 0)), "idle wakes deadline");
    assert_eq!(policies(2), ((BATCH, 0), (0, 0)), "batch wakes normal");
    let (_, group) = nth(report, "AsymmetricWaker", 0);
    let wakeups = |role| of_role(group, role, |w| w.nr_wakeups.unwrap());
    let asked = of_role(group, "waker", |w| w.iterations);
    at_least(wakeups("waker"), 25, asked);
    // Not every turn needs a wake: an RT waker may preempt its wakee as that
    // answers, and has asked again before the wakee can wait.
    let wake = &group.hist["wake"];
    let turns = of_role(group, "wakee", |w| w.iterations);
    assert_eq!(wake.count + group.nowait, turns);
    at_least(wakeups("wakee"), 80, wake.count);
    for n in 0..2 {
        let (_, group) = nth(report, "AsymmetricWaker", n);
        assert_eq!(group.metrics["missed"], 0, "the waker waits");
    }
    let (_, free) = nth(report, "AsymmetricWaker", 2);
    assert!(free.metrics["missed"] > 0, "the waker does not wait");
}

fn epoll(report: &Report) {
    for n in 0..3 {
        let (_, group) = nth(report, "EpollStorm", n);
        let of = |name: &str| group.metrics[name];
        assert!(of("produced") > 0);
        assert_eq!(of("produced"), of("consumed") + of("residue"));
        assert_eq!(
            of_role(group, "producer", |w| w.work_units),
            of("produced")
        );
        assert_eq!(
            of_role(group, "consumer", |w| w.work_units),
            of("consumed")
        );
        assert!(group.hist["wake"].count > 0);
        let wakes = of_role(group, "consumer", |w| w.nr_wakeups.unwrap());
        let consumers = group.workers.len() as u64 - 1;
        if n == 0 {
            // Whoever takes an event puts the level back, which wakes the
            // other consumer in vain.
            at_least(wakes, 105, of("produced"));
        } else {
            // Each consumer is woken at the start and at the stop too.
            let most = of("produced") + 4 * consumers;
            assert!(wakes <= most, "{wakes} of {most}");
            let reads = of_role(group, "consumer", |w| w.iterations);
            at_least(wakes, 20, reads);
        }
    }
}

fn herd(report: &Report) {
    let (_, herd) = nth(report, "ThunderingHerd", 0);
    let (calls, woken) = (herd.metrics["wake_calls"], herd.metrics["woken"]);
    at_least(woken, 30, 7 * calls);
    assert_eq!(herd.metrics["woken_max"], 7);
    at_least(switches(herd, "waiter"), 95, woken);
    let spread = &herd.hist["spread"];
    assert!(spread.count > 0 && spread.count <= calls);
    assert!(spread.max_ns <= herd.hist["wake"].max_ns);

    let (run, few) = nth(report, "ThunderingHerd", 1);
    assert_eq!(of_role(few, "waker", |w| w.iterations), 5);
    assert_eq!(few.metrics["wake_calls"], 6, "five and the last");
    assert!(run.wall_ns < 490_000_000, "it ends by itself");
    assert!(few.workers.iter().all(|w| w.completed));
}

fn queue(report: &Report) {
    for n in 0..3 {
        let (_, group) = nth(report, "ProducerConsumerImbalance", n);
        let of = |name: &str| group.metrics[name];
        assert!(of("popped") > 0);
        assert_eq!(of("pushed"), of("popped") + of("depth"));
        // Items in the queue times their time in it, over the time: each
        // worker divides by its own, which ends when it notices the stop.
        let walls = group.workers.iter().map(|w| w.wall_ns);
        let mean = |wall: Option<u64>| of("depth_ns") * 1000 / wall.unwrap();
        let (low, high) = (mean(walls.clone().max()), mean(walls.min()));
        let milli = of("depth_mean_milli");
        assert!(milli + 4 >= low, "{milli}, {low} to {high}");
        assert!(milli <= high + high / 20 + 4, "{milli}, {low} to {high}");
        let wake = &group.hist["wake"];
        assert!(wake.count > 0);
        at_least(group.sum(|w| w.nvcsw).unwrap(), 95, wake.count);
    }
    let (run, idle) = nth(report, "ProducerConsumerImbalance", 0);
    assert!(idle.metrics["depth_mean_milli"] < 2000);
    assert_eq!(idle.metrics["full_ns"], 0);
    // 2 x 100 items a second.
    let due = run.wall_ns * 200 / 1_000_000_000;
    assert!(idle.metrics["pushed"] <= due + due / 5 + 4);
    at_least(idle.metrics["pushed"], 50, due);

    let (run, full) = nth(report, "ProducerConsumerImbalance", 1);
    assert_eq!(full.metrics["depth_max"], 16);
    at_least(full.metrics["depth_mean_milli"], 50, 16_000);
    at_least(full.metrics["full_ns"], 20, run.wall_ns);
    let longest = full.workers.iter().map(|w| w.wall_ns).max().unwrap();
    assert!(full.metrics["full_ns"] <= longest);

    let (_, tiny) = nth(report, "ProducerConsumerImbalance", 2);
    assert!(tiny.metrics["depth_max"] <= 2);
}

fn signals(report: &Report) {
    for n in 0..3 {
        let (run, group) = nth(report, "SignalStorm", n);
        let (sent, handled) = (group.metrics["sent"], group.metrics["handled"]);
        assert_eq!(sent, group.work_units);
        assert!(handled > 0 && handled <= sent, "{handled} of {sent}");
        let samples = group.hist["sig"].count;
        assert!(samples > 0 && samples <= group.iterations);
        match n {
            0 => assert!(run.kernel.counters["irq_res"] > 0, "kicks"),
            _ => {
                for worker in &group.workers {
                    at_least(worker.nr_wakeups.unwrap(), 20, samples / 6);
                }
            }
        }
    }
}
