//! Counters of the whole machine, read before and after a run.

use crate::kit::text::{digits, has, pair, read_file, word};
use core::str::SplitAsciiWhitespace;
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
    /// The sum of all numbers in the rows with this text in their last word.
    Irq(&'static str),
    /// The sum of this word of the row over all disks; partitions, which
    /// stand behind theirs, are part of it.
    Disk(usize),
    /// The sum of this field over all interfaces but the loopback.
    Net(usize),
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
    counter("pgmigrate_success", VMSTAT, Find::Key("pgmigrate_success")),
    counter("nr_dirtied", VMSTAT, Find::Key("nr_dirtied")),
    counter("nr_written", VMSTAT, Find::Key("nr_written")),
    counter("irq_loc", INTERRUPTS, TIMER_IRQ),
    counter("irq_res", INTERRUPTS, Find::Row(RESCHEDULE_IPI)),
    counter("irq_block", INTERRUPTS, Find::Irq("-req.")),
    counter("irq_net", INTERRUPTS, Find::Irq("-input.")),
    counter("softirq_timer", SOFTIRQS, Find::Row("TIMER:")),
    counter("softirq_sched", SOFTIRQS, Find::Row("SCHED:")),
    counter("softirq_hrtimer", SOFTIRQS, Find::Row("HRTIMER:")),
    counter("softirq_net_rx", SOFTIRQS, Find::Row("NET_RX:")),
    counter("disk_reads", DISKSTATS, Find::Disk(3)),
    counter("disk_writes", DISKSTATS, Find::Disk(7)),
    counter("disk_flushes", DISKSTATS, Find::Disk(18)),
    counter("net_rx_packets", NET_DEV, Find::Net(1)),
];

const STAT: &str = "/proc/stat";
const SCHEDSTAT: &str = "/proc/schedstat";
const VMSTAT: &str = "/proc/vmstat";
const INTERRUPTS: &str = "/proc/interrupts";
const SOFTIRQS: &str = "/proc/softirqs";
const DISKSTATS: &str = "/proc/diskstats";
const NET_DEV: &str = "/proc/net/dev";

/// Interrupts of each CPU's own timer.
#[cfg(target_arch = "x86_64")]
const TIMER_IRQ: Find = Find::Row("LOC:");
#[cfg(target_arch = "aarch64")]
const TIMER_IRQ: Find = Find::Irq("arch_timer");
#[cfg(target_arch = "riscv64")]
const TIMER_IRQ: Find = Find::Irq("riscv-timer");

/// Interrupts that make another CPU look for a task to run.
#[cfg(target_arch = "x86_64")]
const RESCHEDULE_IPI: &str = "RES:";
#[cfg(not(target_arch = "x86_64"))]
const RESCHEDULE_IPI: &str = "IPI0:";

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
    pub fn since(&self, before: &Self) -> String<1024> {
        let mut text = String::new();
        for ((counter, after), before) in
            COUNTERS.iter().zip(self.0).zip(before.0)
        {
            if let (Some(after), Some(before)) = (after, before) {
                let delta = after.wrapping_sub(before);
                // Two dozen names and numbers stay below 1024 bytes.
                pair(&mut text, counter.name, &delta);
            }
        }
        text
    }
}

impl Find {
    /// The sum over all rows that have it; absent where none has.
    fn value(&self, text: &str) -> Option<u64> {
        let mut sum = None;
        let mut disk = "";
        for line in text.lines() {
            if let Some(found) = self.in_row(line, &mut disk) {
                sum = Some(sum.unwrap_or(0) + found);
                if matches!(self, Self::Key(_) | Self::Row(_)) {
                    break;
                }
            }
        }
        sum
    }

    fn in_row<'t>(&self, row: &'t str, disk: &mut &'t str) -> Option<u64> {
        let mut words = row.split_ascii_whitespace();
        let all = |words: SplitAsciiWhitespace<'_>| {
            Some(words.map_while(digits).sum())
        };
        match *self {
            Self::Key(key) if words.next()? == key => digits(words.next()?),
            Self::Row(key) if words.next()? == key => all(words),
            Self::Irq(part) if has(words.clone().last()?, part) => {
                words.next()?;
                all(words)
            }
            Self::Cpu(field) => word(row.strip_prefix("cpu")?, field + 1),
            Self::Disk(at) => {
                let name = words.nth(2)?;
                if !disk.is_empty() && name.starts_with(*disk) {
                    return None;
                }
                *disk = name;
                word(row, at)
            }
            Self::Net(field) => {
                let (name, fields) = row.split_once(':')?;
                let counts = name.trim_ascii() != "lo";
                counts.then(|| word(fields, field))?
            }
            Self::Key(_) | Self::Row(_) | Self::Irq(_) => None,
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

#[cfg(test)]
mod tests {
    use super::{Find, Snapshot};
    use crate::wire::record::pieces;
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
        let irqs = "    CPU0  CPU1\n24: 5 6 PCI-MSIX 0-edge virtio1-req.0\n\
                    25: 1 1 PCI-MSIX 1-edge virtio1-req.1\n";
        assert_eq!(Find::Irq("-req.").value(irqs), Some(13));
        assert_eq!(Find::Irq("-input.").value(irqs), None);
        let arm = "    CPU0  CPU1\n 11: 5 6 GICv3 27 Level arch_timer\n\
                   IPI0: 1 2 Rescheduling interrupts\n";
        assert_eq!(Find::Irq("arch_timer").value(arm), Some(11));
        assert_eq!(Find::Row("IPI0:").value(arm), Some(3));
        let disks = " 254 0 vda 7 1 2\n 254 1 vda1 5 1 2\n 254 16 vdb 4 1 2\n";
        assert_eq!(Find::Disk(3).value(disks), Some(11));
        let net = "Inter-| Receive\n    lo: 9 9 0\n  eth0:100 3 0\n";
        assert_eq!(Find::Net(1).value(net), Some(3));
        assert_eq!(Find::Net(1).value("    lo: 9 9 0\n"), None);
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
