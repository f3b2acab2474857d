//! A program for `custom.exec` in Rust: static, without a C library.

#![no_std]
#![no_main]

use pidone::kit::clock::now;
use pidone::sys::process::exit_group;
use pidone::sys::signal::{Disposition, SIGTERM, set_signal};
use pidone::workloads::custom::page::{Ring, inherited, report};
use rustix::thread::sched_yield;

pidone::start!(main);

unsafe fn main(_: *const usize) -> ! {
    let Some(page) = inherited() else {
        exit_group(2);
    };
    // It looks at the stop word instead, and has something to say afterwards.
    let ignored = set_signal(SIGTERM, Disposition::Ignore);
    while !page.stopped() {
        let begin = now();
        sched_yield();
        let end = now();
        page.sample(Ring::Cost, end - begin);
        page.count(1, 1, end);
    }
    let told = rustix::io::write(report(), b"rust 1\n");
    exit_group(u8::from(ignored.is_err() || told.is_err()))
}
