//! File systems of the kernel's, mounted by PID 1 alone.

use core::ffi::CStr;
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

/// Where tracefs is.
pub const TRACING: &CStr = c"/sys/kernel/tracing";

/// Where debugfs is.
pub const DEBUGFS: &CStr = c"/sys/kernel/debug";

/// Mounts a kind at its place, which is there.
///
/// # Errors
///
/// The kernel has no such kind, or it is mounted there.
pub fn mount_kind(kind: &CStr, target: &CStr) -> Result<(), Errno> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount(kind, target, kind, flags, None)
}
