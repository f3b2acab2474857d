//! The end of a task's set-up: what the kernel made of it, and the barrier.

use crate::kit::cells::wake_all;
use crate::kit::control::Control;
use crate::kit::cpus::Cpus;
use crate::kit::slot::Slot;
use crate::kit::task;
use crate::sys::numa::get_mempolicy;
use crate::sys::sched;
use core::sync::atomic::Ordering::Relaxed;
use rustix::thread::{current_timer_slack, sched_getaffinity};

/// Tells the supervisor that this task has finished its set-up, or failed.
pub fn arrive(control: &Control) {
    control.ready.fetch_add(1, Relaxed);
    wake_all(&control.ready);
}

/// Reads back what the kernel made of the calling task's attributes. Whether
/// its class is sched_ext is asked only of kernels that have it: their answer
/// costs 200,000 instructions and more.
pub fn effective(slot: &Slot, sched_ext: bool) {
    if let Ok(attr) = sched::sched_getattr() {
        slot.policy.store(attr.policy + 1, Relaxed);
        slot.rt_priority.store(attr.priority, Relaxed);
        slot.nice.store(attr.nice, Relaxed);
    }
    if let Ok(set) = sched_getaffinity(None) {
        let cpus = Cpus::from_set(&set);
        for (to, from) in slot.allowed.iter().zip(cpus.words()) {
            to.store(*from, Relaxed);
        }
    }
    if let Ok((mode, nodes)) = get_mempolicy() {
        slot.mempolicy.store(mode + 1, Relaxed);
        for (to, from) in slot.mempolicy_nodes.iter().zip(nodes) {
            to.store(from, Relaxed);
        }
    }
    let ext = match sched_ext.then(task::own_ext_enabled).flatten() {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    };
    slot.ext_enabled.store(ext, Relaxed);
    let slack = current_timer_slack().map_or(0, |ns| ns.saturating_add(1));
    slot.timer_slack.store(slack, Relaxed);
}
