//! Self-inflicted migrations: a task pins itself to one CPU after another.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::cpus::Cpus;
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::row::{Family, Hist, Need, Param, Row, What, doc};
use rand_core::Rng;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "AffinityChurn",
        file: doc(file!()),
        family: Family::LifeCycle,
        summary: doc("pins itself to another CPU again and again"),
        path: doc("sched_setaffinity -> __set_cpus_allowed_ptr \
                   -> affine_move_task -> migration_cpu_stop"),
        params: &[SPIN],
        iteration: "sched_setaffinity",
        hists: &[CALL],
        needs: &[Need::required(What::Cpus(2))],
        calls: &[Op::SchedSetaffinity],
        proof: doc("se.nr_migrations >= 0.95 x iterations"),
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const SPIN: Param =
    Param::steps(0, "spin_iters", 1024, "spin steps between two pins");

const CALL: Hist = Hist::new(
    0,
    "call",
    "duration of sched_setaffinity, with the stopper's work",
);

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    let spin = c.work().count(&SPIN);
    let all = c.allowed();
    let mut random = c.random();
    let mut pin = None;
    while !c.stop() {
        c.spin(spin);
        let to = other(&all, pin, random.next_u32());
        c.tried(Op::SchedSetaffinity);
        let begin = now();
        let result = c.sched_setaffinity(&to);
        c.record(&CALL, now() - begin);
        match result {
            Ok(()) => pin = Some(to),
            Err(errno) => c.failed(Op::SchedSetaffinity, errno),
        }
        c.sched_yield();
        c.iteration();
    }
    c.sched_setaffinity(&all).call(Op::SchedSetaffinity.name())
}

/// One of the CPUs, but not the one pinned to.
fn other(all: &Cpus, pin: Option<Cpus>, random: u32) -> Cpus {
    let pinned = |cpu| pin.is_some_and(|pin| pin.contains(cpu));
    let others = all.len() - u32::from(pin.is_some());
    let at = random % others.max(1);
    let mut one = Cpus::EMPTY;
    let mut free = all.iter().filter(|&cpu| !pinned(cpu));
    if let Some(cpu) = free.nth(at as usize) {
        // It comes from a set, so it fits into one.
        let _fits = one.insert(cpu);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::other;
    use crate::kit::cpus::Cpus;

    #[test]
    fn every_cpu_but_the_current_one_is_drawn() {
        let set = |list| Cpus::parse(list).unwrap();
        let all = set("1,5,9");
        let drawn = |pin, random| other(&all, pin, random);
        assert_eq!(drawn(None, 2), set("9"));
        assert_eq!(drawn(Some(set("5")), 0), set("1"));
        assert_eq!(drawn(Some(set("5")), 1), set("9"));
        assert_eq!(drawn(Some(set("5")), 2), set("1"));
    }
}
