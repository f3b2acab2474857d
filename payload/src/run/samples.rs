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
use crate::kit::text::{Cut, each_piece, entry, path, read_file};
use crate::plan::run::Run;
use crate::run::findings::Findings;
use crate::run::output::Output;
use crate::run::samples::table::{
    LONGEST, NEAR, Names, Row, count, is_kernel, most, name,
};
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
/// Places of the table: for 16,384 different addresses.
const PLACES: usize = 16 * 1024 + NEAR;
/// Functions and addresses that are sent.
const SENT: usize = 256;
/// Bytes of them in one record.
const PIECE: usize = 4096;

/// What samples one run.
#[derive(Debug)]
pub struct Sampler {
    rings: Region,
    table: Scratch,
    names: Scratch,
    sum: record::Samples<'static>,
    /// When the rings are to be looked at next, in ns.
    next: u64,
}

impl Sampler {
    /// Prepares what the run asks for; `None` where it asks for nothing, or
    /// where that cannot be had, which degrades the run.
    pub fn new(
        run: &Run<'_>,
        number: u16,
        cpus: &Cpus,
        findings: &mut Findings,
    ) -> Option<Self> {
        let hz = run.settings.sample;
        if hz == 0 {
            return None;
        }
        match Self::open(hz, number, cpus) {
            Ok(made) => {
                partial(made.sum.scope, findings);
                Some(made)
            }
            Err(errno) => {
                none(errno, findings);
                None
            }
        }
    }

    /// Takes the best that may be had.
    fn open(hz: u32, number: u16, cpus: &Cpus) -> Result<Self, Errno> {
        let each = page_size() + RING;
        let scratch = |bytes| Scratch::new(bytes).ok_or(Errno::NOMEM);
        let mut made = Self {
            rings: Region::new(each * cpus.len() as usize)?,
            table: scratch(PLACES * size_of::<Row>())?,
            names: scratch(PLACES * LONGEST)?,
            sum: record::Samples {
                run: number,
                hz,
                cycles: true,
                scope: Scope::Cpus,
                user: 0,
                kernel: 0,
                lost: 0,
                throttled: 0,
                no_room: 0,
                rows: 0,
                counts: Pairs(""),
            },
            next: 0,
        };
        let mut why = Errno::NOMEM;
        for scope in [Scope::Cpus, Scope::Workers, Scope::WorkersUser] {
            for cycles in [true, false] {
                let of = perf::Sampled {
                    hz,
                    cycles,
                    inherited: scope != Scope::Cpus,
                    user: scope == Scope::WorkersUser,
                };
                // A ring lasts as long as it is mapped, and its event, too.
                let opened = cpus.iter().zip(0..).try_for_each(|(cpu, at)| {
                    let event = perf::sample(of, cpu)?;
                    made.rings.put_file(at * each, each, event.as_fd())
                });
                match opened {
                    Ok(()) => {
                        (made.sum.scope, made.sum.cycles) = (scope, cycles);
                        return Ok(made);
                    }
                    Err(errno) => why = errno,
                }
            }
        }
        Err(why)
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
        let (table, sum) = (self.table.rows(), &mut self.sum);
        for ring in self.rings.words().chunks_exact((page + RING) / 8) {
            let word = |at: usize| {
                let word = ring.get(page / 8 + at / 8 % (RING / 8));
                word.map_or(0, |word| word.load(Relaxed))
            };
            let (Some(head), Some(tail)) = (ring.get(HEAD), ring.get(TAIL))
            else {
                return;
            };
            let end = head.load(Acquire);
            let mut at = tail.load(Relaxed);
            // The kernel may have found a full ring and not said so yet.
            sum.lost += u64::from(end - at + 64 > RING as u64);
            while at < end {
                let place = usize::try_from(at).unwrap_or(0);
                let header = word(place);
                let value = word(place + 8);
                match header & 0xffff_ffff {
                    SAMPLE => {
                        let of = match is_kernel(value) {
                            true => &mut sum.kernel,
                            false => &mut sum.user,
                        };
                        *of += 1;
                        sum.no_room += u64::from(!count(table, value));
                    }
                    LOST => sum.lost += word(place + 16),
                    THROTTLE => sum.throttled += 1,
                    _ => {}
                }
                // An entry has a header at least.
                at += (header >> 48).max(8);
            }
            tail.store(end, Release);
        }
    }

    /// Takes what is left in the rings, and names it. What is missing degrades
    /// the run.
    pub fn finish(&mut self, findings: &mut Findings) -> &mut Self {
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
        let rows = self.table.rows();
        let mut names = Names::new(rows, &mut self.names);
        each_piece("/proc/kallsyms", &mut |text| names.take(text));
        if !names.any && self.sum.kernel > 0 {
            findings.add(
                Verdict::Degraded,
                format_args!(
                    "NO_NAMES: no addresses in /proc/kallsyms \
                     (CONFIG_KALLSYMS, kernel.kptr_restrict)"
                ),
            );
        }
        names.unite();
        self
    }

    /// Sends what was seen most.
    pub fn send(&mut self, out: &mut Output<'_>) {
        let rows = self.table.rows();
        let all = rows.iter().filter(|row| row[1] > 0).count();
        self.sum.rows = u32::try_from(all.min(SENT)).unwrap_or(0);
        let mut text: String<PIECE> = String::new();
        for _ in 0..self.sum.rows {
            let Some((at, row)) = most(rows) else { break };
            if text.capacity() - text.len() < LONGEST + 32 {
                flush(&self.sum, &mut text, out);
            }
            let mut text = Cut(&mut text);
            // There is room for it.
            let _fits = match is_kernel(row[0]) {
                true => text.write_str(name(self.names.read(), at)),
                false => write!(text, "{:#x}", row[0]),
            };
            let _fits = entry(&mut text, "", &row[1], "\n");
            row[1] = 0;
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

/// What the names of the kernel's settings of events begin with.
const PREFIX: &str = "perf_event_";

/// What one of the kernel's settings of events is.
fn setting<'b>(name: &str, buf: &'b mut [u8]) -> &'b str {
    let file = path(format_args!("/proc/sys/kernel/{PREFIX}{name}"));
    read_file(&file, buf).unwrap_or("").trim_ascii_end()
}

fn partial(scope: Scope, findings: &mut Findings) {
    let missing = match scope {
        Scope::Cpus => return,
        Scope::Workers => "",
        Scope::WorkersUser => ", not in the kernel",
    };
    let mut buf = [0; 16];
    let paranoid = setting("paranoid", &mut buf);
    findings.add(
        Verdict::Degraded,
        format_args!(
            "PROFILE_PARTIAL: of the workers{missing} \
             ({PREFIX}paranoid={paranoid})"
        ),
    );
}

fn none(errno: Errno, findings: &mut Findings) {
    let mut buf = [0; 16];
    let name = match errno {
        Errno::NOSYS => "CONFIG_PERF_EVENTS",
        Errno::INVAL => "max_sample_rate",
        _ => "paranoid",
    };
    let reason = match errno {
        Errno::NOSYS => format_args!("NO_CONFIG:{name}"),
        Errno::ACCESS | Errno::PERM | Errno::INVAL => format_args!(
            "NO_PROFILE: {PREFIX}{name}={}",
            setting(name, &mut buf)
        ),
        _ => format_args!(
            "NO_PROFILE(perf_event_open, {})",
            errno.raw_os_error()
        ),
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
