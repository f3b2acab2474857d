//! Permission to use AMX tiles.

use super::{arch, check};
use rustix::io::Result;

/// `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA)`: allows this
/// process the tiles' register state, which the kernel saves on demand.
///
/// # Errors
///
/// `EINVAL` before 5.16, `EOPNOTSUPP` where the CPU has none.
pub fn request_tiles() -> Result<()> {
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XFEATURE_XTILE_DATA: usize = 18;
    // SAFETY: takes no memory.
    let ret = unsafe {
        arch::syscall5(
            linux_raw_sys::general::__NR_arch_prctl,
            ARCH_REQ_XCOMP_PERM,
            XFEATURE_XTILE_DATA,
            0,
            0,
            0,
        )
    };
    check(ret).map(drop)
}
