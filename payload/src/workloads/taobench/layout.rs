//! Who is who among the tasks of an instance, and what they share is where.

use super::options::{
    ARRIVAL_RATE, CACHE_MIB, CONNS, DISPATCHERS, FAST_THREADS, SLOW_THREADS,
};
use crate::ctx::Ctx;
use crate::kit::cells::{Stamp, Word};
use crate::kit::cpus::MAX_CPUS;
use crate::kit::list::List;
use crate::row::{Shared, Work};
use core::sync::atomic::AtomicU64;
use pidone_compute::cache::{self, Shard};

/// Shards of the cache.
pub(super) const SHARDS: u32 = 256;
/// Requests that a dispatcher may have on their way, at most.
pub(super) const MAX_SLOW_REQS: u32 = 1024;
/// Cells of a request: a cache line.
const REQUEST: u32 = 8;
/// Words of a task: what it waits on, its list, its load.
const EACH: u32 = 3;

/// The numbers that everything follows from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) fast: u32,
    pub(super) dispatchers: u32,
    pub(super) slow: u32,
    /// Requests a fast thread may have parked.
    pub(super) slots: u32,
    /// Words of the ring of a shard.
    ring: usize,
}

/// What a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Fast(u32),
    Dispatcher,
    Slow,
}

impl Layout {
    /// That of an instance on so many CPUs.
    pub(super) fn new(work: &Work<'_>, cpus: u32) -> Self {
        let count = |p| u32::try_from(work.count(p)).unwrap_or(u32::MAX);
        let or = |p, default: u32| match count(p) {
            0 => default.max(1),
            given => given,
        };
        let fast = or(&FAST_THREADS, cpus * 3 / 4);
        let dispatchers = or(&DISPATCHERS, fast / 4);
        let ring = work.count(&CACHE_MIB) * (1 << 20) / 8 / u64::from(SHARDS);
        Self {
            fast,
            dispatchers,
            slow: or(&SLOW_THREADS, 3 * fast),
            slots: match work.count(&ARRIVAL_RATE) {
                0 => count(&CONNS),
                // More are never on their way.
                _ => dispatchers * MAX_SLOW_REQS,
            },
            ring: usize::try_from(ring).unwrap_or(0),
        }
    }

    /// That of an instance of so many tasks, which tell the number of CPUs.
    pub(super) fn of_tasks(work: &Work<'_>, tasks: u32) -> Self {
        let mut all = (1..=MAX_CPUS).map(|cpus| Self::new(work, cpus));
        let fits = |layout: &Self| layout.tasks() == tasks;
        all.find(fits).unwrap_or_else(|| Self::new(work, 1))
    }

    pub(super) fn tasks(&self) -> u32 {
        self.fast + self.dispatchers + self.slow
    }

    pub(super) fn role(&self, lane: u32) -> Role {
        match lane.checked_sub(self.fast) {
            None => Role::Fast(lane),
            Some(rest) if rest < self.dispatchers => Role::Dispatcher,
            Some(_) => Role::Slow,
        }
    }

    fn requests(&self) -> u32 {
        self.fast * self.slots * REQUEST
    }

    fn shard_cells(&self) -> u32 {
        u32::try_from(cache::cells(self.ring)).unwrap_or(u32::MAX)
    }

    pub(super) fn shared(&self) -> Shared {
        let cache = SHARDS.saturating_mul(self.shard_cells());
        Shared {
            words: 2 + SHARDS + EACH * self.tasks(),
            stamps: self.tasks(),
            cells: self.requests().saturating_add(cache),
            ..Shared::NONE
        }
    }

    /// Fast threads that have not left.
    pub(super) fn fast_left<'r>(&self, c: &Ctx<'r>) -> &'r Word {
        c.word(0)
    }

    /// Dispatchers that have not left.
    pub(super) fn dispatchers_left<'r>(&self, c: &Ctx<'r>) -> &'r Word {
        c.word(1)
    }

    /// The lock of a shard.
    pub(super) fn lock<'r>(&self, c: &Ctx<'r>, shard: u32) -> &'r Word {
        c.word(2 + shard)
    }

    /// What a task waits on.
    pub(super) fn word<'r>(&self, c: &Ctx<'r>, lane: u32) -> &'r Word {
        c.word(2 + SHARDS + EACH * lane)
    }

    /// Requests handed to a task.
    pub(super) fn list<'r>(&self, c: &Ctx<'r>, lane: u32) -> List<'r> {
        let head = c.word(2 + SHARDS + EACH * lane + 1);
        List::new(head, c.instance().cells, REQUEST as usize)
    }

    /// Requests of a dispatcher that are on their way.
    pub(super) fn load<'r>(&self, c: &Ctx<'r>, lane: u32) -> &'r Word {
        c.word(2 + SHARDS + EACH * lane + 2)
    }

    /// When a task was woken.
    pub(super) fn stamp<'r>(&self, c: &Ctx<'r>, lane: u32) -> &'r Stamp {
        c.stamp(lane)
    }

    /// A request.
    pub(super) fn request<'r>(&self, c: &Ctx<'r>, id: u32) -> Request<'r> {
        let first = (id * REQUEST) as usize;
        let cells = &c.instance().cells[first..first + REQUEST as usize];
        Request(cells)
    }

    /// A shard of the cache.
    pub(super) fn shard<'r>(&self, c: &Ctx<'r>, shard: u32) -> Shard<'r> {
        let each = self.shard_cells() as usize;
        let first = self.requests() as usize + shard as usize * each;
        let cells = &c.instance().cells[first..first + each];
        Shard::new(shard, cells, self.ring)
    }
}

/// A request in shared memory; its first cell is the link of the list it is
/// in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'r>(&'r [AtomicU64]);

impl<'r> Request<'r> {
    /// Its fast thread waits for the reply.
    pub(super) fn parked(&self) -> &'r AtomicU64 {
        &self.0[1]
    }

    pub(super) fn shard(&self) -> &'r AtomicU64 {
        &self.0[2]
    }

    pub(super) fn key(&self) -> &'r AtomicU64 {
        &self.0[3]
    }

    pub(super) fn start_ns(&self) -> &'r AtomicU64 {
        &self.0[4]
    }

    pub(super) fn arrival_ns(&self) -> &'r AtomicU64 {
        &self.0[5]
    }

    pub(super) fn queued_ns(&self) -> &'r AtomicU64 {
        &self.0[6]
    }

    /// The task of its dispatcher.
    pub(super) fn dispatcher(&self) -> &'r AtomicU64 {
        &self.0[7]
    }
}
