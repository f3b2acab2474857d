//! N-way futex mutex: convoys and preempted holders.
//!
//! The guarded counter is no atomic addition, so that a mutex that lets two
//! in at once is found out.

use crate::ctx::Ctx;
use crate::ctx::mutex::CONTESTED;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::kit::wakes::Wakes;
use crate::row::{
    Family, Feature, Hist, How, Metric, Need, Param, Row, Shared, What, Work,
    doc,
};
use crate::wire::record::WakeRule;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "MutexContention",
        file: doc(file!()),
        family: Family::Lock,
        summary: doc("many tasks take turns at one futex mutex"),
        path: doc("futex_wait_queue (futex_do_wait in 7.2) / futex_wake"),
        params: &[CONTENDERS, HOLD_ITERS, WORK_ITERS],
        group: |work| Some(contenders(work)),
        iteration: "acquisition",
        hists: &[LOCK, HOLD, WAKE],
        metrics: &[GUARDED, ACQUIRED, CONTENDED, WAITS],
        needs: &[Need::required(What::Feature(Feature::Futex))],
        proof: doc("guarded = acquired; contended > 0; waits = nvcsw"),
        shared: |work, _| Shared {
            words: 1,
            cells: Wakes::cells(contenders(work)),
            gauges: 2,
            ..Shared::NONE
        },
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const CONTENDERS: Param =
    Param::count(0, "contenders", 4, (2, 1024), "tasks per mutex");

const HOLD_ITERS: Param =
    Param::steps(1, "hold_iters", 256, "spin steps with the mutex held");

const WORK_ITERS: Param =
    Param::steps(2, "work_iters", 1024, "spin steps without it");

const LOCK: Hist = Hist::new(0, "lock", "asking for the mutex to having it");
const HOLD: Hist =
    Hist::new(1, "hold", "having the mutex to having released it");
const WAKE: Hist = Hist::wake(
    2,
    WakeRule::ManyWakers,
    "before the releaser's FUTEX_WAKE to running",
);

const GUARDED: Metric = Metric::new(
    0,
    "guarded",
    How::Gauge(0),
    "the plain counters that the mutexes guard",
);
const ACQUIRED: Metric = Metric::new(
    1,
    "acquired",
    How::Gauge(1),
    "acquisitions, warm-up included",
);
const CONTENDED: Metric =
    Metric::sum(2, "contended", "acquisitions that found it held");
const WAITS: Metric =
    Metric::sum(3, "waits", "calls of FUTEX_WAIT that a wake ended");

fn contenders(work: &Work<'_>) -> u32 {
    u32::try_from(work.count(&CONTENDERS)).unwrap_or(u32::MAX)
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    let hold = c.work().count(&HOLD_ITERS);
    let work = c.work().count(&WORK_ITERS);
    let (mutex, wakes) = (c.word(0), Wakes::new(c.instance().cells));
    let block = |c: &mut Ctx<'_>| {
        if c.block_among((mutex, CONTESTED), &wakes, &WAKE) {
            c.metric(&WAITS, 1);
        } else {
            c.nowait();
        }
    };
    while !c.stop() {
        c.spin(work);
        let asked = now();
        let Some(contended) = c.lock(mutex, block) else {
            break;
        };
        c.metric(&CONTENDED, contended.into());
        let locked = now();
        c.record(&LOCK, locked - asked);
        c.spin(hold);
        c.gauge(0).bump();
        c.gauge(1).count();
        c.unlock(mutex, |c| c.wake_among(mutex, &wakes));
        let end = now();
        c.record(&HOLD, end - locked);
        c.iteration_at(end);
    }
    Ok(())
}
