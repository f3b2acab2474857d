//! Interrupts of a network interface, from raw frames that come back.

use crate::ctx::nic::{ECHO, FRAME, NEEDS, NIC, create, destroy, shared};
use crate::ctx::workload::Workload;
use crate::kit::op::Op;
use crate::row::{Family, Hist, Metric, Param, Row, doc};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "NetTraffic",
        file: doc(file!()),
        family: Family::Timer,
        summary: doc("raw frames that come back as interrupts"),
        path: doc("packet_sendmsg -> __dev_queue_xmit -> start_xmit; \
                   vring_interrupt -> skb_recv_done -> net_rx_action -> \
                   virtnet_poll"),
        params: &[INTERVAL, FRAME, NIC, ECHO],
        iteration: "attempt to send",
        unit: "frame accepted",
        hists: &[CALL],
        metrics: &[OVERRUNS],
        needs: NEEDS,
        calls: &[Op::Sendto],
        proof: doc(
            "packets received, of /proc/net/dev, >= 0.9 x units; NET_RX \
             of /proc/softirqs; the interface's interrupts",
        ),
        shared,
        ..Row::BASE
    },
    create,
    destroy,
    run: |c| c.send_frames((&INTERVAL, &FRAME), Some(&CALL), &OVERRUNS),
    ..Workload::BASE
};

const INTERVAL: Param = Param::count(
    0,
    "interval_us",
    0,
    (0, 10_000_000),
    "microseconds between two frames",
);

const CALL: Hist = Hist::new(0, "call", "duration of sendto");

const OVERRUNS: Metric = Metric::overruns(0);
