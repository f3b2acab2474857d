//! Where a binary without a C library starts, and where it panics.
//!
//! A binary that is PID 1 is one call of [`init!`](crate::init!), with the
//! work types of its own; one that is a program for `custom.exec` can be
//! [`start!`](crate::start!) and a function. The library then brings the
//! memory functions, under its feature `init`.

#![expect(unsafe_code, reason = "start-up happens below Rust's guarantees")]

use crate::ctx::workload::Workload;
use crate::kit::text::Cut;
use crate::plan::settings::End;
use crate::sys::process;
use crate::{init::app, init::boot, run::worker, sys};
use core::arch::asm;
use core::ffi::{CStr, c_char};
use core::fmt::Write;
use core::panic::PanicInfo;
use heapless::String;
use rustix::process::getpid;

/// The whole of a binary that is PID 1 or a plain process: its entry point
/// and panic handler, and the work types of its own.
///
/// Without any it is the payload itself, whose panics are
/// [`panicked_bare`](crate::init::start::panicked_bare).
///
/// Each is the value of a type that implements
/// [`CustomWork`](crate::workloads::custom::types::CustomWork), or
/// [`fn_work!`](crate::fn_work!).
#[macro_export]
macro_rules! init {
    () => {
        $crate::init!(@ $crate::init::start::panicked_bare;);
    };
    (@ $panicked:path; $($work:expr),*) => {
        static WORKS: &[&$crate::ctx::workload::Workload] =
            &[$(&$crate::workloads::custom::types::workload(&$work)),*];

        unsafe fn pidone_enter(stack: *const usize) -> ! {
            // SAFETY: it is the initial stack, as `start!` gives it.
            unsafe { $crate::init::start::enter(stack, WORKS) }
        }

        $crate::start!(pidone_enter, $panicked);
    };
    ($($work:expr),+ $(,)?) => {
        $crate::init!(@ $crate::init::start::panicked; $($work),+);
    };
}

/// Entry point and panic handler of a binary: calls `main`, an
/// `unsafe fn(*const usize) -> !`, with the initial stack, which holds argc
/// and as many pointers to arguments. A panic is [`panicked`], or another
/// function of its type.
#[macro_export]
macro_rules! start {
    ($main:path) => {
        $crate::start!($main, $crate::init::start::panicked);
    };
    ($main:path, $panicked:path) => {
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
            #[cfg(target_arch = "riscv64")]
            ::core::arch::naked_asm!(
                "mv s0, zero",   // end of the frame chain
                "mv a0, sp",     // argc and argv
                "call {start}",
                "ebreak",
                start = sym pidone_start,
            );
        }

        unsafe extern "C" fn pidone_start(stack: *const usize) -> ! {
            // SAFETY: `_start` passes the initial stack.
            unsafe { $main(stack) }
        }

        #[panic_handler]
        fn pidone_panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            $panicked(info)
        }
    };
}

/// Finds what the kernel leaves on the stack for a C library, such as the
/// clock that needs no system call. The first call of a `main` of one's own.
///
/// # Safety
///
/// `stack` is the initial stack: argc, then as many pointers to arguments.
pub unsafe fn prepare(stack: *const usize) {
    #[cfg(feature = "init")]
    {
        // SAFETY: the caller vouches for argc.
        let argc = unsafe { *stack };
        // SAFETY: argv ends in a null pointer, and the environment follows.
        let environment = unsafe { stack.add(1 + argc + 1) };
        // SAFETY: nothing of rustix was called yet.
        unsafe { rustix::param::init(environment.cast_mut().cast()) };
    }
    #[cfg(not(feature = "init"))]
    let _c_library = stack;
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
    // SAFETY: the caller vouches for the stack.
    unsafe { prepare(stack) };
    // SAFETY: as above.
    let argc = unsafe { *stack };
    let mut args: String<16384> = String::new();
    let mut fits = true;
    for i in 1..argc {
        // SAFETY: argv has argc entries behind argc.
        let entry = unsafe { stack.add(1 + i).cast::<*const c_char>() };
        // SAFETY: as above.
        let arg = unsafe { *entry };
        // SAFETY: arguments end in NUL.
        let arg = unsafe { CStr::from_ptr(arg) };
        // What is no text is no word of a plan either.
        let arg = arg.to_str().unwrap_or("\x1a");
        // An argument with spaces is one word.
        let written = match arg.contains(|c: char| c.is_ascii_whitespace()) {
            true => write!(args, " \"{arg}\""),
            false => write!(args, " {arg}"),
        };
        fits &= written.is_ok();
    }
    if getpid().is_init() {
        app::init(fits.then_some(&args), works)
    }
    if !fits {
        say("pidone: the arguments are longer than 16384 bytes\n");
        process::exit_group(255);
    }
    match args.trim_ascii() {
        "-h" | "--help" => {
            say(ABOUT);
            process::exit_group(0);
        }
        // Whoever asks for nothing may not know what this is.
        "" => {
            say(ABOUT);
            process::exit_group(255);
        }
        _ => process::exit_group(app::plain(&args, works).code()),
    }
}

/// What a plain process says that was given no plan.
const ABOUT: &str = "pidone runs workloads that measure the scheduler, as the \
                     init of a machine or as a process:\n  pidone time=1s \
                     work=PipeIo   one of them\n  pidone plan=smoke          \
                     each for 200ms\n";

fn say(text: &str) {
    // There is nobody else to tell.
    let _lost = rustix::io::write(sys::stdout(), text.as_bytes());
}

/// Most callers that a panic names.
const CALLERS: usize = 12;
/// No stack of ours is higher than this.
const STACK: usize = 8 << 20;

/// How far a frame's pointer is above its two words: the pointer of the frame
/// above, and the return address.
const ABOVE: usize = match cfg!(target_arch = "riscv64") {
    true => size_of::<[usize; 2]>(),
    false => 0,
};

/// Return addresses from here up, the innermost first. Frame pointers are
/// kept for this: with the places in the source that panics know, the payload
/// would be ten kilobytes larger.
fn callers() -> impl Iterator<Item = usize> {
    let mut frame: usize;
    // SAFETY: reads a register.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack));
        #[cfg(target_arch = "aarch64")]
        asm!("mov {}, x29", out(reg) frame, options(nomem, nostack));
        #[cfg(target_arch = "riscv64")]
        asm!("mv {}, s0", out(reg) frame, options(nomem, nostack));
    }
    let mut stack = frame..=frame.saturating_add(STACK);
    let chain = core::iter::from_fn(move || {
        let aligned = frame.is_multiple_of(align_of::<usize>());
        if !aligned || !stack.contains(&frame) {
            return None;
        }
        let words = frame - ABOVE;
        let at = core::ptr::with_exposed_provenance::<[usize; 2]>(words);
        // SAFETY: a frame, on the part of the stack that is in use: the chain
        // goes up, and ends with 0 where a stack begins.
        let [next, back] = unsafe { *at };
        stack = frame + 1..=*stack.end();
        frame = next;
        Some(back)
    });
    chain.take(CALLERS)
}

/// One bounded line, then the end: of the machine for PID 1, else of the
/// process, so that a worker's panic is its own. A worker's line is left in
/// its slot, to be reported with all it counted.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    let mut text: String<300> = String::new();
    let _cut = write!(Cut(&mut text), "{info}");
    end(&text)
}

/// The same for the payload itself, which is a bug of ours: in place of
/// message and location the line has return addresses, which `cargo xtask
/// build --symbols` and `addr2line` turn into places in the source.
pub fn panicked_bare(_: &PanicInfo<'_>) -> ! {
    let mut text: String<300> = String::new();
    let _cut = write!(Cut(&mut text), "panicked, called from");
    for address in callers() {
        let _cut = write!(Cut(&mut text), " {address:x}");
    }
    end(&text)
}

fn end(text: &str) -> ! {
    if !worker::panicked(text) {
        say("\nBail out! pidone: ");
        say(text);
        say("\n");
    }
    if getpid().is_init() {
        boot::end(End::Poweroff)
    }
    process::exit_group(254)
}
