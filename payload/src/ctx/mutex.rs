//! Two mutexes made of a futex word: a plain one, and one with priority
//! inheritance.
//!
//! The word of the plain one is 0 free, 1 held, 2 held with waiters; that of
//! the other is 0 or the thread id of its holder, as the kernel demands. A
//! task that leaves for the stop has not got the mutex, and must not unlock
//! it.

use crate::ctx::Ctx;
use crate::kit::cells::Word;
use crate::kit::clock::{SECOND, now, realtime, timespec};
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use core::sync::atomic::Ordering::Relaxed;
use rustix::io::Errno;
use rustix::thread::futex;

const FREE: u32 = 0;
const HELD: u32 = 1;
/// What a waiter finds, and waits while it is there.
pub const CONTESTED: u32 = 2;

/// How long a wait for the other kind may take: it goes on through signals.
const MAX_LOCK_NS: u64 = SECOND;

impl Ctx<'_> {
    /// Takes a plain mutex; `block` waits once while it is [`CONTESTED`].
    /// Returns whether it had to, or `None` if the stop came first.
    pub fn lock(
        &mut self,
        mutex: &Word,
        block: impl Fn(&mut Self),
    ) -> Option<bool> {
        if mutex.replace(FREE, HELD) {
            return Some(false);
        }
        while mutex.swap(CONTESTED) != FREE {
            if self.stop() {
                return None;
            }
            block(self);
        }
        Some(true)
    }

    /// Releases a plain mutex; `wake` wakes a waiter, if there may be one.
    pub fn unlock(&self, mutex: &Word, wake: impl FnOnce(&Self)) {
        if mutex.swap(FREE) == CONTESTED {
            wake(self);
        }
    }

    /// Takes a mutex with priority inheritance. Returns whether the kernel
    /// had to help, or `None` if the stop came first.
    ///
    /// # Errors
    ///
    /// `ESRCH` if its holder died, `EDEADLK` if that is this task.
    pub fn lock_pi(&mut self, mutex: &Word) -> Result<Option<bool>, Stop> {
        if mutex.replace(FREE, self.tid()) {
            return Ok(Some(false));
        }
        while !self.stop() {
            let result = self.futex_lock_pi(mutex);
            self.resumed_at(now());
            match result {
                Ok(()) => return Ok(Some(true)),
                Err(Errno::TIMEDOUT | Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno).call(Op::FutexLockPi.name()),
            }
        }
        Ok(None)
    }

    /// Releases a mutex with priority inheritance.
    ///
    /// # Errors
    ///
    /// `EPERM` if another holds it.
    pub fn unlock_pi(&self, mutex: &Word) -> Result<(), Stop> {
        if mutex.replace(self.tid(), FREE) {
            return Ok(());
        }
        futex::unlock_pi(&mutex.0, self.futex_flags())
            .call(Op::FutexUnlockPi.name())
    }

    fn tid(&self) -> u32 {
        self.given.slot.tid.load(Relaxed)
    }

    /// Waits for the mutex, but not for ever. A signal does not end
    /// this wait, the kernel restarts it: the deadline has to.
    fn futex_lock_pi(&self, mutex: &Word) -> Result<(), Errno> {
        let (word, flags) = (&mutex.0, self.futex_flags());
        let deadline = timespec(now() + MAX_LOCK_NS);
        match futex::lock_pi2(word, flags, Some(&deadline)) {
            // Before 5.14 only this one is there, which keeps the other
            // clock.
            Err(Errno::NOSYS) => {
                let deadline = timespec(realtime() + MAX_LOCK_NS);
                futex::lock_pi(word, flags, Some(&deadline))
            }
            result => result,
        }
    }
}
