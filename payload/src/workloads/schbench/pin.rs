//! Which CPUs schbench's threads are pinned to.

use super::layout::Role;
use super::options::{MESSAGE_CPUS, WORKER_CPUS};
use crate::ctx::Ctx;
use crate::kit::cpus::Cpus;
use crate::kit::stop::{CallExt, Stop};

/// Puts message threads on one CPU of theirs each, and workers on all of
/// theirs.
pub(super) fn pin(c: &Ctx<'_>, role: Role, messages: u32) -> Result<(), Stop> {
    let allowed = c.sched_getaffinity()?;
    let list = |text: &str| match text {
        "auto" => Some(allowed),
        text => Cpus::parse(text),
    };
    // One of them means both, unless the other is spelled out.
    let texts = [c.work().text(&MESSAGE_CPUS), c.work().text(&WORKER_CPUS)];
    let auto = texts.contains(&"auto");
    let [of_messages, of_workers] = texts.map(|text| match text {
        "" if auto => "auto",
        text => text,
    });
    let of_message = |i: u32| {
        let cpus = list(of_messages)?;
        let nth = i.checked_rem(cpus.len())?;
        let mut one = Cpus::EMPTY;
        one.insert(cpus.iter().nth(nth as usize)?)?;
        Some(one)
    };
    let cpus = match (role, of_workers) {
        (Role::Monitor, _) => None,
        (Role::Message(i), _) => of_message(i),
        (Role::Worker(_), "auto") => {
            let mut words = *allowed.words();
            for taken in (0..messages).filter_map(of_message) {
                for (word, taken) in words.iter_mut().zip(taken.words()) {
                    *word &= !taken;
                }
            }
            let rest = Cpus::from_words(words);
            if rest.is_empty() {
                return Err(Stop::skip(&"TOO_FEW_CPUS"));
            }
            Some(rest)
        }
        (Role::Worker(_), text) => list(text),
    };
    match cpus {
        Some(cpus) => c.sched_setaffinity(&cpus).call(&"sched_setaffinity"),
        None => Ok(()),
    }
}
