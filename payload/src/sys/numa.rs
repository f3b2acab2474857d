//! Memory policies of the calling thread.

#![expect(unsafe_code, reason = "this is where system calls are made")]

use super::{arch, check};
use linux_raw_sys::general as raw;
use rustix::io::Result;

/// Bits of a node mask, as many as any kernel has nodes.
const NODES: usize = 1024;

/// `set_mempolicy` with mode and flags in one `mode`.
///
/// # Errors
///
/// `EINVAL`: a mode or flag this kernel does not have, or no node of the
/// mask is allowed; `ENOSYS` without `CONFIG_NUMA`.
pub fn set_mempolicy(mode: u32, nodes: &[u64; NODES / 64]) -> Result<()> {
    // The kernel takes one off `maxnode`: a node counts if it is at most
    // `maxnode - 2`. No mask at all stands for no nodes.
    let last = nodes.iter().rposition(|&word| word != 0);
    let maxnode = last.map_or(0, |at| at * 64 + nodes[at].ilog2() as usize + 2);
    let mask = if maxnode == 0 {
        0
    } else {
        nodes.as_ptr().addr()
    };
    // SAFETY: `nodes` is readable and longer than `maxnode` bits.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_set_mempolicy,
            mode as usize,
            mask,
            maxnode,
            0,
            0,
        )
    };
    check(ret).map(drop)
}

/// `get_mempolicy` of the calling thread: mode with flags, and nodes.
///
/// # Errors
///
/// `ENOSYS` without `CONFIG_NUMA`.
pub fn get_mempolicy() -> Result<(u32, [u64; NODES / 64])> {
    let mut mode = 0_u32;
    let mut nodes = [0; NODES / 64];
    // SAFETY: `mode` is a writable int, and `nodes` is writable and has the
    // bits that `maxnode` less one asks for.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_get_mempolicy,
            (&raw mut mode).addr(),
            nodes.as_mut_ptr().addr(),
            NODES + 1,
            0,
            0,
        )
    };
    check(ret).map(|_| (mode, nodes))
}

#[cfg(test)]
mod tests {
    use super::{get_mempolicy, set_mempolicy};
    use rustix::io::Errno;

    #[test]
    fn what_was_set_is_read_back() {
        let mut nodes = [0; 16];
        nodes[0] = 1;
        match set_mempolicy(2, &nodes) {
            Ok(()) => {
                assert_eq!(get_mempolicy().unwrap(), (2, nodes));
                set_mempolicy(0, &[0; 16]).unwrap();
                assert_eq!(get_mempolicy().unwrap(), (0, [0; 16]));
            }
            // Some sandboxes have no such call.
            Err(errno) => {
                assert!(matches!(errno, Errno::NOSYS | Errno::PERM), "{errno}");
            }
        }
    }
}
