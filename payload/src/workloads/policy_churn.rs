//! Class transitions: a task goes through the scheduling policies.
//!
//! Without `CAP_SYS_NICE` two are left: real-time ones are refused, and the
//! kernel lets nobody without a right to nice 0 leave `SCHED_IDLE` again.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::kit::reason::Reason;
use crate::kit::sched_ext::sched_ext_enabled;
use crate::kit::stop::{CallExt, Stop};
use crate::row::attr::Policy;
use crate::row::{Family, Feature, Hist, Metric, Need, Param, Row, What, doc};
use crate::sys::sched::SchedAttr;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "PolicyChurn",
        file: doc(file!()),
        family: Family::LifeCycle,
        summary: doc("goes through the scheduling policies"),
        path: doc("__sched_setscheduler -> dequeue_task, check_class_changed \
                   (sched_change_end in 7.2) -> switched_from_fair, \
                   switched_to_rt and the like"),
        params: &[SPIN, EXT],
        iteration: "change of policy",
        hists: &[CALL],
        metrics: &[NORMAL, BATCH, IDLE, FIFO, RR, TO_EXT, READ_BACK],
        needs: &[
            Need::wanted(What::SysNice),
            Need::required(What::Feature(Feature::SchedExt))
                .when(|work| work.flag(&EXT)),
        ],
        calls: &[Op::SchedSetattr],
        proof: doc("changes to each policy differ by at most 1 a worker; \
                    policies_read_back = all"),
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const SPIN: Param =
    Param::steps(0, "spin_iters", 1024, "spin steps between two changes");

const EXT: Param =
    Param::flag(1, "include_ext", "go through SCHED_EXT as well");

const CALL: Hist = Hist::new(0, "call", "duration of sched_setattr");

const NORMAL: Metric = Metric::sum(0, "to_normal", "to SCHED_OTHER");
const BATCH: Metric = Metric::sum(1, "to_batch", "to SCHED_BATCH");
const IDLE: Metric = Metric::sum(2, "to_idle", "to SCHED_IDLE");
const FIFO: Metric = Metric::sum(3, "to_fifo", "to SCHED_FIFO 1");
const RR: Metric = Metric::sum(4, "to_rr", "to SCHED_RR 1");
const TO_EXT: Metric = Metric::sum(5, "to_ext", "to SCHED_EXT");
const READ_BACK: Metric = Metric::max(
    6,
    "policies_read_back",
    "different policies that one task read back from the kernel",
);

const ALL: [(Policy, Metric); 6] = [
    (Policy::Normal, NORMAL),
    (Policy::Batch, BATCH),
    (Policy::Idle, IDLE),
    (Policy::Fifo(1), FIFO),
    (Policy::Rr(1), RR),
    (Policy::Ext, TO_EXT),
];
const WITHOUT_EXT: usize = 5;
const WITHOUT_CAP: usize = 2;

/// Every how many changes the policy is read back: no divisor of any number
/// of policies, so that each has its turn.
const SAMPLE: usize = 7;

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let initial = c.sched_getattr().call(&"sched_getattr")?;
    let policies = policies(c, initial)?;
    c.start();
    let spin = c.work().count(&SPIN);
    let (mut turn, mut seen) = (0_usize, 0_u64);
    while !c.stop() {
        c.spin(spin);
        turn += 1;
        let (policy, changes) = &policies[turn % policies.len()];
        let attr = like(initial, *policy);
        c.tried(Op::SchedSetattr);
        let begin = now();
        let result = c.sched_setattr_to(attr);
        c.record(&CALL, now() - begin);
        match result {
            Ok(()) => c.metric(changes, 1),
            Err(errno) => c.failed(Op::SchedSetattr, errno),
        }
        if turn.is_multiple_of(SAMPLE)
            && let Ok(attr) = c.sched_getattr()
        {
            seen |= 1 << (attr.policy % u64::BITS);
            c.metric_max(&READ_BACK, seen.count_ones().into());
        }
        c.sched_yield();
        c.iteration();
    }
    c.sched_setattr_to(initial).call(Op::SchedSetattr.name())
}

/// Those that this task may enter and leave.
fn policies(
    c: &Ctx<'_>,
    initial: SchedAttr,
) -> Result<&'static [(Policy, Metric)], Stop> {
    const { assert!(WITHOUT_EXT < ALL.len()) };
    let ext = c.work().flag(&EXT);
    if ext && !sched_ext_enabled() {
        // The kernel takes the policy all the same, and runs the task as a
        // fair one.
        c.degrade(Reason::NoSchedExt);
    }
    let real_time = like(initial, Policy::Fifo(1));
    if c.sched_setattr_to(real_time).is_err() {
        c.degrade(Reason::NoCap);
        return Ok(&ALL[..WITHOUT_CAP]);
    }
    c.sched_setattr_to(initial).call(Op::SchedSetattr.name())?;
    Ok(if ext { &ALL } else { &ALL[..WITHOUT_EXT] })
}

/// A change of policy is no change of nice, nor of what children get: to
/// take that back needs a right that the task may not have.
fn like(initial: SchedAttr, policy: Policy) -> SchedAttr {
    SchedAttr {
        nice: initial.nice,
        flags: initial.flags,
        ..policy.attr(None)
    }
}
