//! Waker and wakee in different scheduling classes.
//!
//! With `handoff=turn` each turn has one wake in each direction, of which
//! the wakee's is measured. With `free` the waker goes on at once; one that
//! always runs before its wakee, on the wakee's CPU, starves it.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::{MILLISECOND, now};
use crate::kit::op::Op;
use crate::kit::reason::Reason;
use crate::kit::stop::{CallExt, Stop};
use crate::row::attr::Policy;
use crate::row::{
    Family, Feature, Hist, Metric, Need, Param, Row, Shared, What, Work, doc,
};
use crate::wire::record::WakeRule;
use rustix::io::Errno;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "AsymmetricWaker",
        file: doc(file!()),
        family: Family::Wake,
        summary: doc("waker and wakee in different scheduling classes"),
        path: doc("try_to_wake_up across classes; wakeup_preempt"),
        params: &[WAKER_CLASS, WAKEE_CLASS, BURST, HANDOFF],
        group: |_| Some(2),
        role: |_, pos| if pos == WAKER { "waker" } else { "wakee" },
        iteration: "turn",
        hists: &[WAKE],
        metrics: &[MISSED],
        needs: &[
            Need::required(What::Feature(Feature::Futex)),
            Need::required(What::SysNice)
                .when(|work| has(work, RT) || has(work, DEADLINE)),
            Need::required(What::SchedExt).when(|work| has(work, EXT)),
        ],
        proof: doc("policies as read back; nr_wakeups = iterations (turn)"),
        shared: |_, _| Shared {
            words: 2,
            stamps: 1,
            ..Shared::NONE
        },
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const CLASSES: &[&str] = &["cfs", "batch", "idle", "rt", "deadline", "ext"];
/// The same behind a word for whatever is not the wakee's.
const WAKER_CLASSES: &[&str] =
    &["auto", "cfs", "batch", "idle", "rt", "deadline", "ext"];
const CFS: usize = 0;
const BATCH: usize = 1;
const IDLE: usize = 2;
const RT: usize = 3;
const DEADLINE: usize = 4;
const EXT: usize = 5;

const WAKER_CLASS: Param = Param::choice(
    0,
    "waker_class",
    WAKER_CLASSES,
    "class of the waker; auto is rt, or batch where that is not allowed",
);

const WAKEE_CLASS: Param =
    Param::choice(1, "wakee_class", CLASSES, "class of the wakee");

const BURST: Param = Param::count(
    2,
    "burst_iters",
    1024,
    (1, 1_000_000_000),
    "spin steps before each wake",
);

const HANDOFF: Param = Param::choice(
    3,
    "handoff",
    &["turn", "free"],
    "whether the waker waits for an answer",
);
const HANDOFF_TURN: usize = 0;

const WAKE: Hist = Hist::wake(
    0,
    WakeRule::Pair,
    "before FUTEX_WAKE of the wakee to running",
);

const MISSED: Metric =
    Metric::sum(0, "missed", "wakes sent while the wakee was busy");

const WAKER: u32 = 0;
/// Words: the last turn that was asked for, and the last one answered.
const ASKED: u32 = 0;
const ANSWERED: u32 = 1;

/// The waker's class, unless it is to be found.
fn waker_class(work: &Work<'_>) -> Option<usize> {
    work.choice(&WAKER_CLASS).checked_sub(1)
}

fn has(work: &Work<'_>, class: usize) -> bool {
    waker_class(work) == Some(class) || work.choice(&WAKEE_CLASS) == class
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let waker_class = waker_class(c.work());
    let wakee_class = c.work().choice(&WAKEE_CLASS);
    if waker_class == Some(wakee_class) {
        c.degrade(Reason::SameClass);
    }
    match (c.pos(), waker_class) {
        (WAKER, Some(class)) => set(c, class)?,
        (WAKER, None) => {
            // One of them is not the wakee's.
            let classes = [RT, BATCH, CFS];
            let others = classes.into_iter().filter(|&it| it != wakee_class);
            let mut tried = others.map(|class| set(c, class));
            tried.find(Result::is_ok).unwrap_or(Ok(()))?;
        }
        _ => set(c, wakee_class)?,
    }
    c.start();
    match c.pos() {
        WAKER => waker(c),
        _ => wakee(c),
    }
    Ok(())
}

fn set(c: &Ctx<'_>, class: usize) -> Result<(), Stop> {
    match c.sched_setattr(policy(class)) {
        // The capability is there, so it is the mask.
        Err(Errno::PERM) if class == DEADLINE => {
            Err(Stop::skip(&"deadline needs affinity=inherit"))
        }
        result => result.call(Op::SchedSetattr.name()),
    }
}

fn policy(class: usize) -> Policy {
    match class {
        BATCH => Policy::Batch,
        IDLE => Policy::Idle,
        RT => Policy::Fifo(50),
        DEADLINE => Policy::Deadline {
            runtime_ns: MILLISECOND,
            deadline_ns: 10 * MILLISECOND,
            period_ns: 10 * MILLISECOND,
        },
        EXT => Policy::Ext,
        _ => Policy::Normal,
    }
}

fn waker(c: &mut Ctx<'_>) {
    let burst = c.work().count(&BURST);
    let takes_turns = c.work().choice(&HANDOFF) == HANDOFF_TURN;
    let (asked, answered) = (c.word(ASKED), c.word(ANSWERED));
    while !c.stop() {
        c.spin(burst);
        let turn = asked.get().wrapping_add(1);
        // In `free`, a later wake must not overwrite the stamp of the one
        // that ended the wakee's sleep; in `turn`, the slot is always empty.
        c.stamp(0).set_if_empty(now());
        asked.set(turn);
        c.wake(asked, 1);
        let done = |seen| seen == turn;
        if takes_turns && c.wait_until(answered, done, |_, _| {}).is_none() {
            break;
        }
        c.iteration();
    }
}

fn wakee(c: &mut Ctx<'_>) {
    let burst = c.work().count(&BURST);
    let takes_turns = c.work().choice(&HANDOFF) == HANDOFF_TURN;
    let (asked, answered) = (c.word(ASKED), c.word(ANSWERED));
    let mut seen = 0;
    let stamp = c.stamp(0);
    while let Some(waited) = c.wait_until(
        asked,
        |turn| turn != seen,
        |c, sleep| c.record_wake(&WAKE, sleep, stamp.take()),
    ) {
        if !waited.slept {
            c.nowait();
        }
        let turn = asked.get();
        // Those of turns up to this one end no sleep any more, and would
        // keep the next one's out.
        let _others = stamp.take();
        c.metric(&MISSED, u64::from(turn.wrapping_sub(seen) - 1));
        seen = turn;
        c.spin(burst);
        if takes_turns {
            answered.set(seen);
            c.wake(answered, 1);
        }
        c.iteration();
    }
}
