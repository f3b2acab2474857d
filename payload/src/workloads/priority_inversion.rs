//! Priority inversion, with or without inheritance.
//!
//! On one CPU, a low task takes a mutex and starts a round: the high task
//! wants the mutex, the medium ones want the CPU. Without inheritance the
//! high task waits for the mediums; with it the low task is boosted over
//! them.

use crate::ctx::Ctx;
use crate::ctx::mutex::CONTESTED;
use crate::ctx::workload::Workload;
use crate::kit::clock::{next_deadline, now};
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::kit::task;
use crate::row::attr::{Affinity, Policy};
use crate::row::{
    Family, Feature, Hist, Metric, Need, Param, Row, Shared, What, Work, doc,
};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "PriorityInversion",
        file: doc(file!()),
        family: Family::Lock,
        summary: doc("a high task waits for a lock that a low one holds"),
        path: doc("futex_wait_queue (futex_do_wait in 7.2) / futex_wake; \
                   futex_lock_pi (with pi_mode=pi) -> \
                   rt_mutex_adjust_prio_chain (with pi_mode=pi) -> \
                   rt_mutex_setprio (with pi_mode=pi)"),
        params: &[
            HIGH,
            MEDIUM,
            LOW,
            HOLD,
            WORK,
            MODE,
            BURST,
            PERIOD,
            HIGH_PRIO,
            MEDIUM_PRIO,
            LOW_PRIO,
        ],
        group: |work| Some(size(work)),
        role: |work, pos| match role(work, pos) {
            Role::High => "high",
            Role::Medium => "medium",
            Role::Low => "low",
        },
        affinity: |_| Affinity::SingleCpu,
        iteration: "round",
        hists: &[LOCK, HELD, TIMER],
        metrics: &[CONTENDED, RUNNING_PRIO, OVERRUNS],
        needs: &[
            Need::required(What::SysNice),
            Need::required(What::Feature(Feature::Futex)),
            Need::required(What::Feature(Feature::FutexPi)).when(inherits),
            // Otherwise the low task just goes on running on another CPU.
            Need::wanted(What::Rivals(|work, workers| {
                workers / size(work) * mediums(work)
            })),
        ],
        proof: doc("lock p50 >= medium_burst in plain, about hold in pi; \
                    low_running_priority = high_priority in pi"),
        shared: |_, _| Shared {
            words: 3,
            ..Shared::NONE
        },
        check,
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const HIGH: Param = tasks(0, "high_count", "tasks that want the mutex");
const MEDIUM: Param = tasks(1, "medium_count", "tasks that want the CPU");
const LOW: Param = tasks(2, "low_count", "tasks that start rounds");
const HOLD: Param =
    Param::steps(3, "hold_iters", 4096, "spin steps of low with the mutex");
const WORK: Param =
    Param::steps(4, "work_iters", 1024, "spin steps of high with the mutex");
const MODE: Param = Param::choice(
    5,
    "pi_mode",
    &["plain", "pi"],
    "a plain mutex, or one with priority inheritance",
);
const MODE_PI: usize = 1;
const BURST: Param = Param::count(
    6,
    "medium_burst_us",
    2000,
    (1, 1_000_000),
    "microseconds of CPU that medium wants in each round",
);
const PERIOD: Param = Param::count(
    7,
    "period_ms",
    10,
    (1, 10_000),
    "milliseconds between two rounds of a low task",
);
const HIGH_PRIO: Param = priority(8, "high_priority", 70);
const MEDIUM_PRIO: Param = priority(9, "medium_priority", 50);
const LOW_PRIO: Param = priority(10, "low_priority", 30);

const LOCK: Hist =
    Hist::new(0, "lock", "high asking for the mutex to having it");
const HELD: Hist = Hist::new(1, "hold", "low having the mutex to releasing it");
const TIMER: Hist = Hist::new(2, "timer", "deadline of low to running");

const CONTENDED: Metric =
    Metric::sum(0, "contended", "acquisitions of high that had to wait");
const RUNNING_PRIO: Metric = Metric::max(
    1,
    "low_running_priority",
    "highest priority at which low was seen to run with the mutex",
);

const OVERRUNS: Metric = Metric::overruns(2);

/// The word that is the mutex.
const MUTEX: u32 = 0;
/// The word that counts rounds.
const ROUND: u32 = 1;
/// The word that holds the last round in which low looked at its priority.
const LOOKED: u32 = 2;
/// Every how many rounds it does. With the mutex held the look takes longer
/// than the rest, so that such a round has no sample of `hold` and `lock`.
const SAMPLE: u64 = 8;

const fn tasks(
    index: usize,
    name: &'static str,
    summary: &'static str,
) -> Param {
    Param::count(index, name, 1, (1, 1024), summary)
}

const fn priority(index: usize, name: &'static str, default: u64) -> Param {
    Param::count(index, name, default, (1, 99), "SCHED_FIFO priority")
}

enum Role {
    High,
    Medium,
    Low,
}

fn count(work: &Work<'_>, param: &Param) -> u32 {
    u32::try_from(work.count(param)).unwrap_or(u32::MAX)
}

fn size(work: &Work<'_>) -> u32 {
    count(work, &HIGH) + mediums(work) + count(work, &LOW)
}

fn mediums(work: &Work<'_>) -> u32 {
    count(work, &MEDIUM)
}

fn inherits(work: &Work<'_>) -> bool {
    work.choice(&MODE) == MODE_PI
}

fn role(work: &Work<'_>, pos: u32) -> Role {
    let high = count(work, &HIGH);
    match pos {
        pos if pos < high => Role::High,
        pos if pos < high + mediums(work) => Role::Medium,
        _ => Role::Low,
    }
}

fn check(work: &Work<'_>) -> Result<(), &'static str> {
    let of = |param| work.count(param);
    let falling =
        of(&HIGH_PRIO) > of(&MEDIUM_PRIO) && of(&MEDIUM_PRIO) > of(&LOW_PRIO);
    falling
        .then_some(())
        .ok_or("high_priority > medium_priority > low_priority must hold")
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let role = role(c.work(), c.pos());
    let priority = match role {
        Role::High => &HIGH_PRIO,
        Role::Medium => &MEDIUM_PRIO,
        Role::Low => &LOW_PRIO,
    };
    let priority = u8::try_from(c.work().count(priority)).unwrap_or(1);
    c.sched_setattr(Policy::Fifo(priority))
        .call(Op::SchedSetattr.name())?;
    c.start();
    match role {
        Role::High => high(c),
        Role::Medium => medium(c),
        Role::Low => low(c),
    }
}

fn high(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let work = c.work().count(&WORK);
    let round = c.word(ROUND);
    let mut seen = round.get();
    while c.wait_while(round, seen).is_some() {
        seen = round.get();
        let asked = now();
        let Some(contended) = lock(c)? else {
            break;
        };
        let locked = now();
        if c.word(LOOKED).get() != seen {
            c.record(&LOCK, locked - asked);
        }
        c.metric(&CONTENDED, contended.into());
        c.spin(work);
        unlock(c)?;
        c.iteration();
    }
    Ok(())
}

fn medium(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let burst = c.work().count(&BURST) * 1000;
    let round = c.word(ROUND);
    let mut seen = round.get();
    while c.wait_while(round, seen).is_some() {
        seen = round.get();
        c.burn(burst);
        c.iteration();
    }
    Ok(())
}

fn low(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let hold = c.work().count(&HOLD);
    let period = c.work().count(&PERIOD) * 1_000_000;
    let round = c.word(ROUND);
    let mut rounds = 0_u64;
    let mut next = now() + period;
    while !c.stop() {
        let Some(ran) = c.sleep_until(next) else {
            continue;
        };
        c.record(&TIMER, ran.saturating_sub(next));
        let (deadline, passed) = next_deadline(next, period, ran);
        c.metric(&OVERRUNS, passed);
        next = deadline;
        if lock(c)?.is_none() {
            break;
        }
        let locked = now();
        // The kernel keeps real-time waiters in the order of their priority,
        // so high asks for the mutex before medium takes the CPU.
        let looks = rounds.is_multiple_of(SAMPLE);
        if looks {
            c.word(LOOKED).set(round.get().wrapping_add(1));
        }
        round.increment();
        c.wake(round, u32::MAX);
        c.spin(hold);
        if looks && let Some(priority) = task::own_running_priority() {
            c.metric_max(&RUNNING_PRIO, priority);
        }
        rounds += 1;
        // Whom the release lets run is not part of it: it ends the boost.
        if !looks {
            c.record(&HELD, now() - locked);
        }
        unlock(c)?;
        c.iteration();
    }
    Ok(())
}

/// Takes the mutex of either kind; `None` if the stop came first.
fn lock(c: &mut Ctx<'_>) -> Result<Option<bool>, Stop> {
    let mutex = c.word(MUTEX);
    match inherits(c.work()) {
        true => c.lock_pi(mutex),
        false => Ok(c.lock(mutex, |c| {
            c.block_on(mutex, CONTESTED, now(), None);
        })),
    }
}

fn unlock(c: &Ctx<'_>) -> Result<(), Stop> {
    let mutex = c.word(MUTEX);
    match inherits(c.work()) {
        true => c.unlock_pi(mutex),
        false => {
            c.unlock(mutex, |c| {
                c.wake(mutex, 1);
            });
            Ok(())
        }
    }
}
