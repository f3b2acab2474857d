//! Where a binary without a C library starts, and where it panics.
//!
//! A binary that is PID 1 is one call of [`init!`](crate::init!), with the
//! work types of its own; one that is a program for `custom.exec` can be
//! [`start!`](crate::start!) and a function. The library then brings the
//! memory functions, under its feature `init`.

#![expect(unsafe_code, reason = "start-up happens below Rust's guarantees")]

use crate::plan::settings::End;
use crate::workload::Workload;
use crate::{app, boot, sys, worker};
use core::ffi::{CStr, c_char};
use core::fmt::Write;
use core::panic::PanicInfo;
use heapless::String;
use rustix::process::getpid;

/// The whole of a binary that is PID 1 or a plain process: its entry point
/// and panic handler, and the work types of its own.
///
/// Each is the value of a type that implements
/// [`CustomWork`](crate::custom::types::CustomWork), or
/// [`fn_work!`](crate::fn_work!).
#[macro_export]
macro_rules! init {
    ($($work:expr),* $(,)?) => {
        static WORKS: &[&$crate::workload::Workload] =
            &[$(&$crate::custom::types::row(&$work)),*];

        unsafe fn pidone_enter(stack: *const usize) -> ! {
            // SAFETY: it is the initial stack, as `start!` gives it.
            unsafe { $crate::start::enter(stack, WORKS) }
        }

        $crate::start!(pidone_enter);
    };
}

/// Entry point and panic handler of a binary: calls `main`, an
/// `unsafe fn(*const usize) -> !`, with the initial stack, which holds argc
/// and as many pointers to arguments.
#[macro_export]
macro_rules! start {
    ($main:path) => {
        /// The kernel jumps here with the stack pointer at argc.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn _start() -> ! {
            #[cfg(target_arch = "x86_64")]
            ::core::arch::naked_asm!(
                "xor ebp, ebp",  // end of the frame chain
                "mov rdi, rsp",  // argc and argv
                "and rsp, -16",
                "call {start}",
                "ud2",
                start = sym pidone_start,
            );
            #[cfg(target_arch = "aarch64")]
            ::core::arch::naked_asm!(
                "mov x29, xzr",  // end of the frame chain
                "mov x0, sp",    // argc and argv
                "bl {start}",
                "brk #1",
                start = sym pidone_start,
            );
        }

        unsafe extern "C" fn pidone_start(stack: *const usize) -> ! {
            // SAFETY: `_start` passes the initial stack.
            unsafe { $main(stack) }
        }

        #[panic_handler]
        fn pidone_panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::start::panicked(info)
        }
    };
}

/// Runs as PID 1 or as a plain process, whichever it is.
///
/// # Safety
///
/// `stack` is the initial stack: argc, then as many pointers to arguments.
pub unsafe fn enter(
    stack: *const usize,
    works: &'static [&'static Workload],
) -> ! {
    if getpid().is_init() {
        app::init(works)
    }
    let mut args: String<16384> = String::new();
    // SAFETY: the caller vouches for argc.
    let argc = unsafe { *stack };
    for i in 1..argc {
        // SAFETY: argv has argc entries behind argc.
        let entry = unsafe { stack.add(1 + i).cast::<*const c_char>() };
        // SAFETY: as above.
        let arg = unsafe { *entry };
        // SAFETY: arguments end in NUL.
        let arg = unsafe { CStr::from_ptr(arg) }.to_str().unwrap_or("?");
        // An argument with spaces is one word.
        let fits = match arg.contains(' ') {
            true => write!(args, " \"{arg}\""),
            false => write!(args, " {arg}"),
        };
        if fits.is_err() {
            say("pidone: the arguments are longer than 16384 bytes\n");
            sys::exit_group(255);
        }
    }
    sys::exit_group(app::process(&args, works).code())
}

fn say(text: &str) {
    // There is nobody else to tell.
    let _lost = rustix::io::write(sys::stdout(), text.as_bytes());
}

/// One bounded line, then the end: of the machine for PID 1, else of the
/// process, so that a worker's panic is its own. A worker's line is left in
/// its slot, to be reported with all it counted.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    let mut text: String<300> = String::new();
    let _cut = write!(text, "{info}");
    if !worker::panicked(&text) {
        say("\nBail out! pidone: ");
        say(&text);
        say("\n");
    }
    if getpid().is_init() {
        boot::end(End::Poweroff)
    }
    sys::exit_group(254)
}
