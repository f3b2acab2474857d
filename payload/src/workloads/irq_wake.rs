//! A task woken from the softirq that receives its frame.
//!
//! The kernel stamps a frame as it takes it from the interface, in NET_RX
//! softirq; from there to the task's return from `recvmsg` is what is
//! measured. A frame on its way out would be delivered by its sender, so the
//! socket declines those, and one that comes nevertheless fails the run.

use crate::ctx::Ctx;
use crate::ctx::nic::{
    ECHO, FRAME, NEEDS, NIC, create, destroy, sent_ns, shared,
};
use crate::ctx::workload::Workload;
use crate::kit::clock::{MILLISECOND, now, realtime};
use crate::kit::op::Op;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Metric, Param, Row, doc};
use crate::wire::record::WakeRule;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "IrqWake",
        file: doc(file!()),
        family: Family::Timer,
        summary: doc("a task woken from the softirq that receives its frame"),
        path: doc("virtnet_poll -> packet_rcv -> sock_def_readable -> \
                   __wake_up_sync_key; __skb_wait_for_more_packets"),
        params: &[INTERVAL, FRAME, NIC, ECHO],
        group: |_| Some(2),
        role: |_, pos| match pos {
            0 => "sender",
            _ => "receiver",
        },
        iteration: "frame sent or received",
        unit: "frame sent or received",
        hists: &[WAKE, E2E, BLOCK],
        metrics: &[DISCARDED, OVERRUNS],
        needs: NEEDS,
        calls: &[Op::Sendto, Op::Recvmsg],
        proof: doc("NET_RX of /proc/softirqs and packets received, of \
                    /proc/net/dev, >= frames; wake count + nowait + \
                    discarded = frames received"),
        shared,
        ..Row::BASE
    },
    create,
    destroy,
    run,
    ..Workload::BASE
};

const INTERVAL: Param = Param::count(
    0,
    "interval_us",
    1000,
    (0, 10_000_000),
    "microseconds between two frames",
);

const WAKE: Hist = Hist::wake(
    0,
    WakeRule::Packet,
    "the frame's receive time stamp to the return of recvmsg",
);

const E2E: Hist = Hist::new(
    1,
    "e2e",
    "before sendto to the return of recvmsg; not with echo=arp",
);

const BLOCK: Hist = Hist::new(2, "block", "call of recvmsg to its return");

const DISCARDED: Metric = Metric::sum(
    0,
    "discarded",
    "frames of the first 100 ms, when the kernel may not stamp them yet",
);

const OVERRUNS: Metric = Metric::overruns(1);

/// The kernel turns time stamps on by and by.
const STAMPS_NS: u64 = 100 * MILLISECOND;

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    match c.pos() {
        0 => c.send_frames((&INTERVAL, &FRAME), None, &OVERRUNS),
        _ => receiver(c),
    }
}

fn receiver(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let way = c.way();
    let socket = way.receiver(c.frame_id(), 0)?;
    let stamped = now() + STAMPS_NS;
    let mut buf = [0; 64];
    c.start();
    while !c.stop() {
        let block = realtime();
        let received = c.receive_frame(&socket, &mut buf);
        let run = realtime();
        let Some((frame, slept)) = received else {
            continue;
        };
        if frame.outgoing {
            return Err(Stop::fail(&"it received a frame on its way out"));
        }
        c.record(&BLOCK, run.saturating_sub(block));
        if now() < stamped {
            c.metric(&DISCARDED, 1);
        } else if !slept {
            c.nowait();
        } else if frame.stamp_ns == 0 {
            c.stale();
        } else {
            c.record(&WAKE, run.saturating_sub(frame.stamp_ns.max(block)));
        }
        if !way.is_arp() {
            c.record(&E2E, run.saturating_sub(sent_ns(&buf)));
        }
        c.units(1);
        c.iteration();
    }
    Ok(())
}
