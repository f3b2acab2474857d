//! The supervisor's side of a program: before, while and after it runs.

use crate::ctx::instance::{Instance, Place};
use crate::ctx::workload::Moment;
use crate::kit::clock::now;
use crate::kit::exit::{Exit, decode_exit};
use crate::kit::op::Op;
use crate::kit::shm::Scratch;
use crate::kit::slot::{Slot, State, add};
use crate::kit::stop::{CallExt, Stop};
use crate::kit::task;
use crate::sys;
use crate::workloads::custom::config::{CustomCfg, EXEC, LOST, SHARED, START};
use crate::workloads::custom::page::{self, Mapped, Ring};
use crate::workloads::custom::report::{self, Entry, MAX_REPORT, Malformed};
use core::fmt::Write;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed},
};
use heapless::String;
use rustix::fd::BorrowedFd;
use rustix::fs::{Access, AtFlags, CWD, FileType, accessat, statat};
use rustix::io::{Errno, fcntl_dupfd_cloexec, ioctl_fionbio, read};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};

/// Places for open files.
pub const FILES: u32 = 4;
/// The page.
pub const PAGE: usize = 0;
/// The end of the report's pipe that the program writes.
pub const REPORT: usize = 1;
/// What the group shares, if anything.
pub const REGION: usize = 2;
const REPORT_END: usize = 3;

/// Cells: what the page's counters stood at when the window began, and how
/// much of each ring was read.
pub const CELLS: u32 = 4;
const ITERATIONS: usize = 0;
const WORK_UNITS: usize = 1;
const RINGS: [(Ring, usize, usize); 2] =
    [(Ring::Wake, 2, 0), (Ring::Cost, 3, 1)];

/// Exit code of a program that could not be meaningful, as in automake.
const SKIP: u8 = 75;

/// Makes what a program is given.
///
/// # Errors
///
/// `NO_PAYLOAD`, or the call that failed.
pub fn create(instance: &Instance<'_>, place: &Place<'_>) -> Result<(), Stop> {
    let work = place.work;
    if !is_program(work.text(&EXEC)) {
        // So is a type that only another payload has.
        return Err(Stop::skip(&"NO_PAYLOAD"));
    }
    let bytes = work.count(&SHARED);
    let page = page::create(&CustomCfg::of(work), bytes)?;
    instance.files.set(PAGE, page);
    let (end, report) = pipe_with(PipeFlags::CLOEXEC).call(&"pipe2")?;
    // Whoever still holds the other end must not keep the supervisor.
    ioctl_fionbio(&end, true).call(&"ioctl")?;
    instance.files.set(REPORT, report);
    instance.files.set(REPORT_END, end);
    if bytes > 0 {
        let region = match place.lead.files.get(REGION) {
            Some(first) => fcntl_dupfd_cloexec(first, 0).call(&"fcntl")?,
            None => page::region(bytes)?,
        };
        instance.files.set(REGION, region);
    }
    Ok(())
}

/// Whether a file can be executed.
#[must_use]
pub fn is_program(path: &str) -> bool {
    let meta = statat(CWD, path, AtFlags::empty());
    let regular = meta.is_ok_and(|meta| {
        FileType::from_raw_mode(meta.st_mode) == FileType::RegularFile
    });
    regular && accessat(CWD, path, Access::EXEC_OK, AtFlags::empty()).is_ok()
}

/// Follows the program of an instance.
pub fn tend(
    instance: &Instance<'_>,
    place: &Place<'_>,
    moment: Moment,
) -> bool {
    let page = instance.files.get(PAGE).map(Mapped::new);
    let (Some(Ok(page)), Some(slot)) = (page, instance.slots.first()) else {
        return false;
    };
    let program = Program {
        instance,
        page,
        slot,
    };
    let runs = slot.state() == State::Replaced;
    match moment {
        Moment::SetUp => {
            let ended = slot.exit.load(Relaxed) != 0;
            let ready = program.page.ready.load(Acquire) != 0;
            return place.work.choice(&START) == 1 && (ended || runs && ready);
        }
        Moment::WarmUp | Moment::Measure => {
            if runs && moment == Moment::Measure {
                program.begin();
            }
            program.page.start();
        }
        Moment::Look if runs => program.publish(),
        Moment::Stop => {
            program.page.stop();
            if runs {
                program.publish();
                program.ask();
            }
        }
        Moment::Ended if runs => {
            program.publish();
            program.settle();
        }
        Moment::Look | Moment::Ended => {}
    }
    false
}

struct Program<'r> {
    instance: &'r Instance<'r>,
    page: Mapped,
    slot: &'r Slot,
}

impl Program<'_> {
    fn pid(&self) -> u32 {
        self.slot.pid.load(Relaxed)
    }

    fn cell(&self, at: usize) -> &AtomicU64 {
        &self.instance.cells[at]
    }

    /// The measured window begins.
    fn begin(&self) {
        let (slot, pid) = (self.slot, self.pid());
        let now = now();
        slot.restart(now, sys::exec::process_cpu(pid).unwrap_or(0));
        slot.kernel_begin.store(&task::read(pid, pid));
        if slot.first_ns.load(Relaxed) == 0 {
            slot.first_ns.store(now, Relaxed);
        }
        let page = &self.page;
        let iterations = page.iterations.load(Relaxed);
        let work_units = page.work_units.load(Relaxed);
        self.cell(ITERATIONS).store(iterations, Relaxed);
        self.cell(WORK_UNITS).store(work_units, Relaxed);
        for (ring, seen, hist) in RINGS {
            self.cell(seen).store(page.written(ring), Relaxed);
            self.instance.hists[hist].clear();
        }
    }

    /// Copies what the page and `/proc` say of it to where the report is
    /// made from.
    fn publish(&self) {
        let (slot, page, pid) = (self.slot, &self.page, self.pid());
        let told = |now: &AtomicU64, base: usize, to: &AtomicU64| {
            let now = now.load(Relaxed);
            let base = self.cell(base).load(Relaxed);
            to.store(now.saturating_sub(base), Relaxed);
            now > 0
        };
        let iterations = told(&page.iterations, ITERATIONS, &slot.iterations);
        let units = told(&page.work_units, WORK_UNITS, &slot.work_units);
        let silent = !iterations && !units;
        slot.uncounted.store(u32::from(silent), Relaxed);
        for (ring, seen, hist) in RINGS {
            let hist = &self.instance.hists[hist];
            let lost = page.drain(ring, self.cell(seen), hist);
            add(&slot.metrics[LOST.at()], lost);
        }
        if let Ok(cpu) = sys::exec::process_cpu(pid) {
            slot.cpu_end_ns.store(cpu, Relaxed);
        }
        let cpu = task::last_cpu(pid, pid);
        if let Some(cpu) = cpu {
            slot.saw_cpu(cpu);
        }
        let progress = page.progress_ns.load(Relaxed);
        if progress > 0 && slot.exit.load(Relaxed) == 0 {
            let since = progress.max(slot.begin_ns.load(Relaxed));
            let now = now();
            let gap = now.saturating_sub(since);
            if gap > slot.max_gap_ns.load(Relaxed) {
                slot.max_gap_ns.store(gap, Relaxed);
                slot.max_gap_at_ns.store(now, Relaxed);
                let cpu = cpu.and_then(|cpu| u32::try_from(cpu).ok());
                slot.max_gap_cpu.store(cpu.unwrap_or(u32::MAX), Relaxed);
            }
        }
    }

    /// Asks it to leave, once: not with the stop signal, which it does not
    /// know.
    fn ask(&self) {
        let pid = i32::try_from(self.pid()).unwrap_or(0);
        let ended = self.slot.exit.load(Relaxed) != 0;
        if let (Some(pid), false) = (Pid::from_raw(pid), ended) {
            // One that has just ended is as good.
            let _gone = kill_process(pid, Signal::TERM);
        }
    }

    /// It has ended: takes its report, and says what became of it.
    fn settle(&self) {
        let slot = self.slot;
        let exit = decode_exit(slot.exit.load(Relaxed));
        let mut note: String<160> = String::new();
        let mut figures = self.instance.named.iter();
        let mut take = |entry: Entry<'_>| {
            match entry {
                Entry::Iterations(n) => self.counts(&slot.iterations, n),
                Entry::WorkUnits(n) => self.counts(&slot.work_units, n),
                Entry::Reason(why) => cut(&mut note, why),
                Entry::Figure(name, value) => match figures.next() {
                    Some(figure) => figure.set(name, value),
                    None => return false,
                },
            }
            true
        };
        let mut buf = Scratch::new(MAX_REPORT);
        let read = match (&mut buf, self.instance.files.get(REPORT_END)) {
            (Some(buf), Some(pipe)) => {
                report::read(drained(pipe, buf.bytes()), &mut take)
            }
            _ => Err(Malformed::TooLong),
        };
        let stopped = self.page.stopped();
        let state = match (read, exit) {
            (Err(why), _) => {
                note.clear();
                cut(&mut note, "FAIL(report): ");
                cut(
                    &mut note,
                    match why {
                        Malformed::Line(line) => line,
                        Malformed::Postcard => "not a CustomReport",
                        Malformed::TooLong => "too long",
                    },
                );
                slot.enter(Op::Run);
                State::Failed
            }
            (Ok(()), Exit::Code(0)) => State::Done,
            (Ok(()), Exit::Signal(15)) if stopped => State::Done,
            (Ok(()), Exit::Code(SKIP)) => {
                if note.is_empty() {
                    cut(&mut note, "the payload skips without a reason");
                }
                State::Skipped
            }
            _ => State::Replaced,
        };
        slot.note.set(&note);
        slot.set_state(state);
    }

    fn counts(&self, counter: &AtomicU64, told: u64) {
        counter.store(told, Relaxed);
        self.slot.uncounted.store(0, Relaxed);
    }
}

fn cut(note: &mut String<160>, text: &str) {
    let _cut = crate::kit::text::Cut(note).write_str(text);
}

/// Everything that is in a pipe, as far as it fits into `buf`.
fn drained<'b>(pipe: BorrowedFd<'_>, buf: &'b mut [u8]) -> &'b [u8] {
    let mut used = 0;
    while used < buf.len() {
        match read(pipe, &mut buf[used..]) {
            Ok(n) if n > 0 => used += n,
            Err(Errno::INTR) => {}
            // Its end, or nothing more for the time being.
            _ => break,
        }
    }
    &buf[..used]
}
