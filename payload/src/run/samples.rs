//! `sample=`: where the CPUs are, as often a second as the plan says.
//!
//! The kernel's events write into a ring for each CPU, which PID 1 empties
//! behind the run, or before it would be full. Addresses are counted here, and
//! those of the kernel get the names of its functions from `/proc/kallsyms`;
//! those of programs the host knows. An event of all that a CPU carries out
//! takes part in no context switch, so that it is asked for first. Nothing here
//! happens to a run that does not ask for it.

mod table;

use crate::kit::clock::SECOND;
use crate::kit::cpus::Cpus;
use crate::kit::memory::Region;
use crate::kit::shm::Scratch;
use crate::kit::text::{Cut, entry, read_file, signed};
use crate::run::findings::Findings;
use crate::run::output::Output;
use crate::run::samples::table::{LONGEST, Names, Row, count, in_order, name};
use crate::sys::perf;
use crate::wire::record::{self, Pairs, Record, Scope, Verdict};
use core::fmt::Write;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use heapless::String;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::param::page_size;

/// Bytes of each CPU's ring: 8,192 samples.
const RING: usize = 128 * 1024;
/// A ring that has so many samples is half full.
const HALF: u64 = 4096;
/// Words of the page in front of a ring that say up to where it is written and
/// read.
const HEAD: usize = 1024 / 8;
const TAIL: usize = HEAD + 1;
/// Types of entries in a ring.
const LOST: u64 = 2;
const THROTTLE: u64 = 5;
const SAMPLE: u64 = 9;
/// Different addresses that are counted, at most.
const ADDRESSES: usize = 16 * 1024;
/// Functions and addresses that are sent.
const SENT: usize = 256;
/// Bytes of them in one record.
const PIECE: usize = 4096;

/// A call that failed, and how.
type Step = (&'static str, Errno);

/// What samples one run.
#[derive(Debug)]
pub struct Sampler {
    rings: Region,
    table: Scratch,
    sum: record::Samples<'static>,
    /// When the rings are to be looked at next, in ns.
    next: u64,
    /// How many rows the table has once it is over, and the names of these.
    kept: usize,
    names: Option<Scratch>,
}

impl Sampler {
    /// Prepares what the run asks for; `None` where it asks for nothing, or
    /// where that cannot be had, which degrades the run.
    pub fn new(
        hz: u32,
        number: u16,
        cpus: &Cpus,
        findings: &mut Findings,
    ) -> Option<Self> {
        if hz == 0 {
            return None;
        }
        let mut why = ("mmap", Errno::NOMEM);
        for scope in [Scope::Cpus, Scope::Workers, Scope::WorkersUser] {
            for cycles in [true, false] {
                let of = perf::Sampled {
                    hz,
                    cycles,
                    inherited: scope != Scope::Cpus,
                    user: scope == Scope::WorkersUser,
                };
                let made = rings(of, cpus).and_then(|rings| {
                    let table = Scratch::new(ADDRESSES * size_of::<Row>());
                    Ok((rings, table.ok_or(("mmap", Errno::NOMEM))?))
                });
                let (rings, table) = match made {
                    Ok(made) => made,
                    Err(error) => {
                        why = error;
                        continue;
                    }
                };
                if scope != Scope::Cpus {
                    partial(scope, findings);
                }
                return Some(Self {
                    rings,
                    table,
                    sum: record::Samples {
                        run: number,
                        hz,
                        cycles,
                        scope,
                        user: 0,
                        kernel: 0,
                        lost: 0,
                        throttled: 0,
                        no_room: 0,
                        rows: 0,
                        counts: Pairs(""),
                    },
                    next: 0,
                    names: None,
                    kept: 0,
                });
            }
        }
        none(why, findings);
        None
    }

    /// Begins, or ends, the time in which samples are taken.
    pub fn enable(&self, on: bool) {
        perf::enable(on);
    }

    /// Empties the rings if it is time to; says when it will be.
    pub fn tend(&mut self, time: u64) -> u64 {
        if time >= self.next {
            self.empty();
            self.next = time + HALF * SECOND / u64::from(self.sum.hz.max(1));
        }
        self.next
    }

    fn empty(&mut self) {
        let page = page_size();
        for ring in self.rings.words().chunks_exact((page + RING) / 8) {
            let (control, data) = ring.split_at(page / 8);
            let end = control[HEAD].load(Acquire);
            let mut at = control[TAIL].load(Relaxed);
            // Whoever finds it full is not known to have found it so.
            let full = end - at + 64 > RING as u64;
            while at < end {
                let word = |n: u64| {
                    let at = usize::try_from(at / 8 + n).unwrap_or(0);
                    data[at % data.len()].load(Relaxed)
                };
                let header = word(0);
                match header & 0xffff_ffff {
                    SAMPLE => {
                        let address = word(1);
                        let kept = count(self.table.rows(), address);
                        let sum = match address >> 63 {
                            0 => &mut self.sum.user,
                            _ => &mut self.sum.kernel,
                        };
                        *sum += 1;
                        self.sum.no_room += u64::from(!kept);
                    }
                    LOST => self.sum.lost += word(2),
                    THROTTLE => self.sum.throttled += 1,
                    _ => {}
                }
                // An entry has a header at least.
                at += (header >> 48).max(8);
            }
            control[TAIL].store(end, Release);
            self.sum.lost += u64::from(full);
        }
    }

    /// Takes what is left in the rings, and names it. What is missing degrades
    /// the run.
    pub fn finish(&mut self, findings: &mut Findings) {
        self.empty();
        let (lost, throttled) = (self.sum.lost, self.sum.throttled);
        if lost + throttled > 0 {
            findings.add(
                Verdict::Degraded,
                format_args!(
                    "PROFILE_LOST:{lost} samples, throttled {throttled} times"
                ),
            );
        }
        let rows = in_order(self.table.rows());
        let Some(mut names) = Names::new(rows) else {
            return;
        };
        if !names.read() && self.sum.kernel > 0 {
            let reason = "NO_NAMES: no addresses in /proc/kallsyms \
                          (CONFIG_KALLSYMS, kernel.kptr_restrict)";
            findings.add(Verdict::Degraded, format_args!("{reason}"));
        }
        let (kept, names) = names.united();
        (self.kept, self.names) = (kept, Some(names));
    }

    /// Sends what was seen most.
    pub fn send(mut self, out: &mut Output<'_>) {
        let Some(names) = &self.names else {
            return;
        };
        let rows = self.table.rows();
        let first = self.kept.saturating_sub(SENT);
        let rows = rows.get(first..self.kept).unwrap_or(&[]);
        self.sum.rows = u32::try_from(rows.len()).unwrap_or(0);
        let mut text: String<PIECE> = String::new();
        for row in rows.iter().rev() {
            if text.capacity() - text.len() < LONGEST + 32 {
                flush(&self.sum, &mut text, out);
            }
            let mut address: String<20> = String::new();
            let name = match row[0] >> 63 {
                0 => {
                    // The widest address fits.
                    let _fits = write!(address, "{:#x}", row[0]);
                    address.as_str()
                }
                _ => name(names.read(), *row),
            };
            let _fits = entry(&mut Cut(&mut text), name, &row[1], "\n");
        }
        flush(&self.sum, &mut text, out);
        out.flush();
    }
}

fn flush(
    sum: &record::Samples<'_>,
    text: &mut String<PIECE>,
    out: &mut Output<'_>,
) {
    let counts = Pairs(text.trim_ascii_end());
    out.record(&Record::Samples(record::Samples { counts, ..*sum }));
    text.clear();
}

/// A ring for each CPU, one behind the other. They and their events last as
/// long as the region does.
fn rings(of: perf::Sampled, cpus: &Cpus) -> Result<Region, Step> {
    let each = page_size() + RING;
    let at = |call| move |errno| (call, errno);
    let all = Region::new(each * cpus.len() as usize).map_err(at("mmap"))?;
    for (cpu, place) in cpus.iter().zip(0..) {
        let event = perf::sample(of, cpu).map_err(at("perf_event_open"))?;
        let put = all.put_file(place * each, each, event.as_fd());
        put.map_err(at("mmap"))?;
    }
    Ok(all)
}

/// What `perf_event_paranoid` is.
fn paranoid() -> i64 {
    let mut buf = [0; 16];
    let path = "/proc/sys/kernel/perf_event_paranoid";
    let text = read_file(path, &mut buf).unwrap_or("");
    signed(text.trim_ascii_end()).unwrap_or(0)
}

fn partial(scope: Scope, findings: &mut Findings) {
    let of = match scope {
        Scope::WorkersUser => "of the workers, not in the kernel",
        _ => "of the workers",
    };
    let paranoid = paranoid();
    findings.add(
        Verdict::Degraded,
        format_args!("PROFILE_PARTIAL: {of} (perf_event_paranoid={paranoid})"),
    );
}

fn none((call, errno): Step, findings: &mut Findings) {
    let reason = match errno {
        Errno::NOSYS => format_args!("NO_CONFIG:CONFIG_PERF_EVENTS"),
        Errno::ACCESS | Errno::PERM => format_args!(
            "NO_PROFILE: perf_event_paranoid={} forbids it",
            paranoid()
        ),
        _ => format_args!("NO_PROFILE({call}, {})", errno.raw_os_error()),
    };
    findings.add(Verdict::Degraded, reason);
}

#[cfg(test)]
mod tests {
    use crate::plan::builder::RunBuilder;
    use crate::plan::work_type::WorkType;
    use crate::run::spawn::spawn;
    use crate::wire::record::{Record, Scope};
    use core::time::Duration;
    use std::vec::Vec;

    #[test]
    fn a_process_is_sampled_or_says_why_it_is_not() {
        let run = RunBuilder::new(WorkType::spin_wait().unwrap())
            .set("sample", "2000")
            .time(Duration::from_millis(100));
        let report = spawn(&run.build().unwrap()).unwrap();
        let reasons: Vec<_> = report.reasons().collect();
        let samples = report.records().find_map(|record| match record {
            Record::Samples(samples) => Some(samples),
            _ => None,
        });
        let said = |start| reasons.iter().any(|r| r.starts_with(start));
        let Some(samples) = samples else {
            let none = said("NO_PROFILE") || said("NO_CONFIG:CONFIG_PERF");
            return assert!(none, "{reasons:?}");
        };
        assert_eq!(said("PROFILE_PARTIAL"), samples.scope != Scope::Cpus);
        let seen: u64 = samples.counts.iter().map(|(_, n)| n).sum();
        assert!(seen > 0 && seen <= samples.user + samples.kernel);
        let user = |name: &str| name.starts_with("0x");
        assert!(samples.counts.iter().any(|(name, _)| user(name)));
    }
}
