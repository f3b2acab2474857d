//! Short bursts and short sleeps: idle entry and exit.
//!
//! The task leaves its CPU at every sleep; the CPU idles only if nothing
//! else is runnable there. In a virtual machine a sample contains the exit
//! from the halt and whatever the host did meanwhile.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::row::{Family, Feature, Hist, Need, Param, Row, What, Work, doc};
use core::num::NonZeroU64;
use core::time::Duration;
use rustix::thread::set_current_timer_slack;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "IdleChurn",
        file: doc(file!()),
        family: Family::BurstSleep,
        summary: doc("short bursts and short sleeps: idle entry and exit"),
        path: doc("hrtimer_nanosleep -> schedule -> pick_task_idle, tick \
                   stop, cpuidle; hrtimer_wakeup -> try_to_wake_up"),
        params: &[BURST, SLEEP, PRECISE],
        iteration: "burst and sleep",
        hists: &[TIMER],
        needs: &[Need::required(What::Feature(Feature::PosixTimers))],
        calls: &[Op::ClockNanosleep],
        proof: doc(
            "nvcsw = iterations; sched_goidle of /proc/schedstat grows by \
             as much",
        ),
        check,
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const BURST: Param = Param::duration(
    0,
    "burst_duration",
    1000,
    Duration::ZERO,
    "length of a burst",
);

const SLEEP: Param = Param::duration(
    1,
    "sleep_duration",
    5000,
    Duration::ZERO,
    "length of the sleep after it",
);

const PRECISE: Param = Param::flag(2, "precise_timing", "timer slack of 1 ns");

const TIMER: Hist = Hist::new(0, "timer", "deadline of the sleep to running");

/// A slack of 0 would restore the default.
const LEAST_SLACK: Option<NonZeroU64> = NonZeroU64::new(1);

fn check(work: &Work<'_>) -> Result<(), &'static str> {
    if work.duration_ns(&BURST) == 0 {
        return Err("with burst_duration=0 it never runs; a burst is longer");
    }
    if work.duration_ns(&SLEEP) == 0 {
        return Err("with sleep_duration=0 it never sleeps; use SpinWait or \
                    YieldHeavy");
    }
    Ok(())
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    if c.work().flag(&PRECISE) {
        set_current_timer_slack(LEAST_SLACK).call(Op::Prctl.name())?;
    }
    let burst = c.work().duration_ns(&BURST);
    let sleep = c.work().duration_ns(&SLEEP);
    c.start();
    while !c.stop() {
        c.burn(burst);
        if c.stop() {
            break;
        }
        let deadline = now() + sleep;
        let Some(ran) = c.sleep_until(deadline) else {
            continue;
        };
        c.record(&TIMER, ran.saturating_sub(deadline));
        c.iteration_at(ran);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{WORKLOAD, check};
    use crate::row::Value;
    use core::time::Duration;

    #[test]
    fn what_would_not_churn_is_refused() {
        for (key, advice) in [
            ("burst_duration", "never runs"),
            ("sleep_duration", "use SpinWait or YieldHeavy"),
        ] {
            let mut work = WORKLOAD.row.work();
            work.set(key, Value::Duration(Duration::ZERO)).unwrap();
            let rule = check(&work).unwrap_err();
            assert!(rule.contains(key) && rule.contains(advice), "{rule}");
        }
    }
}
