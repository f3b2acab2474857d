//! Figures of a group: its metrics over a whole run, and all it counted in a
//! part of one.

use crate::kit::clock::MILLISECOND;
use crate::kit::histogram::{Histogram, percentile};
use crate::kit::shm::Arena;
use crate::kit::slot::{MAX_METRICS, Slot};
use crate::kit::text::Cut;
use crate::row::{How, MAX_GROUPS, Metric, Totals};
use crate::run::crew::{Crew, MARKS};
use crate::run::output::Output;
use crate::wire::record::{Interval, Record, pieces};
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use heapless::String;

/// Bytes of pairs in one record: three frames.
pub const PIECE: usize = 150;
fn sum(slots: &[Slot], of: impl Fn(&Slot) -> &AtomicU64) -> u64 {
    slots.iter().map(|slot| of(slot).load(Relaxed)).sum()
}

/// Every metric of a group over the whole run.
pub fn metrics(crew: &Crew<'_>, mut each: impl FnMut(&'static str, u64)) {
    let totals = whole(crew);
    for metric in crew.group.row().metrics {
        if let Some(value) = value(metric, crew, &totals) {
            each(metric.name, value);
        }
    }
}

fn value(metric: &Metric, crew: &Crew<'_>, totals: &Totals<'_>) -> Option<u64> {
    let of = |slot: &Slot| slot.metrics[metric.at()].load(Relaxed);
    match metric.how {
        How::Sum => Some(totals.sum(metric)),
        How::Max => Some(crew.slots.iter().map(of).max().unwrap_or(0)),
        How::Gauge(index) => Some(crew.gauge_sum(index)),
        How::Derived(from) => from(totals),
    }
}

fn whole<'r>(crew: &'r Crew<'r>) -> Totals<'r> {
    Totals {
        work: &crew.group.work,
        iterations: sum(crew.slots, |slot| &slot.iterations),
        part_ns: None,
        sums: core::array::from_fn(|i| sum(crew.slots, |s| &s.metrics[i])),
        slots: crew.slots,
        lanes: crew.lanes,
    }
}

/// When the intervals of a run's groups end.
#[derive(Debug)]
pub struct Intervals {
    begin: u64,
    next: [u64; MAX_GROUPS],
}

impl Intervals {
    /// Those of a measured window that began at `begin`.
    #[must_use]
    pub fn new(crews: &[Crew<'_>], begin: u64) -> Self {
        let mut next = [u64::MAX; MAX_GROUPS];
        for (next, crew) in next.iter_mut().zip(crews) {
            match length(crew) {
                0 => {}
                length => *next = begin + length,
            }
            mark(crew, |_, now| now);
        }
        Self { begin, next }
    }

    /// When the next one ends.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next.iter().copied().min().unwrap_or(u64::MAX)
    }

    /// Reports those that have ended at `time`. The records stay in memory,
    /// unless they have a device of their own.
    pub fn report(
        &mut self,
        time: u64,
        run: u16,
        crews: &[Crew<'_>],
        out: &mut Output<'_>,
    ) {
        for (next, crew) in self.next.iter_mut().zip(crews) {
            if *next > time {
                continue;
            }
            let length = length(crew);
            // An interval that could not be reported in time is part of the
            // next one.
            let late = (time - *next) / length * length;
            let end = *next + late;
            interval(crew, run, (end - self.begin, length + late), out);
            *next = end + length;
        }
        if out.records.is_some() {
            out.flush();
        }
    }
}

fn length(crew: &Crew<'_>) -> u64 {
    (crew.group.row().interval_ns)(&crew.group.work)
}

/// Remembers what has been counted so far, and gives `each` the place of
/// every counter and what `since` makes of the old and the new value.
fn mark(crew: &Crew<'_>, since: fn(u64, u64) -> u64) -> [u64; MARKS] {
    let row = crew.group.row();
    let mut parts = [0; MARKS];
    for (at, (part, mark)) in parts.iter_mut().zip(crew.marks).enumerate() {
        let now = match at {
            0 => sum(crew.slots, |slot| &slot.iterations),
            1 => sum(crew.slots, |slot| &slot.work_units),
            _ if at < 2 + MAX_METRICS => {
                sum(crew.slots, |slot| &slot.metrics[at - 2])
            }
            _ if at - 2 - MAX_METRICS < row.hists.len() => {
                let mine = crew.hists.iter().skip(at - 2 - MAX_METRICS);
                mine.step_by(row.hists.len()).map(Histogram::count).sum()
            }
            _ => break,
        };
        *part = since(mark.load(Relaxed), now);
        mark.store(now, Relaxed);
    }
    parts
}

fn interval(
    crew: &Crew<'_>,
    run: u16,
    (end_ns, length_ns): (u64, u64),
    out: &mut Output<'_>,
) {
    let row = crew.group.row();
    // Counters that were zeroed on the way start from zero.
    let parts = mark(crew, |old, now| now.checked_sub(old).unwrap_or(now));
    let mut totals = whole(crew);
    totals.iterations = parts[0];
    totals.part_ns = Some(length_ns);
    totals.sums.copy_from_slice(&parts[2..2 + MAX_METRICS]);
    let mut text: String<2048> = String::new();
    let mut add = |name: &str, what: &str, value: u64| {
        let _fits = writeln!(Cut(&mut text), "{name}{what}={value}");
    };
    add("iterations", "", parts[0]);
    add("work_units", "", parts[1]);
    for metric in row.metrics {
        if let Some(value) = value(metric, crew, &totals) {
            add(metric.name, "", value);
        }
    }
    if let Ok(arena) = Arena::new(size_of::<Histogram>())
        && let Ok(scratch) = arena.one::<Histogram>()
    {
        let counts = &parts[2 + MAX_METRICS..];
        for (hist, &count) in row.hists.iter().zip(counts) {
            add(hist.name, ".count", count);
            total(crew, hist.at(), scratch);
            let summary = scratch.summary();
            for &tenths in
                hist.shown.tenths().iter().filter(|_| summary.count > 0)
            {
                let p = u64::from(tenths);
                let p = percentile(scratch.occupied(), &summary, p, 1000);
                let mut what: String<16> = String::new();
                let _fits = write!(Cut(&mut what), ".{}", Percent(tenths));
                add(hist.name, &what, p);
            }
        }
    }
    for values in pieces(&text, PIECE) {
        out.record(&Record::Interval(Interval {
            run,
            group: crew.number,
            end_ms: end_ns / MILLISECOND,
            values,
        }));
    }
}

/// Adds up a histogram of all tasks of a group.
pub fn total(crew: &Crew<'_>, index: usize, into: &Histogram) {
    into.clear();
    let mine = crew.hists.iter().skip(index);
    let row = crew.group.row();
    mine.step_by(row.hists.len()).for_each(|h| h.add_to(into));
}

/// The histograms of this index that the tasks of one worker have.
pub fn hists_of<'r>(
    crew: &'r Crew<'_>,
    index: usize,
    worker: u32,
) -> impl Iterator<Item = &'r Histogram> {
    let (each, lanes) = (crew.group.row().hists.len(), crew.lanes);
    let first = (worker * lanes) as usize * each + index;
    let mine = crew.hists.iter().skip(first).step_by(each.max(1));
    mine.take(lanes as usize)
}

/// A percentile by name, from tenths of a percent: `p50`, `p99.9`.
#[derive(Debug, Clone, Copy)]
pub struct Percent(pub u16);

impl core::fmt::Display for Percent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let tenths = u32::from(self.0);
        match (tenths / 10, tenths % 10) {
            (whole, 0) => write!(f, "p{whole}"),
            (whole, tenths) => write!(f, "p{whole}.{tenths}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Percent;
    use std::string::ToString;

    #[test]
    fn percentiles_have_their_usual_names() {
        assert_eq!(Percent(200).to_string(), "p20");
        assert_eq!(Percent(999).to_string(), "p99.9");
    }
}
