//! Dispatchers and slow threads: they fetch what was not there.

use super::figures::{COMPRESSED, EVICTED, QUEUE};
use super::options::SLOW_P99;
use super::thread::Thread;
use crate::ctx::Ctx;
use crate::kit::clock::{SECOND, now};
use crate::kit::draw::Tail;
use crate::kit::memory::Region;
use crate::kit::stop::Stop;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use pidone_compute::cache::MAX_WORDS;
use pidone_compute::lz;
use rand_core::Rng;
use rand_xoshiro::SplitMix64;

/// Longest fetch.
const MAX_SLEEP_NS: u64 = 2 * SECOND;

/// What a slow thread has of its own.
struct Fetch {
    value: ManuallyDrop<Region>,
    packed: ManuallyDrop<Region>,
    tail: Tail,
    random: SplitMix64,
}

impl Thread {
    pub(super) fn dispatcher(&mut self, c: &mut Ctx<'_>) {
        let (fast, dispatchers) = (self.layout.fast, self.layout.dispatchers);
        let left = self.layout.dispatchers_left(c);
        left.increment();
        c.start();
        let (first, slow) = (fast + dispatchers, self.layout.slow);
        loop {
            // Looked at first: whoever has left has handed over everything.
            let done = c.stop() && self.layout.fast_left(c).get() == 0;
            let requests = self.layout.list(c, self.lane);
            let mut idle = true;
            for id in requests.take_in_order() {
                idle = false;
                let to = self.next(first, slow);
                self.hand(c, id, to);
            }
            c.follow();
            c.checkpoint_at(now());
            match (idle, done) {
                (true, true) => break,
                (true, false) => self.idle(c, u64::MAX),
                (false, _) => {}
            }
        }
        if left.decrement() == 0 {
            (first..first + slow).for_each(|lane| self.notify(c, lane));
        }
    }

    pub(super) fn slow(&mut self, c: &mut Ctx<'_>) -> Result<(), Stop> {
        let bytes = MAX_WORDS * size_of::<u64>();
        let p99 = c.work().count(&SLOW_P99) * 1000;
        let mut fetch = Fetch {
            packed: c.memory(lz::bound(bytes))?,
            value: c.memory(bytes)?,
            tail: Tail::new(self.sleep_ns, p99, MAX_SLEEP_NS),
            random: c.random(),
        };
        c.start();
        loop {
            let left = self.layout.dispatchers_left(c).get();
            let done = c.stop() && left == 0;
            let requests = self.layout.list(c, self.lane);
            let mut idle = true;
            for id in requests.take_in_order() {
                idle = false;
                self.fetch(c, &mut fetch, id);
            }
            c.follow();
            match (idle, done) {
                (true, true) => return Ok(()),
                (true, false) => self.idle(c, u64::MAX),
                (false, _) => {}
            }
        }
    }

    /// Sleeps, builds the value, stores it, and replies.
    fn fetch(&self, c: &mut Ctx<'_>, fetch: &mut Fetch, id: u32) {
        let request = self.layout.request(c, id);
        let begin = now();
        let queued = request.queued_ns().load(Relaxed);
        c.record(&QUEUE, begin.saturating_sub(queued));
        let sleep = fetch.tail.draw(fetch.random.next_u64());
        if sleep > 0 && !c.stop() {
            // At the stop the reply comes early.
            let _slept = c.sleep_until(begin + sleep);
        }
        let number =
            |cell: &AtomicU64| u32::try_from(cell.load(Relaxed)).unwrap_or(0);
        let shard_number = number(request.shard());
        let shard = self.layout.shard(c, shard_number);
        let key = request.key().load(Relaxed);
        let words = shard.value_words(key);
        let value = fetch.value.words();
        let len = usize::try_from(words).unwrap_or(0).min(value.len());
        build(&value[..len], &mut fetch.random);
        if self.compresses {
            let bytes = &fetch.value.bytes()[..len * size_of::<u64>()];
            let packed = lz::compress(bytes, fetch.packed.bytes());
            c.metric(&COMPRESSED, packed as u64);
        }
        let word = |i: u64| {
            let at = usize::try_from(i).unwrap_or(0);
            value.get(at).map_or(0, |word| word.load(Relaxed))
        };
        let evicted =
            self.locked(c, shard_number, || shard.insert(key, words, word));
        c.metric(&EVICTED, evicted.unwrap_or(0));
        c.checkpoint_at(now());
        self.layout
            .load(c, number(request.dispatcher()))
            .decrement();
        // Its fast thread is the one whose slots its number is in.
        self.hand(c, id, id / self.layout.slots.max(1));
    }
}

/// A value with some repetition in it, as real ones have.
fn build(value: &[AtomicU64], random: &mut SplitMix64) {
    let mut word = random.next_u64();
    for (cell, i) in value.iter().zip(0_u64..) {
        if i % 4 == 0 {
            word = random.next_u64();
        }
        cell.store(word, Relaxed);
    }
}
