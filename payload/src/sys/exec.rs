//! Becoming another program.

use super::{arch, check, signed};
use core::ptr::null;
use linux_raw_sys::general as raw;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::{Errno, Result};

/// Most strings of a command or of an environment, the end included.
const STRINGS: usize = 32;

/// `execve`: `command` is the path and all arguments behind it, `environment`
/// its variables, each text with a NUL behind it. The path is the first
/// argument too. Returns only if it failed.
#[must_use]
pub fn execve(command: &str, environment: &str) -> Errno {
    let arguments = pointers(command);
    let variables = pointers(environment);
    let (Some(arguments), Some(variables)) = (arguments, variables) else {
        return Errno::TOOBIG;
    };
    // SAFETY: both are arrays of pointers to texts that end in NUL, and end
    // in a null pointer.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_execve,
            arguments[0].addr(),
            arguments.as_ptr().addr(),
            variables.as_ptr().addr(),
            0,
            0,
        )
    };
    check(ret).err().unwrap_or(Errno::INVAL)
}

/// Where each text starts. `None` if there are too many, or if the last has
/// no NUL behind it.
fn pointers(texts: &str) -> Option<[*const u8; STRINGS]> {
    let mut pointers = [null(); STRINGS];
    if !texts.ends_with('\0') {
        return None;
    }
    for (at, text) in texts.split_terminator('\0').enumerate() {
        *pointers[..STRINGS - 1].get_mut(at)? = text.as_ptr();
    }
    Some(pointers)
}

/// `dup3(fd, number, 0)`: opens the same file under this number, to be kept
/// over an `execve`, in place of whatever is there.
///
/// # Errors
///
/// `EINVAL` if it has that number.
pub fn place(fd: BorrowedFd<'_>, number: u32) -> Result<()> {
    // SAFETY: takes no memory; callers are about to become another program,
    // which knows nothing of the descriptor that is closed.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_dup3,
            signed(fd.as_raw_fd().into()),
            number as usize,
            0,
            0,
            0,
        )
    };
    check(ret).map(drop)
}

/// CPU time of all threads of a process, dead or alive, that nobody has
/// reaped, in ns.
///
/// # Errors
///
/// `EINVAL` if there is none.
pub fn process_cpu(pid: u32) -> Result<u64> {
    // clock_getcpuclockid(3): the complement of the process id above three
    // bits that say "a process" and "time on a CPU".
    const CPUCLOCK_SCHED: u32 = 2;
    let clock = !pid << 3 | CPUCLOCK_SCHED;
    let mut time = [0_u64; 2];
    // SAFETY: `time` is a writable timespec.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_clock_gettime,
            clock as usize,
            time.as_mut_ptr().addr(),
            0,
            0,
            0,
        )
    };
    check(ret).map(|_| time[0] * 1_000_000_000 + time[1])
}

#[cfg(test)]
mod tests {
    use super::{execve, pointers, process_cpu};
    use rustix::io::Errno;

    #[test]
    fn cpu_time_of_this_process_grows() {
        let before = process_cpu(std::process::id()).unwrap();
        let spent = || process_cpu(std::process::id()).unwrap();
        while spent() <= before {}
        assert!(process_cpu(0x0fff_ffff).is_err());
    }

    #[test]
    fn texts_need_their_end_and_a_program() {
        assert!(pointers("a\0b\0").is_some());
        assert!(pointers("a\0b").is_none());
        assert!(pointers(&"a\0".repeat(40)).is_none());
        assert_eq!(execve("/nowhere\0", "A=1\0"), Errno::NOENT);
    }
}
