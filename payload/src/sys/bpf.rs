//! `bpf(2)`, as far as a scheduler needs it.

#![expect(unsafe_code, reason = "this is where system calls are made")]

use super::{arch, check};
use linux_raw_sys::general as raw;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Result;

const BPF_MAP_CREATE: usize = 0;
const BPF_MAP_UPDATE_ELEM: usize = 2;
const BPF_PROG_LOAD: usize = 5;
const BPF_BTF_LOAD: usize = 18;
const BPF_LINK_CREATE: usize = 28;

const BPF_MAP_TYPE_STRUCT_OPS: u32 = 26;
const BPF_PROG_TYPE_STRUCT_OPS: u32 = 27;
/// Attach type of the link.
const BPF_STRUCT_OPS: u32 = 44;
/// The map takes effect through a link.
const BPF_F_LINK: u32 = 1 << 13;

/// Types of one's own, which a map must have though it uses the kernel's: a
/// header (magic, version, length; types at 0, strings behind them), a
/// pointer to void, and the empty string.
const TYPES: [u8; 37] = [
    0x9f, 0xeb, 1, 0, 24, 0, 0, 0, //
    0, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, //
    0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, //
    0,
];

/// `r0 = 0; exit`: an operation that does nothing.
const DO_NOTHING: [u64; 2] = [0xb7, 0x95];

/// `bpf(command, attr)`, where `attr` is `union bpf_attr` in 32-bit words.
///
/// # Safety
///
/// Addresses in `attr` are what the command takes there.
unsafe fn bpf(command: usize, attr: &[u32]) -> Result<usize> {
    // SAFETY: `attr` is readable for the size that is passed; the caller
    // vouches for what it refers to.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_bpf,
            command,
            attr.as_ptr().addr(),
            size_of_val(attr),
            0,
            0,
        )
    };
    check(ret)
}

/// As [`bpf`], for commands that open something.
///
/// # Safety
///
/// As there.
unsafe fn open(command: usize, attr: &[u32]) -> Result<OwnedFd> {
    // SAFETY: the caller's business.
    let fd = unsafe { bpf(command, attr) }?;
    let fd = i32::try_from(fd).unwrap_or(-1);
    // SAFETY: a descriptor that was just opened, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// An address as two words, the lower first.
fn halves<T: ?Sized>(of: &T) -> [u32; 2] {
    let address = (&raw const *of).addr() as u64;
    let half = |bits| u32::try_from(bits & 0xffff_ffff).unwrap_or(0);
    [half(address), half(address >> 32)]
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().unsigned_abs()
}

/// Types of one's own.
///
/// # Errors
///
/// `EPERM`; `ENOSYS` without `CONFIG_BPF_SYSCALL`.
pub fn types() -> Result<OwnedFd> {
    let [low, high] = halves(&TYPES);
    // SAFETY: the types' address, no log, and their size.
    unsafe { open(BPF_BTF_LOAD, &[low, high, 0, 0, 37, 0, 0, 0]) }
}

/// A map that holds one table of operations: the kernel's type `value` of
/// `size` bytes.
///
/// # Errors
///
/// `EPERM`, or the kernel knows no such operations.
pub fn operations(
    types: BorrowedFd<'_>,
    value: u32,
    size: u32,
) -> Result<OwnedFd> {
    let mut attr = [0; 16];
    // map_type, key_size, value_size, max_entries, map_flags.
    let head = [BPF_MAP_TYPE_STRUCT_OPS, 4, size, 1, BPF_F_LINK];
    attr[..5].copy_from_slice(&head);
    // btf_fd and btf_vmlinux_value_type_id.
    (attr[12], attr[15]) = (number(types), value);
    // SAFETY: there is no address in it.
    unsafe { open(BPF_MAP_CREATE, &attr) }
}

/// A program for one operation, which does nothing: member number `member`
/// of the kernel's type `table`.
///
/// # Errors
///
/// `EPERM`, or what the verifier says.
pub fn nothing(table: u32, member: u32) -> Result<OwnedFd> {
    let mut attr = [0; 28];
    (attr[0], attr[1]) = (BPF_PROG_TYPE_STRUCT_OPS, 2);
    attr[2..4].copy_from_slice(&halves(&DO_NOTHING));
    // The kernel takes no other programs as operations.
    attr[4..6].copy_from_slice(&halves(c"Dual MIT/GPL"));
    // expected_attach_type and attach_btf_id.
    (attr[17], attr[27]) = (member, table);
    // SAFETY: the addresses of two instructions and of a text that ends in
    // NUL.
    unsafe { open(BPF_PROG_LOAD, &attr) }
}

/// Fills in the table. `value` is as long as the map's value.
///
/// # Errors
///
/// What the kernel has against it.
pub fn fill(map: BorrowedFd<'_>, value: &[u8]) -> Result<()> {
    let key = 0_u32;
    let [key_low, key_high] = halves(&key);
    let [low, high] = halves(value);
    let attr = [number(map), 0, key_low, key_high, low, high, 0, 0];
    // SAFETY: the addresses of a key of four bytes and of the value.
    unsafe { bpf(BPF_MAP_UPDATE_ELEM, &attr) }.map(drop)
}

/// Puts the operations to use, until the link is closed.
///
/// # Errors
///
/// `EBUSY` if others are in use; what the kernel has against them.
pub fn link(map: BorrowedFd<'_>) -> Result<OwnedFd> {
    let attr = [number(map), 0, BPF_STRUCT_OPS, 0];
    // SAFETY: there is no address in it.
    unsafe { open(BPF_LINK_CREATE, &attr) }
}
