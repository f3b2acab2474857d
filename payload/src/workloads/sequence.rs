//! Ordered phases, again and again: a task that changes its nature.

use crate::ctx::Ctx;
use crate::ctx::block::{Io, Target};
use crate::ctx::disk::{self, DEV, Disk, FORCE};
use crate::ctx::workload::Workload;
use crate::kit::clock::{MILLISECOND, now};
use crate::kit::phases::{Does, MAX_PHASES, Phase, are_phases, phases};
use crate::kit::reason::Reason;
use crate::kit::simd::{Width, chains};
use crate::kit::stop::Stop;
use crate::row::{
    Family, Feature, Hist, Metric, Need, Param, Row, What, Work, doc,
};
use heapless::Vec;
use rustix::fs::OFlags;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "Sequence",
        file: doc(file!()),
        family: Family::Compound,
        summary: doc("goes through phases of different nature"),
        path: doc(
            "that of each phase: tick -> update_curr; hrtimer_nanosleep; \
             do_sched_yield; shmem_file_write_iter, or that of \
             IoSyncWrite",
        ),
        params: &[DEV, FORCE, PHASES, BACKING],
        iteration: "pass through all phases",
        unit: "spin or multiply-add step, sleep, yield, written block",
        hists: &HISTS,
        metrics: &[SPIN_NS, SLEEP_NS, YIELD_NS, IO_NS, ALU_NS, ALU_WIDTH],
        needs: &[
            Need::required(What::Feature(Feature::PosixTimers)),
            Need::required(What::Feature(Feature::MemfdCreate)).when(in_file),
            Need::required(What::Feature(Feature::Tmpfs)).when(in_file),
            Need::required(What::Fits(|work, fit| match on_device(work) {
                true => disk::fits(work, fit),
                false => Ok(()),
            })),
            Need::required(What::BlockDevice).when(on_device),
        ],
        proof: doc(
            "times of the phases are as their durations; nvcsw >= sleeps; \
             yld_count >= yields; on a disk as IoSyncWrite",
        ),
        check,
        example: &"phases=spin:5ms,sleep:10ms,yield:1ms,io:1ms,\
                   alu_hot:scalar/1ms",
        ..Row::BASE
    },
    create: |instance, place| match on_device(place.work) {
        true => disk::create(instance, place),
        false => Ok(()),
    },
    run,
    ..Workload::BASE
};

const PHASES: Param = Param::text(
    2,
    "phases",
    &"1 to 32 of spin:D, sleep:D, yield:D, io:D and alu_hot:WIDTH/D, each \
      duration D above zero, for example spin:5ms,sleep:10ms",
    are_phases,
    "what to do, in order",
);

const BACKING: Param = Param::choice(
    3,
    "io_backing",
    &["tmpfs", "device"],
    "what io phases write: a file and then 0.1 ms of sleep, or dev as \
     IoSyncWrite does",
);

/// A histogram for each phase, by its place in `phases`.
const HISTS: [Hist; MAX_PHASES] = {
    const NAMES: [&str; MAX_PHASES] = [
        "phase0", "phase1", "phase2", "phase3", "phase4", "phase5", "phase6",
        "phase7", "phase8", "phase9", "phase10", "phase11", "phase12",
        "phase13", "phase14", "phase15", "phase16", "phase17", "phase18",
        "phase19", "phase20", "phase21", "phase22", "phase23", "phase24",
        "phase25", "phase26", "phase27", "phase28", "phase29", "phase30",
        "phase31",
    ];
    const MEANING: &str = "cost of 256 spin or 1024 multiply-add steps, \
                           lateness of a sleep, duration of a yield or of \
                           a write, as the phase is";
    let mut hists = [Hist::new(0, NAMES[0], MEANING); MAX_PHASES];
    let mut i = 1;
    while i < MAX_PHASES {
        hists[i] = Hist::new(i, NAMES[i], MEANING);
        i += 1;
    }
    hists
};

const SPIN_NS: Metric = Metric::sum(0, "spin_ns", "time in spin phases");
const SLEEP_NS: Metric = Metric::sum(1, "sleep_ns", "time in sleep phases");
const YIELD_NS: Metric = Metric::sum(2, "yield_ns", "time in yield phases");
const IO_NS: Metric = Metric::sum(3, "io_ns", "time in io phases");
const ALU_NS: Metric = Metric::sum(4, "alu_hot_ns", "time in alu_hot phases");
const ALU_WIDTH: Metric = Metric::max(
    5,
    "width_resolved",
    "bits of the widest register that an alu_hot phase used",
);

/// Steps of a chunk of arithmetic.
const ALU_STEPS: u64 = 1024;
/// Blocks of a batch.
const BATCH: u64 = 16;
/// What a device would take for a batch.
const IO_SLEEP_NS: u64 = MILLISECOND / 10;

fn time_of(phase: &Phase) -> &'static Metric {
    match phase.what {
        Does::Spin => &SPIN_NS,
        Does::Sleep => &SLEEP_NS,
        Does::Yield => &YIELD_NS,
        Does::Io => &IO_NS,
        Does::AluHot(_) => &ALU_NS,
    }
}

fn on_device(work: &Work<'_>) -> bool {
    work.choice(&BACKING) == 1
}

/// Whether a file of its own is written.
fn in_file(work: &Work<'_>) -> bool {
    let mut all = phases(work.text(&PHASES)).flatten();
    !on_device(work) && all.any(|phase| matches!(phase.what, Does::Io))
}

fn check(work: &Work<'_>) -> Result<(), &'static str> {
    match (work.text(&PHASES), work.text(&DEV)) {
        ("", _) => Err("Sequence has no default phases; for example \
          phases=spin:5ms,sleep:10ms"),
        (_, dev) if !dev.is_empty() && !on_device(work) => {
            Err("dev goes with io_backing=device")
        }
        _ => Ok(()),
    }
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let list: Vec<Phase, MAX_PHASES> =
        phases(c.work().text(&PHASES)).flatten().collect();
    let mut disk = None;
    let on_device = on_device(c.work());
    for phase in &list {
        match phase.what {
            Does::Io if disk.is_none() => disk = Some(target(c, on_device)?),
            Does::AluHot(name) => {
                let width = chains(name).width();
                if Width::chosen(name).is_some_and(|asked| asked != width) {
                    c.degrade(Reason::Width);
                }
            }
            _ => {}
        }
    }
    c.start();
    while !c.stop() {
        for (phase, hist) in list.iter().zip(&HISTS) {
            let begin = now();
            let end = begin + phase.ns;
            match phase.what {
                Does::Spin => {
                    c.burn_each(phase.ns, |c, cost| c.record(hist, cost));
                }
                Does::Sleep => sleep(c, end, hist),
                Does::Yield => yields(c, end, hist),
                Does::Io => {
                    if let Some(disk) = &mut disk {
                        io(c, end, hist, disk, on_device);
                    }
                }
                Does::AluHot(name) => alu_hot(c, end, hist, name),
            }
            c.metric(time_of(phase), now() - begin);
            if c.stop() {
                return Ok(());
            }
        }
        c.iteration();
    }
    Ok(())
}

fn sleep(c: &mut Ctx<'_>, end: u64, hist: &Hist) {
    if let Some(ran) = c.sleep_until(end) {
        c.record(hist, ran.saturating_sub(end));
        c.units(1);
    }
}

fn yields(c: &mut Ctx<'_>, end: u64, hist: &Hist) {
    let mut begin = now();
    while begin < end && !c.stop() {
        c.sched_yield();
        let ran = now();
        c.record(hist, ran - begin);
        c.units(1);
        c.checkpoint_at(ran);
        begin = ran;
    }
}

/// What is written: the disk, or else a file on the kernel's own tmpfs.
fn target(c: &mut Ctx<'_>, on_device: bool) -> Result<Target, Stop> {
    let (found, flags) = match on_device {
        true => (Disk::look(c.work()).ok().flatten(), OFlags::SYNC),
        false => (None, OFlags::empty()),
    };
    c.target(found, [Some(flags | OFlags::WRONLY), None])
}

/// Batches of writes: of the disk, with a flush behind each, or of the same
/// part of the file, with a sleep.
fn io(
    c: &mut Ctx<'_>,
    end: u64,
    hist: &Hist,
    disk: &mut Target,
    on_device: bool,
) {
    while now() < end && !c.stop() {
        for n in 0..BATCH {
            if c.stop() {
                return;
            }
            let write = match on_device {
                true => disk.next_write(),
                false => Io::Write(n * disk.block),
            };
            if let Some(took) = c.transfer(disk, write) {
                c.record(hist, took);
            }
        }
        match on_device {
            true => {
                c.transfer(disk, Io::Flush);
            }
            // A signal is seen by the loop.
            false => {
                let _signal = c.sleep_until(now() + IO_SLEEP_NS);
            }
        }
    }
}

fn alu_hot(c: &mut Ctx<'_>, end: u64, hist: &Hist, name: usize) {
    let chains = chains(name);
    c.metric_max(&ALU_WIDTH, chains.width().bits());
    let mut begin = now();
    while begin < end && !c.stop() {
        chains.steps(ALU_STEPS);
        let done = now();
        c.record(hist, done - begin);
        c.units(ALU_STEPS);
        c.checkpoint_at(done);
        begin = done;
    }
}
