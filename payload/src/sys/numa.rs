//! Memory policies of the calling thread, and where pages are.

#![expect(unsafe_code, reason = "this is where system calls are made")]

use super::{arch, check};
use linux_raw_sys::general as raw;
use rustix::io::{Errno, Result};

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
    get(0)
}

/// `get_mempolicy(MPOL_F_MEMS_ALLOWED)`: nodes with memory that the calling
/// thread may use.
///
/// # Errors
///
/// `ENOSYS` without `CONFIG_NUMA`.
pub fn mems_allowed() -> Result<[u64; NODES / 64]> {
    const MPOL_F_MEMS_ALLOWED: usize = 4;
    get(MPOL_F_MEMS_ALLOWED).map(|(_, nodes)| nodes)
}

fn get(flags: usize) -> Result<(u32, [u64; NODES / 64])> {
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
            flags,
        )
    };
    check(ret).map(|_| (mode, nodes))
}

/// `mbind(MPOL_BIND, MPOL_MF_MOVE)`: moves the pages of a range to a node.
///
/// # Errors
///
/// `EINVAL`: the range is not whole pages, or the node is not allowed;
/// `ENOSYS` without `CONFIG_NUMA`.
pub fn mbind(start: usize, len: usize, node: u32) -> Result<()> {
    const MPOL_BIND: usize = 2;
    const MPOL_MF_MOVE: usize = 2;
    let mut nodes = [0_u64; NODES / 64];
    *nodes.get_mut(node as usize / 64).ok_or(Errno::INVAL)? = 1 << (node % 64);
    // SAFETY: `nodes` has the bits that `maxnode` less one asks for. Where
    // pages are changes nothing of what is in them.
    let ret = unsafe {
        arch::syscall6(
            raw::__NR_mbind,
            [
                start,
                len,
                MPOL_BIND,
                nodes.as_ptr().addr(),
                NODES + 1,
                MPOL_MF_MOVE,
            ],
        )
    };
    check(ret).map(drop)
}

/// `move_pages` without targets: how many of the `count` pages of `page`
/// bytes from `start` on are on a node.
///
/// # Errors
///
/// `ENOSYS` without `CONFIG_NUMA` or `CONFIG_MIGRATION`.
pub fn pages_on(
    node: u32,
    start: usize,
    count: usize,
    page: usize,
) -> Result<u64> {
    const AT_ONCE: usize = 64;
    let (mut at, mut found) = (start, 0);
    let end = start + count * page;
    while at < end {
        let mut pages = [0_usize; AT_ONCE];
        let mut nodes = [u32::MAX; AT_ONCE];
        let mut asked = 0;
        for slot in pages.iter_mut().take((end - at) / page) {
            *slot = at;
            at += page;
            asked += 1;
        }
        // SAFETY: `pages` is readable, and `nodes` writable, for `asked`
        // entries; addresses are looked up, never followed.
        let ret = unsafe {
            arch::syscall6(
                raw::__NR_move_pages,
                [
                    0,
                    asked,
                    pages.as_ptr().addr(),
                    0,
                    nodes.as_mut_ptr().addr(),
                    0,
                ],
            )
        };
        check(ret)?;
        found += nodes.iter().filter(|&&seen| seen == node).count() as u64;
    }
    Ok(found)
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
