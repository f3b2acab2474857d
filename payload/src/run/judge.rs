//! What a run that was carried out is worth.

use crate::ctx::nic::{Way, id};
use crate::kit::exit::{Exit, decode_exit};
use crate::kit::op::Op;
use crate::kit::slot::{Slot, State};
use crate::run::crew::Crew;
use crate::run::findings::Findings;
use crate::run::measured::{Measured, load, sum};
use crate::wire::record::Verdict;
use core::fmt::Arguments;
use core::sync::atomic::Ordering::Relaxed;
use rustix::io::Errno;

impl Measured<'_> {
    /// Whether so many of a group's tasks had left their loop before the
    /// measured window. A program may end when it likes.
    pub(super) fn missed(&self, crew: &Crew<'_>, many: Many) -> bool {
        let ended = |slot: &Slot| (1..self.begin).contains(&load(&slot.end_ns));
        let mut slots = crew.slots.iter();
        self.ready
            && !crew.is_tended()
            && match many {
                Many::All => slots.all(ended),
                Many::Any => slots.any(ended),
            }
    }
}

/// How many of several.
#[derive(Clone, Copy)]
pub(super) enum Many {
    All,
    Any,
}

/// Of workers that had left their loops before the measured window.
pub(super) const ENDED_EARLY: &str = "ENDED_EARLY";

/// Judges a group by what its workers left behind.
pub(super) fn judge(
    crew: &Crew<'_>,
    measured: &Measured<'_>,
    findings: &mut Findings,
) {
    let work = crew.group.row().name;
    let ready = measured.ready;
    // It is known why, and what had no time to get ready was killed.
    let over = !ready && findings.verdict == Verdict::Fail;
    for index in 0..crew.workers {
        for slot in crew.tasks_of(index) {
            let who = format_args!("{work} worker {index}");
            judge_task(slot, over, who, findings);
        }
    }
    judge_calls(crew, measured, findings);
    if measured.missed(crew, Many::Any) {
        // Its figures are those of the warm-up.
        let reason = format_args!("{ENDED_EARLY}: {work}");
        findings.add(Verdict::Degraded, reason);
    }
    let progress = sum(crew.slots, |slot| &slot.work_units);
    let counted = crew.slots.iter().all(Slot::counted);
    let idle = ready && counted && progress == 0;
    if idle && findings.verdict < Verdict::Skip {
        // With parameters of zero, going round may be all there is to do.
        match sum(crew.slots, |slot| &slot.iterations) {
            0 => findings.add(
                Verdict::Fail,
                format_args!("FAIL(no_progress): {work} did no work"),
            ),
            _ => findings.add(Verdict::Degraded, format_args!("NO_UNITS")),
        }
    }
}

/// Whatever else a type counted: if none of the calls that it is for worked,
/// it did not do what it is for.
fn judge_calls(
    crew: &Crew<'_>,
    measured: &Measured<'_>,
    findings: &mut Findings,
) {
    let row = crew.group.row();
    for &op in row.calls {
        let (mut tries, mut failed, mut errno) = (0, 0, 0);
        for slot in crew.slots {
            let (count, last) = slot.failures_of(op);
            tries += slot.tries_of(op);
            failed += count;
            errno = if count > 0 { last } else { errno };
        }
        if op == Op::Sendto && !came_back(crew, measured, tries - failed) {
            findings.add(Verdict::Degraded, format_args!("NO_ECHO"));
        }
        let (verdict, what) = match failed {
            0 => continue,
            all if all >= tries => (Verdict::Fail, "FAIL"),
            most if most > tries / 2 || errno == IO => {
                (Verdict::Degraded, "FAILED")
            }
            _ => continue,
        };
        let (call, work) = (op.name(), row.name);
        findings.add(
            verdict,
            format_args!(
                "{what}({call}, {errno}): {failed} of {tries} calls of {work}"
            ),
        );
    }
}

/// What a call of a device that is broken or gone says.
const IO: i32 = Errno::IO.raw_os_error();

/// Frames that may be under way at the end of a run.
const UNDER_WAY: u64 = 16;

/// Whether so many frames came back, and one still does: an interface whose
/// link is down drops what it accepts.
fn came_back(crew: &Crew<'_>, measured: &Measured<'_>, sent: u64) -> bool {
    let came = measured.counter("net_rx_packets").unwrap_or(sent);
    let way = Way::of(&crew.instance(0));
    came + UNDER_WAY >= sent - sent / 10
        && way.answers(id(crew.number, 0)) == Ok(true)
}

fn judge_task(
    slot: &Slot,
    over: bool,
    who: Arguments<'_>,
    findings: &mut Findings,
) {
    let mut buf = [0; 160];
    let note = slot.note.get(&mut buf);
    let exit = decode_exit(slot.exit.load(Relaxed));
    for reason in slot.reasons() {
        findings.add(Verdict::Degraded, format_args!("{reason}"));
    }
    let fail = Verdict::Fail;
    match (slot.state(), exit) {
        (State::Done, Exit::Code(_)) => {}
        // A program that does not know better ends when it is asked to.
        (State::Done, Exit::Signal(15)) => {}
        (State::Skipped, _) => {
            findings.add(Verdict::Skip, format_args!("{note}"));
        }
        (State::Failed, _) if slot.op() == Op::Run => {
            findings.add(fail, format_args!("{who}: {note}"));
        }
        (State::Failed, _) => {
            let (call, errno) = (slot.op().name(), &slot.step_errno);
            let errno = errno.load(Relaxed);
            findings.call(call, errno, format_args!(": {who}"));
        }
        (_, Exit::Signal(_)) if over => {}
        (_, Exit::Signal(signal)) => {
            let signal = u32::from(signal);
            findings
                .add(fail, format_args!("{who} was killed by signal {signal}"));
        }
        (_, Exit::Code(code)) => {
            let code = u32::from(code);
            let colon = if note.is_empty() { "" } else { ": " };
            findings.add(
                fail,
                format_args!("{who} left with exit code {code}{colon}{note}"),
            );
        }
        (_, Exit::Timeout) => {
            findings.add(fail, format_args!("{who} did not stop within grace"));
        }
        (_, Exit::Stuck) => {
            findings.add(fail, format_args!("{who} could not be killed"));
        }
    }
}
