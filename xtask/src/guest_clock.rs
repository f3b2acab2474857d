//! The clock of a machine: what its kernel is told of it, and whether it went
//! as the host's did.
//!
//! Without KVM, QEMU's time stamp counter is the host's, and a kernel that
//! measures it while the host is busy finds anything between a hundredth and
//! the double. All of its times are then wrong by that factor, and none of
//! them shows it.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "reads the time stamp counter")
)]

use crate::exit::Exit;
use crate::kconfig::Config;
use crate::model::{Outcome, Report};
use core::time::Duration;
use pidone::wire::record::Record;
use regex::bytes::Regex;
use std::sync::OnceLock;
use std::time::Instant;
use std::{fs, thread};

/// Clocks that differ by less than a tenth and this much are the same: what
/// the machine says takes a while to arrive here.
const SLACK: Duration = Duration::from_secs(1);
/// How long the host's counter is measured.
const MEASURED: Duration = Duration::from_millis(20);
/// The counter is told as a multiple of this many kHz: its frequency is one,
/// and what was measured is not as exact.
const STEP: f64 = 100.0;

/// Words for the command line of an x86 kernel in QEMU without KVM, which then
/// need not measure its counter, nor, if it is known how often it ticks, its
/// delay loop on each CPU.
#[must_use]
pub fn words(config: Option<&Config>, append: &[String]) -> Vec<String> {
    static KHZ: OnceLock<Option<u32>> = OnceLock::new();
    let khz = KHZ.get_or_init(|| {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        steady(&info).then(measure)?
    });
    let hz = config.and_then(|config| config.get("CONFIG_HZ").parse().ok());
    let given = |word: &str| {
        word.starts_with("tsc_early_khz=") || word.starts_with("lpj=")
    };
    let mut given_words = append.iter().flat_map(|a| a.split_whitespace());
    match given_words.any(given) {
        true => Vec::new(),
        false => khz.map_or_else(Vec::new, |khz| told(khz, hz)),
    }
}

fn told(khz: u32, hz: Option<u64>) -> Vec<String> {
    let mut words = vec![format!("tsc_early_khz={khz}")];
    let per_jiffy = hz.and_then(|hz| (u64::from(khz) * 1000).checked_div(hz));
    words.extend(per_jiffy.map(|lpj| format!("lpj={lpj}")));
    words
}

/// Whether the counter of a host with this `/proc/cpuinfo` always goes at the
/// same speed.
fn steady(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    let has = |flag: &str| {
        flags.is_some_and(|all| all.split_whitespace().any(|f| f == flag))
    };
    has("constant_tsc") && has("nonstop_tsc")
}

/// The frequency of the host's counter in kHz, if it has one.
fn measure() -> Option<u32> {
    let (begin, from) = moment()?;
    thread::sleep(MEASURED);
    let (end, to) = moment()?;
    let cycles = to.checked_sub(from)? as f64;
    let khz = cycles / end.duration_since(begin).as_secs_f64() / 1000.0;
    let khz = (khz / STEP).round() * STEP;
    format!("{khz:.0}").parse().ok().filter(|&khz| khz > 0)
}

/// A moment by both of the host's clocks: of several, the one for which least
/// time passed between them.
fn moment() -> Option<(Instant, u64)> {
    let tries = (0..64).map(|_| {
        let before = Instant::now();
        let counter = counter();
        (before.elapsed(), before, counter)
    });
    let (_, at, counter) = tries.min_by_key(|(took, ..)| *took)?;
    Some((at, counter?))
}

/// The host's counter.
fn counter() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has it.
    return Some(unsafe { core::arch::x86_64::_rdtsc() });
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// A moment of the machine's, and when it was here, on the host's clock since
/// the machine was started: behind one look at what it said, and before
/// another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sign {
    /// On the machine's clock.
    pub guest: Duration,
    /// The look that did not find it.
    pub after: Duration,
    /// The look that found it.
    pub by: Duration,
}

/// Whether the clocks went apart between two moments; if so, how.
#[must_use]
pub fn parted(from: Sign, to: Sign) -> Option<String> {
    let guest = to.guest.saturating_sub(from.guest);
    let least = to.after.saturating_sub(from.by);
    let most = to.by.saturating_sub(from.after);
    let more = |a: Duration, b: Duration| a > b.mul_f64(1.1) + SLACK;
    let host = match (more(guest, most), more(least, guest)) {
        (true, _) => most,
        (_, true) => least,
        (false, false) => return None,
    };
    Some(format!(
        "the machine's clock went wrong: {:.1} s passed on it in {:.1} s of \
         the host's",
        guest.as_secs_f64(),
        host.as_secs_f64()
    ))
}

/// The machine's signs of life that have a time.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    ready: Option<Sign>,
    /// The first and the last of each run, by its number.
    runs: Vec<(u16, Sign, Sign)>,
    /// The last look.
    looked: Duration,
}

impl Signs {
    /// Takes a record that was found by a look at that time.
    pub fn take(&mut self, record: &Record<'_>, by: Duration) {
        let after = self.looked;
        match record {
            Record::Hello(hello) => {
                let guest = Duration::from_nanos(hello.ready_ns);
                self.ready = Some(Sign { guest, after, by });
                self.runs.clear();
            }
            Record::Progress(progress) => {
                let guest = Duration::from_millis(progress.elapsed_ms);
                let sign = Sign { guest, after, by };
                match self.runs.last_mut() {
                    Some((run, _, last)) if *run == progress.run => {
                        *last = sign;
                    }
                    _ => self.runs.push((progress.run, sign, sign)),
                }
            }
            _ => {}
        }
    }

    /// A look at all that there is has ended, which began at that time.
    pub fn looked(&mut self, began: Duration) {
        self.looked = began;
    }

    /// Whether the machine's clock went as the host's, in all of a boot that
    /// took so long; if not, how it went.
    #[must_use]
    pub fn wrong(
        &self,
        report: &Report,
        console: &[u8],
        took: Duration,
    ) -> Option<String> {
        // At least so much time must have passed in all.
        let measured: u64 = report.runs.iter().map(|run| run.wall_ns).sum();
        let entered = report.hello.as_ref().map_or(0, |it| it.entered_ns);
        let all = Sign {
            guest: Duration::from_nanos(entered.saturating_add(measured)),
            after: Duration::ZERO,
            by: took,
        };
        let end = end(console).map(|end| Sign {
            guest: end.on(entered),
            after: self.looked,
            by: took,
        });
        let runs = self.runs.iter().map(|(_, from, to)| (*from, *to));
        let mut all = [(Sign::default(), all)]
            .into_iter()
            .chain(self.ready.zip(end))
            .chain(runs);
        all.find_map(|(from, to)| parted(from, to))
    }
}

/// When init began and the machine ended, as the kernel's lines say.
struct Stamps {
    init: Option<Duration>,
    end: Duration,
}

impl Stamps {
    /// The end on the clock that the payload reads, by which it was entered so
    /// many ns after its beginning. The kernel's own stamps need no interrupts,
    /// of which that clock misses some while the host is busy, as long as it
    /// has nothing but them.
    fn on(&self, entered: u64) -> Duration {
        match self.init {
            Some(init) => {
                let since = self.end.saturating_sub(init);
                Duration::from_nanos(entered) + since
            }
            None => self.end,
        }
    }
}

/// The stamps of the last boot on a console, if it ended.
fn end(console: &[u8]) -> Option<Stamps> {
    const STAMP: &str = r"(?m)^\[ *([0-9]+\.[0-9]{6})\](?:\[[^\]]*\])? ";
    let last = |what: &str, within: &[u8]| {
        let line = Regex::new(&[STAMP, what].concat()).ok()?;
        let line = line.captures_iter(within).last()?;
        let stamp = core::str::from_utf8(line.get(1)?.as_bytes()).ok()?;
        Duration::try_from_secs_f64(stamp.parse().ok()?).ok()
    };
    let tail = &console[console.len().saturating_sub(4096)..];
    Some(Stamps {
        end: last("reboot: ", tail)?,
        init: last("Run .* as init process", console),
    })
}

/// Makes a report one that tells nothing, because of its clock.
pub fn doubt(report: &mut Report, why: &str) -> Exit {
    report.reason = format!(
        "cannot tell: {why}; by that clock: {}: {}",
        report.outcome, report.reason
    );
    report.outcome = Outcome::Fail;
    Exit::CannotTell
}

#[cfg(test)]
mod tests {
    use super::{Duration, Sign, Signs, end, measure, parted, steady, told};
    use crate::model::{Hello, Report, Run};
    use crate::testing::{hello, progress};
    use pidone::wire::record::Record;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_kernel_is_told_what_it_cannot_measure() {
        let both = ["tsc_early_khz=2596000", "lpj=10384000"];
        assert_eq!(told(2_596_000, Some(250)), both);
        assert_eq!(told(2_596_000, Some(0)), both[..1]);
        assert_eq!(told(2_596_000, None), both[..1]);
        assert!(steady("x\nflags\t\t: fpu constant_tsc nonstop_tsc x\n"));
        assert!(!steady("flags\t\t: fpu constant_tsc\n"));
        assert!(!steady(""));
        if cfg!(target_arch = "x86_64") {
            let khz = measure().unwrap();
            assert!((100_000..20_000_000).contains(&khz), "{khz}");
        }
    }

    #[test]
    fn clocks_that_part_are_told() {
        let from = Sign {
            guest: ms(2_000),
            after: ms(4_000),
            by: ms(4_050),
        };
        let to = |guest: u64, after: u64, by: u64| Sign {
            guest: ms(2_000 + guest),
            after: ms(4_000 + after),
            by: ms(4_000 + by),
        };
        for (guest, after, by, wrong) in [
            // As they should.
            (60_000, 60_000, 60_050, false),
            // A look that came late is no sign of anything.
            (60_000, 10_000, 90_000, false),
            (900, 0, 50, false),
            // Too fast, too slow, by as much as matters.
            (387_000, 81_950, 82_000, true),
            (60_000, 50_000, 50_050, true),
            (60_000, 70_000, 70_050, true),
            (3_000, 5_900, 5_950, true),
            (3_000, 800, 850, true),
        ] {
            let said = parted(from, to(guest, after, by));
            assert_eq!(said.is_some(), wrong, "{guest} {by}: {said:?}");
        }
        let said = parted(from, to(387_000, 81_950, 82_000)).unwrap();
        assert!(said.ends_with("387.0 s passed on it in 82.0 s of the host's"));
    }

    fn report(entered: Duration, wall: Duration) -> Report {
        let nanos = |of: Duration| u64::try_from(of.as_nanos()).unwrap();
        Report {
            hello: Some(Hello {
                entered_ns: nanos(entered),
                ..Hello::default()
            }),
            runs: vec![Run {
                wall_ns: nanos(wall),
                ..Run::default()
            }],
            ..Report::default()
        }
    }

    #[test]
    fn any_part_of_a_boot_tells() {
        let well = report(ms(2_000), ms(3_000));
        let none = Signs::default();
        assert_eq!(none.wrong(&well, b"", ms(7_000)), None);
        // More passed than there was.
        assert!(none.wrong(&well, b"", ms(3_000)).is_some());

        // From the first word to the end of the machine.
        let mut signs = Signs::default();
        let Record::Hello(said) = hello() else {
            panic!("another record");
        };
        signs.looked(ms(5_000));
        signs.take(&Record::Hello(said), ms(5_050));
        signs.looked(ms(9_000));
        let ready = Duration::from_nanos(said.ready_ns).as_secs();
        let console = |after: u64| {
            let seconds = ready + after;
            format!("x\n[    {seconds}.000000] reboot: Power down\r\n")
        };
        let wrong = |after: u64| {
            signs.wrong(&well, console(after).as_bytes(), ms(9_050))
        };
        assert_eq!(wrong(4), None);
        assert!(wrong(7).is_some() && wrong(1).is_some());

        // In a run that never ended.
        let mut signs = Signs::default();
        for (guest, host) in [(1_000, 10_000), (2_000, 18_000)] {
            let Record::Progress(mut sign) = progress(0, 7) else {
                panic!("another record");
            };
            sign.elapsed_ms = guest;
            signs.looked(ms(host - 50));
            signs.take(&Record::Progress(sign), ms(host));
        }
        assert!(signs.wrong(&well, b"", ms(90_000)).is_some());
    }

    #[test]
    fn the_end_is_in_the_kernels_last_line() {
        let log = "[    1.500000] reboot: Restarting\n[    6.907420][    T1] \
                   reboot: Power down\r\n";
        let ends = |log: &str| end(log.as_bytes()).map(|end| end.on(7_000_000));
        assert_eq!(ends(log), Some(Duration::from_micros(6_907_420)));
        assert!(ends("[    6.907420] x reboot: Power down").is_none());
        // A clock that missed interrupts was late when init began.
        let init = "[    3.900000] Run /init as init process\n\
                    [    4.000000] Run /init as init process\n";
        let late = [init, log].concat();
        assert_eq!(ends(&late), Some(Duration::from_micros(2_914_420)));
    }
}
