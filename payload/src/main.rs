//! The binary: first instruction, arguments, panic.

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "start-up happens below Rust's guarantees")]

mod rt;

use core::arch::naked_asm;
use core::ffi::{CStr, c_char};
use core::fmt::Write;
use core::panic::PanicInfo;
use heapless::String;
use pidone::plan::settings::End;
use pidone::{app, boot, sys};
use rustix::process::getpid;

/// The kernel jumps here with the stack pointer at argc.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    naked_asm!(
        "xor ebp, ebp",  // end of the frame chain
        "mov rdi, rsp",  // argc and argv
        "and rsp, -16",
        "call {start}",
        "ud2",
        start = sym start,
    );
    #[cfg(target_arch = "aarch64")]
    naked_asm!(
        "mov x29, xzr",  // end of the frame chain
        "mov x0, sp",    // argc and argv
        "bl {start}",
        "brk #1",
        start = sym start,
    );
}

/// # Safety
///
/// `stack` is the initial stack: argc, then as many pointers to arguments.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    if getpid().is_init() {
        app::init()
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
    sys::exit_group(app::process(&args).code())
}

fn say(text: &str) {
    // There is nobody else to tell.
    let _lost = rustix::io::write(sys::stdout(), text.as_bytes());
}

/// One bounded line, then the end: of the machine for PID 1, else of the
/// process, so that a worker's panic is its own.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut text: String<300> = String::new();
    let _cut = write!(text, "\nBail out! pidone: {info}");
    let _cut = text.push('\n');
    say(&text);
    if getpid().is_init() {
        boot::end(End::Poweroff)
    }
    sys::exit_group(254)
}
