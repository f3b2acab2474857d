//! Paired wakes without the sync hint.
//!
//! The word says whose turn it is. It has a single owner at a time, which is
//! what excludes lost wakes.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::{Family, Feature, Hist, Need, Param, Row, Shared, What, doc};
use crate::wire::record::WakeRule;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "FutexPingPong",
        file: doc(file!()),
        family: Family::Wake,
        summary: doc("two tasks pass a futex word back and forth"),
        path: doc(
            "futex_wake -> wake_up_q -> try_to_wake_up; futex_wait_queue \
             (futex_do_wait in 7.2)",
        ),
        params: &[SPIN],
        group: |_| Some(2),
        iteration: "turn",
        hists: &[WAKE, WAKE_CALL],
        needs: &[Need::required(What::Feature(Feature::Futex))],
        proof: doc(
            "nr_wakeups_sync = 0; nvcsw = iterations; partners' iterations \
             differ by at most 1",
        ),
        shared: |_, _| Shared {
            words: 1,
            stamps: 2,
            ..Shared::NONE
        },
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const SPIN: Param =
    Param::steps(0, "spin_iters", 1024, "spin steps in each turn");

const WAKE: Hist = Hist::wake(
    0,
    WakeRule::Pair,
    "before the partner's FUTEX_WAKE to running",
);

const WAKE_CALL: Hist = Hist::new(1, "wake_call", "duration of FUTEX_WAKE");

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    let spin = c.work().count(&SPIN);
    let pos = c.pos();
    let turn = c.word(0);
    let (own, partner) = (c.stamp(pos), c.stamp(1 - pos));
    let mine = |whose| whose == pos;
    let mut end = now();
    loop {
        let mut slept = None;
        let waited = c.wait_from(
            || end,
            turn,
            mine,
            |c, sleep| {
                // A late wake of the turn before came in between.
                if let Some(stray) = slept.replace(*sleep) {
                    c.record_wake(&WAKE, &stray, own.get());
                }
            },
        );
        let Some(waited) = waited else {
            break;
        };
        let stamp = own.get();
        // What was measured is recorded when the partner has its turn, so
        // that without steps one look at the clock is both ends.
        let begin = match spin {
            0 => waited.run_ns,
            steps => {
                c.spin(steps);
                now()
            }
        };
        partner.set(begin);
        turn.set(1 - pos);
        c.wake(turn, 1);
        end = now();
        match slept {
            Some(sleep) => c.record_wake(&WAKE, &sleep, stamp),
            None => c.nowait(),
        }
        c.record(&WAKE_CALL, end - begin);
        c.iteration_at(end);
        if c.stop() {
            break;
        }
    }
    Ok(())
}
