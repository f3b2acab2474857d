//! Every loop leaves soon after the stop, whatever its parameters, and what a
//! periodic loop is late for is not made up for.

use crate::{booted_on, machine};
use xtask::boot::BootRequest as Args;
use xtask::topology::Smp;

/// Parameters with which one pass of a loop would take seconds or hours.
const EXTREMES: &str = "time=20ms \
    work=AluHot work=YieldHeavy \
    work=IpcVariance hot_iters=1000000000 \
    work=IpcVariance hot_iters=1 cold_iters=1000000000 \
    work=IpcVariance hot_iters=1 cold_iters=1 period_iters=1000000000 \
    work=IoSyncWrite block=65536 \
    work=IoConvoy burst_blocks=65536 \
    work=Bursty burst_duration=3600s work=Bursty sleep_duration=3600s \
    work=IdleChurn burst_duration=3600s work=IdleChurn sleep_duration=3600s \
    work=CachePressure size_kib=65536 stride=4097 \
    work=PipeIo burst_iters=200000000 \
    work=FutexPingPong spin_iters=1000000000 \
    work=CachePipe burst_iters=1000000000 \
    work=FutexFanOut spin_iters=1000000000 \
    work=FanOutCompute cache_footprint_kib=4096 operations=1000000 \
    sleep_usec=0 \
    work=WakeChain work_per_hop=3600s \
    work=WakeChain work_per_hop=3600s wake=futex_broadcast \
    work=AsymmetricWaker burst_iters=1000000000 \
    work=EpollStorm events_per_burst=65536 gap_us=10000000 \
    work=ThunderingHerd inter_batch_ms=10000 \
    work=TimerLatency interval_us=10000000 \
    work=PolicyChurn spin_iters=1000000000 \
    work=CgroupChurn cycle_ms=3600000 \
    work=CgroupAttachStorm cgroup=a child_delay_us=1000000 reap=waitpid \
    work=PageFaultChurn region_kib=131072 touches_per_cycle=32768 \
    work=PageFaultChurn spin_iters=1000000000 \
    work=MutexContention hold_iters=1000000000 \
    work=MutexContention work_iters=1000000000 \
    work=PriorityInversion hold_iters=1000000000 \
    work=PriorityInversion hold_iters=1000000000 pi_mode=pi \
    work=PriorityInversion medium_burst_us=1000000 \
    work=ProducerConsumerImbalance consume_iters=1000000000 \
    work=SignalStorm work_iters=1000000000 \
    work=PreemptStorm rt_burst_iters=1000000000 \
    work=RtStarvation burst_iters=1000000000 \
    work=Sequence phases=spin:3600s work=Sequence phases=yield:3600s \
    work=Sequence phases=alu_hot:scalar/3600s work=Sequence phases=io:3600s";

/// From the end of the measured window until the last of some workers, which
/// share a CPU, has left its loop.
const SOON_NS: u64 = 8_000_000;

#[test]
fn every_loop_leaves_soon_after_the_stop() {
    let machine = Args {
        deterministic: Some(1),
        smp: Smp::Flat(1),
        ..machine("debian:6.12-cloud")
    };
    let plan = format!("{EXTREMES} work=TimerLatency interval_us=1 time=50ms");
    // Some have no time to do anything, so that the verdict says nothing.
    let (report, _) = booted_on(machine, &plan);
    assert_eq!(report.lost_records, 0);
    let mut late = Vec::new();
    for run in &report.runs {
        for group in &run.groups {
            for worker in &group.workers {
                let after = worker.wall_ns.saturating_sub(run.wall_ns);
                if !worker.completed || after > SOON_NS {
                    late.push((&run.name, &group.args, after));
                }
            }
        }
    }
    assert!(late.is_empty(), "{late:?}");
    let runs = plan.matches("work=").count();
    assert_eq!(report.runs.len(), runs);

    // A thousand deadlines pass before a task that has slept runs again.
    let timer = &report.runs[runs - 1].groups[0];
    let sample = &timer.hist["timer"];
    assert!(sample.p50_ns < 5_000_000, "{}", sample.p50_ns);
    let deadlines = sample.count + timer.metrics["overruns"];
    assert!((49_000..51_000).contains(&deadlines), "{deadlines}");
}
