//! CPU bursts with idle gaps that others can borrow.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::kit::stop::Stop;
use crate::row::{Family, Feature, Hist, Need, Param, Row, What, doc};
use core::time::Duration;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "Bursty",
        file: doc(file!()),
        family: Family::BurstSleep,
        summary: doc("CPU bursts with idle gaps"),
        path: doc("hrtimer_nanosleep (behind each burst) -> schedule; \
                   hrtimer_wakeup -> try_to_wake_up"),
        params: &[BURST, SLEEP],
        iteration: "burst and sleep",
        hists: &[TIMER],
        needs: &[Need::required(What::Feature(Feature::PosixTimers))],
        calls: &[Op::ClockNanosleep],
        proof: doc("nvcsw = iterations; cpu/wall = burst/(burst+sleep)"),
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const BURST: Param =
    Param::duration(0, "burst_duration", 50_000, MIN, "length of a burst");
const SLEEP: Param = Param::duration(
    1,
    "sleep_duration",
    100_000,
    MIN,
    "length of the sleep after it",
);
const MIN: Duration = Duration::from_nanos(1);

const TIMER: Hist = Hist::new(0, "timer", "deadline of the sleep to running");

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    let burst = c.work().duration_ns(&BURST);
    let sleep = c.work().duration_ns(&SLEEP);
    while !c.stop() {
        c.burn(burst);
        let deadline = now() + sleep;
        let Some(ran) = c.sleep_until(deadline) else {
            continue;
        };
        c.record(&TIMER, ran.saturating_sub(deadline));
        c.iteration_at(ran);
    }
    Ok(())
}
