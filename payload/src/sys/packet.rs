//! Raw frames: packet(7) sockets.

#![expect(unsafe_code, reason = "this is where system calls are made")]

use super::{arch, check};
use core::mem::{offset_of, size_of};
use linux_raw_sys::general as raw;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Result;

const AF_PACKET: u16 = 17;
const SOCK_RAW: usize = 3;
const SOCK_CLOEXEC: usize = 0o2_000_000;
const SOL_SOCKET: usize = 1;
const SOL_PACKET: usize = 263;
const SO_RCVTIMEO: usize = 20;
const SO_SNDTIMEO: usize = 21;
const SO_ATTACH_FILTER: usize = 26;
const SO_TIMESTAMPNS: usize = 35;
const PACKET_IGNORE_OUTGOING: usize = 23;
const PACKET_OUTGOING: u8 = 4;

/// `struct sockaddr_ll`.
#[derive(Default)]
#[repr(C)]
struct Address {
    family: u16,
    protocol: [u8; 2],
    ifindex: u32,
    hatype: u16,
    pkttype: u8,
    halen: u8,
    addr: [u8; 8],
}

/// `struct sock_filter`: an instruction of classic BPF.
#[repr(C)]
struct Filter(u16, u8, u8, u32);

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    len: u16,
    filter: *const Filter,
}

/// `struct iovec`.
#[repr(C)]
struct Slice {
    base: *mut u8,
    len: usize,
}

/// `struct msghdr`.
#[repr(C)]
struct Message {
    name: *mut Address,
    name_len: u32,
    slices: *mut Slice,
    slices_len: usize,
    control: *mut Control,
    control_len: usize,
    flags: u32,
}

/// `struct cmsghdr` with a time stamp; `len` is 0 without one.
#[derive(Default)]
#[repr(C)]
struct Control {
    len: usize,
    level: u32,
    kind: u32,
    seconds: u64,
    nanos: u64,
}

/// A frame that was received.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Its length, at most that of the buffer.
    pub len: usize,
    /// When the kernel received it, in ns of `CLOCK_REALTIME`; 0 if it does
    /// not say.
    pub stamp_ns: u64,
    /// It was sent by this machine, and is seen on its way out.
    pub outgoing: bool,
}

/// A socket for sending on an interface: of no protocol, so that it receives
/// nothing. A send waits no longer than 100 ms.
///
/// # Errors
///
/// `EAFNOSUPPORT` without `CONFIG_PACKET`, `EPERM`, `ENODEV`.
pub fn sender(ifindex: u64) -> Result<OwnedFd> {
    socket(ifindex, 0, SO_SNDTIMEO, 100)
}

/// A socket for frames of one protocol that arrive on an interface and have
/// `word` at `offset`. A receive waits no longer than `timeout_ms`; 0 is for
/// ever.
///
/// # Errors
///
/// As [`sender`]; `ENOPROTOOPT` before 4.20.
pub fn receiver(
    ifindex: u64,
    protocol: u16,
    (offset, word): (u32, u32),
    timeout_ms: u64,
) -> Result<OwnedFd> {
    let socket = socket(ifindex, protocol, SO_RCVTIMEO, timeout_ms)?;
    let one = 1_u32;
    let fd = &socket;
    // Without this a frame on its way out would be delivered by its sender.
    set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one)?;
    set(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one)?;
    let filter = [
        // ld [offset]; jeq #word, 0, 1; ret #all; ret #0
        Filter(0x20, 0, 0, offset),
        Filter(0x15, 0, 1, word),
        Filter(0x06, 0, 0, u32::MAX),
        Filter(0x06, 0, 0, 0),
    ];
    let program = Program {
        len: 4,
        filter: filter.as_ptr(),
    };
    set(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program)?;
    Ok(socket)
}

fn socket(
    ifindex: u64,
    protocol: u16,
    timeout: usize,
    timeout_ms: u64,
) -> Result<OwnedFd> {
    // It receives nothing before it is bound.
    // SAFETY: takes no memory.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_socket,
            AF_PACKET.into(),
            SOCK_RAW | SOCK_CLOEXEC,
            0,
            0,
            0,
        )
    };
    let fd = i32::try_from(check(ret)?).unwrap_or(-1);
    // SAFETY: the kernel has just given it to us alone.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let address = Address {
        family: AF_PACKET,
        protocol: protocol.to_be_bytes(),
        // No interface has such a number.
        ifindex: u32::try_from(ifindex).unwrap_or(u32::MAX),
        ..Address::default()
    };
    set(
        &socket,
        SOL_SOCKET,
        timeout,
        &[timeout_ms / 1000, timeout_ms % 1000 * 1000],
    )?;
    // SAFETY: `address` is a readable sockaddr_ll.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_bind,
            number(&socket),
            (&raw const address).addr(),
            size_of::<Address>(),
            0,
            0,
        )
    };
    check(ret).map(|_| socket)
}

fn number(fd: &impl AsRawFd) -> usize {
    // An open descriptor is never negative.
    usize::try_from(fd.as_raw_fd()).unwrap_or(usize::MAX)
}

/// `setsockopt`; the kernel refuses a value of another size.
fn set<T>(fd: &OwnedFd, level: usize, name: usize, value: &T) -> Result<()> {
    // SAFETY: `value` is readable, and what a filter points at outlives the
    // call, which copies it.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_setsockopt,
            number(fd),
            level,
            name,
            (&raw const *value).addr(),
            size_of::<T>(),
        )
    };
    check(ret).map(drop)
}

/// `send`: the whole frame.
///
/// # Errors
///
/// `EAGAIN` if the ring stayed full, `ENOBUFS`, `ENETDOWN`.
pub fn send(fd: BorrowedFd<'_>, frame: &[u8]) -> Result<()> {
    // SAFETY: `frame` is readable; there is no address.
    let ret = unsafe {
        arch::syscall6(
            raw::__NR_sendto,
            [number(&fd), frame.as_ptr().addr(), frame.len(), 0, 0, 0],
        )
    };
    check(ret).map(drop)
}

/// `recvmsg`; what does not fit into `buf` is dropped.
///
/// # Errors
///
/// `EAGAIN` after the time-out, `EINTR`, `ENETDOWN`.
pub fn receive(fd: BorrowedFd<'_>, buf: &mut [u8]) -> Result<Received> {
    let mut address = Address::default();
    let mut control = Control::default();
    let mut slice = Slice {
        base: buf.as_mut_ptr(),
        len: buf.len(),
    };
    let mut message = Message {
        name: &raw mut address,
        name_len: u32::try_from(size_of::<Address>()).unwrap_or(0),
        slices: &raw mut slice,
        slices_len: 1,
        control: &raw mut control,
        control_len: size_of::<Control>(),
        flags: 0,
    };
    // SAFETY: everything that `message` points at is writable, has the
    // length it says, and lives through the call.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_recvmsg,
            number(&fd),
            (&raw mut message).addr(),
            0,
            0,
            0,
        )
    };
    let len = check(ret)?;
    let stamped = control.len > offset_of!(Control, seconds);
    let stamp = control.seconds * 1_000_000_000 + control.nanos;
    Ok(Received {
        len,
        stamp_ns: if stamped { stamp } else { 0 },
        outgoing: address.pkttype == PACKET_OUTGOING,
    })
}
