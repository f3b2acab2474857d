//! Counters of the whole machine, read before and after a run.

use crate::kit::text::{digits, pair, read_file, word};
use crate::record::Pairs;
use heapless::String;

/// A counter: its name on the wire and how it is found in its file.
struct Counter {
    name: &'static str,
    file: &'static str,
    find: Find,
}

enum Find {
    /// The first number behind this word.
    Key(&'static str),
    /// The sum of all numbers in the row that starts with this word.
    Row(&'static str),
    /// The sum of this field (0 is the first number) over all `cpuN` rows.
    Cpu(usize),
}

const COUNTERS: &[Counter] = &[
    counter("ctxt", STAT, Find::Key("ctxt")),
    counter("processes", STAT, Find::Key("processes")),
    counter("yld_count", SCHEDSTAT, Find::Cpu(0)),
    counter("sched_count", SCHEDSTAT, Find::Cpu(2)),
    counter("sched_goidle", SCHEDSTAT, Find::Cpu(3)),
    counter("ttwu_count", SCHEDSTAT, Find::Cpu(4)),
    counter("ttwu_local", SCHEDSTAT, Find::Cpu(5)),
    counter("pgfault", VMSTAT, Find::Key("pgfault")),
    counter("irq_loc", INTERRUPTS, Find::Row("LOC:")),
    counter("irq_res", INTERRUPTS, Find::Row("RES:")),
    counter("softirq_timer", SOFTIRQS, Find::Row("TIMER:")),
    counter("softirq_sched", SOFTIRQS, Find::Row("SCHED:")),
    counter("softirq_hrtimer", SOFTIRQS, Find::Row("HRTIMER:")),
];

const STAT: &str = "/proc/stat";
const SCHEDSTAT: &str = "/proc/schedstat";
const VMSTAT: &str = "/proc/vmstat";
const INTERRUPTS: &str = "/proc/interrupts";
const SOFTIRQS: &str = "/proc/softirqs";

const fn counter(
    name: &'static str,
    file: &'static str,
    find: Find,
) -> Counter {
    Counter { name, file, find }
}

/// The name of a counter; `None` behind the last.
#[must_use]
pub fn name(index: usize) -> Option<&'static str> {
    COUNTERS.get(index).map(|counter| counter.name)
}

/// All counters at one moment; absent where the kernel does not tell.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot([Option<u64>; COUNTERS.len()]);

impl Snapshot {
    /// Reads them.
    #[must_use]
    pub fn read() -> Self {
        let mut values = [None; COUNTERS.len()];
        let mut buf = [0; 16 * 1024];
        let mut file = "";
        let mut len = 0;
        for (value, counter) in values.iter_mut().zip(COUNTERS) {
            if counter.file != file {
                file = counter.file;
                len = read_file(file, &mut buf).map_or(0, str::len);
            }
            let text = core::str::from_utf8(&buf[..len]).unwrap_or("");
            *value = counter.find.value(text);
        }
        Self(values)
    }

    /// The differences to an earlier snapshot as `name=delta` lines.
    #[must_use]
    pub fn since(&self, before: &Self) -> String<512> {
        let mut text = String::new();
        for ((counter, after), before) in
            COUNTERS.iter().zip(self.0).zip(before.0)
        {
            if let (Some(after), Some(before)) = (after, before) {
                let delta = after.wrapping_sub(before);
                // Thirteen names and numbers stay below 512 bytes.
                pair(&mut text, counter.name, &delta);
            }
        }
        text
    }
}

impl Find {
    fn value(&self, text: &str) -> Option<u64> {
        match *self {
            Self::Key(key) => text.lines().find_map(|line| {
                let mut words = line.split_ascii_whitespace();
                (words.next()? == key).then(|| digits(words.next()?))?
            }),
            Self::Row(key) => text.lines().find_map(|line| {
                let mut words = line.split_ascii_whitespace();
                let mine = words.next()? == key;
                mine.then(|| words.map_while(digits).sum())
            }),
            Self::Cpu(field) => {
                let mut cpus = text
                    .lines()
                    .filter_map(|line| {
                        let rest = line.strip_prefix("cpu")?;
                        word(rest, field + 1)
                    })
                    .peekable();
                cpus.peek()?;
                Some(cpus.sum())
            }
        }
    }
}

/// Taint bits that mean trouble: bad page, die, warning, soft lockup.
pub const BAD_TAINT: u64 = 1 << 5 | 1 << 7 | 1 << 9 | 1 << 14;

/// The kernel's taint mask, 0 if it does not tell.
#[must_use]
pub fn taint() -> u64 {
    let mut buf = [0; 32];
    read_file("/proc/sys/kernel/tainted", &mut buf)
        .and_then(|text| digits(text.trim_ascii()))
        .unwrap_or(0)
}

/// Cuts a long list of pairs into pieces of whole lines, each of at most
/// `most` bytes.
pub fn pieces(text: &str, most: usize) -> impl Iterator<Item = Pairs<'_>> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let mut end = rest.len();
        while end > most {
            let shorter = rest.as_bytes().get(..end - 1)?;
            end = shorter.iter().rposition(|&b| b == b'\n')? + 1;
        }
        let (piece, tail) = rest.split_at_checked(end)?;
        rest = tail;
        (!piece.is_empty()).then_some(Pairs(piece.trim_ascii_end()))
    })
}

#[cfg(test)]
mod tests {
    use super::{Find, Snapshot, pieces};
    use std::vec::Vec;

    #[test]
    fn each_kind_finds_its_number() {
        let stat = "cpu 1 2\nctxt 77\nprocesses 9\n";
        assert_eq!(Find::Key("ctxt").value(stat), Some(77));
        let irqs = "      CPU0 CPU1\nLOC:  3  4  Local timer\n";
        assert_eq!(Find::Row("LOC:").value(irqs), Some(7));
        assert_eq!(Find::Row("RES:").value(irqs), None);
        let sched = "version 16\ncpu0 5 0 6 7\ndomain0 1\ncpu1 10 0 1 1\n";
        assert_eq!(Find::Cpu(0).value(sched), Some(15));
        assert_eq!(Find::Cpu(2).value(sched), Some(7));
        assert_eq!(Find::Cpu(0).value("version 15\n"), None);
    }

    #[test]
    fn context_switches_grow() {
        let before = Snapshot::read();
        rustix::thread::sched_yield();
        let text = Snapshot::read().since(&before);
        assert!(text.contains("ctxt="), "{text}");
    }

    #[test]
    fn pieces_are_whole_lines() {
        let text = "a=1\nbb=22\nccc=333\n";
        let cut: Vec<_> = pieces(text, 11).map(|p| p.0).collect();
        assert_eq!(cut, ["a=1\nbb=22", "ccc=333"]);
    }
}
