//! SIGINT, SIGTERM and SIGHUP: the children are ended, and the verb comes to
//! its end by itself, which stores what was finished and removes what is
//! temporary.

use crate::exit::{Exit, NoEvidence};
use crate::temporary;
use anyhow::{Context, Result};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::{fs, process, thread};

static HAPPENED: AtomicBool = AtomicBool::new(false);

/// From here on, the first signal interrupts and the second one kills. A
/// signal that was ignored from the start, as SIGINT is behind `&` and SIGHUP
/// behind `nohup`, still is.
///
/// # Errors
///
/// The signals cannot be had.
pub fn watch() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let signals = [SIGINT, SIGTERM, SIGHUP].into_iter();
    let signals = signals.filter(|signal| !ignored(&status, *signal));
    let mut signals = Signals::new(signals).context("signals")?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if HAPPENED.swap(true, Ordering::SeqCst) {
                temporary::remove();
                #[expect(clippy::exit, reason = "whoever asks twice means it")]
                process::exit(Exit::CannotTell.code().into());
            }
            crate::tell!("interrupted; once more ends it at once");
            end_children();
        }
    });
    Ok(())
}

/// Whether a signal came.
#[must_use]
pub fn happened() -> bool {
    HAPPENED.load(Ordering::SeqCst)
}

/// Before anything that takes long, and before anything is kept that a signal
/// may have made.
///
/// # Errors
///
/// A signal came.
pub fn check() -> Result<()> {
    match happened() {
        true => Err(NoEvidence("interrupted".to_owned()).into()),
        false => Ok(()),
    }
}

/// Waits until nobody else holds the lock of a directory, which is held for
/// as long as the file is; `what` is said to hold it.
///
/// # Errors
///
/// As those of [`hold`].
pub fn lock(dir: &Path, what: &str) -> Result<File> {
    let path = dir.join("lock");
    let shown = || path.display().to_string();
    fs::create_dir_all(dir).with_context(shown)?;
    let file = File::create(&path).with_context(shown)?;
    hold(&file, what).with_context(shown)?;
    Ok(file)
}

/// Waits until nobody else has this file locked.
///
/// # Errors
///
/// A signal came meanwhile, or there can be no lock.
pub fn hold(file: &File, what: &str) -> Result<()> {
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        if !said {
            crate::tell!("waiting for {what}");
            said = true;
        }
        check()?;
        // A wait in the kernel would not end for a signal.
        thread::sleep(Duration::from_millis(100));
    }
}

/// Whether a process with this `status` ignores a signal.
fn ignored(status: &str, signal: i32) -> bool {
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Ends all that this process has started, and what those have: a build is a
/// tree of processes. Whatever has ended meanwhile needs no end.
fn end_children() {
    let us = process::id();
    for pid in tree(us).into_iter().filter(|pid| *pid != us) {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _gone = kill_process(pid, Signal::TERM);
        }
    }
}

/// A process and those below it.
#[must_use]
pub fn tree(root: u32) -> BTreeSet<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().parse::<u32>();
        let stat = fs::read_to_string(entry.path().join("stat"));
        if let (Ok(pid), Ok(stat)) = (pid, stat)
            && let Some(parent) = parent(&stat)
        {
            parents.push((pid, parent));
        }
    }
    let mut tree = below(root, &parents);
    tree.insert(root);
    tree
}

/// The parent in a process's `stat`, whose name may hold anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// Those below a process, by pairs of a process and its parent.
fn below(root: u32, parents: &[(u32, u32)]) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    let mut of = vec![root];
    while let Some(parent) = of.pop() {
        let mine = parents.iter().filter(|(_, its)| *its == parent);
        for (pid, _) in mine {
            if all.insert(*pid) {
                of.push(*pid);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{SIGINT, SIGTERM, below, ignored, parent};

    #[test]
    fn what_was_ignored_from_the_start_stays_so() {
        let status = "Name:\tx\nSigIgn:\t0000000000000002\n";
        assert!(ignored(status, SIGINT) && !ignored(status, SIGTERM));
        assert!(!ignored("", SIGINT));
    }

    #[test]
    fn children_of_children_are_ours_too() {
        assert_eq!(parent("7 (a) b) S 3 7 7 0"), Some(3));
        let parents = [(3, 2), (4, 3), (5, 4), (6, 1), (2, 1)];
        let ours: Vec<u32> = below(2, &parents).into_iter().collect();
        assert_eq!(ours, [3, 4, 5]);
    }
}
