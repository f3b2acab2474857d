//! An init of one's own, as `docs/library.md` has it.

#![no_std]
#![no_main]

use core::time::Duration;
use pidone::init::{boot, start};
use pidone::plan::{builder::RunBuilder, settings::End, work_type::WorkType};
use pidone::run::output::Sink;
use pidone::run::spawn::{Report, SpawnError, spawn};

pidone::start!(main);

unsafe fn main(stack: *const usize) -> ! {
    // SAFETY: it is the initial stack, as `start!` gives it.
    unsafe { start::prepare(stack) };
    boot::mounts().for_each(drop);
    if let Ok(console) = Sink::open("/dev/console") {
        match pipes() {
            Ok(report) => report.groups().for_each(|group| {
                let (work, iterations) = (group.work, group.iterations);
                console.say(format_args!("{work}: {iterations} iterations"));
            }),
            Err(error) => console.say(format_args!("{error}")),
        }
        console.drain();
    }
    boot::end(End::Poweroff)
}

fn pipes() -> Result<Report, SpawnError<'static>> {
    let pipes = RunBuilder::new(WorkType::pipe_io(1024)?);
    spawn(&pipes.time(Duration::from_millis(200)).build()?)
}
