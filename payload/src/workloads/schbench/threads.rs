//! The loops of schbench's threads.

use super::figures::{QUEUE, REQUEST, RETRIES, WAKE, WAKEUP};
use super::layout::{Layout, Role, kib, operations};
use super::options::{CALIBRATE, PIPE, SLEEP, STRICT_STAMP, injects, locks};
use super::pin::pin;
use crate::ctx::Ctx;
use crate::ctx::lanes::RUNNING;
use crate::kit::cells::Word;
use crate::kit::clock::{SECOND, now};
use crate::kit::stop::Stop;
use core::hint::spin_loop;
use pidone_compute::bytes;
use pidone_compute::matrix::{Matrices, words_of};

/// How long after the stop a worker's first request may end.
const PATIENCE_NS: u64 = SECOND;

const FREE: u32 = 0;
const HELD: u32 = 1;

/// What a thread knows.
pub(super) struct Thread {
    pub(super) layout: Layout,
    /// How often the figures had been zeroed when it last looked.
    pub(super) epoch: u32,
    injects: bool,
    locks: bool,
    strict: bool,
    pipe: bool,
    calibrate: bool,
    sleep_ns: u64,
}

/// The products of a request: of which matrices, and how many.
type Products<'r> = [(Matrices<'r>, u64); 2];

pub(super) fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let work = c.work();
    let mut it = Thread {
        layout: Layout::of_tasks(work, c.lanes()),
        epoch: 0,
        injects: injects(work),
        locks: locks(work),
        strict: work.flag(&STRICT_STAMP),
        pipe: work.count(&PIPE) > 0,
        calibrate: work.flag(&CALIBRATE),
        sleep_ns: work.count(&SLEEP) * 1000,
    };
    let role = it.layout.role(c.lane());
    pin(c, role, it.layout.messages)?;
    match role {
        Role::Monitor => it.monitor(c),
        Role::Message(i) if it.injects => it.injector(c, i),
        Role::Message(i) => it.message(c, i),
        Role::Worker(w) => it.worker(c, w)?,
    }
    Ok(())
}

impl Thread {
    /// Starts counting anew where a warm-up has ended or the figures are to
    /// be zeroed.
    pub(super) fn renew(&mut self, c: &mut Ctx<'_>) {
        c.follow();
        let epoch = self.layout.epoch(c).get();
        if epoch != self.epoch {
            self.epoch = epoch;
            c.restart();
        }
    }

    /// Wakes whoever waits, whenever somebody asks for it.
    fn message(&mut self, c: &mut Ctx<'_>, i: u32) {
        c.start();
        let own = self.layout.message(c, i);
        while !c.stop() {
            self.renew(c);
            c.mark_blocked(own);
            self.wake_all(c, i);
            // At the stop the loop ends.
            let _woken = c.wait_for_post(own, |_, _| {});
        }
        // Whoever pushed itself without having seen the stop.
        self.wake_all(c, i);
    }

    fn wake_all(&self, c: &mut Ctx<'_>, i: u32) {
        let mut stamp = now();
        for w in self.layout.waiting(c, i).take() {
            if self.pipe {
                bytes::set(self.layout.page(c, w), 1);
                stamp = now();
            }
            self.post(c, w, stamp);
        }
    }

    /// Tells a worker to run. The stamps are those of the post that wakes
    /// it, which later ones must not replace before it has read them.
    pub(super) fn post(&self, c: &Ctx<'_>, w: u32, stamp: u64) {
        let word = self.layout.worker(c, w);
        if c.waits(word) {
            self.layout.batch(c, w).set(stamp);
            if self.strict {
                self.layout.strict(c, w).set(now());
            }
            c.post(word);
        }
    }

    fn worker(&mut self, c: &mut Ctx<'_>, w: u32) -> Result<(), Stop> {
        let (private, shared) = kib(c.work());
        let bytes = words_of(private) * size_of::<u64>();
        let region = match bytes {
            0 => None,
            _ => Some(c.memory(bytes)?),
        };
        let own = region.as_ref().map_or(&[][..], |region| region.words());
        let (on_private, on_shared) = operations(c.work());
        let products = [
            (Matrices::new(self.layout.matrix(c), shared), on_shared),
            (Matrices::new(own, private), on_private),
        ];
        c.start();
        while !c.stop() {
            self.renew(c);
            let served = match self.injects {
                true => self.serve(c, w, &products),
                false => self
                    .message_and_wait(c, w)
                    .and_then(|()| self.request(c, &products)),
            };
            if served.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Asks the message thread for the next request. `None` at the stop.
    fn message_and_wait(&self, c: &mut Ctx<'_>, w: u32) -> Option<()> {
        if self.pipe {
            bytes::set(self.layout.page(c, w), 2);
        }
        let (own, i) = (self.layout.worker(c, w), w / self.layout.each);
        c.mark_blocked(own);
        self.layout.waiting(c, i).push(w);
        c.post(self.layout.message(c, i));
        self.woken(c, w)
    }

    /// Waits until there are requests in the queue, and works through them.
    /// `None` at the stop.
    fn serve(
        &self,
        c: &mut Ctx<'_>,
        w: u32,
        products: &Products<'_>,
    ) -> Option<()> {
        let (own, queue) = (self.layout.worker(c, w), self.layout.queue(c, w));
        c.mark_blocked(own);
        match queue.is_empty() {
            true => self.woken(c, w)?,
            false => own.set(RUNNING),
        }
        for stamp in queue.splice() {
            c.record(&QUEUE, now().saturating_sub(stamp));
            self.request(c, products)?;
            if c.stop() {
                return None;
            }
        }
        Some(())
    }

    fn woken(&self, c: &mut Ctx<'_>, w: u32) -> Option<()> {
        let strict = self.strict.then(|| self.layout.strict(c, w));
        let waited =
            c.wait_for_post(self.layout.worker(c, w), |c, sleep| {
                if let Some(stamp) = strict {
                    c.record_wake(&WAKE, sleep, stamp.get());
                }
            })?;
        let batch = self.layout.batch(c, w).get();
        c.record(&WAKEUP, waited.run_ns.saturating_sub(batch));
        if !waited.slept {
            c.nowait();
        }
        Some(())
    }

    /// Thinks and computes. `None` at the stop.
    fn request(&self, c: &mut Ctx<'_>, products: &Products<'_>) -> Option<()> {
        let mut begin = now();
        if !self.pipe {
            if self.sleep_ns > 0 {
                // The stop cuts it short, which the computing looks for.
                let woken = c.sleep_until(begin + self.sleep_ns);
                if self.calibrate {
                    begin = woken.unwrap_or_else(now);
                }
            }
            let lock = match self.locks {
                true => Some(self.lock(c)?),
                false => None,
            };
            let done = self.compute(c, products);
            if let Some(lock) = lock {
                lock.set(FREE);
            }
            done?;
        }
        let end = now();
        c.record(&REQUEST, end - begin);
        c.units(1);
        c.iteration_at(end);
        Some(())
    }

    /// Takes the lock of the CPU it runs on. `None` at the stop.
    fn lock<'r>(&self, c: &mut Ctx<'r>) -> Option<&'r Word> {
        loop {
            let cpu = c.cpu();
            let lock = self.layout.lock(c, cpu);
            // The lock it began with, wherever it is moved meanwhile.
            while !lock.replace(FREE, HELD) {
                if c.give_up(PATIENCE_NS) {
                    return None;
                }
                spin_loop();
            }
            if c.cpu() == cpu {
                return Some(lock);
            }
            lock.set(FREE);
            c.metric(&RETRIES, 1);
        }
    }

    fn compute(&self, c: &mut Ctx<'_>, products: &Products<'_>) -> Option<()> {
        for (matrices, operations) in products {
            for _ in 0..*operations {
                let mut at = 0;
                while at < matrices.elements() {
                    if c.give_up(PATIENCE_NS) {
                        return None;
                    }
                    at = matrices.piece(at);
                }
                c.checkpoint_at(now());
            }
        }
        Some(())
    }
}
