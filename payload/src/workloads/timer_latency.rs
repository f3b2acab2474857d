//! Absolute-deadline wake latency, as cyclictest.
//!
//! Deadlines keep to their grid. One that has passed is left out and counted:
//! a stall is one sample, as long as the stall.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::{next_deadline, now};
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::row::{Family, Feature, Hist, Metric, Need, Param, Row, What, doc};
use core::num::NonZeroU64;
use rustix::thread::set_current_timer_slack;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "TimerLatency",
        file: doc(file!()),
        family: Family::Timer,
        summary: doc("wake latency at absolute deadlines, as cyclictest"),
        path: doc("hrtimer_nanosleep(HRTIMER_MODE_ABS); hrtimer_wakeup -> \
                   try_to_wake_up"),
        params: &[INTERVAL, SLACK],
        iteration: "expiry",
        unit: "expiry",
        hists: &[TIMER],
        metrics: &[OVERRUNS],
        needs: &[
            Need::required(What::Feature(Feature::PosixTimers)),
            Need::wanted(What::Feature(Feature::HighResTimers)),
        ],
        calls: &[Op::ClockNanosleep],
        proof: doc("nvcsw and the local timer's interrupts = iterations"),
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const INTERVAL: Param = Param::count(
    0,
    "interval_us",
    1000,
    (1, 10_000_000),
    "microseconds between two deadlines",
);

const SLACK: Param = Param::count_or(
    1,
    "slack_ns",
    &"inherit",
    (1, 1_000_000_000),
    "timer slack in nanoseconds",
);

const TIMER: Hist = Hist::new(0, "timer", "deadline to running");

const OVERRUNS: Metric = Metric::overruns(0);

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    if let Some(slack) = c.work().count_or_word(&SLACK) {
        set_current_timer_slack(NonZeroU64::new(slack))
            .call(Op::Prctl.name())?;
    }
    c.start();
    let interval = c.work().count(&INTERVAL) * 1000;
    let mut next = now() + interval;
    while !c.stop() {
        let Some(ran) = c.sleep_until(next) else {
            continue;
        };
        c.record(&TIMER, ran.saturating_sub(next));
        c.units(1);
        c.iteration_at(ran);
        let (deadline, passed) = next_deadline(next, interval, now());
        c.metric(&OVERRUNS, passed);
        next = deadline;
    }
    Ok(())
}
