//! What the trace of a run says its samples must be.

use super::{Case, Of};
use pidone::kit::histogram::{bucket_of, bucket_range};
use std::collections::BTreeMap;
use xtask::ftrace::{Event, Sched, Stretch, Wake};
use xtask::model::{Hist, Run, Worker};

/// Own time on a CPU, in µs, that lies between a stamp in user space and the
/// kernel's event, for each task that a call wakes; at most so much, as
/// measured in a machine whose time is a function of instructions.
const BEFORE: u64 = 40;

/// The same between the switch to a task and its look at the clock.
const BEHIND: u64 = 40;

/// What a sample is at least and at most, in µs.
type Bound = (u64, u64);

/// Of one group's samples.
#[derive(Debug, Default)]
struct Bounds {
    all: Vec<Bound>,
    /// Samples that may be there without a wake in the trace.
    more: u64,
    /// Wakes in the trace whose sample may not be there.
    less: u64,
}

/// Whoever is asked of, and what it ran.
struct Trace<'t> {
    sched: Sched<'t>,
    /// What each task ran, in order.
    ran: BTreeMap<u32, Vec<Stretch>>,
    /// Deadlines of each task's sleeps: when they began, and until when in
    /// ns.
    sleeps: BTreeMap<u32, Vec<(u64, u64)>>,
    /// When each task was woken, in order.
    woken: BTreeMap<u32, Vec<u64>>,
    end_us: u64,
}

/// What is wrong with the histogram of a run, a line each.
pub(super) fn faults(case: &Case, run: &Run) -> Vec<String> {
    let name = format!("{} {}", case.plan, case.hist);
    let Some(trace) = &run.trace else {
        return vec![format!("{name}: {:?}", run.reasons)];
    };
    if trace.overrun + trace.dropped > 0 {
        return vec![format!("{name}: {}", trace.missing())];
    }
    let trace = Trace::of(&trace.text);
    let group = &run.groups[0];
    let mine =
        |worker: &&Worker| case.role.is_empty() || worker.role == case.role;
    let (mut wrong, mut wakes) = (Vec::new(), 0);
    for worker in group.workers.iter().filter(mine) {
        let mut bounds = trace.bounds(case, worker);
        let metric = |name: &str| group.metrics.get(name).copied();
        match case.of {
            // A deadline that had passed needs no sleep.
            Of::Timers => bounds.more += metric("overruns").unwrap_or(0),
            Of::Frames => bounds.less += metric("discarded").unwrap_or(0),
            // As schbench does, it counts a wait that found its wake there.
            Of::Wakes if case.hist == "wakeup" => bounds.more = u64::MAX,
            Of::Wakes | Of::Delays => {}
        }
        wakes += bounds.all.len();
        let (alone, none) = (group.workers.len() == 1, Hist::default());
        // One that is alone has those of its group.
        let hists = if alone { &group.hist } else { &worker.hist };
        let hist = hists.get(case.hist).unwrap_or(&none);
        let of = |what| format!("worker {}: {what}", worker.index);
        let faults = match case.of {
            Of::Delays => compare_sums(&bounds, hist),
            _ => compare(&bounds, hist, worker.stale),
        };
        wrong.extend(faults.into_iter().map(of));
    }
    println!("{name}: {wakes} wakes");
    if wakes < 3 {
        wrong.push(format!("only {wakes} wakes"));
    }
    wrong.iter().map(|what| format!("{name}: {what}")).collect()
}

impl<'t> Trace<'t> {
    fn of(text: &'t str) -> Self {
        let sched = Sched::of(text);
        let mut ran: BTreeMap<u32, Vec<Stretch>> = BTreeMap::new();
        for stretch in sched.cpus.values().flatten().filter(|s| s.tid > 0) {
            ran.entry(stretch.tid).or_default().push(*stretch);
        }
        for stretches in ran.values_mut() {
            stretches.sort_by_key(|s| s.from_us);
        }
        let mut woken: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for wake in &sched.wakes {
            woken.entry(wake.tid).or_default().push(wake.waking_us);
        }
        let mut sleeps: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
        let mut end_us = 0;
        for event in text.lines().filter_map(Event::parse) {
            end_us = event.us;
            if event.name == "hrtimer_start"
                && event.field("function") == Some("hrtimer_wakeup")
                && let Some(until) = event.field("softexpires")
                && let Ok(until) = until.parse()
            {
                let sleeps = sleeps.entry(event.pid).or_default();
                sleeps.push((event.us, until));
            }
        }
        Self {
            sched,
            ran,
            sleeps,
            woken,
            end_us,
        }
    }

    fn bounds(&self, case: &Case, worker: &Worker) -> Bounds {
        let mut bounds = Bounds::default();
        let first = worker.first_ns / 1000;
        let of = |tid| {
            let task = self.sched.tasks.get(&tid);
            task.is_some_and(|task| {
                task.group == 0
                    && task.worker == worker.index
                    && task.task >= case.task
            })
        };
        let peer = |wake: &Wake| match case.of {
            Of::Timers => wake.interrupt,
            Of::Delays | Of::Frames => true,
            Of::Wakes => {
                let waker = self.sched.tasks.get(&wake.waker);
                !wake.interrupt && waker.is_some_and(|task| task.group == 0)
            }
        };
        for wake in self.sched.wakes.iter().filter(|wake| peer(wake)) {
            // Those before the first iteration meet at the start.
            if !of(wake.tid) || wake.run_us <= first {
                continue;
            }
            let Some(low) = self.least(case, wake) else {
                continue;
            };
            // It has looked at the clock before it is woken again.
            let looked = [self.behind(wake, BEHIND), self.woken_again(wake)];
            let looked = looked.into_iter().flatten().min();
            // The end of the window may come before that look.
            bounds.less += u64::from(looked.is_none());
            let until = looked.unwrap_or(u64::MAX);
            let since = match case.of {
                Of::Timers => wake.run_us.saturating_sub(low),
                Of::Delays => wake.waking_us,
                // The interrupt that brought it, of which nothing is known.
                Of::Frames => 0,
                Of::Wakes => self.before(wake, BEFORE * case.wakees),
            };
            bounds.all.push((low, until.saturating_sub(since)));
        }
        // One that sleeps then is woken by a partner that has not seen the
        // stop yet. And one may be on its way at either edge of the window.
        let off = self.sched.off.iter().filter(|tid| of(**tid));
        bounds.more = off.count() as u64 + 1;
        bounds.less += 1;
        bounds
    }

    /// The kernel's own figure: from waking to the switch, or from the
    /// deadline of the sleep that ended.
    fn least(&self, case: &Case, wake: &Wake) -> Option<u64> {
        match case.of {
            Of::Wakes | Of::Frames => Some(wake.latency_us()),
            Of::Delays => Some(wake.run_us.saturating_sub(wake.wakeup_us?)),
            Of::Timers => {
                let sleeps = self.sleeps.get(&wake.tid)?;
                let at = sleeps.partition_point(|s| s.0 <= wake.waking_us);
                let (_, until) = sleeps.get(at.checked_sub(1)?)?;
                Some(wake.run_us.saturating_sub(until / 1000))
            }
        }
    }

    /// When the waker had this much of its own time left before the waking.
    fn before(&self, wake: &Wake, mut own: u64) -> u64 {
        let none = Vec::new();
        let ran = self.ran.get(&wake.waker).unwrap_or(&none);
        let at = ran.partition_point(|s| s.from_us <= wake.waking_us);
        for stretch in ran[..at].iter().rev() {
            let to = match stretch.to_us {
                // The last one of a CPU is not seen to end.
                to if to <= stretch.from_us => wake.waking_us,
                to => to.min(wake.waking_us),
            };
            let ran = to.saturating_sub(stretch.from_us);
            if ran >= own {
                return to - own;
            }
            own -= ran;
        }
        0
    }

    /// When the wakee was woken next.
    fn woken_again(&self, wake: &Wake) -> Option<u64> {
        let woken = self.woken.get(&wake.tid)?;
        let next = woken.partition_point(|&us| us <= wake.run_us);
        woken.get(next).copied()
    }

    /// When the wakee had this much of its own time behind the switch; none
    /// if the trace ends before.
    fn behind(&self, wake: &Wake, mut own: u64) -> Option<u64> {
        let ran = self.ran.get(&wake.tid)?;
        let at = ran.partition_point(|s| s.from_us < wake.run_us);
        for stretch in &ran[at..] {
            let to = match stretch.to_us {
                to if to <= stretch.from_us => self.end_us,
                to => to,
            };
            let ran = to.saturating_sub(stretch.from_us);
            if ran >= own {
                return Some(stretch.from_us + own);
            }
            own -= ran;
        }
        None
    }
}

/// Compares the k-th longest with the k-th longest.
fn compare(bounds: &Bounds, hist: &Hist, stale: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    let (samples, wakes) = (hist.count, bounds.all.len() as u64);
    let missing = wakes.saturating_sub(samples);
    let extra = samples.saturating_sub(wakes);
    let less = bounds.less + stale;
    if missing > less || extra > bounds.more {
        wrong.push(format!(
            "{samples} samples of {wakes} wakes (+{} -{})",
            bounds.more, less
        ));
    }
    let sorted = |of: fn(&Bound) -> u64| {
        let mut all: Vec<u64> = bounds.all.iter().map(of).collect();
        all.sort_by_key(|&us| core::cmp::Reverse(us));
        all
    };
    let (lows, highs) = (sorted(|b| b.0), sorted(|b| b.1));
    // The longest first, as ranges in which they are, in ns.
    let buckets = hist.buckets.iter().rev().flat_map(|&(low, count)| {
        let (low, high) = bucket_range(bucket_of(low));
        let range = (low.max(hist.min_ns), high.min(hist.max_ns));
        (0..count).map(move |_| range)
    });
    // One that may be missing makes room for the next, one that may be more
    // leaves none.
    let [less, more] = [less, bounds.more].map(|n| usize::try_from(n).unwrap());
    let (mut short, mut long) = (0_u64, 0_u64);
    let mut first = String::new();
    for (k, (low, high)) in buckets.enumerate() {
        // The trace is exact to a microsecond, at both ends.
        let least = lows.get(k + less).map(|us| us.saturating_sub(1) * 1000);
        let most = k.checked_sub(more).and_then(|k| highs.get(k));
        let most = most.map(|us| us.saturating_add(1).saturating_mul(1000));
        let (is_short, is_long) = (
            least.is_some_and(|least| high < least),
            most.is_some_and(|most| low > most),
        );
        short += u64::from(is_short);
        long += u64::from(is_long);
        if (is_short || is_long) && first.is_empty() {
            first = format!(
                ", the first number {k} with {low}..{high} ns, by the kernel \
                 {least:?}..{most:?}"
            );
        }
    }
    if short + long > 0 {
        wrong.push(format!(
            "of {samples} samples {short} are too short and {long} too \
             long{first}"
        ));
    }
    wrong
}

/// So many wakes may have no sample, whichever they are: those of a call that
/// had not returned at the end, where a flush waits for what was written and
/// for the disk, and those of a sleep outside the call, on a lock of the
/// kernel's own.
const WITHOUT: usize = 3;

/// The run queue's clock, which `run_delay` is of, is read so many µs before
/// an event of the same switch has its time.
const CLOCK: u64 = 2;

/// Compares what all samples are together: a call that slept is one sample,
/// and in it a task may be woken, find that another was faster, and sleep
/// again, any number of times.
fn compare_sums(bounds: &Bounds, hist: &Hist) -> Vec<String> {
    let wakes = bounds.all.len() as u64;
    let mut wrong = Vec::new();
    if hist.count > wakes + bounds.more || (hist.count == 0 && wakes > 1) {
        wrong.push(format!("{} samples of {wakes} wakes", hist.count));
    }
    let mut lows: Vec<u64> = bounds.all.iter().map(|b| b.0).collect();
    lows.sort_by_key(|&us| core::cmp::Reverse(us));
    let lows = lows.iter().skip(WITHOUT);
    let least = lows.map(|us| us.saturating_sub(1 + CLOCK) * 1000).sum();
    let highs = bounds.all.iter().map(|b| b.1);
    let most = highs.fold(0_u64, u64::saturating_add);
    let most = most.saturating_add(wakes).saturating_mul(1000);
    if hist.sum_ns < least || (hist.count < wakes && hist.sum_ns > most) {
        wrong.push(format!(
            "samples of {} ns, by the kernel {least}..{most}",
            hist.sum_ns
        ));
    }
    wrong
}
