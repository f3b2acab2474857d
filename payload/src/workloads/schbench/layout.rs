//! Who is who among the tasks of an instance, and what they share is where.

use super::options::{
    FOOTPRINT, MESSAGES, OPERATIONS, PIPE, SPLIT, WORKERS, injects, locks,
};
use crate::ctx::Ctx;
use crate::kit::cells::{Stamp, Word};
use crate::kit::cpus::MAX_CPUS;
use crate::kit::lane_queue::Queue;
use crate::kit::list::List;
use crate::row::{Shared, Work};
use core::sync::atomic::AtomicU64;
use pidone_compute::matrix::words_of;

/// Cells of a worker's own: the link of the list of those who wait, alone in
/// its cache line.
const RECORD: u32 = 8;

/// The numbers that everything follows from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Message threads.
    pub(super) messages: u32,
    /// Workers of each.
    pub(super) each: u32,
    /// Cells of a worker's queue.
    queue: u32,
    /// Cells of a worker's page.
    page: u32,
    /// Cells of the shared matrices.
    matrix: u32,
    /// Locks.
    locks: u32,
}

/// What a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Monitor,
    Message(u32),
    Worker(u32),
}

impl Layout {
    /// That of an instance on so many CPUs.
    pub(super) fn new(work: &Work<'_>, cpus: u32) -> Self {
        let count = |p| u32::try_from(work.count(p)).unwrap_or(u32::MAX);
        let messages = count(&MESSAGES);
        let each = match count(&WORKERS) {
            0 => cpus.div_ceil(messages).max(1),
            each => each,
        };
        let matrix = words_of(kib(work).1);
        Self {
            messages,
            each,
            queue: if injects(work) { Queue::CELLS } else { 0 },
            page: count(&PIPE).div_ceil(8),
            matrix: u32::try_from(matrix).unwrap_or(u32::MAX),
            // A CPU that comes online later has its lock, too.
            locks: if locks(work) { MAX_CPUS } else { 0 },
        }
    }

    /// That of an instance of so many tasks.
    pub(super) fn of_tasks(work: &Work<'_>, tasks: u32) -> Self {
        let layout = Self::new(work, 1);
        let workers = tasks.saturating_sub(1 + layout.messages);
        let each = workers / layout.messages.max(1);
        Self { each, ..layout }
    }

    /// Workers of all message threads.
    pub(super) fn workers(&self) -> u32 {
        self.messages * self.each
    }

    pub(super) fn tasks(&self) -> u32 {
        1 + self.messages + self.workers()
    }

    pub(super) fn role(&self, lane: u32) -> Role {
        match lane {
            0 => Role::Monitor,
            _ if lane <= self.messages => Role::Message(lane - 1),
            _ => Role::Worker(lane - 1 - self.messages),
        }
    }

    pub(super) fn shared(&self) -> Shared {
        let each = RECORD + self.queue + self.page;
        Shared {
            words: 2 + 2 * self.messages + self.workers() + self.locks,
            stamps: 2 * self.workers(),
            cells: self.workers() * each + self.matrix,
            ..Shared::NONE
        }
    }

    /// Counts how often the figures were zeroed.
    pub(super) fn epoch<'r>(&self, c: &Ctx<'r>) -> &'r Word {
        c.word(0)
    }

    /// The rate of each message thread, in requests per second.
    pub(super) fn share<'r>(&self, c: &Ctx<'r>) -> &'r Word {
        c.word(1)
    }

    /// What a message thread waits on.
    pub(super) fn message<'r>(&self, c: &Ctx<'r>, i: u32) -> &'r Word {
        c.word(2 + i)
    }

    /// The workers that wait for a message thread.
    pub(super) fn waiting<'r>(&self, c: &Ctx<'r>, i: u32) -> List<'r> {
        let head = c.word(2 + self.messages + i);
        List::new(head, c.instance().cells, RECORD as usize)
    }

    /// What a worker waits on.
    pub(super) fn worker<'r>(&self, c: &Ctx<'r>, w: u32) -> &'r Word {
        c.word(2 + 2 * self.messages + w)
    }

    /// The lock of a CPU.
    pub(super) fn lock<'r>(&self, c: &Ctx<'r>, cpu: u32) -> &'r Word {
        let first = 2 + 2 * self.messages + self.workers();
        c.word(first + cpu % self.locks.max(1))
    }

    /// When a worker's batch was posted.
    pub(super) fn batch<'r>(&self, c: &Ctx<'r>, w: u32) -> &'r Stamp {
        c.stamp(2 * w)
    }

    /// When a worker itself was posted.
    pub(super) fn strict<'r>(&self, c: &Ctx<'r>, w: u32) -> &'r Stamp {
        c.stamp(2 * w + 1)
    }

    /// The requests of a worker.
    pub(super) fn queue<'r>(&self, c: &Ctx<'r>, w: u32) -> Queue<'r> {
        let first = self.workers() * RECORD + w * self.queue;
        Queue::new(cells(c, first, self.queue))
    }

    /// The page of a worker, which both sides fill in pipe mode.
    pub(super) fn page<'r>(&self, c: &Ctx<'r>, w: u32) -> &'r [AtomicU64] {
        let first = self.workers() * (RECORD + self.queue);
        cells(c, first + w * self.page, self.page)
    }

    /// The matrices that all workers share.
    pub(super) fn matrix<'r>(&self, c: &Ctx<'r>) -> &'r [AtomicU64] {
        let each = RECORD + self.queue + self.page;
        cells(c, self.workers() * each, self.matrix)
    }
}

fn cells<'r>(c: &Ctx<'r>, first: u32, len: u32) -> &'r [AtomicU64] {
    let first = first as usize;
    &c.instance().cells[first..first + len as usize]
}

/// Products of a request on a worker's own matrices, and on the shared ones.
pub(super) fn operations(work: &Work<'_>) -> (u64, u64) {
    let all = work.count(&OPERATIONS);
    let private = work.count_or_word(&SPLIT).map_or(all, |p| all * p / 100);
    (private, all - private)
}

/// KiB of matrices of a worker's own, and of those that all share.
pub(super) fn kib(work: &Work<'_>) -> (u64, u64) {
    let all = work.count(&FOOTPRINT);
    let private = work.count_or_word(&SPLIT).map_or(all, |p| all * p / 100);
    (private, all - private)
}
