//! The slowest wake of each work type, told in text.

use super::{Sched, Stretch, Wake};
use core::fmt::{self, Write};
use std::collections::BTreeMap;

/// Widest line.
const WIDTH: usize = 80;
/// Most tasks that are listed; the rest is summed up.
const LISTED: usize = 10;

/// Tells of the slowest wake of each group, or of all where the trace does
/// not say which tasks are whose.
#[must_use]
pub fn slowest(sched: &Sched<'_>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ok = write_all(sched, &mut text);
    text
}

fn write_all(sched: &Sched<'_>, text: &mut String) -> fmt::Result {
    let mut groups: BTreeMap<u16, &str> = BTreeMap::new();
    for task in sched.tasks.values() {
        groups.insert(task.group, task.work);
    }
    if groups.is_empty() {
        return match longest(sched, |_| true) {
            Some(wake) => tell(sched, "all tasks", &wake, text),
            None => writeln!(text, "no wake ended a sleep"),
        };
    }
    for (number, work) in groups {
        let of = |tid| {
            let task = sched.tasks.get(&tid);
            task.is_some_and(|task| task.group == number)
        };
        let name = format!("{work} (g{number})");
        match longest(sched, of) {
            Some(wake) => tell(sched, &name, &wake, text)?,
            None => writeln!(text, "{name}: no wake ended a sleep")?,
        }
    }
    Ok(())
}

/// The slowest wake of some tasks in the measured window.
fn longest(sched: &Sched<'_>, of: impl Fn(u32) -> bool) -> Option<Wake> {
    let mark = |word: &str| {
        let mut marks = sched.marks.iter();
        marks.find(|mark| mark.text.split(' ').next() == Some(word))
    };
    let (begin, end) = (mark("begin"), mark("end"));
    let wakes = sched.wakes.iter().filter(|wake| {
        let begun = begin.is_none_or(|mark| wake.waking_us >= mark.us);
        let over = end.is_some_and(|mark| wake.run_us > mark.us);
        of(wake.tid) && begun && !over && !by_marker(wake, begin)
    });
    wakes.max_by_key(|wake| wake.latency_us()).copied()
}

/// Whether it is the start of the run: whoever marks its begin wakes all
/// workers then.
fn by_marker(wake: &Wake, begin: Option<&super::Mark<'_>>) -> bool {
    begin.is_some_and(|mark| mark.pid == wake.waker && !wake.interrupt)
}

fn tell(
    sched: &Sched<'_>,
    whose: &str,
    wake: &Wake,
    text: &mut String,
) -> fmt::Result {
    let time = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    let late = wake.latency_us();
    line(text, &format!("{whose}: slowest wake {late} us"))?;
    let how = match wake.interrupt {
        true => "an interrupt during",
        false => "",
    };
    let waker = name(sched, wake.waker);
    let by = [how, &waker].join(" ").trim_start().to_owned();
    let at = time(wake.waking_us);
    let woken = name(sched, wake.tid);
    line(text, &format!("  {at}  {woken}"))?;
    line(
        text,
        &format!("{:13}woken on CPU {} by {by}", "", wake.waker_cpu),
    )?;
    for &(tid, us, from, to) in &sched.moves {
        if tid == wake.tid && (wake.waking_us..=wake.run_us).contains(&us) {
            let moved = format!("moved from CPU {from} to CPU {to}");
            line(text, &format!("  {}  {moved}", time(us)))?;
        }
    }
    line(
        text,
        &format!("  {}  runs on CPU {}", time(wake.run_us), wake.cpu),
    )?;
    let ran = sched.ran(wake.cpu, wake.waking_us, wake.run_us);
    line(text, &format!("  meanwhile CPU {} ran", wake.cpu))?;
    for (us, times, tid) in sums(&ran, late).iter().take(LISTED) {
        let who = tid.map_or_else(
            || "what the trace has not seen begin".to_owned(),
            |tid| name(sched, tid),
        );
        let times = match times {
            0 | 1 => String::new(),
            n => format!(", {n} times"),
        };
        line(text, &format!("{us:>10} us  {who}{times}"))?;
    }
    let more = sums(&ran, late).len().saturating_sub(LISTED);
    if more > 0 {
        line(text, &format!("{:>13}  {more} more tasks", ""))?;
    }
    Ok(())
}

/// How long each task ran, and how often; the longest first. What is not
/// known of the whole time is nobody's.
fn sums(ran: &[Stretch], all: u64) -> Vec<(u64, usize, Option<u32>)> {
    let mut sums: BTreeMap<Option<u32>, (u64, usize)> = BTreeMap::new();
    for stretch in ran {
        let sum = sums.entry(Some(stretch.tid)).or_default();
        sum.0 += stretch.to_us - stretch.from_us;
        sum.1 += 1;
    }
    let known: u64 = sums.values().map(|sum| sum.0).sum();
    if known < all {
        sums.insert(None, (all - known, 1));
    }
    let mut sums: Vec<_> = sums
        .into_iter()
        .map(|(tid, (us, times))| (us, times, tid))
        .collect();
    sums.sort_by_key(|&(us, ..)| core::cmp::Reverse(us));
    sums
}

/// A task by its name and id, and whose it is.
fn name(sched: &Sched<'_>, tid: u32) -> String {
    if tid == 0 {
        return "the idle task".to_owned();
    }
    let comm = sched.comms.get(&tid).copied().unwrap_or("?");
    match sched.tasks.get(&tid) {
        None => format!("{comm}-{tid}"),
        Some(task) => {
            let part = match task.task {
                0 => String::new(),
                n => format!(", task {n}"),
            };
            let (work, worker) = (task.work, task.worker);
            format!("{comm}-{tid} ({work} worker {worker}{part})")
        }
    }
}

/// Adds a line, cut to the width.
fn line(text: &mut String, line: &str) -> fmt::Result {
    let cut: String = line.chars().take(WIDTH).collect();
    writeln!(text, "{}", cut.trim_end())
}
