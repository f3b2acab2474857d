//! What only PID 1 does: mounts, kernel settings, the end of the machine.

use crate::kit::mounts::mount_kind;
use crate::kit::shm;
use crate::kit::text::{path, read_bytes, read_file, word, write_file};
use crate::plan::error::{PlanError, Rule};
use crate::plan::settings::End;
use crate::plan::token::LOST;
use crate::sys;
use crate::sys::process;
use crate::sys::signal;
use core::ffi::CStr;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use rustix::system::{RebootCommand, finit_module, reboot};

/// File systems, in the order in which they are mounted.
const MOUNTS: &[(&CStr, &CStr)] = &[
    (c"proc", c"/proc"),
    (c"sysfs", c"/sys"),
    (c"devtmpfs", c"/dev"),
    (c"tmpfs", c"/tmp"),
    (c"cgroup2", c"/sys/fs/cgroup"),
];

/// Mounts what is needed. Returns the kinds that could not be mounted; the
/// nodes packed below `/dev` serve where there is no devtmpfs.
pub fn mounts() -> impl Iterator<Item = &'static str> {
    MOUNTS.iter().filter_map(|&(kind, target)| {
        // It is there already, or the mount says what is wrong.
        let _exists = mkdirat(CWD, target, Mode::from_raw_mode(0o755));
        match mount_kind(kind, target) {
            Ok(()) | Err(Errno::BUSY) => None,
            Err(_) => kind.to_str().ok(),
        }
    })
}

/// Where the kernel shows its command line.
pub const COMMAND_LINE: &str = "/proc/cmdline";
/// Longest command line: a boot configuration of 32 KiB makes up to so much.
const LONGEST: usize = 1 << 20;

/// The kernel's command line. A byte that is no text has become a control
/// character, so that the words beside it can be read, and one of ours with
/// it is refused.
///
/// # Errors
///
/// Why it is not there.
pub fn command_line() -> Result<&'static str, &'static str> {
    let room = shm::private(LONGEST).ok_or("there is no memory to read it")?;
    let len = match read_bytes(COMMAND_LINE, room) {
        Some(bytes) => bytes.len(),
        None => {
            return Err(
                "it cannot be read, and no plan came as arguments behind --",
            );
        }
    };
    if len == LONGEST {
        return Err("it is longer than 1 MiB");
    }
    let line = room.get_mut(..len).unwrap_or_default();
    while let Err(error) = core::str::from_utf8(line) {
        line[error.valid_up_to()] = LOST;
    }
    // Nothing but text is left.
    Ok(core::str::from_utf8(line).unwrap_or(""))
}

/// Longest list of packed modules.
pub const ORDER_LIMIT: usize = 4096;

/// Loads the modules that are packed, in their order. The first that the
/// kernel does not take, and its error, are returned: what a plan wants of
/// the machine would be missing.
pub fn modules(buf: &mut [u8; ORDER_LIMIT]) -> Option<PlanError<'_>> {
    let order = read_file("/modules/order", buf)?;
    order.lines().find_map(|token| {
        let file = path(format_args!("/modules/{token}.ko"));
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let loaded = openat(CWD, file.as_str(), flags, Mode::empty())
            .and_then(|file| finit_module(file, c"", 0));
        match loaded {
            // The kernel may have it by itself.
            Ok(()) | Err(Errno::EXIST) => None,
            Err(errno) => {
                let rule = Rule::Module(errno.raw_os_error());
                Some(PlanError { token, rule })
            }
        }
    })
}

/// Kernel settings that measuring needs: scheduler statistics on if asked
/// for, and nice values that do not depend on the session.
pub fn settings(schedstats: bool) {
    let schedstats = if schedstats { "1" } else { "0" };
    // Kernels without these have nothing to set; the probe says so.
    let _none = write_file("/proc/sys/kernel/sched_schedstats", schedstats);
    let _none = write_file("/proc/sys/kernel/sched_autogroup_enabled", "0");
}

/// Keeps kernel messages off the console, all but the most urgent. Returns
/// the level to go back to.
#[must_use]
pub fn quieten() -> Option<u8> {
    let mut buf = [0; 64];
    let text = read_file("/proc/sys/kernel/printk", &mut buf)?;
    let level = u8::try_from(word(text, 0)?).ok()?;
    sys::set_console_level(1).ok()?;
    Some(level)
}

/// Ends the machine; never returns.
pub fn end(how: End) -> ! {
    process::kill_everything();
    rustix::fs::sync();
    let command = match how {
        End::Poweroff => RebootCommand::PowerOff,
        End::Reboot => RebootCommand::Restart,
        End::Halt => RebootCommand::Halt,
        End::Panic => {
            let _refused = write_file("/proc/sysrq-trigger", "c");
            // Without sysrq, the end of PID 1 is a panic too.
            process::exit_group(1)
        }
        End::Wait => loop {
            let _woken = signal::wait_signal(&[signal::SIGCHLD], u64::MAX >> 2);
            while let Ok(Some(child)) = process::peek_ended() {
                let _gone = process::reap(child.pid, true);
            }
        },
    };
    // Where the machine cannot do it, restarting ends QEMU and hangs no CI.
    let _refused = reboot(command);
    let _refused = reboot(RebootCommand::Restart);
    loop {
        let _woken = signal::wait_signal(&[signal::SIGCHLD], u64::MAX >> 2);
    }
}
