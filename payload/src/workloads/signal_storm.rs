//! Signal delivery pressure.
//!
//! Two partners send each other bursts of SIGUSR2, which the receiver takes
//! while it runs or sleeps. A standard signal that is still pending is not
//! queued twice, so fewer are handled than sent.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::{MILLISECOND, now};
use crate::kit::op::Op;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Metric, Param, Row, Shared, doc};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "SignalStorm",
        file: doc(file!()),
        family: Family::Signal,
        summary: doc("two tasks send each other bursts of signals"),
        path: doc(
            "do_send_specific -> complete_signal -> signal_wake_up_state \
             (inlined) -> kick_process (running) or try_to_wake_up \
             (sleeping)",
        ),
        params: &[SIGNALS, WORK, TARGET],
        group: |_| Some(2),
        iteration: "burst",
        unit: "signal sent",
        hists: &[SIG],
        metrics: &[SENT, HANDLED],
        calls: &[Op::Tgkill],
        proof: doc("0 < handled <= sent; rescheduling interrupts (running); \
                    nr_wakeups (sleeping)"),
        shared: |_, _| Shared {
            stamps: 2,
            ..Shared::NONE
        },
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const SIGNALS: Param = Param::count(
    0,
    "signals_per_iter",
    16,
    (1, 1_000_000),
    "signals in a burst",
);

const WORK: Param =
    Param::steps(1, "work_iters", 1024, "spin steps after each burst");

const TARGET: Param = Param::choice(
    2,
    "target",
    &["running", "sleeping"],
    "what a task does between its bursts",
);
const TARGET_RUNNING: usize = 0;

const SIG: Hist = Hist::new(
    0,
    "sig",
    "before the first signal of a burst to the entry of its handler",
);

const SENT: Metric = Metric::sum(0, "sent", "signals sent");
const HANDLED: Metric = Metric::sum(
    1,
    "handled",
    "calls of the handler; the others found one pending",
);

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.with_signals(c.stamp(c.pos()), &SIG, &HANDLED, |c| {
        c.start();
        storm(c);
        Ok(())
    })
}

fn storm(c: &mut Ctx<'_>) {
    let signals = c.work().count(&SIGNALS);
    let steps = c.work().count(&WORK);
    let running = c.work().choice(&TARGET) == TARGET_RUNNING;
    let partner = 1 - c.pos();
    while !c.stop() {
        // A burst none of whose predecessor was handled keeps that stamp:
        // its first signal is the one that is pending.
        c.stamp(partner).set_if_empty(now());
        for _ in 0..signals {
            if c.stop() {
                break;
            }
            // A partner that has left is the end of the run.
            if c.signal(partner) {
                c.units(1);
                c.metric(&SENT, 1);
            }
        }
        match running {
            true => c.spin_uncounted(steps),
            false => c.ppoll(MILLISECOND),
        }
        c.iteration();
    }
}
