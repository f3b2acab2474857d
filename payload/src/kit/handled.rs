//! SIGUSR2 between workers: counted and timed by its handler.
//!
//! A handler is shared by all threads of a process, and there is no
//! thread-local storage to tell them apart. So each task that expects
//! signals enters itself in a table of its process, under its thread id,
//! before anyone sends it one; the handler asks the kernel who it is, after
//! it has read the clock.

#![expect(unsafe_code, reason = "a handler finds its task by its address")]

use crate::kit::alarm::Alarm;
use crate::kit::cells::Stamp;
use crate::kit::clock::now;
use crate::kit::histogram::Histogram;
use crate::kit::slot::add;
use crate::sys::signal::{self, SIGUSR2};
use core::ptr::{from_ref, null_mut};
use core::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Release},
};
use rustix::io::Errno;
use rustix::thread::gettid;

/// Tasks of one process that can have an entry.
const ENTRIES: usize = 4096;

/// What the handler writes on behalf of a task.
#[derive(Debug)]
pub struct Handled<'r> {
    /// When the first signal of a burst was sent; the handler takes it.
    pub stamp: &'r Stamp,
    /// Gets the time from there to the handler.
    pub hist: &'r Histogram,
    /// Ends the recording of kernel events at a sample above the limit.
    pub alarm: Option<Alarm<'r>>,
    /// Counts calls of the handler.
    pub count: &'r AtomicU64,
}

/// A task's place in the table; once taken it keeps its id.
struct Entry {
    /// 0 is nobody.
    tid: AtomicU32,
    /// Null outside of [`scope`].
    handled: AtomicPtr<Handled<'static>>,
}

/// Open hashing: the ids of threads made together are consecutive, so most
/// have a place of their own. Pages that nobody uses cost no memory.
static TABLE: [Entry; ENTRIES] = [const {
    Entry {
        tid: AtomicU32::new(0),
        handled: AtomicPtr::new(null_mut()),
    }
}; ENTRIES];

/// Runs `work` with SIGUSR2 to this thread counted in `handled`.
///
/// Signals that come later are lost, not fatal. Nobody may send any before.
///
/// # Errors
///
/// `ENOSPC`: too many threads of this process do the same; those of
/// `rt_sigaction`.
pub fn scope<T>(
    handled: &Handled<'_>,
    work: impl FnOnce() -> T,
) -> Result<T, Errno> {
    let entry = entry(own_tid()).ok_or(Errno::NOSPC)?;
    // SAFETY: the handler reads a clock, asks for its thread's id and uses
    // atomics; it indexes nothing and calls nothing that panics.
    unsafe { signal::handle(SIGUSR2, count) }?;
    // The handler sees it through a shared reference only, and only until it
    // is taken out below.
    let pointer = from_ref(handled).cast::<Handled<'static>>();
    entry.handled.store(pointer.cast_mut(), Release);
    let result = work();
    entry.handled.store(null_mut(), Release);
    Ok(result)
}

/// The handler.
extern "C" fn count(_signal: i32) {
    let entered = now();
    let Some(entry) = entry(own_tid()) else {
        return;
    };
    let pointer = entry.handled.load(Acquire);
    // SAFETY: null, or what `scope` of this same thread borrows, which this
    // handler has interrupted and which goes on only when it is done.
    let Some(handled) = (unsafe { pointer.as_ref() }) else {
        return;
    };
    add(handled.count, 1);
    match handled.stamp.take() {
        0 => {}
        // Of a burst whose first signal is still to come.
        later if later > entered => handled.stamp.set_if_empty(later),
        sent => {
            let over = handled.hist.record(entered - sent);
            if let Some(alarm) = handled.alarm.filter(|_| over) {
                alarm.ring(entered - sent);
            }
        }
    }
}

/// The entry of a thread, a fresh one the first time. `None` if there is no
/// room.
fn entry(tid: u32) -> Option<&'static Entry> {
    let (before, from) = TABLE.split_at_checked(tid as usize % ENTRIES)?;
    from.iter().chain(before).find(|entry| {
        let owner = entry.tid.compare_exchange(0, tid, AcqRel, Acquire);
        owner.is_ok() || owner == Err(tid)
    })
}

fn own_tid() -> u32 {
    gettid().as_raw_nonzero().get().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::{Handled, SIGUSR2, own_tid, scope, signal};
    use crate::kit::cells::Stamp;
    use crate::kit::histogram::Histogram;
    use crate::kit::shm::Arena;
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

    #[test]
    fn every_thread_counts_its_own() {
        let arena = Arena::new(1 << 20).unwrap();
        let stamps = arena.slice::<Stamp>(4).unwrap();
        let hists = arena.slice::<Histogram>(4).unwrap();
        let counts = arena.slice::<AtomicU64>(4).unwrap();
        let pid = std::process::id();
        std::thread::scope(|threads| {
            for (n, stamp) in (1..).zip(stamps) {
                threads.spawn(move || {
                    let at = usize::try_from(n - 1).unwrap();
                    let handled = Handled {
                        stamp,
                        hist: &hists[at],
                        alarm: None,
                        count: &counts[at],
                    };
                    scope(&handled, || {
                        for _ in 0..n {
                            stamp.set(1);
                            // To itself: handled before the call returns.
                            signal::tgkill(pid, own_tid(), SIGUSR2).unwrap();
                        }
                    })
                    .unwrap();
                    signal::tgkill(pid, own_tid(), SIGUSR2).unwrap();
                });
            }
        });
        let seen = counts.iter().map(|count| count.load(Relaxed));
        assert!(seen.eq([1, 2, 3, 4]));
        let samples = hists.iter().map(|hist| hist.summary().count);
        assert!(samples.eq([1, 2, 3, 4]));
    }
}
