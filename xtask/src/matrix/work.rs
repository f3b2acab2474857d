//! Boots carried out several at once, in the order of a schedule.

use super::schedule::{Due, Schedule};
use anyhow::Result;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::mpsc::channel;
use std::thread;

/// Watches boots while they are carried out.
pub trait Observer<T> {
    /// One is about to begin; what it is made in.
    fn begins(&mut self, due: Due) -> T;
    /// This is how many run and wait.
    fn counts(&mut self, running: usize, waiting: usize);
}

/// Carries out all boots. When one cannot be made at all, no other begins, and
/// those that run are waited for.
///
/// # Errors
///
/// What kept the first such boot from being made.
pub fn work<T: Send, R: Send>(
    mut schedule: Schedule,
    observer: &mut impl Observer<T>,
    boot: impl Fn(Due, T) -> Result<R> + Sync,
    mut ended: impl FnMut(Due, R),
) -> Result<()> {
    let (sender, receiver) = channel();
    let (mut running, mut failed) = (0, None);
    thread::scope(|scope| {
        loop {
            while failed.is_none()
                && let Some(due) = schedule.begin()
            {
                running += 1;
                let (setting, sender) = (observer.begins(due), sender.clone());
                let boot = &boot;
                scope.spawn(move || {
                    // Whoever waits for the end would wait for ever.
                    let of = AssertUnwindSafe(|| boot(due, setting));
                    let _gone = sender.send((due, catch_unwind(of)));
                });
            }
            observer.counts(running, schedule.waiting());
            if running == 0 {
                break;
            }
            // There is a sender here, so that it cannot be hung up.
            let Ok((due, result)) = receiver.recv() else {
                break;
            };
            running -= 1;
            schedule.end(due);
            match result {
                Ok(Ok(result)) => ended(due, result),
                Ok(Err(error)) => {
                    failed.get_or_insert(error);
                }
                Err(panic) => resume_unwind(panic),
            }
        }
    });
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::{Observer, work};
    use crate::matrix::schedule::{Due, Schedule, Width};
    use anyhow::bail;
    use std::sync::Barrier;

    #[derive(Default)]
    struct Log {
        begun: Vec<usize>,
        most: usize,
    }

    impl Observer<usize> for Log {
        fn begins(&mut self, due: Due) -> usize {
            self.begun.push(due.cell);
            due.cell * 10
        }

        fn counts(&mut self, running: usize, _: usize) {
            self.most = self.most.max(running);
        }
    }

    fn schedule(boots: usize, width: usize) -> Schedule {
        let due = |cell| Due {
            boot: 1,
            cell,
            cores: 1,
            pool: None,
        };
        let width = Width::Cores(width);
        Schedule::new(width, Vec::new(), (0..boots).map(due).collect())
    }

    #[test]
    fn so_many_are_made_at_once() {
        let (mut log, mut ended) = (Log::default(), Vec::new());
        // Each waits for another, so less than two at once would never end.
        let two = Barrier::new(2);
        work(
            schedule(6, 2),
            &mut log,
            |due, setting| {
                two.wait();
                Ok(setting + due.cell)
            },
            |due, result| ended.push((due.cell, result)),
        )
        .unwrap();
        ended.sort_unstable();
        let all: Vec<_> = (0..6).map(|cell| (cell, cell * 11)).collect();
        assert_eq!((ended, log.most), (all, 2));
        assert_eq!(log.begun, [0, 1, 2, 3, 4, 5]);
    }

    /// Lets the other go on when one of two is known to have ended.
    struct Gate<'b>(Log, &'b Barrier);

    impl Observer<usize> for Gate<'_> {
        fn begins(&mut self, due: Due) -> usize {
            self.0.begins(due)
        }

        fn counts(&mut self, running: usize, _: usize) {
            if running == 1 {
                self.1.wait();
            }
        }
    }

    #[test]
    fn what_cannot_be_made_ends_it_when_the_others_have_ended() {
        let known = Barrier::new(2);
        let (mut gate, mut ended) = (Gate(Log::default(), &known), Vec::new());
        let error = work(
            schedule(6, 2),
            &mut gate,
            |due, _| match due.cell {
                1 => bail!("no room"),
                cell => {
                    known.wait();
                    Ok(cell)
                }
            },
            |_, cell| ended.push(cell),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "no room");
        assert_eq!((ended, gate.0.begun), (vec![0], vec![0, 1]));
    }
}
