//! CPU bursts with idle gaps that others can borrow.

use crate::ctx::Ctx;
use crate::kit::clock::now;
use crate::probe::Feature;
use crate::workload::{Family, Hist, Kind, Need, Param, Stop, What, Workload};
use core::time::Duration;

pub(super) const WORKLOAD: Workload = Workload {
    name: "Bursty",
    file: file!(),
    family: Family::BurstSleep,
    summary: "CPU bursts with idle gaps",
    path: "clock_nanosleep -> schedule; hrtimer_wakeup -> try_to_wake_up",
    params: &[BURST, SLEEP],
    iteration: "burst and sleep",
    hists: &[TIMER],
    needs: &[Need::required(What::Feature(Feature::PosixTimers))],
    proof: "nvcsw = iterations; cpu/wall = burst/(burst+sleep)",
    run,
    ..Workload::BASE
};

const BURST: Param = Param {
    index: 0,
    name: "burst_duration",
    kind: duration(50),
    summary: "length of a burst",
};

const SLEEP: Param = Param {
    index: 1,
    name: "sleep_duration",
    kind: duration(100),
    summary: "length of the sleep after it",
};

const TIMER: Hist = Hist {
    index: 0,
    name: "timer",
    rule: None,
    meaning: "deadline of the sleep to running",
};

const fn duration(default_ms: u64) -> Kind {
    Kind::Duration {
        default: Duration::from_millis(default_ms),
        min: Duration::from_nanos(1),
        max: Duration::from_secs(3600),
    }
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
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
