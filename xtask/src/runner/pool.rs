//! Places of runners: one boots in each at a time, whichever cells of a
//! matrix share them.

use super::Runner;
use crate::interrupt;
use anyhow::Result;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};

/// How many boots a runner has under way, by its text.
static BUSY: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
static FREED: Condvar = Condvar::new();

/// A place of a runner, which is free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    runner: Runner,
}

impl Place {
    /// Waits for a place of one of these runners, each of which has as many as
    /// it is named; of those that are not in `tried`, if there are any.
    ///
    /// # Errors
    ///
    /// A signal came.
    pub fn take(runners: &[Runner], tried: &[String]) -> Result<Self> {
        let fresh = |runner: &&Runner| !tried.contains(&runner.text);
        let mut able: Vec<&Runner> = runners.iter().filter(fresh).collect();
        if able.is_empty() {
            able = runners.iter().collect();
        }
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            interrupt::check()?;
            let free = able.iter().find(|runner| {
                let places = able.iter().filter(|other| other == runner);
                let taken = busy.get(&runner.text).copied();
                taken.unwrap_or_default() < places.count()
            });
            if let Some(&runner) = free {
                *busy.entry(runner.text.clone()).or_default() += 1;
                let runner = runner.clone();
                return Ok(Self { runner });
            }
            // A wait without a limit would not end for a signal.
            let most = Duration::from_millis(100);
            let waited = FREED.wait_timeout(busy, most);
            busy = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The runner that it is of.
    #[must_use]
    pub fn runner(&self) -> &Runner {
        &self.runner
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = busy.get_mut(&self.runner.text) {
            *count = count.saturating_sub(1);
        }
        drop(busy);
        FREED.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Runner};
    use std::thread;

    #[test]
    fn a_place_is_of_one_boot() {
        let pool: Vec<Runner> = ["pool-a", "pool-b", "pool-a"]
            .map(|text| text.parse().unwrap())
            .into();
        let take = |tried: &[&str]| {
            let tried: Vec<String> =
                tried.iter().map(|&text| text.to_owned()).collect();
            Place::take(&pool, &tried).unwrap()
        };
        let name = |place: &Place| place.runner().to_string();
        let first = take(&[]);
        let second = take(&["pool-b"]);
        let third = take(&[]);
        assert_eq!(
            [&first, &second, &third].map(name),
            ["pool-a", "pool-a", "pool-b"]
        );
        // All are taken: whoever asks now waits for the one that is freed.
        thread::scope(|scope| {
            let waits = scope.spawn(|| name(&take(&[])));
            drop(third);
            assert_eq!(waits.join().unwrap(), "pool-b");
        });
        // Where all were tried, any will do.
        assert_eq!(name(&take(&["pool-a", "pool-b"])), "pool-b");
    }
}
