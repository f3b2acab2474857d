//! A program for `scx=`: loads a sched_ext scheduler and does what its
//! argument says.

#![no_std]
#![no_main]

use core::ffi::{CStr, c_char};
use pidone::kit::text::{path, read_file};
use pidone::row::attr::scx::BuiltIn;
use pidone::run::sched_ext::builtin::load;
use pidone::sys::process::exit_group;
use pidone::sys::signal::{
    Disposition, SIGINT, SIGTERM, block_signals, set_signal, wait_signal,
};
use pidone::sys::stdout;

pidone::start!(main);

const SECOND: u64 = 1_000_000_000;

unsafe fn main(stack: *const usize) -> ! {
    // SAFETY: the initial stack holds argc and as many pointers.
    let first = match unsafe { *stack } {
        // SAFETY: as above; arguments end in NUL.
        2.. => unsafe { CStr::from_ptr(*stack.add(2).cast::<*const c_char>()) },
        _ => c"",
    };
    if first == c"leaves" {
        say("not today\n");
        exit_group(3);
    }
    let fifo = BuiltIn {
        stalls: first == c"stalls",
        partial: first == c"partial",
    };
    let Ok(link) = load(fifo) else {
        exit_group(2);
    };
    say("loaded\n");
    match first.to_bytes() {
        b"dies" => {
            wait_for_victim();
            exit_group(4);
        }
        b"returns" => {
            wait_for_victim();
            drop(link);
            let again = load(fifo);
            exit_group(u8::from(again.is_err()) + stay(&[SIGINT]));
        }
        b"deaf" => {
            let ignored = set_signal(SIGINT, Disposition::Ignore);
            exit_group(u8::from(ignored.is_err()) + stay(&[SIGTERM]))
        }
        _ => exit_group(stay(&[SIGINT])),
    }
}

/// Stays until one of these signals comes, and not the other.
fn stay(signals: &[u32]) -> u8 {
    block_signals(signals);
    loop {
        if let Some(signal) = wait_signal(signals, SECOND) {
            say("asked to leave\n");
            return u8::from(!signals.contains(&signal));
        }
    }
}

fn wait_for_victim() {
    while !victim_lives() {
        let _never = wait_signal(&[], SECOND / 100);
    }
}

/// Whether a worker of that name has set itself up.
fn victim_lives() -> bool {
    (2..1000).any(|pid| {
        let comm = path(format_args!("/proc/{pid}/comm"));
        read_file(&comm, &mut [0; 16]).is_some_and(|name| name == "victim\n")
    })
}

fn say(text: &str) {
    let _lost = rustix::io::write(stdout(), text.as_bytes());
}
