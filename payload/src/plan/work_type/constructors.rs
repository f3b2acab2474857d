//! A constructor of each work type.
//!
//! This file is generated from the rows of `workloads/`:
//! `PIDONE_OVERWRITE=1 cargo test -p xtask --lib catalogue`.

use crate::plan::error::PlanError;
use crate::plan::work_type::choices::{
    Echo, Handoff, IoBacking, Mode, Pace, Pacing, PiMode, Profile, Reap,
    RtLimit, Target, Wake, WakeeClass, WakerClass, Width,
};
use crate::plan::work_type::{Argument, WorkType, default_of};
use core::time::Duration;

constructors! {
    /// `SpinWait`: pure CPU load, for fairness and load balancing.
    "SpinWait" fn spin_wait();
    /// `YieldHeavy`: yields all the time.
    "YieldHeavy" fn yield_heavy();
    /// `Mixed`: spins, then yields.
    "Mixed" fn mixed();
    /// `AluHot`: multiply-adds in registers of a chosen width.
    ///
    /// - `width`: registers to use; one that is not there gives the next:
    ///   widest `scalar, vec128, vec256, vec512, amx, widest`
    "AluHot" fn alu_hot(
        width: Width,
    );
    /// `SmtSiblingSpin`: two spinners on the threads of one core.
    "SmtSiblingSpin" fn smt_sibling_spin();
    /// `IpcVariance`: alternates high and low instructions per cycle.
    ///
    /// - `hot_iters`: steps of a hot phase: 100000 `0..1000000000`
    /// - `cold_iters`: touches of a cold phase: 1024 `0..1000000000`
    /// - `period_iters`: hot and cold phases per iteration: 64 `0..1000000000`
    /// - `cold_kib`: KiB that the cold phase touches; beyond_l2 is twice the
    ///   largest L2: beyond_l2 `beyond_l2, 64..1048576`
    "IpcVariance" fn ipc_variance(
        hot_iters: u64,
        cold_iters: u64,
        period_iters: u64,
        cold_kib: Option<u64>,
    );
    /// `IoSyncWrite`: synchronous writes, and a flush behind 16 of them.
    ///
    /// - `dev`: the disk; what is on it is lost: the path of a block device,
    ///   /dev/vda if absent
    /// - `dev_force`: overwrite a disk that seems to be in use: false `true,
    ///   false`
    /// - `io_fallback`: use files on tmpfs where there is no such disk: true
    ///   `true, false`
    /// - `block`: bytes of a block, a multiple of the disk's logical block:
    ///   4096 `512..65536`
    "IoSyncWrite" fn io_sync_write(
        dev: &'t str,
        dev_force: bool,
        io_fallback: bool,
        block: u64,
    );
    /// `IoRandRead`: reads random blocks past the page cache.
    ///
    /// - `dev`: the disk; what is on it is lost: the path of a block device,
    ///   /dev/vda if absent
    /// - `dev_force`: overwrite a disk that seems to be in use: false `true,
    ///   false`
    /// - `io_fallback`: use files on tmpfs where there is no such disk: true
    ///   `true, false`
    /// - `block`: bytes of a block, a multiple of the disk's logical block:
    ///   4096 `512..65536`
    "IoRandRead" fn io_rand_read(
        dev: &'t str,
        dev_force: bool,
        io_fallback: bool,
        block: u64,
    );
    /// `IoConvoy`: writers and readers stuck behind flushes.
    ///
    /// - `dev`: the disk; what is on it is lost: the path of a block device,
    ///   /dev/vda if absent
    /// - `dev_force`: overwrite a disk that seems to be in use: false `true,
    ///   false`
    /// - `io_fallback`: use files on tmpfs where there is no such disk: true
    ///   `true, false`
    /// - `mode`: whether writes go through the page cache: buffered `buffered,
    ///   direct`
    /// - `sync_every`: iterations between two flushes: 16 `1..1000000`
    /// - `burst_blocks`: blocks written in an iteration: 1 `1..65536`
    "IoConvoy" fn io_convoy(
        dev: &'t str,
        dev_force: bool,
        io_fallback: bool,
        mode: Mode,
        sync_every: u64,
        burst_blocks: u64,
    );
    /// `Bursty`: CPU bursts with idle gaps.
    ///
    /// - `burst_duration`: length of a burst: 50ms `1ns..3600s`
    /// - `sleep_duration`: length of the sleep after it: 100ms `1ns..3600s`
    "Bursty" fn bursty(
        burst_duration: Duration,
        sleep_duration: Duration,
    );
    /// `IdleChurn`: short bursts and short sleeps: idle entry and exit.
    ///
    /// - `burst_duration`: length of a burst: 1ms `0s..3600s`
    /// - `sleep_duration`: length of the sleep after it: 5ms `0s..3600s`
    /// - `precise_timing`: timer slack of 1 ns: false `true, false`
    "IdleChurn" fn idle_churn(
        burst_duration: Duration,
        sleep_duration: Duration,
        precise_timing: bool,
    );
    /// `CachePressure`: walks a working set of the size of a cache.
    ///
    /// - `size_kib`: KiB of the working set: 32 `1..1048576`
    /// - `stride`: bytes from one access to the next: 64 `1..1073741824`
    "CachePressure" fn cache_pressure(
        size_kib: u64,
        stride: u64,
    );
    /// `CacheYield`: walks a working set, then yields.
    ///
    /// - `size_kib`: KiB of the working set: 32 `1..1048576`
    /// - `stride`: bytes from one access to the next: 64 `1..1073741824`
    "CacheYield" fn cache_yield(
        size_kib: u64,
        stride: u64,
    );
    /// `PipeIo`: two tasks exchange bytes through pipes.
    ///
    /// - `burst_iters`: spin steps before each exchange: 1024 `0..1000000000`
    "PipeIo" fn pipe_io(
        burst_iters: u64,
    );
    /// `FutexPingPong`: two tasks pass a futex word back and forth.
    ///
    /// - `spin_iters`: spin steps in each turn: 1024 `0..1000000000`
    "FutexPingPong" fn futex_ping_pong(
        spin_iters: u64,
    );
    /// `CachePipe`: two cache-hot tasks exchange bytes through pipes.
    ///
    /// - `size_kib`: KiB of the working set: 32 `1..1048576`
    /// - `burst_iters`: accesses before each exchange: 1024 `0..1000000000`
    "CachePipe" fn cache_pipe(
        size_kib: u64,
        burst_iters: u64,
    );
    /// `FutexFanOut`: one messenger wakes many receivers.
    ///
    /// - `fan_out`: receivers per messenger: 4 `1..1024`
    /// - `spin_iters`: spin steps between two generations: 1024 `0..1000000000`
    /// - `pace`: wait for all receivers to park before a wake, or do not:
    ///   parked `parked, free`
    "FutexFanOut" fn futex_fan_out(
        fan_out: u64,
        spin_iters: u64,
        pace: Pace,
    );
    /// `FanOutCompute`: woken receivers sleep and multiply matrices.
    ///
    /// - `fan_out`: receivers per messenger: 4 `1..1024`
    /// - `cache_footprint_kib`: KiB of a receiver's three matrices: 256
    ///   `1..16384`
    /// - `operations`: products per generation: 5 `0..1000000`
    /// - `sleep_usec`: microseconds of sleep before the products: 100
    ///   `0..10000000`
    /// - `pace`: wait for all receivers to park before a wake, or do not:
    ///   parked `parked, free`
    "FanOutCompute" fn fan_out_compute(
        fan_out: u64,
        cache_footprint_kib: u64,
        operations: u64,
        sleep_usec: u64,
        pace: Pace,
    );
    /// `WakeChain`: a token goes round a ring of tasks.
    ///
    /// - `depth`: stages of the chain: 4 `2..1024`
    /// - `wake`: how a stage wakes the next: pipe `pipe, futex,
    ///   futex_broadcast`
    /// - `work_per_hop`: burn time of a stage that has the token: 100us
    ///   `0s..3600s`
    "WakeChain" fn wake_chain(
        depth: u64,
        wake: Wake,
        work_per_hop: Duration,
    );
    /// `AsymmetricWaker`: waker and wakee in different scheduling classes.
    ///
    /// - `waker_class`: class of the waker; auto is rt, or batch where that is
    ///   not allowed: auto `auto, cfs, batch, idle, rt, deadline, ext`
    /// - `wakee_class`: class of the wakee: cfs `cfs, batch, idle, rt,
    ///   deadline, ext`
    /// - `burst_iters`: spin steps before each wake: 1024 `1..1000000000`
    /// - `handoff`: whether the waker waits for an answer: turn `turn, free`
    "AsymmetricWaker" fn asymmetric_waker(
        waker_class: WakerClass,
        wakee_class: WakeeClass,
        burst_iters: u64,
        handoff: Handoff,
    );
    /// `EpollStorm`: producers wake consumers through one epoll set.
    ///
    /// - `producers`: tasks that write events: 1 `1..1024`
    /// - `consumers`: tasks that wait for events: 2 `1..1024`
    /// - `events_per_burst`: writes in a row: 32 `1..1000000`
    /// - `gap_us`: microseconds of sleep after each burst: 100 `0..10000000`
    /// - `edge`: wait for edges instead of levels: false `true, false`
    "EpollStorm" fn epoll_storm(
        producers: u64,
        consumers: u64,
        events_per_burst: u64,
        gap_us: u64,
        edge: bool,
    );
    /// `ThunderingHerd`: one call wakes a whole herd.
    ///
    /// - `waiters`: tasks that one call wakes: 7 `1..4095`
    /// - `batches`: wakes of the measured window until the instance ends; 0 is
    ///   never: 1000 `0..1000000000`
    /// - `inter_batch_ms`: milliseconds of sleep before each wake: 5 `0..10000`
    "ThunderingHerd" fn thundering_herd(
        waiters: u64,
        batches: u64,
        inter_batch_ms: u64,
    );
    /// `TimerLatency`: wake latency at absolute deadlines, as cyclictest.
    ///
    /// - `interval_us`: microseconds between two deadlines: 1000 `1..10000000`
    /// - `slack_ns`: timer slack in nanoseconds: inherit `inherit,
    ///   1..1000000000`
    "TimerLatency" fn timer_latency(
        interval_us: u64,
        slack_ns: Option<u64>,
    );
    /// `NetTraffic`: raw frames that come back as interrupts.
    ///
    /// - `interval_us`: microseconds between two frames: 0 `0..10000000`
    /// - `frame_bytes`: bytes of a frame, the Ethernet header included: 60
    ///   `60..1514`
    /// - `nic`: the interface that sends: the name of an interface; the first
    ///   with a device if absent
    /// - `echo`: how frames come back: from the interface itself, by a second
    ///   one on the same wire, as answers to ARP, or whichever works: auto
    ///   `auto, self, pair, arp`
    "NetTraffic" fn net_traffic(
        interval_us: u64,
        frame_bytes: u64,
        nic: &'t str,
        echo: Echo,
    );
    /// `IrqWake`: a task woken from the softirq that receives its frame.
    ///
    /// - `interval_us`: microseconds between two frames: 1000 `0..10000000`
    /// - `frame_bytes`: bytes of a frame, the Ethernet header included: 60
    ///   `60..1514`
    /// - `nic`: the interface that sends: the name of an interface; the first
    ///   with a device if absent
    /// - `echo`: how frames come back: from the interface itself, by a second
    ///   one on the same wire, as answers to ARP, or whichever works: auto
    ///   `auto, self, pair, arp`
    "IrqWake" fn irq_wake(
        interval_us: u64,
        frame_bytes: u64,
        nic: &'t str,
        echo: Echo,
    );
    /// `ForkExit`: forks a child that exits, and reaps it.
    "ForkExit" fn fork_exit();
    /// `NiceSweep`: walks through all nice values.
    "NiceSweep" fn nice_sweep();
    /// `AffinityChurn`: pins itself to another CPU again and again.
    ///
    /// - `spin_iters`: spin steps between two pins: 1024 `0..1000000000`
    "AffinityChurn" fn affinity_churn(
        spin_iters: u64,
    );
    /// `PolicyChurn`: goes through the scheduling policies.
    ///
    /// - `spin_iters`: spin steps between two changes: 1024 `0..1000000000`
    /// - `include_ext`: go through SCHED_EXT as well: false `true, false`
    "PolicyChurn" fn policy_churn(
        spin_iters: u64,
        include_ext: bool,
    );
    /// `CrossAffinityChurn`: workers rewrite the CPU masks of their siblings.
    ///
    /// - `spin_iters`: spin steps before each round: 1024 `0..1000000000`
    "CrossAffinityChurn" fn cross_affinity_churn(
        spin_iters: u64,
    );
    /// `NumaMigrationChurn`: pins itself to the CPUs of one node after another.
    ///
    /// - `period_ms`: milliseconds between two rotations: 100 `0..3600000`
    "NumaMigrationChurn" fn numa_migration_churn(
        period_ms: u64,
    );
    /// `CgroupChurn`: a process moves from cgroup to cgroup.
    ///
    /// - `groups`: cgroups to rotate among: 2 `2..64`
    /// - `cycle_ms`: milliseconds between two moves, at least: 100 `0..3600000`
    "CgroupChurn" fn cgroup_churn(
        groups: u64,
        cycle_ms: u64,
    );
    /// `CgroupAttachStorm`: exiting children are moved to another cgroup.
    ///
    /// - `dest`: cgroup the children are moved to: a relative path of up to 16
    ///   cgroups without . and .., storm-dest if absent
    /// - `reap`: the kernel reaps the children, or the worker does: sig_ign
    ///   `sig_ign, waitpid`
    /// - `child_delay_us`: microseconds a child sleeps before it exits: 0
    ///   `0..1000000`
    "CgroupAttachStorm" fn cgroup_attach_storm(
        dest: &'t str,
        reap: Reap,
        child_delay_us: u64,
    );
    /// `PageFaultChurn`: faults in anonymous pages and gives them back.
    ///
    /// - `region_kib`: KiB of the region: 4096 `4..1048576`
    /// - `touches_per_cycle`: distinct pages written in a cycle: 256
    ///   `1..262144`
    /// - `spin_iters`: spin steps after each cycle: 64 `0..1000000000`
    "PageFaultChurn" fn page_fault_churn(
        region_kib: u64,
        touches_per_cycle: u64,
        spin_iters: u64,
    );
    /// `NumaWorkingSetSweep`: moves its memory from node to node and touches
    /// it.
    ///
    /// - `region_kib`: KiB of the region, rounded up to whole pages: 4096
    ///   `4..1048576`
    /// - `sweep_period_ms`: milliseconds between two sweeps: 100 `0..3600000`
    /// - `target_nodes`: nodes to sweep over; one alone is a baseline: a list
    ///   of nodes like 0-1, below 1024, all with memory if absent
    "NumaWorkingSetSweep" fn numa_working_set_sweep(
        region_kib: u64,
        sweep_period_ms: u64,
        target_nodes: &'t str,
    );
    /// `MutexContention`: many tasks take turns at one futex mutex.
    ///
    /// - `contenders`: tasks per mutex: 4 `2..1024`
    /// - `hold_iters`: spin steps with the mutex held: 256 `0..1000000000`
    /// - `work_iters`: spin steps without it: 1024 `0..1000000000`
    "MutexContention" fn mutex_contention(
        contenders: u64,
        hold_iters: u64,
        work_iters: u64,
    );
    /// `ProducerConsumerImbalance`: a bounded queue between unequal sides.
    ///
    /// - `producers`: tasks that push: 2 `1..1024`
    /// - `consumers`: tasks that pop: 1 `1..1024`
    /// - `produce_rate_hz`: items a producer pushes each second; 0 is as many
    ///   as it can: 0 `0..1000000`
    /// - `consume_iters`: spin steps for each item: 4096 `0..1000000000`
    /// - `queue_depth_target`: items the queue holds: 1024 `2..65536`
    "ProducerConsumerImbalance" fn producer_consumer_imbalance(
        producers: u64,
        consumers: u64,
        produce_rate_hz: u64,
        consume_iters: u64,
        queue_depth_target: u64,
    );
    /// `SignalStorm`: two tasks send each other bursts of signals.
    ///
    /// - `signals_per_iter`: signals in a burst: 16 `1..1000000`
    /// - `work_iters`: spin steps after each burst: 1024 `0..1000000000`
    /// - `target`: what a task does between its bursts: running `running,
    ///   sleeping`
    "SignalStorm" fn signal_storm(
        signals_per_iter: u64,
        work_iters: u64,
        target: Target,
    );
    /// `PreemptStorm`: short real-time bursts preempt fair tasks.
    ///
    /// - `cfs_workers`: fair tasks: 2 `1..1024`
    /// - `rt_burst_iters`: spin steps of a real-time burst: 1024
    ///   `0..1000000000`
    /// - `rt_sleep_us`: microseconds from one real-time burst to the next: 1000
    ///   `1..10000000`
    /// - `rt_priority`: SCHED_FIFO priority: 1 `1..99`
    "PreemptStorm" fn preempt_storm(
        cfs_workers: u64,
        rt_burst_iters: u64,
        rt_sleep_us: u64,
        rt_priority: u64,
    );
    /// `RtStarvation`: real-time hogs starve fair tasks.
    ///
    /// - `rt_workers`: hogs: 1 `1..1024`
    /// - `cfs_workers`: fair tasks: 1 `1..1024`
    /// - `rt_priority`: SCHED_FIFO priority: 50 `1..99`
    /// - `burst_iters`: spin steps of a burst: 1024 `0..1000000000`
    /// - `rt_limit`: keep what protects fair tasks, or take it away for the
    ///   run: keep `keep, off`
    "RtStarvation" fn rt_starvation(
        rt_workers: u64,
        cfs_workers: u64,
        rt_priority: u64,
        burst_iters: u64,
        rt_limit: RtLimit,
    );
    /// `Sequence`: goes through phases of different nature.
    ///
    /// - `dev`: the disk; what is on it is lost: the path of a block device,
    ///   /dev/vda if absent
    /// - `dev_force`: overwrite a disk that seems to be in use: false `true,
    ///   false`
    /// - `phases`: what to do, in order: 1 to 32 of spin:D, sleep:D, yield:D,
    ///   io:D and alu_hot:WIDTH/D, each duration D above zero, for example
    ///   spin:5ms,sleep:10ms
    /// - `io_backing`: what io phases write: a file and then 0.1 ms of sleep,
    ///   or dev as IoSyncWrite does: tmpfs `tmpfs, device`
    "Sequence" fn sequence(
        dev: &'t str,
        dev_force: bool,
        phases: &'t str,
        io_backing: IoBacking,
    );
}

options! {
    /// `PriorityInversion`: a high task waits for a lock that a low one holds.
    ///
    /// - `high_count`: tasks that want the mutex: 1 `1..1024`
    /// - `medium_count`: tasks that want the CPU: 1 `1..1024`
    /// - `low_count`: tasks that start rounds: 1 `1..1024`
    /// - `hold_iters`: spin steps of low with the mutex: 4096 `0..1000000000`
    /// - `work_iters`: spin steps of high with the mutex: 1024 `0..1000000000`
    /// - `pi_mode`: a plain mutex, or one with priority inheritance: plain
    ///   `plain, pi`
    /// - `medium_burst_us`: microseconds of CPU that medium wants in each
    ///   round: 2000 `1..1000000`
    /// - `period_ms`: milliseconds between two rounds of a low task: 10
    ///   `1..10000`
    /// - `high_priority`: SCHED_FIFO priority: 70 `1..99`
    /// - `medium_priority`: SCHED_FIFO priority: 50 `1..99`
    /// - `low_priority`: SCHED_FIFO priority: 30 `1..99`
    "PriorityInversion" fn priority_inversion(PriorityInversion,
    default PriorityInversion {
        high_count: u64,
        medium_count: u64,
        low_count: u64,
        hold_iters: u64,
        work_iters: u64,
        pi_mode: PiMode,
        medium_burst_us: u64,
        period_ms: u64,
        high_priority: u64,
        medium_priority: u64,
        low_priority: u64,
    });
    /// `Schbench`: message threads wake computing workers, as schbench.
    ///
    /// - `message_threads`: threads that hand out requests (-m): 1 `1..1024`
    /// - `worker_threads`: workers of each; 0 is all CPUs between them (-t): 0
    ///   `0..4096`
    /// - `cache_footprint_kib`: size of a worker's matrices (-F): 256
    ///   `1..1048576`
    /// - `operations`: products per request (-n): 5 `0..1000000000`
    /// - `sleep_usec`: think time of a request (-s): 100 `0..60000000`
    /// - `skip_locking`: work without the CPU's lock (-L): false `true, false`
    /// - `requests_per_sec`: requests injected in a second; 0 is message mode
    ///   (-R): 0 `0..100000000`
    /// - `auto_rps`: steer the rate to this busy percentage; 0 is off (-A): 0
    ///   `0..100`
    /// - `pipe_transfer_bytes`: bytes copied per wake in place of work (-p): 0
    ///   `0..1048576`
    /// - `split_percent`: private share of footprint and operations; the rest
    ///   is one shared matrix: unset `unset, 0..100`
    /// - `calibrate`: no locks, and requests without their think time (-C):
    ///   false `true, false`
    /// - `message_cpus`: one CPU each (-M): a CPU list such as 0-3,8, or auto
    /// - `worker_cpus`: all of them (-W): a CPU list such as 0-3,8, or auto
    /// - `warmup_s`: seconds after which the figures are zeroed once (-w): 0
    ///   `0..86400`
    /// - `interval_s`: seconds between two intermediate reports; 0 is none
    ///   (-i): 10 `0..86400`
    /// - `zero_s`: seconds after which the figures are zeroed again and again
    ///   (-z): 0 `0..86400`
    /// - `label`: name of this setting in the report (-J): at most 64 printable
    ///   characters
    /// - `pacing`: inject a second's requests at once, or spread them: burst
    ///   `burst, even`
    /// - `strict_stamp`: also measure each wake from a stamp of its own: false
    ///   `true, false`
    "Schbench" fn schbench(Schbench<'t>,
    default Schbench<'_> {
        message_threads: u64,
        worker_threads: u64,
        cache_footprint_kib: u64,
        operations: u64,
        sleep_usec: u64,
        skip_locking: bool,
        requests_per_sec: u64,
        auto_rps: u64,
        pipe_transfer_bytes: u64,
        split_percent: Option<u64>,
        calibrate: bool,
        message_cpus: &'t str,
        worker_cpus: &'t str,
        warmup_s: u64,
        interval_s: u64,
        zero_s: u64,
        label: &'t str,
        pacing: Pacing,
        strict_stamp: bool,
    });
    /// `Taobench`: cache hits, and misses that take a slow path, as taobench.
    ///
    /// - `profile`: where slow_sleep_us, wait and compress come from if not
    ///   given: standard `standard, dcperf`
    /// - `fast_threads`: threads that look up; 0 is 0.75 x CPUs: 0 `0..4096`
    /// - `dispatchers`: threads between; 0 is 0.25 x fast: 0 `0..4096`
    /// - `slow_threads`: threads that fetch; 0 is 3 x fast: 0 `0..4096`
    /// - `conns_per_fast`: closed-loop connections of a fast thread: 16
    ///   `1..4096`
    /// - `cache_mib`: size of the cache: 64 `32..16384`
    /// - `target_hit_pct`: share of lookups that are to hit: 90 `1..99`
    /// - `slow_sleep_us`: median fetch time; standard 100, dcperf 0: profile
    ///   `profile, 0..2000000`
    /// - `slow_p99_us`: 99th percentile of the fetch time; 0 is no tail: 0
    ///   `0..2000000`
    /// - `wait`: how idle threads wait; standard futex, dcperf poll:100ns:
    ///   futex, or poll:D with D up to 1s, for example poll:100ns
    /// - `compress`: compress what was fetched; standard 0, dcperf 1: profile
    ///   `profile, 0..1`
    /// - `interval_s`: seconds between two intermediate reports; 0 is none: 5
    ///   `0..86400`
    /// - `pin`: pin each thread to a CPU, in turn: false `true, false`
    /// - `arrival_rate`: requests per second that arrive by themselves; 0 is a
    ///   closed loop: 0 `0..1000000000`
    "Taobench" fn taobench(Taobench<'t>,
    default Taobench<'_> {
        profile: Profile,
        fast_threads: u64,
        dispatchers: u64,
        slow_threads: u64,
        conns_per_fast: u64,
        cache_mib: u64,
        target_hit_pct: u64,
        slow_sleep_us: Option<u64>,
        slow_p99_us: u64,
        wait: &'t str,
        compress: Option<u64>,
        interval_s: u64,
        pin: bool,
        arrival_rate: u64,
    });
}
