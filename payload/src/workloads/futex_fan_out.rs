//! One messenger wakes N receivers.

use crate::ctx::Ctx;
use crate::ctx::broadcast::{METRICS, WAKE, WAKE_CALL, pace};
use crate::ctx::workload::Workload;
use crate::kit::stop::Stop;
use crate::row::{Family, Feature, Need, Param, Row, Shared, What, Work, doc};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "FutexFanOut",
        file: doc(file!()),
        family: Family::Wake,
        summary: doc("one messenger wakes many receivers"),
        path: doc("futex_wake over the hash bucket -> wake_up_q, serial"),
        params: &[FAN_OUT, SPIN, PACE],
        group: |work| Some(fan_out(work) + 1),
        role: |_, pos| if pos == 0 { "messenger" } else { "receiver" },
        iteration: "generation seen or sent",
        hists: &[WAKE, WAKE_CALL],
        metrics: METRICS,
        needs: &[Need::required(What::Feature(Feature::Futex))],
        proof: doc("woken / calls = fan_out; nvcsw of the receivers"),
        shared: |_, _| Shared {
            words: 2,
            rings: 1,
            ..Shared::NONE
        },
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const FAN_OUT: Param =
    Param::count(0, "fan_out", 4, (1, 1024), "receivers per messenger");

const SPIN: Param =
    Param::steps(1, "spin_iters", 1024, "spin steps between two generations");

const PACE: Param = pace(2);

fn fan_out(work: &Work<'_>) -> u32 {
    u32::try_from(work.count(&FAN_OUT)).unwrap_or(u32::MAX)
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    match c.pos() {
        0 => messenger(c),
        _ => receiver(c),
    }
    Ok(())
}

fn messenger(c: &mut Ctx<'_>) {
    let spin = c.work().count(&SPIN);
    let receivers = fan_out(c.work());
    while !c.stop() {
        c.spin(spin);
        c.fan_out(receivers, &PACE);
        c.spin(256);
        c.iteration();
    }
}

fn receiver(c: &mut Ctx<'_>) {
    let spin = c.work().count(&SPIN);
    let receivers = fan_out(c.work());
    let mut seen = 0;
    while let Some(heard) = c.park_and_hear(receivers, seen) {
        seen = heard.generation;
        c.spin(spin);
        c.iteration();
    }
}
