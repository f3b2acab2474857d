//! What all threads of taobench do: set up, wait, hand on, lock.

use super::figures::WAKE;
use super::layout::{Layout, Role, SHARDS};
use super::options::{PIN, TARGET_HIT, compresses, poll_ns, sleep_ns};
use crate::ctx::Ctx;
use crate::ctx::lanes::{BLOCKED, RUNNING};
use crate::kit::clock::{MILLISECOND, now};
use crate::kit::cpus::Cpus;
use crate::kit::stop::{CallExt, Stop};

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTESTED: u32 = 2;

/// What a thread knows.
pub(super) struct Thread {
    pub(super) layout: Layout,
    pub(super) lane: u32,
    pub(super) sleep_ns: u64,
    pub(super) compresses: bool,
    poll_ns: Option<u64>,
    /// Whom it handed the last request to.
    turn: u32,
}

pub(super) fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let work = c.work();
    let layout = Layout::of_tasks(work, c.lanes());
    let mut it = Thread {
        layout,
        lane: c.lane(),
        sleep_ns: sleep_ns(work),
        compresses: compresses(work),
        poll_ns: poll_ns(work),
        turn: c.lane(),
    };
    if work.flag(&PIN) {
        pin(c)?;
    }
    let target = work.count(&TARGET_HIT);
    for shard in (it.lane..SHARDS).step_by(c.lanes() as usize) {
        layout.shard(c, shard).fill(target);
    }
    match layout.role(it.lane) {
        Role::Fast(number) => it.fast(c, number),
        Role::Dispatcher => it.dispatcher(c),
        Role::Slow => it.slow(c)?,
    }
    Ok(())
}

fn pin(c: &Ctx<'_>) -> Result<(), Stop> {
    let allowed = c.sched_getaffinity()?;
    let nth = c.lane() % allowed.len().max(1);
    let mut one = Cpus::EMPTY;
    if let Some(cpu) = allowed.iter().nth(nth as usize) {
        // A CPU of the set fits into a set.
        let _fits = one.insert(cpu);
    }
    c.sched_setaffinity(&one).call(&"sched_setaffinity")
}

impl Thread {
    /// Gives a request to a task and wakes it.
    pub(super) fn hand(&self, c: &Ctx<'_>, request: u32, to: u32) {
        self.layout.list(c, to).push(request);
        self.notify(c, to);
    }

    /// Wakes a task, unless it polls.
    pub(super) fn notify(&self, c: &Ctx<'_>, lane: u32) {
        if self.poll_ns.is_none() {
            let stamp = self.layout.stamp(c, lane);
            c.post_stamped(self.layout.word(c, lane), stamp);
        }
    }

    /// The next in turn of `n` tasks from `first` on.
    pub(super) fn next(&mut self, first: u32, n: u32) -> u32 {
        self.turn = self.turn.wrapping_add(1);
        first + self.turn % n.max(1)
    }

    /// Waits a while, at most until `until`, unless a request is handed to
    /// this task. It may return early for any reason.
    pub(super) fn idle(&self, c: &mut Ctx<'_>, until: u64) {
        let begin = now();
        if let Some(every) = self.poll_ns {
            // Whether a signal or the time ends it, the caller looks again.
            let _slept = c.sleep_until(until.min(begin + every));
            return;
        }
        let (lane, layout) = (self.lane, &self.layout);
        let (own, stamp) = (layout.word(c, lane), layout.stamp(c, lane));
        c.mark_blocked(own);
        if !layout.list(c, lane).is_empty() {
            own.set(RUNNING);
            return;
        }
        // While the instance leaves, wakes may come from anyone.
        let most = c.stop().then_some(MILLISECOND);
        let block = now();
        let due = (until < u64::MAX).then(|| until.saturating_sub(block));
        let sleep = c.block_on(own, BLOCKED, block, most.or(due));
        let posted = own.swap(RUNNING) == RUNNING;
        match sleep {
            // It was the supervisor.
            Some(_) if c.stop() => {}
            Some(sleep) => c.record_wake(&WAKE, &sleep, stamp.get()),
            None if posted => c.nowait(),
            None => {}
        }
    }

    /// Runs `f` with the lock of a shard.
    pub(super) fn locked<T>(
        &self,
        c: &mut Ctx<'_>,
        shard: u32,
        f: impl FnOnce() -> T,
    ) -> T {
        let lock = self.layout.lock(c, shard);
        if !lock.replace(FREE, HELD) {
            // Whoever holds it never blocks, so this ends at the stop, too.
            while lock.swap(CONTESTED) != FREE {
                c.block_on(lock, CONTESTED, now(), None);
            }
        }
        let result = f();
        if lock.swap(FREE) == CONTESTED {
            c.wake(lock, 1);
        }
        result
    }
}
